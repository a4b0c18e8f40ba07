"""Watch a live sensor and raise an alert at a spike.

A smart watch on a walking person (BasicMotions, in sktime): three accelerations and
three rotations, ten times a second. A GRU that reads forwards only learns to tell the
next reading from those so far. Then readings come one by one, as they would from the
watch: each ``step`` costs some microseconds, whatever has been read before. A reading
that is far from what was expected is a spike. It finds more of them than their size
does, but a third of its alerts are unusual steps of another walker.

Run it with ``python examples/stream.py``; it takes some seconds.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sktime.datasets import load_basic_motions

from skrnn import GRURegressor, as_sequences, make_windows

WINDOW = 20
MARGIN = 1.3  # times as far as any usual reading is an alert
N_SPIKES = 3  # in each walk


def walks(part):
    """The ten series of 100 steps and 6 features in which somebody walks."""
    X, y = load_basic_motions(split=part)
    return [
        x.copy()
        for x, label in zip(as_sequences(X), y, strict=True)
        if label == "walking"
    ]


def watch(model, readings):
    """How far each reading is from what was expected; read one by one."""
    state = model.initial_state(n_sequences=1)
    distances, expected = [], readings[0]
    for reading in readings:
        distances.append(np.abs((reading - expected) / scale).max())
        (expected,), state = model.step(reading[None], state)
    return np.array(distances)


train = walks("train")
scale = np.concatenate(train).std(axis=0)
windows = [make_windows(walk, window_length=WINDOW) for walk in train[:8]]
X = np.concatenate([X for X, _ in windows])
y = np.concatenate([y for _, y in windows])
model = GRURegressor(
    bidirectional=False, pooling="last", hidden_size=32, max_epochs=60, random_state=0
)
begin = time.perf_counter()
model.fit(X, y)
print(f"learned from {len(X)} windows in {time.perf_counter() - begin:.0f} s")

# what is usual is learned from walks that the network has not seen
unseen = [watch(model, walk)[WINDOW:] for walk in train[8:]]
limit = MARGIN * np.concatenate(unseen).max()

live = walks("test")
rng = np.random.default_rng(0)
spiked = np.zeros((len(live), len(live[0])), dtype=bool)
for walk, marks in zip(live, spiked, strict=True):
    steps = rng.choice(np.arange(WINDOW, len(walk) - 1), N_SPIKES, replace=False)
    sensors = rng.integers(0, walk.shape[1], N_SPIKES)
    walk[steps, sensors] += 4 * scale[sensors] * rng.choice([-1, 1], N_SPIKES)
    marks[steps] = True

begin = time.perf_counter()
distances = np.array([watch(model, walk) for walk in live])
each = (time.perf_counter() - begin) / distances.size
alerts = distances > limit
alerts[:, :WINDOW] = False  # the network has not seen enough yet

# the baseline looks at each reading by itself, and raises as many alerts
sizes = np.array([np.abs(walk / scale).max(axis=1) for walk in live])
by_size = sizes >= np.sort(sizes[:, WINDOW:].ravel())[-max(alerts.sum(), 1)]

print(f"{distances.size} readings, {1e6 * each:.0f} microseconds each")
print(
    f"spikes found: {alerts[spiked].mean():.2f}, "
    f"by their size alone: {by_size[spiked].mean():.2f}"
)
print(f"alerts that are no spike: {(alerts & ~spiked).sum()} of {alerts.sum()}")

figure, (above, below) = plt.subplots(2, sharex=True, layout="constrained")
above.plot(live[0])
above.set(ylabel="readings of one walk")
below.plot(distances[0])
below.axhline(limit, color="C3", linestyle="--", label="alert")
steps = np.flatnonzero(spiked[0])
below.plot(steps, distances[0, steps], "o", markerfacecolor="none", label="spike")
below.set(xlabel="step", ylabel="distance from expected")
below.legend()
figure.savefig("stream.png")
print("picture: stream.png")
