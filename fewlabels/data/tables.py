"""Tables with text and gaps to numbers: scikit-learn's imputer and one-hot encoder, their state plain JSON."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.data.bunches import NUMBER, bunch, typed_labels
from fewlabels.data.frames import shown
from fewlabels.data.memory import check_memory
from fewlabels.data.readers import Columns, read_columns
from fewlabels.errors import InputError

if TYPE_CHECKING:
    from sklearn.utils import Bunch

_MISSING_CELLS = frozenset(("", "na", "n/a", "nan", "null", "none", "?"))
_MISSING = "(missing)"
# Longer texts are no numbers. A Parquet file of a kilobyte may hold a text of a megabyte a million times.
_LONGEST_NUMBER = 10_000
# Bytes that learning a column takes for each of its cells, and encoding for each number that comes out.
_LEARNING, _ENCODING = 50, 32
_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")


def load_table(
    path: Path, *, label: str = "label", task: str | None = None, encoder: TableEncoder | None = None
) -> Bunch:
    """Read a CSV, TSV, JSONL or Parquet table; see `fewlabels.data.load`.

    Raises
    ------
    InputError : the file cannot be read, has no label column, or a column cannot be encoded
    """
    columns, notes = read_columns(path)
    n_rows = len(next(iter(columns.values())))
    y, found = None, task or "classes"
    if label in columns:
        y, found = typed_labels(columns.pop(label), task, f"{path}, column {label!r}")
    elif encoder is None:
        raise InputError(_no_label(path, label, list(columns)))
    if encoder is None:
        encoder = TableEncoder.fit(columns, str(path))
        notes += encoder.notes
    else:
        extra = sorted(set(columns) - set(encoder.columns) - set(encoder.dropped))
        notes += [f"Columns not known from training were left out: {', '.join(extra)}."] if extra else []
    return bunch(
        X=encoder.transform(columns, str(path)),
        y=y,
        task=found,
        feature_names=encoder.feature_names,
        encoder=encoder,
        ids=np.arange(n_rows),
        notes=notes,
        name=path.stem,
    )


def _no_label(path: Path, label: str, names: list[str]) -> str:
    usual = [n for n in names if n.lower() in ("label", "labels", "target", "class", "y")]
    near = difflib.get_close_matches(label, names, n=1) or usual[:1]
    hint = f"the nearest is {near[0]!r}" if near else f"it has {', '.join(names[:20])}"
    return f"{path} has no label column {label!r}; {hint}. Say which column holds the labels with label= (--label)."


class TableEncoder:
    """Columns of cells to float64 (N, D): gaps in numbers take the median, categories become 0/1 columns.

    A missing category is a category of its own; one not seen in training becomes all zeros.

    Parameters
    ----------
    medians : {column: median of its known values}
    categories : {column: its sorted categories}
    dropped : {column: why it cannot be used}

    Attributes
    ----------
    columns : the columns used, numbers first
    feature_names : one name for each of the D outputs
    """

    def __init__(
        self, medians: dict[str, float], categories: dict[str, list[str]], dropped: dict[str, str] | None = None
    ) -> None:
        self.medians, self.categories, self.dropped = medians, categories, dropped or {}
        self.columns = (*medians, *categories)
        self.feature_names = (*medians, *(f"{c}={v}" for c, values in categories.items() for v in values))
        self.notes = [f"Column {name!r} was left out: {why}." for name, why in self.dropped.items()]

    @classmethod
    def fit(cls, columns: Columns, where: str) -> TableEncoder:
        """Learn from all training rows, labeled and not.

        Raises
        ------
        InputError : a column is mostly, but not wholly, numbers; or no column can be used
        ResourceError : numbers would take more memory than is to spare
        """
        cells = sum(len(column) for column in columns.values())
        check_memory(_LEARNING * cells, f"{where}, its columns compared,", "Use fewer rows or columns.")
        numbers: dict[str, NDArray[np.float64]] = {}
        texts: dict[str, list[str]] = {}
        dropped: dict[str, str] = {}
        for name, cells in columns.items():
            values, odd = _as_numbers(cells, f"{where}: column {name!r}")
            if np.isnan(values).all() and not odd:
                dropped[name] = "it is empty"
            elif not odd:
                numbers[name] = values
            elif _has_few_values(cells):
                texts[name] = _as_texts(cells)
            else:
                _refuse_commas(name, cells, odd, where)
                _refuse_almost_numbers(name, cells, odd, where)
                dropped[name] = f"{len(set(_as_texts(cells)))} different texts are too many for categories"
        if not numbers and not texts:
            reasons = "; ".join(f"{name!r}: {why}" for name, why in dropped.items())
            raise InputError(
                f"{where} has no column to learn from ({reasons or 'only labels'}). Add columns of numbers, or of "
                "texts that repeat."
            )
        return cls(_medians(numbers), _categories(texts), dropped)

    def transform(self, columns: Columns, where: str) -> NDArray[np.float64]:
        """Encode columns of N rows as float64 (N, D).

        Raises
        ------
        InputError : a column is missing, or a number column holds text
        ResourceError : numbers would take more memory than is to spare
        """
        missing = [name for name in self.columns if name not in columns]
        if missing:
            raise InputError(
                f"{where} lacks columns that training had: {', '.join(missing)}. Add them, under these names."
            )
        n = len(columns[self.columns[0]])
        check_memory(
            _ENCODING * n * len(self.feature_names),
            f"{where}, its {n:,} rows as {len(self.feature_names):,} numbers each,",
            "Use fewer rows, or leave out columns of texts: each of their values becomes a column.",
        )
        parts = []
        if self.medians:
            x = np.column_stack([_only_numbers(name, columns[name], where) for name in self.medians])
            # An imputer that was fitted on the medians alone has learnt just these medians.
            parts.append(_imputer(np.array([list(self.medians.values())])).transform(x))
        if self.categories:
            cells = np.column_stack([np.array(_as_texts(columns[name]), dtype=object) for name in self.categories])
            parts.append(_one_hot(self.categories).transform(cells))
        return np.ascontiguousarray(np.hstack(parts), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """All that was learnt, in plain JSON types."""
        return {"medians": self.medians, "categories": self.categories, "dropped": self.dropped}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> TableEncoder:
        """The encoder that `to_dict` described.

        Raises
        ------
        InputError : `state` is not such a description
        """
        try:
            medians = {str(k): float(v) for k, v in state["medians"].items()}
            categories = {str(k): [str(v) for v in values] for k, values in state["categories"].items()}
            dropped = {str(k): str(v) for k, v in state["dropped"].items()}
            if not np.isfinite(list(medians.values())).all():
                raise ValueError("a median that is not finite")
            if not all(values and len(values) == len(set(values)) for values in categories.values()):
                raise ValueError("a column without categories, or with one twice")
            if not medians and not categories:
                raise ValueError("no column")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"this is no description of a table encoder ({error!r}).") from error
        return cls(medians, categories, dropped)


def _imputer(x: NDArray[np.float64]) -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median").fit(x)


def _one_hot(categories: dict[str, list[str]]) -> Any:
    from sklearn.preprocessing import OneHotEncoder

    known = [np.array(values, dtype=object) for values in categories.values()]
    one_row = np.array([[values[0] for values in known]], dtype=object)
    return OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=False).fit(one_row)


def _medians(numbers: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    if not numbers:
        return {}
    return dict(zip(numbers, _imputer(np.column_stack(list(numbers.values()))).statistics_.tolist(), strict=True))


def _categories(texts: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: sorted(set(cells)) for name, cells in texts.items()}


def _as_numbers(cells: Sequence[Any] | NDArray[Any], where: str) -> tuple[NDArray[np.float64], list[int]]:
    """Cells as float64 with NaN where missing, and the rows that are neither numbers nor missing."""
    odd: list[int] = []
    if isinstance(cells, np.ndarray):
        values = cells.astype(np.float64)
    else:
        values = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            if not isinstance(cell, str):
                values[row] = np.nan if cell is None else _as_float(cell)
            elif len(text := cell.strip()) <= _LONGEST_NUMBER and NUMBER.fullmatch(text):
                values[row] = float(text)
            elif not _is_missing(text):
                odd.append(row)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise InputError(
            f"{where} has {shown(cells[infinite[0]])} in row {infinite[0]}, which no float can hold or is infinite "
            f"({len(infinite)} such cells). Mend them, or leave them empty."
        )
    return values, odd


def _as_float(cell: Any) -> float:
    try:
        return float(cell)
    except OverflowError:  # JSON may hold a whole number of a thousand digits
        return float("inf")


def _as_texts(cells: Sequence[Any] | NDArray[Any]) -> list[str]:
    texts = [_MISSING if c is None or c != c else str(c).strip() for c in cells]
    return [_MISSING if _is_missing(t) else t for t in texts]


def _is_missing(text: str) -> bool:
    return len(text) <= 4 and text.lower() in _MISSING_CELLS


def _has_few_values(cells: Sequence[Any]) -> bool:
    """Whether text may be a category: it repeats, and one-hot columns stay few for the number of rows."""
    known = [t for t in _as_texts(cells) if t != _MISSING]
    distinct = len(set(known))
    return (distinct < len(known) or distinct <= 2) and distinct <= max(20, min(200, len(known) // 20))


def _refuse_commas(name: str, cells: Sequence[Any], odd: list[int], where: str) -> None:
    commas = [row for row in odd if _COMMA.fullmatch(cells[row].strip())]
    if len(commas) > len(odd) / 2:
        raise InputError(
            f"{where}: column {name!r} holds numbers with commas, such as {cells[commas[0]]!r} in row {commas[0]}. "
            "Write decimals with points and thousands without a mark."
        )


def _refuse_almost_numbers(name: str, cells: Sequence[Any], odd: list[int], where: str) -> None:
    if len(odd) < len(cells) / 2:
        raise InputError(
            f"{where}: column {name!r} holds numbers, but {shown(cells[odd[0]])} in row {odd[0]} is none "
            f"({len(odd)} such cells). Mend them, or leave them empty."
        )


def _only_numbers(name: str, cells: Any, where: str) -> NDArray[np.float64]:
    values, odd = _as_numbers(cells, f"{where}: column {name!r}")
    if odd:
        raise InputError(
            f"{where}: column {name!r} was numbers in training, but row {odd[0]} is {shown(cells[odd[0]])}. Mend that "
            "cell, or leave it empty."
        )
    return values
