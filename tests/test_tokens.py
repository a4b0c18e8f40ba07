"""Texts and tokens as sequences of categories."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import murmurhash3_32

import skrnn
from skrnn import GRUClassifier, GRUTagger, Sequences, TokenEncoder
from skrnn.metrics import entity_f1_scorer

TEXTS = ["The cat sat.", "the dog", "A cat, a dog: the end!"]


def words(codes):
    """All numbers of sequences in one list."""
    return np.concatenate([np.ravel(each) for each in codes]).tolist()


def test_counts_of_tokens_are_those_of_scikit_learn():
    encoder = TokenEncoder(token_pattern=r"(?u)\b\w\w+\b").fit(TEXTS)
    vectorizer = CountVectorizer().fit(TEXTS)
    assert sorted(encoder.tokens_) == sorted(vectorizer.get_feature_names_out())
    expected = vectorizer.transform(TEXTS).toarray()
    for codes, row in zip(encoder.transform(TEXTS), expected, strict=True):
        counts = Counter(encoder.tokens_[codes.ravel()])
        ours = [counts[name] for name in vectorizer.get_feature_names_out()]
        assert ours == row.tolist()


def test_the_most_frequent_token_is_0_and_ties_go_by_the_alphabet():
    encoder = TokenEncoder().fit([["b", "a", "c"], ["c", "d"]])
    assert encoder.tokens_.tolist() == ["c", "a", "b", "d"]


def test_words_and_signs_or_characters_are_tokens():
    assert TokenEncoder().fit(["I'm here."]).inverse_transform([[0, 1, 2, 3, 4]]) == [
        ["'", ".", "here", "i", "m"]
    ]
    encoder = TokenEncoder("char", lowercase=False).fit(["Aa b"])
    assert encoder.tokens_.tolist() == [" ", "A", "a", "b"]


@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1), min_size=1))
def test_numbers_of_training_tokens_give_them_back(lists):
    encoder = TokenEncoder()
    sequences = encoder.fit_transform(lists)
    assert encoder.inverse_transform(sequences) == lists
    assert sequences.n_categories == (len({t for each in lists for t in each}),)
    assert sequences.lengths.tolist() == [len(each) for each in lists]


def test_rare_and_new_tokens_are_unknown():
    encoder = TokenEncoder(min_count=2).fit(TEXTS)
    assert set(encoder.tokens_) == {"the", "cat", "dog", "a"}
    assert words(encoder.transform([["the", "sat", "bird"]])) == [0, -1, -1]
    assert encoder.inverse_transform([[0, -1]]) == [["the", "<unknown>"]]
    assert TokenEncoder(max_tokens=1).fit(TEXTS).tokens_.tolist() == ["the"]


def test_a_given_vocabulary_is_kept_in_its_order():
    encoder = TokenEncoder(vocabulary=["dog", "cat"]).fit(TEXTS)
    assert words(encoder.transform([["cat", "dog", "the"]])) == [1, 0, -1]


def test_buckets_are_hashes():
    encoder = TokenEncoder(n_buckets=7).fit(TEXTS)
    expected = [murmurhash3_32(t, positive=True) % 7 for t in ("bird", "cat")]
    assert words(encoder.transform(["bird cat"])) == expected
    assert encoder.transform(["bird"]).n_categories == (7,)


def test_vectors_of_others_stand_in_the_order_of_the_tokens():
    encoder = TokenEncoder().fit(["b a a"])
    assert_array_equal(
        encoder.vectors({"b": [1.0, 2.0], "z": [3.0, 4.0]}), [[0, 0], [1, 2]]
    )


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("one text", ValueError, "X is a str, expected a list of texts"),
        ([], ValueError, "Found array with 0 sample"),
        (np.array([["a"], ["b"]]), ValueError, "of 2 axes, expected a list of texts"),
        ((text for text in TEXTS), TypeError, "X is a generator, expected a list"),
        (["a", None], TypeError, r"X\[1\] is None, a NoneType, expected a text"),
        (["a", float("nan")], TypeError, r"X\[1\] is nan, a float"),
        ([["a"], ["b", 3]], TypeError, r"X\[1\] holds 3, a int, expected tokens"),
        (["a", "  "], ValueError, r"X\[1\] has no tokens \('  '\): drop it"),
        ([["a"], []], ValueError, r"X\[1\] has no tokens"),
    ],
)
def test_what_holds_no_texts_is_refused(X, error, message):
    encoder = TokenEncoder().fit(TEXTS)
    for call in (encoder.fit, encoder.transform):
        with pytest.raises(error, match=message):
            call(X)
    assert len(encoder.tokens_) == 10  # as it was


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"min_count": 9}, "No token comes up 9 times"),
        ({"level": "letter"}, "'level' parameter"),
        ({"vocabulary": ["a", "b", "a"]}, "vocabulary holds 'a' more than once"),
        ({"vocabulary": ["a", 1]}, "expected one string for each token"),
        ({"vocabulary": []}, "expected one string for each token"),
        ({"vocabulary": ["a"], "n_buckets": 3}, "vocabulary is taken as it is"),
        ({"token_pattern": "("}, "is no regular expression"),
        ({"token_pattern": r"(\w)(\w)"}, "no more than one group"),
        ({"token_pattern": r"\w*"}, "must match one sign at least"),
    ],
)
def test_wrong_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        TokenEncoder(**params).fit(TEXTS)


def test_what_needs_a_vocabulary_says_so():
    encoder = TokenEncoder(n_buckets=5).fit(TEXTS)
    with pytest.raises(ValueError, match="inverse_transform needs a vocabulary"):
        encoder.inverse_transform([[1]])
    with pytest.raises(ValueError, match="vectors needs a vocabulary"):
        encoder.vectors({"the": [1.0]})
    with pytest.raises(ValueError, match="None of the 10 tokens is in table"):
        TokenEncoder().fit(TEXTS).vectors({"THE": [1.0]})


def test_an_encoder_is_saved(tmp_path):
    encoder = TokenEncoder().fit(TEXTS)
    skrnn.save(encoder, tmp_path / "tokens.skrnn")
    for loaded in (
        skrnn.load(tmp_path / "tokens.skrnn"),
        pickle.loads(pickle.dumps(encoder)),
    ):
        assert words(loaded.transform(TEXTS)) == words(encoder.transform(TEXTS))


@pytest.mark.parametrize("vocabulary", [{"b": 1, "a": 0}, {"a", "b"}])
def test_a_vocabulary_has_an_order(vocabulary):
    with pytest.raises(TypeError, match="expected a list of tokens in the order"):
        TokenEncoder(vocabulary=vocabulary).fit(TEXTS)


def test_parameters_that_change_after_a_fit_change_nothing():
    encoder = TokenEncoder().fit(TEXTS)
    before = words(encoder.transform(TEXTS))
    assert words(encoder.set_params(n_buckets=3).transform(TEXTS)) == before
    hashed = TokenEncoder(n_buckets=5).fit(TEXTS)
    before = words(hashed.transform(TEXTS))
    assert words(hashed.set_params(n_buckets=None).transform(TEXTS)) == before


@pytest.mark.parametrize(
    "table", [{"the": [1.0, 2.0], "cat": [1.0]}, {"the": 1.0}, {"the": [[1.0]]}]
)
def test_vectors_have_one_size(table):
    with pytest.raises(ValueError, match="table holds vectors of the shapes"):
        TokenEncoder().fit(TEXTS).vectors(table)


# --- in scikit-learn's tools ---------------------------------------------------------

SMALL = {"hidden_size": 4, "max_epochs": 3, "random_state": 0}
MANY = ["a good day", "so bad", "what a bad one", "good, good"] * 6
MOODS = ["+", "-", "-", "+"] * 6


def test_a_pipeline_is_searched_and_cloned():
    model = make_pipeline(TokenEncoder(), GRUClassifier(**SMALL))
    grid = {"tokenencoder__min_count": [1, 2], "gruclassifier__hidden_size": [3, 4]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(MANY, MOODS)
    assert search.predict(pd.Series(["good day", "bad"])).shape == (2,)
    again = clone(search.best_estimator_).fit(MANY, MOODS)
    assert_array_equal(again.predict_proba(MANY), search.predict_proba(MANY))


def test_output_is_never_a_frame():
    with config_context(transform_output="pandas"):
        model = make_pipeline(TokenEncoder(), GRUClassifier(**SMALL))
        sequences = model.fit(MANY, MOODS)[0].transform(MANY)
    assert isinstance(sequences, Sequences)


def test_given_vectors_stay_with_their_words():
    encoder = TokenEncoder().fit(MANY)
    table = {token: [place + 1.0] for place, token in enumerate(encoder.tokens_)}
    same = TokenEncoder(vocabulary=encoder.tokens_)
    params = {**SMALL, "lr": 1e-9, "weight_decay": 0.0}
    network = GRUClassifier(**params, embedding=encoder.vectors(table))
    model = make_pipeline(same, network).fit(MANY[1:4], MOODS[1:4])
    rows = model[-1].module_.embedding.tables[0].detach().numpy()
    for token in ("good", "bad", "day"):
        (code,) = model[0].transform([[token]])[0].ravel()
        np.testing.assert_allclose(rows[code + 1], table[token], atol=1e-6)


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_a_tagger_of_words_is_searched_by_its_entities(head, tmp_path):
    tags = [["O" if w != "good" else "B-x" for w in text.split()] for text in MANY]
    lists = [text.split() for text in MANY]
    model = make_pipeline(TokenEncoder(), GRUTagger(head=head, **SMALL))
    grid = {"grutagger__hidden_size": [3, 4]}
    search = GridSearchCV(model, grid, cv=2, scoring=entity_f1_scorer)
    found = search.fit(lists, tags).best_estimator_
    skrnn.save(found, tmp_path / "tagger.skrnn")
    loaded = skrnn.load(tmp_path / "tagger.skrnn")
    for one, other in zip(found.predict(lists), loaded.predict(lists), strict=True):
        assert_array_equal(one, other)
