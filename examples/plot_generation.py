"""
Learn how a text is written, and write more
===========================================

A language model reads a text character by character and learns which comes next. So it
tells how usual a line is, where it stops being usual, and how the text may go on. That
serves for logs as for verses: what no one has written before stands out.

The text is made from a small grammar: subject and verb agree, and two people speak in
turn. For a text of your own run ``python plot_generation.py FILE`` (it may be
compressed, .gz), for which the default settings take some minutes for each million
characters. What they reach on tinyshakespeare, 1.50 nats per character, and what they
write after "ROMEO:", stands on :doc:`the page on texts that go on </generating>`.
"""

# %%
# A text, and what is held back
# -----------------------------
# The model learns from the first nine tenths, and is judged by the rest.

import gzip
import math
import random
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt

from skrnn import GRULanguageModel

NOUNS = ["owl", "poet", "king", "river", "storm", "ship", "lover", "ghost"]
VERBS = ["sing", "wander", "dream", "speak", "weep"]
HOW = ["softly", "by night", "for love", "like the sea", "without end"]
WHO = ["ANNA", "BORIS"]


def make_text(n_lines, seed):
    """Draw lines; their subject and verb agree, and two people speak in turn."""
    draw, lines = random.Random(seed), []
    for number in range(n_lines):
        one, noun, verb = draw.random() < 0.5, draw.choice(NOUNS), draw.choice(VERBS)
        subject = f"The {noun}" if one else f"All {noun}s"
        verb += "s" if one else ""
        lines.append(f"{WHO[number % 2]}: {subject} {verb} {draw.choice(HOW)}.\n")
    return "".join(lines)


if len(sys.argv) > 1:
    path = Path(sys.argv[1])
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as file:
        text = file.read()
    model = GRULanguageModel(random_state=0)
else:
    text = make_text(3000, seed=0)
    options = {"hidden_size": 64, "lr": 1e-2, "max_epochs": 20}
    model = GRULanguageModel(**options, random_state=0)
learned, test = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
print(f"{len(learned)} characters to learn from, {len(test)} others to test with\n")
print("".join(learned.splitlines(keepends=True)[:3]))

# %%
# Nats per character
# ------------------
# The measure is the mean of minus the logarithm of the probability that each character
# had before it came: 0 for a text that is foreseen wholly, :math:`\log 50 \approx 3.9`
# where fifty characters are equally probable each time. The baseline counts which
# character follows which.


def nats_of_pairs(text, test):
    """What the frequencies of two characters in a row reach, in nats per character."""
    pairs, firsts, n = Counter(pairwise(text)), Counter(text), len(set(text)) + 1
    logarithms = [
        math.log((pairs[a, b] + 0.1) / (firsts[a] + 0.1 * n)) for a, b in pairwise(test)
    ]
    return -sum(logarithms) / len(logarithms)


model.fit([learned])
network, pairs = -model.score([test]), nats_of_pairs(learned, test)
print(
    f"test: network {network:.3f} nats per character (perplexity "
    f"{model.perplexity([test]):.2f}), pairs {pairs:.3f}"
)

# %%
# How training went: after a few passes the network is below what pairs reach, and in
# the end close to what the grammar leaves to chance. That is the choice of the words,
# which nobody can foresee.

epochs = [epoch["epoch"] for epoch in model.history_]
losses = [epoch["train_loss"] for epoch in model.history_]
figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(epochs, losses, ".-", label="network, while training")
ax.axhline(network, color="C0", ls="--", label="network, the text to test with")
ax.axhline(pairs, color="C1", label="pairs of characters, the text to test with")
if len(sys.argv) == 1:
    n_choices = 2 * len(NOUNS) * len(VERBS) * len(HOW)
    drawn = math.log(n_choices) * text.count("\n") / len(text)
    ax.axhline(drawn, color="0.6", ls=":", label="what the grammar leaves to chance")
ax.set(xlabel="epoch", ylabel="nats per character", yscale="log")
ax.set_title("How training went")
ticks = [0.2, 0.5, 1, 2, 4]
ax.set_yticks(ticks, ticks)
ax.minorticks_off()
ax.set_xticks(epochs[:: max(1, len(epochs) // 10)])
ax.legend()
plt.show()

# %%
# Which line is odd, and where
# ----------------------------
# The words of the last line stand in the wrong order. ``score_tokens`` gives the
# logarithm of the probability of each character. In the usual line, the bars are high
# only where a word is to be chosen; in the other one, nearly everywhere.

lines = [line for line in test.splitlines()[1:] if line][:4]
odd = " ".join(reversed(lines[0].split()))
lines.append(odd)
surprises = [-each[:-1] for each in model.score_tokens([f"{x}\n" for x in lines])]
print("nats per character:")
for line, nats in zip(lines, surprises, strict=True):
    print(f"  {nats.mean():5.2f}  {line}")

figure, axes = plt.subplots(2, figsize=(7.5, 4), sharey=True, layout="constrained")
titles = ["a usual line", "the same words, turned around"]
for ax, title, place in zip(axes, titles, [0, -1], strict=True):
    line, nats = lines[place][:60], surprises[place][:60]
    ax.bar(range(len(line)), nats[: len(line)], color="C1" if place else "C0")
    ax.set_xticks(range(len(line)), line, family="monospace")
    ax.tick_params(axis="x", length=0)
    ax.set(title=title, ylabel="nats", xlim=(-0.7, len(lines[0][:60]) - 0.3))
plt.show()

# %%
# More of it
# ----------
# ``sample`` draws a text character by character. With a ``temperature`` below 1, it
# keeps closer to what is usual.

begin = test.splitlines()[1][:6]
print(model.sample(prefix=begin, max_tokens=300, temperature=0.7, random_state=0)[0])

# sphinx_gallery_thumbnail_number = 2
