"""RecurrentPanel: sktime's doors, each of which leads to a scikit-learn class."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skrnn._base import BaseRecurrent
from skrnn._callbacks import fresh_callbacks
from skrnn._inputs import as_sequences
from skrnn._plain import PlainCopies
from skrnn._sequences import Sequences

__all__ = ["RecurrentPanel"]


def read_panel(X: Any) -> Sequences:
    """Read a panel of one of the types named in the tag ``X_inner_mtype``."""
    if isinstance(X, np.ndarray):  # numpy3D: (n_sequences, n_features, n_steps)
        return as_sequences(X, layout="features-steps")
    return as_sequences(X)


class RecurrentPanel(PlainCopies):
    """Build a scikit-learn estimator from the parameters, and ask it for everything."""

    _network: ClassVar[type[BaseRecurrent]]
    _tags: ClassVar[dict[str, Any]] = {
        "authors": ["skrnn developers"],
        "maintainers": ["skrnn developers"],
        # the forms that as_sequences reads without going through another one
        "X_inner_mtype": ["pd-multiindex", "numpy3D", "nested_univ", "df-list"],
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "capability:missing_values": True,
        "capability:categorical_in_X": False,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __post_init__(self: Any) -> None:
        if self.missing == "error":
            self.set_tags(**{"capability:missing_values": False})

    def _fit(self: Any, X: Any, y: Any) -> Any:
        params = self.get_params(deep=False)
        # sktime: a fit changes no parameter, and callbacks hold what they saw
        params["callbacks"] = fresh_callbacks(params["callbacks"], copy.deepcopy)
        self.estimator_ = self._network(**params).fit(read_panel(X), y)
        return self

    def _predict(self: Any, X: Any) -> NDArray[Any]:
        predictions: NDArray[Any] = self.estimator_.predict(read_panel(X))
        return predictions

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Give parameters for sktime's tests.

        Parameters
        ----------
        parameter_set : str, default="default"
            Not used: there is one set.

        Returns
        -------
        params : list of dict
            Parameters of quick instances.
        """
        return [
            {"hidden_size": 4, "max_epochs": 2},
            {
                "hidden_size": 3,
                "num_layers": 2,
                "bidirectional": False,
                "pooling": "attention",
                "lr_schedule": "constant",
                "max_epochs": 2,
                "missing": "error",
            },
            {
                "hidden_size": 2,
                "dropout": 0.0,
                "pooling": "last",
                "optimizer": "sgd",
                "max_epochs": 3,
                "early_stopping": True,
                "validation_fraction": 0.3,
                "n_iter_no_change": 1,
                "dtype": "float64",
                "random_state": 0,
            },
        ]
