"""Where to draw the line between normal and anomalous scores, and how often it will be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from fewlabels.intervals import wilson

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """What a threshold is expected to do to new rows like those of the training.

    Attributes
    ----------
    false_alarms, false_alarms_low, false_alarms_high : share of normal rows that are called anomalies, 95 % interval
    recall, recall_low, recall_high : share of anomalies like the labeled ones that are found; None if not estimated
    n_rows, n_anomalies : how many rows each was estimated from
    how : what the figures rest on, in a sentence
    """

    false_alarms: float
    false_alarms_low: float
    false_alarms_high: float
    recall: float | None
    recall_low: float | None
    recall_high: float | None
    n_rows: int
    n_anomalies: int
    how: str


def by_contamination(scores: Floats, anomalous: NDArray[np.bool_], contamination: float) -> tuple[float, Rates]:
    """The threshold above which a share `contamination` of the training scores (N,) lies, and its rates.

    Parameters
    ----------
    anomalous : (N,) rows labeled as anomalies, which are no false alarms
    """
    threshold = float(np.quantile(scores, 1 - contamination))
    above = scores[~anomalous] > threshold
    low, high = wilson(int(above.sum()), len(above))
    how = (
        f"{int(above.sum()):,} of the {len(above):,} training rows not labeled as anomalies lie above the threshold. "
        "Of these some are anomalies, so the share of normal rows is lower; new rows may lie somewhat further out than "
        "rows that were trained on."
    )
    return threshold, Rates(float(above.mean()), low, high, None, None, None, len(above), 0, how)


def by_labels(scores: Floats, anomalous: NDArray[np.bool_], recall: float) -> tuple[float, Rates]:
    r"""The threshold that finds a new anomaly with probability `recall`, and its rates.

    Of m exchangeable anomalies and a new one, each is equally likely to be the k-th lowest, so a new one lies above the
    k-th lowest score with probability 1 - k/(m+1), and that share has a Beta(m+1-k, k) distribution (split conformal
    prediction; Vovk, Gammerman and Shafer 2005). k is the largest with 1 - k/(m+1) >= recall, and 1 if there is none.

    Parameters
    ----------
    scores : (N,) of each row from a network that was trained without it
    anomalous : (N,) rows labeled as anomalies
    """
    known = np.sort(scores[anomalous])
    m = len(known)
    k = max(1, floor((m + 1) * (1 - recall) + 1e-9))
    # the row itself must be found again: predictions are strict
    threshold = float(np.nextafter(known[k - 1], -np.inf))
    above = scores[~anomalous] > threshold
    low, high = wilson(int(above.sum()), len(above))
    found = 1 - k / (m + 1)
    recall_low, recall_high = (float(beta.ppf(p, m + 1 - k, k)) for p in (0.025, 0.975))
    short = "" if found >= recall - 1e-9 else f" {m} labeled anomalies are too few for a recall of {recall:g}."
    how = (
        f"Each row was scored by a network trained without it; {int(above.sum()):,} of the {len(above):,} rows not "
        "labeled as anomalies lie above the threshold. Of these some may be anomalies, so the share of normal rows is "
        f"at most about that.{short}"
    )
    return threshold, Rates(float(above.mean()), low, high, found, recall_low, recall_high, len(above), m, how)


def folds(anomalous: NDArray[np.bool_], most: int, seed: int) -> NDArray[np.int64]:
    """(N,) the fold of each row: `most` folds, or as many as there are labeled anomalies, which are spread evenly."""
    rng, k = np.random.default_rng(seed), min(most, int(anomalous.sum()))
    fold = np.empty(len(anomalous), dtype=np.int64)
    for group in (np.flatnonzero(anomalous), np.flatnonzero(~anomalous)):
        fold[rng.permutation(group)] = np.arange(len(group)) % k
    return fold
