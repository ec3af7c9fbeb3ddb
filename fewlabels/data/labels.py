"""Which marks in y mean "unlabeled", and what may be a label: read once, here, and nowhere else."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from fewlabels.data.frames import InputTypeError, is_missing, shown
from fewlabels.errors import InputError, OptionError

Task = Literal["classes", "numbers", "masks"]


class _UsualMarks:
    def __repr__(self) -> str:
        return "<the usual marks>"


USUAL_MARKS = _UsualMarks()
# What str() makes of the usual marks: np.array(["a", None]).astype(str) holds such words.
_MARKS_AS_TEXT = ("-1", "-1.0", "nan", "None", "<NA>", "NaT")


class Labels(NamedTuple):
    """The labels of the labeled rows, `values` (L,), which rows these are, `rows` (L,), and of how many."""

    values: NDArray[Any]
    rows: NDArray[np.int64]
    n_rows: int
    mark: str | None


def read_labels(y: Any, *, task: Task = "classes", unlabeled: Any = USUAL_MARKS) -> Labels:
    """Split y into labels and unlabeled rows.

    Parameters
    ----------
    y : (N,) array, list or Series. For classes -1, None, NaN, pandas.NA and "" mark a row as unlabeled;
        for numbers None, NaN and pandas.NA do. Only one of them may occur.
    task : "classes" or "numbers" (masks: `fewlabels.data.masks`)
    unlabeled : the one mark to look for instead of the usual ones

    Returns
    -------
    Labels : values of one type (str, bool, integer or float), none for the unlabeled rows

    Raises
    ------
    InputError : two kinds of marks, or something that cannot be a label
    OptionError : an unknown task, or an `unlabeled` that cannot be a mark
    """
    if task not in ("classes", "numbers"):
        raise OptionError(f"task={task!r} is unknown; it is 'classes' or 'numbers'.")
    vector = as_vector(y)
    if isinstance(unlabeled, _UsualMarks):
        name, mask = _usual_mark(vector, task)
    else:
        name, mask = _named_mark(vector, unlabeled)
    rows = np.flatnonzero(~mask)
    usual = isinstance(unlabeled, _UsualMarks)
    values = _one_type(vector[rows], rows)
    values = _as_numbers(values, rows) if task == "numbers" else _as_classes(values, rows, name, usual)
    return Labels(values, rows, len(vector), name)


def read_indicators(y: Any) -> NDArray[np.int64]:
    """(N, K) zeros and ones, and -1 where y is NaN or -1.

    Raises
    ------
    InputError : anything else stands there
    """
    if issparse(y):
        raise _sparse(y)
    try:
        values = np.asarray(y, dtype=np.float64)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"y is a matrix and not all numbers ({error}). A matrix of labels holds 0, 1, and NaN or -1."
        ) from None
    values = np.where(np.isnan(values), -1, values)
    wrong = np.argwhere(~np.isin(values, (-1, 0, 1)))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"y[{row}, {column}] = {values[row, column]:g}. A matrix of labels holds 0 and 1, and NaN or -1 where a "
            "label is not known. For one class a row pass y.argmax(axis=1), with -1 where it is unlabeled."
        )
    return values.astype(np.int64)


def guess_task(y: Any) -> Task:
    """The task that labels fit when nobody says.

    Masks for a label a pixel, numbers for floats with fractions, or that mostly differ.
    """
    try:
        if isinstance(y, list | tuple) and any(np.ndim(item) == 2 for item in y if item is not None):
            return "masks"
        values = np.asarray(y)
    except (RuntimeError, TypeError, ValueError):
        return "classes"  # whoever reads the labels says what is wrong with them
    if values.ndim == 3:
        return "masks"
    if values.dtype.kind != "f" or values.squeeze().ndim > 1:
        return "classes"
    known = values[np.isfinite(values)]
    many = len(np.unique(known)) > max(20, len(known) / 2)
    return "numbers" if many or np.any(known != np.rint(known)) else "classes"


def as_vector(y: Any) -> NDArray[Any]:
    """Any container of labels as an array (N,): numeric, bool, str, or object where types differ."""
    import narwhals.stable.v2 as nw

    if y is None:
        raise InputError(
            "fewlabels requires y to be passed, but the target y is None. Pass one label for each row of X; -1 (for "
            "numbers NaN) marks those without."
        )
    if nw.dependencies.is_into_series(y):
        return _from_series(nw.from_native(y, series_only=True))
    if issparse(y):
        raise _sparse(y)
    if isinstance(y, np.ma.MaskedArray) and np.ma.getmaskarray(y).any():
        masked = np.argwhere(np.ma.getmaskarray(y))
        raise InputError(
            f"y is a masked array with {len(masked)} masked cells (first: row {masked[0][0]}). If they are unlabeled "
            "rows, use y.filled(-1), or NaN for numbers."
        )
    try:
        vector = np.asarray(y)
    except ValueError:
        raise InputError("y is ragged: y should be a 1d array with one label a row.") from None
    except (RuntimeError, TypeError) as error:  # a tensor that requires gradients, or lies on another device
        raise InputTypeError(f"y cannot become an array: {error}") from None
    if vector.ndim == 0:
        raise InputError(
            f"y should be a 1d array, got an array of shape () instead: y is {shown(y)}. Pass one label a row, as a "
            "list, an array or a column of a frame."
        )
    if isinstance(y, list | tuple) and vector.ndim == 1 and len({type(v) for v in y}) > 1:
        vector = np.empty(len(y), dtype=object)  # np.asarray would turn ["a", None, nan] into strings
        vector[:] = y
    if vector.ndim != 1:
        vector = _ravelled(vector)
    return vector.astype(object) if vector.dtype.kind == "T" else vector


def _sparse(y: Any) -> InputTypeError:
    return InputTypeError(f"y is sparse of shape {y.shape}; labels are dense. Use y.toarray().")


def _from_series(series: Any) -> NDArray[Any]:
    if (series.dtype.is_numeric() or str(series.dtype) == "Boolean") and not series.is_null().any():
        return np.asarray(series.to_numpy())
    if series.dtype.is_float():
        return np.asarray(series.to_numpy(), dtype=np.float64)
    vector = np.empty(len(series), dtype=object)
    vector[:] = series.to_list()
    return vector


def _ravelled(y: NDArray[Any]) -> NDArray[Any]:
    if y.ndim == 2 and y.shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning

        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Change the shape of y to "
            "(n_samples,), for example using ravel().",
            DataConversionWarning,
            stacklevel=5,
        )
        return y.ravel()
    hint = "It is one row: pass y.ravel()." if y.shape[0] == 1 else "Pass one label a row."
    numeric = y.ndim == 2 and y.shape[0] != 1 and y.dtype.kind in "biuf" and y.shape[1] > 0
    whole = numeric and bool(np.all(np.isnan(y) | np.isin(y, (-1, 0, 1))))
    soft = numeric and y.dtype.kind == "f" and np.nanmin(y, initial=0) >= 0 and bool(np.any(y % 1 > 0))
    if whole or soft:
        kind = "a one-hot or multilabel" if whole else "a soft-label"
        hint = (
            f"It looks like {kind} matrix: pass y.argmax(axis=1), with -1 where a row is unlabeled. Several labels a "
            "row are for DeepClassifier.fit alone, as an array."
        )
    raise InputError(f"y should be a 1d array, got an array of shape {y.shape} instead. {hint}")


def _usual_mark(y: NDArray[Any], task: Task) -> tuple[str | None, NDArray[np.bool_]]:
    if y.dtype.kind == "O":
        names = np.array([_mark_name(v, task) for v in y])
        found = {name: names == name for name in dict.fromkeys(names.tolist()) if name != "no"}
    else:
        candidates: dict[str, Any] = {}
        if y.dtype.kind == "f":
            candidates["NaN"] = np.isnan(y)
        if y.dtype.kind in "if" and task == "classes":
            candidates["-1"] = y == -1
        if y.dtype.kind == "U" and task == "classes":
            candidates["''"] = y == ""
        found = {name: mask for name, mask in candidates.items() if mask.any()}
    if len(found) > 1:
        ways = " and ".join(f"{name} ({mask.sum()}×, first: row {mask.argmax()})" for name, mask in found.items())
        raise InputError(
            f"y marks unlabeled rows in {len(found)} ways: {ways}. Use one mark for all of them; "
            "if one of these is a label, rename it."
        )
    return next(iter(found.items()), (None, np.zeros(len(y), dtype=bool)))


def _mark_name(value: Any, task: Task) -> str:
    """Name of the mark `value` is, or "no". Types come first: a label of unknown type is never compared."""
    if is_missing(value):
        return {"NoneType": "None", "NAType": "NA", "NaTType": "NaT"}.get(type(value).__name__, "NaN")
    if task == "numbers" or isinstance(value, bool | np.bool_):
        return "no"
    if isinstance(value, str):
        return "''" if value == "" else "no"
    return "-1" if isinstance(value, int | float | np.integer | np.floating) and value == -1 else "no"


def _named_mark(y: NDArray[Any], mark: Any) -> tuple[str | None, NDArray[np.bool_]]:
    mask = np.array([_is_mark(v, mark) for v in y], dtype=bool)
    left = [i for i in np.flatnonzero(~mask) if is_missing(y[i]) or (isinstance(y[i], str) and y[i] == "")]
    if left:
        raise InputError(
            f"y has {shown(y[left[0]])} in {len(left)} rows (first: row {left[0]}) besides the mark "
            f"unlabeled={mark!r}. Neither is a label: use one mark for all unlabeled rows."
        )
    if not mask.any() and not is_missing(mark):
        warnings.warn(f"unlabeled={mark!r} does not occur in y, so every row counts as labeled.", stacklevel=5)
    return (repr(mark) if mask.any() else None), mask


def _is_mark(value: Any, mark: Any) -> bool:
    if is_missing(mark):
        return is_missing(value) and (mark is None) == (value is None)
    if isinstance(mark, str):
        return isinstance(value, str) and value == mark
    if _family(mark) != "number":
        raise OptionError(f"unlabeled={mark!r} cannot be a mark; it is a string, a number, None or NaN.")
    return _family(value) == "number" and bool(value == mark)


def _one_type(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Labels of one type; objects of one type become an array of that type (strings stay objects)."""
    kind = values.dtype.kind
    if kind == "c":
        raise InputError("Complex data not supported: y is complex. Labels are strings, integers or booleans.")
    if kind in "biufU":
        return values
    if kind != "O":
        raise InputTypeError(f"Unknown label type: y holds {values.dtype}. Labels are strings, integers or booleans.")
    families = [_family(v) for v in values]
    for i, family in enumerate(families):
        if family == "other":
            raise InputTypeError(
                f"Unknown label type: y[{rows[i]}] is {type(values[i]).__name__}. "
                "Labels are strings, integers or booleans, or numbers for regression."
            )
        if family != families[0]:
            raise InputTypeError(
                f"y mixes types: y[{rows[0]}] = {shown(values[0])} is {families[0]} and y[{rows[i]}] = "
                f"{shown(values[i])} is {family}. Use one type for all labels."
            )
    return values if families[:1] in ([], ["str"]) else np.array(values.tolist())


def _family(value: Any) -> str:
    if isinstance(value, str):
        return "str"
    if isinstance(value, bool | np.bool_):
        return "bool"
    return "number" if isinstance(value, int | float | np.integer | np.floating) else "other"


def _as_classes(values: NDArray[Any], rows: NDArray[np.int64], mark: str | None, usual: bool) -> NDArray[Any]:
    kind = values.dtype.kind
    if kind == "f":
        odd = np.flatnonzero(~(np.isfinite(values) & (values == np.round(values))))
        if len(odd):
            raise InputError(
                f"Unknown label type: continuous. y[{rows[odd[0]]}] = {values[odd[0]]} is not a class; "
                "classes are whole numbers, strings or booleans. For regression use task='numbers' (DeepRegressor)."
            )
    if kind in "if" and usual and len(values) and values.min() < 0:
        first = int(np.argmax(values < 0))
        raise InputError(
            f"y[{rows[first]}] = {values[first]}: of the negative numbers only -1 is known, as unlabeled. "
            "If negative numbers are classes, make them strings (y.astype(str)) and mark unlabeled rows by None."
        )
    if kind == "u" and usual and mark is None:
        warn_wrapped(np.unique(values), "an unlabeled row", stacklevel=5)
    if kind in "UO" and usual:
        _refuse_marks_as_text(values, rows)
    if kind == "b" and mark == "-1" and usual:
        raise InputError("y mixes True/False with -1, which equals no boolean. Mark unlabeled rows by None.")
    return values


def _refuse_marks_as_text(values: NDArray[Any], rows: NDArray[np.int64]) -> None:
    for place, value in enumerate(values.tolist()):
        if value in _MARKS_AS_TEXT:
            raise InputError(
                f"y[{rows[place]}] is the string {value!r}. If it means unlabeled, put None in its place; if it is a "
                "class, rename it."
            )


def warn_wrapped(classes: NDArray[Any], what: str, stacklevel: int) -> None:
    """Point out the largest value of an unsigned type beside small classes: -1 becomes that when it is converted."""
    if classes.dtype.kind != "u" or len(classes) < 3:  # 0 and 255 alone are black and white
        return
    largest = np.iinfo(classes.dtype).max
    if classes[-1] == largest and classes[-2] != largest - 1:
        warnings.warn(
            f"y is {classes.dtype} and holds {largest}, which is what -1 becomes in that type: it counts as a class. "
            f"If it means {what}, use a signed type, e.g. y.astype(int), with -1 in its place.",
            stacklevel=stacklevel + 1,
        )


def _as_numbers(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    if values.dtype.kind in "UO" and len(values):
        raise InputTypeError(
            f"y[{rows[0]}] = {shown(values[0])} is not a number. Convert y to float, NaN where unlabeled."
        )
    targets = values.astype(np.float64)
    if not np.isfinite(targets).all():
        first = int(np.argmax(~np.isfinite(targets)))
        raise InputError(f"y[{rows[first]}] is {targets[first]} (inf). Targets are finite; NaN means unlabeled.")
    large = np.flatnonzero(np.abs(targets) > np.finfo(np.float32).max)
    if len(large):
        raise InputError(
            f"y[{rows[large[0]]}] = {targets[large[0]]:g} is too large for float32, in which training computes. "
            "Rescale y."
        )
    return targets
