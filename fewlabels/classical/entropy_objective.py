"""The objective of logistic regression with an entropy term; `entropy_logistic.py` has the equation and the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from fewlabels.classical.linear import Columns, Floats


@dataclass(frozen=True)
class Objective:
    """The objective divided by C L, and its gradient, over weights and biases (D K' + K',).

    K' is 1 for two classes, whose logits are (0, f) as in scikit-learn: two weight vectors would be penalized less.
    """

    given: Columns
    rows: Columns
    y: NDArray[np.int64]
    unlabeled: NDArray[np.int64]
    n_classes: int
    C: float

    @property
    def n_parameters(self) -> int:
        return (len(self.rows.center) + 1) * self._width

    def __call__(self, packed: Floats, lambda_u: float) -> tuple[float, Floats]:
        weights, bias = self.unpack(packed)
        shrink = weights / (self.C * len(self.y))
        scores = self.given.scores(weights) + bias
        loss, slopes = self._labeled(scores)
        gradient, bias_gradient = self.given.gradient(slopes) + shrink, slopes.sum(0)
        if lambda_u:
            entropy, slopes_u = self._entropy(self.rows.scores(weights) + bias)
            loss += lambda_u * entropy
            gradient += lambda_u * self.rows.gradient(slopes_u)
            bias_gradient = bias_gradient + lambda_u * slopes_u.sum(0)
        value = loss + 0.5 * float((weights * shrink).sum())
        return value, np.concatenate([gradient.ravel(), bias_gradient])

    def entry(self, packed: Floats, step: int, lambda_u: float, iterations: int) -> dict[str, float]:
        weights, bias = self.unpack(packed)
        loss_x, _ = self._labeled(self.given.scores(weights) + bias)
        loss_u = self._entropy(self.rows.scores(weights) + bias)[0] if len(self.unlabeled) else 0.0
        return {
            "step": float(step),
            "lambda_u": lambda_u,
            "loss_x": loss_x,
            "loss_u": loss_u,
            "iterations": float(iterations),
        }

    def counts(self, packed: Floats) -> NDArray[np.int64]:
        """How many unlabeled rows each class would get (K,)."""
        weights, bias = self.unpack(packed)
        scores = self.rows.scores(weights)[self.unlabeled] + bias
        return np.bincount(logits(scores).argmax(1), minlength=self.n_classes)

    def unpack(self, packed: Floats) -> tuple[Floats, Floats]:
        """Weights (D, K') and biases (K',)."""
        return packed[: -self._width].reshape(-1, self._width), packed[-self._width :]

    @property
    def _width(self) -> int:
        return 1 if self.n_classes == 2 else self.n_classes

    def _labeled(self, scores: Floats) -> tuple[float, Floats]:
        log_p = log_softmax(logits(scores), axis=1)
        n, rows = len(self.y), np.arange(len(self.y))
        slopes = np.exp(log_p) / n
        slopes[rows, self.y] -= 1 / n
        return -float(log_p[rows, self.y].sum()) / n, slopes[:, -self._width :]

    def _entropy(self, scores: Floats) -> tuple[float, Floats]:
        """Mean entropy of the unlabeled rows; its slopes (N, K') are 0 on the labeled ones."""
        log_p = log_softmax(logits(scores[self.unlabeled]), axis=1)
        p, n = np.exp(log_p), len(self.unlabeled)
        entropy = -(p * log_p).sum(1, keepdims=True)
        slopes = np.zeros_like(scores)
        slopes[self.unlabeled] = (-p * (log_p + entropy) / n)[:, -self._width :]
        return float(entropy.sum()) / n, slopes


def logits(scores: Floats) -> Floats:
    """Scores (N, K') -> logits (N, K)."""
    return np.hstack([np.zeros_like(scores), scores]) if scores.shape[1] == 1 else scores
