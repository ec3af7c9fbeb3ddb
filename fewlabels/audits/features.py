"""Rows of any kind -> a few dozen numbers each, in which distances mean something.

Every step treats labeled and unlabeled rows alike (means, scales and components come from both together), since
the shift tests compare the two and must not find a difference that the preparation made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from fewlabels.data.images import ImageFiles
from fewlabels.errors import InputError

Floats = NDArray[np.float64]
Encoder = Callable[[Any], Any]

WIDEST = 200  # columns of a table beyond which components stand in for them
COMPONENTS = 50
LARGEST_SIDE = 16  # pixels; larger images are averaged down first


def features(x: Any, rows: NDArray[np.int64], encoder: Encoder | None = None, seed: int = 0) -> tuple[Floats, str]:
    """Features of some rows, and in words what they are.

    Parameters
    ----------
    x : the rows, as in `Partial`
    rows : which of them (n,)
    encoder : your own rows -> (n, D); it must not have been trained on these labels
    seed : of the search for components of sparse rows

    Returns
    -------
    (n, D) float64, and their description

    Raises
    ------
    InputError : the encoder returned something else than one row of finite numbers for each row
    """
    sub = x.take(rows) if isinstance(x, ImageFiles) else x[rows]
    if encoder is not None:
        return _narrow(_standardized(_encoded(encoder, sub)), "your encoder's features")
    if issparse(sub):
        return _from_sparse(sub, seed)
    if sub.ndim == 4:
        return _components(_small(sub).reshape(len(sub), -1), "of the pixels")
    return _narrow(_standardized(sub), "the columns")


def _narrow(standardized: Floats, what: str) -> tuple[Floats, str]:
    if standardized.shape[1] <= WIDEST:
        return standardized, f"{what}, standardized"
    return _components(standardized, f"of {what}, standardized")


def _encoded(encoder: Encoder, sub: Any) -> Floats:
    try:
        out = np.asarray(encoder(sub), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the encoder failed on {sub.shape[0]} rows or returned no numbers: {error}.") from error
    if out.ndim != 2 or len(out) != sub.shape[0] or not np.isfinite(out).all():
        raise InputError(
            f"the encoder returned shape {out.shape} for {sub.shape[0]} rows; expected finite numbers (n, D), one row "
            "for each row it was given."
        )
    return out


def _standardized(x: Any) -> Floats:
    spread = x.std(0)
    centred: Floats = x - x.mean(0)
    # a constant column may have a spread of one rounding
    return centred / np.where(spread > 1e-12 * np.abs(x).max(0), spread, np.inf)


def _components(x: Floats, of_what: str) -> tuple[Floats, str]:
    """The first principal components, all divided by one number so that a component is of size 1 on average."""
    from sklearn.decomposition import PCA

    k = max(1, min(COMPONENTS, len(x) - 1, x.shape[1]))
    # the quickest that is exact for the shape
    solver = "covariance_eigh" if x.shape[1] <= 1000 else "full" if len(x) <= 1000 else "arpack"
    out = PCA(k, svd_solver=solver, random_state=0).fit_transform(x)
    return out / (np.sqrt((out**2).mean()) or 1.0), f"the first {k} principal components {of_what}"


def _from_sparse(x: Any, seed: int) -> tuple[Floats, str]:
    from sklearn.decomposition import TruncatedSVD

    k = min(COMPONENTS, min(x.shape) - 1)
    if x.shape[1] <= COMPONENTS or k < 1:
        return _standardized(x.toarray()), "the columns, standardized"
    out = TruncatedSVD(k, random_state=seed).fit_transform(x)
    return out / (np.sqrt((out**2).mean()) or 1.0), f"the first {k} singular vectors of the sparse rows"


def _small(images: NDArray[Any]) -> Floats:
    """Images (n, H, W, C) averaged over blocks until no side is above 16 pixels."""
    images = images.astype(np.float64)
    n, height, width, channels = images.shape
    step = -(-max(height, width) // LARGEST_SIDE)
    if step == 1:
        return images
    high, wide = max(1, height // step), max(1, width // step)
    a, b = min(step, height), min(step, width)
    out: Floats = images[:, : high * a, : wide * b].reshape(n, high, a, wide, b, channels).mean((2, 4))
    return out
