"""Ranges of hyper-parameters worth searching, for scikit-learn, sktime and Optuna."""

from __future__ import annotations

from typing import Any

from scipy.stats import loguniform, randint, uniform

__all__ = ["search_space", "suggest_params"]

# what changes results most comes first; other parameters rarely pay for their search
SEQUENCES: dict[str, Any] = {
    "lr": loguniform(5e-4, 2e-2),
    "hidden_size": randint(16, 129),
    "dropout": uniform(0.0, 0.5),
    "max_epochs": ["auto", 30, 200],
    "weight_decay": loguniform(1e-4, 1e-1),
    "batch_size": [16, 32, 64],
    "num_layers": [1, 2],
    "pooling": ["concat", "attention", "max"],
}
SERIES: dict[str, Any] = {
    "lr": loguniform(1e-3, 2e-2),
    "hidden_size": randint(8, 65),
    "max_epochs": randint(20, 101),
    "loss": ["student_t", "quantile", "huber"],
    "log": ["auto", False],
    "weight_decay": loguniform(1e-5, 1e-1),
    "dropout": uniform(0.0, 0.3),
}
TOKENS: dict[str, Any] = {  # of language models, transducers and recommenders
    "lr": loguniform(1e-3, 1e-2),
    "hidden_size": randint(64, 513),
    "dropout": uniform(0.0, 0.6),
    "item_dropout": uniform(0.0, 0.4),
    "weight_decay": loguniform(1e-4, 1e-1),
    "batch_size": [16, 32, 64],
    "num_layers": [1, 2],
}
GRIDS: list[dict[str, list[Any]]] = [
    {"lr": [1e-3, 3e-3, 1e-2], "hidden_size": [32, 64, 128], "dropout": [0.1, 0.3]},
    {"lr": [2e-3, 5e-3, 1e-2], "hidden_size": [16, 32, 64]},
    {"lr": [1e-3, 3e-3, 6e-3], "hidden_size": [128, 256, 512], "dropout": [0.1, 0.5]},
]


def search_space(estimator: Any, *, grid: bool = False) -> dict[str, Any]:
    """Give the ranges in which hyper-parameters of an estimator are worth searching.

    Parameters
    ----------
    estimator : object
        A network of this package, or what holds one: a pipeline, a transformed
        target, a sktime pipeline.
    grid : bool, default=False
        False gives distributions and lists for a random search
        (``RandomizedSearchCV``, ``ForecastingRandomizedSearchCV``). True gives lists
        of two or three values for a full one (``GridSearchCV``,
        ``ForecastingGridSearchCV``): 18 combinations, 9 for forecasters.

    Returns
    -------
    space : dict
        Names of parameters, with the names of the steps that they belong to, and their
        ranges. It is a new one each time and may be changed.

    Raises
    ------
    ValueError
        If ``estimator`` is no network of this package and holds none, or several.
    TypeError
        If it has no parameters.

    See Also
    --------
    suggest_params : The same for Optuna.

    Examples
    --------
    >>> from sklearn.model_selection import RandomizedSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrnn import GRURegressor, SequenceScaler
    >>> from skrnn.datasets import make_waves
    >>> from skrnn.tuning import search_space
    >>> X, y = make_waves(n_sequences=60, random_state=0)
    >>> network = GRURegressor(stem=0, random_state=0)
    >>> model = make_pipeline(SequenceScaler(), network)
    >>> space = search_space(model)
    >>> space["gruregressor__max_epochs"] = [5, 10]
    >>> search = RandomizedSearchCV(model, space, n_iter=3, cv=2, random_state=0)
    >>> bool(search.fit(X, y).best_score_ > 0.5)
    True
    """
    prefix, network = network_in(estimator)
    names = network.get_params(deep=False)
    is_forecaster = "num_samples" in names
    reads_tokens = "bptt" in names or "beam_size" in names
    kind = 1 if is_forecaster else 2 if reads_tokens else 0
    ranges = GRIDS[kind] if grid else [SEQUENCES, SERIES, TOKENS][kind]
    if is_forecaster and network.loss not in SERIES["loss"]:  # of counts, perhaps
        ranges = {k: each for k, each in ranges.items() if k not in ("loss", "log")}
    return {
        prefix + name: list(each) if isinstance(each, list) else each
        for name, each in ranges.items()
        if name in names  # a tagger has no pooling
    }


def suggest_params(trial: Any, estimator: Any) -> dict[str, Any]:
    """Let an Optuna trial suggest hyper-parameters for ``estimator.set_params``.

    Parameters
    ----------
    trial : optuna.Trial
        What an objective is called with.
    estimator : object
        As in ``search_space``, whose ranges are used.

    Returns
    -------
    params : dict
        Names and values.

    Raises
    ------
    ValueError
        If ``estimator`` is no network of this package and holds none, or several.
    TypeError
        If it has no parameters.

    See Also
    --------
    search_space : The same for scikit-learn and sktime.

    Examples
    --------
    >>> from skrnn import GRUClassifier
    >>> from skrnn.tuning import suggest_params
    >>> def objective(trial):
    ...     model = GRUClassifier(random_state=0)
    ...     model.set_params(**suggest_params(trial, model))
    ...     return cross_val_score(model, X, y).mean()
    >>> class Lowest:  # stands for a trial
    ...     def suggest_float(self, name, low, high, log=False):
    ...         return low
    ...     def suggest_int(self, name, low, high):
    ...         return low
    ...     def suggest_categorical(self, name, choices):
    ...         return choices[0]
    >>> suggest_params(Lowest(), GRUClassifier())["hidden_size"]
    16
    """
    space = search_space(estimator)
    return {name: suggest(trial, name, each) for name, each in space.items()}


def suggest(trial: Any, name: str, values: Any) -> Any:
    """Translate a list or a distribution of scipy."""
    if isinstance(values, list):
        return trial.suggest_categorical(name, values)
    low, high = values.support()
    if values.dist.name == "randint":
        return trial.suggest_int(name, int(low), int(high))
    log = values.dist.name in ("loguniform", "reciprocal")
    return trial.suggest_float(name, float(low), float(high), log=log)


def network_in(estimator: Any) -> tuple[str, Any]:
    """Find the only network of this package, and what stands before its parameters."""
    if not hasattr(estimator, "get_params"):
        raise TypeError(
            f"estimator is {estimator!r}, expected an estimator with parameters, such "
            "as GRUClassifier() or a pipeline that ends with one."
        )
    found = {"": estimator} if is_network(estimator) else {}
    for name, value in estimator.get_params(deep=True).items():
        if is_network(value) and not any(value is other for other in found.values()):
            found[f"{name}__"] = value
    if len(found) != 1:
        raise ValueError(
            f"estimator holds {len(found)} networks of skrnn, expected one: "
            f"{type(estimator).__name__}. Ask for the space of the network itself and "
            "add the names of the steps."
        )
    return next(iter(found.items()))


def is_network(value: Any) -> bool:
    """Whether a value is a network of this package, or of a class made from one."""
    ours = any(cls.__module__.startswith("skrnn.") for cls in type(value).__mro__)
    return ours and "hidden_size" in value.get_params(deep=False)
