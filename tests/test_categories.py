"""Features that are categories, and the vectors that stand for them."""

import pickle
from fnmatch import fnmatch

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import skrnn
from skrnn import (
    GRUClassifier,
    GRURegressor,
    LSTMClassifier,
    Sequences,
    SequenceScaler,
    as_sequences,
)
from skrnn.inspection import sequence_importance

SMALL = {"hidden_size": 6, "max_epochs": 3, "random_state": 0, "device": "cpu"}
N, N_CODES = 60, 12


@pytest.fixture(scope="module")
def data():
    """Numbers and codes side by side; a class depends on both."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 14, N)
    offsets = np.append(0, np.cumsum(lengths))
    numbers = rng.normal(5.0, 3.0, (offsets[-1], 2))
    codes = rng.integers(0, N_CODES, offsets[-1])
    values = np.column_stack([numbers[:, 0], codes, numbers[:, 1]])
    X = Sequences(values, offsets, ["a", "code", "b"], [0, N_CODES, 0])
    y = np.array([(each[:, 1] == 3).any() ^ (each[0, 0] > 6) for each in X])
    return X, y.astype(int)


def test_a_code_is_looked_up_and_stands_after_the_numbers(data):
    X, y = data
    model = GRUClassifier(**SMALL, stem=0, dtype="float64").fit(X, y)
    assert model.n_categories_.tolist() == [0, N_CODES, 0]
    module = model.module_
    table = module.embedding.tables[0].detach().numpy()
    assert table.shape == (N_CODES + 1, round(1.6 * N_CODES**0.56))
    for place in range(5):
        sequence = X[place]
        vectors = table[sequence[:, 1].astype(int) + 1]
        read = torch.from_numpy(np.column_stack([sequence[:, [0, 2]], vectors]))
        with torch.no_grad():
            outputs = module.head(module.read(read[None]))
        expected = torch.softmax(outputs, 1).numpy()
        assert_allclose(model.predict_proba(X[place : place + 1]), expected, atol=1e-12)


def test_numbers_are_scaled_and_vectors_are_not(data):
    X, y = data
    scaling = GRUClassifier(**SMALL, dtype="float64").fit(X, y).module_.scaling
    numbers = X.values[:, [0, 2]]
    assert_allclose(scaling.mean[:2], numbers.mean(axis=0))
    assert_allclose(scaling.scale[:2], numbers.std(axis=0))
    assert_array_equal(scaling.mean[2:], 0.0)
    assert_array_equal(scaling.scale[2:], 1.0)


@pytest.mark.parametrize("wanted", [[1], ["code"], (np.int64(1),)])
def test_features_are_named_by_place_or_by_name(data, wanted):
    X, y = data
    alike = GRUClassifier(**SMALL).fit(X, y).predict_proba(X)
    plain = Sequences(X.values, X.offsets, X.feature_names)
    model = GRUClassifier(**SMALL, categorical_features=wanted).fit(plain, y)
    assert_array_equal(model.predict_proba(plain), alike)
    as_numbers = GRUClassifier(**SMALL, categorical_features=None).fit(X, y)
    assert as_numbers.module_.embedding is None


def test_names_are_those_of_frames(data):
    X, y = data
    frames = [pd.DataFrame(each, columns=["a", "code", "b"]) for each in X]
    model = GRUClassifier(**SMALL, categorical_features=["code"]).fit(frames, y)
    assert_array_equal(model.predict_proba(frames), model.predict_proba(X))


@pytest.mark.parametrize("engine", ["auto", "torch"])
@pytest.mark.parametrize("pooling", ["concat", "attention"])
@pytest.mark.parametrize("stem", [0, 1])
def test_no_answer_depends_on_another(data, engine, pooling, stem):
    X, y = data
    params = {**SMALL, "engine": engine, "pooling": pooling, "stem": stem}
    model = LSTMClassifier(**params).fit(X, y)
    alone = [model.predict_proba(X[place : place + 1])[0] for place in range(N)]
    assert_array_equal(model.predict_proba(X), alone)


def test_new_codes_and_minus_one_are_unknown(data):
    X, y = data
    model = GRUClassifier(**SMALL, word_dropout=0.3).fit(X, y)
    found = []
    for code in (-1, N_CODES, 10**6):
        values = X.values.copy()
        values[::3, 1] = code
        found.append(model.predict_proba(X.with_values(values)))
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])
    assert abs(found[0] - model.predict_proba(X)).max() > 1e-3


def test_word_dropout_is_what_the_unknown_one_learns_from(data):
    X, y = data
    with_dropout, without = (
        GRUClassifier(**SMALL, word_dropout=share).fit(X, y).module_.embedding.tables[0]
        for share in (0.3, 0.0)
    )
    assert_array_equal(without[0].detach(), 0.0)
    assert (with_dropout[0] != 0.0).all()


def test_a_share_of_codes_is_dropped_while_training():
    from skrnn._embedding import Embedding

    module = Embedding(1, ((0, 5, 1),), word_dropout=0.3)
    with torch.no_grad():
        module.tables[0][:] = torch.arange(6.0)[:, None]
    module.generator = torch.Generator().manual_seed(0)
    codes = torch.arange(5.0).repeat(4000)[None, :, None]
    dropped = module(codes)
    kept = dropped != 0.0
    assert_array_equal(dropped[kept].detach(), (codes + 1)[kept])
    assert abs(float(kept.float().mean()) - 0.7) < 0.015
    assert_array_equal(module.eval()(codes).detach(), codes + 1)


def test_vectors_are_what_training_begins_with(data):
    X, y = data
    vectors = np.random.default_rng(0).normal(size=(N_CODES, 5))
    params = {**SMALL, "lr": 1e-9, "weight_decay": 0.0}
    model = GRUClassifier(**params, embedding=vectors).fit(X, y)
    assert_allclose(model.module_.embedding.tables[0][1:].detach(), vectors, atol=1e-6)
    sized = GRUClassifier(**params, embedding=3).fit(X, y)
    assert sized.module_.embedding.tables[0].shape == (N_CODES + 1, 3)
    assert clone(model).fit(X, y).predict_proba(X)[0, 0] == model.predict_proba(X)[0, 0]


def test_a_stream_says_what_the_batch_says(data):
    X, y = data
    model = GRURegressor(**SMALL, bidirectional=False).fit(X, y)
    state = model.initial_state(2)
    for step in zip(X[0], X[1], strict=False):
        output, state = model.step(np.array(step), state)
    read = [X[0][: state.n_steps], X[1][: state.n_steps]]
    so_far = Sequences.from_arrays(read, X.feature_names)
    assert_allclose(output, model.predict(so_far), atol=1e-6)


def test_missing_codes_are_unknown_until_there_is_one(data):
    X, y = data
    values = X.values.copy()
    values[X.offsets[:-1], 1] = np.nan
    model = GRUClassifier(**SMALL, missing="mask").fit(X.with_values(values), y)
    assert model.fill_values_[1] == -1.0
    assert np.isfinite(model.predict_proba(X.with_values(values))).all()


def test_importances_of_codes_add_up(data):
    X, y = data
    model = GRURegressor(**SMALL, dtype="float64", pooling="last")
    model.fit(X, y.astype(float))
    base = np.array([5.0, -1.0, 5.0])
    found = sequence_importance(model, X[:8], baseline=base, n_points=400)
    assert [each.shape for each in found] == [each.shape for each in X[:8]]
    nothing = X[:8].with_values(np.tile(base, (len(X[:8].values), 1)))
    expected = model.predict(X[:8]) - model.predict(nothing)
    assert_allclose([each.sum() for each in found], expected, atol=1e-5)
    occluded = sequence_importance(model, X[:2], method="occlusion")
    assert any(abs(each[:, 1]).max() > 0 for each in occluded)


def test_a_fitted_network_is_kept_and_trained_further(data, tmp_path):
    X, y = data
    model = GRUClassifier(**SMALL, warm_start=True).fit(X, y)
    skrnn.save(model, tmp_path / "model.skrnn")
    for kept in (
        pickle.loads(pickle.dumps(model)),
        skrnn.load(tmp_path / "model.skrnn"),
    ):
        assert_array_equal(kept.predict_proba(X), model.predict_proba(X))
        assert_array_equal(
            kept.fit(X, y).predict_proba(X),
            clone(model).fit(X, y).fit(X, y).predict_proba(X),
        )


def test_a_scaler_leaves_codes_alone(data):
    X, _ = data
    for per in ("feature", "sequence"):
        scaled = SequenceScaler(per=per).fit_transform(X)
        assert_array_equal(scaled.values[:, 1], X.values[:, 1])
        assert scaled.n_categories == X.n_categories
        assert abs(scaled.values[:, 0].mean()) < 1e-9


def test_a_container_keeps_its_categories(data):
    X, _ = data
    uniform = Sequences(np.zeros((6, 1)), [0, 2, 4, 6], None, [3])
    for each in (X, uniform):
        for key in (slice(1, 3), [0, 2], np.arange(len(each)) < 2):
            assert each[key].n_categories == each.n_categories
        assert each.with_values(each.values + 1).n_categories == each.n_categories
    assert X.with_values(X.values[:, :2]).n_categories is None
    for wrong in ([1, 2], [0, -1, 0]):
        with pytest.raises(ValueError, match="expected a whole number from 0 on for"):
            Sequences(X.values, X.offsets, None, wrong)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"categorical_features": [3]},
            "holds 3, expected numbers of features from 0 to 2",
        ),
        ({"categorical_features": ["c"]}, r"or names out of \['a', 'code', 'b'\]"),
        (
            {"categorical_features": [0]},
            r"holds .*\(sequence 0, step 0\), but it is a cat",
        ),
        ({"categorical_features": "all"}, "'categorical_features' parameter"),
        (
            {"scale_inputs": "sequence"},
            "scale_inputs='sequence' has no meaning for categ",
        ),
        ({"embedding": np.zeros((3, 2))}, r"shape \(3, 2\), expected \(12, size\)"),
        ({"embedding": np.full((12, 2), np.nan)}, "one vector of finite numbers"),
        ({"embedding": 0}, "'embedding' parameter"),
        (
            {"embedding": np.zeros((12, 2)), "categorical_features": None},
            "but 0 features",
        ),
        ({"word_dropout": 1.0}, "'word_dropout' parameter"),
    ],
)
def test_what_cannot_be_embedded_is_explained(data, params, message):
    X, y = data
    with pytest.raises(ValueError, match=message):
        GRUClassifier(**SMALL, **params).fit(X, y)


def test_codes_of_predict_are_looked_at(data):
    X, y = data
    model = GRUClassifier(**SMALL).fit(X, y)
    values = X.values.copy()
    values[4, 1] = 1.5
    with pytest.raises(ValueError, match=r"Feature 1 of X holds 1\.5"):
        model.predict(X.with_values(values))


@pytest.mark.parametrize("missing", ["error", "mask"])
@pytest.mark.parametrize("kind", ["sequence", "step", "program"])
def test_an_export_looks_up_too(data, kind, missing, tmp_path):
    """Each is compared with the estimator before it is written."""
    X, y = data
    params = {**SMALL, "bidirectional": kind == "sequence", "missing": missing}
    model = GRUClassifier(**params, word_dropout=0.3).fit(X, y)
    if kind == "program":
        skrnn.to_torch(model, tmp_path / "model.pt2")
    else:
        skrnn.to_onnx(model, tmp_path / "model.onnx", kind=kind)
    assert list(tmp_path.iterdir())


def test_a_graph_gives_what_the_estimator_gives_for_tokens(tmp_path):
    texts = ["good day", "bad day", "what a good one", "so bad"] * 5
    encoder = skrnn.TokenEncoder(min_count=6).fit(texts)
    model = LSTMClassifier(**SMALL).fit(encoder.transform(texts), ["g", "b"] * 10)
    skrnn.to_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    X = encoder.transform(["good one", "bad bad day or not"])
    inputs = {"x": X.to_padded().astype(np.float32), "lengths": X.lengths}
    probabilities, labels = session.run(["probabilities", "label"], inputs)
    assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    assert labels.tolist() == model.predict(X).tolist()


def test_vectors_decay_faster_than_other_weights(data):
    X, y = data
    model = GRUClassifier(**SMALL, weight_decay=0.02).fit(X, y)
    groups = model.net_.optimizer_.param_groups
    assert sorted(group["weight_decay"] for group in groups) == [0.02, 0.6]
    (fast,) = (group for group in groups if group["weight_decay"] == 0.6)
    assert [len(each) for each in fast["params"]] == [N_CODES + 1]
    own = {"optimizer__param_groups": [("embedding.*", {"weight_decay": 0.0})]}
    model = GRUClassifier(**SMALL, net_params=own).fit(X, y)
    decays = [group["weight_decay"] for group in model.net_.optimizer_.param_groups]
    assert sorted(decays) == [0.0, 0.01]


def plain(data):
    """The same steps in lists, without names and numbers of categories."""
    X, y = data
    return [np.array(each) for each in X], y


def test_a_missing_code_hides_no_other(data):
    X, y = plain(data)
    X[0][0, 1] = np.nan
    model = GRUClassifier(**SMALL, categorical_features=[1], missing="mask").fit(X, y)
    assert model.n_categories_.tolist() == [0, N_CODES, 0]


def test_more_categories_may_be_known_than_came(data):
    X, y = data
    wide = Sequences(X.values, X.offsets, None, [0, 20, 0])
    model = GRUClassifier(**SMALL, categorical_features=[1]).fit(wide, y)
    assert model.n_categories_[1] == 20
    vectors = np.ones((30, 2))
    model = GRUClassifier(**SMALL, categorical_features=[1], embedding=vectors)
    assert model.fit(plain(data)[0], y).n_categories_[1] == 30


def test_what_another_encoder_made_is_refused(data):
    X, y = data
    model = GRUClassifier(**SMALL, warm_start=True).fit(X, y)
    other = Sequences(X.values, X.offsets, X.feature_names, [0, 99, 0])
    for call in (model.predict, lambda X: model.fit(X, y)):
        with pytest.raises(
            ValueError, match="has 99 categories, and the network has le"
        ):
            call(other)


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ({"embedding": 7}, "keep embedding"),
        ({"categorical_features": [0, 1]}, "keep categorical_features"),
    ],
)
def test_a_network_is_trained_further_with_its_own_categories(data, now, message):
    X, y = data
    model = GRUClassifier(**SMALL, warm_start=True).fit(X, y).set_params(**now)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_steps_and_baselines_hold_whole_codes(data):
    X, y = plain(data)
    params = {**SMALL, "categorical_features": [1], "bidirectional": False}
    model = GRUClassifier(**params).fit(X, y)
    with pytest.raises(ValueError, match=r"Feature 1 of x holds 1\.5, but it is a cat"):
        model.step([[0.0, 1.5, 0.0]], model.initial_state())
    with pytest.raises(ValueError, match=r"Feature 1 of baseline holds 0\.5"):
        sequence_importance(model, X[:2], baseline=[0.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("X", "params", "message"),
    [
        (
            [[[1e30]], [[0.0]]],
            {"categorical_features": [0]},
            "more than 16777216: give",
        ),
        ([[[1.0]], [[0.0]]], {"categorical_features": [True]}, "holds True, expected"),
        (
            [[[1.0]], [[0.0]]],
            {"categorical_features": [0], "embedding": [[1, 2], [1]]},
            "embedding cannot be read as vectors",
        ),
    ],
)
def test_odd_codes_and_vectors_are_explained(X, params, message):
    with pytest.raises(ValueError, match=message):
        GRUClassifier(**SMALL, **params).fit(X, [0, 1])


def test_vectors_decay_faster_in_a_compiled_network_too(data):
    X, y = data
    model = GRUClassifier(**SMALL).fit(X, y)
    names = [name for name, _ in model.module_.named_parameters()]
    (table,) = [name for name in names if "tables" in name]
    ((pattern, _),) = model.net_.optimizer__param_groups
    for name in (table, f"_orig_mod.{table}"):
        assert fnmatch(name, pattern)


def test_static_categories_tell_apart_what_the_steps_do_not():
    rng = np.random.default_rng(0)
    X = as_sequences([rng.normal(size=(rng.integers(3, 8), 1)) for _ in range(220)])
    machine = rng.integers(3, size=220)
    total = np.add.reduceat(X.values[:, 0], X.offsets[:-1])
    y = np.where(machine == 1, total < 0, total > 0)  # one counts the other way round
    joined = X.join(machine, n_categories=[3])
    model = GRUClassifier(hidden_size=16, max_epochs=40, random_state=0)
    fitted = model.fit(joined[:150], y[:150])
    assert fitted.n_categories_.tolist() == [0, 3]
    assert fitted.score(joined[150:], y[150:]) > 0.9
    assert model.fit(X[:150], y[:150]).score(X[150:], y[150:]) < 0.75
