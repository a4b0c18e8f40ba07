"""Batches, losses, schedules and updates, compared with loops, formulas and torch."""

import copy
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.special import expit, log_softmax
from sklearn.base import clone
from skorch.callbacks import Callback, EarlyStopping, EpochScoring
from torch import Tensor, nn

from skrnn import (
    GRUClassifier,
    GRURegressor,
    LSTMRegressor,
    RNNRegressor,
    Sequences,
)
from skrnn._batches import BatchIterator, StepDataset
from skrnn._devices import one_thread
from skrnn._dumping import dump_net, load_net
from skrnn._losses import LOSSES, make_loss
from skrnn._modules import SequenceModule, make_module
from skrnn._optimizers import OPTIMIZERS, cosine, one_cycle, optimizer_params
from skrnn._running import blocks_of_rows, round_lengths, run_module
from skrnn._settings import Settings
from skrnn._training import fit_module
from skrnn._training_set import Selection, TrainingSet, merge_identical

CPU = torch.device("cpu")
CONFIG = {
    "cell": "gru",
    "n_features": 2,
    "n_outputs": 1,
    "hidden_size": 4,
    "num_layers": 1,
    "bidirectional": False,
    "dropout": 0.0,
    "pooling": "last",
    "dtype": "float64",
    "stem": 0,
}
REGRESSORS = [RNNRegressor, LSTMRegressor, GRURegressor]


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Iterator[None]:
    """Tiny networks on cores that others use too: waiting threads would cost most."""
    with one_thread(CPU):
        yield


def make_data(lengths: Any, seed: int = 0, weights: Any = None) -> TrainingSet:
    """Sequences with two features; the target of row i is a number near i."""
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal((length, 2)) for length in lengths]
    targets = np.arange(len(arrays))[:, None] + rng.uniform(0, 0.1, (len(arrays), 1))
    weights = np.ones(len(arrays)) if weights is None else np.asarray(weights, float)
    return TrainingSet(Sequences.from_arrays(arrays), targets, weights)


def make_settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "loss": "squared_error",
        "optimizer": "adamw",
        "lr": 0.01,
        "lr_schedule": "constant",
        "weight_decay": 0.01,
        "max_grad_norm": None,
        "max_epochs": 1,
        "batch_size": 1000,
        "patience": None,
        "device": CPU,
        "verbose": 0,
        "callbacks": None,
        "net_params": None,
        "seeds": [0, 1, 2],
    }
    return Settings(**{**values, **changes})


def make_problem(n: int = 40, n_steps: int = 6) -> tuple[Any, Any]:
    """Sequences whose target is the mean of their first feature."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, n_steps, 2))
    return X, X[:, :, 0].mean(axis=1)


def small(cls: Any = GRURegressor, **params: Any) -> Any:
    values = {"hidden_size": 4, "max_epochs": 3, "batch_size": 16, "random_state": 0}
    return cls(**{**values, "device": "cpu", **params})


# --- batches -------------------------------------------------------------------------


def rows_of(batches: Any) -> list[list[int]]:
    """Which rows stand in each batch, told by their targets."""
    return [targets[:, 0].int().tolist() for _, targets in batches]


lists_of_lengths = st.lists(st.integers(1, 9), min_size=1, max_size=70)


@settings(deadline=None)
@given(lists_of_lengths, st.integers(1, 12), st.one_of(st.none(), st.integers(0, 99)))
def test_every_row_comes_once_per_epoch_in_batches_of_almost_equal_size(
    lengths: list[int], batch_size: int, seed: int | None
) -> None:
    generator = None if seed is None else np.random.default_rng(seed)
    data = StepDataset(make_data(lengths), CPU)
    iterator = BatchIterator(data, batch_size, generator)
    for _ in range(2):
        batches = rows_of(iterator)
        assert sorted(chain(*batches)) == list(range(len(lengths)))
        sizes = [len(batch) for batch in batches]
        assert len(sizes) == len(iterator)
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(lists_of_lengths, st.integers(1, 12))
def test_batches_are_the_padded_sequences(lengths: list[int], batch_size: int) -> None:
    data = make_data(lengths, weights=np.arange(1, len(lengths) + 1))
    iterator = BatchIterator(StepDataset(data, CPU), batch_size)
    for inputs, targets in iterator:
        rows = targets[:, 0].int().numpy()
        assert_array_equal(inputs["x"], data.sequences[rows].to_padded())
        there = inputs.get("lengths")
        assert_array_equal(
            np.full(len(rows), inputs["x"].shape[1]) if there is None else there,
            data.sequences.lengths[rows],
        )
        assert_array_equal(targets, data.targets[rows])
        weights = data.weights[rows] / data.weights.mean()
        assert_allclose(inputs.get("weights", torch.ones(len(rows))), weights)


@pytest.mark.parametrize("lengths", [[3, 1, 2, 5, 4, 1], [4, 4, 4, 4]])
def test_a_device_that_holds_all_steps_gives_the_same_batches(
    lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(lengths)
    data = data._replace(sequences=Selection.of(data.sequences)).take([3, 0, 2, 1])
    here = StepDataset(data, CPU)
    monkeypatch.setattr("skrnn._batches.reads_from_memory", lambda *_: False)
    there = StepDataset(data, CPU)
    for rows in ([0, 1, 2, 3], [2, 0]):
        expected, targets = here.batch(np.array(rows))
        inputs, targets_there = there.batch(np.array(rows))
        assert inputs.keys() == expected.keys()
        assert all(torch.equal(inputs[name], expected[name]) for name in inputs)
        assert torch.equal(targets_there, targets)


def test_without_a_generator_rows_come_sorted_by_length() -> None:
    iterator = BatchIterator(StepDataset(make_data([3, 1, 2, 5, 4]), CPU), 2)
    assert [*chain(*rows_of(iterator))] == [1, 2, 0, 4, 3]


def test_the_seed_alone_decides_the_order() -> None:
    data = StepDataset(make_data([3, 1, 2, 5, 4] * 6), CPU)

    def epochs(seed: int) -> list[list[list[int]]]:
        iterator = BatchIterator(data, 4, np.random.default_rng(seed))
        return [rows_of(iterator), rows_of(iterator)]

    first = epochs(1)
    assert epochs(1) == first
    assert epochs(2) != first
    assert first[0] != first[1]


def test_buckets_waste_far_less_padding_than_plain_shuffling() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, size=640)
    iterator = BatchIterator(
        StepDataset(make_data(lengths), CPU), 16, np.random.default_rng(0)
    )
    bucketed = sum(
        inputs["x"].shape[0] * inputs["x"].shape[1] for inputs, _ in iterator
    )
    shuffled = np.random.default_rng(0).permutation(lengths).reshape(-1, 16)
    plain = int(shuffled.max(axis=1).sum()) * 16
    total = int(lengths.sum())
    assert bucketed - total < 0.25 * (plain - total)


def test_long_and_short_batches_are_mixed_over_the_epoch() -> None:
    lengths = np.repeat([2, 40], 64)
    iterator = BatchIterator(
        StepDataset(make_data(lengths), CPU), 8, np.random.default_rng(0)
    )
    steps = [inputs["x"].shape[1] for inputs, _ in iterator]
    assert steps not in (sorted(steps), sorted(steps, reverse=True))


# --- identical rows ------------------------------------------------------------------


@st.composite
def repeated_rows(draw: st.DrawFn) -> TrainingSet:
    """Few different sequences and targets, so that many rows are identical."""
    n = draw(st.integers(1, 12))
    arrays = [
        np.array(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=2)))
        for _ in range(n)
    ]
    targets = np.array([[draw(st.sampled_from([0.0, 5.0]))] for _ in range(n)])
    weights = draw(
        st.lists(st.sampled_from([0.1, 0.2, 0.7, 1.0, 3.0]), min_size=n, max_size=n)
    )
    sequences = Sequences.from_arrays([array[:, None] for array in arrays])
    return TrainingSet(sequences, targets, np.array(weights))


def as_dict(data: TrainingSet) -> dict[Any, float]:
    """Brute force: the total weight of each different row."""
    totals: dict[Any, float] = defaultdict(float)
    for x, target, weight in zip(*data, strict=True):
        totals[(*x.ravel().tolist(), "target", *target.tolist())] += weight
    return totals


@given(repeated_rows())
def test_merging_agrees_with_a_dict(data: TrainingSet) -> None:
    merged = merge_identical(data)
    expected = as_dict(data)
    assert len(merged.weights) == len(expected)
    assert as_dict(merged) == pytest.approx(expected)


@given(repeated_rows(), st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_the_order_of_rows(
    data: TrainingSet, random: Any
) -> None:
    order = list(range(len(data.weights)))
    random.shuffle(order)
    merged, other = merge_identical(data), merge_identical(data.take(order))
    assert_array_equal(merged.sequences.offsets, other.sequences.offsets)
    assert_array_equal(merged.sequences.values, other.sequences.values)
    assert_array_equal(merged.targets, other.targets)
    assert_array_equal(merged.weights, other.weights)


@given(repeated_rows(), st.integers(1, 4))
def test_weight_k_is_merged_like_k_copies(data: TrainingSet, k: int) -> None:
    data = data._replace(weights=np.ones(len(data.weights)))
    copies = data.take(np.tile(np.arange(len(data.weights)), k))
    weighted = data._replace(weights=np.full(len(data.weights), float(k)))
    merged, other = merge_identical(copies), merge_identical(weighted)
    assert_array_equal(merged.sequences.values, other.sequences.values)
    assert_array_equal(merged.weights, other.weights)


def test_one_long_sequence_is_not_two_short_ones() -> None:
    values = np.ones((4, 1))
    for offsets in ([0, 1, 4], [0, 2, 4]):
        targets = np.zeros((2, 1))
        data = TrainingSet(Sequences(values, offsets), targets, np.ones(2))
        merged = merge_identical(data)
        assert len(merged.weights) == (1 if offsets[1] == 2 else 2)


# --- losses --------------------------------------------------------------------------


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("squared_error", nn.MSELoss()),
        ("absolute_error", nn.L1Loss()),
        ("huber", nn.HuberLoss()),
    ],
)
def test_losses_of_regression_agree_with_torch(
    name: str, theirs: Any, n_outputs: int
) -> None:
    outputs, targets = 2 * normal(5, n_outputs), normal(5, n_outputs, seed=1)
    losses = make_loss(name)(outputs, targets)
    expected = [theirs(o, t) for o, t in zip(outputs, targets, strict=True)]
    assert_allclose(losses, expected, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_loss_of_classes_is_the_negative_log_probability(n_classes: int) -> None:
    outputs, codes = normal(6, n_classes), torch.tensor([0, 1, 1, 0, 1, 0])
    logarithms = log_softmax(outputs.numpy(), axis=1)
    expected = -logarithms[np.arange(6), codes.numpy()]
    assert_allclose(make_loss("log_loss")(outputs, codes), expected, rtol=1e-12)


def test_the_loss_of_labels_is_the_mean_negative_log_probability() -> None:
    outputs = normal(6, 3)
    labels = (normal(6, 3, seed=1) > 0).double()
    probabilities = expit(outputs.numpy())
    of_label = np.where(labels.numpy() == 1, probabilities, 1 - probabilities)
    expected = -np.log(of_label).mean(axis=1)
    assert_allclose(make_loss("log_loss")(outputs, labels), expected, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("shape", [(4, 2), (1, 1), (4, 1)])
def test_losses_refuse_unequal_shapes(name: str, shape: tuple[int, int]) -> None:
    outputs, targets = torch.zeros(4, 3), torch.zeros(shape)
    with pytest.raises(ValueError, match=r"\(4, 3\) for targets.*equal shapes"):
        make_loss(name)(outputs, targets)


@pytest.mark.parametrize(
    "loss", [nn.MSELoss(), lambda outputs, targets: torch.zeros(3)]
)
def test_a_loss_must_give_one_number_per_sequence(loss: Any) -> None:
    with pytest.raises(ValueError, match=r"one number per sequence.*reduction='none'"):
        make_loss(loss)(torch.zeros(4, 1), torch.zeros(4, 1))


def test_a_loss_of_torch_can_be_passed() -> None:
    outputs, targets = normal(5, 2), normal(5, 2, seed=1)
    losses = make_loss(nn.SmoothL1Loss(reduction="none"))(outputs, targets)
    assert_allclose(losses, nn.SmoothL1Loss(reduction="none")(outputs, targets).mean(1))


# --- the learning rate ---------------------------------------------------------------


class RateRecorder(Callback):
    """Remember the learning rate of every update."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_grad_computed(self, net: Any, *args: Any, **kwargs: Any) -> None:
        self.rates.append(net.optimizer_.param_groups[0]["lr"])


def rates_of_a_fit(lr_schedule: str, n_updates: int) -> list[float]:
    recorder = RateRecorder()
    changes = {"lr": 0.3, "batch_size": 2, "max_epochs": n_updates // 2}
    fit_module(
        make_module(CONFIG, 0),
        make_data([2, 2, 2, 2]),
        None,
        make_settings(lr_schedule=lr_schedule, callbacks=[recorder], **changes),
    )
    return recorder.rates


def test_the_cosine_schedule_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    expected = []
    for _ in range(10):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert_allclose(rates_of_a_fit("cosine", 10), expected, rtol=1e-12)


def test_one_cycle_rises_for_a_quarter_and_falls_to_zero() -> None:
    rates = np.array(rates_of_a_fit("one_cycle", 20)) / 0.3
    assert rates[0] == pytest.approx(0.04)
    assert rates.argmax() == 5
    assert rates[5] == pytest.approx(1.0)
    assert (np.diff(rates[:6]) > 0).all()
    assert (np.diff(rates[5:]) < 0).all()
    assert rates[-1] > 0.0
    # from the peak on, it is a cosine of 15 updates
    assert_allclose(rates[5:], [cosine(update, 15) for update in range(15)])


def test_one_cycle_rises_like_that_of_torch() -> None:
    # Theirs ends at its last update and ours one later, so theirs gets one more.
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=21, pct_start=6 / 21, cycle_momentum=False
    )
    for update in range(6):
        lr = optimizer.param_groups[0]["lr"]
        assert one_cycle(update, 20) == pytest.approx(lr, rel=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("schedule", [one_cycle, cosine])
@given(n_updates=st.integers(1, 500))
def test_schedules_end_at_zero_and_never_exceed_one(
    schedule: Callable[[int, int], float], n_updates: int
) -> None:
    factors = [schedule(update, n_updates) for update in range(n_updates + 1)]
    assert factors[-1] == pytest.approx(0.0, abs=1e-12)
    assert all(0.0 < factor <= 1.0 for factor in factors[:-1])


def test_a_constant_schedule_is_constant() -> None:
    assert rates_of_a_fit("constant", 6) == [0.3] * 6


# --- updates -------------------------------------------------------------------------


def trained(
    data: TrainingSet, validation: TrainingSet | None = None, **changes: Any
) -> tuple[SequenceModule, Any]:
    """The initial module and the net that trained a copy of it."""
    module = make_module(CONFIG, 0)
    settings = make_settings(**changes)
    return module, fit_module(copy.deepcopy(module), data, validation, settings)


def weighted_loss(module: SequenceModule, data: TrainingSet) -> Tensor:
    """Squared error, by hand."""
    x = torch.from_numpy(data.sequences.to_padded())
    outputs = module(x, torch.from_numpy(data.sequences.lengths))
    weights = torch.from_numpy(data.weights / data.weights.sum())
    return (weights * (outputs - torch.from_numpy(data.targets))[:, 0] ** 2).sum()


WEIGHTS = [1.0, 4.0, 0.5, 2.0]


def distance(module: nn.Module, other: nn.Module) -> float:
    """Euclidean distance of all weights."""
    pairs = zip(module.parameters(), other.parameters(), strict=True)
    with torch.no_grad():
        return float(sum(((p - q) ** 2).sum() for p, q in pairs)) ** 0.5


@pytest.mark.parametrize("lengths", [[3, 3, 3, 3], [3, 1, 4, 2]])
def test_the_first_loss_is_the_weighted_mean_by_hand(lengths: list[int]) -> None:
    data = make_data(lengths, weights=WEIGHTS)
    module, net = trained(data)
    expected = float(weighted_loss(module, data).detach())
    assert net.history[0]["train_loss"] == pytest.approx(expected, rel=1e-12)


def test_the_loss_of_an_epoch_is_the_mean_over_its_batches() -> None:
    data = make_data([3, 3, 3, 3, 3], weights=[*WEIGHTS, 3.0])
    module, net = trained(data, batch_size=2, lr=1e-30, weight_decay=0.0)
    expected = float(weighted_loss(module, data).detach())
    assert net.history[0]["train_loss"] == pytest.approx(expected, rel=1e-12)


def test_the_validation_loss_is_that_of_the_trained_module() -> None:
    data, validation = make_data([3, 2, 4, 1]), make_data([2, 5, 3], seed=1)
    _, net = trained(data, validation, max_epochs=2)
    expected = float(weighted_loss(net.module_, validation).detach())
    assert net.history[-1]["valid_loss"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("lengths", [[3, 3, 3, 3], [3, 1, 4, 2]])
def test_the_first_update_is_that_of_adamw_by_hand(lengths: list[int]) -> None:
    data = make_data(lengths, weights=WEIGHTS)
    module, net = trained(data, lr=0.01, weight_decay=0.1)
    weighted_loss(module, data).backward()
    for name, updated in net.module_.named_parameters():
        parameter = module.get_parameter(name)
        grad = parameter.grad
        # Both moments, corrected for their start at zero, are those of one gradient.
        step = grad / (grad.square().sqrt() + 1e-8)
        expected = parameter * (1 - 0.01 * 0.1) - 0.01 * step
        torch.testing.assert_close(updated, expected, rtol=1e-6, atol=1e-9)


def test_updates_are_those_of_a_loop_in_plain_torch() -> None:
    data = make_data([3, 1, 4, 2], weights=WEIGHTS)
    module, net = trained(data, max_epochs=5, max_grad_norm=0.5)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=0.01)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = weighted_loss(module, data)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    for name, updated in net.module_.named_parameters():
        expected = module.get_parameter(name)
        torch.testing.assert_close(updated, expected, rtol=1e-6, atol=1e-9)
    assert_allclose(net.history[:, "train_loss"], losses, rtol=1e-6)


@pytest.mark.parametrize("share", [0.01, 0.9, 1.1, 100.0])
def test_gradients_are_shortened_if_they_are_longer(share: float) -> None:
    changes = {"optimizer": "sgd", "lr": 1.0, "weight_decay": 0.0}
    data = make_data([3, 1, 4, 2])
    module, free = trained(data, **changes)
    length = distance(module, free.module_)
    assert length > 0.1
    _, clipped = trained(data, max_grad_norm=share * length, **changes)
    expected = min(share, 1.0) * length
    assert distance(module, clipped.module_) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "cls"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("rmsprop", torch.optim.RMSprop),
        (torch.optim.NAdam, torch.optim.NAdam),
    ],
)
def test_optimisers_are_found_by_name_or_class(optimizer: Any, cls: Any) -> None:
    _, net = trained(make_data([3, 1]), optimizer=optimizer, lr=0.02, weight_decay=0.3)
    assert isinstance(net.optimizer_, cls)
    assert type(net.optimizer_).__name__ == cls.__name__
    assert net.optimizer_.defaults["lr"] == 0.02
    assert net.optimizer_.defaults["weight_decay"] == 0.3


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_optimisers_are_fused_and_agree_with_plain_ones(optimizer: str) -> None:
    data = make_data([3, 1, 4, 2])
    assert optimizer_params(optimizer, 0.0, CPU, None)["optimizer__fused"]
    _, fused = trained(data, optimizer=optimizer, max_epochs=5)
    _, plain = trained(
        data, optimizer=optimizer, max_epochs=5, net_params={"optimizer__fused": False}
    )
    assert fused.optimizer_.defaults["fused"]
    assert not plain.optimizer_.defaults["fused"]
    assert distance(fused.module_, plain.module_) < 1e-9


def test_an_optimiser_without_weight_decay_can_be_used() -> None:
    class Plain(torch.optim.SGD):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, lr=lr)

    _, net = trained(make_data([3, 1]), optimizer=Plain, weight_decay=0.5)
    assert net.optimizer_.defaults["weight_decay"] == 0


def test_dropout_acts_in_training_with_one_layer() -> None:
    data = make_data([3, 1, 4, 2])
    module = make_module({**CONFIG, "dropout": 0.5}, 0)
    net = fit_module(copy.deepcopy(module), data, None, make_settings())
    undisturbed = float(weighted_loss(module.eval(), data).detach())
    assert net.history[0]["train_loss"] != pytest.approx(undisturbed, rel=1e-3)
    assert not net.module_.training


# --- early stopping ------------------------------------------------------------------


def noise(n: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 5, 2)), rng.standard_normal(n)


@pytest.fixture(scope="module")
def stopped() -> Any:
    """Noise cannot be learned: the validation loss soon rises."""
    model = small(max_epochs=60, lr=0.05, early_stopping=True, n_iter_no_change=3)
    X_val, y_val = noise(20, seed=1)
    return model.fit(*noise(60, seed=0), X_val=X_val, y_val=y_val)


def test_early_stopping_ends_some_epochs_after_the_lowest_loss(stopped: Any) -> None:
    losses = [epoch["valid_loss"] for epoch in stopped.history_]
    assert stopped.n_iter_ == len(losses) < 60
    assert len(losses) - 1 - int(np.argmin(losses)) == 3


def test_early_stopping_goes_back_to_the_weights_with_the_lowest_loss(
    stopped: Any,
) -> None:
    losses = [epoch["valid_loss"] for epoch in stopped.history_]
    X_val, y_val = noise(20, seed=1)
    errors = (stopped.predict(X_val) - y_val) / stopped.target_scale_
    assert np.mean(errors**2) == pytest.approx(min(losses), rel=1e-5)
    assert losses[-1] > min(losses) * 1.001


def test_early_stopping_goes_on_while_the_loss_falls_a_little() -> None:
    X, y = make_problem()
    model = small(max_epochs=6, lr=1e-7, lr_schedule="constant", dtype="float64")
    model.set_params(early_stopping=True, n_iter_no_change=2, dropout=0.0)
    model.fit(X, y, X_val=X, y_val=y)
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert (np.diff(losses) < 0).all()
    assert model.n_iter_ == 6
    errors = (model.predict(X) - y) / model.target_scale_
    assert np.mean(errors**2) == pytest.approx(min(losses), rel=1e-12)


def test_early_stopping_of_skorch_can_be_passed_as_a_callback() -> None:
    stopping = EarlyStopping("train_loss", patience=2, threshold=0.9)
    model = small(max_epochs=20, callbacks=[stopping]).fit(*make_problem())
    assert model.n_iter_ == 3


def test_early_stopping_sets_a_part_aside() -> None:
    X, y = make_problem()
    model = small(early_stopping=True, validation_fraction=0.25).fit(X, y)
    assert all(np.isfinite(epoch["valid_loss"]) for epoch in model.history_)


def test_the_seed_alone_decides_which_part_is_set_aside() -> None:
    X, y = make_problem()
    losses = []
    for seed in [0, 0, 1]:
        model = small(early_stopping=True, random_state=seed).fit(X, y)
        losses.append(model.history_[0]["valid_loss"])
    assert losses[0] == losses[1] != losses[2]


def test_partial_fit_never_stops_early() -> None:
    X, y = make_problem()
    model = small(early_stopping=True, n_iter_no_change=1)
    for _ in range(3):
        model.partial_fit(X, y)
    assert model.n_iter_ == 3


# --- the whole loop ------------------------------------------------------------------


def test_no_data_loader_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a DataLoader was made")

    monkeypatch.setattr(torch.utils.data.DataLoader, "__init__", refuse)
    X, y = make_problem()
    model = small().fit(X, y, X_val=X, y_val=y)
    model.predict(X)
    model.transform(X)


def test_the_history_holds_epochs_and_no_batches() -> None:
    X, y = make_problem()
    model = small(batch_size=4).fit(X, y, X_val=X, y_val=y)
    assert [epoch["epoch"] for epoch in model.history_] == [1, 2, 3]
    for epoch in model.history_:
        assert epoch.keys() == {"epoch", "train_loss", "valid_loss", "dur"}
    assert not any(epoch["batches"] for epoch in model.net_.history)


def test_the_history_does_not_grow_with_batches_while_training() -> None:
    counts = []

    class Counter(Callback):
        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            counts.append(sum(len(epoch["batches"]) for epoch in net.history))

    X, y = make_problem()
    small(batch_size=4, max_epochs=5, callbacks=[Counter()]).fit(X, y)
    assert max(counts) <= 20


def test_callbacks_of_the_user_are_called() -> None:
    calls = []

    class Logger(Callback):
        def on_train_begin(self, net: Any, **kwargs: Any) -> None:
            calls.append("begin")

        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            calls.append("epoch")

        def on_train_end(self, net: Any, **kwargs: Any) -> None:
            calls.append("end")

    small(callbacks=[Logger()]).fit(*make_problem())
    assert calls == ["begin", "epoch", "epoch", "epoch", "end"]


@pytest.mark.parametrize("on_train", [False, True])
def test_scores_of_skorch_can_be_logged(on_train: bool) -> None:
    X, y = make_problem()
    scoring = EpochScoring("r2", name="r2", lower_is_better=False, on_train=on_train)
    model = small(callbacks=[scoring]).fit(X, y, X_val=X, y_val=y)
    assert np.isfinite([epoch["r2"] for epoch in model.history_]).all()
    if not on_train:
        assert model.history_[-1]["r2"] == pytest.approx(model.score(X, y))


def test_verbose_prints_one_line_per_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    small(verbose=1).fit(*make_problem())
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 2 + 3
    assert "train_loss" in lines[0]


def test_more_verbose_shows_how_far_an_epoch_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    X, y = make_problem()  # 40 sequences make 3 batches
    for verbose, shown in [(1, False), (2, True)]:
        small(verbose=verbose).fit(X, y)
        printed = capsys.readouterr().err
        assert ("| 0/3 [" in printed) == shown


def test_a_fit_is_silent_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    small().fit(*make_problem()).predict(make_problem()[0])
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def in_new_thread(work: Callable[[], Any]) -> Any:
    """Call in a thread of its own, since torch counts its threads per thread."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_torch_has_as_many_threads_after_fit_and_predict_as_before(
    n_threads: int,
) -> None:
    X, y = make_problem()

    def work() -> list[int]:
        before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        model = small().fit(X, y)
        after_fit = torch.get_num_threads()
        model.predict(X)
        after_predict = torch.get_num_threads()
        torch.set_num_threads(before)
        return [after_fit, after_predict]

    assert in_new_thread(work) == [n_threads, n_threads]


@pytest.mark.parametrize("cls", REGRESSORS)
def test_the_number_of_threads_changes_no_bit(cls: Any) -> None:
    # Large enough that torch and MKL would share the work among threads.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((128, 6, 20))
    y = X[:, :, 0].mean(axis=1)
    model = small(cls, hidden_size=100, max_epochs=2, batch_size=128)

    def work() -> list[NDArray[Any]]:
        before = torch.get_num_threads()
        predictions = []
        for n_threads in [1, 2]:
            torch.set_num_threads(n_threads)
            fitted = clone(model).fit(X, y)
            predictions.append(fitted.predict(X))
        torch.set_num_threads(before)
        return predictions

    with_one, with_two = in_new_thread(work)
    assert_array_equal(with_two, with_one)


# --- running -------------------------------------------------------------------------


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_lengths_are_rounded_up_by_an_eighth_at_most(lengths: list[int]) -> None:
    before = np.array(lengths)
    rounded = round_lengths(before)
    assert (rounded >= before).all()
    assert (rounded <= before * 1.125).all()
    assert_array_equal(round_lengths(rounded), rounded)
    assert_array_equal(
        np.argsort(rounded[np.argsort(before)], kind="stable"), range(len(before))
    )


@given(st.integers(3, 19))
def test_lengths_are_rounded_to_few_different_numbers(power: int) -> None:
    lengths = np.arange(2**power, 2 ** (power + 1), max(1, 2 ** (power - 10)))
    assert len(np.unique(round_lengths(lengths))) <= 9


@given(lists_of_lengths, st.integers(1, 8))
def test_blocks_hold_every_row_once_with_sequences_of_one_rounded_length(
    lengths: list[int], n_rows: int
) -> None:
    array = np.array(lengths)
    blocks = list(blocks_of_rows(array, n_rows))
    assert sorted(np.concatenate([rows for rows, _ in blocks])) == [*range(len(array))]
    for rows, n_steps in blocks:
        assert 1 <= len(rows) <= n_rows
        assert (round_lengths(array[rows]) == n_steps).all()


@pytest.mark.parametrize("part", ["outputs", "embedding"])
def test_running_gives_what_the_module_gives_for_each_sequence(part: Any) -> None:
    config = {**CONFIG, "bidirectional": True, "pooling": "concat", "n_outputs": 3}
    module = make_module(config, 0).eval()
    sequences = make_data([3, 1, 20, 2, 9, 3, 3]).sequences
    call = module.forward if part == "outputs" else module.embed
    with torch.no_grad():
        expected = [call(torch.tensor(x[None])).numpy()[0] for x in sequences]
    assert_allclose(run_module(module, sequences, part), expected, rtol=1e-11)


def add_one(bias: nn.Parameter) -> None:
    with torch.no_grad():
        bias.add_(1.0)


def add_one_to_data(bias: nn.Parameter) -> None:
    bias.data.add_(1.0)


def add_one_by_a_fused_optimiser(bias: nn.Parameter) -> None:
    bias.grad = -torch.ones_like(bias)
    torch.optim.SGD([bias], lr=1.0, fused=True).step()


@pytest.mark.parametrize(
    "change", [add_one, add_one_to_data, add_one_by_a_fused_optimiser]
)
def test_running_follows_weights_that_were_changed_in_place(change: Any) -> None:
    module = make_module(CONFIG, 0).eval()
    sequences = make_data([3, 1]).sequences
    before = run_module(module, sequences)
    change(module.head.bias)
    assert_allclose(run_module(module, sequences), before + 1.0)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("part", ["outputs", "embedding"])
@pytest.mark.parametrize("pooling", ["last", "concat", "attention"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("size", "engine"),
    [(33, "auto"), pytest.param(257, "torch", marks=pytest.mark.slow)],
)
def test_running_few_and_many_sequences_agrees_to_the_bit(
    cell: Any, part: Any, pooling: Any, dtype: Any, size: int, engine: Any
) -> None:
    config = {**CONFIG, "cell": cell, "hidden_size": size, "bidirectional": True}
    config |= {"pooling": pooling, "dtype": dtype, "engine": engine}
    module = make_module(config, 0).eval()
    many = Sequences.from_panel(normal(300, 21, module.config["n_features"]).numpy())
    expected = run_module(module, many, part)
    for start, stop in [(0, 1), (299, 300), (5, 12), (3, 131), (40, 297)]:
        some = run_module(module, many[start:stop], part)
        assert_array_equal(some, expected[start:stop])
    shorter = many[7][:20]  # in a block with padding, or alone
    mixed = Sequences.from_arrays([many[3], shorter, many[5]])
    answers = run_module(module, mixed, part)
    assert_array_equal(answers[[0, 2]], expected[[3, 5]])
    alone = run_module(module, Sequences.from_arrays([shorter]), part)
    assert_array_equal(answers[[1]], alone)


def replace_head(module: Any) -> None:
    module.head = copy.deepcopy(module.head)
    add_one(module.head.bias)


def replace_bias(module: Any) -> None:
    module.head.bias = nn.Parameter(module.head.bias.detach() + 1.0)


def load_another_state(module: Any) -> None:
    state = {name: weight.clone() for name, weight in module.state_dict().items()}
    module.load_state_dict({**state, "head.bias": state["head.bias"] + 1.0})


def edit_as_array(module: Any) -> None:
    module.head.bias.detach().numpy()[:] += 1.0


@pytest.mark.parametrize(
    "change", [replace_head, replace_bias, load_another_state, edit_as_array]
)
def test_running_follows_weights_that_were_replaced(change: Any) -> None:
    module = make_module(CONFIG, 0).eval()
    sequences = make_data([3, 1]).sequences
    before = run_module(module, sequences)
    change(module)
    assert_allclose(run_module(module, sequences), before + 1.0)


# --- fitted state --------------------------------------------------------------------


def assert_plain(value: Any, where: str) -> None:
    """Only dicts, lists, tuples, strings, Python's numbers and arrays of numbers."""
    if type(value) is dict:
        for key, inner in value.items():
            assert type(key) in (str, int), where
            assert_plain(inner, f"{where}[{key!r}]")
    elif type(value) in (list, tuple):
        for index, inner in enumerate(value):
            assert_plain(inner, f"{where}[{index}]")
    elif type(value) is np.ndarray:
        assert value.dtype.kind in "fiub", where
    else:
        assert value is None or type(value) in (str, int, float, bool), (
            f"{where} is {type(value)}"
        )


@pytest.fixture(scope="module", params=["float32", "float64"])
def fitted(request: pytest.FixtureRequest) -> Any:
    X, y = make_problem()
    model = small(LSTMRegressor, dtype=request.param, num_layers=2, early_stopping=True)
    return model.fit(X, y).partial_fit(X, y)


def test_a_dumped_net_is_plain(fitted: Any) -> None:
    state = dump_net(fitted.net_)
    assert {"config", "weights", "moments", "history"} <= state.keys()
    learned = [name for name in state["weights"] if not name.startswith("scaling")]
    assert len(state["moments"]) == len(learned)
    assert_plain(state, "state")


def test_a_dumped_net_of_a_classifier_is_plain() -> None:
    X, y = make_problem()
    model = small(GRUClassifier, pooling="attention").fit(X, y > 0)
    assert_plain(dump_net(model.net_), "state")


def test_a_loaded_net_is_the_same(fitted: Any) -> None:
    settings = make_settings()
    loaded = load_net(dump_net(fitted.net_), settings)
    for name, weight in fitted.module_.state_dict().items():
        assert torch.equal(loaded.module_.state_dict()[name], weight)
    sequences = Sequences.from_panel(make_problem()[0].astype(fitted.dtype))
    assert_array_equal(
        run_module(loaded.module_, sequences), run_module(fitted.module_, sequences)
    )
    assert loaded.history == fitted.net_.history
    moments = loaded.optimizer_.state_dict()["state"]
    expected = fitted.net_.optimizer_.state_dict()["state"]
    assert moments.keys() == expected.keys()
    for index, state in expected.items():
        for name, value in state.items():
            assert torch.equal(moments[index][name], value)
            assert moments[index][name].dtype == value.dtype


def test_a_loaded_net_shares_no_memory_with_what_it_was_loaded_from(
    fitted: Any,
) -> None:
    state = dump_net(fitted.net_)
    loaded = load_net(state, make_settings())
    with torch.no_grad():
        for parameter in loaded.module_.parameters():
            parameter.zero_()
    assert dump_net(fitted.net_)["weights"]["head.weight"].any()
    assert state["weights"]["head.weight"].any()


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "rmsprop"])
def test_optimizers_without_the_compiler_make_the_updates_of_torch(name):
    ours, torchs = OPTIMIZERS[name], OPTIMIZERS[name].__mro__[2]
    assert ours.__name__ == torchs.__name__
    assert torchs.__module__.startswith("torch.optim")
    found = []
    for cls in (ours, torchs):
        torch.manual_seed(0)
        weight = nn.Parameter(torch.randn(3, 4))
        optimizer = cls([weight], lr=0.01, weight_decay=0.1)
        optimizer.add_param_group({"params": nn.Parameter(torch.ones(2)), "lr": 0.1})
        for step in range(5):
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = torch.randn_like(parameter)
            if step == 3:  # moments go from one to the other
                state = optimizer.state_dict()
                optimizer = cls(
                    [{"params": g["params"]} for g in optimizer.param_groups], lr=1.0
                )
                optimizer.load_state_dict(state)
            optimizer.step()
        found.append([p for group in optimizer.param_groups for p in group["params"]])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_hooks_of_optimizers_are_called():
    weight = nn.Parameter(torch.ones(2))
    optimizer = OPTIMIZERS["adamw"]([weight])
    calls = []
    optimizer.register_step_post_hook(lambda *args: calls.append(args))
    weight.grad = torch.ones(2)
    optimizer.step()
    assert len(calls) == 1


def test_no_fit_and_no_predict_loads_the_compiler():
    """It would take longer than all the rest of a small fit."""
    code = """
import pickle
import subprocess
import sys, sys
import numpy as np
from skrnn import GRUClassifier
X, y = np.zeros((8, 3, 2)), [0, 1] * 4
model = GRUClassifier(4, max_epochs=1, device="cpu").fit(X, y).partial_fit(X, y)
pickle.loads(pickle.dumps(model)).predict(X)
print(*{"torch._dynamo", "sympy"} & set(sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == ("", "")
