"""
Which activity, at each moment
==============================

A smart watch records three accelerations and three rotations, ten times a second. What
is its wearer doing: standing, walking, running or playing badminton? BasicMotions (in
sktime) holds 80 real recordings of ten seconds, of one activity each. They are cut and
joined here to streams of five activities; no recording is used both to train and to
test. A tagger gives each step a label, once with the whole stream before it, and once
live. The pictures show a stream with what it was taken for, and how soon after a change
a live answer is right.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Patch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sktime.datasets import load_basic_motions

from skrnn import GRUTagger, as_sequences
from skrnn.metrics import flatten_steps

# %%
# Streams
# -------
# Each recording gives a piece of three to eight seconds; five pieces of any activities
# are a stream. In every round all recordings are used once, each time cut and joined in
# another way.

rng = np.random.default_rng(0)


def streams(part, n_rounds):
    """Recordings, cut and joined to streams of five, and the activity at each step."""
    recordings, activities = load_basic_motions(split=part)
    recordings = as_sequences(recordings)
    X, y = [], []
    for _ in range(n_rounds):
        for five in rng.permutation(len(recordings)).reshape(-1, 5):
            lengths = rng.integers(30, 81, size=5)
            begins = rng.integers(101 - lengths)
            X.append(
                np.concatenate(
                    [
                        recordings[i][begin : begin + n_steps]
                        for i, begin, n_steps in zip(five, begins, lengths, strict=True)
                    ]
                )
            )
            y.append(np.repeat(activities[five], lengths))
    return X, y


X_train, y_train = streams("train", n_rounds=15)
X_test, y_test = streams("test", n_rounds=5)
print(f"{len(X_train)} streams to train, {len(X_test)} to test")
print(f"steps of the first ones: {[len(x) for x in X_train[:5]]}")

# %%
# After the fact
# --------------
# ``head="crf"`` finds the best sequence of labels: activities come in runs, and a field
# learns that. The tagger reads the raw streams, forwards and backwards.

tagger = GRUTagger(head="crf", lr=0.02, max_epochs=10, random_state=0)
tagger.fit(X_train, y_train)

# %%
# The baselines are told how to look: at the mean and the deviation of each sensor in
# windows of one and two seconds around the step. ``center=False`` looks back only.


def windows(X, center):
    """Readings, with means and deviations of windows, of all steps of all streams."""
    tables = []
    for x in X:
        frame = pd.DataFrame(x)
        parts = [frame]
        for length in [10, 20]:
            rolling = frame.rolling(length, min_periods=1, center=center)
            parts += [rolling.mean(), rolling.std(ddof=0)]
        tables.append(np.hstack(parts))
    return np.concatenate(tables)


truth = flatten_steps(y_test)


def baseline(model, center):
    """What a classifier of windows takes each test step for."""
    model.fit(windows(X_train, center), flatten_steps(y_train))
    return model.predict(windows(X_test, center))


logistic = make_pipeline(StandardScaler(), LogisticRegression())
trees = HistGradientBoostingClassifier(max_iter=50, random_state=0)
predicted = {
    "network": flatten_steps(tagger.predict(X_test)),
    "logistic regression": baseline(logistic, center=True),
    "boosted trees": baseline(trees, center=True),
}
print(
    "steps right, all seen: "
    + ", ".join(f"{name} {np.mean(p == truth):.3f}" for name, p in predicted.items())
)

# %%
# The network found by itself what to look at, and does clearly better than a linear
# model of windows made by hand. Boosted trees of such windows have as many steps right:
# if you know which windows fit, they are hard to beat. What they do not know is that
# nobody walks for a tenth of a second.


def by_stream(labels):
    """Labels of all test steps, as one array for each stream."""
    return np.split(labels, np.cumsum([len(x) for x in X_test])[:-1])


rows = {"truth": truth} | predicted
n_changes = {
    name: np.mean([np.sum(x[1:] != x[:-1]) for x in by_stream(labels)])
    for name, labels in rows.items()
}
print("changes in a stream: " + ", ".join(f"{k} {n:.1f}" for k, n in n_changes.items()))

# %%
# The first test stream with all four activities, and what it was taken for:

colours = dict(zip(tagger.classes_, ["C0", "C3", "0.85", "C2"], strict=True))


def spans(axes, labels, bottom):
    """Draw runs of equal labels as coloured bars of height one."""
    changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    edges = np.concatenate([[0], changes, [len(labels)]]) / 10
    axes.broken_barh(
        list(zip(edges[:-1], np.diff(edges), strict=True)),
        (bottom, 0.8),
        facecolors=[colours[labels[i]] for i in [0, *changes]],
    )


shown = next(i for i, labels in enumerate(y_test) if len(set(labels)) == 4)
figure, (above, below) = plt.subplots(
    2, figsize=(8, 4.5), sharex=True, height_ratios=[2, 1.3], layout="constrained"
)
above.plot(np.arange(len(X_test[shown])) / 10, X_test[shown], linewidth=0.7)
above.set(ylabel="sensors", title="A stream, and what it was taken for")
for row, labels in enumerate(rows.values()):
    spans(below, by_stream(labels)[shown], bottom=-row)
below.set_yticks(0.4 - np.arange(len(rows)), rows)
below.set(xlabel="seconds", xlim=(0, len(X_test[shown]) / 10))
below.tick_params(left=False)
handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
plt.show()

# %%
# Live
# ----
# Without the steps to come it is harder: just after a change there is little to go by.
# With ``bidirectional=False`` the network answers step by step; a second layer helps.

live = GRUTagger(
    bidirectional=False,
    num_layers=2,
    lr=0.01,
    batch_size=8,
    max_epochs=10,
    random_state=0,
)
live.fit(X_train, y_train)

state = live.initial_state(n_sequences=1)
for reading in X_test[0]:
    probabilities, state = live.step(reading[None], state)
print(f"after {state.n_steps} steps: {live.classes_[probabilities.argmax()]}")

# %%
# ``predict`` gives the same for whole streams. An answer half a second late is often
# early enough, and needs nothing but labels that are shifted: at each step the network
# is asked for the activity five steps ago. Steps before the first answer weigh nothing.

DELAY = 5


def delayed(y):
    """The labels of five steps ago."""
    return [np.concatenate([labels[:DELAY], labels[:-DELAY]]) for labels in y]


weights = [1.0 * (np.arange(len(x)) >= DELAY) for x in X_train]
late = GRUTagger(**live.get_params()).fit(
    X_train, delayed(y_train), sample_weight=weights
)
answers = {
    "network, all seen": predicted["network"],
    "network, half a second late": np.concatenate(
        # each answer is put where it belongs, the last one holds to the end
        [np.append(p[DELAY:], p[-1:].repeat(DELAY)) for p in late.predict(X_test)]
    ),
    "network, at once": flatten_steps(live.predict(X_test)),
    "boosted trees, at once": baseline(trees, center=False),
}
print("steps right, live")
for name, found in answers.items():
    print(f"  {name}: {np.mean(found == truth):.3f}")

# %%
# At once, the trees are better: the deviations that they are told jump with the first
# step of a new activity. (Pieces that are joined make that easier than a real change
# does.) A second later all are alike, and half a second of patience is worth more than
# the choice of the model.


def steps_since_change(y):
    """How many steps each activity has lasted, at each step of all streams."""
    counts = []
    for labels in y:
        begins = np.append(True, labels[1:] != labels[:-1])
        steps = np.arange(len(labels))
        counts.append(steps - np.maximum.accumulate(np.where(begins, steps, 0)))
    return np.concatenate(counts)


since = steps_since_change(y_test)
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
styles = ["C0-", "C0--", "C0:", "C1:"]
for (name, labels), style in zip(answers.items(), styles, strict=True):
    right = pd.Series(labels == truth).groupby(since).mean()[:30]
    axes.plot(right.index / 10, right, style, label=name)
axes.set(xlabel="seconds since the change", ylabel="share of steps that are right")
axes.set(title="How soon after a change", ylim=(0, 1.02))
axes.legend(frameon=False, loc="lower right")
plt.show()
