"""What default settings reach on texts: intents and slots of ATIS, spam, SST-2.

``python texts.py FOLDER`` prints the rows of docs/text.md. FOLDER holds

- atis/{train,test}.{seq.in,seq.out,label}.gz: words, tags and an intent per line;
- sst2/{train,test}.txt.gz: a label and a sentence per line, with a blank between;
- sms_spam.tsv.gz: a label and a message per line, with a tab between.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from skrnn import GRUClassifier, GRUTagger, LSTMClassifier, LSTMTagger, TokenEncoder
from skrnn.metrics import entity_f1_score


def lines(file):
    """Lines of a file."""
    with gzip.open(file, "rt") as opened:
        return [line.rstrip("\n") for line in opened]


def atis(folder, part, kind):
    """Words, tags or intents of ATIS."""
    return [line.split() for line in lines(folder / f"atis/{part}.{kind}.gz")]


def labelled(file, between):
    """Texts and the labels that stand before them."""
    pairs = [line.split(between, 1) for line in lines(file)]
    labels, texts = np.array(pairs, dtype=object).T
    return texts, labels


def show(task, cell, scores):
    """Print a row."""
    print(f"{task:<16} {cell:<5} {' '.join(f'{s:.3f}' for s in scores)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    folder = arguments.folder
    cells = {"GRU": (GRUClassifier, GRUTagger), "LSTM": (LSTMClassifier, LSTMTagger)}
    seeds = range(arguments.seeds)
    words, test_words = (atis(folder, part, "seq.in") for part in ("train", "test"))
    intents, test_intents = (
        np.concatenate(atis(folder, part, "label")) for part in ("train", "test")
    )
    tags, test_tags = (atis(folder, part, "seq.out") for part in ("train", "test"))
    texts, moods = labelled(folder / "sst2/train.txt.gz", " ")
    test_texts, test_moods = labelled(folder / "sst2/test.txt.gz", " ")
    for cell, (classifier, tagger) in cells.items():
        models = [
            make_pipeline(TokenEncoder(), classifier(random_state=s)) for s in seeds
        ]
        scores = [m.fit(words, intents).score(test_words, test_intents) for m in models]
        show("intents", cell, scores)
        scores = [m.fit(texts, moods).score(test_texts, test_moods) for m in models]
        show("SST-2", cell, scores)
        for head in ("softmax", "crf"):
            models = [
                make_pipeline(TokenEncoder(), tagger(head=head, random_state=s))
                for s in seeds
            ]
            found = (m.fit(words, tags).predict(test_words) for m in models)
            show(
                f"slots, {head}",
                cell,
                [entity_f1_score(test_tags, each) for each in found],
            )

    messages, spam = labelled(folder / "sms_spam.tsv.gz", "\t")
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(
        messages, spam
    ):
        model = make_pipeline(TokenEncoder(), GRUClassifier(random_state=0))
        predicted = model.fit(messages[train], spam[train]).predict(messages[test])
        scores.append(f1_score(spam[test], predicted, pos_label="spam"))
    show("spam, 5 folds", "GRU", scores)


if __name__ == "__main__":
    main()
