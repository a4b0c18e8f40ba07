"""Bring dates into one form: a transducer reads what people write, and writes ISO 8601.

A network learns from pairs alone that "the 3rd of March 1998" is "1998-03-03": nobody
tells it the names of the months or the order of day and month. It is tested with other
days than those it has learned from. Beside it stands pandas, which knows dates, but not
that in these the day stands before the month.

Run it with ``python examples/dates.py``; it takes less than a minute. Or with ``python
examples/dates.py FILE``, where each line of FILE is a text, a tab, and what it becomes.
"""

import sys
import warnings
from pathlib import Path

import pandas as pd

from skrnn import Seq2SeqTransducer
from skrnn.datasets import make_dates
from skrnn.metrics import exact_match_score

if len(sys.argv) > 1:
    lines = Path(sys.argv[1]).read_text().splitlines()
    X, y = map(list, zip(*[line.split("\t") for line in lines], strict=True))
else:
    X, y = make_dates(1500, random_state=0)
n_train = len(X) * 2 // 3
known = set(y[:n_train])
new = [k for k in range(n_train, len(X)) if y[k] not in known]
X_test, y_test = [X[k] for k in new], [y[k] for k in new]
print(f"{n_train} pairs to learn from, {len(new)} others to test with")

model = Seq2SeqTransducer(max_epochs=50, random_state=0).fit(X[:n_train], y[:n_train])
for epoch in model.history_[::10]:
    print(f"epoch {epoch['epoch']:3}: loss {epoch['train_loss']:.3f}")
written = model.predict(X_test)
print(f"exact matches: network {exact_match_score(y_test, written):.3f}", end="")
if len(sys.argv) == 1:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas tells which form it guesses
        dates = pd.to_datetime(X_test, format="mixed", dayfirst=True, errors="coerce")
    guessed = dates.strftime("%Y-%m-%d").fillna("").tolist()
    print(f", pandas {exact_match_score(y_test, guessed):.3f}", end="")
print("\n")
for text, date in zip(X_test[:8], written[:8], strict=True):
    print(f"  {text:32} {date}")

text = X_test[0]
candidates = model.predict_candidates([text])[0]
print(f"\n{text} could be")
for other, log_probability in candidates:
    print(f"  {other:32} {log_probability:8.2f}")
