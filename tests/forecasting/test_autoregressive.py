"""The autoregressive module, compared with loops over single steps."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.forecasting import _walker
from skrnn.forecasting._autoregressive import AutoregressiveModule, encode, roll
from skrnn.forecasting._levels import n_candidates, read_steps
from skrnn.forecasting._network import (
    History,
    Network,
    describe_history,
    read_on,
    state_of,
)
from skrnn.forecasting._walker import DAMPING

CELLS = ["rnn", "lstm", "gru"]
CPU = torch.device("cpu")


def make_network(cell="gru", lags=(4, 8), n_ahead=1, trained=True, **config):
    """A network in double precision; "trained" weights are random in all layers."""
    config = {
        "cell": cell,
        "n_columns": 2,
        "n_candidates": n_candidates(lags),
        "n_extras": 3,
        "lags": lags,
        "n_ahead": n_ahead,
        "loss": "student_t",
        "hidden_size": 6,
        "num_layers": 2,
        "dropout": 0.0,
        "dtype": "float64",
        **config,
    }
    plan = {"horizon": 4, "context": 8, "log": False, "lowest": 0.0, "unit": 1.0}
    network = Network(config, lags, **plan, frequency="", past=[])
    module = AutoregressiveModule(**config)
    module.initialize(torch.Generator().manual_seed(0))
    if trained:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name.startswith("head"):
                    parameter.normal_(0, 0.5, generator=generator)
    network.weights = {n: w.numpy()[None] for n, w in module.state_dict().items()}
    return network


def make_history(n_steps, seed=0):
    rng = np.random.default_rng(seed)
    values = 10 + rng.normal(size=(n_steps, 2)).cumsum(axis=0)
    return History(values, rng.normal(size=(n_steps, 3)))


def roll_from(network, history, extras, uniforms=None):
    """Values (n_steps, n_columns) after the end of a history."""
    standings, _, _ = read_on(network, [history], None, CPU)
    state, module = state_of(network, standings, CPU), network.module(CPU)
    ahead = torch.from_numpy(extras)[:, None]
    if uniforms is not None:
        uniforms = iter(torch.from_numpy(uniforms)[:, None])
    with torch.no_grad():
        steps = list(roll(module, state, ahead, uniforms))
    return torch.cat(steps).numpy()


def frozen_scale(network, values, scale, extras):
    """What the network says of the step after some values, in a known scale."""
    module = network.module(CPU)
    history = History(np.concatenate([values, values[-1:]]), extras)
    described, _, _ = describe_history(network, history)
    steps = described.steps
    inputs = described.inputs.numpy().copy()
    start = len(values) - len(scale[1])  # from there on, the scale stayed what it was
    profile = read_steps(values[:start], network.lags)[1].profile  # and so did this
    n = network.config["n_columns"] * network.config["n_candidates"]
    for t in range(start, len(inputs)):
        candidates = steps.candidates[t] - steps.origin[t][:, None]
        trend = steps.trend[t - 1]  # it fades
        candidates[:, 3] += (DAMPING ** (t - start) - 1) * trend
        candidates[:, -1] = profile[(t - start) % len(profile)]
        scaled = candidates / scale[0][:, None]
        inputs[t, :n] = np.arcsinh(scaled).ravel()
        size = scale[2]
        inputs[t, n : n + 2] = np.log(scale[0] / (size + scale[0])) / 4
    with torch.no_grad():
        hidden = module.encoder.initial_state(1)
        outputs, _ = module.encoder.advance(torch.from_numpy(inputs)[None], hidden)
        extra = torch.from_numpy(extras[-1])
        centre, raw = module.read(outputs[0, -1], torch.from_numpy(scaled), extra)
    return module, centre, raw, steps.origin[-1]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sampled", [False, True])
def test_a_roll_out_is_a_loop_that_encodes_everything_anew(cell, sampled):
    network, history = make_network(cell), make_history(21)
    rng = np.random.default_rng(2)
    extras = rng.normal(size=(12, 3))
    uniforms = rng.random((12, 2, 2)) if sampled else None
    rolled = roll_from(network, history, extras, uniforms)

    _, carry = read_steps(history.values, network.lags)
    after, _ = read_steps(np.zeros((1, 2)), network.lags, carry)
    values = history.values
    for step in range(12):
        scale = (after.scale[0], values[21:], after.size[0])
        read = np.concatenate([history.extras, extras[: step + 1]])
        module, centre, raw, origin = frozen_scale(network, values, scale, read)
        uniform = torch.from_numpy(uniforms[step]) if sampled else None
        with torch.no_grad():
            draw = module.draw(centre, raw, uniform).numpy()
        values = np.concatenate([values, [origin + after.scale[0] * draw]])
    assert_allclose(rolled, values[21:], rtol=1e-9)


@pytest.mark.parametrize("n_ahead", [1, 5])
@pytest.mark.parametrize("loss", ["normal", "student_t", "quantile", "huber"])
def test_an_untrained_network_is_the_seasonal_naive_forecast(n_ahead, loss):
    network = make_network(n_ahead=n_ahead, trained=False, loss=loss)
    history = make_history(21)
    rolled = roll_from(network, history, np.zeros((11, 3)))
    season = history.values[-4:]
    assert_allclose(rolled, np.tile(season, (3, 1))[:11], rtol=1e-12)


def test_an_untrained_network_of_counts_stays_near_the_season_before():
    network = make_network(trained=False, loss="poisson")
    history = make_history(21)
    rolled = roll_from(network, history, np.zeros((4, 3)))
    _, carry = read_steps(history.values, network.lags)
    scale = read_steps(np.zeros((1, 2)), network.lags, carry)[0].scale
    assert (np.abs(rolled - history.values[-4:]) < 0.11 * scale).all()


@pytest.mark.parametrize("cell", CELLS)
def test_series_of_different_lengths_are_encoded_like_each_alone(cell):
    network = make_network(cell)
    histories = [make_history(n, seed=n) for n in [5, 17, 1, 9, 17, 2]]
    together, _, outputs = read_on(network, histories, None, CPU)
    for n, history in enumerate(histories):
        (alone,), _, ((output,),) = read_on(network, [history], None, CPU)
        assert_allclose(together[n].hidden, alone.hidden, rtol=1e-10, atol=1e-12)
        assert_allclose(outputs[0][n], output, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("cut", [1, 7, 20])
def test_reading_on_is_like_reading_everything(cell, cut):
    network, whole = make_network(cell), make_history(21)
    first = History(whole.values[:cut], whole.extras[:cut])
    second = History(whole.values[cut:], whole.extras[cut:])
    standings, _, _ = read_on(network, [first], None, CPU)
    (after,), _, _ = read_on(network, [second], standings, CPU)
    (expected,), _, _ = read_on(network, [whole], None, CPU)
    assert_allclose(after.hidden, expected.hidden, rtol=1e-9, atol=1e-12)
    for name in after.carry._fields:
        got, wanted = (getattr(each.carry, name) for each in (after, expected))
        assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


def test_a_long_series_is_encoded_in_blocks_like_at_once():
    module = make_network().module(CPU)
    generator = torch.Generator().manual_seed(0)
    width = module.encoder.forward_layers[0].weight_ih_l0.shape[1]
    inputs = torch.randn(1300, width, generator=generator, dtype=torch.float64)
    hidden = module.encoder.initial_state(1)
    with torch.no_grad():
        expected, state = module.encoder.advance(inputs[None], hidden)
        after, (outputs,) = encode(module, [inputs], hidden, keep=True)
    assert_allclose(outputs, expected[0], rtol=1e-10, atol=1e-12)
    assert_allclose(after, state, rtol=1e-10, atol=1e-12)


def test_rolling_out_leaves_the_state_as_it_was():
    network, history = make_network(), make_history(21)
    standings, _, _ = read_on(network, [history], None, CPU)
    state = state_of(network, standings, CPU)
    before = [part.clone() for part in state]
    with torch.no_grad():
        list(roll(network.module(CPU), state, torch.zeros(5, 1, 3).double()))
    for part, old in zip(state, before, strict=True):
        assert_array_equal(part, old)


@pytest.mark.parametrize("horizon", [3, 5, 7, 12])
def test_direct_forecasts_do_not_depend_on_how_many_are_asked_for(horizon):
    network, history = make_network(n_ahead=5), make_history(21)
    extras = np.random.default_rng(3).normal(size=(12, 3))
    uniforms = np.random.default_rng(4).random((12, 2, 2))
    whole = roll_from(network, history, extras, uniforms)
    part = roll_from(network, history, extras[:horizon], uniforms)
    assert_array_equal(part, whole[:horizon])


def test_direct_forecasts_go_on_from_the_values_of_the_block_before(monkeypatch):
    monkeypatch.setattr(_walker, "DAMPING", 1 - 1e-8)  # it begins anew below
    network, history = make_network(n_ahead=5), make_history(21)
    extras = np.random.default_rng(3).normal(size=(10, 3))
    rolled = roll_from(network, history, extras)
    longer = History(
        np.concatenate([history.values, rolled[:5]]),
        np.concatenate([history.extras, extras[:5]]),
    )
    (standing,), _, _ = read_on(network, [longer], None, CPU)
    # the scale stays that of the first block, so put it into the new state
    state = state_of(network, [standing], CPU)
    (first,), _, _ = read_on(network, [history], None, CPU)
    begin = state_of(network, [first], CPU)
    module = network.module(CPU)
    walker, hidden = module.walker(begin), begin.hidden
    with torch.no_grad():
        for extra, new in zip(extras[:5], rolled[:5], strict=True):
            *_, hidden = module.step(walker, torch.from_numpy(extra)[None], hidden)
            inside = walker.inside(torch.from_numpy(new)[None])
            walker.push(inside.t() + walker.slow)
        state = state._replace(
            hidden=hidden,
            profile=begin.profile.roll(-5, dims=1),
            scale=begin.scale,
            size=begin.size,
        )
        ahead = torch.from_numpy(extras[5:])[:, None]
        second = torch.cat(list(roll(module, state, ahead))).numpy()
    assert_allclose(second, rolled[5:], rtol=1e-6)


@pytest.mark.parametrize("ahead", [1, 3, 4, 5, 9])
def test_candidates_of_steps_ahead_repeat_the_last_seasons(ahead):
    network, history = make_network(lags=(4, 8)), make_history(21)
    standings, _, _ = read_on(network, [history], None, CPU)
    walker = network.module(CPU).walker(state_of(network, standings, CPU))
    scale, level = walker.scale[0].numpy(), standings[0].carry.levels[-1]
    found = walker.scaled(ahead)[0].numpy() * scale[:, None] + level[:, None]
    y, t = history.values, 20 + ahead
    seasonal = y[t - 4 * -(-ahead // 4)]
    assert_allclose(found[:, 0], seasonal)
    double = y[t - 8 * -(-ahead // 8)]
    assert_allclose(found[:, 6], double)
    trend = standings[0].carry.trend
    fading = sum(DAMPING**step for step in range(ahead))
    assert_allclose(found[:, 3], y[-1] + fading * trend)


def test_gradients_reach_every_weight():
    for n_ahead in [1, 3]:
        network = make_network(n_ahead=n_ahead, n_extras=3)
        module = network.module(CPU).train()
        state = state_of(
            network, read_on(network, [make_history(21)], None, CPU)[0], CPU
        )
        path = torch.cat(list(roll(module, state, torch.ones(5, 1, 3).double())))
        path.square().sum().backward()
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
