r"""Nystroem features. Williams & Seeger, "Using the Nystroem Method to Speed Up Kernel Machines", NIPS 2000.

.. math:: z(x) = \Lambda^{-1/2} V^\top k(\text{landmarks}, x), \qquad
          k(\text{landmarks}, \text{landmarks}) = V \Lambda V^\top, \qquad k(a, b) = e^{-\gamma |a - b|^2}

Scalar products of these features are the kernel's, exactly so when every row is a landmark: the result for
few rows is that of the kernel machine. scikit-learn's Nystroem does the same; here the map is plain arrays,
which model files can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import issparse
from sklearn.metrics.pairwise import rbf_kernel

from fewlabels.classical.linear import Floats
from fewlabels.data.memory import check_memory

# Rows whose kernel values are computed together; directions of the kernel weaker than this part of the
# strongest are rounding noise.
_CHUNK = 4096
_RANK = 1e-10


@dataclass(frozen=True)
class Nystroem:
    """A fitted map from rows (N, D) to features (N, M).

    Attributes
    ----------
    landmarks : (M', D) rows of the training data, scaled; CSR if those were
    whitening : (M', M)
    scale : (D,) what columns of new rows are multiplied by
    gamma : of the kernel on scaled rows
    """

    landmarks: Any
    whitening: Floats
    scale: Floats
    gamma: float

    def __call__(self, x: Any) -> Floats:
        n, width = x.shape[0], self.whitening.shape[1]
        # the features, and the kernel of a chunk of rows with its temporaries
        need = 8.0 * width * (n + 3 * min(n, _CHUNK))
        check_memory(need, f"{width} kernel features of {n} rows", "Lower n_components.")
        features = np.empty((n, width))
        for start in range(0, n, _CHUNK):
            rows = x[start : start + _CHUNK]
            rows = rows if issparse(x) else rows * self.scale
            features[start : start + _CHUNK] = rbf_kernel(rows, self.landmarks, self.gamma) @ self.whitening
        return features


def fit_nystroem(
    x: Any, scale: Floats, gamma: float | Literal["scale"], n_components: int, rng: np.random.Generator
) -> Nystroem:
    """Landmarks drawn from the rows of x, labeled or not: no label is involved."""
    n = x.shape[0]
    count = min(n, n_components)
    check_memory(32.0 * count**2, f"The kernel of {count} landmarks", "Lower n_components.")
    chosen = np.sort(rng.choice(n, count, replace=False)) if count < n else np.arange(n)
    landmarks = x[chosen] if issparse(x) else x[chosen] * scale
    gamma = 1 / _variance(landmarks) if gamma == "scale" else gamma
    values, vectors = eigh(rbf_kernel(landmarks, landmarks, gamma))
    strong = values > _RANK * values[-1]
    whitening: NDArray[np.float64] = vectors[:, strong] / np.sqrt(values[strong])
    return Nystroem(landmarks, whitening, scale, float(gamma))


def _variance(rows: Any) -> float:
    """The variance of all columns together, as in scikit-learn's gamma="scale"; 1 where nothing varies."""
    squares = rows.multiply(rows).sum(1) if issparse(rows) else np.square(rows).sum(1)
    mean = np.asarray(rows.mean(0)).ravel()
    variance = float(np.mean(squares) - mean @ mean)
    return variance if variance > 1e-12 * max(float(np.mean(squares)), 1e-300) else 1.0
