"""Autoregressive forecasters for sktime."""

from skrnn.forecasting._forecasters import GRUForecaster, LSTMForecaster, RNNForecaster

__all__ = ["GRUForecaster", "LSTMForecaster", "RNNForecaster"]
