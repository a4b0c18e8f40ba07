"""A conformance suite for estimators of sequences, in the manner of scikit-learn's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, overload

from sklearn.utils.validation import has_fit_parameter

from skrnn._checks import (
    ALWAYS,
    IF_NAN_IS_REFUSED,
    IF_NUMBERS,
    IF_SEEDED,
    IF_WEIGHTED,
    Check,
)
from skrnn._checks_data import OF_TOKENS, PER_STEP, seed_names, seeded, task_of
from skrnn._checks_steps import IF_PER_STEP, IF_STEPS_ARE_WEIGHTED
from skrnn._checks_tokens import IF_TOKENS

__all__ = ["check_sequence_estimator"]

Pair = tuple[Any, "partial[None]"]


@overload
def check_sequence_estimator(
    estimator: Any,
    *,
    on_fail: Literal["raise"] | None = ...,
    generate_only: Literal[False] = ...,
) -> list[dict[str, Any]]: ...


@overload
def check_sequence_estimator(
    estimator: Any,
    *,
    on_fail: Literal["raise"] | None = ...,
    generate_only: Literal[True],
) -> Iterator[Pair]: ...


def check_sequence_estimator(
    estimator: Any,
    *,
    on_fail: Literal["raise"] | None = "raise",
    generate_only: bool = False,
) -> list[dict[str, Any]] | Iterator[Pair]:
    """Check that an estimator treats sequences as sequences.

    What ``sklearn.utils.estimator_checks.check_estimator`` asks of tables, this asks of
    3-D arrays and of sequences of different lengths: no answer depends on padding, on
    companions or on the order of anything, weights are copies, seeds decide everything
    and are the estimator's own, and bad input is refused with its place. Each check
    makes one claim and says in its message what came instead.

    Parameters
    ----------
    estimator : estimator object
        A classifier, a regressor, or what its tags call by an ``estimator_type`` of its
        own: a "tagger" or a "sequence_regressor", with a target for each step; a
        "language_model", which learns from texts, a "recommender", from lists of items,
        a "transducer", from texts and what becomes of each. It is cloned, and every
        ``random_state`` in the clone is set to a number. A small network with few
        epochs is enough.
    on_fail : {"raise", None}, default="raise"
        Whether to raise the exception of the first check that fails, or to go on.
    generate_only : bool, default=False
        Whether to give the checks instead of running them, for
        ``pytest.mark.parametrize``.

    Returns
    -------
    results : list of dict, or iterator of tuple
        One dict per check: ``check_name``, ``status`` ("passed" or "failed") and
        ``exception`` (None if passed). With ``generate_only``, tuples ``(estimator,
        check)``, to be run as ``check(estimator)``.

    Raises
    ------
    Exception
        With ``on_fail="raise"``, that of the first check that fails; mostly an
        ``AssertionError``.
    ValueError
        If ``on_fail`` is neither.

    See Also
    --------
    sklearn.utils.estimator_checks.check_estimator : The checks for tables.

    Notes
    -----
    Checks that cannot apply are left out: those of weights if ``fit`` takes no
    ``sample_weight``, that of different seeds without a ``random_state``, that of NaN
    if the tags allow NaN, those of numbers for texts and items. Estimators per step,
    and those of texts and items, have some more. Compare the number of checks, too.

    What is compared is what ``predict``, ``predict_proba``, ``decision_function`` and
    ``transform`` give, as far as there are such; ``score_samples`` and
    ``predict_proba`` of a language model, ``predict_proba`` of a recommender,
    ``predict`` of a transducer.

    "The same" means to the bit on a CPU. Models fitted to other rows that should make
    no difference may differ by rounding, 1e-6 of a value. If the estimator has a
    ``device_`` that is not a CPU, 1e-3 is allowed everywhere.

    Examples
    --------
    >>> from skrnn import GRURegressor
    >>> from skrnn.testing import check_sequence_estimator
    >>> model = GRURegressor(hidden_size=4, max_epochs=2, device="cpu")
    >>> checks = list(check_sequence_estimator(model, generate_only=True))
    >>> for estimator, check in checks[:12]:  # the others take some seconds
    ...     check(estimator)
    >>> len(checks)
    28
    """
    if on_fail not in ("raise", None):
        raise ValueError(f"on_fail must be 'raise' or None, got {on_fail!r}.")
    name = type(estimator).__name__
    if generate_only:
        return ((seeded(estimator, 0), partial(c, name)) for c in _checks_of(estimator))
    results = []
    for check in _checks_of(estimator):
        exception = None
        try:
            check(name, seeded(estimator, 0))
        except Exception as error:
            if on_fail == "raise":
                raise
            exception = error
        results.append(
            {
                "check_name": check.__name__,
                "status": "failed" if exception else "passed",
                "exception": exception,
            }
        )
    return results


def _checks_of(estimator: Any) -> list[Check]:
    """Find the checks that apply."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    of_tokens = task_of(estimator) in OF_TOKENS
    checks = [*ALWAYS, *(IF_TOKENS if of_tokens else IF_NUMBERS)]
    if has_fit_parameter(estimator, "sample_weight"):
        checks += IF_WEIGHTED
    if seed_names(estimator):
        checks += IF_SEEDED
    if not of_tokens and (tags is None or not tags().input_tags.allow_nan):
        checks += IF_NAN_IS_REFUSED
    if task_of(estimator) in PER_STEP:
        checks += IF_PER_STEP
        if has_fit_parameter(estimator, "sample_weight"):
            checks += IF_STEPS_ARE_WEIGHTED
    return checks
