"""The benchmarks, run with tiny sizes: that they run, not how long it takes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import skrnn

HOME = Path(skrnn.__file__).parents[1]
SPEED = HOME / "tests" / "benchmarks" / "speed.py"


def run_speed(*options):
    """What the benchmarks print; other libraries stay out of it."""
    run = subprocess.run(
        [sys.executable, SPEED, "--quick", "--no-peers", *options],
        env=os.environ | {"PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
def test_rows_hold_ratios_to_the_first_column(tmp_path):
    file = tmp_path / "tables.md"
    sections = ["training", "lengths", "inference", "streaming"]
    printed = run_speed("--only", *sections, "--markdown", file)
    written = file.read_text()
    titles = re.findall("^## (.+)$", written, re.MULTILINE)
    assert len(titles) == len(sections)
    assert all(title in printed for title in titles)
    rows = re.findall(r"^\| (?:LSTM|GRU).*$", written, re.MULTILINE)
    ratios = [[float(r) for r in re.findall(r"\| ([\d.]+)", row)] for row in rows]
    assert len(ratios) == 9
    assert all(row[0] == 1.0 and min(row) > 0 for row in ratios)
    assert f"skrnn {skrnn.__version__}" in written
    assert f"python tests/benchmarks/speed.py --only {' '.join(sections)}" in written


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "n_tables"),
    [("forecasting", 3), ("writing", 3), ("search", 2), ("start", 2), ("memory", 1)],
)
def test_every_other_section_runs(section, n_tables, tmp_path):
    file = tmp_path / "tables.md"
    run_speed("--only", section, "--markdown", file)
    written = file.read_text()
    assert len(re.findall("^## ", written, re.MULTILINE)) == n_tables
    assert len(re.findall(r"\| 1.00 \|", written)) >= n_tables


def test_a_ratio_is_a_median_over_turns_without_the_first(monkeypatch):
    monkeypatch.syspath_prepend(SPEED.parent)
    from contest import Options, compete

    base, other = iter([9.0, 1.0, 2.0, 4.0]), iter([1.0, 3.0, 4.0, 4.0])
    contestants = {"base": lambda: next(base), "other": lambda: next(other)}
    assert compete(contestants, Options(repeats=3)) == {"base": 1.0, "other": 2.0}


def test_contestants_by_hand_compute_the_same(monkeypatch):
    monkeypatch.syspath_prepend(SPEED.parent)
    import by_hand

    torch.manual_seed(0)
    x, lengths = torch.randn(4, 6, 2), torch.tensor([6, 3, 5, 1])
    for layer in ["LSTM", "GRU"]:
        module = by_hand.LastOutput(layer, 2, 3)
        padded, packed = module.forward_padded(x, lengths), module.forward_packed
        torch.testing.assert_close(padded, packed(x, lengths))
        torch.testing.assert_close(padded[2:3], module(x[2:3, :5]))
        cell, (_, state) = by_hand.make_cell(module), module.layer(x[:1])
        found = None
        for step in x[0]:
            found = cell(step[None], found)
        torch.testing.assert_close(
            found, tuple(s[0] for s in state) if layer == "LSTM" else state[0]
        )
