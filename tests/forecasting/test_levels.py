"""Levels, scales and candidates, compared with loops written from their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.forecasting._levels import (
    PROFILE_RATE,
    RATES,
    fill_missing,
    n_candidates,
    read_steps,
)

PERIODS = {  # of the profile, for some lags
    (1,): 1,
    (4,): 4,
    (3, 6): 3,
    (12, 24): 12,
    (2, 5, 7): 2,
    (12, 24, 1): 12,
    (2, 4, 10): 10,
    (8, 16, 2): 8,
}
LAGS = list(PERIODS)


def walk(n_steps, n_columns=2, seed=0):
    rng = np.random.default_rng(seed)
    return 5 + rng.normal(size=(n_steps, n_columns)).cumsum(axis=0)


def weighted_mean(values, rate):
    """Mean with weights that fall by 1 - rate from each value to the one before."""
    weights = (1 - rate) ** np.arange(len(values))[::-1]
    return np.average(values, axis=0, weights=weights) if len(values) else None


def reference(y, lags, t):
    """Origin, scale and candidates of step t from the values before it."""
    season, past = lags[0], y[:t]
    rate = 1 / max(4 * season, 32)

    def value(lag):  # before the first value stands the first value
        return y[max(t - lag, 0)] if t - lag >= 0 else y[0]

    def level(end):
        mean = weighted_mean(y[: max(end, 0)], RATES["slow"])
        return y[0] if mean is None else mean

    change = np.abs(np.diff(past, axis=0))
    seasonal = np.abs(past[season:] - past[:-season]) if t > season else past[:0]
    size = weighted_mean(np.abs(past), rate) if t else np.abs(y[0])
    if t < 2:
        scale = 0.1 * size
    else:
        scale = weighted_mean(change, rate)
        if len(seasonal):
            scale = (scale + weighted_mean(seasonal, rate)) / 2
    trend = weighted_mean(np.diff(past, axis=0), RATES["trend"]) if t > 1 else 0 * y[0]
    fast = weighted_mean(past, RATES["fast"]) if t else y[0]
    found = [value(season), fast, level(t), value(1) + trend]
    if season > 1:
        found.append(value(1))
    for place, lag in enumerate(lags):
        if place:
            found.append(value(lag))
        if lag > 1:
            found.append(value(lag) + level(t) - level(t - lag))
    if season > 1:  # how far values at this place of the season were from the level
        period = PERIODS[lags]
        moves = [y[n] - level(n) for n in range(t % period, t, period)]
        usual = weighted_mean(moves, PROFILE_RATE)
        found.append(level(t) + (0 if usual is None else usual))
    return level(t), np.maximum(scale, 1e-4 * size), np.stack(found, axis=-1)


@pytest.mark.parametrize("lags", LAGS)
def test_each_step_is_described_by_what_came_before_it(lags):
    y = walk(40)
    steps, carry = read_steps(y, lags)
    for t in range(40):
        origin, scale, candidates = reference(y, lags, t)
        assert_allclose(steps.origin[t], origin, rtol=1e-10)
        assert_allclose(steps.scale[t], scale, rtol=1e-10)
        assert_allclose(steps.candidates[t], candidates, rtol=1e-10, atol=1e-12)
    assert steps.candidates.shape[-1] == n_candidates(lags)
    assert carry.n_seen == 40


@given(
    n_steps=st.integers(1, 30),
    cuts=st.lists(st.integers(0, 30), max_size=3),
    lags=st.sampled_from(LAGS),
    seed=st.integers(0, 100),
)
@settings(max_examples=50)
def test_a_series_read_in_parts_is_described_like_one_read_at_once(
    n_steps, cuts, lags, seed
):
    y = walk(n_steps, seed=seed)
    whole, end = read_steps(y, lags)
    cuts = sorted({min(cut, n_steps) for cut in cuts} - {0})
    parts, carry = [], None
    for part in np.split(y, cuts):
        if carry is None or len(part):
            steps, carry = read_steps(part, lags, carry)
            parts.append(steps)
    for name in whole._fields:
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert_allclose(joined, getattr(whole, name), rtol=1e-9, atol=1e-12)
    for name in end._fields:
        assert_allclose(getattr(carry, name), getattr(end, name), rtol=1e-9, atol=1e-12)


def test_no_step_knows_its_own_value_or_later_ones():
    y = walk(30)
    changed = y.copy()
    changed[20:] += 100
    steps, other = read_steps(y, (4, 8))[0], read_steps(changed, (4, 8))[0]
    for name in ["candidates", "origin", "scale", "size"]:
        assert_array_equal(getattr(steps, name)[:21], getattr(other, name)[:21])


def test_the_first_candidate_is_the_value_a_season_ago():
    y = walk(30)
    steps, _ = read_steps(y, (7,))
    assert_array_equal(steps.candidates[7:, :, 0], y[:-7])


@pytest.mark.parametrize("factor", [1e-200, 1e-6, 1e9, 1e200])
def test_scaling_a_series_scales_its_description(factor):
    y = walk(30)
    steps, _ = read_steps(y, (4, 8))
    scaled, _ = read_steps(factor * y, (4, 8))
    assert_allclose(scaled.candidates, factor * steps.candidates, rtol=1e-9)
    assert_allclose(scaled.scale, factor * steps.scale, rtol=1e-9)


def test_a_constant_series_has_a_scale_above_zero():
    for level in [0.0, 3.0, -1e6]:
        steps, _ = read_steps(np.full((10, 1), level), (1,))
        assert (steps.scale > 0).all()
        assert_allclose(steps.candidates, level, rtol=1e-12)


def test_a_series_of_zeros_has_the_usual_scale_until_a_value_comes():
    y = np.array([[0.0, 0.0, 0.0, 5.0, 0.0, 0.0]]).T
    steps, _ = read_steps(y, (1,), unit=2.5)
    assert_array_equal(steps.scale[:4], 2.5)
    assert (steps.scale[4:] < 5).all()


def test_a_missing_value_becomes_that_of_a_season_ago():
    y = np.arange(10.0)[:, None]
    y[[6, 9]] = np.nan
    filled, missing = fill_missing(y, 4)
    assert_array_equal(filled.ravel(), [0, 1, 2, 3, 4, 5, 2, 7, 8, 5])
    assert_array_equal(np.flatnonzero(missing), [6, 9])


def test_missing_values_before_the_first_season_become_the_last_or_the_first():
    y = np.array([[np.nan, np.nan, 2.0, np.nan, 4.0]]).T
    filled, _ = fill_missing(y, 12)
    assert_array_equal(filled.ravel(), [2, 2, 2, 2, 4])


def test_a_series_without_any_value_becomes_zeros():
    filled, missing = fill_missing(np.full((3, 2), np.nan), 1)
    assert_array_equal(filled, 0)
    assert missing.all()


@given(seed=st.integers(0, 1000), cut=st.integers(1, 19), season=st.integers(1, 8))
@settings(max_examples=50)
def test_missing_values_are_filled_alike_in_parts_and_at_once(seed, cut, season):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(20, 2))
    y[rng.random(y.shape) < 0.3] = np.nan
    y[0] = 1.0
    whole, _ = fill_missing(y, season)
    first, _ = fill_missing(y[:cut], season)
    _, carry = read_steps(first, (season, 9))
    second, _ = fill_missing(y[cut:], season, carry)
    assert_array_equal(np.concatenate([first, second]), whole)
