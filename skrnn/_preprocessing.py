"""SequenceScaler: brings the features of sequences to one scale."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrnn._callbacks import CallbackSupportMixin, tasks_of, with_callbacks
from skrnn._inputs import as_list, input_kind
from skrnn._params import CONSTRAINTS
from skrnn._sequences import Sequences
from skrnn._statistics import at_each_step, statistics
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


class SequenceScaler(
    CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator
):
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
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
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
        draft._fit(X, y)
        self.__dict__ = draft.__dict__
        return self

    @with_callbacks  # type: ignore[untyped-decorator]
    def _fit(self, X: Any, y: Any) -> None:
        self._validate_params()
        tasks = tasks_of(self, X, y)
        sequences = self._check(X, reset=True)
        # what scikit-learn's set_output may turn into frames
        tables = {"transform"} if self._input_kind == "table" else set()
        self._sklearn_auto_wrap_output_keys = tables
        if self.per == "feature":
            everything = np.array([0, len(sequences.values)])
            loc, scale = statistics(sequences.values, everything, self.method)
            self.loc_, self.scale_ = of_numbers(sequences, loc[0], scale[0])
        else:  # of an earlier fit with per="feature"
            self.__dict__.pop("loc_", None)
            self.__dict__.pop("scale_", None)
        if tasks is not None:
            tasks.end()

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
        input_features : array of str of shape (`n_features_in_`,) or None, default=None
            Names of the columns of a table, or of the features of a step; None takes
            ``feature_names_in_`` or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str of shape (`n_features_in_`,)
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
        found = statistics(sequences.values, sequences.offsets, self.method)
        loc, scale = of_numbers(sequences, *found)
        lengths = sequences.lengths
        return at_each_step(loc, lengths), at_each_step(scale, lengths)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def of_numbers(
    sequences: Sequences, loc: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leave features that are categories as they are."""
    if sequences.n_categories is None:
        return loc, scale
    numbers = np.array(sequences.n_categories) == 0
    return np.where(numbers, loc, 0.0), np.where(numbers, scale, 1.0)


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
