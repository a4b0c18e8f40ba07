"""What is done to sequences before a network reads them: own scales, missing values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._missing import fill_values, mask_missing
from skrnn._sequences import Sequences
from skrnn._statistics import at_each_step, statistics
from skrnn._training_set import Selection

__all__ = ["Preparation", "count_epochs", "input_scale", "n_blocks", "to_own_scale"]
__all__ += ["usual_values"]

FAR_APART = 1000.0  # times, from which on small sequences are lost beside large ones
BLOCKS_FROM = [16, 96]  # median numbers of steps, from which a stem has one more
ENOUGH_UPDATES = 3000  # of weights, more of which learn the sequences by heart
FEWEST_EPOCHS, MOST_EPOCHS = 10, 100
ENOUGH = 10  # sequences, of which no more than one in ten may be odd


@dataclass(frozen=True)
class Preparation:
    """What to do; called with sequences, it gives what the network reads.

    The features of a step are: its values; with ``own_scale``, size and level of the
    sequence for each of them; with ``fill``, a mark for each that was missing.
    """

    own_scale: bool
    fill: NDArray[np.float64] | None  # means of the features; None: nothing is missing
    dtype: Any

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.own_scale or self.fill is not None

    def n_scaled(self, n_features: int) -> int:
        """Count the features that are numbers, which may be scaled, and no marks."""
        return n_features * (3 if self.own_scale else 1)

    def n_inputs(self, n_features: int) -> int:
        """Count the features of a step that the network reads."""
        return self.n_scaled(n_features) + n_features * (self.fill is not None)

    def __call__(self, sequences: Sequences) -> Sequences:
        """Prepare sequences."""
        n_features, about = sequences.n_features, None
        if self.own_scale:
            sequences, about = to_own_scale(sequences)
        if self.fill is not None:
            sequences = mask_missing(sequences, self.fill, self.dtype)
        if about is None:
            return sequences
        values = sequences.values
        parts = [values[:, :n_features], about, values[:, n_features:]]
        return sequences.with_values(np.concatenate(parts, axis=1, dtype=self.dtype))


def to_own_scale(sequences: Sequences) -> tuple[Sequences, NDArray[np.float64]]:
    """Bring each sequence to mean 0 and deviation 1, and say what they were.

    Besides the sequences: (n_steps, 2 * n_features), at each step the logarithms of the
    deviations, and the means in units of them, bent by an area hyperbolic sine.
    """
    mean, deviation = statistics(sequences.values, sequences.offsets, "standard")
    about = np.concatenate([np.log(deviation), np.arcsinh(mean / deviation)], axis=1)
    lengths = sequences.lengths
    values = sequences.values * 0.5  # so that no difference is beyond all numbers
    values = values - at_each_step(mean * 0.5, lengths)
    values /= at_each_step(deviation * 0.5, lengths)
    about = np.broadcast_to(at_each_step(about, lengths), (len(values), about.shape[1]))
    return sequences.with_values(values), about


def input_scale(wanted: Any, looks_ahead: bool, sequences: Selection) -> Any:
    """Choose how features are scaled, if that is left open."""
    if wanted != "auto":
        return wanted
    own = looks_ahead and differ_in_size(sequences.blocks())
    return "sequence" if own else "feature"


def n_blocks(estimator: Any, lengths: NDArray[np.int64], old: Any) -> int:
    """How many blocks the stem has; a fitted network keeps what it has."""
    if estimator.stem != "auto":
        return int(estimator.stem)
    if old is not None:
        return int(old.sequence_module.config["stem"])
    if not estimator.bidirectional or estimator._n_categories().any():
        return 0
    usual = np.median(lengths)
    return int(np.searchsorted(BLOCKS_FROM, usual, side="right"))


def count_epochs(wanted: Any, n_rows: int, batch_size: int) -> int:
    """How many epochs there are, if that is left open."""
    if not isinstance(wanted, str):
        return int(wanted)
    n_batches = -(-n_rows // batch_size)
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, ENOUGH_UPDATES // n_batches))


def usual_values(sequences: Selection, prepare: Preparation) -> NDArray[np.float64]:
    """Means of the features of sequences, as they are where values are filled in."""
    blocks: Iterable[Sequences] = sequences.blocks()
    if prepare.own_scale:
        blocks = (to_own_scale(block)[0] for block in blocks)
    return fill_values(blocks)


def differ_in_size(blocks: Iterable[Sequences]) -> bool:
    """Whether, for a feature, sequences deviate from their means so differently.

    Of the deviations of sequences in which the feature varies, the one that a tenth
    exceeds is ``FAR_APART`` times the one that a tenth falls short of.
    """
    found = []
    for block in blocks:
        _, deviation = statistics(block.values, block.offsets, "standard", constant=0.0)
        found.append(deviation)
    for column in np.concatenate(found).T:
        varied = column[column > 0]
        if len(varied) >= ENOUGH:
            low, high = np.quantile(varied, [0.1, 0.9])
            if high / FAR_APART > low:
                return True
    return False
