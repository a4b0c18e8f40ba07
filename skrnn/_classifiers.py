"""Classifiers: each sequence to a class, or to several labels."""

from __future__ import annotations

from numbers import Real
from sys import float_info
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from skrnn._base import BaseRecurrent
from skrnn._labels import check_label_columns, read_labels
from skrnn._params import CONSTRAINTS
from skrnn._training_set import TrainingSet, without_huge

if TYPE_CHECKING:
    from skrnn._settings import Kind

__all__ = ["GRUClassifier", "LSTMClassifier", "RNNClassifier"]


class BaseRecurrentClassifier(ClassifierMixin, BaseRecurrent):
    """What the three classifiers share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"log_loss"}), callable],
    }
    _stratify = True

    def __init__(
        self,
        hidden_size: int = 64,
        *,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.1,
        pooling: str = "concat",
        stem: int | str = "auto",
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
        loss: Any = "log_loss",
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
        self.pooling = pooling
        self.stem = stem
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
        self.loss = loss
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
        """Predict the most probable class of each sequence.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_labels)
            Class labels; for several labels, 1 where the probability is above 0.5.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X cannot be read, has other features than in ``fit``, or values that are
            missing (unless ``missing="mask"``) or infinite.
        """
        fitted = self._fitted()
        outputs = fitted._run(X)
        if fitted._multilabel:
            return (outputs > 0).astype(np.int64)
        labels: NDArray[Any] = fitted.classes_[outputs.argmax(axis=1)]
        return labels

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Compute the outputs of the network before they become probabilities.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        scores : ndarray of shape (n_sequences,) or (n_sequences, n_classes)
            For two classes, the log-odds of the second one; else one score per class
            or label, the larger the more probable.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X cannot be read, has other features than in ``fit``, or values that are
            missing (unless ``missing="mask"``) or infinite.
        """
        fitted = self._fitted()
        outputs = fitted._run(X)
        if fitted._multilabel or outputs.shape[1] > 2:
            return outputs
        odds: NDArray[np.float64] = outputs[:, 1] - outputs[:, 0]
        return odds

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict probabilities.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        probabilities : ndarray of shape (n_sequences, n_classes)
            In the order of ``classes_``. They add up to 1, except for several labels,
            where each column is the probability of its own label.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X cannot be read, has other features than in ``fit``, or values that are
            missing (unless ``missing="mask"``) or infinite.
        """
        fitted = self._fitted()
        return fitted._decode(fitted._run(X))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict logarithms of probabilities, precise also where they are tiny.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        log_probabilities : ndarray of shape (n_sequences, n_classes)
            In the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X cannot be read, has other features than in ``fit``, or values that are
            missing (unless ``missing="mask"``) or infinite.
        """
        fitted = self._fitted()
        outputs = fitted._run(X)
        logarithms: NDArray[np.float64] = (
            log_expit(outputs) if fitted._multilabel else log_softmax(outputs, axis=1)
        )
        return logarithms

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Train for one epoch at a constant learning rate.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences to learn from.
        y : array of shape (n_sequences,) or (n_sequences, n_labels)
            The targets.
        classes : array of shape (n_classes,) or None, default=None
            All classes that may come. Needed in the first call if its y does not hold
            them all.
        sample_weight : array of shape (n_sequences,) or None, default=None
            Weights of the sequences; None is 1.

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
        probabilities: NDArray[np.float64] = (
            expit(outputs) if self._multilabel else softmax(outputs, axis=1)
        )
        return probabilities

    def _read_target(
        self, y: Any, weights: NDArray[np.float64], classes: Any
    ) -> NDArray[Any]:
        labels = self._check_labels(y)
        self._multilabel = labels.ndim == 2
        if self._multilabel:
            return self._read_label_columns(labels, classes)
        used = labels[weights > 0] if len(labels) == len(weights) else labels
        known = used if classes is None else read_labels(classes, "classes")
        self.classes_ = np.unique(known)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs sequences of at least 2 classes, but y "
                f"contains only one class: {self.classes_.tolist()[0]!r}."
            )
        return self._codes(labels, weights)

    def _read_label_columns(self, labels: NDArray[Any], classes: Any) -> NDArray[Any]:
        if self.class_weight is not None:
            raise ValueError(
                "class_weight is for one class per sequence, but y has "
                f"{labels.shape[1]} label columns: use class_weight=None."
            )
        self.classes_ = np.arange(labels.shape[1])
        if classes is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"classes={classes!r} do not fit y, which has {labels.shape[1]} "
                f"label columns: leave classes out, or pass {self.classes_.tolist()}."
            )
        return labels.astype(np.float64)

    def _encode_target(self, y: Any, weights: NDArray[np.float64]) -> NDArray[Any]:
        labels = self._check_labels(y)
        if (labels.ndim == 2) != self._multilabel or (
            self._multilabel and labels.shape[1] != len(self.classes_)
        ):
            raise ValueError(
                f"y has shape {labels.shape}, which does not fit the "
                f"{len(self.classes_)} {'labels' if self._multilabel else 'classes'} "
                f"that {type(self).__name__} was fitted with."
            )
        if self._multilabel:
            return labels.astype(np.float64)
        return self._codes(labels, weights)

    def _check_labels(self, y: Any) -> NDArray[Any]:
        """Labels (n,), or a 0/1 matrix (n, n_labels)."""
        if not issparse(y):  # which check_array refuses
            y = read_labels(y)
        check_array(y, ensure_2d=False, dtype=None, estimator=self, input_name="y")
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y has several columns of classes. For labels that a sequence has or "
                "has not, pass columns of 0 and 1; else y should be a 1d array: wrap "
                f"{type(self).__name__} in MultiOutputClassifier."
            )
        if kind == "multilabel-indicator":
            check_label_columns(y)
            return np.asarray(y)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        return np.asarray(labels)

    def _codes(
        self, labels: NDArray[Any], weights: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        codes = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        unknown = self.classes_[codes] != labels
        if len(weights) == len(unknown):
            unknown &= weights > 0  # sequences without weight are dropped anyway
        if unknown.any():
            raise ValueError(
                f"y contains the unknown class {labels[unknown].tolist()[0]!r}; "
                f"known are {self.classes_.tolist()}."
            )
        return codes.astype(np.int64)

    def _n_module_outputs(self) -> int:
        return len(self.classes_)

    def _learn_class_weights(self, data: TrainingSet) -> None:
        self._class_factors = np.ones(len(self.classes_))
        if isinstance(self.class_weight, dict):
            self._class_factors = class_factors(self.class_weight, self.classes_)
        elif self.class_weight is not None:  # balanced: all classes weigh the same
            totals = np.bincount(data.targets, data.weights, len(self.classes_))
            there = totals > 0
            self._class_factors[there] = totals.sum() / (len(totals) * totals[there])

    def _weigh_classes(self, data: TrainingSet) -> TrainingSet:
        if self._multilabel:
            return data
        factors = self._class_factors[data.targets]
        return data._replace(weights=data.weights * factors)

    def _scale_target(self, data: TrainingSet) -> TrainingSet:
        if not self._multilabel:
            return data
        return data._replace(targets=data.targets.astype(self.dtype))

    def _target_kind(self) -> Kind:
        return "labels" if self._multilabel else "classes"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def check_same_classes(estimator: Any, classes: Any) -> None:
    """Refuse other classes than an estimator was fitted with, if it was."""
    fitted = getattr(estimator, "classes_", None)
    expected = fitted if fitted is not None else np.unique(classes)
    if classes is not None and not np.array_equal(expected, np.unique(classes)):
        raise ValueError(
            f"classes={classes!r} differ from those of the first call, "
            f"{np.asarray(expected).tolist()}: the outputs are fixed by then."
        )


def class_factors(
    class_weight: dict[Any, float], classes: NDArray[Any]
) -> NDArray[np.float64]:
    """Weights in the order of the classes; without one, 1.

    As in scikit-learn, weights of classes that are not in y (in a fold of a cross
    validation, say) are ignored, unless one that is in y has no weight: this looks
    like a misprint.
    """
    for label, weight in class_weight.items():
        if not isinstance(weight, Real):
            raise TypeError(
                f"class_weight[{label!r}] is {weight!r}, expected a number >= 0."
            )
        if not 0 <= weight <= float_info.max:
            raise ValueError(
                f"class_weight[{label!r}] is {weight}: weights of classes must be "
                "finite and >= 0."
            )
    known = classes.tolist()
    absent = [label for label in class_weight if label not in known]
    without = [label for label in known if label not in class_weight]
    if absent and without:
        raise ValueError(
            f"class_weight names the class {absent[0]!r}, which is not in y, and gives "
            f"no weight to {without}, which is. "
            f"The classes are {known}: correct the names, or name all classes."
        )
    return without_huge(np.array([float(class_weight.get(c, 1)) for c in known]))


class RNNClassifier(BaseRecurrentClassifier):
    r"""Elman's recurrent network from sequences to classes or labels.

    Has no gates: the fewest weights per unit, but what happened many steps ago is soon
    forgotten. A baseline for the LSTM and the GRU. Sequences may differ in length.

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
    pooling : {"last", "mean", "max", "concat", "attention"}, default="concat"
        How the outputs at all steps become one embedding: the last output of each
        direction, mean or maximum over steps, these three side by side, or a mean with
        learned weights.
    stem : int or "auto", default="auto"
        Number of blocks before the recurrent layers, each of which makes sequences a
        quarter as long: a convolution over nine steps, batch normalisation, ReLU and a
        maximum over four steps. "auto" takes one block if half of the training
        sequences have 16 steps or more, two from 96 on, none for categories, and none
        with ``bidirectional=False``: a stem looks at later steps, too.
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
    loss : {"log_loss"} or callable, default="log_loss"
        What is minimised. A callable takes tensors ``(outputs, targets)``, outputs of
        shape (n, n_classes) and class codes of shape (n,) (several labels: 0/1 of shape
        (n, n_labels)), and gives one number per sequence.
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
        ``lengths`` of shape (n_sequences,) give outputs of shape (n_sequences,
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
        The class labels, sorted; for several labels, the column numbers.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    LSTMClassifier : With gates and a memory cell.
    GRUClassifier : With two gates.
    RNNRegressor : Maps sequences to numbers.

    Notes
    -----
    With input :math:`x_t` and state :math:`h_t`,

    .. math:: h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})

    Predictions of a sequence do not depend on padding or on the other sequences in X;
    on one CPU they are equal to the bit. A fit depends on ``random_state`` and on the
    data, but not on their order, and weight k is the same as k copies.

    References
    ----------
    .. [1] Elman (1990), Finding Structure in Time, doi:10.1207/s15516709cog1402_1.

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(n_sequences=120, ragged=True, random_state=0)
    >>> model = RNNClassifier(hidden_size=16, max_epochs=15, lr=0.02, random_state=0)
    >>> round(model.fit(X[:90], y[:90]).score(X[90:], y[90:]), 1)
    0.9
    """

    _cell = "rnn"


class LSTMClassifier(BaseRecurrentClassifier):
    r"""Long short-term memory network from sequences to classes or labels.

    Input, forget and output gates decide what each unit's memory cell takes in, keeps
    and shows, so that it can bridge long gaps. Sequences may differ in length.

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
    pooling : {"last", "mean", "max", "concat", "attention"}, default="concat"
        How the outputs at all steps become one embedding: the last output of each
        direction, mean or maximum over steps, these three side by side, or a mean with
        learned weights.
    stem : int or "auto", default="auto"
        Number of blocks before the recurrent layers, each of which makes sequences a
        quarter as long: a convolution over nine steps, batch normalisation, ReLU and a
        maximum over four steps. "auto" takes one block if half of the training
        sequences have 16 steps or more, two from 96 on, none for categories, and none
        with ``bidirectional=False``: a stem looks at later steps, too.
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
    loss : {"log_loss"} or callable, default="log_loss"
        What is minimised. A callable takes tensors ``(outputs, targets)``, outputs of
        shape (n, n_classes) and class codes of shape (n,) (several labels: 0/1 of shape
        (n, n_labels)), and gives one number per sequence.
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
        ``lengths`` of shape (n_sequences,) give outputs of shape (n_sequences,
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
        The class labels, sorted; for several labels, the column numbers.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    GRUClassifier : Fewer weights per unit, often as good.
    RNNClassifier : Without gates.
    LSTMRegressor : Maps sequences to numbers.

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

    Predictions of a sequence do not depend on padding or on the other sequences in X;
    on one CPU they are equal to the bit. A fit depends on ``random_state`` and on the
    data, but not on their order, and weight k is the same as k copies.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long Short-Term Memory,
       doi:10.1162/neco.1997.9.8.1735.
    .. [2] Gers, Schmidhuber & Cummins (2000), Learning to Forget,
       doi:10.1162/089976600300015015.

    Examples
    --------
    >>> from skrnn import LSTMClassifier
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(n_sequences=120, ragged=True, random_state=0)
    >>> model = LSTMClassifier(hidden_size=16, max_epochs=15, lr=0.02, random_state=0)
    >>> round(model.fit(X[:90], y[:90]).score(X[90:], y[90:]), 1)
    1.0
    """

    _cell = "lstm"


class GRUClassifier(BaseRecurrentClassifier):
    r"""Gated recurrent unit network from sequences to classes or labels.

    Two gates decide how much of the old state each unit keeps: fewer weights per unit
    than the LSTM, and often as good or better on small data. Sequences may differ in
    length.

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
    pooling : {"last", "mean", "max", "concat", "attention"}, default="concat"
        How the outputs at all steps become one embedding: the last output of each
        direction, mean or maximum over steps, these three side by side, or a mean with
        learned weights.
    stem : int or "auto", default="auto"
        Number of blocks before the recurrent layers, each of which makes sequences a
        quarter as long: a convolution over nine steps, batch normalisation, ReLU and a
        maximum over four steps. "auto" takes one block if half of the training
        sequences have 16 steps or more, two from 96 on, none for categories, and none
        with ``bidirectional=False``: a stem looks at later steps, too.
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
    loss : {"log_loss"} or callable, default="log_loss"
        What is minimised. A callable takes tensors ``(outputs, targets)``, outputs of
        shape (n, n_classes) and class codes of shape (n,) (several labels: 0/1 of shape
        (n, n_labels)), and gives one number per sequence.
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
        ``lengths`` of shape (n_sequences,) give outputs of shape (n_sequences,
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
        The class labels, sorted; for several labels, the column numbers.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    LSTMClassifier : A memory cell and three gates.
    RNNClassifier : Without gates.
    GRURegressor : Maps sequences to numbers.

    Notes
    -----
    With input :math:`x_t` and state :math:`h_t`,

    .. math::
        r_t &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) \\
        z_t &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) \\
        n_t &= \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    As in torch, the reset gate acts after the matrix product.

    Predictions of a sequence do not depend on padding or on the other sequences in X;
    on one CPU they are equal to the bit. A fit depends on ``random_state`` and on the
    data, but not on their order, and weight k is the same as k copies.

    References
    ----------
    .. [1] Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder,
       doi:10.3115/v1/D14-1179.

    Examples
    --------
    >>> from skrnn import GRUClassifier
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(n_sequences=120, ragged=True, random_state=0)
    >>> model = GRUClassifier(hidden_size=16, max_epochs=15, lr=0.02, random_state=0)
    >>> round(model.fit(X[:90], y[:90]).score(X[90:], y[90:]), 1)
    1.0
    """

    _cell = "gru"
