"""Makes the files of a new format: python make.py FORMAT. Old ones stay as they are."""

import sys
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline
from sktime.datasets import load_airline
from sktime.utils._testing.hierarchical import _make_hierarchical

import skrnn
from skrnn.datasets import make_waves
from skrnn.forecasting import LSTMForecaster, RNNForecaster

HERE = Path(__file__).parent


def main():
    X, y = make_waves(n_sequences=30, n_steps=20, random_state=0)
    labels = np.array(["slow", "medium", "fast"])[y]
    params = {"hidden_size": 4, "max_epochs": 10, "random_state": 0}
    classifier = skrnn.GRUClassifier(**params, missing="mask").fit(X, labels)
    network = skrnn.LSTMClassifier(**params, stem=0, num_layers=2)
    pipeline = make_pipeline(skrnn.SequenceScaler(), network).fit(X, y)
    forecaster = LSTMForecaster(**params).fit(load_airline())
    y = _make_hierarchical((2, 2), 30, 30, random_state=0)
    panel = RNNForecaster(**params).fit(y)
    models = {"classifier": classifier, "pipeline": pipeline}
    models |= {"forecaster": forecaster, "panel": panel}
    for name, model in models.items():
        path = HERE / f"format{sys.argv[1]}_{name}.skrnn"
        if path.exists():
            raise SystemExit(f"{path} is there already, and stays.")
        skrnn.save(model, path)
        if name in ("forecaster", "panel"):
            expected = model.predict_quantiles(fh=[1, 2, 12], alpha=[0.1, 0.9])
            known = {"expected": expected.to_numpy()}
        else:
            known = {"X": X, "expected": model.predict_proba(X)}
        np.savez_compressed(path.with_suffix(".npz"), **known)


if __name__ == "__main__":
    main()
