"""Windows of steps, compared with slices of each series."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.forecasting._learning import cut_windows, last_half
from skrnn.forecasting._levels import n_candidates, read_steps
from skrnn.forecasting._network import (
    History,
    Network,
    describe_history,
    read_on,
    state_of,
)
from skrnn.forecasting._windows import StepTable, WindowDataset

CPU = torch.device("cpu")
LAGS = (3, 6)


def make_network(horizon=4, context=8, n_ahead=1, past=()):
    config = {
        "cell": "gru",
        "n_columns": 2,
        "n_candidates": n_candidates(LAGS),
        "n_extras": 3,
        "lags": LAGS,
        "n_ahead": n_ahead,
        "loss": "normal",
        "hidden_size": 3,
        "num_layers": 1,
        "dropout": 0.0,
        "dtype": "float64",
    }
    plan = {"horizon": horizon, "context": context, "log": False, "lowest": 0.0}
    network = Network(config, LAGS, **plan, unit=1.0, frequency="", past=list(past))
    module = network.module(CPU)
    module.initialize(torch.Generator().manual_seed(0))
    network.weights = {n: w.numpy()[None] for n, w in module.state_dict().items()}
    return network


def make_histories(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [
        History(10 + rng.normal(size=(n, 2)).cumsum(0), rng.normal(size=(n, 3)))
        for n in lengths
    ]


def make_table(network, histories):
    described = [describe_history(network, history)[0] for history in histories]
    return StepTable(described, LAGS, CPU), described


def test_a_window_holds_the_steps_before_its_end():
    network, histories = make_network(), make_histories([20, 15, 30])
    table, described = make_table(network, histories)
    ends, series = np.array([20 + 13, 20 + 15 + 30]), np.array([1, 2])
    window = table.windows(ends, n_steps=9) | table.anchored(ends, series, 9, 4)
    for row, (place, end) in enumerate([(1, 13), (2, 30)]):
        part = slice(end - 9, end)
        assert_array_equal(window["inputs"][row], described[place].inputs[part])
        assert_array_equal(window["scaled"][row], described[place].scaled[part])
        assert_array_equal(window["known"][row], described[place].known[part])
        steps = described[place].steps
        expected = (steps.values - steps.origin) / steps.scale
        assert_allclose(window["targets"][row], expected[part], rtol=1e-12)
        truth = histories[place].values[end - 4 : end]
        assert_array_equal(window["truth"][row, 0], truth)


@pytest.mark.parametrize("n_anchors", [1, 3])
def test_a_free_run_begins_where_its_series_stands(n_anchors):
    network, histories = make_network(), make_histories([25, 18])
    table, _ = make_table(network, histories)
    ends, series = np.array([24, 25 + 18]), np.array([0, 1])
    window = table.anchored(ends, series, 12, 4, n_anchors)
    anchors = window["anchors"][0].tolist()
    assert anchors[-1] == 8
    assert len(anchors) == n_anchors
    for row, (place, end) in enumerate([(0, 24), (1, 18)]):
        for n, anchor in enumerate(anchors):
            start = end - 12 + anchor
            history = histories[place]
            until = History(history.values[:start], history.extras[:start])
            standings, _, _ = read_on(network, [until], None, CPU)
            expected = state_of(network, standings, CPU)
            for name, part in window["state"].items():
                wanted = getattr(expected, name)[0]
                assert_allclose(part[row, n], wanted, rtol=1e-10, atol=1e-12)
            truth = history.values[start : start + 4]
            assert_array_equal(window["truth"][row, n], truth)


def test_a_free_run_does_not_know_what_is_known_for_the_past_only():
    network, (history,) = make_network(past=[2]), make_histories([20])
    table, _ = make_table(network, [history])
    window = table.anchored(np.array([20]), np.array([0]), 10, 4)
    extras = window["extras"][0, 0].numpy()
    assert_array_equal(extras[0], history.extras[16])  # told by the step before
    assert_array_equal(extras[1:, :2], history.extras[17:, :2])
    assert_array_equal(extras[1:, 2], 0)


@given(
    lengths=st.lists(st.integers(6, 60), min_size=1, max_size=5),
    horizon=st.integers(1, 6),
    context=st.integers(1, 20),
    validate=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_windows_stay_within_their_series_and_out_of_what_is_held_out(
    lengths, horizon, context, validate
):
    lengths = [max(length, horizon + 2) for length in lengths]
    network = make_network(horizon, context)
    table, _ = make_table(network, make_histories(lengths))
    fitting, validation = cut_windows(network, table, validate, max_epochs=2)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    held_out = np.zeros(len(lengths), dtype=bool)
    if validation is not None:
        assert validate
        held_out[validation.series] = True
        assert_array_equal(validation.ends, begins[validation.series + 1])
    for dataset in [fitting, last_half(network, table), validation]:
        if dataset is None:
            continue
        first = dataset.ends - dataset.lengths
        assert (first >= begins[dataset.series]).all()
        assert (dataset.ends <= begins[dataset.series + 1]).all()
        assert (dataset.lengths >= horizon + 1).all()
        assert (dataset.lengths <= context + horizon).all()
    ends = fitting.ends - begins[fitting.series]
    limits = np.array(lengths) - horizon * held_out
    assert (ends <= limits[fitting.series]).all()
    assert {*fitting.series.tolist()} == {*range(len(lengths))}


def make_dataset(n_windows, n_batches=None, seed=0):
    network = make_network()
    table, _ = make_table(network, make_histories([200]))
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(20, 200, size=n_windows))
    lengths = rng.integers(6, 13, size=n_windows)
    series = np.zeros(n_windows, dtype=np.int64)
    return WindowDataset(table, ends, series, lengths, 4, n_batches)


def test_a_batch_is_as_long_as_its_shortest_window():
    dataset = make_dataset(50)
    inputs, _ = dataset.batch(np.arange(10))
    assert inputs["inputs"].shape[:2] == (10, dataset.lengths[:10].min())


@pytest.mark.parametrize("n_windows", [3, 50, 500])
def test_an_epoch_has_the_batches_it_is_said_to_have(n_windows):
    dataset = make_dataset(n_windows, n_batches=7)
    iterator = dataset.iterator(16, np.random.default_rng(0))
    sizes = [len(weights) for _, weights in iterator]
    assert len(sizes) == len(iterator) == 7
    assert max(sizes) <= 16
    assert sum(sizes) == 7 * min(16, n_windows)


def test_without_a_generator_every_window_comes_once():
    dataset = make_dataset(50)
    truths = [inputs["truth"][:, 0, 0] for inputs, _ in dataset.iterator(16)]
    found = np.sort(torch.cat(truths)[:, 0].numpy())
    expected = np.sort(dataset.table.values[dataset.ends - 4, 0].numpy())
    assert_array_equal(found, expected)


def test_an_epoch_draws_each_window_before_any_twice():
    dataset = make_dataset(50, n_batches=3)
    batches = dataset.iterator(16, np.random.default_rng(0))
    ends = torch.cat([inputs["targets"][:, -1, 0] for inputs, _ in batches])
    drawn = np.unique(ends.numpy(), return_counts=True)[1]
    last = dataset.table.windows(dataset.ends, n_steps=1)
    values = last["targets"][:, 0, 0].numpy()
    most = np.unique(values, return_counts=True)[1].max()
    assert drawn.max() <= most


def test_the_steps_of_a_window_know_nothing_of_later_ones():
    network, (history,) = make_network(), make_histories([40])
    changed = History(history.values.copy(), history.extras)
    changed.values[30:] += 50
    table, _ = make_table(network, [history])
    other, _ = make_table(network, [changed])
    before, after = (
        each.windows(np.array([34]), 12)
        | each.anchored(np.array([34]), np.array([0]), 12, 4)
        for each in (table, other)
    )
    for name in ["inputs", "scaled", "targets", "origin", "scale"]:
        n_same = 8 if name == "targets" else 9  # step 30 is described before it comes
        assert_array_equal(before[name][0, :n_same], after[name][0, :n_same])
    for name, part in before["state"].items():
        assert_array_equal(part, after["state"][name])


def test_read_steps_of_the_table_are_those_of_the_series():
    network, histories = make_network(), make_histories([12, 9])
    table, _ = make_table(network, histories)
    expected = [read_steps(history.values, LAGS)[0].scale for history in histories]
    assert_allclose(table.scale, np.concatenate(expected), rtol=1e-12)
