"""Features of nodes as networks want them; learnt once from the nodes of fit, whose labels are not involved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, issparse

from fewlabels.errors import OptionError, nearest

_ROWS = 100_000
SCALINGS = ("auto", "rows", "columns", "none")


@dataclass(frozen=True)
class FeatureScaling:
    """How features are scaled.

    Attributes
    ----------
    kind : "rows" (each divided by the sum of its sizes), "columns" (standardized; sparse ones not centred) or "none"
    mean, std : of the columns (D,)
    """

    kind: str
    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    def __call__(self, x: Any) -> Any:
        """x (n, D) as float32; rows that are scaled as a bag of words become sparse."""
        if self.kind == "none":
            return x.astype(np.float32)
        if self.kind == "rows":
            total = np.asarray(abs(x).sum(axis=1)).ravel()
            factor = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
            return csr_array(diags_array(factor) @ csr_array(x)).astype(np.float32)
        if issparse(x):
            return csr_array(x @ diags_array(1 / self.std)).astype(np.float32)
        out = np.empty(x.shape, dtype=np.float32)
        for a in range(0, len(x), _ROWS):
            out[a : a + _ROWS] = (x[a : a + _ROWS] - self.mean) / self.std
        return out


def learn_features(x: Any, scaling: str) -> FeatureScaling:
    """ "auto" scales rows if no entry is negative and most are zero, as in a bag of words, and columns otherwise.

    Raises
    ------
    OptionError : an unknown scaling
    """
    if not isinstance(scaling, str) or scaling not in SCALINGS:
        raise OptionError(f"scaling={scaling!r} is not known.{nearest(str(scaling), SCALINGS)}")
    if scaling == "auto":
        filled = x.count_nonzero() if issparse(x) else np.count_nonzero(x)
        scaling = "rows" if x.min() >= 0 and 2 * filled < x.shape[0] * x.shape[1] else "columns"
    if issparse(x):
        mean, square = (np.asarray(part).ravel() for part in (x.mean(axis=0), (x * x).mean(axis=0)))
        std = np.sqrt(np.maximum(square - mean**2, 0.0))
        return FeatureScaling(scaling, mean, np.where(std <= 1e-7 * np.sqrt(square), 1.0, std))
    # column by column: a million rows need no second copy
    std = np.array([column.std() for column in x.T])
    largest = np.maximum(x.max(axis=0), -x.min(axis=0))
    return FeatureScaling(scaling, x.mean(axis=0), np.where(std <= 1e-12 * largest, 1.0, std))
