"""Masks: which rows have one, which pixels of it count, and what may stand there. Read once, here."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewlabels.data.frames import shown
from fewlabels.data.labels import warn_wrapped
from fewlabels.errors import InputError

IGNORED = -1


class Masks(NamedTuple):
    """The masks of the labeled rows, `values` (L, H, W) with -1 where ignored, and which rows these are (L,)."""

    values: NDArray[Any]
    rows: NDArray[np.int64]


def read_masks(masks: Any, shape: tuple[int, int, int], name: str = "y") -> Masks:
    """Split masks into those of labeled rows and rows without one.

    Parameters
    ----------
    masks : (N, H, W) whole numbers or booleans, or a list of N masks (H, W) in which None is a row without one; a
        pixel of -1 is ignored, and a mask of nothing but -1 is none
    shape : (N, H, W) of the images
    name : what the messages call the masks

    Raises
    ------
    InputError : another shape, values that are no classes
    """
    masks = _unpacked(masks, name)
    if isinstance(masks, np.ndarray) and masks.ndim == 0:
        raise InputError(
            f"{name} is {shown(masks[()])}. Give masks (N, H, W), with None or all -1 for rows without one."
        )
    if len(masks) != shape[0]:
        raise InputError(f"X has {shape[0]} images, {name} has {len(masks)} masks. Give one mask or None for each.")
    if isinstance(masks, np.ndarray):
        _check(masks, (len(masks), *shape[1:]), name)
        rows = np.flatnonzero((masks != IGNORED).any((1, 2)))
        return Masks(masks[rows], rows)
    given = {row: np.asarray(mask) for row, mask in enumerate(masks) if mask is not None}
    for row, mask in given.items():
        _check(mask, shape[1:], f"{name}[{row}]")
    rows = np.array([row for row, mask in given.items() if (mask != IGNORED).any()], dtype=np.int64)
    values = np.stack([given[row] for row in rows.tolist()]) if len(rows) else np.empty((0, *shape[1:]), np.int64)
    return Masks(values, rows)


def _unpacked(masks: Any, name: str) -> Any:
    """An array (N, H, W), or a list of N items."""
    if masks is None:
        raise InputError(f"{name} is None. Give masks (N, H, W), with None or all -1 for rows without one.")
    if isinstance(masks, list | tuple) and any(mask is None for mask in masks):
        return list(masks)
    if isinstance(masks, np.ma.MaskedArray) and np.ma.getmaskarray(masks).any():
        raise InputError(f"{name} is a masked array with masked pixels. To ignore them use {name}.filled(-1).")
    try:
        array = np.asarray(masks)
    except ValueError:  # masks of unlike shapes: the check of each says which
        return list(masks)
    except (RuntimeError, TypeError) as error:  # a tensor that requires gradients, or lies on another device
        raise InputError(f"{name} cannot become an array: {error}") from None
    return list(array) if array.dtype.kind == "O" and array.ndim == 1 else array


def _check(mask: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    if mask.shape != shape:
        hint = ""
        if mask.ndim == len(shape) + 1:
            hint = " One channel for each class: use argmax(-1)." if mask.shape[-1] > 1 else " Drop the last axis."
        raise InputError(
            f"{name} has shape {mask.shape}, where the images ask for {shape}: one class for each pixel.{hint}"
        )
    if mask.dtype.kind not in "biu":
        raise InputError(
            f"{name} holds {mask.dtype}; masks hold whole numbers (a class for each pixel, -1 where it is not known) "
            "or booleans. Convert them, e.g. y.astype(int), or (y > 0.5) for probabilities."
        )
    if mask.dtype.kind == "i" and mask.size and mask.min() < IGNORED:
        at = tuple(int(i) for i in np.argwhere(mask < IGNORED)[0])
        raise InputError(
            f"{name} has {int(mask[at])} at {at}: of the negative numbers only -1 is known, as a pixel to ignore. "
            "Number the classes from 0."
        )


def as_codes(values: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int16]:
    """Class values -> positions in `classes`; -1 stays. Values that are no class give -2."""
    place = np.searchsorted(classes, values).clip(max=len(classes) - 1)
    known = np.where(classes[place] == values, place, -2)
    return np.where(values == IGNORED, IGNORED, known).astype(np.int16)


def find_classes(masks: Masks, n_rows: int) -> NDArray[Any]:
    """The classes of the pixels that count, sorted, in the masks' own type.

    Raises
    ------
    InputError : no row has a mask, or all pixels are of one class
    """
    if not len(masks.rows):
        raise InputError(f"y has no labeled row: none of the {n_rows} has a mask with a pixel that is not -1.")
    classes: NDArray[Any] = np.unique(masks.values)
    warn_wrapped(classes, "pixels to ignore", stacklevel=5)
    classes = classes[classes != IGNORED]
    if len(classes) == 1:
        raise InputError(
            f"y has only one class, {classes[0]}, in its {len(masks.rows)} masks. At least two are needed; if the rest "
            "is background, number it too: -1 means that nobody knows."
        )
    return classes
