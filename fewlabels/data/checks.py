"""What is refused of X once it is an array, and of a frame's columns at predict time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.errors import InputError


def check_shape(a: NDArray[Any]) -> None:
    """Refuse arrays without rows or columns, and any but 2, 3 or 4 dimensions."""
    if len(a) == 0:
        raise InputError(
            f"X has no rows: Found array with 0 sample(s) (shape={a.shape}) while a minimum of 1 is required. Look "
            "at the filter or file that it came from."
        )
    if a.ndim == 1:
        raise InputError(
            f"Expected 2D array, got 1D array instead: X has shape {a.shape}. Reshape your data with "
            "X.reshape(-1, 1) if it has one column or X.reshape(1, -1) if it is one row."
        )
    if a.ndim > 4:
        raise InputError(
            f"X has {a.ndim} dimensions; expected (N, D), (N, H, W) or (N, H, W, C). Its shape is {a.shape}; for a "
            "table use X.reshape(len(X), -1)."
        )
    if 0 in a.shape:
        raise InputError(
            f"X is empty: Found array with 0 feature(s) (shape={a.shape}) while a minimum of 1 is required. Pass at "
            "least one column, or images of at least one pixel."
        )


def check_finite(a: NDArray[Any], names: tuple[str, ...] | None) -> None:
    """Refuse NaN, inf and what float32 cannot hold, naming the first cell."""
    if a.dtype.kind != "f":
        return
    # NaN and inf pass through both, and neither makes a copy; as float, for the limit would be inf in float16
    low, high = float(a.min()), float(a.max())
    limit = float(np.finfo(np.float32).max)
    if -limit <= low and high <= limit:
        return
    for what, found, mend in (
        ("NaN", np.isnan(a), "Impute them or drop the rows."),
        ("inf", np.isinf(a), "Mend the division or logarithm that made them, clip them, or drop the rows."),
        ("a value too large for float32", ~(np.abs(a, dtype=np.float64) <= limit), "Rescale the column."),
    ):
        cells = np.argwhere(found)
        if len(cells):
            column = f", column {_column_name(names, cells[0][1])}" if a.ndim == 2 else ""
            count = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
            raise InputError(f"X has {what} in {count} (first: row {cells[0][0]}{column}). {mend}")


def check_finite_sparse(x: Any) -> None:
    """As `check_finite`, for CSR: only stored cells can be bad."""
    ok = np.abs(x.data) <= float(np.finfo(np.float32).max)
    if not ok.all():
        place = int(np.argmin(ok))
        row = int(np.searchsorted(x.indptr, place, side="right")) - 1
        value = x.data[place]
        what = "NaN" if np.isnan(value) else "inf" if np.isinf(value) else "a value too large for float32"
        raise InputError(
            f"X has {what} in {int(np.sum(~ok))} of its stored cells (first: row {row}, column "
            f"{x.indices[place]}). Impute or rescale them, or drop the rows."
        )


def _column_name(names: tuple[str, ...] | None, column: int) -> str:
    return repr(names[column]) if names else str(column)


def check_names(got: tuple[str, ...] | None, fitted: tuple[str, ...] | None, name: str) -> None:
    """Refuse a frame whose columns are not those of fit, in the words that scikit-learn uses."""
    if got == fitted:
        return
    if got is None:
        warnings.warn(f"X does not have valid feature names, but {name} was fitted with them", stacklevel=4)
        return
    if fitted is None:
        warnings.warn(f"X has feature names, but {name} was fitted without feature names", stacklevel=4)
        return
    message = "The feature names should match those that were passed during fit.\n"
    for title, differing in (
        ("Feature names unseen at fit time:", sorted(set(got) - set(fitted))),
        ("Feature names seen at fit time, yet now missing:", sorted(set(fitted) - set(got))),
    ):
        if differing:
            more = ["..."] if len(differing) > 5 else []
            message += "\n- ".join([title, *differing[:5], *more]) + "\n"
    if set(got) == set(fitted):
        message += f"Feature names must be in the same order as they were in fit. Use X[{list(fitted)[:3]}...].\n"
    else:
        message += "Pass the columns of fit, under the names they had there.\n"
    raise InputError(message)
