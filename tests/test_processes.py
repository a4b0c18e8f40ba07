"""One network trained by two processes, which Accelerate brings together."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import train_together
from numpy.testing import assert_allclose, assert_array_equal

from skrnn import GRUClassifier
from skrnn._processes import Processes, the_processes

SAME = ["classify", "forecast", "own_loss", "tag", "transduce"]
ALL = [*SAME, "with_stem", "stopped"]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What each of two processes has found."""
    folder = tmp_path_factory.mktemp("together")
    home = Path(__file__).parents[1]
    options = ["--standalone", "--nproc-per-node", "2"]
    script = [train_together.__file__, folder]
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *options, *script],
        env=os.environ | {"PYTHONPATH": str(home), "PYTHONWARNINGS": "error"},
        cwd=folder,
        check=True,
        timeout=240,
    )
    return [np.load(folder / f"{place}.npz") for place in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("case", SAME)
def test_two_processes_learn_what_one_learns(together, case):
    alone = getattr(train_together, case)("cpu")
    for k, expected in enumerate(alone):
        for found in together:
            assert_allclose(found[f"{case}.{k}"], expected, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL)
def test_both_processes_have_the_same_network(together, case):
    names = [name for name in together[0].files if name.startswith(case)]
    assert names
    for name in names:
        assert np.isfinite(together[0][name]).all()
        assert_array_equal(*(found[name] for found in together))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other_data", "The 2 processes were given other ['data'"),
        ("random_state", "an integer as random_state"),
        ("batch_size", "A batch of 1 cannot be shared by 2 processes"),
        ("checkpoint", "is kept by one process, and here are 2"),
        ("lr", "Try a smaller"),
    ],
)
def test_both_processes_say_what_cannot_be_trained_together(together, name, said):
    for found in together:
        assert said in str(found[f"complaint.{name}"])


@pytest.mark.slow
def test_what_ends_training_in_one_process_ends_it_in_both(together):
    by_listener, by_score = together[0]["stopped.0"]
    assert by_listener == 2
    assert by_score < 30


def test_a_loaded_model_waits_for_no_process(monkeypatch):
    X, y = train_together.X, train_together.y
    params = {"hidden_size": 4, "max_epochs": 2, "random_state": 0}
    model = GRUClassifier(device="accelerate", **params).fit(X, y)
    content = pickle.dumps(model)
    the_processes.cache_clear()
    monkeypatch.setenv("WORLD_SIZE", "3")  # those that it would wait for
    loaded = pickle.loads(content)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="3 processes were started"):
        loaded.fit(X, y)


def join_from_a_worker():
    try:
        Processes()
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_workers_of_a_process_do_not_join(backend):
    with joblib.parallel_config(backend, n_jobs=2):
        found = joblib.Parallel()(
            joblib.delayed(join_from_a_worker)() for _ in range(2)
        )
    assert all("leave n_jobs at None" in each for each in found)


def test_alone_it_is_the_device_of_this_process():
    X, y = train_together.X, train_together.y
    params = {"hidden_size": 4, "max_epochs": 2, "random_state": 0}
    ours, cpu = (
        GRUClassifier(device=device, **params).fit(X, y)
        for device in ("accelerate", "cpu")
    )
    assert_array_equal(ours.predict_proba(X), cpu.predict_proba(X))


def test_processes_that_do_not_see_each_other_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match=r"3 processes were started .* sees 1"):
        Processes()
