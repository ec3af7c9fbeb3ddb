"""Files that are replaced as a whole or not at all, and JSON that holds what JSON can hold and nothing else."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from fewlabels.errors import SaveError

_TEMPORARY = ".fewlabels-tmp"
_numbers = itertools.count()


def write_file(path: Path, content: bytes) -> None:
    """Replace `path` as a whole or not at all: temporary file beside it, flush to the disk, rename.

    Raises
    ------
    SaveError : it cannot be written; what was there before is still there
    """
    check_name(path)
    if _is_device(path):
        return _write_into(path, content)
    # not named after `path`: a name that just fits would be too long with anything added
    temporary = path.parent / f".{os.getpid()}-{next(_numbers)}{_TEMPORARY}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:  # also when a signal comes in between
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        _flush_folder(path.parent)
    except OSError as error:
        raise SaveError(
            f"cannot write {path}: {error.strerror or error}. {len(content):,} bytes are needed and "
            f"{_free_words(path.parent)} are free. Free some space, or choose a folder that can be written."
        ) from error


def check_name(path: Path) -> None:
    """Refuse a path that no file can have.

    Raises
    ------
    SaveError : it is too long, or holds a zero byte
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:
            reason = "its name holds a zero byte" if isinstance(error, ValueError) else "its name is too long"
            raise SaveError(f"cannot write {str(path)[:200]!r}: {reason}. Choose another one.") from error


def _is_device(path: Path) -> bool:
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    return False


def _write_into(path: Path, content: bytes) -> None:
    """Into a pipe or a device such as /dev/stdout: to rename a file over it would take it away from everyone."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise SaveError(f"cannot write into {path}: {error.strerror or error}.") from error


def _flush_folder(folder: Path) -> None:
    """Without it a power cut may undo the rename."""
    if os.name == "nt":  # where folders cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that does not flush folders
            raise
    finally:
        os.close(descriptor)


def check_space(path: Path, needed: int) -> None:
    """Refuse to begin a file for which there is no room.

    Raises
    ------
    SaveError : fewer than `needed` bytes are free in the folder of `path`
    """
    free = _free(path.parent)
    if free is not None and free < needed:
        raise SaveError(
            f"cannot write {path}: {needed:,} bytes are needed and {free:,} are free. Free some space, or choose "
            "another folder."
        )


def _free(folder: Path) -> int | None:
    """Bytes free in the folder, or in the nearest one above that exists; None if the system does not say."""
    with contextlib.suppress(OSError, StopIteration):
        return shutil.disk_usage(next(each for each in (folder, *folder.absolute().parents) if each.is_dir())).free
    return None


def _free_words(folder: Path) -> str:
    free = _free(folder)
    return "an unknown number" if free is None else f"{free:,}"


def remove_stale(folder: Path) -> None:
    """Remove what `write_file` left in `folder` when its process was killed. One run at a time owns a folder."""
    with contextlib.suppress(OSError, ValueError):  # a name that no folder can have: writing there says so
        for path in folder.glob(f".*{_TEMPORARY}"):
            with contextlib.suppress(OSError):
                path.unlink()


def read_json(content: bytes | str) -> Any:
    """Strict JSON: no NaN or Infinity, no key twice, no nesting that exhausts the stack.

    Raises
    ------
    ValueError : it is not that
    """
    try:
        # decoded here: json would guess an encoding, and import what reads it
        text = content if isinstance(content, str) else content.decode()
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
