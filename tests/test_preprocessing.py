"""SequenceScaler, compared with scikit-learn's scalers on the stacked steps."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from skrnn import Sequences, SequenceScaler

SKLEARN = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}
METHODS = sorted(SKLEARN)


@pytest.fixture
def ragged() -> list[NDArray[np.float64]]:
    """Sequences of 3 features of very different size; some values are missing."""
    rng = np.random.default_rng(0)
    size, level = np.array([1.0, 1e3, 1e-4]), np.array([0.0, 1e5, -1.0])
    X = [
        level + size * rng.normal(size=(n, 3)) ** 3 for n in rng.integers(5, 20, size=9)
    ]
    for x in X:
        x[1, 0] = x[3, 1] = np.nan
    return X


@pytest.mark.parametrize(
    "parameters",
    [
        {"method": method, "per": per}
        for method in METHODS
        for per in ("feature", "sequence")
    ],
    ids=lambda parameters: "-".join(parameters.values()),
)
def test_all_of_scikit_learns_checks_pass(parameters: dict[str, Any]) -> None:
    scaler = SequenceScaler(**parameters)
    results = check_estimator(scaler, on_fail=None, on_skip=None)
    not_passed = [r["check_name"] for r in results if r["status"] != "passed"]
    assert not_passed == []
    assert len(results) >= 45  # a wrong tag would silently remove checks


@pytest.mark.parametrize("method", METHODS)
def test_features_are_scaled_as_scikit_learn_scales_stacked_steps(
    ragged: list[NDArray[np.float64]], method: Any
) -> None:
    expected = SKLEARN[method]().fit(np.concatenate(ragged))
    scaled = SequenceScaler(method).fit_transform(ragged)
    for found, x in zip(scaled, ragged, strict=True):
        np.testing.assert_allclose(found, expected.transform(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_sequences_are_scaled_as_scikit_learn_scales_each(
    ragged: list[NDArray[np.float64]], method: Any
) -> None:
    scaled = SequenceScaler(method, per="sequence").fit_transform(ragged)
    for found, x in zip(scaled, ragged, strict=True):
        expected = SKLEARN[method]().fit_transform(x)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_statistics_are_those_of_all_steps(ragged: list[NDArray[np.float64]]) -> None:
    steps = np.concatenate(ragged)
    scaler = SequenceScaler().fit(ragged)
    np.testing.assert_allclose(scaler.loc_, np.nanmean(steps, axis=0))
    np.testing.assert_allclose(scaler.scale_, np.nanstd(steps, axis=0))


@pytest.mark.parametrize("per", ["feature", "sequence"])
def test_missing_values_stay_missing(
    ragged: list[NDArray[np.float64]], per: Any
) -> None:
    scaled = SequenceScaler(per=per).fit_transform(ragged)
    for found, x in zip(scaled, ragged, strict=True):
        np.testing.assert_array_equal(np.isnan(found), np.isnan(x))


@pytest.mark.parametrize("per", ["feature", "sequence"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("constant", [0.0, 0.1, -3e30, 7e-30])
def test_a_constant_feature_becomes_zero(
    method: Any, per: Any, constant: float
) -> None:
    X = [np.full((n, 1), constant) for n in (3, 10, 7)]
    scaled = SequenceScaler(method, per=per).fit_transform(X)
    np.testing.assert_array_equal(np.concatenate(scaled), 0.0)


def test_a_constant_feature_has_scale_one() -> None:
    scaler = SequenceScaler().fit(np.full((4, 5), 0.1))
    assert scaler.scale_.tolist() == [1.0]


@pytest.mark.parametrize("method", METHODS)
def test_a_feature_that_varies_by_rounding_only_has_scale_one(method: Any) -> None:
    scaler = SequenceScaler(method).fit([[0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3]])
    assert scaler.scale_.tolist() == [1.0]


@pytest.mark.parametrize("method", METHODS)
def test_a_feature_without_values_is_left_as_it_is(method: Any) -> None:
    scaler = SequenceScaler(method).fit(np.full((4, 5), np.nan))
    assert scaler.transform([[3.0] * 5]).tolist() == [[3.0] * 5]


@pytest.mark.parametrize("per", ["feature", "sequence"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("power", [-30, 30])
def test_the_unit_of_a_feature_does_not_matter(
    method: Any, per: Any, dtype: Any, power: int
) -> None:
    X = np.random.default_rng(0).normal(size=(6, 20, 1))
    scaler = SequenceScaler(method, per=per)
    expected = scaler.fit_transform(X)
    scaled = scaler.fit_transform((X * 10.0**power).astype(dtype))
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("power", [-300, 300])
def test_squares_do_not_leave_the_range_of_floats(power: int) -> None:
    X = np.array([[1.0, 2.0, 4.0, 5.0]]) * 10.0**power
    expected = StandardScaler().fit_transform([[1.0], [2.0], [4.0], [5.0]])
    np.testing.assert_allclose(SequenceScaler().fit_transform(X).T, expected)


@pytest.mark.parametrize("n_steps", [100, 200_000])
def test_a_small_spread_far_from_zero_is_exact(n_steps: int) -> None:
    signs = np.random.default_rng(0).permutation(np.tile([-1.0, 1.0], n_steps // 2))
    X = 1.1 + np.stack([signs, -signs], axis=1)[None] * 2**-40
    scaler = SequenceScaler().fit(X)
    np.testing.assert_allclose(scaler.scale_, 2**-40, rtol=1e-3)
    np.testing.assert_allclose(scaler.loc_, 1.1, atol=2**-50, rtol=0)


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.integers(1, 3)),
        elements=st.just(np.nan) | st.integers(-5, 5).map(float),
    )
)
def test_quartiles_agree_with_numpy(steps: NDArray[np.float64]) -> None:
    steps[-1] = 1.0  # a feature without values is another test
    low, middle, high = np.nanpercentile(steps, [25, 50, 75], axis=0)
    scaler = SequenceScaler("robust").fit([steps])
    np.testing.assert_allclose(scaler.loc_, middle)
    expected = np.where(high > low, high - low, 1.0)
    np.testing.assert_allclose(scaler.scale_, expected)


def test_an_outlier_leaves_the_robust_scale_alone() -> None:
    X = np.array([[0.0, 1.0, 2.0, 3.0, 1e30]])
    scaler = SequenceScaler("robust").fit(X)
    assert (scaler.loc_[0], scaler.scale_[0]) == (2.0, 2.0)


@pytest.mark.parametrize("per", ["feature", "sequence"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tiny", [1e-298, 1e-310, 1e-40])
def test_a_spread_that_is_nothing_beside_an_outlier_leads_to_no_infinity(
    tiny: float, dtype: Any, method: Any, per: Any
) -> None:
    X = np.array([[7.4e9, 1.0, tiny, *[0.0] * 6]]).astype(dtype)
    assert np.isfinite(SequenceScaler(method, per=per).fit_transform(X)).all()


def test_a_spread_that_is_nothing_beside_an_outlier_has_scale_one() -> None:
    X = [[7.4e9, 1.0, 1.6e-298, *[0.0] * 6]]
    assert SequenceScaler("robust").fit(X).scale_.tolist() == [1.0]


def test_minmax_reaches_exactly_zero_and_one(
    ragged: list[NDArray[np.float64]],
) -> None:
    steps = np.concatenate(SequenceScaler("minmax").fit_transform(ragged))
    np.testing.assert_array_equal(np.nanmin(steps, axis=0), 0.0)
    np.testing.assert_array_equal(np.nanmax(steps, axis=0), 1.0)


@settings(deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3)),
        elements=st.floats(-1e100, 1e100),
    ),
    st.sampled_from(METHODS),
)
def test_inverse_transform_undoes_transform(
    X: NDArray[np.float64], method: Any
) -> None:
    scaler = SequenceScaler(method).fit(X)
    back = scaler.inverse_transform(scaler.transform(X))
    largest = np.abs(X).max(axis=(0, 1)) + np.abs(scaler.loc_)
    assert (np.abs(back - X) <= 1e-12 * largest).all()


@pytest.mark.parametrize("per", ["feature", "sequence"])
@pytest.mark.parametrize("method", METHODS)
def test_a_sequence_is_scaled_alike_alone_and_in_company(
    ragged: list[NDArray[np.float64]], method: Any, per: Any
) -> None:
    scaler = SequenceScaler(method, per=per).fit(ragged)
    for found, x in zip(scaler.transform(ragged), ragged, strict=True):
        np.testing.assert_array_equal(scaler.transform([x])[0], found)


def test_a_table_stays_a_table() -> None:
    table = np.random.default_rng(0).normal(size=(4, 6))
    scaled = SequenceScaler().fit_transform(table)
    np.testing.assert_allclose(scaled, (table - table.mean()) / table.std())


def test_a_time_major_table_is_scaled_like_its_panel() -> None:
    panel = np.random.default_rng(0).normal(size=(4, 6, 3)) * [1.0, 10.0, 100.0]
    table = panel.reshape(4, 18)
    scaled = SequenceScaler(features_per_step=3).fit_transform(table)
    expected = SequenceScaler().fit_transform(panel)
    np.testing.assert_array_equal(scaled, expected.reshape(4, 18))


def test_a_panel_stays_a_panel() -> None:
    scaled = SequenceScaler().fit_transform(np.zeros((4, 6, 3)))
    assert scaled.shape == (4, 6, 3)


def test_a_list_stays_a_list_of_2d_arrays(ragged: list[NDArray[np.float64]]) -> None:
    scaled = SequenceScaler().fit_transform(ragged)
    assert isinstance(scaled, list)
    assert [x.shape for x in scaled] == [x.shape for x in ragged]


def test_an_empty_selection_keeps_its_form() -> None:
    scaler = SequenceScaler().fit(np.zeros((4, 5, 3)))
    assert scaler.transform([]) == []
    assert scaler.transform(np.zeros((0, 5, 3))).shape == (0, 5, 3)


def test_listed_1d_arrays_stay_1d() -> None:
    scaled = SequenceScaler("minmax").fit_transform([np.arange(3.0), np.arange(5.0)])
    assert [x.tolist() for x in scaled] == [[0, 0.25, 0.5], [0, 0.25, 0.5, 0.75, 1]]


@pytest.mark.parametrize("lengths", [(3, 3), (3, 5)])
def test_an_object_array_stays_an_object_array(lengths: tuple[int, int]) -> None:
    X = np.empty(2, dtype=object)
    for index, length in enumerate(lengths):
        X[index] = np.arange(2.0 * length).reshape(length, 2)
    scaled = SequenceScaler().fit_transform(X)
    assert (type(scaled), scaled.dtype, scaled.shape) == (np.ndarray, object, (2,))
    assert [x.shape for x in scaled] == [(length, 2) for length in lengths]


def test_sequences_stay_sequences() -> None:
    X = Sequences(np.arange(10.0).reshape(5, 2), [0, 3, 5], ["speed", "load"])
    scaled = SequenceScaler().fit_transform(X)
    assert isinstance(scaled, Sequences)
    assert scaled.lengths.tolist() == [3, 2]
    assert scaled.feature_names == ("speed", "load")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type(dtype: Any) -> None:
    scaler = SequenceScaler().fit(np.arange(6.0).reshape(2, 3, 1))
    X = np.arange(6).reshape(2, 3, 1).astype(dtype)
    assert scaler.transform(X).dtype == dtype
    assert scaler.inverse_transform(X).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float16, np.int64, bool])
def test_other_numbers_become_float64(dtype: Any) -> None:
    X = np.eye(3).astype(dtype)
    assert SequenceScaler().fit_transform(X).dtype == np.float64


@pytest.mark.parametrize("per", ["feature", "sequence"])
def test_the_data_given_are_not_changed(per: Any) -> None:
    X = np.arange(6.0).reshape(2, 3, 1)
    before = X.copy()
    scaler = SequenceScaler(per=per).fit(X)
    scaler.transform(X)
    np.testing.assert_array_equal(X, before)


def test_per_sequence_has_no_inverse(ragged: list[NDArray[np.float64]]) -> None:
    scaler = SequenceScaler(per="sequence").fit(ragged)
    assert not hasattr(scaler, "inverse_transform")
    with pytest.raises(AttributeError) as error:
        scaler.inverse_transform(ragged)
    assert "needs per='feature'" in str(error.value.__cause__)


def test_per_sequence_keeps_no_statistics_of_an_earlier_fit() -> None:
    scaler = SequenceScaler().fit(np.eye(3))
    scaler.set_params(per="sequence").fit(np.eye(3))
    assert not hasattr(scaler, "loc_")
    assert not hasattr(scaler, "scale_")


def test_a_pipeline_scales_and_unscales() -> None:
    X = np.arange(6.0).reshape(2, 3)
    pipeline = make_pipeline(SequenceScaler("minmax"), SequenceScaler())
    np.testing.assert_allclose(pipeline.inverse_transform(pipeline.fit_transform(X)), X)


def test_an_ordinary_regressor_learns_from_scaled_tables() -> None:
    X = np.random.default_rng(0).normal(5.0, 3.0, size=(20, 4))
    y = X.sum(axis=1)
    model = make_pipeline(SequenceScaler(), LinearRegression()).fit(X, y)
    assert model.score(X, y) == pytest.approx(1.0)


def test_set_output_gives_frames_for_tables() -> None:
    frame = pd.DataFrame({"t0": [1.0, 2.0], "t1": [3.0, 4.0]}, index=["a", "b"])
    scaled = SequenceScaler().set_output(transform="pandas").fit_transform(frame)
    assert isinstance(scaled, pd.DataFrame)
    assert (list(scaled.columns), list(scaled.index)) == (["t0", "t1"], ["a", "b"])


def test_set_output_leaves_other_forms_alone(
    ragged: list[NDArray[np.float64]],
) -> None:
    scaler = SequenceScaler().set_output(transform="pandas")
    assert isinstance(scaler.fit_transform(ragged), list)


def test_names_are_those_of_columns_or_of_the_features_of_a_step(
    ragged: list[NDArray[np.float64]],
) -> None:
    features = [f"x{i}" for i in range(ragged[0].shape[1])]
    named = Sequences.from_arrays(ragged, feature_names=["p", "q", "r"])
    for X, names in [
        (np.eye(2), ["x0", "x1"]),
        (np.zeros((2, 3, 4)), ["x0", "x1", "x2", "x3"]),
        (ragged, features),
        (named, ["p", "q", "r"]),
    ]:
        assert SequenceScaler().fit(X).get_feature_names_out().tolist() == names


def test_only_tables_become_frames(ragged: list[NDArray[np.float64]]) -> None:
    frame = pd.DataFrame(np.eye(3), columns=["t0", "t1", "t2"])
    scaler = SequenceScaler().set_output(transform="pandas")
    for X in (frame, ragged, np.zeros((2, 3, 4)), frame):
        assert isinstance(scaler.fit_transform(X), type(X))
        assert isinstance(pickle.loads(pickle.dumps(scaler)).transform(X), type(X))


def test_pickle_and_clone_keep_the_behaviour(
    ragged: list[NDArray[np.float64]],
) -> None:
    scaler = SequenceScaler("robust").fit(ragged)
    expected = scaler.transform(ragged)
    for other in (pickle.loads(pickle.dumps(scaler)), clone(scaler).fit(ragged)):
        for found, x in zip(other.transform(ragged), expected, strict=True):
            np.testing.assert_array_equal(found, x)


def test_nothing_is_transformed_before_fit() -> None:
    with pytest.raises(NotFittedError):
        SequenceScaler().transform(np.eye(3))


def test_another_number_of_features_is_refused() -> None:
    scaler = SequenceScaler().fit(np.zeros((4, 5, 3)))
    with pytest.raises(ValueError, match="X has 2 features per step, but SequenceSca"):
        scaler.transform(np.zeros((4, 5, 2)))


def test_infinity_is_refused() -> None:
    with pytest.raises(ValueError, match="Input X contains infinity"):
        SequenceScaler().fit([[1.0, np.inf]])


@pytest.mark.parametrize(
    "parameters", [{"method": "max"}, {"per": "step"}, {"features_per_step": 0}]
)
def test_wrong_parameters_are_named(parameters: dict[str, Any]) -> None:
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter of SequenceScaler"):
        SequenceScaler(**parameters).fit(np.eye(3))
