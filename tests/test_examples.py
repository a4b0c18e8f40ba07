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


def run_example(name, folder):
    """What an example prints; warnings are errors, but that no picture is shown."""
    home = {"PYTHONPATH": str(Path(skrnn.__file__).parents[1]), "MPLBACKEND": "agg"}
    unseen = "ignore:FigureCanvasAgg is non-interactive"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-W", unseen, EXAMPLES / name],
        cwd=folder,
        env=os.environ | home,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout, folder


def numbers_after(words, output):
    """The fractions in the line of an output that begins with some words."""
    line = re.search(rf"^{re.escape(words)}: (.*)$", output, re.MULTILINE)[1]
    return [float(each) for each in re.findall(r"\d+\.\d+", line)]


def numbers(output, *names):
    """The first number after each name."""
    return [float(re.search(rf"\b{name} (-?[\d.]+)", output)[1]) for name in names]


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """What the quickstart prints, and the folder it ran in."""
    return run_example("quickstart.py", tmp_path_factory.mktemp("quickstart"))


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
def test_the_quickstart_saves_its_picture_where_it_says(quickstart):
    output, folder = quickstart
    picture = Path(re.search(r"Saved (.+\.png)", output)[1])
    assert picture.parent == folder
    assert picture.read_bytes()[: len(PNG)] == PNG


@pytest.mark.slow
def test_a_stream_finds_more_spikes_than_its_baselines_do(tmp_path):
    output, _ = run_example("plot_stream.py", tmp_path)
    network, *baselines = numbers_after("spikes found", output)
    assert len(baselines) == 3
    assert network > max(0.9, *baselines)
    false, alerts = map(int, re.search(r"no spike: (\d+) of (\d+)", output).groups())
    assert false < alerts / 2


@pytest.mark.slow
def test_texts_are_learned_and_written(tmp_path):
    output, _ = run_example("plot_generation.py", tmp_path)
    network, pairs = re.search(r"network ([\d.]+) .* pairs ([\d.]+)", output).groups()
    drawn = math.log(2 * 8 * 5 * 5) / 33.7  # the grammar's choices, per character
    assert drawn < float(network) < 0.25 < 1.0 < float(pairs)
    *usual, odd = [float(x) for x in re.findall(r"^ +(\d\.\d\d)  ", output, re.M)]
    assert len(usual) == 4
    assert max(usual) < 0.5 < 2.0 < odd
    lines = output.splitlines()[-9:-1]  # of the sample, whose last line is cut
    pattern = r"\w+: (The \w+ \w+s|All \w+s \w+).*\."
    assert sum(re.fullmatch(pattern, line) is not None for line in lines) >= 6


@pytest.mark.slow
def test_requests_with_new_names_are_understood(tmp_path):
    output, _ = run_example("plot_intents.py", tmp_path)
    network, usual, neighbours = numbers_after("F1 of slots", output)
    assert network > 0.95 > 0.5 > usual
    assert network > neighbours + 0.03
    assert float(re.search(r"intents right: network ([\d.]+)", output)[1]) > 0.95
    understood = output.split("F1 of slots")[1]
    assert re.search(r"^  \w+ +B-(from|to)$", understood, re.MULTILINE)


@pytest.mark.slow
def test_dates_are_brought_into_one_form(tmp_path):
    output, _ = run_example("plot_translation.py", tmp_path)
    network, pandas = re.search(r"network ([\d.]+), pandas ([\d.]+)", output).groups()
    assert float(network) > 0.95 > 0.9 > float(pandas)


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory):
    """What the example of sentiment prints."""
    output, _ = run_example("plot_sentiment.py", tmp_path_factory.mktemp("sentiment"))
    return output


@pytest.mark.slow
def test_reviews_are_understood_that_counts_of_words_do_not_tell(sentiment):
    network, words, pairs = re.search(
        r"network ([\d.]+), counts of words ([\d.]+), counts of pairs ([\d.]+)",
        sentiment,
    ).groups()
    assert float(network) > 0.95 > 0.92 > float(pairs) > 0.7 > float(words)
    assert len(re.findall(r"^  \w+ +[+-][\d.]+$", sentiment, re.MULTILINE)) > 8


@pytest.mark.slow
def test_an_alert_sees_more_bad_days_through_a_network(sentiment):
    found = {
        name: (int(right), int(false))
        for name, right, false in re.findall(
            r"^(.+?) +alerts: (\d+) of 60 bad days, (\d+) false", sentiment, re.M
        )
    }
    assert found["network"][0] > 50 > 45 > found["counts of pairs"][0]
    assert found["counts of pairs"][0] > 10 > found["counts of words"][0]
    assert found["network"][1] <= 10  # of 20 streams of 43 usual days


@pytest.mark.slow
def test_a_network_recommends_what_no_count_tells(tmp_path):
    output, _ = run_example("plot_recommendation.py", tmp_path)
    recalls = {
        name: float(recall)
        for name, recall in re.findall(r"^(.+?) +Recall@5 ([\d.]+)", output, re.M)
    }
    assert recalls["network"] > recalls["came two items after"] + 0.02 > 0.7
    assert max(recalls["followed the last item"], recalls["most popular"]) < 0.3
    assert "(it came next)" in output


@pytest.mark.slow
def test_activities_are_told_without_windows_and_without_flicker(tmp_path):
    output, _ = run_example("plot_activity.py", tmp_path)
    network, logistic, trees = numbers_after("steps right, all seen", output)
    assert network > max(logistic + 0.02, trees - 0.02)
    truth, network, logistic, trees = numbers_after("changes in a stream", output)
    assert network < truth + 1 < truth + 2 < min(logistic, trees)
    names = "network, all seen|network, half a second late|network, at once"
    names += "|boosted trees, at once"
    everything, late, at_once, trees = (
        numbers_after(f"  {name}", output)[0] for name in names.split("|")
    )
    assert everything > late - 0.01 > at_once
    assert trees > at_once > 0.9


@pytest.mark.slow
def test_few_patients_are_judged_as_well_as_by_logistic_regression(tmp_path):
    output, _ = run_example("plot_visits.py", tmp_path)
    scores = re.findall(r"^(.*): ROC AUC ([\d.]+) ± ([\d.]+)", output, re.MULTILINE)
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
    network, logistic, nearest = numbers_after("utterances", output)
    assert abs(network - logistic) < 0.02  # a tie
    assert min(network, logistic) > 0.965 > 0.95 > nearest
    tagger, classifier, logistic = numbers_after("after 1 steps", output)
    assert logistic > tagger > classifier
    tagger, classifier, logistic = numbers_after("after 5 steps", output)
    assert tagger > logistic - 0.02 > classifier
    tagger, classifier, logistic = numbers_after("after 20 steps", output)
    assert logistic - 0.04 < min(tagger, classifier) < logistic + 0.01


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
