"""What fails leaves a forecaster as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["all_or_nothing"]


@contextmanager
def all_or_nothing(forecaster: Any) -> Iterator[None]:
    """Give a forecaster back all that it knew, if what is done to it fails."""
    before = dict(vars(forecaster))
    try:
        yield
    except BaseException:
        vars(forecaster).clear()
        vars(forecaster).update(before)
        raise
