"""Weak and strong augmentation of image batches, drawn per row."""

from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewlabels.augment.operations import OPERATIONS, RANGES, apply_each
from fewlabels.augment.randomness import Draws
from fewlabels.errors import InputError, OptionError

# slots of Draws: weak and strong read the same ones for the crop and the flip
_DOWN, _ACROSS, _FLIP, _OPERATION, _MAGNITUDE, _SIDE, _CENTRE_ROW, _CENTRE_COLUMN = range(8)


@dataclass(frozen=True)
class Images:
    """FixMatch's augmentation (Sohn et al. 2020) for batches of images.

    Weak: crop after reflect padding, and a flip where allowed. Strong: weak, then RandAugment with operations
    drawn uniformly with replacement and a continuous magnitude, then Cutout (DeVries and Taylor 2017).

    Parameters
    ----------
    shift
        Largest shift of the crop, as a share of each side; at least one pixel unless 0.
    flip
        Mirror left and right with probability 1/2. Off by default: digits, text and organs are not symmetric.
    n_ops
        Operations per strong image; 0 leaves weak augmentation plus Cutout.
    cutout
        Largest side of the square that Cutout greys, as a share of the shorter side; 0 turns it off. The side
        is uniform from 0 up, the centre uniform over the image, the square cut off at its border.
    fill
        Grey level (0 to 255) of Cutout and of pixels that come from outside the image.
    operations
        Names out of ``fewlabels.augment.operations.OPERATIONS``; all 14 by default.

    Notes
    -----
    With the same draws, weak and strong share crop and flip. So with ``operations`` that move no pixel,
    ``strong(x, draws)`` differs from ``weak(x, draws)`` in its grey levels alone.
    """

    shift: float = 0.125
    flip: bool = False
    n_ops: int = 2
    cutout: float = 0.5
    fill: int = 128
    operations: tuple[str, ...] = OPERATIONS

    def __post_init__(self) -> None:
        check_option(self, "shift", Real, 0, 0.5, "a share of the side between 0 and 0.5")
        check_option(self, "flip", (bool, np.bool_), 0, 1, "True or False")
        check_option(self, "n_ops", Integral, 0, inf, "0, 1, 2, ...")
        check_option(self, "cutout", Real, 0, 1, "a share of the side between 0 and 1")
        check_option(self, "fill", Integral, 0, 255, "a grey level from 0 to 255")
        if not self.operations:
            raise OptionError(
                f"{type(self).__name__}: operations should hold at least one name; for none, set n_ops=0."
            )
        for name in self.operations:
            if name not in RANGES:
                near = get_close_matches(name, OPERATIONS, 1) or [", ".join(OPERATIONS)]
                raise OptionError(f"Images: unknown operation {name!r}. Did you mean {near[0]}?")

    def weak(self, x: Tensor, draws: Draws) -> Tensor:
        """Crop and flip.

        Parameters
        ----------
        x
            (B, C, H, W) of any dtype: pixels only move, so masks and float images pass through as well.
        draws
            The random numbers of the B rows.

        Returns
        -------
        Tensor
            Of the same shape and dtype.
        """
        if x.ndim != 4 or len(x) != len(draws.rows):
            raise InputError(f"Images need (B, C, H, W) with B = {len(draws.rows)}, got shape {tuple(x.shape)}.")
        if self.shift == 0 and not self.flip:
            return x
        batch, channels, height, width = x.shape
        row = self._shifted(height, _DOWN, draws, x.device)
        column = self._shifted(width, _ACROSS, draws, x.device)
        if self.flip:
            column = torch.where(draws.integers(_FLIP, 2, device=x.device) == 1, column.flip(1), column)
        # whole rows first (a copy of W neighbours each), then columns within the rows
        first = torch.arange(0, batch * channels * height, height, device=x.device).view(batch, channels, 1)
        y = x.reshape(-1, width).index_select(0, (first + row[:, None]).flatten())
        source = column[:, None].expand(-1, channels * height, -1)
        return y.view(batch, channels * height, width).gather(2, source).view(x.shape)

    def strong(self, x: Tensor, draws: Draws) -> Tensor:
        """Weak augmentation, then RandAugment and Cutout.

        Parameters
        ----------
        x
            (B, C, H, W) uint8, C = 1 or 3.
        draws
            The random numbers of the B rows.

        Returns
        -------
        Tensor
            (B, C, H, W) uint8.
        """
        y = self.weak(x, draws)
        if self.n_ops:
            y = self._operate(y, self._which(draws), self._share(draws))
        return self._finish(y, draws)

    def _which(self, draws: Draws) -> Tensor:
        """(B, n_ops) places in ``operations``."""
        return draws.integers(_OPERATION, len(self.operations), self.n_ops)

    def _share(self, draws: Draws) -> Tensor:
        """(B, n_ops) uniform in [0, 1)."""
        return draws.uniform(_MAGNITUDE, self.n_ops)

    def _operate(self, x: Tensor, which: Tensor, share: Tensor) -> Tensor:
        """One operation after another, each at its share of the way through its range: (B, n_ops) both."""
        operation = torch.tensor([OPERATIONS.index(name) for name in self.operations])[which]
        low, high = torch.tensor(list(RANGES.values()))[operation].unbind(-1)
        magnitude = low + (high - low) * share
        for i in range(self.n_ops):
            x = apply_each(x, operation[:, i], magnitude[:, i], self.fill)
        return x

    def _finish(self, x: Tensor, draws: Draws) -> Tensor:
        return self._cut_out(x, draws) if self.cutout else x

    def _shifted(self, side: int, slot: int, draws: Draws, device: torch.device) -> Tensor:
        """Which pixel each of ``side`` positions shows after a shift, reflected at the border: (B, side)."""
        most = min(max(1, round(self.shift * side)), side - 1) if self.shift else 0
        offset = draws.integers(slot, 2 * most + 1, device=device) - most
        place = (torch.arange(side, device=device) + offset).abs_()
        return (side - 1) - ((side - 1) - place).abs_()

    def _cut_out(self, x: Tensor, draws: Draws) -> Tensor:
        height, width = x.shape[2:]
        longest = max(1, int(self.cutout * min(height, width)))
        side = draws.integers(_SIDE, longest + 1, device=x.device)
        rows = _span(draws.integers(_CENTRE_ROW, height, device=x.device), side, height)
        columns = _span(draws.integers(_CENTRE_COLUMN, width, device=x.device), side, width)
        hole = rows[:, None, :, None] & columns[:, None, None, :]
        # bits, not torch.where: the mask is one channel wide, and this stays vectorised when it is spread
        return (x & ~hole) | (hole & self.fill)


def _span(centre: Tensor, length: Tensor, side: int) -> Tensor:
    """255 on ``length`` pixels about the centre, 0 elsewhere: (B, side) uint8, from (B, 1) each."""
    after = torch.arange(side, device=centre.device) - (centre - length // 2)
    return ((after >= 0) & (after < length)).to(torch.uint8) * 255


def check_option(
    images: Images, option: str, kind: type | tuple[type, ...], low: float, high: float, expected: str
) -> None:
    """Refuse an option of another type or out of range."""
    value: Any = getattr(images, option)
    right_kind = isinstance(value, kind)
    if not right_kind or not low <= value <= high:
        raise OptionError(f"{type(images).__name__}: {option}={value!r} should be {expected}.")
