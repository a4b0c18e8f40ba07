"""What a network is trained on: distinct sequences, their targets and weights."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from skrnn._sequences import Sequences

__all__ = ["TrainingSet", "check_sample_weight", "merge_identical", "split_validation"]
__all__ += ["without_huge"]


HUGE = 1e100


class TrainingSet(NamedTuple):
    """Sequences, one row of targets each (classes: codes), and positive weights."""

    sequences: Sequences
    targets: NDArray[Any]
    weights: NDArray[np.float64]

    def take(self, key: Any) -> TrainingSet:
        """Pick sequences by index or mask."""
        return TrainingSet(self.sequences[key], self.targets[key], self.weights[key])


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
    steps = np.ascontiguousarray(data.sequences.values)
    step_bytes = steps.shape[1] * steps.itemsize
    content = steps.reshape(-1).view(np.uint8)
    targets = np.ascontiguousarray(data.targets).reshape(len(data.targets), -1)
    targets = targets.view(np.uint8)
    cuts = (data.sequences.offsets * step_bytes).tolist()
    digests = np.array(
        [
            hashlib.blake2b(content[start:stop].data, digest_size=16).digest()
            + target.tobytes()
            for start, stop, target in zip(cuts[:-1], cuts[1:], targets, strict=True)
        ],
        dtype=np.dtype((np.void, 16 + targets.shape[1])),
    )
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    order = np.lexsort((data.weights, inverse))  # sums depend on their order, too
    totals = np.bincount(inverse[order], data.weights[order], len(first))
    weights = totals.astype(np.float64)
    return TrainingSet(data.sequences[first], data.targets[first], weights)


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
