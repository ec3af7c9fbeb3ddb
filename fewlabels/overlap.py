"""How well masks overlap: a confusion matrix of pixels, and from it IoU and Dice of each class.

Everything is counted from one confusion matrix, rows the true class, columns the predicted one. A class that is
neither in the truth nor predicted has no overlap to speak of: NaN, not 1, so that means leave it out.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray


def confusion(true: NDArray[np.integer], guess: NDArray[np.integer], n_classes: int) -> NDArray[np.int64]:
    """Pixels (..., K, K) of each true and predicted class.

    Parameters
    ----------
    true : (N, H, W) codes 0 to K - 1; pixels below 0 are left out
    guess : (N, H, W) codes 0 to K - 1

    Returns
    -------
    ndarray (N, K, K): of each image; sum(0) is that of all
    """
    cells = n_classes * n_classes
    return np.stack(
        [
            np.bincount(t[t >= 0].astype(np.int64) * n_classes + g[t >= 0], minlength=cells)
            for t, g in zip(true, guess, strict=True)
        ]
    ).reshape(-1, n_classes, n_classes)


def iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class: (..., K, K) -> (..., K)."""
    hits, true, said = _parts(counts)
    return _share(hits, true + said - hits)


def dice(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """2 |A and B| / (|A| + |B|) of each class: (..., K, K) -> (..., K)."""
    hits, true, said = _parts(counts)
    return _share(2 * hits, true + said)


def mean_over_classes(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the classes that have a score: (..., K) -> (...); NaN where none has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an image without a counted pixel is NaN on purpose
        means: NDArray[np.float64] = np.nanmean(scores, axis=-1)
    return means


def image_scores(true: NDArray[np.integer], guess: NDArray[np.integer], n_classes: int) -> NDArray[np.float64]:
    """(N,) mean IoU of each image, over the classes that are in its mask or in the prediction."""
    return mean_over_classes(iou(confusion(true, guess, n_classes)))


def _parts(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-2)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
