"""Sources of data: arrays, tables and images in files, brought to X and y; and splits for cross-validation.

`load` reads a path of any known kind. What may stand in X and y is checked later, once, by `fewlabels.partial`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fewlabels.data.frames import InputTypeError, shown
from fewlabels.errors import InputError, OptionError

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from fewlabels.data.tables import TableEncoder

__all__ = ["load"]


def load(
    path: str | os.PathLike[str],
    *,
    label: str = "label",
    task: Literal["classes", "numbers", "masks"] | None = None,
    on_bad_file: Literal["error", "skip"] = "error",
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    encoder: TableEncoder | None = None,
) -> Bunch:
    """Read a data set from a file or folder.

    Parameters
    ----------
    path : an .npz with X and y (and X_test, y_test); a .csv, .tsv, .jsonl or .parquet table; a folder with
        ``labeled/<class>/*`` and ``unlabeled/**`` (and ``test/<class>/*``); a folder of images with a
        ``labels.csv`` of columns file, label; or a bare folder of images, to predict
    label : the table's label column; an empty cell is an unlabeled row
    task : "classes", "numbers" or "masks" (.npz alone); None decides by the labels (masks if y is (N, H, W), numbers
        if any label has a fractional part)
    on_bad_file : "error", or "skip" to leave out images that cannot be read
    size : (H, W) or one number, to which images are resized
    channels : 1 (gray) or 3 (RGB) for images; None: gray if all are. At predict time say those of training.
    encoder : a table's encoder learnt earlier, at predict time; the label column may then be absent

    Returns
    -------
    Bunch : X, y (None where there are no labels), X_test, y_test (None if absent), task, feature_names and
        encoder (tables, else None), ids (row numbers or file names), notes (sentences for the user), name

    Raises
    ------
    InputError : the path cannot be read; the message names it
    UnsafeFileError : the file is damaged, could run code or would exhaust memory
    OptionError : `task`, `on_bad_file`, `size` or `channels` makes no sense
    """
    if task not in (None, "classes", "numbers", "masks"):
        raise OptionError(f"task={task!r} is unknown; it is 'classes', 'numbers', 'masks' or None.")
    if not isinstance(path, str | os.PathLike):
        raise InputTypeError(f"{shown(path)} is no path. Give the path of a table, an .npz or a folder of images.")
    place = Path(path)
    try:
        return _read(place, label, task, on_bad_file, size, channels, encoder)
    except PermissionError as error:
        raise InputError(
            f"{error.filename or place} may not be read (permission denied). Change its permissions, or copy it."
        ) from error
    except OSError as error:  # a name that is too long, a disk that fails
        raise InputError(f"{str(error.filename or place)[:200]} cannot be read: {error.strerror or error}.") from error


def _read(place: Path, label: str, task: Any, on_bad_file: Any, size: Any, channels: Any, encoder: Any) -> Bunch:
    if not place.exists():
        raise InputError(f"{place} does not exist. Give the path of a table, an .npz or a folder of images.")
    if task == "masks" and place.suffix.lower() != ".npz":
        raise OptionError(f"task='masks' needs an .npz with X (N, H, W[, C]) and y (N, H, W); got {place}.")
    if not (place.is_dir() or place.is_file()):
        raise InputError(f"{place} is neither a file nor a folder. Save what it gives as a file first.")
    if place.is_dir():
        from fewlabels.data.folder import load_folder

        return load_folder(place, task=task, on_bad_file=on_bad_file, size=size, channels=channels)
    suffix = place.suffix.lower()
    if suffix == ".npz":
        from fewlabels.data.arrays import load_npz

        return load_npz(place, task=task)
    if suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        from fewlabels.data.tables import load_table

        return load_table(place, label=label, task=task, encoder=encoder)
    if suffix in (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z"):
        raise InputError(f"{place} is compressed ({suffix}). Unpack it first.")
    raise InputError(
        f"{place} ends in {suffix or 'no suffix'}; known are .npz, .csv, .tsv, .jsonl, .parquet and folders of images."
    )
