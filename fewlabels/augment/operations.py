"""RandAugment's operations on uint8 batches, each row with its own magnitude.

The 14 operations and their ranges are those of FixMatch (Sohn et al. 2020, table 12; RandAugment: Cubuk et
al. 2020). Pillow defines what each does to a pixel; images stay uint8 between operations, as there.

Rows are grouped by operation. Six operations are a 256-entry table per channel: the tables are built per
group and looked up together. Colour and sharpness are blends. The five geometric ones are one inverse affine
map (geometry.py).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from fewlabels.augment.geometry import MATRICES, affine
from fewlabels.errors import InputError

# name -> range of its magnitude. Only darkening, greying and blurring (factors below 1), as in FixMatch.
RANGES: dict[str, tuple[float, float]] = {
    "AutoContrast": (0.0, 1.0),  # no magnitude
    "Brightness": (0.05, 0.95),
    "Contrast": (0.05, 0.95),
    "Equalize": (0.0, 1.0),  # no magnitude
    "Posterize": (4.0, 9.0),  # rounded down: 4 to 8 bits are kept, equally likely
    "Solarize": (0.0, 1.0),  # times 256: levels from there on are inverted
    "Color": (0.05, 0.95),
    "Sharpness": (0.05, 0.95),
    "Rotate": (-30.0, 30.0),  # degrees, counter-clockwise
    "ShearX": (-0.3, 0.3),
    "ShearY": (-0.3, 0.3),
    "TranslateX": (-0.3, 0.3),  # of the width
    "TranslateY": (-0.3, 0.3),  # of the height
    "Identity": (0.0, 1.0),
}
OPERATIONS: tuple[str, ...] = tuple(RANGES)


def apply(name: str, x: Tensor, magnitude: Tensor, fill: int = 128) -> Tensor:
    """Apply one operation to every row.

    Parameters
    ----------
    name
        One of ``OPERATIONS``.
    x
        (n, C, H, W) uint8, C = 1 or 3.
    magnitude
        (n,) float32 on the CPU, in the unit of ``RANGES``.
    fill
        Grey level of pixels that come from outside the image.

    Returns
    -------
    Tensor
        (n, C, H, W) uint8.
    """
    return apply_each(x, torch.full((len(x),), OPERATIONS.index(name)), magnitude, fill)


def apply_each(x: Tensor, operation: Tensor, magnitude: Tensor, fill: int = 128) -> Tensor:
    """Apply to each row its own operation.

    Parameters
    ----------
    x
        (n, C, H, W) uint8, C = 1 or 3.
    operation
        (n,) int64 on the CPU: positions in ``OPERATIONS``.
    magnitude
        (n,) float32 on the CPU, in the unit of ``RANGES``.
    fill
        Grey level of pixels that come from outside the image.

    Returns
    -------
    Tensor
        (n, C, H, W) uint8, a new tensor.
    """
    if x.dtype != torch.uint8 or x.ndim != 4 or x.shape[1] not in (1, 3):
        raise InputError(
            f"Operations need uint8 images (n, C, H, W) with C = 1 or 3, got {x.dtype} of shape {tuple(x.shape)}."
        )
    order = torch.argsort(operation, stable=True)
    ends = torch.bincount(operation, minlength=len(OPERATIONS)).cumsum(0).tolist()
    groups = {name: slice(a, b) for name, a, b in zip(OPERATIONS, [0, *ends], ends, strict=False) if a < b}
    # sorted by operation, so that every group is a slice and is written in place
    y, m = x.contiguous().index_select(0, order.to(x.device)), magnitude[order]
    _change_levels(y, m, {name: rows for name, rows in groups.items() if name in _TABLES})
    _blend_groups(y, m, {name: rows for name, rows in groups.items() if name in _BLENDS})
    _move(y, m, {name: rows for name, rows in groups.items() if name in MATRICES}, fill)
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    return y.index_select(0, back.to(x.device))


def _change_levels(y: Tensor, m: Tensor, groups: dict[str, slice]) -> None:
    if not groups:
        return
    stop = max(rows.stop for rows in groups.values())  # the table operations come first in OPERATIONS
    table = torch.empty((stop, y.shape[1], 256), dtype=torch.uint8, device=y.device)
    for name, rows in groups.items():
        table[rows] = _TABLES[name](y[rows], m[rows].to(y.device).view(-1, 1, 1))
    # in blocks of about 2^18 pixels: gather wants int64, eight times the size of the images
    block = max(1, 2**18 // max(1, y[0].numel()))
    for start in range(0, stop, block):
        levels = y[start : min(start + block, stop)].flatten(2)
        levels.copy_(table[start : start + block].gather(2, levels.long()))


def _blend_groups(y: Tensor, m: Tensor, groups: dict[str, slice]) -> None:
    for name, rows in groups.items():
        factor = m[rows].to(y.device).view(-1, 1, 1, 1)
        y[rows] = _blend(_BLENDS[name](y[rows]), y[rows], factor)


def _move(y: Tensor, m: Tensor, groups: dict[str, slice], fill: int) -> None:
    if not groups:
        return
    sides = y.shape[2], y.shape[3]
    matrix = torch.cat([MATRICES[name](m[rows].double(), *sides) for name, rows in groups.items()])
    moved = slice(min(rows.start for rows in groups.values()), max(rows.stop for rows in groups.values()))
    y[moved] = affine(y[moved], matrix, fill)


# Tables: (n, C, H, W) uint8 and magnitudes (n, 1, 1) -> (n, C or 1, 256), what becomes of each level


def _autocontrast(x: Tensor, _: Tensor) -> Tensor:
    low = x.amin((2, 3)).int()[..., None]
    span = x.amax((2, 3)).int()[..., None] - low
    level = _levels(x)
    stretched = torch.div(255 * (level - low), span.clamp(min=1), rounding_mode="floor").clamp_(0, 255)
    return torch.where(span > 0, stretched, level).to(torch.uint8)


def _brightness(x: Tensor, factor: Tensor) -> Tensor:
    level = _levels(x)
    return _blend(torch.zeros_like(level), level, factor)


def _contrast(x: Tensor, factor: Tensor) -> Tensor:
    grey = _grey(x).flatten(1)
    pixels = grey.shape[1]
    mean = torch.div(2 * grey.sum(1) + pixels, 2 * pixels, rounding_mode="floor")  # rounded, halves up
    return _blend(mean.int().view(-1, 1, 1), _levels(x), factor)


def _equalize(x: Tensor, _: Tensor) -> Tensor:
    pixels = x.flatten(2).long()
    ones = torch.ones((), dtype=torch.int32, device=x.device).expand(pixels.shape)
    count = torch.zeros((*pixels.shape[:2], 256), dtype=torch.int32, device=x.device).scatter_add_(2, pixels, ones)
    brightest = count.gather(2, pixels.amax(2, keepdim=True))
    step = torch.div(pixels.shape[2] - brightest, 255, rounding_mode="floor")
    below = count.cumsum(2, dtype=torch.int32) - count
    safe = step.clamp(min=1)
    half = torch.div(safe, 2, rounding_mode="floor")
    flat = torch.div(half + below, safe, rounding_mode="floor").clamp_(max=255)
    return torch.where(step > 0, flat, _levels(x)).to(torch.uint8)


def _posterize(x: Tensor, bits: Tensor) -> Tensor:
    dropped = 8 - bits.clamp(max=8).int()
    return ((_levels(x) >> dropped) << dropped).to(torch.uint8)


def _solarize(x: Tensor, threshold: Tensor) -> Tensor:
    level = _levels(x)
    return torch.where(level < 256 * threshold, level, 255 - level).to(torch.uint8)


_TABLES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "AutoContrast": _autocontrast,
    "Brightness": _brightness,
    "Contrast": _contrast,
    "Equalize": _equalize,
    "Posterize": _posterize,
    "Solarize": _solarize,
}


# Blends: the images at factor 0, (n, C, H, W)


def _colourless(x: Tensor) -> Tensor:
    return _grey(x)[:, None]


def _smooth(x: Tensor) -> Tensor:
    """3 x 3 mean with the centre counted five times; the outermost pixels are kept, as Pillow does."""
    level = x.to(torch.int16)
    rows = level[:, :, :-2] + level[:, :, 1:-1] + level[:, :, 2:]
    inner = level[:, :, 1:-1, 1:-1]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * inner
    inner.copy_(((total + 6.5) / 13).to(torch.int16))  # rounded; no ties, 13 is odd
    return level


_BLENDS: dict[str, Callable[[Tensor], Tensor]] = {"Color": _colourless, "Sharpness": _smooth}


def _levels(x: Tensor) -> Tensor:
    """(1, 1, 256) int32."""
    return torch.arange(256, dtype=torch.int32, device=x.device).view(1, 1, 256)


def _grey(x: Tensor) -> Tensor:
    """Luminance (n, H, W) int32, ITU-R 601-2 in 16-bit fixed point as in Pillow."""
    if x.shape[1] == 1:
        return x[:, 0].int()
    red, green, blue = x.int().unbind(1)
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def _blend(start: Tensor, end: Tensor, factor: Tensor) -> Tensor:
    """``start`` at factor 0, ``end`` at 1; rounded down to uint8."""
    start = start.float()
    return ((end - start) * factor).add_(start).clamp_(0, 255).to(torch.uint8)
