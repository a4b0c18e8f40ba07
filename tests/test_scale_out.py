"""Searches on engines with several processes: results are those of a serial one."""

import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from sktime.datasets import load_airline
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.split import SlidingWindowSplitter

from skrnn import GRUClassifier
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster

SMALL = {"hidden_size": 4, "max_epochs": 3, "random_state": 0, "device": "cpu"}
GRID = {"hidden_size": [2, 3], "lr": [0.001, 0.01]}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two processes of one thread each."""
    folder = str(tmp_path_factory.mktemp("dask"))
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        LocalCluster(**options, local_directory=folder) as cluster,
        Client(cluster) as client,
    ):
        yield client


def search_waves(**options):
    X, y = make_waves(n_sequences=48, n_steps=12, ragged=True, random_state=0)
    model = options.pop("model", GRUClassifier(**SMALL))
    search = GridSearchCV(model, options.pop("grid", GRID), cv=3, **options)
    return search.fit(X, y), X


def assert_same_search(ours, theirs, X):
    for name in ("params", "mean_test_score", "rank_test_score"):
        assert_array_equal(ours.cv_results_[name], theirs.cv_results_[name])
    assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.slow
def test_a_search_in_other_processes_finds_what_it_finds_alone():
    alone, X = search_waves()
    with joblib.parallel_config("loky", n_jobs=2):
        assert_same_search(search_waves()[0], alone, X)


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_a_search_on_a_cluster_finds_what_it_finds_alone():
    alone, X = search_waves()
    with joblib.parallel_config("dask"):
        assert_same_search(search_waves()[0], alone, X)


@pytest.mark.slow
@pytest.mark.usefixtures("client")
# 2026-11-25, sktime 1.2: its own forecasters warn of a default that will change
@pytest.mark.filterwarnings("default:The default of config:FutureWarning")
def test_a_search_over_forecasters_on_a_cluster_finds_what_it_finds_alone():
    y = load_airline()[:80]
    splitter = SlidingWindowSplitter([1, 2], window_length=60, step_length=9)
    params = {**SMALL, "n_estimators": 1}
    found = []
    for backend in (None, "dask"):
        grid = {"hidden_size": [2, 3]}
        search = ForecastingGridSearchCV(
            GRUForecaster(**params),
            splitter,
            grid,
            backend=backend,
            error_score="raise",
        )
        found.append(search.fit(y, fh=[1, 2]))
    alone, spread = found
    assert alone.best_params_ == spread.best_params_
    assert_array_equal(alone.predict(), spread.predict())


class Slow(GRUClassifier):
    """Takes long enough to be killed."""

    def fit(self, X, y):
        time.sleep(0.3)
        return super().fit(X, y)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing(client):
    """Its fits are done again, by the other one or by its successor."""
    alone, X = search_waves(model=Slow(**SMALL))
    victim = min(client.run(os.getpid).values())

    def kill():
        time.sleep(1.0)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    with joblib.parallel_config("dask"):
        killer.start()
        spread, _ = search_waves(model=Slow(**SMALL))
    killer.join()
    assert_same_search(spread, alone, X)
    assert np.isfinite(spread.cv_results_["mean_test_score"]).all()
    client.wait_for_workers(2, timeout=60)
    assert victim not in client.run(os.getpid).values()
