"""
Quickstart: who speaks, and what comes next
===========================================

Run it from a shell with ``python examples/quickstart.py``; it takes some seconds,
prints results on real data and saves a picture of the loss curves. This page shows the
script and does not run it.

1. JapaneseVowels: nine men say the vowels "ae"; each utterance is a sequence of 7 to 29
   steps with 12 features. Who is speaking?
2. Airline: thousands of air passengers per month, 1949 to 1960, a level that climbs
   like a price. How many come next month?

Both data sets ship with sktime.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnail.png'

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sktime.datasets import load_airline, load_japanese_vowels

from skrnn import (
    GRUClassifier,
    LSTMRegressor,
    SequenceScaler,
    as_sequences,
    make_windows,
)

parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
parser.add_argument("--output", type=Path, default="quickstart_losses.png")
output = parser.parse_args().output

# %%
# 1. Sequences of different lengths to classes
# --------------------------------------------
# ``as_sequences`` reads sktime's panels. What it gives can be split and indexed like a
# list of arrays. A part of the training sequences is kept aside to watch the loss on.

X_frame, y = load_japanese_vowels(split="train", return_X_y=True)
X_test_frame, y_test = load_japanese_vowels(split="test", return_X_y=True)
X, X_test = as_sequences(X_frame), as_sequences(X_test_frame)
X_train, X_val, y_train, y_val = train_test_split(
    X, y, test_size=0.2, stratify=y, random_state=0
)
print("JapaneseVowels")
for name, part in [("train", X_train), ("validation", X_val), ("test", X_test)]:
    print(f"  {name:<10} {part}")
print()

# %%
# A pipeline transforms what it fits on, but not what is passed on to a later step: the
# validation part is scaled here, with the scale of the training part.

model = make_pipeline(SequenceScaler(), GRUClassifier(random_state=0, verbose=1))
scaler = SequenceScaler().fit(X_train)
model.fit(
    X_train,
    y_train,
    gruclassifier__X_val=scaler.transform(X_val),
    gruclassifier__y_val=y_val,
)

# %%
# A number means little alone. The baseline: find the training sequence with the nearest
# mean vector, and take its speaker.


def mean_vectors(sequences):
    return np.array([steps.mean(axis=0) for steps in sequences])


neighbor = KNeighborsClassifier(1).fit(mean_vectors(X_train), y_train)
print(
    f"\nTest accuracy: GRUClassifier {model.score(X_test, y_test):.3f}, "
    f"nearest mean vector {neighbor.score(mean_vectors(X_test), y_test):.3f}"
)

# %%
# The losses of all epochs are in ``history_``.

history = pd.DataFrame(model[-1].history_)

figure = Figure(figsize=(7, 4), layout="constrained")  # needs no screen
axes = figure.subplots()
for name, label in [("train_loss", "training"), ("valid_loss", "validation")]:
    axes.plot(history["epoch"], history[name], label=label)
lowest = history.loc[history["valid_loss"].idxmin()]
axes.plot(
    lowest["epoch"],
    lowest["valid_loss"],
    "o",
    color="C1",
    label=f"lowest: {lowest['valid_loss']:.3f} in epoch {lowest['epoch']:.0f}",
)
axes.set(xlabel="Epoch", ylabel="Log loss", yscale="log", xlim=(0, None))
axes.set_title("GRUClassifier learns to tell nine speakers apart", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.grid(alpha=0.3)
axes.legend(frameon=False)
figure.savefig(output, dpi=150)
print(f"Saved {output.resolve()}\n")

# %%
# Any parameter can be searched, over ragged sequences too. The scaler is part of the
# pipeline, so each fold is scaled by its own training part.

search = GridSearchCV(
    make_pipeline(SequenceScaler(), GRUClassifier(max_epochs=20, random_state=0)),
    {"gruclassifier__hidden_size": [16, 64], "gruclassifier__lr": [3e-3, 1e-2]},
    cv=3,
).fit(X, y)
results = pd.DataFrame(search.cv_results_)
results.columns = results.columns.str.removeprefix("param_gruclassifier__")
columns = ["hidden_size", "lr", "mean_test_score", "std_test_score", "mean_fit_time"]
print("Grid search over 3 folds, 20 epochs each:")
print(results[columns].round(3).to_string(index=False))
print(f"Test accuracy of the best: {search.score(X_test, y_test):.3f}\n")

# %%
# 2. A series to its next value
# -----------------------------
# A window of a price holds little but the price: a network that sees levels learns to
# repeat the last one, and gets lost where the level leaves the range it was trained on.
# So the network sees, and predicts, changes of the logarithm from month to month.

passengers = load_airline()
level = passengers.to_numpy()
change = np.diff(np.log(level))

window_length = 12  # a year of changes
X, y = make_windows(change, window_length)
last_level = level[window_length:-1]  # at the end of each window
next_level = level[window_length + 1 :]

# %%
# The order of time is kept: the last three years are for testing, and the size of the
# network is chosen on splits of the years before, each of which validates on what
# comes after. The scaler learns from the training part of each split only.

n_test = 36
X_train, X_test, y_train = X[:-n_test], X[-n_test:], y[:-n_test]
forecaster = GridSearchCV(
    make_pipeline(SequenceScaler(), LSTMRegressor(random_state=0)),
    {"lstmregressor__hidden_size": [16, 64]},
    cv=TimeSeriesSplit(3),
    scoring="neg_mean_squared_error",
).fit(X_train, y_train)

# %%
# Errors count in passengers, so the predicted changes are turned back into levels. The
# first baseline is the one to fear with prices; the second knows the season.

changes = {
    "LSTMRegressor": forecaster.predict(X_test),
    "last value": np.zeros(n_test),
    "change of a year ago": X_test[:, -12, 0],
}
errors = {
    name: mean_squared_error(
        next_level[-n_test:], last_level[-n_test:] * np.exp(predicted)
    )
    for name, predicted in changes.items()
}
months = passengers.index[-n_test:]
chosen = forecaster.best_params_["lstmregressor__hidden_size"]
print(f"Air passengers, next month, {months[0]} to {months[-1]}; hidden_size={chosen}")
print("Mean squared error, in (thousands of passengers) squared:")
for name, error in errors.items():
    print(f"  {name:<20} {error:7.1f}")

for name in ["last value", "change of a year ago"]:
    verdict = "beats" if errors["LSTMRegressor"] < errors[name] else "does not beat"
    print(f"The network {verdict} the baseline '{name}'.")
print(
    "Passengers have a season that can be learned. Share prices have none to speak of:"
)
print("there the last value is hard to beat, and a network that does so is suspicious.")
