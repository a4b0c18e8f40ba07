"""Test accuracy of what needs no network: python simple_models.py --help."""

import argparse

import numpy as np
import sets
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEEDS = {"logistic": 1, "forest": 3, "nearest": 1}  # only a forest draws
NAMES = [name for name in sets.SETS if name not in sets.REGRESSION]


def numbers(X):
    """Seven numbers per feature, whatever the lengths."""
    rows = []
    for x in X:
        changes = np.abs(np.diff(x, axis=0)).mean(axis=0)
        of_all = [x.mean(axis=0), x.std(axis=0), x.min(axis=0), x.max(axis=0)]
        rows.append(np.concatenate([*of_all, x[0], x[-1], changes]))
    return np.array(rows)


def steps(X):
    """The steps as columns, if all sequences have the same number."""
    if len({len(x) for x in X}) > 1:
        return None
    return np.array([np.ravel(x) for x in X])


def score(kind, seed, train, test):
    """Test accuracy of one fit, on rows of numbers."""
    model = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "forest": RandomForestClassifier(random_state=seed),
        "nearest": KNeighborsClassifier(1),
    }[kind]
    return model.fit(*train).score(*test)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=NAMES, choices=NAMES)
    options = parser.parse_args()
    print(f"{'set':22}{'columns':10}" + "".join(f"{kind:>10}" for kind in SEEDS))
    for name in options.sets:
        train, test = sets.load(name)
        for to_rows in (numbers, steps):
            X, X_test = to_rows(train.X), to_rows(test.X)
            if X is None or X_test is None:
                continue
            print(f"{name:22}{to_rows.__name__:10}", end="")
            for kind, n_seeds in SEEDS.items():
                parts = (X, train.y), (X_test, test.y)
                found = [score(kind, seed, *parts) for seed in range(n_seeds)]
                print(f"{np.mean(found):10.3f}", end="", flush=True)
            print()


if __name__ == "__main__":
    main()
