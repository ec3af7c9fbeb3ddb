"""Folders of images: labeled/<class>/* with unlabeled/**, or images with a labels.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fewlabels.data.bunches import bunch, typed_labels
from fewlabels.data.decoding import SUFFIXES
from fewlabels.data.images import read_images
from fewlabels.data.readers import read_csv
from fewlabels.errors import InputError, OptionError

if TYPE_CHECKING:
    from sklearn.utils import Bunch

_LAYOUTS = (
    "Known layouts: labeled/<class>/* with unlabeled/** and perhaps test/<class>/*; or images with a "
    "labels.csv of columns file,label."
)


def load_folder(
    path: Path,
    *,
    task: str | None = None,
    on_bad_file: Literal["error", "skip"] = "error",
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
) -> Bunch:
    """Read a folder of images; see `fewlabels.data.load`.

    Raises
    ------
    InputError : no known layout, no image, a file listed in labels.csv is missing, or an unreadable image
    """
    notes: list[str] = []
    files, y, found = _labels_and_files(path, task, notes)
    if not files:
        raise InputError(f"{path} holds no images ({', '.join(SUFFIXES)}). {_LAYOUTS}")
    tests, y_test = _tests(path, y, task, notes)
    images = read_images([*files, *tests], size=size, channels=channels, on_bad_file=on_bad_file)
    kept, kept_test = images.kept[images.kept < len(files)], images.kept[images.kept >= len(files)] - len(files)
    return bunch(
        X=images.x[: len(kept)],
        y=None if y is None else y[kept],
        X_test=images.x[len(kept) :] if len(kept_test) else None,
        y_test=y_test[kept_test] if len(kept_test) else None,
        task=found,
        ids=np.array([files[i].relative_to(path).as_posix() for i in kept], dtype=object),
        notes=notes + images.notes,
        name=path.resolve().name,
    )


def _labels_and_files(path: Path, task: str | None, notes: list[str]) -> tuple[list[Path], NDArray[Any] | None, str]:
    """The training images, their labels (None: the folder has none) and the task."""
    if (path / "labeled").is_dir():
        if task == "numbers":
            raise OptionError("task='numbers' needs a labels.csv; folders named by class hold no numbers.")
        files, y = _by_class(path / "labeled", notes)
        more = _images(path / "unlabeled", notes) if (path / "unlabeled").is_dir() else []
        strange = sorted(p.name for p in path.iterdir() if p.name not in ("labeled", "unlabeled", "test"))
        if strange:
            notes.append(f"Not used, beside labeled/, unlabeled/ and test/: {', '.join(strange[:5])}.")
        return files + more, np.concatenate([y, np.full(len(more), None)]), "classes"
    if (path / "labels.csv").is_file():
        files = _images(path, notes, leave_out=("labels.csv", "test"))
        return files, *typed_labels(_listed(path, files), task, str(path / "labels.csv"))
    files = _bare(path, notes)
    notes.append(f"{path} has neither labeled/ nor labels.csv: its images carry no labels.")
    return files, None, task or "classes"


def _by_class(folder: Path, notes: list[str]) -> tuple[list[Path], NDArray[Any]]:
    """Images of folder/<class>/** and their classes, (n,) objects."""
    loose = sorted(p.name for p in folder.iterdir() if p.is_file() and p.suffix.lower() in SUFFIXES)
    if loose:
        raise InputError(f"{folder / loose[0]} lies outside a class folder. Move it to {folder}/<class>/.")
    files: list[Path] = []
    y: list[str] = []
    for place in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        images = _images(place, notes)
        if not images:
            raise InputError(f"class folder {place} holds no images. Fill or remove it.")
        files += images
        y += [place.name] * len(images)
    labels = np.empty(len(y), dtype=object)
    labels[:] = y
    return files, labels


def _images(folder: Path, notes: list[str], leave_out: Sequence[str] = ()) -> list[Path]:
    """Images below a folder in sorted order; hidden files are left out, others named in a note."""
    # a link to nowhere is listed too, so that reading it says so
    inside = [(p, p.relative_to(folder).parts) for p in sorted(folder.rglob("*")) if p.is_file() or not p.exists()]
    seen = [p for p, parts in inside if parts[0] not in leave_out and not any(q.startswith(".") for q in parts)]
    images = [p for p in seen if p.suffix.lower() in SUFFIXES]
    others = [p for p in seen if p.suffix.lower() not in SUFFIXES]
    if others:
        notes.append(f"{len(others)} files in {folder} are no images and were passed over; first: {others[0].name}.")
    return images


def _bare(path: Path, notes: list[str]) -> list[Path]:
    images = _images(path, notes)
    nested = [p for p in images if p.parent != path]
    if nested:
        raise InputError(
            f"{path} has images in subfolders (first: {nested[0].relative_to(path)}) but no labeled/ folder or "
            f"labels.csv. {_LAYOUTS}"
        )
    return images


def _listed(path: Path, files: list[Path]) -> list[str | None]:
    """The label cell of every image; None for images that labels.csv does not list."""
    table = path / "labels.csv"
    columns, _ = read_csv(table)
    for name in ("file", "label"):
        if name not in columns:
            raise InputError(f"{table} has no column {name!r}; it has {', '.join(columns)}. Expected: file,label.")
    place = {f.relative_to(path).as_posix(): i for i, f in enumerate(files)}
    cells: list[str | None] = [None] * len(files)
    seen: dict[str, int] = {}
    missing = []
    for row, (name, label) in enumerate(zip(columns["file"], columns["label"], strict=True)):
        key = name.replace("\\", "/").removeprefix("./") or "(an empty cell)"
        if key in seen:
            raise InputError(f"{table} lists {key!r} twice, in rows {seen[key]} and {row}. Keep one.")
        seen[key] = row
        if key in place:
            cells[place[key]] = label
        else:
            missing.append(key)
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise InputError(f"{table} lists {len(missing)} files that are not in {path}: {shown}. Mend the names.")
    return cells


def _tests(path: Path, y: Any, task: str | None, notes: list[str]) -> tuple[list[Path], NDArray[Any]]:
    if y is None or not (path / "test").is_dir():
        return [], np.empty(0, dtype=object)
    files, names = _by_class(path / "test", notes)
    if (path / "labeled").is_dir():
        return files, names
    return files, typed_labels(names.tolist(), task, str(path / "test"))[0]
