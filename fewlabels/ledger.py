"""How often the same test rows were read: the best of many looks is too good, so intervals widen with each."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from fewlabels.errors import InputError, SaveError
from fewlabels.files import read_json, write_file

VALIDATION_FROM = 21  # looks; from there on the rows have helped to choose so often that they test nothing
FILE = "test-reads.json"  # beside the run folders
_HERE: dict[str, list[str]] = {}  # test rows -> the comparisons that read them, in this process


def read(rows: str, comparison: str, folder: Path | None = None) -> int:
    """Note that a comparison reads test rows, and say how many have read them by now, with this one.

    The same comparison, made again or gone on with, shows nothing new and is not counted again. Yet it is told all
    looks: whoever comes back to the best of twenty has chosen it among twenty.

    Parameters
    ----------
    rows, comparison : hashes of the test rows and of all that the comparison depends on, see `records`
    folder : where to remember beyond this process: the folder that holds the run folders

    Raises
    ------
    InputError : the file there is not what this function writes
    """
    file = None if folder is None else folder / FILE
    known = _remembered(file)
    looks = list(dict.fromkeys([*known.get(rows, []), *_HERE.get(rows, []), comparison]))
    _HERE[rows] = looks
    if file is not None:
        try:
            write_file(file, json.dumps(known | {rows: looks}, indent=1).encode())
        except (
            SaveError
        ) as error:  # a run folder may be the only place that can be written: its result must not be lost
            warnings.warn(f"This look at the test rows counts in this process alone: {error}", stacklevel=3)
    return len(looks)


def _remembered(file: Path | None) -> dict[str, list[str]]:
    if file is None or not file.exists():
        return {}
    try:
        known = read_json(file.read_bytes())
        return {str(rows): [str(look) for look in looks] for rows, looks in known.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
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
