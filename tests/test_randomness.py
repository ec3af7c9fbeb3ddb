"""Counter-based draws: distribution, independence of every key part, and sameness in any batch."""

import numpy as np
import pytest
import torch
from scipy import stats

from fewlabels.augment import Draws, permutation
from fewlabels.errors import InputError

N = 60_000


def rows(n: int = N) -> np.ndarray:
    return np.arange(n)


def test_uniform_is_uniform() -> None:
    u = Draws(0, 1, 2, rows()).uniform(3, 4).numpy()
    assert u.dtype == np.float32
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-4
    joint = np.histogram2d(u[:, 0], u[:, 1], bins=20, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(joint.ravel()).pvalue > 1e-4


def test_normal_is_normal_and_its_pairs_are_independent() -> None:
    z = Draws(5, 0, 9, rows()).normal(0, 4).numpy()
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    assert np.abs(np.corrcoef(z.T) - np.eye(4)).max() < 5 / N**0.5
    assert np.abs(np.corrcoef(z.T**2) - np.eye(4)).max() < 5 / N**0.5


@pytest.mark.parametrize("high", [1, 2, 3, 14, 257])
def test_integers_are_uniform(high: int) -> None:
    k = Draws(0, 0, 0, rows()).integers(1, high, 2)
    assert k.dtype == torch.int64
    counts = np.bincount(k.numpy().ravel(), minlength=high)
    assert len(counts) == high
    assert high == 1 or stats.chisquare(counts).pvalue > 1e-4


def neighbours(part: str, by: int) -> tuple[Draws, Draws, int]:
    """Draws that differ in one key part alone, and the slot of the second."""
    key = {"seed": 3, "stream": 1, "step": 7, "rows": rows(), "slot": 2}
    other = key | {part: key[part] + by}
    make = [Draws(k["seed"], k["stream"], k["step"], k["rows"]) for k in (key, other)]
    return make[0], make[1], other["slot"]


@pytest.mark.parametrize("by", [1, 2, 1 << 20])
@pytest.mark.parametrize("part", ["seed", "stream", "step", "rows", "slot"])
def test_neighbouring_keys_are_uncorrelated(part: str, by: int) -> None:
    one, two, slot = neighbours(part, by)
    a, b = one.uniform(2).numpy().ravel(), two.uniform(slot).numpy().ravel()
    assert (a == b).mean() < 1e-3
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / N**0.5
    a, b = one.normal(2).numpy().ravel(), two.normal(slot).numpy().ravel()
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / N**0.5


@pytest.mark.parametrize("part", ["seed", "stream", "step", "rows", "slot"])
@pytest.mark.parametrize("bit", [0, 1, 5, 17, 31])
def test_one_bit_of_the_key_flips_half_the_bits(part: str, bit: int) -> None:
    key = {"seed": 3, "stream": 1, "step": 7, "rows": rows(4000) << 32, "slot": 2}
    other = key | {part: key[part] ^ (1 << bit)}
    words = [Draws(k["seed"], k["stream"], k["step"], k["rows"])._hash(k["slot"], 1) for k in (key, other)]
    flipped = np.unpackbits((words[0] ^ words[1]).view(np.uint8).reshape(-1, 8), axis=1).mean(0)
    assert np.abs(flipped - 0.5).max() < 5 * 0.5 / 4000**0.5


def test_key_parts_do_not_commute() -> None:
    r = np.array([1])
    values = {
        float(Draws(a, b, c, r).uniform(d))
        for a, b, c, d in [(1, 2, 3, 4), (2, 1, 3, 4), (1, 3, 2, 4), (1, 2, 4, 3), (0, 0, 0, 0), (1, 0, 0, 0)]
    }
    assert len(values) == 6


def test_a_row_draws_the_same_in_any_batch() -> None:
    whole = Draws(1, 2, 3, rows(1000))
    some = np.random.default_rng(0).permutation(1000)[:333]
    part = Draws(1, 2, 3, some)
    for n in (1, 2, 7, 784):
        assert torch.equal(whole.uniform(0, n)[some], part.uniform(0, n))
        assert torch.equal(whole.integers(0, 14, n)[some], part.integers(0, 14, n))
        assert torch.equal(whole.normal(0, n)[some], part.normal(0, n))
    assert torch.equal(whole.normal(0, 3)[[17]], Draws(1, 2, 3, np.array([17])).normal(0, 3))


def test_values_do_not_depend_on_how_many_are_asked_for() -> None:
    d = Draws(1, 2, 3, rows(50))
    assert torch.equal(d.uniform(0, 9)[:, :4], d.uniform(0, 4))
    assert torch.equal(d.normal(0, 9)[:, :4], d.normal(0, 4))
    assert torch.equal(d.integers(0, 5, 9)[:, :3], d.integers(0, 5, 3))
    assert d.normal(0, 9).shape == (50, 9)


def test_step_may_differ_by_row() -> None:
    step = np.array([4, 9, 4])
    mixed = Draws(1, 2, step, np.array([10, 11, 12])).normal(0, 5)
    for i, s in enumerate(step):
        assert torch.equal(mixed[i], Draws(1, 2, int(s), np.array([10 + i])).normal(0, 5)[0])


@pytest.mark.parametrize("seed", [-1, 0, 1 << 63, (1 << 64) + 5])
def test_any_seed_works(seed: int) -> None:
    u = Draws(seed, 0, 0, rows(10)).uniform(0)
    assert torch.equal(u, Draws(seed, 0, 0, rows(10)).uniform(0))
    assert not torch.equal(u, Draws(seed + 1, 0, 0, rows(10)).uniform(0))


def test_known_values_stay() -> None:
    """A change of these would break the resumption of runs saved by earlier versions."""
    d = Draws(0, 1, 2, np.array([3, 4]))
    assert d._hash(5, 1).ravel().tolist() == KNOWN


KNOWN = [4362567189466741948, 10229312916246840057]


def test_permutation() -> None:
    order = permutation(0, 1, 2, 5000)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(5000))
    assert np.array_equal(order, permutation(0, 1, 2, 5000))
    for other in [(1, 1, 2), (0, 2, 2), (0, 1, 3)]:
        assert (order == permutation(*other, 5000)).mean() < 0.01
    first = [permutation(0, 0, epoch, 10)[0] for epoch in range(5000)]
    assert stats.chisquare(np.bincount(first, minlength=10)).pvalue > 1e-4
    assert len(permutation(0, 0, 0, 0)) == 0


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="1-D int array"):
        Draws(0, 0, 0, np.zeros(3))
    with pytest.raises(InputError, match="step must be"):
        Draws(0, 0, np.zeros(2, dtype=int), rows(3))
    with pytest.raises(InputError, match="high must be"):
        Draws(0, 0, 0, rows(3)).integers(0, 0)
