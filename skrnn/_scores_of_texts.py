"""Scores of texts that were written, and scorers for scikit-learn's searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import make_scorer

from skrnn._training_set import check_sample_weight

__all__ = ["bleu_score", "bleu_scorer", "chrf_score", "chrf_scorer"]
__all__ += ["exact_match_score", "exact_match_scorer"]


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
            "This score needs sacrebleu: pip install sacrebleu."
        ) from error
    return sacrebleu


exact_match_scorer = make_scorer(exact_match_score)
bleu_scorer = make_scorer(bleu_score)
chrf_scorer = make_scorer(chrf_score)
