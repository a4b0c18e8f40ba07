"""Accuracy of the default forecasters: python forecasters.py --help."""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sktime.datasets import load_airline

from skrnn import forecasting

SHARED = Path(__file__).parents[4] / "shared" / "data" / "forecasting"
CELLS = ["GRU", "LSTM"]
LEVELS = np.arange(1, 10) / 10


class Kind(NamedTuple):
    sp: int | tuple[int, ...]
    horizon: int
    n_validated: int  # series that --validate looks at


SETS = {
    "m3_monthly": Kind(12, 18, 300),
    "m3_yearly": Kind(1, 6, 300),
    "tourism_quarterly": Kind(4, 8, 427),
    "m4_hourly": Kind((24, 168), 48, 60),
    "airline": Kind(12, 24, 1),
}


def load(name, validate):
    """Train and test part; of the train part its ends, if they are to validate."""
    kind = SETS[name]
    if name == "airline":
        y = pd.concat({"airline": load_airline().to_frame("y").reset_index(drop=True)})
        test = y.groupby(level=0).cumcount(ascending=False) < kind.horizon
    else:
        data = pd.read_csv(SHARED / f"{name}.csv.gz")
        y = data.set_index(["unique_id", "t"])[["y"]]
        test = (data["split"] == "test").to_numpy()
    train, test = y[~test], y[test]
    if not validate:
        return train, test
    keys = train.index.unique(level=0)
    keys = keys[:: max(1, len(keys) // kind.n_validated)][: kind.n_validated]
    train = train.loc[keys]
    end = train.groupby(level=0, sort=False).cumcount(ascending=False) < kind.horizon
    return train[~end], train[end]


def score(train, test, points, quantiles, season):
    """MASE, sMAPE, cover of 80 % and the weighted quantile loss.

    The first three are means over series, the last one is weighted by the sizes of all
    values together; ``quantiles`` has a column for each level.
    """
    found, pinball, size = [], 0.0, 0.0
    for key, truth in test.groupby(level=0, sort=False):
        past, y = train.loc[key, "y"].to_numpy(), truth["y"].to_numpy()
        y_pred, band = points.loc[key, "y"].to_numpy(), quantiles.loc[key].to_numpy()
        scale = np.abs(past[season:] - past[:-season]).mean()
        error = np.abs(y - y_pred)
        inside = (band[:, 0] <= y) & (y <= band[:, -1])
        total = np.abs(y) + np.abs(y_pred)
        found.append(
            (error.mean() / scale, 200 * np.mean(error / total), inside.mean())
        )
        above = y[:, None] - band
        pinball += np.maximum(LEVELS * above, (LEVELS - 1) * above).mean(axis=1).sum()
        size += np.abs(y).sum()
    means = np.nanmean(np.where(np.isfinite(found), found, np.nan), axis=0)
    return (*means, 2 * pinball / size)


def run(name, cell, seed, options):
    train, test = load(name, options.validate)
    kind = SETS[name]
    steps = range(1, kind.horizon + 1)
    cls = getattr(forecasting, f"{cell}Forecaster")
    model = cls(random_state=seed, **{"sp": kind.sp, **options.params})
    model.fit(train, fh=steps)
    season = kind.sp if isinstance(kind.sp, int) else kind.sp[0]
    quantiles = model.predict_quantiles(alpha=list(LEVELS))
    return score(train, test, model.predict(), quantiles, season)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--cells", nargs="+", default=CELLS, choices=CELLS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--params", type=json.loads, default={}, help="a JSON object")
    parser.add_argument(
        "--validate", action="store_true", help="forecast the ends of the train parts"
    )
    options = parser.parse_args()
    names = ("MASE", "spread", "sMAPE", "cover", "WQL", "CPU s")
    print(f"{'set':20}{'cell':6}" + "".join(f"{name:>8}" for name in names))
    for name in options.sets:
        for cell in options.cells:
            begin = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = [run(name, cell, s, options) for s in range(options.seeds)]
            seconds = (time.process_time() - begin) / options.seeds
            mase, smape, cover, loss = np.mean(found, axis=0)
            spread = np.std(found, axis=0)[0]
            print(
                f"{name:20}{cell:6}{mase:8.3f}{spread:8.3f}{smape:8.2f}{cover:8.2f}"
                f"{loss:8.4f}{seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
