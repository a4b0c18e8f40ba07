"""Sort messages: spam or not, pleased or not. What counts is the order of the words.

A classifier reads messages word by word. Beside it stands logistic regression on counts
of words, which is hard to beat where single words give a message away (spam), and lost
where one word turns another ("not bad at all"). At the end it is shown which words the
network has looked at.

Run it with ``python examples/messages.py``, which makes reviews from a small grammar
and takes some seconds. Or with ``python examples/messages.py FILE``, where each line of
FILE is a label, a blank or tab, and a message, such as those of the SMS Spam Collection
or of the Stanford Sentiment Treebank; it may be compressed (.gz), and takes a minute.
"""

import gzip
import random
import sys
from pathlib import Path

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
FRAMES = {  # whether a word means what it says
    "{thing} was {word}": True,
    "{thing} was very {word}": True,
    "i must say that {thing} was {word}": True,
    "{thing} was not {word}": False,
    "{thing} was not {word} at all": False,
    "nobody could call {thing} {word}": False,
}


def make_reviews(n, seed):
    """Draw reviews, and whether somebody was pleased."""
    draw, texts, labels = random.Random(seed), [], []
    for _ in range(n):
        frame, pleased = draw.choice([*FRAMES]), draw.random() < 0.5
        word = draw.choice(GOOD if pleased == FRAMES[frame] else BAD)
        texts.append(frame.format(thing=draw.choice(THINGS), word=word))
        labels.append("pleased" if pleased else "not pleased")
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
else:
    texts, labels = make_reviews(600, seed=0)
X, X_test, y, y_test = train_test_split(
    texts, labels, test_size=0.2, stratify=labels, random_state=0
)
print(f"{len(X)} messages to learn from, {len(X_test)} others to test with")

counts = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000)).fit(X, y)
model = make_pipeline(TokenEncoder(), GRUClassifier(random_state=0)).fit(X, y)
print(f"accuracy: network {model.score(X_test, y_test):.3f}, ", end="")
print(f"counts of words {counts.score(X_test, y_test):.3f}\n")
print(classification_report(y_test, model.predict(X_test), digits=3))

encoder, network = model[0], model[1]
wrong = [
    text
    for text, guess, label in zip(X_test, counts.predict(X_test), y_test, strict=True)
    if guess != label
]
text = max(wrong or X_test, key=len)  # the longest that the counts get wrong
(shares,) = sequence_importance(network, encoder.transform([text]), method="occlusion")
print(f"{model.predict([text])[0]}:")
words = encoder.inverse_transform(encoder.transform([text]))[0]
for word, share in zip(words, shares[:, 0], strict=True):
    print(f"  {word:12} {share:+.2f}")
