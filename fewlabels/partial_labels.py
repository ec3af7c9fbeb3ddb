"""X, y -> Partial: the door. What passes here is checked, and the labels of unlabeled rows stay outside."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fewlabels.data.domains import check_sides, read_domain
from fewlabels.data.frames import shown
from fewlabels.data.inputs import Form, read_X
from fewlabels.data.labels import USUAL_MARKS, Labels, Task, as_vector, read_indicators, read_labels
from fewlabels.data.masks import as_codes, find_classes, read_masks
from fewlabels.errors import InputError

# Labeled rows up to which every one may be of another class without a word.
_FEW_LABELS = 20


@dataclass(frozen=True)
class Partial:
    """Data of which some rows carry a label. Labels of the other rows do not exist here.

    Attributes
    ----------
    x : ndarray (N, D) float64 for tables (csr_array where sparse rows are taken); ndarray (N, H, W, C) uint8
        or float32 for images; or an `fewlabels.data.images.ImageFiles` when the images do not fit in memory
    y : ndarray (L,) int64 indices into `classes`, or float64 targets; one per *labeled* row. Masks are (L, H, W)
        int16 indices, -1 where a pixel is ignored
    labeled : ndarray (L,) int64, the labeled rows, ascending
    classes : ndarray (K,) in the user's own type, sorted; None for numbers
    kind : "table" or "image"
    feature_names : the columns of a frame, else None
    domain : ndarray (N,) int8, 1 for rows of the source and -1 for rows of the target; None where nobody said
    """

    x: Any
    y: NDArray[Any]
    labeled: NDArray[np.int64]
    classes: NDArray[Any] | None
    kind: Literal["table", "image"]
    feature_names: tuple[str, ...] | None = None
    domain: NDArray[np.int8] | None = None

    @property
    def n_rows(self) -> int:
        """How many rows, labeled and unlabeled."""
        return int(self.x.shape[0])

    @property
    def has_masks(self) -> bool:
        """Whether labels are masks, a class for each pixel."""
        return bool(self.y.ndim == 3)

    @property
    def n_classes(self) -> int:
        """How many classes; 0 for numbers."""
        return 0 if self.classes is None else len(self.classes)

    @property
    def unlabeled(self) -> NDArray[np.int64]:
        """The unlabeled rows, (N - L,), ascending."""
        mask = np.ones(self.n_rows, dtype=bool)
        mask[self.labeled] = False
        return np.flatnonzero(mask)

    def sides(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of the source and those of the target; where nobody said: the labeled and the unlabeled ones.

        Raises
        ------
        InputError : one of them has fewer than two rows
        """
        signs = self.domain
        if signs is None:
            signs = np.full(self.n_rows, -1, np.int8)
            signs[self.labeled] = 1
            check_sides(signs)
        return np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)

    @property
    def form(self) -> Form:
        """What one row looks like; `fewlabels.data.inputs.check_X` holds new rows to it."""
        dtype = self.x.dtype.name
        return Form(self.kind, self.x.shape[1:], dtype, self.feature_names)


def partial(
    X: Any,
    y: Any,
    *,
    task: Task = "classes",
    unlabeled: Any = USUAL_MARKS,
    min_per_class: int = 1,
    sparse: bool = False,
    domain: Any = None,
) -> Partial:
    """Check X and y and keep the labels of the labeled rows only.

    Parameters
    ----------
    X : (N, D) array, list or frame (pandas, polars, pyarrow); images (N, H, W) or (N, H, W, C), uint8 or
        float; a list of image paths; an ImageFiles
    y : (N,) labels. A row is unlabeled where y is -1, None, NaN, pandas.NA or "" (only NaN, None and
        pandas.NA for numbers). One y uses one of these marks.
    task : "classes", "numbers", or "masks": then y is as `fewlabels.data.masks.read_masks` takes it, and -1 and None
        are the marks whatever `unlabeled` says
    unlabeled : the one mark that means unlabeled, e.g. "unknown" or 0, in place of the usual ones;
        ``unlabeled=None`` also lets -1 be a class
    min_per_class : how many labeled rows each class needs
    domain : (N,) above 0 for rows of the source, below 0 for rows of the target; None where all are of one kind
    sparse : whether a SciPy sparse X may stay sparse (CSR) instead of being refused

    Returns
    -------
    Partial : X may be shared with the caller, not copied

    Raises
    ------
    InputError : X or y cannot be used. The message says what, where, what was expected, how to mend it.

    Examples
    --------
    >>> part = partial([[0.0], [1.0], [2.0]], ["cat", None, "dog"])
    >>> part.labeled.tolist(), part.y.tolist(), part.classes.tolist()
    ([0, 2], [0, 1], ['cat', 'dog'])
    """
    x, form = read_X(X, sparse=sparse)
    if task == "masks":
        return _masked(x, y, form)
    vector = as_vector(y)
    n = x.shape[0]
    if len(vector) != n:
        raise InputError(
            f"Found input variables with inconsistent numbers of samples: X has {n}, y has "
            f"{len(vector)}. Give one label or mark for each row of X."
        )
    signs = None if domain is None else read_domain(domain, n)
    labels = read_labels(vector, task=task, unlabeled=unlabeled)
    if len(labels.rows) == 0:
        least = "at least one row of each of two classes" if task == "classes" else "some rows"
        raise InputError(f"y has no labeled row: all {n} are {labels.mark}. Label {least}.")
    if task == "numbers":
        _warn_of_marks(labels)
        return Partial(x, labels.values, labels.rows, None, form.kind, form.feature_names, signs)
    classes, codes = _classes(labels, min_per_class)
    return Partial(x, codes, labels.rows, classes, form.kind, form.feature_names, signs)


def _masked(x: Any, y: Any, form: Form) -> Partial:
    if form.kind != "image":
        raise InputError(f"X is a table {x.shape}; masks need images (N, H, W) or (N, H, W, C).")
    masks = read_masks(y, x.shape[:3])
    classes = find_classes(masks, len(x))
    return Partial(x, as_codes(masks.values, classes), masks.rows, classes, form.kind)


def partial_matrix(X: Any, y: Any) -> Partial:
    """`partial` for an indicator matrix y (N, K): zeros and ones, NaN or -1 where not known; all of that: unlabeled.

    `y` of the result is (L, K) int64 with -1 where not known, `classes` the columns 0 to K - 1.
    """
    known = read_indicators(y)
    whole = known[(known >= 0).all(1)]
    if len(whole) > 1 and (whole.sum(1) == 1).all():
        warnings.warn(
            "y has exactly one 1 in every labeled row, like classes in one-hot code; it is read as several labels a "
            "row, each of which may hold or not. For one class a row pass y.argmax(axis=1), -1 where unlabeled.",
            stacklevel=3,
        )
    rows = partial(X, np.where((known < 0).all(1), np.nan, 0.0), task="numbers")
    return replace(rows, y=known[rows.labeled], classes=np.arange(known.shape[1]))


def _warn_of_marks(labels: Labels) -> None:
    """-1 is a number like others; where no row is unlabeled and half of them are -1, it was meant as a mark."""
    marked = int(np.sum(labels.values == -1))
    if labels.mark is None and 2 * marked >= labels.n_rows:
        warnings.warn(
            f"y is -1 in {marked} of {labels.n_rows} rows, and for numbers that is a value like others: no row counts "
            "as unlabeled. If -1 is a mark, put NaN in its place; for classes use task='classes' (DeepClassifier).",
            stacklevel=4,
        )


def _classes(labels: Labels, min_per_class: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    classes, codes = np.unique(labels.values, return_inverse=True)
    if len(classes) == 1:
        hint = " (if -1 is a class too, make the classes strings)" if labels.mark == "-1" else ""
        raise InputError(
            f"y has only one class, {shown(classes[0])}, in its {len(codes)} labeled rows{hint}. "
            "At least two classes are needed: label rows of another one."
        )
    if labels.values.dtype.kind in "iuf" and len(codes) > _FEW_LABELS and len(classes) > len(codes) / 2:
        warnings.warn(
            f"y has {len(classes)} different numbers in its {len(codes)} labeled rows, and each counts as a class. If "
            "they are measurements, use task='numbers' (DeepRegressor); if they are row numbers, take another column.",
            stacklevel=4,
        )
    counts = np.bincount(codes)
    rare = np.flatnonzero(counts < min_per_class)
    if len(rare):
        row = labels.rows[int(np.argmax(codes == rare[0]))]
        raise InputError(
            f"class {shown(classes[rare[0]])} has {counts[rare[0]]} labeled rows (first: row {row}); at "
            f"least {min_per_class} are needed. Label more of them, or mark these rows as unlabeled."
        )
    return classes, codes.astype(np.int64)
