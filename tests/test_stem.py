"""The stem and the scaling of features, compared with torch's parts and with numpy."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

import skrnn
from skrnn import GRUClassifier, GRURegressor, Sequences, _training_set
from skrnn._devices import one_thread
from skrnn._modules import make_module
from skrnn._running import run_module
from skrnn._sizes import count_weights
from skrnn._stem import KERNEL, POOL, Block, InputScaling, Stem
from skrnn._training_set import TrainingSet, feature_statistics

CELLS = ["RNN", "LSTM", "GRU"]
CLASSES = [f"{cell}{task}" for cell in CELLS for task in ("Regressor", "Classifier")]
SMALL = {"hidden_size": 4, "max_epochs": 2, "device": "cpu", "random_state": 0}
LENGTHS = [70, 9, 64, 1, 33, 4, 70]


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    with one_thread(torch.device("cpu")):
        yield


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def make_stem(n_features=3, n_channels=16, n_blocks=2):
    """A stem in double precision with other numbers than those it begins with."""
    stem = Stem(n_features, n_channels, n_blocks, torch.float64)
    with torch.no_grad():
        for place, each in enumerate([*stem.parameters(), *stem.buffers()]):
            each.copy_(0.3 * draw(*each.shape, seed=place))
        for block in stem.blocks:
            block.variance.abs_().add_(0.5)
            block.n_batches.fill_(7.0)
    return stem


def parts_of_torch(block):
    """The same block, of torch's own modules."""
    n_channels = len(block.gain)
    convolution = nn.Conv1d(
        block.convolution.in_features // KERNEL,
        n_channels,
        KERNEL,
        padding=KERNEL // 2,
        bias=False,
    )
    norm = nn.BatchNorm1d(n_channels)
    pool = nn.MaxPool1d(POOL, ceil_mode=True)
    parts = nn.Sequential(convolution, norm, nn.ReLU(), pool).double()
    weight = block.convolution.weight.view(convolution.weight.shape)
    with torch.no_grad():
        convolution.weight.copy_(weight)
        norm.weight.copy_(block.gain)
        norm.bias.copy_(block.bias)
        norm.running_mean.copy_(block.mean)
        norm.running_var.copy_(block.variance)
    return parts


@pytest.mark.parametrize("n_steps", [1, 3, 4, 5, 37, 64])
@pytest.mark.parametrize("training", [False, True])
def test_a_stem_is_made_of_parts_that_torch_has(n_steps, training):
    stem, x = make_stem().train(training), draw(5, n_steps, 3)
    theirs = nn.Sequential(*map(parts_of_torch, stem.blocks)).train(training)
    expected = theirs(x.mT).mT
    found, lengths = stem(x, None)
    assert lengths is None
    assert_allclose(found.detach(), expected.detach(), rtol=1e-9, atol=1e-12)
    if training:  # the first ten batches count alike
        mean = theirs[0][1].running_mean  # went a tenth of the way: an eighth is right
        begin = make_stem().blocks[0].mean
        moved = begin + (mean - begin) * 10 / 8
        assert_allclose(stem.blocks[0].mean, moved, rtol=1e-9)


@pytest.mark.parametrize("training", [False, True])
def test_padding_counts_nowhere(training):
    ragged = [draw(n, 3, seed=n) for n in LENGTHS]
    padded = torch.full((len(ragged), 75, 3), 7.0, dtype=torch.float64)
    for row, x in zip(padded, ragged, strict=True):
        row[: len(x)] = x
    stem = make_stem(n_blocks=1).train(training)
    found, lengths = stem(padded, torch.tensor(LENGTHS))
    assert lengths.tolist() == [-(-n // 4) for n in LENGTHS]
    block = make_stem(n_blocks=1).blocks[0]
    each = [
        nn.functional.conv1d(
            x.mT, block.convolution.weight.view(16, 3, KERNEL), padding=KERNEL // 2
        ).mT
        for x in ragged
    ]
    steps = torch.cat(each)
    mean, variance = block.mean, block.variance
    if training:
        mean, variance = steps.mean(0), steps.var(0, unbiased=False)
    for row, x, n in zip(found, each, lengths.tolist(), strict=True):
        normal = (x - mean) / (variance + 1e-5).sqrt() * block.gain + block.bias
        expected = [part.amax(0) for part in normal.clamp(min=0).split(4)]
        assert_allclose(row[:n].detach(), torch.stack(expected).detach(), rtol=1e-8)
        assert not row[n:].any()


@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_finite_differences(training):
    stem = Stem(2, 16, 2, torch.float64).train(training)
    stem.load_state_dict(make_stem(2).state_dict())
    x = draw(3, 21, 2).requires_grad_()
    lengths = torch.tensor([21, 8, 13])
    names = [name for name, _ in stem.named_parameters()]

    def run(x, *weights):
        named = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(stem, named, (x, lengths))[0]

    assert torch.autograd.gradcheck(run, (x, *stem.parameters()), eps=1e-7, atol=1e-5)


def test_one_step_alone_has_no_deviation_and_is_not_normalised_by_it():
    stem = make_stem(n_blocks=1)
    x = draw(1, 1, 3)
    expected = stem.eval()(x, None)[0]
    before = stem.blocks[0].mean.clone()
    assert_allclose(stem.train()(x, None)[0].detach(), expected.detach(), rtol=1e-9)
    assert_array_equal(stem.blocks[0].mean, before)


def config_of(**changes):
    return {
        "cell": "gru",
        "n_features": 3,
        "n_outputs": 2,
        "hidden_size": 20,
        "num_layers": 2,
        "bidirectional": True,
        "dropout": 0.0,
        "pooling": "concat",
        "dtype": "float32",
        "scale_inputs": True,
        "stem": 2,
        **changes,
    }


@pytest.mark.parametrize("engine", ["auto", "torch"])
@pytest.mark.parametrize("pooling", ["last", "concat", "attention"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_features", [1, 3])
def test_a_prediction_does_not_depend_on_its_companions(
    engine, pooling, dtype, n_features
):
    config = config_of(n_features=n_features, pooling=pooling, dtype=dtype)
    module = make_module({**config, "engine": engine}, 0).eval()
    module.scaling.learn(np.full(n_features, 0.3), np.full(n_features, 1.7))
    for block in module.stem.blocks:
        block.mean.fill_(0.1)
    rng = np.random.default_rng(0)
    many = Sequences.from_arrays(
        [rng.normal(size=(n, n_features)) for n in rng.integers(1, 150, size=90)]
    )
    expected = run_module(module, many)
    for rows in [[0], [7, 3], [*range(40, 90)], [*range(89, -1, -1)]]:
        some = Sequences.from_arrays([many[row] for row in rows])
        assert_array_equal(run_module(module, some), expected[rows])
    with torch.no_grad():
        kind = getattr(torch, dtype)
        each = [module(torch.tensor(x[None], dtype=kind))[0].numpy() for x in many]
    assert_allclose(expected, each, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("stem", [0, 1, 3])
def test_weights_are_counted(stem):
    config = config_of(stem=stem)
    module = make_module(config, 0)
    assert count_weights(config) == sum(each.numel() for each in module.parameters())


# --- in estimators --------------------------------------------------------------------


def make_sequences(n=40, n_steps=100, n_features=2):
    X = np.random.default_rng(0).normal(size=(n, n_steps, n_features)).cumsum(axis=1)
    return X, X[:, -1, 0] > 0


@pytest.mark.parametrize(
    ("n_steps", "n_blocks"), [(15, 0), (16, 1), (95, 1), (96, 2), (500, 2)]
)
def test_longer_sequences_get_more_blocks(n_steps, n_blocks):
    X, y = make_sequences(6, n_steps)[0], np.arange(6) % 2
    model = GRUClassifier(**SMALL).fit(X, y)
    assert model.module_.config["stem"] == n_blocks
    forwards = GRUClassifier(**SMALL, bidirectional=False).fit(X, y)
    assert forwards.module_.config["stem"] == 0
    asked = GRUClassifier(**SMALL, bidirectional=False, stem=1).fit(X, y)
    assert asked.module_.config["stem"] == 1


@pytest.mark.parametrize("name", CLASSES)
def test_a_stem_makes_long_sequences_learnable(name):
    """Whether a bump comes early or late, or when: 200 steps, 60 sequences."""
    rng = np.random.default_rng(0)
    X, places = rng.normal(scale=0.3, size=(60, 200)), rng.integers(20, 180, size=60)
    for x, place in zip(X, places, strict=True):
        x[place : place + 10] += 2.0
    y = places if name.endswith("Regressor") else places > 100
    params = {"hidden_size": 16, "max_epochs": 60, "lr": 0.01, "random_state": 0}
    model = getattr(skrnn, name)(**params).fit(X[:40], y[:40])
    assert model.score(X[40:], y[40:]) > 0.85
    if not name.startswith("LSTM"):
        model = model.set_params(stem=0).fit(X[:40], y[:40])
        assert model.score(X[40:], y[40:]) < 0.7


def test_weights_are_copies_and_order_does_not_matter():
    X, y = make_sequences()
    weights = np.arange(40) % 3
    expected = GRUClassifier(**SMALL).fit(X, y, weights).predict_proba(X)
    rows = np.random.default_rng(1).permutation(np.repeat(np.arange(40), weights))
    found = GRUClassifier(**SMALL).fit(X[rows], y[rows]).predict_proba(X)
    assert_array_equal(found, expected)


def test_training_goes_on_with_the_stem_and_the_scale_that_there_are():
    X, y = make_sequences()
    model = GRUClassifier(**SMALL).fit(X, y)
    before = model.module_.scaling.mean.clone()
    copied = pickle.loads(pickle.dumps(model))
    for each in (model, copied):
        each.partial_fit(5 * X[:, :10] + 3, y)  # shorter than any stem is for
    assert model.module_.config["stem"] == 2
    assert_array_equal(model.module_.scaling.mean, before)
    block = model.module_.stem.blocks[0]
    assert block.n_batches == 2 * 2 + 2  # batches of two epochs, and of one
    assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="The fitted network has stem=2, now stem=1"):
        model.set_params(stem=1).partial_fit(X, y)


def test_a_network_with_a_stem_cannot_go_step_by_step():
    X, y = make_sequences()
    model = GRURegressor(**SMALL, bidirectional=False, stem=1).fit(X, y)
    with pytest.raises(
        ValueError, match=r"A stem looks at later steps.*fit with stem=0"
    ):
        model.initial_state()


@pytest.mark.parametrize("value", [-1, 6, 1.5, None, "conv"])
def test_other_stems_are_refused(value):
    X, y = make_sequences(6, 8)
    with pytest.raises(ValueError, match="The 'stem' parameter"):
        GRUClassifier(**SMALL, stem=value).fit(X, y)


# --- scaling --------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(1, 9))
def test_statistics_are_those_of_all_steps(lengths, numbers):
    rng = np.random.default_rng(len(lengths))
    sequences = Sequences.from_arrays(
        [3 + rng.normal(size=(n, 3)) * [1, 10, 0] for n in lengths]
    )
    weights = rng.integers(1, 4, size=len(lengths)).astype(float)
    data = TrainingSet(sequences, np.zeros(len(lengths)), weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_training_set, "NUMBERS_IN_A_BLOCK", numbers)
        mean, scale = feature_statistics(data, 3)
    counts = np.repeat(weights.astype(int), lengths)
    steps = np.repeat(sequences.values, counts, axis=0)
    deviation = steps.std(axis=0)
    assert_allclose(mean, steps.mean(axis=0), rtol=1e-12, atol=1e-12)
    assert scale[2] == 1.0  # constant
    if len(sequences.values) > 1:
        assert_allclose(scale[:2], deviation[:2], rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.1, 0.3, 1.0, 3.3, 7.0, 1e3, 1e6 + 0.1, -1e-30])
def test_constant_features_are_not_scaled(value, dtype):
    X, y = make_sequences(n=37, n_steps=30)
    X[..., 1] = value
    model = GRUClassifier(**SMALL, dtype=dtype).fit(X.astype(dtype), y)
    assert model.module_.scaling.scale[1] == 1.0
    assert_allclose(model.module_.scaling.mean[1], value, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-200, 1e-30, 1e200])
def test_units_may_be_very_small_or_large(unit):
    X, y = make_sequences(n_steps=12)
    scaling = GRUClassifier(**SMALL, dtype="float64").fit(unit * X, y).module_.scaling
    assert_allclose(scaling.scale, unit * X.std(axis=(0, 1)), rtol=1e-9)


@pytest.mark.parametrize("cls", [GRUClassifier, GRURegressor])
@pytest.mark.parametrize("missing", ["error", "mask"])
def test_units_of_features_change_nothing(cls, missing):
    X, y = make_sequences(n_steps=12)
    if missing == "mask":
        X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    # one batch without dropout: the order of sequences is that of their content
    params = {**SMALL, "dtype": "float64", "missing": missing, "batch_size": 40}
    params |= {"dropout": 0.0}
    expected = cls(**params).fit(X, y).transform(X)
    units, zeros = np.array([1e-3, 1e6]), np.array([5.0, -3e7])
    found = cls(**params).fit(X * units + zeros, y).transform(X * units + zeros)
    assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    plain = cls(**params, scale_inputs=None).fit(X, y).transform(X)
    assert not np.allclose(plain, expected)


def test_marks_of_missing_values_are_not_scaled():
    X, y = make_sequences(n_steps=12)
    X[3, 4, 1] = np.nan
    scaling = GRUClassifier(**SMALL, missing="mask").fit(X, y).module_.scaling
    assert_array_equal(scaling.mean[2:], [0.0, 0.0])
    assert_array_equal(scaling.scale[2:], [1.0, 1.0])
    assert_allclose(scaling.scale[:2], np.nanstd(X, axis=(0, 1)), rtol=0.01)


def test_the_validation_part_is_not_looked_at():
    X, y = make_sequences(n_steps=12)
    model = GRUClassifier(**SMALL).fit(X, y, X_val=100 * X, y_val=y)
    assert_allclose(model.module_.scaling.scale, X.std(axis=(0, 1)), rtol=1e-5)


def test_steps_are_scaled_like_batches():
    X, y = make_sequences(n_steps=12)
    X = 100 + 50 * X
    model = GRURegressor(**SMALL, bidirectional=False).fit(X, y)
    state = model.initial_state(len(X))
    for step in range(12):
        output, state = model.step(X[:, step], state)
    assert_allclose(output, model.predict(X), rtol=1e-5, atol=1e-6)


def test_parts_begin_without_what_was_in_their_memory():
    module = make_module(config_of(), 0)
    assert isinstance(module.scaling, InputScaling)
    assert_array_equal(module.scaling.scale, np.ones(3))
    for block in module.stem.blocks:
        assert isinstance(block, Block)
        assert block.n_batches == 0
        assert_array_equal(block.variance, np.ones(32))
        assert_array_equal(block.gain.detach(), np.ones(32))
