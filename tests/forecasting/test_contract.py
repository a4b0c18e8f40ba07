"""sktime's own checks on every forecaster: none fails, none is left out."""

import warnings

import pytest
import sktime
from sktime.utils.estimator_checks import check_estimator

from skrnn.forecasting import GRUForecaster, LSTMForecaster, RNNForecaster

N_KINDS = 76  # of sktime 1.2's tests
FIRST = [cls.create_test_instance() for cls in (RNNForecaster, LSTMForecaster)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forecaster", "n_tests"),
    # the cells share all code but a name: one of them with four sets of parameters
    [(GRUForecaster, 1764), *((first, 453) for first in FIRST)],
    ids=["GRU", "RNN", "LSTM"],
)
def test_every_forecaster_passes_every_test_of_sktime(forecaster, n_tests):
    with warnings.catch_warnings():
        # 2026-11-25, sktime 1.2: its tests set remember_data and ask for numpy inputs
        # without an index, both of which warn
        warnings.simplefilter("ignore")
        results = check_estimator(forecaster, raise_exceptions=False, verbose=False)
    assert {name: each for name, each in results.items() if each != "PASSED"} == {}
    kinds = {name.partition("[")[0] for name in results}
    if sktime.__version__.startswith("1.2."):
        assert (len(results), len(kinds)) == (n_tests, N_KINDS)
    assert len(results) >= 0.4 * n_tests


def test_there_are_parameters_for_both_strategies_and_several_losses():
    params = GRUForecaster.get_test_params()
    assert len(params) >= 3
    assert {each.get("strategy", "recursive") for each in params} == {
        "recursive",
        "direct",
    }
    assert len({each.get("loss", "student_t") for each in params}) >= 4


def test_every_capability_that_applies_is_switched_on():
    tags = GRUForecaster().get_tags()
    capable = {
        "multivariate",
        "exogenous",
        "insample",
        "pred_int",
        "pred_int:insample",
        "missing_values",
        "update",
        "categorical_in_X",
        "unequal_length",
        "pretrain",
        "random_state",
    }
    assert all(tags[f"capability:{name}"] for name in capable)
    assert not tags["requires-fh-in-fit"]
