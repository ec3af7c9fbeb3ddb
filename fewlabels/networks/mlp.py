"""A multilayer perceptron for tables (and a quick look at small images)."""

import itertools
import math

from torch import Tensor, nn


class MLP(nn.Module):
    """(B, ...) -> (B, n_outputs): `depth` hidden layers of `width` units, ReLU.

    No BatchNorm: with a handful of labels its running statistics are noise.
    """

    def __init__(self, shape: tuple[int, ...], n_outputs: int, width: int = 128, depth: int = 2) -> None:
        super().__init__()
        sizes = [math.prod(shape)] + [width] * depth
        hidden = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]
