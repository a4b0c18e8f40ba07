"""Callbacks of a user: skorch's for a copy of an estimator, and scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import clone

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: there is no ``set_callbacks``."""

    def with_callbacks(method: Any) -> Any:
        """Leave a method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "FitTasks", "fresh_callbacks", "tasks_of"]
__all__ += ["with_callbacks"]


def fresh_callbacks(callbacks: Any, otherwise: Callable[[Any], Any]) -> Any:
    """Clone callbacks; give one that cannot be cloned to ``otherwise``.

    skorch takes every attribute of a callback for an argument of its constructor, so
    one that keeps a list of losses cannot be cloned.
    """

    def fresh(callback: Any) -> Any:
        try:
            return clone(callback, safe=False)
        except Exception:  # constructors are the user's and may raise anything
            return otherwise(callback)

    if not isinstance(callbacks, list | tuple):
        return clone(callbacks, safe=False)
    return type(callbacks)([fresh(callback) for callback in callbacks])


class FitTasks:
    """A fit and its epochs, as scikit-learn's callbacks are told of them."""

    def __init__(
        self, estimator: Any, X: Any, y: Any, sample_weight: Any, max_epochs: Any
    ) -> None:
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.about = {"estimator": estimator, "X": X, "y": y, "metadata": weights}
        most = None if isinstance(max_epochs, str) else int(max_epochs)
        self.fit = estimator._init_callback_context(max_subtasks=most)
        self.fit.call_on_fit_task_begin(**self.about)
        self.epoch: Any = None

    def begin_epoch(self) -> None:
        """Begin the next epoch."""
        self.epoch = self.fit.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.about)

    def end_epoch(self, net: Any) -> bool:
        """End an epoch, after which a net is as it is: whether it shall be the last."""
        estimator, epoch, self.epoch = self.about["estimator"], self.epoch, None
        return bool(
            epoch.call_on_fit_task_end(
                **self.about,
                reconstruction_attributes=lambda: {"net_": estimator._copy_of(net)},
            )
        )

    def end(self) -> None:
        """End the fit."""
        self.fit.call_on_fit_task_end(**self.about, reconstruction_attributes={})


def tasks_of(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None, max_epochs: Any = 0
) -> FitTasks | None:
    """Begin to tell the callbacks that were set of a fit, if there are any."""
    if not vars(estimator).get("_skl_callbacks"):
        return None
    return FitTasks(estimator, X, y, sample_weight, max_epochs)
