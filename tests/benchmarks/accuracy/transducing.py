"""What the transducer's default settings reach: dates, and sounds of words.

``python transducing.py [FILE]`` prints the rows of docs/transducing.md. FILE is
cmudict.dict of CMUdict: a word and its sounds per line, with blanks between.
"""

import argparse
import re
from pathlib import Path

import numpy as np

from skrnn import Seq2SeqTransducer
from skrnn.datasets import make_dates

N_DATES, N_WORDS, N_TEST = 2000, 20000, 2000


def n_wrong(true, written):
    """Count the tokens to insert, delete or change (Levenshtein)."""
    before = list(range(len(written) + 1))
    for row, token in enumerate(true, start=1):
        after = [row]
        for place, other in enumerate(written, start=1):
            change = before[place - 1] + (token != other)
            after.append(min(change, before[place] + 1, after[-1] + 1))
        before = after
    return before[-1]


def dates(seeds):
    """Print the share of exact matches on other days than those trained on."""
    X, y = make_dates(2 * N_DATES, random_state=0)
    known = set(y[:N_DATES])
    new = [k for k in range(N_DATES, 2 * N_DATES) if y[k] not in known]
    for seed in range(seeds):
        model = Seq2SeqTransducer(random_state=seed).fit(X[:N_DATES], y[:N_DATES])
        score = model.score([X[k] for k in new], [y[k] for k in new])
        print(f"dates, seed {seed}: {score:.3f} of {len(new)} are right", flush=True)


def sounds(file):
    """Print shares of words and sounds of a dictionary that are right."""
    entries = {}
    for line in file.read_text().splitlines():
        word, *phones = line.split("#")[0].split()
        if re.fullmatch("[a-z']+", word):  # others are second pronunciations
            entries[word] = [re.sub(r"\d", "", phone) for phone in phones]
    words = sorted(entries)
    np.random.default_rng(0).shuffle(words)
    test, train = words[:N_TEST], words[N_TEST : N_TEST + N_WORDS]
    model = Seq2SeqTransducer(random_state=0)
    written = model.fit(train, [entries[word] for word in train]).predict(test)
    true = [entries[word] for word in test]
    right = np.mean([one == other for one, other in zip(true, written, strict=True)])
    wrong = sum(map(n_wrong, true, written)) / sum(map(len, true))
    print(f"sounds: {right:.3f} of {len(test)} words are right, {wrong:.3f} wrong")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    dates(arguments.seeds)
    if arguments.file:
        sounds(arguments.file)


if __name__ == "__main__":
    main()
