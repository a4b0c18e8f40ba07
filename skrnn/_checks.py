"""The conformance checks, one claim each; ``estimator`` comes with its seed set."""

from __future__ import annotations

import os
import pickle
import random
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict

from skrnn._checks_data import (
    OF_TOKENS,
    PER_STEP,
    all_steps,
    answer,
    assert_refused,
    assert_same,
    fit_clone,
    forms_of,
    make_panel,
    make_ragged,
    make_sequences,
    make_targets,
    methods_of,
    repeat,
    seed_names,
    seeded,
    take,
    take_rows,
    task_of,
)
from skrnn._sequences import Sequences

__all__ = ["ALWAYS", "IF_NAN_IS_REFUSED", "IF_NUMBERS", "IF_SEEDED", "IF_WEIGHTED"]
__all__ += ["ROUNDING", "Check"]

Check = Callable[[str, Any], None]

ROUNDING = 1e-6  # of a sum in another order

# --- predictions do not depend on company --------------------------------------------


def check_padding_changes_nothing(name: str, estimator: Any) -> None:
    """Ask that longer companions, hence more padding, change no prediction."""
    X = make_sequences(estimator)
    fitted = fit_clone(estimator, X)
    longer = [repeat(x, 9) for x in X]
    got = take_rows(answer(fitted, X + longer), slice(len(X)))
    assert_same(fitted, got, answer(fitted, X), "changes beside longer sequences")


def check_permutation_permutes(name: str, estimator: Any) -> None:
    """Ask that predictions of permuted sequences are permuted predictions."""
    X = make_sequences(estimator)
    fitted = fit_clone(estimator, X)
    order = np.random.default_rng(2).permutation(len(X))
    got = answer(fitted, [X[i] for i in order])
    expected = take_rows(answer(fitted, X), order)
    assert_same(fitted, got, expected, "depends on the order of X")


def check_company_changes_nothing(name: str, estimator: Any) -> None:
    """Ask for the same predictions one by one as together."""
    X = make_sequences(estimator)
    fitted = fit_clone(estimator, X)
    expected = answer(fitted, X)
    alone = [answer(fitted, [x]) for x in X]
    got = {m: np.concatenate([answers[m] for answers in alone]) for m in expected}
    assert_same(fitted, got, expected, "differs for a sequence alone")


def check_position_changes_nothing(name: str, estimator: Any) -> None:
    """Ask for one prediction of all copies of a sequence in a long X."""
    X = make_sequences(estimator)
    fitted = fit_clone(estimator, X)
    rows = np.arange(7 * len(X) + 3) % len(X)
    got = answer(fitted, [X[i] for i in rows])
    expected = take_rows(answer(fitted, X), rows)
    assert_same(fitted, got, expected, "differs between copies of a sequence")


def check_one_sequence(name: str, estimator: Any) -> None:
    """Ask for one row for one sequence, in a container of any kind."""
    reads_tokens = task_of(estimator) in OF_TOKENS
    X = make_sequences(estimator) if reads_tokens else make_panel()
    fitted = fit_clone(estimator, X)
    expected = take_rows(answer(fitted, X), slice(1))
    for one in (X[:1], *forms_of([X[0]])):
        claim = f"differs for one sequence as {type(one).__name__}"
        assert_same(fitted, answer(fitted, one), expected, claim)


# --- the form of the input -----------------------------------------------------------


def check_number_types_agree(name: str, estimator: Any) -> None:
    """Ask for one model from float64, float32 and integers."""
    X = [x * 4 for x in make_ragged()]
    y = make_targets(estimator, X)
    expected = answer(clone(estimator).fit(X, y), X)
    for dtype in (np.float32, np.int64, np.int8):
        other = [x.astype(dtype) for x in X]
        fitted = clone(estimator).fit(other, y)
        claim = f"differs for {np.dtype(dtype)}"
        assert_same(fitted, answer(fitted, other), expected, claim, rtol=1e-4)


def check_containers_agree(name: str, estimator: Any) -> None:
    """Ask for one model from containers of all kinds."""
    X = make_sequences(estimator)
    y = make_targets(estimator, X)
    expected = answer(clone(estimator).fit(X, y), X)
    others = [tuple(X), *forms_of(X)]
    if isinstance(X[0], np.ndarray):
        others.append([x.tolist() for x in X])
    for other in others:
        fitted = clone(estimator).fit(other, y)
        claim = f"differs for X as {type(other).__name__}"
        assert_same(fitted, answer(fitted, other), expected, claim)


def check_panel_equals_list(name: str, estimator: Any) -> None:
    """Ask for one model from a 3-D array and the list of its sequences."""
    X = make_panel()
    fitted, other = fit_clone(estimator, X), fit_clone(estimator, list(X))
    expected = answer(fitted, X)
    assert_same(other, answer(other, list(X)), expected, "differs for a list")
    assert_same(fitted, answer(fitted, list(X)), expected, "differs for a list")


def check_other_length(name: str, estimator: Any) -> None:
    """Ask to predict a 3-D array of more steps than in fit: axis 1 is time."""
    fitted = fit_clone(estimator, make_panel(n_steps=5))
    longer = make_panel(n_steps=8)
    got, expected = answer(fitted, longer), answer(fitted, list(longer))
    assert_same(fitted, got, expected, "differs for more steps than in fit")


def check_feature_counts_are_named(name: str, estimator: Any) -> None:
    """Ask for both numbers if a 3-D array has more features than in fit."""
    fitted = fit_clone(estimator, make_panel(n_features=4))
    X = make_panel(n_features=7)
    assert_refused(
        lambda: fitted.predict(X), [4, 7], f"{name}.predict with 7 features, not 4"
    )


def check_empty_sequence_is_refused(name: str, estimator: Any) -> None:
    """Ask for the index of a sequence without steps, in fit and predict."""
    X = make_sequences(estimator)
    y = make_targets(estimator, X)
    fitted = clone(estimator).fit(X, y)
    X[13] = X[13][:0]
    claim = f"{name} with X[13] of 0 steps"
    assert_refused(lambda: clone(estimator).fit(X, y), [13], f"{claim} in fit")
    if task_of(estimator) == "recommender":  # what anybody begins with can be told
        return
    method = methods_of(fitted)[0]
    assert_refused(lambda: getattr(fitted, method)(X), [13], f"{claim} in {method}")


def check_missing_value_is_refused(name: str, estimator: Any) -> None:
    """Ask for sequence, step and feature of NaN, in fit and predict."""
    X = make_ragged(n_features=6)
    y = make_targets(estimator, X)
    fitted = clone(estimator).fit(X, y)
    X[13][3, 5] = np.nan
    claim = f"{name} with NaN in sequence 13, step 3, feature 5"
    assert_refused(lambda: clone(estimator).fit(X, y), [13, 3, 5], f"{claim} in fit")
    assert_refused(lambda: fitted.predict(X), [13, 3, 5], f"{claim} in predict")


def check_input_is_not_modified(name: str, estimator: Any) -> None:
    """Ask that X and y are the same after fit and predict."""
    panels = [] if task_of(estimator) in OF_TOKENS else [make_panel()]
    for X in (*forms_of(make_sequences(estimator)), *panels):
        y = make_targets(estimator, X)
        before = pickle.dumps((X, y))
        answer(clone(estimator).fit(X, y), X)
        if pickle.dumps((X, y)) != before:
            raise AssertionError(f"{name} modifies X ({type(X).__name__}) or y.")


def check_read_only_input(name: str, estimator: Any) -> None:
    """Ask to read arrays that cannot be written to."""
    panel, ragged = make_panel(), make_ragged()
    panel.setflags(write=False)
    for x in ragged:
        x.setflags(write=False)
    sequences = Sequences.from_panel(panel)
    for X in (panel, ragged, sequences):
        y = make_targets(estimator, X)
        y.setflags(write=False)
        answer(clone(estimator).fit(X, y), X)


# --- what a model depends on ---------------------------------------------------------


def check_training_order_changes_nothing(name: str, estimator: Any) -> None:
    """Ask that the order of the training sequences makes no difference."""
    X = make_sequences(estimator)
    expected = answer(fit_clone(estimator, X), X)
    order = np.random.default_rng(3).permutation(len(X))
    y = take(make_targets(estimator, X), order)
    fitted = clone(estimator).fit([X[i] for i in order], y)
    claim = "depends on the order of the training sequences"
    assert_same(fitted, answer(fitted, X), expected, claim, ROUNDING)


def check_weights_are_copies(name: str, estimator: Any) -> None:
    """Ask that weight k is the same as k copies."""
    X = make_sequences(estimator)
    weights = np.random.default_rng(4).integers(1, 4, len(X))
    rows = np.repeat(np.arange(len(X)), weights)
    y = take(make_targets(estimator, X), rows)
    copies = clone(estimator).fit([X[i] for i in rows], y)
    fitted = fit_clone(estimator, X, sample_weight=weights)
    got, expected = answer(fitted, X), answer(copies, X)
    assert_same(fitted, got, expected, "differs: weights or copies", ROUNDING)


def check_zero_weight_is_absence(name: str, estimator: Any) -> None:
    """Ask that weight 0 is the same as not being there."""
    X = make_sequences(estimator)
    weights = np.arange(len(X)) % 3 > 0
    kept = np.flatnonzero(weights)
    y = take(make_targets(estimator, X), kept)
    without = clone(estimator).fit([X[i] for i in kept], y)
    fitted = fit_clone(estimator, X, sample_weight=weights.astype(float))
    got, expected = answer(fitted, X), answer(without, X)
    assert_same(fitted, got, expected, "differs: weight zero or absent", ROUNDING)


def check_same_seed_same_model(name: str, estimator: Any) -> None:
    """Ask for one model from two fits with one seed, of clones or of one object."""
    X = make_sequences(estimator)
    fitted = fit_clone(estimator, X)
    expected = answer(fitted, X)
    again = fitted.fit(X, make_targets(estimator, X))
    for other in (fit_clone(estimator, X), again):
        assert_same(other, answer(other, X), expected, "differs in a second fit")


def check_other_seed_other_model(name: str, estimator: Any) -> None:
    """Ask for two models from two seeds."""
    X = make_sequences(estimator)
    one, other = (answer(fit_clone(seeded(estimator, s), X), X) for s in (0, 1))
    if all(np.array_equal(all_steps(one[m]), all_steps(other[m])) for m in one):
        raise AssertionError(f"{name} does not depend on random_state.")


def check_threads_agree(name: str, estimator: Any) -> None:
    """Ask for the same models in parallel threads as one after the other."""
    X = make_sequences(estimator)

    def fit(seed: int) -> Any:
        return fit_clone(seeded(estimator, seed), X)

    seeds = range(4)
    with ThreadPoolExecutor(len(seeds)) as pool:
        parallel = list(pool.map(fit, seeds))
    for seed, fitted in zip(seeds, parallel, strict=True):
        expected = answer(fit(seed), X)
        assert_same(fitted, answer(fitted, X), expected, "differs in a thread")


def check_processes_agree(name: str, estimator: Any) -> None:
    """Ask for the same cross-validation in two processes as in one."""
    X = make_sequences(estimator)
    y = make_targets(estimator, X)
    method = "predict"
    if "predict_proba" in methods_of(estimator):
        method = "predict_proba"
    if task_of(estimator) in PER_STEP:  # y of which scikit-learn cannot encode
        method = "predict"
    options = {"cv": KFold(2, shuffle=True, random_state=0), "method": method}
    with joblib.parallel_config(backend="loky"):
        got, expected = (
            {method: cross_val_predict(estimator, X, y, n_jobs=n, **options)}
            for n in (2, 1)
        )
    assert_same(estimator, got, expected, "differs with n_jobs=2")


def check_grid_search(name: str, estimator: Any) -> None:
    """Ask for one grid search over containers of all kinds."""
    X = make_sequences(estimator)
    y = make_targets(estimator, X)
    grid = {seed: [0, 1] for seed in seed_names(estimator)[:1]}
    scores = []
    for container in forms_of(X):
        search = GridSearchCV(estimator, grid, cv=2, error_score="raise")
        scores.append(search.fit(container, y).cv_results_["mean_test_score"])
        answers = answer(search.best_estimator_, X)
        assert_same(estimator, answer(search, X), answers, "differs in a search")
    if not all(np.array_equal(other, scores[0]) for other in scores):
        raise AssertionError(f"{name}: in containers of several kinds: {scores}")


# --- what a model leaves alone -------------------------------------------------------


def _check_left_alone(
    name: str,
    estimator: Any,
    look: Callable[[], dict[str, Any]],
    before: dict[str, Any] | None = None,
) -> None:
    X = make_sequences(estimator)
    before = before or look()
    fitted = fit_clone(estimator, X)
    states = {"fit": look()}
    answer(fitted, X)
    states["predict"] = look()
    for method, after in states.items():
        changed = [what for what in before if after[what] != before[what]]
        if changed:
            raise AssertionError(f"{name}.{method} changes {', '.join(changed)}.")


def check_global_seeds_are_left_alone(name: str, estimator: Any) -> None:
    """Ask that with its own seed it draws from no global generator."""
    _check_left_alone(name, estimator, _global_seeds)


def _global_seeds() -> dict[str, Any]:
    import torch

    there = torch.cuda.is_available()
    of_cuda = torch.cuda.get_rng_state_all() if there else []
    return {
        "the state of random": random.getstate(),
        "the state of numpy.random": pickle.dumps(np.random.get_state()),  # noqa: NPY002 - looked at, not used
        "the state of torch": torch.get_rng_state().tolist(),
        "the state of torch.cuda": [state.tolist() for state in of_cuda],
    }


def check_global_settings_are_left_alone(name: str, estimator: Any) -> None:
    """Ask that fit and predict leave the settings of Python, numpy and torch."""
    before = _global_settings()
    X = make_sequences(estimator)
    answer(fit_clone(estimator, X), X)  # what it imports may change two of them, once
    new = set(os.environ) - set(before["os.environ"])
    removed = {key: os.environ.pop(key) for key in new}
    with warnings.catch_warnings():
        warnings.filters[:] = before["the warning filters"]  # type: ignore[index]  # typed as a Sequence
        _check_left_alone(name, estimator, _global_settings, before)
    os.environ.update(removed)


def _global_settings() -> dict[str, Any]:
    import torch

    return {
        "os.environ": dict(os.environ),
        "the warning filters": list(warnings.filters),
        "numpy's error handling": np.geterr(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
        "torch's gradient mode": torch.is_grad_enabled(),
    }


def check_nothing_is_printed(name: str, estimator: Any) -> None:
    """Ask that fit and predict print nothing."""
    X = make_sequences(estimator)
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        answer(fit_clone(estimator, X), X)
    if printed.getvalue():
        raise AssertionError(f"{name} prints {printed.getvalue()[:200]!r}.")


# --- copies and refits ---------------------------------------------------------------


def check_pickle(name: str, estimator: Any) -> None:
    """Ask for the same predictions after pickle."""
    X = make_sequences(estimator)
    fitted = fit_clone(estimator, X)
    back = pickle.loads(pickle.dumps(fitted))
    assert_same(back, answer(back, X), answer(fitted, X), "differs after pickle")


def check_clone(name: str, estimator: Any) -> None:
    """Ask that a clone is not fitted, has the parameters and fits alike."""
    X = make_sequences(estimator)
    fitted = fit_clone(estimator, X)
    copy = clone(fitted)
    if joblib.hash(copy.get_params()) != joblib.hash(estimator.get_params()):
        raise AssertionError(f"{name} has other parameters after fit and clone.")
    try:
        answer(copy, X)
    except NotFittedError:
        pass
    else:
        raise AssertionError(f"A clone of a fitted {name} is fitted.")
    copy.fit(X, make_targets(estimator, X))
    assert_same(copy, answer(copy, X), answer(fitted, X), "differs in a clone")


def check_failed_refit_changes_nothing(name: str, estimator: Any) -> None:
    """Ask that a fit that fails leaves the model of the fit before."""
    X = make_sequences(estimator)
    y = make_targets(estimator, X)
    fitted = clone(estimator).fit(X, y)
    expected = answer(fitted, X)
    cases = [] if y is None else [(X, y[:-3], "a short y")]
    if task_of(estimator) in OF_TOKENS:
        cases.append(([*X[:-1], X[-1][:0]], y, "an empty sequence"))
    else:
        wider = make_ragged(n_features=3)
        wider[-1][-1, -1] = np.inf
        cases.append((wider, y, "infinity"))
    for bad_X, bad_y, reason in cases:
        claim = f"{name}.fit with {reason}"
        assert_refused(partial(fitted.fit, bad_X, bad_y), [], claim)
        assert_same(fitted, answer(fitted, X), expected, "changes in a failed fit")


ALWAYS: tuple[Check, ...] = (  # the first three before anything has been changed
    check_global_settings_are_left_alone,
    check_global_seeds_are_left_alone,
    check_nothing_is_printed,
    check_padding_changes_nothing,
    check_permutation_permutes,
    check_company_changes_nothing,
    check_position_changes_nothing,
    check_one_sequence,
    check_containers_agree,
    check_empty_sequence_is_refused,
    check_input_is_not_modified,
    check_training_order_changes_nothing,
    check_same_seed_same_model,
    check_threads_agree,
    check_pickle,
    check_clone,
    check_failed_refit_changes_nothing,
    check_grid_search,
    check_processes_agree,
)
IF_WEIGHTED: tuple[Check, ...] = (
    check_weights_are_copies,
    check_zero_weight_is_absence,
)
IF_SEEDED: tuple[Check, ...] = (check_other_seed_other_model,)
IF_NAN_IS_REFUSED: tuple[Check, ...] = (check_missing_value_is_refused,)
IF_NUMBERS: tuple[Check, ...] = (
    check_number_types_agree,
    check_panel_equals_list,
    check_other_length,
    check_feature_counts_are_named,
    check_read_only_input,
)
