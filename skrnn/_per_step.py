"""BaseRecurrentPerStep: networks with an answer for each step of a sequence."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from skrnn._base import BaseRecurrent
from skrnn._params import CONSTRAINTS
from skrnn._step_reading import parts_of, weights_of_steps
from skrnn._step_targets import StepTargets, split_steps

if TYPE_CHECKING:
    from skrnn._running import Part
    from skrnn._sequences import Sequences
    from skrnn._settings import Settings

__all__ = ["CONSTRAINTS_PER_STEP", "BaseRecurrentPerStep"]

OF_WHOLE_SEQUENCES = {"pooling", "stem"}
CONSTRAINTS_PER_STEP: dict[str, list[Any]] = {
    name: rule for name, rule in CONSTRAINTS.items() if name not in OF_WHOLE_SEQUENCES
}


class BaseRecurrentPerStep(  # transform gives objects, which nothing can wrap
    BaseRecurrent,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]  # scikit-learn is untyped
):
    """What differs if each step has a target, and not the sequence.

    Targets are read with the lengths of X beside them and travel as ``StepTargets``;
    the network has no pooling and no stem, which makes sequences shorter.
    """

    pooling = "none"
    stem = 0
    _estimator_type_of_tags: ClassVar[str]

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences to learn from. A 2-D array holds one feature per step, unless
            ``features_per_step`` is set.
        y : list of lists or arrays of shape (n_steps_i,) or (n_steps_i, n_outputs), \
or array of shape (n_sequences, n_steps)
            The targets, one for each step of each sequence, or one in each of several
            columns: numbers of a regressor, 0 and 1 of a tagger, whose steps may then
            have any number of labels.
        sample_weight : array of shape (n_sequences,), or like y, or None, default=None
            Weights of the sequences, or of their steps; a sequence of weight k is the
            same as k copies. None is 1.
        X_val, y_val : like X and y, or None, default=None
            Sequences to compute ``valid_loss`` on after each epoch. With
            ``early_stopping=True`` they take the place of the part split off X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y or a weight has a value that cannot be used, the
            targets of a sequence are more or fewer than its steps, or the loss becomes
            NaN in the first epoch. What was fitted before is kept.
        TypeError
            If X is sparse or cannot be read as numbers.
        """
        return super().fit(X, y, sample_weight, X_val, y_val)

    def transform(self, X: Any) -> NDArray[Any]:
        """Compute the embeddings: what the head of the network sees at each step.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        embeddings : ndarray of shape (n_sequences,)
            An array of objects: for each sequence an array of shape (n_steps_i,
            n_embedding), the outputs of the encoder, ``hidden_size`` numbers per
            direction.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X cannot be read, has other features than in ``fit``, or values that are
            missing (unless ``missing="mask"``) or infinite.
        """
        return split_steps(*self._fitted()._run_steps(X, "embedding"))

    def _run_steps(
        self, X: Any, part: Part = "outputs"
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Run the network: a row for each step of all sequences, and their offsets."""
        from skrnn._running import run_module

        sequences = self._read_sequences(X, reset=False)
        results = run_module(self.module_, sequences, part, self._preparation())
        return results.astype(np.float64), sequences.offsets

    def _pair_steps(self, sequences: Sequences, y: Any, weight: Any) -> tuple[Any, Any]:
        lengths = sequences.lengths
        values = self._read_values(parts_of(y, lengths))
        weights, shares = weights_of_steps(weight, lengths)
        return StepTargets(values, shares, sequences.offsets), weights

    @abstractmethod
    def _read_values(self, parts: list[Any]) -> NDArray[Any]:
        """Read what stands in y for each step, as one array."""

    def _settings(
        self, max_epochs: int, lr_schedule: str, or_cpu: bool = False
    ) -> Settings:
        settings = super()._settings(max_epochs, lr_schedule, or_cpu)
        return replace(settings, per_step=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = self._estimator_type_of_tags
        return tags
