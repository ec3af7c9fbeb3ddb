"""What an augmentation is: two functions of a batch and its draws."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from fewlabels.augment.randomness import Draws


class Augmentation(Protocol):
    """Weak and strong versions of a batch, drawn per row.

    An implementation is a frozen dataclass. Both functions keep shape, dtype and device of ``x`` (B, ...),
    leave ``x`` itself as it was, and take every random number from ``draws``, so that a run can be resumed
    exactly.
    """

    def weak(self, x: Tensor, draws: Draws) -> Tensor:
        """Change that leaves no doubt about the class."""
        ...

    def strong(self, x: Tensor, draws: Draws) -> Tensor:
        """Change as large as the class can bear."""
        ...


class Moving(Augmentation, Protocol):
    """An augmentation for images with masks: pixels move in ``move`` alone.

    ``move`` is called once a row and its result shared by the weak and the strong version, and called with the
    same draws on the mask. So a mask, a teacher's answer and every version of an image fit pixel by pixel.
    ``weak`` and ``strong`` must leave each pixel where it is.
    """

    def move(self, x: Tensor, draws: Draws) -> Tensor:
        """Move pixels of images or masks, (B, C, H, W) of any dtype; the map depends on ``draws`` alone."""
        ...


@dataclass(frozen=True)
class NoAugmentation:
    """Weak and strong both return their input, for data without a sensible augmentation."""

    def move(self, x: Tensor, draws: Draws) -> Tensor:
        """Return ``x``."""
        return x

    def weak(self, x: Tensor, draws: Draws) -> Tensor:
        """Return ``x``."""
        return x

    def strong(self, x: Tensor, draws: Draws) -> Tensor:
        """Return ``x``."""
        return x
