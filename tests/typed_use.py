"""How a user's program looks to mypy: every line must be accepted, and known by type.

``mypy --strict tests/typed_use.py`` reads it; it also runs.
"""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import skrnn
from skrnn import (
    GRUClassifier,
    GRUTagger,
    LSTMRegressor,
    Sequences,
    SequenceScaler,
    as_sequences,
    make_windows,
)
from skrnn.datasets import make_events, make_waves
from skrnn.forecasting import GRUForecaster
from skrnn.metrics import step_accuracy_score
from skrnn.tuning import search_space


def main() -> None:
    X, y = make_waves(n_sequences=30, ragged=True, random_state=0)
    sequences = assert_type(as_sequences(X), Sequences)
    scaler = assert_type(SequenceScaler().fit(sequences), SequenceScaler)
    scaled = scaler.transform(sequences)
    model = GRUClassifier(hidden_size=8, max_epochs=2, random_state=0).fit(scaled, y)
    assert_type(model, GRUClassifier)
    assert_type(model.predict(scaled), NDArray[Any])
    assert_type(model.predict_proba(scaled), NDArray[np.float64])
    print(float(model.score(scaled, y)), len(search_space(model)))

    windows, following = make_windows(np.sin(np.arange(60.0)), window_length=8)
    regressor = LSTMRegressor(8, max_epochs=2, random_state=0).fit(windows, following)
    assert_type(regressor, LSTMRegressor)
    assert_type(regressor.predict(windows), NDArray[np.float64])

    readings, activities = make_events(n_sequences=8, random_state=0)
    tagger = GRUTagger(max_epochs=2, random_state=0).fit(readings, activities)
    print(step_accuracy_score(activities, tagger.predict(readings)))

    forecaster = assert_type(GRUForecaster(max_epochs=2), GRUForecaster)
    print(forecaster, skrnn.__version__)


if __name__ == "__main__":
    main()
