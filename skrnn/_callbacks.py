"""Callbacks of a user, for a copy of an estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import clone

__all__ = ["fresh_callbacks"]


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
