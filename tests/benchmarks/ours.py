"""skrnn, set up for the contests: one layer, one direction, the output after it."""

import numpy as np
import pandas as pd

import skrnn
from skrnn._streaming import stepper_of
from skrnn.forecasting import GRUForecaster, LSTMForecaster

SAME_NETWORK = {"bidirectional": False, "pooling": "last", "dropout": 0.0}
FORECASTERS = {"LSTM": LSTMForecaster, "GRU": GRUForecaster}


def engines() -> dict[str, dict[str, str]]:
    """Names of contestants, and the parameters that make them."""
    found = {"skrnn": {}}
    if "engine" in skrnn.LSTMRegressor().get_params():
        found["skrnn, torch's layers"] = {"engine": "torch"}
    return found


def make_regressor(layer, hidden_size, **params):
    """Optimiser, schedule and clipping are skrnn's own: it does more per update."""
    params = {**SAME_NETWORK, "random_state": 0, "device": "cpu", **params}
    return getattr(skrnn, f"{layer}Regressor")(hidden_size, **params)


def stream(model, x):
    """Read steps (n_steps, 1, n_features) of one sequence, one after another."""
    state = model.initial_state()
    for each in x:
        _, state = model.step(each, state)


def stream_layer(model, x):
    """The same, by what computes the layer."""
    stepper = stepper_of(model.net_)
    hidden = model.initial_state().hidden
    for each in x:
        hidden = stepper.advance(each, hidden)


def make_panel(values: np.ndarray) -> pd.DataFrame:
    """Values (n_series, n_times) as sktime reads a panel."""
    index = pd.MultiIndex.from_product(
        [range(len(values)), range(values.shape[1])], names=["series", "time"]
    )
    return pd.DataFrame({"y": values.ravel().astype(float)}, index=index)


def make_forecaster(layer, hidden_size, batch_size, context, horizon, **params):
    """One network, which no values are held out from, as with the others."""
    return FORECASTERS[layer](
        hidden_size,
        batch_size=batch_size,
        context_length=context,
        horizon=horizon,
        n_estimators=1,
        early_stopping=False,
        device="cpu",
        random_state=0,
        **params,
    )
