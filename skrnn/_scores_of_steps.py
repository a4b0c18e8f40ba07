"""Scores of steps and of entities, and scorers for scikit-learn's searches.

``y`` holds one list or array per sequence, as ``predict`` of a tagger gives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, make_scorer, r2_score

from skrnn._step_reading import (
    labels_of_steps,
    marks_of_steps,
    numbers_of_steps,
    parts_of,
    weights_of_steps,
)

__all__ = ["entity_f1_score", "entity_f1_scorer", "flatten_steps"]
__all__ += ["step_accuracy_score", "step_accuracy_scorer", "step_f1_score"]
__all__ += ["step_f1_scorer", "step_r2_score", "step_r2_scorer"]

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
    flat : ndarray of shape (n_total_steps,) or (n_total_steps, n_columns)
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
    if have_several_labels(parts):
        return numbers_of_steps(parts)
    kinds = {np.asarray(part).dtype.kind for part in parts}
    if "f" in kinds and kinds <= set("fiu"):
        return numbers_of_steps(parts)
    return labels_of_steps(parts)


def step_accuracy_score(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None
) -> float:
    """Compute the share of steps whose label is right, or all of several labels.

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
    several = have_several_labels([*true, *predicted])
    read = marks_of_steps if several else labels_of_steps
    return read(true, "y_true"), read(predicted, "y_pred"), weights


def have_several_labels(parts: list[Any]) -> bool:
    """Whether a step may have any number of labels, each with a column of its own."""
    return any(getattr(part, "ndim", 1) == 2 for part in parts)


def step_weights(sample_weight: Any, lengths: NDArray[np.int64]) -> Any:
    """Give the weights of all steps, or None."""
    if sample_weight is None:
        return None
    of_sequences, shares = weights_of_steps(sample_weight, lengths)
    return np.repeat(of_sequences, lengths) * shares


step_accuracy_scorer = make_scorer(step_accuracy_score)
step_f1_scorer = make_scorer(step_f1_score)
step_r2_scorer = make_scorer(step_r2_score)
entity_f1_scorer = make_scorer(entity_f1_score)
