r"""Self-training. Yarowsky, "Unsupervised Word Sense Disambiguation Rivaling Supervised Methods", ACL 1995.

The idea is older: Scudder, "Probability of Error of Some Adaptive Pattern-Recognition Machines", IEEE Trans. IT 1965.

.. math:: f_t = \mathrm{fit}(L \cup P_t), \qquad
          P_{t+1} = P_t \cup \{(u, \arg\max_k f_t(u)_k) : \max_k f_t(u)_k > \tau\}

A round fits the base on the labeled rows L and the pseudo-labeled rows P, and accepts the surest guesses. With
`relabel=True` each round guesses all unlabeled rows anew, so that a row can change its label or lose it (Yarowsky's
algorithm); "k_best" then accepts k more rows each round (as in curriculum labeling, Cascante-Bonilla et al. 2021).

With `calibrate=True` the probabilities that are compared with tau are calibrated (Platt 1999) on labeled rows that were
left out of the fit; pseudo-labels are in each fit and never in a calibration, where they would confirm themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV

from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_choice, check_flag, check_number, stratified_folds
from fewlabels.classical.wrapping import (
    Array,
    Codes,
    check_base,
    check_copies,
    check_weights,
    class_proba,
    fit_weighted,
    new_base,
    surest,
)
from fewlabels.data.memory import memory_errors
from fewlabels.errors import OptionError
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose, show_progress
from fewlabels.seeds import check_seed


@dataclass(frozen=True)
class Labels:
    """Which class each row has now (-1: none), since which round, and how sure that guess was (1 where given)."""

    codes: Codes
    since: Codes
    sure: Array


class SelfTrainingClassifier(ClassicalClassifier):
    """Any classifier, taught again and again with its own surest guesses.

    Guesses that are wrong and sure stay, so it can end below its base: compare it with `baseline()`.

    Parameters
    ----------
    estimator : a classifier with predict_proba; None takes logistic regression on standardized columns. It sees the
        classes as the numbers 0 to K - 1. Files hold the fitted model only with the default
    criterion : "threshold" (accept guesses surer than `threshold`) or "k_best" (accept the `k_best` surest)
    threshold : from 0 to 1
    k_best : rows a round
    per_class : "k_best" accepts `k_best` rows of each guessed class
    relabel : each round guesses earlier pseudo-labeled rows anew; else a pseudo-label stays
    weighted : a pseudo-label counts as much as it was sure (the base needs sample_weight)
    calibrate : calibrate probabilities on labeled rows out of the fit; not done where a class has one label
    max_iter : rounds; 0 fits the labels alone
    verbose : "auto" and True show progress (in logs a line now and then), False nothing
    random_state : seed of a base whose random_state is None; the same seed and threads give the same bits

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as everywhere
    transduction_ : (N,) the given label of each labeled row, the prediction for every other
    labeled_iter_ : (N,) 0 where the label was given, the round in which a pseudo-label was accepted, -1 where none is
    termination_condition_ : "all_labeled", "no_change" (nothing new was accepted) or "max_iter"
    history_ : list of dicts, one a round: "step", "accepted", "dropped", "flips" (other class than before), "labeled",
        and for each class "accepted CLASS"
    n_iter_ : how often the base was fitted: once on the labels, and after each round that changed a label
    calibrated_ : whether probabilities are calibrated
    estimator_ : the fitted base

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot; ResourceError : memory

    Examples
    --------
    >>> from fewlabels.classical.self_training import SelfTrainingClassifier
    >>> X = [[0.0], [1.0], [2.0], [7.0], [8.0], [9.0]]
    >>> model = SelfTrainingClassifier(threshold=0.6).fit(X, ["low", None, None, None, None, "high"])
    >>> model.predict([[3.0], [6.0]]).tolist(), model.labeled_iter_.tolist()
    (['low', 'high'], [0, 1, 2, 2, 1, 0])
    """

    takes_sparse = True

    def __init__(
        self,
        estimator: Any = None,
        *,
        criterion: Literal["threshold", "k_best"] = "threshold",
        threshold: float = 0.75,
        k_best: int = 10,
        per_class: bool = False,
        relabel: bool = False,
        weighted: bool = False,
        calibrate: bool = False,
        max_iter: int = 10,
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.criterion = criterion
        self.threshold = threshold
        self.k_best = k_best
        self.per_class = per_class
        self.relabel = relabel
        self.weighted = weighted
        self.calibrate = calibrate
        self.max_iter = max_iter
        self.verbose = verbose
        self.random_state = random_state

    def baseline(self) -> Self:
        """The base on the labeled rows alone."""
        return type(self)(**(self.get_params(deep=False) | {"max_iter": 0}))

    def fit(self, X: Any, y: Any) -> Self:
        """Fit on all rows of X; y marks unlabeled rows with -1, None, NaN or ""."""
        with memory_errors():
            self._check_options()
            x, data = self._enter(X, y)
            check_copies(x, data.n_classes)
            base = new_base(check_base(self.estimator), check_seed(self.random_state))
            fold = stratified_folds(data.y, 5) if self.calibrate else None
            labels, ended = _given(data), "max_iter" if len(data.unlabeled) else "all_labeled"
            history: list[dict[str, float]] = []
            fitted, n_fits = self._teach(base, x, labels, fold), 1
            with show_progress(self.verbose, "self-training", 0, self.max_iter, "round") as progress:
                for step in range(1, self.max_iter + 1 if ended == "max_iter" else 1):
                    new = self._accept(fitted, x, labels, data, step)
                    history.append(_told(labels, new, data, step))
                    changed, full = not np.array_equal(new.codes, labels.codes), bool((new.codes >= 0).all())
                    if changed:
                        labels = new
                        fitted, n_fits = self._teach(base, x, labels, fold), n_fits + 1
                    if not changed or (full and not self.relabel):
                        ended = "all_labeled" if full else "no_change"
                        break
                    progress.update(step)
            self.estimator_, self.history_, self.n_iter_ = fitted, history, n_fits
            self.labeled_iter_, self.termination_condition_ = labels.since, ended
            self.calibrated_ = fold is not None
            self._remember_classes(data, class_proba(fitted, x, data.n_classes))
        return self

    def _check_options(self) -> None:
        check_choice("criterion", self.criterion, ("threshold", "k_best"))
        check_number("threshold", self.threshold, 0, 1)
        check_number("k_best", self.k_best, 1, whole=True)
        check_number("max_iter", self.max_iter, 0, whole=True)
        for name in ("per_class", "relabel", "weighted", "calibrate"):
            check_flag(name, getattr(self, name))
        if self.per_class and self.criterion == "threshold":
            raise OptionError("per_class=True goes with criterion='k_best': a threshold is the same for every class.")

    def _teach(self, base: Any, x: Any, labels: Labels, fold: Codes | None) -> Any:
        """A new copy of the base, fitted to given labels and pseudo-labels."""
        rows, model = np.flatnonzero(labels.codes >= 0), clone(base)
        if fold is not None:
            if self.weighted:
                check_weights(base)  # the calibration would leave the weights out with a warning
            given = np.flatnonzero(labels.since[rows] == 0)
            held = [given[fold == f] for f in range(fold.max() + 1)]
            splits = [(np.delete(np.arange(len(rows)), test), test) for test in held]
            model = CalibratedClassifierCV(model, cv=splits, ensemble=True)
        return fit_weighted(model, x[rows], labels.codes[rows], labels.sure[rows] if self.weighted else None)

    def _accept(self, fitted: Any, x: Any, labels: Labels, data: Partial, step: int) -> Labels:
        """The labels after a round of guesses."""
        asked = data.unlabeled if self.relabel else np.flatnonzero(labels.codes < 0)
        proba = class_proba(fitted, x[asked], data.n_classes)
        chosen, guess = self._choose(proba, step), proba.argmax(1)
        codes, since, sure = labels.codes.copy(), labels.since.copy(), labels.sure.copy()
        codes[asked] = -1
        codes[asked[chosen]] = guess[chosen]
        sure[asked[chosen]] = proba[chosen].max(1)
        since[asked] = np.where(codes[asked] == labels.codes[asked], since[asked], np.where(codes[asked] < 0, -1, step))
        return Labels(codes, since, sure)

    def _choose(self, proba: Array, step: int) -> Codes:
        """Which guesses count as labels."""
        if self.criterion == "threshold":
            return np.flatnonzero(proba.max(1) > self.threshold)
        k = self.k_best * step if self.relabel else self.k_best
        every = np.arange(len(proba))
        if not self.per_class:
            return surest(proba, every, k)
        guess = proba.argmax(1)
        return np.concatenate([surest(proba, every[guess == c], k) for c in range(proba.shape[1])])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) probabilities of the base, columns as in `classes_`."""
        x = self._rows(X)
        return class_proba(self.estimator_, x, len(self.classes_))


def _given(data: Partial) -> Labels:
    codes, since, sure = np.full(data.n_rows, -1), np.full(data.n_rows, -1), np.ones(data.n_rows)
    codes[data.labeled], since[data.labeled] = data.y, 0
    return Labels(codes, since, sure)


def _told(old: Labels, new: Labels, data: Partial, step: int) -> dict[str, float]:
    accepted = (old.codes < 0) & (new.codes >= 0)
    both = (old.codes >= 0) & (new.codes >= 0)
    assert data.classes is not None
    by_class = np.bincount(new.codes[accepted], minlength=data.n_classes)
    return {
        "step": float(step),
        "accepted": float(accepted.sum()),
        "dropped": float(((old.codes >= 0) & (new.codes < 0)).sum()),
        "flips": float((both & (old.codes != new.codes)).sum()),
        "labeled": float((new.codes >= 0).sum()),
    } | {f"accepted {name}": float(n) for name, n in zip(data.classes.tolist(), by_class, strict=True)}
