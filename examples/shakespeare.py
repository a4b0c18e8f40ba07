"""Learn how a text is written, tell which lines are odd, and write more.

A language model reads a text character by character and learns which comes next. What
it learned from the first nine tenths is judged by the rest: by the nats per character,
the perplexity, and, beside it, what counts of two characters in a row reach. Then it
says which of some lines it would not have expected, and writes lines of its own.

Run it with ``python examples/shakespeare.py``, which makes a text from a small grammar
and takes some seconds. Or with ``python examples/shakespeare.py FILE``, where FILE is
a text of your own (or .gz), for which the default settings take some minutes for each
million characters.
"""

import gzip
import math
import random
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

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


def nats_of_pairs(text, test):
    """What the frequencies of two characters in a row reach, in nats per character."""
    pairs, firsts, n = Counter(pairwise(text)), Counter(text), len(set(text)) + 1
    logarithms = [
        math.log((pairs[a, b] + 0.1) / (firsts[a] + 0.1 * n)) for a, b in pairwise(test)
    ]
    return -sum(logarithms) / len(logarithms)


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
print(f"{len(learned)} characters to learn from, {len(test)} others to test with")

model.fit([learned])
for epoch in model.history_[:: max(1, model.n_iter_ // 5)]:
    print(f"epoch {epoch['epoch']:3}: {epoch['train_loss']:.3f} nats per character")
print(
    f"test: network {-model.score([test]):.3f} nats per character (perplexity "
    f"{model.perplexity([test]):.2f}), pairs {nats_of_pairs(learned, test):.3f}"
)

lines = [line for line in test.splitlines()[1:] if line][:4]
odd = " ".join(reversed(lines[0].split()))
print("\nnats per character of single lines, the last of which is turned around:")
for line in [*lines, odd]:
    tokens = model.score_tokens([f"{line}\n"])[0][:-1]  # without the end
    print(f"  {-tokens.mean():5.2f}  {line}")

print("\nA sample:\n")
begin = test.splitlines()[1][:6]
print(model.sample(prefix=begin, max_tokens=300, temperature=0.7, random_state=0)[0])
