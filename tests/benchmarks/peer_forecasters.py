"""Forecasting libraries: one layer, the same windows, batches and number of updates.

Each class trains with ``fit``; ``forecast`` gives the next values of all series, and
``roll_out`` their quantiles from sampled paths. A method is missing where the library
has no such thing. The architectures differ: the ratios mix what a library costs with
what its model costs.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

QUIET = {
    "accelerator": "cpu",
    "devices": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
}


@dataclass
class Task:
    """What all forecasters are to do."""

    values: np.ndarray  # (n_series, n_times)
    layer: str
    hidden_size: int = 64
    batch_size: int = 32
    context: int = 48
    horizon: int = 24
    n_paths: int = 100
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)

    def dates(self):
        return pd.date_range("2000-01-01", periods=self.values.shape[1], freq="D")

    def long_frame(self, **columns):
        """One row for each value, with the names that a library wants."""
        n_series, n_times = self.values.shape
        data = {
            "series": np.repeat([str(i) for i in range(n_series)], n_times),
            "time": np.tile(np.arange(n_times), n_series),
            "date": np.tile(self.dates(), n_series),
            "y": self.values.ravel(),
        }
        return pd.DataFrame({new: data[old] for new, old in columns.items()})


class Darts:
    layers = ("LSTM", "GRU")

    def __init__(self, task):
        from darts import TimeSeries

        self.task = task
        self.series = [
            TimeSeries.from_times_and_values(task.dates(), each.astype(np.float32))
            for each in task.values
        ]

    def _fit(self, n_updates, **params):
        from darts.models import RNNModel

        task = self.task
        length = task.context + task.horizon
        n_windows = len(self.series) * (task.values.shape[1] - length)
        n_epochs, n_each = 1, -(-n_updates * task.batch_size // len(self.series))
        model = RNNModel(
            task.context,
            model=task.layer,
            hidden_dim=task.hidden_size,
            n_rnn_layers=1,
            training_length=length,
            batch_size=task.batch_size,
            n_epochs=n_epochs,
            pl_trainer_kwargs={**QUIET, "max_steps": n_updates},
            **params,
        )
        assert n_each * len(self.series) <= n_windows
        return model.fit(self.series, max_samples_per_ts=n_each, verbose=False)

    def fit(self, n_updates):
        self.model = self._fit(n_updates)

    def forecast(self):
        self.model.predict(self.task.horizon, self.series, verbose=False)

    def prepare_paths(self):
        from darts.utils.likelihood_models.torch import GaussianLikelihood

        self.sampler = self._fit(2, likelihood=GaussianLikelihood())

    def roll_out(self):
        task = self.task
        found = self.sampler.predict(
            task.horizon, self.series, num_samples=task.n_paths, verbose=False
        )
        for each in found:
            np.quantile(each.all_values(), task.levels, axis=2)


class NeuralForecast:
    """Its recurrent model: one step ahead in training, value by value afterwards."""

    layers = ("LSTM", "GRU")

    def __init__(self, task):
        self.task = task
        self.frame = task.long_frame(unique_id="series", ds="date", y="y")

    def fit(self, n_updates):
        from neuralforecast import NeuralForecast as Fitter
        from neuralforecast import models

        task = self.task
        model = getattr(models, task.layer)(
            task.horizon,
            input_size=task.context,
            h_train=task.horizon,
            recurrent=True,
            encoder_n_layers=1,
            encoder_hidden_size=task.hidden_size,
            batch_size=task.batch_size,
            windows_batch_size=task.batch_size,
            max_steps=n_updates,
            scaler_type="identity",
            enable_checkpointing=False,
            **QUIET,
        )
        self.fitter = Fitter([model], freq="D")
        self.fitter.fit(self.frame)

    def forecast(self):
        self.fitter.predict()


class GluonTS:
    """DeepAR, which has LSTM layers only, without calendar and with one lag."""

    layers = ("LSTM",)

    def __init__(self, task):
        from gluonts.dataset.pandas import PandasDataset

        self.task = task
        frame = task.long_frame(item_id="series", date="date", target="y")
        frame["target"] = frame["target"].astype(np.float32)
        self.data = PandasDataset.from_long_dataframe(
            frame, target="target", item_id="item_id", timestamp="date", freq="D"
        )

    def fit(self, n_updates):
        from gluonts.torch import DeepAREstimator

        task = self.task
        quiet = {k: v for k, v in QUIET.items() if k != "devices"}
        estimator = DeepAREstimator(
            "D",
            task.horizon,
            task.context,
            num_layers=1,
            hidden_size=task.hidden_size,
            dropout_rate=0.0,
            lags_seq=[1],
            time_features=[],
            batch_size=task.batch_size,
            num_batches_per_epoch=n_updates,
            trainer_kwargs={"max_epochs": 1, **quiet},
        )
        self.predictor = estimator.train(self.data)

    def prepare_paths(self):
        self.fit(2)

    def roll_out(self):
        task = self.task
        found = self.predictor.predict(self.data, num_samples=task.n_paths)
        for each in found:
            for level in task.levels:
                each.quantile(level)


class PytorchForecasting:
    """DeepAR, as its RecurrentNetwork forecasts no spread."""

    layers = ("LSTM", "GRU")

    def __init__(self, task):
        from pytorch_forecasting import TimeSeriesDataSet

        self.task = task
        self.frame = task.long_frame(series="series", time="time", y="y")
        self.windows = TimeSeriesDataSet(
            self.frame,
            time_idx="time",
            target="y",
            group_ids=["series"],
            max_encoder_length=task.context,
            max_prediction_length=task.horizon,
            time_varying_unknown_reals=["y"],
        )
        latest = TimeSeriesDataSet.from_dataset(
            self.windows, self.frame, predict=True, stop_randomization=True
        )
        self.latest = latest.to_dataloader(
            train=False, batch_size=task.batch_size, num_workers=0
        )

    def fit(self, n_updates):
        from lightning.pytorch import Trainer
        from pytorch_forecasting import DeepAR

        task = self.task
        self.model = DeepAR.from_dataset(
            self.windows,
            cell_type=task.layer,
            hidden_size=task.hidden_size,
            rnn_layers=1,
            dropout=0.0,
            log_interval=-1,
        )
        loader = self.windows.to_dataloader(
            train=True, batch_size=task.batch_size, num_workers=0
        )
        trainer = Trainer(max_steps=n_updates, enable_checkpointing=False, **QUIET)
        trainer.fit(self.model, loader)

    def prepare_paths(self):
        self.fit(2)

    def roll_out(self):
        task = self.task
        quiet = {k: v for k, v in QUIET.items() if k != "devices"}
        paths = self.model.predict(
            self.latest, mode="samples", n_samples=task.n_paths, trainer_kwargs=quiet
        )
        np.quantile(paths.cpu().numpy(), task.levels, axis=-1)


FORECASTERS = {
    "darts": Darts,
    "neuralforecast": NeuralForecast,
    "gluonts": GluonTS,
    "pytorch-forecasting": PytorchForecasting,
}
