"""y of a detector: 0 normal, 1 anomaly, -1 not known. Read once, here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.data.frames import shown
from fewlabels.data.images import ImageFiles
from fewlabels.data.inputs import read_X
from fewlabels.data.labels import as_vector, read_labels
from fewlabels.errors import InputError
from fewlabels.partial_labels import Partial

NORMAL, ANOMALY = 0, 1


def marked(X: Any, y: Any) -> Partial:
    """Check X and y; y None marks every row as unlabeled. The result may have no label at all.

    Raises
    ------
    InputError : X cannot be used, y holds other values than 0, 1 and a mark, or every row is an anomaly
    """
    x, form = read_X(X)
    if isinstance(x, ImageFiles):
        raise InputError(
            f"X is {len(x)} image files that do not fit into half of the free memory, which anomaly detection needs. "
            "Use fewer of them, or smaller ones: fewlabels.data.load(path, size=...)."
        )
    n = len(x)
    if n < 2:
        raise InputError(f"X has {n} sample; a detector learns what rows have in common, so give 2 or more.")
    codes, rows = np.empty(0, np.int64), np.empty(0, np.int64)
    if y is not None:
        vector = as_vector(y)
        if vector.dtype.kind in "if":  # before `read_labels` speaks of classes and of regression
            known = np.flatnonzero(~np.isnan(vector) & (vector != -1))
            as_codes(vector[known], known)
        labels = read_labels(vector)
        if labels.n_rows != n:
            raise InputError(f"X has {n} rows, y has {labels.n_rows}. Give one mark for each row of X.")
        codes, rows = as_codes(labels.values, labels.rows), labels.rows
    if np.count_nonzero(codes == ANOMALY) == n:
        raise InputError(f"y calls all {n} rows anomalies (1). Add rows that are normal (0) or unlabeled (-1).")
    return Partial(x, codes, rows, np.array([NORMAL, ANOMALY]), form.kind, form.feature_names)


def as_codes(values: NDArray[Any], rows: NDArray[np.int64], name: str = "y") -> NDArray[np.int64]:
    """Labels as 0 and 1; False and True are taken as well.

    Raises
    ------
    InputError : there is anything else
    """
    wrong = [i for i, value in enumerate(values.tolist()) if value not in (NORMAL, ANOMALY)]
    if wrong:
        raise InputError(
            f"{name}[{rows[wrong[0]]}] = {shown(values[wrong[0]])}; expected 0 (normal), 1 (anomaly) or -1 (not "
            "known). Translate your labels, e.g. np.where(y == 'fraud', 1, 0)."
        )
    return values.astype(np.int64)
