"""Compile layers.c: when the package is built, or by hand.

``python -m skrnn.native.build`` compiles anew. Where there is no compiler, or with
SKRNN_NATIVE=0, the package is built without, and torch's layers do all the work.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand
    BuildHookInterface = object

SOURCE = Path(__file__).with_name("layers.c")
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
OPTIONS = ["-std=gnu11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-shared"]
OPTIONS += ["-Wno-psabi", "-Wno-unknown-pragmas"]


def compilers() -> list[list[str]]:
    """Commands of compilers that may be there, the one that was asked for first."""
    asked = [os.environ.get("CC"), sysconfig.get_config_var("CC"), "gcc", "clang", "cc"]
    commands = [shlex.split(command) for command in asked if command]
    return [command for command in commands if command and shutil.which(command[0])]


def compile_layers(folder: Path) -> Path | None:
    """Compile into a folder; None where that cannot be done.

    No option names this machine's processor: layers.c chooses when it runs.
    """
    if os.environ.get("SKRNN_NATIVE") == "0":
        return None
    target = folder / f"layers{SUFFIX}"
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    options = [*OPTIONS, f'-DSKRNN_SOURCE="{digest}"']
    if sys.platform != "win32":
        options.append("-fPIC")
    for compiler in compilers():
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / target.name
            command = [*compiler, *options, "-o", str(made), str(SOURCE)]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode == 0 and keep(made, target):
                return target
            print(f"{' '.join(command)}\n{run.stderr}", file=sys.stderr)
    print("skrnn is built without its compiled layers: no compiler", file=sys.stderr)
    return None


def keep(made: Path, target: Path) -> bool:
    """Put a library where it belongs, never half of it; say if that cannot be done."""
    whole = target.with_name(target.name + ".new")
    try:
        shutil.copyfile(made, whole)
        os.replace(whole, target)
    except OSError as error:
        print(f"{target} cannot be written: {error}", file=sys.stderr)
        return False
    return True


class CustomBuildHook(BuildHookInterface):
    """Put the library into the wheel, and the platform into the wheel's name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are collected; an editable install uses them."""
        if self.target_name != "wheel":
            return
        made = compile_layers(SOURCE.parent)
        if made is None:
            return  # pure Python; git ignores a library, so an old one stays out
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["artifacts"].append(f"skrnn/native/layers{SUFFIX}")


if __name__ == "__main__":
    made = compile_layers(SOURCE.parent)
    print(made or "nothing was compiled")
    sys.exit(made is None)
