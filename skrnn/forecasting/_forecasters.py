"""The public forecasters."""

from __future__ import annotations

from skrnn.forecasting._base import BaseRecurrentForecaster

__all__ = ["GRUForecaster", "LSTMForecaster", "RNNForecaster"]


class GRUForecaster(BaseRecurrentForecaster):
    _cell = "gru"


class LSTMForecaster(BaseRecurrentForecaster):
    _cell = "lstm"


class RNNForecaster(BaseRecurrentForecaster):
    _cell = "rnn"
