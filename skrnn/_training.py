"""Train a module: what happens before, between and after batches."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, ProgressBar
from skorch.history import History
from torch import nn

from skrnn._batches import (
    Dataset,
    PairedSteps,
    StepDataset,
    TargetsPerStep,
    check_batch,
)
from skrnn._carrying import CarriedSteps
from skrnn._checkpoints import (
    Checkpoint,
    compare_processes,
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
from skrnn._net import FiniteGuard, Net
from skrnn._optimizers import SCHEDULES, Factor, optimizer_params
from skrnn._settings import (
    DivergenceError,
    NonFiniteError,
    Settings,
    StopTraining,
)
from skrnn._training_set import TrainingSet

__all__ = ["fit_module", "make_net"]

NONLINEARITIES = {
    "numbers": None,
    "classes": partial(torch.softmax, dim=-1),
    "labels": torch.sigmoid,
}


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
    device, data = settings.device, (train, validation)
    if settings.processes is not None:
        if isinstance(train, TrainingSet):  # else this was done before
            weights = copy_weights(module)
            compare_processes(settings, module.config, weights, arrays_of(data))
        place = settings.processes.place
        dropout_seed += place  # rows of its own, noise of its own
        settings = replace(settings, verbose=0 if place else settings.verbose)
    if isinstance(train, TrainingSet) and device.type == "cpu":  # a GPU says it itself
        check_batch(module, train, settings.batch_size, settings.bptt)
    module.to(device)
    train_set = to_dataset(train, module, settings)
    valid_set = None
    if validation is not None:
        valid_set = to_dataset(validation, module, settings)
    shuffler = np.random.default_rng(shuffle_seed)
    n_batches = len(train_set.iterator(settings.batch_size, shuffler))
    guard = FiniteGuard()
    net = make_net(module, settings, n_batches * settings.max_epochs, guard)
    net.shuffler, net.guard, net.processes = shuffler, guard, settings.processes
    net.dropout_generator = torch.Generator(device).manual_seed(dropout_seed)
    keeper = make_keeper(module, data, settings)
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
    for each in (net.callbacks, net.callbacks_):
        each[:] = [callback for callback in each if not is_of_fit(callback)]
    set_generator(module, None)
    module.eval()
    net.train_split = None
    net.history[-1]["batches"] = []
    return net


def to_dataset(data: TrainingSet | Dataset, module: Any, settings: Settings) -> Dataset:
    """Put a training set on the device; anything else is there already."""
    if not isinstance(data, TrainingSet):
        return data
    if settings.bptt is not None:
        state = module.encoder.initial_state(1)
        return CarriedSteps(data, settings.device, settings.bptt, state)
    kind = TargetsPerStep if settings.per_step else StepDataset
    return (PairedSteps if settings.paired else kind)(data, settings.device)


def is_of_fit(callback: Any) -> bool:
    """Whether a callback is of use during a fit only; it may hold data and states."""
    return isinstance(callback[-1] if isinstance(callback, tuple) else callback, OF_FIT)


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
            getattr(module, "embedding", None) is not None,
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
    if guard is not None and settings.tasks is not None:
        callbacks.append(("fit_tasks", TellTasks(settings.tasks)))
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


class TellTasks(Callback):
    """Tell scikit-learn's callbacks of each epoch."""

    def __init__(self, tasks: Any) -> None:
        self.tasks = tasks

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Tell that it begins."""
        self.tasks.begin_epoch()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Tell that it ends, and stop if one of them wants to."""
        if self.tasks.end_epoch(net):
            raise StopTraining

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Tell that an epoch ended in which training was stopped."""
        if self.tasks.epoch is not None:
            self.tasks.end_epoch(net)


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


OF_FIT = (TellTasks, Keeper)


def make_keeper(
    module: SequenceModule, data: Iterable[Any], settings: Settings
) -> Keeper | None:
    """Open the checkpoint, unless a fit of several trainings has done that."""
    checkpoint = settings.checkpoint
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, Checkpoint):
        weights = copy_weights(module)
        checkpoint = open_checkpoint(settings, module.config, weights, arrays_of(data))
    return Keeper(checkpoint)


def arrays_of(data: Iterable[Any]) -> Iterable[Any]:
    """Give all arrays of what is trained on and validated on."""
    return chain.from_iterable(each.arrays() for each in data if each is not None)


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
