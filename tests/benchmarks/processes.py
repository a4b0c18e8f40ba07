"""What needs new processes: the time to start, and the memory that a fit takes."""

import os
import subprocess
import sys
from pathlib import Path

import ours
from contest import Table, median_ratio
from fitting import LAYERS
from peers import IMPORTS, installed

import skrnn

FOLDERS = [str(Path(__file__).parent), str(Path(skrnn.__file__).parents[1])]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}

FIRST_FIT = """
import numpy as np
from skrnn import GRURegressor
X = np.random.default_rng(0).normal(size=(20, 10, 1))
GRURegressor(8, max_epochs=1, device="cpu").fit(X, X.sum(axis=(1, 2)))
"""
FIRST_FIT_BY_HAND = """
import by_hand, torch
x = torch.randn(20, 10, 8)
by_hand.fit("GRU", 8, 32, x, x.sum(dim=(1, 2))[:, None], 1)
"""
MEMORY = """
import pathlib, resource
import by_hand, fitting, ours, torch

torch.set_num_threads(1)

def fit(n, n_steps, hidden_size, batch_size):
    X, y = fitting.make_data(n, n_steps)
    if {who!r} == "hand loop":
        x, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]
        by_hand.fit({layer!r}, hidden_size, batch_size, x, targets, 2)
    else:
        params = ours.engines()[{who!r}]
        sizes = dict(batch_size=batch_size, max_epochs=2)
        ours.make_regressor({layer!r}, hidden_size, **sizes, **params).fit(X, y)

def peak():
    try:  # Linux lets ru_maxrss begin with that of the parent
        words = pathlib.Path("/proc/self/status").read_text().split()
        return int(words[words.index("VmHWM:") + 1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

fit(16, 4, 8, 8)  # everything is loaded now
before = peak()
fit(*{sizes!r})
print(peak() - before)
"""


def number_from(code):
    """What a new process prints last."""
    paths = [*FOLDERS, os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    return float(done.stdout.split()[-1])


def seconds_of(code):
    """CPU time of some lines in a new process."""
    return number_from(
        f"import time\nbegin = time.process_time()\n{code}\n"
        "print(time.process_time() - begin)"
    )


def take_turns(codes, turns, measure):
    """Median ratios to the first, as in ``contest.compete``."""
    found = {name: [] for name in codes}
    for _ in range(turns):
        for name, code in codes.items():
            found[name].append(measure(code))
    base = next(iter(found.values()))
    return {name: median_ratio(each, base) for name, each in found.items()}


def start(options):
    """Imports, and the first fit."""
    light = {
        "import sklearn": "import sklearn",
        "import skrnn": "import skrnn",
        "from skrnn import GRURegressor": "from skrnn import GRURegressor",
    }
    peers = {f"import {n}": IMPORTS[n] for n in installed(IMPORTS, options)}
    heavy = {
        "import torch": "import torch",
        "import torch, sklearn": "import torch, sklearn",
        "hand loop, first fit": FIRST_FIT_BY_HAND,
        "skrnn, first fit": FIRST_FIT,
        "import skrnn.forecasting": "import skrnn.forecasting, torch",
        **peers,
    }
    tables = []
    for title, note, codes in [
        ("Import", "Each in a new process.", light),
        (
            "From nothing to a network",
            "Each in a new process: only imports, but for first fits, at whose end "
            "there is a small network; skrnn.forecasting comes with torch.",
            heavy,
        ),
    ]:
        table = Table(title, note, ["CPU time"])
        seconds_of("import torch, sklearn")  # the files are read once before
        for name, ratio in take_turns(codes, options.repeats, seconds_of).items():
            table.add(name, {"CPU time": ratio})
        tables.append(table)
    return tables


def memory(options):
    """How much memory a fit takes at most."""
    n, *sizes = (512, 64, 64, 128) if options.quick else (1024, 128, 64, 256)
    names = ["hand loop", *ours.engines()]
    table = Table(
        "Memory",
        "Largest resident memory of a fit, above what it was after a tiny fit, in new "
        "processes: T={}, H={}, B={}.".format(*sizes),
        names,
    )
    for layer in LAYERS:
        codes = {
            who: MEMORY.format(who=who, layer=layer, sizes=(n, *sizes)) for who in names
        }
        table.add(layer, take_turns(codes, options.repeats, number_from))
    return [table]
