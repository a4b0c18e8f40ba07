"""Heads, compared with the distributions of scipy."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats

from skrnn.forecasting._heads import HEADS, Quantiles, make_head, spread_of

COUNTS = ["poisson", "negative_binomial"]
POINTS = ["huber", "squared_error", "absolute_error"]
N = 5


def draw_inputs(name, seed=0):
    """Centre, raw numbers, targets, and the units (origin, scale)."""
    rng = np.random.default_rng(seed)
    head = make_head(name)
    centre, raw = rng.normal(size=N), rng.normal(size=(N, head.n_raw))
    origin, scale = rng.uniform(0, 3, size=N), rng.uniform(0.5, 4, size=N)
    target = rng.normal(size=N)
    if head.counts:
        target = rng.poisson(5, size=N) / scale - origin
    arrays = (centre, raw, target, origin, scale)
    return head, *(torch.from_numpy(array) for array in arrays)


def distribution(name, centre, raw, origin, scale):
    """The same distribution, of scipy."""
    spread = spread_of(raw[:, 1]).numpy() if raw.shape[1] > 1 else None
    centre, raw = centre.numpy(), raw.numpy()
    if name == "normal":
        return stats.norm(centre + raw[:, 0], spread)
    if name == "student_t":
        freedom = 2 + np.log1p(np.exp(raw[:, 2] + 3.98))
        return stats.t(freedom, centre + raw[:, 0], spread)
    origin, scale = origin.numpy(), scale.numpy()
    value = origin + centre + raw[:, 0]
    mean = (value + np.sqrt(value**2 + 0.04)) / 2
    if name == "poisson":
        return stats.poisson(mean * scale)
    failures = (mean / (0.5 * spread)) ** 2
    return stats.nbinom(failures, failures / (failures + mean * scale))


@pytest.mark.parametrize("name", ["normal", "student_t", *COUNTS])
def test_the_loss_is_the_negative_log_likelihood(name):
    head, centre, raw, target, origin, scale = draw_inputs(name)
    expected = distribution(name, centre, raw, origin, scale)
    losses = head.loss(centre, raw, target, origin, scale).numpy()
    if name in COUNTS:
        counts = np.round(((origin + target) * scale).numpy())
        assert_allclose(losses, -expected.logpmf(counts), rtol=1e-8)
    else:
        assert_allclose(losses, -expected.logpdf(target.numpy()), rtol=1e-8)


@pytest.mark.parametrize("name", HEADS)
def test_gradients_of_the_loss_are_finite_differences(name):
    head, centre, raw, target, origin, scale = draw_inputs(name)

    def loss(centre, raw):
        return head.loss(centre, raw, target, origin, scale)

    assert torch.autograd.gradcheck(
        loss, (centre.requires_grad_(), raw.requires_grad_())
    )


@pytest.mark.parametrize("name", COUNTS)
def test_the_point_forecast_of_counts_is_their_mean(name):
    head, centre, raw, _, origin, scale = draw_inputs(name)
    expected = distribution(name, centre, raw, origin, scale).mean()
    points = (head.point(centre, raw, origin, scale) + origin) * scale
    assert_allclose(points, expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["normal", "student_t"])
def test_the_point_forecast_is_the_median(name):
    head, centre, raw, _, origin, scale = draw_inputs(name)
    expected = distribution(name, centre, raw, origin, scale).median()
    assert_allclose(head.point(centre, raw), expected)


@pytest.mark.parametrize("name", ["normal", "student_t", *COUNTS])
def test_draws_have_the_distribution_of_the_loss(name):
    head, centre, raw, _, origin, scale = draw_inputs(name)
    n_draws = 20_000
    rng = np.random.default_rng(1)
    uniform = torch.from_numpy(rng.random((n_draws, N, head.n_uniforms)))
    draws = head.sample(centre, raw, uniform, origin, scale).numpy()
    expected = distribution(name, centre, raw, origin, scale)
    if name in COUNTS:
        draws = np.round((draws + origin.numpy()) * scale.numpy())
    for level in [0.05, 0.25, 0.5, 0.75, 0.95]:
        below = (draws <= expected.ppf(level)).mean(axis=0)
        assert_allclose(below, expected.cdf(expected.ppf(level)), atol=0.015)


def test_the_loss_of_quantiles_is_that_of_scikit_learn():
    from sklearn.metrics import mean_pinball_loss

    head, centre, raw, target, *_ = draw_inputs("quantile")
    quantiles = head.quantiles(centre, raw).numpy()
    expected = 2 * np.mean(
        [
            [
                mean_pinball_loss([true], [quantile], alpha=level)
                for level, quantile in zip(head.levels, row, strict=True)
            ]
            for true, row in zip(target.numpy(), quantiles, strict=True)
        ],
        axis=1,
    )
    assert_allclose(head.loss(centre, raw, target), expected, rtol=1e-10)


def test_quantiles_never_cross():
    head = Quantiles()
    raw = 10 * torch.randn(1000, head.n_raw, generator=torch.manual_seed(0))
    assert (head.quantiles(torch.zeros(1000), raw).diff(dim=-1) > 0).all()


def test_draws_of_quantiles_go_through_the_quantiles():
    head, centre, raw, *_ = draw_inputs("quantile")
    levels = torch.tensor(head.levels, dtype=torch.float64)
    uniform = levels[:, None, None].expand(-1, N, 1)
    assert_allclose(head.sample(centre, raw, uniform).T, head.quantiles(centre, raw))


def test_draws_of_quantiles_rise_with_the_level_and_have_no_jumps():
    head, centre, raw, *_ = draw_inputs("quantile")
    levels = torch.linspace(1e-6, 1 - 1e-6, 20_001, dtype=torch.float64)
    draws = head.sample(centre, raw, levels[:, None, None].expand(-1, N, 1))
    steps = draws.diff(dim=0)
    assert (steps > 0).all()
    assert steps[100:-100].max() < 0.05


@pytest.mark.parametrize("name", POINTS)
def test_the_loss_of_a_point_is_that_of_torch(name):
    head, centre, raw, target, *_ = draw_inputs(name)
    torch_name = {"huber": "huber_loss", "squared_error": "mse_loss"}
    loss = getattr(torch.nn.functional, torch_name.get(name, "l1_loss"))
    expected = loss(centre + raw[:, 0], target, reduction="none")
    assert_allclose(head.loss(centre, raw, target), expected)


@pytest.mark.parametrize("name", POINTS)
def test_draws_around_a_point_have_the_errors_that_were_seen(name):
    head, centre, raw, *_ = draw_inputs(name)
    head.errors = torch.linspace(-1, 3, 101, dtype=torch.float64)
    uniform = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)[:, None, None]
    draws = head.sample(centre, raw, uniform.expand(-1, N, 1))
    expected = (centre + raw[:, 0]) + torch.tensor([[-1.0], [0.0], [3.0]])
    assert_allclose(draws, expected, atol=1e-12)


@pytest.mark.parametrize("name", HEADS)
def test_gradients_agree_with_finite_differences(name):
    head, centre, raw, target, origin, scale = draw_inputs(name)
    raw.requires_grad_()
    centre.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda c, r: head.loss(c, r, target, origin, scale), (centre, raw)
    )
