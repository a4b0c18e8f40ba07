"""SequenceModule, compared with numpy equations, finite differences and torch."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest
from torch import Tensor, nn

from skrnn import _layers
from skrnn._devices import one_thread
from skrnn._layers import reverse
from skrnn._modules import (
    Dropout,
    SequenceModule,
    aligned_copy,
    blocks,
    set_generator,
)
from skrnn._sizes import count_weights, round_up

HAS_LIBRARY = _layers.is_available()
LAYERS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = list(LAYERS)
POOLINGS = ["last", "mean", "max", "concat", "attention"]
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
LENGTHS = [4, 1, 6, 2]

all_cells = pytest.mark.parametrize("cell", CELLS)
all_poolings = pytest.mark.parametrize("pooling", POOLINGS)
both_directions = pytest.mark.parametrize("bidirectional", [False, True])
one_and_two_layers = pytest.mark.parametrize("num_layers", [1, 2])


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Iterator[None]:
    """Tiny networks on cores that others use too: waiting threads would cost most."""
    with one_thread(torch.device("cpu")):
        yield


@pytest.fixture(autouse=True, scope="module", params=["torch"] + ["auto"] * HAS_LIBRARY)
def engine(request: Any) -> Iterator[None]:
    """Everything here holds of torch's layers and of the compiled ones."""
    if request.param == "auto":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_layers, "is_available", lambda: False)
        yield


def make_module(cell: Any, **sizes: Any) -> SequenceModule:
    """A module of double precision in which no weight and no bias is zero."""
    config = {"n_features": 3, "n_outputs": 2, "hidden_size": 4, **sizes}
    module = SequenceModule(cell, **{"dtype": torch.float64, **config})
    module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.6, generator=generator)
    return module.eval()


def make_ragged(lengths: list[int] = LENGTHS, n_features: int = 3) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((n, n_features)) for n in lengths]


def pad(
    ragged: list[Any],
    n_steps: int | None = None,
    value: float = 0.0,
    dtype: torch.dtype = torch.float64,
) -> tuple[Tensor, Tensor]:
    """Put sequences into (n_sequences, n_steps, n_features), and their lengths."""
    lengths = [len(x) for x in ragged]
    shape = len(ragged), n_steps or max(lengths), ragged[0].shape[1]
    padded = torch.full(shape, value, dtype=dtype)
    for row, x in enumerate(ragged):
        padded[row, : len(x)] = torch.from_numpy(x.copy())
    return padded, torch.tensor(lengths)


def weights_of(module: SequenceModule) -> dict[str, NDArray[np.float64]]:
    return {n: w.numpy().astype(np.float64) for n, w in module.state_dict().items()}


def grads_of(module: SequenceModule) -> dict[str, NDArray[np.float64]]:
    return {n: p.grad.numpy().copy() for n, p in module.named_parameters()}


def assert_close(got: Any, expected: Any, rtol: float) -> None:
    """Compare up to rounding; near zero, relative to the largest number."""
    expected = np.asarray(expected)
    atol = rtol * np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(np.asarray(got), expected, rtol=rtol, atol=atol)


def assert_same_grads(got: dict[str, Any], expected: dict[str, Any], rtol: float):
    assert got.keys() == expected.keys()
    for name, grad in expected.items():
        assert_close(got[name], grad, rtol)


# --- the equations -------------------------------------------------------------------


@all_cells
@all_poolings
@both_directions
@one_and_two_layers
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_outputs_agree_with_the_equations(
    cell: str, pooling: str, bidirectional: bool, num_layers: int, dtype: Any
) -> None:
    module = make_module(
        cell,
        pooling=pooling,
        bidirectional=bidirectional,
        num_layers=num_layers,
        dtype=dtype,
    )
    ragged, weights = make_ragged(), weights_of(module)
    with torch.no_grad():
        outputs = module(*pad(ragged, dtype=dtype))
    expected = [reference.run(cell, pooling, weights, x)[0] for x in ragged]
    assert_close(outputs, expected, rtol=1e-10 if dtype == torch.float64 else 1e-5)


@all_cells
@all_poolings
@both_directions
def test_embeddings_agree_with_the_equations(
    cell: str, pooling: str, bidirectional: bool
) -> None:
    module = make_module(cell, pooling=pooling, bidirectional=bidirectional)
    ragged, weights = make_ragged(), weights_of(module)
    with torch.no_grad():
        embeddings = module.embed(*pad(ragged))
    assert embeddings.shape == (len(ragged), module.embedding_size)
    expected = [reference.embed(cell, pooling, weights, x)[0] for x in ragged]
    assert_close(embeddings, expected, rtol=1e-10)


@all_cells
@all_poolings
@both_directions
@one_and_two_layers
def test_gradients_agree_with_backpropagation_by_hand(
    cell: str, pooling: str, bidirectional: bool, num_layers: int
) -> None:
    module = make_module(
        cell, pooling=pooling, bidirectional=bidirectional, num_layers=num_layers
    )
    ragged, weights = make_ragged(), weights_of(module)
    by_outputs = np.random.default_rng(1).standard_normal((len(ragged), 2))
    x, lengths = pad(ragged)
    x.requires_grad_()
    module(x, lengths).backward(torch.from_numpy(by_outputs))
    expected = {name: np.zeros_like(weight) for name, weight in weights.items()}
    for row, sequence in enumerate(ragged):
        _, backward = reference.run(cell, pooling, weights, sequence)
        dx, grads = backward(by_outputs[row])
        assert_close(x.grad[row, : len(sequence)], dx, rtol=1e-9)
        for name, grad in grads.items():
            expected[name] += grad
    assert_same_grads(grads_of(module), expected, rtol=1e-9)


@all_cells
@all_poolings
@both_directions
def test_gradients_agree_with_finite_differences(
    cell: str, pooling: str, bidirectional: bool
) -> None:
    module = make_module(
        cell,
        n_features=2,
        n_outputs=1,
        hidden_size=2,
        num_layers=2,
        pooling=pooling,
        bidirectional=bidirectional,
    )
    sequence = make_ragged([4], n_features=2)[0]
    module(*pad([sequence], n_steps=6)).sum().backward()
    weights = weights_of(module)

    def output() -> float:
        return float(reference.run(cell, pooling, weights, sequence)[0][0])

    expected = {
        name: reference.finite_differences(output, weight, step=1e-5)
        for name, weight in weights.items()
    }
    assert_same_grads(grads_of(module), expected, rtol=1e-6)


# --- torch as the reference ----------------------------------------------------------


@all_cells
def test_weights_of_a_torch_layer_can_be_loaded(cell: str) -> None:
    layer = LAYERS[cell](3, 4, batch_first=True)
    module = make_module(cell, dtype=torch.float32)
    module.encoder.forward_layers[0].load_state_dict(layer.state_dict())
    x, lengths = pad(make_ragged([5, 5]), dtype=torch.float32)
    torch.testing.assert_close(module.encoder(x, lengths), layer(x)[0])


@all_cells
@both_directions
def test_many_layers_agree_with_packed_sequences_of_torch(
    cell: str, bidirectional: bool
) -> None:
    theirs = LAYERS[cell](
        3, 4, 2, bidirectional=bidirectional, batch_first=True, dtype=torch.float64
    )
    module = make_module(cell, num_layers=2, bidirectional=bidirectional)
    stacks = {"": module.encoder.forward_layers}
    if bidirectional:
        stacks["_reverse"] = module.encoder.backward_layers
    for suffix, stack in stacks.items():
        for index, layer in enumerate(stack):
            state = {
                name: theirs.state_dict()[f"{name[:-1]}{index}{suffix}"]
                for name in layer.state_dict()
            }
            layer.load_state_dict(state)
    x, lengths = pad(make_ragged())
    packed = nn.utils.rnn.pack_padded_sequence(
        x, lengths, batch_first=True, enforce_sorted=False
    )
    expected, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    outputs = module.encoder(x, lengths)
    inside = torch.arange(x.shape[1]) < lengths[:, None]
    torch.testing.assert_close(outputs[inside], expected[inside])


# --- padding and companions ----------------------------------------------------------


@all_cells
@all_poolings
def test_what_stands_in_the_padding_changes_nothing(cell: str, pooling: str) -> None:
    module = make_module(cell, pooling=pooling, bidirectional=True, num_layers=2)
    ragged = make_ragged()
    results = []
    for value in [0.0, 1e6]:
        module.zero_grad()
        x, lengths = pad(ragged, n_steps=9, value=value)
        x.requires_grad_()
        outputs = module(x, lengths)
        outputs.square().sum().backward()
        padding = torch.arange(9) >= lengths[:, None]
        assert (x.grad[padding] == 0).all()
        results.append((outputs.detach().numpy(), grads_of(module)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    for name, grad in results[0][1].items():
        np.testing.assert_array_equal(results[1][1][name], grad)


@all_cells
@all_poolings
def test_more_padding_changes_nothing(cell: str, pooling: str) -> None:
    module = make_module(cell, pooling=pooling, bidirectional=True, num_layers=2)
    ragged = make_ragged()
    results = []
    for n_steps in [6, 30]:
        module.zero_grad()
        outputs = module(*pad(ragged, n_steps))
        outputs.square().sum().backward()
        results.append((outputs.detach(), grads_of(module)))
    assert_close(results[0][0], results[1][0], rtol=1e-12)
    assert_same_grads(results[0][1], results[1][1], rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(CELLS),
    st.sampled_from(POOLINGS),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(0, 5),
)
def test_a_sequence_alone_has_the_same_output(
    cell: str, pooling: str, lengths: list[int], more: int
) -> None:
    module = make_module(cell, pooling=pooling, bidirectional=True, num_layers=2)
    ragged = make_ragged(lengths)
    with torch.no_grad():
        together = module(*pad(ragged, max(lengths) + more))
        alone = torch.cat([module(*pad([x])) for x in ragged])
    assert_close(together, alone, rtol=1e-12)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 4))
def test_reversal_agrees_with_a_loop(lengths: list[int], more: int) -> None:
    shape = len(lengths), max(lengths) + more, 3
    x = np.random.default_rng(0).standard_normal(shape)
    expected = x.copy()
    for row, length in enumerate(lengths):
        expected[row, :length] = x[row, :length][::-1]
    got = reverse(torch.from_numpy(x), torch.tensor(lengths))
    np.testing.assert_array_equal(got, expected)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 4))
def test_reversing_twice_gives_the_sequences_back(
    lengths: list[int], more: int
) -> None:
    x, lengths_there = pad(make_ragged(lengths), max(lengths) + more, value=9.0)
    twice = reverse(reverse(x, lengths_there), lengths_there)
    torch.testing.assert_close(twice, x, rtol=0, atol=0)


@all_cells
@all_poolings
@both_directions
def test_without_lengths_all_steps_count(
    cell: str, pooling: str, bidirectional: bool
) -> None:
    module = make_module(
        cell, pooling=pooling, bidirectional=bidirectional, num_layers=2
    )
    x, lengths = pad(make_ragged([6, 6, 6]))
    torch.testing.assert_close(module(x), module(x, lengths), rtol=1e-12, atol=1e-13)


def test_a_one_directional_encoder_does_not_look_ahead() -> None:
    module = make_module("gru", num_layers=2)
    x, lengths = pad(make_ragged([6]))
    changed = x.clone()
    changed[:, 4:] += 1.0
    outputs, other = module.encoder(x, lengths), module.encoder(changed, lengths)
    torch.testing.assert_close(outputs[:, :4], other[:, :4], rtol=0, atol=0)
    assert not torch.allclose(outputs[:, 4:], other[:, 4:])


# --- initial weights -----------------------------------------------------------------


def initialized(cell: Any, seed: int = 0, **sizes: Any) -> SequenceModule:
    config = {"n_features": 5, "n_outputs": 3, "hidden_size": 16, **sizes}
    module = SequenceModule(cell, **config)
    module.initialize(torch.Generator().manual_seed(seed))
    return module


@all_cells
def test_recurrent_matrices_are_orthogonal_gate_by_gate(cell: str) -> None:
    module = initialized(cell, num_layers=2, bidirectional=True)
    matrices = {n: w for n, w in module.state_dict().items() if "weight_hh" in n}
    assert len(matrices) == 4
    for matrix in matrices.values():
        gates = torch.split(matrix, 16)
        assert len(gates) == GATES[cell]
        for gate in gates:
            torch.testing.assert_close(gate @ gate.T, torch.eye(16))


@all_cells
def test_input_matrices_fill_the_range_of_glorot_gate_by_gate(cell: str) -> None:
    module = initialized(cell, hidden_size=64, num_layers=2, bidirectional=True)
    matrices = {n: w for n, w in module.state_dict().items() if "weight_ih" in n}
    assert len(matrices) == 4
    for matrix in matrices.values():
        bound = np.sqrt(6 / (matrix.shape[1] + 64))
        for gate in torch.split(matrix, 64):
            assert 0.95 * bound < gate.abs().max() <= bound
            assert gate.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


@pytest.mark.parametrize("name", ["head.weight", "attention.0.weight"])
def test_other_matrices_fill_the_range_of_glorot(name: str) -> None:
    module = initialized("gru", hidden_size=64, n_outputs=8, pooling="attention")
    weight = module.state_dict()[name]
    bound = np.sqrt(6 / sum(weight.shape))
    assert 0.95 * bound < weight.abs().max() <= bound


@all_cells
def test_no_two_matrices_are_equal(cell: str) -> None:
    module = initialized(cell, num_layers=2, bidirectional=True)
    gates = [
        gate
        for name, weight in module.state_dict().items()
        if "weight" in name and name.startswith("encoder")
        for gate in torch.split(weight, 16)
    ]
    assert len({gate.numpy().tobytes() for gate in gates}) == len(gates)


def test_forget_gates_begin_with_a_bias_of_exactly_one_in_total() -> None:
    module = initialized("lstm", num_layers=2, bidirectional=True)
    state = module.state_dict()
    first = [name for name in state if "bias_ih" in name]
    assert len(first) == 4
    for name in first:
        total = state[name] + state[name.replace("bias_ih", "bias_hh")]
        expected = torch.zeros(4, 16)
        expected[1] = 1.0  # input, forget, cell, output
        torch.testing.assert_close(total, expected.flatten(), rtol=0, atol=0)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_other_cells_begin_without_biases(cell: str) -> None:
    module = initialized(cell, num_layers=2, bidirectional=True, pooling="attention")
    biases = {n: w for n, w in module.state_dict().items() if "bias" in n}
    assert len(biases) == 10
    assert not any(bias.any() for bias in biases.values())


@pytest.mark.parametrize(("cell", "index"), [("lstm", 1), ("gru", 1)])
@pytest.mark.parametrize(("stem", "steps"), [(0, 200), (2, 13)])
def test_gates_can_begin_with_memories_of_all_lengths(cell, index, stem, steps):
    module = SequenceModule(cell, 5, 3, 2000, 1, bidirectional=True, stem=stem)
    module.initialize(torch.Generator().manual_seed(0), 200)
    for layers in (module.encoder.forward_layers, module.encoder.backward_layers):
        gates = layers[0].bias_ih_l0.detach().view(-1, 2000)
        kept = torch.sigmoid(gates[index])
        times = (1.0 / (1.0 - kept)).numpy()  # the mean time until a gate lets go
        assert kstest(times, "uniform", (2, steps - 2)).pvalue > 0.01
        others = set(range(len(gates))) - {index}
        if cell == "lstm":
            torch.testing.assert_close(gates[0], -gates[index])
            others -= {0}
        assert not gates[sorted(others)].any()
        assert not layers[0].bias_hh_l0.any()


@all_cells
def test_the_same_seed_gives_the_same_weights(cell: str) -> None:
    states = [initialized(cell, seed).state_dict() for seed in [3, 3, 4]]
    for name, weight in states[0].items():
        torch.testing.assert_close(weight, states[1][name], rtol=0, atol=0)
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


@all_cells
def test_initial_weights_leave_the_global_generator_alone(cell: str) -> None:
    before = torch.get_rng_state()
    module = initialized(cell, pooling="attention", dropout=0.5)
    set_generator(module, torch.Generator().manual_seed(0))
    module.train()(torch.zeros(2, 3, 5), torch.tensor([3, 1]))
    assert torch.equal(torch.get_rng_state(), before)


# --- dropout -------------------------------------------------------------------------


def make_dropout(p: float, seed: int = 0) -> Dropout:
    dropout = Dropout(p)
    dropout.generator = torch.Generator().manual_seed(seed)
    return dropout


def test_dropout_drops_whole_features_for_all_steps() -> None:
    dropped = make_dropout(0.25)(torch.ones(50, 6, 40))
    assert sorted(dropped.unique().tolist()) == pytest.approx([0.0, 4 / 3])
    assert (dropped == dropped[:, :1]).all()
    assert (dropped == 0).double().mean() == pytest.approx(0.25, abs=0.03)
    assert dropped.double().mean() == pytest.approx(1.0, abs=0.05)


def test_sequences_of_a_batch_lose_different_features() -> None:
    dropped = make_dropout(0.5)(torch.ones(8, 3, 40))
    assert len({row.numpy().tobytes() for row in dropped}) == 8


@pytest.mark.parametrize("shape", [(4, 5), (4, 7, 5)])
def test_dropout_does_nothing_when_it_should_not(shape: tuple[int, ...]) -> None:
    x = torch.ones(shape)
    assert make_dropout(0.5).eval()(x) is x
    assert make_dropout(0.0).train()(x) is x


def test_dropout_draws_from_its_own_generator_only() -> None:
    x = torch.ones(4, 5, 20)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = make_dropout(0.5, seed=1)(x)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(make_dropout(0.5, seed=1)(x), first)
    assert not torch.equal(make_dropout(0.5, seed=2)(x), first)


def test_dropout_acts_before_the_head_with_one_layer() -> None:
    module = make_module("gru", dropout=0.5, n_outputs=1).train()
    set_generator(module, torch.Generator().manual_seed(0))
    x, lengths = pad(make_ragged([5]))
    mask = make_dropout(0.5)(torch.ones(1, 4, dtype=torch.float64))
    expected = module.head(module.embed(x, lengths) * mask)
    torch.testing.assert_close(module(x, lengths), expected)
    assert not torch.allclose(expected, module.eval()(x, lengths))


def test_dropout_acts_between_layers_but_not_on_the_input() -> None:
    module = make_module("gru", dropout=0.5, num_layers=2).train()
    set_generator(module, torch.Generator().manual_seed(0))
    x, lengths = pad(make_ragged([5, 5]))
    first, second = module.encoder.forward_layers
    between = make_dropout(0.5)(first(x)[0])
    torch.testing.assert_close(module.encoder(x, lengths), second(between)[0])


def test_dropout_keeps_no_generator_when_it_is_pickled() -> None:
    module = make_module("gru", dropout=0.5)
    set_generator(module, torch.Generator().manual_seed(0))
    loaded = pickle.loads(pickle.dumps(module))
    assert loaded.dropout.generator is None
    assert module.dropout.generator is not None


# --- copies with sizes of whole registers --------------------------------------------


@all_cells
@all_poolings
@both_directions
def test_an_aligned_copy_gives_the_same_outputs(
    cell: str, pooling: str, bidirectional: bool
) -> None:
    module = make_module(
        cell,
        n_features=5,
        n_outputs=3,
        hidden_size=7,
        num_layers=2,
        pooling=pooling,
        bidirectional=bidirectional,
    )
    copied = aligned_copy(module)
    x, lengths = pad(make_ragged(n_features=5))
    with torch.no_grad():
        wide = nn.functional.pad(x, (0, copied.config["n_features"] - 5))
        outputs = copied(wide, lengths)
        assert outputs.shape == (len(x), 16)
        assert_close(outputs[:, :3], module(x, lengths), rtol=1e-12)
        columns = blocks(7, 16, module.embedding_size)
        embedding = copied.embed(wide, lengths)
        assert_close(embedding[:, columns], module.embed(x, lengths), rtol=1e-12)


def test_an_aligned_copy_shares_no_memory_and_no_sizes_with_the_module() -> None:
    module = make_module("gru", n_features=5, hidden_size=7)
    before = copy.deepcopy(module.state_dict())
    copied = aligned_copy(module)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert copied.config["hidden_size"] == 16
    assert module.config["hidden_size"] == 7
    for name, weight in module.state_dict().items():
        assert torch.equal(weight, before[name])


@all_cells
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("hidden_size", "n_features"), [(1, 1), (7, 3), (16, 17), (33, 5), (50, 1)]
)
def test_an_aligned_copy_answers_to_the_bit_whatever_the_place_and_the_company(
    cell: str, dtype: Any, hidden_size: int, n_features: int
) -> None:
    module = make_module(
        cell,
        n_features=n_features,
        hidden_size=hidden_size,
        num_layers=2,
        pooling="concat",
        bidirectional=True,
        dtype=dtype,
    )
    copied = aligned_copy(module)
    width = copied.config["n_features"] - n_features
    ragged = make_ragged([5, 3, 8, 1] * 8, n_features)
    x, lengths = pad(ragged, dtype=dtype)
    x = nn.functional.pad(x, (0, width))
    order = np.random.default_rng(0)
    with torch.inference_mode():
        expected = copied.embed(x, lengths)  # the head is not for the copy to apply
        for n_rows in [8, 16, 24, 32]:
            for _ in range(3):
                rows = torch.from_numpy(order.permutation(32)[:n_rows])
                embedding = copied.embed(x[rows], lengths[rows])
                assert torch.equal(embedding, expected[rows])


@all_cells
@all_poolings
@both_directions
@one_and_two_layers
def test_weights_are_counted_before_a_module_is_made(
    cell: str, pooling: str, bidirectional: bool, num_layers: int
) -> None:
    module = make_module(
        cell, pooling=pooling, bidirectional=bidirectional, num_layers=num_layers
    )
    n_weights = sum(parameter.numel() for parameter in module.parameters())
    assert count_weights(module.config) == n_weights


@given(st.integers(1, 200), st.integers(1, 40))
def test_sizes_are_rounded_up_to_multiples(size: int, multiple: int) -> None:
    rounded = round_up(size, multiple)
    assert rounded % multiple == 0
    assert size <= rounded < size + multiple
