"""The synthetic data, compared with what their texts say."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrnn.datasets import (
    make_adding_problem,
    make_copy_memory,
    make_dates,
    make_events,
    make_sessions,
    make_waves,
)


def make_equal_events(random_state: Any) -> tuple[Any, Any]:
    """Streams whose lengths are equal, so that arrays can be compared."""
    X, y = make_events(n_sequences=20, n_steps=20, random_state=random_state)
    return (np.stack([x[:10] for x in X]), np.stack([labels[:10] for labels in y]))


def make_equal_sessions(random_state: Any) -> tuple[Any, Any]:
    """Sessions of one length, as two arrays."""
    sessions = make_sessions(20, n_steps=20, random_state=random_state)
    items = np.stack([session[:10] for session in sessions])
    return items, np.array([len(session) for session in sessions])


MAKERS = [
    make_adding_problem,
    make_copy_memory,
    make_equal_events,
    make_equal_sessions,
    make_waves,
]


@pytest.mark.parametrize("n_steps", [2, 3, 20])
def test_each_half_of_an_adding_problem_has_one_mark(n_steps: int) -> None:
    X, _ = make_adding_problem(n_steps=n_steps, random_state=0)
    half = n_steps // 2
    np.testing.assert_array_equal(X[:, :half, 1].sum(axis=1), 1.0)
    np.testing.assert_array_equal(X[:, half:, 1].sum(axis=1), 1.0)


def test_the_target_of_the_adding_problem_is_the_sum_of_marked_values() -> None:
    X, y = make_adding_problem(random_state=0)
    marked = (X[:, :, 0] * X[:, :, 1]).sum(axis=1)
    np.testing.assert_allclose(y, 0.5 + marked / 4)


def test_the_mean_has_the_error_that_the_adding_problem_promises() -> None:
    _, y = make_adding_problem(n_sequences=100_000, n_steps=4, random_state=0)
    assert y.mean() == pytest.approx(0.5, abs=0.005)
    assert y.var() == pytest.approx(1 / 24, rel=0.02)


def test_all_steps_of_the_adding_problem_get_marked() -> None:
    X, _ = make_adding_problem(n_sequences=1000, n_steps=7, random_state=0)
    assert (X[:, :, 1].sum(axis=0) > 0).all()


@pytest.mark.parametrize("n_steps", [0, 1, 30])
def test_the_copy_memory_asks_for_the_symbols_of_the_first_steps(n_steps: int) -> None:
    X, y = make_copy_memory(50, n_steps, n_copied=4, n_symbols=3, random_state=0)
    assert X.shape == (50, 4 + n_steps, 3)
    np.testing.assert_array_equal(X[:, :4], y.reshape(50, 4, 3))
    np.testing.assert_array_equal(X[:, :4].sum(axis=2), 1.0)
    assert not X[:, 4:].any()


def test_symbols_of_the_copy_memory_are_equally_frequent() -> None:
    _, y = make_copy_memory(2000, n_copied=5, n_symbols=4, random_state=0)
    assert y.mean(axis=0) == pytest.approx(np.full(20, 0.25), abs=0.05)


def test_the_class_of_a_wave_is_its_frequency() -> None:
    X, y = make_waves(n_sequences=12, n_steps=300, noise=0.0, random_state=0)
    power = np.abs(np.fft.rfft(X[:, :, 0], axis=1))
    frequency = np.fft.rfftfreq(300)[power.argmax(axis=1)]
    np.testing.assert_allclose(frequency, 0.05 + 0.2 * y / 3, atol=1 / 300)


def test_noise_has_the_deviation_asked_for() -> None:
    noisy, _ = make_waves(n_sequences=1000, noise=0.5, random_state=0)
    clean, _ = make_waves(n_sequences=1000, noise=0.0, random_state=0)
    assert (noisy - clean).std() == pytest.approx(0.5, rel=0.02)


def test_classes_are_shared_out_evenly() -> None:
    _, y = make_waves(n_sequences=30, n_classes=4, random_state=0)
    assert sorted(np.bincount(y)) == [7, 7, 8, 8]


def test_ragged_waves_have_all_lengths_from_half_to_whole() -> None:
    X, _ = make_waves(n_sequences=300, n_steps=7, ragged=True, random_state=0)
    assert {x.shape for x in X} == {(4, 1), (5, 1), (6, 1), (7, 1)}


def test_ragged_waves_are_beginnings_of_the_whole_ones() -> None:
    ragged, y = make_waves(ragged=True, random_state=3)
    whole, same = make_waves(random_state=3)
    np.testing.assert_array_equal(y, same)
    for beginning, x in zip(ragged, whole, strict=True):
        np.testing.assert_array_equal(beginning, x[: len(beginning)])


def test_activities_last_for_5_to_20_steps_and_follow_the_rules() -> None:
    X, y = make_events(n_sequences=300, n_steps=60, random_state=0)
    assert {len(x) for x in X} == set(range(30, 61))
    assert [len(labels) for labels in y] == [len(x) for x in X]
    follows, lasting = set(), set()
    for labels in y:
        changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
        follows |= {(str(labels[k - 1]), str(labels[k])) for k in changes}
        lasting |= set(np.diff(changes).tolist())  # begun and ended in the stream
    back = {("walk", "rest"), ("walk", "run")}
    assert follows == back | {(other, one) for one, other in back}
    assert lasting == set(range(5, 21))


def test_activities_differ_in_how_fast_and_how_far_the_sensor_swings() -> None:
    X, y = make_events(n_sequences=50, noise=0.0, random_state=0)
    height = {"rest": 0.3, "walk": 1.0, "run": 1.0}
    cycles = {"rest": 0.02, "walk": 0.08, "run": 0.16}
    for x, labels in zip(X, y, strict=True):
        expected = [height[label] for label in labels.tolist()]
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), expected)
        turned = np.diff(np.unwrap(np.arctan2(x[:, 0], x[:, 1]))) / (2 * np.pi)
        expected = [cycles[label] for label in labels[1:].tolist()]
        np.testing.assert_allclose(turned, expected)


@pytest.mark.parametrize("n_items", [10, 13, 50])
def test_items_follow_in_five_circles_two_steps_later(n_items: int) -> None:
    sessions = make_sessions(2000, n_items, noise=0.0, random_state=0)
    assert {len(session) for session in sessions} == set(range(10, 21))
    after: dict[int, set[int]] = {}
    for session in sessions:
        for item, other in zip(session, session[2:], strict=False):
            after.setdefault(item, set()).add(other)
    assert sorted(after) == [*range(n_items)]
    assert all(len(others) == 1 for others in after.values())
    circles = set()
    for item in range(n_items):
        circle, other = {item}, min(after[item])
        while other != item:
            circle.add(other)
            other = min(after[other])
        circles.add(frozenset(circle))
    assert len(circles) == 5
    sizes = [len(circle) for circle in circles]
    assert max(sizes) - min(sizes) <= 1
    for session in sessions:
        own = [next(c for c in circles if session[turn] in c) for turn in (0, 1)]
        assert own[0] != own[1]


def test_the_last_item_of_a_session_tells_no_more_than_another_circle() -> None:
    sessions = make_sessions(4000, 10, noise=0.0, random_state=0)
    pairs = np.zeros((10, 10))
    for session in sessions:
        np.add.at(pairs, (session[:-1], session[1:]), 1)
    shares = pairs / pairs.sum(axis=1, keepdims=True)
    assert (np.sort(shares, axis=1)[:, :2] == 0).all()  # itself, and its own circle
    assert shares.max() < 0.3


def test_noise_of_sessions_is_the_share_of_other_items() -> None:
    noisy = make_sessions(2000, noise=0.3, random_state=0)
    clean = make_sessions(2000, noise=0.0, random_state=0)
    after = {}
    for session in clean:
        after |= zip(session, session[2:], strict=False)
    kept = [
        after[item] == other
        for session in noisy
        for item, other in zip(session, session[2:], strict=False)
    ]
    assert np.mean(kept) == pytest.approx(0.7**2, abs=0.03)


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_seed_gives_the_same_data(make: Callable[..., Any]) -> None:
    for first, second in zip(make(random_state=1), make(random_state=1), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("make", MAKERS)
def test_another_seed_gives_other_data(make: Callable[..., Any]) -> None:
    assert (make(random_state=1)[0] != make(random_state=2)[0]).any()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
def test_generators_are_accepted(make: Callable[..., Any], kind: Any) -> None:
    first, second = make(random_state=kind(0))[0], make(random_state=kind(0))[0]
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("make", MAKERS)
def test_a_seed_leaves_the_global_state_alone(make: Callable[..., Any]) -> None:
    np.random.seed(0)  # the global generator is what is tested
    expected = np.random.random()
    np.random.seed(0)
    make(random_state=5)
    assert np.random.random() == expected


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (make_adding_problem, "n_sequences", 0),
        (make_adding_problem, "n_steps", 1),
        (make_adding_problem, "random_state", "seed"),
        (make_copy_memory, "n_copied", 0),
        (make_copy_memory, "n_steps", -1),
        (make_copy_memory, "n_symbols", 1),
        (make_events, "n_steps", 1),
        (make_events, "noise", -0.1),
        (make_sessions, "n_items", 9),
        (make_sessions, "noise", 1.5),
        (make_sessions, "n_sessions", 0),
        (make_sessions, "n_steps", 1),
        (make_waves, "n_classes", 0),
        (make_waves, "n_steps", 2.5),
        (make_waves, "noise", -0.1),
        (make_waves, "ragged", "yes"),
    ],
)
def test_wrong_arguments_are_named(
    make: Callable[..., Any], name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {make.__name__}"):
        make(**{name: value})


def test_dates_are_days_of_the_calendar_in_fifteen_forms() -> None:
    X, y = make_dates(4000, random_state=0)
    seen = set()
    for text, iso in zip(X, y, strict=True):
        day = date.fromisoformat(iso)
        assert date(1950, 1, 1) <= day <= date(2049, 12, 31)
        ending = {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
        dth = f"{day.day}{'th' if 10 < day.day < 14 else ending}"
        d, m, y2 = day.day, day.month, day.strftime("%y")
        forms = [
            day.strftime(f"{d} %B %Y"),
            day.strftime(f"{d} %b %Y"),
            day.strftime(f"{dth} of %B, %Y"),
            day.strftime(f"{dth} %b. %y"),
            day.strftime(f"%B {d}, %Y"),
            day.strftime(f"%b {d} %y"),
            day.strftime(f"%A, {d} %B %Y"),
            day.strftime(f"%a %b {d}, %Y"),
            day.strftime(f"the {dth} of %B %Y"),
            day.strftime("%d/%m/%Y"),
            f"{d}/{m}/{y2}",
            day.strftime("%d.%m.%Y"),
            day.strftime(f"{d}-%b-%Y"),
            day.strftime("%Y.%m.%d"),
            day.strftime("%Y%m%d"),
        ]
        cases = [[form, form.lower(), form.upper()] for form in forms]
        found = [k for k, each in enumerate(cases) if text in each]
        assert found, (text, iso)
        seen.update(found)
    assert seen == set(range(15))


def test_dates_follow_their_seed() -> None:
    before = np.random.get_state()[1].copy()
    assert make_dates(50, random_state=1) == make_dates(50, random_state=1)
    assert make_dates(50, random_state=1) != make_dates(50, random_state=2)
    assert_array_equal(np.random.get_state()[1], before)
    with pytest.raises(ValueError, match="'n_texts' parameter"):
        make_dates(0)
