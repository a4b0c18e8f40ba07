"""
Who speaks, and how soon one knows
==================================

Nine men say the Japanese vowels "ae" (JapaneseVowels, in sktime): 270 utterances to
learn from and 370 to test, of 7 to 29 steps, one every 6.4 milliseconds. A step holds
twelve cepstral coefficients, which describe the shape of the spectrum. Who speaks? A
classifier answers when an utterance has ended, a tagger while it goes on. The baseline
is logistic regression on seven numbers for each coefficient. Of whole utterances it
knows as much as the network; a tagger does with one fit what takes it one for each
number of steps. The pictures show what is heard, who is taken for whom, and how many
answers are right after so many steps.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sktime.datasets import load_japanese_vowels

from skrnn import GRUClassifier, GRUTagger, as_sequences

X_train, y_train = load_japanese_vowels(split="train")
X_test, y_test = load_japanese_vowels(split="test")
X_train, X_test = list(as_sequences(X_train)), list(as_sequences(X_test))
lengths = [len(x) for x in X_train + X_test]
print(f"{len(X_train)} utterances to learn from, {len(X_test)} to test", end=", ")
print(f"of {min(lengths)} to {max(lengths)} steps")

# %%
# What is heard
# -------------
# Three utterances of two speakers, in deviations from the mean of each coefficient.
# They change on the way from "a" to "e", and no two are alike; what tells the two men
# apart is in several coefficients.

steps = np.concatenate(X_train)
mean, deviation = steps.mean(axis=0), steps.std(axis=0)
figure, grid = plt.subplots(
    2, 3, figsize=(7, 4), sharex=True, sharey=True, layout="constrained"
)
for speaker, row in zip(["1", "5"], grid, strict=True):
    for i, axes in zip(np.flatnonzero(y_train == speaker)[:3], row, strict=True):
        scaled = (X_train[i] - mean) / deviation
        image = axes.imshow(scaled.T, cmap="RdBu", vmin=-3, vmax=3, aspect="auto")
    row[0].set_ylabel(f"speaker {speaker}\ncoefficient")
grid[0, 0].set_yticks([0, 5, 11], [1, 6, 12])
for axes in grid[1]:
    axes.set_xlabel("step")
figure.colorbar(image, ax=grid, label="deviations from the mean")
figure.suptitle("Three utterances of each of two speakers")
plt.show()

# %%
# After the utterance
# -------------------
# The classifier comes as it is, without tuning. For logistic regression, an utterance
# becomes one row by hand.


def means(X):
    return np.array([x.mean(axis=0) for x in X])


def seven_numbers(X):
    """For each coefficient: where it is, how it spreads, its ends and its changes."""
    rows = []
    for x in X:
        changes = np.abs(np.diff(x, axis=0)).sum(axis=0) / max(len(x) - 1, 1)
        of_all = [x.mean(axis=0), x.std(axis=0), x.min(axis=0), x.max(axis=0)]
        rows.append(np.concatenate([*of_all, x[0], x[-1], changes]))
    return np.array(rows)


logistic = make_pipeline(
    FunctionTransformer(seven_numbers),
    StandardScaler(),
    LogisticRegression(max_iter=1000),
)
models = {
    "network": GRUClassifier(random_state=0),
    "logistic regression": logistic,
    "nearest mean vector": make_pipeline(
        FunctionTransformer(means), KNeighborsClassifier(1)
    ),
}
scores = {
    name: model.fit(X_train, y_train).score(X_test, y_test)
    for name, model in models.items()
}
print("utterances: " + ", ".join(f"{name} {s:.3f}" for name, s in scores.items()))

figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
matrix = ConfusionMatrixDisplay.from_estimator(
    models["network"], X_test, y_test, cmap="Blues", colorbar=False, ax=axes
)
for text in matrix.text_.flat:
    text.set_visible(text.get_text() != "0")
axes.set(xlabel="taken for speaker", ylabel="speaker")
axes.set(title="Who is taken for whom by the network")
plt.show()

# %%
# It is a tie: logistic regression and the network differ by a few of 370 utterances.
# Seven numbers for each coefficient hold what tells these speakers apart, if the whole
# utterance is there. The network needs no choice of numbers.
#
# While somebody speaks
# ---------------------
# With ``bidirectional=False`` a classifier can answer early, and go on step by step.
# But this one was only ever asked at the end: of beginnings it knows nothing. A tagger
# is asked at each step. It learns from the same utterances, with their speaker at all
# steps, and in 30 passes: with the default of a hundred it would know them by heart.
# Logistic regression is fitted anew for each number of steps.

listener = GRUClassifier(bidirectional=False, random_state=0).fit(X_train, y_train)
tagger = GRUTagger(bidirectional=False, dropout=0.4, max_epochs=30, random_state=0)
tagger.fit(
    X_train, [np.repeat(who, len(x)) for x, who in zip(X_train, y_train, strict=True)]
)
said = tagger.predict(X_test)


def beginnings(X, n_steps):
    """The first steps of each utterance; all of it if it is shorter."""
    return [x[:n_steps] for x in X]


heard = np.arange(1, 21)
right = {"tagger": [], "classifier": [], "logistic regressions": []}
for n_steps in heard:
    answers = np.array([labels[:n_steps][-1] for labels in said])
    right["tagger"].append(np.mean(answers == y_test))
    X_heard = beginnings(X_test, n_steps)
    right["classifier"].append(listener.score(X_heard, y_test))
    logistic.fit(beginnings(X_train, n_steps), y_train)
    right["logistic regressions"].append(logistic.score(X_heard, y_test))
for n_steps in [1, 5, 10, 20]:
    shares = ", ".join(f"{name} {s[n_steps - 1]:.3f}" for name, s in right.items())
    print(f"after {n_steps} steps: {shares}")

# %%
# From a single step, a linear model tells nine of ten utterances; the tagger, which has
# to answer for all lengths, does not. In the middle the tagger is level or a little
# ahead, and after ten steps it has all that it will ever know. At the end, the others
# are a little ahead: they give all they have to the one answer that they are asked for.
# What the tagger saves is the twenty fits: one network goes on with an utterance, step
# by step. The classifier, which was asked at the end only, does not serve for that.

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for name, shares in right.items():
    axes.plot(heard, shares, label=name)
axes.set(xlabel="steps heard", ylabel="share of right answers", ylim=(0.5, 1))
axes.set_title("How soon each knows who speaks")
axes.set_xticks([1, 5, 10, 15, 20])
axes.legend(frameon=False, loc="lower right")
plt.show()
