"""BaseRecurrentForecaster: the story of fit, predict and update, as sktime tells it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sktime.forecasting.base import BaseForecaster

from skrnn._params import CONSTRAINTS, spawn_seeds
from skrnn.forecasting._panels import (
    Exogenous,
    Series,
    check_frame,
    join_rows,
    split_series,
)
from skrnn.forecasting._times import calendar, future, locate, seasons_of

__all__ = ["BaseRecurrentForecaster"]

LOSSES = {"normal", "student_t", "negative_binomial", "poisson", "quantile"}
LOSSES |= {"huber", "squared_error", "absolute_error"}
COUNTS = {"negative_binomial", "poisson"}
SHARED = {"hidden_size", "num_layers", "dropout", "lr", "lr_schedule", "optimizer"}
SHARED |= {"weight_decay", "max_grad_norm", "max_epochs", "batch_size"}
SHARED |= {"early_stopping", "n_iter_no_change", "dtype", "device", "callbacks"}
SHARED |= {"net_params", "random_state", "verbose"}
_COUNT = Interval(Integral, 1, None, closed="left")


class BaseRecurrentForecaster(BaseForecaster):  # type: ignore[misc]  # sktime: no types
    """Fit one autoregressive network to all series, and roll it out."""

    _cell: ClassVar[str]
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
        lr: float = 1e-2,
        lr_schedule: str = "one_cycle",
        optimizer: Any = "adamw",
        weight_decay: float = 1e-4,
        max_grad_norm: float | None = 1.0,
        max_epochs: int = 20,
        batch_size: int = 64,
        early_stopping: bool = True,
        n_iter_no_change: int = 10,
        dtype: str = "float32",
        device: str = "auto",
        callbacks: Any = None,
        net_params: dict[str, Any] | None = None,
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
        self.callbacks = callbacks
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose
        self._y = self._X = None  # sktime makes these only with remember_data
        super().__init__()

    @property
    def module_(self) -> Any:
        """The fitted network, a ``torch.nn.Module``."""
        from skrnn._devices import resolve_device

        return self.network_.module(resolve_device("cpu"))

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One dict per epoch: ``epoch``, ``train_loss``, ``valid_loss``, ``dur``."""
        history: list[dict[str, Any]] = self.network_.history
        return history

    # --- sktime's doors -----------------------------------------------------------

    def _check_X_y(self, X: Any = None, y: Any = None, **options: Any) -> Any:
        """Say what is wrong with times before sktime says that a type is wrong."""
        check_frame(y, "y")
        check_frame(X, "X")
        return super()._check_X_y(X=X, y=y, **options)

    def _fit(self, y: Any, X: Any, fh: Any) -> Any:
        self._check_params()
        series = self._read_series(y)
        if not hasattr(self, "network_"):  # not pretrained
            self._learn(series, X, fh)
        self._check_columns(y)
        self._seed = spawn_seeds(self.random_state, 4)[3]
        self._names = y.index.names
        self._columns = y.columns
        self._series: list[Series] = []
        self._extras: list[NDArray[np.float64]] = []
        self._standings: list[Any] = []
        self._read_on(series, X)
        return self

    def _pretrain(self, y: Any, X: Any = None, fh: Any = None) -> Any:
        self._check_params()
        self._learn(self._read_series(y), X, fh)
        return self

    def _pretrain_update(self, y: Any, X: Any = None, fh: Any = None) -> Any:
        self._learn(self._read_series(y), X, fh)
        return self

    def _update(self, y: Any, X: Any = None, update_params: bool = True) -> Any:
        self._check_columns(y)
        self._read_on(self._read_series(y, self._frequency()), X)
        if update_params:
            self._learn_more()
        return self

    def _predict(self, fh: Any, X: Any) -> pd.DataFrame:
        values, index = self._forecast(fh, X, 0, lambda draws: draws[0])
        return pd.DataFrame(values, index=index, columns=self._columns)

    def _predict_quantiles(self, fh: Any, X: Any, alpha: list[float]) -> pd.DataFrame:
        values, index = self._forecast(
            fh, X, self.num_samples, lambda draws: np.quantile(draws, alpha, axis=0).T
        )
        columns = self._get_columns(method="predict_quantiles", alpha=alpha)
        return pd.DataFrame(values.reshape(len(index), -1), index, columns)

    def _predict_var(self, fh: Any, X: Any = None, cov: bool = False) -> pd.DataFrame:
        if cov:
            raise NotImplementedError(
                "predict_var(cov=True) is not implemented: use cov=False, or "
                "predict_proba, which holds whole paths."
            )
        values, index = self._forecast(
            fh, X, self.num_samples, lambda draws: draws.var(axis=0, ddof=1)
        )
        columns = self._get_columns(method="predict_var")
        return pd.DataFrame(values, index=index, columns=columns)

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
        seasons = self.sp if isinstance(self.sp, tuple | list) else ()
        for season in seasons:
            if not isinstance(season, Integral) or season < 1:
                raise ValueError(
                    f"sp={self.sp!r} holds {season!r}, expected whole numbers of steps "
                    "from 1 on, the most important season first."
                )

    def _read_series(self, y: Any, freq: Any = None) -> list[Series]:
        series = split_series(y, freq)
        smallest = min(float(np.nanmin(each.values, initial=0.0)) for each in series)
        if self.loss in COUNTS:
            for each in series:
                known = each.values[~np.isnan(each.values)]
                wrong = (known < 0) | (known != np.floor(known))
                if wrong.any():
                    raise ValueError(
                        f"loss={self.loss!r} is for counts, but {each.where} holds "
                        f"{known[wrong][0]}: use loss='student_t' or 'quantile'."
                    )
        if self.log is True and smallest <= -1:
            raise ValueError(
                f"log=True needs values above -1, but y goes down to {smallest:.4g}: "
                "use log=False or 'auto'."
            )
        return series

    def _check_columns(self, y: Any) -> None:
        expected = self.network_.config["n_columns"]
        if y.shape[1] != expected:
            raise ValueError(
                f"y has {y.shape[1]} columns, but the network was fitted with "
                f"{expected}."
            )

    def _learn(self, series: list[Series], X: Any, fh: Any) -> None:
        """Choose what the data ask for, and train."""
        lengths = np.array([len(each.values) for each in series])
        if lengths.max() < 4:
            raise ValueError(
                f"y has {lengths.max()} values in its longest series, and a network "
                "needs at least 4 to learn from. Use a longer series, or pretrain on a "
                "panel of others."
            )
        again = hasattr(self, "network_")
        if not again:
            self.exogenous_ = (
                None if X is None else Exogenous(X, self.past_only, self.static)
            )
            if X is None and (self.past_only or self.static):
                raise ValueError("past_only and static name columns of X: pass X.")
        extras = [each for each, _ in self._read_extras(series, X)]
        network = self.network_ if again else self._plan(series, extras, fh)
        self.network_ = self._train(network, series, extras, self.max_epochs, self.lr)

    def _plan(
        self, series: list[Series], extras: list[NDArray[np.float64]], fh: Any
    ) -> Any:
        """Choose season, lags, context, horizon and transformation from the data."""
        from skrnn.forecasting._network import Network

        lengths = np.array([len(each.values) for each in series])
        typical, longest = int(np.median(lengths)), int(lengths.max())
        given = self.sp if self.sp is not None else seasons_of(series[0].index)
        seasons = (
            [int(given)] if isinstance(given, Integral) else [int(s) for s in given]
        )
        season = seasons[0] if typical >= seasons[0] + 4 else 1
        further = [2 * season, *seasons[1:]] if season > 1 else []
        lags = [season]
        lags += [lag for lag in further if lag not in lags and typical >= 2 * lag]
        horizon = self.horizon
        if horizon is None and fh is not None:
            steps = locate(fh, series[0].index, series[0].where)
            horizon = int(steps.max()) if steps.max() > 0 else None
        if horizon is None:
            horizon = min(max(season, 6), 24)
        horizon = max(1, min(horizon, typical // 4, (longest - 2) // 2))
        context = self.context_length or min(max(2 * season, 2 * horizon, 12), 512)
        past = self._past_places(extras[0].shape[1])
        n_candidates = 4 + (season > 1) + sum(
            (place > 0) + (lag > 1) for place, lag in enumerate(lags)
        )
        log = self.log
        if log == "auto":
            log = self.loss not in COUNTS and grows_with_level(series, season)
        config = {
            "cell": self._cell,
            "n_columns": series[0].values.shape[1],
            "n_candidates": n_candidates,
            "n_extras": extras[0].shape[1],
            "lags": tuple(lags),
            "n_ahead": horizon if self.strategy == "direct" else 1,
            "loss": self.loss,
            "hidden_size": int(self.hidden_size),
            "num_layers": int(self.num_layers),
            "dropout": float(self.dropout),
            "dtype": self.dtype,
        }
        return Network(config, tuple(lags), bool(log), horizon, int(context), past)

    def _train(
        self,
        network: Any,
        series: list[Series],
        extras: list[NDArray[np.float64]],
        max_epochs: int,
        lr: float,
    ) -> Any:
        from skrnn._devices import resolve_device
        from skrnn._training import Settings
        from skrnn.forecasting._network import History, train

        settings = Settings(
            loss=own_loss,
            optimizer=self.optimizer,
            lr=lr,
            lr_schedule=self.lr_schedule,
            weight_decay=self.weight_decay,
            max_grad_norm=self.max_grad_norm,
            max_epochs=int(max_epochs),
            batch_size=int(self.batch_size),
            device=resolve_device(self.device),
            verbose=int(self.verbose),
            callbacks=self.callbacks,
            net_params=self.net_params,
            patience=self.n_iter_no_change if self.early_stopping else None,
            seeds=spawn_seeds(self.random_state, 3, len(network.history)),
        )
        histories = [
            History(each.values, extra)
            for each, extra in zip(series, extras, strict=True)
            if not np.isnan(each.values).all()
        ]
        return train(network, histories, settings)

    def _learn_more(self) -> None:
        """Train a little further on all values seen, at a tenth of the rate."""
        long_enough = [
            place
            for place, each in enumerate(self._series)
            if len(each.values) >= self.network_.horizon + 2
        ]
        if not long_enough:
            return
        series = [self._series[place] for place in long_enough]
        extras = [self._extras[place] for place in long_enough]
        epochs = max(1, int(self.max_epochs) // 10)
        self.network_ = self._train(
            self.network_, series, extras, epochs, self.lr / 10
        )
        self._read_again()

    # --- reading ------------------------------------------------------------------

    def _device(self) -> Any:
        from skrnn._devices import resolve_device

        return resolve_device(self.device)

    def _frequency(self) -> Any:
        return getattr(self._series[0].index, "freq", None)

    def _past_places(self, n_extras: int) -> list[int]:
        """Places of the numbers that are known for the past only."""
        if self.exogenous_ is None or not self.exogenous_.past_only:
            return []
        width = sum(map(self.exogenous_.width_of, self.exogenous_.past_only)) + 1
        return list(range(n_extras - width, n_extras))

    def _read_extras(
        self, series: list[Series], X: Any, previous: dict[Any, Any] | None = None
    ) -> list[tuple[NDArray[np.float64], Any]]:
        """Exogenous numbers of each step, and the last past-only ones of each series.

        In this order: calendar, known columns of X, static ones, and past-only ones of
        the step before with a number that says whether they are known.
        """
        exogenous = self.exogenous_
        if exogenous is None:
            if X is not None and hasattr(self, "network_"):
                warnings.warn(
                    "X is ignored: the network was fitted without X.",
                    UserWarning,
                    stacklevel=2,
                )
            return [(calendar(each.index), None) for each in series]
        if X is None:
            raise ValueError(
                f"The network was fitted with the columns {exogenous.columns} of X: "
                "pass X for these times too."
            )
        frames = rows_of_series(X)
        known = [
            name
            for name in exogenous.columns
            if name not in exogenous.past_only and name not in exogenous.static
        ]
        found = []
        for each in series:
            frame = align(frames, each, "fit or update")
            parts = [calendar(each.index), exogenous.read(frame, known)]
            parts.append(exogenous.read(frame, exogenous.static))
            last = None
            if exogenous.past_only:
                past = exogenous.read(frame, exogenous.past_only)
                past = np.concatenate([past, np.ones((len(past), 1))], axis=1)
                first = (previous or {}).get(each.key)
                first = np.zeros(past.shape[1]) if first is None else first
                parts.append(np.concatenate([first[None], past[:-1]]))
                last = past[-1]
            found.append((np.concatenate(parts, axis=1), last))
        return found

    def _read_on(self, series: list[Series], X: Any) -> None:
        """Read new series, and the new values of known ones, from where they stand."""
        from skrnn.forecasting._network import History, read_on

        places = {each.key: place for place, each in enumerate(self._series)}
        fresh = [each for each in series if each.key not in places]
        later = [
            part
            for each in series
            if each.key in places
            for part in [after(self._series[places[each.key]], each)]
            if len(part.values)
        ]
        if fresh:
            extras = self._read_extras(fresh, X)
            histories = [
                History(each.values, extra)
                for each, (extra, _) in zip(fresh, extras, strict=True)
            ]
            standings, _, _ = read_on(self.network_, histories, None, self._device())
            self._series += fresh
            self._extras += [extra for extra, _ in extras]
            self._standings += standings
            self._last_past = {
                **getattr(self, "_last_past", {}),
                **{e.key: last for e, (_, last) in zip(fresh, extras, strict=True)},
            }
        if not later:
            return
        extras = self._read_extras(later, X, self._last_past)
        histories = [
            History(each.values, extra)
            for each, (extra, _) in zip(later, extras, strict=True)
        ]
        before = [self._standings[places[each.key]] for each in later]
        standings, _, _ = read_on(self.network_, histories, before, self._device())
        for each, (extra, last), standing in zip(later, extras, standings, strict=True):
            place = places[each.key]
            old = self._series[place]
            self._series[place] = Series(
                old.key,
                join_times(old.index, each.index),
                np.concatenate([old.values, each.values]),
            )
            self._extras[place] = np.concatenate([self._extras[place], extra])
            self._standings[place] = standing
            self._last_past[each.key] = last

    def _read_again(self) -> None:
        """Encode all that was seen anew, after the weights have changed."""
        from skrnn.forecasting._network import History, read_on

        histories = [
            History(each.values, extra)
            for each, extra in zip(self._series, self._extras, strict=True)
        ]
        self._standings, _, _ = read_on(self.network_, histories, None, self._device())

    # --- forecasting --------------------------------------------------------------

    def _forecast(
        self,
        fh: Any,
        X: Any,
        n_paths: int,
        reduce: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> tuple[NDArray[np.float64], Any]:
        """What ``reduce`` makes of each time of fh: (n_times, ...), and the index."""
        from skrnn.forecasting._network import History, look_back, read_on, walk

        device, network = self._device(), self.network_
        frames = None if X is None or self.exogenous_ is None else rows_of_series(X)
        now = self._at_cutoff()
        steps = [locate(fh, each.index, each.where) for each, _, _ in now]
        keys, standings, ahead, wanted = [], [], [], []
        for (each, _, standing), wish in zip(now, steps, strict=True):
            if wish.max() > 0:
                keys.append(each.key)
                standings.append(standing)
                ahead.append(self._future_extras(each, int(wish.max()), frames))
                wanted.append(wish[wish > 0] - 1)
        walked = iter(
            walk(
                network, keys, standings, ahead, wanted, reduce, n_paths, self._seed,
                device,
            )
            if keys
            else []
        )
        values, times = [], []
        for (each, extra, _), wish in zip(now, steps, strict=True):
            n_seen = len(each.values)
            if (wish <= -n_seen).any():
                raise ValueError(
                    f"fh asks for {-int(wish.min())} steps before the last value of "
                    f"{each.where}, which has only {n_seen} values."
                )
            parts = np.flatnonzero(wish <= 0), np.flatnonzero(wish > 0)
            found: list[NDArray[np.float64]] = []
            if len(parts[0]):
                history = [History(each.values, extra)]
                _, described, outputs = read_on(network, history, None, device)
                places = wish[parts[0]] + n_seen - 1
                found.append(
                    look_back(
                        network, each.key, described[0], outputs[0], places, reduce,
                        n_paths, self._seed, device,
                    )
                )
            if len(parts[1]):
                found.append(next(walked))
            order = np.argsort(np.concatenate(parts), kind="stable")
            values.append(np.concatenate(found)[order])
            everything = each.index.append(
                future(each.index, int(max(wish.max(), 0)), each.where)
            )
            times.append(everything[wish + n_seen - 1])
        results = np.concatenate(values)
        if not np.isfinite(results).all():
            warnings.warn(
                "Some forecasts are not finite: the roll-out has left the range of "
                "numbers. Ask for fewer steps, or use log=False.",
                UserWarning,
                stacklevel=2,
            )
        return results, join_rows([each.key for each, _, _ in now], times, self._names)

    def _at_cutoff(self) -> list[tuple[Series, NDArray[np.float64], Any]]:
        """Series, exogenous numbers and standings as of the cutoff.

        The cutoff stands before the last value where sktime has set it back.
        """
        from skrnn.forecasting._network import History, read_on

        now = []
        cutoff = self.cutoff[0]
        for each, extra, standing in zip(
            self._series, self._extras, self._standings, strict=True
        ):
            n_seen = int(each.index.searchsorted(cutoff, side="right"))
            if 0 < n_seen < len(each.values):
                values, extra = each.values[:n_seen], extra[:n_seen]
                each = Series(each.key, each.index[:n_seen], values)
                standing = read_on(
                    self.network_, [History(values, extra)], None, self._device()
                )[0][0]
            now.append((each, extra, standing))
        return now

    def _future_extras(
        self, series: Series, n_steps: int, frames: Any
    ) -> NDArray[np.float64]:
        """Exogenous numbers (n_steps, n_extras) of the times after a series."""
        index = future(series.index, n_steps, series.where)
        exogenous = self.exogenous_
        if exogenous is None:
            return calendar(index)
        known = [
            name
            for name in exogenous.columns
            if name not in exogenous.past_only and name not in exogenous.static
        ]
        parts = [calendar(index)]
        if known:
            if frames is None:
                raise ValueError(
                    f"X is needed to predict: the network was fitted with the columns "
                    f"{known}. Pass X for {index[0]} to {index[-1]}, or name columns "
                    "that are not known ahead in past_only."
                )
            frame = align(frames, series._replace(index=index), "predict")
            parts.append(exogenous.read(frame, known))
        n_static = sum(map(exogenous.width_of, exogenous.static))
        n_past = len(self._past_places(self.network_.config["n_extras"]))
        last = self._extras[[each.key for each in self._series].index(series.key)][-1]
        if n_static:
            start = len(last) - n_past - n_static
            parts.append(np.repeat(last[None, start : start + n_static], n_steps, 0))
        parts.append(np.zeros((n_steps, n_past)))
        return np.concatenate(parts, axis=1)

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
        quick = {"hidden_size": 4, "max_epochs": 1, "num_samples": 10}
        quick |= {"random_state": 0, "device": "cpu", "early_stopping": False}
        return [
            quick,
            {**quick, "loss": "quantile", "num_layers": 2, "dropout": 0.1},
            {**quick, "loss": "huber", "sp": (3, 5), "log": False, "horizon": 2},
            {**quick, "strategy": "direct", "loss": "normal", "horizon": 3},
        ]


def own_loss(outputs: Any, targets: Any) -> Any:
    """The module gives the losses of windows itself."""
    return outputs


def grows_with_level(series: list[Series], season: int) -> bool:
    """Whether the spread of values grows with their level more than by its root.

    Regresses the log of the standard deviation of each season on the log of its mean
    (Guerrero, 1993, doi:10.1002/for.3980120104): a slope above 1/2 asks for a
    logarithm. Only for values that are never negative.
    """
    slopes = []
    for each in series[:500]:
        for column in each.values.T:
            known = column[~np.isnan(column)]
            if len(known) and known.min() < 0:
                return False
            width = max(season, 4)
            parts = known[: len(known) // width * width].reshape(-1, width)
            means, spreads = parts.mean(axis=1), parts.std(axis=1)
            good = (means > 0) & (spreads > 0)
            if good.sum() < 3 or means[good].max() < 10:
                continue
            x, z = np.log(means[good]), np.log(spreads[good])
            if x.std() > 0.1:
                slopes.append(float(np.polyfit(x, z, 1)[0]))
    return bool(slopes) and float(np.median(slopes)) > 0.5


def rows_of_series(X: Any) -> dict[Any, pd.DataFrame]:
    """Rows of X of each series, by time."""
    from skrnn.forecasting._panels import groups_of

    return {
        key: X.iloc[rows].set_axis(X.index[rows].get_level_values(-1), axis=0)
        for key, rows in groups_of(X.index)
    }


def align(frames: dict[Any, pd.DataFrame], series: Series, step: str) -> pd.DataFrame:
    """Take the rows of X that belong to the times of a series."""
    if series.key not in frames:
        raise ValueError(
            f"X has no rows for {series.where}, which y has: its series are "
            f"{list(frames)[:5]}."
        )
    frame = frames[series.key]
    places = frame.index.get_indexer(series.index)
    if (places < 0).any():
        absent = series.index[places < 0]
        raise ValueError(
            f"X has no row for {len(absent)} of the {len(series.index)} times of "
            f"{series.where} that {step} needs: {', '.join(map(str, absent[:3]))}"
            f"{', ...' if len(absent) > 3 else ''}. A forecast goes step by step: pass "
            "X for every time up to the last one asked for."
        )
    return frame.iloc[places]


def after(old: Series, new: Series) -> Series:
    """Take the values of ``new`` that come after ``old``; gaps between are NaN."""
    n_old = int(new.index.searchsorted(old.index[-1], side="right"))
    index, values = new.index[n_old:], new.values[n_old:]
    if len(index) == 0:
        return Series(old.key, index, values)
    n_steps = 16
    grid = future(old.index, n_steps, old.where)
    while grid[-1] < index[-1]:
        n_steps *= 2
        grid = future(old.index, n_steps, old.where)
    places = grid.get_indexer(index)
    if (places < 0).any():
        raise ValueError(
            f"{old.where} goes on at {index[places < 0][0]}, which is no step of "
            f"{old.index.freq} after {old.index[-1]}."
        )
    filled = np.full((places[-1] + 1, values.shape[1]), np.nan)
    filled[places] = values
    return Series(old.key, grid[: places[-1] + 1], filled)


def join_times(old: Any, new: Any) -> Any:
    """Append times and keep their frequency."""
    joined = old.append(new)
    freq = getattr(old, "freq", None)
    if isinstance(joined, pd.DatetimeIndex) and freq is not None:
        joined = pd.DatetimeIndex(joined, freq=freq)
    return joined
