"""Seq2SeqTransducer: its equations, its search, and what users rely on."""

import pickle
from itertools import product

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from torch import nn

import skrnn
from skrnn import Seq2SeqTransducer, load, save
from skrnn._attending import (
    TransducerModule,
    count_transducer,
    make_transducer,
)
from skrnn._decoding import attention, log_probabilities, search
from skrnn._sequences import Sequences
from skrnn.datasets import make_dates
from skrnn.metrics import bleu_score, chrf_score, exact_match_score, exact_match_scorer

CONFIG = {"cell": "gru", "n_sources": 4, "n_outputs": 4, "hidden_size": 5}
CONFIG |= {"num_layers": 1, "dropout": 0.0, "vectors": (3, 2), "dtype": "float64"}
CONFIG |= {"engine": "auto"}
CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
WORDS = ["".join(letters) for letters in product("abc", repeat=5)]
TURNED = [word[::-1].upper() for word in WORDS]


def make_words(n, seed=0, longest=7):
    rng = np.random.default_rng(seed)
    words = [
        "".join(rng.choice(list("abcdef"), rng.integers(1, longest + 1)))
        for _ in range(n)
    ]
    return words, [word[::-1].upper() for word in words]


def small(**params):
    return Seq2SeqTransducer(
        **{"hidden_size": 16, "max_epochs": 3, "random_state": 0, **params}
    )


@pytest.fixture(scope="module")
def fitted():
    return small(hidden_size=32, max_epochs=40, lr=1e-2).fit(WORDS[::2], TURNED[::2])


@pytest.fixture(scope="module")
def vague():
    """A model that has not learned much: its candidates are close to each other."""
    return small(max_epochs=2).fit(*make_words(60))


# --- the equations --------------------------------------------------------------------


def cell_of(layer):
    """A cell of torch with the weights of a layer, as a function of its inputs."""
    cell = CELLS[layer.mode.split("_")[0].lower()](
        layer.input_size, layer.hidden_size, dtype=torch.float64
    )
    cell.load_state_dict(
        {name.removesuffix("_l0"): w for name, w in layer.state_dict().items()}
    )
    return cell


def walk(layers, inputs, states):
    """Run stacked cells, step by step, from states (a list of lists of parts)."""
    cells, outputs = [cell_of(layer) for layer in layers], []
    for x in inputs:
        for k, cell in enumerate(cells):
            parts = states[k]
            after = cell(x, tuple(parts) if len(parts) == 2 else parts[0])
            states[k] = [*after] if isinstance(after, tuple) else [after]
            x = states[k][0]
        outputs.append(x)
    return outputs


def by_hand(module, source, target):
    """Log probabilities of a target and its end, and the attention: one by one."""
    size, n_layers = module.config["hidden_size"], module.config["num_layers"]
    zeros = torch.zeros(size, dtype=torch.float64)
    table = module.source.tables[0]
    read = [table[code + 1] for code in source]
    outputs = read
    for k in range(n_layers):
        both = []
        for stack, order in (
            (module.encoder.forward_layers, 1),
            (module.encoder.backward_layers, -1),
        ):
            states = [[zeros] * module.n_parts]
            both.append(walk([stack[k]], outputs[::order], states)[::order])
        outputs = [torch.cat(pair) for pair in zip(*both, strict=True)]
    last = torch.cat([both[0][-1], both[1][0]])
    begin = torch.tanh(module.begin.weight @ last + module.begin.bias)
    states = [list(part) for part in begin.view(n_layers, module.n_parts, size)]
    written = module.target.tables[0]
    said, looked, mark = [], [], module.config["n_outputs"] - 1
    for before, code in zip([mark, *target], [*target, mark], strict=True):
        d = walk(module.decoder.forward_layers, [written[before + 1]], states)[0]
        scores = torch.stack([d @ module.key.weight @ e for e in outputs])
        shares = torch.softmax(scores, 0)
        context = sum(a * e for a, e in zip(shares, outputs, strict=True))
        joined = module.join.weight @ torch.cat([context, d]) + module.join.bias
        head = module.head.weight @ torch.tanh(joined) + module.head.bias
        said.append(torch.log_softmax(head, 0)[code])
        looked.append(shares)
    return torch.stack(said), torch.stack(looked)


@pytest.mark.parametrize("engine", ["torch", "auto"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_target_is_as_probable_as_the_equations_say(cell, num_layers, engine):
    config = {**CONFIG, "cell": cell, "num_layers": num_layers, "engine": engine}
    module = make_transducer(config, seed=1).eval()
    sources, targets = [[0, 2, 3], [1], [3, 3, 0, 1, 2]], [[2, 0], [], [1, 1, 1, 0]]
    x = torch.zeros(3, 5, 1, dtype=torch.float64)
    written = torch.full((3, 5, 1), 3.0, dtype=torch.float64)
    for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
        x[row, : len(source), 0] = torch.tensor(source)
        written[row, 1 : 1 + len(target), 0] = torch.tensor(target)
    with torch.no_grad():
        lengths = torch.tensor([3, 1, 5])
        found = torch.log_softmax(module(x, written, lengths), dim=2)
        sequences = Sequences.from_arrays([np.array(s)[:, None] for s in sources])
        codes = [np.array(target, dtype=int) for target in targets]
        traced = log_probabilities(module, sequences, codes)
        shares = attention(module, sequences, codes)
        for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
            said, looked = by_hand(module, source, target)
            ends = torch.tensor([*target, 3])
            steps = torch.arange(len(ends))
            assert_allclose(found[row, steps, ends], said, rtol=1e-10)
            assert_allclose(traced[row], said, rtol=1e-10)
            assert_allclose(shares[row], looked, atol=1e-12)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gradients_are_finite_differences(cell):
    few = {"cell": cell, "num_layers": 2, "hidden_size": 2, "vectors": (2, 2)}
    module = make_transducer({**CONFIG, **few}, seed=2)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(4, (3, 4, 1), generator=generator).double()
    written = torch.randint(4, (3, 3, 1), generator=generator).double()
    lengths = torch.tensor([4, 2, 1])
    names = [name for name, _ in module.named_parameters()]

    def run(*weights):
        named = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(module, named, (x, written, lengths))

    weights = tuple(w.detach().clone().requires_grad_() for w in module.parameters())
    assert torch.autograd.gradcheck(run, weights, eps=1e-6, atol=1e-6)


def test_weights_are_counted_before_they_are_made():
    for cell, num_layers in product(CELLS, [1, 3]):
        config = {**CONFIG, "cell": cell, "num_layers": num_layers}
        module = TransducerModule(**{**config, "dtype": torch.float64})
        assert count_transducer(config) == sum(w.numel() for w in module.parameters())


# --- the search -----------------------------------------------------------------------


def all_targets(n_tokens, longest):
    return [
        codes
        for length in range(longest + 1)
        for codes in product(range(n_tokens), repeat=length)
    ]


def totals_of(module, source, targets):
    sequences = Sequences.from_arrays([np.array(source)[:, None]] * len(targets))
    codes = [np.array(target, dtype=int) for target in targets]
    return np.array(
        [each.sum() for each in log_probabilities(module, sequences, codes)]
    )


def test_all_targets_together_have_the_probability_one():
    module = make_transducer(CONFIG, seed=3).eval()
    ended = np.exp(totals_of(module, [0, 1, 2], all_targets(3, 4)))
    going = [codes for codes in all_targets(3, 5) if len(codes) == 5]
    sequences = Sequences.from_arrays([np.array([[0], [1], [2]])] * len(going))
    codes = [np.array(target) for target in going]
    said = log_probabilities(module, sequences, codes)
    longer = [each[:5].sum() for each in said]
    assert 0.1 < np.exp(longer).sum() < 0.9  # of all that have not ended by then
    assert_allclose(ended.sum() + np.exp(longer).sum(), 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_holds_everything_finds_the_best_target_there_is(seed):
    module = make_transducer(CONFIG, seed=seed).eval()
    sequences = Sequences.from_arrays([np.array([[0], [2]]), np.array([[1]])])
    targets = all_targets(3, 4)
    found = search(module, sequences, beam_size=400, max_length=4)
    for source, candidates in zip([[0, 2], [1]], found, strict=True):
        totals = totals_of(module, source, targets)
        lengths = np.array([len(target) + 1 for target in targets])
        order = np.argsort(-totals / lengths)
        assert [tuple(one.codes) for one in candidates[:20]] == [
            targets[k] for k in order[:20]
        ]
        assert_allclose(
            [one.log_probability for one in candidates[:20]], totals[order[:20]]
        )


def test_a_beam_of_one_takes_the_most_probable_token_each_time():
    for seed in range(5):
        module = make_transducer(CONFIG, seed=seed).eval()
        codes = []
        while len(codes) < 6:
            more = [log_next(module, [1, 0, 3], codes, code) for code in range(4)]
            best = int(np.argmax(more))
            if best == 3:
                break
            codes.append(best)
        sequences = Sequences.from_arrays([np.array([[1], [0], [3]])])
        [[candidate]] = search(module, sequences, beam_size=1, max_length=6)
        assert candidate.codes[:6] == codes


def test_a_good_candidate_is_not_given_up_because_worse_ones_have_ended():
    sounds = {"a": ["AH"], "b": ["B"], "c": ["K", "S"]}
    y = [[sound for letter in word for sound in sounds[letter]] for word in WORDS]
    model = small(hidden_size=32, max_epochs=30, lr=1e-2).fit(WORDS, y)
    assert model.set_params(beam_size=1).score(WORDS, y) == 1.0
    assert model.set_params(beam_size=6).score(WORDS, y) == 1.0


def log_next(module, source, before, code):
    """Logarithm of the probability of one token (3: the end) after others."""
    with torch.no_grad():
        said, _ = by_hand_next(module, source, before)
    return float(said[code])


def by_hand_next(module, source, before):
    x = torch.tensor(source, dtype=torch.float64)[None, :, None]
    written = torch.tensor([3, *before], dtype=torch.float64)[None, :, None]
    scores = module(x, written)
    return torch.log_softmax(scores[0, -1], 0), scores


def test_no_target_is_longer_than_asked_for(vague):
    for length in (1, 2):
        model = vague.__sklearn_clone__().set_params(max_length=length)
        model = model.fit(*make_words(60))
        assert max(map(len, model.predict(WORDS))) <= length
    assert max(map(len, vague.predict(["abcdef" * 3]))) <= 2 * vague.longest_


def test_candidates_differ_and_come_with_their_probabilities(vague):
    [candidates] = vague.predict_candidates(["abc"])
    texts = [text for text, _ in candidates]
    assert 2 <= len(set(texts)) == len(texts) <= vague.beam_size
    found = vague.score_samples(["abc"] * len(texts), texts)
    assert_allclose([total for _, total in candidates], found, rtol=1e-6)
    ranks = found / [len(text) + 1 for text in texts]
    assert (np.diff(ranks) <= 0).all()


# --- what it learns -------------------------------------------------------------------


def test_words_are_turned_that_were_not_seen(fitted):
    assert fitted.score(WORDS[1::2], TURNED[1::2]) > 0.9


def test_the_attention_goes_from_the_end_to_the_beginning(fitted):
    [shares] = fitted.attention(["abcab"], ["BACBA"])
    assert shares.shape == (6, 5)
    assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-6)
    assert_array_equal(shares[:5].argmax(axis=1), [4, 3, 2, 1, 0])
    assert_array_equal(fitted.attention(["abcab"])[0], shares)


@pytest.mark.slow
def test_dates_that_were_not_seen_become_what_computers_write():
    X, y = make_dates(3000, random_state=0)
    known = set(y[:2000])
    new = [k for k in range(2000, 3000) if y[k] not in known]
    model = Seq2SeqTransducer(random_state=0).fit(X[:2000], y[:2000])
    assert model.score([X[k] for k in new], [y[k] for k in new]) >= 0.95


def test_lists_of_tokens_become_lists_of_tokens():
    sounds = {"a": ["AH"], "b": ["B"], "c": ["K", "S"]}
    y = [[sound for letter in word for sound in sounds[letter]] for word in WORDS]
    model = small(hidden_size=32, max_epochs=30, lr=1e-2)
    model.fit([list(word) for word in WORDS], y)
    found = model.predict([["b", "a", "c", "a", "b"]])[0]
    assert found == ["B", "AH", "K", "S", "AH", "B"]


def test_sentences_are_cut_into_words():
    X = ["one two", "two one", "two two", "one one", "two"] * 4
    y = ["uno dos.", "dos uno.", "dos dos.", "uno uno.", "dos."] * 4
    model = small(level="word", max_epochs=100, lr=2e-2).fit(X, y)
    assert model.predict(["two one"])[0] == "dos uno."
    assert sorted(model.target_tokens_) == [".", "dos", "uno"]


@pytest.mark.parametrize(
    ("params", "y"),
    [
        ({"level": "word"}, ["I don't know", "it's well-known", "3.5 km/h"]),
        ({"level": "word", "token_pattern": r"\S+"}, ["a ,", "b .", "( c"]),
        ({"lowercase": True}, ["Ab", "Bc", "Ca"]),
    ],
)
def test_tokens_are_compared_and_not_how_they_are_joined(params, y):
    model = small(max_epochs=80, lr=2e-2, **params).fit(y * 4, y * 4)
    assert model.score(y, y) == 1.0
    scores, shares = model.score_samples(y, y), model.attention(y)
    assert (scores > -1).all()
    for one, other in zip(shares, model.attention(y, y), strict=True):
        assert_array_equal(one, other)


def test_a_target_may_be_empty():
    X = ["keep a", "drop a", "keep b", "drop b"] * 3
    y = ["a", "", "b", ""] * 3
    model = small(max_epochs=60, lr=2e-2).fit(X, y)
    assert model.predict(["drop b", "keep a"]).tolist() == ["", "a"]


def test_unknown_tokens_have_an_answer_and_no_probability(fitted):
    assert isinstance(fitted.predict(["axb"])[0], str)
    scores = fitted.score_samples(["ab", "ab"], ["BA", "BX"])
    assert np.isfinite(scores[0])
    assert scores[1] == -np.inf


def test_rare_tokens_are_not_written():
    X, y = [*WORDS, "ccca"], [*TURNED, "xCCC"]
    model = small(min_count=2).fit(X, y)
    assert "x" not in model.target_tokens_
    assert np.isfinite(model.history_[-1]["train_loss"])


# --- what users rely on ---------------------------------------------------------------


def test_a_weight_is_a_number_of_copies():
    X, y = make_words(40)
    weights = np.arange(40) % 3
    copies = np.repeat(np.arange(40), weights)
    one = small().fit(X, y, sample_weight=weights)
    other = small().fit([X[k] for k in copies], [y[k] for k in copies])
    assert_array_equal(one.score_samples(X, y), other.score_samples(X, y))


def test_the_order_of_the_pairs_makes_no_difference():
    X, y = make_words(40)
    turned = small().fit(X[::-1], y[::-1])
    assert_array_equal(
        small().fit(X, y).score_samples(X, y), turned.score_samples(X, y)
    )


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_answers_do_not_depend_on_company(engine):
    X, y = make_words(70, seed=1, longest=20)
    vague = small(hidden_size=37, max_epochs=2, engine=engine).fit(*make_words(60))
    together, scores = vague.predict_candidates(X), vague.score_samples(X, y)
    assert together == [vague.predict_candidates([x])[0] for x in X]
    alone = [vague.score_samples([a], [b])[0] for a, b in zip(X, y, strict=True)]
    assert_array_equal(scores, alone)
    shares = vague.attention(X, y)
    assert_array_equal(shares[3], vague.attention(X[3:4], y[3:4])[0])
    assert_array_equal(vague.transform(X)[5:6], vague.transform(X[5:6]))
    assert vague.transform(X).shape == (70, 74)


def test_an_embedding_holds_the_last_outputs_of_both_directions(vague):
    module = vague.module_
    codes = [vague.source_tokens_.tolist().index(letter) for letter in "abca"]
    x = torch.tensor([[[float(code)] for code in codes]])
    with torch.no_grad():
        outputs = module.encoder(module.source(x))[0]
    expected = torch.cat([outputs[-1, :16], outputs[0, 16:]])
    assert_allclose(vague.transform(["abca"])[0], expected, rtol=1e-5)


def test_a_seed_decides_everything_and_no_global_one_is_used():
    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    one, same, other = (small(random_state=s).fit(*make_words(40)) for s in (1, 1, 2))
    assert one.predict_candidates(WORDS) == same.predict_candidates(WORDS)
    assert one.predict_candidates(WORDS) != other.predict_candidates(WORDS)
    assert_array_equal(before[0], np.random.get_state()[1])
    assert torch.equal(before[1], torch.get_rng_state())


@pytest.mark.parametrize("how", ["pickle", "file"])
def test_a_copy_gives_the_same_answers_and_learns_further(vague, how, tmp_path):
    if how == "pickle":
        copy = pickle.loads(pickle.dumps(vague))
    else:
        save(vague, tmp_path / "model.skrnn")
        copy = load(tmp_path / "model.skrnn")
    assert copy.predict_candidates(WORDS) == vague.predict_candidates(WORDS)
    more = [
        model.partial_fit(WORDS, TURNED)
        for model in (copy, pickle.loads(pickle.dumps(vague)))
    ]
    assert more[0].predict_candidates(WORDS) == more[1].predict_candidates(WORDS)
    assert copy.n_iter_ == vague.n_iter_ + 1


def test_a_file_with_sizes_of_another_network_is_refused(vague, tmp_path):
    state = vague.__getstate__()
    state["net_"]["config"]["hidden_size"] = 10**6
    with pytest.raises(ValueError, match="are not the weights of a network"):
        vague.__sklearn_clone__().__setstate__(state)


def test_a_killed_fit_goes_on(tmp_path, monkeypatch):
    X, y = make_words(40)
    params = {"max_epochs": 4, "checkpoint": str(tmp_path / "fit")}
    monkeypatch.setattr("skrnn._checkpoints.SECONDS", 0.0)
    whole = small(max_epochs=4).fit(X, y)

    class Killed(Exception):
        pass

    class Kill(skrnn._training.Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise Killed

    with pytest.raises(Killed):
        small(**params, callbacks=[Kill()]).fit(X, y)
    found = small(**params).fit(X, y)
    assert_array_equal(found.score_samples(X, y), whole.score_samples(X, y))


def test_training_goes_on_from_what_was_learned(vague):
    model = pickle.loads(pickle.dumps(vague)).set_params(warm_start=True)
    model.fit(*make_words(60))
    assert model.n_iter_ == 2 * vague.n_iter_
    with pytest.raises(ValueError, match="hidden_size"):
        model.set_params(hidden_size=8).fit(*make_words(60))
    model.set_params(hidden_size=16, engine="torch")
    assert model.fit(*make_words(60)).n_iter_ == 6


def test_early_stopping_keeps_the_best_weights():
    X, y = make_words(60)
    model = small(early_stopping=True, n_iter_no_change=2, max_epochs=40, lr=0.05)
    model.fit(X, y, X_val=X[:20], y_val=["AB"] * 20)  # which it can only unlearn
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert len(losses) < 40
    best = -model.score_samples(X[:20], ["AB"] * 20).mean() / 3
    assert_allclose(best, min(losses), rtol=1e-4)


def test_a_search_needs_nothing_special():
    X, y = make_words(60)
    params = {"hidden_size": 32, "max_epochs": 60}
    search = GridSearchCV(small(**params), {"lr": [1e-5, 2e-2]}, cv=2)
    search.fit(X, y)
    assert search.best_params_ == {"lr": 2e-2}
    best = GridSearchCV(
        small(**params), {"lr": [2e-2]}, cv=2, scoring=exact_match_scorer
    )
    assert best.fit(X, y).best_score_ == search.best_score_ > 0.0
    assert cross_val_predict(small(), X, np.array(y, dtype=object), cv=2).shape == (60,)
    assert clone(search.best_estimator_).get_params()["lr"] == 2e-2


def test_both_engines_and_precisions_agree():
    X, y = make_words(30)
    models = [
        small(engine=engine, dtype="float64").fit(X, y) for engine in ("torch", "auto")
    ]
    assert_allclose(*(model.score_samples(X, y) for model in models), rtol=1e-8)


def test_losses_are_means_over_tokens():
    X, y = make_words(40)
    model = small(lr=1e-12, max_epochs=1, dropout=0.0, weight_decay=0.0).fit(X, y)
    distinct = sorted(set(zip(X, y, strict=True)))
    counts = [X.count(x) for x, _ in distinct]
    total = model.score_samples(*map(list, zip(*distinct, strict=True)))
    n_tokens = [len(target) + 1 for _, target in distinct]
    mean = -(total * counts).sum() / np.dot(n_tokens, counts)
    assert_allclose(model.history_[0]["train_loss"], mean, rtol=1e-4)


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (["a", ""], ["b", "c"], r"X\[1\] has no tokens"),
        (["a", "b"], ["b"], "y has 1 values for 2 sequences in X"),
        (["a", "b"], None, "requires y"),
        ("ab", ["b", "c"], "X is a str"),
        (["a", "b"], "cd", "y is a str"),
        ([], [], "X is empty"),
        (["a", "b"], ["", ""], "All targets in y are empty"),
    ],
)
def test_pairs_that_are_wrong_are_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        small().fit(X, y)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (["a", 3], ["b", "c"], r"X\[1\] is 3"),
        (["a", "b"], ["b", None], r"y\[1\] is None"),
        (["a", "b"], [["b"], [1]], r"y\[1\] holds 1"),
        (["a", "b"], [["b"], "b"], r"y\[1\] is a text, but y\[0\] holds tokens"),
    ],
)
def test_what_is_no_text_is_named(X, y, message):
    with pytest.raises(TypeError, match=message):
        small().fit(X, y)


def test_a_validation_set_does_not_change_the_form_of_answers():
    model = small().fit(WORDS, TURNED, X_val=[["a"]], y_val=[["A"]])
    assert isinstance(model.predict(["ab"])[0], str)


@pytest.mark.parametrize("X", [None, 3, "ab", [], ["a", None]])
def test_what_cannot_be_read_is_refused_by_every_method(vague, X):
    for method in (vague.predict, vague.predict_candidates, vague.transform):
        with pytest.raises((TypeError, ValueError), match="X"):
            method(X)


def test_what_is_wrong_is_quoted_as_it_is():
    with pytest.raises(TypeError, match=r"y\[0\] is {'X': 1}, a dict"):
        small().fit(["a", "b"], [{"X": 1}, "b"])


def test_a_fit_that_fails_changes_nothing(vague):
    model = pickle.loads(pickle.dumps(vague))
    with pytest.raises(ValueError, match="no tokens"):
        model.fit(["abc", ""], ["x", "y"])
    assert model.predict_candidates(WORDS) == vague.predict_candidates(WORDS)


@pytest.mark.parametrize(
    "params",
    [{"beam_size": 0}, {"beam_size": "a"}, {"beam_size": 10**9}, {"max_length": -3}],
)
def test_what_may_be_set_after_fit_is_checked_by_predict(vague, params):
    model = pickle.loads(pickle.dumps(vague)).set_params(**params)
    with pytest.raises(ValueError, match=next(iter(params))):
        model.predict(["ab"])


@pytest.mark.parametrize("name", ["beam_size", "max_length", "hidden_size"])
def test_sizes_must_be_counts(name):
    with pytest.raises(ValueError, match=name):
        small(**{name: 0}).fit(WORDS, TURNED)


# --- scores ---------------------------------------------------------------------------


def test_exact_matches_are_counted_with_weights():
    assert exact_match_score(["a", "b", "c"], ["a", "x", "c"]) == 2 / 3
    weighted = exact_match_score(["a", "b"], ["a", "x"], sample_weight=[3, 1])
    assert weighted == 0.75
    assert exact_match_score([["a", "b"]], np.array([["a", "b"]])) == 1.0
    with pytest.raises(ValueError, match="y_true has 1 sequences, y_pred has 2"):
        exact_match_score(["a"], ["a", "b"])


def test_bleu_is_that_of_its_paper():
    true, predicted = [list("abcdefgh")], [list("abcdxfgh")]
    precisions = [7 / 8, 5 / 7, 3 / 6, 1 / 5]  # of runs of one to four tokens
    expected = 100 * np.exp(np.mean(np.log(precisions)))
    assert_allclose(bleu_score(true, predicted), expected)
    shorter = [list("abcdef")]  # all its runs are right, but it is too short
    assert_allclose(bleu_score(true, shorter), 100 * np.exp(1 - 8 / 6))
    assert_allclose(bleu_score(["a b c d e"], ["a b c d e"]), 100.0)


def test_chrf_is_that_of_its_paper():
    assert_allclose(chrf_score(["abcdefgh"], ["abcdefgh"]), 100.0)
    precisions = [7 / 8, 5 / 7, 3 / 6, 1 / 5, 0 / 4, 0 / 3]  # of runs of one to six
    expected = 100 * np.mean(precisions)  # equal to the recalls, so also to F
    assert_allclose(chrf_score(["abcdefgh"], ["abcdxfgh"]), expected)


def test_texts_are_not_compared_with_tokens():
    for score in (exact_match_score, bleu_score, chrf_score):
        with pytest.raises(ValueError, match=r"y_true\[0\] is a text, but y_pred\[0\]"):
            score(["a b c d"], [["a", "b", "c", "d"]])
        with pytest.raises(TypeError, match="y_true is a str, expected a list"):
            score("abc", "abx")
        with pytest.raises(TypeError, match=r"y_pred\[1\] is 3, a int, expected"):
            score(["a", "b"], ["a", 3])
    with pytest.raises(ValueError, match=r"y_true\[0\] holds the token 'a b'"):
        bleu_score([["a b", "c"]], [["a", "b c"]])
