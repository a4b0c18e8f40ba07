"""Row 92 of the fault list: what trackers of experiments log, keep and load."""

import logging
import os
import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.callbacks import MlflowLogger, TensorBoard, WandbLogger
from sktime.datasets import load_airline

import skrnn
import skrnn.panel
from skrnn import GRUClassifier, GRURegressor
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster

SMALL = {"hidden_size": 3, "max_epochs": 2, "random_state": 0}
WITHOUT_NETWORK = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
}
PLACES = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")

# MLflow 3.17, when it is loaded: it means its own hints (November 2026)
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")


@pytest.fixture(autouse=True)
def only_here(tmp_path, monkeypatch):
    """Nothing is sent, and all files are in a folder of the test."""
    for name, value in WITHOUT_NETWORK.items():
        monkeypatch.setenv(name, value)
    for name in PLACES:
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a data base needs more
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def waves():
    return make_waves(n_sequences=30, n_steps=12, random_state=0)


@pytest.fixture
def expected(waves):
    """Losses and probabilities of a fit that nobody watches."""
    model = GRUClassifier(**SMALL).fit(*waves)
    losses = [epoch["train_loss"] for epoch in model.history_]
    return losses, model.predict_proba(waves[0])


# --- loggers of skorch ---------------------------------------------------------------


def test_tensorboard_shows_the_losses(waves, expected, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "board") as writer:
        model = GRUClassifier(**SMALL, callbacks=[TensorBoard(writer)]).fit(*waves)
    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    losses = [event.value for event in events.Scalars("Loss/train_loss")]
    np.testing.assert_allclose(losses, expected[0], rtol=1e-6)
    assert_array_equal(model.predict_proba(waves[0]), expected[1])


def test_wandb_gets_the_losses(waves, expected, tmp_path):
    import wandb

    run = wandb.init(dir=tmp_path)
    try:
        logger = WandbLogger(run, save_model=False)
        model = GRUClassifier(**SMALL, callbacks=[logger]).fit(*waves)
        assert run.summary["train_loss"] == pytest.approx(expected[0][-1])
    finally:
        run.finish()
    assert len(list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))) == 1
    assert_array_equal(model.predict_proba(waves[0]), expected[1])


def test_mlflow_gets_the_losses(waves, expected):
    import mlflow

    with mlflow.start_run() as run:
        logger = MlflowLogger(terminate_after_train=False)
        model = GRUClassifier(**SMALL, callbacks=[logger]).fit(*waves)
    client, number = mlflow.MlflowClient(), run.info.run_id
    losses = [each.value for each in client.get_metric_history(number, "train_loss")]
    np.testing.assert_allclose(losses, expected[0])
    assert client.get_run(number).info.status == "FINISHED"
    assert_array_equal(model.predict_proba(waves[0]), expected[1])


def test_mlflow_gets_the_losses_of_a_forecaster():
    import mlflow

    y, params = load_airline(), {**SMALL, "n_estimators": 1, "early_stopping": False}
    with mlflow.start_run() as run:
        logger = MlflowLogger(terminate_after_train=False)
        model = GRUForecaster(**params, callbacks=[logger]).fit(y, fh=[1, 2])
    logged = mlflow.MlflowClient().get_metric_history(run.info.run_id, "train_loss")
    alone = GRUForecaster(**params).fit(y, fh=[1, 2])
    losses = [epoch["train_loss"] for epoch in alone.history_]
    np.testing.assert_allclose([each.value for each in logged], losses)
    assert_array_equal(model.predict(), alone.predict())


# --- models in MLflow ----------------------------------------------------------------


def fitted(kind, waves):
    """A model and the answers that its copies must give."""
    X, y = waves
    if kind == "forecaster":
        model = GRUForecaster(**SMALL, n_estimators=1).fit(load_airline(), fh=[1, 2])
        return model, lambda other: other.predict_interval().to_numpy()
    if kind == "panel":
        panel = X.transpose(0, 2, 1)
        model = skrnn.panel.GRUClassifier(**SMALL).fit(panel, y)
        return model, lambda other: other.predict_proba(panel)
    if kind == "regressor":
        model = GRURegressor(**SMALL).fit(X, X.mean(axis=(1, 2)))
        return model, lambda other: other.predict(X)
    return GRUClassifier(**SMALL).fit(X, y), lambda other: other.predict_proba(X)


kinds = pytest.mark.parametrize(
    "kind", ["classifier", "regressor", "panel", "forecaster"]
)


@kinds
@pytest.mark.parametrize("form", ["skops", "cloudpickle"])
def test_the_sklearn_flavour_of_mlflow_saves_and_loads(kind, form, waves, tmp_path):
    import mlflow.sklearn

    model, answers = fitted(kind, waves)
    ours = [f"{type(model).__module__}.{type(model).__name__}"]
    options = {"skops_trusted_types": ours} if form == "skops" else {}
    options |= {"serialization_format": form, "pip_requirements": ["skrnn"]}
    mlflow.sklearn.save_model(model, tmp_path / "model", **options)
    loaded = mlflow.sklearn.load_model(str(tmp_path / "model"))
    assert type(loaded) is type(model)
    assert_array_equal(answers(loaded), answers(model))


@kinds
def test_mlflow_logs_a_model_and_gives_it_back(kind, waves):
    import mlflow.sklearn

    model, answers = fitted(kind, waves)
    ours = [f"{type(model).__module__}.{type(model).__name__}"]
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            model, name="model", skops_trusted_types=ours, pip_requirements=["skrnn"]
        )
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    assert_array_equal(answers(loaded), answers(model))


def test_mlflow_predicts_for_a_table(waves, tmp_path):
    """Its general flavour gives the table to predict."""
    import mlflow.pyfunc
    import mlflow.sklearn

    X = pd.DataFrame(waves[0][:, :, 0].astype(np.float64)).add_prefix("step")
    model = GRUClassifier(**SMALL).fit(X, waves[1])
    options = {"skops_trusted_types": ["skrnn._classifiers.GRUClassifier"]}
    options["pip_requirements"] = ["skrnn"]
    mlflow.sklearn.save_model(model, tmp_path / "model", **options)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert_array_equal(loaded.predict(X), model.predict(X))


def test_loggers_change_nothing_global(waves, tmp_path):
    import mlflow
    import wandb
    from torch.utils.tensorboard import SummaryWriter

    def state():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            list(warnings.filters),
            dict(os.environ),
            logging.getLogger().level,
        )

    with SummaryWriter(tmp_path / "board") as writer, mlflow.start_run():
        run = wandb.init(dir=tmp_path)
        try:
            loggers = [TensorBoard(writer), WandbLogger(run, save_model=False)]
            loggers.append(MlflowLogger(terminate_after_train=False))
            before = state()
            GRUClassifier(**SMALL, callbacks=loggers).fit(*waves)
            assert state() == before
        finally:
            run.finish()
