"""The training loop: skorch's, over our batches."""

from __future__ import annotations

import math
import re
import sys
from typing import Any, cast

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochTimer,
    PassthroughScoring,
    PrintLog,
)
from skorch.utils import TeeGenerator
from torch import Tensor

from skrnn._batches import Dataset
from skrnn._modules import SequenceModule, copy_weights, weights_are_finite
from skrnn._optimizers import OPTIMIZERS
from skrnn._processes import Processes
from skrnn._settings import Kind, NonFiniteError, StopTraining
from skrnn._stem import Block

__all__ = ["FiniteGuard", "Net"]


class Net(NeuralNet):
    """skorch's loop over our batches, with weights in the loss."""

    shuffler: np.random.Generator | None = None
    dropout_generator: torch.Generator | None = None
    n_epochs: int = 0  # of this training
    kind: Kind = "numbers"
    guard: FiniteGuard | None = None
    processes: Processes | None = None

    def __sklearn_tags__(self) -> Any:
        """Let scorers of scikit-learn ask for probabilities, where there are some."""
        tags = super().__sklearn_tags__()
        if self.kind == "classes":
            tags.estimator_type = "classifier"
        return tags

    def get_iterator(self, dataset: Dataset, training: bool = False) -> Any:
        """Slice whole batches; no DataLoader."""
        if not training:
            return dataset.iterator(self.batch_size)
        share = None if self.processes is None else self.processes.share
        return dataset.iterator(self.batch_size, self.shuffler, self.n_epochs, share)

    def infer(self, x: dict[str, Tensor], **fit_params: Any) -> Any:
        """Run the module on what lies on its device, less what is for the loss."""
        inputs = {name: x[name] for name in x if name not in ("weights", "n_rows")}
        return self.module_(**inputs, **fit_params)

    def train_step(self, batch: Any, **fit_params: Any) -> Any:
        """Make an update; without a closure, which only few optimisers need."""
        if type(self.optimizer_) not in OPTIMIZERS.values():
            return super().train_step(batch, **fit_params)
        self._zero_grad_optimizer()
        step = self.train_step_single(batch, **fit_params)
        named = TeeGenerator(self.get_all_learnable_params())
        self.notify("on_grad_computed", named_parameters=named, batch=batch)
        self.optimizer_.step()
        return step

    def train_step_single(self, batch: Any, **fit_params: Any) -> Any:
        """Compute loss and gradients; of the whole batch, if others read parts of it.

        Running statistics of a stem are means over the processes, too.
        """
        step = super().train_step_single(batch, **fit_params)
        if self.processes is None:
            return step
        learned = (weight for _, weight in self.get_all_learnable_params())
        weights = [weight for weight in learned if weight.requires_grad]
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        tensors = [weight.grad for weight in weights] + [step["loss"]]
        for part in self.module_.modules():
            if isinstance(part, Block):
                tensors += [part.mean, part.variance]
        self.processes.add_up(tensors, len(batch[1]) / batch[0]["n_rows"])
        return step

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **kwargs: Any
    ) -> None:
        """Run an epoch; on a GPU, without waiting for the loss of each batch."""
        if iterator is None:
            return
        batches, losses = self.history[-1]["batches"], []
        first, wait = len(batches), self.waits_for_losses()
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **kwargs)
            n_rows = batch[0].get("n_rows", len(batch[1]))
            batches[-1][f"{prefix}_batch_size"] = n_rows
            losses.append(step["loss"].detach())
            if wait:
                self.note_losses(batches[-1:], losses[-1:], prefix)
            self.notify("on_batch_end", batch=batch, training=training, **step)
        if not wait:
            self.note_losses(batches[first:], losses, prefix)
        self.history.record(f"{prefix}_batch_count", len(losses))

    def waits_for_losses(self) -> bool:
        """Whether each loss is looked at at once: if that costs little, or is asked."""
        return self.device == "cpu" or bool(self.listeners_to("on_batch_end"))

    def note_losses(self, batches: Any, losses: list[Tensor], prefix: str) -> None:
        """Write losses into the history of their batches; stop where one is not finite.

        Taking their numbers is where a GPU has to be waited for.
        """
        if prefix == "valid" and self.processes is not None:  # rounding may differ
            self.processes.add_up(losses, 1.0 / self.processes.count)
        values = torch.stack(losses).tolist() if len(losses) > 1 else [losses[0].item()]
        for batch, value in zip(batches, values, strict=True):
            batch[f"{prefix}_loss"] = value
        if prefix == "train" and self.guard is not None:
            self.guard.look_at(values)

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor, X: Any = None, training: bool = False
    ) -> Tensor:
        """Weighted mean; weights have mean one over the whole set."""
        losses: Tensor = self.criterion_(y_pred, y_true)
        weights = X.get("weights")
        if weights is not None:
            losses = losses * weights
        return losses.mean() if losses.ndim == 1 else losses.sum() / len(losses)

    @property
    def classes_(self) -> Any:
        """Codes of classes; scorers of scikit-learn ask for them."""
        return np.arange(self.sequence_module.config["n_outputs"])

    def predict(self, X: Any) -> Any:
        """Decode outputs like targets: codes, 0/1 labels or scaled numbers."""
        outputs = self.predict_proba(X)
        if self.kind == "classes":
            return outputs.argmax(axis=-1)
        return (outputs > 0.5).astype(np.int64) if self.kind == "labels" else outputs

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call the callbacks that listen; most do not listen to every batch.

        If one of them ends training, or one in another process does, it ends.
        """
        getattr(self, method_name)(self, **kwargs)
        ends = False
        for callback in self.listeners_to(method_name):
            try:
                getattr(callback, method_name)(self, **kwargs)
            except StopTraining:
                ends = True
            except KeyboardInterrupt:  # this is how skorch's EarlyStopping stops
                if not isinstance(callback, EarlyStopping):
                    raise
                ends = True
            if ends:
                break
        if self.processes is not None and method_name == "on_epoch_end":
            ends = self.processes.any(ends)
        if ends:
            raise StopTraining

    def listeners_to(self, method_name: str) -> list[Any]:
        """Find the callbacks that do anything in a method."""
        silent = getattr(Callback, method_name)
        return [
            callback
            for _, callback in self.callbacks_
            if getattr(type(callback), method_name, None) is not silent
        ]

    def _zero_grad_optimizer(self, set_to_none: bool | None = None) -> None:
        """Forget the gradients; for few small tensors torch's own way is slow."""
        if type(self.optimizer_).zero_grad is not torch.optim.Optimizer.zero_grad:
            super()._zero_grad_optimizer(set_to_none)
            return
        for group in self.optimizer_.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _set_training(self, training: bool = True) -> None:
        """Change the mode only if it changes: walking a module tree takes time."""
        if self.module_.training != training:
            super()._set_training(training)

    @property
    def sequence_module(self) -> SequenceModule:
        """Our module, taken out of what ``torch.compile`` put around it."""
        module = self.module_._modules.get("_orig_mod", self.module_)
        return cast("SequenceModule", module)

    @property
    def _default_callbacks(self) -> list[Any]:
        callbacks = [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
        ]
        if self.verbose:
            callbacks.append(("print_log", PrintLog(sink=print_row)))
        return callbacks


def print_row(row: str) -> None:
    """Print a line of the log, with colours only where they can be seen."""
    print(row if sys.stdout.isatty() else re.sub(r"\x1b\[\d+m", "", row))


class FiniteGuard(Callback):
    """Stop at the first loss that is not finite; keep the weights of each epoch."""

    def __init__(self) -> None:
        self.good: dict[str, Tensor] | None = None
        self.first_loss: float | None = None

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Remember the weights that the last epoch ended with."""
        if self.first_loss is not None and weights_are_finite(net.module_):
            self.good = copy_weights(net.module_)
        if len(net.history) > 1:
            net.history[-2]["batches"] = []  # else history grows with every batch

    def look_at(self, losses: list[float]) -> None:
        """Look at the loss of every batch that is trained on."""
        if self.first_loss is None:
            self.first_loss = losses[0]
        if not all(map(math.isfinite, losses)):
            raise NonFiniteError
