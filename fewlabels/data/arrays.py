""".npz files with X and y. Sizes are checked before anything is loaded, and pickles are never read."""

from __future__ import annotations

import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from fewlabels.data.bunches import bunch
from fewlabels.data.labels import guess_task
from fewlabels.data.memory import check_memory
from fewlabels.errors import InputError, UnsafeFileError

if TYPE_CHECKING:
    from sklearn.utils import Bunch

_KNOWN = ("X", "y", "X_test", "y_test")
# Deflate reaches 1000:1 on zeros. Real data of this size does not come near 200:1.
_BOMB_RATIO, _BOMB_BYTES = 200, 64_000_000


def load_npz(path: Path, *, task: str | None = None) -> Bunch:
    """Read X, y and optional X_test, y_test from an .npz; other arrays are named in a note.

    Raises
    ------
    InputError : no X, or X and y of unequal length
    UnsafeFileError : damaged, pickled, or claiming more than the file can hold
    ResourceError : larger than the memory to spare
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            _check_sizes(archive, members, path)
        with np.load(path, allow_pickle=False) as stored:
            data = {name: stored[name] for name in _KNOWN if name in members}
    # RuntimeError: a member is encrypted
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, RuntimeError, zlib.error) as error:
        if isinstance(error, InputError | PermissionError):
            raise
        raise UnsafeFileError(f"{path} is no readable .npz ({error}). Write it anew with np.savez.") from error
    for x, y in (("X", "y"), ("X_test", "y_test")):
        if x in data and np.ndim(data[x]) == 0:
            raise InputError(
                f"{path}: {x} is a single value; expected an array with one row for each item. Save np.array([...])."
            )
        if x in data and y in data and np.shape(data[x])[:1] != np.shape(data[y])[:1]:
            raise InputError(
                f"{path}: {x} has shape {data[x].shape}, {y} has {data[y].shape}; lengths differ. Save one label or "
                f"mark for each row of {x}."
            )
    if ("X_test" in data) != ("y_test" in data):
        raise InputError(f"{path} has only one of X_test and y_test; store both or neither.")
    others = sorted(set(members) - set(_KNOWN))
    notes = [f"Arrays not used: {', '.join(others)}."] if others else []
    chosen = task or guess_task(data.get("y"))
    ids = np.arange(len(data["X"]))
    return bunch(**data, task=chosen, ids=ids, notes=notes, name=path.stem)


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise UnsafeFileError(f"{path} holds two arrays of one name. Write it anew with np.savez.")
    if "X" not in members:
        raise InputError(
            f"{path} has no array X; it has {', '.join(sorted(members)) or 'none'}. "
            "Save it with np.savez(path, X=..., y=...)."
        )
    return members


def _check_sizes(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], path: Path) -> None:
    """Sizes as the archive says, which reading never exceeds; then whether each array claims just that."""
    there = {name: members[name] for name in _KNOWN if name in members}
    for name, info in there.items():
        if info.file_size > _BOMB_BYTES and info.file_size > _BOMB_RATIO * max(1, info.compress_size):
            raise UnsafeFileError(
                f"{path}: {name} would unpack {info.compress_size} bytes to {info.file_size}, like a zip bomb. "
                "If it is yours, write it with np.savez (uncompressed)."
            )
    check_memory(sum(info.file_size for info in there.values()), str(path), "Use fewer rows.")
    for name, info in there.items():
        with archive.open(info) as file:
            claimed = _claimed_bytes(file, f"{path}: {name}")
        if claimed != info.file_size:
            raise UnsafeFileError(f"{path}: {name} claims {claimed} bytes but holds {info.file_size}; it is damaged.")


def _claimed_bytes(file: IO[bytes], what: str) -> int:
    """Size of an .npy as its header says, header included."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(file)
    # what NumPy's parser is built of raises errors of its own: TokenError, IndentationError, IndexError, TypeError
    except Exception as error:
        raise UnsafeFileError(f"{what} has no readable header ({error}). Write it anew with np.savez.") from error
    if dtype.hasobject:
        raise UnsafeFileError(
            f"{what} is an object array, stored as a pickle, which could run code. Save plain types, "
            "e.g. y.astype(str) with '' where unlabeled."
        )
    return file.tell() + prod(shape) * dtype.itemsize
