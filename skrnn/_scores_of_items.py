"""Scores of recommendations, and a scorer for scikit-learn's searches."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skrnn._sessions import kind_of, read_items

__all__ = ["make_next_item_scorer", "mrr_at_k", "recall_at_k"]


def recall_at_k(y_true: Any, recommended: Any, k: int | None = None) -> float:
    """Compute how often the true next item is among the first ``k`` recommended ones.

    Parameters
    ----------
    y_true : list or array of items of shape (n_sessions,)
        The item that came next in each session.
    recommended : array or list of lists of items of shape (n_sessions, n_recommended)
        The items recommended for each session, the best ones first.
    k : int or None, default=None
        How many of these count; None is all.

    Returns
    -------
    recall : float
        Between 0 and 1. With one true item per session this is also called hit rate.

    Raises
    ------
    ValueError
        If the numbers of sessions differ, or ``k`` is larger than the number of items
        recommended.
    TypeError
        If items are of different types, or neither strings nor whole numbers.

    See Also
    --------
    mrr_at_k : Counts how far in front the item stands, too.
    make_next_item_scorer : The same for searches.

    Examples
    --------
    >>> from skrnn.metrics import recall_at_k
    >>> recall_at_k(["tea", "milk"], [["cup", "tea"], ["tea", "cup"]])
    0.5
    """
    return float(np.mean(np.isfinite(ranks_of(y_true, recommended, k))))


def mrr_at_k(y_true: Any, recommended: Any, k: int | None = None) -> float:
    """Compute the mean reciprocal rank of the true next items.

    An item that is recommended first counts 1, second 1/2, third 1/3, and not among the
    first ``k`` 0.

    Parameters
    ----------
    y_true : list or array of items of shape (n_sessions,)
        The item that came next in each session.
    recommended : array or list of lists of items of shape (n_sessions, n_recommended)
        The items recommended for each session, the best ones first.
    k : int or None, default=None
        How many of these count; None is all.

    Returns
    -------
    mrr : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the numbers of sessions differ, or ``k`` is larger than the number of items
        recommended.
    TypeError
        If items are of different types, or neither strings nor whole numbers.

    See Also
    --------
    recall_at_k : Counts only whether the item is there.

    Examples
    --------
    >>> from skrnn.metrics import mrr_at_k
    >>> mrr_at_k(["tea", "milk"], [["cup", "tea"], ["tea", "cup"]])
    0.25
    """
    return float(np.mean(1 / ranks_of(y_true, recommended, k)))


def ranks_of(y_true: Any, recommended: Any, k: int | None) -> NDArray[np.float64]:
    """Find where each true item stands among the first ``k``, infinity if not."""
    true = read_items(y_true, "y_true")
    if not hasattr(recommended, "__len__") or getattr(recommended, "ndim", 2) != 2:
        about = f" of shape {recommended.shape}" if hasattr(recommended, "ndim") else ""
        raise ValueError(
            f"recommended is a {type(recommended).__name__}{about}, expected a list of "
            "items for each item of y_true."
        )
    if len(true) != len(recommended):
        raise ValueError(
            f"y_true has {len(true)} items, recommended has {len(recommended)} lists: "
            "expected a list of items for each item of y_true."
        )
    if not true:
        raise ValueError("y_true is empty: there is nothing to score.")
    kind = kind_of(true[0])
    rows = [
        read_items(row, f"recommended[{place}]", kind, "y_true[0]")
        for place, row in enumerate(recommended)
    ]
    fewest = min(map(len, rows))
    if k is not None and (not isinstance(k, Integral) or not 1 <= k <= fewest):
        raise ValueError(
            f"k is {k!r}, expected a count from 1 to {fewest}, the number of items "
            f"recommended for session {[*map(len, rows)].index(fewest)}."
        )
    ranks = np.full(len(true), np.inf)
    for place, (item, row) in enumerate(zip(true, rows, strict=True)):
        if item in row[:k]:
            ranks[place] = 1 + row.index(item)
    return ranks


def make_next_item_scorer(
    metric: Literal["recall", "mrr"] = "recall", k: int = 20
) -> NextItemScorer:
    """Make a scorer of recommendations for scikit-learn's searches.

    Parameters
    ----------
    metric : {"recall", "mrr"}, default="recall"
        What is computed: "recall" as ``recall_at_k``, "mrr" as ``mrr_at_k``.
    k : int, default=20
        How many recommended items count.

    Returns
    -------
    scorer : callable
        For ``scoring=``. Called with an estimator and whole sessions, it asks for all
        items but the first of each; called with ``y``, too, for these items.

    Raises
    ------
    ValueError
        If ``metric`` is another, or ``k`` less than 1.

    See Also
    --------
    NextItemRecommender : What is scored; its ``rank`` gives other scores.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skrnn import NextItemRecommender
    >>> from skrnn.datasets import make_sessions
    >>> from skrnn.metrics import make_next_item_scorer
    >>> model = NextItemRecommender(hidden_size=8, max_epochs=1, random_state=0)
    >>> sessions = make_sessions(n_sessions=40, random_state=0)
    >>> scorer = make_next_item_scorer(k=5)
    >>> scores = cross_val_score(model, sessions, scoring=scorer, cv=2)
    >>> scores.shape
    (2,)
    """
    return NextItemScorer(metric, k)


@dataclass(frozen=True)
class NextItemScorer:
    """A scorer that can be pickled, compared and printed."""

    metric: str
    k: int

    def __post_init__(self) -> None:
        if self.metric not in ("recall", "mrr"):
            raise ValueError(f"metric={self.metric!r}, expected 'recall' or 'mrr'.")
        if not isinstance(self.k, Integral) or self.k < 1:
            raise ValueError(f"k is {self.k!r}, expected a count from 1 on.")

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Score an estimator with a method ``rank``."""
        while hasattr(estimator, "best_estimator_"):  # a search inside another one
            estimator = estimator.best_estimator_
        if not hasattr(estimator, "rank"):
            raise TypeError(
                f"{type(estimator).__name__} has no method rank, which "
                "NextItemRecommender has: compute recall_at_k or mrr_at_k instead."
            )
        ranks = estimator.rank(X, y)
        values = 1 / ranks if self.metric == "mrr" else 1.0
        return float(np.mean(np.where(ranks <= self.k, values, 0.0)))

    def __repr__(self) -> str:
        return f"make_next_item_scorer({self.metric!r}, k={self.k})"
