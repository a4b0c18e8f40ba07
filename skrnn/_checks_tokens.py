"""The conformance checks of estimators of texts and of items, one claim each."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from skrnn._checks import Check
from skrnn._checks_data import answer, fit_clone, make_sequences, make_targets

__all__ = ["IF_TOKENS"]


def check_new_tokens_are_read(name: str, estimator: Any) -> None:
    """Ask for answers to a sequence with a token that was not in fit."""
    X = make_sequences(estimator)
    fitted = fit_clone(estimator, X)
    new = X[0] + type(X[0])("z")
    for method, found in answer(fitted, [new, X[1]]).items():
        if len(found) != 2:
            raise AssertionError(f"{name}.{method} gives {len(found)} answers for 2.")
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise AssertionError(f"{name}.{method} is not finite for a new token.")


def check_other_input_is_refused(name: str, estimator: Any) -> None:
    """Ask for an error, in fit, if None is among the sequences, or X is one text."""
    X = make_sequences(estimator)
    y = make_targets(estimator, X)
    bad: list[Any] = [[*X[:-1], None]]
    if isinstance(X[0], str):
        bad.append(X[0])
    for other in bad:
        try:
            clone(estimator).fit(other, y)
        except (TypeError, ValueError):
            continue
        raise AssertionError(f"{name}.fit raises no error for X={str(other)[-20:]!r}.")


def check_fitted_attributes_end_in_an_underscore(name: str, estimator: Any) -> None:
    """Ask that fit sets no public attribute of another kind, and no parameter."""
    X, model = make_sequences(estimator), clone(estimator)
    before = {**vars(model)}
    after = vars(model.fit(X, make_targets(estimator, X)))
    new = {k for k in after if k not in before and not k.startswith("_")}
    wrong = sorted(k for k in new if not k.endswith("_"))
    wrong += sorted(k for k in before if after.get(k) is not before[k])
    if wrong:
        raise AssertionError(f"{name}.fit sets {', '.join(wrong)}.")


IF_TOKENS: tuple[Check, ...] = (
    check_new_tokens_are_read,
    check_other_input_is_refused,
    check_fitted_attributes_end_in_an_underscore,
)
