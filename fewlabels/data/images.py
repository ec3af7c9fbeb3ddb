"""Image files to uint8 arrays: once into memory when they fit, else batch by batch from disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, prod
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewlabels.data.decoding import Info, bombs_are_errors, decode, probe
from fewlabels.data.memory import memory_to_spare
from fewlabels.errors import InputError, OptionError

OWN_SIZE_UP_TO = 128
COMMON_SIZE = (64, 64)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageFiles:
    """Images that stay on disk; `take` decodes the rows asked for. Small, and picklable for worker processes.

    Attributes
    ----------
    paths : the files, one per row
    size : (H, W) to which each is resized
    channels : 1 (gray) or 3 (RGB)
    """

    paths: tuple[str, ...]
    size: tuple[int, int]
    channels: int

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self), *self.size, self.channels)

    def __getitem__(self, rows: Any) -> ImageFiles:
        """The images of some rows (slice, indices or boolean mask), still on disk."""
        chosen = np.arange(len(self))[rows]
        return ImageFiles(tuple(self.paths[i] for i in np.atleast_1d(chosen)), self.size, self.channels)

    def take(self, rows: Iterable[int]) -> NDArray[np.uint8]:
        """Decode rows into uint8 (n, H, W, C).

        Raises
        ------
        InputError : a file cannot be decoded
        """
        with bombs_are_errors():
            images = [decode(self.paths[row], self.size, self.channels) for row in rows]
        return np.stack(images) if images else np.empty((0, *self.shape[1:]), dtype=np.uint8)


class Images(NamedTuple):
    """`x` uint8 (n, H, W, C) or ImageFiles; `kept` (n,) the paths' indices it holds; `notes` for the user."""

    x: Any
    kept: NDArray[np.int64]
    notes: list[str]


def read_images(
    paths: Sequence[str | os.PathLike[str]],
    size: int | tuple[int, ...] | None = None,
    channels: int | None = None,
    on_bad_file: Literal["error", "skip"] = "error",
    max_bytes: int | None = None,
) -> Images:
    """Read PNG, JPEG, WebP or BMP files as images of one size.

    Gray stays one channel if all files are gray. Transparent pixels become white, EXIF rotation is applied,
    16 bits are scaled to 8, and of an animation the first frame is read. Resizing is bilinear.

    Parameters
    ----------
    paths : the files
    size : (H, W), or one number for both. Default: the files' own if all are equal and at most 128 px,
        else 64 x 64
    channels : 1 or 3; default as above
    on_bad_file : raise, or leave out files that cannot be read
    max_bytes : the most the decoded array may take (default: half of the free memory); beyond it the images
        stay on disk as `ImageFiles`

    Returns
    -------
    Images

    Raises
    ------
    InputError : a file cannot be read (named, with how many others), or none can
    OptionError : `on_bad_file`, `size` or `channels` makes no sense
    """
    files = [os.fspath(p) for p in paths]
    if not files:
        raise InputError("there is no image to read: the list of paths is empty.")
    wanted = _wanted(size, channels, on_bad_file)
    bad: dict[int, str] = {}
    infos = _try_each(lambda row: probe(files[row]), range(len(files)), bad)
    _settle(bad, len(files), on_bad_file)
    notes: list[str] = []
    shape = _common(infos, wanted, notes)
    n_bytes = len(infos) * prod(shape)
    spare = memory_to_spare()
    # where the system does not say what is free, 2 GB
    most = 2e9 if spare == inf else spare
    fits = n_bytes <= (most if max_bytes is None else max_bytes)
    pixels = None
    if fits or on_bad_file == "skip":  # what is skipped must be known before training, so each is tried once
        pixels = _decode_all(files, list(infos), shape, fits, bad)
        _settle(bad, len(files), on_bad_file)
    kept = np.array([row for row in infos if row not in bad], dtype=np.int64)
    notes.append(_size_note(len(kept), n_bytes, shape, fits))
    if bad:
        notes.append(f"{len(bad)} of {len(files)} files were skipped; first: {bad[min(bad)]}")
    for note in notes:
        log.info(note)
    if pixels is None or not fits:
        return Images(ImageFiles(tuple(files[row] for row in kept), shape[:2], shape[2]), kept, notes)
    return Images(pixels if not bad else pixels[kept], kept, notes)


def _decode_all(
    files: list[str], rows: list[int], shape: tuple[int, int, int], keep: bool, bad: dict[int, str]
) -> NDArray[np.uint8]:
    """Decode rows into uint8 (n_files, H, W, C), or, without `keep`, only find out which are bad."""
    target = np.empty((len(files) if keep else 0, *shape), dtype=np.uint8)

    def fill(row: int) -> None:
        pixels = decode(files[row], shape[:2], shape[2])
        if keep:
            target[row] = pixels

    _try_each(fill, rows, bad)
    return target


def _wanted(size: Any, channels: int | None, on_bad_file: str) -> tuple[tuple[int, int] | None, int | None]:
    if on_bad_file not in ("error", "skip"):
        raise OptionError(f"on_bad_file={on_bad_file!r} is unknown; it is 'error' or 'skip'.")
    if channels not in (None, 1, 3):
        raise OptionError(f"channels={channels!r} is not possible; it is 1 (gray) or 3 (RGB).")
    if size is None:
        return None, channels
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(isinstance(s, int) and 1 <= s <= 4096 for s in pair):
        raise OptionError(f"size={size!r} is not possible; give (height, width) or one number, 1 to 4096 pixels.")
    return (pair[0], pair[1]), channels


def _common(
    infos: dict[int, Info], wanted: tuple[tuple[int, int] | None, int | None], notes: list[str]
) -> tuple[int, int, int]:
    size, channels = wanted
    own = {(info.height, info.width) for info in infos.values()}
    if size is None:
        size = next(iter(own))
        if len(own) > 1 or max(size) > OWN_SIZE_UP_TO:
            size = COMMON_SIZE
            found = f"{len(own)} sizes" if len(own) > 1 else f"{max(own)[0]} x {max(own)[1]} pixels"
            notes.append(f"The images have {found}; they were resized to {size[0]} x {size[1]}. Say size= for another.")
    if channels is None:
        channels = 1 if all(info.gray for info in infos.values()) else 3
    return (*size, channels)


def _size_note(n: int, n_bytes: int, shape: tuple[int, int, int], fits: bool) -> str:
    what = f"{n} images of {'x'.join(map(str, shape))}"
    if fits:
        return f"{what} were decoded into {n_bytes / 1e6:.1f} MB of memory."
    return f"{what} need {n_bytes / 1e6:.1f} MB, too much: they stay on disk and are decoded as needed."


def _try_each(function: Callable[[int], Any], rows: Iterable[int], bad: dict[int, str]) -> dict[int, Any]:
    """Call function(row) for every row in threads (Pillow lets go of the GIL); what fails goes into `bad`."""

    def call(row: int) -> tuple[int, Any, str | None]:
        try:
            return row, function(row), None
        except InputError as error:
            return row, None, str(error)

    done = {}
    with bombs_are_errors(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for row, value, error in pool.map(call, rows):
            if error is None:
                done[row] = value
            else:
                bad[row] = error
    return done


def _settle(bad: dict[int, str], n_files: int, on_bad_file: str) -> None:
    if bad and (on_bad_file == "error" or len(bad) == n_files):
        way_out = ", or skip them (on_bad_file='skip', --on-bad-file skip)." if on_bad_file == "error" else "."
        raise InputError(f"{len(bad)} of {n_files} images are bad; first: {bad[min(bad)]} Mend or remove them{way_out}")
