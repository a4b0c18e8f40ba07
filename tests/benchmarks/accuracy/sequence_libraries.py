"""Accuracy of recurrent networks of other libraries: python sequence_libraries.py -h.

They are used with their own defaults. None takes sequences of different lengths: zeros
are put after the shorter ones. tsai has no default number of epochs and gets the 100 of
its own examples. It runs in an environment of its own: requirements_sequences.txt.
"""

import argparse
import multiprocessing
import os
import time
import warnings

import numpy as np
import sets
from sklearn.metrics import accuracy_score, root_mean_squared_error

from skrnn import as_sequences

LIMIT = 150.0


def sktime_gru(X, y, seed):
    from sktime.classification.deep_learning import GRUClassifier

    return GRUClassifier(random_state=seed).fit(X, y).predict


def sktime_rnn(X, y, seed):
    if y.dtype == float:
        from sktime.regression.deep_learning.rnn import SimpleRNNRegressorTorch as cls
    else:
        from sktime.classification.deep_learning.rnn import (
            SimpleRNNClassifierTorch as cls,
        )
    return cls(random_state=seed).fit(X, y).predict


def sktime_lstm_fcn(X, y, seed):
    if y.dtype == float:
        from sktime.regression.deep_learning.lstmfcn import LSTMFCNRegressorTorch as cls
    else:
        from sktime.classification.deep_learning.lstmfcn import (
            LSTMFCNClassifierTorch as cls,
        )
    return cls(random_state=seed).fit(X, y).predict


def tsai_network(X, y, seed, arch):
    import tsai.inference  # noqa: F401 (gives networks get_X_preds)
    from tsai.data.core import TSClassification, TSRegression
    from tsai.data.preprocessing import TSStandardize
    from tsai.tslearner import TSClassifier, TSRegressor

    cls, task = TSClassifier, TSClassification()
    if y.dtype == float:
        cls, task = TSRegressor, TSRegression()
    model = cls(
        X.astype(np.float32),
        y,
        splits=(list(range(len(X))), []),
        tfms=[None, task],
        batch_tfms=TSStandardize(),
        arch=arch,
        seed=seed,
        metrics=None,
    )
    with model.no_bar(), model.no_logging():
        model.fit_one_cycle(100, 3e-4)

    def predict(X):
        with model.no_bar():
            found = model.get_X_preds(X.astype(np.float32), bs=len(X))
        return np.asarray(found[2])

    return predict


def tsai_gru(X, y, seed):
    return tsai_network(X, y, seed, "GRU")


def tsai_lstm(X, y, seed):
    return tsai_network(X, y, seed, "LSTM")


def tsai_lstm_fcn(X, y, seed):
    return tsai_network(X, y, seed, "LSTM_FCN")


def aeon_rnn(X, y, seed):
    """It has a regressor only."""
    from aeon.regression.deep_learning import RecurrentRegressor

    return RecurrentRegressor(random_state=seed).fit(X, y).predict


PEERS = [sktime_gru, sktime_rnn, sktime_lstm_fcn, tsai_gru, tsai_lstm, tsai_lstm_fcn]
PEERS = {each.__name__: each for each in (*PEERS, aeon_rnn)}
CLASSIFIERS, REGRESSORS = {"sktime_gru"}, {"aeon_rnn"}


def score(name, peer, seed):
    """Test score and CPU seconds."""
    warnings.simplefilter("ignore")
    train, test = (each._replace(X=as_sequences(each.X)) for each in sets.load(name))
    n_steps = max(part.X.lengths.max() for part in (train, test))
    X, X_test = (
        part.X.to_padded(n_steps=n_steps).swapaxes(1, 2) for part in (train, test)
    )
    begin = time.process_time()
    predict = PEERS[peer](X, train.y, seed)
    y_pred = np.asarray(predict(X_test)).ravel()
    seconds = time.process_time() - begin
    if name in sets.REGRESSION:
        return root_mean_squared_error(test.y, y_pred.astype(float)), seconds
    return accuracy_score(test.y.astype(str), y_pred.astype(str)), seconds


def score_in_time(name, peer, seed, limit):
    """Score of a process of its own, or nothing if it takes too long."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:  # left by terminate
        waiting = pool.apply_async(score, (name, peer, seed))
        try:
            return waiting.get(limit)
        except multiprocessing.TimeoutError:
            return np.nan, np.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=sets.SETS, choices=sets.SETS)
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--limit", type=float, default=LIMIT, help="seconds of a process"
    )
    options = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    print(f"{'set':22}{'peer':18}{'mean':>8}{'worst':>8}{'CPU s':>8}")
    for name in options.sets:
        regression = name in sets.REGRESSION
        for peer in options.peers:
            if peer in (CLASSIFIERS if regression else REGRESSORS):
                continue
            found = np.array(
                [
                    score_in_time(name, peer, seed, options.limit)
                    for seed in range(options.seeds)
                ]
            )
            scores, seconds = found.T
            worst = scores.max() if regression else scores.min()
            print(
                f"{name:22}{peer:18}{scores.mean():8.4f}{worst:8.4f}"
                f"{seconds.mean():8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
