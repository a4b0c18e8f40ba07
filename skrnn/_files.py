"""Files that are whole or not there: written beside their place and moved into it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

__all__ = ["replace_file"]


def replace_file(path: Any, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a new file, and put it in the place of ``path`` at once.

    Whatever happens before that, an error, a full disk, a kill, leaves an old file as
    it was. What was written is on the disk when this returns.
    """
    place = Path(path).resolve()  # a link stays one
    if place.is_dir():
        raise IsADirectoryError(f"{place} is a folder: name a file inside it.")
    draft = place.with_name(f".{place.name}.{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
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
