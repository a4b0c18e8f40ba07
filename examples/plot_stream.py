"""
Watch a live sensor for spikes
==============================

A sensor that is off for a single reading should raise an alert at once. Here it is a
smart watch on people who walk (BasicMotions, in sktime): three accelerations and three
rotations, ten times a second; ten walks to learn from, and ten others to watch. The
spikes in those are put there by this script. A GRU that reads forwards only learns to
expect the next reading from all before, and what is far from expected is an alert. The
picture shows one walk, and how far each of its readings is from what was expected.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression
from sktime.datasets import load_basic_motions

from skrnn import GRUSequenceRegressor, as_sequences

FIRST = 20  # steps before the first alert: by then a network knows the walk
MARGIN = 1.3  # times as far as any usual reading is an alert
N_SPIKES = 3  # in each walk

# %%
# Learn what comes next
# ---------------------
# A sequence regressor gives numbers for each step. Its targets are the same walk, one
# step later. Eight walks teach it.


def walks(part):
    """The ten series of 100 steps and 6 features in which somebody walks."""
    X, y = load_basic_motions(split=part)
    return [
        x.copy()
        for x, label in zip(as_sequences(X), y, strict=True)
        if label == "walking"
    ]


train = walks("train")
model = GRUSequenceRegressor(
    bidirectional=False, batch_size=4, max_epochs=100, random_state=0
)
model.fit([walk[:-1] for walk in train[:8]], [walk[1:] for walk in train[:8]])

# %%
# Read one by one
# ---------------
# ``initial_state`` begins a stream. ``step`` takes one reading and the state, and gives
# the reading to be expected next and the new state. Nothing is read twice, so that a
# step costs the same after an hour as well.


def watch(readings):
    """How far each reading is from what was expected, in the unit of the sensor."""
    state = model.initial_state(n_sequences=1)
    expected, errors = readings[0], []
    for reading in readings:
        errors.append(reading - expected)
        (expected,), state = model.step(reading[None], state)
    return np.array(errors)


# %%
# The two walks left tell what is usual: the network has not seen them, and with those
# that it has seen it is closer than it will be with others. Some sensors are easier to
# expect than others, so errors count in deviations of the errors of each.

unseen = [watch(walk)[FIRST:] for walk in train[8:]]
usual = np.concatenate(unseen).std(axis=0)
limit = MARGIN * np.max(np.abs(unseen) / usual)

# %%
# Spikes in other people's walks
# ------------------------------
# In each of the ten test walks, three readings of one sensor are off by four times its
# deviation.

live = walks("test")
scale = np.concatenate(train).std(axis=0)
rng = np.random.default_rng(0)
spiked = np.zeros((len(live), len(live[0])), dtype=bool)
for walk, marks in zip(live, spiked, strict=True):
    steps = rng.choice(np.arange(FIRST, len(walk)), N_SPIKES, replace=False)
    sensors = rng.integers(0, walk.shape[1], N_SPIKES)
    walk[steps, sensors] += 4 * scale[sensors] * rng.choice([-1, 1], N_SPIKES)
    marks[steps] = True

distances = np.array([np.max(np.abs(watch(walk)) / usual, axis=1) for walk in live])
print(f"{distances.size} readings")

# %%
# The baselines need no network: how far a reading is from the mean, its change from the
# last one, and its distance from a linear regression on the last three readings. They
# raise as many alerts, and find fewer of the spikes. Nearly half of the network's
# alerts are no spikes, though: most of these come in a single walk, whose movements are
# larger than any that the network knows.

LAGS = 3


def past(walk):
    """The last readings before each one, side by side."""
    return np.hstack([walk[lag : len(walk) - LAGS + lag] for lag in range(LAGS)])


linear = LinearRegression().fit(
    np.concatenate([past(walk) for walk in train[:8]]),
    np.concatenate([walk[LAGS:] for walk in train[:8]]),
)


def watch_linear(walk):
    """As ``watch`` does, from the last readings only."""
    errors = np.zeros_like(walk)
    errors[LAGS:] = walk[LAGS:] - linear.predict(past(walk))
    return errors


def found(distances, n_alerts):
    """The share of spikes among the readings with the largest distances."""
    late = distances[:, FIRST:]
    return np.mean(late[spiked[:, FIRST:]] >= np.sort(late, axis=None)[-n_alerts])


alerts = distances > limit
alerts[:, :FIRST] = False
n_alerts = alerts.sum()
center = np.concatenate(train).mean(axis=0)
sizes = np.max([np.abs(walk - center) / scale for walk in live], axis=2)
changes = np.max([np.abs(np.diff(x, axis=0, prepend=0)) / scale for x in live], axis=2)
unseen_linear = [watch_linear(walk)[FIRST:] for walk in train[8:]]
usual_linear = np.concatenate(unseen_linear).std(axis=0)
regression = np.max([np.abs(watch_linear(x)) / usual_linear for x in live], axis=2)
print(
    f"spikes found: network {alerts[spiked].mean():.2f}, "
    f"size {found(sizes, n_alerts):.2f}, change {found(changes, n_alerts):.2f}, "
    f"linear regression {found(regression, n_alerts):.2f}"
)
print(f"alerts that are no spike: {(alerts & ~spiked).sum()} of {n_alerts}")

# %%
# The last of the walks. Some spikes are no larger than the walker's own movements;
# beside what was expected they stand out.

shown, walk, marks = distances[-1], live[-1], spiked[-1]
seconds = np.arange(len(walk)) / 10
figure, (above, below) = plt.subplots(
    2, figsize=(7, 4.5), sharex=True, layout="constrained"
)
above.plot(seconds, walk / scale, linewidth=0.8)
above.set(ylabel="reading / deviation", title="One walk, six sensors")
below.plot(seconds[FIRST:], shown[FIRST:], color="black", linewidth=0.8)
below.axhline(limit, color="C3", linestyle="--", label="alert above")
below.plot(seconds[marks], shown[marks], "oC3", mfc="none", label="spike put there")
below.set(xlabel="seconds", ylabel="distance from expected", ylim=(0, None))
below.legend(loc="upper left", frameon=False)
plt.show()
