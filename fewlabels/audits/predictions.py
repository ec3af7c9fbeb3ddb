"""Class probabilities that are comparable between labeled and unlabeled rows, because no model saw either."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

FOLDS = 5


def fold_matched(x_l: Floats, y: Codes, x_u: Floats, n_classes: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Probabilities of a logistic regression in 5 folds; each unlabeled row is scored by one random fold's model.

    A labeled row is scored by the model that was trained without its fold. Scoring the unlabeled rows by a model
    trained on all labels, or by the mean of the five, makes them differ from the labeled rows by construction
    (measured: 9 to 53 % and 7 to 16 % false alarms at a nominal 5 %); scoring labeled rows by a model that was
    trained on them is worst (59 %).

    Parameters
    ----------
    x_l, y : (L, D) and (L,) codes; x_u : (M, D)

    Returns
    -------
    (L, K) and (M, K)
    """
    n_folds = min(FOLDS, len(y))
    fold_l, fold_u = rng.permutation(np.arange(len(y)) % n_folds), rng.integers(0, n_folds, len(x_u))
    p_l, p_u = np.zeros((len(y), n_classes)), np.zeros((len(x_u), n_classes))
    for fold in range(n_folds):
        model = trained(x_l[fold_l != fold], y[fold_l != fold], n_classes)
        p_l[fold_l == fold], p_u[fold_u == fold] = model(x_l[fold_l == fold]), model(x_u[fold_u == fold])
    return p_l, p_u


def trained(x: Floats, y: Codes, n_classes: int) -> Any:
    """Rows (n, D) -> (n, K) by logistic regression; a class that is not in y gets 0."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    seen = np.unique(y)
    model = None
    if len(seen) > 1:
        with warnings.catch_warnings():
            # on heavy tails the last digits take long; the tests hold for any model, finished or not
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(max_iter=200).fit(x, y)

    def predict(new: Floats) -> Floats:
        out = np.zeros((len(new), n_classes))
        if len(new):
            out[:, seen] = 1.0 if model is None else model.predict_proba(new)
        return out

    return predict
