"""
Answer over HTTP
================

Whole sequences, or live streams one step at a time. Run it with ``python
examples/serve.py model.skrnn`` for a classifier or regressor that ``skrnn.save`` wrote,
or without a file for a small one that tells activities by the readings of a smart watch
(BasicMotions, in sktime). It needs ``fastapi`` and ``uvicorn``: ``pip install -e
".[serve]"``. This page shows the script; it is run from a shell. Then, for example::

    curl localhost:8000/model
    curl localhost:8000/predict -H "content-type: application/json" \\
         -d '{"sequences": [[[0.1, 0, 0, 0, 0, 0], [0.2, 0, 0, 0, 0, 0]]]}'
    curl -X POST localhost:8000/streams
    curl localhost:8000/streams/THE-ID/steps -H "content-type: application/json" \\
         -d '{"step": [0.1, 0, 0, 0, 0, 0]}'

What comes is checked by its schema (localhost:8000/docs shows it) and then by skrnn;
what is wrong with it is said with status 422. Any number of requests may come at once:
they wait for a free thread, and steps of one stream for each other.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnail.png'

import argparse
import secrets
import threading
import time
from typing import Annotated

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field
from sklearn.base import is_classifier
from sktime.datasets import load_basic_motions

import skrnn

MOST_STREAMS = 10_000
IDLE = 3600.0  # seconds, after which a stream may make room for another


OneSequence = Annotated[list[list[float]], Field(min_length=1)]


class Sequences(BaseModel):
    """Sequences of any lengths: a list of steps each, of which each is a list."""

    sequences: list[OneSequence] = Field(min_length=1, max_length=1000)


class Step(BaseModel):
    """One number for each feature."""

    step: list[float]


class Stream:
    """Where a stream stands."""

    def __init__(self, state):
        self.state = state
        self.lock = threading.Lock()
        self.used = time.monotonic()


def make_app(model):
    """Build the service around a fitted classifier or regressor."""
    app = FastAPI(title="skrnn", version=skrnn.__version__)
    streams: dict[str, Stream] = {}
    all_streams = threading.Lock()
    answer = model.predict_proba if is_classifier(model) else model.predict
    n_features = model.module_.config["n_features"]

    @app.get("/model")
    def about():
        """Say what is asked, and what is answered."""
        found = {"model": type(model).__name__, "n_features": n_features}
        if is_classifier(model):
            found["classes"] = np.asarray(model.classes_).tolist()
        return found

    @app.post("/predict")
    def predict(asked: Sequences):
        """Answer for whole sequences."""
        return {"outputs": checked(answer, [as_array(x) for x in asked.sequences])}

    @app.post("/streams", status_code=201)
    def begin():
        """Begin a stream."""
        state = checked(model.initial_state, 1, plain=False)
        with all_streams:
            if len(streams) >= MOST_STREAMS:
                make_room(streams)
            name = secrets.token_urlsafe(16)
            streams[name] = Stream(state)
        return {"stream": name}

    @app.post("/streams/{name}/steps")
    def step(name: str, asked: Step):
        """Read one more step of a stream, and answer for all so far."""
        stream = streams.get(name)
        if stream is None:
            raise HTTPException(404, f"There is no stream {name!r}.")
        with stream.lock:  # one step after the other
            x = np.asarray([asked.step])
            outputs, stream.state = checked(model.step, x, stream.state, plain=False)
            stream.used = time.monotonic()
            n_steps = stream.state.n_steps
        return {"outputs": np.asarray(outputs)[0].tolist(), "n_steps": int(n_steps)}

    @app.delete("/streams/{name}", status_code=204)
    def end(name: str):
        """Forget a stream."""
        if streams.pop(name, None) is None:
            raise HTTPException(404, f"There is no stream {name!r}.")

    return app


def as_array(steps):
    """An array (n_steps, n_features), if all steps are of one size."""
    try:
        return np.array(steps, dtype=float).reshape(len(steps), -1)
    except ValueError as error:
        raise HTTPException(422, f"Steps differ in size: {error}") from error


def checked(function, *arguments, plain=True):
    """Call skrnn; what it says of bad input is the answer."""
    try:
        found = function(*arguments)
    except (TypeError, ValueError) as error:
        raise HTTPException(422, str(error)) from error
    return np.asarray(found).tolist() if plain else found


def make_room(streams):
    """Forget streams that nobody has used for long, or refuse a new one."""
    for name, stream in list(streams.items()):
        if time.monotonic() - stream.used > IDLE:
            del streams[name]
    if len(streams) >= MOST_STREAMS:
        raise HTTPException(503, f"There are {MOST_STREAMS} streams already.")


def train():
    """Fit a small network that reads forwards only, so that it can go step by step."""
    X, y = load_basic_motions(split="train")
    model = skrnn.GRUClassifier(bidirectional=False, random_state=0)
    return model.fit(skrnn.as_sequences(X), y)


if __name__ == "__main__":
    import uvicorn

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("model", nargs="?", help="a file that skrnn.save wrote")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    served = train() if options.model is None else skrnn.load(options.model)
    uvicorn.run(make_app(served), port=options.port)
