"""SequenceScaler: brings the features of sequences to one scale."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrnn._inputs import as_list, input_kind
from skrnn._params import CONSTRAINTS
from skrnn._sequences import Sequences
from skrnn._validation import check_sequences, draft_of

__all__ = ["SequenceScaler"]


def _keeps_its_scale(scaler: Any) -> bool:
    """Only then can scaling be undone; scikit-learn asks with ``hasattr``."""
    if scaler.per == "sequence":
        raise AttributeError(
            "inverse_transform needs per='feature', but this SequenceScaler has "
            "per='sequence': the location and scale of each sequence are not kept."
        )
    return True


class SequenceScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Bring the features of sequences to one scale, leaving their form as it is.

    scikit-learn's scalers read a table and treat each column, hence each step, on its
    own. This one knows steps: a feature is shifted and scaled alike at all steps, with
    statistics taken over all steps of all training sequences. Missing values (NaN) are
    ignored and stay.

    Parameters
    ----------
    method : {"standard", "minmax", "robust"}, default="standard"
        What is subtracted and what it is divided by: mean and standard deviation,
        minimum and range, or median and interquartile range.
    per : {"feature", "sequence"}, default="feature"
        Where the statistics come from. "feature" learns them from the training
        sequences. "sequence" takes those of each sequence itself, which keeps its
        shape and drops its level and size; nothing is learned.
    features_per_step : int or None, default=None
        How a 2-D table is read. None: one feature per step, all columns are scaled
        alike. An integer F: columns are time-major, all F features of the first step
        first.

    Attributes
    ----------
    loc_ : ndarray of shape (n_step_features,)
        What is subtracted from each feature of a step. Only with ``per="feature"``.
    scale_ : ndarray of shape (n_step_features,)
        What each feature of a step is divided by; 1 for a constant feature. Only with
        ``per="feature"``.
    n_features_in_ : int
        Number of columns of a table, else number of features of a step.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features; only if they all have names that are strings.

    See Also
    --------
    as_sequences : Reads data frames and padded arrays, whose padding would otherwise
        enter the statistics.

    Notes
    -----
    Statistics are computed in float64, the result has the type of ``X`` if that is
    float32 and float64 otherwise. A feature whose spread is no more than the rounding
    of its values counts as constant, and so does one whose interquartile range is
    nothing beside an outlier (less than 1e-38 of it). A feature without any value is
    left as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceScaler
    >>> X = [np.array([[1.0, 10.0], [3.0, 30.0]]), np.array([[5.0, 20.0]])]
    >>> scaler = SequenceScaler(method="minmax").fit(X)
    >>> scaler.loc_
    array([ 1., 10.])
    >>> scaler.transform(X)[0]
    array([[0. , 0. ],
           [0.5, 1. ]])
    >>> float(scaler.inverse_transform(scaler.transform(X))[1][0, 1])
    20.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "method": [StrOptions({"standard", "minmax", "robust"})],
        "per": [StrOptions({"feature", "sequence"})],
        "features_per_step": CONSTRAINTS["features_per_step"],
    }

    def __init__(
        self,
        method: Literal["standard", "minmax", "robust"] = "standard",
        *,
        per: Literal["feature", "sequence"] = "feature",
        features_per_step: int | None = None,
    ) -> None:
        self.method = method
        self.per = per
        self.features_per_step = features_per_step

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn location and scale of each feature.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            Training sequences.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceScaler
            This scaler, fitted.

        Raises
        ------
        ValueError
            If a parameter is not valid or ``X`` cannot be read.
        """
        draft = draft_of(self)  # a fit that fails leaves what was fitted before
        draft._fit(X)
        self.__dict__ = draft.__dict__
        return self

    def _fit(self, X: Any) -> None:
        self._validate_params()
        sequences = self._check(X, reset=True)
        # what scikit-learn's set_output may turn into frames
        tables = {"transform"} if self._input_kind == "table" else set()
        self._sklearn_auto_wrap_output_keys = tables
        if self.per == "feature":
            everything = np.array([0, len(sequences.values)])
            loc, scale = _statistics(sequences.values, everything, self.method)
            self.loc_, self.scale_ = loc[0], scale[0]
        else:  # of an earlier fit with per="feature"
            self.__dict__.pop("loc_", None)
            self.__dict__.pop("scale_", None)

    def transform(self, X: Any) -> Any:
        """Scale sequences.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            Sequences to scale.

        Returns
        -------
        X_scaled : array, list of arrays or Sequences
            Scaled copy in the form of ``X``.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        ValueError
            If ``X`` cannot be read or has other features than in ``fit``.
        """
        check_is_fitted(self)
        sequences = self._check(X, reset=False)
        loc, scale = self._loc_and_scale(sequences)
        values = sequences.values.astype(np.float64)
        values -= loc
        values /= scale
        return _in_the_form_of(X, sequences, values)

    @available_if(_keeps_its_scale)  # type: ignore[untyped-decorator]  # of sklearn
    def inverse_transform(self, X: Any) -> Any:
        """Bring scaled sequences back to the scale of the training data.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            Scaled sequences.

        Returns
        -------
        X_original : array, list of arrays or Sequences
            Copy on the original scale in the form of ``X``.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        AttributeError
            If ``per="sequence"``: the scales of the sequences are not kept.
        ValueError
            If ``X`` cannot be read or has other features than in ``fit``.
        """
        check_is_fitted(self)
        sequences = self._check(X, reset=False)
        values = sequences.values.astype(np.float64)
        values *= self.scale_
        values += self.loc_
        return _in_the_form_of(X, sequences, values)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name what comes out as what went in: columns of a table, else features.

        Parameters
        ----------
        input_features : array of str of shape (n_features_in_,) or None, default=None
            Names of the columns of a table, or of the features of a step; None takes
            ``feature_names_in_`` or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str of shape (n_features_in_,)
            The names.
        """
        names: NDArray[np.object_] = super().get_feature_names_out(input_features)
        return names

    def _check(self, X: Any, reset: bool) -> Sequences:
        types = [np.float64, np.float32]
        return check_sequences(self, X, reset=reset, dtype=types, allow_nan=True)

    def _loc_and_scale(
        self, sequences: Sequences
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Statistics for each step, or one row for all."""
        if self.per == "feature":
            return self.loc_, self.scale_
        loc, scale = _statistics(sequences.values, sequences.offsets, self.method)
        lengths = sequences.lengths
        return _at_each_step(loc, lengths), _at_each_step(scale, lengths)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _in_the_form_of(
    X: Any, sequences: Sequences, values: NDArray[np.float64]
) -> NDArray[Any] | list[NDArray[Any]] | Sequences:
    """Give the new values of ``sequences`` the form in which X came."""
    X = as_list(X)
    scaled = sequences.with_values(values.astype(sequences.dtype, copy=False))
    if isinstance(X, Sequences):
        return scaled
    if isinstance(X, list) and not X:
        return []
    if input_kind(X) != "ragged":
        return scaled.values.reshape(np.asarray(X).shape)
    arrays = [
        array.ravel() if np.ndim(x) == 1 else array
        for x, array in zip(X, scaled, strict=True)
    ]
    if not isinstance(X, np.ndarray):
        return arrays
    objects = np.empty(len(arrays), dtype=object)
    for index, array in enumerate(arrays):
        objects[index] = array
    return objects


def _statistics(
    values: NDArray[Any], offsets: NDArray[np.int64], method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and scale, (n_segments, n_features), of the steps between offsets."""
    values = values.astype(np.float64, copy=False)
    low = np.fmin.reduceat(values, offsets[:-1], axis=0)
    high = np.fmax.reduceat(values, offsets[:-1], axis=0)
    largest = np.maximum(np.abs(low), np.abs(high))
    size = largest  # of the values the scale comes from: for quartiles, no outliers
    if method == "robust":
        low, loc, high = _quartiles(values, offsets)
        scale, size = high - low, np.maximum(np.abs(low), np.abs(high))
    elif method == "standard":
        loc, scale = _mean_and_deviation(values, offsets, size)
    else:
        loc, scale = low, high - low
    rounding = 10 * np.finfo(np.float64).eps * size
    overflow = np.finfo(np.float32).tiny * largest  # an outlier would become infinite
    # comparisons with NaN are false: a feature without a value gets 0 and 1
    varies = (scale > rounding) & (scale > overflow)
    return np.where(np.isnan(size), 0.0, loc), np.where(varies, scale, 1.0)


def _mean_and_deviation(
    values: NDArray[np.float64], offsets: NDArray[np.int64], size: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two passes, in units of a power of two near ``size``: no square overflows."""
    lengths = np.diff(offsets)
    missing = np.isnan(values)
    starts = offsets[:-1]
    count = np.add.reduceat(~missing, starts, axis=0, dtype=np.float64)
    count = np.maximum(count, 1.0)
    exponent = np.frexp(np.where(np.isnan(size), 1.0, size))[1]
    unit = np.ldexp(1.0, np.clip(exponent, -1000, 1000))

    deviations = values / _at_each_step(unit, lengths)
    deviations[missing] = 0.0
    mean = np.add.reduceat(deviations, starts, axis=0) / count
    deviations -= _at_each_step(mean, lengths)
    deviations[missing] = 0.0
    rest = np.add.reduceat(deviations, starts, axis=0) / count  # rounding of the mean
    deviations *= deviations
    variance = np.add.reduceat(deviations, starts, axis=0) / count
    return (mean + rest) * unit, np.sqrt(variance) * unit


def _quartiles(
    values: NDArray[np.float64], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Quartiles of the known values, (3, n_segments, n_features), interpolated."""
    lengths = np.diff(offsets)
    count = np.add.reduceat(~np.isnan(values), offsets[:-1], axis=0, dtype=np.int64)
    last = np.maximum(count - 1, 0)
    place = np.array([0.25, 0.5, 0.75])[:, None, None] * last
    below = place.astype(np.int64)
    above = np.minimum(below + 1, last)
    ranked = np.empty_like(values)
    segment = np.repeat(np.arange(len(lengths)), lengths)
    for feature, column in enumerate(values.T):  # NaN come last
        if len(lengths) == 1:  # only the places that are read need the right value
            read = np.unique([below[:, 0, feature], above[:, 0, feature]])
            ranked[:, feature] = np.partition(column, read)
        else:
            ranked[:, feature] = column[np.lexsort((column, segment))]
    starts, features = offsets[:-1, None], np.arange(values.shape[1])
    lower, upper = ranked[starts + below, features], ranked[starts + above, features]
    quartiles: NDArray[np.float64] = lower + (upper - lower) * (place - below)
    return quartiles


def _at_each_step(
    statistic: NDArray[np.float64], lengths: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Repeat the row of each segment for its steps; a single row broadcasts."""
    return statistic if len(lengths) == 1 else np.repeat(statistic, lengths, axis=0)
