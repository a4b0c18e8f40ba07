"""Far forecasts of oil temperature (ETTh1, univariate): python etth1.py --help.

Split, scale and error are those of Zhou et al. (2021, Informer): 12 months to learn
from, 4 to choose by (not used here), 4 to test on, in deviations of the first part.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import RidgeCV

from skrnn import forecasting

FILE = Path(__file__).parents[4] / "shared" / "data" / "forecasting" / "ETTh1.csv.gz"
MONTH = 30 * 24
LOOKS_BACK = 336  # values that the linear model reads
READ = 4 * 168  # values that networks read before a forecast


def load():
    """Oil temperature of 20 months, in deviations of the first 12."""
    y = pd.read_csv(FILE).iloc[:, -1].to_numpy()[: 20 * MONTH]  # oil comes last
    learned = y[: 12 * MONTH]
    return (y - learned.mean()) / learned.std()


def panel_of(rows):
    index = pd.MultiIndex.from_product([range(len(rows)), range(rows.shape[1])])
    return pd.DataFrame({"y": rows.ravel()}, index=index)


def network(cell, seed, y, origins, horizon):
    """Forecasts (n_origins, horizon) of a network that has seen the first part."""
    model = getattr(forecasting, f"{cell}Forecaster")(sp=(24, 168), random_state=seed)
    steps = range(1, horizon + 1)
    model.pretrain(panel_of(y[None, : 12 * MONTH]), fh=steps)
    past = np.stack([y[origin - READ : origin] for origin in origins])
    y_pred = model.fit(panel_of(past)).predict(fh=steps)
    return y_pred["y"].to_numpy().reshape(len(origins), horizon)


def linear(y, origins, horizon):
    """Ridge regression of all values ahead on the last ones, around the last of them.

    NLinear of Zeng et al. (2023, doi:10.1609/aaai.v37i9.26317), in closed form.
    """
    rows = sliding_window_view(y[: 12 * MONTH], LOOKS_BACK + horizon)
    last = rows[:, LOOKS_BACK - 1, None]
    model = RidgeCV(np.logspace(-1, 5, 13))
    model.fit(rows[:, :LOOKS_BACK] - last, rows[:, LOOKS_BACK:] - last)
    past = np.stack([y[origin - LOOKS_BACK : origin] for origin in origins])
    return model.predict(past - past[:, -1:]) + past[:, -1:]


def naive(y, origins, horizon):
    past = np.stack([y[origin - 24 : origin] for origin in origins])
    return np.tile(past, -(-horizon // 24))[:, :horizon]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--horizons", nargs="+", type=int, default=[24, 168, 720])
    parser.add_argument("--cells", nargs="+", default=["GRU", "LSTM"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=23, help="hours between origins")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    y = load()
    print(f"{'horizon':>8} {'method':10}{'MSE':>8}{'spread':>8}{'CPU s':>8}")
    for horizon in options.horizons:
        origins = np.arange(16 * MONTH, 20 * MONTH - horizon + 1, options.every)
        truth = np.stack([y[origin : origin + horizon] for origin in origins])
        methods = {"a day ago": [naive], "linear": [linear]}
        for cell in options.cells:
            methods[cell] = [
                lambda *args, cell=cell, seed=seed: network(cell, seed, *args)
                for seed in range(options.seeds)
            ]
        for name, runs in methods.items():
            begin = time.process_time()
            errors = [((run(y, origins, horizon) - truth) ** 2).mean() for run in runs]
            seconds = (time.process_time() - begin) / len(runs)
            print(
                f"{horizon:8} {name:10}{np.mean(errors):8.3f}{np.std(errors):8.3f}"
                f"{seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
