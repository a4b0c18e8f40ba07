"""The recommender, compared with plain loops, known chains and counts."""

import pickle
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

import skrnn
from skrnn import (
    NextItemRecommender,
    _checkpoints,
    _recommenders,
    leave_last_out,
)
from skrnn.datasets import make_sessions
from skrnn.metrics import make_next_item_scorer, mrr_at_k, recall_at_k

SMALL = {"hidden_size": 8, "max_epochs": 3, "lr": 1e-2, "random_state": 0}
SHOP = [
    ["tea", "cup", "milk"],
    ["tea", "milk"],
    ["cup", "tea", "cup", "spoon", "tea"],
    ["spoon"],
    ["milk", "tea", "cup"],
    ["sugar", "tea"],
]
CONTEXTS = [["tea"], [], ["cup", "tea"], ["coffee", "tea"], ["spoon"] * 5, ["sugar"]]


def small(**params):
    return NextItemRecommender(**{**SMALL, **params})


@pytest.fixture(scope="module")
def shop():
    return small().fit(SHOP)


@pytest.fixture(scope="module")
def habits():
    """Sessions to learn from and to judge by, and a model."""
    sessions = make_sessions(400, random_state=0)
    model = NextItemRecommender(32, lr=1e-2, max_epochs=25, random_state=0)
    return sessions[:300], sessions[300:], model.fit(sessions[:300])


def same(one, other, X=CONTEXTS):
    return np.array_equal(one.predict_proba(X), other.predict_proba(X))


# --- what is computed -------------------------------------------------------------


def by_hand(model, session):
    """Probabilities of the next item, from the weights and the equations alone."""
    module = model.module_
    table = module.embedding.tables[0].detach().double()
    items = model.items_.tolist()
    rows = [len(items) + 1]  # the mark of the beginning; 0 is what is unknown
    rows += [items.index(item) + 1 if item in items else 0 for item in session]
    x = table[rows]
    for layer in module.encoder.forward_layers:
        w_ih, w_hh, b_ih, b_hh = (p.detach().double() for p in layer.parameters())
        state, after = torch.zeros(layer.hidden_size, dtype=torch.float64), []
        for step in x:
            (ri, zi, ni), (rh, zh, nh) = (
                (w_ih @ step + b_ih).chunk(3),
                (w_hh @ state + b_hh).chunk(3),
            )
            reset, update = torch.sigmoid(ri + rh), torch.sigmoid(zi + zh)
            state = (1 - update) * torch.tanh(ni + reset * nh) + update * state
            after.append(state)
        x = torch.stack(after)
    weight, bias = (p.detach().double() for p in module.head.parameters())
    return softmax((weight @ x[-1] + bias).numpy())


@pytest.mark.parametrize(
    "params",
    [{}, {"engine": "torch"}, {"num_layers": 2, "engine": "torch", "hidden_size": 5}],
)
def test_probabilities_are_those_of_a_loop_over_the_equations(params):
    model = small(**params).fit(SHOP)
    expected = [by_hand(model, session) for session in CONTEXTS]
    np.testing.assert_allclose(model.predict_proba(CONTEXTS), expected, atol=1e-6)


def test_the_embedding_is_what_the_head_sees(shop):
    embedding, head = shop.transform(CONTEXTS), shop.module_.head
    weight, bias = (p.detach().numpy().astype(float) for p in head.parameters())
    assert embedding.shape == (len(CONTEXTS), 8)
    np.testing.assert_allclose(
        softmax(embedding @ weight.T + bias, axis=1),
        shop.predict_proba(CONTEXTS),
        atol=1e-6,
    )


def test_the_probabilities_of_a_chain_are_learned():
    chain = np.array([[0.1, 0.6, 0.3], [0.5, 0.1, 0.4], [0.2, 0.7, 0.1]])
    rng, sessions = np.random.default_rng(0), []
    for _ in range(400):
        session = [int(rng.integers(3))]
        for _ in range(14):
            session.append(int(rng.choice(3, p=chain[session[-1]])))
        sessions.append(session)
    model = NextItemRecommender(16, lr=1e-2, max_epochs=20, random_state=0)
    found = model.fit(sessions).predict_proba([[2, 1, 0], [0, 1], [1, 1, 0, 2], []])
    np.testing.assert_allclose(found, [*chain, [1 / 3] * 3], atol=0.07)


def test_what_the_last_item_does_not_tell_is_learned(habits):
    train, test, model = habits
    popular = [
        item for item, _ in Counter(np.concatenate(train).tolist()).most_common()
    ]
    follows = defaultdict(Counter)
    for session in train:
        for item, following in pairwise(session):
            follows[item][following] += 1
    pairs = [(a, b) for one in test for a, b in pairwise(one)]
    true = [b for _, b in pairs]
    by_count = recall_at_k(true, [popular[:5]] * len(pairs))
    by_last = [[i for i, _ in follows[a].most_common()] + popular for a, _ in pairs]
    by_last = recall_at_k(true, [ranked[:5] for ranked in by_last])
    assert max(by_count, by_last) < 0.2
    assert make_next_item_scorer(k=5)(model, test) > 0.6


# --- recommendations ------------------------------------------------------------------


def test_recommendations_are_ordered_by_probability(shop):
    probabilities = shop.predict_proba(CONTEXTS)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    assert shop.recommend(CONTEXTS, k=5).tolist() == shop.items_[order].tolist()
    assert shop.recommend(CONTEXTS, 2).tolist() == shop.items_[order[:, :2]].tolist()
    assert shop.predict(CONTEXTS).tolist() == shop.items_[order[:, 0]].tolist()
    assert shop.classes_.tolist() == ["cup", "milk", "spoon", "sugar", "tea"]


def test_equally_probable_items_come_in_the_order_of_items(shop):
    model = pickle.loads(pickle.dumps(shop))
    with torch.no_grad():
        model.module_.head.weight.zero_()
        model.module_.head.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0]))
    assert model.recommend([[]], k=4).tolist() == [["milk", "sugar", "cup", "spoon"]]
    assert model.rank([[]] * 5, model.items_).tolist() == [3, 1, 4, 2, 5]


def test_items_that_were_seen_can_be_left_out(shop):
    everything = shop.recommend(CONTEXTS, k=5)
    found = shop.recommend(CONTEXTS, k=3, exclude_seen=True)
    for session, ranked, row in zip(CONTEXTS, everything, found, strict=True):
        assert row.tolist() == [i for i in ranked if i not in session][:3]


def test_a_session_that_has_seen_too_much_is_named(shop):
    sessions = [["tea"], ["tea", "cup", "milk", "tea", "coffee"]]
    with pytest.raises(ValueError, match=r"X\[1\] holds all but 2 of the 5 items.*k=2"):
        shop.recommend(sessions, k=3, exclude_seen=True)
    assert shop.recommend(sessions, k=2, exclude_seen=True).shape == (2, 2)


@pytest.mark.parametrize("k", [0, 6, 2.0, None, "5"])
def test_more_than_there_is_cannot_be_recommended(shop, k):
    with pytest.raises(ValueError, match=r"k is .*, expected a count from 1 to 5"):
        shop.recommend(CONTEXTS, k=k)


def test_what_is_unknown_is_one_category(shop):
    found = shop.predict_proba([["coffee", "tea"], ["lemon", "tea"]])
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize("kind", [np.int64, int, np.uint8, str, np.str_])
def test_items_keep_their_type(kind):
    sessions = [[kind(item) for item in one] for one in ([3, 20, 100], [20, 3], [100])]
    model = small().fit(sessions)
    items = ["100", "20", "3"] if issubclass(kind, str) else [3, 20, 100]
    assert model.items_.tolist() == items
    assert {type(item) for item in model.recommend([[]], k=3)[0].tolist()} == {
        type(items[0])
    }
    assert same(model, small().fit([*map(np.array, sessions)]), sessions)


def test_whole_numbers_may_be_large_or_negative():
    sessions = [[2**70, -5, 3], [3, -5]]
    model = small().fit(sessions)
    assert model.items_.tolist() == [-5, 3, 2**70]
    assert same(pickle.loads(pickle.dumps(model)), model, sessions)
    small().fit([[1, 2], [2, 1]]).predict_proba([[2**70], [-(2**70)]])


def test_sessions_come_in_many_containers():
    expected = small().fit([[1, 2], [2, 1], [1, 1]])
    table = pd.DataFrame({"who": [0, 0, 1, 1, 2, 2], "what": [1, 2, 2, 1, 1, 1]})
    for X in (
        np.array([[1, 2], [2, 1], [1, 1]]),
        table.groupby("who")["what"].agg(list),
        ((1, 2), (2, 1), (1, 1)),
        [pd.Series([1, 2]), np.array([2, 1], dtype=object), range(1, 2), [1]],
    ):
        model = small().fit(X)
        assert model.items_.tolist() == [1, 2]
        assert len(X) == 4 or same(model, expected, [[1], [2, 1]])


def test_rare_items_are_unknown():
    model = small(min_count=2).fit(SHOP)
    assert model.items_.tolist() == ["cup", "milk", "spoon", "tea"]
    assert small(max_items=2).fit(SHOP).items_.tolist() == ["cup", "tea"]
    assert np.isinf(model.rank([["tea"]], ["sugar"]))
    found = model.predict_proba([["sugar"], ["coffee"]])
    assert np.array_equal(found[0], found[1])
    with pytest.raises(ValueError, match="No item comes up 50 times"):
        small(min_count=50).fit(SHOP)


def test_blocks_of_the_head_make_no_difference(shop, monkeypatch):
    expected, ranked = shop.predict_proba(CONTEXTS), shop.recommend(CONTEXTS, k=4)
    monkeypatch.setattr(_recommenders, "NUMBERS_IN_A_BLOCK", 11)
    assert np.array_equal(shop.predict_proba(CONTEXTS), expected)
    assert np.array_equal(shop.recommend(CONTEXTS, k=4), ranked)


# --- scores -------------------------------------------------------------------------


def test_ranks_are_those_of_every_prefix(shop):
    sessions = [*SHOP, ["tea", "coffee", "cup"], []]
    expected = []
    for session in sessions:
        for place in range(1, len(session)):
            ranked = shop.recommend([session[:place]], k=5)[0].tolist()
            true = session[place]
            expected.append(1 + ranked.index(true) if true in ranked else np.inf)
    assert shop.rank(sessions).tolist() == expected
    for k in (1, 2):
        score = make_next_item_scorer(k=k)(shop, sessions)
        assert score == pytest.approx(np.mean(np.array(expected) <= k))


def test_scores_of_given_items_are_those_of_recommendations(habits):
    _, test, model = habits
    _, contexts, y = leave_last_out(test)
    y[:5] = 1000  # unknown: missed
    recommended = model.recommend(contexts, 20)
    assert model.score(contexts, y) == recall_at_k(y, recommended)
    for k in (1, 7):
        for metric, compute in [("recall", recall_at_k), ("mrr", mrr_at_k)]:
            found = make_next_item_scorer(metric, k)(model, contexts, y)
            assert found == pytest.approx(compute(y, recommended, k))


def test_the_score_of_few_items_is_no_score(shop):
    with pytest.warns(UserWarning, match="only 5 items.*smaller k"):
        assert shop.score(SHOP) == 1.0


def test_sessions_can_be_searched_without_targets(habits):
    train, _, _ = habits
    grid = {"lr": [1e-5, 1e-2]}
    search = GridSearchCV(small(hidden_size=16, max_epochs=8), grid, cv=2)
    assert search.fit(train[:150]).best_params_ == {"lr": 1e-2}
    search.set_params(scoring=make_next_item_scorer("mrr", 5)).fit(train[:150])
    assert search.best_params_ == {"lr": 1e-2}
    assert 0 < search.score(train[150:]) < 1
    assert search.score(train[150:]) == make_next_item_scorer("mrr", 5)(
        search, train[150:]
    )
    with pytest.raises(TypeError, match="GridSearchCV has no method rank"):
        make_next_item_scorer()(GridSearchCV(small(), grid), train)


# --- fit -----------------------------------------------------------------------------


@pytest.mark.parametrize("min_count", [1, 2])
def test_weights_are_copies(min_count):
    weights = [1, 2, 1, 3, 1, 0]
    copies = [one for one, n in zip(SHOP, weights, strict=True) for _ in range(n)]
    weighted = small(min_count=min_count).fit(SHOP, sample_weight=weights)
    copied = small(min_count=min_count).fit(copies)
    assert weighted.items_.tolist() == copied.items_.tolist()
    assert same(weighted, copied)
    assert not same(weighted, small(min_count=min_count).fit(SHOP[:-1]))


def test_small_weights_leave_items_known():
    model = small().fit(SHOP, sample_weight=np.full(6, 1e-3))
    assert model.items_.tolist() == ["cup", "milk", "spoon", "sugar", "tea"]


def test_order_makes_no_difference(shop):
    assert same(small().fit(SHOP[::-1]), shop)


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_companions_make_no_difference(engine):
    model = small(engine=engine).fit(SHOP)
    together = model.predict_proba([*CONTEXTS, ["tea"] * 40])
    alone = [model.predict_proba([session])[0] for session in CONTEXTS]
    assert np.array_equal(together[:-1], alone)


def test_the_seed_decides_and_the_global_one_is_left_alone():
    numbers, tensors = np.random.get_state()[1].copy(), torch.get_rng_state()
    dropped = {"dropout": 0.3, "item_dropout": 0.2}
    one, again = small(**dropped).fit(SHOP), small(**dropped).fit(SHOP)
    assert same(one, again)
    assert not same(one, small(**{**dropped, "random_state": 1}).fit(SHOP))
    assert np.array_equal(np.random.get_state()[1], numbers)
    assert torch.equal(torch.get_rng_state(), tensors)


def test_items_are_dropped_while_training():
    assert not same(small(item_dropout=0.5).fit(SHOP), small().fit(SHOP))


def test_models_are_cloned_pickled_and_saved(shop, tmp_path):
    assert same(clone(shop).fit(SHOP), shop)
    assert same(pickle.loads(pickle.dumps(shop)), shop)
    for model in (shop, small().fit([[1, 2], [2, 1]])):
        skrnn.save(model, tmp_path / "shop.skrnn")
        loaded = skrnn.load(tmp_path / "shop.skrnn")
        assert loaded.items_.dtype == model.items_.dtype
        X = [model.items_[:2]]
        assert np.array_equal(loaded.recommend(X, 2), model.recommend(X, 2))
        assert same(loaded, model, X)


def test_a_fit_that_was_killed_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoints, "SECONDS", 0.0)
    keep, path = _checkpoints.Checkpoint.keep, tmp_path / "fit.checkpoint"

    def keep_and_die(self, state):
        keep(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_checkpoints.Checkpoint, "keep", keep_and_die)
        with pytest.raises(KeyboardInterrupt):
            small(checkpoint=path).fit(SHOP)
    assert path.exists()
    assert same(small(checkpoint=path).fit(SHOP), small().fit(SHOP))


def test_training_begins_with_given_vectors():
    vectors = np.random.default_rng(0).normal(size=(5, 3))
    model = small(embedding=vectors, lr=1e-12, dtype="float64").fit(SHOP)
    table = model.module_.embedding.tables[0].detach().numpy()
    np.testing.assert_allclose(table[1:-1], vectors, atol=1e-6)
    with pytest.raises(ValueError, match="embedding"):
        small(embedding=vectors[:3]).fit(SHOP)


def test_training_goes_on():
    model = small(warm_start=True).fit(SHOP)
    before = model.predict_proba(CONTEXTS)
    model.fit(SHOP)
    assert len(model.history_) == 6
    assert not np.array_equal(model.predict_proba(CONTEXTS), before)
    assert model.fit([["lemon", "tea"]]).items_.tolist() == [
        *["cup", "milk", "spoon", "sugar", "tea"]
    ]


def test_parts_are_learned_one_after_another():
    model = small(dropout=0.0, item_dropout=0.0)
    for _ in range(40):
        model.partial_fit(SHOP[:3]).partial_fit(SHOP[3:])
    assert model.items_.tolist() == ["cup", "milk", "spoon", "tea"]
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"] / 2
    with pytest.raises(ValueError, match="X holds none of the items"):
        model.partial_fit([["lemon", "coffee"]])


def test_training_stops_early(habits):
    train, test, _ = habits
    params = {"early_stopping": True, "n_iter_no_change": 2, "max_epochs": 60}
    model = small(hidden_size=32, lr=3e-2, **params).fit(train[:60], X_val=test)
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert len(losses) < 60
    assert np.argmin(losses) == len(losses) - 3
    own = small(hidden_size=32, lr=3e-2, **params).fit(train[:60])
    assert len(own.history_) < 60
    with pytest.raises(ValueError, match="X holds none of the items"):
        small(**params).fit(train, X_val=[[1000, 1001]])


def test_a_stream_gives_the_same_probabilities(shop):
    state = shop.initial_state(2)
    sessions = [["tea", "coffee", "cup"], ["milk", "tea", "tea"]]
    for place in range(3):
        items = [session[place] for session in sessions]
        found, state = shop.step(items, state)
        expected = shop.predict_proba([session[: place + 1] for session in sessions])
        np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(ValueError, match="x has 1 items, but the state is that of 2"):
        shop.step(["tea"], state)
    with pytest.raises(TypeError, match="x is 'tea'"):
        shop.step("tea", state)


def test_a_recommender_is_no_classifier(shop):
    tags = get_tags(shop)
    assert tags.estimator_type == "recommender"
    assert tags.target_tags.required is False


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "X is empty"),
        ("tea", TypeError, "X is a str, expected a list of sessions"),
        (7, TypeError, "X is a int, expected a list of sessions"),
        (pd.DataFrame({"a": [1]}), TypeError, r"X is a DataFrame.*groupby"),
        ({"a": ["tea"]}, TypeError, "X is a dict"),
        ({("tea",)}, TypeError, "X is a set, expected a list of sessions"),
        ((["tea"] for _ in range(2)), TypeError, "X is a generator"),
        ([{"tea", "cup"}], TypeError, r"X\[0\] is \{.*\}, a set, expected a list"),
        ([iter(["tea"])], TypeError, r"X\[0\] is .*, a list_iterator"),
        ([np.array(5)], TypeError, r"X\[0\] is array\(5\), a ndarray"),
        ([[b"tea"]], TypeError, r"X\[0\]\[0\] is b'tea', a bytes"),
        (["tea", "cup"], TypeError, r"X\[0\] is 'tea', a str, expected a list"),
        ([1, 2], TypeError, r"X\[0\] is 1, a int.*list in a list"),
        ([["tea"], 3], TypeError, r"X\[1\] is 3, a int, expected a list"),
        ([["tea"], []], ValueError, r"X\[1\] is an empty session: drop it"),
        ([["tea"], ["cup", None]], TypeError, r"X\[1\]\[1\] is None.*Drop what is"),
        ([["tea", np.nan]], TypeError, r"X\[0\]\[1\] is nan, a float.*Drop what"),
        ([[1, 2.0]], TypeError, r"X\[0\]\[1\] is 2.0.*astype\(int\)"),
        ([np.array([1.0, 2.0])], TypeError, r"X\[0\]\[0\] is 1.0.*astype\(int\)"),
        ([[True]], TypeError, r"X\[0\]\[0\] is True, a bool"),
        (
            [[["tea", "cup"]]],
            TypeError,
            r"X\[0\]\[0\] is \['tea', 'cup'\], a list.*one",
        ),
        ([["tea"], [5]], TypeError, r"X\[1\]\[0\] is 5.*X\[0\]\[0\] is one of the str"),
        (
            [[5, "tea"]],
            TypeError,
            r"X\[0\]\[1\] is 'tea'.*X\[0\]\[0\] is one of the wh",
        ),
    ],
)
def test_what_is_no_session_is_named(X, error, message):
    with pytest.raises(error, match=message):
        small().fit(X)


def test_items_of_another_type_than_in_fit_are_named(shop):
    for call in (shop.predict, shop.predict_proba, shop.transform, shop.rank):
        with pytest.raises(TypeError, match=r"X\[1\]\[0\] is 5.*fit has seen strings"):
            call([["tea"], [5]])
    with pytest.raises(TypeError, match=r"y\[0\] is 5, a int, but fit has seen"):
        shop.rank([["tea"]], [5])


def test_targets_of_another_number_are_refused(shop):
    with pytest.raises(ValueError, match="y has 1 items for 2 sessions"):
        shop.rank([["tea"], ["cup"]], ["tea"])
    with pytest.raises(ValueError, match="No session in X has a second item"):
        shop.score([["tea"], []])


def test_a_fit_that_fails_changes_nothing(shop):
    model = pickle.loads(pickle.dumps(shop))
    with pytest.raises(TypeError, match="a int"):
        model.fit([["tea"], [5]])
    with pytest.raises(ValueError, match="'item_dropout' parameter"):
        model.set_params(item_dropout=1.0).fit(SHOP)
    with pytest.raises(ValueError, match="sample_weight has 2 values for 6"):
        model.set_params(item_dropout=0.0).fit(SHOP, sample_weight=[1, 2])
    assert same(model, shop)
    assert vars(model).keys() == vars(shop).keys()


def test_nothing_is_recommended_before_a_fit():
    model = NextItemRecommender()
    for call in (model.predict, model.recommend, model.score, model.transform):
        with pytest.raises(NotFittedError):
            call(SHOP)
    with pytest.raises(NotFittedError):
        model.initial_state()


# --- leave_last_out ---------------------------------------------------------------


def test_the_last_items_are_foreseen_from_all_before():
    sessions = [[1, 2, 3, 4], np.array([5, 6]), [7]]
    train, contexts, y = leave_last_out(sessions)
    assert train == [[1, 2, 3], [5], [7]]
    assert contexts == [[1, 2, 3], [5]]
    assert y.tolist() == [4, 6]
    train, contexts, y = leave_last_out(sessions, n_last=2)
    assert train == [[1, 2], [5, 6], [7]]
    assert contexts == [[1, 2], [1, 2, 3]]
    assert y.tolist() == [3, 4]


@pytest.mark.parametrize("n_last", [0, -1, 1.5])
def test_the_number_of_last_items_is_a_count(n_last):
    with pytest.raises(ValueError, match="expected a count from 1 on"):
        leave_last_out(SHOP, n_last)


def test_sessions_that_are_too_short_are_named():
    with pytest.raises(ValueError, match=r"No session has more than 5 items.*has 5"):
        leave_last_out(SHOP, n_last=5)
    with pytest.raises(TypeError, match=r"sessions\[0\]\[0\] is 1.5"):
        leave_last_out([[1.5]])


def test_a_part_without_known_items_is_not_validated_on():
    sessions = [["a", "b"] * 4] + [[f"u{k}", f"v{k}"] for k in range(20)]
    for seed in range(3):
        model = small(min_count=3, early_stopping=True, random_state=seed)
        with pytest.raises(ValueError, match="early_stopping leaves nothing to"):
            model.fit(sessions)


def test_a_scorer_is_equal_to_one_like_it():
    assert make_next_item_scorer("mrr", 5) == make_next_item_scorer("mrr", k=5)
    assert make_next_item_scorer("mrr", 5) != make_next_item_scorer("recall", k=5)


def test_sessions_of_all_items_leave_none_to_recommend():
    model = small().fit([["a", "b"], ["b", "a"]])
    message = r"leaves fewer than k=1: use exclude_seen=False\."
    with pytest.raises(ValueError, match=message):
        model.recommend([["a", "b"]], k=1, exclude_seen=True)
