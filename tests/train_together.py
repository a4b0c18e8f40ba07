"""What test_processes runs in one process and, by torchrun, in two."""

import sys

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import EarlyStopping, EpochScoring
from sktime.utils._testing.hierarchical import _make_hierarchical

from skrnn import GRUClassifier, GRUTagger, LSTMRegressor, Seq2SeqTransducer
from skrnn._processes import the_processes
from skrnn.datasets import make_dates, make_waves
from skrnn.forecasting import GRUForecaster

EXACT = {"dtype": "float64", "dropout": 0.0, "random_state": 0}
X, y = make_waves(n_sequences=61, n_steps=20, ragged=True, random_state=0)
WEIGHTS = np.linspace(1, 3, 61)


def classify(device, **options):
    """Train on ragged sequences with weights, clipped gradients, early stopping."""
    params = {"hidden_size": 6, "max_epochs": 4, "max_grad_norm": 0.1, **EXACT}
    model = GRUClassifier(early_stopping=True, device=device, **{**params, **options})
    model.fit(X, y, sample_weight=WEIGHTS)
    losses = [epoch["train_loss"] for epoch in model.history_]
    return model.predict_proba(X), losses


def forecast(device):
    """Train on a panel; a run on its own forecasts is part of the loss."""
    panel = _make_hierarchical(
        (3,), min_timepoints=40, max_timepoints=40, random_state=0
    )
    params = {"hidden_size": 6, "max_epochs": 4, "n_estimators": 2, **EXACT}
    model = GRUForecaster(device=device, early_stopping=False, sp=4, **params)
    return (model.fit(panel, fh=[1, 2, 3]).predict().to_numpy(),)


def with_stem(device):
    """Train with noise and statistics of batches, which are of each process."""
    long, labels = make_waves(n_sequences=61, n_steps=200, random_state=0)
    model = LSTMRegressor(hidden_size=6, max_epochs=3, random_state=0, device=device)
    model.fit(long, labels.astype(float))
    assert model.module_.stem is not None
    return [each.numpy() for each in model.module_.state_dict().values()]


def tag(device):
    """Label each step, by a field whose weights are part of the loss."""
    labels = [np.where(x[:, 0] > 0, "above", "below") for x in X]
    tagger = GRUTagger(head="crf", hidden_size=6, max_epochs=4, device=device, **EXACT)
    return (np.concatenate(tagger.fit(X, labels).predict_proba(X)),)


def transduce(device):
    """Write texts, whose lengths are not those of what is read."""
    dates, written = make_dates(61, random_state=0)
    params = {"hidden_size": 6, "max_epochs": 3, "device": device, **EXACT}
    model = Seq2SeqTransducer(**params).fit(dates, written, sample_weight=WEIGHTS)
    return (model.score_samples(dates, written),)


class Scaled(torch.nn.Module):
    """A loss with a weight of its own, which is learned, too."""

    def __init__(self):
        super().__init__()
        self.log_scale = torch.nn.Parameter(torch.zeros(1))

    def forward(self, outputs, targets):
        error = (outputs - targets).square().mean(dim=1)
        return error * torch.exp(-self.log_scale) + self.log_scale


def own_loss(device):
    """Learn the weight of a loss."""
    params = {"hidden_size": 6, "max_epochs": 4, "lr": 0.1, **EXACT}
    model = LSTMRegressor(loss=Scaled(), device=device, **params)
    predicted = model.fit(X, y.astype(float)).predict(X)
    (scale,) = model.net_.criterion_.parameters()
    return predicted, scale.detach().numpy()


class StopFirst:
    """A listener that ends the fit of the first process after two epochs."""

    def __init__(self, place):
        self.place = place

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        last = context.task_name == "epoch" and context.task_id == 1
        return last and self.place == 0


def stopped(device):
    """End training by what only one process wants, twice."""
    params = {"hidden_size": 4, "max_epochs": 30, "random_state": 0, "device": device}
    listener = StopFirst(the_processes().place)
    model = GRUClassifier(**params).set_callbacks(listener).fit(X, y)
    score = EpochScoring("accuracy", on_train=True, name="mine", lower_is_better=False)
    early = EarlyStopping("mine", patience=2, lower_is_better=False)
    other = GRUClassifier(**params, callbacks=[score, early]).fit(X, y)
    return [np.array([model.n_iter_, other.n_iter_]), other.predict_proba(X)]


def complaint(device, place=0, **options):
    """What is said of something that cannot be trained together."""
    global y
    kept, y = y, np.roll(y, place * options.pop("other_data", 0))
    try:
        classify(device, **options)
    except (ValueError, ConvergenceWarning) as error:
        return str(error)
    finally:
        y = kept
    return ""


def main(folder):
    """Write what this process finds."""
    device, place = "accelerate", the_processes().place
    found = {}
    cases = (classify, forecast, own_loss, tag, transduce, with_stem, stopped)
    for case in cases:
        for k, array in enumerate(case(device)):
            found[f"{case.__name__}.{k}"] = array
    wrong = [{"other_data": 1}, {"random_state": None}, {"batch_size": 1}]
    wrong += [{"checkpoint": f"{folder}/checkpoint"}, {"lr": 1e30}]
    for each in wrong:
        found[f"complaint.{next(iter(each))}"] = complaint(device, place, **each)
    np.savez(f"{folder}/{place}.npz", **found)


if __name__ == "__main__":
    main(sys.argv[1])
