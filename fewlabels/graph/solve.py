r"""Linear systems on a graph. Conjugate gradients with Jacobi preconditioning (Shewchuk 1994, section B3).

.. math:: A X = B, \qquad A \text{ sparse, symmetric, positive (semi)definite}

All K right-hand sides go as one block, so that each edge is read once per iteration for all classes. Every column
has step sizes of its own and leaves the block when its residual is small.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from fewlabels.errors import OptionError
from fewlabels.interrupts import Interrupts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """X (N, K), the number of iterations, and the largest relative residual after each."""

    x: Floats
    n_iter: int
    history: list[dict[str, float]]


def solve(matrix: csr_array, b: Floats, *, tol: float, max_iter: int) -> Solution:
    """X with |A X - B| <= tol |B| in each column, starting from 0.

    A singular A is fine as long as B is in its range: X then is one of the solutions.

    Raises
    ------
    OptionError : tol or max_iter make no sense
    """
    check_solver(tol, max_iter)
    diagonal = matrix.diagonal()
    inverse = np.divide(1.0, diagonal, out=np.ones_like(diagonal), where=diagonal > 0)[:, None]
    x, size = np.zeros_like(b), np.linalg.norm(b, axis=0)
    live = np.flatnonzero(size > 0)
    part, residual = x[:, live], b[:, live]
    step = inverse * residual
    energy = (residual * step).sum(0)
    history: list[dict[str, float]] = []
    with Interrupts() as signals:
        while len(live) and len(history) < max_iter:
            image = matrix @ step
            length = energy / (step * image).sum(0)
            part += length * step
            residual -= length * image
            scaled = inverse * residual
            before, energy = energy, (residual * scaled).sum(0)
            step = scaled + energy / before * step
            off = np.linalg.norm(residual, axis=0) / size[live]
            history.append({"step": float(len(history) + 1), "residual": float(off.max())})
            on = off > tol
            if not on.all():
                x[:, live[~on]] = part[:, ~on]
                live, energy = live[on], energy[on]
                part, residual, step = part[:, on], residual[:, on], step[:, on]
            if signals.caught:
                signals.stop(f"stopped after {len(history)} iterations of the solver")
    x[:, live] = part
    if len(live):
        _warn(history, tol, max_iter)
    return Solution(x, len(history), history)


def check_solver(tol: Any, max_iter: Any) -> None:
    if not (isinstance(tol, int | float | np.number) and 0 < tol < 1):
        raise OptionError(f"tol={tol!r}; expected a number above 0 and below 1.")
    if isinstance(max_iter, bool) or not (isinstance(max_iter, int | np.integer) and max_iter >= 1):
        raise OptionError(f"max_iter={max_iter!r}; expected a whole number of at least 1.")


def _warn(history: list[dict[str, float]], tol: float, max_iter: int) -> None:
    warnings.warn(
        f"after max_iter={max_iter} iterations the residual is {history[-1]['residual']:.1e}, more than tol={tol:g}. "
        "Raise max_iter, or tol if that is exact enough.",
        ConvergenceWarning,
        stacklevel=5,
    )
