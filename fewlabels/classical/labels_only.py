"""What the labels alone can do: nearest neighbors or a linear model, chosen by cross-validation on the labels.

The baseline of the graph estimators: no row without a label is read. A method that uses the unlabeled rows earns
its keep only above this.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import safe_sparse_dot

from fewlabels.classical.base import Classical, ClassicalClassifier
from fewlabels.data.memory import memory_errors
from fewlabels.graph.neighbors import nearest, prepare
from fewlabels.seeds import check_seed

Floats = NDArray[np.float64]
# The candidates, the first of equally good ones first; numbers are neighbors.
_NEAR = {"1 neighbor": 1, "5 neighbors": 5}
_FOLDS = 5


class LabelsOnly(Classical):
    """Chooses a candidate on the labeled rows, and holds what it needs to predict as arrays."""

    takes_sparse: ClassVar[bool] = True

    metric: str
    random_state: Any
    X_: Any
    y_: Any
    coef_: Floats | None
    intercept_: Floats | None

    def _choose(self, x: Any, y: Floats, folds: list[tuple[Any, Any]], linear: Any) -> tuple[str, dict[str, float]]:
        """The best mean score over the folds; without folds, or among equals, the linear model.

        Parameters
        ----------
        x : (L, D) labeled rows; y : (L, K) one-hot, or (L, 1) numbers
        linear : name of the linear model
        """
        fewest = min((len(train) for train, _ in folds), default=0)
        names = [linear, *(name for name, k in _NEAR.items() if k <= fewest)]
        scores = {
            name: float(np.mean([self._score(y[out], self._model(name, x[fit], y[fit], x[out])) for fit, out in folds]))
            for name in names
            if folds
        }
        return max(scores, key=lambda name: scores[name], default=linear), scores

    def _model(self, name: str, x: Any, y: Floats, new: Any) -> Floats:
        """(Q, K) outputs for the rows `new` of a candidate trained on x (L, D), y (L, K)."""
        return self._apply(name, self._train(name, x, y), new)

    def _train(self, name: str, x: Any, y: Floats) -> tuple[Any, Any]:
        """What `_apply` needs: the labeled rows and targets, or weights and intercept."""
        return (x, y) if name in _NEAR else self._linear(x, y)

    def _apply(self, name: str, trained: tuple[Any, Any], new: Any) -> Floats:
        if name not in _NEAR:
            return self._link(safe_sparse_dot(new, trained[0]) + trained[1])
        found = nearest(prepare(trained[0], self.metric), _NEAR[name], prepare(new, self.metric))
        return np.asarray(trained[1][found.index].mean(1))

    def _linear(self, x: Any, y: Floats) -> tuple[Floats, Floats]:
        """Weights (D, K) and intercept (K,) of the linear model, in the units of x."""
        scaler = StandardScaler(with_mean=not issparse(x)).fit(x)
        weights, intercept = self._regress(scaler.transform(x), y)
        weights = weights / scaler.scale_[:, None]
        return weights, intercept if issparse(x) else intercept - scaler.mean_ @ weights

    def _regress(self, x: Any, y: Floats) -> tuple[Floats, Floats]:
        raise NotImplementedError

    def _link(self, linear: Floats) -> Floats:
        raise NotImplementedError

    def _score(self, y: Floats, output: Floats) -> float:
        raise NotImplementedError

    def _keep(self, chosen: str, scores: dict[str, float], trained: tuple[Any, Any]) -> None:
        """Fitted attributes; call it when nothing can fail any more."""
        self.chosen_, self.scores_ = chosen, scores
        self.X_, self.y_ = trained if chosen in _NEAR else (None, None)
        self.coef_, self.intercept_ = (None, None) if chosen in _NEAR else trained

    def _output(self, X: Any) -> Floats:
        rows = self._rows(X)
        trained = (self.X_, self.y_) if self.chosen_ in _NEAR else (self.coef_, self.intercept_)
        return self._apply(self.chosen_, trained, rows)


class LabelsOnlyClassifier(ClassicalClassifier, LabelsOnly):
    """Logistic regression, 1 or 5 nearest neighbors, whichever cross-validates best on the labels.

    Rows without a label are not used. Accuracy in 5 stratified folds decides, or as many folds as the rarest
    class has labels; where it has one, and among equals, logistic regression is taken, then 1 neighbor.

    Parameters
    ----------
    metric : of the nearest neighbors, "euclidean" or "cosine"
    random_state : seed of the folds

    Attributes
    ----------
    classes_ : (K,) in the type of y
    chosen_ : "logistic regression", "1 neighbor" or "5 neighbors"
    scores_ : cross-validated accuracy of each candidate; empty where a class has one label
    coef_, intercept_ : (D, K) and (K,) of logistic regression, in the units of X, or None
    X_, y_ : the labeled rows and their one-hot labels where neighbors were chosen, or None
    transduction_ : (N,) the given label of each labeled row, the predicted one of every other
    n_features_in_, feature_names_in_ : what fit saw

    Examples
    --------
    >>> from fewlabels.classical.labels_only import LabelsOnlyClassifier
    >>> model = LabelsOnlyClassifier(random_state=0).fit([[0.0], [0.2], [1.0], [1.2], [9.0]], [0, 0, 1, 1, -1])
    >>> model.chosen_, model.predict([[1.1]]).tolist()
    ('logistic regression', [1])
    """

    def __init__(self, *, metric: str = "euclidean", random_state: Any = None) -> None:
        self.metric = metric
        self.random_state = random_state

    def baseline(self) -> Self:
        """Itself: it uses the labels alone already."""
        return type(self)(metric=self.metric, random_state=self.random_state)

    def fit(self, X: Any, y: Any) -> Self:
        """Choose and train on the labeled rows; y marks unlabeled rows with -1, None, NaN or "".

        Raises
        ------
        InputError : the data cannot be used; OptionError : an option cannot
        """
        with memory_errors():
            seed = check_seed(self.random_state)
            x, data = self._enter(X, y)
            prepare(x[:1], self.metric)
            rows, one_hot = x[data.labeled], np.eye(data.n_classes)[data.y]
            n_folds = min(_FOLDS, int(np.bincount(data.y).min()))
            folds = []
            if n_folds >= 2:
                split = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
                folds = list(split.split(np.zeros(len(data.y)), data.y))
            chosen, scores = self._choose(rows, one_hot, folds, "logistic regression")
            trained = self._train(chosen, rows, one_hot)
            proba = self._apply(chosen, trained, x)
            self._keep(chosen, scores, trained)
            self._remember_classes(data, proba)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """(Q, K) probabilities, columns as in `classes_`; of neighbors, the share of their votes."""
        return self._output(X)

    def _regress(self, x: Any, y: Floats) -> tuple[Floats, Floats]:
        model = LogisticRegression(max_iter=1000).fit(x, y.argmax(1))
        if y.shape[1] > 2:
            return model.coef_.T, model.intercept_
        # two classes come as one column of log odds
        return np.concatenate([-model.coef_, model.coef_]).T / 2, np.concatenate(
            [-model.intercept_, model.intercept_]
        ) / 2

    def _link(self, linear: Floats) -> Floats:
        power = np.exp(linear - linear.max(1, keepdims=True))
        out: Floats = power / power.sum(1, keepdims=True)
        return out

    def _score(self, y: Floats, output: Floats) -> float:
        return float((y.argmax(1) == output.argmax(1)).mean())


class LabelsOnlyRegressor(RegressorMixin, LabelsOnly):
    """Ridge regression, 1 or 5 nearest neighbors, whichever has the least cross-validated squared error.

    Rows without a label (NaN) are not used. 5 folds, or as many as there are labels; with one label, and among
    equals, ridge regression is taken, then 1 neighbor.

    Parameters
    ----------
    metric : of the nearest neighbors, "euclidean" or "cosine"
    random_state : seed of the folds

    Attributes
    ----------
    chosen_ : "ridge regression", "1 neighbor" or "5 neighbors"
    scores_ : minus the cross-validated mean squared error of each candidate
    coef_, intercept_ : (D, 1) and (1,) of ridge regression, in the units of X, or None
    X_, y_ : the labeled rows and their targets (L, 1) where neighbors were chosen, or None
    transduction_ : (N,) the given target of each labeled row, the predicted one of every other
    n_features_in_, feature_names_in_ : what fit saw

    Examples
    --------
    >>> from fewlabels.classical.labels_only import LabelsOnlyRegressor
    >>> model = LabelsOnlyRegressor(random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0.0, 2.0, 4.0, float("nan")])
    >>> model.chosen_
    'ridge regression'
    """

    def __init__(self, *, metric: str = "euclidean", random_state: Any = None) -> None:
        self.metric = metric
        self.random_state = random_state

    def baseline(self) -> Self:
        """Itself: it uses the labels alone already."""
        return type(self)(metric=self.metric, random_state=self.random_state)

    def fit(self, X: Any, y: Any) -> Self:
        """Choose and train on the labeled rows; NaN in y marks unlabeled rows. Errors as in the classifier."""
        with memory_errors():
            seed = check_seed(self.random_state)
            x, data = self._enter(X, y, "numbers")
            prepare(x[:1], self.metric)
            rows, target = x[data.labeled], data.y[:, None]
            n_folds = min(_FOLDS, len(target))
            split = KFold(n_folds, shuffle=True, random_state=seed) if n_folds >= 2 else None
            folds = list(split.split(target)) if split else []
            chosen, scores = self._choose(rows, target, folds, "ridge regression")
            trained = self._train(chosen, rows, target)
            numbers = self._apply(chosen, trained, x)[:, 0].copy()
            numbers[data.labeled] = data.y
            self._keep(chosen, scores, trained)
            self.transduction_ = numbers
            self._remember(data)
        return self

    def predict(self, X: Any) -> Floats:
        """(Q,) numbers in the units of y."""
        return self._output(X)[:, 0]

    def _regress(self, x: Any, y: Floats) -> tuple[Floats, Floats]:
        model = Ridge().fit(x, y)
        return model.coef_.reshape(1, -1).T, np.atleast_1d(model.intercept_)

    def _link(self, linear: Floats) -> Floats:
        return linear

    def _score(self, y: Floats, output: Floats) -> float:
        return -float(((y - output) ** 2).mean())
