"""One image file to a uint8 array, by Pillow, with only known formats and sizes let through."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewlabels.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MAX_PIXELS = 25_000_000


def decode(path: str, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """One file as uint8 (H, W, C).

    Raises
    ------
    InputError : the file is missing, damaged, of another format, or too large
    """
    from PIL import Image, ImageOps

    try:
        with _opened(path) as image:
            # JPEG can decode at 1/2, 1/4 or 1/8 of its size; twice the target keeps bilinear resizing honest.
            image.draft(image.mode, (2 * max(size), 2 * max(size)))
            upright = ImageOps.exif_transpose(image)
            plain = _eight_bits(upright).convert("L" if channels == 1 else "RGB")
        if plain.size != (size[1], size[0]):
            plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except InputError:
        raise
    except Exception as error:  # Pillow raises anything from OSError to struct.error on damaged files
        raise InputError(f"cannot read image {path}: {_reason(error)}") from error
    return np.asarray(plain, dtype=np.uint8).reshape(*size, channels)


class Info(NamedTuple):
    height: int
    width: int
    gray: bool


def probe(path: str) -> Info:
    """Size after rotation, and whether it is gray, from the file's header alone."""
    try:
        with _opened(path) as image:
            width, height = image.size
            # A PNG's getexif decodes the whole image, in case EXIF data come last: ask only if they came first.
            exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
            if exif.get(0x0112, 1) >= 5:  # EXIF orientations 5 to 8 lie on their side
                width, height = height, width
            return Info(height, width, image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16"))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"cannot read image {path}: {_reason(error)}") from error


def _opened(path: str) -> Image.Image:
    from PIL import Image

    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise InputError(f"cannot read image {path}: it is no file but a pipe or a device, which may never end.")
    image = Image.open(path, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise InputError(
            f"cannot read image {path}: {image.width} x {image.height} pixels are more than the "
            f"{MAX_PIXELS // 1_000_000} million allowed. Make it smaller first."
        )
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file."
    if isinstance(error, IsADirectoryError):
        return "it is a folder."
    if type(error).__name__ == "UnidentifiedImageError":
        return f"it is none of {', '.join(FORMATS)}, or its header is damaged."
    if type(error).__name__.startswith("DecompressionBomb"):
        return f"it has more pixels than the {MAX_PIXELS // 1_000_000} million allowed ({type(error).__name__})."
    return f"{type(error).__name__}: {str(error).rstrip('.')}."


def _eight_bits(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        scaled = np.asarray(image, dtype=np.float64) / 257  # 65535 -> 255
        return Image.fromarray(np.clip(np.round(scaled), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        # Hidden pixels hold arbitrary colours (often black under black strokes): lay the image on white.
        shown = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
    return image


@contextmanager
def bombs_are_errors() -> Iterator[None]:
    """Within, Pillow's warning of a huge image raises (not thread-local: enter before threads start)."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
