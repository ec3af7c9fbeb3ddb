"""Rows worth looking at: images with what was said of them, or table rows with their first columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fewlabels.data.images import ImageFiles
from fewlabels.report.blocks import Block, Gallery, Heading, Item, Table, Text, clean, number, plural
from fewlabels.report.images import LARGEST, thumbnail, value_range

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

MOST_ITEMS = 12
MOST_COLUMNS = 6
_LONGEST_CELL = 60

Say = Callable[[int], tuple[str, str, str]]


def pick(rows: NDArray[np.bool_], score: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rows that are marked, highest score first, ties in order; at most 12."""
    marked = np.flatnonzero(rows)
    return marked[np.argsort(-score[marked], kind="stable")][:MOST_ITEMS].astype(np.int64)


def group(
    comparison: Comparison, title: str, about: str, rows: NDArray[np.int64], total: int, say: Say
) -> tuple[Block, ...]:
    """One heading of the gallery. `say(row)` gives the true value, and the two predictions, as text."""
    if not len(rows):
        return Heading(title), Text(about, "empty")
    shown = plural(total, "row") + (f", {len(rows)} shown" if total > len(rows) else "")
    return Heading(f"{title}: {shown}"), Text(about, "note"), _rows_block(comparison, title, rows, say)


def _rows_block(comparison: Comparison, title: str, rows: NDArray[np.int64], say: Say) -> Block:
    if _are_images(comparison):
        images = [image_of(comparison.X_eval, int(row)) for row in rows]
        return Gallery(
            tuple(
                Item(image, int(comparison.rows_eval[row]), *say(int(row)))
                for image, row in zip(images, rows, strict=True)
            )
        )
    columns, cells = _table_rows(comparison, rows)
    head = ("row", "true", "labels only says", "with unlabeled says", *columns)
    body = tuple(
        (str(comparison.rows_eval[row]), *say(int(row)), *values) for row, values in zip(rows, cells, strict=True)
    )
    return Table(title, head, body, under_heading=True)


def _are_images(comparison: Comparison) -> bool:
    kind = str(comparison.data.get("kind", ""))
    return kind.startswith("image") or (kind == "" and np.ndim(comparison.X_eval) > 2)


def image_of(X: Any, row: int, largest: int = LARGEST) -> NDArray[np.uint8] | None:
    """The image of a row, at most `largest` pixels a side; None when it cannot be shown."""
    if isinstance(X, np.ndarray) and X.ndim > 2:
        return thumbnail(X[row], *value_range(X), largest)
    if isinstance(X, ImageFiles):
        return thumbnail(X.paths[row], 0.0, 1.0, largest)
    one = X[row]  # a list of paths, or of arrays whose sizes differ
    return thumbnail(one, *value_range(np.asarray(one)) if isinstance(one, np.ndarray) else (0.0, 1.0), largest)


def _table_rows(comparison: Comparison, rows: NDArray[np.int64]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The first columns' names and the cells of these rows, as text."""
    X: Any = comparison.X_eval
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        names = [*frame.columns[:MOST_COLUMNS]]
        values: Any = frame[rows.tolist(), names].rows()
    else:
        is_sparse = bool(sparse.issparse(X))
        values = X[rows][:, :MOST_COLUMNS].toarray() if is_sparse else np.asarray(X)[rows]
        values = values.reshape(len(rows), -1)[:, :MOST_COLUMNS].tolist()
        default = [f"column {i}" for i in range(MOST_COLUMNS)]
        names = [*comparison.data.get("feature_names", default)][: len(values[0])]
    return tuple(clean(name) for name in names), [tuple(map(_cell, row)) for row in values]


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else clean(value, _LONGEST_CELL)
