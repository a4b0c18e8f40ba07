"""Regressors: each sequence to one or more numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_array

from skrnn._base import BaseRecurrent
from skrnn._inputs import refuse_times
from skrnn._params import CONSTRAINTS
from skrnn._training_set import TrainingSet

if TYPE_CHECKING:
    from skrnn._settings import Kind

__all__ = ["GRURegressor", "LSTMRegressor", "RNNRegressor"]


class BaseRecurrentRegressor(MultiOutputMixin, RegressorMixin, BaseRecurrent):
    """What the three regressors share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: rule for name, rule in CONSTRAINTS.items() if name != "class_weight"},
        "loss": [
            StrOptions({"squared_error", "absolute_error", "huber"}),
            callable,
        ],
    }

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
        loss: Any = "squared_error",
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

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict one or more numbers for each sequence.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            The predictions, in the shape and the unit of the y of ``fit``.

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

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch at a constant learning rate.

        The first call fixes the number of outputs and the scale of the targets.

        Parameters
        ----------
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            The sequences to learn from.
        y : array of shape (n_sequences,) or (n_sequences, n_outputs)
            The targets.
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
        return self._partial_fit_draft(X, y, sample_weight)

    def _decode(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        numbers: NDArray[np.float64] = outputs * self.target_scale_ + self.target_loc_
        return numbers[:, 0] if self._one_column else numbers

    def _read_target(
        self, y: Any, weights: NDArray[np.float64], classes: Any
    ) -> NDArray[Any]:
        targets = self._check_target(y)
        self._one_column = targets.ndim == 1
        columns = as_columns(targets)
        self.n_outputs_ = columns.shape[1]
        return columns

    def _encode_target(self, y: Any, weights: NDArray[np.float64]) -> NDArray[Any]:
        targets = as_columns(self._check_target(y))
        if targets.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {targets.shape[1]} columns, but {type(self).__name__} was "
                f"fitted with {self.n_outputs_}."
            )
        return targets

    def _check_target(self, y: Any) -> NDArray[np.float64]:
        if isinstance(y, list | tuple):
            y = np.asarray(y)
        refuse_times(y, "y")
        try:
            targets: NDArray[np.float64] = check_array(
                y, dtype=np.float64, ensure_2d=False, estimator=self, input_name="y"
            )
        except (TypeError, ValueError) as error:
            if "to float" not in str(error) and "float()" not in str(error):
                raise
            raise type(error)(
                f"y cannot be read as numbers ({error}). A regressor needs numbers; "
                "for labels use a classifier."
            ) from error
        return targets

    def _n_module_outputs(self) -> int:
        return int(self.n_outputs_)

    def _learn_scale(self, train: TrainingSet) -> None:
        """Weighted mean and standard deviation; 1 for constant targets."""
        found = location_and_scale(train.targets, train.weights)
        self.target_loc_, self.target_scale_ = found

    def _scale_target(self, data: TrainingSet) -> TrainingSet:
        return data._replace(targets=scale_columns(self, data.targets))

    def _target_kind(self) -> Kind:
        return "numbers"


def as_columns(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make (n,) or (n, k) two-dimensional."""
    return targets[:, None] if targets.ndim == 1 else targets


def location_and_scale(
    targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean and deviation of columns; 1 for constant ones."""
    largest = np.abs(targets).max(axis=0)
    unit = np.where(largest > 0, largest, 1.0)  # squares of 1e200 would overflow
    targets = targets / unit
    mean = np.average(targets, axis=0, weights=weights)
    variance = np.average((targets - mean) ** 2, axis=0, weights=weights)
    deviation = np.sqrt(variance)
    rounding = 10 * np.finfo(np.float64).eps * np.abs(mean)
    smallest = np.finfo(np.float32).tiny  # below, one huge weight hides the rest
    constant = deviation <= np.maximum(rounding, smallest)
    return mean * unit, np.where(constant, 1.0, deviation * unit)


def scale_columns(estimator: Any, targets: NDArray[np.float64]) -> NDArray[Any]:
    """Bring targets to the scale that was learned, in the network's precision."""
    with np.errstate(over="ignore"):  # an overflow is reported below
        scaled = (targets - estimator.target_loc_) / estimator.target_scale_
        columns: NDArray[Any] = scaled.astype(estimator.dtype)
    if not np.isfinite(columns).all():
        largest = np.abs(targets).max()
        raise ValueError(
            f"y holds values (up to {largest:.3g}) that are too large for "
            f"{estimator.dtype} beside the standard deviation "
            f"{estimator.target_scale_} of the training targets: check y_val, or use "
            "dtype='float64'."
        )
    return columns


class RNNRegressor(BaseRecurrentRegressor):
    r"""Elman's recurrent network from sequences to numbers.

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
    loss : str or callable, default="squared_error"
        What is minimised: "squared_error", "absolute_error" or "huber", on targets
        scaled to mean 0 and standard deviation 1. A callable takes tensors ``(outputs,
        targets)`` of shape (n, n_outputs) and gives one number per sequence or per
        entry.
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
    n_outputs_ : int
        Number of targets.
    target_loc_ : ndarray of shape (n_outputs,)
        Weighted mean of the training targets.
    target_scale_ : ndarray of shape (n_outputs,)
        Their weighted standard deviation; 1 for constant targets.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    LSTMRegressor : With gates and a memory cell.
    GRURegressor : With two gates.
    RNNClassifier : Maps sequences to classes.

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
    >>> from skrnn import RNNRegressor
    >>> from skrnn.datasets import make_adding_problem
    >>> X, y = make_adding_problem(n_sequences=200, n_steps=8, random_state=0)
    >>> model = RNNRegressor(hidden_size=16, max_epochs=30, lr=0.02, random_state=0)
    >>> round(model.fit(X[:150], y[:150]).score(X[150:], y[150:]), 1)
    0.9
    """

    _cell = "rnn"


class LSTMRegressor(BaseRecurrentRegressor):
    r"""Long short-term memory network from sequences to numbers.

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
    loss : str or callable, default="squared_error"
        What is minimised: "squared_error", "absolute_error" or "huber", on targets
        scaled to mean 0 and standard deviation 1. A callable takes tensors ``(outputs,
        targets)`` of shape (n, n_outputs) and gives one number per sequence or per
        entry.
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
    n_outputs_ : int
        Number of targets.
    target_loc_ : ndarray of shape (n_outputs,)
        Weighted mean of the training targets.
    target_scale_ : ndarray of shape (n_outputs,)
        Their weighted standard deviation; 1 for constant targets.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    GRURegressor : Fewer weights per unit, often as good.
    RNNRegressor : Without gates.
    LSTMClassifier : Maps sequences to classes.

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
    >>> from skrnn import LSTMRegressor
    >>> from skrnn.datasets import make_adding_problem
    >>> X, y = make_adding_problem(n_sequences=200, n_steps=8, random_state=0)
    >>> model = LSTMRegressor(hidden_size=16, max_epochs=30, lr=0.02, random_state=0)
    >>> round(model.fit(X[:150], y[:150]).score(X[150:], y[150:]), 1)
    1.0
    """

    _cell = "lstm"


class GRURegressor(BaseRecurrentRegressor):
    r"""Gated recurrent unit network from sequences to numbers.

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
    loss : str or callable, default="squared_error"
        What is minimised: "squared_error", "absolute_error" or "huber", on targets
        scaled to mean 0 and standard deviation 1. A callable takes tensors ``(outputs,
        targets)`` of shape (n, n_outputs) and gives one number per sequence or per
        entry.
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
    n_outputs_ : int
        Number of targets.
    target_loc_ : ndarray of shape (n_outputs,)
        Weighted mean of the training targets.
    target_scale_ : ndarray of shape (n_outputs,)
        Their weighted standard deviation; 1 for constant targets.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature of a step; 0 for numbers.
    input_scale_ : {"feature", "sequence"} or None
        How features are scaled.
    fill_values_ : ndarray of shape (n_features,)
        Means over the steps of the distinct training sequences, -1 of categories, with
        ``missing="mask"``.

    See Also
    --------
    LSTMRegressor : A memory cell and three gates.
    RNNRegressor : Without gates.
    GRUClassifier : Maps sequences to classes.

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
    >>> from skrnn import GRURegressor
    >>> from skrnn.datasets import make_adding_problem
    >>> X, y = make_adding_problem(n_sequences=200, n_steps=8, random_state=0)
    >>> model = GRURegressor(hidden_size=16, max_epochs=30, lr=0.02, random_state=0)
    >>> round(model.fit(X[:150], y[:150]).score(X[150:], y[150:]), 1)
    1.0
    """

    _cell = "gru"
