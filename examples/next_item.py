"""Recommend the next item of a session, and judge it beside two simple rules.

The last item of each session is held out. A network learns from what comes before;
beside it stand the most popular items, and what followed the last item most often.

Run it with ``python examples/next_item.py``, which makes sessions of people who have
two habits, in turn, and takes some seconds. Or ``python examples/next_item.py FILE``
for a table of RecBole with the columns user_id:token, item_id:token, timestamp:float,
such as ml-100k.inter (films that people rated), which takes minutes.
"""

import csv
import sys
from collections import Counter, defaultdict
from itertools import pairwise

from skrnn import NextItemRecommender, leave_last_out
from skrnn.datasets import make_sessions
from skrnn.metrics import mrr_at_k, recall_at_k


def read_sessions(file):
    """Read the items of each person in the order of time."""
    with open(file, newline="") as opened:
        rows = list(csv.DictReader(opened, delimiter="\t"))
    rows.sort(key=lambda row: float(row["timestamp:float"]))
    found = defaultdict(list)
    for row in rows:
        found[row["user_id:token"]].append(row["item_id:token"])
    return [*found.values()]


if len(sys.argv) > 1:
    sessions, k = read_sessions(sys.argv[1]), 20
    model = NextItemRecommender(random_state=0)
else:
    sessions, k = make_sessions(500, random_state=0), 5
    model = NextItemRecommender(lr=1e-2, max_epochs=20, random_state=0)
train, contexts, true = leave_last_out(sessions)
print(f"{len(train)} sessions to learn from, {len(true)} items held out")

counts = Counter(item for session in train for item in session)
popular = [item for item, _ in counts.most_common()]
follows = defaultdict(Counter)
for session in train:
    for item, following in pairwise(session):
        follows[item][following] += 1
after = [[i for i, _ in follows[context[-1]].most_common()] for context in contexts]
recommended = {
    "network": model.fit(train).recommend(contexts, k),
    "followed the last item": [[*dict.fromkeys(each + popular)][:k] for each in after],
    "most popular": [popular[:k]] * len(contexts),
}
for name, items in recommended.items():
    recall, mrr = recall_at_k(true, items), mrr_at_k(true, items)
    print(f"{name:24} Recall@{k} {recall:.3f}  MRR@{k} {mrr:.3f}")

print(f"\nafter {', '.join(map(str, contexts[0]))}:")
for item in model.recommend(contexts[:1], 3)[0]:
    print(f"  {item}{' (it came next)' if item == true[0] else ''}")
