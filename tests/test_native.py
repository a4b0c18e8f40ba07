"""The compiled layers, compared with torch's own; memory, threads and building."""

import ctypes
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from skrnn import _layers, _native
from skrnn._devices import one_thread
from skrnn._layers import NativeFunction, read_layer, weights_of
from skrnn._native import is_available, reused_memory, run_forward
from skrnn.native import build

LAYERS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
SOURCE = Path(build.SOURCE)
COMPILERS = [name for name in ("gcc", "clang", "cc") if shutil.which(name)]

all_cells = pytest.mark.parametrize("cell", list(LAYERS))
both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
needs_library = pytest.mark.skipif(not is_available(), reason="no compiled layers")


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Any:
    with one_thread(torch.device("cpu")):
        yield


def make_layers(cell: str, n_features: int, size: int, n: int = 1, dtype: Any = None):
    """Layers of torch, one for each direction."""
    torch.manual_seed(size)
    layers = [LAYERS[cell](n_features, size, batch_first=True) for _ in range(n)]
    return [layer.to(dtype or torch.float64) for layer in layers]


def read_one_by_one(layers: Any, x: Tensor, lengths: Any, h_0: Any, c_0: Any):
    """What torch's layers make of each sequence by itself, padded by zeros."""
    all_outputs, all_h, all_c = [], [], []
    for row, length in enumerate(lengths):
        outputs, hs, cs = [], [], []
        for direction, layer in enumerate(layers):
            sequence = x[row : row + 1, :length]
            sequence = sequence.flip(1) if direction else sequence
            state = None
            if h_0 is not None:
                state = h_0[None, row : row + 1]
                state = state if c_0 is None else (state, c_0[None, row : row + 1])
            output, after = layer(sequence, state)
            after = after if isinstance(after, tuple) else (after,)
            output = output.flip(1) if direction else output
            padding = output.new_zeros(1, x.shape[1] - length, output.shape[2])
            outputs.append(torch.cat([output, padding], dim=1))
            hs.append(after[0][0])
            cs.append(after[-1][0])
        all_outputs.append(torch.cat(outputs, dim=2))
        all_h.append(torch.cat(hs, dim=1))
        all_c.append(torch.cat(cs, dim=1))
    c_n = torch.cat(all_c) if isinstance(layers[0], nn.LSTM) else None
    outputs = torch.cat(all_outputs)
    pairs = list(zip(outputs, lengths, strict=True))
    sums = torch.stack([output[:n].sum(0) for output, n in pairs])
    maxima = torch.stack([output[:n].amax(0) for output, n in pairs])
    return outputs, torch.cat(all_h), c_n, sums, maxima


def read_natively(layers: Any, x: Tensor, lengths: Any, h_0: Any, c_0: Any):
    cell = layers[0].mode.split("_")[0].lower()
    flat = [weight for layer in layers for weight in weights_of(layer)]
    lengths = None if lengths is None else torch.tensor(lengths)
    return NativeFunction.apply(cell, True, lengths, x, h_0, c_0, *flat)


def assert_same(cell, sizes, lengths, with_state, dtype, n_directions=1, random=0):
    """Outputs, states and all gradients are those of torch."""
    n_rows, n_steps, n_features, size = sizes
    layers = make_layers(cell, n_features, size, n_directions, dtype)
    torch.manual_seed(random)
    x = torch.randn(n_rows, n_steps, n_features, dtype=dtype, requires_grad=True)
    h_0 = c_0 = None
    if with_state:
        h_0 = torch.randn(n_rows, size, dtype=dtype, requires_grad=True)
        if cell == "lstm":
            c_0 = torch.randn(n_rows, size, dtype=dtype, requires_grad=True)
    every = [n_steps] * n_rows if lengths is None else lengths
    want = read_one_by_one(layers, x, every, h_0, c_0)
    got = read_natively(layers, x, lengths, h_0, c_0)
    n = torch.tensor(every)[:, None]  # sums become means, which are of unit size
    want, got = ((*each[:3], each[3] / n, each[4]) for each in (want, got))
    exact = dtype == torch.float64
    parts = [(a, b) for a, b in zip(want, got, strict=True) if a is not None]
    for a, b in parts:
        torch.testing.assert_close(b, a, rtol=0, atol=1e-13 if exact else 1e-6)
    factors = [torch.randn_like(a) for a, _ in parts]
    inputs = [x, *(part for part in (h_0, c_0) if part is not None)]
    inputs += [weight for layer in layers for weight in layer.parameters()]
    grads = [
        torch.autograd.grad(
            sum(
                (f * pair[which]).sum() for f, pair in zip(factors, parts, strict=True)
            ),
            inputs,
        )
        for which in (0, 1)
    ]
    for a, b in zip(*grads, strict=True):
        unit = max(1.0, float(a.abs().max()))
        torch.testing.assert_close(
            b / unit, a / unit, rtol=0, atol=1e-12 if exact else 1e-5
        )


SHAPES = [  # n_rows, n_steps, n_features, hidden_size
    (1, 1, 1, 1),
    (3, 5, 2, 4),
    (33, 7, 1, 20),  # more rows than a tile
    (70, 12, 8, 64),
    (7, 40, 17, 33),
    (5, 3, 40, 2),
]


@needs_library
@all_cells
@both_types
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("sizes", SHAPES)
def test_numbers_are_those_of_torch(cell, dtype, with_state, sizes):
    assert_same(cell, sizes, None, with_state, dtype)


@needs_library
@all_cells
@pytest.mark.parametrize("target", range(3))
@both_types
def test_every_instruction_set_gives_the_same(cell, target, dtype, monkeypatch):
    if target > _native.best_target():
        pytest.skip(f"this processor has no {_native.TARGETS[target]}")
    monkeypatch.setattr(_native, "best_target", lambda: target)
    for sizes in SHAPES[1:4]:
        assert_same(cell, sizes, None, True, dtype)


@needs_library
@all_cells
@pytest.mark.parametrize("n_directions", [1, 2])
@both_types
def test_padding_is_not_read(cell, n_directions, dtype):
    lengths = [4, 1, 6, 2, 6] * 9
    assert_same(cell, (45, 6, 3, 5), lengths, False, dtype, n_directions)


@needs_library
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_sizes_and_lengths(data):
    cell = data.draw(st.sampled_from(list(LAYERS)))
    n_steps = data.draw(st.integers(1, 9))
    lengths = data.draw(st.lists(st.integers(1, n_steps), min_size=1, max_size=40))
    n_features, size = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 40))
    n_directions = data.draw(st.integers(1, 2))
    with_state = n_directions == 1 and data.draw(st.booleans())
    sizes = (len(lengths), n_steps, n_features, size)
    assert_same(
        cell,
        sizes,
        data.draw(st.sampled_from([lengths, None])),
        with_state,
        torch.float64,
        n_directions,
    )


@needs_library
@all_cells
def test_gradients_are_those_of_finite_differences(cell):
    (layer,) = make_layers(cell, 2, 3)
    torch.manual_seed(0)
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    h_0, c_0 = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([2, 4, 1])
    c_0 = c_0 if cell == "lstm" else None
    weights = [w.detach().requires_grad_() for w in layer.parameters()]

    def read(*inputs):
        outputs = NativeFunction.apply(cell, True, lengths, *inputs)
        return tuple(part for part in outputs if part is not None)

    assert torch.autograd.gradcheck(read, (x, h_0, c_0, *weights))


@needs_library
@all_cells
def test_huge_infinite_and_missing_inputs_do_what_they_do_in_torch(cell):
    (layer,) = make_layers(cell, 3, 17, dtype=torch.float32)
    x = torch.zeros(6, 4, 3)
    x[0, 1] = 1e30
    x[1, 1] = -1e30
    x[2, 1, 0] = torch.inf
    x[3, 1, 0] = torch.nan
    x[4, 2] = 300.0
    want = layer(x)[0]
    got = read_natively([layer], x, None, None, None)[0]
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6, equal_nan=True)


@needs_library
@all_cells
def test_a_far_state_may_lead_to_low_maxima(cell):
    """A GRU goes on from where it is, which need not lie between -1 and 1."""
    (layer,) = make_layers(cell, 2, 5)
    x, far = torch.randn(3, 4, 2).double(), torch.full((3, 5), -100.0).double()
    with torch.no_grad():
        c_0 = far if cell == "lstm" else None
        read = run_forward(cell, [weights_of(layer)], x, far, c_0, pool=True)
    torch.testing.assert_close(read.maxima, read.outputs.amax(dim=1))


@needs_library
def test_long_sums_are_precise():
    (layer,) = make_layers("rnn", 1, 3, dtype=torch.float32)
    x = torch.zeros(1, 200_000, 1)
    with torch.no_grad():
        read = run_forward("rnn", [weights_of(layer)], x, pool=True)
        want = read.outputs.double().sum(dim=1)
    torch.testing.assert_close(read.sums.double(), want, rtol=1e-6, atol=0)


@needs_library
@all_cells
@both_types
def test_an_answer_does_not_depend_on_its_company_to_the_bit(cell, dtype):
    (layer,) = make_layers(cell, 5, 24, dtype=dtype)
    weights = [weights_of(layer)]
    x = torch.randn(75, 9, 5, dtype=dtype)
    with torch.no_grad():
        together = run_forward(cell, weights, x).outputs
        for rows in ([3], [74], [5, 3, 8], list(range(40, 75)), list(range(6))):
            alone = run_forward(cell, weights, x[rows]).outputs
            assert torch.equal(alone, together[rows])


@needs_library
@all_cells
def test_threads_give_the_same_to_the_bit(cell):
    (layer,) = make_layers(cell, 4, 20, dtype=torch.float32)
    x = torch.randn(100, 150, 4)  # large enough for memory that is lent

    def gradients(_):
        copies = [w.detach().clone().requires_grad_() for w in layer.parameters()]
        with reused_memory():
            for _ in range(3):
                outputs, h_n, *_ = NativeFunction.apply(
                    cell, False, None, x, None, None, *copies
                )
                total = outputs.square().sum() + h_n.sum()
                found = torch.autograd.grad(total, copies)
        return found

    first = gradients(0)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(gradients, range(32)):
            assert all(map(torch.equal, found, first))


@needs_library
def test_other_threads_run_meanwhile():
    (layer,) = make_layers("lstm", 8, 128, dtype=torch.float32)
    x = torch.randn(256, 400, 8)
    during = []
    stop = threading.Event()

    def count():
        while not stop.is_set():
            during.append(time.perf_counter())
            time.sleep(0.001)

    other = threading.Thread(target=count)
    other.start()
    with torch.no_grad():
        begin = time.perf_counter()
        run_forward("lstm", [weights_of(layer)], x)
        end = time.perf_counter()
    stop.set()
    other.join()
    assert sum(begin < moment < end for moment in during) > 3


@needs_library
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_after_use_computes_the_same():
    (layer,) = make_layers("gru", 3, 20, dtype=torch.float32)
    weights, x = [weights_of(layer)], torch.randn(8, 6, 3)
    with torch.no_grad():
        want = run_forward("gru", weights, x).outputs
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()

        def child():
            got = run_forward("gru", weights, x).outputs
            theirs.send(got.numpy().tobytes())

        process = context.Process(target=child)
        process.start()
        assert ours.poll(60)
        assert ours.recv() == want.numpy().tobytes()
        process.join()


@needs_library
@all_cells
def test_a_kept_graph_survives_what_comes_after(cell):
    """Memory is used again, but not while a graph still needs it."""
    (layer,) = make_layers(cell, 4, 64, dtype=torch.float32)
    x = torch.randn(64, 100, 4, requires_grad=True)
    with reused_memory():
        outputs, *_ = read_natively([layer], x, None, None, None)
        total = outputs.square().sum()
        first = torch.autograd.grad(total, x, retain_graph=True)[0].clone()
        for _ in range(3):
            others, *_ = read_natively([layer], x * 2, None, None, None)
            torch.autograd.grad(others.sum(), x)
        assert torch.equal(torch.autograd.grad(total, x)[0], first)


@needs_library
def test_memory_is_used_again_within_the_block_only():
    def places(n):
        found = []
        for _ in range(n):
            tensor = _native.empty((2**20,), torch.float32)
            found.append(tensor.data_ptr())
            del tensor
        return found

    with reused_memory():
        assert len(set(places(5))) == 1
        one, two = (_native.empty((2**20,), torch.float32) for _ in range(2))
        assert one.data_ptr() != two.data_ptr()
        assert one.data_ptr() % 64 == two.data_ptr() % 64 == 0
        assert _native.empty((10,), torch.float32).numel() == 10  # little: as usual
    assert _native.SHELF.free is None
    assert len(one) == len(two) == 2**20  # outlive the block


@needs_library
def test_memory_for_growing_batches_is_not_hoarded():
    with reused_memory():
        for size in range(2**20, 2**22, 2**18):
            del_me = _native.empty((size,), torch.float32)
            del del_me
        held = sum(memory.nbytes for memory in _native.SHELF.free)
        assert held < 1.3 * 4 * 2**22


@needs_library
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(4, 5, 2)}, r"x has shape \(4, 5, 2\), expected .*, 3\)"),
        ({"x": torch.zeros(4, 3)}, r"x has shape \(4, 3\), expected"),
        ({"h_0": torch.zeros(4, 7)}, r"h_0 has shape \(4, 7\) .*expected \(4, 8\)"),
        ({"c_0": torch.zeros(3, 8)}, r"c_0 has shape \(3, 8\)"),
        ({"h_0": torch.zeros(4, 8).double()}, "of torch.float64, expected"),
        ({"lengths": torch.ones(3)}, r"lengths has shape \(3,\), expected \(4,\)"),
    ],
)
def test_nothing_is_read_beyond_its_memory(change, message):
    (layer,) = make_layers("lstm", 3, 8, dtype=torch.float32)
    inputs = {"x": torch.zeros(4, 5, 3), "h_0": None, "c_0": None, "lengths": None}
    with pytest.raises(ValueError, match=message):
        _layers.read_natively([layer], **{**inputs, **change})


@needs_library
@all_cells
def test_impossible_lengths_are_cut(cell):
    (layer,) = make_layers(cell, 3, 8, dtype=torch.float32)
    x = torch.randn(3, 5, 3, requires_grad=True)
    outputs, *_ = _layers.read_natively(
        [layer], x, None, None, torch.tensor([9, -1, 2])
    )
    outputs.sum().backward()
    torch.testing.assert_close(outputs[0], layer(x)[0][0], rtol=0, atol=1e-6)
    assert not outputs[1].any()
    assert not x.grad[1].any()


def test_there_is_a_library_where_there_is_a_compiler():
    assert is_available() or not COMPILERS, "python -m skrnn.native.build"


@needs_library
def test_the_library_was_made_of_this_source():
    library = _native.load_library()
    library.skrnn_source.restype = ctypes.c_char_p
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    assert library.skrnn_source().decode() == digest, "python -m skrnn.native.build"


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_source_compiles_without_a_warning(compiler, tmp_path):
    options = [*build.OPTIONS, "-fPIC", "-Wall", "-Wextra", "-Werror"]
    run = subprocess.run(
        [compiler, *options, "-o", str(tmp_path / "layers"), str(SOURCE)],
        capture_output=True,
        text=True,
    )
    assert (run.stderr, run.returncode) == ("", 0)


def test_without_a_compiler_nothing_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "compilers", list)
    assert build.compile_layers(tmp_path) is None
    assert "no compiler" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "compilers", lambda: [[sys.executable]])
    assert build.compile_layers(tmp_path) is None
    assert "no compiler" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
@pytest.mark.parametrize("cc", ["", "  ", "no_such_compiler", "'gcc' -g -DX='a b'"])
def test_a_compiler_is_asked_for_with_all_its_words(cc, monkeypatch):
    monkeypatch.setenv("CC", cc)
    found = build.compilers()
    assert found
    assert (found[0] == ["gcc", "-g", "-DX=a b"]) == cc.startswith("'gcc'")


@pytest.mark.skipif(not COMPILERS, reason="no compiler")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    assert not build.keep(tmp_path / "nothing", tmp_path / "layers.so")
    assert "layers.so cannot be written" in capsys.readouterr().err


def test_the_library_can_be_declined(tmp_path, monkeypatch):
    monkeypatch.setenv("SKRNN_NATIVE", "0")
    assert build.compile_layers(tmp_path) is None


@pytest.mark.slow
@pytest.mark.skipif(not COMPILERS, reason="no compiler")
def test_what_is_compiled_can_be_loaded(tmp_path, monkeypatch):
    made = build.compile_layers(tmp_path)
    monkeypatch.setattr(_native, "FOLDER", tmp_path)
    assert Path(_native.load_library.__wrapped__()._name) == made


@pytest.mark.parametrize("content", [b"", b"no library", None])
def test_a_library_that_cannot_be_used_is_left_alone(content, tmp_path, monkeypatch):
    if content is not None:
        (tmp_path / f"layers{build.SUFFIX}").write_bytes(content)
    monkeypatch.setattr(_native, "FOLDER", tmp_path)
    assert _native.load_library.__wrapped__() is None


@needs_library
def test_a_library_of_another_version_is_left_alone(monkeypatch):
    monkeypatch.setattr(_native, "ABI", -1)
    assert _native.load_library.__wrapped__() is None


@needs_library
def test_inputs_and_weights_may_be_views():
    (layer,) = make_layers("gru", 3, 8, dtype=torch.float32)
    x = torch.randn(4, 5, 6)[:, :, ::2]
    want = layer(x)[0]
    turned = layer.weight_hh_l0.detach().mT.contiguous().mT
    layer.weight_hh_l0 = nn.Parameter(turned)
    got = read_layer([layer], x, None, "native").all
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)
