"""What users, scikit-learn and pickle ask of a network."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skrnn._callbacks import fresh_callbacks
from skrnn._categories import check_step_codes
from skrnn._fitting import Fitting
from skrnn._missing import mask_step
from skrnn._validation import check_step, draft_of

if TYPE_CHECKING:  # torch is loaded by the first fit
    from skrnn._running import Part
    from skrnn._streaming import Stepper, StreamState

__all__ = ["BaseNetwork", "BaseRecurrent"]


class BaseNetwork(Fitting):
    """Fit, describe, clone and pickle one recurrent network.

    A fit works on a draft of the estimator, which takes its place at the very end: a
    fit that fails or is interrupted changes nothing, and a predict in another thread
    sees the old network or the new one, never a mixture.
    """

    callbacks: Any

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
        y : array of shape (n_sequences,) or (n_sequences, n_outputs)
            The targets.
        sample_weight : array of shape (n_sequences,) or None, default=None
            Weights of the sequences; weight k is the same as k copies. None is 1.
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
            If a parameter, X, y or a weight has a value that cannot be used, or the
            loss becomes NaN in the first epoch. What was fitted before is kept.
        TypeError
            If X is sparse or cannot be read as numbers.
        MemoryError
            If the network and its batches need more memory than there is.
        """
        draft = draft_of(self)
        draft._fit(X, y, sample_weight, X_val, y_val)
        return self._adopt(draft)

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One dict per epoch: ``epoch``, ``train_loss``, ``valid_loss``, ``dur``."""
        from skrnn._checkpoints import told_of

        return [told_of(epoch) for epoch in self.net_.history]

    @property
    def n_iter_(self) -> int:
        """Number of epochs run."""
        return len(self.net_.history)

    @property
    def device_(self) -> str:
        """The device that holds the network."""
        return str(next(self.module_.parameters()).device)

    # --- on a draft -------------------------------------------------------------------

    def _fitted(self) -> Self:
        """Make a draft of the fitted estimator, which no fit will change."""
        if "net_" not in vars(self):  # scikit-learn's check takes time at every predict
            check_is_fitted(self)
        return draft_of(self)

    def _adopt(self, draft: Self) -> Self:
        """Take over what a draft has learned, at once, but not its parameters."""
        params = {name: vars(self)[name] for name in self._get_param_names()}
        self.__dict__ = {**vars(draft), **params}
        return self

    def _partial_fit_draft(
        self, X: Any, y: Any, sample_weight: Any, classes: Any = None
    ) -> Self:
        draft = draft_of(self)
        draft._partial_fit(X, y, sample_weight, classes)
        return self._adopt(draft)

    # --- scikit-learn's and pickle's doors ------------------------------------------

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """Read the signature of ``__init__`` once; it is asked for in every fit."""
        names: list[str] = super()._get_param_names()
        return names

    def __sklearn_clone__(self) -> Self:
        """Clone the parameters; callbacks need some care."""
        others = draft_of(self)
        others.callbacks = None
        cloned: Self = super(BaseNetwork, others).__sklearn_clone__()
        cloned.callbacks = fresh_callbacks(self.callbacks, copy.deepcopy)
        return cloned

    def __getstate__(self) -> dict[str, Any]:
        """Give the fitted network as numbers, names and numpy arrays."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "net_" in state:
            from skrnn._dumping import dump_net

            state["net_"] = dump_net(state["net_"])
            # a callback may hold tensors of the fit, which is over
            state["callbacks"] = fresh_callbacks(state["callbacks"], copy.copy)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the network, on the CPU if its device is not here."""
        super().__setstate__(state)
        if "net_" not in state:
            return
        from skrnn._dumping import load_net

        settings = self._settings(1, "constant", or_cpu=True)
        self.net_ = load_net(state["net_"], settings)


class BaseRecurrent(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseNetwork):
    """Run a network that gives each sequence, or each step, an answer."""

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Compute the embedding: what the head of the network sees.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        embedding : ndarray of shape (n_sequences, n_embedding)
            The pooled outputs of the encoder, ``hidden_size`` numbers per direction,
            three times as many with ``pooling="concat"``.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X cannot be read, has other features than in ``fit``, or values that are
            missing (unless ``missing="mask"``) or infinite.
        """
        return self._fitted()._run(X, "embedding")

    def initial_state(self, n_sequences: int = 1) -> StreamState:
        """Begin to read sequences step by step.

        Parameters
        ----------
        n_sequences : int, default=1
            How many sequences are read side by side.

        Returns
        -------
        state : StreamState
            Where they stand before their first step: a tuple of numpy arrays, which
            can be copied, pickled and sent elsewhere.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If the network is bidirectional or has a stem: it reads later steps, too.
        """
        return self._stepper(begin=True).initial_state(n_sequences)

    def step(self, x: Any, state: StreamState) -> tuple[NDArray[Any], StreamState]:
        """Read one more step of each sequence, as it comes from a live source.

        Costs the same however long a sequence has become. Runs on the CPU. An edit of
        ``weight.data`` is noticed by the next ``initial_state``, other changes at once.

        Parameters
        ----------
        x : array of shape (n_sequences, n_features)
            The next step of each sequence.
        state : StreamState
            What ``initial_state`` or the last ``step`` gave. It is left as it is.

        Returns
        -------
        output : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            What the steps read so far predict: what ``predict`` of a regressor and
            ``predict_proba`` of a classifier say of them.
        state : StreamState
            Where the sequences stand now.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If x has another shape, values that are missing (unless
            ``missing="mask"``) or infinite, the state is not of a network of this
            form, or the network is bidirectional or has a stem.
        TypeError
            If the state is something else.
        """
        fitted = draft_of(self)  # a fit in another thread changes self only
        stepper = fitted._stepper()
        stepper.check_state(state)
        marked = hasattr(fitted, "fill_values_")
        shape = (state.hidden.shape[2], fitted._n_step_features)
        x = check_step(x, shape, stepper.dtype, allow_nan=marked)
        check_step_codes(x, fitted._n_categories())
        if marked:
            x, state = mask_step(x, state, fitted.fill_values_)
        outputs, state = stepper.read(x, state)
        return fitted._decode(outputs.astype(np.float64)), state

    def _run(self, X: Any, part: Part = "outputs") -> NDArray[np.float64]:
        """Check X and run the fitted network over it."""
        from skrnn._running import run_module

        sequences = self._read_sequences(X, reset=False)
        results = run_module(self.module_, sequences, part, self._preparation())
        return results.astype(np.float64)

    def _stepper(self, begin: bool = False) -> Stepper:
        """Give what reads single steps; it is kept with the network."""
        from skrnn._streaming import stepper_of

        if "net_" not in vars(self):
            check_is_fitted(self)
        if self.input_scale_ == "sequence":
            raise ValueError(
                "With scale_inputs='sequence' a network reads the size of the whole "
                "sequence, and cannot go step by step: fit with scale_inputs='feature'."
            )
        return stepper_of(self.net_, begin)

    @property
    def _n_features_out(self) -> int:
        return self.module_.embedding_size

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing == "mask"
        return tags
