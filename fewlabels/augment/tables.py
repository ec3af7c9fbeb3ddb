"""Weak and strong augmentation of table rows, drawn per cell."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewlabels.augment.randomness import Draws
from fewlabels.errors import InputError, OptionError

_NOISE, _FATE, _PARTNER = range(3)  # slots of Draws


@dataclass(frozen=True)
class Tables:
    """Noise, swap and mask for standardised features.

    Weak: Gaussian noise. Strong: larger noise, and of each row's cells some are swapped for the same feature
    of another row of the batch (a draw from the feature's marginal, as in SCARF: Bahri et al. 2022, and VIME:
    Yoon et al. 2020) and some are masked, that is set to the feature's mean, 0.

    Parameters
    ----------
    noise
        Standard deviation of the weak noise, in standard deviations of the feature.
    strong_noise
        The same for the strong noise.
    swap
        Probability that a cell is swapped (strong).
    mask
        Probability that a cell is masked (strong); no cell is both, so swap + mask is at most 1.

    Notes
    -----
    Noise, and which cells are swapped or masked, depend on a row's own draws alone. The row a swapped cell
    comes from is drawn uniformly among the *other rows of the batch*, so it changes with the batch's
    composition.
    """

    noise: float = 0.3
    strong_noise: float = 0.5
    swap: float = 0.1
    mask: float = 0.2

    def __post_init__(self) -> None:
        for name in ("noise", "strong_noise"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise OptionError(f"Tables: {name}={value!r} should be a finite number of at least 0.")
        for name in ("swap", "mask"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise OptionError(f"Tables: {name}={value!r} should be a probability between 0 and 1.")
        if self.swap + self.mask > 1:
            raise OptionError(f"Tables: swap + mask = {self.swap + self.mask:g} should be at most 1.")

    def weak(self, x: Tensor, draws: Draws) -> Tensor:
        """Add noise.

        Parameters
        ----------
        x
            (B, D) float, each feature with mean 0 and standard deviation 1.
        draws
            The random numbers of the B rows.

        Returns
        -------
        Tensor
            Of the same shape and dtype.
        """
        _check(x, draws)
        return _noisy(x, self.noise, draws)

    def strong(self, x: Tensor, draws: Draws) -> Tensor:
        """Swap cells, add noise, mask cells.

        Parameters
        ----------
        x
            (B, D) float, each feature with mean 0 and standard deviation 1.
        draws
            The random numbers of the B rows.

        Returns
        -------
        Tensor
            Of the same shape and dtype.
        """
        _check(x, draws)
        batch, width = x.shape
        fate = draws.uniform(_FATE, width, x.device)
        y = x
        if self.swap and batch > 1:
            # 1 to B - 1 rows further on: never the row itself; stacked twice, so that the end needs no modulo
            ahead = draws.integers(_PARTNER, batch - 1, width, x.device) + 1
            partner = ahead.add_(torch.arange(batch, device=x.device)[:, None])
            y = torch.where(fate < self.swap, torch.cat([x, x]).gather(0, partner), x)
        y = _noisy(y, self.strong_noise, draws)
        # a product: several times as fast as torch.where here
        return y * (fate < 1 - self.mask).to(x.dtype) if self.mask else y


def _noisy(x: Tensor, scale: float, draws: Draws) -> Tensor:
    if not scale:
        return x
    return x + scale * draws.normal(_NOISE, x.shape[1], x.device).to(x.dtype)


def _check(x: Tensor, draws: Draws) -> None:
    if x.ndim != 2 or not x.is_floating_point() or len(x) != len(draws.rows):
        raise InputError(
            f"Tables need float features (B, D) with B = {len(draws.rows)}, got {x.dtype} of shape {tuple(x.shape)}."
        )
