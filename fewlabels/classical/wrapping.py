"""Base classifiers, and what self-training, co-training and tri-training ask of them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from fewlabels.data.memory import check_memory, held_bytes
from fewlabels.errors import InputError, OptionError

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


class StandardLogistic(ClassifierMixin, BaseEstimator):
    """Logistic regression on standardized columns: the default base. What it learns is arrays, so files can hold it.

    Sparse columns are scaled and not centred, so that they stay sparse.
    """

    def fit(self, X: Any, y: Any, sample_weight: Array | None = None) -> Self:
        # unweighted: a variance weighted over sparse columns can come out of scikit-learn below zero
        scaler = StandardScaler(with_mean=not issparse(X)).fit(X)
        model = LogisticRegression(max_iter=1000).fit(scaler.transform(X), y, sample_weight=sample_weight)
        self.classes_, self.scale_ = model.classes_, scaler.scale_
        self.mean_ = np.zeros(X.shape[1]) if issparse(X) else scaler.mean_
        # two classes have one row of coefficients: softmax over (0, z) is its sigmoid
        both = len(model.coef_) == 1
        self.coef_ = np.vstack([0 * model.coef_, model.coef_]) if both else model.coef_
        self.intercept_ = np.append(0, model.intercept_) if both else model.intercept_
        return self

    def decision_function(self, X: Any) -> Array:
        """(N, K) logits; (N,) with two classes, as scikit-learn's calibration expects."""
        z = self._logits(X)
        return z[:, 1] if len(self.classes_) == 2 else z

    def predict_proba(self, X: Any) -> Array:
        proba: Array = softmax(self._logits(X), axis=1)
        return proba

    def _logits(self, X: Any) -> Array:
        x = X * (1 / self.scale_) if issparse(X) else (X - self.mean_) / self.scale_
        logits: Array = x @ self.coef_.T + self.intercept_
        return logits

    def predict(self, X: Any) -> NDArray[Any]:
        likeliest: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(1)]
        return likeliest


def check_base(estimator: Any) -> Any:
    """The base classifier to clone: the default for None; refuse what has no probabilities."""
    if estimator is None:
        return StandardLogistic()
    # a property of an estimator may itself ask whether it can be had, as SVC(probability=False) does
    lacks = [part for part in ("fit", "predict_proba", "get_params") if getattr(estimator, part, None) is None]
    if lacks or isinstance(estimator, type):
        raise OptionError(
            f"estimator={estimator!r} should be a classifier, an instance with fit and predict_proba"
            + (f"; it has no {' and no '.join(lacks)}" if lacks else "")
            + ". One with a decision_function alone can be wrapped: CalibratedClassifierCV(estimator)."
        )
    return estimator


def new_base(estimator: Any, seed: int) -> Any:
    """An unfitted copy of an estimator; wherever it has a random_state left at None, that is set."""
    base = clone(estimator)
    own = base.get_params()
    loose = [key for key, value in own.items() if key.split("__")[-1] == "random_state" and value is None]
    return base.set_params(**dict.fromkeys(sorted(loose), seed)) if loose else base


def check_weights(base: Any) -> None:
    """Refuse a base whose fit does not take sample_weight."""
    if not has_fit_parameter(base, "sample_weight"):
        raise OptionError(
            f"weighted=True needs a base whose fit takes sample_weight, and that of {base!r} takes none. "
            "Choose another base, or weighted=False."
        )


def fit_weighted(base: Any, x: Any, codes: Codes, weight: Array | None) -> Any:
    """Fit `base` on class codes, with weights where they are given; a pipeline hands them to its last step."""
    if weight is None:
        return base.fit(x, codes)
    if isinstance(base, Pipeline):
        name, last = base.steps[-1]
        check_weights(last)
        return base.fit(x, codes, **{f"{name}__sample_weight": weight})
    check_weights(base)
    return base.fit(x, codes, sample_weight=weight)


def check_copies(x: Any, n_classes: int) -> None:
    """Refuse rows of which there is no room for the copy that a base is given, and those that it may make of that.

    Two, and of sparse rows three; and eight arrays of probabilities.
    """
    copies = (4 if issparse(x) else 3) * held_bytes(x)
    check_memory(copies + 64.0 * x.shape[0] * n_classes, "the rows to learn from", "Use fewer rows or columns.")


def class_proba(base: Any, x: Any, n_classes: int) -> Array:
    """(N, K) probabilities of a fitted base; a class that it did not see has 0."""
    if x.shape[0] == 0:
        return np.empty((0, n_classes))
    given = np.asarray(base.predict_proba(x), dtype=np.float64)
    if not np.isfinite(given).all():
        row = int(np.argmin(np.isfinite(given).all(1)))
        raise InputError(f"{base!r} gives a probability that is not finite (first: row {row}). Use another base.")
    proba = np.zeros((len(given), n_classes))
    proba[:, np.asarray(base.classes_, dtype=np.int64)] = given
    total = proba.sum(1, keepdims=True)
    return np.where(total > 0, proba / np.where(total > 0, total, 1), 1 / n_classes)


def surest(proba: Array, rows: Codes, most: int) -> Codes:
    """Up to `most` of `rows`, those of the highest probability; ties go to the first row."""
    order = np.argsort(-proba[rows].max(1), kind="stable")
    return rows[order[:most]]
