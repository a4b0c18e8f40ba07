"""The examples, run as a user runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skrnn

EXAMPLES = Path(__file__).parents[1] / "examples"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """What the quickstart prints, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("quickstart")
    run = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "quickstart.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(skrnn.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout, folder


@pytest.mark.slow
def test_quickstart_classifies_vowels_better_than_its_baseline(quickstart):
    output, _ = quickstart
    accuracy = float(re.search(r"Test accuracy: GRUClassifier ([\d.]+)", output)[1])
    baseline = float(re.search(r"nearest mean vector ([\d.]+)", output)[1])
    assert accuracy > max(0.9, baseline)


@pytest.mark.slow
def test_quickstart_forecasts_better_than_the_last_value(quickstart):
    output, _ = quickstart
    network = float(re.search(r"LSTMRegressor +(\S+)", output)[1])
    last_value = float(re.search(r"last value +(\S+)", output)[1])
    assert network < last_value


@pytest.mark.slow
def test_quickstart_saves_the_picture_where_it_says(quickstart):
    output, folder = quickstart
    picture = Path(re.search(r"Saved (.+\.png)", output)[1])
    assert picture.parent == folder
    assert picture.read_bytes()[: len(PNG)] == PNG
