"""
Recommend the next item of a session
====================================

A shop knows what somebody clicked on so far, and has room to show a few items more.
Which ones? A network learns from sessions of items alone. Beside it stand rules that
count: what is most popular, what followed the last item most often, and what came two
items after.

The sessions are made: people have two habits and follow them in turn, so that the item
before the last tells what comes next, and all items are equally popular. For data of
your own run ``python plot_recommendation.py FILE``, where FILE is a table of RecBole
with the columns user_id:token, item_id:token, timestamp:float, such as ml-100k.inter
(films that people rated), which takes minutes. There the last film is among twenty
recommended ones in 23 of 100 cases, by what followed the last film in 18, and among the
most popular ones in 8 (:doc:`the page on recommendations </recommending>` has a table).
"""

# %%
# Sessions, and what is held out
# ------------------------------
# The last item of each session is to be foreseen; what comes before it is learned from.

import csv
import sys
from collections import Counter, defaultdict

import matplotlib.pyplot as plt

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
    sessions = read_sessions(sys.argv[1])
    model = NextItemRecommender(random_state=0)
else:
    sessions = make_sessions(500, random_state=0)
    model = NextItemRecommender(lr=1e-2, max_epochs=20, random_state=0)
train, contexts, true = leave_last_out(sessions)
print(f"{len(train)} sessions to learn from, {len(true)} items held out")
print(f"the first session: {', '.join(map(str, contexts[0]))}, and then {true[0]}")

# %%
# A network and three rules
# -------------------------
# Each gives twenty items, the best first. Where too few items have followed one, the
# most popular fill the list. The rule that looks at the last item but one is for those
# who know how these sessions were made. Nobody tells the network.

k = 20
counts = Counter(item for session in train for item in session)
popular = [item for item, _ in counts.most_common()]


def after(distance):
    """What came most often so many items after the one at this place from the end."""
    later = defaultdict(Counter)
    for session in train:
        for item, following in zip(session, session[distance:], strict=False):
            later[item][following] += 1
    found = [later[c[-distance]] if len(c) >= distance else {} for c in contexts]
    ordered = ([item for item, _ in Counter(each).most_common()] for each in found)
    return [[*dict.fromkeys(items + popular)][:k] for items in ordered]


recommended = {
    "network": model.fit(train).recommend(contexts, k),
    "followed the last item": after(1),
    "came two items after": after(2),
    "most popular": [popular[:k]] * len(contexts),
}

# %%
# How often the item is among the first k
# ---------------------------------------
# Recall@k is the share of sessions whose item is among the first k; MRR@k the mean of
# 1, 1/2, 1/3 ... by its place. Which of them counts depends on how many items you show.

figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
sizes = range(1, k + 1)
for name, items in recommended.items():
    recalls = [recall_at_k(true, [each[:size] for each in items]) for size in sizes]
    ax.plot(sizes, recalls, ".-", label=name)
    mrr = mrr_at_k(true, items)
    print(f"{name:24} Recall@5 {recalls[4]:.3f}  Recall@20 {recalls[-1]:.3f}  ", end="")
    print(f"MRR@20 {mrr:.3f}")
chance = [min(1, size / len(popular)) for size in sizes]
ax.plot(sizes, chance, "--", color="0.6", label="chance")
ax.set(xlabel="items that are recommended (k)", ylabel="Recall@k", ylim=(0, 1))
ax.set(title="How often the item is among the first k", xticks=[1, 5, 10, 15, 20])
ax.legend()
plt.show()

# %%
# One item in ten is any of all here, so that no one can foresee every item. The last
# item tells nearly nothing, and what is popular nothing at all: both are near chance.
# The rule that knows where to look fails where that very item was any of all; the
# network then goes by those before it.

for session in range(5):
    for item in recommended["network"][session][:3]:
        print(f"  {item}{' (it came next)' if item == true[session] else ''}")
    print()

# %%
# How much of a session it needs
# ------------------------------
# The same items are foreseen from the last n items of each session alone. With one, the
# network does no better than the rule of the last item; the second one tells it most.

lengths = range(1, 11)
short = [
    recall_at_k(true, model.recommend([c[-length:] for c in contexts], 5))
    for length in lengths
]
rule = recall_at_k(true, [each[:5] for each in recommended["followed the last item"]])
figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
ax.plot(lengths, short, ".-", label="network")
ax.axhline(rule, color="C1", label="followed the last item")
ax.set(xlabel="last items that are read (n)", ylabel="Recall@5", ylim=(0, 1))
ax.set(title="How much of a session it needs", xticks=lengths)
ax.legend()
plt.show()
