"""Missing values, compared with a plain loop over sequences, features and steps."""

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer

from skrnn import GRUClassifier, GRURegressor, Sequences
from skrnn._missing import fill_values, mask_missing
from skrnn._running import run_module

NAN = math.nan
FILL = np.array([0.5, -7.0, 100.0])


@st.composite
def gappy(draw: Any) -> Sequences:
    """Up to 5 sequences of 0 to 6 steps; each value may be missing."""
    n_features = draw(st.integers(1, 3))
    value = st.just(NAN) | st.integers(-9, 9).map(float)
    step = st.lists(value, min_size=n_features, max_size=n_features)
    X = draw(st.lists(st.lists(step, max_size=6), min_size=1, max_size=5))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    values = np.array([s for x in X for s in x], dtype).reshape(-1, n_features)
    return Sequences(values, np.cumsum([0] + [len(x) for x in X]))


def loop(sequences: Sequences, fill: NDArray[np.float64]) -> list[list[list[float]]]:
    """Go from step to step, with the last value of each feature at hand."""
    X = []
    for x in sequences:
        last = [float(number) for number in fill]
        steps = []
        for step in x.tolist():
            gone = [float(math.isnan(value)) for value in step]
            last = [b if g else v for v, b, g in zip(step, last, gone, strict=False)]
            steps.append(last + gone)
        X.append(steps)
    return X


@given(gappy())
def test_masked_sequences_agree_with_a_loop(sequences: Sequences) -> None:
    fill = FILL[: sequences.n_features]
    masked = mask_missing(sequences, fill)
    assert masked.values.dtype == sequences.values.dtype
    assert [x.tolist() for x in masked] == loop(sequences, fill)


@given(gappy())
def test_fill_values_are_the_means_of_what_was_observed(sequences: Sequences) -> None:
    if not len(sequences.values):
        assert fill_values(sequences).tolist() == [0.0] * sequences.n_features
        return
    imputer = SimpleImputer(keep_empty_features=True).fit(sequences.values)
    np.testing.assert_allclose(fill_values(sequences), imputer.statistics_, atol=1e-6)


def test_the_mean_of_many_float32_steps_is_not_rounded_to_float32() -> None:
    values = np.full((1000, 1), 2.0**24 + 2, dtype=np.float32)
    values[::2] = 2.0**24
    assert fill_values(Sequences(values, [0, 1000])).tolist() == [2.0**24 + 1]


def test_a_value_is_carried_forward_within_its_sequence_only() -> None:
    sequences = Sequences([[1.0], [NAN], [NAN], [4.0], [NAN], [6.0]], [0, 4, 6])
    masked = mask_missing(sequences, np.array([-1.0])).values
    assert masked[:, 0].tolist() == [1.0, 1.0, 1.0, 4.0, -1.0, 6.0]
    assert masked[:, 1].tolist() == [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]


@given(gappy(), st.integers(0, 5))
def test_what_comes_later_is_not_used(sequences: Sequences, n_steps: int) -> None:
    fill = FILL[: sequences.n_features]
    for x, masked in zip(sequences, mask_missing(sequences, fill), strict=True):
        n_first = min(n_steps, len(x))
        first = mask_missing(Sequences(x[:n_first], [0, n_first]), fill)
        np.testing.assert_array_equal(masked[:n_first], first.values)


def test_a_feature_with_nothing_observed_is_zero_and_marked() -> None:
    sequences = Sequences([[NAN, 1.0], [NAN, 2.0]], [0, 2])
    fill = fill_values(sequences)
    assert fill.tolist() == [0.0, 1.5]
    expected = [[0.0, 1.0, 1.0, 0.0], [0.0, 2.0, 1.0, 0.0]]
    assert mask_missing(sequences, fill).values.tolist() == expected


def test_the_values_given_are_not_changed() -> None:
    values = np.array([[NAN], [1.0], [NAN]])
    mask_missing(Sequences(values, [0, 3]), np.array([5.0]))
    np.testing.assert_array_equal(values, [[NAN], [1.0], [NAN]])


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("n_features", [1, 8])
def test_memory_stays_below_three_times_the_result(
    n_features: int, share: float
) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100_000, n_features)).astype(np.float32)
    values[rng.random(values.shape) < share] = NAN
    sequences = Sequences(values, np.arange(0, 100_001, 100))
    tracemalloc.start()
    masked = mask_missing(sequences, fill_values(sequences))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * masked.values.nbytes


# --- as the estimators use it -----------------------------------------------------

SMALL: dict[str, Any] = {"hidden_size": 8, "max_epochs": 3, "random_state": 0}


def make_gappy_waves(n_sequences: int) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """Whether a wave rises: half of its values are missing, its level is far off."""
    rng = np.random.default_rng(0)
    X, y = [], np.arange(n_sequences) % 2
    for rises in y:
        n_steps = rng.integers(8, 16)
        x = np.linspace(-1, 1, n_steps) * (1 if rises else -1)
        x += rng.normal(scale=0.1, size=n_steps)
        x[rng.random(n_steps) < 0.5] = NAN
        X.append(x[:, None])
    return X, y


@pytest.fixture(scope="module")
def fitted() -> GRURegressor:
    X, y = make_gappy_waves(30)
    model = GRURegressor(missing="mask", bidirectional=False, pooling="last", **SMALL)
    return model.fit(X, y)


def test_the_network_sees_what_the_loop_gives(fitted: GRURegressor) -> None:
    X, _ = make_gappy_waves(30)
    steps = np.concatenate(X).astype(np.float32)
    offsets = np.cumsum([0] + [len(x) for x in X])
    means = np.nanmean(steps, axis=0, dtype=np.float64)
    np.testing.assert_allclose(fitted.fill_values_, means)
    seen = np.concatenate(loop(Sequences(steps, offsets), means)).astype(np.float32)
    expected = run_module(fitted.module_, Sequences(seen, offsets), "embedding")
    np.testing.assert_allclose(fitted.transform(X), expected, atol=1e-6)


def test_an_answer_depends_on_a_missing_step_through_earlier_ones_only(
    fitted: GRURegressor,
) -> None:
    def outputs(*values: float) -> Any:
        """Answers for the first step, the first two steps, ..."""
        x = np.array(values)[:, None]
        return fitted.predict([x[: n + 1] for n in range(len(x))])

    before, after = outputs(1.0, NAN, 2.0), outputs(1.0, NAN, -2.0)
    assert before[:2].tolist() == after[:2].tolist()
    assert before[2] != after[2]
    assert outputs(1.0, NAN)[1] != outputs(0.0, NAN)[1]


def test_a_missing_value_is_told_from_the_same_value_observed(
    fitted: GRURegressor,
) -> None:
    observed, missing = fitted.predict([[[1.0], [1.0]], [[1.0], [NAN]]])
    assert observed != missing


def test_a_gru_learns_from_sequences_with_gaps() -> None:
    X, y = make_gappy_waves(160)
    model = GRUClassifier(
        16, missing="mask", max_epochs=15, lr=0.01, random_state=0, device="cpu"
    )
    assert model.fit(X[:100], y[:100]).score(X[100:], y[100:]) > 0.9
