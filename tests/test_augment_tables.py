"""Table augmentation: how much noise, how many cells swapped and masked, and from where."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from fewlabels.augment import Draws, Tables
from fewlabels.errors import InputError, OptionError

B, D = 500, 40


def draws(n: int = B, step: int = 0, stream: int = 0) -> Draws:
    return Draws(0, stream, step, np.arange(n))


@pytest.fixture
def x() -> Tensor:
    """No two cells alike, so that the origin of a swapped one is known."""
    return torch.from_numpy(np.random.default_rng(0).permutation(B * D).reshape(B, D).astype(np.float32)) / 1e4


def test_weak_adds_gaussian_noise(x: Tensor) -> None:
    noise = (Tables(noise=0.3).weak(x, draws()) - x).numpy().ravel()
    assert stats.kstest(noise / 0.3, "norm").pvalue > 1e-4
    assert torch.equal(Tables(noise=0).weak(x, draws()), x)


def test_strong_noise_is_its_own(x: Tensor) -> None:
    augment = Tables(noise=0.1, strong_noise=0.5, swap=0, mask=0)
    noise = (augment.strong(x, draws()) - x).numpy().ravel()
    assert stats.kstest(noise / 0.5, "norm").pvalue > 1e-4


def test_masked_cells_are_the_mean(x: Tensor) -> None:
    y = Tables(mask=0.25, swap=0.1).strong(x + 5, draws())
    assert abs((y == 0).double().mean() - 0.25) < 5 * (0.25 * 0.75 / (B * D)) ** 0.5


def test_swapped_cells_come_from_the_same_feature_of_another_row(x: Tensor) -> None:
    y = Tables(strong_noise=0, mask=0, swap=0.2).strong(x, draws())
    moved = y != x
    assert abs(moved.double().mean() - 0.2) < 5 * (0.2 * 0.8 / (B * D)) ** 0.5
    origin = (y[:, None] == x[None]).double().argmax(1)  # (B, D): the row a cell comes from
    assert torch.equal(x.gather(0, origin), y)
    ahead = (origin - torch.arange(B)[:, None]) % B
    assert ahead[moved].min() >= 1
    counts = np.bincount(ahead[moved].numpy() * 20 // B, minlength=20)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_no_cell_is_swapped_and_masked(x: Tensor) -> None:
    y = Tables(strong_noise=0, mask=0.5, swap=0.5).strong(x + 5, draws())
    assert ((y == 0) | (y != x + 5)).all()
    assert abs((y == 0).double().mean() - 0.5) < 0.02


@pytest.mark.parametrize("kind", ["weak", "strong"])
def test_draws_decide_everything(kind: str, x: Tensor) -> None:
    f = getattr(Tables(swap=0), kind)
    before = x.clone()
    y = f(x, draws())
    assert torch.equal(y, f(x, draws()))
    assert torch.equal(x, before)
    for other in (draws(step=1), draws(stream=1), Draws(1, 0, 0, np.arange(B))):
        assert not (y == f(x, other)).all(1).any()
    some = np.random.default_rng(0).permutation(B)[:37]
    assert torch.equal(y[some], f(x[some], Draws(0, 0, 0, some)))


def test_which_cells_are_swapped_depends_on_the_row_alone(x: Tensor) -> None:
    augment = Tables(strong_noise=0, mask=0)
    whole = augment.strong(x, draws()) != x
    some = np.arange(100, 200)
    assert torch.equal(augment.strong(x[some], Draws(0, 0, 0, some)) != x[some], whole[some])


@pytest.mark.parametrize("change", [{"strong_noise": 0.3}, {"swap": 0.3}, {"mask": 0.3}])
def test_every_option_has_an_effect_on_strong(change: dict[str, float], x: Tensor) -> None:
    assert not torch.equal(Tables().strong(x, draws()), Tables(**change).strong(x, draws()))


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (0, 3), (3, 7)])
def test_small_batches(shape: tuple[int, int]) -> None:
    x = torch.ones(shape)
    for f in (Tables().weak, Tables().strong):
        assert f(x, draws(shape[0])).shape == shape


def test_rows_may_be_on_another_device(x: Tensor) -> None:
    for f in (Tables().weak, Tables().strong):
        assert f(x.to("meta"), draws()).device.type == "meta"


def test_dtype_is_kept(x: Tensor) -> None:
    for f in (Tables().weak, Tables().strong):
        assert f(x.double(), draws()).dtype == torch.float64
        assert f(x, draws()).dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": -0.1}, "noise=-0.1 should be"),
        ({"strong_noise": float("inf")}, "strong_noise=inf"),
        ({"swap": 1.2}, "swap=1.2"),
        ({"mask": float("nan")}, "mask=nan"),
        ({"swap": 0.6, "mask": 0.6}, "at most 1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Tables(**options)


def test_wrong_inputs_are_refused(x: Tensor) -> None:
    with pytest.raises(InputError, match="float features"):
        Tables().weak(x.int(), draws())
    with pytest.raises(InputError, match="B = 3"):
        Tables().strong(x, draws(3))
