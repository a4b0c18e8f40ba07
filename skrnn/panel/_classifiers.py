"""Classifiers of panels: each series to a class."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from numpy.typing import NDArray
from sktime.classification.base import BaseClassifier

import skrnn._classifiers as networks
from skrnn.panel._base import RecurrentPanel, read_panel

__all__ = ["GRUClassifier", "LSTMClassifier", "RNNClassifier"]


class BaseRecurrentPanelClassifier(RecurrentPanel, BaseClassifier):
    """What the three classifiers share."""

    _tags: ClassVar[dict[str, Any]] = {
        "capability:predict_proba": True,
        "capability:class_weight": True,
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
        missing: str = "mask",
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
        self.missing = missing
        self.dtype = dtype
        self.device = device
        self.engine = engine
        self.callbacks = callbacks
        self.net_params = net_params
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()

    def _predict_proba(self, X: Any) -> NDArray[Any]:
        probabilities: NDArray[Any] = self.estimator_.predict_proba(read_panel(X))
        return probabilities


class RNNClassifier(BaseRecurrentPanelClassifier):
    """Elman's recurrent network for sktime, from series to classes.

    Has no gates: the fewest weights per unit, but what happened many steps ago is soon
    forgotten. A baseline for the LSTM and the GRU. Series may differ in length and have
    missing values.

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
    missing : {"error", "mask"}, default="mask"
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
    estimator_ : skrnn.RNNClassifier
        The scikit-learn estimator that was fitted, with its ``history_``, ``module_``
        and more. Several columns of y have one each, in ``classifiers_``; a y of one
        class has none.
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    n_classes_ : int
        Number of classes.
    fit_time_ : int
        Time of the fit in milliseconds.

    See Also
    --------
    skrnn.RNNClassifier : The scikit-learn class that does the work.
    LSTMClassifier : With gates and a memory cell.
    GRUClassifier : With two gates.
    RNNRegressor : Maps series to numbers.

    Notes
    -----
    The equations stand with :class:`skrnn.RNNClassifier`, which is built from the
    parameters and fitted. Given the same series and the same ``random_state``, the
    predictions are the same to the bit.

    Series are scaled inside (``scale_inputs``), and need no scaler before.

    ``missing="mask"`` is the default here, so that a panel with missing values can be
    fitted, as the tag ``capability:missing_values`` says. It doubles the inputs of the
    network; with "error" it does not, and the tag is False.

    A fit begins anew, as in all of sktime, and works on copies of ``callbacks``, which
    are found in ``estimator_``.

    References
    ----------
    .. [1] Elman (1990), Finding Structure in Time, doi:10.1207/s15516709cog1402_1.

    Examples
    --------
    >>> from sktime.datasets import load_japanese_vowels
    >>> from skrnn.panel import RNNClassifier
    >>> X, y = load_japanese_vowels(split="train")  # 7 to 26 steps
    >>> X_test, y_test = load_japanese_vowels(split="test")
    >>> model = RNNClassifier(hidden_size=16, max_epochs=15, lr=0.02, random_state=0)
    >>> round(model.fit(X[::2], y[::2]).score(X_test[::2], y_test[::2]), 1)
    1.0
    """

    _network = networks.RNNClassifier


class LSTMClassifier(BaseRecurrentPanelClassifier):
    """Long short-term memory network for sktime, from series to classes.

    Input, forget and output gates decide what each unit's memory cell takes in, keeps
    and shows, so that it can bridge long gaps. Series may differ in length and have
    missing values.

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
    missing : {"error", "mask"}, default="mask"
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
    estimator_ : skrnn.LSTMClassifier
        The scikit-learn estimator that was fitted, with its ``history_``, ``module_``
        and more. Several columns of y have one each, in ``classifiers_``; a y of one
        class has none.
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    n_classes_ : int
        Number of classes.
    fit_time_ : int
        Time of the fit in milliseconds.

    See Also
    --------
    skrnn.LSTMClassifier : The scikit-learn class that does the work.
    GRUClassifier : Fewer weights per unit, often as good.
    RNNClassifier : Without gates.
    LSTMRegressor : Maps series to numbers.

    Notes
    -----
    The equations stand with :class:`skrnn.LSTMClassifier`, which is built from the
    parameters and fitted. Given the same series and the same ``random_state``, the
    predictions are the same to the bit.

    Series are scaled inside (``scale_inputs``), and need no scaler before.

    ``missing="mask"`` is the default here, so that a panel with missing values can be
    fitted, as the tag ``capability:missing_values`` says. It doubles the inputs of the
    network; with "error" it does not, and the tag is False.

    A fit begins anew, as in all of sktime, and works on copies of ``callbacks``, which
    are found in ``estimator_``.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long Short-Term Memory,
       doi:10.1162/neco.1997.9.8.1735.

    Examples
    --------
    >>> from sktime.datasets import load_japanese_vowels
    >>> from skrnn.panel import LSTMClassifier
    >>> X, y = load_japanese_vowels(split="train")  # 7 to 26 steps
    >>> X_test, y_test = load_japanese_vowels(split="test")
    >>> model = LSTMClassifier(hidden_size=16, max_epochs=15, lr=0.02, random_state=0)
    >>> round(model.fit(X[::2], y[::2]).score(X_test[::2], y_test[::2]), 1)
    1.0
    """

    _network = networks.LSTMClassifier


class GRUClassifier(BaseRecurrentPanelClassifier):
    """Gated recurrent unit network for sktime, from series to classes.

    Two gates decide how much of the old state each unit keeps: fewer weights per unit
    than the LSTM, and often as good or better on small data. Series may differ in
    length and have missing values.

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
    missing : {"error", "mask"}, default="mask"
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
    estimator_ : skrnn.GRUClassifier
        The scikit-learn estimator that was fitted, with its ``history_``, ``module_``
        and more. Several columns of y have one each, in ``classifiers_``; a y of one
        class has none.
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    n_classes_ : int
        Number of classes.
    fit_time_ : int
        Time of the fit in milliseconds.

    See Also
    --------
    skrnn.GRUClassifier : The scikit-learn class that does the work.
    LSTMClassifier : A memory cell and three gates.
    RNNClassifier : Without gates.
    GRURegressor : Maps series to numbers.

    Notes
    -----
    The equations stand with :class:`skrnn.GRUClassifier`, which is built from the
    parameters and fitted. Given the same series and the same ``random_state``, the
    predictions are the same to the bit.

    Series are scaled inside (``scale_inputs``), and need no scaler before.

    ``missing="mask"`` is the default here, so that a panel with missing values can be
    fitted, as the tag ``capability:missing_values`` says. It doubles the inputs of the
    network; with "error" it does not, and the tag is False.

    A fit begins anew, as in all of sktime, and works on copies of ``callbacks``, which
    are found in ``estimator_``.

    References
    ----------
    .. [1] Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder,
       doi:10.3115/v1/D14-1179.

    Examples
    --------
    >>> from sktime.datasets import load_japanese_vowels
    >>> from skrnn.panel import GRUClassifier
    >>> X, y = load_japanese_vowels(split="train")  # 7 to 26 steps
    >>> X_test, y_test = load_japanese_vowels(split="test")
    >>> model = GRUClassifier(hidden_size=16, max_epochs=20, lr=0.02, random_state=0)
    >>> round(model.fit(X[::2], y[::2]).score(X_test[::2], y_test[::2]), 1)
    1.0
    """

    _network = networks.GRUClassifier
