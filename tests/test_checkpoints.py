"""Checkpoints: a fit that was killed and run again is one that was not."""

import errno
import functools
import multiprocessing
import os
import random
import signal
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.callbacks import Callback, LRScheduler
from sktime.datasets import load_airline

import skrnn
from skrnn import (
    GRUClassifier,
    GRURegressor,
    LSTMClassifier,
    ModelFileError,
    _checkpoints,
)
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster
from skrnn.panel import GRUClassifier as PanelClassifier

SMALL = {"hidden_size": 4, "max_epochs": 6, "random_state": 0}
FITS = {
    "classifier": lambda **more: GRUClassifier(**SMALL, dropout=0.3, **more),
    "two layers": lambda **more: LSTMClassifier(**SMALL, num_layers=2, **more),
    "early": lambda **more: GRUClassifier(
        **{**SMALL, "max_epochs": 40, "lr": 0.05, "hidden_size": 16},
        early_stopping=True,
        n_iter_no_change=3,
        **more,
    ),
    "momentum": lambda **more: GRUClassifier(
        **SMALL,
        optimizer="sgd",
        net_params={"optimizer__momentum": 0.9},
        lr_schedule="constant",
        **more,
    ),
    "seeds": lambda **more: GRUClassifier(
        **{**SMALL, "random_state": np.random.RandomState(7)}, **more
    ),
}


class Killed(Exception):
    """Stands for a signal that nobody can catch."""


@pytest.fixture(scope="module")
def waves():
    return make_waves(n_sequences=70, n_steps=16, ragged=True, random_state=0)


@pytest.fixture(autouse=True)
def at_every_epoch(monkeypatch):
    monkeypatch.setattr(_checkpoints, "SECONDS", 0.0)


def kill_after(n_writings, monkeypatch, fit, *data):
    """Begin a fit that ends with an error after so many writings."""
    keep, counter = _checkpoints.Checkpoint.keep, iter(range(10**6))

    def keep_and_die(self, state):
        keep(self, state)
        if next(counter) == n_writings:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_checkpoints.Checkpoint, "keep", keep_and_die)
        with pytest.raises(Killed):
            fit(*data)


def weights_of(model):
    return {k: w.numpy() for k, w in model.module_.state_dict().items()}


def assert_same_net(ours, theirs):
    for name, weight in weights_of(theirs).items():
        assert_array_equal(weights_of(ours)[name], weight)
    plain = [
        [{k: v for k, v in each.items() if k != "dur"} for each in model.history_]
        for model in (ours, theirs)
    ]
    assert plain[0] == plain[1]


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("n_writings", [0, 1, 4])
def test_a_fit_goes_on_from_where_it_was_killed(
    name, n_writings, waves, tmp_path, monkeypatch
):
    expected = FITS[name]().fit(*waves)
    path = tmp_path / "fit.checkpoint"
    kill_after(n_writings, monkeypatch, FITS[name](checkpoint=path).fit, *waves)
    assert path.exists()
    epochs = []

    class Counts(Callback):
        def on_epoch_end(self, net, **kwargs):
            epochs.append(net.history[-1, "epoch"])

    model = FITS[name](checkpoint=path, callbacks=[Counts()]).fit(*waves)
    assert_same_net(model, expected)
    assert epochs[0] == n_writings + 1  # those before were not run again
    assert not path.exists()


def test_a_fit_can_be_killed_again_and_again(waves, tmp_path, monkeypatch):
    expected = FITS["early"]().fit(*waves)
    assert 4 < expected.n_iter_ < 40  # it stops early, on weights of an earlier epoch
    path, n_killed = tmp_path / "fit", 0
    while n_killed < 3:
        kill_after(1, monkeypatch, FITS["early"](checkpoint=path).fit, *waves)
        n_killed += 1
    assert_same_net(FITS["early"](checkpoint=path).fit(*waves), expected)


def test_a_warm_start_goes_on_too(waves, tmp_path, monkeypatch):
    path = tmp_path / "fit"
    first = GRUClassifier(**SMALL, warm_start=True).fit(*waves)
    second = GRUClassifier(**SMALL, warm_start=True).fit(*waves)
    first.fit(*waves)
    second.set_params(checkpoint=path)
    kill_after(3, monkeypatch, second.fit, *waves)
    assert second.n_iter_ == 6  # what was fitted stays
    assert_same_net(second.fit(*waves), first)


def test_a_fit_that_diverges_ends_as_without_a_kill(waves, tmp_path, monkeypatch):
    class Spoils(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 5:
                for group in net.optimizer_.param_groups:
                    group["lr"] = float("nan")

    params = {**SMALL, "lr_schedule": "constant", "callbacks": [Spoils()]}
    with pytest.warns(UserWarning, match="diverged"):
        expected = GRUClassifier(**params).fit(*waves)
    kill_after(
        4, monkeypatch, GRUClassifier(**params, checkpoint=tmp_path / "fit").fit, *waves
    )
    with pytest.warns(UserWarning, match="diverged"):
        model = GRUClassifier(**params, checkpoint=tmp_path / "fit").fit(*waves)
    assert_same_net(model, expected)


@pytest.mark.parametrize("n_values", [40, 120])
@pytest.mark.parametrize("n_writings", [0, 3, 7, 11])
def test_forecasters_go_on_in_the_middle_of_an_ensemble(
    n_writings, n_values, tmp_path, monkeypatch
):
    """A short series is fitted twice by each network: four trainings, else two."""
    y = load_airline()[:n_values]
    params = {**SMALL, "max_epochs": 4, "n_estimators": 2}
    expected = GRUForecaster(**params).fit(y)
    path = tmp_path / "fit"
    kill_after(n_writings, monkeypatch, GRUForecaster(**params, checkpoint=path).fit, y)
    model = GRUForecaster(**params, checkpoint=path).fit(y)
    for name, weights in expected.network_.weights.items():
        assert_array_equal(model.network_.weights[name], weights)
    times = {"dur"}
    for ours, theirs in zip(
        model.network_.history, expected.network_.history, strict=True
    ):
        assert {k: ours[k] for k in ours.keys() - times} == {
            k: theirs[k] for k in theirs.keys() - times
        }
    assert_array_equal(model.predict(fh=[1, 7]), expected.predict(fh=[1, 7]))
    assert not path.exists()


def test_finished_trainings_of_a_forecaster_are_not_run_again(tmp_path, monkeypatch):
    params = {**SMALL, "max_epochs": 4, "n_estimators": 2}
    path = tmp_path / "fit"
    fit = GRUForecaster(**params, checkpoint=path).fit
    kill_after(7, monkeypatch, fit, load_airline())  # in the second of four trainings

    class Counts(Callback):
        epochs: ClassVar[list[int]] = []

        def on_epoch_end(self, net, **kwargs):
            self.epochs.append(net.n_epochs)

    params["callbacks"] = [Counts()]
    GRUForecaster(**params, checkpoint=path).fit(load_airline())
    assert Counts.epochs == [1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]


def test_panel_estimators_pass_it_on(waves, tmp_path, monkeypatch):
    X = np.stack([x[:8, 0] for x in waves[0]])[:, None]
    expected = PanelClassifier(**SMALL).fit(X, waves[1])
    model = PanelClassifier(**SMALL, checkpoint=tmp_path / "fit")
    kill_after(2, monkeypatch, model.fit, X, waves[1])
    assert (tmp_path / "fit").exists()
    model.fit(X, waves[1])
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_a_checkpoint_changes_no_bit(waves, tmp_path):
    plain = GRUClassifier(**SMALL).fit(*waves)
    kept = GRUClassifier(**SMALL, checkpoint=tmp_path / "fit").fit(*waves)
    assert_same_net(kept, plain)


def test_partial_fit_writes_nothing(waves, tmp_path):
    model = GRUClassifier(**SMALL, checkpoint=tmp_path / "fit")
    model.partial_fit(*waves)
    assert model.checkpoint == tmp_path / "fit"
    assert not list(tmp_path.iterdir())


def test_it_is_written_about_once_a_second(waves, tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoints, "SECONDS", 100.0)
    written = []
    monkeypatch.setattr(
        _checkpoints, "write_archive", lambda path, *rest: written.append(path)
    )
    GRUClassifier(**SMALL, checkpoint=tmp_path / "fit").fit(*waves)
    assert len(written) == 1


# --- what is refused -----------------------------------------------------------------


@pytest.fixture
def left_behind(waves, tmp_path, monkeypatch):
    """The file of a fit that was killed."""
    kill_after(
        2, monkeypatch, GRUClassifier(**SMALL, checkpoint=tmp_path / "fit").fit, *waves
    )
    return tmp_path / "fit"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"lr": 0.1}, "lr"),
        ({"max_epochs": 7}, "max_epochs"),
        ({"hidden_size": 5}, "hidden_size"),
        ({"random_state": 1}, "seeds"),
        ({"dropout": 0.5}, "dropout"),
        ({"net_params": {"optimizer__eps": 1e-3}}, "net_params"),
    ],
)
def test_other_parameters_are_named(change, name, left_behind, waves):
    before = left_behind.read_bytes()
    model = GRUClassifier(**{**SMALL, **change}, checkpoint=left_behind)
    with pytest.raises(ValueError, match=rf"holds a fit with other \[.*'{name}'.*\]"):
        model.fit(*waves)
    assert left_behind.read_bytes() == before


def test_other_data_are_named(left_behind, waves):
    X, y = waves
    model = GRUClassifier(**SMALL, checkpoint=left_behind)
    X = [x.copy() for x in X]
    X[5][3] += 1e-3
    for data in [(X, y), (waves[0], (y + 1) % 3), (waves[0][:-1], y[:-1])]:
        with pytest.raises(ValueError, match=r"with other \[.*'data'\]"):
            model.fit(*data)
    with pytest.raises(ValueError, match=r"with other \[.*'data'\]"):
        model.fit(waves[0], y, sample_weight=np.arange(len(y)) + 1.0)
    assert not hasattr(model, "net_")


def halves(outputs, targets):
    return torch.nn.functional.cross_entropy(outputs, targets, reduction="none") / 2


def tenths(outputs, targets):
    return torch.nn.functional.cross_entropy(outputs, targets, reduction="none") / 10


def made(share):
    return lambda o, t: share * halves(o, t)


def smooth(amount):
    return torch.nn.CrossEntropyLoss(reduction="none", label_smoothing=amount)


def weighted(*weights):
    weight = torch.tensor(weights)
    return torch.nn.CrossEntropyLoss(weight=weight, reduction="none")


@pytest.mark.parametrize(
    ("first", "same", "other"),
    [
        (halves, halves, tenths),
        (made(1.0), made(1.0), made(2.0)),
        (functools.partial(halves), functools.partial(halves), halves),
        (smooth(0.1), smooth(0.1), smooth(0.2)),
        (weighted(1.0, 2.0, 3.0), weighted(1.0, 2.0, 3.0), weighted(1.0, 2.0, 4.0)),
    ],
)
def test_a_loss_is_compared_by_what_it_does(
    first, same, other, waves, tmp_path, monkeypatch
):
    params = {**SMALL, "checkpoint": tmp_path / "fit"}
    kill_after(2, monkeypatch, GRUClassifier(**params, loss=first).fit, *waves)
    with pytest.raises(ValueError, match=r"with other \['loss'\]"):
        GRUClassifier(**params, loss=other).fit(*waves)
    GRUClassifier(**params, loss=same).fit(*waves)
    assert not list(tmp_path.iterdir())


def test_long_arrays_and_functions_are_compared_in_full():
    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1.0
    text = _checkpoints.plain_text
    assert text({"a": long, "f": torch.sigmoid}) == text(
        {"f": torch.sigmoid, "a": long}
    )
    assert text({"a": [long]}) != text({"a": [other]})
    assert "0x" not in text([halves, made(1.0), torch.sigmoid, torch.optim.Adam])


def test_a_scheduler_whose_state_is_not_kept_is_refused(waves, tmp_path):
    params = {**SMALL, "lr_schedule": "constant", "checkpoint": tmp_path / "fit"}
    model = GRUClassifier(**params, callbacks=[LRScheduler("StepLR", step_size=2)])
    with pytest.raises(ValueError, match="an LRScheduler, and a checkpoint does not"):
        model.fit(*waves)


def test_an_optimizer_with_lists_in_its_state_goes_on(waves, tmp_path, monkeypatch):
    params = {**SMALL, "optimizer": torch.optim.LBFGS, "lr_schedule": "constant"}
    params["lr"] = 0.1
    expected = GRUClassifier(**params).fit(*waves)
    model = GRUClassifier(**params, checkpoint=tmp_path / "fit")
    kill_after(3, monkeypatch, model.fit, *waves)
    assert_same_net(model.fit(*waves), expected)


def test_what_a_kill_left_half_written_is_removed(left_behind, waves):
    draft = left_behind.with_name(f".fit.{'a' * 16}.tmp")
    draft.write_bytes(b"half")
    GRUClassifier(**SMALL, checkpoint=left_behind).fit(*waves)
    assert not list(left_behind.parent.iterdir())


@pytest.mark.parametrize("states", [[{}], 7, [{"ended": False}]])
def test_states_that_are_none_are_refused(states, left_behind, waves):
    tree, _ = _checkpoints.read_archive(left_behind, "skrnn checkpoint", 1)
    writer = _checkpoints.Writer()
    tree["states"] = writer.describe(states, "states")
    _checkpoints.write_archive(left_behind, "skrnn checkpoint", 1, tree, {})
    with pytest.raises(ModelFileError, match="cannot be read"):
        GRUClassifier(**SMALL, checkpoint=left_behind).fit(*waves)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"x" * 1000])
def test_files_of_something_else_are_left_alone(content, waves, tmp_path):
    (tmp_path / "fit").write_bytes(content)
    model = GRUClassifier(**SMALL, checkpoint=tmp_path / "fit")
    with pytest.raises(ModelFileError, match=r"cannot be read .*\. Delete it to begin"):
        model.fit(*waves)
    assert (tmp_path / "fit").read_bytes() == content


def test_a_model_is_no_checkpoint(waves, tmp_path):
    skrnn.save(GRUClassifier(**SMALL).fit(*waves), tmp_path / "model")
    model = GRUClassifier(**SMALL, checkpoint=tmp_path / "model")
    with pytest.raises(ModelFileError, match="not one of a skrnn checkpoint"):
        model.fit(*waves)


@pytest.mark.parametrize("make", [GRURegressor, GRUForecaster])
def test_a_fit_without_a_seed_has_no_checkpoint(make, waves, tmp_path):
    X, y = waves
    model = make(checkpoint=tmp_path / "fit")
    with pytest.raises(ValueError, match="needs a random_state: without one"):
        model.fit(load_airline()) if make is GRUForecaster else model.fit(X, y)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_ends_the_fit_and_leaves_the_last_state(
    number, left_behind, waves, monkeypatch
):
    before = left_behind.read_bytes()
    fitted = GRUClassifier(**SMALL).fit(*waves)
    fitted.checkpoint = left_behind
    expected = weights_of(fitted)

    def fail(*args):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="was not written") as caught:
            fitted.fit(*waves)
    assert caught.value.errno == number
    assert left_behind.read_bytes() == before
    assert [each.name for each in left_behind.parent.iterdir()] == ["fit"]
    for name, weight in weights_of(fitted).items():
        assert_array_equal(weight, expected[name])
    assert_same_net(fitted.fit(*waves), GRUClassifier(**SMALL).fit(*waves))


def test_a_folder_that_is_not_there_ends_a_fit_before_it_begins(waves, tmp_path):
    model = GRUClassifier(**SMALL, checkpoint=tmp_path / "nowhere" / "fit")
    with pytest.raises(FileNotFoundError, match="was not written"):
        model.fit(*waves)


# --- kills that nobody can catch -----------------------------------------------------


def work(path, result):
    """Fit, and leave weights and losses in a file."""
    _checkpoints.SECONDS = 0.0
    X, y = make_waves(n_sequences=70, n_steps=16, ragged=True, random_state=0)
    params = {**SMALL, "max_epochs": 60, "hidden_size": 8, "n_iter_no_change": 50}
    model = GRUClassifier(**params, early_stopping=True, checkpoint=path).fit(X, y)
    losses = [each["train_loss"] for each in model.history_]
    np.savez(result, losses=losses, **weights_of(model))


@pytest.mark.slow
def test_fifty_kills_at_any_moment_change_no_bit(tmp_path):
    """Forked from a server that has loaded everything, so that kills hit the fit."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["test_checkpoints", "skrnn._training"])
    work(tmp_path / "whole", tmp_path / "whole.npz")
    path, result = tmp_path / "fit", tmp_path / "killed.npz"
    draw, n_hits = random.Random(0), 0
    for _ in range(50):
        process = context.Process(target=work, args=(path, result))
        process.start()
        process.join(draw.uniform(0.0, 1.0))
        if process.exitcode is None:
            n_hits += path.exists()
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        else:
            check_and_forget(tmp_path)
    work(path, result)
    check_and_forget(tmp_path)
    assert n_hits >= 20
    assert not path.exists()


def check_and_forget(folder):
    """The result of a fit that was killed before is that of one that was not."""
    with np.load(folder / "whole.npz") as whole, np.load(folder / "killed.npz") as got:
        assert set(whole) == set(got)
        for name in whole:
            assert_array_equal(got[name], whole[name])
    (folder / "killed.npz").unlink()
