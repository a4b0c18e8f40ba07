"""Values of pandas, and what sktime adds to them, as plain values, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

__all__ = ["from_plain", "to_plain"]


def to_plain(value: Any) -> dict[str, Any] | None:
    """Describe an object of pandas or sktime by numbers, texts, arrays and lists.

    ``None`` says that it is none, or none that can be described.
    """
    about: dict[str, Any]
    if isinstance(value, pd.RangeIndex):
        about = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"is": "range", **about, "name": value.name}
    timed = pd.PeriodIndex | pd.DatetimeIndex | pd.TimedeltaIndex
    if isinstance(value, timed) and not comes_back(value):
        return None
    if isinstance(value, pd.PeriodIndex):
        about = {"freq": value.freqstr, "name": value.name}
        return {"is": "periods", "ordinals": value.asi8, **about}
    if isinstance(value, pd.DatetimeIndex):
        times = value.tz_localize(None) if value.tz is None else value.tz_convert(None)
        about = {"zone": zone_of(value), "freq": value.freqstr, "name": value.name}
        return {"is": "times", "values": times.to_numpy(), **about}
    if isinstance(value, pd.MultiIndex):
        levels = [value.get_level_values(k) for k in range(value.nlevels)]
        return {"is": "levels", "levels": levels, "names": list(value.names)}
    if isinstance(value, pd.TimedeltaIndex):
        about = {"freq": value.freqstr, "name": value.name}
        return {"is": "durations", "values": value.to_numpy(), **about}
    if isinstance(value, pd.CategoricalIndex):
        return {"is": "kinds", "values": value.array, "name": value.name}
    if isinstance(value, pd.Index):
        about = {"dtype": str(value.dtype), "name": value.name}
        return {"is": "index", "values": value.to_numpy(), **about}
    if isinstance(value, pd.Period) and comes_back(value):
        return {"is": "period", "ordinal": value.ordinal, "freq": value.freqstr}
    if isinstance(value, pd.Timestamp) and comes_back(value):
        naive = value.tz_localize(None) if value.tz is None else value.tz_convert(None)
        about = {"unit": value.unit, "zone": zone_of(value)}
        return {"is": "time", "value": int(naive.asm8.view("i8")), **about}
    if isinstance(value, pd.Categorical):
        about = {"categories": value.categories, "ordered": bool(value.ordered)}
        return {"is": "categories", "codes": np.array(value.codes), **about}
    if isinstance(value, pd.Series):
        about = {"dtype": type_of(value), "name": value.name}
        values = values_of(value)
        return {"is": "series", "values": values, "index": value.index, **about}
    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, k] for k in range(value.shape[1])]
        return {
            "is": "frame",
            "values": [values_of(column) for column in columns],
            "dtypes": [type_of(column) for column in columns],
            "index": value.index,
            "columns": value.columns,
        }
    if type(value).__name__ == "DtypeKind":  # of columns, for sktime
        return {"is": "DtypeKind", "value": int(value.value)}
    if type(value).__name__ == "ForecastingHorizon" and comes_back(value):
        about = {"relative": bool(value.is_relative), "freq": value.freq}
        return {"is": "horizon", "steps": value.to_pandas(), **about}
    return None


def from_plain(about: dict[str, Any]) -> Any:
    """Make what ``to_plain`` described; its parts are made already."""
    return MAKERS[about["is"]](about)


def comes_back(value: Any) -> bool:
    """Whether the frequency and the time zone are known by their names."""
    try:
        if isinstance(value, pd.Period | pd.PeriodIndex):
            return bool(pd.Period(ordinal=0, freq=value.freqstr).freq == value.freq)
        if type(value).__name__ == "ForecastingHorizon":
            return value.freq is None or to_offset(value.freq) == value._freq
        zone, freq = getattr(value, "tz", None), getattr(value, "freq", None)
        if zone is not None:
            # an index tells the zone: a time of pytz has one for each of its offsets
            known = pd.DatetimeIndex([], tz=str(zone)).tz
            if pd.DatetimeIndex([], tz=zone).tz != known:
                return False
        return freq is None or to_offset(value.freqstr) == freq
    except (KeyError, TypeError, ValueError, OSError):
        return False


def values_of(column: Any) -> Any:
    """Give the values of a column, of categories with all that there could be."""
    return column.array if type_of(column) is None else column.to_numpy()


def type_of(column: Any) -> str | None:
    """Name the type of a column; categories say it themselves."""
    categories = isinstance(column.dtype, pd.CategoricalDtype)
    return None if categories else str(column.dtype)


def make_index(about: dict[str, Any]) -> Any:
    values, kind = about["values"], about["dtype"]
    if not isinstance(values, np.ndarray) or kind[:1] in "<>|=US":
        raise ValueError(f"it holds an index of {kind!r} made from {type(values)}.")
    return pd.Index(values, dtype=kind, name=about["name"])


def make_categories(about: dict[str, Any]) -> Any:
    kinds, ordered = about["categories"], about["ordered"]
    return pd.Categorical.from_codes(about["codes"], kinds, ordered=ordered)


def zone_of(value: Any) -> str | None:
    """Name of a time zone."""
    return None if value.tz is None else str(value.tz)


def make_times(about: dict[str, Any]) -> Any:
    times = pd.DatetimeIndex(about["values"], name=about["name"])
    if about["zone"] is not None:
        times = times.tz_localize("UTC").tz_convert(about["zone"])
    return pd.DatetimeIndex(times, freq=about["freq"])


def make_durations(about: dict[str, Any]) -> Any:
    return pd.TimedeltaIndex(about["values"], freq=about["freq"], name=about["name"])


def make_time(about: dict[str, Any]) -> Any:
    time = pd.Timestamp(np.datetime64(about["value"], about["unit"]))
    if about["zone"] is None:
        return time
    return time.tz_localize("UTC").tz_convert(about["zone"])


def make_periods(about: dict[str, Any]) -> Any:
    freq, name = about["freq"], about["name"]
    make: Any = pd.PeriodIndex.from_ordinals  # type: ignore[attr-defined]
    return make(about["ordinals"], freq=freq, name=name)


def make_series(about: dict[str, Any]) -> Any:
    values, index = about["values"], about["index"]
    check_column(values, index)
    return pd.Series(values, index, about["dtype"], about["name"])


def check_column(values: Any, index: Any) -> None:
    """Refuse values that would be made here, as many as an index tells."""
    kept = isinstance(values, list | np.ndarray | pd.Categorical)
    if not kept or len(values) != len(index):
        raise ValueError("it holds a column that has not a value for each row.")


def make_levels(about: dict[str, Any]) -> Any:
    if any(isinstance(level, pd.RangeIndex) for level in about["levels"]):
        raise ValueError("it holds levels of an index that are no arrays.")
    return pd.MultiIndex.from_arrays(about["levels"], names=about["names"])


def make_frame(about: dict[str, Any]) -> Any:
    for values in about["values"]:
        check_column(values, about["index"])
    parts = zip(about["values"], about["dtypes"], strict=True)
    columns = [pd.Series(v, index=about["index"], dtype=d) for v, d in parts]
    frame = pd.DataFrame(dict(enumerate(columns)), index=about["index"])
    return frame.set_axis(about["columns"], axis=1)


def make_kind(about: dict[str, Any]) -> Any:
    from sktime.datatypes._dtypekind import DtypeKind

    return DtypeKind(about["value"])


def make_horizon(about: dict[str, Any]) -> Any:
    from sktime.forecasting.base import ForecastingHorizon

    freq = to_offset(about.get("freq"))  # which the first files do not have
    steps, relative = about["steps"], about["relative"]
    return ForecastingHorizon(steps, is_relative=relative, freq=freq)


MAKERS = {
    "DtypeKind": make_kind,
    "horizon": make_horizon,
    "range": lambda a: pd.RangeIndex(a["start"], a["stop"], a["step"], name=a["name"]),
    "periods": make_periods,
    "times": make_times,
    "durations": make_durations,
    "kinds": lambda a: pd.CategoricalIndex(a["values"], name=a["name"]),
    "levels": make_levels,
    "index": make_index,
    "categories": make_categories,
    "period": lambda a: pd.Period(ordinal=a["ordinal"], freq=a["freq"]),
    "time": make_time,
    "series": make_series,
    "frame": make_frame,
}
