"""Scores of steps, entities, recommendations and texts, and scorers for searches.

For steps, ``y`` holds one list or array per sequence, as ``predict`` of a tagger gives
them. The names that end in ``_scorer`` go where scikit-learn takes ``scoring=``, and so
does what ``make_next_item_scorer`` makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, make_scorer, r2_score

from skrnn._sessions import kind_of, read_items
from skrnn._step_reading import (
    labels_of_steps,
    numbers_of_steps,
    parts_of,
    weights_of_steps,
)
from skrnn._training_set import check_sample_weight

__all__ = [
    "bleu_score",
    "bleu_scorer",
    "chrf_score",
    "chrf_scorer",
    "entity_f1_score",
    "entity_f1_scorer",
    "exact_match_score",
    "exact_match_scorer",
    "flatten_steps",
    "make_next_item_scorer",
    "mrr_at_k",
    "recall_at_k",
    "step_accuracy_score",
    "step_accuracy_scorer",
    "step_f1_score",
    "step_f1_scorer",
    "step_r2_score",
    "step_r2_scorer",
]

Entity = tuple[int, int, int, str]  # sequence, first step, step after the last, type


def flatten_steps(y: Any) -> NDArray[Any]:
    """Put the labels or numbers of all steps into one array.

    For scores of scikit-learn that have no counterpart here.

    Parameters
    ----------
    y : list of lists or arrays of shape (n_steps_i,), or array of shape \
(n_sequences, n_steps)
        A value for each step of each sequence.

    Returns
    -------
    flat : ndarray of shape (n_total_steps,)
        One sequence after the other.

    Raises
    ------
    TypeError
        If y is no list or array.
    ValueError
        If an entry of y is a single value, or a label is missing.

    Examples
    --------
    >>> from sklearn.metrics import confusion_matrix
    >>> from skrnn.metrics import flatten_steps
    >>> y_true, y_pred = [["O", "B"], ["B"]], [["O", "O"], ["B"]]
    >>> confusion_matrix(flatten_steps(y_true), flatten_steps(y_pred)).tolist()
    [[1, 1], [0, 1]]
    """
    parts = parts_of(y, None)
    if not parts:
        raise ValueError("y is empty: there is no step.")
    kinds = {np.asarray(part).dtype.kind for part in parts}
    if "f" in kinds and kinds <= set("fiu"):
        return numbers_of_steps(parts)
    return labels_of_steps(parts)


def step_accuracy_score(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None
) -> float:
    """Compute the share of steps whose label is right.

    Parameters
    ----------
    y_true : list of lists or arrays of shape (n_steps_i,), or array of shape \
(n_sequences, n_steps)
        The true labels.
    y_pred : list of lists or arrays of shape (n_steps_i,), or array of shape \
(n_sequences, n_steps)
        The predicted labels.
    sample_weight : array of shape (n_sequences,), or like y_true, or None, default=None
        Weights of the sequences, or of their steps. None is 1.

    Returns
    -------
    accuracy : float
        Of all steps of all sequences together.

    Raises
    ------
    ValueError
        If y_true, y_pred and the weights differ in their lengths; the message names the
        sequence.

    See Also
    --------
    entity_f1_score : For spans that are written as BIO tags.

    Examples
    --------
    >>> from skrnn.metrics import step_accuracy_score
    >>> step_accuracy_score([["a", "b", "b"], ["a"]], [["a", "b", "a"], ["a"]])
    0.75
    """
    true, predicted, weights = flat_labels(y_true, y_pred, sample_weight)
    return float(accuracy_score(true, predicted, sample_weight=weights))


def step_f1_score(
    y_true: Any, y_pred: Any, *, average: str = "macro", sample_weight: Any = None
) -> float:
    """Compute the F1 score of labels over all steps.

    Parameters
    ----------
    y_true : list of lists or arrays of shape (n_steps_i,), or array of shape \
(n_sequences, n_steps)
        The true labels.
    y_pred : list of lists or arrays of shape (n_steps_i,), or array of shape \
(n_sequences, n_steps)
        The predicted labels.
    average : {"macro", "micro", "weighted"}, default="macro"
        How the scores of the labels become one, as in ``sklearn.metrics.f1_score``:
        "macro" is their mean, in which rare labels count as much as frequent ones.
    sample_weight : array of shape (n_sequences,), or like y_true, or None, default=None
        Weights of the sequences, or of their steps. None is 1.

    Returns
    -------
    f1 : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If y_true, y_pred and the weights differ in their lengths; the message names the
        sequence. Or if ``average`` is another.

    Examples
    --------
    >>> from skrnn.metrics import step_f1_score
    >>> step_f1_score([["a", "b", "b"], ["a"]], [["a", "b", "a"], ["a"]])
    0.733
    """
    true, predicted, weights = flat_labels(y_true, y_pred, sample_weight)
    if average not in ("macro", "micro", "weighted"):
        raise ValueError(
            f"average={average!r}, expected 'macro', 'micro' or 'weighted'."
        )
    options = {"average": average, "sample_weight": weights, "zero_division": 0.0}
    return float(f1_score(true, predicted, **options))


def step_r2_score(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Compute the coefficient of determination over all steps.

    Parameters
    ----------
    y_true : list of lists or arrays of shape (n_steps_i,) or (n_steps_i, n_outputs), \
or array of shape (n_sequences, n_steps)
        The true numbers.
    y_pred : list of lists or arrays of shape (n_steps_i,) or (n_steps_i, n_outputs), \
or array of shape (n_sequences, n_steps)
        The predicted numbers.
    sample_weight : array of shape (n_sequences,), or like y_true, or None, default=None
        Weights of the sequences, or of their steps. None is 1.

    Returns
    -------
    r2 : float
        Of all steps of all sequences together; with several outputs, the mean over
        these.

    Raises
    ------
    ValueError
        If y_true, y_pred and the weights differ in their lengths; the message names the
        sequence.

    Examples
    --------
    >>> from skrnn.metrics import step_r2_score
    >>> step_r2_score([[1.0, 2.0], [3.0]], [[1.0, 2.0], [2.0]])
    0.5
    """
    true, predicted, lengths = matching_parts(y_true, y_pred)
    weights = step_weights(sample_weight, lengths)
    numbers = (numbers_of_steps(true, "y_true"), numbers_of_steps(predicted, "y_pred"))
    return float(r2_score(*numbers, sample_weight=weights))


def entity_f1_score(y_true: Any, y_pred: Any) -> float:
    """Compute the F1 score of entities, which are spans written as BIO tags.

    "B-type" begins an entity, "I-type" goes on with it, "O" is outside; types may be
    left out ("B", "I"). An entity is found if first step, last step and type are right.

    Parameters
    ----------
    y_true : list of lists or arrays of shape (n_steps_i,), or array of shape \
(n_sequences, n_steps)
        The true tags.
    y_pred : list of lists or arrays of shape (n_steps_i,), or array of shape \
(n_sequences, n_steps)
        The predicted tags.

    Returns
    -------
    f1 : float
        Twice the number of entities that were found, divided by the number of those in
        ``y_true`` plus those in ``y_pred``; 0 if there are none.

    Raises
    ------
    ValueError
        If y_true and y_pred differ in their lengths, or hold another tag; the message
        names the sequence and the step.

    See Also
    --------
    step_accuracy_score : Counts steps.

    Notes
    -----
    The rules are those of the script conlleval of the shared task of CoNLL-2000 [1]_:
    an "I-type" that follows "O", or a tag of another type, begins an entity, too. No
    entity reaches from one sequence into the next.

    References
    ----------
    .. [1] Tjong Kim Sang & Buchholz (2000), Introduction to the CoNLL-2000 Shared Task:
       Chunking, CoNLL.

    Examples
    --------
    >>> from skrnn.metrics import entity_f1_score
    >>> y_true = [["B-city", "I-city", "O", "B-day"], ["O", "B-day"]]
    >>> y_pred = [["B-city", "I-city", "O", "O"], ["O", "I-day"]]
    >>> entity_f1_score(y_true, y_pred)  # two of three are found, nothing else
    0.8
    """
    true, predicted, _ = matching_parts(y_true, y_pred)
    expected = set(entities(true, "y_true"))
    found = set(entities(predicted, "y_pred"))
    n_both = len(expected) + len(found)
    return 2 * len(expected & found) / n_both if n_both else 0.0


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


def entities(parts: list[Any], name: str) -> Iterator[Entity]:
    """Give the entities of BIO tags."""
    for index, part in enumerate(parts):
        first, inside = 0, None  # where the entity that is open began, and its type
        for step, tag in enumerate([*part, "O"]):
            letter, kind = read_tag(tag, f"{name}[{index}][{step}]")
            goes_on = letter == "I" and kind == inside
            if inside is not None and not goes_on:
                yield index, first, step, inside
            if not goes_on:
                first, inside = step, None if letter == "O" else kind


def read_tag(tag: Any, where: str) -> tuple[str, str]:
    """Split a tag into its letter and its type."""
    letter, _, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    if letter not in ("B", "I", "O") or (letter == "O" and tag != "O"):
        raise ValueError(
            f"{where} is {tag!r}, expected 'O', 'B-type' or 'I-type'. For labels that "
            "are no spans, use step_accuracy_score or step_f1_score."
        )
    return letter, kind


def matching_parts(
    y_true: Any, y_pred: Any
) -> tuple[list[Any], list[Any], NDArray[np.int64]]:
    """Give the sequences of both, of equal lengths."""
    true, predicted = parts_of(y_true, None, "y_true"), parts_of(y_pred, None, "y_pred")
    if len(true) != len(predicted):
        raise ValueError(
            f"y_true has {len(true)} sequences, y_pred has {len(predicted)}: both need "
            "the same ones, in the same order."
        )
    for index, (one, other) in enumerate(zip(true, predicted, strict=True)):
        if len(one) != len(other):
            raise ValueError(
                f"y_true[{index}] has {len(one)} values, y_pred[{index}] has "
                f"{len(other)}: both need one for each step."
            )
    if not any(len(part) for part in true):
        raise ValueError("y_true has no steps: there is nothing to score.")
    return true, predicted, np.array([len(part) for part in true])


def flat_labels(y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Give labels and weights of all steps."""
    true, predicted, lengths = matching_parts(y_true, y_pred)
    weights = step_weights(sample_weight, lengths)
    labels = labels_of_steps(true, "y_true"), labels_of_steps(predicted, "y_pred")
    return *labels, weights


def step_weights(sample_weight: Any, lengths: NDArray[np.int64]) -> Any:
    """Give the weights of all steps, or None."""
    if sample_weight is None:
        return None
    of_sequences, shares = weights_of_steps(sample_weight, lengths)
    return np.repeat(of_sequences, lengths) * shares


def exact_match_score(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Compute the share of texts, or lists of tokens, that are exactly right.

    Parameters
    ----------
    y_true : list of str, or of lists of str
        What should have been written.
    y_pred : list of str, or of lists of str
        What was written.
    sample_weight : array of shape (n_texts,) or None, default=None
        Weights of the texts. None is 1.

    Returns
    -------
    score : float
        The share of equal ones.

    Raises
    ------
    ValueError
        If y_true, y_pred and the weights differ in their lengths.

    Examples
    --------
    >>> from skrnn.metrics import exact_match_score
    >>> exact_match_score(["one", "two"], ["one", "tow"])
    0.5
    """
    same = [one == other for one, other in texts_of(y_true, y_pred)]
    weights = check_sample_weight(sample_weight, len(same))
    return float(np.average(same, weights=weights))


def texts_of(y_true: Any, y_pred: Any) -> list[tuple[Any, Any]]:
    """Pair texts, or lists of tokens as lists."""
    true, predicted = texts_in(y_true, "y_true"), texts_in(y_pred, "y_pred")
    if len(true) != len(predicted) or not true:
        raise ValueError(
            f"y_true has {len(true)} sequences, y_pred has {len(predicted)}: both need "
            "the same number of texts, 1 at least."
        )
    for place, (one, other) in enumerate(zip(true, predicted, strict=True)):
        if isinstance(one, str) != isinstance(other, str):
            kinds = ["a text" if isinstance(t, str) else "a list" for t in (one, other)]
            raise ValueError(
                f"y_true[{place}] is {kinds[0]}, but y_pred[{place}] is {kinds[1]}: "
                "compare texts with texts, and tokens with tokens."
            )
    return list(zip(true, predicted, strict=True))


def texts_in(y: Any, name: str) -> list[Any]:
    """Read texts, and lists of tokens as lists."""
    if isinstance(y, str) or not hasattr(y, "__len__"):
        raise TypeError(
            f"{name} is a {type(y).__name__}, expected a list of texts, or of lists of "
            "tokens."
        )
    for place, each in enumerate(y):
        if not isinstance(each, str | list | tuple | np.ndarray):
            raise TypeError(
                f"{name}[{place}] is {each!r}, a {type(each).__name__}, expected a "
                "text or a list of tokens."
            )
    return [each if isinstance(each, str) else list(each) for each in y]


def bleu_score(y_true: Any, y_pred: Any) -> float:
    """Compute BLEU, what translations are measured by.

    Parameters
    ----------
    y_true : list of str, or of lists of str
        What should have been written.
    y_pred : list of str, or of lists of str
        What was written. Lists of tokens are compared as they are; texts are cut by
        the rules "13a" of the WMT conferences.

    Returns
    -------
    score : float
        Of all texts together, from 0 to 100, as papers quote it.

    Raises
    ------
    ValueError
        If y_true and y_pred differ in their lengths.
    ImportError
        If sacrebleu is not installed.

    See Also
    --------
    chrf_score : For languages with many forms of a word.

    References
    ----------
    .. [1] Papineni et al. (2002), BLEU: a Method for Automatic Evaluation of Machine
       Translation, doi:10.3115/1073083.1073135.
    .. [2] Post (2018), A Call for Clarity in Reporting BLEU Scores,
       doi:10.18653/v1/W18-6319.

    Examples
    --------
    >>> from skrnn.metrics import bleu_score
    >>> round(bleu_score(["the cat sat on the mat"], ["the cat sat on a mat"]), 1)
    53.7
    """
    pairs = texts_of(y_true, y_pred)
    cut = all(isinstance(each, str) for pair in pairs for each in pair)
    true, predicted = spaced_pairs(pairs)
    tokenize = "13a" if cut else "none"
    bleu = sacrebleu().corpus_bleu(predicted, [true], tokenize=tokenize, force=True)
    return float(bleu.score)


def chrf_score(y_true: Any, y_pred: Any) -> float:
    """Compute chrF, an F-score of the short runs of characters in texts.

    Parameters
    ----------
    y_true : list of str, or of lists of str
        What should have been written.
    y_pred : list of str, or of lists of str
        What was written. Lists of tokens are joined by spaces.

    Returns
    -------
    score : float
        Of all texts together, from 0 to 100, as papers quote it.

    Raises
    ------
    ValueError
        If y_true and y_pred differ in their lengths.
    ImportError
        If sacrebleu is not installed.

    See Also
    --------
    bleu_score : The older score, of words.

    References
    ----------
    .. [1] Popovic (2015), chrF: Character n-gram F-score for Automatic MT Evaluation,
       doi:10.18653/v1/W15-3049.

    Examples
    --------
    >>> from skrnn.metrics import chrf_score
    >>> round(chrf_score(["the cat sat on the mat"], ["the cat sat on a mat"]), 1)
    66.0
    """
    true, predicted = spaced_pairs(texts_of(y_true, y_pred))
    return float(sacrebleu().corpus_chrf(predicted, [true]).score)


def spaced_pairs(pairs: list[tuple[Any, Any]]) -> tuple[list[str], list[str]]:
    """Give the true texts and those written, as texts."""
    true, predicted = zip(*pairs, strict=True)
    return spaced([*true], "y_true"), spaced([*predicted], "y_pred")


def spaced(y: list[Any], name: str) -> list[str]:
    """Give texts; of tokens, with spaces between, which no token may hold."""
    for place, each in enumerate(y):
        broken = [] if isinstance(each, str) else [t for t in each if " " in t]
        if broken:
            raise ValueError(
                f"{name}[{place}] holds the token {broken[0]!r}: tokens are joined by "
                "spaces, and may not hold any."
            )
    return [each if isinstance(each, str) else " ".join(each) for each in y]


def sacrebleu() -> Any:
    """Load the library, if it is there."""
    try:
        import sacrebleu
    except ImportError as error:
        raise ImportError(
            "This score needs sacrebleu: pip install 'skrnn[translate]'."
        ) from error
    return sacrebleu


step_accuracy_scorer = make_scorer(step_accuracy_score)
step_f1_scorer = make_scorer(step_f1_score)
step_r2_scorer = make_scorer(step_r2_score)
entity_f1_scorer = make_scorer(entity_f1_score)
exact_match_scorer = make_scorer(exact_match_score)
bleu_scorer = make_scorer(bleu_score)
chrf_scorer = make_scorer(chrf_score)
