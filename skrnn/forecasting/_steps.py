"""One step of a forecaster as formulas, from which graphs and programs are made.

What ``read_steps`` and ``Walker`` do, as one function of a state: a step takes
the value that came, or its own forecast where none did.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._devices import resolve_device
from skrnn._steps import Form, advance, dense, layers_of, linear_of
from skrnn.forecasting._exogenous import frames_of
from skrnn.forecasting._heads import SMALLEST
from skrnn.forecasting._levels import (
    PROFILE_RATE,
    RATES,
    memory_of,
    period_of,
    seasonal_rate,
)
from skrnn.forecasting._memory import Memory
from skrnn.forecasting._network import (
    COUNTS,
    History,
    Standing,
    read_on,
    state_of,
    walk,
)
from skrnn.forecasting._times import locate
from skrnn.forecasting._walker import DAMPING

__all__ = ["ForecastStep", "compare_forecasts", "extras_ahead", "state_arrays"]

Array = NDArray[Any]
CHECKED = 20  # series that are compared
STEPS = 48  # of a roll-out that is compared
PARAMETERS = {  # of distributions, besides where they are
    "normal": ["spread"],
    "student_t": ["spread", "freedom"],
    "negative_binomial": ["failures"],
}


class ForecastStep:
    """One step of series for a network of a forecaster, or several networks.

    Arrays of the state are named like the fields of ``Carry``, with an axis for the
    networks in front, and are not around an origin, since double precision does for
    any series. ``n_seen`` counts all values, ``n_known`` those until the last one that
    was no forecast: the scale stays what it was then.
    """

    axis = "n_series"

    def __init__(self, network: Any) -> None:
        self.network, config = network, network.config
        modules = network.modules(resolve_device("cpu"))
        self.layers = [layers_of(module.encoder) for module in modules]
        self.heads = [linear_of(module.head) for module in modules]
        self.spreads = [float(module.spread) for module in modules]
        self.parameters = ["location", *PARAMETERS.get(config["loss"], [])]
        self.n_extras, self.counts = config["n_extras"], config["loss"] in COUNTS
        lags, m, c = network.lags, network.n_networks, config["n_columns"]
        n_parts = 2 if config["cell"] == "lstm" else 1
        wide = Form((m, None, c), "float64")
        memory = Form((m, None, memory_of(lags), c), "float64")
        one = Form((None, 1), "float64")
        size = config["hidden_size"]
        self.state = {
            "hidden": Form((m, config["num_layers"], n_parts, None, size)),
            "values": memory,
            "levels": memory,
            "profile": Form((m, None, period_of(lags), c), "float64"),
            **dict.fromkeys(("fast", "trend", "change", "seasonal", "size"), wide),
            "missing": Form((None, c), "float64"),
            "n_seen": one,
            "n_known": one,
        }
        self.inputs = {"value": Form((None, c), "float64"), **self.state}
        if self.n_extras:
            self.inputs["extra"] = Form((None, self.n_extras))

    @property
    def outputs(self) -> dict[str, Form]:
        """Forms of what a step gives, by name."""
        m, n_columns = self.network.n_networks, self.network.config["n_columns"]
        more = dict.fromkeys(self.parameters, Form((m, None, n_columns), "float64"))
        after = {f"new_{name}": form for name, form in self.state.items()}
        return {"y": Form((None, n_columns), "float64"), **more, **after}

    def __call__(self, ops: Any, given: dict[str, Any]) -> dict[str, Any]:
        """Forecast the coming value, and take what came: outputs by name."""
        n_columns = self.network.config["n_columns"]
        absent = ops.isnan(given["value"])
        n_absent = ops.sum(ops.cast(absent, "float64"), 1)
        known = ops.insert(n_absent < n_columns - 0.5, 1)
        scale = self.scale_of(ops, given)
        scaled = self.candidates(ops, given) / ops.insert(scale, 3)
        read = [
            self.read(ops, place, given, known, ops.pick(scaled, place, 0), scale)
            for place in range(len(self.heads))
        ]
        moves, hidden, *rest = (
            ops.stack([each[k] for each in read], 0) for k in range(len(read[0]))
        )
        slow = ops.pick(given["levels"], -1, 2)
        forecasts = slow + scale * moves
        more = dict(zip(self.parameters, [forecasts, *rest], strict=True))
        taken = ops.where(known, self.filled(ops, given, absent), forecasts)
        after = self.push(ops, given, taken, known)
        marks = ops.where(known, ops.cast(absent, "float64"), 0.0)
        after |= {"hidden": hidden, "missing": marks}
        y = self.outside(ops, ops.mean(forecasts, 0))
        after = {f"new_{name}": after[name] for name in self.state}
        return {"y": y, **more, **after}

    def back(self, ops: Any, array: Any, lag: int) -> Any:
        """Take what was ``lag`` steps before the coming one."""
        return ops.pick(array, memory_of(self.network.lags) - lag, 2)

    def candidates(self, ops: Any, given: dict[str, Any]) -> Any:
        """Do what ``candidates_of`` does, around the slow mean; the trend fades."""
        values, levels, lags = given["values"], given["levels"], self.network.lags
        last, slow = self.back(ops, values, 1), self.back(ops, levels, 1)
        n_walked = given["n_seen"] - given["n_known"]
        damping = ops.exp(n_walked * math.log(DAMPING))
        found = [
            self.back(ops, values, lags[0]) - slow,
            given["fast"] - slow,
            slow * 0.0,
            last + given["trend"] * damping - slow,
        ]
        if lags[0] > 1:
            found.append(last - slow)
        for place, lag in enumerate(lags):
            if place:
                found.append(self.back(ops, values, lag) - slow)
            if lag > 1:
                level = self.back(ops, levels, lag + 1)
                found.append(self.back(ops, values, lag) - level)
        if lags[0] > 1:
            found.append(ops.pick(given["profile"], 0, 2))
        return ops.stack(found, 3)

    def scale_of(self, ops: Any, given: dict[str, Any]) -> Any:
        """Do what ``_levels.scale_of`` does, for the last value that was known."""
        size, count = given["size"], given["n_known"]
        both = (given["change"] + given["seasonal"]) * 0.5
        scale = ops.where(count > self.network.lags[0], both, given["change"])
        scale = ops.where(count > 1.0, scale, size * 0.1)
        scale = ops.maximum(scale, size * 1e-4)
        return ops.where(scale > 0.0, scale, float(self.network.unit))

    def read(
        self, ops: Any, place: int, given: dict[str, Any], known: Any, *about: Any
    ) -> list[Any]:
        """Read the step by one network: moves (n, n_columns), new state, parameters."""
        scaled, scale = about[0], ops.pick(about[1], place, 0)
        config = self.network.config
        size = ops.pick(given["size"], place, 0)
        squashed = ops.log(ops.abs(scaled) + ops.sqrt(scaled * scaled + 1.0))
        n_numbers = config["n_columns"] * config["n_candidates"]
        parts = [
            ops.reshape(squashed * ops.sign(scaled), -1, n_numbers),
            ops.log(scale / (size + scale)) * 0.25,
            ops.where(known, given["missing"], 0.0),
            ops.log(given["n_seen"] + 1.0) * 0.2,
        ]
        extra = [given["extra"]] if self.n_extras else []
        inputs = ops.cat([ops.cast(ops.cat(parts, 1), "float32"), *extra], 1)
        hidden = ops.pick(given["hidden"], place, 0)
        output, hidden = advance(
            ops, config["cell"], self.layers[place], inputs, hidden
        )
        head = self.heads[place]
        found = dense(ops, ops.cat([output, *extra], 1), head)
        found = ops.cast(found, "float64")
        n_each = len(head[1]) // config["n_columns"]
        found = ops.reshape(found, -1, config["n_columns"], n_each)
        origin = ops.pick(ops.pick(given["levels"], -1, 2), place, 0) / scale
        raw = ops.cut(found, config["n_candidates"] + 1, n_each, 2)
        move = self.move(ops, found, scaled, origin)
        return [move, hidden, *self.shape(ops, place, raw, scale, origin + move)]

    def move(self, ops: Any, found: Any, scaled: Any, origin: Any) -> Any:
        """Mix candidates as the head says: the point forecast, from the slow mean."""
        n_candidates = self.network.config["n_candidates"]
        share = ops.softmax(ops.cut(found, 0, n_candidates, 2))
        mixture = ops.sum(share * scaled, 2)
        away = ops.tanh(ops.pick(found, n_candidates, 2))
        away = ops.maximum(away, away * 0.1)
        first = ops.pick(scaled, 0, 2)
        move = first + away * (mixture - first) + ops.pick(found, n_candidates + 1, 2)
        if not self.counts:
            return move
        mean = origin + move
        return 0.5 * (mean + ops.sqrt(mean * mean + 0.04)) - origin

    def shape(self, ops: Any, place: int, raw: Any, scale: Any, mean: Any) -> list[Any]:
        """Give the parameters of a distribution beside its location, as heads do."""
        if self.parameters == ["location"]:
            return []
        spread = softplus(ops, ops.pick(raw, 1, 2) + math.log(math.e - 1.0)) + SMALLEST
        if self.counts:
            failures = mean / (spread * 0.5)
            failures = ops.maximum(failures * failures, 1e-3)
            return [ops.where(failures < 1e6, failures, 1e6)]
        spread = spread * scale * self.spreads[place]
        if "freedom" not in self.parameters:
            return [spread]
        return [spread, softplus(ops, ops.pick(raw, 2, 2) + 3.98) + 2.0]

    def filled(self, ops: Any, given: dict[str, Any], absent: Any) -> Any:
        """Bring what came inside; absent columns get the value a season earlier."""
        value, season = given["value"], self.network.lags[0]
        if self.network.log:
            value = ops.log(value + 1.0)
        earlier = ops.where(
            given["n_seen"] > season - 0.5,
            self.back(ops, given["values"], season),
            self.back(ops, given["values"], 1),
        )
        return ops.where(absent, earlier, value)

    def push(
        self, ops: Any, given: dict[str, Any], taken: Any, known: Any
    ) -> dict[str, Any]:
        """Carry everything on: what a forecast tells nothing about stays."""
        count, season = given["n_seen"], self.network.lags[0]
        last, slow = (ops.pick(given[name], -1, 2) for name in ("values", "levels"))
        before = self.back(ops, given["values"], season)

        def mean(old: Any, new: Any, rate: float, held: Any) -> Any:
            total = 1.0 - ops.exp((held + 1.0) * math.log(1.0 - rate))
            return old + rate / total * (new - old)

        def read(name: str, new: Any, held: Any) -> Any:
            now = mean(given[name], new, seasonal_rate(season), held)
            return ops.where(known, now, given[name])

        def append(name: str, new: Any) -> Any:
            rest = ops.cut(given[name], 1, self.state[name].shape[2], 2)
            return ops.cat([rest, ops.insert(new, 2)], 2)

        seasonal = ops.abs(taken - before)
        seasonal = ops.where(count > season - 0.5, seasonal, 0.0)
        first = ops.pick(given["profile"], 0, 2)
        rounds = ops.floor((count + 0.5) / float(period_of(self.network.lags)))
        usual = mean(first, taken - slow, PROFILE_RATE, rounds)
        return {
            "values": append("values", taken),
            "levels": append("levels", mean(slow, taken, RATES["slow"], count)),
            "profile": append("profile", ops.where(known, usual, first)),
            "fast": mean(given["fast"], taken, RATES["fast"], count),
            "trend": mean(given["trend"], taken - last, RATES["trend"], count - 1.0),
            "change": read("change", ops.abs(taken - last), count - 1.0),
            "seasonal": read("seasonal", seasonal, ops.maximum(count - season, 0.0)),
            "size": read("size", ops.abs(taken), count),
            "n_seen": count + 1.0,
            "n_known": ops.where(known, count + 1.0, given["n_known"]),
        }

    def outside(self, ops: Any, values: Any) -> Any:
        """Bring forecasts into the units of y."""
        if not self.network.log:
            return values
        values = ops.exp(values) - 1.0
        lowest = self.network.lowest
        return values if np.isinf(lowest) else ops.maximum(values, float(lowest))


def softplus(ops: Any, x: Any) -> Any:
    """Logarithm of 1 + exp(x); does not overflow."""
    return ops.maximum(x, 0.0) + ops.log(ops.exp(-ops.abs(x)) + 1.0)


def state_arrays(network: Any, standings: list[Standing]) -> dict[str, Array]:
    """Where series stand, by the names of the inputs of a step."""

    def each_network(name: str) -> Array:
        array = np.stack([getattr(each.carry, name) for each in standings])
        return np.repeat(array[None], network.n_networks, axis=0)

    names = ("values", "levels", "profile", "fast", "trend")
    count = np.array([[float(each.carry.n_seen)] for each in standings])
    hidden = np.stack([each.hidden for each in standings], axis=3)
    return {
        "hidden": hidden.astype(np.float32),
        **{n: each_network(n) for n in (*names, "change", "seasonal", "size")},
        "missing": np.stack([each.missing for each in standings]).astype(np.float64),
        "n_seen": count,
        "n_known": count.copy(),
    }


def compare_forecasts(run: Any, memory: Memory) -> float:
    """Let ``run`` and the network go on from where series stand: the difference.

    It is in units of the scale, or of how far off a forecast is. First both roll on;
    then they read the last values of the series again, and roll on from there.
    """
    network, standings = memory.network, memory.standings[:CHECKED]
    histories = [
        History(series.values[-STEPS:], extras[-STEPS:])
        for series, extras in zip(memory.series, memory.extras, strict=False)
    ][:CHECKED]
    found = [roll_both(run, network, standings, histories)]
    n_steps = min(len(each.values) for each in histories)
    histories = [known_rows(each, n_steps) for each in histories]
    state = state_arrays(network, standings)
    for step in range(n_steps):
        now = np.stack([each.values[step] for each in histories])
        extra = np.stack([each.extras[step] for each in histories])
        _, state = run_step(run, now, extra, state)
    after = read_on(network, histories, standings, resolve_device("cpu"))[0]
    found.append(roll_both(run, network, after, histories, state))
    return float(np.max(found))  # NaN if one is


def known_rows(history: History, n_steps: int) -> History:
    """Take ``n_steps`` steps, in which every row has some value."""
    values = history.values[-n_steps:]
    some = values[~np.isnan(values).all(axis=1)]
    filled = np.resize(some, values.shape) if len(some) else np.zeros_like(values)
    return History(filled, history.extras[-n_steps:])


def run_step(
    run: Any, value: Array, extra: Array, state: dict[str, Array]
) -> tuple[Array, dict[str, Array]]:
    """Run one step: forecasts in the units of y, and the new state."""
    given = {"value": value, **state}
    if extra.shape[1]:
        given["extra"] = extra.astype(np.float32)
    got = run(given)
    return got["y"], {name: got[f"new_{name}"] for name in state}


def roll_both(
    run: Any,
    network: Any,
    standings: list[Standing],
    histories: list[History],
    state: dict[str, Array] | None = None,
) -> float:
    """Roll out both, with the last exogenous numbers again: the largest difference."""
    extras = [
        np.resize(each.extras, (STEPS, each.extras.shape[1])) for each in histories
    ]
    expected = walk(
        network,
        [(place,) for place in range(len(standings))],
        standings,
        extras,
        [np.arange(STEPS)] * len(standings),
        lambda draws: draws[:, 0],
        0,
        0,
        resolve_device("cpu"),
    )
    state = state_arrays(network, standings) if state is None else state
    unknown = np.full((len(standings), network.config["n_columns"]), np.nan)
    found = []
    for step in range(STEPS):
        extra = np.stack([each[step] for each in extras])
        got, state = run_step(run, unknown, extra, state)
        found.append(got)
    scale = state_of(network, standings, resolve_device("cpu")).scale.numpy()
    goal = network.to_inside(np.stack(expected))
    origin = np.stack([each.carry.levels[-1] for each in standings])[:, None]
    unit = np.maximum(scale[:, None], np.abs(goal - origin))
    return float((np.abs(network.to_inside(np.stack(found, 1)) - goal) / unit).max())


def extras_ahead(forecaster: Any, fh: Any, X: Any) -> Array:
    """Exogenous numbers of the steps to come, (n_series, n_steps, n_extras)."""
    draft = copy.copy(forecaster)  # which may remember fh
    fh, frames = draft._check_fh(fh), frames_of(draft._check_X_y(X=X)[0])
    memory = draft._memory.at(draft._cutoffs())
    found = []
    for place, each in enumerate(memory.series):
        farthest = max(0, int(locate(fh, each.index, each.where).max(initial=0)))
        found.append(memory.extras_ahead(place, farthest, frames))
    lengths = {len(each) for each in found}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"The series have {sorted(lengths)} steps from their last known values to "
            "the end of fh: steps go on together, so pass steps to come, and series "
            "that end with equally many missing values."
        )
    return np.stack(found).astype(np.float32)
