"""Two views of a row: columns, a transformer or a function of X."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from fewlabels.classical.wrapping import new_base
from fewlabels.errors import OptionError

EXPECTED = "a slice, column numbers or names, a mask of columns, a transformer, or a function of X"


def fit_views(views: Any, x: Any, names: tuple[str, ...] | None, seed: int) -> list[Any]:
    """The pair of views: column numbers as an array, a fitted transformer, or the function itself."""
    d = x.shape[1]
    if views is None:
        half = max(1, d // 2)  # with one column, both views are that column
        views = (slice(0, half), slice(d // 2, d))
    if not isinstance(views, tuple | list) or len(views) != 2:
        raise OptionError(f"views={views!r} should be a pair, each {EXPECTED}.")
    return [_fit_view(view, x, names, seed) for view in views]


def _fit_view(view: Any, x: Any, names: tuple[str, ...] | None, seed: int) -> Any:
    if isinstance(view, slice):
        return _checked(np.arange(x.shape[1])[view], view)
    if isinstance(view, list | tuple | range | np.ndarray):
        return _columns(view, x.shape[1], names)
    if callable(view):
        return view
    try:
        return new_base(view, seed).fit(x)
    except TypeError:
        raise OptionError(f"views has {view!r}; expected {EXPECTED}.") from None


def _columns(view: Any, d: int, names: tuple[str, ...] | None) -> NDArray[np.int64]:
    given = np.asarray(view)
    if given.dtype.kind in "UO" and names is not None and all(name in names for name in given.tolist()):
        return _checked(np.array([names.index(name) for name in given.tolist()]), view)
    fits = given.ndim == 1 and (
        (given.dtype.kind == "b" and len(given) == d)
        or (given.dtype.kind in "iu" and len(given) > 0 and given.min() >= -d and given.max() < d)
    )
    if not fits:
        raise OptionError(f"views has {view!r}, which are not columns of X with {d} of them; expected {EXPECTED}.")
    return _checked(np.arange(d)[given], view)


def _checked(columns: NDArray[np.int64], view: Any) -> NDArray[np.int64]:
    if not len(columns):
        raise OptionError(f"views has {view!r}, which holds no column.")
    return columns


def see(view: Any, x: Any) -> Any:
    """The rows as a view shows them, (N, D_v)."""
    if isinstance(view, np.ndarray):
        return x[:, view]
    seen = view(x) if callable(view) else view.transform(x)
    seen = csr_array(seen) if issparse(seen) else np.asarray(seen, dtype=np.float64)
    values = seen.data if issparse(seen) else seen
    if seen.ndim != 2 or seen.shape[0] != x.shape[0] or not np.isfinite(values).all():
        raise OptionError(
            f"the view {view!r} gives an array of shape {seen.shape} for {x.shape[0]} rows; expected as many rows of "
            "finite numbers."
        )
    return seen
