"""What a detector must be better than: two classical detectors, and a classifier on the labels alone.

Each is trained on the same rows and labels and returns a function from new rows to scores. Rows labeled as anomalies
are left out of both detectors, as from Deep SVDD.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from fewlabels.anomaly.marks import ANOMALY, NORMAL
from fewlabels.partial_labels import Partial

Floats = NDArray[np.float64]

# A one-class SVM takes time and memory that grow with the square of the rows.
MOST_ROWS = 5000
# scikit-learn's default. It calls half of the rows outliers, but only the order of scores counts here, and by that 0.5
# was better than 0.01 to 0.2 (validation of benchmarks/anomalies.py: mean AUROC 0.72 against 0.65 to 0.70 on tables).
NU = 0.5


class Baseline(NamedTuple):
    """A name, a function from rows as `read_X` gives them to scores (the higher, the more anomalous), and a remark."""

    name: str
    score: Callable[[Any], Floats]
    note: str


def isolation_forest(data: Partial, seed: int) -> Baseline:
    forest = IsolationForest(random_state=seed).fit(flat(data.x)[_not_anomalous(data)])
    return Baseline("isolation forest", lambda x: -forest.score_samples(flat(x)), "")


def one_class_svm(data: Partial, seed: int) -> Baseline:
    rows, note = _not_anomalous(data), ""
    if len(rows) > MOST_ROWS:
        note = f"trained on {MOST_ROWS:,} rows drawn from {len(rows):,}"
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    machine = OneClassSVM(nu=NU, gamma="scale")
    machine.random_state = seed  # it has no such parameter, and draws from NumPy's global state without
    svm = make_pipeline(StandardScaler(), machine).fit(flat(data.x[rows]))
    return Baseline("one-class SVM", lambda x: -svm.decision_function(flat(x)), note)


def supervised(data: Partial, seed: int) -> Baseline:
    """A random forest on the labels alone; where no row is labeled normal, unlabeled ones stand for them."""
    x, y, note = flat(data.x), np.full(data.n_rows, -1), ""
    y[data.labeled] = data.y
    if not np.any(y == NORMAL):
        y[y < 0], note = NORMAL, "no row is labeled normal: all unlabeled ones were taken for normal"
    rows = y >= 0
    # single anomalies among thousands of rows: trees that isolate each of them tell new rows nothing
    leaf = 5 if np.count_nonzero(rows) >= 50 else 1
    forest = RandomForestClassifier(min_samples_leaf=leaf, class_weight="balanced_subsample", random_state=seed)
    forest.fit(x[rows], y[rows])
    return Baseline("labels alone", lambda x: forest.predict_proba(flat(x))[:, 1], note)


def flat(x: Any) -> Floats:
    """Rows as a table."""
    table: Floats = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    return table


def _not_anomalous(data: Partial) -> NDArray[np.int64]:
    keep = np.ones(data.n_rows, dtype=bool)
    keep[data.labeled[data.y == ANOMALY]] = False
    return np.flatnonzero(keep)
