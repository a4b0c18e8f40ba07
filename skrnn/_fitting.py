"""How a network is fitted: the story, with hooks for the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skrnn._callbacks import CallbackSupportMixin, FitTasks, tasks_of, with_callbacks
from skrnn._categories import (
    check_codes,
    holds_vectors,
    learn_categories,
    tables_of,
)
from skrnn._params import CONSTRAINTS, check_details, spawn_seeds
from skrnn._preparing import (
    Preparation,
    count_epochs,
    input_scale,
    n_blocks,
    usual_values,
)
from skrnn._sequences import Sequences
from skrnn._training_set import (
    Selection,
    TrainingSet,
    check_sample_weight,
    feature_statistics,
    merge_identical,
    split_validation,
)
from skrnn._validation import check_sequences, check_target_length, refuse_unclear

if TYPE_CHECKING:  # torch is loaded by the first fit
    from skrnn._modules import SequenceModule
    from skrnn._net import Net
    from skrnn._settings import Kind, Settings

__all__ = ["Fitting"]


class Fitting(CallbackSupportMixin, BaseEstimator, ABC):
    """Check data, build a module, train it; the task says what targets are."""

    _cell: ClassVar[str]
    bidirectional: bool
    categorical_features: Any
    checkpoint: Any
    device: str
    dtype: str
    embedding: Any
    init: Any
    scale_inputs: Any
    stem: Any
    word_dropout: float
    net_: Net
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    @property
    def module_(self) -> SequenceModule:
        """The fitted network, a ``torch.nn.Module``."""
        return self.net_.sequence_module

    # --- what a task says -----------------------------------------------------

    def _pair_steps(self, sequences: Sequences, y: Any, weight: Any) -> tuple[Any, Any]:
        """Bring y to one row per sequence, and weights to one number."""
        return y, weight

    @abstractmethod
    def _read_target(self, y: Any, weights: NDArray[np.float64], classes: Any) -> Any:
        """Check y, set what is learned from it, give codes (n,) or numbers (n, k)."""

    @abstractmethod
    def _encode_target(self, y: Any, weights: NDArray[np.float64]) -> Any:
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

    def _count_epochs(self, max_epochs: int | str, train: TrainingSet) -> int:
        """How many epochs there are, if that is left open."""
        return count_epochs(max_epochs, len(train.weights), self.batch_size)

    _stratify: ClassVar[bool] = False
    _has_targets: ClassVar[bool] = True  # apart from X

    # --- the story --------------------------------------------------------------

    @with_callbacks  # type: ignore[untyped-decorator]
    def _fit(self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any) -> None:
        self._check_params()
        if self._has_targets and (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val belong together: pass both or neither.")
        tasks = tasks_of(self, X, y, sample_weight, self.max_epochs)
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
                where = "X_val and y_val" if self._has_targets else "X_val"
                raise type(error)(f"In {where}: {error}") from error
        elif self.early_stopping:
            train, validation = self._split(data)
        self._train(train, validation, again, self.max_epochs, self.lr_schedule, tasks)
        self.net_.optimizer_.state.clear()  # an annealed schedule leaves nothing to use
        if tasks is not None:
            tasks.end()

    def _split(self, data: TrainingSet) -> tuple[TrainingSet, TrainingSet]:
        """Split off a part to validate on."""
        stratify = self._stratify and data.targets.ndim == 1
        seed = spawn_seeds(self.random_state, 1)[0]
        return split_validation(data, self.validation_fraction, stratify, seed)

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
        dtype = np.dtype(self._dtype_of_net()).type
        options: dict[str, Any] = {"allow_nan": marked, "keep_mapped": True}
        sequences = check_sequences(self, X, reset=reset, dtype=dtype, **options)
        if reset:
            self.n_categories_ = learn_categories(self, sequences)
            self._categorical = self.categorical_features
        check_codes(sequences, self._n_categories(), reset)
        return sequences

    def _n_categories(self) -> NDArray[np.int64]:
        """Count the categories of each feature; models of old files have none."""
        none = np.zeros(self._n_step_features, dtype=np.int64)
        counts: NDArray[np.int64] = vars(self).get("n_categories_", none)
        return counts

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
        y, weights = self._pair_steps(sequences, y, np.ones(len(sequences)))
        targets = self._encode_target(y, weights)
        check_target_length(sequences, targets, "y_val")
        data = self._weigh_classes(
            TrainingSet(self._select(sequences), targets, weights)
        )
        if not data.weights.any():
            raise ValueError("class_weight gives all of y_val the weight 0.")
        return data

    def _read_training_set(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, classes: Any = None
    ) -> TrainingSet:
        if not reset:
            self._refuse_other_inputs()
        refuse_unclear(y, "y")
        refuse_unclear(sample_weight, "sample_weight")
        sequences = self._read_sequences(X, reset)
        if y is None and self._has_targets:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        y, sample_weight = self._pair_steps(sequences, y, sample_weight)
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
        now["categorical_features"] = self.categorical_features
        fitted["categorical_features"] = vars(self).get("_categorical", "auto")
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
        max_epochs: int | str,
        lr_schedule: str,
        tasks: FitTasks | None = None,
    ) -> None:
        from skrnn._devices import plain_torch
        from skrnn._layers import check_engine
        from skrnn._modules import copy_module
        from skrnn._training import fit_module  # loads skorch

        if not again:
            self._learn_scale(train)
            sequences, scale = Selection.of(train.sequences), self.scale_inputs
            categories = self._n_categories() > 0
            looks_ahead = self.bidirectional and not categories.any()
            self.input_scale_ = input_scale(scale, looks_ahead, sequences)
            if self.missing == "mask":
                usual = usual_values(sequences, self._preparation())
                self.fill_values_ = np.where(categories, -1.0, usual)
        old: Net | None = self.net_ if again else None
        n_before = 0 if old is None else len(old.history)
        stops = bool(self.early_stopping) and validation is not None
        n_epochs = self._count_epochs(max_epochs, train)
        settings = replace(
            self._settings(n_epochs, lr_schedule),
            patience=self.n_iter_no_change if stops else None,
            seeds=spawn_seeds(self.random_state, 3, n_before),
            tasks=tasks,
        )
        check_engine(self.engine, settings.device)
        prepared = self._prepare(train)
        config = self._module_config(prepared, old)
        n_scaled = self._preparation().n_scaled(self._n_step_features)
        with plain_torch(settings.device):
            if old is None:
                longest = int(prepared.sequences.lengths.max())
                memory = longest if self.init == "chrono" else None
                module = self._make_module(config, settings.seeds[0], memory)
                if module.scaling is not None:
                    module.learn_scale(*feature_statistics(prepared, n_scaled))
                if holds_vectors(self.embedding) and module.embedding is not None:
                    module.embedding.take(self.embedding)
            else:
                module = copy_module(old.sequence_module, config)
            held_out = None if validation is None else self._prepare(validation)
            self.net_ = fit_module(module, prepared, held_out, settings, old)

    def _make_module(self, config: dict[str, Any], seed: int, longest: Any) -> Any:
        """Build the network that ``config`` describes, with new weights."""
        from skrnn._modules import make_module

        return make_module(config, seed, longest)

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
        tables = tables_of(self._n_categories(), self.embedding)
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
            "tables": tables,
            "word_dropout": float(self.word_dropout) if tables else 0.0,
        }

    def _settings(
        self, max_epochs: int, lr_schedule: str, or_cpu: bool = False
    ) -> Settings:
        from skrnn._devices import device_or_cpu, others_of, resolve_device
        from skrnn._settings import Settings

        find = device_or_cpu if or_cpu else resolve_device
        return Settings(
            loss=self.loss,
            optimizer=self.optimizer,
            lr=self.lr,
            lr_schedule=lr_schedule,
            weight_decay=self.weight_decay,
            max_grad_norm=self.max_grad_norm,
            max_epochs=max_epochs,
            batch_size=self.batch_size,
            device=find(self.device),
            verbose=self.verbose,
            callbacks=self.callbacks,
            net_params=self.net_params,
            kind=self._target_kind(),
            checkpoint=self.checkpoint,
            processes=None if or_cpu else others_of(self.device),
        )

    def _copy_of(self, net: Net) -> Net:
        """Copy a net that is still trained."""
        from skrnn._dumping import dump_net, load_net

        return load_net(dump_net(net), self._settings(1, "constant"))
