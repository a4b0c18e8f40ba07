"""What was built and installed, tried from outside: python installed.py ENGINE.

ENGINE is what must do the work: "native", or "torch" where there was no compiler.
"""

import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path


def main(engine: str) -> None:
    import skrnn
    from skrnn import GRUClassifier
    from skrnn.datasets import make_waves

    home = Path(skrnn.__file__).resolve()
    assert home.is_relative_to(Path(sys.prefix).resolve()), f"{home} is not installed"
    assert version("skrnn") == skrnn.__version__
    assert (files("skrnn") / "py.typed").is_file()

    X, y = make_waves(ragged=True, random_state=0)
    model = GRUClassifier(max_epochs=20, engine=engine, random_state=0)
    accuracy = model.fit(X[:90], y[:90]).score(X[90:], y[90:])
    assert accuracy > 0.8, accuracy
    if engine == "torch":  # there is nothing else
        try:
            GRUClassifier(engine="native").fit(X, y)
        except ValueError:
            pass
        else:
            raise AssertionError("engine='native' works without a compiler")

    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & {"matplotlib", "onnx", "sktime"}, loaded
    from sktime.datasets import load_airline

    from skrnn.forecasting import GRUForecaster

    forecaster = GRUForecaster(max_epochs=2, n_estimators=1, random_state=0)
    assert len(forecaster.fit(load_airline()).predict(fh=[1, 2, 3])) == 3
    print(f"skrnn {version('skrnn')} in {sys.prefix}: {engine}, {accuracy:.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
