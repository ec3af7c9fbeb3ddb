"""pandas, polars and pyarrow frames, and bare arrays of any type, to plain numeric arrays."""

from __future__ import annotations

import numbers
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fewlabels.data.memory import check_memory
from fewlabels.errors import InputError

_LARGEST = int(np.finfo(np.float32).max)


class InputTypeError(InputError, TypeError):
    """The data given is of a type that cannot be used; a TypeError too, as scikit-learn expects."""


def is_frame(X: Any) -> bool:
    """Whether `X` is an eager or lazy frame of pandas, polars or pyarrow."""
    import narwhals.stable.v2 as nw

    if nw.dependencies.is_polars_lazyframe(X):
        raise InputTypeError("X is a polars LazyFrame. Call X.collect() first.")
    return bool(nw.dependencies.is_into_dataframe(X))


def frame_to_array(frame: Any) -> tuple[NDArray[np.float64], tuple[str, ...] | None]:
    """Turn a frame into a float64 array (N, D) and its column names; a missing cell becomes NaN.

    Names are None when no column name is a string (a pandas frame made from a bare array).

    Raises
    ------
    InputError : duplicate names, or a column that is not numeric or boolean
    """
    import narwhals.stable.v2 as nw
    from narwhals.exceptions import DuplicateError

    try:
        table = nw.from_native(frame, eager_only=True)
        # the columns, and then all of them together
        check_memory(
            16.0 * table.shape[0] * table.shape[1], f"X {table.shape} as float64", "Use fewer rows or columns."
        )
        columns = [_column(c.name, c) for c in table.iter_columns()]
    except DuplicateError as error:
        what = " ".join(str(error).split())
        raise InputError(f"X has duplicate column names. {what}. Rename or drop the repeats.") from None
    x = np.column_stack(columns) if columns else np.empty((len(table), 0))
    return x, _names(table.columns)


def _names(columns: list[Any]) -> tuple[str, ...] | None:
    strings = sum(isinstance(c, str) for c in columns)
    if 0 < strings < len(columns):
        raise InputTypeError(
            "Feature names are only supported if all of them are strings, but X has a mix of strings and "
            "other types. Convert them: X.columns = X.columns.astype(str)."
        )
    return tuple(columns) if strings else None


def _column(name: Any, column: Any) -> NDArray[np.float64]:
    import narwhals.stable.v2 as nw

    kind = column.dtype
    if kind.is_numeric() or kind == nw.Boolean:
        return np.asarray(column.cast(nw.Float64).to_numpy(), dtype=np.float64)
    if kind == nw.Object:
        return objects_to_numbers(np.asarray(column.to_list(), dtype=object), f"column {name!r} of X")
    # a type that narwhals does not know, such as pandas' sparse columns, has a name all the same
    what = str(getattr(column.to_native(), "dtype", kind)) if kind == nw.Unknown else str(kind)
    if kind.is_temporal():
        mend = "Turn it into numbers, e.g. days since a date"
    elif kind == nw.Unknown:
        mend = "Convert it to plain numbers, e.g. with astype(float)"
    else:
        mend = "Encode it first, e.g. with sklearn.preprocessing.OneHotEncoder (fewlabels.data.load encodes files)"
    raise InputTypeError(f"column {name!r} of X holds {what}, but numbers were expected. {mend}, or drop it.")


def objects_to_numbers(values: NDArray[Any], what: str) -> NDArray[np.float64]:
    """Turn an object array of numbers, booleans and missing marks into float64 (missing: NaN).

    Raises
    ------
    InputTypeError : a string or any other object, named with its place
    InputError : a complex number
    """
    for index, value in np.ndenumerate(values):
        known = isinstance(value, numbers.Real | np.bool_) or is_missing(value)
        if not known or (isinstance(value, int | Fraction) and not -_LARGEST <= value <= _LARGEST):
            _refuse_object(value, f"{what} at {index if len(index) > 1 else f'row {index[0]}'}")
    filled = np.array([np.nan if is_missing(v) else v for v in values.flat], dtype=np.float64)
    return filled.reshape(values.shape)


def _refuse_object(value: Any, where: str) -> NoReturn:
    if isinstance(value, int | Fraction):
        raise InputError(f"{where} is {shown(value)}, a value too large for float32. Rescale the column.")
    if isinstance(value, numbers.Complex):
        raise InputError(f"Complex data not supported: {where} is {value!r}. Pass real and imaginary parts.")
    raise InputTypeError(
        f"{where} is {shown(value)} of type {type(value).__name__}: each argument must be a number (or a "
        "string or other category turned into a number first, e.g. by X.astype(float) or OneHotEncoder)."
    )


def is_missing(value: Any) -> bool:
    """Whether `value` is None, NaN, NaT or pandas.NA; never compares a value of any other type."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return type(value).__name__ in ("NAType", "NaTType")


def shown(value: Any) -> str:
    """A value's repr, cut to 40 characters, for a message."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 else text[:37] + "..."
