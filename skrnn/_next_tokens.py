"""BaseNextToken: networks that say which token of a sequence comes next."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.utils._param_validation import Interval

from skrnn._base import BaseRecurrent
from skrnn._categories import holds_vectors
from skrnn._params import CONSTRAINTS_OF_TOKENS
from skrnn._preparing import count_epochs
from skrnn._sequences import Sequences, offsets_of
from skrnn._step_reading import weights_of_steps
from skrnn._step_targets import StepTargets
from skrnn._training_set import Selection, TrainingSet, check_sample_weight

if TYPE_CHECKING:
    from skrnn._settings import Kind, Settings
    from skrnn._streaming import StreamState

__all__ = ["CONSTRAINTS", "BaseNextToken"]

CONSTRAINTS: dict[str, list[Any]] = {
    **CONSTRAINTS_OF_TOKENS,
    "bptt": [Interval(Integral, 1, None, closed="left")],
}


class BaseNextToken(BaseRecurrent):
    """What differs if the target of each step is the next one.

    A network reads a mark where a sequence begins, then its tokens, and says after each
    of these what comes next: one of ``n_tokens`` tokens, or else, where ``_n_marks`` is
    2, the end or a token that is not known. Long sequences are read in pieces.
    """

    pooling = "none"
    stem = 0
    bidirectional = False
    scale_inputs = None
    categorical_features = "auto"
    init = "orthogonal"
    missing = "error"
    loss = "log_loss"
    features_per_step = None
    bptt: int
    batch_size: int
    validation_fraction: float
    _has_targets = False
    _estimator_type_of_tags: ClassVar[str]
    _n_marks: ClassVar[int]  # 2: the end and what is unknown are foreseen, too

    # --- what a task says -----------------------------------------------------

    @abstractmethod
    def _learn_tokens(self, X: Any, sample_weight: Any) -> None:
        """Learn the tokens there are, counted with the weights of their sequences."""

    @abstractmethod
    def _n_tokens(self) -> int:
        """How many there are."""

    @abstractmethod
    def _codes_of(self, X: Any) -> list[NDArray[np.int64]]:
        """Give tokens their numbers, -1 to unknown ones, in each sequence."""

    # --- what is the same for all -----------------------------------------------

    def _check_params(self) -> None:
        super()._check_params()
        if self.device == "accelerate":
            raise ValueError(
                f"device='accelerate': {type(self).__name__} carries the state of a "
                "sequence from batch to batch, and does not share batches with other "
                "processes. Use a device of one process."
            )

    def _read_training_set(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, classes: Any = None
    ) -> TrainingSet:
        if reset:
            self._learn_tokens(X, sample_weight)
        if holds_vectors(self.embedding):
            self.embedding = with_mark(self.embedding, self._n_tokens())
        return super()._read_training_set(X, y, sample_weight, reset, classes)

    def _read_sequences(self, X: Any, reset: bool) -> Sequences:
        """Put the mark of the beginning before all tokens."""
        sequences = self._begun(self._codes_of(X))
        if reset:
            self.n_categories_ = np.array([self._n_tokens() + 1])
            self._categorical = "auto"
            self._n_step_features = 1
        return sequences

    def _begun(self, codes: list[NDArray[np.int64]]) -> Sequences:
        n_tokens = self._n_tokens()
        values = np.concatenate([part for each in codes for part in ([n_tokens], each)])
        offsets = offsets_of([1 + len(each) for each in codes])
        values = values.astype(self._dtype_of_net())[:, None]
        return Sequences(values, offsets, ["token"], [n_tokens + 1])

    def _pair_steps(self, sequences: Sequences, y: Any, weight: Any) -> tuple[Any, Any]:
        targets, foreseen = self._targets_of(sequences)
        lengths = sequences.lengths
        weights = check_sample_weight(weight, len(lengths))
        _, shares = weights_of_steps(None, lengths)
        return StepTargets(targets, shares * foreseen, sequences.offsets), weights

    def _targets_of(self, sequences: Sequences) -> tuple[NDArray[np.int64], Any]:
        """Code of what comes after each step, and whether it is foreseen at all."""
        codes, n_tokens = sequences.values[:, 0].astype(np.int64), self._n_tokens()
        following = np.append(codes[1:], n_tokens)
        ends = sequences.offsets[1:] - 1
        following[ends] = n_tokens
        if self._n_marks == 2:
            return np.where(following < 0, n_tokens + 1, following), True
        foreseen = (following >= 0) & (following < n_tokens)
        return np.where(foreseen, following, 0), foreseen

    def _read_target(self, y: Any, weights: NDArray[np.float64], classes: Any) -> Any:
        return y

    def _encode_target(self, y: Any, weights: NDArray[np.float64]) -> Any:
        return y

    def _target_kind(self) -> Kind:
        return "classes"

    def _n_module_outputs(self) -> int:
        return self._n_tokens() + self._n_marks

    def _decode(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = softmax(outputs, axis=1)
        return probabilities

    def _count_epochs(self, max_epochs: int | str, train: TrainingSet) -> int:
        n_pieces = int((-(-train.sequences.lengths // self.bptt)).sum())
        return count_epochs(max_epochs, n_pieces, self.batch_size)

    def _split(self, data: TrainingSet) -> tuple[TrainingSet, TrainingSet]:
        train, validation = self._cut_off(data)
        for part, name in ((train, "train"), (validation, "validate")):
            if not part.targets.shares.any():
                raise ValueError(
                    f"early_stopping leaves nothing to {name} on: none of what is "
                    "known comes up in that part. Use more to learn from, a smaller "
                    "min_count or X_val."
                )
        return train, validation

    def _cut_off(self, data: TrainingSet) -> tuple[TrainingSet, TrainingSet]:
        """Split off some sequences, or the end of an only one."""
        if len(data.weights) > 1:
            return super()._split(data)
        length = int(data.sequences.lengths[0])  # a single text: its end
        n_train = length - max(1, round(self.validation_fraction * length))
        if n_train < 1:
            raise ValueError(
                f"early_stopping with validation_fraction={self.validation_fraction} "
                f"leaves nothing to train on: all there is has {length - 1} tokens."
            )
        values, targets = Selection.of(data.sequences).read().values, data.targets
        parts = []
        for part in (slice(n_train), slice(n_train, None)):
            steps = values[part].copy()
            steps[0] = values[0]  # the mark: as if the end were a text of its own
            offsets = offsets_of([len(steps)])
            sequences = Sequences(steps, offsets, ["token"])
            found = StepTargets(targets.values[part], targets.shares[part], offsets)
            parts.append(TrainingSet(Selection.of(sequences), found, data.weights))
        return parts[0], parts[1]

    def _settings(
        self, max_epochs: int, lr_schedule: str, or_cpu: bool = False
    ) -> Settings:
        settings = super()._settings(max_epochs, lr_schedule, or_cpu)
        return replace(settings, per_step=True, bptt=int(self.bptt))

    # --- what is said of sequences -------------------------------------------------

    def _log_probabilities(self, sequences: Sequences) -> NDArray[np.float64]:
        """Say of what came after each step how probable it was."""
        from skrnn._running import run_in_pieces

        targets, _ = self._targets_of(sequences)
        found, offsets = np.zeros(len(targets)), sequences.offsets

        def take(rows: NDArray[np.int64], start: int, outputs: NDArray[Any]) -> None:
            steps = start + np.arange(outputs.shape[1])
            inside = steps < sequences.lengths[rows][:, None]
            where = (offsets[rows][:, None] + steps)[inside]
            said = log_softmax(outputs[inside].astype(np.float64), axis=1)
            found[where] = said[np.arange(len(where)), targets[where]]

        run_in_pieces(self.module_, sequences, take)
        return found

    def _of_last_step(self, sequences: Sequences) -> NDArray[np.float64]:
        """Probabilities of what comes after the end, (n_sequences, n_outputs)."""
        from skrnn._running import run_to_end

        return self._decode(run_to_end(self.module_, sequences).astype(np.float64))

    def fit(  # type: ignore[override]  # there is no y
        self, X: Any, y: Any = None, sample_weight: Any = None, X_val: Any = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts to learn from, or their tokens.
        y : None
            Ignored.
        sample_weight : array of shape (n_sequences,) or None, default=None
            Weights of the texts; weight k is the same as k copies. None is 1.
        X_val : like X, or None, default=None
            Texts to compute ``valid_loss`` on after each epoch. With
            ``early_stopping=True`` they take the place of the part split off X: some
            of the texts, or the end of an only one.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or a weight has a value that cannot be used. What was
            fitted before is kept.
        TypeError
            If X holds something else than texts and tokens.
        """
        return super().fit(X, None, sample_weight, X_val, None)

    def initial_state(self, n_sequences: int = 1) -> StreamState:
        """Begin to read sequences token by token.

        Parameters
        ----------
        n_sequences : int, default=1
            How many sequences are read side by side.

        Returns
        -------
        state : StreamState
            Where they stand before their first token: a tuple of numpy arrays, which
            can be copied, pickled and sent elsewhere.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        """
        stepper = self._stepper(begin=True)
        state = stepper.initial_state(n_sequences)
        mark = np.full((n_sequences, 1), self._n_tokens(), stepper.dtype)
        return stepper.read(mark, state)[1]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = self._estimator_type_of_tags
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = False
        return tags


def with_mark(vectors: Any, n_tokens: int) -> NDArray[np.float64]:
    """Let vectors of all tokens be followed by zeros, for the mark of the beginning."""
    try:
        given = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"embedding cannot be read as vectors of one size ({error})."
        ) from error
    if given.ndim != 2 or len(given) != n_tokens or not np.isfinite(given).all():
        raise ValueError(
            f"embedding has the shape {given.shape}, expected ({n_tokens}, size): one "
            "vector of finite numbers for each token, in the order of their numbers, "
            "which a given vocabulary fixes."
        )
    return np.vstack([given, np.zeros((1, given.shape[1]))])
