"""What a forecaster remembers of each series, and what it makes of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._devices import resolve_device
from skrnn.forecasting._exogenous import Exogenous, Frames, check_calendar
from skrnn.forecasting._network import (
    History,
    Network,
    Standing,
    describe_history,
    join_standings,
    look_back,
    read_on,
    split_standings,
    walk,
)
from skrnn.forecasting._panels import (
    Panel,
    Series,
    join_series,
    later,
    named,
    split_panel,
    split_rows,
)
from skrnn.forecasting._times import future, locate

__all__ = ["Memory"]

Array = NDArray[np.float64]
Reduce = Callable[[Array], Array]  # draws (n, n_paths, n_columns) -> (n, ...)


@dataclass(frozen=True)
class Memory:
    """All series read so far, and where each stands; lists have an entry for each.

    Reading gives a new memory, so what fails leaves the old one as it was.
    """

    network: Network
    exogenous: Exogenous
    seed: int  # of paths
    device: Any  # of torch
    series: list[Series] = field(default_factory=list)
    extras: list[Array] = field(default_factory=list)  # exogenous numbers
    told: list[Array] = field(default_factory=list)  # by X to the step to come
    standings: list[Standing] = field(default_factory=list)
    read_until: list[int] = field(default_factory=list)  # missing ends are forecast

    def __getstate__(self) -> dict[str, Any]:
        """Give what is known of all series in a few arrays."""
        state = dict(vars(self))
        if not self.series:
            return state
        return state | {
            "series": join_series(self.series),
            "extras": np.concatenate(self.extras),
            "told": np.stack(self.told),
            "standings": join_standings(self.standings),
            "read_until": np.array(self.read_until, dtype=np.int64),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the series apart; the next forecast finds its device anew."""
        state = {**state, "device": resolve_device("cpu")}
        if isinstance(state["series"], Panel):  # not of the first files
            series = split_panel(state["series"])
            if not all(isinstance(state[k], np.ndarray) for k in ("extras", "told")):
                raise ValueError("What was told beside the series is no array.")
            extras = split_rows(state["extras"], [each.index for each in series])
            state |= {"series": series, "extras": extras, "told": list(state["told"])}
            state["standings"] = split_standings(state["standings"])
            state["read_until"] = state["read_until"].tolist()
        vars(self).update(state)

    def check(self) -> None:
        """Refuse what cannot come from reading series with this network."""
        config, n = self.network.config, len(self.series)
        parts = (self.extras, self.told, self.standings, self.read_until)
        if any(len(part) != n for part in parts):
            raise ValueError("The series and what was read of them differ in number.")
        n_columns, n_extras = config["n_columns"], config["n_extras"]
        shapes = standing_shapes(self.network)
        for each, extra, standing in zip(
            self.series, self.extras, self.standings, strict=True
        ):
            wide = (len(each.index), n_columns), (len(each.index), n_extras)
            found = [*standing.carry[:-1], standing.missing, standing.hidden]
            if (each.values.shape, extra.shape) != wide or shapes != [
                (part.shape, part.dtype) for part in found
            ]:
                raise ValueError(f"{each.where} was not read by this network.")

    def read(self, series: list[Series], frames: Frames | None) -> Memory:
        """Read new series, and the new values of known ones, from where they stand."""
        self._mind_x(frames)
        now = self._copy()
        places = {each.key: place for place, each in enumerate(self.series)}
        now._read_fresh([each for each in series if each.key not in places], frames)
        known = [places[each.key] for each in series if each.key in places]
        more = [
            later(self.series[places[each.key]], each)
            for each in series
            if each.key in places
        ]
        longer = [n for n, each in enumerate(more) if len(each.values)]
        now._read_more([known[n] for n in longer], [more[n] for n in longer], frames)
        return now

    def _copy(self) -> Memory:
        return replace(
            self,
            series=list(self.series),
            extras=list(self.extras),
            told=list(self.told),
            standings=list(self.standings),
            read_until=list(self.read_until),
        )

    def _mind_x(self, frames: Frames | None) -> None:
        if frames is not None and not self.exogenous.columns:
            warnings.warn(
                "X is ignored: the network was fitted without X.",
                UserWarning,
                stacklevel=3,
            )

    def _read_fresh(self, series: list[Series], frames: Frames | None) -> None:
        if not series:
            return
        seen = [self.exogenous.seen(each, frames) for each in series]
        for each, (extra, _) in zip(series, seen, strict=True):
            check_calendar(each, extra, self.network.config["n_extras"])
            if np.isnan(each.values).all(axis=0).any():
                warnings.warn(
                    f"{each.where} has a column without any value: its forecasts are "
                    "about 0 until a value comes.",
                    UserWarning,
                    stacklevel=2,
                )
        self.series.extend(series)
        self.extras.extend(extra for extra, _ in seen)
        self.told.extend(told for _, told in seen)
        self.read_until.extend(known_until(each.values) for each in series)
        places = range(len(self.series) - len(series), len(self.series))
        self.standings.extend(self._encode([*places], known_only=True)[0])

    def _read_more(
        self, places: list[int], series: list[Series], frames: Frames | None
    ) -> None:
        if not series:
            return
        seen = [
            self.exogenous.seen(each, frames, self.told[place])
            for place, each in zip(places, series, strict=True)
        ]
        histories = []
        for place, each, (extra, told) in zip(places, series, seen, strict=True):
            self.series[place] = self.series[place].append(each)
            self.extras[place] = np.concatenate([self.extras[place], extra])
            self.told[place] = told
            values, start = self.series[place].values, self.read_until[place]
            stop = max(start, known_until(values))
            self.read_until[place] = stop
            histories.append(
                History(values[start:stop], self.extras[place][start:stop])
            )
        before = [self.standings[place] for place in places]
        after = read_on(self.network, histories, before, self.device)[0]
        for place, standing in zip(places, after, strict=True):
            self.standings[place] = standing

    def past(self, key: Any) -> tuple[Any, tuple[Any, ...]]:
        """Give the values of a series by its key (None: the first), and the key."""
        series = named(self.series, key)
        return series.first_column(), series.key

    def with_network(self, network: Network) -> Memory:
        """Read everything again with other weights."""
        now = replace(self, network=network)
        standings, _, _ = now._encode([*range(len(self.series))], known_only=True)
        return replace(now, standings=standings)

    def at(self, cutoffs: list[Any]) -> Memory:
        """Go back to a time for each series, None for its last one.

        A series that has no value until then stays as it is.
        """
        now = self._copy()
        back = []
        for place, (each, cutoff) in enumerate(zip(self.series, cutoffs, strict=True)):
            n_seen = len(each.values)
            if cutoff is not None:
                n_seen = int(each.index.searchsorted(cutoff, side="right"))
            if 0 < n_seen < len(each.values):
                coming = self.extras[place][n_seen]
                now.told[place] = coming[len(coming) - self.exogenous.n_past :]
                now.series[place] = each.until(n_seen)
                now.extras[place] = self.extras[place][:n_seen]
                now.read_until[place] = known_until(now.series[place].values)
                back.append(place)
        if back:
            standings, _, _ = now._encode(back, known_only=True)
            for place, standing in zip(back, standings, strict=True):
                now.standings[place] = standing
        return now

    def _encode(self, places: list[int], known_only: bool = False) -> Any:
        """Read some series from their beginning, without their missing ends or with."""
        histories = []
        for place in places:
            stop = self.read_until[place] if known_only else None
            values, extras = self.series[place].values, self.extras[place]
            histories.append(History(values[:stop], extras[:stop]))
        return read_on(self.network, histories, None, self.device)

    def forecast(
        self, fh: Any, frames: Frames | None, n_paths: int, reduce: Reduce
    ) -> tuple[Array, list[Any]]:
        """Give what ``reduce`` makes of each time of fh, (n_times, ...), and the times.

        With ``n_paths=0`` it gets point forecasts (n, 1, n_columns).
        """
        self._mind_x(frames)
        steps = [locate(fh, each.index, each.where) for each in self.series]
        ahead = self._look_ahead(steps, frames, n_paths, reduce)
        back = self._look_back(steps, n_paths, reduce)
        values, times = [], []
        for place, wish in enumerate(steps):
            series = self.series[place]
            found = [part[place] for part in (back, ahead) if place in part]
            order = np.concatenate(
                [np.flatnonzero(wish <= 0), np.flatnonzero(wish > 0)]
            )
            values.append(np.concatenate(found)[np.argsort(order)])
            farthest = int(wish.max(initial=0))
            all_times = series.index.append(
                future(series.index, farthest, series.where)
            )
            times.append(all_times[wish + len(series.values) - 1])
        results = np.concatenate(values)
        if not np.isfinite(results).all():
            warnings.warn(
                "Some forecasts are not finite: the roll-out has left the range of "
                "numbers. Ask for fewer steps, or use log=False.",
                UserWarning,
                stacklevel=2,
            )
        return results, times

    def _look_ahead(
        self, steps: list[Any], frames: Frames | None, n_paths: int, reduce: Reduce
    ) -> dict[int, Array]:
        """Forecasts of times to come, by place of the series."""
        places = [n for n, wish in enumerate(steps) if wish.max(initial=0) > 0]
        extras = [
            self.extras_ahead(place, int(steps[place].max()), frames)
            for place in places
        ]
        with np.errstate(over="ignore", invalid="ignore"):  # forecast tells of it
            walked = walk(
                self.network,
                [self.series[place].key for place in places],
                [self.standings[place] for place in places],
                extras,
                [
                    steps[place][steps[place] > 0] - 1 + self._n_missing(place)
                    for place in places
                ],
                reduce,
                n_paths,
                self.seed,
                self.device,
            )
        return dict(zip(places, walked, strict=True))

    def extras_ahead(self, place: int, n_steps: int, frames: Frames | None) -> Array:
        """Exogenous numbers of a series from its last known value to steps ahead."""
        series = self.series[place]
        times = future(series.index, n_steps, series.where)
        coming = Series(series.key, times, np.empty((len(times), 0)))
        last, told = self.extras[place][-1], self.told[place]
        ahead = self.exogenous.ahead(coming, frames, last, told)
        missing = self.extras[place][self.read_until[place] :]
        return np.concatenate([missing, ahead])

    def _n_missing(self, place: int) -> int:
        """How many values at the end of a series are missing."""
        return len(self.series[place].values) - self.read_until[place]

    def _look_back(
        self, steps: list[Any], n_paths: int, reduce: Reduce
    ) -> dict[int, Array]:
        """Forecasts of known times, each one step ahead, by place of the series."""
        places = [n for n, wish in enumerate(steps) if (wish <= 0).any()]
        wanted = []
        for place in places:
            series, wish = self.series[place], steps[place]
            n_seen = len(series.values)
            if (wish <= -n_seen).any():
                raise ValueError(
                    f"fh asks for {-int(wish.min())} steps before the last value of "
                    f"{series.where}, which has only {n_seen} values."
                )
            wanted.append(wish[wish <= 0] + n_seen - 1)
        if not places:
            return {}
        _, described, outputs = self._encode(places)
        seen = look_back(
            self.network,
            [self.series[place].key for place in places],
            described,
            outputs,
            wanted,
            reduce,
            n_paths,
            self.seed,
            self.device,
        )
        return dict(zip(places, seen, strict=True))


def standing_shapes(network: Network) -> list[Any]:
    """Give shapes and types of the arrays of a standing, but for a number."""
    config = network.config
    shapes = [(1, config[name]) for name in ("n_columns", "n_extras")]
    history = History(*(np.zeros(shape) for shape in shapes))
    _, carry, missing = describe_history(network, history)
    parts = 2 if config["cell"] == "lstm" else 1
    hidden = network.n_networks, config["num_layers"], parts, config["hidden_size"]
    arrays = [(part.shape, part.dtype) for part in (*carry[:-1], missing)]
    return [*arrays, (hidden, np.dtype(config["dtype"]))]


def known_until(values: Array) -> int:
    """Where the missing end of a series begins; without any value, at its end."""
    known = np.flatnonzero(~np.isnan(values).all(axis=1))
    return int(known[-1]) + 1 if len(known) else len(values)
