"""Texts cut into tokens, tokens chosen and numbered, texts made of tokens again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sized
from functools import lru_cache
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from skrnn._training_set import check_sample_weight

__all__ = ["OF_TEXTS", "Cutter", "choose_tokens", "count_tokens", "cutter_of"]
__all__ += ["numbers_of", "places_of"]

UNKNOWN = -1
FORMS = "a list of texts, or of lists of tokens"
OF_TEXTS: dict[str, list[Any]] = {  # parameters of all that reads texts
    "level": [StrOptions({"word", "char"})],
    "lowercase": ["boolean"],
    "token_pattern": [str],
    "min_count": [Interval(Integral, 1, None, closed="left")],
}


class Cutter(NamedTuple):
    """How texts are cut; lists of tokens are taken as they are."""

    level: str
    lowercase: bool
    token_pattern: str

    @classmethod
    def of(cls, estimator: Any) -> Cutter:
        """Take the parameters of an estimator."""
        return cls(estimator.level, estimator.lowercase, estimator.token_pattern)

    def cut(self, X: Any, empty: bool = False, name: str = "X") -> list[list[str]]:
        """Cut every text into tokens; texts may be ``empty``."""
        if isinstance(X, str | bytes | Mapping) or getattr(X, "ndim", 1) != 1:
            about = "" if isinstance(X, str | bytes | Mapping) else f" of {X.ndim} axes"
            raise ValueError(
                f"{name} is a {type(X).__name__}{about}, expected {FORMS}; of a "
                "DataFrame pass the column with the texts."
            )
        if not isinstance(X, Iterable) or not isinstance(X, Sized):
            raise TypeError(f"{name} is a {type(X).__name__}, expected {FORMS}.")
        if len(X) == 0:
            raise ValueError(
                f"Found array with 0 sample(s): {name} is empty, expected {FORMS}."
            )
        lists = [self.cut_one(each, f"{name}[{place}]") for place, each in enumerate(X)]
        are_texts = [isinstance(each, str) for each in X]
        if any(are_texts) and not all(are_texts):
            raise TypeError(
                f"{name}[{are_texts.index(True)}] is a text, but {name}"
                f"[{are_texts.index(False)}] holds tokens: pass texts only, or lists "
                "of tokens only."
            )
        if not empty:
            refuse_empty(lists, X, name)
        return lists

    def cut_one(self, text: Any, where: str) -> list[str]:
        """Cut one text, or take one list."""
        if isinstance(text, str):
            text = text.lower() if self.lowercase else text
            pattern = compiled(self.token_pattern)
            return list(text) if self.level == "char" else pattern.findall(text)
        if not isinstance(text, list | tuple | np.ndarray):
            raise TypeError(
                f"{where} is {text!r}, a {type(text).__name__}, expected a text or a "
                "list of tokens: fill or drop missing texts first."
            )
        tokens = list(text)
        other = [token for token in tokens if not isinstance(token, str)]
        if other:
            raise TypeError(
                f"{where} holds {other[0]!r}, a {type(other[0]).__name__}, expected "
                "tokens that are strings."
            )
        return tokens

    def join(self, tokens: list[str]) -> str:
        """Make a text of tokens, with spaces between words where one writes them."""
        if self.level == "char":
            return "".join(tokens)
        text = re.sub(r" ([.,;:!?)\]}])", r"\1", " ".join(tokens))
        return re.sub(r"([(\[{]) ", r"\1", text)


def cutter_of(estimator: Any) -> Cutter:
    """Give what cuts texts as ``fit`` of an estimator has done."""
    fitted = vars(estimator).get("_cut_by")
    return Cutter.of(estimator) if fitted is None else Cutter(**fitted)


def refuse_empty(lists: list[list[str]], X: Any, name: str = "X") -> None:
    """Name the first text without tokens."""
    if not all(lists):
        place = lists.index([])
        raise ValueError(
            f"{name}[{place}] has no tokens ({[*X][place]!r}): drop it, with its "
            "target, or put a token there that stands for nothing."
        )


@lru_cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile the pattern of a token."""
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"token_pattern={pattern!r} is no regular expression ({error})."
        ) from error
    if found.groups > 1 or found.fullmatch("") is not None:
        raise ValueError(
            f"token_pattern={pattern!r} must match one sign at least and hold no more "
            "than one group: write (?:...) for others."
        )
    return found


def count_tokens(lists: Iterable[Any], sample_weight: Any = None) -> Counter[Any]:
    """Count tokens, each list as often as its weight says, rounded up."""
    lists = [*lists]
    weights = np.ceil(check_sample_weight(sample_weight, len(lists))).tolist()
    counts: Counter[Any] = Counter()
    for tokens, weight in zip(lists, weights, strict=True):
        for token, n in Counter(tokens).items():
            counts[token] += n * weight
    return counts


def choose_tokens(
    counts: Mapping[Any, float], min_count: int, most: int | None, what: str = "token"
) -> list[Any]:
    """Choose those that come up often enough, the most frequent ones first."""
    often = [(-n, token) for token, n in counts.items() if n >= min_count]
    chosen = [token for _, token in sorted(often)[:most]]
    if not chosen:
        raise ValueError(
            f"No {what} comes up {min_count} times (min_count), so that none would be "
            "known: use a smaller min_count or more to learn from."
        )
    return chosen


def places_of(tokens: Iterable[str]) -> dict[str, int]:
    """Give tokens their numbers."""
    return {token: place for place, token in enumerate(tokens)}


def numbers_of(
    lists: list[list[str]], places: Mapping[str, int]
) -> list[NDArray[np.int64]]:
    """Give the numbers of the tokens of each list, -1 of unknown ones."""
    return [
        np.array([places.get(token, UNKNOWN) for token in tokens], dtype=np.int64)
        for tokens in lists
    ]
