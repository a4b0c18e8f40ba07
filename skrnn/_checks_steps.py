"""The conformance checks of estimators with a target for each step, one claim each."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from skrnn._checks import ROUNDING, Check
from skrnn._checks_data import (
    answer,
    assert_refused,
    assert_same,
    fit_clone,
    make_panel,
    make_ragged,
    make_targets,
)

__all__ = ["IF_PER_STEP", "IF_STEPS_ARE_WEIGHTED"]


def check_answers_are_as_long_as_sequences(name: str, estimator: Any) -> None:
    """Ask for an object array of arrays, one row per step."""
    for X in (make_ragged(), make_panel()):
        for method, found in answer(fit_clone(estimator, X), X).items():
            if found.shape != (len(X),) or [*map(len, found)] != [*map(len, X)]:
                raise AssertionError(
                    f"{name}.{method} gives an array of shape {found.shape}, expected "
                    f"({len(X)},): an array of objects, one row per step in each."
                )


def check_containers_of_steps_agree(name: str, estimator: Any) -> None:
    """Ask for one model from lists, object and 2-D arrays of targets."""
    X = make_panel()
    y = make_targets(estimator, X)
    expected = answer(clone(estimator).fit(X, y), X)
    for other in ([*y], [each.tolist() for each in y], np.stack([*y])):
        fitted = clone(estimator).fit(X, other)
        claim = f"differs for y as {type(other).__name__}"
        assert_same(fitted, answer(fitted, X), expected, claim)


def check_other_number_of_targets_is_refused(name: str, estimator: Any) -> None:
    """Ask for the index of a sequence with too few targets, and for both counts."""
    X = make_ragged()
    y = make_targets(estimator, X)
    n_steps, y[13] = len(y[13]), y[13][:-1]
    claim = f"{name}.fit with {n_steps - 1} targets for the {n_steps} steps of X[13]"
    numbers = [13, n_steps - 1, n_steps]
    assert_refused(lambda: clone(estimator).fit(X, y), numbers, claim)


def check_equal_weights_of_steps(name: str, estimator: Any) -> None:
    """Ask that weights of all steps of a sequence are the weight of the sequence."""
    X = make_ragged()
    weights = np.random.default_rng(5).integers(1, 4, len(X)).astype(float)
    expected = answer(fit_clone(estimator, X, sample_weight=weights), X)
    of_steps = [np.full(len(x), weight) for x, weight in zip(X, weights, strict=True)]
    fitted = fit_clone(estimator, X, sample_weight=of_steps)
    claim = "differs: weights of sequences or steps"
    assert_same(fitted, answer(fitted, X), expected, claim, ROUNDING)


IF_PER_STEP: tuple[Check, ...] = (
    check_answers_are_as_long_as_sequences,
    check_containers_of_steps_agree,
    check_other_number_of_targets_is_refused,
)
IF_STEPS_ARE_WEIGHTED: tuple[Check, ...] = (check_equal_weights_of_steps,)
