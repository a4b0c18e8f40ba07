"""What a recommender reaches with its defaults: the next items of sessions.

``python sessions.py FILE`` prints the rows of docs/recommending.md. FILE is a table of
RecBole, with the columns user_id:token, item_id:token and timestamp:float, such as
ml-100k.inter; without it, synthetic sessions are used. The last item of each user is
held out, and what comes before it is all that is learned from.
"""

import argparse
import csv
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

from skrnn import NextItemRecommender, leave_last_out
from skrnn.datasets import make_sessions
from skrnn.metrics import mrr_at_k, recall_at_k


def read_inter(file):
    """Items of each user in the order of time."""
    sessions = defaultdict(list)
    with open(file, newline="") as opened:
        rows = list(csv.DictReader(opened, delimiter="\t"))
    rows.sort(key=lambda row: float(row["timestamp:float"]))  # keeps the order of ties
    for row in rows:
        sessions[row["user_id:token"]].append(row["item_id:token"])
    return [*sessions.values()]


def most_popular(sessions):
    """All items, the most frequent first."""
    counts = Counter(item for session in sessions for item in session)
    return [item for item, _ in counts.most_common()]


def by_popularity(sessions, contexts, k, new_only=False):
    """Recommend the most frequent items, or of these what a session does not hold."""
    items = most_popular(sessions)
    seen = [set(context) if new_only else set() for context in contexts]
    return [[item for item in items if item not in held][:k] for held in seen]


def by_last_item(sessions, contexts, k, new_only=False):
    """Recommend what followed the last item most often, then what is popular."""
    items, follows = most_popular(sessions), defaultdict(Counter)
    for session in sessions:
        for item, following in pairwise(session):
            follows[item][following] += 1
    found = []
    for context in contexts:
        held = set(context) if new_only else set()
        after = [item for item, _ in follows[context[-1]].most_common()]
        ranked = dict.fromkeys(after + items)  # each once
        found.append([item for item in ranked if item not in held][:k])
    return found


def show(name, y, recommended):
    """Print a row."""
    scores = [recall_at_k(y, recommended, 10), recall_at_k(y, recommended, 20)]
    scores.append(mrr_at_k(y, recommended, 20))
    row = " | ".join(f"{score:.3f}" for score in scores)
    print(f"| {name} | {row} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    sessions = (
        make_sessions(1000, n_items=200, random_state=0)
        if arguments.file is None
        else read_inter(arguments.file)
    )
    train, contexts, y = leave_last_out(sessions)
    print(f"{len(train)} sessions, {len(y)} items held out")
    print("| | Recall@10 | Recall@20 | MRR@20 |\n|---|---:|---:|---:|")
    models = [
        NextItemRecommender(random_state=seed).fit(train)
        for seed in range(arguments.seeds)
    ]
    for new_only in (False, True):
        about = ", new items only" if new_only else ""
        for name, rule in [("popularity", by_popularity), ("last item", by_last_item)]:
            show(name + about, y, rule(train, contexts, 20, new_only))
        for seed, model in enumerate(models):
            recommended = model.recommend(contexts, 20, exclude_seen=new_only)
            show(f"seed {seed}{about}", y, recommended)


if __name__ == "__main__":
    main()
