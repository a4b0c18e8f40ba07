"""The vocabulary: what each shared hyper-parameter may be."""

from __future__ import annotations

from functools import lru_cache
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
from numpy.random import Generator, RandomState
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

__all__ = [
    "CONSTRAINTS",
    "CONSTRAINTS_OF_TOKENS",
    "check_checkpoint",
    "check_details",
    "check_skorch_params",
    "spawn_seeds",
]

_COUNT = Interval(Integral, 1, None, closed="left")
_POSITIVE = Interval(Real, 0.0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0.0, None, closed="left")

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_size": [_COUNT],
    "num_layers": [_COUNT],
    "bidirectional": ["boolean"],
    "dropout": [Interval(Real, 0.0, 1.0, closed="left")],
    "pooling": [StrOptions({"last", "mean", "max", "concat", "attention"})],
    "stem": [StrOptions({"auto"}), Interval(Integral, 0, 5, closed="both")],
    "scale_inputs": [StrOptions({"auto", "feature", "sequence"}), None],
    "categorical_features": [StrOptions({"auto"}), list, tuple, None],
    "embedding": [StrOptions({"auto"}), _COUNT, "array-like"],
    "word_dropout": [Interval(Real, 0.0, 1.0, closed="left")],
    "init": [StrOptions({"orthogonal", "chrono"})],
    "lr": [_POSITIVE],
    "lr_schedule": [StrOptions({"one_cycle", "cosine", "constant"})],
    "optimizer": [StrOptions({"adamw", "adam", "sgd", "rmsprop"}), type],
    "weight_decay": [_NOT_NEGATIVE],
    "max_grad_norm": [_POSITIVE, None],
    "max_epochs": [StrOptions({"auto"}), _COUNT],
    "batch_size": [_COUNT],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0.0, 1.0, closed="neither")],
    "n_iter_no_change": [_COUNT],
    "warm_start": ["boolean"],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "features_per_step": [_COUNT, None],
    "missing": [StrOptions({"error", "mask"})],
    "dtype": [StrOptions({"float32", "float64"})],
    "device": [str],
    "engine": [StrOptions({"auto", "torch", "native"})],
    "callbacks": [list, tuple, None],
    "net_params": [dict, None],
    "checkpoint": [str, PathLike, None],
    "random_state": ["random_state", Generator],
    "verbose": ["verbose"],
}


OF_NUMBERS = {"bidirectional", "pooling", "stem", "scale_inputs", "init", "missing"}
OF_NUMBERS |= {"categorical_features", "features_per_step", "class_weight"}
CONSTRAINTS_OF_TOKENS = {  # of networks that read nothing but tokens
    name: rule for name, rule in CONSTRAINTS.items() if name not in OF_NUMBERS
}

OWNED = {"module", "criterion", "callbacks", "train_split", "dataset", "device"}
OWNED |= {"iterator_train", "iterator_valid", "optimizer", "lr", "max_epochs"}
OWNED |= {"batch_size", "verbose", "warm_start"}


def check_skorch_params(net_params: Any, callbacks: Any) -> None:
    """Refuse what the estimators set themselves, and what is no callback."""
    for name in net_params or {}:
        if not isinstance(name, str):
            raise TypeError(
                f"net_params holds the name {name!r}, expected names of parameters "
                "of skorch.NeuralNet, such as 'optimizer__betas'."
            )
        part, _, rest = name.partition("__")
        if part in OWNED and not (part == "optimizer" and rest):
            raise ValueError(
                f"net_params may not hold {name!r}: the estimator sets it. Use its "
                "own parameters (callbacks=, loss=, max_epochs=, device=, ...)."
            )
    for index, callback in enumerate(callbacks or []):
        last = callback[-1] if isinstance(callback, tuple) else callback
        if not hasattr(last, "on_train_begin"):
            raise TypeError(
                f"callbacks[{index}] is {callback!r}, expected a skorch callback, "
                "or a tuple of a name and one."
            )


def check_details(estimator: Any) -> None:
    """Refuse what no list of allowed values can say."""
    if estimator.init == "chrono" and estimator._cell == "rnn":
        raise ValueError(
            "init='chrono' draws biases of gates, and an RNN has no gates: take an "
            "LSTM or a GRU, or init='orthogonal'."
        )
    check_skorch_params(estimator.net_params, estimator.callbacks)
    check_checkpoint(estimator.checkpoint, estimator.random_state)


def check_checkpoint(checkpoint: Any, random_state: Any) -> None:
    """Refuse a fit that could not be run a second time."""
    if checkpoint is not None and random_state is None:
        raise ValueError(
            f"checkpoint={checkpoint!r} needs a random_state: without one, a second "
            "run is another fit, and cannot go on with the first."
        )


def spawn_seeds(random_state: Any, n_seeds: int, stage: int = 0) -> list[int]:
    """Draw independent seeds from a seed, RandomState, Generator or None.

    Other stages of training (epochs done before) give other seeds.

    As everywhere in scikit-learn, None draws from numpy's global generator.
    """
    if isinstance(random_state, Generator):
        entropy = int(random_state.integers(2**31 - 1))
    elif isinstance(random_state, int):
        entropy = entropy_of(random_state)
    else:
        generator: RandomState = check_random_state(random_state)
        entropy = int(generator.randint(2**31 - 1))
    children = np.random.SeedSequence([entropy, stage]).spawn(n_seeds)
    return [int(child.generate_state(1, np.uint64)[0] >> 1) for child in children]


@lru_cache
def entropy_of(seed: int) -> int:
    """Draw the first number that a seed gives; to seed a RandomState takes time."""
    return int(check_random_state(seed).randint(2**31 - 1))
