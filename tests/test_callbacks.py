"""scikit-learn's own callbacks (from 1.9), set by ``set_callbacks``."""

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrnn import GRUClassifier, LSTMRegressor, SequenceScaler
from skrnn.datasets import make_waves

X, y = make_waves(n_sequences=48, n_steps=12, ragged=True, random_state=0)
SMALL = {"hidden_size": 4, "max_epochs": 4, "random_state": 0, "device": "cpu"}


class Listener:
    """Notes what it is told; every estimator inside is told to it, too."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.heard = []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.heard.append((context.estimator_name, context.task_name, "begins"))
        self.data = X, y

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.heard.append((context.estimator_name, context.task_name, "ends"))
        self.metadata = metadata
        return context.task_name == "epoch" and context.task_id == self.stop_after


def told(name, n_epochs):
    """What is told of a fit and its epochs."""
    epochs = [(name, "epoch", "begins"), (name, "epoch", "ends")] * n_epochs
    return [(name, "fit", "begins"), *epochs, (name, "fit", "ends")]


def test_scores_of_epochs_are_those_of_shorter_fits():
    monitor = ScoringMonitor(scoring="neg_log_loss")
    model = GRUClassifier(**SMALL, lr_schedule="constant")
    model.set_callbacks(monitor).fit(X, y)
    found = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    shorter = [
        clone(model).set_callbacks().set_params(max_epochs=n).fit(X, y)
        for n in (1, 2, 3, 4)
    ]
    expected = [-log_loss(y, each.predict_proba(X)) for each in shorter]
    assert [row["neg_log_loss"] for row in found] == expected


@pytest.mark.parametrize("warm_start", [False, True])
def test_listening_changes_no_prediction(warm_start):
    alone, heard = (LSTMRegressor(**SMALL, warm_start=warm_start) for _ in range(2))
    heard.set_callbacks(ScoringMonitor(scoring="r2"))
    for _ in range(2):
        for model in (alone, heard):
            model.fit(X, np.arange(48.0))
    assert_array_equal(alone.predict(X), heard.predict(X))


def test_a_listener_hears_of_the_fit_and_of_each_epoch():
    listener = Listener()
    weights = np.linspace(1, 2, 48)
    GRUClassifier(**SMALL).set_callbacks(listener).fit(X, y, sample_weight=weights)
    assert listener.heard == ["setup", *told("GRUClassifier", 4), "teardown"]
    assert listener.data == (X, y)
    assert listener.metadata == {"sample_weight": weights}


def test_a_listener_can_end_training():
    listener = Listener(stop_after=1)
    model = GRUClassifier(**SMALL, lr_schedule="constant").set_callbacks(listener)
    shorter = GRUClassifier(**{**SMALL, "max_epochs": 2}, lr_schedule="constant")
    assert model.fit(X, y).n_iter_ == 2
    assert_array_equal(model.predict_proba(X), shorter.fit(X, y).predict_proba(X))


def test_epochs_end_where_early_stopping_ends_them():
    listener = Listener()
    model = GRUClassifier(**{**SMALL, "max_epochs": 50, "lr": 0.3})
    model.set_params(early_stopping=True, n_iter_no_change=1)
    model.set_callbacks(listener).fit(X, y)
    assert 1 < model.n_iter_ < 50
    assert listener.heard[1:-1] == told("GRUClassifier", model.n_iter_)


def test_a_search_tells_of_the_epochs_inside():
    listener = Listener()
    model = make_pipeline(SequenceScaler(), GRUClassifier(**SMALL))
    search = GridSearchCV(model, {"gruclassifier__hidden_size": [2, 3]}, cv=2)
    search.set_callbacks(listener).fit(X, y)
    heard = listener.heard
    assert heard.count(("GRUClassifier", "epoch", "ends")) == (2 * 2 + 1) * 4
    assert heard.count(("SequenceScaler", "fit", "ends")) == 2 * 2 + 1
    assert heard[0] == "setup"
    assert heard[-1] == "teardown"
    assert "_parent_callback_ctx" not in vars(search.best_estimator_[-1])


def test_a_failing_fit_tells_that_it_is_over_and_keeps_the_model():
    listener = Listener()
    model = GRUClassifier(**SMALL).fit(X, y)
    before = model.predict_proba(X)
    model.set_callbacks(listener)
    with pytest.raises(ValueError, match="NaN"):
        model.fit([each * np.nan for each in X], y)
    assert listener.heard == ["setup", ("GRUClassifier", "fit", "begins"), "teardown"]
    assert not {name for name in vars(model) if "callback_" in name}
    assert_array_equal(model.predict_proba(X), before)


def test_a_fitted_model_does_not_keep_the_data():
    class Data(list):
        """A list that can be referred to weakly."""

    mine = Data(X)
    gone = weakref.ref(mine)
    monitor = ScoringMonitor(scoring="accuracy")
    model = GRUClassifier(**SMALL).set_callbacks(monitor).fit(mine, y)
    del mine
    gc.collect()
    assert gone() is None
    assert [name for name, _ in model.net_.callbacks_ if "task" in name] == []
