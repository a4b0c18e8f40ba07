"""save and load: fitted estimators in files that run no code."""

from __future__ import annotations

from typing import Any

from skrnn._files import Arrays, ModelFileError, read_archive, write_archive
from skrnn._plain import Reader, Writer, name_of

__all__ = ["ModelFileError", "load", "save"]

KIND, FORMAT = "skrnn model", 2


def save(estimator: Any, path: Any) -> None:
    """Write an estimator to a file that runs no code when it is loaded.

    The file is a zip archive, not compressed, of ``config.json`` (parameters and what
    was learned), ``model.safetensors`` (all arrays) and ``manifest.json`` (the version
    of the format, those of the libraries, sizes and SHA-256 of the others). It is
    written beside its place and put there at once: after an error, with a full disk, or
    if the process is killed, an older file stays as it was.

    Parameters
    ----------
    estimator : object
        A classifier, regressor, tagger or forecaster of this package, fitted or not; a
        ``SequenceScaler``; or a ``Pipeline``, a vote or a transformed target of
        scikit-learn with these and scikit-learn's scalers inside.
    path : str or path-like
        The file.

    Raises
    ------
    TypeError
        If ``estimator`` is of another class, or holds what no file of this kind can: a
        function as ``loss``, callbacks.
    ValueError
        If a parameter holds itself, or the file would be too large to be read.
    OSError
        If the file cannot be written.
    ImportError
        If safetensors is not installed.

    See Also
    --------
    load : Read it again.

    Examples
    --------
    >>> import tempfile
    >>> import skrnn
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(n_sequences=60, random_state=0)
    >>> model = skrnn.GRUClassifier(max_epochs=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skrnn.save(model, f"{folder}/waves.skrnn")
    ...     loaded = skrnn.load(f"{folder}/waves.skrnn")
    >>> float(abs(loaded.predict_proba(X) - model.predict_proba(X)).max())
    0.0
    """
    name = name_of(estimator)
    if name is None or not hasattr(estimator, "get_params"):
        raise TypeError(
            f"estimator is a {type(estimator).__name__}, expected an estimator of "
            "skrnn, or a Pipeline, vote or transformed target of scikit-learn with "
            "such inside. For others use pickle, joblib or skops."
        )
    writer = Writer()
    try:
        tree = writer.write(estimator, type(estimator).__name__)
        write_archive(path, KIND, FORMAT, tree, writer.arrays)
    except RecursionError as error:
        raise ValueError(
            f"A parameter or attribute of {type(estimator).__name__} holds itself, or "
            "lists or dicts too deep inside each other, which a model file cannot hold."
        ) from error


def load(path: Any) -> Any:
    """Read an estimator from a file that ``save`` wrote.

    No code of the file is run: classes are looked up in a fixed table. Checksums and
    sizes are compared before anything is made; they find damage, but no forgery. A
    model that was fitted on a GPU is loaded on the CPU, with a warning, if there is
    none.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator : object
        As it was saved: it predicts the same to the bit on the same machine.

    Raises
    ------
    ModelFileError
        If the file is no model of this package, was cut off or changed, or is of a
        newer format than this version of the package reads. It is a ``ValueError``.
    OSError
        If the file cannot be read.
    ImportError
        If safetensors is not installed.

    See Also
    --------
    save : Write one.

    Examples
    --------
    >>> import tempfile
    >>> import skrnn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skrnn.save(skrnn.GRURegressor(hidden_size=7), f"{folder}/gru.skrnn")
    ...     skrnn.load(f"{folder}/gru.skrnn").hidden_size
    7
    """
    try:
        return make(*read_archive(path, KIND, FORMAT))
    except (OSError, ImportError):
        raise
    except MemoryError as error:
        raise MemoryError(f"{path} holds a model too large for the memory.") from error
    except Exception as error:  # a damaged file may fail anywhere
        raise ModelFileError(
            f"{path} cannot be loaded as a model of skrnn: {error}"
        ) from error


def make(tree: Any, arrays: Arrays) -> Any:
    """Make the estimator."""
    reader = Reader(arrays)
    first = "estimator" in tree  # the first format, with objects inside each other
    estimator = reader.make(tree["estimator"]) if first else reader.read(tree)
    if not callable(getattr(type(estimator), "get_params", None)):
        raise ModelFileError("it holds no estimator.")
    idle = sorted(set(arrays) - set(reader.used))
    if idle:
        raise ModelFileError(f"nothing uses {idle[:5]}.")
    return estimator
