"""How well scores tell anomalies from normal rows: three metrics, and paired bootstrap intervals of all of them.

AUROC : the probability that an anomaly scores higher than a normal row, ties counted half
Average precision : the mean over anomalies of the precision at their score
Recall at a fixed false-alarm rate : the share of anomalies above the lowest threshold at which at most that share of
normal rows lies above it

Intervals are percentiles of a bootstrap that draws normal rows and anomalies separately, the same draws for every
model, so that a difference is paired. DeLong's variance would do for AUROC alone; this does for all three. Below some
20 anomalies the intervals are too narrow, and a perfect score has none; coverage: tests/test_anomaly_comparison.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAMES = ("auroc", "average_precision", "recall")
LEVEL = 0.95
# Bytes of one chunk of resampled weights
_CHUNK = 4_000_000


class Estimate(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def metrics(anomalous: NDArray[np.bool_], scores: Floats, false_alarms: float, weights: Floats | None = None) -> Floats:
    """(3,) AUROC, average precision, recall; with weights (B, n) of the rows, (B, 3).

    Parameters
    ----------
    anomalous : (n,); scores : (n,) the higher, the more anomalous
    false_alarms : share of normal rows that may lie above the threshold of the recall
    """
    order = np.argsort(-scores, kind="stable")
    y, w = anomalous[order], (np.ones((1, len(scores))) if weights is None else weights[:, order])
    # rows of equal score are one group; all three change only where a group holds an anomaly
    starts = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))
    ends = np.append(starts[1:], len(y))
    holds = np.add.reduceat(y, starts, dtype=np.int64) > 0
    starts, ends = starts[holds], ends[holds]
    total = np.cumsum(w, axis=1)
    hits = w[:, y]
    found = np.cumsum(hits, axis=1)[:, np.cumsum(y)[ends - 1] - 1]
    alarms = total[:, ends - 1] - found
    earlier = np.concatenate([np.zeros((len(w), 1)), found[:, :-1]], axis=1)
    before = np.where(starts > 0, total[:, starts - 1], 0) - earlier
    normal, share = total[:, -1:] - found[:, -1:], found / found[:, -1:]
    steps = np.diff(share, axis=1, prepend=0)
    auroc = (steps * (1 - (before + alarms) / (2 * normal))).sum(1)
    # where nothing was drawn yet there is no step, so the precision there does not matter
    precision = (steps * found / np.maximum(found + alarms, 1e-300)).sum(1)
    recall = np.where(alarms <= (false_alarms + 1e-12) * normal, share, 0.0).max(1)
    out: Floats = np.stack([auroc, precision, recall], axis=1)
    return out[0] if weights is None else out


def bootstrap(anomalous: NDArray[np.bool_], scores: list[Floats], false_alarms: float, n: int, seed: int) -> Floats:
    """(models, n, 3) the metrics of every model on n resamples of the rows, the same for all models."""
    drawn = [
        np.stack([metrics(anomalous, s, false_alarms, weights) for s in scores])
        for weights in _resampled(anomalous, n, np.random.default_rng(seed))
    ]
    return np.concatenate(drawn, axis=1)


def interval(value: float, drawn: Floats) -> Estimate:
    """Percentile interval of resampled values (n,) around `value`."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))


def roc(anomalous: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Shares of normal rows and of anomalies above each threshold, from none to all."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found, alarms = (np.append(0.0, np.cumsum(part[order])[ends] / part.sum()) for part in (anomalous, ~anomalous))
    return alarms, found


def _resampled(anomalous: NDArray[np.bool_], n: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each row is drawn (b, rows), anomalies among anomalies and normal rows among normal ones."""
    size = max(1, _CHUNK // (8 * len(anomalous)))
    for start in range(0, n, size):
        weights = np.zeros((min(size, n - start), len(anomalous)))
        for rows in (np.flatnonzero(anomalous), np.flatnonzero(~anomalous)):
            weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=len(weights))
        yield weights
