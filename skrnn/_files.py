"""Files that are whole or not there, and whose parts are known to be unchanged."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import platform
import secrets
import shutil
import zipfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

__all__ = ["ModelFileError", "read_archive", "remove_drafts", "replace_file"]
__all__ += ["write_archive"]

Arrays = dict[str, NDArray[Any]]
LIBRARIES = ("skrnn", "torch", "numpy", "scikit-learn", "sktime", "pandas")
MANIFEST, CONFIG, MODEL = "manifest.json", "config.json", "model.safetensors"
LARGEST = {MANIFEST: 2**16, CONFIG: 2**28, MODEL: 2**42}  # bytes


class ModelFileError(ValueError):
    """A file is no whole and unchanged one of this package."""


def replace_file(path: Any, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a new file, and put it in the place of ``path`` at once.

    Whatever happens before that, an error, a full disk, a kill, leaves an old file as
    it was. What was written is on the disk when this returns.
    """
    place = Path(path).resolve()  # a link stays one
    if place.is_dir():
        raise IsADirectoryError(f"{place} is a folder: name a file inside it.")
    draft = place.with_name(f"{draft_of(place)}{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            if place.exists():
                shutil.copymode(place, draft)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, place)
    except OSError as error:
        raise type(error)(
            error.errno,
            f"{place} was not written ({error.strerror}), and what stood there stays",
            *([] if error.filename is None else [error.filename]),
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    with contextlib.suppress(OSError):  # not every system opens folders
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def draft_of(place: Path) -> str:
    """Begin the name of a file that is not yet in its place."""
    return f".{place.name[:100]}."


def remove_drafts(path: Any) -> None:
    """Remove what was being written when a process was killed."""
    place = Path(path).resolve()
    begin = glob.escape(draft_of(place))
    for draft in place.parent.glob(f"{begin}{'[0-9a-f]' * 16}.tmp"):
        draft.unlink(missing_ok=True)


def write_archive(path: Any, kind: str, number: int, tree: Any, arrays: Arrays) -> None:
    """Write a tree of JSON and arrays, with checksums, in the place of ``path``.

    ``kind`` and ``number`` say what the file holds and in which version of its format.
    """
    config = json.dumps(tree, allow_nan=False, indent=1).encode()
    parts = {CONFIG: config, MODEL: tensor_files().save(arrays)}
    for name, part in parts.items():
        if len(part) > LARGEST[name]:
            raise ValueError(
                f"{path} was not written: its {name} would have {len(part)} bytes, "
                f"more than the {LARGEST[name]} that are read."
            )
    manifest = {
        "format": kind,
        "format_version": number,
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


def read_archive(path: Any, kind: str, newest: int) -> tuple[Any, Arrays]:
    """Read what ``write_archive`` wrote, if it is whole and unchanged, or raise."""
    tensors = tensor_files()
    with Path(path).open("rb") as file:
        parts = read_parts(file, kind, newest)
    return json.loads(parts[CONFIG]), tensors.load(parts[MODEL])


def read_parts(file: IO[bytes], kind: str, newest: int) -> dict[str, bytes]:
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
        check_format(manifest, kind, newest)
        parts = {}
        for name in (CONFIG, MODEL):
            parts[name] = archive.read(name)
            expected = manifest["files"][name]
            found = hashlib.sha256(parts[name]).hexdigest()
            if (len(parts[name]), found) != (expected["size"], expected["sha256"]):
                raise ModelFileError(f"{name} was changed: its checksum is another.")
    return parts


def check_format(manifest: Any, kind: str, newest: int) -> None:
    """Refuse files of something else, and of versions to come."""
    if not isinstance(manifest, dict) or manifest.get("format") != kind:
        raise ModelFileError(f"its manifest is not one of a {kind}.")
    number = manifest["format_version"]
    if not isinstance(number, int) or number < 1:
        raise ModelFileError(f"its format_version is {number!r}.")
    if number > newest:
        by = manifest["versions"].get("skrnn")
        raise ModelFileError(
            f"it has format {number}, written by skrnn {by}, and this version reads "
            f"formats up to {newest}: upgrade skrnn."
        )


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
