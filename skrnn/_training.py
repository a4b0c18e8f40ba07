"""Train a module: loop and guard. The only skorch file."""

from __future__ import annotations

import copy
import math
import re
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, cast

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochTimer,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
)
from skorch.history import History
from skorch.utils import TeeGenerator
from torch import Tensor, nn

from skrnn._batches import Dataset, check_batch, to_dataset
from skrnn._checkpoints import (
    Checkpoint,
    dump_training,
    load_training,
    open_checkpoint,
    set_moments,
)
from skrnn._losses import make_loss
from skrnn._modules import (
    SequenceModule,
    copy_weights,
    set_generator,
    weights_are_finite,
)
from skrnn._native import reused_memory
from skrnn._optimizers import OPTIMIZERS, SCHEDULES, Factor, optimizer_params
from skrnn._settings import (
    DivergenceError,
    Kind,
    NonFiniteError,
    Settings,
    StopTraining,
)
from skrnn._training_set import TrainingSet

__all__ = ["Net", "fit_module", "make_net"]

NONLINEARITIES = {
    "numbers": None,
    "classes": partial(torch.softmax, dim=-1),
    "labels": torch.sigmoid,
}


class Net(NeuralNet):
    """skorch's loop over our batches, with weights in the loss."""

    shuffler: np.random.Generator | None = None
    dropout_generator: torch.Generator | None = None
    n_epochs: int = 0  # of this training
    kind: Kind = "numbers"
    guard: FiniteGuard | None = None

    def get_iterator(self, dataset: Dataset, training: bool = False) -> Any:
        """Slice whole batches; no DataLoader."""
        if not training:
            return dataset.iterator(self.batch_size)
        return dataset.iterator(self.batch_size, self.shuffler, self.n_epochs)

    def infer(self, x: dict[str, Tensor], **fit_params: Any) -> Any:
        """Run the module on what lies on its device; weights are for the loss."""
        inputs = {name: tensor for name, tensor in x.items() if name != "weights"}
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
            batches[-1][f"{prefix}_batch_size"] = len(batch[1])
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
        """Call the callbacks that listen; most do not listen to every batch."""
        getattr(self, method_name)(self, **kwargs)
        for callback in self.listeners_to(method_name):
            try:
                getattr(callback, method_name)(self, **kwargs)
            except KeyboardInterrupt:  # this is how skorch's EarlyStopping stops
                if isinstance(callback, EarlyStopping):
                    raise StopTraining from None
                raise

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


def fit_module(
    module: Any,
    train: TrainingSet | Dataset,
    validation: TrainingSet | Dataset | None,
    settings: Settings,
    old: Net | None = None,
) -> Net:
    """Train a module in place and give back the net that did it.

    From an ``old`` net, which stays as it is, history and moments are taken over.
    """
    _, dropout_seed, shuffle_seed = settings.seeds
    device = settings.device
    if isinstance(train, TrainingSet) and device.type == "cpu":  # a GPU says it itself
        check_batch(module, train, settings.batch_size)
    module.to(device)
    train_set = to_dataset(train, device)
    valid_set = None if validation is None else to_dataset(validation, device)
    shuffler = np.random.default_rng(shuffle_seed)
    n_batches = len(train_set.iterator(settings.batch_size, shuffler))
    guard = FiniteGuard()
    net = make_net(module, settings, n_batches * settings.max_epochs, guard)
    net.shuffler, net.guard = shuffler, guard
    net.dropout_generator = torch.Generator(device).manual_seed(dropout_seed)
    keeper = make_keeper(module, (train, validation), settings)
    if keeper is not None:
        net.callbacks_.append(("checkpoint", keeper))
    if old is not None:
        net.history = History(old.history)
        kind, moments = type(old.optimizer_), old.optimizer_.state_dict()["state"]
        set_moments(net, kind.__name__, copy.deepcopy(moments))
    set_generator(module, net.dropout_generator)
    net.train_split = (lambda train_set: (train_set, valid_set)) if valid_set else None
    net.notify("on_train_begin", X=train_set, y=None)
    n_left = settings.max_epochs if keeper is None else keeper.go_on(net)
    try:
        with suppress(StopTraining), reused_memory():
            net.fit_loop(train_set, epochs=n_left)
        if not weights_are_finite(module):
            raise NonFiniteError
    except NonFiniteError:
        restore_good_weights(net, guard, settings)
    net.notify("on_train_end", X=train_set, y=None)
    warn_if_diverged(net, guard, settings)
    if keeper is not None:
        keeper.end(net, last=keeper.checkpoint is not settings.checkpoint)
    set_generator(module, None)
    module.eval()
    net.train_split = None
    net.history[-1]["batches"] = []
    return net


def make_net(
    module: nn.Module,
    settings: Settings,
    n_updates: int,
    guard: FiniteGuard | None = None,
) -> Net:
    """Put a module and settings into an initialised skorch net."""
    dtype, per_step = next(module.parameters()).dtype, settings.per_step
    crf = getattr(module, "crf", None)
    params: dict[str, Any] = {
        "module": module,
        "criterion": crf or make_loss(settings.loss, dtype, per_step),
        "predict_nonlinearity": NONLINEARITIES[settings.kind],
        "lr": settings.lr,
        "max_epochs": settings.max_epochs,
        "batch_size": int(settings.batch_size),
        "device": str(settings.device),
        "verbose": int(settings.verbose),
        "train_split": None,
        **optimizer_params(
            settings.optimizer,
            settings.weight_decay,
            settings.device,
            settings.net_params,
        ),
    }
    callbacks: list[Any] = [] if guard is None else [("finite_guard", guard)]
    if guard is not None and settings.max_grad_norm is not None:
        clipping = GradientClipping(module, settings.max_grad_norm)
        callbacks.append(("gradient_clipping", clipping))
    if guard is not None and settings.lr_schedule != "constant":
        schedule = Schedule(SCHEDULES[settings.lr_schedule], n_updates)
        callbacks.append(("lr_schedule", schedule))
    if guard is not None and settings.patience is not None:
        stopping = EarlyStopping(
            "valid_loss", settings.patience, threshold=0.0, load_best=True
        )
        callbacks.append(("early_stopping", stopping))
    if guard is not None and settings.verbose > 1:
        callbacks.append(("progress_bar", ProgressBar()))
    if guard is not None:
        callbacks += check_callbacks(settings)
    params["callbacks"] = callbacks
    params.update(settings.net_params or {})
    net = Net(**params)
    net.kind = settings.kind
    return net.initialize()  # type: ignore[no-any-return]  # skorch is untyped


def check_callbacks(settings: Settings) -> list[Any]:
    """Give the user's callbacks, if they do not overrule each other's rates."""
    callbacks = list(settings.callbacks or [])
    for callback in callbacks:
        last = callback[-1] if isinstance(callback, tuple) else callback
        if isinstance(last, LRScheduler) and settings.lr_schedule != "constant":
            raise ValueError(
                f"callbacks hold an LRScheduler, but lr_schedule="
                f"{settings.lr_schedule!r} sets the learning rate, too: use "
                "lr_schedule='constant' with it."
            )
        if isinstance(last, LRScheduler) and settings.checkpoint is not None:
            raise ValueError(
                "callbacks hold an LRScheduler, and a checkpoint does not: use "
                "lr_schedule without callbacks, or checkpoint=None."
            )
    return callbacks


class GradientClipping(Callback):
    """Shorten gradients whose common norm is too large (Pascanu et al., 2013).

    Does what ``torch.nn.utils.clip_grad_norm_`` does, in a fifth of its time for the
    few small tensors of a recurrent network.
    """

    def __init__(self, module: nn.Module, max_norm: float) -> None:
        self.parameters = list(module.parameters())
        self.max_norm = max_norm

    def on_grad_computed(self, net: Any, named_parameters: Any, **kwargs: Any) -> None:
        """Scale all gradients by one factor."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients]))
        if norm.device.type == "cpu" and norm.item() <= self.max_norm:
            return
        # another device is not waited for
        factor = (self.max_norm / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor)


class Schedule(Callback):
    """Set the learning rates before each update, as shares of what they began with."""

    def __init__(self, factor: Factor, n_updates: int) -> None:
        self.factor = factor
        self.n_updates = n_updates
        self.update = 0
        self.rates: list[float] = []

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Note the rates that the groups of weights begin with."""
        self.rates = [group["lr"] for group in net.optimizer_.param_groups]

    def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        """Look the rate of this update up."""
        if training:
            factor = self.factor(self.update, self.n_updates)
            groups = net.optimizer_.param_groups
            for group, rate in zip(groups, self.rates, strict=True):
                group["lr"] = rate * factor
            self.update += 1


class Keeper(Callback):
    """Keep how far a training has come, so that it can go on after a kill."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.had_ended = False

    def go_on(self, net: Net) -> int:
        """Bring a net to where this training was; how many epochs are left."""
        state = self.checkpoint.begin()
        if state is None:
            self.checkpoint.keep(dump_training(net, ended=False))
            return int(net.max_epochs)
        try:
            load_training(net, state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise self.checkpoint.unusable(error) from error
        self.had_ended = state["ended"]
        return 0 if self.had_ended else int(net.max_epochs) - net.n_epochs

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Keep the state between two epochs."""
        net.n_epochs += 1
        if self.checkpoint.is_due():
            self.checkpoint.keep(dump_training(net, ended=False))

    def end(self, net: Net, last: bool) -> None:
        """Keep the result for the trainings that follow, if there are any."""
        if last:
            self.checkpoint.remove()
        elif not self.had_ended:
            self.checkpoint.keep(dump_training(net, ended=True))


def make_keeper(
    module: SequenceModule, data: Iterable[Any], settings: Settings
) -> Keeper | None:
    """Open the checkpoint, unless a fit of several trainings has done that."""
    checkpoint = settings.checkpoint
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, Checkpoint):
        weights = copy_weights(module)
        arrays = chain.from_iterable(each.arrays() for each in data if each is not None)
        checkpoint = open_checkpoint(settings, module.config, weights, arrays)
    return Keeper(checkpoint)


def restore_good_weights(net: Net, guard: FiniteGuard, settings: Settings) -> None:
    """Go back to the last epoch that ended well, or fail if there is none."""
    epoch = len(net.history)
    advice = (
        f"Try a smaller lr (it is {settings.lr}), a smaller max_grad_norm, or scale X."
    )
    if guard.good is None:
        raise DivergenceError(
            f"Training diverged: the loss became NaN or infinite in epoch {epoch}, "
            f"before any epoch ended well. Nothing was fitted. {advice}"
        )
    net.module_.load_state_dict(guard.good)
    if "train_loss" not in net.history[-1]:
        del net.history[-1]
    warnings.warn(
        f"Training diverged: the loss became NaN or infinite in epoch {epoch}. The "
        f"weights of the last good epoch are kept. {advice}",
        ConvergenceWarning,
        stacklevel=6,
    )


def warn_if_diverged(net: Net, guard: FiniteGuard, settings: Settings) -> None:
    """Say so if the network is worse than before its first update."""
    final = net.history[-1].get("train_loss")
    if final is None or guard.first_loss is None:
        return
    if final > 10 * max(guard.first_loss, 1.0):  # 1: targets are scaled
        warnings.warn(
            f"Training did not converge: the loss rose from {guard.first_loss:.3g} "
            f"before the first update to {final:.3g} in the last epoch. Try a smaller "
            f"lr (it is {settings.lr}).",
            ConvergenceWarning,
            stacklevel=6,
        )
