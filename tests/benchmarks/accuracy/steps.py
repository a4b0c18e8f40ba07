"""Accuracy of the default taggers: python steps.py --help.

Activities are those of make_events, a drawing per seed, 150 streams to learn from and
50 to judge. Taggers of words are in texts.py.
"""

import argparse
import json
import time

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import skrnn
from skrnn.datasets import make_events
from skrnn.metrics import flatten_steps, step_accuracy_score

CELLS = ["GRU", "LSTM", "RNN"]
N_AROUND = 5  # steps before and after, for the baselines with windows


def windows(x):
    """Each step beside those around it, (n_steps, 11 * n_features)."""
    padded = np.pad(x, ((N_AROUND, N_AROUND), (0, 0)), mode="edge")
    shifted = [padded[k : k + len(x)] for k in range(2 * N_AROUND + 1)]
    return np.concatenate(shifted, axis=1)


def baseline(model, train, test, see=np.asarray):
    """Share of right steps of a model that sees steps one by one."""
    (X, y), (X_test, y_test) = train, test
    model.fit(np.concatenate([see(x) for x in X]), flatten_steps(y))
    found = model.predict(np.concatenate([see(x) for x in X_test]))
    return np.mean(found == flatten_steps(y_test))


def events(seed):
    X, y = make_events(n_sequences=200, random_state=seed)
    return (X[:150], y[:150]), (X[150:], y[150:])


def report(name, scores, begin):
    seconds = (time.perf_counter() - begin) / len(scores)
    print(f"{name:32} {np.mean(scores):.3f} {min(scores):.3f} {seconds:5.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=CELLS, choices=CELLS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--params", type=json.loads, default={}, help="a JSON object")
    options = parser.parse_args()
    print(f"{'':32}  mean worst")
    models = {
        "logistic regression, one step": (LogisticRegression(), np.asarray),
        "logistic regression, 11 steps": (LogisticRegression(max_iter=999), windows),
        "boosted trees, 11 steps": (HistGradientBoostingClassifier(), windows),
    }
    for name, (model, see) in models.items():
        begin, seeds = time.perf_counter(), range(options.seeds)
        report(name, [baseline(model, *events(s), see) for s in seeds], begin)
    for cell in options.cells:
        for head in ("softmax", "crf"):
            scores, begin = [], time.perf_counter()
            for seed in range(options.seeds):
                train, test = events(seed)
                cls = getattr(skrnn, f"{cell}Tagger")
                model = cls(head=head, random_state=seed, **options.params)
                found = model.fit(*train).predict(test[0])
                scores.append(step_accuracy_score(test[1], found))
            report(f"{cell}Tagger, {head}", scores, begin)


if __name__ == "__main__":
    main()
