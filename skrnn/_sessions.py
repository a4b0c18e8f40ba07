"""Sessions: lists of items that somebody chose, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set, Sized
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "array_of_items", "kind_of", "leave_last_out"]
__all__ += ["read_items", "read_sessions"]

Kind = Literal["strings", "whole numbers"]
FORM = "a list of sessions, each a list of items"


def leave_last_out(
    sessions: Any, n_last: int = 1
) -> tuple[list[list[Any]], list[list[Any]], NDArray[Any]]:
    """Hold the last items of sessions out, to judge recommendations by them.

    Each session is learned from without its last items, and each of these is to be
    foreseen from all items before it.

    Parameters
    ----------
    sessions : list of lists or arrays of items
        The sessions; items are strings or whole numbers.
    n_last : int, default=1
        How many items of each session are held out. A session with no more items than
        these stays in the training sessions as it is.

    Returns
    -------
    X_train : list of lists of items
        The sessions, in their order, without their last items.
    X_test : list of lists of items
        What came before each item held out: ``n_last`` for each session that is long
        enough, one session after the other.
    y_test : ndarray of shape (len(X_test),)
        The items held out.

    Raises
    ------
    ValueError
        If no session is longer than ``n_last``, or ``n_last`` is less than 1.
    TypeError
        If ``sessions`` holds something else than sessions of items.

    See Also
    --------
    NextItemRecommender : Learns from the training sessions.

    Notes
    -----
    Sessions of different people overlap in time, so that the training sessions may hold
    what others chose later. If that matters, split by time instead: learn from the
    sessions before a date, and judge by those after it.

    Examples
    --------
    >>> from skrnn import leave_last_out
    >>> X_train, X_test, y_test = leave_last_out([["tea", "cup", "milk"], ["tea"]])
    >>> X_train
    [['tea', 'cup'], ['tea']]
    >>> X_test, y_test.tolist()
    ([['tea', 'cup']], ['milk'])
    """
    if not isinstance(n_last, Integral) or n_last < 1:
        raise ValueError(f"n_last is {n_last!r}, expected a count from 1 on.")
    read, n_last = read_sessions(sessions, name="sessions"), int(n_last)
    train = [each[:-n_last] if len(each) > n_last else each for each in read]
    long = [each for each in read if len(each) > n_last]
    if not long:
        raise ValueError(
            f"No session has more than {n_last} items (n_last): the longest has "
            f"{max(map(len, read))}. Use a smaller n_last, or longer sessions."
        )
    places = range(-n_last, 0)
    contexts = [each[:place] for each in long for place in places]
    held_out = [each[place] for each in long for place in places]
    return train, contexts, array_of_items(held_out)


def read_sessions(X: Any, kind: Kind | None = None, name: str = "X") -> list[list[Any]]:
    """Check sessions: lists of strings, or of whole numbers, all of one ``kind``."""
    of_table = getattr(X, "ndim", 1) != 1 and not isinstance(X, np.ndarray)
    if isinstance(X, str | bytes | Mapping) or of_table:
        raise TypeError(
            f"{name} is a {type(X).__name__}, expected {FORM}. Of a table with a row "
            "for each click, table.groupby('session')['item'].agg(list) makes them."
        )
    if not is_list(X):
        raise TypeError(f"{name} is a {type(X).__name__}, expected {FORM}.")
    if len(X) == 0:
        raise ValueError(
            f"Found array with 0 sample(s): {name} is empty, expected {FORM}."
        )
    sessions, first = [], ""  # where the item is that says the kind
    for place, session in enumerate(X):
        where = f"{name}[{place}]"
        sessions.append(read_items(session, where, kind, first))
        if kind is None and sessions[-1]:
            kind, first = kind_of(sessions[-1][0]), f"{where}[0]"
    return sessions


def read_items(
    items: Any, where: str, kind: Kind | None = None, first: str = ""
) -> list[Any]:
    """Check items, all of one kind; ``where`` and ``first`` stand in messages."""
    if isinstance(items, str | bytes | Mapping) or not is_list(items):
        raise TypeError(
            f"{where} is {items!r}, a {type(items).__name__}, expected a list of "
            "items. A single session is a list in a list, [session]."
        )
    found = items.tolist() if isinstance(items, np.ndarray) else list(items)
    types = set(map(type, found))
    if len(types) == 1 and kind == KINDS.get(next(iter(types)), ""):
        return found  # nearly always
    for place, item in enumerate(found):
        own = kind_of(item)
        if own is None:
            raise TypeError(
                f"{where}[{place}] is {item!r}, a {type(item).__name__}, expected an "
                f"item: a string or a whole number. {advice(item)}"
            )
        if kind is None:
            kind, first = own, f"{where}[{place}]"
        if own != kind:
            others = f"{first} is one of the" if first else "fit has seen"
            raise TypeError(
                f"{where}[{place}] is {item!r}, a {type(item).__name__}, but {others} "
                f"{kind}: all items must be of one type."
            )
        found[place] = str(item) if kind == "strings" else int(item)
    return found


def is_list(value: Any) -> bool:
    """Whether a value holds others in an order, and can be read more than once."""
    sized = isinstance(value, Iterable) and isinstance(value, Sized)
    ordered = not isinstance(value, Set) and getattr(value, "ndim", 1) > 0
    return sized and ordered


KINDS: dict[type, Kind] = {str: "strings", int: "whole numbers"}


def kind_of(item: Any) -> Kind | None:
    """Say what an item is, None if it is none."""
    if isinstance(item, str):
        return "strings"
    if isinstance(item, Integral) and not isinstance(item, bool):
        return "whole numbers"
    return None


def advice(item: Any) -> str:
    """Say what to do with what is no item."""
    if isinstance(item, list | tuple | dict | set | np.ndarray):
        return "Of items with several parts make one string each."
    if isinstance(item, float) and item.is_integer():
        return "Make whole numbers of such with astype(int)."
    return "Drop what is missing, or give it a name of its own."


def array_of_items(items: list[Any]) -> NDArray[Any]:
    """Make an array: whole numbers of 64 bits, or objects."""
    if isinstance(items[0], int):
        try:
            return np.array(items, dtype=np.int64)
        except OverflowError:
            pass  # larger ones stay what they are
    found = np.empty(len(items), dtype=object)
    found[:] = items
    return found
