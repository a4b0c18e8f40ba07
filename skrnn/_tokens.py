"""TokenEncoder: texts and lists of tokens become sequences of categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import murmurhash3_32
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skrnn._callbacks import CallbackSupportMixin, tasks_of, with_callbacks
from skrnn._sequences import Sequences, offsets_of
from skrnn._texts import (
    OF_TEXTS,
    Cutter,
    choose_tokens,
    count_tokens,
    numbers_of,
    places_of,
)
from skrnn._validation import draft_of

__all__ = ["TokenEncoder", "learn_tokens"]

UNKNOWN_TOKEN = "<unknown>"


class TokenEncoder(  # transform gives Sequences, which nothing can wrap
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]  # scikit-learn is untyped
):
    r"""Turn texts, or lists of tokens, into sequences of categories.

    Each token becomes the number of its place in a vocabulary, the most frequent one
    0; tokens that are not in it become -1. Classifiers and regressors replace the
    numbers by vectors that they learn.

    Parameters
    ----------
    level : {"word", "char"}, default="word"
        What a text is cut into. Lists are taken as they are, one item for each token.
    lowercase : bool, default=True
        Whether texts are brought to lower case.
    token_pattern : str, default=r"\w+|[^\w\s]"
        Regular expression of a word: by default letters, digits and underscores in a
        row, or one other sign. Python counts combining marks, as of Hindi, as signs:
        for such texts pass lists of tokens.
    min_count : int, default=1
        Tokens that come up less often in the training texts are unknown. With 2,
        training texts hold unknown tokens, from which networks learn what to make of
        them; ``word_dropout`` does so, too.
    max_tokens : int or None, default=None
        Largest size of the vocabulary, which the most frequent tokens make up.
    vocabulary : list or array of str or None, default=None
        The tokens, in the order of their numbers; None learns them.
    n_buckets : int or None, default=None
        If set, there is no vocabulary: a hash of the token, modulo this number, is its
        number (Weinberger et al., 2009, doi:10.1145/1553374.1553516).

    Attributes
    ----------
    tokens_ : ndarray of str of shape (n_tokens,)
        The vocabulary. Not with ``n_buckets``.
    n_tokens_ : int
        Number of different categories that come out.

    See Also
    --------
    GRUClassifier : Takes the output, as all classifiers and regressors do.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrnn import GRUClassifier, TokenEncoder
    >>> texts = ["what a day", "what a bad day", "so bad", "a good day", "so good"] * 8
    >>> moods = ["good", "bad", "bad", "good", "good"] * 8
    >>> TokenEncoder().fit(texts).transform(["a good one"])[0].ravel()
    array([ 0,  3, -1])
    >>> model = GRUClassifier(max_epochs=20, random_state=0)
    >>> model = make_pipeline(TokenEncoder(), model)
    >>> model.fit(texts, moods).score(["bad day", "good day"], ["bad", "good"])
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OF_TEXTS,
        "max_tokens": [Interval(Integral, 1, None, closed="left"), None],
        "vocabulary": ["array-like", None],
        "n_buckets": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        level: Literal["word", "char"] = "word",
        *,
        lowercase: bool = True,
        token_pattern: str = r"\w+|[^\w\s]",
        min_count: int = 1,
        max_tokens: int | None = None,
        vocabulary: Any = None,
        n_buckets: int | None = None,
    ) -> None:
        self.level = level
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.min_count = min_count
        self.max_tokens = max_tokens
        self.vocabulary = vocabulary
        self.n_buckets = n_buckets

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the vocabulary.

        Parameters
        ----------
        X : list of str or of lists of str
            The texts, or their tokens.
        y : None
            Ignored.

        Returns
        -------
        self : TokenEncoder
            This encoder, fitted.

        Raises
        ------
        ValueError
            If a parameter is not valid, a text has no tokens, or none is left.
        TypeError
            If X holds something else than texts and tokens.
        """
        draft = draft_of(self)  # a fit that fails leaves what was fitted before
        draft._fit(X, y)
        self.__dict__ = draft.__dict__
        return self

    @with_callbacks  # type: ignore[untyped-decorator]
    def _fit(self, X: Any, y: Any) -> None:
        self._validate_params()
        if self.vocabulary is not None and (self.max_tokens or self.n_buckets):
            raise ValueError(
                "A given vocabulary is taken as it is: leave max_tokens and n_buckets "
                "at None."
            )
        tasks = tasks_of(self, X, y)
        lists = Cutter.of(self).cut(X)
        self.__dict__.pop("tokens_", None)
        if self.n_buckets is not None:
            self.n_tokens_ = int(self.n_buckets)
        else:
            self.tokens_ = learn_tokens(self, lists)
            self.n_tokens_ = len(self.tokens_)
        if tasks is not None:
            tasks.end()

    def transform(self, X: Any) -> Sequences:
        """Put numbers in place of tokens.

        Parameters
        ----------
        X : list of str or of lists of str
            The texts, or their tokens.

        Returns
        -------
        sequences : Sequences
            One feature per step, the number of the token, -1 for unknown ones.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        ValueError
            If a text has no tokens.
        TypeError
            If X holds something else than texts and tokens.
        """
        check_is_fitted(self)
        lists = Cutter.of(self).cut(X)
        if hasattr(self, "tokens_"):
            codes = numbers_of(lists, places_of(self.tokens_))
        else:
            codes = [hashes_of(tokens, self.n_tokens_) for tokens in lists]
        values = np.concatenate(codes)[:, None]
        offsets = offsets_of([len(each) for each in codes])
        return Sequences(values, offsets, ["token"], [self.n_tokens_])

    def inverse_transform(self, X: Any) -> list[list[str]]:
        """Give the tokens of numbers.

        Parameters
        ----------
        X : Sequences, or list of arrays of shape (n_steps_i, 1) or (n_steps_i,)
            Numbers of tokens.

        Returns
        -------
        tokens : list of list of str
            The tokens, "<unknown>" where there is none of that number.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        ValueError
            If there is no vocabulary, because of ``n_buckets``.
        """
        check_is_fitted(self)
        self._refuse_buckets("inverse_transform")
        names = dict(enumerate(self.tokens_))
        return [
            [names.get(code, UNKNOWN_TOKEN) for code in np.ravel(codes).tolist()]
            for codes in X
        ]

    def vectors(self, table: Mapping[str, Any]) -> NDArray[np.float64]:
        """Look up vectors that were trained elsewhere, for ``embedding=``.

        They stand in the order of ``tokens_``, which another fit may change: in a
        pipeline or a search, put ``TokenEncoder(vocabulary=encoder.tokens_)`` before
        the network.

        Parameters
        ----------
        table : mapping from str to array of shape (size,)
            Vectors of tokens: a dict, or what gensim loads.

        Returns
        -------
        vectors : ndarray of shape (n_tokens, size)
            A row for each token of the vocabulary; zeros for those not in ``table``.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        ValueError
            If no token is in ``table``, or there is no vocabulary.
        """
        check_is_fitted(self)
        self._refuse_buckets("vectors")
        known = {
            k: table[token] for k, token in enumerate(self.tokens_) if token in table
        }
        if not known:
            raise ValueError(
                f"None of the {self.n_tokens_} tokens is in table, for example not "
                f"{self.tokens_[0]!r}: does table have the same lower or upper case?"
            )
        shapes = {np.shape(vector) for vector in known.values()}
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            raise ValueError(
                f"table holds vectors of the shapes {sorted(shapes)}, expected one "
                "shape (size,) for all."
            )
        vectors = np.zeros((self.n_tokens_, *shapes.pop()))
        vectors[list(known)] = np.array(list(known.values()))
        return vectors

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the only feature of a step.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str of shape (1,)
            "token".
        """
        return np.array(["token"], dtype=object)

    def _refuse_buckets(self, method: str) -> None:
        if not hasattr(self, "tokens_"):
            raise ValueError(
                f"{method} needs a vocabulary, but n_buckets={self.n_tokens_} keeps "
                "none: use n_buckets=None."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def learn_tokens(
    estimator: Any, lists: list[list[str]], sample_weight: Any = None
) -> NDArray[np.object_]:
    """Take the given vocabulary, or order tokens by how often they come."""
    if estimator.vocabulary is not None:
        return check_vocabulary(estimator.vocabulary)
    counts = count_tokens(lists, sample_weight)
    chosen = choose_tokens(counts, estimator.min_count, estimator.max_tokens)
    return np.array(chosen, dtype=object)


def hashes_of(tokens: list[str], n_buckets: int) -> NDArray[np.int64]:
    """Give the hashes of tokens."""
    hashes = [murmurhash3_32(token, positive=True) % n_buckets for token in tokens]
    return np.array(hashes, dtype=np.int64)


def check_vocabulary(vocabulary: Any) -> NDArray[np.object_]:
    """Refuse tokens without an order, twice, or of another type."""
    if isinstance(vocabulary, Mapping | set | frozenset | str):
        raise TypeError(
            f"vocabulary is a {type(vocabulary).__name__}, expected a list of tokens "
            "in the order of their numbers."
        )
    tokens = list(vocabulary)
    other = next((token for token in tokens if not isinstance(token, str)), None)
    if other is not None or not tokens:
        raise ValueError(f"vocabulary={tokens!r}, expected one string for each token.")
    twice = [token for token, n in Counter(tokens).items() if n > 1]
    if twice:
        raise ValueError(f"vocabulary holds {twice[0]!r} more than once.")
    return np.array(tokens, dtype=object)
