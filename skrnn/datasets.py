"""Tiny synthetic data sets for the documentation and the tests."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import (
    Interval,
    validate_parameter_constraints,
)

from skrnn._params import CONSTRAINTS, spawn_seeds

__all__ = [
    "make_adding_problem",
    "make_copy_memory",
    "make_dates",
    "make_events",
    "make_sessions",
    "make_waves",
]

ACTIVITIES = {  # height of the sensor's wave, cycles per step, what may come next
    "rest": (0.3, 0.02, ["walk"]),
    "walk": (1.0, 0.08, ["rest", "run"]),
    "run": (1.0, 0.16, ["walk"]),
}
MONTHS = "January February March April May June July August September October November"
MONTHS += " December"
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
FORMS_OF_DATES = [
    "{d} {month} {y}",
    "{d} {mon} {y}",
    "{dth} of {month}, {y}",
    "{dth} {mon}. {yy}",
    "{month} {d}, {y}",
    "{mon} {d} {yy}",
    "{weekday}, {d} {month} {y}",
    "{day} {mon} {d}, {y}",
    "the {dth} of {month} {y}",
    "{d:02}/{m:02}/{y}",
    "{d}/{m}/{yy}",
    "{d:02}.{m:02}.{y}",
    "{d}-{mon}-{y}",
    "{y}.{m:02}.{d:02}",
    "{y}{m:02}{d:02}",
]

N_CIRCLES = 5  # habits of people in sessions


def make_adding_problem(
    n_sequences: int = 200, n_steps: int = 20, random_state: Any = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make the adding problem, a regression that needs a long memory.

    The first feature is noise between -1 and 1, the second marks two steps with 1, one
    in each half of the sequence. The target is the sum of the two marked values,
    brought to the range from 0 to 1. Predicting the mean has a squared error of 1/24.

    Parameters
    ----------
    n_sequences : int, default=200
        Number of sequences.
    n_steps : int, default=20
        Number of steps of each sequence, at least 2; more make the problem harder.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the numbers drawn; an int gives the same data every time.

    Returns
    -------
    X : ndarray of shape (n_sequences, n_steps, 2)
        Values and marks.
    y : ndarray of shape (n_sequences,)
        ``0.5 + (first marked value + second marked value) / 4``.

    Raises
    ------
    ValueError
        If a size is too small.

    Notes
    -----
    In [1]_ the first mark is among the first ten steps, the length varies a little and
    the ends of the sequence are marked with -1.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long Short-Term Memory,
       doi:10.1162/neco.1997.9.8.1735, section 5.4.

    Examples
    --------
    >>> from skrnn.datasets import make_adding_problem
    >>> X, y = make_adding_problem(n_sequences=1000, random_state=0)
    >>> X.shape
    (1000, 20, 2)
    >>> float(y.mean().round(1))
    0.5
    """
    _check_arguments(
        "make_adding_problem",
        n_sequences=(n_sequences, _at_least(1)),
        n_steps=(n_steps, _at_least(2)),
        random_state=(random_state, CONSTRAINTS["random_state"]),
    )
    rng = _generator(random_state)
    X = np.zeros((n_sequences, n_steps, 2))
    X[:, :, 0] = rng.uniform(-1.0, 1.0, size=(n_sequences, n_steps))
    rows, half = np.arange(n_sequences), n_steps // 2
    first = rng.integers(0, half, size=n_sequences)
    second = rng.integers(half, n_steps, size=n_sequences)
    X[rows, first, 1] = X[rows, second, 1] = 1.0
    y = 0.5 + (X[rows, first, 0] + X[rows, second, 0]) / 4.0
    return X, y


def make_copy_memory(
    n_sequences: int = 200,
    n_steps: int = 20,
    n_copied: int = 10,
    n_symbols: int = 8,
    random_state: Any = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Make the copy memory problem: symbols to be told after many empty steps.

    Random symbols come one per step, as one-hot features, and then ``n_steps`` steps of
    zeros. The target is all of them, in order. Nothing but the outputs at the end tells
    what a network remembers: use ``pooling="last"``, ``bidirectional=False`` and
    ``stem=0``.

    Parameters
    ----------
    n_sequences : int, default=200
        Number of sequences.
    n_steps : int, default=20
        Number of empty steps after the symbols; more make the problem harder.
    n_copied : int, default=10
        Number of symbols to remember.
    n_symbols : int, default=8
        Number of different symbols, at least 2.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the numbers drawn; an int gives the same data every time.

    Returns
    -------
    X : ndarray of shape (n_sequences, n_copied + n_steps, n_symbols)
        The symbols, and the empty steps.
    y : ndarray of int of shape (n_sequences, n_copied * n_symbols)
        Labels, 0 or 1: ``n_symbols`` columns for each symbol, of which one is 1.

    Raises
    ------
    ValueError
        If a size is too small.

    Notes
    -----
    In [1]_, [2]_ the symbols are asked for one by one at further steps, after a mark.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long Short-Term Memory,
       doi:10.1162/neco.1997.9.8.1735.
    .. [2] Arjovsky, Shah & Bengio (2016), Unitary Evolution Recurrent Neural Networks,
       arXiv:1511.06464, section 4.1.

    Examples
    --------
    >>> from skrnn.datasets import make_copy_memory
    >>> X, y = make_copy_memory(n_copied=3, random_state=0)
    >>> X.shape, y.shape
    ((200, 23, 8), (200, 24))
    >>> int(y.sum(axis=1).max())
    3
    """
    _check_arguments(
        "make_copy_memory",
        n_sequences=(n_sequences, _at_least(1)),
        n_steps=(n_steps, _at_least(0)),
        n_copied=(n_copied, _at_least(1)),
        n_symbols=(n_symbols, _at_least(2)),
        random_state=(random_state, CONSTRAINTS["random_state"]),
    )
    symbols = _generator(random_state).integers(
        0, n_symbols, size=(n_sequences, n_copied)
    )
    told = np.eye(n_symbols)[symbols]
    X = np.concatenate([told, np.zeros((n_sequences, n_steps, n_symbols))], axis=1)
    return X, told.astype(np.int64).reshape(n_sequences, -1)


def make_events(
    n_sequences: int = 200,
    n_steps: int = 60,
    noise: float = 0.5,
    random_state: Any = None,
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.str_]]]:
    """Make streams of a sensor in which activities follow each other, a label per step.

    Somebody rests, walks or runs for 5 to 20 steps at a time. Two features, a quarter
    of a cycle apart, swing little while resting, slowly while walking and fast while
    running; no single step tells walking from running. Between resting and running
    there is always some walking.

    Parameters
    ----------
    n_sequences : int, default=200
        Number of sequences.
    n_steps : int, default=60
        Number of steps of the longest sequences, at least 2; the others have at least
        half as many.
    noise : float, default=0.5
        Standard deviation of what is added to each value.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the numbers drawn; an int gives the same data every time.

    Returns
    -------
    X : list of ndarray of shape (n_steps_i, 2)
        The streams.
    y : list of ndarray of str of shape (n_steps_i,)
        "rest", "walk" or "run" at each step.

    Raises
    ------
    ValueError
        If a size or the noise is too small.

    Examples
    --------
    >>> from skrnn.datasets import make_events
    >>> X, y = make_events(random_state=0)
    >>> X[0].shape == (len(y[0]), 2)
    True
    >>> len(X)
    200
    """
    _check_arguments(
        "make_events",
        n_sequences=(n_sequences, _at_least(1)),
        n_steps=(n_steps, _at_least(2)),
        noise=(noise, [Interval(Real, 0.0, None, closed="left")]),
        random_state=(random_state, CONSTRAINTS["random_state"]),
    )
    rng = _generator(random_state)
    lengths = rng.integers(-(-n_steps // 2), n_steps + 1, size=n_sequences)
    y = [_activities(int(length), rng) for length in lengths]
    return [_sensor(labels, noise, rng) for labels in y], y


def _activities(n_steps: int, rng: np.random.Generator) -> NDArray[np.str_]:
    """Draw what is done at each step."""
    labels: list[str] = []
    now = str(rng.choice([*ACTIVITIES]))
    while len(labels) < n_steps:
        labels += [now] * int(rng.integers(5, 21))
        now = str(rng.choice(ACTIVITIES[now][2]))
    return np.array(labels[:n_steps])


def _sensor(
    labels: NDArray[np.str_], noise: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw what a sensor shows, (n_steps, 2)."""
    height = np.array([ACTIVITIES[label][0] for label in labels.tolist()])
    cycles = np.cumsum([ACTIVITIES[label][1] for label in labels.tolist()])
    angle = 2.0 * np.pi * (cycles + rng.uniform())
    waves = height[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
    values: NDArray[np.float64] = waves + noise * rng.standard_normal(waves.shape)
    return values


def make_sessions(
    n_sessions: int = 300,
    n_items: int = 50,
    n_steps: int = 20,
    noise: float = 0.1,
    random_state: Any = None,
) -> list[list[int]]:
    """Make sessions in which somebody follows two habits in turn.

    Items stand in five circles that nobody is told of. A session has two of these as
    habits and takes an item of each in turn, always the one that follows in the circle.
    So all items are equally popular, and the last item tells nearly nothing of the next
    one: the one before it does.

    Parameters
    ----------
    n_sessions : int, default=300
        Number of sessions.
    n_items : int, default=50
        Number of items, at least 10.
    n_steps : int, default=20
        Number of items of the longest sessions, at least 2; the others have at least
        half as many.
    noise : float in [0, 1], default=0.1
        Share of items that are any of all instead.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the numbers drawn; an int gives the same data every time. Other seeds
        give other circles, too.

    Returns
    -------
    sessions : list of lists of int
        The items, numbers from 0 to ``n_items - 1``.

    Raises
    ------
    ValueError
        If a size is too small, or the noise is no share.

    Examples
    --------
    >>> from skrnn.datasets import make_sessions
    >>> sessions = make_sessions(noise=0.0, random_state=0)
    >>> len(sessions), max(map(len, sessions))
    (300, 20)
    >>> follow = {pair for one in sessions for pair in zip(one, one[2:], strict=False)}
    >>> len(follow)  # each item has one that follows two steps later
    50
    """
    _check_arguments(
        "make_sessions",
        n_sessions=(n_sessions, _at_least(1)),
        n_items=(n_items, _at_least(2 * N_CIRCLES)),
        n_steps=(n_steps, _at_least(2)),
        noise=(noise, [Interval(Real, 0.0, 1.0, closed="both")]),
        random_state=(random_state, CONSTRAINTS["random_state"]),
    )
    rng = _generator(random_state)
    circles = np.array_split(rng.permutation(n_items), N_CIRCLES)
    lengths = rng.integers(-(-n_steps // 2), n_steps + 1, size=n_sessions)
    sessions = []
    for length in lengths.tolist():
        habits = rng.choice(N_CIRCLES, size=2, replace=False)
        places = rng.integers(0, n_items, size=2)  # where each habit begins
        items = np.empty(length, dtype=np.int64)
        for turn in range(2):
            circle, own = circles[habits[turn]], items[turn::2]
            own[:] = circle[(places[turn] + np.arange(len(own))) % len(circle)]
        other = rng.random(length) < noise
        items[other] = rng.integers(0, n_items, size=int(other.sum()))
        sessions.append(items.tolist())
    return sessions


def make_waves(
    n_sequences: int = 120,
    n_steps: int = 30,
    n_classes: int = 3,
    noise: float = 0.3,
    ragged: bool = False,
    random_state: Any = None,
) -> tuple[Any, NDArray[np.int64]]:
    """Make noisy sine waves whose frequency is the class.

    Class k has frequency ``0.05 + 0.2 * k / n_classes`` cycles per step; where in its
    cycle a wave begins is random, so no single step tells the class.

    Parameters
    ----------
    n_sequences : int, default=120
        Number of sequences, shared out evenly among the classes.
    n_steps : int, default=30
        Number of steps of each sequence, at least 2; the most if ``ragged``.
    n_classes : int, default=3
        Number of frequencies.
    noise : float, default=0.3
        Standard deviation of what is added to each value of a wave of height 1.
    ragged : bool, default=False
        Whether the sequences have different lengths, from ``n_steps / 2`` to
        ``n_steps``.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the numbers drawn; an int gives the same data every time.

    Returns
    -------
    X : ndarray of shape (n_sequences, n_steps, 1)
        The waves; if ``ragged`` a list of arrays of shape (n_steps_i, 1).
    y : ndarray of int of shape (n_sequences,)
        The classes, from 0 to ``n_classes - 1``.

    Raises
    ------
    ValueError
        If a size or the noise is too small.

    Examples
    --------
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(ragged=True, random_state=0)
    >>> len(X), sorted({len(x) for x in X})[-1]
    (120, 30)
    >>> int((y == 2).sum())
    40
    """
    _check_arguments(
        "make_waves",
        n_sequences=(n_sequences, _at_least(1)),
        n_steps=(n_steps, _at_least(2)),
        n_classes=(n_classes, _at_least(1)),
        noise=(noise, [Interval(Real, 0.0, None, closed="left")]),
        ragged=(ragged, ["boolean"]),
        random_state=(random_state, CONSTRAINTS["random_state"]),
    )
    rng = _generator(random_state)
    y = rng.permutation(np.arange(n_sequences) % n_classes)
    frequency = 0.05 + 0.2 * y / n_classes
    begin = rng.uniform(0.0, 1.0, size=n_sequences)
    cycles = begin[:, None] + frequency[:, None] * np.arange(n_steps)
    X = np.sin(2.0 * np.pi * cycles) + noise * rng.standard_normal(cycles.shape)
    X = X[:, :, None]
    if not ragged:
        return X, y
    lengths = rng.integers(-(-n_steps // 2), n_steps + 1, size=n_sequences)
    return [x[:length] for x, length in zip(X, lengths, strict=True)], y


def make_dates(
    n_texts: int = 1000, random_state: Any = None
) -> tuple[list[str], list[str]]:
    """Make dates as people write them, and as computers do.

    The dates are days of the years 1950 to 2049, in fifteen forms: with names of
    months in full or short, weekdays, "1st" and "2nd", years with two digits, day
    before month where both are numbers; some in small or capital letters.

    Parameters
    ----------
    n_texts : int, default=1000
        Number of dates.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the numbers drawn; an int gives the same data every time.

    Returns
    -------
    X : list of str
        Such as "the 3rd of March 1998" or "3/3/98".
    y : list of str
        Such as "1998-03-03".

    Raises
    ------
    ValueError
        If ``n_texts`` is too small.

    Examples
    --------
    >>> from skrnn.datasets import make_dates
    >>> X, y = make_dates(n_texts=3, random_state=0)
    >>> list(zip(X, y, strict=True))[1]
    ('28/2/24', '2024-02-28')
    """
    _check_arguments(
        "make_dates",
        n_texts=(n_texts, _at_least(1)),
        random_state=(random_state, CONSTRAINTS["random_state"]),
    )
    rng = _generator(random_state)
    first, last = (
        np.datetime64(day).astype(int) for day in ("1950-01-01", "2050-01-01")
    )
    months, weekdays = MONTHS.split(), WEEKDAYS.split()
    X, y = [], []
    for day in rng.integers(first, last, n_texts):
        date = str(np.datetime64(int(day), "D"))
        year, month, d = map(int, date.split("-"))
        weekday = weekdays[(int(day) + 3) % 7]  # the first of January 1970: Thursday
        endings = {1: "st", 2: "nd", 3: "rd"}
        ending = "th" if d in (11, 12, 13) else endings.get(d % 10, "th")
        text = FORMS_OF_DATES[rng.integers(len(FORMS_OF_DATES))].format(
            d=d,
            dth=f"{d}{ending}",
            m=month,
            month=months[month - 1],
            mon=months[month - 1][:3],
            weekday=weekday,
            day=weekday[:3],
            y=year,
            yy=f"{year % 100:02}",
        )
        case = rng.integers(5)
        X.append(text.lower() if case == 0 else text.upper() if case == 1 else text)
        y.append(date)
    return X, y


def _generator(random_state: Any) -> np.random.Generator:
    return np.random.default_rng(spawn_seeds(random_state, 1)[0])


def _at_least(number: int) -> list[Any]:
    return [Interval(Integral, number, None, closed="left")]


def _check_arguments(caller: str, **arguments: tuple[Any, list[Any]]) -> None:
    """Raise scikit-learn's sentence about the first argument that is not valid."""
    validate_parameter_constraints(
        {name: allowed for name, (_, allowed) in arguments.items()},
        {name: value for name, (value, _) in arguments.items()},
        caller_name=caller,
    )
