"""The conditional random field, compared with the sum over all paths."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skrnn._crf import RATE, Crf, by_length, by_products, by_sums, marginals, viterbi

LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def make_crf(n_labels, seed=0, scale=1.0):
    """A field with random scores, in double precision."""
    crf = Crf(n_labels, torch.float64)
    generator = torch.Generator().manual_seed(seed)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, std=scale / RATE, generator=generator)
    return crf


def all_paths(outputs, scores):
    """Each path of labels and its probability, from the definition."""
    n_steps, n_labels = outputs.shape
    paths = [*product(range(n_labels), repeat=n_steps)]
    totals = []
    for path in paths:
        total = scores.start[path[0]] + scores.end[path[-1]]
        total += sum(outputs[step, label] for step, label in enumerate(path))
        total += sum(scores.between[a, b] for a, b in pairwise(path))
        totals.append(total)
    weights = np.exp(np.array(totals) - max(totals))
    return np.array(paths), weights / weights.sum()


def padded(lengths, n_labels, seed):
    """Outputs and codes, of which those at the padding have to be overlooked."""
    rng = np.random.default_rng(seed)
    outputs = torch.tensor(rng.normal(size=(len(lengths), max(lengths), n_labels)))
    codes = torch.tensor(rng.integers(n_labels, size=(len(lengths), max(lengths))))
    for row, length in enumerate(lengths):
        codes[row, length:] = -1
        outputs[row, length:] = 1e3
    return outputs, codes


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(2, 4), st.integers(0, 2**16))
def test_the_loss_of_each_step_is_that_of_its_label_after_those_before(
    lengths, n_labels, seed
):
    crf = make_crf(n_labels, seed)
    outputs, codes = padded(lengths, n_labels, seed)
    losses = crf(outputs, codes).detach().numpy()
    for row, length in enumerate(lengths):
        path = codes[row, :length].numpy()
        paths, chances = all_paths(outputs[row, :length].numpy(), crf.scores())
        so_far = [
            chances[(paths[:, :n] == path[:n]).all(axis=1)].sum()
            for n in range(length + 1)
        ]
        expected = -np.diff(np.log(so_far))
        np.testing.assert_allclose(losses[row, :length], expected, atol=1e-9)
        assert (losses[row, length:] == 0).all()


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(2, 4), st.integers(0, 2**16))
def test_marginals_and_best_paths_agree_with_all_paths(lengths, n_labels, seed):
    scores = make_crf(n_labels, seed, scale=2.0).scores()
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    outputs = rng.normal(size=(offsets[-1], n_labels))
    chance = by_length(marginals, outputs, offsets, scores)
    best = by_length(viterbi, outputs, offsets, scores)
    for start, stop in pairwise(offsets):
        paths, chances = all_paths(outputs[start:stop], scores)
        expected = [
            [chances[paths[:, step] == label].sum() for label in range(n_labels)]
            for step in range(stop - start)
        ]
        np.testing.assert_allclose(chance[start:stop], expected, atol=1e-12)
        np.testing.assert_array_equal(best[start:stop], paths[chances.argmax()])


def test_gradients_agree_with_differences():
    crf = make_crf(3)
    outputs, codes = padded([4, 1, 3], 3, seed=1)
    outputs[codes < 0] = 0.5
    outputs.requires_grad_()

    def losses(outputs, start, between, end):
        values = {"start": start, "between": between, "end": end}
        return torch.func.functional_call(crf, values, (outputs, codes))

    assert torch.autograd.gradcheck(losses, (outputs, *crf.parameters()))


def test_the_gradient_of_the_loss_is_the_marginals_minus_the_labels():
    crf = make_crf(3, seed=2)
    outputs, codes = padded([5], 3, seed=3)
    outputs.requires_grad_()
    crf(outputs, codes).sum().backward()
    chance = marginals(outputs.detach().numpy(), crf.scores())
    expected = chance - np.eye(3)[codes.numpy()]
    np.testing.assert_allclose(outputs.grad.numpy(), expected, atol=1e-12)


def test_padding_has_no_gradient():
    crf = make_crf(2)
    outputs, codes = padded([2, 6], 2, seed=4)
    outputs.requires_grad_()
    crf(outputs, codes).sum().backward()
    assert (outputs.grad[0, 2:] == 0).all()


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_large_scores_stay_finite(size):
    crf = make_crf(3, scale=size)
    outputs, codes = padded([30, 7], 3, seed=5)
    losses = crf((outputs * size).requires_grad_(), codes)
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert all(torch.isfinite(p.grad).all() for p in crf.parameters())
    chance = marginals(outputs.numpy()[1:, :7] * size, crf.scores())
    np.testing.assert_allclose(chance.sum(axis=2), 1.0, atol=1e-12)


def test_both_ways_to_sum_up_agree():
    generator = torch.Generator().manual_seed(0)
    ahead, between = (
        torch.randn(shape, dtype=torch.float64, generator=generator) * 20
        for shape in [(7, 5), (5, 5)]
    )
    torch.testing.assert_close(by_products(ahead, between), by_sums(ahead, between))


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_losses_of_any_size_are_exact(size):
    crf = make_crf(3, seed=10, scale=size)
    outputs, codes = padded([4], 3, seed=11)
    outputs = outputs * size
    scores = [each.astype(np.longdouble) for each in crf.scores()]
    found = crf(outputs, codes).sum().item()
    numbers, path = outputs[0].numpy().astype(np.longdouble), codes[0].numpy()

    def total(path):
        own = scores[0][path[0]] + scores[2][path[-1]]
        own += sum(scores[1][a, b] for a, b in pairwise(path))
        return own + numbers[np.arange(4), list(path)].sum()

    totals = np.array([total(each) for each in product(range(3), repeat=4)])
    every = totals.max() + np.log(np.exp(totals - totals.max()).sum())
    assert found == pytest.approx(float(every - total(path)), rel=1e-9, abs=1e-9)


def test_long_sequences_lose_no_digits_in_single_precision():
    crf = make_crf(4, seed=6)
    outputs, codes = padded([2000], 4, seed=7)
    exact = crf(outputs, codes)
    single = crf(outputs.float(), codes)
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, exact, rtol=1e-5, atol=1e-6)


def test_sequences_in_many_blocks_come_back_in_their_order(monkeypatch):
    scores = make_crf(3, seed=8).scores()
    rng = np.random.default_rng(9)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 5, size=50))])
    outputs = rng.normal(size=(offsets[-1], 3))
    expected = by_length(marginals, outputs, offsets, scores)
    monkeypatch.setattr("skrnn._crf.NUMBERS_IN_A_BLOCK", 24)
    found = by_length(marginals, outputs, offsets, scores)
    np.testing.assert_array_equal(found, expected)
