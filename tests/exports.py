"""Exported files as functions of named arrays."""

import onnxruntime
import torch

import skrnn

FORMATS = ["onnx", "torch"]


def exported_step(model, folder, form):
    """A function that runs the step: outputs by name."""
    path = folder / f"step.{'onnx' if form == 'onnx' else 'pt2'}"
    if form == "torch":
        skrnn.to_torch(model, path)
        program = torch.export.load(path).module()

        def run(**given):
            tensors = {name: torch.from_numpy(each) for name, each in given.items()}
            return {name: each.numpy() for name, each in program(**tensors).items()}

        return run
    skrnn.to_onnx(model, path, kind="step")
    session = onnxruntime.InferenceSession(path)
    names = [each.name for each in session.get_outputs()]
    return lambda **given: dict(zip(names, session.run(names, given), strict=True))


def new_state(found):
    """What the next step takes."""
    after = {name: each for name, each in found.items() if name.startswith("new_")}
    return {name.removeprefix("new_"): each for name, each in after.items()}
