"""Scores of steps and items: cases by hand, and other ways to compute them."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, r2_score

from skrnn import metrics
from skrnn.metrics import (
    entity_f1_score,
    flatten_steps,
    make_next_item_scorer,
    mrr_at_k,
    recall_at_k,
    step_accuracy_score,
    step_f1_score,
    step_r2_score,
)

TAGS = st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y", "B", "I"])


def starts(before, tag):
    """Whether an entity starts at a tag: the table of conlleval."""
    (a, s), (b, t) = ([*each.split("-"), ""][:2] for each in (before, tag))
    return b == "B" or (b == "I" and (a == "O" or s != t))


def ends(tag, after):
    """Whether an entity ends at a tag."""
    (a, s), (b, t) = ([*each.split("-"), ""][:2] for each in (tag, after))
    return a != "O" and (b in "BO" or s != t)


def conlleval(y_true, y_pred):
    """F1 by walking over both at once, as the script does."""
    n_true = n_found = n_right = 0
    for one, other in zip(y_true, y_pred, strict=True):
        open_ = False
        one, other = (["O", *tags, "O"] for tags in (one, other))
        for k in range(1, len(one)):
            pairs = [(tags[k - 1], tags[k]) for tags in (one, other)]
            (true_ends, other_ends) = (ends(*pair) for pair in pairs)
            if open_:
                if true_ends and other_ends:
                    n_right, open_ = n_right + 1, False
                elif true_ends != other_ends:
                    open_ = False
            true_starts, other_starts = (starts(*pair) for pair in pairs)
            n_true, n_found = n_true + true_starts, n_found + other_starts
            same_type = one[k].split("-")[1:] == other[k].split("-")[1:]
            if true_starts and other_starts and same_type:
                open_ = True
    precision = n_right / n_found if n_found else 0.0
    recall = n_right / n_true if n_true else 0.0
    return 2 * precision * recall / (precision + recall) if n_right else 0.0


@pytest.mark.parametrize(
    ("true", "predicted", "f1"),
    [
        ("B-x I-x O", "B-x I-x O", 1.0),
        ("B-x I-x O", "B-x O O", 0.0),  # the end is wrong
        ("B-x I-x O", "B-y I-y O", 0.0),  # the type is
        ("O I-x I-x", "O B-x I-x", 1.0),  # I after O begins
        ("B-x I-y", "B-x B-y", 1.0),  # so does I after another type
        ("B-x B-x", "B-x I-x", 0.0),  # two entities are not one
        ("B-x O B-y", "B-x O O", 2 / 3),
        ("B-x O O", "B-x O B-y", 2 / 3),
        ("B I O B", "B I O B", 1.0),  # without types
        ("B-a-b O", "B-a-b O", 1.0),  # with a hyphen inside
        ("O O", "O O", 0.0),  # as conlleval says of nothing
    ],
)
def test_entities_by_hand(true, predicted, f1):
    assert entity_f1_score([true.split()], [predicted.split()]) == pytest.approx(f1)


def test_no_entity_reaches_into_the_next_sequence():
    assert entity_f1_score([["B-x"], ["I-x"]], [["B-x"], ["B-x"]]) == 1.0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1), min_size=1, max_size=4))
def test_entities_agree_with_a_walk_over_both(pairs):
    y_true = [[true for true, _ in sequence] for sequence in pairs]
    y_pred = [[predicted for _, predicted in sequence] for sequence in pairs]
    expected = conlleval(y_true, y_pred)
    assert entity_f1_score(y_true, y_pred) == pytest.approx(expected)


@pytest.mark.parametrize("tag", ["S-x", "b-x", "O-x", "", 3])
def test_other_tags_are_refused_with_their_place(tag):
    y = [["O"], ["O", "B-x", tag]]
    with pytest.raises(ValueError, match=r"y_true\[1\]\[2\] is .*expected 'O'"):
        entity_f1_score(y, y)


def test_scores_are_those_of_scikit_learn_over_all_steps():
    rng = np.random.default_rng(0)
    lengths, weights = [3, 1, 6], [2.0, 0.0, 0.5]
    true, predicted = ([rng.integers(3, size=n) for n in lengths] for _ in range(2))
    flat = flatten_steps(true), flatten_steps(predicted)
    of_steps = np.repeat(weights, lengths)
    options = {"average": "macro", "zero_division": 0.0}
    assert step_accuracy_score(true, predicted) == accuracy_score(*flat)
    assert step_f1_score(true, predicted) == f1_score(*flat, **options)
    for weight in (weights, np.split(of_steps, [3, 4])):
        weighed = accuracy_score(*flat, sample_weight=of_steps)
        found = step_accuracy_score(true, predicted, sample_weight=weight)
        assert found == pytest.approx(weighed)
    true, predicted = ([rng.normal(size=n) for n in lengths] for _ in range(2))
    flat = np.concatenate(true), np.concatenate(predicted)
    assert step_r2_score(true, predicted) == pytest.approx(r2_score(*flat))


SCORES = [name for name in metrics.__all__ if name.endswith("_score")]


@pytest.mark.parametrize("name", SCORES)
def test_other_numbers_of_sequences_are_refused(name):
    y = [[1.0, 2.0], [3.0]] if "r2" in name else [["O", "O"], ["O"]]
    with pytest.raises(ValueError, match=r"y_true has 2 sequences, y_pred has 1"):
        getattr(metrics, name)(y, y[:1])


OF_STEPS = [name for name in SCORES if name.startswith(("step", "entity"))]


@pytest.mark.parametrize("name", OF_STEPS)
def test_other_lengths_are_refused_by_name(name):
    score = getattr(metrics, name)
    y = [[1.0, 2.0], [3.0]] if "r2" in name else [["O", "O"], ["O"]]
    with pytest.raises(
        ValueError, match=r"y_true\[1\] has 1 values, y_pred\[1\] has 2"
    ):
        score(y, [y[0], y[0]])
    with pytest.raises(ValueError, match="no steps"):
        score([], [])


@pytest.mark.parametrize("name", [n for n in metrics.__all__ if n.endswith("scorer")])
def test_scorers_can_be_sent_to_other_processes(name):
    scorer = getattr(metrics, name)
    assert repr(pickle.loads(pickle.dumps(scorer))) == repr(scorer)


def test_numbers_are_flattened_as_they_are():
    flat = flatten_steps([np.array([0.5, 1.5]), np.array([2.0])])
    np.testing.assert_array_equal(flat, [0.5, 1.5, 2.0])


def test_lists_of_numbers_are_flattened_like_arrays():
    assert flatten_steps([[1.5, 2.5], [3]]).tolist() == [1.5, 2.5, 3.0]
    with pytest.raises(ValueError, match="y is empty"):
        flatten_steps([])


@pytest.mark.parametrize("average", ["binary", None])
def test_an_average_is_one_of_three(average):
    with pytest.raises(ValueError, match="expected 'macro', 'micro' or 'weighted'"):
        step_f1_score([["a"]], [["a"]], average=average)


# --- recommendations ----------------------------------------------------------------


@st.composite
def ranked_items(draw):
    """True items, recommended ones without repetitions, and how many count."""
    n, length = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    some = st.lists(st.permutations(range(6)), min_size=n, max_size=n)
    items = [row[:length] for row in draw(some)]
    true = draw(st.lists(st.integers(0, 7), min_size=n, max_size=n))
    return true, items, draw(st.integers(1, length) | st.none())


@given(ranked_items())
@settings(max_examples=100)
def test_recall_and_reciprocal_ranks_are_those_of_a_loop(case):
    true, items, k = case
    hits, reciprocals = [], []
    for item, row in zip(true, items, strict=True):
        hit, reciprocal = 0, 0.0
        for place in range(len(row) if k is None else k):
            if row[place] == item:
                hit, reciprocal = 1, 1 / (place + 1)
        hits.append(hit)
        reciprocals.append(reciprocal)
    for y, ranked in ((true, items), (np.array(true), np.array(items))):
        assert recall_at_k(y, ranked, k) == pytest.approx(sum(hits) / len(true))
        assert mrr_at_k(y, ranked, k) == pytest.approx(sum(reciprocals) / len(true))


@pytest.mark.parametrize(
    ("y", "recommended", "k", "error", "message"),
    [
        (
            ["a"],
            [["a"], ["b"]],
            None,
            ValueError,
            "has 1 items, recommended has 2 lists",
        ),
        (["a"], np.array(["a"]), None, ValueError, r"ndarray of shape \(1,\)"),
        ([], [], None, ValueError, "y_true is empty"),
        (["a", "b"], [["a", "c"], ["a"]], 2, ValueError, "from 1 to 1.*for session 1"),
        (["a"], [["a"]], 0, ValueError, "k is 0, expected a count from 1 to 1"),
        (["a"], [[1]], None, TypeError, r"recommended\[0\]\[0\] is 1.*y_true\[0\]"),
        ([None], [["a"]], None, TypeError, r"y_true\[0\] is None"),
    ],
)
def test_recommendations_that_cannot_be_scored_are_named(
    y, recommended, k, error, message
):
    for score in (recall_at_k, mrr_at_k):
        with pytest.raises(error, match=message):
            score(y, recommended, k)


def test_scorers_of_next_items_are_values():
    scorer = make_next_item_scorer("mrr", 5)
    assert (
        repr(pickle.loads(pickle.dumps(scorer))) == "make_next_item_scorer('mrr', k=5)"
    )
    with pytest.raises(ValueError, match="expected 'recall' or 'mrr'"):
        make_next_item_scorer("ndcg")
    with pytest.raises(ValueError, match="k is 0, expected a count from 1 on"):
        make_next_item_scorer(k=0)
