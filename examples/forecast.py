"""Forecast: one series with its uncertainty, then a panel with one network.

Run it with ``python examples/forecast.py``; it takes about a minute on two cores and
needs ``pip install -e ".[examples]"``.

1. Airline: thousands of air passengers per month, 1949 to 1960, from sktime.
2. A panel: twelve quarterly series of the economy of the United States, from
   statsmodels. ``--panel FILE`` takes another one, a csv file with the columns
   unique_id, t and y (quarterly; more columns are ignored), such as the quarterly
   series of the Tourism competition.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sktime.datasets import load_airline, load_macroeconomic
from sktime.forecasting.model_evaluation import evaluate
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.forecasting.naive import NaiveForecaster
from sktime.forecasting.theta import ThetaForecaster
from sktime.performance_metrics.forecasting import MeanAbsoluteScaledError
from sktime.split import ExpandingWindowSplitter

from skrnn.forecasting import GRUForecaster

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output", type=Path, default="forecast_fan.png")
parser.add_argument("--panel", type=Path, help="csv file with unique_id, t and y")
arguments = parser.parse_args()

# sktime 1.2 warns at every one of its own forecasters that a default will change, and
# statsmodels, on some machines, that Theta's optimiser ends early; both switch filters
# of warnings back on, so warnings become log records, which stay off
logging.captureWarnings(True)
noise = logging.getLogger("py.warnings")
noise.addHandler(logging.StreamHandler())
known = ("remember_data", "Optimization failed to converge")
noise.addFilter(lambda record: not any(text in record.getMessage() for text in known))

# %%
# 1. One series
# -------------
# Everything is found by itself: a season of 12 months, logarithms, context and budget.
# The horizon is not fixed: after one fit, ask for any steps.

y = load_airline()
y_train, y_test = y[:-24], y[-24:]
forecaster = GRUForecaster(random_state=0).fit(y_train)
mase = MeanAbsoluteScaledError(sp=12)

print("Air passengers, the last two years. MASE, 1 is the error of a year ago in fit:")
fh = np.arange(1, 25)
for name, each in {
    "GRUForecaster": forecaster,
    "value a year ago": NaiveForecaster(sp=12).fit(y_train),
    "Theta": ThetaForecaster(sp=12).fit(y_train),
}.items():
    print(f"  {name:<17} {mase(y_test, each.predict(fh=fh), y_train=y_train):.3f}")
print("Next month, in half a year, in ten years:")
print(forecaster.predict(fh=[1, 6, 120]).round().to_string(), "\n")

# %%
# How sure is it? Quantiles come from sampled paths: each value of a path is drawn from
# the distribution that the network gives after the values before.

coverages = [0.5, 0.8, 0.95]
bands = forecaster.predict_interval(fh=fh, coverage=coverages)[y.name]
inside = {
    coverage: (
        (bands[coverage, "lower"] <= y_test) & (y_test <= bands[coverage, "upper"])
    )
    for coverage in coverages
}
print("Share of the 24 months inside the bands:")
print(
    "  " + ", ".join(f"{c:.0%} band: {each.mean():.2f}" for c, each in inside.items())
)

figure = Figure(figsize=(8, 4.5), layout="constrained")  # needs no screen
axes = figure.subplots()
times = y.index.to_timestamp()
axes.plot(times[-72:], y[-72:], color="black", lw=1.2, label="air passengers")
ahead = times[-24:]
for coverage, shade in zip(reversed(coverages), [0.15, 0.25, 0.4], strict=True):
    axes.fill_between(
        ahead,
        bands[coverage, "lower"],
        bands[coverage, "upper"],
        color="C0",
        alpha=shade,
        lw=0,
        label=f"{coverage:.0%}",
    )
axes.plot(ahead, forecaster.predict(fh=fh), color="C0", lw=1.8, label="forecast")
axes.axvline(times[-25], color="gray", lw=0.8, ls=":")
axes.set(ylabel="Thousands of passengers per month", xlim=(times[-72], ahead[-1]))
axes.set_title("Two years ahead, with bands of 50, 80 and 95 %", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="upper left")
figure.savefig(arguments.output, dpi=150)
print(f"Saved {arguments.output.resolve()}\n")

# %%
# A search over parameters, each judged by what comes after the data it was fitted on.

cv = ExpandingWindowSplitter(initial_window=72, step_length=12, fh=np.arange(1, 13))
search = ForecastingGridSearchCV(
    GRUForecaster(random_state=0),
    cv=cv,
    param_grid={"hidden_size": [8, 32]},
    scoring=mase,
    strategy="no-update_params",
    error_score="raise",
).fit(y_train)
print(f"Best of the grid: {search.best_params_}, MASE {search.best_score_:.3f}\n")

# %%
# A backtest over four years. The network is fitted once, and reads each new year from
# where it stands; the others are fitted anew each year.

cv = ExpandingWindowSplitter(initial_window=96, step_length=12, fh=np.arange(1, 13))
print("Backtest, one year ahead, mean over four years:")
for name, each, strategy in [
    ("GRUForecaster, fitted once", GRUForecaster(random_state=0), "no-update_params"),
    ("GRUForecaster, updated", GRUForecaster(random_state=0), "update"),
    ("value a year ago", NaiveForecaster(sp=12), "refit"),
    ("Theta", ThetaForecaster(sp=12), "refit"),
]:
    scores = evaluate(each, cv, y, strategy=strategy, scoring=mase, error_score="raise")
    column = "test_MeanAbsoluteScaledError"
    print(f"  {name:<27} MASE {scores[column].mean():.3f}")
print()

# %%
# New data: an update without training costs one step of the network per value, and
# gives the same as reading the whole history anew.

forecaster.update(y_test[:12], update_params=False)
second_year = mase(y_test[12:], forecaster.predict(fh=fh[:12]), y_train=y_train)
print(f"Second year, once the first is known: MASE {second_year:.3f}\n")

# %%
# 2. A panel
# ----------
# One network for all series, whatever their scale. Where a series of its own would be
# too short to learn from, it learns from the others.

if arguments.panel is None:
    economy = load_macroeconomic()
    panel = pd.concat({name: economy[name].rename("y") for name in economy})
    panel = panel.to_frame().rename_axis(["series", "quarter"])
else:
    panel = pd.read_csv(arguments.panel).set_index(["unique_id", "t"])[["y"]]
test = panel.groupby(level=0, sort=False).tail(8)
train = panel.drop(test.index)
fh = np.arange(1, 9)
model = GRUForecaster(sp=4, random_state=0).fit(train, fh=fh)
y_pred, y_int = model.predict(), model.predict_interval(coverage=0.8)


def scaled_errors(forecast):
    """MASE of each series."""
    found = {}
    for key, truth in test.groupby(level=0, sort=False):
        past = train.loc[key, "y"].to_numpy()
        scale = np.abs(past[4:] - past[:-4]).mean()
        error = np.abs(truth["y"].to_numpy() - forecast(key)).mean()
        found[key] = error / scale
    return pd.Series(found)


def theta(key):
    past = train.loc[key, "y"].reset_index(drop=True)
    seasonal = bool((past > 0).all())  # it divides by the season
    each = ThetaForecaster(sp=4 if seasonal else 1, deseasonalize=seasonal)
    return each.fit(past).predict(fh=fh).to_numpy()


errors = pd.DataFrame(
    {
        "GRUForecaster": scaled_errors(lambda key: y_pred.loc[key, "y"].to_numpy()),
        "value a year ago": scaled_errors(
            lambda key: np.resize(train.loc[key, "y"].to_numpy()[-4:], 8)
        ),
        "Theta": scaled_errors(theta),
    }
)
print(f"Panel of {len(errors)} quarterly series, two years ahead. Mean MASE:")
print(errors.mean().round(3).to_string())
low, high = (y_int["y", 0.8, side].to_numpy() for side in ["lower", "upper"])
truth = test["y"].to_numpy()
print(f"80 % intervals hold {((low <= truth) & (truth <= high)).mean():.0%}.")
if arguments.panel is None:
    print("These two years hold the crisis of 2008, which nothing before announces.")
