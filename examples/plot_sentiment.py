"""
Sentiment, and an alert when it turns
=====================================

Guests write short reviews, and the house wants to know at once when more of them are
displeased than usual. A network reads each review word by word; beside it stands
logistic regression on counts of words, and of pairs of words.

The reviews are made from a small grammar, so nothing here says how good a network is on
yours. They are made to hold what counts of words cannot see: one word turns another
("nobody could call it dirty"), and half of a sentence turns the other. For messages of
your own run ``python plot_sentiment.py FILE``, where each line of FILE is a label, a
blank or tab, and a message, such as those of the Stanford Sentiment Treebank or of the
SMS Spam Collection; it may be compressed (.gz). :doc:`The page on texts </text>` says
what default settings reach on these two: 0.78 to 0.80 of the sentences right, and an
F1 of 0.96 for spam.
"""

# %%
# Messages and labels
# -------------------
# Both words of praise and of blame come up in reviews of both kinds.

import gzip
import random
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import GRUClassifier, TokenEncoder
from skrnn.inspection import sequence_importance

THINGS = ["the food", "the service", "our room", "the view", "breakfast", "the wine"]
GOOD = ["good", "great", "lovely", "fresh", "friendly", "fine", "perfect", "wonderful"]
BAD = ["bad", "awful", "cold", "rude", "stale", "horrible", "poor", "dirty"]
FRAMES = {  # whether {word} means what it says
    "{thing} was {word}": True,
    "{thing} was very {word}": True,
    "i must say that {thing} was {word}": True,
    "they said it was {opposite} but {thing} was {word}": True,
    "{thing} was not {word} at all": False,
    "nobody could call {thing} {word}": False,
    "i would not say that {thing} was {word}": False,
}


def make_reviews(n, seed):
    """Draw reviews, and whether somebody was pleased."""
    draw, texts, labels = random.Random(seed), [], []
    for _ in range(n):
        frame, pleased = draw.choice([*FRAMES]), draw.random() < 0.55
        words, opposites = (GOOD, BAD) if pleased == FRAMES[frame] else (BAD, GOOD)
        texts.append(
            frame.format(
                thing=draw.choice(THINGS),
                word=draw.choice(words),
                opposite=draw.choice(opposites),
            )
        )
        labels.append("pleased" if pleased else "displeased")
    return texts, labels


def read_messages(path):
    """Read a label and a message per line."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        pairs = [line.rstrip("\n").split(None, 1) for line in file]
    labels, texts = zip(*[pair for pair in pairs if len(pair) == 2], strict=True)
    return list(texts), list(labels)


if len(sys.argv) > 1:
    texts, labels = read_messages(Path(sys.argv[1]))
    max_epochs = "auto"
else:
    texts, labels = make_reviews(2000, seed=0)
    max_epochs = 15
X, X_test, y, y_test = train_test_split(
    texts, np.array(labels), test_size=0.2, stratify=labels, random_state=0
)
for text, label in zip(X[:4], y[:4], strict=True):
    print(f"{label:12} {text}")

# %%
# The network and its baselines
# -----------------------------
# :class:`~skrnn.TokenEncoder` numbers the words, and the network learns a vector for
# each. Counts of single words are little better than guessing here; pairs such as
# "not good" help, but the word that turns another may stand further away.


def counts_of(longest):
    """Logistic regression on counts of words in a row, up to so many."""
    counts = CountVectorizer(ngram_range=(1, longest))
    return make_pipeline(counts, LogisticRegression(max_iter=1000))


network = GRUClassifier(max_epochs=max_epochs, random_state=0)
models = {
    "network": make_pipeline(TokenEncoder(), network),
    "counts of words": counts_of(1),
    "counts of pairs": counts_of(2),
}
scores = [
    f"{name} {model.fit(X, y).score(X_test, y_test):.3f}"
    for name, model in models.items()
]
print(f"accuracy: {', '.join(scores)}\n")
print(classification_report(y_test, models["network"].predict(X_test), digits=3))

# %%
# A stream of messages with bad days
# ----------------------------------
# Sixty days of some 40 messages each are drawn from those that nobody has learned from.
# One in ten is of the kind to be watched, here of a guest who is displeased (with a
# FILE: of the rarer label). On days 34, 35 and 51 it is about one in three. One stream
# is drawn below; twenty are counted, since chance has its part in which days are seen.

kinds, counts = np.unique(y_test, return_counts=True)
watched = kinds[counts.argmin()]
is_watched, is_other = y_test == watched, y_test != watched
days = np.arange(1, 61)
bad_days = np.isin(days, [34, 35, 51])
shares = np.where(bad_days, 0.35, 0.10)


def draw_stream(rng):
    """Draw the places of the messages of each day among those to test with."""
    stream = []
    for share in shares:
        n = rng.poisson(40)
        n_watched = rng.binomial(n, share)
        of_kind = rng.choice(np.flatnonzero(is_watched), n_watched)
        others = rng.choice(np.flatnonzero(is_other), n - n_watched)
        stream.append(np.concatenate([of_kind, others]))
    return stream


rng = np.random.default_rng(0)
streams = [draw_stream(rng) for _ in range(20)]

# %%
# An alert when the share leaves its limits
# -----------------------------------------
# The rule is that of a control chart for shares (p-chart). Let :math:`p` be the share
# on the days before that raised no alert. Of :math:`n` messages, chance alone seldom
# lifts the share above :math:`p + 3 \sqrt{p (1 - p) / n}`. The first two weeks only
# tell what is usual. The rule sees what a model says of the messages, never the true
# labels.


def control_limits(daily, sizes, n_first=14):
    """Upper limits from the days before; days above them do not become usual."""
    limits, usual = np.full(len(daily), np.nan), list(range(n_first))
    for day in range(n_first, len(daily)):
        p = np.average(daily[usual], weights=sizes[usual])
        limits[day] = p + 3 * np.sqrt(p * (1 - p) / sizes[day])
        if daily[day] <= limits[day]:
            usual.append(day)
    return limits


charts = {}
for name, model in models.items():
    said = model.predict(X_test) == watched
    charts[name] = []
    for stream in streams:
        daily = np.array([said[messages].mean() for messages in stream])
        limits = control_limits(daily, np.array([len(each) for each in stream]))
        charts[name].append((daily, limits, daily > limits))
    alerts = np.array([alerts for _, _, alerts in charts[name]])
    right, false = alerts[:, bad_days], alerts[:, ~bad_days]
    print(f"{name:15} alerts: {right.sum()} of {right.size} bad days, ", end="")
    print(f"{false.sum()} false")

# %%
# A classifier that errs often pulls all days towards the same share, so that bad days
# hardly stand out, and the limit, which is learned from the same errors, lies higher.
# The alert on the last day is chance, which no model of the messages can take away.

titles = {"network": "network", "counts of pairs": "counts of words and of pairs"}
figure, axes = plt.subplots(2, figsize=(7, 4.6), sharex=True, layout="constrained")
for ax, (name, title) in zip(axes, titles.items(), strict=True):
    daily, limits, alerts = charts[name][0]
    for day in days[bad_days]:
        label = "bad day, in truth" if day == 34 else None
        ax.axvspan(day - 0.5, day + 0.5, color="C1", alpha=0.3, lw=0, label=label)
    ax.plot(days, daily, ".-", color="0.4", lw=1, label="share of the day")
    ax.step(days, limits, where="mid", color="C0", label="limit")
    ax.plot(days[alerts], daily[alerts], "o", color="C3", label="alert")
    ax.set(title=title, ylabel=f"share {watched}", ylim=(0, 0.55))
axes[0].legend(ncols=4, loc="upper left", fontsize="small")
axes[1].set(xlabel="day", xlim=(0, 61))
figure.suptitle("Alerts of one stream of reviews")
plt.show()

# %%
# Which words counted
# -------------------
# A word is taken for an unknown one, and the bar shows by how much the log-odds of the
# network's answer fall. Both reviews are of those that the counts got wrong. A bar to
# the left is a word that speaks for the other answer. The word that by itself says the
# opposite counts for the answer here, and so do those that turn it.

network, counts_of_pairs = models["network"], models["counts of pairs"]
encoder, classifier = network[0], network[1]
right = network.predict(X_test) == y_test
telling = right & (counts_of_pairs.predict(X_test) != y_test)
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for ax, kind in zip(axes, kinds, strict=False):
    of_kind = y_test == kind
    found = np.flatnonzero(telling & of_kind if (telling & of_kind).any() else of_kind)
    text = min((X_test[n] for n in found), key=lambda text: abs(len(text.split()) - 9))
    tokens = encoder.transform([text])
    (importance,) = sequence_importance(
        classifier, tokens, method="occlusion", target=kind
    )
    words = encoder.inverse_transform(tokens)[0]
    fall = importance[:, 0]
    ax.barh(range(len(words)), fall, color=np.where(fall > 0, "C0", "C1"))
    ax.set_yticks(range(len(words)), words)
    ax.invert_yaxis()
    ax.axvline(0, color="0.4", lw=0.8)
    ax.set(title=f"network: {kind}", xlabel="fall of the log-odds without it")
    print(f"{kind}:")
    for word, number in zip(words, fall, strict=True):
        print(f"  {word:12} {number:+.2f}")
figure.suptitle("Words that counted in two reviews")
plt.show()
