"""BaseRecurrent: the story of fit and predict, with hooks for the task."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from skrnn._callbacks import fresh_callbacks
from skrnn._missing import mask_step
from skrnn._params import CONSTRAINTS, check_details, spawn_seeds
from skrnn._preparing import Preparation, input_scale, n_blocks, usual_values
from skrnn._sequences import Sequences
from skrnn._training_set import (
    Selection,
    TrainingSet,
    check_sample_weight,
    feature_statistics,
    merge_identical,
    split_validation,
)
from skrnn._validation import (
    check_sequences,
    check_step,
    check_target_length,
    draft_of,
    refuse_unclear,
)

if TYPE_CHECKING:  # torch is loaded by the first fit
    from skrnn._modules import SequenceModule
    from skrnn._running import Part
    from skrnn._settings import Kind, Settings
    from skrnn._streaming import Stepper, StreamState
    from skrnn._training import Net

__all__ = ["BaseRecurrent"]

NOTES_OF_SKORCH = {"train_loss_best", "valid_loss_best"}
NOTES_OF_SKORCH |= {"train_batch_count", "valid_batch_count"}


class BaseRecurrent(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC
):
    """Fit, run and describe one recurrent network.

    A fit works on a draft of the estimator, which takes its place at the very end: a
    fit that fails or is interrupted changes nothing, and a predict in another thread
    sees the old network or the new one, never a mixture.
    """

    _cell: ClassVar[str]
    callbacks: Any
    checkpoint: Any
    bidirectional: bool
    device: str
    dtype: str
    init: Any
    scale_inputs: Any
    stem: Any
    net_: Net
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

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
        if marked:
            x, state = mask_step(x, state, fitted.fill_values_)
        outputs, state = stepper.read(x, state)
        return fitted._decode(outputs.astype(np.float64)), state

    @property
    def module_(self) -> SequenceModule:
        """The fitted network, a ``torch.nn.Module``."""
        return self.net_.sequence_module

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One dict per epoch: ``epoch``, ``train_loss``, ``valid_loss``, ``dur``."""
        from skrnn._checkpoints import plain_epoch

        return [
            {k: v for k, v in plain_epoch(e).items() if k not in NOTES_OF_SKORCH}
            for e in self.net_.history
        ]

    @property
    def n_iter_(self) -> int:
        """Number of epochs run."""
        return len(self.net_.history)

    @property
    def device_(self) -> str:
        """The device that holds the network."""
        return str(next(self.module_.parameters()).device)

    # --- what a task says -----------------------------------------------------

    @abstractmethod
    def _read_target(
        self, y: Any, weights: NDArray[np.float64], classes: Any
    ) -> NDArray[Any]:
        """Check y, set what is learned from it, give codes (n,) or numbers (n, k)."""

    @abstractmethod
    def _encode_target(self, y: Any, weights: NDArray[np.float64]) -> NDArray[Any]:
        """Encode further targets (``y_val``) as ``_read_target`` did."""

    @abstractmethod
    def _target_kind(self) -> Kind:
        """Say what the targets are: "numbers", "classes" or "labels"."""

    @abstractmethod
    def _n_module_outputs(self) -> int:
        """How many numbers the head gives."""

    @abstractmethod
    def _decode(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn outputs of the network into numbers or probabilities."""

    def _learn_class_weights(self, data: TrainingSet) -> None:
        """Learn factors of weights, from all that is trained on."""

    def _weigh_classes(self, data: TrainingSet) -> TrainingSet:
        return data

    def _learn_scale(self, train: TrainingSet) -> None:
        """Learn how targets are scaled, from the part that is trained on."""

    def _scale_target(self, data: TrainingSet) -> TrainingSet:
        return data

    _stratify: ClassVar[bool] = False

    # --- the story --------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any) -> None:
        self._check_params()
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val belong together: pass both or neither.")
        again = bool(self.warm_start) and hasattr(self, "net_")
        if not again:
            for name in [name for name in vars(self) if name.endswith("_")]:
                delattr(self, name)
        data = self._read_training_set(X, y, sample_weight, reset=not again)
        train, validation = data, None
        if X_val is not None:
            try:
                validation = self._read_validation_set(X_val, y_val)
            except (TypeError, ValueError) as error:
                raise type(error)(f"In X_val and y_val: {error}") from error
        elif self.early_stopping:
            train, validation = split_validation(
                data,
                self.validation_fraction,
                self._stratify and data.targets.ndim == 1,
                spawn_seeds(self.random_state, 1)[0],
            )
        self._train(train, validation, again, self.max_epochs, self.lr_schedule)
        self.net_.optimizer_.state.clear()  # an annealed schedule leaves nothing to use

    def _partial_fit(
        self, X: Any, y: Any, sample_weight: Any, classes: Any = None
    ) -> None:
        self._check_params()
        self.checkpoint = None  # of this draft only: an epoch is done or not
        again = hasattr(self, "net_")
        data = self._read_training_set(X, y, sample_weight, not again, classes)
        self._train(data, None, again, max_epochs=1, lr_schedule="constant")

    def _check_params(self) -> None:
        self._validate_params()
        check_details(self)

    def _read_sequences(self, X: Any, reset: bool) -> Sequences:
        fitted = hasattr(self, "net_")  # then parameters may have changed since
        marked = hasattr(self, "fill_values_") if fitted else self.missing == "mask"
        return check_sequences(
            self,
            X,
            reset=reset,
            dtype=np.dtype(self._dtype_of_net()).type,
            allow_nan=marked,
            keep_mapped=True,
        )

    def _select(self, sequences: Sequences) -> Selection:
        """Choose all of X; of a memory map, the numbers are converted when read."""
        return Selection(sequences, dtype=self._dtype_of_net())

    def _dtype_of_net(self) -> str:
        """Name the precision: that of the fitted network, if there is one."""
        if not hasattr(self, "net_"):
            return self.dtype
        return str(self.module_.config["dtype"]).removeprefix("torch.")

    def _read_validation_set(self, X: Any, y: Any) -> TrainingSet:
        refuse_unclear(y, "y")
        sequences = self._read_sequences(X, reset=False)
        if len(sequences) == 0:
            raise ValueError("Found array with 0 sample(s): X_val is empty.")
        weights = np.ones(len(sequences))
        targets = self._encode_target(y, weights)
        check_target_length(sequences, targets, "y_val")
        data = TrainingSet(self._select(sequences), targets, weights)
        return self._weigh_classes(data)

    def _read_training_set(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, classes: Any = None
    ) -> TrainingSet:
        if not reset:
            self._refuse_other_inputs()
        refuse_unclear(y, "y")
        refuse_unclear(sample_weight, "sample_weight")
        sequences = self._read_sequences(X, reset)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        weights = check_sample_weight(sample_weight, len(sequences))
        targets = (
            self._read_target(y, weights, classes)
            if reset
            else self._encode_target(y, weights)
        )
        check_target_length(sequences, targets)
        data = TrainingSet(self._select(sequences), targets, weights)
        if not weights.all():
            data = data.take(weights > 0)
        data = merge_identical(data)
        self._learn_class_weights(data)
        data = self._weigh_classes(data)
        if not data.weights.any():
            raise ValueError(
                "class_weight gives all sequences in y the weight 0: nothing is left "
                "to train on."
            )
        return data if data.weights.all() else data.take(data.weights > 0)

    def _refuse_other_inputs(self) -> None:
        """Refuse to train on with other inputs, of which the network has learned."""
        now = {"missing": self.missing, "scale_inputs": self.scale_inputs}
        fitted = {"missing": "mask" if hasattr(self, "fill_values_") else "error"}
        if self.scale_inputs != "auto":
            fitted["scale_inputs"] = self.input_scale_
        for name, value in fitted.items():
            if now[name] != value:
                raise ValueError(
                    f"The fitted network has {name}={value!r}, now {name}="
                    f"{now[name]!r}: to train it further, keep {name}; to begin anew, "
                    "use warm_start=False and fit."
                )

    def _train(
        self,
        train: TrainingSet,
        validation: TrainingSet | None,
        again: bool,
        max_epochs: int,
        lr_schedule: str,
    ) -> None:
        from skrnn._devices import plain_torch
        from skrnn._layers import check_engine
        from skrnn._modules import copy_module, make_module
        from skrnn._training import fit_module  # loads skorch

        if not again:
            self._learn_scale(train)
            sequences, scale = Selection.of(train.sequences), self.scale_inputs
            self.input_scale_ = input_scale(scale, self.bidirectional, sequences)
            if self.missing == "mask":
                prepare = self._preparation()
                self.fill_values_ = usual_values(sequences, prepare)
        old: Net | None = self.net_ if again else None
        n_before = 0 if old is None else len(old.history)
        stops = bool(self.early_stopping) and validation is not None
        settings = replace(
            self._settings(max_epochs, lr_schedule),
            patience=self.n_iter_no_change if stops else None,
            seeds=spawn_seeds(self.random_state, 3, n_before),
        )
        check_engine(self.engine, settings.device)
        prepared = self._prepare(train)
        config = self._module_config(prepared, old)
        n_scaled = self._preparation().n_scaled(self._n_step_features)
        with plain_torch(settings.device):
            if old is None:
                longest = int(prepared.sequences.lengths.max())
                memory = longest if self.init == "chrono" else None
                module = make_module(config, settings.seeds[0], memory)
                if module.scaling is not None:
                    module.scaling.learn(*feature_statistics(prepared, n_scaled))
            else:
                module = copy_module(old.sequence_module, config)
            self.net_ = fit_module(
                module,
                prepared,
                None if validation is None else self._prepare(validation),
                settings,
                old,
            )

    def _prepare(self, data: TrainingSet) -> TrainingSet:
        """Turn checked data into what the module sees."""
        data, prepare = self._scale_target(data), self._preparation()
        if not prepare.changes:
            return data
        return data._replace(sequences=Selection.of(data.sequences).filled(prepare))

    def _preparation(self) -> Preparation:
        """Give what is done to checked sequences before the network reads them."""
        fill = vars(self).get("fill_values_")
        return Preparation(self.input_scale_ == "sequence", fill, self._dtype_of_net())

    def _module_config(self, data: TrainingSet, old: Net | None) -> dict[str, Any]:
        return {
            "cell": self._cell,
            "n_features": self._preparation().n_inputs(self._n_step_features),
            "n_outputs": self._n_module_outputs(),
            "hidden_size": int(self.hidden_size),
            "num_layers": int(self.num_layers),
            "bidirectional": bool(self.bidirectional),
            "dropout": float(self.dropout),
            "pooling": self.pooling,
            "dtype": self.dtype,
            "engine": self.engine,
            "scale_inputs": self.input_scale_ is not None,
            "stem": n_blocks(self, data.sequences.lengths, old),
        }

    def _settings(self, max_epochs: int, lr_schedule: str) -> Settings:
        from skrnn._devices import resolve_device
        from skrnn._settings import Settings

        return Settings(
            loss=self.loss,
            optimizer=self.optimizer,
            lr=self.lr,
            lr_schedule=lr_schedule,
            weight_decay=self.weight_decay,
            max_grad_norm=self.max_grad_norm,
            max_epochs=int(max_epochs),
            batch_size=self.batch_size,
            device=resolve_device(self.device),
            verbose=self.verbose,
            callbacks=self.callbacks,
            net_params=self.net_params,
            kind=self._target_kind(),
            checkpoint=self.checkpoint,
        )

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

    # --- scikit-learn's and pickle's doors ------------------------------------------

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """Read the signature of ``__init__`` once; it is asked for in every fit."""
        names: list[str] = super()._get_param_names()
        return names

    @property
    def _n_features_out(self) -> int:
        return self.module_.embedding_size

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing == "mask"
        return tags

    def __sklearn_clone__(self) -> Self:
        """Clone the parameters; callbacks need some care."""
        others = draft_of(self)
        others.callbacks = None
        cloned: Self = super(BaseRecurrent, others).__sklearn_clone__()
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

        try:
            settings = self._settings(1, "constant")
        except (TypeError, ValueError) as error:
            warnings.warn(f"The network is loaded on the CPU: {error}", stacklevel=2)
            device, self.device = self.device, "cpu"
            settings = self._settings(1, "constant")
            self.device = device
        self.net_ = load_net(state["net_"], settings)
