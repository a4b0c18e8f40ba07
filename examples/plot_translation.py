"""
Translation in the small: dates become ISO 8601
===============================================

People write dates in many ways; a table wants one. A transducer reads a text character
by character and writes another one. From pairs alone it learns that "the 3rd of March
1998" is "1998-03-03": nobody tells it the names of the months or which numbers are
days. Beside it stands pandas, which knows dates, and is told that in these the day
stands before the month.

The pairs are made, in fifteen forms, and the days to test with are others than those to
learn from. Words of two languages are the same task, only that dates fit on a page. For
pairs of your own run ``python plot_translation.py FILE``, where each line of FILE is a
text, a tab, and what it becomes. :doc:`The page on transducers </transducing>` says
what the default settings reach: with twice as many pairs 0.998 of such dates or more,
and, from 20000 pairs, 0.600 of English words with all their sounds right.
"""

# %%
# Pairs of texts
# --------------

import re
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrnn import Seq2SeqTransducer
from skrnn.datasets import make_dates
from skrnn.metrics import exact_match_score

if len(sys.argv) > 1:
    lines = Path(sys.argv[1]).read_text().splitlines()
    X, y = map(list, zip(*[line.split("\t") for line in lines], strict=True))
    model = Seq2SeqTransducer(max_epochs=50, random_state=0)
else:
    X, y = make_dates(1500, random_state=0)
    options = {"hidden_size": 64, "lr": 1e-2, "max_epochs": 30}
    model = Seq2SeqTransducer(**options, random_state=0)
n_train = len(X) * 2 // 3
known = set(y[:n_train])
new = [k for k in range(n_train, len(X)) if y[k] not in known]
X_test, y_test = [X[k] for k in new], [y[k] for k in new]
print(f"{n_train} pairs to learn from, {len(new)} others to test with\n")
for text, date in zip(X[:8], y[:8], strict=True):
    print(f"  {text:32} {date}")

# %%
# How many are right to the last sign
# -----------------------------------

model.fit(X[:n_train], y[:n_train])
written = {"network": model.predict(X_test).tolist()}
if len(sys.argv) == 1:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas tells which form it guesses
        dates = pd.to_datetime(X_test, format="mixed", dayfirst=True, errors="coerce")
    written["pandas"] = dates.strftime("%Y-%m-%d").fillna("").tolist()
scores = [f"{k} {exact_match_score(y_test, found):.3f}" for k, found in written.items()]
print(f"exact matches: {', '.join(scores)}\n")
for text, *dates in list(zip(X_test, *written.values(), strict=True))[:8]:
    print(f"  {text:32} {'   '.join(dates)}")

# %%
# What pandas gets wrong is a matter of rules. It takes "the" for no part of a date, it
# turns day and month where the year comes first, since it was told so, and the century
# of a year of two digits depends on when you run it. The network goes by the pairs.


def form(text):
    """An example of texts of this kind."""
    if text.lower().startswith("the"):
        return '"the 3rd of May 1998"'
    if text[:4].isdigit():
        return '"1998.05.03"'
    return '"3 May 98"' if re.search(r"\D\d\d$", text) else "all others"


if len(sys.argv) == 1:
    forms = np.array([form(text) for text in X_test])
    kinds = np.unique(forms)  # the others last
    figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
    for shift, (name, found) in enumerate(written.items()):
        right = np.array(found) == y_test
        shares = [right[forms == kind].mean() for kind in kinds]
        places = np.arange(len(kinds)) + 0.4 * shift - 0.2
        bars = ax.bar(places, shares, 0.38, label=name)
        ax.bar_label(bars, fmt="%.2f", fontsize="small")
    ax.set_xticks(range(len(kinds)), kinds)
    ax.set_title("Dates right, by how they are written", loc="right")
    ax.set(ylabel="share right", ylim=(0, 1.15), yticks=[0, 0.5, 1])
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    plt.show()

# %%
# What it looks at while it writes
# --------------------------------
# ``attention`` gives, for each sign that is written, how much the network looks at each
# sign of the text. A row of the picture is a sign that is written, and adds up to 1:
# the year is looked for at the end of the text, the month at its name, the day before.

text = max(X_test, key=len)
answer = model.predict([text])[0]
(shares,) = model.attention([text])
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
picture = ax.imshow(shares[: len(answer)], cmap="Blues", aspect="auto", vmin=0)
ax.set_xticks(range(len(text)), text, family="monospace")
ax.set_yticks(range(len(answer)), answer, family="monospace")
ax.tick_params(length=0)
ax.set(xlabel="read", ylabel="written")
ax.set_title("What is read while each sign is written")
figure.colorbar(picture, label="share of the attention")
plt.show()

# %%
# What else it could be
# ---------------------
# The candidates of the search, with the logarithms of their probabilities. An answer
# that is not much more probable than the next one is one to look at.

candidates = model.predict_candidates([text])[0]
print(f"{text} could be")
for other, log_probability in candidates:
    print(f"  {other:32} {log_probability:z8.2f}")

# sphinx_gallery_thumbnail_number = 2
