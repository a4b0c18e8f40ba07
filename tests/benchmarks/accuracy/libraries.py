"""Accuracy of the default forecasters of other libraries: python libraries.py --help.

They are told the horizon and what they cannot do without: darts how long windows are.
It runs in the environment of the benchmarks of speed (../requirements.txt).
"""

import argparse
import logging
import time
import warnings

import forecasters
import numpy as np
import pandas as pd

FREQUENCIES = {
    "m3_monthly": "MS",
    "m3_yearly": "YS",
    "tourism_quarterly": "QS",
    "m4_hourly": "h",
    "airline": "MS",
}
BEGIN = "1900-01-01"
QUIET = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
}


def long_frame(train, frequency):
    """One row for each value: unique_id, ds, y."""
    parts = []
    for key, each in train.groupby(level=0, sort=False):
        dates = pd.date_range(BEGIN, periods=len(each), freq=frequency)
        parts.append(pd.DataFrame({"unique_id": key, "ds": dates, "y": each["y"]}))
    return pd.concat(parts, ignore_index=True)


def neuralforecast(train, name, horizon, seed):
    """Its GRU: point forecasts, no intervals."""
    from neuralforecast import NeuralForecast
    from neuralforecast.models import GRU

    frame = long_frame(train, FREQUENCIES[name])
    model = GRU(horizon, random_seed=seed, start_padding_enabled=True, **QUIET)
    fitter = NeuralForecast([model], freq=FREQUENCIES[name])
    fitter.fit(frame)
    found = fitter.predict()
    points = dict(list(found.groupby("unique_id")["GRU"]))
    return {key: each.to_numpy() for key, each in points.items()}, None


def gluonts(train, name, horizon, seed):
    """DeepAR: medians of its paths, and intervals."""
    import torch
    from gluonts.dataset.common import ListDataset
    from gluonts.torch import DeepAREstimator

    torch.manual_seed(seed)
    np.random.seed(seed)  # gluonts draws its windows from here
    frequency = {"MS": "M", "YS": "Y", "QS": "Q", "h": "H"}[FREQUENCIES[name]]
    groups = dict(list(train["y"].groupby(level=0, sort=False)))
    data = ListDataset(
        [{"start": BEGIN, "target": each.to_numpy()} for each in groups.values()],
        freq=frequency,
    )
    estimator = DeepAREstimator(frequency, horizon, trainer_kwargs=QUIET)
    paths = list(estimator.train(data).predict(data))
    points = {k: each.quantile(0.5) for k, each in zip(groups, paths, strict=True)}
    quantiles = {
        key: np.stack([each.quantile(level) for level in forecasters.LEVELS], axis=1)
        for key, each in zip(groups, paths, strict=True)
    }
    return points, quantiles


def darts(train, name, horizon, seed):
    """RNNModel with GRU layers: point forecasts, no intervals."""
    from darts import TimeSeries
    from darts.models import RNNModel

    season = forecasters.SETS[name].sp
    season = season if isinstance(season, int) else season[0]
    shortest = train.groupby(level=0).size().min()
    context = int(min(max(2 * season, 4), shortest // 2))
    groups = dict(list(train["y"].groupby(level=0, sort=False)))
    series = [
        TimeSeries.from_times_and_values(
            pd.date_range(BEGIN, periods=len(each), freq=FREQUENCIES[name]),
            each.to_numpy(np.float32),
        )
        for each in groups.values()
    ]
    length = int(min(context + horizon, shortest - 1))
    model = RNNModel(
        min(context, length - 1),
        model="GRU",
        training_length=length,
        random_state=seed,
        pl_trainer_kwargs=QUIET,
    )
    model.fit(series, verbose=False)
    found = model.predict(horizon, series, verbose=False)
    values = (each.values().ravel() for each in found)
    return dict(zip(groups, values, strict=True)), None


def statsforecast(train, name, horizon, seed):
    """AutoETS for each series; of two seasons it can have the shorter one."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    season = forecasters.SETS[name].sp
    season = season if isinstance(season, int) else season[0]
    fitter = StatsForecast([AutoETS(season)], freq=FREQUENCIES[name])
    frame = long_frame(train, FREQUENCIES[name])
    found = fitter.forecast(df=frame, h=horizon, level=[20, 40, 60, 80])
    columns = [f"AutoETS-lo-{level}" for level in (80, 60, 40, 20)]
    columns += ["AutoETS", *(f"AutoETS-hi-{level}" for level in (20, 40, 60, 80))]
    groups = list(found.groupby("unique_id"))
    points = {key: each["AutoETS"].to_numpy() for key, each in groups}
    return points, {key: each[columns].to_numpy() for key, each in groups}


PEERS = (neuralforecast, gluonts, darts, statsforecast)
PEERS = {each.__name__: each for each in PEERS}


def frame_of(values, test, columns):
    """Put forecasts of each series beside the test part."""
    keys = test.index.unique(level=0)
    rows = np.concatenate([np.asarray(values[key]) for key in keys])
    return pd.DataFrame(rows, index=test.index, columns=columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    sets = list(forecasters.SETS)
    parser.add_argument("--sets", nargs="+", default=sets, choices=sets)
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for library in ("pytorch_lightning", "lightning.pytorch", "darts"):
        logging.getLogger(library).setLevel(logging.ERROR)
    names = ("MASE", "spread", "sMAPE", "cover", "WQL", "CPU s")
    print(f"{'set':20}{'peer':16}" + "".join(f"{name:>8}" for name in names))
    for name in options.sets:
        kind, (train, test) = forecasters.SETS[name], forecasters.load(name, False)
        season = kind.sp if isinstance(kind.sp, int) else kind.sp[0]
        for peer in options.peers:
            begin, found = time.process_time(), []
            for seed in range(options.seeds):
                points, quantiles = PEERS[peer](train, name, kind.horizon, seed)
                points = frame_of(points, test, ["y"])
                nothing = {
                    key: np.full((len(each), 9), np.nan)
                    for key, each in test.groupby(level=0)
                }
                quantiles = frame_of(quantiles or nothing, test, forecasters.LEVELS)
                found.append(forecasters.score(train, test, points, quantiles, season))
            seconds = (time.process_time() - begin) / options.seeds
            mase, smape, cover, loss = np.mean(found, axis=0)
            cover = cover or np.nan  # without intervals nothing lies in them
            spread = np.std(found, axis=0)[0]
            print(
                f"{name:20}{peer:16}{mase:8.3f}{spread:8.3f}{smape:8.2f}{cover:8.2f}"
                f"{loss:8.4f}{seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
