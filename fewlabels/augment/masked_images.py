"""Weak and strong augmentation of images with masks: pixels move once, then grey levels alone change."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fewlabels.augment.geometry import MATRICES
from fewlabels.augment.images import Images
from fewlabels.augment.operations import OPERATIONS
from fewlabels.augment.randomness import Draws
from fewlabels.errors import OptionError

# slots of Draws; Images takes 0 to 7
_UPSIDE_DOWN, _CONTRAST, _BRIGHTNESS, _NOISE = range(8, 12)
STILL = tuple(name for name in OPERATIONS if name not in MATRICES)


@dataclass(frozen=True)
class MaskedImages:
    """Augmentation for images that have a class for each pixel.

    Move: crop after reflect padding and flips, drawn once a row; image, mask and every version of the image move
    together. Weak: contrast, brightness and noise. Strong: RandAugment's operations that move no pixel, then Cutout.

    Parameters
    ----------
    shift
        Largest shift of the crop, as a share of each side.
    flip
        Mirror left and right with probability 1/2.
    upside_down
        Mirror top and bottom with probability 1/2. Off by default: right for microscopes and satellites, wrong
        where there is a ground.
    contrast
        Weak: grey levels move away from or toward the image's mean by up to this share.
    brightness
        Weak: grey levels rise or fall by up to this many of the image's own standard deviations.
    noise
        Weak: standard deviation of the noise on every pixel, in the same unit.
    n_ops, cutout, fill
        Strong: as in :class:`~fewlabels.augment.images.Images`. Pixels behind the hole count in the loss as all
        others do: the student is to say what the teacher says there, from what it sees around.

    Notes
    -----
    Teacher and student see the same geometry. The other way, different crops and the teacher's answer moved after
    the fact, has to leave out what one of them does not see, and needs the move in every method's equation.
    """

    shift: float = 0.125
    flip: bool = True
    upside_down: bool = False
    contrast: float = 0.3
    brightness: float = 0.3
    noise: float = 0.15
    n_ops: int = 2
    cutout: float = 0.5
    fill: int = 128

    def __post_init__(self) -> None:
        if not isinstance(self.upside_down, bool | np.bool_):
            raise OptionError(f"MaskedImages: upside_down={self.upside_down!r} should be True or False.")
        for name in ("contrast", "brightness", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"MaskedImages: {name}={getattr(self, name)!r} should be a share between 0 and 1.")
        self._moves, self._changes  # noqa: B018  checks the options that Images has

    @property
    def _moves(self) -> Images:
        return Images(shift=self.shift, flip=self.flip, n_ops=0, cutout=0)

    @property
    def _changes(self) -> Images:
        return Images(shift=0, n_ops=self.n_ops, cutout=self.cutout, fill=self.fill, operations=STILL)

    def move(self, x: Tensor, draws: Draws) -> Tensor:
        """Crop and flip.

        Parameters
        ----------
        x
            (B, C, H, W) images or masks of any dtype.
        draws
            The random numbers of the B rows.

        Returns
        -------
        Tensor
            Of the same shape and dtype.
        """
        y = self._moves.weak(x, draws)
        if not self.upside_down:
            return y
        turned = draws.integers(_UPSIDE_DOWN, 2, device=x.device) == 1
        return torch.where(turned[:, :, None, None], y.flip(2), y)

    def weak(self, x: Tensor, draws: Draws) -> Tensor:
        """Contrast, brightness and noise; no pixel moves.

        Parameters
        ----------
        x
            (B, C, H, W) uint8.
        draws
            The random numbers of the B rows.

        Returns
        -------
        Tensor
            (B, C, H, W) uint8.
        """

        def share(slot: int, most: float) -> Tensor:
            return most * (2 * draws.uniform(slot, 1, x.device) - 1)[:, :, None, None]

        # in the image's own scale: a dim micrograph must not drown in noise made for photographs
        level = x.float()
        mean, std = level.mean((1, 2, 3), keepdim=True), level.std((1, 2, 3), keepdim=True, correction=0)
        level = (
            mean + (level - mean) * (1 + share(_CONTRAST, self.contrast)) + std * share(_BRIGHTNESS, self.brightness)
        )
        if self.noise:
            level += std * self.noise * draws.normal(_NOISE, x[0].numel(), x.device).view(x.shape)
        return level.round_().clamp_(0, 255).to(torch.uint8)

    def strong(self, x: Tensor, draws: Draws) -> Tensor:
        """RandAugment without the operations that move pixels, then Cutout; as `weak`, uint8 in and out."""
        return self._changes.strong(x, draws)
