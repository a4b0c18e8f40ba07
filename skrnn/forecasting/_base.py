"""BaseRecurrentForecaster: the story of fit, predict and update, as sktime tells it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sktime.forecasting.base import BaseForecaster

from skrnn._callbacks import fresh_callbacks
from skrnn._params import (
    CONSTRAINTS,
    check_checkpoint,
    check_skorch_params,
    spawn_seeds,
)
from skrnn._plain import PlainCopies
from skrnn.forecasting._exogenous import Exogenous, check_calendar, frames_of
from skrnn.forecasting._guard import all_or_nothing
from skrnn.forecasting._levels import n_candidates
from skrnn.forecasting._panels import (
    Series,
    check_frame,
    check_values,
    check_width,
    join_rows,
    split_series,
    unmasked,
    with_columns,
)
from skrnn.forecasting._plan import check_seasons, make_plan
from skrnn.forecasting._times import check_frequency, frequency_of, locate

__all__ = ["BaseRecurrentForecaster"]

LOSSES = {"normal", "student_t", "negative_binomial", "poisson", "quantile"}
LOSSES |= {"huber", "squared_error", "absolute_error"}
COUNTS = {"negative_binomial", "poisson"}
SHARED = {"hidden_size", "num_layers", "dropout", "lr", "lr_schedule", "optimizer"}
SHARED |= {"weight_decay", "max_grad_norm", "max_epochs", "batch_size"}
SHARED |= {"early_stopping", "n_iter_no_change", "dtype", "device", "engine"}
SHARED |= {"callbacks", "checkpoint", "net_params", "random_state", "verbose"}
_COUNT = Interval(Integral, 1, None, closed="left")


class BaseRecurrentForecaster(PlainCopies, BaseForecaster):
    """Fit one autoregressive network to all series, and roll it out."""

    _cell: ClassVar[str]
    network_: Any
    exogenous_: Exogenous
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}
    _tags: ClassVar[dict[str, Any]] = {
        "authors": ["skrnn developers"],
        "maintainers": ["skrnn developers"],
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:insample": True,
        "capability:pred_int": True,
        "capability:pred_int:insample": True,
        "capability:missing_values": True,
        "capability:non_contiguous_X": False,
        "capability:update": True,
        "capability:categorical_in_X": True,
        "capability:unequal_length": True,
        "capability:pretrain": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "pretrain:fitted_params": ["network_", "exogenous_"],
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "requires-fh-in-fit": False,
        "X-y-must-have-same-index": False,
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: CONSTRAINTS[name] for name in SHARED},
        "context_length": [_COUNT, None],
        "horizon": [_COUNT, None],
        "sp": [_COUNT, tuple, list, None],
        "strategy": [StrOptions({"recursive", "direct"})],
        "loss": [StrOptions(LOSSES)],
        "log": ["boolean", StrOptions({"auto"})],
        "past_only": [list, tuple, None],
        "static": [list, tuple, None],
        "num_samples": [Interval(Integral, 2, None, closed="left")],
        "n_estimators": [_COUNT],
        "dropout": [Interval(Real, 0.0, 1.0, closed="left")],
    }

    def __init__(
        self,
        hidden_size: int = 32,
        *,
        num_layers: int = 1,
        dropout: float = 0.0,
        context_length: int | None = None,
        horizon: int | None = None,
        sp: Any = None,
        strategy: str = "recursive",
        loss: str = "student_t",
        log: Any = "auto",
        past_only: Any = None,
        static: Any = None,
        num_samples: int = 200,
        n_estimators: int = 3,
        lr: float = 5e-3,
        lr_schedule: str = "one_cycle",
        optimizer: Any = "adamw",
        weight_decay: float = 1e-4,
        max_grad_norm: float | None = 1.0,
        max_epochs: int = 40,
        batch_size: int = 64,
        early_stopping: bool = True,
        n_iter_no_change: int = 10,
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
        self.dropout = dropout
        self.context_length = context_length
        self.horizon = horizon
        self.sp = sp
        self.strategy = strategy
        self.loss = loss
        self.log = log
        self.past_only = past_only
        self.static = static
        self.num_samples = num_samples
        self.n_estimators = n_estimators
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.dtype = dtype
        self.device = device
        self.engine = engine
        self.callbacks = callbacks
        self.net_params = net_params
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose
        self._y = self._X = None  # sktime makes these only with remember_data
        super().__init__()

    @property
    def module_(self) -> Any:
        """The fitted network, a ``torch.nn.Module``; the first of several."""
        from skrnn._devices import resolve_device

        return self._network_now().module(resolve_device("cpu"))

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One dict per epoch: ``epoch``, ``train_loss``, ``valid_loss``, ``dur``."""
        history: list[dict[str, Any]] = self._network_now().history
        return history

    def _network_now(self) -> Any:
        """Give the network that forecasts: that of the last update, if any."""
        return self._memory.network if hasattr(self, "_memory") else self.network_

    # --- sktime's doors -----------------------------------------------------------

    def fit(self, y: Any, X: Any = None, fh: Any = None) -> Self:
        """Train the network, unless it was pretrained, and read the series.

        Parameters
        ----------
        y : Series or DataFrame, or DataFrame with a MultiIndex (series, time)
            One or more columns of one series, or of each series of a panel or of a
            hierarchy. May hold NaN.
        X : DataFrame with the times of y, or None, default=None
            Exogenous columns: numbers, or anything else for categories.
        fh : int, list, ForecastingHorizon or None, default=None
            The steps to forecast. May be given to ``predict`` instead.

        Returns
        -------
        self : object
            The fitted forecaster.

        Raises
        ------
        ValueError
            If a parameter, y or X has a value that cannot be used, or training
            diverges at once. What was fitted before is kept.
        MemoryError
            If the networks and their batches need more memory than there is.
        """
        with all_or_nothing(self):
            return super().fit(y, X=X, fh=fh)  # type: ignore[no-any-return]

    def update(self, y: Any, X: Any = None, update_params: bool = True) -> Self:
        """Read new values, and by default train a little further.

        Parameters
        ----------
        y : like y in fit
            Values after those seen; series that are new are read from their beginning.
            Where it ends before what was seen, the next forecasts start from there.
        X : DataFrame with the times of y, or None, default=None
            The columns that ``fit`` had.
        update_params : bool, default=True
            Whether to train further, for a tenth of the epochs at a tenth of ``lr``.
            False costs only the reading of the new values.

        Returns
        -------
        self : object
            The forecaster.
        """
        with all_or_nothing(self):
            return super().update(  # type: ignore[no-any-return]
                y, X=X, update_params=update_params
            )

    def pretrain(self, y: Any, X: Any = None, fh: Any = None) -> Self:
        """Train the network on a panel; ``fit`` will then only read its series.

        Parameters
        ----------
        y : DataFrame with a MultiIndex (series, time)
            One or more columns of each series of a panel or of a hierarchy.
        X : DataFrame with the times of y, or None, default=None
            Exogenous columns, which ``fit`` and ``predict`` need too.
        fh : int, list, ForecastingHorizon or None, default=None
            The steps to forecast.

        Returns
        -------
        self : object
            The pretrained forecaster. Pretraining again trains further.
        """
        with all_or_nothing(self):
            return super().pretrain(  # type: ignore[no-any-return]
                y, X=X, fh=fh
            )

    def _check_X_y(self, X: Any = None, y: Any = None, **options: Any) -> Any:
        """Say what is wrong with times before sktime says that a type is wrong."""
        y, X = unmasked(y), unmasked(X)
        check_frame(y, "y")
        check_frame(X, "X")
        return super()._check_X_y(X=X, y=y, **options)

    def _fit(self, y: Any, X: Any, fh: Any) -> Any:
        from skrnn.forecasting._memory import Memory

        self._check_params()
        series = self._split(y)
        if not hasattr(self, "network_"):  # not pretrained
            self._learn(series, X, fh)
        check_width(y, self.network_.config["n_columns"])
        seed = spawn_seeds(self.random_state, 4)[3]
        empty = Memory(self.network_, self.exogenous_, seed, self._device())
        self._memory = empty.read(series, frames_of(X))
        for each in series:
            check_frequency(each, self.network_.frequency)
        self._names, self._columns = y.index.names, y.columns
        self._ends: dict[Any, Any] = {}
        self._cutoff_read = self.cutoff[0]
        return self

    def _pretrain(self, y: Any, X: Any = None, fh: Any = None) -> Any:
        self._check_params()
        self._learn(self._split(y), X, fh)
        return self

    def _pretrain_update(self, y: Any, X: Any = None, fh: Any = None) -> Any:
        check_width(y, self.network_.config["n_columns"])
        self._learn(self._split(y), X, fh)
        return self

    def _update(self, y: Any, X: Any = None, update_params: bool = True) -> Any:
        check_width(y, self.network_.config["n_columns"])
        y = with_columns(y, self._columns)
        freq = getattr(self._memory.series[0].index, "freq", None)
        memory = replace(self._memory, device=self._device())
        series = self._split(y, freq)
        memory = memory.read(series, frames_of(X))
        # at once, for a forecast in another thread
        self._memory = self._learn_more(memory) if update_params else memory
        self._ends = {each.key: each.index[-1] for each in series}
        self._cutoff_read = self.cutoff[0]
        return self

    def _predict(self, fh: Any, X: Any) -> pd.DataFrame:
        values, index = self._forecast(fh, X, 0, lambda draws: draws[:, 0])
        return pd.DataFrame(values, index=index, columns=self._columns)

    def _predict_quantiles(self, fh: Any, X: Any, alpha: list[float]) -> pd.DataFrame:
        from skrnn.forecasting._network import quantiles_of

        reduce = partial(quantiles_of, alpha=np.array(alpha))
        values, index = self._forecast(fh, X, self.num_samples, reduce)
        columns = self._get_columns(method="predict_quantiles", alpha=alpha)
        return pd.DataFrame(values.reshape(len(index), -1), index, columns)

    def _predict_var(self, fh: Any, X: Any = None, cov: bool = False) -> pd.DataFrame:
        if cov:
            return self._covariances(fh, X)
        values, index = self._forecast(
            fh, X, self.num_samples, lambda draws: draws.var(axis=1, ddof=1)
        )
        columns = self._get_columns(method="predict_var")
        return pd.DataFrame(values, index=index, columns=columns)

    def _covariances(self, fh: Any, X: Any) -> pd.DataFrame:
        """Covariances of the times of fh, for each column of y by itself."""
        values, index = self._forecast(fh, X, self.num_samples, lambda draws: draws)
        steps = fh.to_numpy()
        paths = values.reshape(-1, len(steps), *values.shape[1:])
        centred = paths - paths.mean(axis=2, keepdims=True)
        found = np.einsum("ntpc,nspc->ntcs", centred, centred) / (paths.shape[2] - 1)
        columns = pd.MultiIndex.from_product([self._columns, steps])
        return pd.DataFrame(found.reshape(len(index), -1), index, columns)

    def _predict_proba(self, fh: Any, X: Any, marginal: bool = True) -> Any:
        from skpro.distributions.empirical import Empirical

        values, index = self._forecast(fh, X, self.num_samples, lambda draws: draws)
        n_paths = values.shape[1]
        paths = [
            pd.DataFrame(values[:, path], index=index, columns=self._columns)
            for path in range(n_paths)
        ]
        spl = pd.concat(paths, keys=range(n_paths))
        return Empirical(spl, time_indep=marginal, index=index, columns=self._columns)

    # --- learning -----------------------------------------------------------------

    def _check_params(self) -> None:
        validate_parameter_constraints(
            self._parameter_constraints,
            self.get_params(deep=False),
            caller_name=type(self).__name__,
        )
        check_seasons(self.sp)
        check_skorch_params(self.net_params, self.callbacks)
        check_checkpoint(self.checkpoint, self.random_state)

    def _split(self, y: Any, freq: Any = None) -> list[Series]:
        """Take y apart, and look whether its values suit the parameters."""
        series = split_series(y, freq)
        for each in series:
            log = self.network_.log if hasattr(self, "network_") else self.log is True
            check_values(each, self.loss if self.loss in COUNTS else None, log)
        return series

    def _learn(self, series: list[Series], X: Any, fh: Any) -> None:
        """Choose what the data ask for, and train."""
        longest = max(len(each.values) for each in series)
        if longest < 4:
            raise ValueError(
                f"y has {longest} values in its longest series, and a network needs at "
                "least 4 to learn from. Use a longer series, or pretrain on a panel of "
                "others."
            )
        again = hasattr(self, "network_")
        if not again:
            self.exogenous_ = Exogenous(X, self.past_only, self.static)
        frames = frames_of(X)
        extras = [self.exogenous_.seen(each, frames)[0] for each in series]
        network = self.network_ if again else self._plan(series, extras, fh)
        for each, extra in zip(series, extras, strict=True):
            check_calendar(each, extra, network.config["n_extras"])
            check_frequency(each, network.frequency)
        how = (self.max_epochs, self.lr, self.early_stopping)
        self.network_ = self._train(network, series, extras, *how)

    def _plan(
        self, series: list[Series], extras: list[NDArray[np.float64]], fh: Any
    ) -> Any:
        from skrnn.forecasting._network import Network

        horizon = self.horizon
        if horizon is None and fh is not None:
            farthest = int(locate(fh, series[0].index, series[0].where).max())
            horizon = farthest if farthest > 0 else None
        log = False if self.loss in COUNTS else self.log
        plan = make_plan(series, self.sp, horizon, self.context_length, log)
        n_extras = extras[0].shape[1]
        config = {
            "cell": self._cell,
            "n_columns": series[0].values.shape[1],
            "n_candidates": n_candidates(plan.lags),
            "n_extras": n_extras,
            "lags": plan.lags,
            "n_ahead": plan.horizon if self.strategy == "direct" else 1,
            "loss": self.loss,
            "hidden_size": int(self.hidden_size),
            "num_layers": int(self.num_layers),
            "dropout": float(self.dropout),
            "dtype": self.dtype,
            "engine": self.engine,
        }
        past = list(range(n_extras - self.exogenous_.n_past, n_extras))
        frequency, _ = frequency_of(series[0].index)
        return Network(config, *plan, frequency, past, int(self.n_estimators))

    def _train(
        self,
        network: Any,
        series: list[Series],
        extras: list[NDArray[np.float64]],
        max_epochs: int,
        lr: float,
        validate: bool,
    ) -> Any:
        from skrnn._devices import others_of
        from skrnn._settings import Settings
        from skrnn.forecasting._learning import own_loss, train
        from skrnn.forecasting._network import History

        n_before = len(network.history)
        settings = Settings(
            loss=own_loss,
            optimizer=self.optimizer,
            lr=lr,
            lr_schedule=self.lr_schedule,
            weight_decay=self.weight_decay,
            max_grad_norm=self.max_grad_norm,
            max_epochs=int(max_epochs),
            batch_size=int(self.batch_size),
            device=self._device(),
            verbose=int(self.verbose),
            callbacks=fresh_callbacks(self.callbacks, copy.deepcopy),
            net_params=self.net_params,
            patience=self.n_iter_no_change if validate else None,
            checkpoint=self.checkpoint,
            processes=others_of(self.device),
            seeds=spawn_seeds(self.random_state, 3 * network.n_networks, n_before),
        )
        pairs = zip(series, extras, strict=True)
        histories = [  # in an order of their own: that of the panel changes nothing
            History(each.values, extra)
            for each, extra in sorted(pairs, key=lambda pair: repr(pair[0].key))
            if len(each.values) >= network.horizon + 2
            and not np.isnan(each.values).all()
        ]
        if not histories:
            raise ValueError(
                "y holds no series that a network can learn from: all are shorter than "
                f"{network.horizon + 2} values, or all of their values are missing."
            )
        return train(network, histories, settings)

    def _learn_more(self, memory: Any) -> Any:
        """Train a little further on all values seen, at a tenth of the rate."""
        series, extras = memory.series, memory.extras
        if max(len(each.values) for each in series) < self.network_.horizon + 2:
            return memory
        epochs = max(1, int(self.max_epochs) // 10)
        how = (epochs, self.lr / 10, False)
        # what was pretrained stays as it is for the next fit
        network = self._train(memory.network, series, extras, *how)
        return memory.with_network(network)

    def _device(self) -> Any:
        """Find the device; what was fitted runs on the CPU if its device is gone."""
        from skrnn._devices import device_or_cpu, resolve_device

        find = device_or_cpu if hasattr(self, "_memory") else resolve_device
        device = find(self.device)
        if device.type == "mps":
            raise ValueError(
                "device='mps' has no double precision, which forecasters keep levels "
                "in: use device='cpu'."
            )
        return device

    def _forecast(
        self, fh: Any, X: Any, n_paths: int, reduce: Callable[[Any], Any]
    ) -> tuple[NDArray[np.float64], Any]:
        """Give what ``reduce`` makes of each time of fh, (n_times, ...), and the index.

        The cutoff stands before the last value where sktime has set it back.
        """
        memory = replace(self._memory, device=self._device()).at(self._cutoffs())
        values, times = memory.forecast(fh, frames_of(X), n_paths, reduce)
        keys = [series.key for series in memory.series]
        return values, join_rows(keys, times, self._names)

    def _cutoffs(self) -> list[Any]:
        """Where each series is forecast from; None is its last value.

        sktime's cutoff is that of the y it got last: for the series in it. If it was
        set since, by a backtest, it holds for all.
        """
        if self.cutoff[0] != self._cutoff_read:
            return [self.cutoff[0] for _ in self._memory.series]
        return [self._ends.get(each.key) for each in self._memory.series]

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Give parameters that are quick to fit, for sktime's tests.

        Parameters
        ----------
        parameter_set : str, default="default"
            Has no effect.

        Returns
        -------
        params : list of dict
            Parameters for the constructor.
        """
        quick: dict[str, Any] = {"hidden_size": 4, "max_epochs": 1, "num_samples": 10}
        quick |= {"random_state": 0, "device": "cpu", "early_stopping": False}
        quick["n_estimators"] = 1
        return [
            quick,
            {**quick, "loss": "quantile", "num_layers": 2, "n_estimators": 2},
            {**quick, "loss": "huber", "sp": (3, 5), "log": False, "horizon": 2},
            {**quick, "strategy": "direct", "loss": "normal", "horizon": 3},
        ]
