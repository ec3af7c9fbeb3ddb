"""Rows of an image array, or image files -> small PNG data URIs for the gallery."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 72  # pixels a side; 36 incompressible thumbnails of this size are 0.8 MB of page
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MOST_PIXELS = 25_000_000


def thumbnail(row: Any, low: float, high: float, largest: int = LARGEST) -> NDArray[np.uint8] | None:
    """One image as uint8 (H, W) or (H, W, 3), at most `largest` pixels a side; None when it cannot be shown.

    `low` and `high` are the values that become black and white, the same for all images of a page.
    """
    if isinstance(row, str | PathLike):
        return _from_file(row, largest)
    image = np.asarray(row, dtype=np.float64)
    if image.ndim == 3 and image.shape[2] in (1, 2):
        image = image[:, :, 0]  # with two channels, the first of grey and alpha
    if image.ndim not in (2, 3) or 0 in image.shape:
        return None
    image = image[..., :3] if image.ndim == 3 else image
    scaled = (np.nan_to_num(image) - low) / ((high - low) or 1.0)
    return _small(Image.fromarray((np.clip(scaled, 0, 1) * 255).round().astype(np.uint8)), largest)


def value_range(images: NDArray[Any]) -> tuple[float, float]:
    """What is black and what white: bytes' range for bytes, 0..1 if it fits, else the values' own range."""
    sample = np.asarray(images[:256], dtype=np.float64)
    if images.dtype == np.uint8 and sample.size and sample.max() >= 64:
        return 0.0, 255.0  # else a smaller scale kept in bytes, such as 0..16
    finite = sample[np.isfinite(sample)]
    if finite.size == 0 or (finite.min() >= 0 and finite.max() <= 1):
        return 0.0, 1.0
    return float(finite.min()), float(finite.max())


def _from_file(path: Any, largest: int) -> NDArray[np.uint8] | None:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (largest, largest))
            return _small(image.convert("RGB"), largest)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # the report says so in words; a lost file must not lose the report


def _small(image: Image.Image, largest: int) -> NDArray[np.uint8]:
    image.thumbnail((largest, largest))
    return np.asarray(image, dtype=np.uint8)


def data_uri(image: NDArray[np.uint8]) -> str:
    """A PNG as text. CSS enlarges it without smoothing, so that small images keep their pixels."""
    data = BytesIO()
    Image.fromarray(image).save(data, format="PNG", optimize=True)
    return "data:image/png;base64," + b64encode(data.getvalue()).decode("ascii")
