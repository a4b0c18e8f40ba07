"""Networks that say how a text goes on, and draw texts."""

import copy
import itertools
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from skorch.callbacks import Callback
from torch import nn

import skrnn
import skrnn.inspection
from skrnn import (
    GRULanguageModel,
    GRUTagger,
    LSTMLanguageModel,
    RNNLanguageModel,
    TokenEncoder,
    _checkpoints,
    _running,
)
from skrnn._carrying import CarriedSteps
from skrnn._drawing import Draws
from skrnn._native import is_available
from skrnn._sequences import Sequences
from skrnn._step_targets import StepTargets
from skrnn._training_set import Selection, TrainingSet

CELLS = {"rnn": RNNLanguageModel, "lstm": LSTMLanguageModel, "gru": GRULanguageModel}
TEXTS = ["a rose is a rose", "a rose is red", "is a rose red", "red is a", "rose!"]
SMALL = {"hidden_size": 6, "max_epochs": 3, "random_state": 0}
EXACT = {"hidden_size": 5, "dropout": 0.0, "dtype": "float64", "random_state": 0}
EXACT |= {"lr_schedule": "constant", "max_grad_norm": None, "max_epochs": 1}


def weights_of(module):
    return {k: w.numpy().astype(float) for k, w in module.state_dict().items()}


def assert_same_weights(ours, theirs, **tolerance):
    theirs = weights_of(theirs)
    for name, weight in weights_of(ours).items():
        assert_allclose(weight, theirs[name], **{"rtol": 0, "atol": 0, **tolerance})


def codes_of(model, text):
    """Numbers of the tokens, as a list; unknown ones are -1."""
    places = {token: place for place, token in enumerate(model.tokens_)}
    return [places.get(token, -1) for token in text]


def outputs_by_hand(model, text):
    """What the equations of the papers give after the mark and after each token."""
    weights, n_tokens = weights_of(model.module_), len(model.tokens_)
    codes = np.array([n_tokens, *codes_of(model, text)])
    x = weights["embedding.tables.0"][codes + 1]
    for layer in range(model.num_layers):
        prefix = f"encoder.forward_layers.{layer}"
        x, _ = reference.layer(model._cell, weights, prefix, x)
    outputs = x @ weights["head.weight"].T + weights["head.bias"]
    return outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))


# --- what is said of texts ------------------------------------------------------------


@pytest.mark.parametrize("engine", ["torch", "auto"])
@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("lstm", 2), ("gru", 2)])
def test_probabilities_are_those_of_the_equations(cell, layers, engine):
    options = {"num_layers": layers, "dtype": "float64", "engine": engine}
    model = CELLS[cell](**SMALL, **options).fit(TEXTS)
    texts = ["is red", "r", "zo?", "a rose" * 40]  # two signs unknown; in pieces
    ends, unknown = len(model.tokens_), len(model.tokens_) + 1
    for text, total, tokens, following in zip(
        texts,
        model.score_samples(texts),
        model.score_tokens(texts),
        model.predict_proba(texts),
        strict=True,
    ):
        said = outputs_by_hand(model, text)
        codes = [unknown if c < 0 else c for c in codes_of(model, text)] + [ends]
        expected = said[np.arange(len(codes)), codes]
        assert_allclose(tokens, expected, rtol=1e-9)
        assert_allclose(total, expected.sum(), rtol=1e-9)
        assert_allclose(following, np.exp(said[-1]), rtol=1e-9)
    lengths = np.array([len(text) + 1 for text in texts])
    score = model.score_samples(texts).sum() / lengths.sum()
    assert model.score(texts) == pytest.approx(score)
    assert model.perplexity(texts) == pytest.approx(np.exp(-score))
    weights = [1, 0, 2, 3]
    score = (model.score_samples(texts) * weights).sum() / (lengths * weights).sum()
    assert model.score(texts, sample_weight=weights) == pytest.approx(score)


def test_probabilities_of_all_texts_add_up_to_one():
    model = GRULanguageModel(**SMALL, dtype="float64").fit(["ab", "ba", "aab", "b"])
    longest = 5
    of_texts = [model.predict_proba([""])[0, 2]]  # the empty text
    for length in range(1, longest + 1):
        texts = ["".join(each) for each in itertools.product("abz", repeat=length)]
        of_texts += [*np.exp(model.score_samples(texts))]
    begun = [np.exp(each[:-1].sum()) for each in model.score_tokens(texts)]
    go_on = 1.0 - model.predict_proba(texts)[:, 2]  # longer ones that begin so
    assert 0.5 < sum(of_texts) < 1.0
    assert sum(of_texts) + np.dot(begun, go_on) == pytest.approx(1.0, abs=1e-12)


def test_no_answer_depends_on_companions_or_pieces(monkeypatch):
    texts = ["ab" * n + "c" for n in (1, 3, 63, 64, 70, 130, 200)]
    model = LSTMLanguageModel(**SMALL).fit(texts)
    answers = [f(texts) for f in (model.score_samples, model.predict_proba)]
    embedding = model.transform(texts)
    for row, text in enumerate(texts):
        assert_array_equal(model.score_samples([text])[0], answers[0][row])
        assert_array_equal(model.predict_proba([text, "a"])[0], answers[1][row])
        assert_array_equal(model.transform([text])[0], embedding[row])
    monkeypatch.setattr(_running, "NUMBERS_IN_A_BLOCK", 1024)  # as with many tokens
    assert_array_equal(model.score_samples(texts), answers[0])
    monkeypatch.setattr(_running, "PIECE", 3)
    assert_array_equal(model.score_samples(texts), answers[0])
    assert_array_equal(model.predict_proba(texts[::-1])[::-1], answers[1])


def test_steps_give_what_whole_texts_give():
    for cell in CELLS.values():
        model = cell(**SMALL, num_layers=2).fit(TEXTS)
        state = model.initial_state(2)
        for n in range(1, 6):
            x = [TEXTS[0][n - 1], "zed a"[n - 1]]
            found, state = model.step(x, state)
            expected = model.predict_proba([TEXTS[0][:n], "zed a"[:n]])
            assert_allclose(found, expected, rtol=1e-5)


def test_transform_gives_what_the_head_sees():
    model = GRULanguageModel(**SMALL, dtype="float64").fit(TEXTS)
    weights = weights_of(model.module_)
    outputs = model.transform(TEXTS) @ weights["head.weight"].T + weights["head.bias"]
    probabilities = np.exp(outputs)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert_allclose(probabilities, model.predict_proba(TEXTS), rtol=1e-9)
    best = probabilities.argmax(axis=1)
    assert model.predict(TEXTS).tolist() == model.classes_[best].tolist()


# --- training -------------------------------------------------------------------------

initial = []


class NotesWeights(Callback):
    def on_train_begin(self, net, **kwargs):
        initial.append(copy.deepcopy(net.module_))


def train_by_hand(module, lanes, bptt, optimizer):
    """One epoch of truncated backpropagation, one lane after the other."""
    states = [None] * len(lanes)
    n_pieces = sum(-(-len(x) // bptt) for x, _ in lanes)
    n_tokens, losses = sum(len(x) for x, _ in lanes), []
    for start in range(0, max(len(x) for x, _ in lanes), bptt):
        going = [k for k, (x, _) in enumerate(lanes) if len(x) > start]
        loss = 0.0
        for k in going:
            x, y = (torch.tensor(each[start : start + bptt]) for each in lanes[k])
            vectors = module.embedding.tables[0][x + 1][None]
            found, state = module.encoder.forward_layers[0](vectors, states[k])
            loss = loss + nn.functional.cross_entropy(
                module.head(found[0]), y, reduction="sum"
            )
            parts = state if isinstance(state, tuple) else (state,)
            parts = tuple(part.detach() for part in parts)
            states[k] = parts if isinstance(state, tuple) else parts[0]
        optimizer.zero_grad()
        (loss * n_pieces / n_tokens / len(going)).backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / n_tokens


@pytest.mark.parametrize("bptt", [1, 4, 7, 10**6])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("texts", [["abacabadabacab" * 3], ["abc", "b", "cabacabcab"]])
def test_an_epoch_is_truncated_backpropagation_by_hand(cell, texts, bptt):
    params = {"optimizer": "sgd", "lr": 0.3, "weight_decay": 0.0, "batch_size": 5}
    params |= {"callbacks": [NotesWeights()], "bptt": bptt}
    model = CELLS[cell](**EXACT, **params).fit(texts)
    module = initial.pop()
    n_tokens, lanes = len(model.tokens_), []
    for text in texts:
        codes = codes_of(model, text)
        x, y = [n_tokens, *codes], [*codes, n_tokens]
        share = max(bptt, -(-sum(len(each) + 1 for each in texts) // 5))
        parts = -(-len(x) // share)
        cuts = [k * len(x) // parts for k in range(parts + 1)]
        for start, end in itertools.pairwise(cuts):
            lanes.append(([n_tokens, *x[start + 1 : end]], y[start:end]))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.3)
    loss = train_by_hand(module, lanes, bptt, optimizer)
    assert_same_weights(model.module_, module, atol=1e-12)
    assert model.history_[0]["train_loss"] == pytest.approx(loss, rel=1e-6)


def test_adamw_makes_the_same_steps_with_its_decay():
    params = {"lr": 0.01, "bptt": 3, "batch_size": 2, "callbacks": [NotesWeights()]}
    model = GRULanguageModel(**EXACT, **params).fit(["abcab", "bbabc"])
    module, end = initial.pop(), len(model.tokens_)
    lanes = []
    for text in ["abcab", "bbabc"]:
        codes = codes_of(model, text)
        lanes.append(([end, *codes], [*codes, end]))
    vectors = [*module.embedding.parameters()]
    others = [p for p in module.parameters() if all(p is not v for v in vectors)]
    groups = [{"params": others}, {"params": vectors, "weight_decay": 0.3}]
    train_by_hand(module, lanes, 3, torch.optim.AdamW(groups, lr=0.01))
    assert_same_weights(model.module_, module, atol=1e-10)


def test_a_batch_that_is_run_several_times_begins_where_it_began():
    class Twice(torch.optim.SGD):
        """Runs each batch a second time, as methods with a line search do."""

        def step(self, closure):
            closure()
            return super().step(closure)

    params = {**EXACT, "bptt": 2, "lr": 0.1, "weight_decay": 0.0}
    once, twice = (
        GRULanguageModel(**params, optimizer=each).fit(["abacabad"])
        for each in ("sgd", Twice)
    )
    assert_same_weights(once.module_, twice.module_, atol=1e-12)


def test_losses_are_means_over_tokens():
    params = {**EXACT, "lr": 1e-12, "bptt": 3, "batch_size": 2}
    weights = [1, 3, 1, 2, 1]
    model = GRULanguageModel(**params)
    model.fit(TEXTS, sample_weight=weights, X_val=["is it", "a rose", "rose is a"])
    (told,) = model.history_
    expected = -model.score(TEXTS, sample_weight=weights)
    assert told["train_loss"] == pytest.approx(expected, rel=1e-6)
    expected = -model.score(["is it", "a rose", "rose is a"])
    assert told["valid_loss"] == pytest.approx(expected, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.integers(1, 9),
    st.integers(1, 12),
    st.booleans(),
)
def test_an_epoch_reads_every_token_once(lengths, batch_size, bptt, shuffled):
    """x and y hold the place of each step; a state the place of the last one read."""
    n = sum(lengths)
    offsets = np.append(0, np.cumsum(lengths))
    sequences = Sequences(np.arange(1.0, n + 1)[:, None], offsets)
    weights = np.arange(len(lengths)) % 3 + 1.0
    targets = StepTargets(np.arange(1, n + 1), np.ones(n), offsets)
    data = TrainingSet(Selection.of(sequences), targets, weights)
    steps = CarriedSteps(data, torch.device("cpu"), bptt, torch.zeros(1, 1, 1, 1))
    starts = steps.lanes(batch_size)[:, 0]
    assert set(offsets[:-1]) <= set(starts)
    rng = np.random.default_rng(0) if shuffled else None
    iterator, n_pieces = steps.iterator(batch_size, rng), []
    for _ in range(2):
        of_steps, batches, total = np.zeros(n), 0, 0
        for inputs, y in iterator:
            x, (before, after) = inputs["x"][:, :, 0], inputs["carry"]
            assert 1 <= y.shape[0] <= batch_size
            assert y.shape[1] <= bptt
            inside = y >= 0
            assert inside[:, 0].all()
            place = y[:, 0].numpy() - 1
            begins = np.isin(place, starts)  # with the first step of the sequence
            of_text = np.searchsorted(offsets, place, side="right") - 1
            assert_array_equal(x[begins, 0], offsets[of_text][begins] + 1)
            x[begins, 0] = y[begins, 0].to(x.dtype)
            assert_array_equal(x[inside], y[inside])
            assert (inputs["weights"][~inside] == 0.0).all()
            np.add.at(of_steps, y[inside].numpy() - 1, inputs["weights"][inside])
            assert_array_equal(before[0, 0, :, 0], np.where(begins, 0, place))
            after[0, 0, :, 0] = torch.where(inside, y, 0).max(dim=1).values
            batches, total = batches + 1, total + len(y)
        assert batches == len(iterator)
        n_pieces.append(total)
        expected = np.repeat(weights, lengths) * total
        expected /= np.dot(weights, lengths)
        assert_allclose(of_steps, expected, rtol=1e-5)
    assert n_pieces[0] == n_pieces[1]


def test_a_markov_chain_is_learned_to_its_entropy():
    rng = np.random.default_rng(0)
    chain = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.3, 0.6, 0.1]])
    states = [0]
    for _ in range(24_000):
        states.append(rng.choice(3, p=chain[states[-1]]))
    text = "".join("xyz"[state] for state in states)
    model = GRULanguageModel(hidden_size=16, max_epochs=30, lr=2e-2, random_state=0)
    model.fit([text[:20_000]])
    following = np.linalg.matrix_power(chain, 200)[0]
    entropy = -(following[:, None] * chain * np.log(chain)).sum()
    assert model.score([text[20_000:]]) == pytest.approx(-entropy, abs=0.03)
    found = model.predict_proba(["xyzzyx", "xyzzyy", "xyzzyz"])
    places = [model.tokens_.tolist().index(token) for token in "xyz"]
    assert_allclose(found[:, places], chain, atol=0.06)


def test_a_state_that_is_carried_knows_what_was_long_ago():
    text = "aaaaab" * 50  # where it stands, three tokens do not tell
    params = {"hidden_size": 24, "lr": 2e-2, "max_epochs": 40, "random_state": 0}
    params |= {"dropout": 0.0, "batch_size": 4, "bptt": 3}
    carried = GRULanguageModel(**params).fit([text])
    pieces = [text[i : i + 3] for i in range(0, len(text), 3)]
    cut = GRULanguageModel(**params).fit(pieces)
    assert carried.history_[-1]["train_loss"] < 0.25 * cut.history_[-1]["train_loss"]


def test_weights_are_copies_also_where_tokens_are_counted():
    texts, weights = ["ab", "cb", "dd", "e"], [3, 1, 2, 0]
    copies = [t for t, n in zip(texts, weights, strict=True) for _ in range(n)]
    for params in ({}, {"min_count": 2}, {"max_tokens": 2}):
        ours = GRULanguageModel(**SMALL, **params).fit(texts, sample_weight=weights)
        theirs = GRULanguageModel(**SMALL, **params).fit(copies)
        assert ours.tokens_.tolist() == theirs.tokens_.tolist()
        assert "e" not in ours.tokens_
        assert_allclose(ours.score_samples(texts), theirs.score_samples(texts), 1e-6)
    halves = GRULanguageModel(**SMALL).fit(texts, sample_weight=[0.5] * 4)
    assert len(halves.tokens_) == 5


# --- drawing --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    return GRULanguageModel(hidden_size=16, max_epochs=20, random_state=0).fit(TEXTS)


def longest_draws(model, text, n):
    """The most probable tokens after a text, one after the other."""
    begun = text
    for _ in range(n):
        found = model.predict_proba([text])[0, :-1]  # but for what is unknown
        if found.argmax() == len(model.tokens_):
            break
        text += model.tokens_[found.argmax()]
    return text[len(begun) :]


def test_temperature_0_and_the_best_token_alone_are_greedy(model):
    begun = ["a", "", "is red z", "rose is"]
    expected = [longest_draws(model, text, 12) for text in begun]
    assert model.generate(begun, temperature=0, max_tokens=12) == expected
    assert model.generate(begun, top_k=1, max_tokens=12) == expected
    assert model.generate(begun, top_p=1e-9, max_tokens=12) == expected
    assert model.generate(begun, temperature=1e-310, max_tokens=12) == expected


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_come_as_often_as_the_model_says(model, temperature):
    drawn = model.sample(
        3000, prefix="a", max_tokens=1, temperature=temperature, random_state=1
    )
    counts = Counter(text[1:] for text in drawn)
    expected = model.predict_proba(["a"])[0, :-1] ** (1 / temperature)
    expected *= 3000 / expected.sum()
    often = expected > 5
    names = [*model.tokens_, ""]
    observed = np.array([counts[name] for name in names])
    rare = max(1e-9, 3000 - expected[often].sum())
    sums = [*observed[often], 3000 - observed[often].sum()]
    assert chisquare(sums, [*expected[often], rare]).pvalue > 0.01
    assert counts.total() == observed.sum()  # and nothing else


def test_the_fewest_tokens_whose_sum_is_reached_are_kept():
    rng = np.random.default_rng(0)
    for _ in range(20):
        logarithms = rng.normal(size=6) * 2
        probabilities = np.exp(logarithms) / np.exp(logarithms).sum()
        most = rng.uniform(0.05, 1.0)
        sets = itertools.chain.from_iterable(
            itertools.combinations(range(6), n) for n in range(1, 7)
        )
        reaching = [s for s in sets if probabilities[[*s]].sum() >= most]
        fewest = min(len(s) for s in reaching)
        best = [s for s in reaching if len(s) == fewest]
        expected = max(best, key=lambda s: probabilities[[*s]].sum())
        draws = Draws([*range(2000)], temperature=1.0, top_p=most)
        found = draws(np.tile(logarithms, (2000, 1)))
        often = {k for k in expected if probabilities[k] > 0.01}
        assert often <= set(found.tolist()) <= set(expected)


def test_so_many_of_the_best_are_kept(model):
    options = {"max_tokens": 1, "top_k": 3, "random_state": 0}
    found = {text[1:] for text in model.sample(500, prefix="a", **options)}
    best = np.argsort(-model.predict_proba(["a"])[0, :-1])[:3]
    assert found == {np.append(model.tokens_, "")[k] for k in best}


def test_what_is_unknown_is_never_drawn():
    model = GRULanguageModel(**SMALL, vocabulary=["a"]).fit(["zzzzzzzza"] * 3)
    assert model.predict_proba(["zz"])[0].argmax() == 2  # though it is expected
    assert model.predict(["zz"]).tolist() == ["<unknown>"]
    assert set("".join(model.sample(100, random_state=0))) <= {"a"}
    assert set("".join(model.sample(3, temperature=0))) <= {"a"}


def test_the_first_of_many_are_those_of_a_few(model):
    few = model.sample(3, random_state=5)
    assert model.sample(40, random_state=5)[:3] == few
    assert model.sample(3, random_state=6) != few
    assert len(set(model.sample(40, random_state=5))) > 20


def test_a_seed_leaves_the_global_generators_alone(model):
    def states():
        numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
        return np.concatenate([*numpy_state[1:3], torch_state], axis=None)

    before = states()
    for seed in (0, np.random.RandomState(0), np.random.default_rng(0)):
        model.sample(2, random_state=seed)
    assert_array_equal(states(), before)
    np.random.seed(3)
    drawn = model.sample(2)
    np.random.seed(3)
    assert model.sample(2) == drawn != model.sample(2)


def test_texts_end_before_what_stops_them(model):
    whole = model.sample(20, random_state=0)
    for stop in (" ", "ro", ["is", "e"]):
        ends = [stop] if isinstance(stop, str) else stop
        expected = []
        for text in whole:
            places = [(text.find(end) + len(end), end) for end in ends if end in text]
            place, end = min(places, default=(len(text), ""))
            expected.append(text[: place - len(end)])
        assert model.sample(20, stop=stop, random_state=0) == expected
    assert expected != whole
    assert model.sample(20, stop=[], random_state=0) == whole


def test_words_stop_words_and_tokens_stop_tokens():
    words = GRULanguageModel(**SMALL, level="word").fit(TEXTS)
    for text in words.sample(20, stop="a rose", random_state=0):
        assert "a rose" not in text
    lists = [text.split() for text in TEXTS]
    tokens = GRULanguageModel(**SMALL).fit(lists)
    found = tokens.sample(20, stop="rose", random_state=0)
    whole = tokens.sample(20, random_state=0)
    assert found == [e[: e.index("rose")] if "rose" in e else e for e in whole]
    assert found != whole


def test_so_many_tokens_are_drawn_at_most(model):
    found = model.sample(50, max_tokens=7, temperature=9.0, random_state=0)
    assert max(map(len, found)) == 7


@pytest.mark.parametrize(
    ("prefix", "level"),
    [("a ro", "char"), ("zzz?", "char"), ("", "char"), ("Don't  A rose", "word")],
)
def test_a_sample_begins_with_its_prefix(prefix, level):
    model = GRULanguageModel(**SMALL, level=level, lowercase=True).fit(TEXTS)
    found = model.sample(5, prefix=prefix, random_state=0)
    assert all(text.startswith(prefix) for text in found)
    spaced = model.sample(5, prefix=f"{prefix} ", random_state=0)
    assert all(text.startswith(f"{prefix} ") for text in spaced)
    if level == "word":
        assert not any(text.startswith(f"{prefix}  ") for text in spaced)


def test_samples_have_the_form_of_the_texts():
    lists = [text.split() for text in TEXTS]
    model = GRULanguageModel(**SMALL).fit(lists)
    (found,) = model.sample(prefix=["a"], random_state=0)
    assert found[0] == "a"
    assert set(found) <= set(model.tokens_)
    (rest,) = model.generate([["a", "new"]], random_state=0)
    assert isinstance(rest, list)
    words = GRULanguageModel(**SMALL, level="word").fit(TEXTS)
    assert words.tokens_.tolist() == ["a", "rose", "is", "red", "!"]
    assert isinstance(words.sample(random_state=0)[0], str)
    assert_array_equal(
        words.predict_proba(["a rose"]), words.predict_proba([lists[0][:2]])
    )


# --- as an estimator ------------------------------------------------------------------


def test_tags_say_what_it_is():
    tags = get_tags(GRULanguageModel())
    assert tags.estimator_type == "language_model"
    inputs = tags.input_tags
    assert inputs.string
    assert {inputs.two_d_array, inputs.three_d_array, inputs.allow_nan} == {False}
    assert not tags.target_tags.required


@pytest.mark.parametrize("cell", CELLS)
def test_a_model_is_cloned_pickled_and_saved(cell, tmp_path):
    texts = ["a😀b𝄞", "\ud800?", "b a\n"]
    model = CELLS[cell](**SMALL, bptt=2, level="char").fit(texts)
    skrnn.save(model, tmp_path / "model.skrnn")
    for other in (
        pickle.loads(pickle.dumps(model)),
        skrnn.load(tmp_path / "model.skrnn"),
        clone(model).fit(texts),
    ):
        assert_array_equal(other.score_samples(texts), model.score_samples(texts))
        assert other.sample(3, random_state=0) == model.sample(3, random_state=0)
        assert other.tokens_.tolist() == model.tokens_.tolist()
    assert set("a😀b𝄞") <= set(model.tokens_)


def test_a_killed_fit_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoints, "SECONDS", 0.0)

    class Dies(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    params = {**SMALL, "max_epochs": 5, "bptt": 3, "batch_size": 2}
    params["checkpoint"] = tmp_path / "fit"
    with pytest.raises(KeyboardInterrupt):
        GRULanguageModel(**params, callbacks=[Dies()]).fit(TEXTS)
    assert (tmp_path / "fit").exists()
    model = GRULanguageModel(**params).fit(TEXTS)
    expected = clone(model).set_params(checkpoint=None).fit(TEXTS)
    assert_same_weights(model.module_, expected.module_)


def test_training_goes_on():
    model = GRULanguageModel(**SMALL, warm_start=True).fit(TEXTS)
    before = model.score(TEXTS)
    tokens = model.tokens_
    assert model.fit([*TEXTS, "new"]).n_iter_ == 6
    assert model.tokens_ is tokens  # what is new is unknown
    assert model.score(TEXTS) > before
    parts = GRULanguageModel(**SMALL)
    for _ in range(30):
        for text in TEXTS:
            parts.partial_fit([text])
    assert parts.tokens_.tolist() == sorted(set(TEXTS[0]), key=tokens_order(TEXTS[0]))
    assert parts.n_iter_ == 150
    assert parts.score(TEXTS[:1]) > before
    given = GRULanguageModel(**SMALL, vocabulary=["a", "!", "b"])
    assert given.partial_fit(["ab"]).partial_fit(["!"]).classes_.tolist() == [
        "a",
        "!",
        "b",
        "<end>",
        "<unknown>",
    ]


def tokens_order(text):
    return lambda token: (-text.count(token), token)


def test_one_text_is_validated_on_its_end():
    text = "ab" * 40 + "cd" * 5
    params = {**SMALL, "max_epochs": 2, "lr": 1e-12, "dropout": 0.0}
    model = GRULanguageModel(**params, early_stopping=True).fit([text])
    (told, _) = model.history_
    assert told["valid_loss"] == pytest.approx(-model.score([text[82:]]), rel=1e-6)
    lengths = []

    class Counts(Callback):
        def on_batch_begin(self, net, batch, training, **kwargs):
            lengths.append((training, int((batch[1] >= 0).sum())))

    model.set_params(callbacks=[Counts()], max_epochs=1).fit([text])
    train, valid = (sum(n for t, n in lengths if t is which) for which in (True, False))
    assert (train, valid) == (82, 9)
    with pytest.raises(ValueError, match="leaves nothing to train on: all there is"):
        model.set_params(validation_fraction=0.9).fit(["a"])


def test_training_stops_early_on_texts_or_on_others():
    params = {**SMALL, "max_epochs": 60, "lr": 0.05, "early_stopping": True}
    model = GRULanguageModel(**params, n_iter_no_change=3)
    model.fit([*TEXTS, "ab", "ba", "zzz"], X_val=["rose is a"])
    assert model.n_iter_ < 60
    best = min(epoch["valid_loss"] for epoch in model.history_)
    assert -model.score(["rose is a"]) == pytest.approx(best, rel=1e-5)
    split = model.fit([f"{text} {n}" for text in TEXTS for n in range(6)])
    assert "valid_loss" in split.history_[0]


def test_searches_and_pipelines_need_no_y():
    search = GridSearchCV(
        GRULanguageModel(**SMALL), {"hidden_size": [3, 6]}, cv=2, error_score="raise"
    )
    search.fit(TEXTS)
    best = search.best_estimator_
    assert search.score(TEXTS) == best.score(TEXTS)
    assert_array_equal(search.predict_proba(TEXTS), best.predict_proba(TEXTS))
    pipeline = make_pipeline(GRULanguageModel(**SMALL)).fit(TEXTS)
    assert pipeline.score_samples(TEXTS).shape == (5,)
    assert np.isfinite(cross_val_score(pipeline, TEXTS, cv=2)).all()


@pytest.mark.parametrize(
    "container",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: pd.Series(texts, index=range(7, 12)),
        lambda texts: pd.Series(texts, dtype="string"),
    ],
)
def test_texts_come_in_containers_of_many_kinds(container):
    model = GRULanguageModel(**SMALL).fit(container(TEXTS))
    assert model.score(container(TEXTS)) == model.score(TEXTS)
    assert_array_equal(
        model.score_samples(container(TEXTS)),
        GRULanguageModel(**SMALL).fit(TEXTS).score_samples(TEXTS),
    )


def test_one_letter_is_enough():
    model = GRULanguageModel(hidden_size=8, lr=0.02, random_state=0).fit(["a"])
    assert model.generate([""], temperature=0) == ["a"]
    assert model.perplexity(["a"]) == pytest.approx(1.0, abs=0.1)


def test_tokens_are_those_of_an_encoder():
    texts = ["The Cat.", "the dog", "THE END."]
    params = {"level": "word", "lowercase": True, "min_count": 2}
    model = GRULanguageModel(**SMALL, **params).fit(texts)
    assert model.tokens_.tolist() == TokenEncoder(**params).fit(texts).tokens_.tolist()
    assert model.classes_.tolist() == ["the", ".", "<end>", "<unknown>"]
    few = GRULanguageModel(**SMALL, max_tokens=2).fit(texts)
    assert len(few.tokens_) == 2
    given = GRULanguageModel(**SMALL, vocabulary=few.tokens_).fit(texts)
    assert_array_equal(given.score_samples(texts), few.score_samples(texts))


def test_vectors_of_others_are_taken():
    tokens = GRULanguageModel(**SMALL).fit(TEXTS).tokens_
    vectors = np.arange(2.0 * len(tokens)).reshape(-1, 2)
    params = {**SMALL, "lr": 1e-12, "weight_decay": 0.0}
    model = GRULanguageModel(**params, embedding=vectors).fit(TEXTS)
    found = weights_of(model.module_)["embedding.tables.0"][1:]
    assert_allclose(found[:-1], vectors, atol=1e-6)
    assert_allclose(found[-1], 0.0, atol=1e-6)  # the mark of the beginning
    assert model.embedding is vectors
    with pytest.raises(ValueError, match=r"shape \(8, 2\), expected \(9, size\)"):
        model.set_params(embedding=vectors[1:]).fit(TEXTS)


@pytest.mark.skipif(not is_available(), reason="there are no compiled layers")
@pytest.mark.parametrize("cell", CELLS)
def test_engines_agree(cell):
    params = {**SMALL, "num_layers": 2, "bptt": 4, "dropout": 0.0}
    ours, theirs = (
        CELLS[cell](**params, engine=engine).fit(TEXTS)
        for engine in ("native", "torch")
    )
    assert_allclose(ours.score_samples(TEXTS), theirs.score_samples(TEXTS), rtol=1e-4)


def test_callbacks_hear_of_epochs():
    heard = []

    class Hears(Callback):
        def on_epoch_end(self, net, **kwargs):
            heard.append(net.history[-1, "train_loss"])

    model = GRULanguageModel(**SMALL, callbacks=[Hears()]).fit(TEXTS)
    assert heard == [epoch["train_loss"] for epoch in model.history_]


def test_the_rest_of_scikit_learn_works():
    model = GRULanguageModel(**SMALL)
    with pytest.raises(NotFittedError):
        model.sample()
    embedding = model.fit_transform(TEXTS)
    assert embedding.shape == (5, 6)
    assert_array_equal(embedding, model.transform(TEXTS))
    names = [f"grulanguagemodel{k}" for k in range(6)]
    assert model.get_feature_names_out().tolist() == names
    frame = model.set_output(transform="pandas").transform(TEXTS)
    assert frame.columns.tolist() == names
    assert repr(clone(model)).startswith("GRULanguageModel(hidden_size=6")
    with config_context(enable_metadata_routing=True):
        routed = clone(model).set_fit_request(sample_weight=True, X_val=True)
        routed = make_pipeline(routed).fit(
            TEXTS, sample_weight=[1, 2, 1, 1, 1], X_val=["rose"]
        )
    assert "valid_loss" in routed[-1].history_[-1]


def test_whole_texts_are_not_exported(model, tmp_path):
    with pytest.raises(
        ValueError, match=r"an output for each step .export kind='step'"
    ):
        skrnn.to_onnx(model, tmp_path / "file")
    with pytest.raises(ValueError, match="GRULanguageModel has an output for each"):
        skrnn.inspection.sequence_importance(model, TEXTS)
    curves = skrnn.inspection.TrainingHistoryDisplay.from_estimator(model)
    (line,) = curves.ax_.lines
    losses = [epoch["train_loss"] for epoch in model.history_]
    assert_allclose(line.get_ydata(), losses)


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("one text", ValueError, "X is a str, expected a list of texts"),
        (["a", ""], ValueError, r"X\[1\] has no tokens \(''\): drop it"),
        (["a", None], TypeError, r"X\[1\] is None, a NoneType, expected a text"),
        ([1, 2], TypeError, r"X\[0\] is 1, a int, expected a text"),
        ([["a", 3]], TypeError, r"X\[0\] holds 3, a int, expected tokens"),
        (np.zeros((3, 4)), ValueError, "X is a ndarray of 2 axes, expected a list"),
        ([], ValueError, "Found array with 0 sample"),
    ],
)
def test_what_holds_no_texts_is_refused(model, X, error, message):
    expected = model.score(TEXTS)
    for method in (model.fit, model.score_samples, model.score, model.transform):
        with pytest.raises(error, match=message):
            method(X)
    with pytest.raises(error, match=f"In X_val: {message}"):
        model.fit(TEXTS, X_val=X)
    assert model.score(TEXTS) == expected  # as it was


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "'n_samples' parameter of sample"),
        ({"n_samples": "3"}, ValueError, "'n_samples' parameter of sample"),
        ({"prefix": 3}, TypeError, "prefix is 3, a int, expected a text or a list"),
        ({"prefix": ["a", 3]}, TypeError, "prefix holds 3, a int, expected tokens"),
        ({"temperature": -1}, ValueError, "'temperature' parameter of sample"),
        ({"temperature": "hot"}, ValueError, "'temperature' parameter of sample"),
        ({"temperature": np.inf}, ValueError, "'temperature' parameter of sample"),
        ({"top_k": 0}, ValueError, "'top_k' parameter of sample"),
        ({"top_p": 0.0}, ValueError, "'top_p' parameter of sample"),
        ({"top_p": 1.1}, ValueError, "'top_p' parameter of sample"),
        ({"max_tokens": 0}, ValueError, "'max_tokens' parameter of sample"),
        ({"stop": 3}, ValueError, "'stop' parameter of sample"),
        ({"stop": ["a", 3]}, TypeError, r"stop is \['a', 3\], expected a text or a"),
        ({"stop": ["a", ""]}, ValueError, "holds a text without tokens"),
        ({"random_state": "x"}, ValueError, "'random_state' parameter of sample"),
    ],
)
def test_wrong_options_of_samples_are_refused(model, options, error, message):
    with pytest.raises(error, match=message):
        model.sample(**options)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ("ab", ValueError, "x is 'ab', expected a list of 2 tokens, one for each text"),
        (["a"], ValueError, "expected a list of 2 tokens"),
        (None, ValueError, "x is None, expected a list of 2 tokens"),
        (["a", 3], TypeError, r"x\[1\] is 3, a int, expected a text"),
        (["a", "bc"], ValueError, r"x\[1\] is 'bc', which is 2 tokens, expected one"),
    ],
)
def test_wrong_tokens_of_a_step_are_refused(model, x, error, message):
    with pytest.raises(error, match=message):
        model.step(x, model.initial_state(2))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"device": "accelerate"}, "carries the state of a sequence from batch to"),
        ({"bptt": 0}, "'bptt' parameter"),
        ({"level": "letter"}, "'level' parameter"),
        ({"min_count": 99}, "No token comes up 99 times"),
        ({"vocabulary": ["a"], "max_tokens": 3}, "vocabulary is taken as it is"),
        (
            {"embedding": np.zeros((3, 4))},
            r"embedding has the shape \(3, 4\), expected",
        ),
    ],
)
def test_wrong_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        GRULanguageModel(**SMALL, **params).fit(TEXTS)


def test_a_state_of_another_network_is_refused(model):
    other = GRUTagger(hidden_size=5, bidirectional=False, max_epochs=1)
    other.fit(np.zeros((4, 3, 1)), [["a", "b", "a"]] * 4)
    with pytest.raises(ValueError, match="state is of another network"):
        model.step(["a"], other.initial_state())


def test_of_stops_that_end_together_the_one_counts_that_began_first():
    params = {"hidden_size": 32, "max_epochs": 60, "lr": 1e-2, "random_state": 0}
    model = GRULanguageModel(**params).fit(["xaby"] * 5)
    for stop in (["b", "ab"], ["ab", "b"]):
        assert model.generate(["x"], temperature=0, stop=stop) == [""]


@pytest.mark.parametrize("token", ["<end>", "<unknown>"])
def test_tokens_with_the_names_of_marks_are_refused(token):
    with pytest.raises(ValueError, match=f"holds the token '{token}', which classes_"):
        GRULanguageModel(**SMALL).fit([["a", token, "b"]])


def test_a_vocabulary_that_can_be_read_once_is_refused():
    with pytest.raises(ValueError, match="vocabulary"):
        GRULanguageModel(**SMALL, vocabulary=(c for c in "abc")).fit(TEXTS)


@pytest.mark.parametrize("n_sequences", [-1, 1.5, "a"])
def test_states_are_counted(model, n_sequences):
    with pytest.raises(ValueError, match="n_sequences is"):
        model.initial_state(n_sequences)


def test_parameters_of_texts_are_those_of_fit():
    model = GRULanguageModel(**SMALL, lowercase=True).fit(["Ab", "bA"])
    before = model.score_samples(["AB"])
    model.set_params(level="word", lowercase=False)
    assert_array_equal(model.score_samples(["AB"]), before)


def test_a_step_is_cut_as_texts_are():
    model = GRULanguageModel(**SMALL, lowercase=True).fit(["Ab", "bA"])
    found, _ = model.step(["A"], model.initial_state())
    assert_allclose(found, model.predict_proba(["A"]), rtol=1e-6)


def test_huge_weights_count():
    model = GRULanguageModel(**SMALL).fit(TEXTS, sample_weight=[1e19] * len(TEXTS))
    assert_array_equal(model.tokens_, GRULanguageModel(**SMALL).fit(TEXTS).tokens_)
