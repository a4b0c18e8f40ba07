"""Accuracy of the default classifiers and regressors: python sequences.py --help."""

import argparse
import json
import time
import warnings

import numpy as np
import sets
from sklearn.base import is_regressor
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold

import skrnn

CELLS = ["GRU", "LSTM"]


def make(name, cell, seed, params):
    kind = "Regressor" if name in sets.REGRESSION else "Classifier"
    return getattr(skrnn, cell + kind)(random_state=seed, **params)


def score(model, train, test):
    """Accuracy, or the root of the mean squared error."""
    y_pred = model.fit(train.X, train.y).predict(test.X)
    if is_regressor(model):
        return root_mean_squared_error(test.y, y_pred)
    return accuracy_score(test.y, y_pred)


def folds(train, name, seed):
    """The train part, split in three: all that decisions may look at."""
    kind = KFold if name in sets.REGRESSION else StratifiedKFold
    splitter = kind(3, shuffle=True, random_state=seed)
    for fit, judge in splitter.split(np.zeros(len(train.y)), train.y):
        yield (sets.Split(train.X[rows], train.y[rows]) for rows in (fit, judge))


def scores(name, cell, options):
    train, test = sets.load(name)
    for seed in range(options.seeds):
        model = make(name, cell, seed, options.params)
        if options.validate:
            parts = folds(train, name, seed)
            yield np.mean([score(model, fit, judge) for fit, judge in parts])
        else:
            yield score(model, train, test)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=sets.SETS, choices=sets.SETS)
    parser.add_argument("--cells", nargs="+", default=CELLS, choices=CELLS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--params", type=json.loads, default={}, help="a JSON object")
    parser.add_argument(
        "--validate", action="store_true", help="cross-validate the train part"
    )
    options = parser.parse_args()
    print(f"{'set':22}{'cell':6}{'mean':>8}{'worst':>8}{'spread':>8}{'CPU s':>8}")
    for name in options.sets:
        for cell in options.cells:
            begin = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = np.array(list(scores(name, cell, options)))
            seconds = (time.process_time() - begin) / options.seeds
            worst = found.max() if name in sets.REGRESSION else found.min()
            print(
                f"{name:22}{cell:6}{found.mean():8.4f}{worst:8.4f}{found.std():8.4f}"
                f"{seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
