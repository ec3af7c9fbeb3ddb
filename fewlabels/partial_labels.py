"""X, y -> Partial: the one place that knows which marks mean "unlabeled" and what may enter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Partial:
    """Data of which some rows carry a label. Labels of the other rows do not exist here.

    Attributes
    ----------
    x : ndarray (N, D) float64 for tables; ndarray (N, H, W, C) uint8 or float32 for images; or an
        `fewlabels.data.images.ImageFiles` when the images do not fit in memory
    y : ndarray (L,) int64 indices into `classes`, or float64 targets; one per *labeled* row
    labeled : ndarray (L,) int64, the labeled rows, ascending
    classes : ndarray (K,) in the user's own type, sorted; None for numbers
    kind : "table" or "image"
    feature_names : the columns of a frame, else None
    """

    x: Any
    y: NDArray[Any]
    labeled: NDArray[np.int64]
    classes: NDArray[Any] | None
    kind: Literal["table", "image"]
    feature_names: tuple[str, ...] | None = None
