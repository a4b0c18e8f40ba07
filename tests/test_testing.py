"""The conformance suite: sound estimators pass, a broken one fails its own checks."""

import copy
import os
import random
import threading
import warnings
from multiprocessing import current_process

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

import skrnn
from skrnn import GRURegressor, SequenceScaler
from skrnn._running import pad_block
from skrnn._step_reading import numbers_of_steps, parts_of, weights_of_steps
from skrnn._training_set import check_sample_weight
from skrnn._validation import check_sequences, check_target_length
from skrnn.metrics import step_r2_score
from skrnn.testing import check_sequence_estimator

CELLS = ["RNN", "LSTM", "GRU"]
TASKS = {"Regressor": 28, "Classifier": 28, "SequenceRegressor": 32, "Tagger": 32}
OF_ALL = {**TASKS, "LanguageModel": 25}
CLASSES = {f"{cell}{task}": n for cell in CELLS for task, n in OF_ALL.items()}
CLASSES |= {"NextItemRecommender": 25, "Seq2SeqTransducer": 25}
SMALL = {"hidden_size": 4, "max_epochs": 2, "device": "cpu"}
N_CHECKS = 28


def failures(estimator):
    """The names of the checks that fail, without their ``check_``."""
    results = check_sequence_estimator(estimator, on_fail=None)
    return {
        result["check_name"].removeprefix("check_")
        for result in results
        if result["status"] == "failed"
    }


# --- sound estimators --------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:score is Recall@20, but there are only")
@pytest.mark.parametrize("name", CLASSES)
def test_every_class_passes_every_check(name):
    results = check_sequence_estimator(getattr(skrnn, name)(**SMALL), on_fail=None)
    assert [result for result in results if result["status"] != "passed"] == []
    assert len(results) == CLASSES[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["LSTMTagger", "GRUTagger", "RNNTagger", "GRUSequenceRegressor"]
)
@pytest.mark.parametrize(
    "params",
    [
        {"num_layers": 2, "dropout": 0.5},
        {"bidirectional": False},
        {"batch_size": 3, "dtype": "float64"},
        {"hidden_size": 37, "engine": "torch"},
        {"head": "crf"},
        {"head": "crf", "class_weight": "balanced", "engine": "torch"},
    ],
    ids=str,
)
def test_every_kind_of_network_per_step_passes_every_check(name, params):
    if name == "GRUSequenceRegressor":
        params = {k: v for k, v in params.items() if k not in ("head", "class_weight")}
    assert failures(getattr(skrnn, name)(**{**SMALL, **params})) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LSTMLanguageModel", "GRULanguageModel"])
@pytest.mark.parametrize(
    "params",
    [
        {"level": "word", "bptt": 3, "batch_size": 4, "num_layers": 2},
        {"dtype": "float64", "engine": "torch", "min_count": 3},
        {"hidden_size": 37, "bptt": 1, "batch_size": 1, "word_dropout": 0.3},
        {"early_stopping": True, "vocabulary": ["a", "b"]},
    ],
    ids=str,
)
def test_every_kind_of_language_model_passes_every_check(name, params):
    assert failures(getattr(skrnn, name)(**{**SMALL, **params})) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "params",
    [
        {"level": "word", "batch_size": 4, "num_layers": 2, "beam_size": 1},
        {"dtype": "float64", "engine": "torch", "min_count": 3},
        {"hidden_size": 37, "early_stopping": True, "max_length": 2},
    ],
    ids=str,
)
def test_every_kind_of_transducer_passes_every_check(params):
    assert failures(skrnn.Seq2SeqTransducer(**{**SMALL, **params})) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LSTMRegressor", "GRUClassifier"])
@pytest.mark.parametrize(
    "params",
    [
        {"num_layers": 2, "dropout": 0.5},
        {"bidirectional": False, "pooling": "last"},
        {"pooling": "mean"},
        {"pooling": "max"},
        {"pooling": "attention"},
        {"batch_size": 3, "dtype": "float64"},
        {"optimizer": "sgd", "lr_schedule": "constant", "lr": 0.1},
        {"hidden_size": 37},
    ],
    ids=str,
)
def test_every_kind_of_network_passes_every_check(name, params):
    assert failures(getattr(skrnn, name)(**{**SMALL, **params})) == set()


@pytest.mark.parametrize("name", ["RNNClassifier", "GRURegressor"])
def test_only_the_check_of_nan_is_left_out_for_masked_values(name):
    model = getattr(skrnn, name)(missing="mask", **SMALL)
    results = check_sequence_estimator(model, on_fail=None)
    assert [result for result in results if result["status"] != "passed"] == []
    names = {result["check_name"] for result in results}
    assert len(names) == N_CHECKS - 1
    assert "check_missing_value_is_refused" not in names


def test_networks_whose_equal_rows_are_not_merged_are_caught(monkeypatch):
    monkeypatch.setattr("skrnn._fitting.merge_identical", lambda data: data)
    failed = failures(GRURegressor(**SMALL))
    assert failed == {
        "training_order_changes_nothing",
        "weights_are_copies",
        "processes_agree",  # other processes are sound
    }


def test_networks_that_see_their_padding_are_caught(monkeypatch):
    def whole_block(block, n_steps, module):
        return pad_block(block, n_steps, module)[0], None  # padding counts as steps

    monkeypatch.setattr("skrnn._running.pad_block", whole_block)
    monkeypatch.setattr("skrnn._running.round_lengths", lambda n: n * 0 + n.max())
    failed = failures(GRURegressor(**SMALL))
    assert {"padding_changes_nothing", "company_changes_nothing"} <= failed


class Sound(RegressorMixin, BaseEstimator):
    """Least squares on random features of the mean and the last step."""

    features_per_step = None

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        draft = copy.copy(self)
        draft._fit(X, np.asarray(y), sample_weight)
        self.__dict__ = draft.__dict__
        return self

    def predict(self, X):
        check_is_fitted(self)
        return self.answers(self.read(copy.copy(self), X, reset=False))

    def _fit(self, X, y, sample_weight):
        sequences = self.read(self, X, reset=True)
        check_target_length(sequences, y)
        weights = check_sample_weight(sample_weight, len(sequences))
        shape = (2 * sequences.n_features, 8)
        self.projection_ = self.generator().normal(size=shape)
        features = np.array([self.features(x) for x in sequences])
        self.coef_ = self.solve(features, self.target(y), self.weights(weights))

    def read(self, estimator, X, reset):
        return check_sequences(estimator, X, reset=reset)

    def generator(self):
        return np.random.default_rng(self.random_state)

    def target(self, y):
        return y

    def weights(self, weights):
        return weights

    def features(self, x):
        both = np.concatenate([x.mean(axis=0), x[-1]])
        return np.tanh(both @ self.projection_)

    def solve(self, features, y, weights):
        products = features.T @ (features * weights[:, None])
        return np.linalg.solve(products + np.eye(8), features.T @ (y * weights))

    def answers(self, sequences):
        return np.array([self.features(x) @ self.coef_ for x in sequences])


class SoundClassifier(ClassifierMixin, Sound):
    def target(self, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        return 2.0 * codes - 1.0

    def decision_function(self, X):
        return Sound.predict(self, X)

    def predict(self, X):
        codes = (self.decision_function(X) > 0).astype(int)
        return self.classes_[codes]


@pytest.mark.parametrize("estimator", [Sound(), SoundClassifier()])
def test_sound_estimators_of_others_pass(estimator):
    results = check_sequence_estimator(estimator)
    assert len(results) == N_CHECKS
    assert {result["status"] for result in results} == {"passed"}


# --- broken estimators, and exactly what fails ---------------------------------------


BROKEN = []


def fails(*checks):
    """Remember a broken class with the names of the checks it must fail."""

    def remember(broken):
        BROKEN.append(pytest.param(broken, set(checks), id=broken.__name__))
        return broken

    return remember


@fails("padding_changes_nothing", "company_changes_nothing")
class MeansOverPadding(Sound):
    def answers(self, sequences):
        return Sound.answers(self, sequences.to_padded())


@fails("permutation_permutes", "company_changes_nothing", "position_changes_nothing")
class ForgetsToUnsort(Sound):
    def answers(self, sequences):
        order = np.argsort(sequences.lengths, kind="stable")
        return Sound.answers(self, sequences)[order]


@fails("company_changes_nothing", "one_sequence")
class RoundsOneRowOtherwise(Sound):
    def answers(self, sequences):
        answers = Sound.answers(self, sequences)
        return answers * (1 + 1e-15) if len(answers) == 1 else answers


@fails("position_changes_nothing")
class RoundsTheLastBlockOtherwise(Sound):
    def answers(self, sequences):
        answers = Sound.answers(self, sequences)
        answers[64:] = answers[64:].astype(np.float32)
        return answers


@fails("one_sequence")
class SqueezesOneRow(Sound):
    def predict(self, X):
        answers = Sound.predict(self, X)
        return answers.squeeze() if isinstance(X, np.ndarray) else answers


@fails("number_types_agree")
class ScalesIntegers(Sound):
    def read(self, estimator, X, reset):
        is_integer = isinstance(X, list) and np.asarray(X[0]).dtype.kind == "i"
        X = [x / 127 for x in X] if is_integer else X
        return Sound.read(self, estimator, X, reset)


@fails("containers_agree")
class RefusesTuples(Sound):
    def read(self, estimator, X, reset):
        if isinstance(X, tuple):
            raise TypeError("X is a tuple.")
        return Sound.read(self, estimator, X, reset)


@fails("panel_equals_list", "one_sequence", "other_length")
class TurnsArraysAround(Sound):
    def read(self, estimator, X, reset):
        is_panel = isinstance(X, np.ndarray) and X.ndim == 3
        return Sound.read(self, estimator, X[:, ::-1] if is_panel else X, reset)


@fails("other_length")
class KeepsTheNumberOfSteps(Sound):
    def read(self, estimator, X, reset):
        if isinstance(X, np.ndarray) and X.ndim == 3:
            if not reset and estimator.n_steps_ != X.shape[1]:
                raise ValueError("Another number of steps.")
            estimator.n_steps_ = X.shape[1]
        return Sound.read(self, estimator, X, reset)


@fails("feature_counts_are_named")
class SaysThatSomethingIsWrong(Sound):
    def read(self, estimator, X, reset):
        try:
            return Sound.read(self, estimator, X, reset)
        except ValueError as error:
            if "features" in str(error) and "NaN" not in str(error):
                raise ValueError("The number of features is wrong.") from error
            raise


@fails("empty_sequence_is_refused")
class DropsEmptySequences(Sound):
    def read(self, estimator, X, reset):
        if isinstance(X, list):
            X = [x if len(x) else np.zeros((1, 2)) for x in X]
        return Sound.read(self, estimator, X, reset)


@fails("missing_value_is_refused")
class FillsMissingValues(Sound):
    def read(self, estimator, X, reset):
        if isinstance(X, list):
            X = [np.nan_to_num(x, posinf=np.inf) for x in X]
        return Sound.read(self, estimator, X, reset)


@fails("missing_value_is_refused")
class NamesNoStep(Sound):
    def read(self, estimator, X, reset):
        try:
            return Sound.read(self, estimator, X, reset)
        except ValueError as error:
            raise ValueError(str(error).replace("step 3", "a step")) from error


@fails("input_is_not_modified", "read_only_input", "grid_search")
class RoundsTargetsInPlace(Sound):
    def target(self, y):
        return np.round(y, 6, out=y)


@fails("read_only_input")
class NeedsWritableArrays(Sound):
    def read(self, estimator, X, reset):
        for x in X:
            if isinstance(x, np.ndarray):
                x[:] = x
        return Sound.read(self, estimator, X, reset)


@fails("training_order_changes_nothing")
class BeginsWithTheFirstRow(Sound):
    def solve(self, features, y, weights):
        first = features[np.flatnonzero(weights)[0]]
        return Sound.solve(self, features, y, weights) + 1e-3 * first


@fails("weights_are_copies", "zero_weight_is_absence")
class IgnoresWeights(Sound):
    def weights(self, weights):
        return np.ones(len(weights))


@fails("weights_are_copies")
class DropsZeroWeightsOnly(Sound):
    def weights(self, weights):
        return np.sign(weights)


@fails("zero_weight_is_absence")
class LearnsTheMeanOfAllRows(Sound):
    def weights(self, weights):
        return weights + 1e-3 * (weights == 0)


@fails("same_seed_same_model")
class GoesOnFromTheLastFit(Sound):
    def solve(self, features, y, weights):
        before = getattr(self, "coef_", 0.0)
        return Sound.solve(self, features, y, weights) + 1e-3 * before


@fails("other_seed_other_model")
class HasOneSeed(Sound):
    def generator(self):
        return np.random.default_rng(0)


@fails("threads_agree")
class SeedsTheMainThreadOnly(Sound):
    def generator(self):
        is_main = threading.current_thread() is threading.main_thread()
        return Sound.generator(self) if is_main else np.random.default_rng()


@fails("processes_agree")
class SeedsTheMainProcessOnly(Sound):
    def generator(self):
        is_main = current_process().name == "MainProcess"
        return Sound.generator(self) if is_main else np.random.default_rng()


@fails("grid_search")
class ScoresListsOnly(Sound):
    def score(self, X, y, sample_weight=None):
        if not isinstance(X, list):
            raise TypeError("X is not a list.")
        return Sound.score(self, X, y, sample_weight)


@fails("global_seeds_are_left_alone")
class ConsumesNumpysGenerator(Sound):
    def generator(self):
        np.random.random()
        return Sound.generator(self)


@fails("global_seeds_are_left_alone")
class ConsumesPythonsGenerator(Sound):
    def generator(self):
        random.random()
        return Sound.generator(self)


@fails("global_seeds_are_left_alone")
class ConsumesTorchsGeneratorInPredict(Sound):
    def answers(self, sequences):
        torch.rand(1)  # as a DataLoader does
        return Sound.answers(self, sequences)


@fails("global_settings_are_left_alone")
class SwitchesNumpysWarningsOff(Sound):
    def generator(self):
        np.seterr(all="ignore")
        return Sound.generator(self)


@fails("global_settings_are_left_alone")
class SetsTheEnvironment(Sound):
    def answers(self, sequences):
        os.environ["SKRNN_TEST"] = "1"
        return Sound.answers(self, sequences)


@fails("global_settings_are_left_alone")
class SwitchesWarningsOff(Sound):
    def generator(self):
        warnings.simplefilter("ignore")
        return Sound.generator(self)


@fails("global_settings_are_left_alone")
class SwitchesGradientsOff(Sound):
    def answers(self, sequences):
        torch.set_grad_enabled(False)
        return Sound.answers(self, sequences)


@fails("nothing_is_printed")
class Prints(Sound):
    def answers(self, sequences):
        print("100%")
        return Sound.answers(self, sequences)


@fails("pickle")
class PicklesHalfPrecision(Sound):
    def __getstate__(self):
        state = super().__getstate__()
        if "coef_" in state:
            state = {**state, "coef_": state["coef_"].astype(np.float16)}
        return state


@fails("clone")
class ClonesWithItsFit(Sound):
    def __sklearn_clone__(self):
        return copy.copy(self)


@fails("failed_refit_changes_nothing")
class ForgetsBeforeItChecks(Sound):
    def fit(self, X, y, sample_weight=None):
        self._fit(X, np.asarray(y), sample_weight)
        return self


@pytest.fixture
def _settings_come_back(monkeypatch):
    monkeypatch.setenv("SKRNN_TEST", "0")
    monkeypatch.delenv("SKRNN_TEST")
    with np.errstate(), torch.enable_grad():
        yield


@pytest.mark.usefixtures("_settings_come_back")
@pytest.mark.parametrize(("broken", "expected"), BROKEN)
def test_a_broken_estimator_fails_exactly_its_checks(broken, expected):
    assert failures(broken()) == expected


def test_every_check_fails_somewhere():
    checks = check_sequence_estimator(Sound(), generate_only=True)
    names = {check.func.__name__.removeprefix("check_") for _, check in checks}
    assert set().union(*(param.values[1] for param in BROKEN)) == names


class SoundPerStep(Sound):
    """Least squares at each step, on the step and the mean of the sequence."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "sequence_regressor"
        return tags

    def _fit(self, X, y, sample_weight):
        sequences = self.read(self, X, reset=True)
        lengths = sequences.lengths
        steps = self.numbers(y, lengths)
        weights = self.step_weights(sample_weight, lengths)
        shape = (2 * sequences.n_features, 8)
        self.projection_ = self.generator().normal(size=shape)
        features = np.concatenate([self.features(x) for x in sequences])
        self.coef_ = self.solve(features, steps, weights)

    def numbers(self, y, lengths):
        return numbers_of_steps(parts_of(y, lengths))

    def step_weights(self, sample_weight, lengths):
        of_sequences, shares = weights_of_steps(sample_weight, lengths)
        return np.repeat(of_sequences, lengths) * shares

    def features(self, x):
        both = np.concatenate([x, np.tile(x.mean(axis=0), (len(x), 1))], axis=1)
        return np.tanh(both @ self.projection_)

    def answers(self, sequences):
        answers = np.empty(len(sequences), dtype=object)
        for index, x in enumerate(sequences):  # one by one: products of no other size
            rows = [row[None] @ self.coef_ for row in self.features(x)]
            answers[index] = np.concatenate(rows)
        return answers

    def score(self, X, y, sample_weight=None):
        return step_r2_score(y, self.predict(X), sample_weight=sample_weight)


def test_a_sound_estimator_per_step_passes():
    results = check_sequence_estimator(SoundPerStep())
    assert len(results) == CLASSES["GRUSequenceRegressor"]
    assert {result["status"] for result in results} == {"passed"}


class AnswersOnce(SoundPerStep):
    def predict(self, X):
        return np.array([each[:1] for each in SoundPerStep.predict(self, X)])


class ReadsObjectsOnly(SoundPerStep):
    def fit(self, X, y, sample_weight=None):
        if not isinstance(y, np.ndarray) or y.dtype != object:
            raise TypeError("y is no object array.")
        return SoundPerStep.fit(self, X, y, sample_weight)


class RepeatsTheLastTarget(SoundPerStep):
    def numbers(self, y, lengths):
        pairs = zip(y, lengths, strict=True)
        return np.concatenate([np.resize(np.asarray(v), n) for v, n in pairs])


class AddsWeightsOfStepsUp(SoundPerStep):
    def step_weights(self, sample_weight, lengths):
        weights = SoundPerStep.step_weights(self, sample_weight, lengths)
        per_step = sample_weight is not None and np.ndim(sample_weight[0]) > 0
        return weights * np.repeat(lengths, lengths) if per_step else weights


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (AnswersOnce, "answers_are_as_long_as_sequences"),
        (ReadsObjectsOnly, "containers_of_steps_agree"),
        (RepeatsTheLastTarget, "other_number_of_targets_is_refused"),
        (AddsWeightsOfStepsUp, "equal_weights_of_steps"),
    ],
)
def test_each_check_per_step_catches_what_it_is_for(broken, check):
    ours = {
        each.func.__name__.removeprefix("check_"): each
        for _, each in check_sequence_estimator(SoundPerStep(), generate_only=True)
    }
    ours[check](SoundPerStep(random_state=0))
    with pytest.raises((AssertionError, TypeError)):
        ours[check](broken(random_state=0))


class Pairs(BaseEstimator):
    """Counts which letter follows which; "" stands for both ends, None for new ones."""

    task = "language_model"

    def __init__(self, random_state=None):
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = self.task
        return tags

    def fit(self, X, y=None, sample_weight=None):
        draft = copy.copy(self)
        draft._fit(self.read(X), sample_weight)
        self.__dict__ = draft.__dict__
        return self

    def _fit(self, lists, sample_weight):
        weights = self.weights(check_sample_weight(sample_weight, len(lists)))
        pairs = zip(lists, weights, strict=True)
        found = {token for each, weight in pairs if weight > 0 for token in each}
        self.tokens_ = [*sorted(found), "", None]
        n = len(self.tokens_)
        counts = np.random.default_rng(self.random_state).uniform(0.1, 1.0, (n, n))
        for each, weight in zip(lists, weights, strict=True):
            if weight > 0:
                np.add.at(counts, self.pairs(each), weight)
        self.logarithms_ = np.log(counts / counts.sum(axis=1, keepdims=True))

    def read(self, X, empty=False):
        if isinstance(X, str) or not all(isinstance(x, str | list) for x in X):
            raise TypeError("X is no list of sequences.")
        short = next((i for i, x in enumerate(X) if len(x) == 0), None)
        if short is not None and not empty:
            raise ValueError(f"X[{short}] is empty.")
        return list(X)

    def weights(self, weights):
        return weights

    def pairs(self, tokens):
        places = {token: place for place, token in enumerate(self.tokens_)}
        codes = [places.get(token, len(places) - 1) for token in ["", *tokens, ""]]
        return codes[:-1], codes[1:]

    def score_samples(self, X):
        check_is_fitted(self)
        return np.array([self.logarithms_[self.pairs(x)].sum() for x in self.read(X)])

    def predict_proba(self, X):
        check_is_fitted(self)
        last = [self.pairs(x)[0][-1] for x in self.read(X, empty=True)]
        return np.exp(self.logarithms_[last])

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)

    def score(self, X, y=None):
        return self.score_samples(X).mean()


class PairsOfItems(Pairs):
    task = "recommender"
    score_samples = None

    def score(self, X, y=None):
        return self.predict_proba(X).max()


class Substitutes(BaseEstimator):
    """Learns what most often stands in the place of each letter."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "transducer"
        return tags

    def fit(self, X, y, sample_weight=None):
        texts = Pairs.read(self, X)
        weights = check_sample_weight(sample_weight, len(texts))
        check_target_length(texts, np.asarray(y))
        votes = {}
        for text, other, weight in zip(texts, y, weights, strict=True):
            for letter, new in zip(text, other, strict=True):
                of_letter = votes.setdefault(letter, {})
                of_letter[new] = of_letter.get(new, 0.0) + weight
        self.letters_ = {k: max(sorted(v), key=v.get) for k, v in votes.items()}
        return self

    def predict(self, X):
        check_is_fitted(self)
        texts = Pairs.read(self, X)
        return ["".join(self.letters_.get(letter, "?") for letter in t) for t in texts]

    def score(self, X, y):
        return np.mean([a == b for a, b in zip(self.predict(X), y, strict=True)])


@pytest.mark.parametrize(
    ("estimator", "n_checks"),
    [(Pairs(), 25), (PairsOfItems(), 25), (Substitutes(), 24)],
)
def test_sound_estimators_of_tokens_pass(estimator, n_checks):
    results = check_sequence_estimator(estimator)
    assert len(results) == n_checks  # a model without random_state has one less
    assert {result["status"] for result in results} == {"passed"}


class RefusesNewLetters(Pairs):
    def pairs(self, tokens):
        if set(tokens) - set(self.tokens_):
            raise ValueError("A new letter.")
        return super().pairs(tokens)


class SaysThatNewLettersCannotBe(Pairs):
    def _fit(self, lists, sample_weight):
        super()._fit(lists, sample_weight)
        self.logarithms_[:, -1] = -np.inf


class DropsWhatIsNoText(Pairs):
    def read(self, X, empty=False):
        X = [*X] if isinstance(X, str) else [x for x in X if x is not None]
        return super().read(X, empty)


class KeepsTheTexts(Pairs):
    def _fit(self, lists, sample_weight):
        super()._fit(lists, sample_weight)
        self.texts = lists


class SetsItsSeed(Pairs):
    def _fit(self, lists, sample_weight):
        super()._fit(lists, sample_weight)
        self.random_state = 3


class SkipsEmptyTexts(Pairs):
    def read(self, X, empty=False):
        return super().read(X, empty=True)


class CountsTextsOnce(Pairs):
    def weights(self, weights):
        return np.sign(weights)


class SortsTexts(Pairs):
    def score_samples(self, X):
        return super().score_samples(sorted(X, key=len))


class ReadsListsOnly(Pairs):
    def read(self, X, empty=False):
        if not isinstance(X, list):
            raise TypeError("X is no list.")
        return super().read(X, empty)


class ForgetsItsTextsFirst(Pairs):
    def fit(self, X, y=None, sample_weight=None):
        self.tokens_ = []
        return super().fit(X, y, sample_weight)


class RecommendsInTurn(PairsOfItems):
    def predict_proba(self, X):
        return np.roll(super().predict_proba(X), len(X), axis=1)


class TranslatesTheFirstOnly(Substitutes):
    def predict(self, X):
        found = super().predict(X)
        return [*found[:1], *X[1:]]


@pytest.mark.parametrize(
    ("broken", "checks"),
    [
        (RefusesNewLetters, {"new_tokens_are_read"}),
        (SaysThatNewLettersCannotBe, {"new_tokens_are_read"}),
        (DropsWhatIsNoText, {"other_input_is_refused"}),
        (KeepsTheTexts, {"fitted_attributes_end_in_an_underscore"}),
        (SetsItsSeed, {"fitted_attributes_end_in_an_underscore"}),
        (
            SkipsEmptyTexts,
            {"empty_sequence_is_refused", "failed_refit_changes_nothing"},
        ),
        (CountsTextsOnce, {"weights_are_copies"}),
        (SortsTexts, {"permutation_permutes", "company_changes_nothing"}),
        (ReadsListsOnly, {"containers_agree", "one_sequence", "grid_search"}),
        (ForgetsItsTextsFirst, {"failed_refit_changes_nothing"}),
        (RecommendsInTurn, {"company_changes_nothing", "one_sequence"}),
        (TranslatesTheFirstOnly, {"company_changes_nothing"}),
    ],
)
def test_broken_estimators_of_tokens_are_caught(broken, checks):
    assert checks <= failures(broken())


class GRUAlongTheWrongAxis(RegressorMixin, BaseEstimator):
    """As in sktime: (n_sequences, n_features, n_steps), equal lengths, global seed."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        torch.manual_seed(self.random_state)
        X = torch.as_tensor(np.array(X, dtype=np.float32))
        self.layer_ = torch.nn.GRU(X.shape[1], 4, batch_first=True)
        features = self._features(X)
        self.coef_ = np.linalg.pinv(features) @ np.asarray(y)
        return self

    def predict(self, X):
        check_is_fitted(self)
        X = torch.as_tensor(np.array(X, dtype=np.float32))
        return self._features(X) @ self.coef_

    def _features(self, X):
        with torch.no_grad():
            return self.layer_(X.transpose(1, 2))[0][:, -1].numpy()


def test_a_network_along_the_wrong_axis_is_caught():
    failed = failures(GRUAlongTheWrongAxis())
    assert {"other_length", "feature_counts_are_named"} <= failed  # the axis
    assert {"padding_changes_nothing", "grid_search"} <= failed  # ragged input
    assert "read_only_input" in failed
    assert "panel_equals_list" not in failed


@pytest.mark.parametrize("task", TASKS)
def test_a_pipeline_of_ours_passes_every_check(task):
    model = getattr(skrnn, f"GRU{task}")(**SMALL)
    pipeline = make_pipeline(SequenceScaler(), model)
    results = check_sequence_estimator(pipeline, on_fail=None)
    assert [result for result in results if result["status"] != "passed"] == []
    of_weights = 2 if TASKS[task] == N_CHECKS else 3  # its fit names no sample_weight
    assert len(results) == TASKS[task] - of_weights


# --- how the suite is used -----------------------------------------------------------


def test_the_first_failure_is_raised():
    with pytest.raises(AssertionError, match=r"HasOneSeed does not depend on random"):
        check_sequence_estimator(HasOneSeed())


def test_failures_are_returned_with_their_exceptions():
    results = check_sequence_estimator(HasOneSeed(), on_fail=None)
    assert [set(result) for result in results] == [
        {"check_name", "status", "exception"}
    ] * N_CHECKS
    failed = [result for result in results if result["exception"] is not None]
    assert [result["status"] for result in failed] == ["failed"]
    assert "random_state" in str(failed[0]["exception"])


def test_checks_can_be_generated_for_pytest():
    pairs = list(check_sequence_estimator(HasOneSeed(), generate_only=True))
    assert len(pairs) == N_CHECKS
    for estimator, check in pairs:
        if check.func.__name__ == "check_other_seed_other_model":
            with pytest.raises(AssertionError):
                check(estimator)
        elif check.func.__name__ == "check_pickle":
            check(estimator)


def test_the_estimator_itself_is_not_touched():
    model = Sound(random_state=7)
    check_sequence_estimator(model)
    assert vars(model) == {"random_state": 7}


def test_objects_that_are_no_estimators_fail_every_check():
    results = check_sequence_estimator(object(), on_fail=None)
    assert {result["status"] for result in results} == {"failed"}


def test_a_misspelt_on_fail_is_refused():
    with pytest.raises(ValueError, match="on_fail must be 'raise' or None, got 'no'"):
        check_sequence_estimator(Sound(), on_fail="no")
