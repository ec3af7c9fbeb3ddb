"""Raw rows -> the tensor that is kept -> what the network sees; learnt once from the training rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewlabels.data.images import ImageFiles
from fewlabels.partial_labels import Partial

# Means and standard deviations of image channels are taken over at most this many images, evenly spaced.
_SAMPLE = 10_000
# Numbers that are scaled together.
_CHUNK = 1_000_000


@dataclass(frozen=True)
class Scaling:
    """How rows become network inputs.

    Attributes
    ----------
    kind : "table" or "image"
    mean, std : per column of a table, or per channel of an image in grey levels 0 to 255
    low, high : the values of float images that become grey levels 0 and 255; (0, 255) for uint8
    """

    kind: str
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    low: float = 0.0
    high: float = 255.0

    def store(self, x: Any) -> Tensor:
        """Rows as given -> rows as kept: uint8 (N, C, H, W), or standardized float32 (N, D).

        Float images are rounded to 256 levels between `low` and `high`: augmentation works on levels.
        """
        if self.kind == "table":
            return torch.from_numpy(_by_chunk(lambda rows: (rows - self.mean) / self.std, x, np.float32))
        if x.dtype != np.uint8:
            scale = 255 / (self.high - self.low)
            x = _by_chunk(lambda rows: np.clip(np.rint((rows - self.low) * scale), 0, 255), x, np.uint8)
        channels_first = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        # a read-only array of the user's (a memory map, say) is copied: PyTorch cannot promise not to write
        return torch.from_numpy(channels_first if channels_first.flags.writeable else channels_first.copy())

    def network(self, x: Tensor) -> Tensor:
        """Rows as kept (and augmented) -> network input: images normalized per channel, channels last."""
        if self.kind == "table":
            return x
        shape = (1, -1, 1, 1)
        mean = torch.from_numpy(self.mean).to(x.device).view(shape)
        scale = torch.from_numpy(1 / self.std).to(x.device).view(shape)
        return x.to(torch.float32, memory_format=torch.channels_last).sub_(mean).mul_(scale)


def _by_chunk(of: Callable[[Any], Any], x: Any, dtype: type) -> NDArray[Any]:
    """of(x) as `dtype`, a few rows at a time: all at once would take several arrays as large as x."""
    out = np.empty(x.shape, dtype=dtype)
    size = max(1, _CHUNK // max(1, x[:1].size))
    for a in range(0, len(x), size):
        out[a : a + size] = of(x[a : a + size])
    return out


def learn_scaling(partial: Partial) -> Scaling:
    """Scales from all training rows, labeled or not: no label is involved."""
    if partial.kind == "table":
        std = partial.x.std(0)
        # a constant column carries nothing; dividing by 1 keeps it finite for new rows that differ
        flat = std <= 1e-12 * np.maximum(partial.x.max(0), -partial.x.min(0))
        return Scaling("table", partial.x.mean(0), np.where(flat, 1.0, std))
    n = len(partial.x)
    rows = np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64)
    low, high = (0.0, 255.0) if partial.x.dtype == np.uint8 else _range(partial.x)
    size = max(1, _CHUNK // prod(partial.x.shape[1:]))
    chunks = (rows[a : a + size] for a in range(0, len(rows), size))
    sums = np.zeros((2, partial.x.shape[3]))
    for some in chunks:
        sample = partial.x.take(some) if isinstance(partial.x, ImageFiles) else partial.x[some]
        levels = (sample.astype(np.float64) - low) * (255 / (high - low))
        sums += levels.sum((0, 1, 2)), np.square(levels).sum((0, 1, 2))
    mean, squares = sums / (len(rows) * prod(partial.x.shape[1:3]))
    std = np.sqrt(np.maximum(squares - mean**2, 0.0))
    return Scaling("image", mean.astype(np.float32), np.maximum(std, 1.0).astype(np.float32), low, high)


def _range(x: NDArray[Any]) -> tuple[float, float]:
    low, high = float(x.min()), float(x.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and 64 <= high <= 255:
        return 0.0, 255.0
    return low, high if high > low else low + 1.0
