"""What every loader returns, and how labels written as text get their type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.errors import InputError

if TYPE_CHECKING:
    from sklearn.utils import Bunch

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")  # "007" and "+1" are names, not numbers
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SIGNED_EXPONENT = re.compile(r"[eE][+-]")
_MISSING_WORDS = ("na", "n/a", "nan", "null", "none", "?")


def bunch(**known: Any) -> Bunch:
    """A Bunch with every field that `fewlabels.data.load` promises; those not given are None."""
    from sklearn.utils import Bunch

    absent = dict.fromkeys(("y", "X_test", "y_test", "feature_names", "encoder"))
    return Bunch(**{**absent, "task": "classes", "notes": [], **known})


def typed_labels(cells: Sequence[Any] | NDArray[Any], task: str | None, where: str) -> tuple[NDArray[Any], str]:
    """Labels as read (None or "" where unlabeled) to an array of their type, and the task they fit.

    Returns
    -------
    y : float64 with NaN for numbers; else integers, or objects with None where unlabeled
    task : "classes" or "numbers"

    Raises
    ------
    InputError : a word for "missing" stands as a label, or a label is not a number though task="numbers"
    """
    if isinstance(cells, np.ndarray):
        cells = [None if c != c else c for c in cells.tolist()]
    values = [_parsed(c.strip()) if isinstance(c, str) else c for c in cells]
    _refuse_missing_words(values, where)
    known = [v for v in values if v is not None]
    numeric = all(type(v) in (int, float) for v in known)
    fractional = numeric and any(v % 1 != 0 for v in known)
    if task == "numbers" or (task is None and fractional):
        return _targets(values, where), "numbers"
    if not numeric:
        # One text label makes all of them text: "1" and "3+" are names of the same kind.
        values = [c.strip() or None if isinstance(c, str) else c for c in cells]
    elif not fractional:
        values = [None if v is None else int(v) for v in values]
    y = np.empty(len(values), dtype=object)
    y[:] = values
    whole = bool(known) and all(type(v) is int for v in values)
    return (y.astype(np.int64) if whole else y), "classes"


def _parsed(cell: str) -> Any:
    if _INTEGER.fullmatch(cell):
        return int(cell)
    # "1e-05" is how programs write small numbers; "1e5" may be a name
    if NUMBER.fullmatch(cell) and ("." in cell or _SIGNED_EXPONENT.search(cell)):
        return float(cell)
    return cell or None


def _refuse_missing_words(values: list[Any], where: str) -> None:
    rows = [i for i, v in enumerate(values) if isinstance(v, str) and v.lower() in _MISSING_WORDS]
    if rows:
        raise InputError(
            f"{where}: label {values[rows[0]]!r} in {len(rows)} rows (first: row {rows[0]}). If it means unlabeled, "
            "leave the cell empty (null in JSON); if it is a class, rename it."
        )


def _targets(values: list[Any], where: str) -> NDArray[np.float64]:
    for row, value in enumerate(values):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            text = value if isinstance(value, str) else ""
            if not NUMBER.fullmatch(text):
                raise InputError(f"{where}: label {value!r} in row {row} is not a number, as task='numbers' wants.")
            values[row] = float(text)
    try:
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    except OverflowError:
        raise InputError(f"{where}: a label is a whole number beyond what a float can hold. Rescale them.") from None
