"""The examples, run as a user runs them."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skrnn

EXAMPLES = Path(__file__).parents[1] / "examples"
PNG = b"\x89PNG\r\n\x1a\n"


def run_example(name, folder, *options):
    """What an example prints; warnings are errors, but for those of the options."""
    run = subprocess.run(
        [sys.executable, "-W", "error", *options, EXAMPLES / name],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(skrnn.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout, folder


def numbers_after(words, output):
    """The fractions in the line of an output that begins with some words."""
    line = re.search(rf"^{re.escape(words)}: (.*)$", output, re.MULTILINE)[1]
    return [float(each) for each in re.findall(r"\d+\.\d+", line)]


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """What the quickstart prints, and the folder it ran in."""
    return run_example("quickstart.py", tmp_path_factory.mktemp("quickstart"))


@pytest.fixture(scope="module")
def forecast(tmp_path_factory):
    """What the forecasting example prints, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("forecast")
    # 2026-11-25, sktime 1.2: its own forecasters warn of a default that will change
    return run_example("forecast.py", folder, "-W", "default::FutureWarning")


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
def test_forecasts_are_better_than_those_without_a_network(forecast):
    output, _ = forecast
    single, backtest, panel = (
        {
            name: [
                float(each) for each in re.findall(rf"{name}.* ([\d.]+)$", part, re.M)
            ]
            for name in ["GRUForecaster", "value a year ago", "Theta"]
        }
        for part in re.split("Backtest|Panel", output)
    )
    for part in single, backtest, panel:
        assert max(part["GRUForecaster"]) < part["value a year ago"][0]
        assert max(part["GRUForecaster"]) < part["Theta"][0]
    assert single["GRUForecaster"][0] < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("example", ["quickstart", "forecast"])
def test_examples_save_the_picture_where_they_say(example, request):
    output, folder = request.getfixturevalue(example)
    picture = Path(re.search(r"Saved (.+\.png)", output)[1])
    assert picture.parent == folder
    assert picture.read_bytes()[: len(PNG)] == PNG


@pytest.mark.slow
def test_a_stream_finds_more_spikes_than_sizes_and_changes_do(tmp_path):
    output, _ = run_example("plot_stream.py", tmp_path)
    pattern = r"found: network ([\d.]+), size ([\d.]+), change ([\d.]+)"
    network, *baselines = map(float, re.search(pattern, output).groups())
    assert network > max(0.8, *baselines)
    false, alerts = map(int, re.search(r"no spike: (\d+) of (\d+)", output).groups())
    assert false < 0.6 * alerts


@pytest.mark.slow
def test_texts_are_learned_and_written(tmp_path):
    output, _ = run_example("shakespeare.py", tmp_path)
    network, pairs = re.search(r"network ([\d.]+) .* pairs ([\d.]+)", output).groups()
    drawn = math.log(2 * 8 * 5 * 5) / 33.7  # the grammar's choices, per character
    assert drawn < float(network) < 0.25 < 1.0 < float(pairs)
    *usual, odd = [float(x) for x in re.findall(r"^ +(\d\.\d\d)  ", output, re.M)]
    assert len(usual) == 4
    assert max(usual) < 0.5 < 2.0 < odd
    lines = output.split("A sample:")[1].split("\n")[2:-2]  # the last one is cut
    assert len(lines) > 5
    assert all(re.fullmatch(r"\w+: (The \w+ \w+s|All \w+s \w+).*\.", x) for x in lines)


@pytest.mark.slow
def test_requests_with_new_names_are_understood(tmp_path):
    output, _ = run_example("intents.py", tmp_path)
    network, baseline = re.search(
        r"F1 of slots: .*? ([\d.]+), .* ([\d.]+)", output
    ).groups()
    assert float(network) > 0.95 > 0.5 > float(baseline)
    assert float(re.search(r"intents right: network ([\d.]+)", output)[1]) > 0.95
    assert re.search(r"^  \w+ +B-(from|to)$", output, re.MULTILINE)


@pytest.mark.slow
def test_dates_are_brought_into_one_form(tmp_path):
    output, _ = run_example("dates.py", tmp_path)
    network, pandas = re.search(r"network ([\d.]+), pandas ([\d.]+)", output).groups()
    assert float(network) > 0.95 > 0.9 > float(pandas)


@pytest.mark.slow
def test_reviews_are_understood_that_counts_of_words_do_not_tell(tmp_path):
    output, _ = run_example("messages.py", tmp_path)
    network, counts = re.search(
        r"network ([\d.]+), counts .* ([\d.]+)", output
    ).groups()
    assert float(network) > 0.95 > 0.7 > float(counts)
    assert len(re.findall(r"^  \w+ +[+-][\d.]+$", output, re.MULTILINE)) > 4


@pytest.mark.slow
def test_a_network_recommends_what_no_count_tells(tmp_path):
    output, _ = run_example("next_item.py", tmp_path)
    network, *others = map(float, re.findall(r"Recall@5 ([\d.]+)", output))
    assert network > 0.7 > 0.3 > max(others)
    assert "(it came next)" in output


@pytest.mark.slow
def test_activities_are_told_without_windows_and_without_flicker(tmp_path):
    output, _ = run_example("plot_activity.py", tmp_path)
    network, logistic, trees = numbers_after("steps right, all seen", output)
    assert network > max(logistic + 0.02, trees - 0.02)
    truth, network, logistic, trees = numbers_after("changes in a stream", output)
    assert network < truth + 1 < truth + 2 < min(logistic, trees)
    everything, late, at_once, trees = numbers_after("steps right, live", output)
    assert everything > late - 0.01 > at_once
    assert trees > at_once > 0.9


@pytest.mark.slow
def test_few_patients_are_judged_as_well_as_by_logistic_regression(tmp_path):
    output, _ = run_example("plot_visits.py", tmp_path)
    scores = re.findall(r"^(.*): ROC AUC ([\d.]+) \+- ([\d.]+)", output, re.MULTILINE)
    areas = {name: float(area) for name, area, _ in scores}
    spreads = {name: float(spread) for name, _, spread in scores}
    logistic = areas["logistic, mean of visits"]
    assert min(areas.values()) > 0.87
    assert abs(areas["network"] - logistic) < spreads["network"]
    each_visit = areas["network at each visit"], areas["logistic at each visit"]
    assert abs(each_visit[0] - each_visit[1]) < spreads["network at each visit"]
    losses = [float(loss) for loss in re.findall(r"log loss ([\d.]+)", output)]
    assert losses[-1] < min(losses[:-1]) + 0.005  # the vote is the last one
    assert "66 die\nleft out: 22" in output


@pytest.mark.slow
def test_speakers_are_told_at_the_end_and_while_they_speak(tmp_path):
    output, _ = run_example("plot_speech.py", tmp_path)
    network, *baselines = numbers_after("utterances", output)
    assert network > max(0.97, *baselines)
    tagger, classifier, logistic = numbers_after("after 5 steps", output)
    assert tagger > logistic > classifier
    tagger, classifier, logistic = numbers_after("after 20 steps", output)
    assert min(tagger, classifier) > logistic - 0.015
