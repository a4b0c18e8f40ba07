"""Data for the conformance checks, and how answers are compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier

from skrnn._sequences import Sequences

__all__ = ["OF_TOKENS", "PER_STEP", "all_steps", "answer", "as_objects"]
__all__ += ["assert_refused", "assert_same", "fit_clone", "forms_of", "make_panel"]
__all__ += ["make_ragged", "make_sequences", "make_targets", "methods_of", "repeat"]
__all__ += ["seed_names", "seeded", "take", "take_rows", "task_of"]

Answers = dict[str, NDArray[Any]]

N_SEQUENCES = 20
METHODS = ("predict_proba", "decision_function", "transform")  # besides predict
PER_STEP = {"tagger", "sequence_regressor"}  # types of estimators, in their tags
OF_TOKENS = {  # those that read texts or lists of items, and what they are asked
    "language_model": ("score_samples", "predict_proba"),
    "recommender": ("predict_proba",),
    "transducer": ("predict",),
}
OFF_CPU = 1e-3  # elsewhere sums have no fixed order


def make_ragged(n_features: int = 2) -> list[NDArray[Any]]:
    """Sequences of 4 to 9 steps; quarters, which float32 holds exactly."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 10, N_SEQUENCES)
    return [rng.integers(-8, 9, (length, n_features)) / 4.0 for length in lengths]


def make_sequences(estimator: Any) -> list[Any]:
    """Sequences of numbers, or texts of letters and blanks, or lists of items."""
    X = make_ragged()
    task = task_of(estimator)
    if task not in OF_TOKENS:
        return X
    lists = [["abc"[int(abs(4 * number)) % 3] for number in x[:, 0]] for x in X]
    return lists if task == "recommender" else [" ".join(each) for each in lists]


def repeat(x: Any, n: int) -> Any:
    """Put a sequence behind itself, several times."""
    return np.tile(x, (n, 1)) if isinstance(x, np.ndarray) else x * n


def forms_of(X: list[Any]) -> tuple[Any, ...]:
    """Put sequences into containers of other kinds."""
    of_numbers = isinstance(X[0], np.ndarray)
    return X, as_objects(X), Sequences.from_arrays(X) if of_numbers else tuple(X)


def make_panel(n_steps: int = 5, n_features: int = 2) -> NDArray[Any]:
    """Sequences of equal length, (n_sequences, n_steps, n_features)."""
    rng = np.random.default_rng(1)
    return rng.integers(-8, 9, (N_SEQUENCES, n_steps, n_features)) / 4.0


def task_of(estimator: Any) -> str:
    """Give the type of an estimator, as its tags call it."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    return str(tags().estimator_type) if tags is not None else ""


def make_targets(estimator: Any, X: Any) -> Any:
    """Near the mean of the first feature, or whether that is above the median.

    Per step: the first feature and a little of the step before, or whether it is above
    zero. Of texts: the same in upper case, or nothing.
    """
    if task_of(estimator) in OF_TOKENS:
        translated = task_of(estimator) == "transducer"
        return as_objects([x.upper() for x in X]) if translated else None
    if task_of(estimator) in PER_STEP:
        sums = [x[:, 0] + 0.1 * np.roll(x[:, 0], 1) for x in X]
        if task_of(estimator) == "tagger":
            sums = [np.where(each > 0, "above", "below") for each in sums]
        return as_objects(sums)
    means = np.array([x[:, 0].mean() + 0.1 * x[-1, -1] for x in X])
    if not is_classifier(estimator):
        return means
    above = np.argsort(np.argsort(means)) >= len(means) // 2
    return np.where(above, "above", "below")


def as_objects(arrays: Any) -> NDArray[Any]:
    """Put arrays into an object array (n_sequences,)."""
    objects = np.empty(len(arrays), dtype=object)
    for index, array in enumerate(arrays):
        objects[index] = array
    return objects


def seed_names(estimator: Any) -> list[str]:
    """Name every ``random_state``, also of nested estimators."""
    params: dict[str, Any] = getattr(estimator, "get_params", dict)()
    return [p for p in params if p.split("__")[-1] == "random_state"]


def seeded(estimator: Any, seed: int) -> Any:
    """Clone, and set every ``random_state``."""
    return clone(estimator).set_params(**dict.fromkeys(seed_names(estimator), seed))


def fit_clone(estimator: Any, X: Any, **fit_params: Any) -> Any:
    """Fit a clone to X and its targets."""
    return clone(estimator).fit(X, make_targets(estimator, X), **fit_params)


def answer(fitted: Any, X: Any) -> Answers:
    """Ask all methods that the estimator has; one row per sequence."""
    return {m: np.asarray(getattr(fitted, m)(X)) for m in methods_of(fitted)}


def methods_of(estimator: Any) -> tuple[str, ...]:
    """Name the methods that are asked."""
    usual = ("predict", *(m for m in METHODS if hasattr(estimator, m)))
    return OF_TOKENS.get(task_of(estimator), usual)


def take(y: Any, rows: Any) -> Any:
    """Pick some targets, if there are any."""
    return None if y is None else y[rows]


def take_rows(answers: Answers, rows: Any) -> Answers:
    """Pick some sequences' answers."""
    return {method: values[rows] for method, values in answers.items()}


def assert_same(
    fitted: Any, got: Answers, expected: Answers, claim: str, rtol: float = 0.0
) -> None:
    """Compare answers; ``rtol`` is relative to the largest value."""
    if not str(getattr(fitted, "device_", "cpu")).startswith("cpu"):
        rtol = max(rtol, OFF_CPU)
    for method, values in expected.items():
        other = got[method]
        what = f"{type(fitted).__name__}.{method} {claim}"
        other, values = all_steps(other), all_steps(values)
        if other.shape != values.shape:
            raise AssertionError(f"{what}: shape {other.shape}, not {values.shape}.")
        if np.array_equal(other, values):
            continue
        if values.dtype.kind not in "fiu":
            raise AssertionError(f"{what}: {(other != values).sum()} labels differ.")
        difference = np.abs(other - values).max()
        if not difference <= rtol * np.abs(values).max():
            raise AssertionError(f"{what}: values differ by up to {difference:.3g}.")


def all_steps(values: NDArray[Any]) -> NDArray[Any]:
    """Put the answers at all steps one after the other, if there are such."""
    per_step = values.dtype == object and all(isinstance(v, np.ndarray) for v in values)
    return np.concatenate(values) if per_step and len(values) else values


def assert_refused(call: Callable[[], Any], numbers: list[int], claim: str) -> None:
    """Demand a ValueError whose message contains all of the numbers."""
    try:
        call()
    except ValueError as error:
        found = re.findall(r"\d+", str(error))
        missing = [number for number in numbers if str(number) not in found]
        if missing:
            raise AssertionError(
                f"{claim}: the message does not name {missing}, it is {str(error)!r}."
            ) from error
    else:
        raise AssertionError(f"{claim}: no ValueError was raised.")
