"""scikit-learn's own checks on every class: none fails, none is skipped or excused."""

import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    check_inplace_ensure_writeable,
    check_param_validation,
)

import skrnn

CELLS = ["RNN", "LSTM", "GRU"]
CLASSES = [f"{cell}{task}" for cell in CELLS for task in ("Regressor", "Classifier")]
MORE_CHECKS = [  # run by scikit-learn on its own estimators only
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
]
N_CHECKS = {"regressor": 66, "classifier": 73}  # of scikit-learn 1.9
AT_LEAST = {"regressor": 63, "classifier": 66}  # of any other


def make(name, **params):
    """Small, and quick to learn the checks' data."""
    lr = 0.03 if name.startswith("RNN") else 0.1
    options = {"pooling": "last", "bidirectional": False, "dropout": 0.0, **params}
    cls = getattr(skrnn, name)
    return cls(hidden_size=8, max_epochs=20, lr=lr, device="cpu", **options)


def assert_all_pass(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    found = [
        (result["check_name"], result["status"], result["exception"])
        for result in results
        if result["status"] != "passed"
    ]
    assert found == []  # no failures, skips or expected failures
    task = "classifier" if is_classifier(estimator) else "regressor"
    if sklearn.__version__.startswith("1.9."):
        assert len(results) == N_CHECKS[task]
    assert len(results) >= AT_LEAST[task]


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_passes_every_check_of_scikit_learn(name):
    assert_all_pass(make(name, random_state=0))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LSTMRegressor", "RNNClassifier"])
def test_the_checks_pass_without_a_seed_and_with_other_parts(name):
    assert_all_pass(make(name, bidirectional=True, pooling="concat", dropout=0.1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GRURegressor", "LSTMClassifier", "RNNClassifier"])
def test_the_checks_pass_with_a_stem(name):
    assert_all_pass(make(name, stem=1, random_state=0))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GRURegressor", "LSTMClassifier"])
def test_the_checks_pass_in_double_precision(name):
    assert_all_pass(make(name, dtype="float64", random_state=0))


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("check", MORE_CHECKS, ids=lambda check: check.__name__)
def test_every_class_passes_what_scikit_learn_asks_of_itself(check, name):
    check(name, clone(make(name)).set_params(max_epochs=1))
