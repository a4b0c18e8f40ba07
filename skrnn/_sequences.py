"""Sequences: the one container, all steps in one array plus where each begins."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Sequences", "is_mapped", "offsets_of", "place_of"]


class Sequences:
    """Sequences of any lengths, kept as one array of steps plus offsets.

    Behaves like a sequence of 2-D arrays: scikit-learn's splitters index it with
    integer arrays, masks or slices and get ``Sequences`` back, without a Python loop
    and, for slices, without a copy.

    Parameters
    ----------
    values : array of shape (n_total_steps, n_features)
        The steps of all sequences, one sequence after the other.
    offsets : array of shape (n_sequences + 1,)
        Where each sequence begins in ``values``, then the total number of steps.
    feature_names : sequence of str or None, default=None
        Names of the columns of ``values``; kept if all are strings.
    n_categories : sequence of int or None, default=None
        For each column, how many categories its codes 0, 1, ... stand for; 0 for a
        column of numbers. None if all are numbers. Classifiers and regressors embed
        columns with categories (``categorical_features="auto"``).

    Attributes
    ----------
    values : ndarray of shape (n_total_steps, n_features)
        The steps; masked ones are NaN.
    offsets : ndarray of int64 of shape (n_sequences + 1,)
        Where each sequence begins, then the total number of steps.
    feature_names : tuple of str or None
        Names of the features.
    n_categories : tuple of int or None
        Number of categories of each feature, 0 for numbers.
    lengths : ndarray of shape (n_sequences,)
        Number of steps of each sequence.
    n_features : int
        Number of features of each step.
    shape : tuple
        ``(n_sequences,)``.
    ndim : int
        1.
    dtype : numpy.dtype
        The type of ``values``.
    is_uniform : bool
        Whether all sequences have the same number of steps.

    Raises
    ------
    TypeError
        If ``values`` are not real numbers.
    ValueError
        If ``values`` is not 2-D, ``offsets`` do not begin at 0, fall, or do not end at
        the number of steps, or the names or the numbers of categories do not fit the
        features.

    See Also
    --------
    as_sequences : Makes this container from lists, arrays and data frames.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import Sequences
    >>> sequences = Sequences(np.arange(10.0).reshape(5, 2), offsets=[0, 3, 5])
    >>> sequences.lengths
    array([3, 2])
    >>> sequences[1]
    array([[6., 7.],
           [8., 9.]])
    >>> float(sequences[[1, 0]].values.sum())
    45.0
    """

    __slots__ = ("_n_steps", "feature_names", "n_categories", "offsets", "values")

    values: NDArray[Any]
    offsets: NDArray[np.int64]
    feature_names: tuple[str, ...] | None
    n_categories: tuple[int, ...] | None
    _n_steps: int | None  # of each sequence, if they have equally many

    def __init__(
        self,
        values: ArrayLike,
        offsets: ArrayLike,
        feature_names: Any = None,
        n_categories: Any = None,
    ) -> None:
        if np.ma.isMaskedArray(values):
            values = np.ma.filled(np.ma.asarray(values, np.float64), np.nan)
        values = np.asarray(values)
        if values.dtype.kind not in "fiub":
            raise TypeError(
                f"values has dtype {values.dtype}, expected real numbers: turn it into "
                "numbers first."
            )
        offsets = np.asarray(offsets)
        if values.ndim != 2:
            raise ValueError(
                f"values has {values.ndim} dimensions, expected 2: "
                "(n_total_steps, n_features)."
            )
        is_list = offsets.ndim == 1 and len(offsets) > 0
        if not is_list or offsets.dtype.kind not in "iu" or offsets[0] != 0:
            raise ValueError(
                "offsets must be a 1-D array of n_sequences + 1 integers that begins "
                f"with 0, got shape {offsets.shape} and dtype {offsets.dtype}."
            )
        lengths = np.diff(offsets)
        if offsets[-1] != len(values) or (lengths < 0).any():
            raise ValueError(
                "offsets must never fall and must end with the number of steps, "
                f"{len(values)}; the last one is {offsets[-1]}."
            )
        if feature_names is not None:
            feature_names = tuple(feature_names)
            if len(feature_names) != values.shape[1]:
                raise ValueError(
                    f"feature_names has {len(feature_names)} names for "
                    f"{values.shape[1]} features."
                )
            if not all(isinstance(name, str) for name in feature_names):
                feature_names = None
        if n_categories is not None:
            counts = np.asarray(n_categories)
            whole = counts.dtype.kind in "iu" and counts.shape == values.shape[1:]
            if not whole or (counts < 0).any():
                raise ValueError(
                    f"n_categories={n_categories!r}, expected a whole number from 0 on "
                    f"for each of {values.shape[1]} features."
                )
            n_categories = tuple(counts.tolist())
        self.values = values
        self.offsets = offsets.astype(np.int64, copy=False)
        self.feature_names = feature_names
        self.n_categories = n_categories
        self._n_steps = common_length(lengths)

    @classmethod
    def from_arrays(cls, arrays: Any, feature_names: Any = None) -> Sequences:
        """Join 2-D arrays.

        Parameters
        ----------
        arrays : list of arrays of shape (n_steps_i, n_features)
            The sequences, at least one.
        feature_names : sequence of str or None, default=None
            Names of the features.

        Returns
        -------
        sequences : Sequences
            A copy of them, one after the other.
        """
        if len(arrays) == 0:
            raise ValueError("There are no arrays: pass at least one sequence.")
        lengths = [len(array) for array in arrays]
        values = np.concatenate(arrays, axis=0)
        return cls(values, offsets_of(lengths), feature_names)

    @classmethod
    def from_panel(cls, panel: NDArray[Any], feature_names: Any = None) -> Sequences:
        """View a 3-D array as sequences of equal length.

        Parameters
        ----------
        panel : ndarray of shape (n_sequences, n_steps, n_features)
            The sequences.
        feature_names : sequence of str or None, default=None
            Names of the features.

        Returns
        -------
        sequences : Sequences
            A view, if the memory of ``panel`` is contiguous.
        """
        n_sequences, n_steps, n_features = panel.shape
        values = panel.reshape(n_sequences * n_steps, n_features)
        offsets = np.arange(n_sequences + 1, dtype=np.int64) * n_steps
        if feature_names is None and values.dtype.kind in "fiub":
            n_steps = n_steps if n_sequences else 0
            return cls._unchecked(values, offsets, None, n_steps)
        return cls(values, offsets, feature_names)

    @classmethod
    def _unchecked(
        cls,
        values: NDArray[Any],
        offsets: NDArray[np.int64],
        feature_names: Any,
        n_steps: int | None,
        n_categories: tuple[int, ...] | None = None,
    ) -> Sequences:
        """Skip the checks where nothing can be wrong: they take time."""
        sequences = object.__new__(cls)
        sequences.values = values
        sequences.offsets = offsets
        sequences.feature_names = feature_names
        sequences.n_categories = n_categories
        sequences._n_steps = n_steps
        return sequences

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of steps of each sequence, shape (n_sequences,)."""
        return np.diff(self.offsets)

    @property
    def n_features(self) -> int:
        """Number of features of each step."""
        return int(self.values.shape[1])

    @property
    def shape(self) -> tuple[int]:
        """``(n_sequences,)``; scikit-learn counts samples with it."""
        return (len(self),)

    @property
    def ndim(self) -> int:
        """One: a container of sequences."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers in ``values``."""
        return self.values.dtype

    @property
    def is_uniform(self) -> bool:
        """Whether all sequences have the same number of steps."""
        return self._n_steps is not None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> NDArray[Any]: ...

    @overload
    def __getitem__(self, key: Any) -> Sequences: ...

    def __getitem__(self, key: Any) -> NDArray[Any] | Sequences:
        if isinstance(key, tuple):  # scikit-learn asks for container[key, ...]
            if len(key) != 2 or key[1] is not Ellipsis:
                raise IndexError("Sequences has one axis: index it with one key.")
            key = key[0]
        if isinstance(key, int | np.integer) and not isinstance(key, bool):
            index = range(len(self))[key]
            return self.values[self.offsets[index] : self.offsets[index + 1]]
        if isinstance(key, slice) and key.step in (None, 1):
            start, stop, _ = key.indices(len(self))
            offsets = self.offsets[start : max(start, stop) + 1]
            values = self.values[offsets[0] : offsets[-1]]
            offsets = offsets - offsets[0]
            n_steps = self._n_steps
            if n_steps is None or len(offsets) == 1:
                n_steps = common_length(np.diff(offsets))
            about = (self.feature_names, n_steps, self.n_categories)
            return Sequences._unchecked(values, offsets, *about)
        indices = np.arange(len(self))[key]
        if isinstance(indices, np.integer):  # the key was an array without an axis
            return self[indices]
        if indices.ndim != 1:
            raise IndexError(
                f"Sequences has one axis, but this key, a {type(key).__name__}, asks "
                f"for {indices.ndim}: index it with an integer, a slice or a 1-D array "
                "of integers or truth values."
            )
        return self._take(indices)

    def __contains__(self, item: Any) -> bool:
        return any(np.array_equal(sequence, item) for sequence in self)

    def _take(self, indices: NDArray[np.int64]) -> Sequences:
        if len(self) and self.is_uniform:
            panel = self.to_panel().take(indices, axis=0)
            taken = Sequences.from_panel(panel, self.feature_names)
            taken.n_categories = self.n_categories
            return taken
        lengths = self.lengths[indices]
        offsets = offsets_of(lengths)
        shift = np.repeat(self.offsets[indices] - offsets[:-1], lengths)
        values = self.values[shift + np.arange(offsets[-1])]
        n_steps = common_length(lengths)
        about = (self.feature_names, n_steps, self.n_categories)
        return Sequences._unchecked(values, offsets, *about)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield self.values[start:stop]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Make an object array of 2-D arrays, shape (n_sequences,)."""
        if dtype is not None and np.dtype(dtype) != np.dtype(object):
            raise ValueError(
                f"Sequences cannot become one array of {np.dtype(dtype)}: its "
                "sequences may differ in length. Use to_padded() for a 3-D array."
            )
        array = np.empty(len(self), dtype=object)
        for index, sequence in enumerate(self):
            array[index] = sequence
        return array

    def __repr__(self) -> str:
        lengths = self.lengths
        steps = (
            "no steps"
            if len(lengths) == 0
            else f"{lengths[0]} steps each"
            if self.is_uniform
            else f"{lengths.min()} to {lengths.max()} steps"
        )
        return (
            f"<Sequences: {len(self)} sequences, {steps}, {self.n_features} features>"
        )

    def with_values(self, values: NDArray[Any]) -> Sequences:
        """Keep the offsets, exchange the values.

        Parameters
        ----------
        values : ndarray of shape (n_total_steps, any number of features)
            The new steps.

        Returns
        -------
        sequences : Sequences
            Sequences of the same lengths; names and numbers of categories are kept if
            the features are as many.
        """
        about: Any = (None, None)
        if values.shape[1:] == self.values.shape[1:]:
            about = (self.feature_names, self.n_categories)
        return Sequences(values, self.offsets, *about)

    def join(
        self, other: Any, feature_names: Any = None, n_categories: Any = None
    ) -> Sequences:
        """Put further features beside those of each step.

        Parameters
        ----------
        other : Sequences of the same lengths, or array of shape (n_sequences,) or \
(n_sequences, n_more)
            The features: of each step, or static ones, such as the age of a patient or
            the kind of a machine, which are repeated at all steps of a sequence.
        feature_names : sequence of str or None, default=None
            Names of static features; None takes those of the columns, if there are any.
        n_categories : sequence of int or None, default=None
            For each static feature how many categories it has, 0 for numbers. None if
            all are numbers.

        Returns
        -------
        sequences : Sequences
            A copy with the features of both; without names, unless both have some, and
            each its own.

        Raises
        ------
        ValueError
            If the numbers of sequences, or those of the steps of one, differ, or names
            or categories do not fit the features.
        TypeError
            If ``other`` does not hold real numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn import Sequences
        >>> visits = Sequences(np.arange(5.0)[:, None], offsets=[0, 3, 5])
        >>> visits.join([61, 47])[1]
        array([[ 3., 47.],
               [ 4., 47.]])
        """
        if not isinstance(other, Sequences):
            if feature_names is None:
                feature_names = getattr(other, "columns", None)
            expected = f"expected ({len(self)},) or ({len(self)}, n_more): static "
            expected += f"features of {len(self)} sequences."
            try:
                static = other if np.ma.isMaskedArray(other) else np.asarray(other)
            except ValueError as error:
                raise ValueError(
                    f"other has rows of different lengths, {expected} For features of "
                    "each step pass Sequences."
                ) from error
            static = static[:, None] if static.ndim == 1 else static
            if static.ndim != 2 or len(static) != len(self):
                raise ValueError(f"other has shape {np.shape(other)}, {expected}")
            repeated = np.repeat(static, self.lengths, axis=0)
            other = Sequences(repeated, self.offsets, feature_names, n_categories)
        elif feature_names is not None or n_categories is not None:
            raise ValueError(
                "feature_names and n_categories are for static features: Sequences "
                "bring their own."
            )
        if not np.array_equal(self.offsets, other.offsets):
            where = "their numbers of sequences differ"
            if len(self) == len(other):
                place = int((self.lengths != other.lengths).argmax())
                where = f"sequence {place} has {self.lengths[place]} steps here and "
                where += f"{other.lengths[place]} there"
            raise ValueError(f"Sequences of other lengths cannot be joined: {where}.")
        values = np.concatenate([self.values, other.values], axis=1)
        names = [each.feature_names for each in (self, other)]
        joined = None if None in names else [*(names[0] or ()), *(names[1] or ())]
        if joined is not None and len(set(joined)) < len(joined):
            joined = None
        counts: tuple[int, ...] | None = None
        if self.n_categories is not None or other.n_categories is not None:
            counts = self.n_categories or (0,) * self.n_features
            counts += other.n_categories or (0,) * other.n_features
        return Sequences(values, self.offsets, joined, counts)

    def to_panel(self) -> NDArray[Any]:
        """View sequences of equal length as one 3-D array.

        Returns
        -------
        panel : ndarray of shape (n_sequences, n_steps, n_features)
            A view, not a copy.

        Raises
        ------
        ValueError
            If the sequences differ in length.
        """
        if self._n_steps is None:
            lengths = self.lengths
            raise ValueError(
                f"The sequences have {lengths.min()} to {lengths.max()} steps: only "
                "equal lengths make a 3-D array. Use to_padded()."
            )
        return self.values.reshape(len(self), self._n_steps, self.n_features)

    def to_padded(self, value: float = 0.0, n_steps: int | None = None) -> NDArray[Any]:
        """Pad at the end to (n_sequences, n_steps, n_features).

        Parameters
        ----------
        value : float, default=0.0
            What fills the steps after the end of a sequence; ``nan`` is allowed.
        n_steps : int or None, default=None
            Number of steps of the result; None is the longest sequence.

        Returns
        -------
        padded : ndarray of shape (n_sequences, n_steps, n_features)
            A copy; of floats if ``value`` is one.

        Raises
        ------
        ValueError
            If a sequence is longer than ``n_steps``.
        """
        lengths = self.lengths
        longest = int(lengths.max(initial=0))
        n_steps = longest if n_steps is None else n_steps
        if longest > n_steps:
            raise ValueError(
                f"Sequence {int(lengths.argmax())} has {longest} steps, more than "
                f"n_steps={n_steps}: use n_steps >= {longest}."
            )
        padded = np.full(
            (len(self), n_steps, self.n_features),
            value,
            dtype=np.result_type(self.values.dtype, value),  # NaN makes integers float
        )
        padded[np.arange(n_steps) < lengths[:, None]] = self.values
        return padded


def offsets_of(lengths: ArrayLike) -> NDArray[np.int64]:
    """Where sequences of these lengths begin, then the total."""
    lengths = np.asarray(lengths, dtype=np.int64)
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def place_of(offsets: NDArray[np.int64], row: int) -> tuple[int, int]:
    """Find the sequence and the step at which a row of all steps is."""
    index = int(np.searchsorted(offsets, row, side="right")) - 1
    return index, int(row - offsets[index])


def common_length(lengths: NDArray[np.int64]) -> int | None:
    """Give the number of steps that all sequences have, or None."""
    first = int(lengths[0]) if len(lengths) else 0
    return first if (lengths == first).all() else None


def is_mapped(array: Any) -> bool:
    """Whether the numbers lie in a file and may be more than fit into memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array.obj if isinstance(array, memoryview) else array, mmap)
