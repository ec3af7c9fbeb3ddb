"""Task: what a network's outputs mean. One loop and one method file serve classes, numbers and masks alike."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fewlabels.parts.math import cross_entropy


class Task(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def n_outputs(self) -> int: ...

    @property
    def consistency(self) -> float:
        """Customary weight of `distance` in a loss."""
        ...

    def supervised(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Loss of each labeled row (or pixel)."""
        ...

    def predict(self, outputs: Tensor) -> Tensor:
        """Outputs -> what is compared and reported: probabilities, or the number itself."""
        ...

    def distance(self, outputs: Tensor, target: Tensor) -> Tensor:
        """How far the student's outputs are from a target made by `predict`, for each row (or pixel)."""
        ...


@dataclass(frozen=True)
class Classes:
    """One of K classes for each row: outputs (B, K), targets (B,)."""

    n_outputs: int
    name: str = "classes"
    consistency: float = 50.0
    shift: tuple[float, ...] = ()  # added to the logits in the supervised loss, one number a class; see `adjusted`

    def supervised(self, outputs: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(outputs + outputs.new_tensor(self.shift) if self.shift else outputs, y)

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1)

    def distance(self, outputs: Tensor, target: Tensor) -> Tensor:
        # mean over classes, as in Oliver et al. 2018: weights in the literature assume it
        return (outputs.softmax(1) - target).square().mean(1)


def adjusted(n_classes: int, y: NDArray[np.int64], tau: float) -> Classes:
    """`Classes` whose supervised loss is that of logits + tau log pi, pi the class shares of the labels y (L,).

    Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, eq. 10. A network trained so answers, as it is,
    for classes equally frequent at tau = 1: that is what guesses and predictions then are.
    """
    shares = np.bincount(y, minlength=n_classes) / len(y)
    return Classes(n_classes, shift=tuple((tau * np.log(shares)).tolist()))


@dataclass(frozen=True)
class Labels:
    """Any of K labels for each row: K questions with two answers each, told apart like pixels.

    Outputs (B, 2, K), targets (B, K) of 0 and 1, -1 where nobody knows. A softmax over two logits is the sigmoid of
    their difference.
    """

    n_labels: int
    n_outputs: int = 2
    name: str = "labels"
    consistency: float = 50.0

    def supervised(self, outputs: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(outputs, y)

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1)

    def distance(self, outputs: Tensor, target: Tensor) -> Tensor:
        return (outputs.softmax(1) - target).square().mean(1)


@dataclass(frozen=True)
class Numbers:
    """A number for each row: outputs (B, 1), targets (B,), standardized."""

    n_outputs: int = 1
    name: str = "numbers"
    consistency: float = 1.0

    def supervised(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.squeeze(1) - y).square()

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.squeeze(1)

    def distance(self, outputs: Tensor, target: Tensor) -> Tensor:
        return (outputs.squeeze(1) - target).square()


@dataclass(frozen=True)
class Masks:
    """One of K classes for each pixel: outputs (B, K, H, W), targets (B, H, W) with -1 where a pixel is ignored."""

    n_outputs: int
    name: str = "masks"
    consistency: float = 10.0

    def supervised(self, outputs: Tensor, y: Tensor) -> Tensor:
        # Methods take the mean over all pixels. Scaled so that it is the mean over the counted ones of the batch:
        # every marked pixel weighs the same, so a row with a few strokes weighs less than one marked in full.
        counted = (y >= 0).sum()
        return cross_entropy(outputs, y.long()) * (y.numel() / counted.clamp_min(1))

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1)

    def distance(self, outputs: Tensor, target: Tensor) -> Tensor:
        return (outputs.softmax(1) - target).square().mean(1)
