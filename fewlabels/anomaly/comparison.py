"""A detector beside Deep SVDD, two classical detectors and a classifier on the labels, judged on rows none has seen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from fewlabels.anomaly.baselines import isolation_forest, one_class_svm, supervised
from fewlabels.anomaly.deep_sad import DeepSAD
from fewlabels.anomaly.deep_svdd import DeepSVDD
from fewlabels.anomaly.marks import ANOMALY, NORMAL, as_codes, marked
from fewlabels.anomaly.metrics import NAMES, Estimate, bootstrap, interval, metrics
from fewlabels.classical.checking import check_number
from fewlabels.data.inputs import check_X
from fewlabels.data.labels import as_vector, read_labels
from fewlabels.errors import InputError, OptionError, said_of
from fewlabels.intervals import wilson
from fewlabels.partial_labels import Partial
from fewlabels.seeds import check_seed

Floats = NDArray[np.float64]
# Normal rows below which unlabeled ones are held out in their place, and how many of these at most
_FEWEST_NORMAL, _MOST_STAND_INS = 20, 2000
# Rows to look at first; resamples of an interval
MOST_FIRST, _RESAMPLES = 24, 1000


@dataclass(frozen=True)
class Scored:
    """One model on the evaluation rows.

    Attributes
    ----------
    name : as the report calls it; note : what a reader must know of its training, or ""
    scores : (n,) the higher, the more anomalous
    auroc, average_precision, recall : each an `Estimate` (value, low, high)
    ahead : by how much the detector is ahead of this model, an `Estimate` for each of the three; {} for the detector
    seconds : of its training
    """

    name: str
    note: str
    scores: Floats
    auroc: Estimate
    average_precision: Estimate
    recall: Estimate
    ahead: dict[str, Estimate]
    seconds: float


@dataclass(frozen=True)
class AnomalyComparison:
    """What an untouched set of rows says about fitted detectors.

    Attributes
    ----------
    detector : the fitted detector
    models : `Scored` of the detector, then of each other
    anomalous : (n,) whether each evaluation row is an anomaly; rows_eval : (n,) which rows of X (or X_test) these are
    held_out : no test set was given; stand_ins : unlabeled rows were taken for normal ones, for want of labels
    false_alarms : the false-alarm rate at which `recall` is measured
    alarms_at_threshold, recall_at_threshold : rates of the detector's own threshold on the evaluation rows, with Wilson
        intervals
    first : unlabeled rows of X, the most anomalous first, to look at; first_scores : their scores over the threshold
    X : the rows given; data : counts; seed : of all trainings and draws
    """

    detector: DeepSAD | DeepSVDD
    models: tuple[Scored, ...]
    anomalous: NDArray[np.bool_]
    rows_eval: NDArray[np.int64]
    held_out: bool
    stand_ins: bool
    false_alarms: float
    alarms_at_threshold: Estimate
    recall_at_threshold: Estimate
    first: NDArray[np.int64]
    first_scores: Floats
    X: Any
    data: dict[str, Any]
    seed: int

    @property
    def sentence(self) -> str:
        """The result in plain words."""
        own, n, k = self.models[0], len(self.anomalous), int(self.anomalous.sum())
        behind = [m.name for m in self.models[1:] if m.ahead["auroc"].low > 0]
        above = [m.name for m in self.models[1:] if m.ahead["auroc"].high < 0]
        unclear = [m.name for m in self.models[1:] if m.name not in behind + above]
        parts = (("ahead of", behind), ("behind", above), ("not to be told apart from", unclear))
        said = "; ".join(f"{how} {', '.join(names)}" for how, names in parts if names)
        return (
            f"On {n:,} rows with {k:,} anomalies {own.name} has an AUROC of {own.auroc.value:.3f} "
            f"({own.auroc.low:.3f} to {own.auroc.high:.3f}). By its 95 % intervals it is {said}. This speaks of these "
            "fitted models and rows like these, not of methods."
        )

    def report(self, path: Any) -> Path:
        """Write one self-contained HTML page to `path`, and the same facts as JSON beside it."""
        from fewlabels.report import write_anomalies

        return write_anomalies(self, path)


def compare_anomalies(
    X: Any,
    y: Any,
    X_test: Any = None,
    y_test: Any = None,
    *,
    detector: DeepSAD | DeepSVDD | None = None,
    holdout: float = 0.3,
    false_alarms: float = 0.05,
    random_state: int | None = None,
) -> AnomalyComparison:
    """Train a detector and what it must be better than on the same rows, and judge all on rows none has seen.

    Parameters
    ----------
    X : rows as `DeepSAD.fit` takes them; y : 0 normal, 1 anomaly, -1 not known
    X_test, y_test : rows to judge by and for nothing else, all labeled. Without them a part of the labels is held out;
        where fewer than 20 labeled normal rows would be, unlabeled rows are held out and taken for normal. Some of
        them are anomalies, so all scores then look somewhat worse than they are
    detector : None takes `DeepSAD()`; Deep SVDD gets the same options
    holdout : share of the labels that is held out when there is no test set
    false_alarms : the false-alarm rate at which recall is measured
    random_state : seed of all trainings and draws; None draws one, which the report names

    Returns
    -------
    AnomalyComparison

    Raises
    ------
    InputError : the data cannot be used, or too few anomalies are labeled to judge by; OptionError : an option cannot

    Examples
    --------
    >>> import numpy as np, fewlabels as fl
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> X[:30] += 3
    >>> y = np.full(300, -1)
    >>> y[:12] = 1
    >>> detector = fl.DeepSAD(pretrain_steps=30, steps=30, verbose=False)
    >>> result = fl.compare_anomalies(X, y, detector=detector, random_state=0)
    >>> [model.name for model in result.models]
    ['DeepSAD', 'DeepSVDD', 'isolation forest', 'one-class SVM', 'labels alone']
    """
    check_number("holdout", holdout, 0.05, 0.9)
    check_number("false_alarms", false_alarms, 1e-4, 0.5)
    if detector is not None and not isinstance(detector, DeepSAD | DeepSVDD):
        raise OptionError(f"detector is {type(detector).__name__}; expected fl.DeepSAD(...) or fl.DeepSVDD(...).")
    seed = check_seed(random_state)
    data = marked(X, y)
    if (X_test is None) != (y_test is None):
        raise InputError("only one of X_test and y_test was given. Give both, or neither.")
    train, stand_ins = np.arange(data.n_rows), False
    if X_test is None:
        judged, anomalous, stand_ins = _hold_out(data, holdout, seed)
        train, X_test = np.setdiff1d(train, judged), _safe_indexing(X, judged)
        held_out = True
    else:
        anomalous, held_out = _given(y_test), False
        judged = np.arange(len(anomalous))
    with said_of("X_test"):
        n_judged = len(check_X(X_test, like=data.form, name="compare_anomalies"))
    if n_judged != len(anomalous):
        raise InputError(f"X_test has {n_judged} rows, y_test has {len(anomalous)}. Give one label for each row.")
    own, scored = _train_all(X, y, train, detector or DeepSAD(), X_test, seed)
    drawn = bootstrap(anomalous, [model.scores for model in scored], false_alarms, _RESAMPLES, seed)
    hits = own.predict(X_test) > 0
    first, first_scores = _first(own, X, data)
    return AnomalyComparison(
        detector=own,
        models=_judged(scored, anomalous, false_alarms, drawn),
        anomalous=anomalous,
        rows_eval=judged,
        held_out=held_out,
        stand_ins=stand_ins,
        false_alarms=false_alarms,
        alarms_at_threshold=_share(hits[~anomalous]),
        recall_at_threshold=_share(hits[anomalous]),
        first=first,
        first_scores=first_scores,
        X=X,
        data={
            "kind": data.kind,
            "rows": data.n_rows,
            "labeled anomalies": int(np.sum(data.y == ANOMALY)),
            "labeled normal rows": int(np.sum(data.y == NORMAL)),
            "unlabeled rows": len(data.unlabeled),
            "training rows": len(train),
        },
        seed=seed,
    )


class _Fitted(NamedTuple):
    name: str
    note: str
    scores: Floats
    seconds: float


def _hold_out(data: Partial, holdout: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.bool_], bool]:
    """Rows to judge by, whether each is an anomaly, and whether unlabeled rows stand for normal ones."""
    rng = np.random.default_rng([seed, 11])
    anomalies, normal = (rng.permutation(data.labeled[data.y == code]) for code in (ANOMALY, NORMAL))
    if len(anomalies) < 4:
        raise InputError(
            f"y has {len(anomalies)} labeled anomalies (1); without a test set 4 or more are needed, for some of them "
            "must stay out of training. Label more, or give X_test and y_test."
        )
    out = anomalies[: max(2, min(len(anomalies) - 2, round(holdout * len(anomalies))))]
    inliers = normal[: round(holdout * len(normal))]
    stand_ins = len(inliers) < _FEWEST_NORMAL
    if stand_ins:
        inliers = rng.permutation(data.unlabeled)[: min(_MOST_STAND_INS, round(holdout * len(data.unlabeled)))]
    if not len(inliers):
        raise InputError("there is no row to hold out as normal: y has too few normal (0) and unlabeled (-1) rows.")
    rows = np.sort(np.concatenate([out, inliers]))
    return rows, np.isin(rows, out), stand_ins


def _given(y_test: Any) -> NDArray[np.bool_]:
    with said_of("y_test"):
        labels = read_labels(y_test)
    codes = as_codes(labels.values, labels.rows, "y_test")
    if len(codes) != labels.n_rows or len(np.unique(codes)) < 2:
        raise InputError(
            f"y_test has {labels.n_rows - len(codes)} unlabeled rows, {int(np.sum(codes == NORMAL))} normal (0) and "
            f"{int(np.sum(codes == ANOMALY))} anomalies (1). Every test row needs its label, and both kinds are needed."
        )
    anomalous: NDArray[np.bool_] = codes == ANOMALY
    return anomalous


def _train_all(
    X: Any, y: Any, train: NDArray[np.int64], detector: DeepSAD | DeepSVDD, X_eval: Any, seed: int
) -> tuple[DeepSAD | DeepSVDD, list[_Fitted]]:
    """The fitted detector, and the scores of all models on the evaluation rows."""
    rows, marks = _safe_indexing(X, train), np.asarray(as_vector(y))[train]
    own = clone(detector).set_params(random_state=seed)
    deep = [own]
    if isinstance(own, DeepSAD):
        shared = DeepSVDD().get_params()
        deep.append(DeepSVDD(**{k: v for k, v in own.get_params().items() if k in shared}))
    fitted = []
    for model in deep:
        began = time.perf_counter()
        model.fit(rows, marks)
        seconds = time.perf_counter() - began
        fitted.append(_Fitted(type(model).__name__, "", model.decision_function(X_eval), seconds))
    data = marked(rows, marks)
    x_eval = check_X(X_eval, like=data.form, name="compare_anomalies")
    for make in (isolation_forest, one_class_svm, supervised):
        began = time.perf_counter()
        baseline = make(data, seed)
        fitted.append(_Fitted(baseline.name, baseline.note, baseline.score(x_eval), time.perf_counter() - began))
    return own, fitted


def _judged(
    fitted: list[_Fitted], anomalous: NDArray[np.bool_], false_alarms: float, drawn: Floats
) -> tuple[Scored, ...]:
    values = [metrics(anomalous, model.scores, false_alarms) for model in fitted]
    judged = []
    for i, model in enumerate(fitted):
        own = {name: interval(values[i][k], drawn[i, :, k]) for k, name in enumerate(NAMES)}
        ahead = {
            name: interval(values[0][k] - values[i][k], drawn[0, :, k] - drawn[i, :, k]) for k, name in enumerate(NAMES)
        }
        judged.append(
            Scored(model.name, model.note, model.scores, **own, ahead=ahead if i else {}, seconds=model.seconds)
        )
    return tuple(judged)


def _first(own: DeepSAD | DeepSVDD, X: Any, data: Partial) -> tuple[NDArray[np.int64], Floats]:
    scores = own.decision_function(_safe_indexing(X, data.unlabeled)) if len(data.unlabeled) else np.empty(0)
    order = np.argsort(-scores, kind="stable")[:MOST_FIRST]
    return data.unlabeled[order], scores[order] / own.threshold_


def _share(hits: NDArray[np.bool_]) -> Estimate:
    return Estimate(float(hits.mean()), *wilson(int(hits.sum()), len(hits)))
