"""What may enter as X, and the form of one row that fit remembers so that predict can ask for the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from fewlabels.data.checks import check_finite, check_finite_sparse, check_names, check_shape
from fewlabels.data.frames import InputTypeError, frame_to_array, is_frame, objects_to_numbers, shown
from fewlabels.data.images import ImageFiles, read_images
from fewlabels.data.memory import check_memory
from fewlabels.errors import InputError


@dataclass(frozen=True)
class Form:
    """What one row looks like.

    Attributes
    ----------
    kind : "table" or "image"
    shape : (D,) or (H, W, C)
    dtype : "float64" for tables, "uint8" or "float32" for images
    feature_names : the columns of a frame, else None
    """

    kind: Literal["table", "image"]
    shape: tuple[int, ...]
    dtype: str
    feature_names: tuple[str, ...] | None = None

    @property
    def n_features(self) -> int:
        """How many numbers a row has (scikit-learn's ``n_features_in_``)."""
        return prod(self.shape)


def remember_form(model: Any, form: Form) -> None:
    """Set `form_`, and what scikit-learn expects of a fitted estimator: `n_features_in_`, `feature_names_in_`."""
    model.form_, model.n_features_in_ = form, form.n_features
    model.__dict__.pop("feature_names_in_", None)  # an earlier fit may have had names
    if form.feature_names is not None:
        model.feature_names_in_ = np.array(form.feature_names, dtype=object)


def form_of(plain: dict[str, Any]) -> Form:
    """The inverse of `dataclasses.asdict`, from a file."""
    names = plain["feature_names"]
    return Form(plain["kind"], tuple(plain["shape"]), plain["dtype"], None if names is None else tuple(names))


def read_X(X: Any, *, sparse: bool = False) -> tuple[Any, Form]:
    """Check training inputs and bring them into one form.

    Parameters
    ----------
    X : (N, D) array, list or frame; images (N, H, W[, C]); a list of image paths; an ImageFiles
    sparse : whether SciPy sparse rows are taken; they come out as CSR

    Returns
    -------
    x : float64 (N, D), C-contiguous, or CSR; uint8 or float32 (N, H, W, C); or an ImageFiles
    form : Form

    Raises
    ------
    InputError : anything else; the message says what, where, what was expected and how to mend it
    """
    if sparse and issparse(X):
        return _sparse(X)
    raw, names = _raw(X, None)
    return _finish(raw, names)


def check_X(X: Any, *, like: Form, name: str = "the estimator", sparse: bool = False) -> Any:
    """Check new rows against the form that fit saw and bring them into it.

    Parameters
    ----------
    X : as in `read_X`
    like : the form of the training rows
    name : the estimator's class, for the messages
    sparse : as in `read_X`

    Returns
    -------
    x : as in `read_X`

    Raises
    ------
    InputError : other kind, number or names of columns, image size or value type than in fit
    """
    raw, names = (X, None) if sparse and issparse(X) else _raw(X, like)
    # Before looking at values: frames with other columns are often full of NaN, which is not the cause.
    check_names(names, like.feature_names, name)
    if like.kind == "table" and len(np.shape(raw)) == 2 and raw.shape[1] != like.n_features:
        raise InputError(
            f"X has {raw.shape[1]} features, but {name} is expecting {like.n_features} features as input. Pass the "
            "columns of fit."
        )
    x, form = _sparse(raw) if issparse(raw) else _finish(raw, names)
    if form.kind != like.kind or form.shape != like.shape:
        raise InputError(
            f"X has {_described(form)}, but {name} was fitted on {_described(like)}. "
            "Pass rows of that form (one image: X[np.newaxis]; other sizes: resize them first)."
        )
    if form.dtype != like.dtype:
        raise InputError(
            f"X holds {form.dtype} images, but {name} was fitted on {like.dtype} ones, so values would mean "
            f"something else. Convert X to {like.dtype} on the scale used in fit."
        )
    return x


def _described(form: Form) -> str:
    sizes = "x".join(map(str, form.shape))
    return f"a table of {sizes} features" if form.kind == "table" else f"images of {sizes}"


def _raw(X: Any, like: Form | None) -> tuple[Any, tuple[str, ...] | None]:
    """Any container to an array of numbers (or ImageFiles), with values and shape not yet checked."""
    if isinstance(X, ImageFiles):
        return X, None
    if _are_paths(X):
        size, channels = (like.shape[:2], like.shape[2]) if like and like.kind == "image" else (None, None)
        return read_images(list(X), size=size, channels=channels).x, None
    if not isinstance(X, np.ndarray | list | tuple) and is_frame(X):
        return frame_to_array(X)
    return _numbers(_array(X)), None


def _are_paths(X: Any) -> bool:
    if isinstance(X, np.ndarray):
        return X.ndim == 1 and len(X) > 0 and all(isinstance(v, str | os.PathLike) for v in X[:1])
    return isinstance(X, Sequence) and not isinstance(X, str) and isinstance(next(iter(X), 0), str | os.PathLike)


def _sparse(X: Any) -> tuple[csr_array, Form]:
    """SciPy's sparse rows as CSR with sorted indices and no doubles."""
    if X.ndim != 2 or 0 in X.shape:
        raise InputError(
            f"X is sparse of shape {X.shape}; expected (N, D) with at least one row and one column. Look at the filter "
            "or file that it came from."
        )
    if X.dtype.kind not in "biuf":
        raise InputTypeError(
            f"X is sparse and holds {X.dtype}, but real numbers were expected. Convert it: X.astype(float)."
        )
    check_memory(16.0 * X.nnz, "a copy of X", "Use fewer rows or columns.")
    x = csr_array(X, dtype=np.float64, copy=True)
    x.sum_duplicates()
    check_finite_sparse(x)
    return x, Form("table", x.shape[1:], "float64")


def _array(X: Any) -> NDArray[Any]:
    if issparse(X):
        raise InputTypeError(
            "X is sparse, but dense data is required. Use X.toarray() if it fits in memory, or a classical "
            "estimator that takes sparse input."
        )
    if isinstance(X, np.ma.MaskedArray):
        masked = np.argwhere(np.ma.getmaskarray(X))
        if len(masked):
            raise InputError(
                f"X is a masked array with {len(masked)} masked cells (first: row {masked[0][0]}). "
                "Impute them, e.g. X.filled(value), or drop the rows."
            )
        return np.asarray(X.data)
    try:
        return np.asarray(X)
    except ValueError:
        raise InputError(f"X is ragged: {_ragged(X)}. Give every row the same length.") from None
    except (RuntimeError, TypeError) as error:  # a tensor that requires gradients, or lies on another device
        raise InputTypeError(f"X cannot become an array: {error}") from None


def _ragged(X: Any) -> str:
    lengths = [len(row) if isinstance(row, Sequence | np.ndarray) else 1 for row in X]
    for row, length in enumerate(lengths):
        if length != lengths[0]:
            return f"row 0 has length {lengths[0]}, row {row} has length {length}"
    return f"rows of {lengths[0]} hold items of unequal shape"


def _numbers(a: NDArray[Any]) -> NDArray[Any]:
    kind = a.dtype.kind
    if kind == "c":
        raise InputError("Complex data not supported: X is complex. Pass real and imaginary parts as columns.")
    if kind in "Mm":
        raise InputTypeError(f"X holds dates or durations ({a.dtype}). Turn them into numbers, e.g. days.")
    if kind in "UST" and a.ndim:
        at = tuple(0 for _ in a.shape)
        raise InputTypeError(
            f"X holds strings (first: {shown(a[at].item() if kind != 'T' else a[at])}) where numbers were "
            "expected: each argument must be a number, or a string turned into a number first "
            "(X.astype(float), or OneHotEncoder for categories)."
        )
    if kind not in "biufO" or a.ndim == 0:
        raise InputTypeError(
            f"X is {shown(a.item() if a.ndim == 0 else a.dtype)}; expected an array (N, D), a frame, images "
            "(N, H, W[, C]) or a list of image paths (for a file or folder use fewlabels.data.load)."
        )
    return objects_to_numbers(a, "X") if kind == "O" else a


def _finish(raw: Any, names: tuple[str, ...] | None) -> tuple[Any, Form]:
    if isinstance(raw, ImageFiles):
        return raw, Form("image", raw.shape[1:], "uint8")
    check_shape(raw)
    if raw.ndim == 2:
        check_finite(raw, names)
        x = _as_kept(raw, np.float64)
        return x, Form("table", x.shape[1:], "float64", names)
    if raw.ndim == 3:
        raw = raw[..., np.newaxis]
    if raw.shape[-1] not in (1, 3):
        hint = "move the channels last: np.moveaxis(X, 1, -1)" if raw.shape[1] in (1, 3) else "drop the others"
        raise InputError(
            f"X has images of shape {raw.shape}; expected (N, H, W) or (N, H, W, C) with 1 or 3 channels. "
            f"If there are other channels (alpha, spectral bands), {hint}."
        )
    check_finite(raw, None)
    x = _as_kept(raw, np.uint8 if raw.dtype == np.uint8 else np.float32)
    return x, Form("image", x.shape[1:], x.dtype.name)


def _as_kept(raw: NDArray[Any], dtype: type) -> NDArray[Any]:
    """Contiguous and of this type: the array itself if it is, else a copy for which there is room."""
    if raw.dtype != dtype or not raw.flags.c_contiguous:
        size = float(raw.size) * np.dtype(dtype).itemsize
        check_memory(size, f"X {raw.shape} as {np.dtype(dtype)}", "Use fewer rows or columns, or pass it so.")
    return np.ascontiguousarray(raw, dtype=dtype)
