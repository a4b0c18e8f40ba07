"""save and load: fitted estimators in files that run no code."""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from skrnn._files import replace_file
from skrnn._plain import ModelFileError, Reader, Writer, name_of

__all__ = ["ModelFileError", "load", "save"]

FORMAT = 1
LIBRARIES = ("skrnn", "torch", "numpy", "scikit-learn", "sktime", "pandas")
MANIFEST, CONFIG, MODEL = "manifest.json", "config.json", "model.safetensors"
LARGEST = {MANIFEST: 2**16, CONFIG: 2**28, MODEL: 2**42}  # bytes


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
        A classifier, regressor or forecaster of this package, fitted or not; a
        ``SequenceScaler``; or a ``Pipeline``, a vote or a transformed target of
        scikit-learn with these and scikit-learn's scalers inside.
    path : str or path-like
        The file.

    Raises
    ------
    TypeError
        If ``estimator`` is of another class, or holds what no file of this kind can: a
        function as ``loss``, callbacks.
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
    tensors = tensor_files()
    name = name_of(estimator)
    if name is None or not hasattr(estimator, "get_params"):
        raise TypeError(
            f"estimator is a {type(estimator).__name__}, expected an estimator of "
            "skrnn, or a Pipeline, vote or transformed target of scikit-learn with "
            "such inside. For others use pickle, joblib or skops."
        )
    writer = Writer()
    described = writer.describe(estimator, type(estimator).__name__)
    config = json.dumps({"estimator": described}, allow_nan=False, indent=1).encode()
    parts = {CONFIG: config, MODEL: tensors.save(writer.arrays)}
    manifest = {
        "format": "skrnn",
        "format_version": FORMAT,
        "versions": {"python": platform.python_version(), **versions()},
        "files": {
            name: {"size": len(part), "sha256": hashlib.sha256(part).hexdigest()}
            for name, part in parts.items()
        },
    }
    parts[MANIFEST] = json.dumps(manifest, indent=1).encode()

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, part in parts.items():
                archive.writestr(zipfile.ZipInfo(name), part)

    replace_file(path, write)


def load(path: Any) -> Any:
    """Read an estimator from a file that ``save`` wrote.

    No code of the file is run: classes are looked up in a fixed table, checksums and
    sizes are compared before anything is made. A model that was fitted on a GPU is
    loaded on the CPU, with a warning, if there is none.

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
    tensors = tensor_files()
    place = Path(path)
    try:
        with place.open("rb") as file:
            parts = read_parts(file)
        arrays = tensors.load(parts[MODEL])
        return make(parts[CONFIG], arrays)
    except OSError:
        raise
    except MemoryError as error:
        raise MemoryError(f"{place} holds a model too large for the memory.") from error
    except Exception as error:  # a damaged file may fail anywhere
        raise ModelFileError(
            f"{place} cannot be loaded as a model of skrnn: {error}"
        ) from error


def read_parts(file: IO[bytes]) -> dict[str, bytes]:
    """Read the parts of a file, whole and unchanged, or raise."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sorted(each.filename for each in members) != sorted(LARGEST):
            raise ModelFileError(
                f"expected {sorted(LARGEST)} in it, found "
                f"{sorted(each.filename for each in members)[:5]}."
            )
        for each in members:
            stored = each.compress_type == zipfile.ZIP_STORED
            if not stored or each.file_size != each.compress_size:
                raise ModelFileError(f"{each.filename} is compressed.")
            if each.file_size > LARGEST[each.filename]:
                raise ModelFileError(f"{each.filename} has {each.file_size} bytes.")
        manifest = json.loads(archive.read(MANIFEST))
        check_format(manifest)
        parts = {}
        for name in (CONFIG, MODEL):
            parts[name] = archive.read(name)
            expected = manifest["files"][name]
            found = hashlib.sha256(parts[name]).hexdigest()
            if (len(parts[name]), found) != (expected["size"], expected["sha256"]):
                raise ModelFileError(f"{name} was changed: its checksum is another.")
    return parts


def check_format(manifest: Any) -> None:
    """Refuse files of something else, and of versions to come."""
    if not isinstance(manifest, dict) or manifest.get("format") != "skrnn":
        raise ModelFileError("its manifest is not one of skrnn.")
    number = manifest["format_version"]
    if not isinstance(number, int) or number < 1:
        raise ModelFileError(f"its format_version is {number!r}.")
    if number > FORMAT:
        by = manifest["versions"].get("skrnn")
        raise ModelFileError(
            f"it has format {number}, written by skrnn {by}, and this version reads "
            f"formats up to {FORMAT}: upgrade skrnn."
        )


def make(config: bytes, arrays: dict[str, NDArray[np.generic]]) -> Any:
    """Make the estimator."""
    reader = Reader(arrays)
    estimator = reader.make(json.loads(config)["estimator"])
    if not hasattr(estimator, "get_params"):
        raise ModelFileError("it holds no estimator.")
    if reader.used != set(arrays):
        raise ModelFileError(f"nothing uses {sorted(set(arrays) - reader.used)[:5]}.")
    return estimator


def versions() -> dict[str, str | None]:
    """Versions of the libraries that are installed."""
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def tensor_files() -> Any:
    """Load safetensors, which is an extra."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "Model files need safetensors: pip install safetensors."
        ) from error
    return safetensors.numpy
