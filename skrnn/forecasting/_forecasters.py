"""The public forecasters: a docstring and the name of a cell each."""

from __future__ import annotations

from skrnn.forecasting._base import BaseRecurrentForecaster

__all__ = ["GRUForecaster", "LSTMForecaster", "RNNForecaster"]


class RNNForecaster(BaseRecurrentForecaster):
    r"""Elman's recurrent network that forecasts time series, step by step.

    One network is trained on all series of a panel (or on the only one), and reads
    each from its beginning. It mixes simple forecasts (the value a season ago, the last
    value, means, a trend), corrects the mixture, and says how sure it is. It has no
    gates and soon forgets: a baseline for the GRU and the LSTM.

    Parameters
    ----------
    hidden_size : int, default=32
        Number of hidden units per layer.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    dropout : float in [0, 1), default=0.0
        Share of features dropped between layers and before the head while training, the
        same ones at all steps of a window. Also acts with one layer.
    context_length : int or None, default=None
        Number of time steps of a training window before its free run. None is two
        seasons or twice the horizon, whichever is more, within 12 to 512. Forecasts
        always use the whole history.
    horizon : int or None, default=None
        Number of time steps that a training window runs freely, that are held out for
        validation, and that ``strategy="direct"`` looks on. None is the largest step of
        the ``fh`` given to ``fit``, or else a season within 6 to 24; never more than a
        quarter of a typical series. Forecasts may go further.
    sp : int, tuple of int or None, default=None
        Length of the season in time steps; of several, the most important one first.
        None goes by the frequency of the times (12 for months, (24, 168) for hours), 1
        for integer times.
    strategy : {"recursive", "direct"}, default="recursive"
        How to get further than one step: from value to value, each forecast or draw
        read like a true value, or ``horizon`` steps at once. Direct draws keep their
        rank within these steps, so their sums have wide intervals.
    loss : str, default="student_t"
        What is minimised, and so the distribution of the next value: the negative
        log-likelihood of "normal", "student_t", "negative_binomial" or "poisson" (both
        for counts), the pinball loss of 11 quantiles ("quantile"), or "huber",
        "squared_error" or "absolute_error", whose draws take their errors from those
        seen in training.
    log : bool or "auto", default="auto"
        Whether the network sees ``log(1 + y)``. "auto" does so where there is a season,
        no value is negative and the spread grows with the level; never for counts.
    past_only : list of str or None, default=None
        Columns of X that are not known ahead: they are used up to the last value, and
        ``predict`` does not need them.
    static : list of str or None, default=None
        Columns of X that are constant for each series: ``predict`` does not need them.
    num_samples : int, default=200
        Number of sampled paths for intervals, quantiles, variances and distributions.
    n_estimators : int, default=3
        Number of networks, trained one after the other from different seeds. Point
        forecasts are means of theirs (of logarithms, if these are what they see), and
        each draws its share of the paths. Networks that are worse than the value a
        season ago are left out, unless all are. ``history_`` has their epochs one after
        the other, with the number of the ``network`` if there are several.
    lr : float, default=5e-3
        Step size of the optimiser, the largest one if there is a schedule.
    lr_schedule : {"one_cycle", "cosine", "constant"}, default="one_cycle"
        How ``lr`` changes from update to update: up from 4 % during the first quarter
        and then down to 0 like a cosine, only down, or not at all.
    optimizer : str or torch optimizer class, default="adamw"
        What makes the updates: "adamw", "adam", "sgd", "rmsprop" or a class from
        ``torch.optim``.
    weight_decay : float, default=1e-4
        Weight decay of the optimiser.
    max_grad_norm : float or None, default=1.0
        Gradients with a larger norm (over all weights) are shortened to it; None leaves
        them.
    max_epochs : int, default=40
        Number of epochs. An epoch has 3 updates for one short series and up to 30 for
        many series or a long one.
    batch_size : int, default=64
        Number of windows in an update.
    early_stopping : bool, default=True
        Whether to hold out the last ``horizon`` values of each series that is long
        enough. With 10 such series or more, training stops when ``valid_loss`` has not
        fallen for ``n_iter_no_change`` epochs, and goes back to the weights with the
        lowest; with fewer, these values show how far draws must be spread, and training
        is repeated on all. If all networks are worse than the value a season ago, on
        these values or, with fewer series, on the last half of all, forecasts fall back
        to that, with a warning.
    n_iter_no_change : int, default=10
        Number of epochs without a lower ``valid_loss`` before ``early_stopping`` acts.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", or "auto", which is "cpu"
        if there is no GPU, and of several the one that the fewest processes use.
        "accelerate": processes started by torchrun share each batch.
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the forecaster: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``).
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
        Seed of initial weights, dropout, windows and paths. None draws one from numpy's
        global generator.
    verbose : int, default=0
        1 prints the losses after each epoch, 2 also shows a progress bar.

    Attributes
    ----------
    network_ : object
        What was learned, as plain numbers and arrays: weights, lags, whether in logs.
    exogenous_ : object or None
        How columns of X become numbers.
    module_ : torch.nn.Module
        The fitted network, the first if there are several.
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.

    Raises
    ------
    ValueError
        By ``fit``, ``update`` and ``predict``, if times are unsorted, doubled or have
        gaps, values are infinite or do not suit ``loss``, X lacks a time or a column,
        or a parameter is not valid. What was fitted before is kept.

    See Also
    --------
    GRUForecaster : With two gates.
    LSTMForecaster : With gates and a memory cell.
    skrnn.RNNRegressor : Maps whole sequences to numbers.

    Notes
    -----
    At each step the network reads candidate forecasts :math:`c_j` of the next value,
    around a slow exponentially weighted mean :math:`o` and in units of the mean
    absolute change :math:`s`, and the calendar, the age of the series and X. One of
    them is :math:`o` plus a seasonal profile, means over the seasons with weights that
    fall by 35 % from each to the one before, which stays as it is on a run. From its
    state come shares :math:`p_j` that add up to 1, a gate :math:`g` and a correction
    :math:`r`:

    .. math:: \hat y = c_0 + g\,\bigl(\textstyle\sum_j p_j c_j - c_0\bigr) + s\,r,

    where :math:`c_0` is the value a season ago. At first :math:`g = r = 0`: an
    untrained network is the seasonal naive forecast. Training adds the loss of every
    step, the true values being known, and Huber's loss of a free run over ``horizon``
    steps.

    ``predict`` gives medians (means for counts) of a run on these; intervals,
    quantiles, variances and distributions come from the same sampled paths, as in [2]_,
    which ``random_state`` fixes. A path of one series does not depend on the other
    series.

    Missing values at the end of a series are forecast like times to come. Others are
    filled with the value a season before, or else the last one, and marked as missing.

    Several columns of y are forecast jointly: each is read when the others are
    forecast, and their draws are independent given the past. Forecasts of known times
    are one step ahead, but for the first time: nothing is known before it, and its own
    value is used.

    ``update`` reads new values from where the state stands; the result is that of
    reading all of them at once. With ``update_params=True`` it also trains a little
    further, at a tenth of ``lr``. After ``pretrain`` on a panel, ``fit`` only reads its
    series.

    References
    ----------
    .. [1] Elman (1990), Finding Structure in Time, doi:10.1207/s15516709cog1402_1.
    .. [2] Salinas et al. (2020), DeepAR: Probabilistic Forecasting with Autoregressive
       Recurrent Networks, doi:10.1016/j.ijforecast.2019.07.001.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from skrnn.forecasting import RNNForecaster
    >>> y = load_airline()
    >>> forecaster = RNNForecaster(max_epochs=10, random_state=0).fit(y[:-12])
    >>> y_pred = forecaster.predict(fh=range(1, 13))
    >>> round(float((y_pred / y[-12:]).mean()), 1)
    1.0
    >>> forecaster.predict_interval(fh=[12], coverage=0.8).shape
    (1, 2)
    """

    _cell = "rnn"


class LSTMForecaster(BaseRecurrentForecaster):
    r"""Long short-term memory network that forecasts time series, step by step.

    One network is trained on all series of a panel (or on the only one), and reads
    each from its beginning. It mixes simple forecasts (the value a season ago, the last
    value, means, a trend), corrects the mixture, and says how sure it is. Its memory
    cell can hold on to what happened many steps ago.

    Parameters
    ----------
    hidden_size : int, default=32
        Number of hidden units per layer.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    dropout : float in [0, 1), default=0.0
        Share of features dropped between layers and before the head while training, the
        same ones at all steps of a window. Also acts with one layer.
    context_length : int or None, default=None
        Number of time steps of a training window before its free run. None is two
        seasons or twice the horizon, whichever is more, within 12 to 512. Forecasts
        always use the whole history.
    horizon : int or None, default=None
        Number of time steps that a training window runs freely, that are held out for
        validation, and that ``strategy="direct"`` looks on. None is the largest step of
        the ``fh`` given to ``fit``, or else a season within 6 to 24; never more than a
        quarter of a typical series. Forecasts may go further.
    sp : int, tuple of int or None, default=None
        Length of the season in time steps; of several, the most important one first.
        None goes by the frequency of the times (12 for months, (24, 168) for hours), 1
        for integer times.
    strategy : {"recursive", "direct"}, default="recursive"
        How to get further than one step: from value to value, each forecast or draw
        read like a true value, or ``horizon`` steps at once. Direct draws keep their
        rank within these steps, so their sums have wide intervals.
    loss : str, default="student_t"
        What is minimised, and so the distribution of the next value: the negative
        log-likelihood of "normal", "student_t", "negative_binomial" or "poisson" (both
        for counts), the pinball loss of 11 quantiles ("quantile"), or "huber",
        "squared_error" or "absolute_error", whose draws take their errors from those
        seen in training.
    log : bool or "auto", default="auto"
        Whether the network sees ``log(1 + y)``. "auto" does so where there is a season,
        no value is negative and the spread grows with the level; never for counts.
    past_only : list of str or None, default=None
        Columns of X that are not known ahead: they are used up to the last value, and
        ``predict`` does not need them.
    static : list of str or None, default=None
        Columns of X that are constant for each series: ``predict`` does not need them.
    num_samples : int, default=200
        Number of sampled paths for intervals, quantiles, variances and distributions.
    n_estimators : int, default=3
        Number of networks, trained one after the other from different seeds. Point
        forecasts are means of theirs (of logarithms, if these are what they see), and
        each draws its share of the paths. Networks that are worse than the value a
        season ago are left out, unless all are. ``history_`` has their epochs one after
        the other, with the number of the ``network`` if there are several.
    lr : float, default=5e-3
        Step size of the optimiser, the largest one if there is a schedule.
    lr_schedule : {"one_cycle", "cosine", "constant"}, default="one_cycle"
        How ``lr`` changes from update to update: up from 4 % during the first quarter
        and then down to 0 like a cosine, only down, or not at all.
    optimizer : str or torch optimizer class, default="adamw"
        What makes the updates: "adamw", "adam", "sgd", "rmsprop" or a class from
        ``torch.optim``.
    weight_decay : float, default=1e-4
        Weight decay of the optimiser.
    max_grad_norm : float or None, default=1.0
        Gradients with a larger norm (over all weights) are shortened to it; None leaves
        them.
    max_epochs : int, default=40
        Number of epochs. An epoch has 3 updates for one short series and up to 30 for
        many series or a long one.
    batch_size : int, default=64
        Number of windows in an update.
    early_stopping : bool, default=True
        Whether to hold out the last ``horizon`` values of each series that is long
        enough. With 10 such series or more, training stops when ``valid_loss`` has not
        fallen for ``n_iter_no_change`` epochs, and goes back to the weights with the
        lowest; with fewer, these values show how far draws must be spread, and training
        is repeated on all. If all networks are worse than the value a season ago, on
        these values or, with fewer series, on the last half of all, forecasts fall back
        to that, with a warning.
    n_iter_no_change : int, default=10
        Number of epochs without a lower ``valid_loss`` before ``early_stopping`` acts.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", or "auto", which is "cpu"
        if there is no GPU, and of several the one that the fewest processes use.
        "accelerate": processes started by torchrun share each batch.
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the forecaster: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``).
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
        Seed of initial weights, dropout, windows and paths. None draws one from numpy's
        global generator.
    verbose : int, default=0
        1 prints the losses after each epoch, 2 also shows a progress bar.

    Attributes
    ----------
    network_ : object
        What was learned, as plain numbers and arrays: weights, lags, whether in logs.
    exogenous_ : object or None
        How columns of X become numbers.
    module_ : torch.nn.Module
        The fitted network, the first if there are several.
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.

    Raises
    ------
    ValueError
        By ``fit``, ``update`` and ``predict``, if times are unsorted, doubled or have
        gaps, values are infinite or do not suit ``loss``, X lacks a time or a column,
        or a parameter is not valid. What was fitted before is kept.

    See Also
    --------
    GRUForecaster : Fewer weights per unit, often as good.
    RNNForecaster : Without gates.
    skrnn.LSTMRegressor : Maps whole sequences to numbers.

    Notes
    -----
    At each step the network reads candidate forecasts :math:`c_j` of the next value,
    around a slow exponentially weighted mean :math:`o` and in units of the mean
    absolute change :math:`s`, and the calendar, the age of the series and X. One of
    them is :math:`o` plus a seasonal profile, means over the seasons with weights that
    fall by 35 % from each to the one before, which stays as it is on a run. From its
    state come shares :math:`p_j` that add up to 1, a gate :math:`g` and a correction
    :math:`r`:

    .. math:: \hat y = c_0 + g\,\bigl(\textstyle\sum_j p_j c_j - c_0\bigr) + s\,r,

    where :math:`c_0` is the value a season ago. At first :math:`g = r = 0`: an
    untrained network is the seasonal naive forecast. Training adds the loss of every
    step, the true values being known, and Huber's loss of a free run over ``horizon``
    steps.

    ``predict`` gives medians (means for counts) of a run on these; intervals,
    quantiles, variances and distributions come from the same sampled paths, as in [2]_,
    which ``random_state`` fixes. A path of one series does not depend on the other
    series.

    Missing values at the end of a series are forecast like times to come. Others are
    filled with the value a season before, or else the last one, and marked as missing.

    Several columns of y are forecast jointly: each is read when the others are
    forecast, and their draws are independent given the past. Forecasts of known times
    are one step ahead, but for the first time: nothing is known before it, and its own
    value is used.

    ``update`` reads new values from where the state stands; the result is that of
    reading all of them at once. With ``update_params=True`` it also trains a little
    further, at a tenth of ``lr``. After ``pretrain`` on a panel, ``fit`` only reads its
    series.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long Short-Term Memory,
       doi:10.1162/neco.1997.9.8.1735.
    .. [2] Salinas et al. (2020), DeepAR: Probabilistic Forecasting with Autoregressive
       Recurrent Networks, doi:10.1016/j.ijforecast.2019.07.001.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from skrnn.forecasting import LSTMForecaster
    >>> y = load_airline()
    >>> forecaster = LSTMForecaster(max_epochs=10, random_state=0).fit(y[:-12])
    >>> y_pred = forecaster.predict(fh=range(1, 13))
    >>> round(float((y_pred / y[-12:]).mean()), 1)
    1.0
    >>> forecaster.predict_interval(fh=[12], coverage=0.8).shape
    (1, 2)
    """

    _cell = "lstm"


class GRUForecaster(BaseRecurrentForecaster):
    r"""Gated recurrent unit that forecasts time series, step by step.

    One network is trained on all series of a panel (or on the only one), and reads
    each from its beginning. It mixes simple forecasts (the value a season ago, the last
    value, means, a trend), corrects the mixture, and says how sure it is. It has fewer
    weights per unit than an LSTM and is often as good.

    Parameters
    ----------
    hidden_size : int, default=32
        Number of hidden units per layer.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    dropout : float in [0, 1), default=0.0
        Share of features dropped between layers and before the head while training, the
        same ones at all steps of a window. Also acts with one layer.
    context_length : int or None, default=None
        Number of time steps of a training window before its free run. None is two
        seasons or twice the horizon, whichever is more, within 12 to 512. Forecasts
        always use the whole history.
    horizon : int or None, default=None
        Number of time steps that a training window runs freely, that are held out for
        validation, and that ``strategy="direct"`` looks on. None is the largest step of
        the ``fh`` given to ``fit``, or else a season within 6 to 24; never more than a
        quarter of a typical series. Forecasts may go further.
    sp : int, tuple of int or None, default=None
        Length of the season in time steps; of several, the most important one first.
        None goes by the frequency of the times (12 for months, (24, 168) for hours), 1
        for integer times.
    strategy : {"recursive", "direct"}, default="recursive"
        How to get further than one step: from value to value, each forecast or draw
        read like a true value, or ``horizon`` steps at once. Direct draws keep their
        rank within these steps, so their sums have wide intervals.
    loss : str, default="student_t"
        What is minimised, and so the distribution of the next value: the negative
        log-likelihood of "normal", "student_t", "negative_binomial" or "poisson" (both
        for counts), the pinball loss of 11 quantiles ("quantile"), or "huber",
        "squared_error" or "absolute_error", whose draws take their errors from those
        seen in training.
    log : bool or "auto", default="auto"
        Whether the network sees ``log(1 + y)``. "auto" does so where there is a season,
        no value is negative and the spread grows with the level; never for counts.
    past_only : list of str or None, default=None
        Columns of X that are not known ahead: they are used up to the last value, and
        ``predict`` does not need them.
    static : list of str or None, default=None
        Columns of X that are constant for each series: ``predict`` does not need them.
    num_samples : int, default=200
        Number of sampled paths for intervals, quantiles, variances and distributions.
    n_estimators : int, default=3
        Number of networks, trained one after the other from different seeds. Point
        forecasts are means of theirs (of logarithms, if these are what they see), and
        each draws its share of the paths. Networks that are worse than the value a
        season ago are left out, unless all are. ``history_`` has their epochs one after
        the other, with the number of the ``network`` if there are several.
    lr : float, default=5e-3
        Step size of the optimiser, the largest one if there is a schedule.
    lr_schedule : {"one_cycle", "cosine", "constant"}, default="one_cycle"
        How ``lr`` changes from update to update: up from 4 % during the first quarter
        and then down to 0 like a cosine, only down, or not at all.
    optimizer : str or torch optimizer class, default="adamw"
        What makes the updates: "adamw", "adam", "sgd", "rmsprop" or a class from
        ``torch.optim``.
    weight_decay : float, default=1e-4
        Weight decay of the optimiser.
    max_grad_norm : float or None, default=1.0
        Gradients with a larger norm (over all weights) are shortened to it; None leaves
        them.
    max_epochs : int, default=40
        Number of epochs. An epoch has 3 updates for one short series and up to 30 for
        many series or a long one.
    batch_size : int, default=64
        Number of windows in an update.
    early_stopping : bool, default=True
        Whether to hold out the last ``horizon`` values of each series that is long
        enough. With 10 such series or more, training stops when ``valid_loss`` has not
        fallen for ``n_iter_no_change`` epochs, and goes back to the weights with the
        lowest; with fewer, these values show how far draws must be spread, and training
        is repeated on all. If all networks are worse than the value a season ago, on
        these values or, with fewer series, on the last half of all, forecasts fall back
        to that, with a warning.
    n_iter_no_change : int, default=10
        Number of epochs without a lower ``valid_loss`` before ``early_stopping`` acts.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", or "auto", which is "cpu"
        if there is no GPU, and of several the one that the fewest processes use.
        "accelerate": processes started by torchrun share each batch.
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the forecaster: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``).
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
        Seed of initial weights, dropout, windows and paths. None draws one from numpy's
        global generator.
    verbose : int, default=0
        1 prints the losses after each epoch, 2 also shows a progress bar.

    Attributes
    ----------
    network_ : object
        What was learned, as plain numbers and arrays: weights, lags, whether in logs.
    exogenous_ : object or None
        How columns of X become numbers.
    module_ : torch.nn.Module
        The fitted network, the first if there are several.
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.

    Raises
    ------
    ValueError
        By ``fit``, ``update`` and ``predict``, if times are unsorted, doubled or have
        gaps, values are infinite or do not suit ``loss``, X lacks a time or a column,
        or a parameter is not valid. What was fitted before is kept.

    See Also
    --------
    LSTMForecaster : With a memory cell.
    RNNForecaster : Without gates.
    skrnn.GRURegressor : Maps whole sequences to numbers.

    Notes
    -----
    At each step the network reads candidate forecasts :math:`c_j` of the next value,
    around a slow exponentially weighted mean :math:`o` and in units of the mean
    absolute change :math:`s`, and the calendar, the age of the series and X. One of
    them is :math:`o` plus a seasonal profile, means over the seasons with weights that
    fall by 35 % from each to the one before, which stays as it is on a run. From its
    state come shares :math:`p_j` that add up to 1, a gate :math:`g` and a correction
    :math:`r`:

    .. math:: \hat y = c_0 + g\,\bigl(\textstyle\sum_j p_j c_j - c_0\bigr) + s\,r,

    where :math:`c_0` is the value a season ago. At first :math:`g = r = 0`: an
    untrained network is the seasonal naive forecast. Training adds the loss of every
    step, the true values being known, and Huber's loss of a free run over ``horizon``
    steps.

    ``predict`` gives medians (means for counts) of a run on these; intervals,
    quantiles, variances and distributions come from the same sampled paths, as in [2]_,
    which ``random_state`` fixes. A path of one series does not depend on the other
    series.

    Missing values at the end of a series are forecast like times to come. Others are
    filled with the value a season before, or else the last one, and marked as missing.

    Several columns of y are forecast jointly: each is read when the others are
    forecast, and their draws are independent given the past. Forecasts of known times
    are one step ahead, but for the first time: nothing is known before it, and its own
    value is used.

    ``update`` reads new values from where the state stands; the result is that of
    reading all of them at once. With ``update_params=True`` it also trains a little
    further, at a tenth of ``lr``. After ``pretrain`` on a panel, ``fit`` only reads its
    series.

    References
    ----------
    .. [1] Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder,
       arXiv:1406.1078.
    .. [2] Salinas et al. (2020), DeepAR: Probabilistic Forecasting with Autoregressive
       Recurrent Networks, doi:10.1016/j.ijforecast.2019.07.001.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from skrnn.forecasting import GRUForecaster
    >>> y = load_airline()
    >>> forecaster = GRUForecaster(max_epochs=10, random_state=0).fit(y[:-12])
    >>> y_pred = forecaster.predict(fh=range(1, 13))
    >>> round(float((y_pred / y[-12:]).mean()), 1)
    1.0
    >>> forecaster.predict_interval(fh=[12], coverage=0.8).shape
    (1, 2)
    """

    _cell = "gru"
