"""Which steps and features of sequences count: arguments checked, then computed."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor

from skrnn._base import BaseRecurrent
from skrnn._categories import check_step_codes

__all__ = ["METHODS", "N_POINTS", "baseline_of", "check_how", "explain", "names_of"]
__all__ += ["network_of", "pick", "sequence_importance"]

METHODS = ("integrated_gradients", "occlusion")
N_POINTS = 64


def sequence_importance(
    estimator: Any,
    X: Any,
    *,
    method: str = "integrated_gradients",
    target: Any = None,
    baseline: Any = None,
    n_points: Any = N_POINTS,
    width: Any = 1,
) -> list[NDArray[np.float64]]:
    """Compute what each step and feature of sequences adds to an output.

    Parameters
    ----------
    estimator : object
        A fitted classifier or regressor of this package.
    X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
        The sequences.
    method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
        Gradients integrated on the straight way from the baseline to the sequence [1]_,
        which add up to the output there minus that of the baseline; or how far the
        output falls if the steps around each are replaced by the baseline [2]_.
    target : label, int or None, default=None
        The class (of several labels: the column) whose score is looked at, before it
        becomes a probability; of two classes, the log-odds of this one. None is, for
        each sequence, that with the largest score. For a regressor the column of y,
        None for the first.
    baseline : array of shape (n_features,) or None, default=None
        A step that says nothing; None is the mean of all steps of X, as the network
        reads them: with ``missing="mask"``, filled, and with their marks. A category
        is unknown there (-1).
    n_points : int, default=64
        Points of the way that gradients are taken at.
    width : int, default=1
        Number of steps that are occluded together, in the middle of which each stands;
        an odd number.

    Returns
    -------
    importances : list of ndarray of shape (n_steps_i, n_features)
        In units of the score, or of y. Positive where a value speaks for the target.

    Raises
    ------
    NotFittedError
        If nothing was fitted yet.
    TypeError
        If ``estimator`` is of another kind.
    ValueError
        If an argument or X cannot be used, or the network was fitted with
        ``scale_inputs="sequence"``, whose steps cannot be told apart.

    References
    ----------
    .. [1] Sundararajan, Taly & Yan (2017), Axiomatic Attribution for Deep Networks,
       arXiv:1703.01365.
    .. [2] Zeiler & Fergus (2014), Visualizing and Understanding Convolutional Networks,
       arXiv:1311.2901.

    Examples
    --------
    >>> from skrnn import GRURegressor
    >>> from skrnn.datasets import make_adding_problem
    >>> from skrnn.inspection import sequence_importance
    >>> X, y = make_adding_problem(n_sequences=500, n_steps=10, random_state=0)
    >>> model = GRURegressor(lr=0.01, max_epochs=20, random_state=0).fit(X, y)
    >>> importances = sequence_importance(model, X[:100])
    >>> marked = [abs(i[x[:, 1] == 1]).sum() for i, x in zip(importances, X[:100])]
    >>> others = [abs(i[x[:, 1] == 0]).sum() for i, x in zip(importances, X[:100])]
    >>> bool(sum(marked) > sum(others))
    True
    """
    check_how(method, n_points, width)
    fitted = network_of(estimator)
    sequences = fitted._read_sequences(X, reset=False)
    around = baseline_of(fitted, sequences, baseline)
    how = (method, target, int(n_points), int(width))
    return explain(fitted, sequences, around, *how)


def check_how(method: Any, n_points: Any, width: Any) -> None:
    """Refuse what cannot be computed."""
    if method not in METHODS:
        raise ValueError(f"method={method!r}, expected one of {METHODS}.")
    for name, value in (("n_points", n_points), ("width", width)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name}={value!r}, expected a number from 1 on.")
    if width % 2 == 0:
        raise ValueError(f"width={width!r}, expected an odd number.")


def explain(
    fitted: Any,
    sequences: Any,
    around: NDArray[np.float64],
    method: str,
    target: Any,
    n_points: int,
    width: int,
) -> list[NDArray[np.float64]]:
    """Compute importances from checked arguments."""
    from skrnn._importance import integrated_gradients, occlusion
    from skrnn._running import run_module

    prepare, module = fitted._preparation(), fitted.module_
    outputs = run_module(module, sequences, "outputs", prepare)
    directions = directions_of(fitted, outputs, target)
    seen, n_features = prepare(sequences), fitted._n_step_features
    if method == "occlusion":
        return occlusion(module, seen, around, directions, width, n_features)
    found = integrated_gradients(module, seen, around, directions, n_points)
    # what a mark of a missing value adds is said of its feature
    return [each.reshape(len(each), -1, n_features).sum(axis=1) for each in found]


def network_of(estimator: Any) -> Any:
    """Give the fitted network of this package."""
    if not isinstance(estimator, BaseRecurrent):
        raise TypeError(
            f"estimator is a {type(estimator).__module__}.{type(estimator).__name__}, "
            "expected a classifier or regressor of skrnn: of a pipeline pass the last "
            "step, and X as it comes to it; of a panel estimator pass estimator_, and "
            "as_sequences(X)."
        )
    return estimator._fitted()


def baseline_of(fitted: Any, sequences: Any, given: Any) -> NDArray[np.float64]:
    """Give a step of all that the module reads which says nothing."""
    if fitted.module_.config["pooling"] == "none":
        raise ValueError(
            f"{type(fitted).__name__} has an output for each step: importance is that "
            "of steps for the one output of a classifier or regressor."
        )
    if fitted.input_scale_ == "sequence":
        raise ValueError(
            "With scale_inputs='sequence' each value changes the scale of its whole "
            "sequence, so that steps cannot be told apart: fit with "
            "scale_inputs='feature'."
        )
    seen = fitted._preparation()(sequences).values
    if given is None:
        usual = np.asarray(seen.mean(axis=0, dtype=np.float64))
        usual[np.flatnonzero(fitted._n_categories())] = -1  # unknown
        return usual
    n_features = fitted._n_step_features
    try:
        step = np.asarray(given, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        step = np.empty(0)
    if step.shape != (n_features,) or not np.isfinite(step).all():
        raise ValueError(
            f"baseline={given!r}, expected {n_features} finite number(s), one for each "
            "feature."
        )
    check_step_codes(step[None], fitted._n_categories(), "baseline")
    marks = np.zeros(seen.shape[1] - n_features)  # nothing is missing there
    return np.concatenate([step, marks])


def directions_of(
    fitted: Any, outputs: NDArray[Any], target: Any
) -> NDArray[np.float64]:
    """Say which outputs are looked at, for each sequence, and in what unit."""
    n_outputs = outputs.shape[1]
    each = np.eye(n_outputs)
    if is_regressor(fitted):
        names, target = list(range(n_outputs)), 0 if target is None else target
        each = each * np.atleast_1d(fitted.target_scale_)
    else:
        names = fitted.classes_.tolist()
        if n_outputs == 2 and not fitted._multilabel:
            each = np.array([[1.0, -1.0], [-1.0, 1.0]])  # log-odds, for and against
    if target is None:
        return np.asarray(each[outputs.argmax(axis=1)])
    if not any(name == target for name in names if np.ndim(target) == 0):
        raise ValueError(f"target={target!r}, expected one of {names}.")
    return np.tile(each[names.index(target)], (len(outputs), 1))


def names_of(fitted: Any) -> list[str] | None:
    """Names of the features of a step, if X had any."""
    names = [str(name) for name in getattr(fitted, "feature_names_in_", [])]
    return names if len(names) == fitted._n_step_features else None


def pick(fitted: Any, X: Any, index: int) -> tuple[Any, Any]:
    """Check X: all of it, and one sequence as a container of its own."""
    sequences = fitted._read_sequences(X, reset=False)
    if not isinstance(index, Integral) or index not in range(
        -len(sequences), len(sequences)
    ):
        raise ValueError(f"index={index!r}, but X has {len(sequences)} sequence(s).")
    place = range(len(sequences))[index]
    return sequences, sequences[place : place + 1]
