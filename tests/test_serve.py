"""The service of examples/serve.py, asked over the loopback by a real client."""

import importlib.util
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from numpy.testing import assert_allclose

import skrnn
from skrnn import GRUClassifier, GRURegressor
from skrnn.datasets import make_waves

EXAMPLE = Path(__file__).parents[1] / "examples" / "serve.py"
SMALL = {"hidden_size": 6, "max_epochs": 3, "random_state": 0, "bidirectional": False}


@pytest.fixture(scope="module")
def serve():
    spec = importlib.util.spec_from_file_location("serve", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def waves():
    return make_waves(n_sequences=60, n_steps=20, ragged=True, random_state=0)


@pytest.fixture(scope="module")
def model(waves, tmp_path_factory):
    """A model as the service gets it: out of a file."""
    path = tmp_path_factory.mktemp("serve") / "model.skrnn"
    skrnn.save(GRUClassifier(**SMALL).fit(*waves), path)
    return skrnn.load(path)


class Running:
    """A service in a thread, at a port that is free."""

    def __init__(self, app):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app,
            log_level="error",
            lifespan="off",
            timeout_keep_alive=120,  # else it hangs up on clients that wait for a core
        )
        self.server = uvicorn.Server(config)
        sockets = {"sockets": [self.socket]}
        self.thread = threading.Thread(target=self.server.run, kwargs=sockets)

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        limits = httpx.Limits(max_connections=100)
        self.client = httpx.Client(base_url=address, timeout=60, limits=limits)
        return self.client

    def __exit__(self, *error):
        self.client.close()
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()


@pytest.fixture(scope="module")
def client(serve, model):
    with Running(serve.make_app(model)) as client:
        yield client


def asked(X):
    return {"sequences": [x.tolist() for x in X]}


def test_it_says_what_it_is(client):
    about = client.get("/model").json()
    assert about == {"model": "GRUClassifier", "n_features": 1, "classes": [0, 1, 2]}
    schema = client.get("/openapi.json").json()
    assert {"/model", "/predict", "/streams"} <= set(schema["paths"])


def test_a_batch_of_any_lengths_is_answered_as_by_the_model(client, model, waves):
    found = client.post("/predict", json=asked(waves[0][:9])).json()["outputs"]
    assert_allclose(found, model.predict_proba(waves[0][:9]), rtol=1e-12)


def test_a_stream_is_answered_as_the_sequence_so_far(client, model, waves):
    x = waves[0][0]
    name = client.post("/streams").json()["stream"]
    for n, reading in enumerate(x, start=1):
        step = {"step": reading.tolist()}
        found = client.post(f"/streams/{name}/steps", json=step).json()
        assert found["n_steps"] == n
        assert_allclose(found["outputs"], model.predict_proba([x[:n]])[0], atol=1e-6)
    assert client.delete(f"/streams/{name}").status_code == 204
    assert client.delete(f"/streams/{name}").status_code == 404


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("/predict", {"sequences": []}, "at least 1 item"),
        ("/predict", {"sequences": [[["a"]]]}, "valid number"),
        ("/predict", {"sequence": [[[1.0]]]}, "Field required"),
        ("/predict", {"sequences": [[[1.0, 2.0]]]}, "expecting 1 features"),
        ("/predict", {"sequences": [[[1.0], [1.0, 2.0]]]}, "Steps differ in size"),
        ("/predict", {"sequences": [[[1.0]], []]}, "at least 1 item"),
        ("/streams/NAME/steps", {"step": [1.0, 2.0]}, "expected (1, 1)"),
        ("/streams/NAME/steps", {"step": [None]}, "valid number"),
    ],
)
def test_bad_input_is_explained_and_harms_nothing(client, path, content, message):
    name = client.post("/streams").json()["stream"]
    got = client.post(path.replace("NAME", name), json=content)
    assert got.status_code == 422
    assert message in got.text
    step = client.post(f"/streams/{name}/steps", json={"step": [0.5]})
    assert step.json()["n_steps"] == 1


def test_unknown_streams_are_not_found(client):
    assert client.post("/streams/none/steps", json={"step": [0.5]}).status_code == 404


def test_a_network_that_reads_backwards_says_that_it_cannot_stream(serve, waves):
    X = waves[0]
    model = GRURegressor(**{**SMALL, "bidirectional": True})
    with Running(serve.make_app(model.fit(X, [x.mean() for x in X]))) as client:
        got = client.post("/streams")
        assert got.status_code == 422
        assert "bidirectional=False" in got.text
        found = client.post("/predict", json=asked(X[:3])).json()["outputs"]
        assert_allclose(found, model.predict(X[:3]), rtol=1e-12)


def test_there_is_a_limit_to_streams(serve, model, monkeypatch):
    monkeypatch.setattr(serve, "MOST_STREAMS", 2)
    with Running(serve.make_app(model)) as client:
        codes = [client.post("/streams").status_code for _ in range(3)]
        assert codes == [201, 201, 503]
        monkeypatch.setattr(serve, "IDLE", 0.0)
        assert client.post("/streams").status_code == 201


@pytest.mark.slow
def test_under_load_nothing_is_lost_or_mixed_up(client, model, waves):
    """As many clients as connections, more than there are threads."""
    X, _ = waves
    expected = model.predict_proba(X)

    def batches(number):
        rows = np.random.default_rng(number).integers(0, len(X), (20, 3))
        for some in rows:
            found = client.post("/predict", json=asked([X[k] for k in some]))
            assert_allclose(found.json()["outputs"], expected[some], rtol=1e-12)
        return len(rows)

    def stream(number):
        name = client.post("/streams").json()["stream"]
        for reading in X[number]:
            step = {"step": reading.tolist()}
            found = client.post(f"/streams/{name}/steps", json=step).json()
        assert_allclose(found["outputs"], expected[number], atol=1e-6)
        return found["n_steps"]

    with ThreadPoolExecutor(100) as pool:
        asking = [pool.submit(batches, k) for k in range(50)]
        streaming = [pool.submit(stream, k) for k in range(50)]
        assert sum(each.result() for each in asking) == 1000
        n_steps = [each.result() for each in streaming]
    assert n_steps == [len(x) for x in X[:50]]
