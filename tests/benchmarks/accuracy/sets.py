"""Data sets, split into train and test as their authors did."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sktime.datasets as bundled

from skrnn import as_sequences

SHARED = Path(__file__).parents[4] / "shared" / "data" / "classification"
LOADERS = {
    "JapaneseVowels": bundled.load_japanese_vowels,
    "ItalyPowerDemand": bundled.load_italy_power_demand,
    "BasicMotions": bundled.load_basic_motions,
    "GunPoint": bundled.load_gunpoint,
    "ArrowHead": bundled.load_arrow_head,
    "OSULeaf": bundled.load_osuleaf,
    "ACSF1": bundled.load_acsf1,
    "PLAID": bundled.load_plaid,
    "Covid3Month": functools.partial(bundled.load_UCR_UEA_dataset, "Covid3Month"),
}
FILES = ["ECG200", "RefrigerationDevices"]
REGRESSION = ["Covid3Month"]
SETS = [*LOADERS, *FILES]


class Split(NamedTuple):
    X: Any
    y: Any


def load(name: str) -> tuple[Split, Split]:
    """Train and test part."""
    if name in FILES:
        arrays = np.load(SHARED / f"{name}.npz", allow_pickle=False)
        parts = [
            (arrays[f"X_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")
        ]
        return tuple(Split(X.reshape(len(X), -1, 1), y) for X, y in parts)
    return tuple(Split(*take(name, part)) for part in ("train", "test"))


def take(name, part):
    X, y = LOADERS[name](split=part, return_X_y=True)
    y = np.asarray(y, dtype=float) if name in REGRESSION else np.asarray(y)
    return as_sequences(X), y
