"""What graphs and programs are made of: a step of an estimator, and its state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skrnn._base import BaseRecurrent
from skrnn._graph import numbers
from skrnn._sequences import Sequences
from skrnn._steps import SequenceStep, gives_numbers

__all__ = ["check_difference", "compare", "compare_sequences", "fitted_of", "refuse"]
__all__ += ["is_forecaster", "step_extras", "step_of", "step_state"]

Array = NDArray[Any]
Run = Callable[[dict[str, Array]], dict[str, Array]]
LARGEST_ERROR = 1e-5  # of probabilities, or in units of the spread of y
LENGTHS = [[1], [7, 1, 25], [3, 64, 2, 30, 9]]  # of the batches that are compared


def is_forecaster(estimator: Any) -> bool:
    """Whether this is a forecaster of this package, which is not loaded for that."""
    homes = {each.__module__ for each in type(estimator).__mro__}
    return "skrnn.forecasting._base" in homes


def fitted_of(estimator: Any, name: str) -> Any:
    """Give a draft of a fitted estimator that no fit will change, or raise."""
    if is_forecaster(estimator):
        estimator.check_is_fitted()
        return copy.copy(estimator)
    if not isinstance(estimator, BaseRecurrent):
        raise TypeError(
            f"estimator is a {type(estimator).__name__}, expected a network of skrnn "
            f"that reads step by step: of a pipeline give {name} the last step, and do "
            "what comes before it elsewhere."
        )
    check_is_fitted(estimator)
    return estimator._fitted()


def refuse(fitted: Any, kind: str) -> None:
    """Refuse what cannot be exported."""
    reasons = []
    if is_forecaster(fitted):
        if kind == "sequence":
            raise ValueError(
                "A forecaster is exported step by step: use kind='step', which rolls "
                "out and reads on."
            )
        if fitted._network_now().config["n_ahead"] > 1:
            reasons.append("strategy='direct' (fit with strategy='recursive')")
    else:
        config = fitted.module_.config
        if config["pooling"] == "none" and kind == "sequence":
            reasons.append("an output for each step (export kind='step')")
        if config.get("head") == "crf":
            reasons.append("head='crf' (fit with head='softmax')")
        if fitted.input_scale_ == "sequence" and kind == "step":
            reasons.append("scale_inputs='sequence' (fit with 'feature')")
        if config["bidirectional"] and kind == "step":
            reasons.append("bidirectional=True")
        if config["stem"] and kind == "step":
            reasons.append(f"stem={config['stem']}")
    if reasons:
        raise ValueError(
            f"An export of kind {kind!r} cannot have {', '.join(reasons)}."
        )


def step_of(fitted: Any) -> Any:
    """Make the formulas of one step."""
    if not is_forecaster(fitted):
        return SequenceStep(fitted)
    from skrnn.forecasting._steps import ForecastStep

    return ForecastStep(fitted._network_now())


def check_difference(apart: float, what: str) -> None:
    """Refuse to write what does not give what the estimator gives."""
    if not apart <= LARGEST_ERROR:
        raise RuntimeError(
            f"The {what} differs from the estimator by {apart:.2g}, more than "
            f"{LARGEST_ERROR}: nothing was written. Please report it."
        )


def compare(run: Run, fitted: Any) -> float:
    """Let ``run`` and the estimator go step by step: the largest difference."""
    if not is_forecaster(fitted):
        return compare_steps(run, fitted)
    from skrnn.forecasting._steps import compare_forecasts

    with np.errstate(over="ignore", invalid="ignore"):  # NaN is a difference
        return compare_forecasts(run, fitted._memory)


def step_state(estimator: Any, n_sequences: int = 1) -> dict[str, Array]:
    """Give the state that an exported step begins with, by the names of its inputs.

    Parameters
    ----------
    estimator : object
        A fitted network of this package that goes step by step, or a forecaster.
    n_sequences : int, default=1
        How many sequences will be read side by side. A forecaster has one place for
        each series it was fitted to, in the order in which they first stand
        in ``y``, and goes on from the last value of each.

    Returns
    -------
    state : dict of str to ndarray
        What a graph of ``to_onnx(..., kind="step")`` and a program of ``to_torch``
        take, besides what comes new at each step.

    Raises
    ------
    NotFittedError
        If nothing was fitted yet.
    TypeError
        If ``estimator`` is of another kind.
    ValueError
        If the network cannot go step by step.

    See Also
    --------
    step_extras : The exogenous numbers of the steps to come.

    Examples
    --------
    >>> import skrnn
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(n_sequences=60, n_steps=20, random_state=0)
    >>> model = skrnn.GRUClassifier(bidirectional=False, pooling="mean", max_epochs=2)
    >>> state = skrnn.step_state(model.fit(X, y), n_sequences=3)
    >>> list(state)
    ['n_steps', 'hidden', 'pooled_0']
    >>> state["hidden"].shape
    (1, 1, 3, 64)
    """
    fitted = fitted_of(estimator, "step_state")
    refuse(fitted, "step")
    if is_forecaster(fitted):
        from skrnn.forecasting._steps import state_arrays

        memory = fitted._memory.at(fitted._cutoffs())
        return state_arrays(memory.network, memory.standings)
    forms, state = SequenceStep(fitted).state, fitted.initial_state(n_sequences)
    arrays = {"n_steps": np.array(0), "hidden": state.hidden}
    arrays |= {f"pooled_{k}": each for k, each in enumerate(state.pooled)}
    if "filled" in forms:
        arrays["filled"] = np.tile(fitted.fill_values_, (n_sequences, 1))
    return {name: arrays[name].astype(form.dtype) for name, form in forms.items()}


def step_extras(forecaster: Any, fh: Any, X: Any = None) -> Array:
    """Give what an exported step of a forecaster takes as ``extra``, for steps to come.

    These are sines and cosines of the calendar, where times have one, and the columns
    of X as the numbers that the network reads.

    Parameters
    ----------
    forecaster : object
        A fitted forecaster of this package.
    fh : int, list or ForecastingHorizon
        Steps to come; those between them are given, too.
    X : DataFrame or None, default=None
        Exogenous columns of these times, as for ``predict``.

    Returns
    -------
    extras : ndarray of shape (n_series, n_steps, n_extras)
        In single precision; the first step is the one after the last known value of
        each series.

    Raises
    ------
    NotFittedError
        If nothing was fitted yet.
    TypeError
        If ``forecaster`` is something else.
    ValueError
        If ``predict`` would refuse these times or this X, no step is to come, or if
        series end with different numbers of missing values.

    See Also
    --------
    step_state : The state of the first step.

    Examples
    --------
    >>> import pandas as pd
    >>> import skrnn
    >>> from skrnn.forecasting import GRUForecaster
    >>> index = pd.period_range("2020-01", periods=40, freq="M")
    >>> forecaster = GRUForecaster(max_epochs=1, random_state=0)
    >>> forecaster = forecaster.fit(pd.Series(range(40), index, dtype=float))
    >>> skrnn.step_extras(forecaster, fh=[1, 2, 3]).round(2)[0, 0]
    array([ 0.87, -0.5 ], dtype=float32)
    """
    if not is_forecaster(forecaster):
        raise TypeError(
            f"forecaster is a {type(forecaster).__name__}, expected a forecaster of "
            "skrnn."
        )
    forecaster.check_is_fitted()
    from skrnn.forecasting._steps import extras_ahead

    return extras_ahead(forecaster, fh, X)


def usual_batches(fitted: Any) -> list[list[Array]]:
    """Draw batches of sequences such as the network has learned from."""
    scaling, generator = fitted.module_.scaling, np.random.default_rng(0)
    n_features = fitted._n_step_features
    mean: Any = 0.0
    scale: Any = 1.0
    if scaling is not None and fitted.input_scale_ != "sequence":
        are_numbers = np.flatnonzero(fitted._n_categories() == 0)
        mean, scale = np.zeros(n_features), np.ones(n_features)
        mean[are_numbers] = numbers(scaling.mean)[: len(are_numbers)]
        scale[are_numbers] = numbers(scaling.scale)[: len(are_numbers)]
    batches = [
        [mean + scale * generator.normal(size=(n, n_features)) for n in lengths]
        for lengths in LENGTHS
    ]
    for column in np.flatnonzero(fitted._n_categories()):
        for each in (each for batch in batches for each in batch):
            most = fitted.n_categories_[column] + 2  # some are unknown
            each[:, column] = generator.integers(-1, most, len(each))
    if hasattr(fitted, "fill_values_"):
        for each in (each for batch in batches for each in batch):
            each[generator.random(each.shape) < 0.3] = np.nan
    return batches


def named(fitted: Any, batch: list[Array]) -> Sequences:
    """Give sequences the names of features that the estimator knows."""
    of_steps = fitted._input_kind != "table"
    names = getattr(fitted, "feature_names_in_", None) if of_steps else None
    return Sequences.from_arrays(batch, names)


def difference(fitted: Any, got: Array, expected: Array) -> float:
    """How far outputs are apart, for numbers in units of the spread of y."""
    unit = np.atleast_1d(fitted.target_scale_) if gives_numbers(fitted) else 1.0
    return float(np.abs((got - expected.reshape(got.shape)) / unit).max())


def compare_sequences(run: Run, fitted: Any) -> float:
    """Let ``run`` and the estimator read ragged batches: the largest difference."""
    found = []
    for batch in usual_batches(fitted):
        lengths = np.array([len(each) for each in batch])
        x = np.full((len(batch), lengths.max(), batch[0].shape[1]), 7.0, np.float32)
        for row, each in zip(x, batch, strict=True):
            row[: len(each)] = each
        got = run({"x": x, "lengths": lengths})[name_of_output(fitted)]
        expected = fitted._decode(fitted._run(named(fitted, batch)))
        found.append(difference(fitted, got, expected))
    return float(np.max(found))  # NaN if one is


def compare_steps(run: Run, fitted: Any) -> float:
    """Let ``run`` and the estimator read streams: the largest difference."""
    found = []
    for batch in usual_batches(fitted):
        n_steps = max(len(each) for each in batch)  # short ones are read again
        rows = [np.resize(each, (n_steps, each.shape[1])) for each in batch]
        stream = np.stack(rows).astype(np.float32)
        state, ours = fitted.initial_state(len(batch)), step_state(fitted, len(batch))
        read = partial(BaseRecurrent.step, fitted)  # numbers, where others read texts
        for step in range(n_steps):
            got = run({"x": stream[:, step], **ours})
            ours = {name: got[f"new_{name}"] for name in ours}
            expected, state = read(stream[:, step], state)
            found.append(
                difference(fitted, got[name_of_output(fitted)], np.asarray(expected))
            )
    return float(np.max(found))


def name_of_output(fitted: Any) -> str:
    """Give the name of the output that is compared."""
    return "y" if gives_numbers(fitted) else "probabilities"
