"""The functions of the package beside estimators, each asked once with small data: name -> f(folder)."""

from dataclasses import replace

import every
import numpy as np

import fewlabels as fl
from fewlabels.report.page import page
from fewlabels.report.render import render

_STILL = {"baseline": 0.0, "candidate": 0.0}


def _table(labeled=30):
    x, truth = every.table()
    y = np.where(np.arange(every.N) < labeled, truth[: every.N], -1)
    return x[: every.N], y, x[every.N :], truth[every.N :]


def compare(folder):
    model = every._deep("classes", "fixmatch")(None)
    result = fl.compare(*_table(), method=model, folder=folder, random_state=0, command="again")
    return vars(result), result.questions(3), render(page(replace(result, seconds=_STILL)))


def compare_repeated(folder):
    X, y, _, _ = _table()
    result = fl.compare(X, y, method="naive_bayes", repeats=5, random_state=0, verbose=False)
    return vars(result), render(page(replace(result, seconds=_STILL)))


def budget(folder):
    X, y, _, _ = _table()
    return fl.label_budget(X, y, method="naive_bayes", sizes=[6, 12], random_state=0, folder=folder, verbose=False)


def anomalies(folder):
    X, y, X_test, y_test = _table()
    detector = fl.DeepSAD(**every._DETECTOR)
    return fl.compare_anomalies(X, np.minimum(y, 1), X_test, np.minimum(y_test, 1), detector=detector, random_state=0)


def audit(folder):
    return fl.audit(*_table())


def suggest(folder):
    return fl.suggest(*_table()[:2])


ALL = {"fl.compare": compare, "fl.compare, repeats": compare_repeated, "fl.label_budget": budget}
ALL |= {"fl.compare_anomalies": anomalies, "fl.audit": audit, "fl.suggest": suggest}
