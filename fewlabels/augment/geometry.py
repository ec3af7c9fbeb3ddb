"""Geometric operations as inverse affine maps, nearest pixel, in Pillow's fixed point.

A map is (a, b, c, d, e, f): the pixel at (column, row) of the result comes from (a column + b row + c,
d column + e row + f) of the image, measured at pixel centres. Matrices are float64 on the CPU (six numbers a
row); the map over pixels is int32 arithmetic with 16 fractional bits on the images' device, as in Pillow's
``Image.transform``, so CPU, CUDA and MPS (which has no float64) agree bit for bit. Sides must be below 32768.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad


def affine(x: Tensor, matrix: Tensor, fill: int) -> Tensor:
    """Move every row's pixels by its own map.

    Parameters
    ----------
    x
        (n, C, H, W) uint8.
    matrix
        (n, 6) float64, CPU.
    fill
        Grey level of pixels that come from outside the image.

    Returns
    -------
    Tensor
        (n, C, H, W) uint8.
    """
    height, width = x.shape[2:]
    a, b, c, d, e, f = _fixed_point(matrix).to(x.device).view(-1, 6, 1, 1).unbind(1)
    column = torch.arange(width, dtype=torch.int32, device=x.device)
    row = torch.arange(height, dtype=torch.int32, device=x.device)[:, None]
    # a frame of one fill pixel stands for everything outside: no mask, one gather
    from_column = (((b * row + c) + a * column) >> 16).clamp_(-1, width).add_(1)
    from_row = (((e * row + f) + d * column) >> 16).clamp_(-1, height).add_(1)
    source = from_row.mul_(width + 2).add_(from_column).long().flatten(1)
    framed = pad(x, (1, 1, 1, 1), value=fill).flatten(2)
    return framed.gather(2, source[:, None].expand(-1, x.shape[1], -1)).view(x.shape)


def _fixed_point(matrix: Tensor) -> Tensor:
    """(n, 6) int32 with 16 fractional bits; the offsets moved to the centre of pixel (0, 0)."""
    a, b, c, d, e, f = matrix.unbind(1)
    centred = torch.stack([a, b, c + (a + b) / 2, d, e, f + (d + e) / 2], dim=1)
    return torch.floor(centred * 65536 + 0.5).int()


def rotate(degrees: Tensor, height: int, width: int) -> Tensor:
    """Counter-clockwise about the centre: (n,) -> (n, 6)."""
    angle = torch.deg2rad(degrees)
    cos, sin = angle.cos(), angle.sin()
    x, y = width / 2, height / 2
    return torch.stack([cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y], dim=1)


def shear_x(rate: Tensor, height: int, width: int) -> Tensor:
    """Columns move by ``rate`` times the row, counted from the top: (n,) -> (n, 6)."""
    return _identity_but(1, rate)


def shear_y(rate: Tensor, height: int, width: int) -> Tensor:
    """Rows move by ``rate`` times the column, counted from the left: (n,) -> (n, 6)."""
    return _identity_but(3, rate)


def translate_x(share: Tensor, height: int, width: int) -> Tensor:
    """Move left by ``share`` of the width: (n,) -> (n, 6)."""
    return _identity_but(2, share * width)


def translate_y(share: Tensor, height: int, width: int) -> Tensor:
    """Move up by ``share`` of the height: (n,) -> (n, 6)."""
    return _identity_but(5, share * height)


def _identity_but(position: int, entry: Tensor) -> Tensor:
    matrix = torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=entry.dtype).repeat(len(entry), 1)
    matrix[:, position] = entry
    return matrix


MATRICES: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "Rotate": rotate,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
}
