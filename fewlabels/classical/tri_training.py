r"""Tri-training. Zhou & Li, "Tri-Training: Exploiting Unlabeled Data Using Three Classifiers", IEEE TKDE 17, 2005.

.. math:: L_i = \{(u, h_j(u)) : h_j(u) = h_k(u)\}, \qquad
          h_i \leftarrow \mathrm{fit}(L \cup L_i) \text{ if } 0 < \frac{e_i}{e'_i} < \frac{|L'_i|}{|L_i|} < 1

Two classifiers teach the third the rows on which they agree. e_i is how often both are wrong together, of the labeled
rows on which they agree; e'_i and L'_i are those of the third's last update. By the theory of learning from noisy
labels, its error falls while e_i |L_i| falls. If there are too many rows for that, it learns from a random
part of them, ceil(e'_i |L'_i| / e_i - 1) rows.

As in the paper, e_i is measured on the very labels that the classifiers learnt from, so it is too low. Departures: each
class is bootstrapped by itself, so that none is lost; the probabilities of the three are averaged, where the paper
takes a vote; two that agree on no labeled row teach nothing.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_number
from fewlabels.classical.wrapping import Array, Codes, check_base, check_copies, class_proba, new_base
from fewlabels.data.memory import memory_errors
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose, show_progress
from fewlabels.seeds import check_seed


class Last(NamedTuple):
    """Of a classifier's last update: the error of its teachers, and from how many rows it learnt."""

    error: float = 0.5
    n: int = 0


class TriTrainingClassifier(ClassicalClassifier):
    """Three classifiers from three bootstrap samples; where two agree, they teach the third.

    It needs no views and no probabilities to be right, but classifiers that differ: trees do, and linear models of
    the same columns hardly.

    Parameters
    ----------
    estimator : a classifier with predict_proba; None takes logistic regression on standardized columns. It sees the
        classes as the numbers 0 to K - 1. Files hold the fitted model only with the default
    max_iter : rounds at most; the error bound ends it much earlier as a rule. 0 is three bootstrapped classifiers
    verbose : "auto" and True show progress (in logs a line now and then), False nothing
    random_state : seed of the bootstrap, of the random parts, and of a base whose random_state is None

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as everywhere
    transduction_ : (N,) the given label of each labeled row, the prediction for every other
    termination_condition_ : "no_change" (no classifier may learn more) or "max_iter"
    history_ : list of dicts, one a round: "step", "updated" (of the three), and for i = 1, 2, 3 "error i" (e_i) and
        "taught i" (rows that i learnt from in this round)
    n_iter_ : how often the three were fitted: once on the labels, and in each round with an update
    estimators_ : the three fitted classifiers

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot; ResourceError : memory

    Examples
    --------
    >>> import numpy as np
    >>> from fewlabels.classical.tri_training import TriTrainingClassifier
    >>> X = np.concatenate([np.linspace(0, 1, 20), np.linspace(9, 10, 20)])[:, np.newaxis]
    >>> y = np.full(40, -1)
    >>> y[[3, 4, 25, 26]] = 0, 0, 1, 1
    >>> TriTrainingClassifier(random_state=0).fit(X, y).predict([[0.5], [9.5]]).tolist()
    [0, 1]
    """

    takes_sparse = True

    def __init__(
        self,
        estimator: Any = None,
        *,
        max_iter: int = 100,
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.max_iter = max_iter
        self.verbose = verbose
        self.random_state = random_state

    def baseline(self) -> Self:
        """Three bootstrapped classifiers on the labeled rows alone."""
        return type(self)(**(self.get_params(deep=False) | {"max_iter": 0}))

    def fit(self, X: Any, y: Any) -> Self:
        """Fit on all rows of X; y marks unlabeled rows with -1, None, NaN or ""."""
        with memory_errors():
            check_number("max_iter", self.max_iter, 0, whole=True)
            base = check_base(self.estimator)
            x, data = self._enter(X, y)
            check_copies(x, data.n_classes)
            rng = np.random.default_rng(check_seed(self.random_state))
            bases = [new_base(base, int(seed)) for seed in rng.integers(2**31, size=3)]
            fitted = []
            for each in bases:
                sample = _bootstrap(data.y, rng)
                fitted.append(clone(each).fit(x[data.labeled[sample]], data.y[sample]))
            fitted, history, ended = self._rounds(bases, fitted, x, data, rng)
            self.estimators_, self.history_, self.termination_condition_ = tuple(fitted), history, ended
            self.n_iter_ = 1 + sum(told["updated"] > 0 for told in history)
            self._remember_classes(data, _mean_proba(fitted, x, data.n_classes))
        return self

    def _rounds(
        self, bases: list[Any], fitted: list[Any], x: Any, data: Partial, rng: np.random.Generator
    ) -> tuple[list[Any], list[dict[str, float]], str]:
        last, history = [Last()] * 3, []
        with show_progress(self.verbose, "tri-training", 0, self.max_iter, "round") as progress:
            for step in range(1, self.max_iter + 1):
                guess = np.stack([class_proba(h, x, data.n_classes).argmax(1) for h in fitted])
                told: dict[str, float] = {"step": float(step), "updated": 0.0}
                for i in range(3):
                    first, second = np.delete(guess, i, axis=0)
                    error = joint_error(first[data.labeled], second[data.labeled], data.y)
                    agreed = data.unlabeled[first[data.unlabeled] == second[data.unlabeled]]
                    n = rows_to_teach(error, len(agreed), last[i])
                    if n:
                        taught = np.sort(rng.choice(agreed, n, replace=False)) if n < len(agreed) else agreed
                        rows, codes = np.append(data.labeled, taught), np.append(data.y, first[taught])
                        fitted[i], last[i] = clone(bases[i]).fit(x[rows], codes), Last(error, n)
                    told |= {f"error {i + 1}": error, f"taught {i + 1}": float(n), "updated": told["updated"] + (n > 0)}
                history.append(told)
                if not told["updated"]:
                    return fitted, history, "no_change"
                progress.update(step)
        return fitted, history, "max_iter"

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) the mean of the three classifiers' probabilities, columns as in `classes_`."""
        x = self._rows(X)
        return _mean_proba(self.estimators_, x, len(self.classes_))


def joint_error(first: Codes, second: Codes, y: Codes) -> float:
    """How often two classifiers are wrong, of the rows on which they agree; 0.5 (no better than chance) if of none."""
    agree = first == second
    return float((first[agree] != y[agree]).mean()) if agree.any() else 0.5


def rows_to_teach(error: float, n_agreed: int, last: Last) -> int:
    """How many of the agreed rows the third classifier may learn from so that its error bound falls; 0: none."""
    if error >= last.error:
        return 0
    # on the first update, the least number of rows that lets a later one pass
    n_last = last.n or floor(error / (last.error - error) + 1)
    if n_last >= n_agreed:
        return 0
    if error * n_agreed < last.error * n_last:
        return n_agreed
    if n_last > error / (last.error - error):
        return ceil(last.error * n_last / error - 1)
    return 0


def _bootstrap(y: Codes, rng: np.random.Generator) -> Codes:
    """As many rows of each class, drawn with replacement."""
    return np.concatenate([rng.choice(rows, len(rows)) for rows in (np.flatnonzero(y == c) for c in np.unique(y))])


def _mean_proba(fitted: Any, x: Any, n_classes: int) -> Array:
    probas = [class_proba(h, x, n_classes) for h in fitted]
    mean: Array = np.mean(probas, axis=0)
    return mean
