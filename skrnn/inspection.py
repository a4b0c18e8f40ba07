"""Looking inside: how training went, what a forecast is sure of, what matters when."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn._base import BaseRecurrent
from skrnn._explaining import (
    N_POINTS,
    baseline_of,
    check_how,
    explain,
    names_of,
    network_of,
    pick,
    sequence_importance,
)

__all__ = ["ForecastDisplay", "GateDisplay", "SequenceImportanceDisplay"]
__all__ += ["TrainingHistoryDisplay", "sequence_importance"]


def axes_of(ax: Any, n_rows: int = 1, **shape: Any) -> Any:
    """Take the axes given, or make new ones; matplotlib is loaded here."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib: pip install matplotlib."
        ) from error
    if ax is None:
        _, ax = pyplot.subplots(n_rows, layout="constrained", sharex=True, **shape)
    return ax


class TrainingHistoryDisplay:
    """Losses after each epoch.

    Parameters
    ----------
    history : list of dict
        As in the attribute ``history_`` of all networks of this package.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        The figure around it.
    lines_ : list of matplotlib Line2D
        One line for each loss, and each network of an ensemble.

    Examples
    --------
    >>> from skrnn import GRUClassifier
    >>> from skrnn.datasets import make_waves
    >>> from skrnn.inspection import TrainingHistoryDisplay
    >>> X, y = make_waves(n_sequences=60, random_state=0)
    >>> model = GRUClassifier(max_epochs=5, early_stopping=True, random_state=0)
    >>> display = TrainingHistoryDisplay.from_estimator(model.fit(X, y))
    >>> len(display.lines_)
    2
    """

    def __init__(self, history: Any) -> None:
        self.history = history

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        metrics: Any = ("train_loss", "valid_loss"),
        log_scale: bool = False,
        ax: Any = None,
    ) -> Self:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : object
            A fitted classifier, regressor or forecaster of this package.
        metrics : sequence of str, default=("train_loss", "valid_loss")
            What to draw of it; what is not in the history is left out.
        log_scale : bool, default=False
            Whether the axis of the losses is logarithmic.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            The picture.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If ``estimator`` is of another kind.
        ValueError
            If the history has none of ``metrics``.
        ImportError
            If matplotlib is not installed.
        """
        if hasattr(estimator, "check_is_fitted"):  # one of sktime
            estimator.check_is_fitted()
        elif isinstance(estimator, BaseRecurrent):
            check_is_fitted(estimator)
        estimator = getattr(estimator, "estimator_", estimator)  # of a panel
        if not hasattr(estimator, "history_"):
            raise TypeError(
                f"{type(estimator).__name__} has no history_: pass a fitted network of "
                "skrnn, of a pipeline its last step."
            )
        display = cls(estimator.history_)
        return display.plot(metrics=metrics, log_scale=log_scale, ax=ax)

    def plot(
        self,
        *,
        metrics: Any = ("train_loss", "valid_loss"),
        log_scale: bool = False,
        ax: Any = None,
    ) -> Self:
        """Draw it.

        Parameters
        ----------
        metrics : sequence of str, default=("train_loss", "valid_loss")
            What to draw of it; what is not in the history is left out.
        log_scale : bool, default=False
            Whether the axis of the losses is logarithmic.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        self : TrainingHistoryDisplay
            The picture.

        Raises
        ------
        ValueError
            If the history has none of ``metrics``.
        ImportError
            If matplotlib is not installed.
        """
        wanted = [metrics] if isinstance(metrics, str) else metrics
        names = [m for m in wanted if any(m in each for each in self.history)]
        if not names:
            known = sorted({name for each in self.history for name in each})
            raise ValueError(f"metrics={metrics!r}, but the history has {known}.")
        self.ax_ = axes_of(ax)
        self.figure_, self.lines_ = self.ax_.figure, []
        for colour, name in enumerate(names):
            runs: dict[Any, list[Any]] = {}  # of the networks of an ensemble
            for each in self.history:
                loss = each.get(name, np.nan)
                runs.setdefault(each.get("network"), []).append(loss)
            for number, losses in enumerate(runs.values()):
                if np.isnan(losses).all():
                    continue
                label = name.replace("_", " ") if number == 0 else None
                style = {"color": f"C{colour}", "alpha": 1.0 if len(runs) == 1 else 0.6}
                epochs = np.arange(1, len(losses) + 1)
                self.lines_ += self.ax_.plot(epochs, losses, label=label, **style)
                if name == "valid_loss":
                    best = int(np.nanargmin(losses))
                    point = (epochs[best], losses[best])
                    self.ax_.plot(*point, "o", markerfacecolor="none", **style)
        if log_scale:
            self.ax_.set_yscale("log")
        self.ax_.set(xlabel="epoch", ylabel="loss")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.legend()
        return self


class ForecastDisplay:
    """A forecast behind the values it comes from, with its intervals as a fan.

    Parameters
    ----------
    y : pandas Series
        Values that are known.
    y_pred : pandas Series
        The forecast.
    intervals : DataFrame or None, default=None
        As from ``predict_interval``: columns (variable, coverage, bound).
    y_test : pandas Series or None, default=None
        What came, if that is known.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        The figure around it.
    line_ : matplotlib Line2D
        The forecast.
    bands_ : list of matplotlib collections
        The intervals, the widest first.

    See Also
    --------
    sktime.utils.plotting.plot_series : Several series in one picture.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from skrnn.forecasting import GRUForecaster
    >>> from skrnn.inspection import ForecastDisplay
    >>> y = load_airline()
    >>> model = GRUForecaster(max_epochs=5, random_state=0).fit(y[:-12])
    >>> display = ForecastDisplay.from_estimator(model, range(1, 13), y_test=y[-12:])
    >>> len(display.bands_)
    3
    """

    def __init__(
        self, y: Any, y_pred: Any, intervals: Any = None, y_test: Any = None
    ) -> None:
        self.y = y
        self.y_pred = y_pred
        self.intervals = intervals
        self.y_test = y_test

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        fh: Any = None,
        *,
        X: Any = None,
        y_test: Any = None,
        coverage: Any = (0.5, 0.8, 0.95),
        series: Any = None,
        n_past: Any = None,
        ax: Any = None,
    ) -> Self:
        """Forecast, and draw it.

        Parameters
        ----------
        estimator : object
            A fitted forecaster of this package.
        fh : int, list, ForecastingHorizon or None, default=None
            The steps to forecast; None for those given to ``fit``.
        X : DataFrame or None, default=None
            Exogenous columns of the times to forecast.
        y_test : Series, DataFrame or None, default=None
            What came, to be drawn beside the forecast.
        coverage : float or sequence of float, default=(0.5, 0.8, 0.95)
            Of the intervals; an empty sequence draws none.
        series : label, tuple of labels or None, default=None
            Which series of a panel; None for the first. Of several columns the first is
            drawn.
        n_past : int or None, default=None
            How many of the last values to draw; None for four times as many as are
            forecast, all with 0.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ForecastDisplay
            The picture.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If ``estimator`` is of another kind, or was fitted on arrays without times.
        ValueError
            If there is no such series, or an argument cannot be used.
        ImportError
            If matplotlib or skpro is not installed.
        """
        from skrnn.forecasting._base import BaseRecurrentForecaster

        if not isinstance(estimator, BaseRecurrentForecaster):
            raise TypeError(
                f"estimator is a {type(estimator).__name__}, expected a forecaster of "
                "skrnn; for others make a ForecastDisplay of their forecasts."
            )
        if n_past is not None and (not isinstance(n_past, Integral) or n_past < 0):
            raise ValueError(f"n_past={n_past!r}, expected a number from 0 on.")
        levels = [coverage] if isinstance(coverage, Real) else list(coverage)
        y_pred = estimator.predict(fh, X=X)
        if isinstance(y_pred, np.ndarray | list):
            raise TypeError(
                f"The forecaster was fitted on a {type(y_pred).__name__}, expected a "
                "Series or a DataFrame, which have times."
            )
        intervals = None
        if levels:
            intervals = estimator.predict_interval(fh, X=X, coverage=levels)
        past, key = estimator._memory.past(series)
        y_pred, y_test = (first_column(part_of(each, key)) for each in (y_pred, y_test))
        intervals = part_of(intervals, key)
        shown = 4 * len(y_pred) if n_past is None else int(n_past)
        display = cls(past[-shown:], y_pred, intervals, y_test)
        return display.plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        self : ForecastDisplay
            The picture.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = axes_of(ax)
        self.figure_, self.bands_ = self.ax_.figure, []
        times = time_of(self.y_pred)
        if self.intervals is not None:
            first = self.intervals.columns.get_level_values(0)[0]
            levels = sorted(set(self.intervals[first].columns.get_level_values(0)))
            for place, level in enumerate(reversed(levels)):
                low, high = (
                    self.intervals[first, level, bound].to_numpy()
                    for bound in ("lower", "upper")
                )
                shade = {"color": "C1", "alpha": 0.15 + 0.15 * place, "linewidth": 0}
                label = f"{100 * level:g} %"
                band = self.ax_.fill_between(times, low, high, label=label, **shade)
                self.bands_.append(band)
        self.ax_.plot(time_of(self.y), np.asarray(self.y), color="C0", label="known")
        points = {"marker": "."} if len(times) == 1 else {}
        (self.line_,) = self.ax_.plot(
            times, np.asarray(self.y_pred), color="C3", label="forecast", **points
        )
        if self.y_test is not None:
            truth = {"color": "C0", "linestyle": "--", "label": "what came"}
            self.ax_.plot(time_of(self.y_test), np.asarray(self.y_test), **truth)
        self.ax_.axvline(time_of(self.y)[-1], color="0.5", linewidth=0.8)
        self.ax_.set_ylabel(getattr(self.y_pred, "name", None) or "")
        self.ax_.legend()
        return self


def part_of(frame: Any, key: Any) -> Any:
    """Take one series out of a panel; anything else is one already."""
    return frame.loc[key] if frame is not None and frame.index.nlevels > 1 else frame


def first_column(y: Any) -> Any:
    """Make a series of a frame."""
    return y.iloc[:, 0] if y is not None and y.ndim > 1 else y


def time_of(y: Any) -> Any:
    """Give the times of a series as matplotlib can draw them."""
    index = y.index
    return index.to_timestamp() if hasattr(index, "to_timestamp") else index


class SequenceImportanceDisplay:
    """A sequence, and below it what each step and feature adds to an output.

    Parameters
    ----------
    sequence : array of shape (n_steps, n_features)
        The values.
    importance : array of shape (n_steps, n_features)
        As from ``sequence_importance``.
    feature_names : list of str or None, default=None
        Names of the features.

    Attributes
    ----------
    axes_ : array of matplotlib Axes
        The sequence above, the importance below.
    figure_ : matplotlib Figure
        The figure around them.
    image_ : matplotlib AxesImage
        The importance, red where a value speaks for the target, blue where against.

    Examples
    --------
    >>> from skrnn import GRURegressor
    >>> from skrnn.datasets import make_adding_problem
    >>> from skrnn.inspection import SequenceImportanceDisplay
    >>> X, y = make_adding_problem(n_sequences=100, n_steps=10, random_state=0)
    >>> model = GRURegressor(max_epochs=5, random_state=0).fit(X, y)
    >>> display = SequenceImportanceDisplay.from_estimator(model, X, 3)
    >>> display.importance.shape
    (10, 2)
    """

    def __init__(self, sequence: Any, importance: Any, feature_names: Any = None):
        self.sequence = sequence
        self.importance = importance
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        index: int = 0,
        *,
        method: str = "integrated_gradients",
        target: Any = None,
        baseline: Any = None,
        width: Any = 1,
        axes: Any = None,
    ) -> Self:
        """Compute the importance in one sequence of X, and draw it.

        Parameters
        ----------
        estimator : object
            A fitted classifier or regressor of this package.
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            Sequences; all of them together give the baseline.
        index : int, default=0
            Which of them to draw.
        method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
            As for ``sequence_importance``.
        target : label, int or None, default=None
            As for ``sequence_importance``.
        baseline : array of shape (n_features,) or None, default=None
            As for ``sequence_importance``.
        width : int, default=1
            As for ``sequence_importance``.
        axes : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : SequenceImportanceDisplay
            The picture.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If ``estimator`` is of another kind.
        ValueError
            If an argument or X cannot be used.
        ImportError
            If matplotlib is not installed.
        """
        check_how(method, N_POINTS, width)
        fitted = network_of(estimator)
        sequences, one = pick(fitted, X, index)
        around = baseline_of(fitted, sequences, baseline)
        how = (method, target, N_POINTS, int(width))
        importance = explain(fitted, one, around, *how)[0]
        display = cls(one[0], importance, names_of(fitted))
        return display.plot(axes=axes)

    def plot(self, *, axes: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        self : SequenceImportanceDisplay
            The picture.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.axes_ = above, below = axes_of(axes, 2)
        self.figure_ = above.figure
        values, found = np.asarray(self.sequence), np.asarray(self.importance)
        names = self.feature_names or [f"feature {k}" for k in range(values.shape[1])]
        above.plot(values, label=names)
        above.set(ylabel="value")
        if len(names) <= 10:
            above.legend()
        largest = np.abs(found).max() or 1.0
        colours = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
        self.image_ = below.imshow(
            found.T, aspect="auto", interpolation="nearest", **colours
        )
        if len(names) <= 10:
            below.set_yticks(range(len(names)), names)
        below.set(xlabel="step")
        self.figure_.colorbar(self.image_, ax=below, label="importance")
        return self


class GateDisplay:
    """What the gates of a layer do while it reads a sequence.

    Parameters
    ----------
    gates : dict of str to array of shape (n_steps, hidden_size)
        Values by name: "input", "forget", "candidate", "output", "cell" and "hidden" of
        an LSTM; "reset", "update", "candidate" and "hidden" of a GRU; "hidden" of an
        RNN.

    Attributes
    ----------
    axes_ : array of matplotlib Axes
        One for each gate.
    figure_ : matplotlib Figure
        The figure around them.
    images_ : list of matplotlib AxesImage
        Steps from left to right, units from top to bottom.

    Examples
    --------
    >>> from skrnn import LSTMClassifier
    >>> from skrnn.datasets import make_waves
    >>> from skrnn.inspection import GateDisplay
    >>> X, y = make_waves(n_sequences=60, random_state=0)
    >>> model = LSTMClassifier(max_epochs=5, stem=0, random_state=0).fit(X, y)
    >>> display = GateDisplay.from_estimator(model, X, gates=["forget", "cell"])
    >>> display.gates["forget"].shape
    (30, 64)
    """

    def __init__(self, gates: dict[str, Any]) -> None:
        self.gates = gates

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        index: int = 0,
        *,
        layer: int = 0,
        direction: str = "forward",
        gates: Any = None,
        axes: Any = None,
    ) -> Self:
        """Let the network read a sequence, and draw its gates.

        Parameters
        ----------
        estimator : object
            A fitted classifier or regressor of this package.
        X : array of shape (n_sequences, n_steps, n_features), or list of arrays of \
shape (n_steps_i, n_features), or array of shape (n_sequences, n_steps), or Sequences
            Sequences.
        index : int, default=0
            Which of them to read.
        layer : int, default=0
            Which of the recurrent layers. With a stem, it sees fewer steps than a
            sequence has.
        direction : {"forward", "backward"}, default="forward"
            Which of the two stacks of a bidirectional network.
        gates : str, list of str or None, default=None
            Names of the gates to draw; None for all.
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each gate; None makes a new figure.

        Returns
        -------
        display : GateDisplay
            The picture.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If ``estimator`` is of another kind.
        ValueError
            If an argument or X cannot be used.
        ImportError
            If matplotlib is not installed.
        """
        from skrnn._importance import gates_over_time

        fitted = network_of(estimator)
        if direction not in ("forward", "backward"):
            raise ValueError(
                f"direction={direction!r}, expected 'forward' or 'backward'."
            )
        sequence = fitted._preparation()(pick(fitted, X, index)[1])[0]
        found = gates_over_time(
            fitted.module_, sequence, layer, direction == "backward"
        )
        wanted = [gates] if isinstance(gates, str) else gates or [*found]
        for name in wanted:
            if name not in found:
                raise ValueError(f"gates hold {name!r}, expected some of {[*found]}.")
        return cls({name: found[name] for name in wanted}).plot(axes=axes)

    def plot(self, *, axes: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each gate; None makes a new figure.

        Returns
        -------
        self : GateDisplay
            The picture.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        size = (6.4, 1.2 + 1.3 * len(self.gates))
        drawn_on: Any = np.ravel(axes_of(axes, len(self.gates), figsize=size))
        self.axes_, self.images_ = drawn_on, []
        self.figure_ = drawn_on[0].figure
        for ax, (name, values) in zip(drawn_on, self.gates.items(), strict=True):
            opens = name in ("input", "forget", "output", "reset", "update")
            most = 1.0 if opens else float(np.abs(values).max()) or 1.0
            colours = (
                {"cmap": "viridis", "vmin": 0.0, "vmax": 1.0}
                if opens
                else {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
            )
            image = ax.imshow(
                values.T, aspect="auto", interpolation="nearest", **colours
            )
            self.figure_.colorbar(image, ax=ax)
            ax.set(ylabel=name)
            self.images_.append(image)
        self.axes_[-1].set(xlabel="step")
        return self
