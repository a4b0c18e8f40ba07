"""Texts and tokens as sequences of categories."""

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils import murmurhash3_32

import skrnn
from skrnn import TokenEncoder

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
