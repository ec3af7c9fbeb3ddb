"""The two objectives of the S3VM with their gradients; `s3vm.py` has the equations and the sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.classical.linear import Columns, Floats, row_mean
from fewlabels.data.memory import check_memory
from fewlabels.errors import OptionError
from fewlabels.partial_labels import Partial

# s of the unlabeled loss exp(-s f^2): Chapelle & Zien (2005), section 3.1.
_S = 3.0


@dataclass(frozen=True)
class Problem:
    """Binary problems side by side: one for each of K columns, which share the rows and nothing else.

    Attributes
    ----------
    given : the labeled rows (L, D)
    rows : all rows (N, D), with the same scaling, centered on the mean of the unlabeled ones
    signs : (L, K), 1 for the rows of the column's class, -1 for all other labeled rows
    labeled, unlabeled : which of `rows` they are
    C : as in LinearSVC
    """

    given: Columns
    rows: Columns
    signs: Floats
    labeled: NDArray[np.int64]
    unlabeled: NDArray[np.int64]
    C: float

    @property
    def shape(self) -> tuple[int, int]:
        """(D, K)."""
        return self.rows.center.shape[0], self.signs.shape[1]

    def supervised(self, packed: Floats) -> tuple[float, Floats]:
        """The labeled rows alone, over weights and biases (D K + K,), divided by C L."""
        weights, bias = self.unpack(packed)
        loss, slopes = self._labeled(self.given.scores(weights) + bias)
        norm, shrink = self._norm(weights)
        return loss + norm, np.concatenate([(self.given.gradient(slopes) + shrink).ravel(), slopes.sum(0)])

    def transductive(self, packed: Floats, bias: Floats, lambda_u: float) -> tuple[float, Floats]:
        """All rows, over the weights (D K,), divided by C L; the bias is the mean output of the unlabeled rows."""
        weights = packed.reshape(self.shape)
        scores = self.rows.scores(weights) + bias
        slopes = np.zeros_like(scores)
        loss, slopes[self.labeled] = self._labeled(scores[self.labeled])
        loss_u, slopes_u = self._unlabeled(scores[self.unlabeled])
        slopes[self.unlabeled] = lambda_u * slopes_u
        norm, shrink = self._norm(weights)
        return loss + lambda_u * loss_u + norm, (self.rows.gradient(slopes) + shrink).ravel()

    def labeled_objective(self, weights: Floats, bias: Floats) -> tuple[float, Floats]:
        """LinearSVC's objective (K problems summed) and the scores (L, K) of the labeled rows."""
        value, _ = self.supervised(np.concatenate([weights.ravel(), bias]))
        return value * self.C * len(self.labeled), self.given.scores(weights) + bias

    def unlabeled_loss(self, weights: Floats, bias: Floats) -> float:
        """How near unlabeled rows lie to the boundaries: 0 far away, K on all of them."""
        return self._unlabeled(self.rows.scores(weights)[self.unlabeled] + bias)[0]

    def unpack(self, packed: Floats) -> tuple[Floats, Floats]:
        """Weights (D, K) and biases (K,) of `supervised`."""
        width, k = self.shape
        return packed[: width * k].reshape(width, k), packed[width * k :]

    def _labeled(self, scores: Floats) -> tuple[float, Floats]:
        slack = np.maximum(0.0, 1 - self.signs * scores)
        n = len(self.signs)
        return float(np.square(slack).sum()) / n, -2 / n * slack * self.signs

    def _unlabeled(self, scores: Floats) -> tuple[float, Floats]:
        near = np.exp(-_S * np.square(scores))
        n = len(self.unlabeled)
        return float(near.sum()) / n, -2 * _S / n * scores * near

    def _norm(self, weights: Floats) -> tuple[float, Floats]:
        shrink = weights / (self.C * len(self.labeled))
        return 0.5 * float((weights * shrink).sum()), shrink


def as_problem(x: Any, scale: Floats, data: Partial, C: float) -> Problem:
    """The problem of training rows x (N, D): one column a class, one in all for two classes."""
    unlabeled = data.unlabeled
    k = 1 if data.n_classes == 2 else data.n_classes
    check_memory(8.0 * 6 * x.shape[0] * k, f"The scores of {x.shape[0]} rows for {k} classes", "Use fewer rows.")
    signs = np.where(data.y[:, None] == np.arange(data.n_classes)[-k:], 1.0, -1.0)
    center = row_mean(x, unlabeled if len(unlabeled) else data.labeled)
    given = x[data.labeled] if len(unlabeled) else x
    return Problem(Columns(given, center, scale), Columns(x, center, scale), signs, data.labeled, unlabeled, C)


def as_prior(given: Any, data: Partial) -> Floats:
    """Shares of the classes (K,): those given, else those of the labels.

    Raises
    ------
    OptionError : they are no shares of these classes
    """
    k = data.n_classes
    if given is None:
        return np.bincount(data.y, minlength=k) / len(data.y)
    try:
        prior = np.asarray(given, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        prior = np.empty(0)
    if prior.shape != (k,) or not (prior >= 0).all() or not abs(prior.sum() - 1) < 1e-6:
        assert data.classes is not None
        raise OptionError(
            f"class_prior={given!r}; expected {k} shares of at least 0 that sum to 1, for the classes "
            f"{data.classes.tolist()} in this order."
        )
    return prior
