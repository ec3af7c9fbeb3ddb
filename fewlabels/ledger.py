"""How often the same test rows were read: the best of many looks is too good, so intervals widen with each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from fewlabels.checkpoint import write_file
from fewlabels.data.images import ImageFiles
from fewlabels.errors import InputError

VALIDATION_FROM = 21  # looks; from there on the rows have helped to choose so often that they test nothing
FILE = "test-reads.json"  # beside the run folders
_HERE: dict[str, list[str]] = {}  # test rows -> the comparisons that read them, in this process


def fingerprint(*items: Any) -> str:
    """A name for arrays, paths and plain values: equal ones have equal names."""
    digest = hashlib.sha256()
    for array in (array for item in items for array in _arrays(item)):
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def _arrays(item: Any) -> tuple[NDArray[Any], ...]:
    if isinstance(item, ImageFiles):
        return (np.asarray(item.paths),)
    if issparse(item):
        table = csr_array(item)
        return table.data, table.indices, table.indptr
    array = np.asarray(item)
    return (np.asarray([repr(value) for value in array.ravel()]),) if array.dtype == object else (array,)


def read(rows: str, comparison: str, folder: Path | None = None) -> int:
    """Note that a comparison reads test rows, and say how many have read them by now, with this one.

    The same comparison, made again or gone on with, shows nothing new and is not counted again. Yet it is told all
    looks: whoever comes back to the best of twenty has chosen it among twenty.

    Parameters
    ----------
    rows, comparison : fingerprints
    folder : where to remember beyond this process: the folder that holds the run folders

    Raises
    ------
    InputError : the file there is not what this function writes
    """
    file = None if folder is None else folder / FILE
    before = list(dict.fromkeys([*_remembered(file).get(rows, []), *_HERE.get(rows, [])]))
    looks = before if comparison in before else [*before, comparison]
    _HERE[rows] = looks
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, json.dumps(_remembered(file) | {rows: looks}, indent=1).encode())
    return len(looks)


def _remembered(file: Path | None) -> dict[str, list[str]]:
    if file is None or not file.exists():
        return {}
    try:
        known = json.loads(file.read_bytes())
        return {str(rows): [str(look) for look in looks] for rows, looks in known.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{file} counts how often test rows were read, and cannot be read itself: {error}. Restore it, or remove "
            f"it and say in your report that the count starts anew."
        ) from error


def said(looks: int, level: float) -> str:
    """What a reader must know about the count; nothing at the first look."""
    if looks == 1:
        return ""
    wider = f" {looks} comparisons have read these rows, so the interval is one of {100 * level:.4g} %."
    if looks < VALIDATION_FROM:
        return wider
    return wider + " After so many looks they are validation rows: judge the last choice on rows never used before."
