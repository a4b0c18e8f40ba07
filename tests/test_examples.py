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
def test_a_stream_finds_more_spikes_than_their_size_does(tmp_path):
    output, folder = run_example("stream.py", tmp_path)
    network, size = re.search(r"found: ([\d.]+), .*alone: ([\d.]+)", output).groups()
    assert float(network) > max(0.9, float(size))
    false, alerts = re.search(r"no spike: (\d+) of (\d+)", output).groups()
    assert int(false) < int(alerts) / 2
    assert (folder / "stream.png").read_bytes().startswith(PNG)


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


def numbers(output, *names):
    """The first number after each name."""
    return [float(re.search(rf"\b{name} (-?[\d.]+)", output)[1]) for name in names]


@pytest.mark.slow
def test_sizes_of_moves_are_forecast_and_prices_are_not(tmp_path):
    output, _ = run_example("plot_prices.py", tmp_path)
    level, direction, sizes = re.split("Right about|The size of", output)
    network, last_value = numbers(level, "network", "last value")
    assert network > last_value
    network, always_up = numbers(direction, "network", "always up")
    assert 0.45 < network < always_up
    network, fading, days_20, same = numbers(
        sizes, "network", "fading mean", "last 20 days", "always the same"
    )
    assert network < 0.95 * days_20 < 0.7 * same
    assert network < 1.05 * fading
    assert 0.75 < numbers(sizes, "within the band:")[0] < 0.95


@pytest.mark.slow
def test_demand_of_the_next_day_is_forecast_better_than_by_a_week_ago(tmp_path):
    output, _ = run_example("plot_energy.py", tmp_path)
    network, week, moved, day = numbers(
        output, "network", "a week ago", "a week ago, moved", "a day ago"
    )
    assert network < 0.9 * moved < moved < week < day
    half, most = numbers(output, "50% band:", "95% band:")
    assert 0.35 < half < 0.65 < 0.8 < most


@pytest.mark.slow
def test_columns_of_the_past_make_a_better_forecast_of_the_weather(tmp_path):
    output, _ = run_example("plot_weather.py", tmp_path)
    with_x, without, last_value, yesterday = numbers(
        output,
        "network with X",
        "network without X",
        "last value",
        "the hour yesterday",
    )
    assert with_x < 0.98 * without
    assert with_x < 0.95 * last_value < last_value < yesterday
    assert without < 1.05 * last_value


@pytest.mark.slow
def test_a_column_of_holidays_makes_a_better_forecast_of_their_week(tmp_path):
    output, _ = run_example("plot_traffic.py", tmp_path)
    names = ["network with holidays", "network without", "week before"]
    with_holidays, without, week_before = numbers(output, *names)
    assert with_holidays < 0.92 * without
    assert without < 1.02 * week_before
    off, _, week_before_off = (
        numbers(output, rf"{n} [\d.]+ \(days off")[0] for n in names
    )
    assert off < 0.85 * week_before_off
    assert numbers(output, "80% band:")[0] > 0.8
