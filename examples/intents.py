"""Understand requests: what somebody wants (intent), and which words say what (slots).

A classifier reads a request and gives its intent; a tagger gives each word a tag, with
which entities begin (B-), go on (I-), or nothing (O). Beside them stand baselines:
logistic regression on counts of words, and the tag that a word had most often.

Run it with ``python examples/intents.py``, which makes requests from a small grammar
and takes some seconds; those to test with name cities that nobody has named before. Or
with ``python examples/intents.py FOLDER``, where FOLDER holds the files of ATIS, real
requests for flights (train.seq.in.gz, train.seq.out.gz, train.label.gz, and those of
test), which takes a minute.
"""

import gzip
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skrnn import GRUClassifier, GRUTagger, TokenEncoder
from skrnn.metrics import entity_f1_score

CITIES = "boston denver oakland dallas|san francisco|new york|salt lake city"
OTHER_CITIES = "chicago|los angeles|phoenix|st louis|little rock|seattle"
DAYS = "monday tuesday friday sunday|next week|the day after tomorrow"
GRAMMAR = {  # intent: sentences with entities in brackets
    "flight": [
        "show me flights from [from] to [to] on [day]",
        "i want to fly to [to] [day] leaving from [from]",
        "is there anything going to [to] out of [from]",
    ],
    "price": [
        "how much is a ticket from [from] to [to]",
        "what does it cost to fly to [to] [day] from [from]",
    ],
    "time": [
        "when does the first plane leave [from] for [to]",
        "at what time do i get to [to] if i leave [from] [day]",
    ],
}


def choices(text):
    """Words, and expressions of several words."""
    single, *several = text.split("|")
    return [word.split() for word in single.split() + several]


def make_requests(n, cities, seed):
    """Draw requests: words, tags and intents."""
    draw, fillers = random.Random(seed), {"day": choices(DAYS)}
    fillers |= dict.fromkeys(("from", "to"), choices(cities))
    words, tags, intents = [], [], []
    for _ in range(n):
        intents.append(draw.choice([*GRAMMAR]))
        words.append([])
        tags.append([])
        for part in draw.choice(GRAMMAR[intents[-1]]).split():
            name = part.strip("[]")
            filler = [part] if name == part else draw.choice(fillers[name])
            words[-1] += filler
            rest = [f"I-{name}"] * (len(filler) - 1)
            tags[-1] += ["O"] if name == part else [f"B-{name}", *rest]
    return words, tags, intents


def read_requests(folder, part):
    """Read requests of ATIS in the same form."""

    def lines(kind):
        with gzip.open(folder / f"{part}.{kind}.gz", "rt") as file:
            return [line.split() for line in file]

    return lines("seq.in"), lines("seq.out"), [label for (label,) in lines("label")]


if len(sys.argv) > 1:
    train, test = (read_requests(Path(sys.argv[1]), part) for part in ("train", "test"))
else:
    train = make_requests(200, CITIES, seed=0)
    test = make_requests(100, OTHER_CITIES, seed=1)
words, tags, intents = train
test_words, test_tags, test_intents = test
print(f"{len(words)} requests to learn from, {len(test_words)} others to test with")

counts = CountVectorizer(analyzer=lambda tokens: tokens)
baseline = make_pipeline(counts, LogisticRegression(max_iter=1000)).fit(words, intents)
classifier = make_pipeline(TokenEncoder(), GRUClassifier(random_state=0))
classifier.fit(words, intents)
print(
    f"intents right: network {classifier.score(test_words, test_intents):.3f}, "
    f"counts of words {baseline.score(test_words, test_intents):.3f}"
)

seen = defaultdict(Counter)
for request, labels in zip(words, tags, strict=True):
    for word, tag in zip(request, labels, strict=True):
        seen[word][tag] += 1
usual = [
    [seen[word].most_common(1)[0][0] if word in seen else "O" for word in request]
    for request in test_words
]
tagger = make_pipeline(TokenEncoder(), GRUTagger(head="crf", random_state=0))
predicted = tagger.fit(words, tags).predict(test_words)
print(
    f"F1 of slots: network {entity_f1_score(test_tags, predicted):.3f}, "
    f"the usual tag of each word {entity_f1_score(test_tags, usual):.3f}"
)
print(f"\n{classifier.predict(test_words[:1])[0]}:")
for word, tag in zip(test_words[0], predicted[0], strict=True):
    print(f"  {word:12} {tag if tag != 'O' else ''}".rstrip())
