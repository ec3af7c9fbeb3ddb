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


@dataclass(frozen=True)
class NoAugmentation:
    """Weak and strong both return their input, for data without a sensible augmentation."""

    def weak(self, x: Tensor, draws: Draws) -> Tensor:
        """Return ``x``."""
        return x

    def strong(self, x: Tensor, draws: Draws) -> Tensor:
        """Return ``x``."""
        return x
