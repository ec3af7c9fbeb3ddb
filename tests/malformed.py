# ruff: noqa: E501  (a row is a line, and a message stands in it as it is read)
"""Bad input and what is said of it: X and y as they should not be, and every entrance that they may come in by.

`python benchmarks/malformed.py` counts the kinds and the calls, and says how long the slowest refusal took.
"""

import contextlib
import datetime
import io
import re
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.base import is_regressor

import fewlabels as fl
from fewlabels.classical.registry import NAMES
from fewlabels.cli import main
from fewlabels.data.frames import InputTypeError
from fewlabels.errors import InputError

nan, inf = np.nan, np.inf
N = 60
I = np.arange(N)  # noqa: E741
X = np.random.default_rng(0).normal(size=(N, 4))
FRAME = pd.DataFrame(X, columns=["size", "age", "dose", "time"])
CLASSES = np.where(I < 24, I % 2, -1)
NUMBERS = np.where(I < 24, X[:, 0], nan)
MARKS = np.where(I < 12, I % 2, -1)  # 0 normal, 1 anomaly
GOOD = {"classes": CLASSES, "numbers": NUMBERS, "anomalies": MARKS}

# What a test may wait for a refusal; on a quiet machine it takes milliseconds.
LENIENT = 60.0
# Every refusal so far: by the API or by the command line, the seconds it took, and what was said
REFUSED: list[tuple[str, float, str]] = []
_QUICK = {"verbose": False, "random_state": 0, "steps": 2, "pretrain_steps": 2, "rounds": 1}


class Kind(NamedTuple):
    """One kind of bad input: what is passed, and what is said. "…" stands for any text.

    `but` holds the entrances that say something else, None where they take it. `cli`: an .npz can hold it.
    """

    value: Any
    error: type[Exception]
    message: str
    cli: bool = True
    but: dict[str, str | None] = {}  # noqa: RUF012


def quick(model: Any) -> Any:
    known = model.get_params(deep=False)
    return model.set_params(**{name: value for name, value in _QUICK.items() if name in known})


def entrances(task: str) -> dict[str, Callable[[Any, Any], Any]]:
    """Every way in for X and y of a task."""
    models = {
        "classes": [fl.DeepClassifier, fl.NoisyStudent, fl.GraphClassifier],
        "numbers": [fl.DeepRegressor],
        "anomalies": [fl.DeepSAD, fl.DeepSVDD],
    }[task] + [cls for cls in NAMES.values() if task == ("numbers" if is_regressor(cls()) else "classes")]
    found = {cls.__name__: lambda X, y, cls=cls: quick(cls()).fit(X, y) for cls in models}
    if task == "anomalies":
        sad = quick(fl.DeepSAD())
        return found | {"compare_anomalies": lambda X, y: fl.compare_anomalies(X, y, detector=sad, random_state=0)}
    method = "label_spreading" if task == "classes" else "label_propagation_regressor"
    options = {"task": task, "random_state": 0}
    budget = {"method": method, "sizes": [8, 16], "verbose": False}
    return found | {
        "audit": lambda X, y: fl.audit(X, y, **options),
        "suggest": lambda X, y: fl.suggest(X, y, **options),
        "compare": lambda X, y: fl.compare(X, y, method=method, **options),
        "compare deep": lambda X, y: fl.compare(X, y, steps=2, verbose=False, **options),
        "label_budget": lambda X, y: fl.label_budget(X, y, **options, **budget),
    }


class Outcome(NamedTuple):
    error: Exception | None
    warned: list[str]
    seconds: float


def attempt(call: Callable[[], Any]) -> Outcome:
    """What a call raises, warns of, and how long it takes."""
    began, error = time.perf_counter(), None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except Exception as raised:
            error = raised
    seconds = time.perf_counter() - began
    REFUSED.extend([("API", seconds, str(error))] if error is not None else [])
    return Outcome(error, [f"{w.category.__name__}: {w.message}" for w in caught], seconds)


class Said(NamedTuple):
    code: Any
    out: str
    err: str
    seconds: float


def say(*words: Any) -> Said:
    """A command in this process: exit code (the traceback if it has none) and what it wrote."""
    out, err, began = io.StringIO(), io.StringIO(), time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(map(str, words)))
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        except Exception:
            code = traceback.format_exc()
    seconds = time.perf_counter() - began
    REFUSED.extend([("command line", seconds, err.getvalue())] if code else [])
    return Said(code, out.getvalue(), err.getvalue(), seconds)


def fits(expected: str, text: str) -> bool:
    """Whether a text is the expected one, in which "…" stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), text, re.DOTALL) is not None


def put(value: Any, dtype: Any = float) -> Any:
    """X with another value in row 17, column 2."""
    changed = X.astype(dtype)
    changed[17, 2] = value
    return changed


def objects(label: Callable[[int], Any]) -> Any:
    """(N,) labels of any type, one a row."""
    y = np.empty(N, dtype=object)
    y[:] = [label(row) for row in range(N)]
    return y


def named(*marks: Any) -> Any:
    """Classes "a" and "b" in 24 rows, and these marks in the others."""
    return objects(lambda row: "ab"[row % 2] if row < 24 else marks[row % len(marks)])


# fmt: off
_IMPUTE = "Impute them or drop the rows."
_INF = "Mend the division or logarithm that made them, clip them, or drop the rows."
_EACH = "each argument must be a number (or a string or other category turned into a number first, e.g. by X.astype(float) or OneHotEncoder)."
_STRINGS = "where numbers were expected: each argument must be a number, or a string turned into a number first (X.astype(float), or OneHotEncoder for categories)."
_LIKE = "expected an array (N, D), a frame, images (N, H, W[, C]) or a list of image paths (for a file or folder use fewlabels.data.load)."
_FILTER = "Look at the filter or file that it came from."
_DAYS = "but numbers were expected. Turn it into numbers, e.g. days since a date, or drop it."
_CODE = "but numbers were expected. Encode it first, e.g. with sklearn.preprocessing.OneHotEncoder (fewlabels.data.load encodes files), or drop it."
_PLAIN = "but numbers were expected. Convert it to plain numbers, e.g. with astype(float), or drop it."
_BAND = "expected (N, H, W) or (N, H, W, C) with 1 or 3 channels. If there are other channels (alpha, spectral bands),"

# X, with a good y of any task
BAD_X = {
    "1-D": Kind(X[:, 0], InputError, "Expected 2D array, got 1D array instead: X has shape (60,). Reshape your data with X.reshape(-1, 1) if it has one column or X.reshape(1, -1) if it is one row."),
    "5-D": Kind(np.zeros((N, 2, 2, 2, 2)), InputError, "X has 5 dimensions; expected (N, D), (N, H, W) or (N, H, W, C). Its shape is (60, 2, 2, 2, 2); for a table use X.reshape(len(X), -1)."),
    "None": Kind(None, InputTypeError, f"X is None; {_LIKE}", False),
    "a file's name": Kind("table.csv", InputTypeError, f"X is 'table.csv'; {_LIKE}", False),
    "a dict": Kind({"a": [1]}, InputTypeError, f"X is {{'a': [1]}}; {_LIKE}", False),
    "0 rows": Kind(X[:0], InputError, f"X has no rows: Found array with 0 sample(s) (shape=(0, 4)) while a minimum of 1 is required. {_FILTER}", False),
    "0 columns": Kind(X[:, :0], InputError, "X is empty: Found array with 0 feature(s) (shape=(60, 0)) while a minimum of 1 is required. Pass at least one column, or images of at least one pixel."),
    "NaN": Kind(put(nan), InputError, f"X has NaN in 1 cell (first: row 17, column 2). {_IMPUTE}"),
    "NaN in a frame": Kind(pd.DataFrame(put(nan), columns=FRAME.columns), InputError, f"X has NaN in 1 cell (first: row 17, column 'dose'). {_IMPUTE}", False),
    "inf": Kind(put(inf), InputError, f"X has inf in 1 cell (first: row 17, column 2). {_INF}"),
    "-inf": Kind(put(-inf), InputError, f"X has inf in 1 cell (first: row 17, column 2). {_INF}"),
    "inf in float16": Kind(put(inf, np.float16), InputError, f"X has inf in 1 cell (first: row 17, column 2). {_INF}"),
    "too large": Kind(put(1e39), InputError, "X has a value too large for float32 in 1 cell (first: row 17, column 2). Rescale the column."),
    "a huge whole number": Kind([[10**400, 1]] * N, InputError, "X at (0, 0) is 1000000000000000000000000000000000000..., a value too large for float32. Rescale the column.", False),
    "strings": Kind(np.full((N, 4), "a"), InputTypeError, f"X holds strings (first: 'a') {_STRINGS}"),
    "numbers as text": Kind(np.full((N, 4), "1"), InputTypeError, f"X holds strings (first: '1') {_STRINGS}"),
    "mixed objects": Kind(np.array([[1, "a"]] * N, object), InputTypeError, f"X at (0, 1) is 'a' of type str: {_EACH}", False),
    "None inside": Kind([[1.0, None]] * N, InputError, f"X has NaN in 60 cells (first: row 0, column 1). {_IMPUTE}", False),
    "complex": Kind(X + 1j, InputError, "Complex data not supported: X is complex. Pass real and imaginary parts as columns."),
    "ragged": Kind([[1, 2]] * 59 + [[1]], InputError, "X is ragged: row 0 has length 2, row 59 has length 1. Give every row the same length.", False),
    "duplicate columns": Kind(FRAME.rename(columns={"age": "size"}), InputError, "X has duplicate column names. …'size'…. Rename or drop the repeats.", False),
    "masked": Kind(np.ma.masked_greater(X, 3.0), InputError, "X is a masked array with 1 masked cells (first: row 54). Impute them, e.g. X.filled(value), or drop the rows.", False),
    "dates": Kind(np.full((N, 2), "2020-01-01", "M8[D]"), InputTypeError, "X holds dates or durations (datetime64[D]). Turn them into numbers, e.g. days."),
    "a column of dates": Kind(FRAME.assign(day=pd.Timestamp("2020")), InputTypeError, f"column 'day' of X holds Datetime(…), {_DAYS}", False),
    "a column of text": Kind(FRAME.assign(city="x"), InputTypeError, f"column 'city' of X holds String, {_CODE}", False),
    "sparse columns": Kind(FRAME.astype(pd.SparseDtype(float)), InputTypeError, f"column 'size' of X holds Sparse[float64, nan], {_PLAIN}", False),
    "names of two types": Kind(FRAME.set_axis(["a", "b", "c", 3], axis=1), InputTypeError, "Feature names are only supported if all of them are strings, but X has a mix of strings and other types. Convert them: X.columns = X.columns.astype(str).", False),
    "a tensor with gradients": Kind(torch.ones(N, 2, requires_grad=True), InputTypeError, "X cannot become an array: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.", False),
    "0 x n images": Kind(np.zeros((N, 0, 5)), InputError, "X is empty: Found array with 0 feature(s) (shape=(60, 0, 5)) while a minimum of 1 is required. Pass at least one column, or images of at least one pixel."),
    "4 channels": Kind(np.zeros((N, 8, 8, 4)), InputError, f"X has images of shape (60, 8, 8, 4); {_BAND} drop the others."),
    "channels first": Kind(np.zeros((N, 3, 8, 8)), InputError, f"X has images of shape (60, 3, 8, 8); {_BAND} move the channels last: np.moveaxis(X, 1, -1)."),
    "images that are not there": Kind([f"no/{i}.png" for i in range(N)], InputError, "60 of 60 images are bad; first: cannot read image no/0.png: there is no such file. Mend or remove them, or skip them (on_bad_file='skip', --on-bad-file skip).", False),
}

_ONE_MARK = "Use one mark for all of them; if one of these is a label, rename it."
_TYPES = "Labels are strings, integers or booleans, or numbers for regression."
_ONE_HOT = "It looks like a one-hot or multilabel matrix: pass y.argmax(axis=1), with -1 where a row is unlabeled. Several labels a row are for DeepClassifier.fit alone, as an array."
_SOFT = "It looks like a soft-label matrix: pass y.argmax(axis=1), with -1 where a row is unlabeled. Several labels a row are for DeepClassifier.fit alone, as an array."
_MATRIX = "A matrix of labels holds 0 and 1, and NaN or -1 where a label is not known. For one class a row pass y.argmax(axis=1), with -1 where it is unlabeled."
_CONTINUOUS = "is not a class; classes are whole numbers, strings or booleans. For regression use task='numbers' (DeepRegressor)."
_NO_LABEL = "Label at least one row of each of two classes."
_LENGTH = "Give one label or mark for each row of X."
_COLUMN = "Pass one label a row, as a list, an array or a column of a frame."
_TENSOR = "y cannot become an array: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
_IF_CLASS = "If it means unlabeled, put None in its place; if it is a class, rename it."
_ONE_LABEL = "of them, or mark these rows as unlabeled."
_SOFT_LABELS = np.abs(X[:, :3]) / np.abs(X[:, :3]).sum(1, keepdims=True)
_EYE = np.eye(3)[I % 3]


class Odd:
    """A label that may not be looked at."""

    def __eq__(self, other):
        raise AssertionError("compared")

    __hash__ = None


def _two_dimensional(message: str, matrix: str | None) -> dict[str, Any]:
    """DeepClassifier takes several labels a row, so it says something else of a matrix."""
    return {"message": f"y should be a 1d array, got an array of shape {message}", "but": {"DeepClassifier": matrix}}


# y of any task: the same is said of it everywhere
BAD_Y = {
    "a number": Kind(3, InputError, f"y should be a 1d array, got an array of shape () instead: y is 3. {_COLUMN}", False),
    "a column's name": Kind("label", InputError, f"y should be a 1d array, got an array of shape () instead: y is 'label'. {_COLUMN}", False),
    "a dict": Kind({0: 1}, InputError, f"y should be a 1d array, got an array of shape () instead: y is {{0: 1}}. {_COLUMN}", False),
    "ragged": Kind([[1], [1, 2]] * 30, InputError, "y is ragged: y should be a 1d array with one label a row.", False),
    "None and NaN": Kind(named(None, nan), InputError, f"y marks unlabeled rows in 2 ways: None (18×, first: row 24) and NaN (18×, first: row 25). {_ONE_MARK}", False),
    "boolean and whole": Kind(objects(lambda row: True if row == 0 else row % 2 if row < 24 else None), InputTypeError, "y mixes types: y[0] = True is bool and y[1] = 1 is number. Use one type for all labels.", False),
    "text and whole": Kind(objects(lambda row: "a" if row == 0 else row % 2 if row < 24 else None), InputTypeError, "y mixes types: y[0] = 'a' is str and y[1] = 1 is number. Use one type for all labels.", False),
    "days": Kind(np.full(N, "2020-01-01", "M8[D]"), InputTypeError, "Unknown label type: y holds datetime64[D]. Labels are strings, integers or booleans."),
    "dates": Kind(objects(lambda row: datetime.date(2020, 1, 1)), InputTypeError, f"Unknown label type: y[0] is date. {_TYPES}", False),
    "tuples": Kind(objects(lambda row: (0, 1) if row < 24 else None), InputTypeError, f"Unknown label type: y[0] is tuple. {_TYPES}", False),
    "objects of a class of its own": Kind(objects(lambda row: row % 2 if row < 24 else Odd()), InputTypeError, f"Unknown label type: y[24] is Odd. {_TYPES}", False),
    "complex": Kind(CLASSES + 0j, InputError, "Complex data not supported: y is complex. Labels are strings, integers or booleans."),
    "bytes": Kind(np.where(I < 24, np.where(I % 2, b"a", b"b"), b""), InputTypeError, "Unknown label type: y holds |S1. Labels are strings, integers or booleans."),
    "masked": Kind(np.ma.masked_less(CLASSES, 0), InputError, "y is a masked array with 36 masked cells (first: row 24). If they are unlabeled rows, use y.filled(-1), or NaN for numbers.", False),
    "sparse": Kind(sparse.csr_array(_EYE), InputTypeError, "y is sparse of shape (60, 3); labels are dense. Use y.toarray().", False),
    "a tensor with gradients": Kind(torch.zeros(N, requires_grad=True), InputTypeError, _TENSOR, False),
}
_NONE = "fewlabels requires y to be passed, but the target y is None. Pass one label for each row of X; -1 (for numbers NaN) marks those without."
_UNEQUAL = f"Found input variables with inconsistent numbers of samples: X has 60, y has {{}}. {_LENGTH}"
BAD_CLASSES = {
    "None": Kind(None, InputError, _NONE, False),
    "too few": Kind(CLASSES[:-3], InputError, _UNEQUAL.format(57), False),
    "too many": Kind(np.append(CLASSES, 0), InputError, _UNEQUAL.format(61), False),
    "empty": Kind([], InputError, _UNEQUAL.format(0), False),
    "all -1": Kind(np.full(N, -1), InputError, f"y has no labeled row: all 60 are -1. {_NO_LABEL}"),
    "all None": Kind([None] * N, InputError, f"y has no labeled row: all 60 are None. {_NO_LABEL}", False),
    "all ''": Kind([""] * N, InputError, f"y has no labeled row: all 60 are ''. {_NO_LABEL}"),
    "all NaN": Kind(np.full(N, nan), InputError, f"y has no labeled row: all 60 are NaN. {_NO_LABEL}"),
    "one class": Kind(np.where(I < 24, 1, -1), InputError, "y has only one class, 1, in its 24 labeled rows (if -1 is a class too, make the classes strings). At least two classes are needed: label rows of another one."),
    "one class of long name": Kind(objects(lambda row: "a" * 99 if row < 24 else None), InputError, "y has only one class, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..., in its 24 labeled rows. At least two classes are needed: label rows of another one.", False),
    "-1 and ''": Kind(objects(lambda row: row % 2 if row < 24 else [-1, ""][row % 2]), InputError, f"y marks unlabeled rows in 2 ways: -1 (18×, first: row 24) and '' (18×, first: row 25). {_ONE_MARK}", False),
    "-1 and NaN": Kind(np.where(I % 5 == 0, nan, CLASSES), InputError, f"y marks unlabeled rows in 2 ways: NaN (12×, first: row 0) and -1 (29×, first: row 24). {_ONE_MARK}"),
    "None and ''": Kind(named(None, ""), InputError, f"y marks unlabeled rows in 2 ways: None (18×, first: row 24) and '' (18×, first: row 25). {_ONE_MARK}", False),
    "three marks": Kind(named(None, "", -1), InputError, f"y marks unlabeled rows in 3 ways: None (12×, first: row 24) and '' (12×, first: row 25) and -1 (12×, first: row 26). {_ONE_MARK}", False),
    "'-1'": Kind(CLASSES.astype(str), InputError, f"y[24] is the string '-1'. {_IF_CLASS}"),
    "'-1.0'": Kind(CLASSES.astype(float).astype(str), InputError, f"y[24] is the string '-1.0'. {_IF_CLASS}"),
    "'nan'": Kind(np.array(["a", "b", nan] * 20), InputError, f"y[2] is the string 'nan'. {_IF_CLASS}"),
    "'None'": Kind(named(None).astype(str), InputError, f"y[24] is the string 'None'. {_IF_CLASS}"),
    "1.5": Kind(np.where(I == 3, 1.5, CLASSES), InputError, f"Unknown label type: continuous. y[3] = 1.5 {_CONTINUOUS}"),
    "inf": Kind(np.where(I == 3, inf, CLASSES), InputError, f"Unknown label type: continuous. y[3] = inf {_CONTINUOUS}"),
    "-2": Kind(np.where(I == 3, -2, CLASSES), InputError, "y[3] = -2: of the negative numbers only -1 is known, as unlabeled. If negative numbers are classes, make them strings (y.astype(str)) and mark unlabeled rows by None."),
    "boolean with -1": Kind(objects(lambda row: bool(row % 2) if row < 24 else -1), InputError, "y mixes True/False with -1, which equals no boolean. Mark unlabeled rows by None.", False),
    "one-hot": Kind(_EYE, InputError, cli=False, **_two_dimensional(f"(60, 3) instead. {_ONE_HOT}", None)),
    "one-hot with -1": Kind(np.where((I < 24)[:, None], _EYE, -1), InputError, cli=False, **_two_dimensional(f"(60, 3) instead. {_ONE_HOT}", None)),
    "soft labels": Kind(_SOFT_LABELS, InputError, cli=False, **_two_dimensional(f"(60, 3) instead. {_SOFT}", f"y[0, 0] = … {_MATRIX}")),
    "soft labels that do not sum to 1": Kind(np.abs(X), InputError, cli=False, **_two_dimensional(f"(60, 4) instead. {_SOFT}", f"y[0, 0] = … {_MATRIX}")),
    "a matrix of other numbers": Kind(np.full((N, 2), 7), InputError, cli=False, **_two_dimensional("(60, 2) instead. Pass one label a row.", f"y[0, 0] = 7. {_MATRIX}")),
    "a row instead of a column": Kind(CLASSES[None], InputError, cli=False, **_two_dimensional("(1, 60) instead. It is one row: pass y.ravel().", _UNEQUAL.format(1))),
    "sets": Kind([{0, 1}] * N, InputTypeError, f"Unknown label type: y[0] is set. {_TYPES}", False),
}
_COMPARED = {"compare", "compare deep", "label_budget"}
BAD_NUMBERS = {
    "None": BAD_CLASSES["None"],
    "too few": BAD_CLASSES["too few"],
    "all NaN": Kind(np.full(N, nan), InputError, "y has no labeled row: all 60 are NaN. Label some rows."),
    "inf": Kind(np.where(I == 3, inf, NUMBERS), InputError, "y[3] is inf (inf). Targets are finite; NaN means unlabeled."),
    "too large": Kind(np.where(I == 3, 1e300, NUMBERS), InputError, "y[3] = 1e+300 is too large for float32, in which training computes. Rescale y."),
    "text": Kind(np.full(N, "1"), InputTypeError, "y[0] = '1' is not a number. Convert y to float, NaN where unlabeled."),
    "'' among numbers": Kind(objects(lambda row: 1.0 if row < 24 else ""), InputTypeError, "y mixes types: y[0] = 1.0 is number and y[24] = '' is str. Use one type for all labels.", False),
    "one-hot": Kind(_EYE, InputError, f"y should be a 1d array, got an array of shape (60, 3) instead. {_ONE_HOT}"),
}
_TRANSLATE = "expected 0 (normal), 1 (anomaly) or -1 (not known). Translate your labels, e.g. np.where(y == 'fraud', 1, 0)."
BAD_MARKS = {
    "too few": Kind(MARKS[:-3], InputError, "X has 60 rows, y has 57. Give one mark for each row of X."),
    "2": Kind(np.where(I == 3, 2, MARKS), InputError, f"y[3] = 2; {_TRANSLATE}"),
    "0.5": Kind(np.where(I == 3, 0.5, MARKS), InputError, f"y[3] = 0.5; {_TRANSLATE}"),
    "-2": Kind(np.where(I == 3, -2, MARKS), InputError, f"y[3] = -2; {_TRANSLATE}"),
    "inf": Kind(np.where(I == 3, inf, MARKS), InputError, f"y[3] = inf; {_TRANSLATE}"),
    "text": Kind(named(None), InputError, f"y[0] = 'a'; {_TRANSLATE}"),
    "long text": Kind(objects(lambda row: "a" * 10**6), InputError, f"y[0] = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...; {_TRANSLATE}"),
    "all anomalies": Kind(np.ones(N, int), InputError, "y calls all 60 rows anomalies (1). Add rows that are normal (0) or unlabeled (-1)."),
    "one-hot": Kind(_EYE, InputError, f"y should be a 1d array, got an array of shape (60, 3) instead. {_ONE_HOT}"),
}
# what only some entrances refuse: they hold labels out
SOME_REFUSE = {
    "no unlabeled row": (I % 2, "y has no unlabeled row, so there is nothing to compare. Mark some rows as unlabeled, or fit.", _COMPARED - {"label_budget"}),
    "a class with one label": (np.where(I == 23, 2, CLASSES), f"class 2 has 1 labeled rows (first: row 23); at least 2 are needed. Label more {_ONE_LABEL}", _COMPARED),
}
# what is taken, and what is said of it
TAKEN = {
    "boolean X": (X > 0, CLASSES, None),
    "float16": (X.astype(np.float16), CLASSES, None),
    "a constant column": (np.where(np.arange(4) == 1, 5.0, X), CLASSES, None),
    "images of 1 pixel": (I.astype(np.uint8).reshape(N, 1, 1), CLASSES, None),
    "whole floats": (X, CLASSES.astype(float), None),
    "''": (X, named(""), None),
    "objects with None": (X, named(None), None),
    "a categorical with unused classes": (X, pd.Categorical(named(None), categories=list("abz")), None),
    "booleans with None": (X, objects(lambda row: bool(row % 2) if row < 24 else None), None),
    "a column": (X, CLASSES[:, None], "DataConversionWarning: A column-vector y was passed when a 1d array was expected. Change the shape of y to (n_samples,), for example using ravel()."),
    "-1 made unsigned": (X, CLASSES.astype(np.uint8), "UserWarning: y is uint8 and holds 255, which is what -1 becomes in that type: it counts as a class. If it means an unlabeled row, use a signed type, e.g. y.astype(int), with -1 in its place."),
    "row numbers": (X, I, "UserWarning: y has 60 different numbers in its 60 labeled rows, and each counts as a class. If they are measurements, use task='numbers' (DeepRegressor); if they are row numbers, take another column."),
    "numbers with -1": (X, np.where(I == 3, 1.5, CLASSES), "UserWarning: y is -1 in 36 of 60 rows, and for numbers that is a value like others: no row counts as unlabeled. If -1 is a mark, put NaN in its place; for classes use task='classes' (DeepClassifier)."),
}
# fmt: on
