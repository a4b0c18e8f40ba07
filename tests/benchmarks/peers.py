"""Libraries to compare with: which are installed, and those that map sequences.

Each library is imported inside its own function: one that is not installed is left out.
"""

import logging
import os
import tempfile
import warnings
from contextlib import contextmanager
from importlib.util import find_spec

import torch
from by_hand import LastOutput
from skorch import NeuralNetRegressor

NEEDS = {  # modules that must be there
    "Keras (JAX)": ["keras", "jax"],
    "darts": ["darts"],
    "neuralforecast": ["neuralforecast"],
    "gluonts": ["gluonts", "lightning"],
    "pytorch-forecasting": ["pytorch_forecasting"],
}
IMPORTS = {  # what a user needs before a first fit
    "Keras (JAX)": "from keras.layers import GRU",
    "darts": "from darts.models import RNNModel",
    "neuralforecast": "from neuralforecast.models import GRU",
    "gluonts": "from gluonts.torch import DeepAREstimator",
    "pytorch-forecasting": "from pytorch_forecasting import DeepAR",
}
_told = set()


def installed(names, options):
    """Those of the names that can take part; says once which cannot, and why."""
    found = []
    for name in names:
        missing = [module for module in NEEDS[name] if find_spec(module) is None]
        if options.peers and not missing:
            found.append(name)
        elif options.peers and name not in _told:
            _told.add(name)
            print(
                f"{name} is left out, as {missing[0]} is not installed: "
                "pip install -e . -r tests/benchmarks/requirements.txt"
            )
    return found


@contextmanager
def silence():
    """No warnings or logs of others; what they write goes into a temporary folder."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        logging.disable(logging.WARNING)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            logging.disable(logging.NOTSET)


def make_skorch(layer, hidden_size, batch_size, n_features, device="cpu", **params):
    """Plain skorch, as its pages show it, without a validation split."""
    settings = {
        "optimizer": torch.optim.Adam,
        "lr": 1e-3,
        "train_split": None,
        "iterator_train__shuffle": True,
        "verbose": 0,
        **params,
    }
    return NeuralNetRegressor(
        LastOutput,
        module__layer=layer,
        module__n_features=n_features,
        module__hidden_size=hidden_size,
        batch_size=batch_size,
        device=device,
        **settings,
    )


def make_keras(layer, hidden_size, n_steps, n_features):
    """A compiled model: its first fit also compiles, the next ones only train."""
    import keras

    cell = getattr(keras.layers, layer)
    inputs = keras.Input((n_steps, n_features))
    model = keras.Model(inputs, keras.layers.Dense(1)(cell(hidden_size)(inputs)))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    return model
