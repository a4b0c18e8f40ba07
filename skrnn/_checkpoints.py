"""How far a fit has come, in a file: a fit that was killed goes on from there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skrnn._files import ModelFileError, read_archive, write_archive
from skrnn._plain import Reader, Writer
from skrnn._settings import Settings

__all__ = ["Checkpoint", "as_plain", "dump_training", "load_training"]
__all__ += ["open_checkpoint", "plain_epoch", "set_moments"]

KIND, FORMAT = "skrnn checkpoint", 1
SECONDS = 1.0  # between two writings; an epoch may take less
NOT_COMPARED = {"callbacks", "checkpoint", "device", "verbose"}
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

    def _read(self) -> list[dict[str, Any]]:
        try:
            tree, arrays = read_archive(self.path, KIND, FORMAT)
            about = tree["about"]
            states: list[dict[str, Any]] = Reader(arrays).make(tree["states"])
        except (OSError, ImportError):
            raise
        except Exception as error:  # a damaged file may fail anywhere
            raise ModelFileError(
                f"checkpoint={str(self.path)!r} cannot be read: {error} Delete it to "
                "begin anew, or name another file."
            ) from error
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
    about = {
        each.name: plain_text(getattr(settings, each.name))
        for each in fields(settings)
        if each.name not in NOT_COMPARED
    }
    about |= {name: plain_text(value) for name, value in config.items()}
    about["initial weights"] = digest(weights.values())
    about["data"] = digest(data)
    return Checkpoint(settings.checkpoint, about)


def plain_text(value: Any) -> str:
    """Write a value so that it reads the same in another process."""
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value))}"
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
        "weights": arrays_of(module.state_dict()),
        "moments": {k: arrays_of(each) for k, each in moments.items()},
        "history": [plain_epoch(epoch) for epoch in net.history],
        "n_epochs": net.n_epochs,
        "shuffler": net.shuffler.bit_generator.state,
        "dropout": as_plain(net.dropout_generator.get_state()),
        "callbacks": {
            name: {k: plain_weights(getattr(each, k)) for k in ABOUT_CALLBACKS[name]}
            for name, each in net.callbacks_
            if name in ABOUT_CALLBACKS
        },
    }


def load_training(net: Any, state: dict[str, Any]) -> None:
    """Bring a net to where a training was that ``dump_training`` described."""
    module = net.module_
    module.load_state_dict(tensors_of(state["weights"]))
    moments = {k: tensors_of(each) for k, each in state["moments"].items()}
    set_moments(net, type(net.optimizer_).__name__, moments)
    net.history = type(net.history)({**e, "batches": []} for e in state["history"])
    net.n_epochs = state["n_epochs"]
    net.shuffler.bit_generator.state = state["shuffler"]
    net.dropout_generator.set_state(torch.from_numpy(state["dropout"]))
    for name, each in net.callbacks_:
        for k, value in state["callbacks"].get(name, {}).items():
            setattr(each, k, tensors_of(value) if isinstance(value, dict) else value)


def set_moments(net: Any, kind: str, moments: dict[int, dict[str, Any]]) -> None:
    """Give an optimiser of the same kind its state, but leave it its settings."""
    if moments and type(net.optimizer_).__name__ == kind:
        groups = net.optimizer_.state_dict()["param_groups"]
        net.optimizer_.load_state_dict({"state": moments, "param_groups": groups})


def plain_weights(value: Any) -> Any:
    """Make a dict of tensors one of arrays, and a tensor an array."""
    return arrays_of(value) if isinstance(value, dict) else as_plain(value)


def arrays_of(tensors: dict[str, Any]) -> dict[str, Any]:
    """Make tensors arrays, by name."""
    return {name: as_plain(value) for name, value in tensors.items()}


def tensors_of(arrays: dict[str, Any]) -> dict[str, Any]:
    """Make arrays tensors, by name; torch moves them to the device of their place."""
    return {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in arrays.items()
    }


def as_plain(value: Any) -> Any:
    """Make a tensor an array, a number of numpy one of Python."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy().copy()
    return value.item() if isinstance(value, np.generic) else value


def plain_epoch(epoch: dict[str, Any]) -> dict[str, Any]:
    """Take one epoch of a history without its batches."""
    return {k: as_plain(v) for k, v in epoch.items() if k != "batches"}
