"""What a network is trained on: distinct sequences, their targets and weights."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from skrnn._sequences import Sequences, is_mapped
from skrnn._step_targets import StepTargets

__all__ = ["Selection", "TrainingSet", "check_sample_weight", "merge_identical"]
__all__ += ["feature_statistics", "split_validation", "without_huge"]

HUGE = 1e100
NUMBERS_IN_A_BLOCK = 2**20


class Selection:
    """Some sequences of a container, in some order, copied only when they are read.

    What is trained on is merged, sorted and split; X may be more than fits into memory
    twice or, as a memory map, once.
    """

    def __init__(
        self,
        whole: Sequences,
        rows: NDArray[np.int64] | None = None,
        dtype: Any = None,
        fill: Callable[[Sequences], Sequences] | None = None,
    ) -> None:
        self.whole = whole
        self.rows = np.arange(len(whole)) if rows is None else rows
        self.dtype = np.dtype(whole.dtype if dtype is None else dtype)
        self.fill = fill  # changes values (and the number of features) when read
        self.lengths = whole.lengths[self.rows]

    @classmethod
    def of(cls, sequences: Sequences | Selection) -> Selection:
        """Select all sequences of a container."""
        return sequences if isinstance(sequences, Selection) else cls(sequences)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Selection:
        return Selection(self.whole, self.rows[key], self.dtype, self.fill)

    @property
    def is_uniform(self) -> bool:
        """Whether all sequences have the same number of steps."""
        return bool((self.lengths == self.lengths[:1]).all())

    def read(self, key: Any = slice(None)) -> Sequences:
        """Copy sequences out of the container (or view them, if they stand there)."""
        rows = self.rows[key]
        together = len(rows) and (np.diff(rows) == 1).all()
        some = self.whole[rows[0] : rows[-1] + 1] if together else self.whole[rows]
        if some.dtype != self.dtype:
            some = some.with_values(some.values.astype(self.dtype))
        return some if self.fill is None else self.fill(some)

    def filled(self, fill: Callable[[Sequences], Sequences]) -> Selection:
        """Replace missing values: now, or those of a memory map when they are read."""
        if is_mapped(self.whole.values):
            return Selection(self.whole, self.rows, self.dtype, fill)
        return Selection(fill(self.read()))

    def blocks(self) -> Iterator[Sequences]:
        """Read all sequences, few enough at a time."""
        numbers = np.cumsum(self.lengths * self.whole.n_features)
        cuts = np.flatnonzero(np.diff(numbers // NUMBERS_IN_A_BLOCK)) + 1
        for start, stop in pairwise([0, *cuts.tolist(), len(self)]):
            yield self.read(slice(start, stop))


class TrainingSet(NamedTuple):
    """Sequences, one row of targets each (classes: codes), and positive weights."""

    sequences: Sequences | Selection
    targets: Any  # NDArray, or StepTargets
    weights: NDArray[np.float64]

    def take(self, key: Any) -> TrainingSet:
        """Pick sequences by index or mask."""
        return TrainingSet(self.sequences[key], self.targets[key], self.weights[key])

    def arrays(self) -> Iterator[NDArray[Any]]:
        """Give all that is trained on, few steps at a time."""
        yield from (block.values for block in Selection.of(self.sequences).blocks())
        yield self.sequences.lengths
        if isinstance(self.targets, StepTargets):
            yield from (self.targets.values, self.targets.shares)
        else:
            yield self.targets
        yield self.weights


def feature_statistics(
    data: TrainingSet, n_features: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean and deviation of each feature over all steps; 1 for constant ones.

    Features from ``n_features`` on get mean 0 and deviation 1.
    """
    from sklearn.preprocessing import StandardScaler  # takes time to load

    scaler, unit = StandardScaler(), None
    for values, weights in few_steps(Selection.of(data.sequences), data.weights):
        if unit is None:  # squares of 1e200 would overflow
            unit = np.maximum(values.max(axis=0), -values.min(axis=0))
            unit[unit == 0] = 1.0
        values /= unit
        scaler.partial_fit(values, sample_weight=weights)
    ours = np.arange(len(scaler.mean_)) < n_features
    varied = scaler.scale_ == np.sqrt(scaler.var_)  # else it is 1
    mean = np.where(ours, scaler.mean_ * unit, 0.0)
    return mean, np.where(ours & varied, scaler.scale_ * unit, 1.0)


def few_steps(
    sequences: Selection, weights: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Give all steps in double precision, few at a time, and their weights."""
    row = 0
    for block in sequences.blocks():
        of_steps = np.repeat(weights[row : row + len(block)], block.lengths)
        row += len(block)
        n_steps = max(1, NUMBERS_IN_A_BLOCK // 8 // block.n_features)
        for start in range(0, len(of_steps), n_steps):
            part = slice(start, start + n_steps)
            yield block.values[part].astype(np.float64), of_steps[part]


def check_sample_weight(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64]:
    """Make an array of n weights; ones for None."""
    if sample_weight is None:
        return np.ones(n)
    dtype = np.asarray(sample_weight).dtype
    if dtype.kind in "cmM":
        raise ValueError(
            f"sample_weight has dtype {dtype}, expected real numbers: pass one number "
            "per sequence."
        )
    try:
        weights = np.array(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"sample_weight cannot be read as numbers ({error}). Pass one number per "
            "sequence."
        ) from error
    if weights.ndim == 0:
        weights = np.full(n, float(weights))
    if weights.ndim != 1:
        raise ValueError(
            "Sample weights must be 1D array or scalar, got shape "
            f"{weights.shape}: pass one number per sequence."
        )
    if len(weights) != n:
        raise ValueError(
            f"sample_weight has {len(weights)} values for {n} sequences in X."
        )
    if not np.isfinite(weights).all():
        place = int(np.argmin(np.isfinite(weights)))
        raise ValueError(
            f"sample_weight[{place}] is {weights[place]}: input sample_weight contains "
            "NaN or infinity; all weights must be finite."
        )
    if (weights < 0).any():
        place = int(np.argmax(weights < 0))
        raise ValueError(
            f"sample_weight[{place}] is {weights[place]}: negative values in data "
            "passed to `sample_weight`; weights must be >= 0."
        )
    if not weights.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number: all of "
            "sample_weight are zero."
        )
    return without_huge(weights)


def without_huge(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Only ratios of weights matter; sums of huge ones would overflow."""
    largest = weights.max(initial=0.0)
    return weights / largest if largest > HUGE else weights


def merge_identical(data: TrainingSet) -> TrainingSet:
    """Merge identical rows and add their weights, in an order of content alone.

    So weight k is the same as k copies, to the bit, and the order in which the rows
    came makes no difference.
    """
    if isinstance(data.targets, StepTargets):
        targets = data.targets.content()
    else:
        targets = np.ascontiguousarray(data.targets).reshape(len(data.targets), -1)
        targets = targets.view(np.uint8)
    content = bytearray()
    digests = digests_of(Selection.of(data.sequences))
    for digest, target in zip(digests, targets, strict=True):
        content += digest
        content += target.tobytes()
    keys = np.frombuffer(content, np.dtype((np.void, 16 + targets.shape[1])))
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.lexsort((data.weights, inverse))  # sums depend on their order, too
    totals = np.bincount(inverse[order], data.weights[order], len(first))
    weights = totals.astype(np.float64)
    return TrainingSet(data.sequences[first], data.targets[first], weights)


def digests_of(sequences: Selection) -> Iterator[bytes]:
    """Give 16 bytes for each sequence, equal only if the values are, to the bit."""
    for block in sequences.blocks():
        content = np.ascontiguousarray(block.values).reshape(-1).view(np.uint8)
        step_bytes = block.n_features * block.dtype.itemsize
        for start, stop in pairwise((block.offsets * step_bytes).tolist()):
            step = content[start:stop].data
            yield hashlib.blake2b(step, digest_size=16).digest()


def split_validation(
    data: TrainingSet, fraction: float, stratify: bool, seed: int
) -> tuple[TrainingSet, TrainingSet]:
    """Split into a part to train on and a part to validate on."""
    n = len(data.weights)
    n_validation = max(1, round(fraction * n))
    if n - n_validation < 1:
        raise ValueError(
            f"early_stopping with validation_fraction={fraction} leaves no sequence to "
            f"train on: there are only {n} different ones. Use more sequences, a "
            "smaller validation_fraction, X_val and y_val, or early_stopping=False."
        )
    random = np.random.RandomState(seed % 2**32)
    splitter: Any = ShuffleSplit(1, test_size=n_validation, random_state=random)
    if stratify:
        counts = np.unique(data.targets, return_counts=True)[1]
        if counts.min() < 2 or min(n_validation, n - n_validation) < len(counts):
            reason = (
                "a class has only 1 sequence"
                if counts.min() < 2
                else f"validation_fraction={fraction} of {n} sequences gives "
                f"{n_validation} for {len(counts)} classes"
            )
            warnings.warn(
                "The validation part for early_stopping is not stratified: "
                f"{reason}. Pass X_val and y_val or use early_stopping=False.",
                UserWarning,
                stacklevel=5,
            )
        else:
            splitter = StratifiedShuffleSplit(
                1, test_size=n_validation, random_state=random
            )
    train, validation = next(splitter.split(np.zeros(n), data.targets))
    return data.take(np.sort(train)), data.take(np.sort(validation))
