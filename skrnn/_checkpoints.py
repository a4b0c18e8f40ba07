"""How far a fit has come, in a file: a fit that was killed goes on from there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skrnn._files import (
    ModelFileError,
    read_archive,
    remove_drafts,
    write_archive,
)
from skrnn._plain import Reader, Writer
from skrnn._settings import Settings

__all__ = ["Checkpoint", "as_plain", "as_tensors", "compare_processes"]
__all__ += ["dump_training"]
__all__ += ["load_training", "open_checkpoint", "plain_epoch", "set_moments", "told_of"]

KIND, FORMAT = "skrnn checkpoint", 1
SECONDS = 1.0  # between two writings; an epoch may take less
NOT_COMPARED = {"callbacks", "checkpoint", "device", "processes", "tasks", "verbose"}
NOTES_OF_SKORCH = {"train_loss_best", "valid_loss_best"}
NOTES_OF_SKORCH |= {"train_batch_count", "valid_batch_count"}
ABOUT_CALLBACKS = {  # what ours remember from epoch to epoch
    "finite_guard": ["first_loss"],
    "lr_schedule": ["update"],
    "train_loss": ["best_score_"],
    "valid_loss": ["best_score_"],
    "early_stopping": [
        "misses_",
        "dynamic_threshold_",
        "best_epoch_",
        "best_model_weights_",
    ],
}


class Checkpoint:
    """A file with the states of all trainings of a fit, one after the other.

    A fit begins them in the same order each time it is run.
    """

    def __init__(self, path: Any, about: dict[str, Any]) -> None:
        self.path = Path(path)
        self.about = about
        self.states: list[dict[str, Any]] = []
        self.number = -1
        self.written = -np.inf
        remove_drafts(self.path)
        if self.path.exists():
            self.states = self._read()

    def begin(self) -> dict[str, Any] | None:
        """Begin the next training: how far it had come, if it had begun."""
        self.number += 1
        known = self.number < len(self.states)
        return self.states[self.number] if known else None

    def is_due(self) -> bool:
        """Whether the last writing is long enough ago."""
        return time.monotonic() >= self.written + SECONDS

    def keep(self, state: dict[str, Any]) -> None:
        """Write the state of the training that is going on.

        What later ones had come to is forgotten: they will not come to it again.
        """
        self.states = [*self.states[: self.number], state]
        writer = Writer()
        states = writer.describe(self.states, "training")
        tree = {"about": self.about, "states": states}
        write_archive(self.path, KIND, FORMAT, tree, writer.arrays)
        self.written = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the fit has ended."""
        self.path.unlink(missing_ok=True)

    def unusable(self, reason: Exception) -> ModelFileError:
        """Give the error of a file that cannot be gone on from."""
        return ModelFileError(
            f"checkpoint={str(self.path)!r} cannot be read ({reason}). Delete it to "
            "begin anew, or name another file."
        )

    def _read(self) -> list[dict[str, Any]]:
        try:
            tree, arrays = read_archive(self.path, KIND, FORMAT)
            about = tree["about"]
            states: list[dict[str, Any]] = Reader(arrays).make(tree["states"])
            if not all("weights" in state for state in states):
                raise ModelFileError("it holds no state of a training")
        except (OSError, ImportError, MemoryError):
            raise
        except Exception as error:  # a damaged file may fail anywhere
            raise self.unusable(error) from error
        names = [*about, *(name for name in self.about if name not in about)]
        other = [name for name in names if about.get(name) != self.about.get(name)]
        if other:
            raise ValueError(
                f"checkpoint={str(self.path)!r} holds a fit with other {other}: run "
                "that one again, delete the file to begin anew, or name another."
            )
        return states


def open_checkpoint(
    settings: Settings, config: dict[str, Any], weights: Any, data: Iterable[Any]
) -> Checkpoint:
    """Open the file of a fit, and compare what stands there with this fit."""
    return Checkpoint(
        settings.checkpoint, describe_fit(settings, config, weights, data)
    )


def compare_processes(
    settings: Settings, config: dict[str, Any], weights: Any, data: Iterable[Any]
) -> None:
    """Compare what the processes were given that train together."""
    if settings.processes is None:
        return
    if settings.checkpoint is not None:
        raise ValueError(
            f"checkpoint={settings.checkpoint!r} is kept by one process, and here are "
            f"{settings.processes.count}: use checkpoint=None with device='accelerate'."
        )
    settings.processes.compare(describe_fit(settings, config, weights, data))


def describe_fit(
    settings: Settings, config: dict[str, Any], weights: Any, data: Iterable[Any]
) -> dict[str, str]:
    """Describe all that a fit depends on in a few words each."""
    about = {
        each.name: plain_text(getattr(settings, each.name))
        for each in fields(settings)
        if each.name not in NOT_COMPARED
    }
    about |= {name: plain_text(value) for name, value in config.items()}
    about["device"] = settings.device.type
    about["initial weights"] = digest(weights.values())
    about["data"] = digest(data)
    return about


def plain_text(value: Any) -> str:
    """Write a value so that it reads the same in another process."""
    if isinstance(value, np.ndarray | Tensor):
        return digest([value])
    if isinstance(value, dict):
        return plain_text(sorted((repr(k), plain_text(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return f"[{', '.join(plain_text(each) for each in value)}]"
    if isinstance(value, CodeType):
        return plain_text([value.co_code.hex(), value.co_names, value.co_consts])
    if isinstance(value, FunctionType):
        inside = [cell.cell_contents for cell in value.__closure__ or []]
        parts = [value.__qualname__, value.__code__, value.__defaults__, inside]
        return plain_text(parts)
    if isinstance(value, partial):
        return plain_text([value.func, value.args, value.keywords])
    if isinstance(value, torch.nn.Module):
        settings = {k: v for k, v in vars(value).items() if not k.startswith("_")}
        return plain_text([repr(value), settings, dict(value.state_dict())])
    if isinstance(value, type | BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


def digest(arrays: Iterable[Any]) -> str:
    """Sum up arrays in a few letters."""
    found = hashlib.sha256()
    for each in arrays:
        array = each.cpu().numpy() if isinstance(each, Tensor) else np.asarray(each)
        found.update(f"{array.shape}{array.dtype}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def dump_training(net: Any, ended: bool) -> dict[str, Any]:
    """Describe a training between two epochs by plain values."""
    module = net.module_
    moments = net.optimizer_.state_dict()["state"]
    return {
        "ended": ended,
        "weights": as_plain(dict(module.state_dict())),
        "moments": as_plain(moments),
        "history": [plain_epoch(epoch) for epoch in net.history],
        "n_epochs": net.n_epochs,
        "shuffler": net.shuffler.bit_generator.state,
        "dropout": as_plain(net.dropout_generator.get_state()),
        "callbacks": {
            name: {k: as_plain(getattr(each, k)) for k in ABOUT_CALLBACKS[name]}
            for name, each in net.callbacks_
            if name in ABOUT_CALLBACKS
        },
    }


def load_training(net: Any, state: dict[str, Any]) -> None:
    """Bring a net to where a training was that ``dump_training`` described."""
    module = net.module_
    module.load_state_dict(as_tensors(state["weights"]))
    moments = as_tensors(state["moments"])
    set_moments(net, type(net.optimizer_).__name__, moments)
    net.history = type(net.history)({**e, "batches": []} for e in state["history"])
    net.n_epochs = state["n_epochs"]
    net.shuffler.bit_generator.state = state["shuffler"]
    net.dropout_generator.set_state(torch.from_numpy(state["dropout"]))
    for name, each in net.callbacks_:
        for k, value in state["callbacks"].get(name, {}).items():
            setattr(each, k, as_tensors(value))


def set_moments(net: Any, kind: str, moments: dict[int, dict[str, Any]]) -> None:
    """Give an optimiser of the same kind its state, but leave it its settings."""
    if moments and type(net.optimizer_).__name__ == kind:
        groups = net.optimizer_.state_dict()["param_groups"]
        net.optimizer_.load_state_dict({"state": moments, "param_groups": groups})


def as_plain(value: Any) -> Any:
    """Make tensors arrays, and numbers of numpy those of Python, at any depth."""
    if isinstance(value, dict):
        return {name: as_plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_plain(each) for each in value]
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy().copy()
    return value.item() if isinstance(value, np.generic) else value


def as_tensors(value: Any) -> Any:
    """Make arrays tensors again; torch moves them to the device of their place."""
    if isinstance(value, dict):
        return {name: as_tensors(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_tensors(each) for each in value]
    return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def plain_epoch(epoch: dict[str, Any]) -> dict[str, Any]:
    """Take one epoch of a history without its batches."""
    return {k: as_plain(v) for k, v in epoch.items() if k != "batches"}


def told_of(epoch: dict[str, Any]) -> dict[str, Any]:
    """Take what a user wants to know of one epoch of a history."""
    return {k: v for k, v in plain_epoch(epoch).items() if k not in NOTES_OF_SKORCH}
