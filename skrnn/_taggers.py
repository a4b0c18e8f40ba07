"""Taggers: each step of a sequence to a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.utils._param_validation import StrOptions

from skrnn._classifiers import check_same_classes, class_factors
from skrnn._labels import read_labels
from skrnn._per_step import CONSTRAINTS_PER_STEP, BaseRecurrentPerStep
from skrnn._sequences import place_of
from skrnn._step_reading import labels_of_steps, marks_of_steps
from skrnn._step_targets import StepTargets, split_steps
from skrnn._training_set import TrainingSet
from skrnn.metrics import step_accuracy_score

if TYPE_CHECKING:
    from skrnn._settings import Kind
    from skrnn._streaming import Stepper

__all__ = ["GRUTagger", "LSTMTagger", "RNNTagger"]


class BaseRecurrentTagger(BaseRecurrentPerStep):
    """What the three taggers share."""

    loss = "log_loss"
    _estimator_type_of_tags = "tagger"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS_PER_STEP,
        "head": [StrOptions({"softmax", "crf"})],
    }

    def __init__(
        self,
        hidden_size: int = 64,
        *,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.1,
        head: Literal["softmax", "crf"] = "softmax",
        scale_inputs: Literal["auto", "feature", "sequence"] | None = "auto",
        categorical_features: Any = "auto",
        embedding: Any = "auto",
        word_dropout: float = 0.1,
        init: str = "orthogonal",
        lr: float = 3e-3,
        lr_schedule: str = "one_cycle",
        optimizer: Any = "adamw",
        weight_decay: float = 1e-2,
        max_grad_norm: float | None = 1.0,
        max_epochs: int | str = "auto",
        batch_size: int = 32,
        class_weight: dict[Any, float] | str | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        features_per_step: int | None = None,
        missing: str = "error",
        dtype: str = "float32",
        device: str = "auto",
        engine: str = "auto",
        callbacks: Any = None,
        net_params: dict[str, Any] | None = None,
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.head = head
        self.scale_inputs = scale_inputs
        self.categorical_features = categorical_features
        self.embedding = embedding
        self.word_dropout = word_dropout
        self.init = init
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.features_per_step = features_per_step
        self.missing = missing
        self.dtype = dtype
        self.device = device
        self.engine = engine
        self.callbacks = callbacks
        self.net_params = net_params
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the label of each step.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        y : ndarray of shape (n_sequences,)
            An array of objects: for each sequence an array of shape (n_steps_i,) of
            the most probable labels; with ``head="crf"`` those of the most probable
            path, found by the Viterbi algorithm. Of several labels an array of shape
            (n_steps_i, n_classes), 1 where a label is more probable than not.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X cannot be read, has other features than in ``fit``, or values that are
            missing (unless ``missing="mask"``) or infinite.
        """
        fitted = self._fitted()
        outputs, offsets = fitted._run_steps(X)
        if fitted._has_several_labels:
            return split_steps((outputs > 0).astype(np.int64), offsets)
        crf = fitted.module_.crf
        if crf is None:
            codes: NDArray[Any] = outputs.argmax(axis=1)
        else:
            from skrnn._crf import by_length, viterbi

            codes = by_length(viterbi, outputs, offsets, crf.scores())
        return split_steps(fitted.classes_[codes], offsets)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Predict the probabilities of the labels of each step.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        probabilities : ndarray of shape (n_sequences,)
            An array of objects: for each sequence an array of shape (n_steps_i,
            n_classes), in the order of ``classes_``, whose rows add up to 1, but for
            several labels. With ``head="crf"`` they are marginals, from the
            forward-backward algorithm.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X cannot be read, has other features than in ``fit``, or values that are
            missing (unless ``missing="mask"``) or infinite.
        """
        fitted = self._fitted()
        outputs, offsets = fitted._run_steps(X)
        crf = fitted.module_.crf
        if crf is None:
            probabilities = fitted._decode(outputs)
        else:
            from skrnn._crf import by_length, marginals

            probabilities = by_length(marginals, outputs, offsets, crf.scores())
        return split_steps(probabilities, offsets)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the share of steps whose label is right, or all of several.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.
        y : list of lists or arrays of shape (n_steps_i,) or (n_steps_i, n_classes), \
or array of shape (n_sequences, n_steps)
            The true labels.
        sample_weight : array of shape (n_sequences,), or like y, or None, default=None
            Weights of the sequences, or of their steps. None is 1.

        Returns
        -------
        accuracy : float
            Of all steps of all sequences together.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X, y or a weight cannot be read, or their lengths differ.
        """
        return step_accuracy_score(y, self.predict(X), sample_weight=sample_weight)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Train for one epoch at a constant learning rate.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences to learn from.
        y : list of lists or arrays of shape (n_steps_i,) or (n_steps_i, n_classes), \
or array of shape (n_sequences, n_steps)
            The labels, one for each step of each sequence, or a 0 or 1 for each of
            several.
        classes : array of shape (n_classes,) or None, default=None
            All labels that may come. Needed in the first call if its y does not hold
            them all.
        sample_weight : array of shape (n_sequences,), or like y, or None, default=None
            Weights of the sequences, or of their steps; None is 1.

        Returns
        -------
        self : object
            The estimator, trained further.

        Raises
        ------
        ValueError
            If a parameter, X, y or a weight cannot be used, or does not fit earlier
            calls. What was fitted before is kept.
        TypeError
            If X is sparse or cannot be read as numbers.
        """
        check_same_classes(self, classes)
        return self._partial_fit_draft(X, y, sample_weight, classes)

    def _decode(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._has_several_labels:
            return np.asarray(expit(outputs))
        return np.asarray(softmax(outputs, axis=1))

    @property
    def _has_several_labels(self) -> bool:
        """Whether a step may have any number of labels; old files do not say."""
        return bool(vars(self).get("_several", False))

    def _read_values(self, parts: list[Any]) -> NDArray[Any]:
        tables = [part for part in parts if getattr(part, "ndim", 1) == 2]
        if any(table.dtype.kind in "biuf" for table in tables):
            return marks_of_steps(parts)
        return labels_of_steps(parts)

    def _read_target(
        self, y: Any, weights: NDArray[np.float64], classes: Any
    ) -> StepTargets:
        self._several = y.values.ndim == 2
        if self._several:
            return self._read_marks(y, classes)
        used = y.values[y.weights(weights) > 0]
        known = used if classes is None else read_labels(classes, "classes")
        self.classes_ = np.unique(known)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs steps of at least 2 classes, but y "
                f"contains only one class: {self.classes_.tolist()[0]!r}."
            )
        return self._encode_target(y, weights)

    def _read_marks(self, y: Any, classes: Any) -> StepTargets:
        """Read several labels for each step, as columns of 0 and 1."""
        n_classes = y.values.shape[1]
        if self.head == "crf" or self.class_weight is not None:
            raise ValueError(
                "y has several labels for each step, which neither head='crf' nor "
                "class_weight is for: use head='softmax' and class_weight=None."
            )
        if classes is not None and len(classes) != n_classes:
            raise ValueError(
                f"y has {n_classes} columns of labels, but classes holds "
                f"{len(classes)}."
            )
        self.classes_ = np.arange(n_classes) if classes is None else np.array(classes)
        return y.with_values(y.values.astype(self.dtype))  # type: ignore[no-any-return]

    def _encode_target(self, y: Any, weights: NDArray[np.float64]) -> StepTargets:
        labels, n_classes = y.values, len(self.classes_)
        columns = labels.shape[1] if labels.ndim == 2 else None
        if columns != (n_classes if self._has_several_labels else None):
            raise ValueError(
                f"y has labels of shape {labels.shape[1:]} for each step, which does "
                f"not fit the {n_classes} {'columns' if columns is None else 'labels'} "
                f"that {type(self).__name__} was fitted with."
            )
        if columns is not None:
            return y.with_values(labels.astype(self.dtype))  # type: ignore[no-any-return]
        codes = np.searchsorted(self.classes_, labels).clip(max=n_classes - 1)
        unknown = self.classes_[codes] != labels
        unknown &= y.weights(weights) > 0  # nothing is learned from others
        if unknown.any():
            first = int(unknown.argmax())
            index, step = place_of(y.offsets, first)
            raise ValueError(
                f"y contains the unknown class {labels[first].tolist()!r} in "
                f"y[{index}][{step}]; known are {self.classes_.tolist()}."
            )
        targets: StepTargets = y.with_values(codes.astype(np.int64))
        return targets

    def _n_module_outputs(self) -> int:
        return len(self.classes_)

    def _module_config(self, data: TrainingSet, old: Any) -> dict[str, Any]:
        return {**super()._module_config(data, old), "head": self.head}

    def _learn_class_weights(self, data: TrainingSet) -> None:
        if self._has_several_labels:
            return
        self._class_factors = np.ones(len(self.classes_))
        if isinstance(self.class_weight, dict):
            self._class_factors = class_factors(self.class_weight, self.classes_)
        elif self.class_weight is not None:  # balanced: all classes weigh the same
            codes, weights = data.targets.values, data.targets.weights(data.weights)
            totals = np.bincount(codes, weights, len(self.classes_))
            there = totals > 0
            self._class_factors[there] = totals.sum() / (len(totals) * totals[there])

    def _weigh_classes(self, data: TrainingSet) -> TrainingSet:
        if self._has_several_labels:
            return data
        targets, factors = data.targets, self._class_factors
        targets, largest = targets.weighed(factors[targets.values])
        return data._replace(targets=targets, weights=data.weights * largest)

    def _target_kind(self) -> Kind:
        return "labels" if self._has_several_labels else "classes"

    def _stepper(self, begin: bool = False) -> Stepper:
        if "net_" in vars(self) and self.module_.crf is not None:
            raise ValueError(
                "With head='crf' the labels of a sequence are chosen together, and "
                "those of its first steps depend on what comes later: to go step by "
                "step, fit with head='softmax'."
            )
        return super()._stepper(begin)


class RNNTagger(BaseRecurrentTagger):
    r"""Elman's recurrent network that gives each step a label.

    Has no gates: the fewest weights per unit, but what happened many steps ago is soon
    forgotten. A baseline for the LSTM and the GRU. Sequences may differ in length, and
    each has as many labels as steps.

    Parameters
    ----------
    hidden_size : int, default=64
        Number of hidden units per layer and direction.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    bidirectional : bool, default=True
        Whether a second stack of layers reads each sequence from its end. Set False if
        a prediction must not use later steps.
    dropout : float in [0, 1), default=0.1
        Share of features dropped between layers and before the head while training, the
        same ones at all steps of a sequence. Also acts with one layer.
    head : {"softmax", "crf"}, default="softmax"
        How labels are chosen: each step's by itself, or all of a sequence together by a
        conditional random field, which learns which labels follow each other, come
        first and come last. It is slower, and good where labels come in a grammar (BIO
        tags) or in runs.
    scale_inputs : {"auto", "feature", "sequence"} or None, default="auto"
        How features are brought to mean 0 and deviation 1 before the network: over the
        steps of all training sequences, over those of each sequence itself (its own
        mean and deviation become further features), or not at all. "auto" takes
        "feature", but "sequence" where a tenth of the training sequences, if there are
        ten, deviate from their mean 1000 times as much as another tenth, unless
        ``bidirectional=False``, with which a network can go step by step. What the
        first fit has chosen stays.
    categorical_features : list of int or str, "auto" or None, default="auto"
        Features of a step that are categories: whole numbers from 0 on, which stand for
        vectors that are learned. Their positions, or names if X has names; "auto" takes
        those that ``Sequences.n_categories`` names, as in the output of
        ``TokenEncoder``. Codes that ``fit`` has not seen, and -1, are unknown ones.
    embedding : int, "auto" or array of shape (n_categories, size), default="auto"
        How many numbers stand for a category, "auto" 1.6 times the 0.56th power of
        their number, 64 at most; or the vectors that training begins with. They decay
        30 times as fast as other weights.
    word_dropout : float in [0, 1), default=0.1
        Share of categories that are taken for unknown while training (Iyyer et al.
        2015, doi:10.3115/v1/P15-1162).
    init : {"orthogonal", "chrono"}, default="orthogonal"
        How weights begin: Glorot and orthogonal matrices, with open forget gates (bias
        1) of an LSTM; or these with biases of the gates drawn so that units remember
        for times up to the longest sequence of the first fit, in steps that the layers
        see (Tallec & Ollivier 2018, arXiv:1804.11188). For a network that reads
        forwards and must recall single steps long ago; an RNN has no gates and refuses
        it.
    lr : float, default=3e-3
        Step size of the optimiser, the largest one if there is a schedule.
    lr_schedule : {"one_cycle", "cosine", "constant"}, default="one_cycle"
        How ``lr`` changes from update to update: up from 4 % during the first quarter
        and then down to 0 like a cosine, only down, or not at all.
    optimizer : str or torch optimizer class, default="adamw"
        What makes the updates: "adamw", "adam", "sgd", "rmsprop" or a class from
        ``torch.optim``.
    weight_decay : float, default=1e-2
        Weight decay of the optimiser.
    max_grad_norm : float or None, default=1.0
        Gradients with a larger norm (over all weights) are shortened to it; None leaves
        them.
    max_epochs : int or "auto", default="auto"
        Number of passes over the training sequences. "auto" is 100, but with more than
        30 batches only as many as make 3000 updates, and 10 at least.
    batch_size : int, default=32
        Largest number of sequences in an update. Identical sequences with identical
        targets count as one, with their weights added.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as a dict from label to weight; "balanced" gives all
        classes the same total weight, None weighs all alike.
    early_stopping : bool, default=False
        Whether to stop when ``valid_loss`` has not fallen for ``n_iter_no_change``
        epochs, and to go back to the weights with the lowest.
    validation_fraction : float in (0, 1), default=0.1
        Share of the training sequences set aside for ``early_stopping`` if ``fit`` gets
        no ``X_val``.
    n_iter_no_change : int, default=10
        Number of epochs without a lower ``valid_loss`` before ``early_stopping`` acts.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the fitted weights instead of new ones.
    features_per_step : int or None, default=None
        For a 2-D X: number of features of each step. The columns are then read as
        ``n_steps`` groups, all features of the first step first. None is one.
    missing : {"error", "mask"}, default="error"
        What to do with NaN in X: refuse it, or carry the last value forward (before the
        first one: the mean of the training steps, -1 of categories) and tell the
        network which values were missing, by one more feature each.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", "mps", or "auto", which is
        "cpu" if there is no GPU, and of several the one that the fewest processes use.
        "accelerate": processes started by torchrun share each batch.
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the estimator: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``). They see targets as the network does: scaled, or
        codes of classes.
    net_params : dict or None, default=None
        More parameters for ``skorch.NeuralNet``, for example ``{"optimizer__betas":
        (0.9, 0.99)}``.
    checkpoint : str, path or None, default=None
        A file that a fit writes its state to, about once a second, and removes at the
        end. If it is there already, of a fit with the same data and parameters that was
        killed, ``fit`` goes on from it and gives what it would have given, to the bit;
        of another fit, it is refused. Needs a ``random_state``, and safetensors;
        ``callbacks`` begin anew. One file is for one fit: leave it None in a search or
        a vote, whose clones would share it.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initial weights, dropout and shuffling. None draws one from numpy's
        global generator.
    verbose : int, default=0
        1 prints the losses after each epoch, 2 also shows a progress bar.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The net that trained the network, with its callbacks and history.
    module_ : torch.nn.Module
        The fitted network: ``x`` of shape (n_sequences, n_steps, n_features) and
        ``lengths`` of shape (n_sequences,) give outputs of shape (n_sequences, n_steps,
        n_outputs).
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        The device that holds the network.
    n_features_in_ : int
        Number of columns of a 2-D X, else of features per step.
    feature_names_in_ : ndarray of str
        Names of these, if X had names that are all strings.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of several labels for each step the numbers of the columns.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    LSTMTagger : A memory cell and three gates.
    GRUTagger : Fewer weights per unit, often as good.
    RNNClassifier : One class for a whole sequence.
    skrnn.metrics.entity_f1_score : What BIO tags are measured by.

    Notes
    -----
    With input :math:`x_t` and state :math:`h_t`,

    .. math:: h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})

    With ``head="crf"`` the outputs :math:`e_t` of the network are scores beside those
    of neighbours [2]_:

    .. math::
        \log p(y) = s_{y_1} + \sum_t e_{t, y_t} + \sum_{t > 1} A_{y_{t-1}, y_t}
        + f_{y_T} - \log Z

    The loss is the mean over all steps of :math:`-\log p(y_t | y_1, \dots, y_{t-1})`,
    whose sum is :math:`-\log p(y)`; weights of classes and steps are factors of these
    terms.

    Predictions of a sequence do not depend on padding or on the other sequences in X;
    on one CPU they are equal to the bit. A fit depends on ``random_state`` and on the
    data, but not on their order, and weight k is the same as k copies.

    References
    ----------
    .. [1] Elman (1990), Finding Structure in Time, doi:10.1207/s15516709cog1402_1.
    .. [2] Lafferty, McCallum & Pereira (2001), Conditional Random Fields: Probabilistic
       Models for Segmenting and Labeling Sequence Data, ICML.

    Examples
    --------
    >>> from skrnn import RNNTagger
    >>> from skrnn.datasets import make_events
    >>> X, y = make_events(n_sequences=80, noise=0.3, random_state=0)
    >>> model = RNNTagger(hidden_size=16, max_epochs=50, lr=0.02, random_state=0)
    >>> model.fit(X[:60], y[:60]).predict(X[60:])[0].shape == y[60].shape
    True
    >>> round(model.score(X[60:], y[60:]), 1)
    0.9
    """

    _cell = "rnn"


class LSTMTagger(BaseRecurrentTagger):
    r"""Long short-term memory network that gives each step a label.

    Input, forget and output gates decide what each unit's memory cell takes in, keeps
    and shows, so that it can bridge long gaps. Sequences may differ in length, and each
    has as many labels as steps.

    Parameters
    ----------
    hidden_size : int, default=64
        Number of hidden units per layer and direction.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    bidirectional : bool, default=True
        Whether a second stack of layers reads each sequence from its end. Set False if
        a prediction must not use later steps.
    dropout : float in [0, 1), default=0.1
        Share of features dropped between layers and before the head while training, the
        same ones at all steps of a sequence. Also acts with one layer.
    head : {"softmax", "crf"}, default="softmax"
        How labels are chosen: each step's by itself, or all of a sequence together by a
        conditional random field, which learns which labels follow each other, come
        first and come last. It is slower, and good where labels come in a grammar (BIO
        tags) or in runs.
    scale_inputs : {"auto", "feature", "sequence"} or None, default="auto"
        How features are brought to mean 0 and deviation 1 before the network: over the
        steps of all training sequences, over those of each sequence itself (its own
        mean and deviation become further features), or not at all. "auto" takes
        "feature", but "sequence" where a tenth of the training sequences, if there are
        ten, deviate from their mean 1000 times as much as another tenth, unless
        ``bidirectional=False``, with which a network can go step by step. What the
        first fit has chosen stays.
    categorical_features : list of int or str, "auto" or None, default="auto"
        Features of a step that are categories: whole numbers from 0 on, which stand for
        vectors that are learned. Their positions, or names if X has names; "auto" takes
        those that ``Sequences.n_categories`` names, as in the output of
        ``TokenEncoder``. Codes that ``fit`` has not seen, and -1, are unknown ones.
    embedding : int, "auto" or array of shape (n_categories, size), default="auto"
        How many numbers stand for a category, "auto" 1.6 times the 0.56th power of
        their number, 64 at most; or the vectors that training begins with. They decay
        30 times as fast as other weights.
    word_dropout : float in [0, 1), default=0.1
        Share of categories that are taken for unknown while training (Iyyer et al.
        2015, doi:10.3115/v1/P15-1162).
    init : {"orthogonal", "chrono"}, default="orthogonal"
        How weights begin: Glorot and orthogonal matrices, with open forget gates (bias
        1) of an LSTM; or these with biases of the gates drawn so that units remember
        for times up to the longest sequence of the first fit, in steps that the layers
        see (Tallec & Ollivier 2018, arXiv:1804.11188). For a network that reads
        forwards and must recall single steps long ago; an RNN has no gates and refuses
        it.
    lr : float, default=3e-3
        Step size of the optimiser, the largest one if there is a schedule.
    lr_schedule : {"one_cycle", "cosine", "constant"}, default="one_cycle"
        How ``lr`` changes from update to update: up from 4 % during the first quarter
        and then down to 0 like a cosine, only down, or not at all.
    optimizer : str or torch optimizer class, default="adamw"
        What makes the updates: "adamw", "adam", "sgd", "rmsprop" or a class from
        ``torch.optim``.
    weight_decay : float, default=1e-2
        Weight decay of the optimiser.
    max_grad_norm : float or None, default=1.0
        Gradients with a larger norm (over all weights) are shortened to it; None leaves
        them.
    max_epochs : int or "auto", default="auto"
        Number of passes over the training sequences. "auto" is 100, but with more than
        30 batches only as many as make 3000 updates, and 10 at least.
    batch_size : int, default=32
        Largest number of sequences in an update. Identical sequences with identical
        targets count as one, with their weights added.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as a dict from label to weight; "balanced" gives all
        classes the same total weight, None weighs all alike.
    early_stopping : bool, default=False
        Whether to stop when ``valid_loss`` has not fallen for ``n_iter_no_change``
        epochs, and to go back to the weights with the lowest.
    validation_fraction : float in (0, 1), default=0.1
        Share of the training sequences set aside for ``early_stopping`` if ``fit`` gets
        no ``X_val``.
    n_iter_no_change : int, default=10
        Number of epochs without a lower ``valid_loss`` before ``early_stopping`` acts.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the fitted weights instead of new ones.
    features_per_step : int or None, default=None
        For a 2-D X: number of features of each step. The columns are then read as
        ``n_steps`` groups, all features of the first step first. None is one.
    missing : {"error", "mask"}, default="error"
        What to do with NaN in X: refuse it, or carry the last value forward (before the
        first one: the mean of the training steps, -1 of categories) and tell the
        network which values were missing, by one more feature each.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", "mps", or "auto", which is
        "cpu" if there is no GPU, and of several the one that the fewest processes use.
        "accelerate": processes started by torchrun share each batch.
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the estimator: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``). They see targets as the network does: scaled, or
        codes of classes.
    net_params : dict or None, default=None
        More parameters for ``skorch.NeuralNet``, for example ``{"optimizer__betas":
        (0.9, 0.99)}``.
    checkpoint : str, path or None, default=None
        A file that a fit writes its state to, about once a second, and removes at the
        end. If it is there already, of a fit with the same data and parameters that was
        killed, ``fit`` goes on from it and gives what it would have given, to the bit;
        of another fit, it is refused. Needs a ``random_state``, and safetensors;
        ``callbacks`` begin anew. One file is for one fit: leave it None in a search or
        a vote, whose clones would share it.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initial weights, dropout and shuffling. None draws one from numpy's
        global generator.
    verbose : int, default=0
        1 prints the losses after each epoch, 2 also shows a progress bar.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The net that trained the network, with its callbacks and history.
    module_ : torch.nn.Module
        The fitted network: ``x`` of shape (n_sequences, n_steps, n_features) and
        ``lengths`` of shape (n_sequences,) give outputs of shape (n_sequences, n_steps,
        n_outputs).
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        The device that holds the network.
    n_features_in_ : int
        Number of columns of a 2-D X, else of features per step.
    feature_names_in_ : ndarray of str
        Names of these, if X had names that are all strings.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of several labels for each step the numbers of the columns.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    GRUTagger : Fewer weights per unit, often as good.
    RNNTagger : Without gates.
    LSTMClassifier : One class for a whole sequence.
    skrnn.metrics.entity_f1_score : What BIO tags are measured by.

    Notes
    -----
    With input :math:`x_t`, state :math:`h_t` and cell :math:`c_t`,

    .. math::
        i_t &= \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi}) \\
        f_t &= \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf}) \\
        g_t &= \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg}) \\
        o_t &= \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho}) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \tanh(c_t)

    The bias of the forget gate begins at 1 [2]_.

    With ``head="crf"`` the outputs :math:`e_t` of the network are scores beside those
    of neighbours [3]_:

    .. math::
        \log p(y) = s_{y_1} + \sum_t e_{t, y_t} + \sum_{t > 1} A_{y_{t-1}, y_t}
        + f_{y_T} - \log Z

    The loss is the mean over all steps of :math:`-\log p(y_t | y_1, \dots, y_{t-1})`,
    whose sum is :math:`-\log p(y)`; weights of classes and steps are factors of these
    terms.

    Predictions of a sequence do not depend on padding or on the other sequences in X;
    on one CPU they are equal to the bit. A fit depends on ``random_state`` and on the
    data, but not on their order, and weight k is the same as k copies.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long Short-Term Memory,
       doi:10.1162/neco.1997.9.8.1735.
    .. [2] Gers, Schmidhuber & Cummins (2000), Learning to Forget,
       doi:10.1162/089976600300015015.
    .. [3] Lafferty, McCallum & Pereira (2001), Conditional Random Fields: Probabilistic
       Models for Segmenting and Labeling Sequence Data, ICML.

    Examples
    --------
    >>> from skrnn import LSTMTagger
    >>> from skrnn.datasets import make_events
    >>> X, y = make_events(n_sequences=80, noise=0.3, random_state=0)
    >>> model = LSTMTagger(hidden_size=16, max_epochs=30, lr=0.02, random_state=0)
    >>> model.fit(X[:60], y[:60]).predict(X[60:])[0].shape == y[60].shape
    True
    >>> round(model.score(X[60:], y[60:]), 1)
    0.9
    """

    _cell = "lstm"


class GRUTagger(BaseRecurrentTagger):
    r"""Gated recurrent unit network that gives each step a label.

    Two gates decide how much of the old state each unit keeps: fewer weights per unit
    than the LSTM, and often as good or better on small data. Sequences may differ in
    length, and each has as many labels as steps.

    Parameters
    ----------
    hidden_size : int, default=64
        Number of hidden units per layer and direction.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    bidirectional : bool, default=True
        Whether a second stack of layers reads each sequence from its end. Set False if
        a prediction must not use later steps.
    dropout : float in [0, 1), default=0.1
        Share of features dropped between layers and before the head while training, the
        same ones at all steps of a sequence. Also acts with one layer.
    head : {"softmax", "crf"}, default="softmax"
        How labels are chosen: each step's by itself, or all of a sequence together by a
        conditional random field, which learns which labels follow each other, come
        first and come last. It is slower, and good where labels come in a grammar (BIO
        tags) or in runs.
    scale_inputs : {"auto", "feature", "sequence"} or None, default="auto"
        How features are brought to mean 0 and deviation 1 before the network: over the
        steps of all training sequences, over those of each sequence itself (its own
        mean and deviation become further features), or not at all. "auto" takes
        "feature", but "sequence" where a tenth of the training sequences, if there are
        ten, deviate from their mean 1000 times as much as another tenth, unless
        ``bidirectional=False``, with which a network can go step by step. What the
        first fit has chosen stays.
    categorical_features : list of int or str, "auto" or None, default="auto"
        Features of a step that are categories: whole numbers from 0 on, which stand for
        vectors that are learned. Their positions, or names if X has names; "auto" takes
        those that ``Sequences.n_categories`` names, as in the output of
        ``TokenEncoder``. Codes that ``fit`` has not seen, and -1, are unknown ones.
    embedding : int, "auto" or array of shape (n_categories, size), default="auto"
        How many numbers stand for a category, "auto" 1.6 times the 0.56th power of
        their number, 64 at most; or the vectors that training begins with. They decay
        30 times as fast as other weights.
    word_dropout : float in [0, 1), default=0.1
        Share of categories that are taken for unknown while training (Iyyer et al.
        2015, doi:10.3115/v1/P15-1162).
    init : {"orthogonal", "chrono"}, default="orthogonal"
        How weights begin: Glorot and orthogonal matrices, with open forget gates (bias
        1) of an LSTM; or these with biases of the gates drawn so that units remember
        for times up to the longest sequence of the first fit, in steps that the layers
        see (Tallec & Ollivier 2018, arXiv:1804.11188). For a network that reads
        forwards and must recall single steps long ago; an RNN has no gates and refuses
        it.
    lr : float, default=3e-3
        Step size of the optimiser, the largest one if there is a schedule.
    lr_schedule : {"one_cycle", "cosine", "constant"}, default="one_cycle"
        How ``lr`` changes from update to update: up from 4 % during the first quarter
        and then down to 0 like a cosine, only down, or not at all.
    optimizer : str or torch optimizer class, default="adamw"
        What makes the updates: "adamw", "adam", "sgd", "rmsprop" or a class from
        ``torch.optim``.
    weight_decay : float, default=1e-2
        Weight decay of the optimiser.
    max_grad_norm : float or None, default=1.0
        Gradients with a larger norm (over all weights) are shortened to it; None leaves
        them.
    max_epochs : int or "auto", default="auto"
        Number of passes over the training sequences. "auto" is 100, but with more than
        30 batches only as many as make 3000 updates, and 10 at least.
    batch_size : int, default=32
        Largest number of sequences in an update. Identical sequences with identical
        targets count as one, with their weights added.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as a dict from label to weight; "balanced" gives all
        classes the same total weight, None weighs all alike.
    early_stopping : bool, default=False
        Whether to stop when ``valid_loss`` has not fallen for ``n_iter_no_change``
        epochs, and to go back to the weights with the lowest.
    validation_fraction : float in (0, 1), default=0.1
        Share of the training sequences set aside for ``early_stopping`` if ``fit`` gets
        no ``X_val``.
    n_iter_no_change : int, default=10
        Number of epochs without a lower ``valid_loss`` before ``early_stopping`` acts.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the fitted weights instead of new ones.
    features_per_step : int or None, default=None
        For a 2-D X: number of features of each step. The columns are then read as
        ``n_steps`` groups, all features of the first step first. None is one.
    missing : {"error", "mask"}, default="error"
        What to do with NaN in X: refuse it, or carry the last value forward (before the
        first one: the mean of the training steps, -1 of categories) and tell the
        network which values were missing, by one more feature each.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", "mps", or "auto", which is
        "cpu" if there is no GPU, and of several the one that the fewest processes use.
        "accelerate": processes started by torchrun share each batch.
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the estimator: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``). They see targets as the network does: scaled, or
        codes of classes.
    net_params : dict or None, default=None
        More parameters for ``skorch.NeuralNet``, for example ``{"optimizer__betas":
        (0.9, 0.99)}``.
    checkpoint : str, path or None, default=None
        A file that a fit writes its state to, about once a second, and removes at the
        end. If it is there already, of a fit with the same data and parameters that was
        killed, ``fit`` goes on from it and gives what it would have given, to the bit;
        of another fit, it is refused. Needs a ``random_state``, and safetensors;
        ``callbacks`` begin anew. One file is for one fit: leave it None in a search or
        a vote, whose clones would share it.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initial weights, dropout and shuffling. None draws one from numpy's
        global generator.
    verbose : int, default=0
        1 prints the losses after each epoch, 2 also shows a progress bar.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The net that trained the network, with its callbacks and history.
    module_ : torch.nn.Module
        The fitted network: ``x`` of shape (n_sequences, n_steps, n_features) and
        ``lengths`` of shape (n_sequences,) give outputs of shape (n_sequences, n_steps,
        n_outputs).
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        The device that holds the network.
    n_features_in_ : int
        Number of columns of a 2-D X, else of features per step.
    feature_names_in_ : ndarray of str
        Names of these, if X had names that are all strings.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of several labels for each step the numbers of the columns.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    LSTMTagger : A memory cell and three gates.
    RNNTagger : Without gates.
    GRUClassifier : One class for a whole sequence.
    skrnn.metrics.entity_f1_score : What BIO tags are measured by.

    Notes
    -----
    With input :math:`x_t` and state :math:`h_t`,

    .. math::
        r_t &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) \\
        z_t &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) \\
        n_t &= \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    As in torch, the reset gate acts after the matrix product.

    With ``head="crf"`` the outputs :math:`e_t` of the network are scores beside those
    of neighbours [2]_:

    .. math::
        \log p(y) = s_{y_1} + \sum_t e_{t, y_t} + \sum_{t > 1} A_{y_{t-1}, y_t}
        + f_{y_T} - \log Z

    The loss is the mean over all steps of :math:`-\log p(y_t | y_1, \dots, y_{t-1})`,
    whose sum is :math:`-\log p(y)`; weights of classes and steps are factors of these
    terms.

    Predictions of a sequence do not depend on padding or on the other sequences in X;
    on one CPU they are equal to the bit. A fit depends on ``random_state`` and on the
    data, but not on their order, and weight k is the same as k copies.

    References
    ----------
    .. [1] Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder,
       doi:10.3115/v1/D14-1179.
    .. [2] Lafferty, McCallum & Pereira (2001), Conditional Random Fields: Probabilistic
       Models for Segmenting and Labeling Sequence Data, ICML.

    Examples
    --------
    >>> from skrnn import GRUTagger
    >>> from skrnn.datasets import make_events
    >>> X, y = make_events(n_sequences=80, noise=0.3, random_state=0)
    >>> model = GRUTagger(hidden_size=16, max_epochs=30, lr=0.02, random_state=0)
    >>> model.fit(X[:60], y[:60]).predict(X[60:])[0].shape == y[60].shape
    True
    >>> round(model.score(X[60:], y[60:]), 1)
    0.9
    """

    _cell = "gru"
