"""to_torch: one step of an estimator as a program that needs torch only."""

from __future__ import annotations

from typing import Any

from skrnn._exporting import check_difference, compare, fitted_of, refuse, step_of
from skrnn._files import replace_file

__all__ = ["to_torch"]


def to_torch(estimator: Any, path: Any) -> None:
    """Export one step of a fitted estimator to a program that needs torch only.

    ``torch.export.load(path).module()`` is a function of named tensors, for any number
    of sequences: what comes new, and the state, which ``step_state`` gives at first
    and which each step gives back. Before the file is written, the program is run and
    compared with the estimator.

    Parameters
    ----------
    estimator : object
        A fitted network of this package that goes step by step, or a forecaster.
    path : str or path-like
        The file, which is put there at once; torch wants its name to end in ".pt2".

    Raises
    ------
    NotFittedError
        If nothing was fitted yet.
    TypeError
        If ``estimator`` is of another kind.
    ValueError
        If the network cannot go step by step: it is bidirectional, has a stem, scales
        whole sequences (``scale_inputs="sequence"``), or is a forecaster with
        ``strategy="direct"``.
    RuntimeError
        If the program does not give what the estimator gives; nothing is written then.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_onnx : The same step, and whole sequences, for runtimes without Python.
    step_state : The state of the first step.

    Notes
    -----
    Inputs and outputs have the names, shapes and types that ``to_onnx`` tells of, and
    the network is in single precision; only "label" is missing, since tensors hold no
    texts. The program computes on the CPU.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> import skrnn
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(n_sequences=60, n_steps=20, random_state=0)
    >>> model = skrnn.GRUClassifier(bidirectional=False, max_epochs=2, random_state=0)
    >>> model = model.fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skrnn.to_torch(model, f"{folder}/waves.pt2")
    ...     step = torch.export.load(f"{folder}/waves.pt2").module()
    >>> arrays = skrnn.step_state(model, n_sequences=60)
    >>> state = {name: torch.from_numpy(each) for name, each in arrays.items()}
    >>> for x in torch.from_numpy(X.astype("float32")).unbind(1):
    ...     out = step(x=x, **state)
    ...     state = {name: out[f"new_{name}"] for name in state}
    >>> probabilities = out["probabilities"].numpy()
    >>> float(abs(probabilities - model.predict_proba(X)).max().round(5))
    0.0
    """
    from skrnn._programs import program_of, runner

    fitted = fitted_of(estimator, "to_torch")
    refuse(fitted, "step")
    content = program_of(step_of(fitted))
    check_difference(compare(runner(content), fitted), "program")
    replace_file(path, lambda file: file.write(content))
