r"""Co-training. Blum & Mitchell, "Combining Labeled and Unlabeled Data with Co-Training", COLT 1998.

.. math:: h_v = \mathrm{fit}(\{(x_v, y) : (x, y) \in L\}), \; v = 1, 2; \qquad
          L \leftarrow L \cup \bigcup_v \bigcup_k \mathrm{top}_{n_k} \{(u, k) : \arg\max h_v(u_v) = k,\; u \in U'\}

Each row is seen through two views x_1 and x_2. In a round, each view's classifier labels the n_k rows of a pool U'
that it is surest belong to class k; both learn from them, and the pool is refilled at random from U.

The paper's two classes with p = 1 and n = 3 become K classes with n_k in proportion to the labels, `per_round` for the
rarest. Where the paper says nothing or we depart from it: a row is taken for a class only by a classifier whose
likeliest class it is; a row that both take goes to the surer one; the two probabilities are averaged, not multiplied,
since views that are not independent would make the product far too sure.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_number, stratified_folds
from fewlabels.classical.views import fit_views, see
from fewlabels.classical.wrapping import Array, Codes, check_base, check_copies, class_proba, new_base, surest
from fewlabels.data.memory import memory_errors
from fewlabels.errors import OptionError
from fewlabels.progress import Verbose, show_progress
from fewlabels.seeds import check_seed


class CoTrainingClassifier(ClassicalClassifier):
    """Two classifiers that see different columns teach each other.

    It works where either view could do and, given the class, the views err independently: see `view_agreement_`.

    Parameters
    ----------
    estimator : a classifier with predict_proba, or a pair, one for each view; None takes logistic regression on
        standardized columns. It sees the classes as the numbers 0 to K - 1. Files hold the fitted model only with
        the default and with columns as views
    views : a pair; each view a slice, column numbers or names, a mask of columns, a transformer (a copy is fitted to
        all rows), or a function f(X) that treats each row alone. None takes the first and the second half of the
        columns. For two matrices A and B: ``X = np.hstack([A, B])`` (scipy.sparse.hstack if sparse) and
        ``views=(slice(0, A.shape[1]), slice(A.shape[1], None))``
    per_round : rows that each classifier labels in a round for the rarest class; others in proportion to the labels
    pool : rows of U'
    max_iter : rounds; 0 fits the labels alone
    verbose : "auto" and True show progress (in logs a line now and then), False nothing
    random_state : seed of the pool, and of bases and transformers whose random_state is None

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as everywhere
    transduction_ : (N,) the given label of each labeled row, the prediction for every other
    view_agreement_ : dict of what the two classifiers, fitted to the labels, say of labeled rows left out of the fit:
        "observed" share of rows on which they agree, "expected" share if they were independent given the class, and
        "beyond_chance", (observed - expected) / (1 - expected): 0 is what co-training assumes, near 1 the views are
        one (None where each always says the same of a class). All of it None where a class has one label or a
        base cannot learn from fewer labels. It costs ten more fits
    labeled_iter_ : (N,) 0 where the label was given, the round in which a pseudo-label was accepted, -1 where none is
    termination_condition_ : "all_labeled" or "max_iter"; every round accepts a row
    history_ : list of dicts, one a round: "step", "accepted", "labeled", "agreement" of the views on the pool
    n_iter_ : how often the two were fitted: once on the labels, and after each round
    estimators_, views_ : the two fitted classifiers, and what each sees: column numbers, a transformer or a function

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot; ResourceError : memory

    Examples
    --------
    >>> import numpy as np
    >>> from fewlabels.classical.co_training import CoTrainingClassifier
    >>> X = np.repeat([[0.0, 5.0], [1.0, 7.0]], 20, axis=0) + np.linspace(0, 0.5, 40)[:, np.newaxis]
    >>> y = np.full(40, -1)
    >>> y[[0, 1, 38, 39]] = 0, 0, 1, 1
    >>> CoTrainingClassifier(random_state=0).fit(X, y).predict([[0.1, 5.1], [1.4, 7.4]]).tolist()
    [0, 1]
    """

    takes_sparse = True

    def __init__(
        self,
        estimator: Any = None,
        *,
        views: Any = None,
        per_round: int = 1,
        pool: int = 75,
        max_iter: int = 30,
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.views = views
        self.per_round = per_round
        self.pool = pool
        self.max_iter = max_iter
        self.verbose = verbose
        self.random_state = random_state

    def baseline(self) -> Self:
        """The two classifiers on the labeled rows alone."""
        return type(self)(**(self.get_params(deep=False) | {"max_iter": 0}))

    def fit(self, X: Any, y: Any) -> Self:
        """Fit on all rows of X; y marks unlabeled rows with -1, None, NaN or ""."""
        with memory_errors():
            check_number("per_round", self.per_round, 1, whole=True)
            check_number("pool", self.pool, 1, whole=True)
            check_number("max_iter", self.max_iter, 0, whole=True)
            x, data = self._enter(X, y)
            check_copies(x, data.n_classes)
            seed = check_seed(self.random_state)
            bases = [new_base(base, seed) for base in self._bases()]
            views = fit_views(self.views, x, data.feature_names, seed)
            seen = [see(view, x) for view in views]
            codes, since = np.full(data.n_rows, -1), np.full(data.n_rows, -1)
            codes[data.labeled], since[data.labeled] = data.y, 0
            agreement = _agreement(bases, [rows[data.labeled] for rows in seen], data.y)
            fitted, history, ended = self._rounds(bases, seen, codes, since, np.random.default_rng(seed))
            self.estimators_, self.views_, self.view_agreement_ = fitted, views, agreement
            self.history_, self.termination_condition_, self.labeled_iter_ = history, ended, since
            self.n_iter_ = 1 + len(history)
            self._remember_classes(data, _mean_proba(fitted, seen, data.n_classes))
        return self

    def _bases(self) -> list[Any]:
        pair = self.estimator if isinstance(self.estimator, tuple | list) else (self.estimator, self.estimator)
        if len(pair) != 2:
            raise OptionError(f"estimator has {len(pair)} classifiers; expected one, or a pair.")
        return [check_base(base) for base in pair]

    def _rounds(
        self, bases: list[Any], seen: list[Any], codes: Codes, since: Codes, rng: np.random.Generator
    ) -> tuple[tuple[Any, ...], list[dict[str, float]], str]:
        """Write pseudo-labels into `codes` and their round into `since`."""
        quota = np.bincount(codes[codes >= 0])
        quota = np.rint(self.per_round * quota / quota.min()).astype(np.int64)
        queue = rng.permutation(np.flatnonzero(codes < 0))
        fitted, history = _fit_both(bases, seen, codes), []
        with show_progress(self.verbose, "co-training", 0, self.max_iter, "round") as progress:
            for step in range(1, self.max_iter + 1):
                if not len(queue):
                    break
                pool = queue[: self.pool]
                probas = [class_proba(h, rows[pool], len(quota)) for h, rows in zip(fitted, seen, strict=True)]
                label = _take(probas, quota)
                codes[pool], since[pool[label >= 0]] = label, step
                agree = np.mean(probas[0].argmax(1) == probas[1].argmax(1))
                history.append(_told(step, label, codes, float(agree)))
                queue = queue[codes[queue] < 0]
                fitted = _fit_both(bases, seen, codes)
                progress.update(step)
        return fitted, history, "max_iter" if len(queue) else "all_labeled"

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) the mean of the two views' probabilities, columns as in `classes_`."""
        x = self._rows(X)
        return _mean_proba(self.estimators_, [see(view, x) for view in self.views_], len(self.classes_))


def _fit_both(bases: list[Any], seen: list[Any], codes: Codes) -> tuple[Any, ...]:
    rows = np.flatnonzero(codes >= 0)
    return tuple(clone(base).fit(view[rows], codes[rows]) for base, view in zip(bases, seen, strict=True))


def _mean_proba(fitted: tuple[Any, ...], seen: list[Any], n_classes: int) -> Array:
    first, second = (class_proba(h, rows, n_classes) for h, rows in zip(fitted, seen, strict=True))
    return (first + second) / 2


def _take(probas: list[Array], quota: Codes) -> Codes:
    """The class that each row of the pool is given, -1 for none."""
    label, sure = np.full(len(probas[0]), -1), np.zeros(len(probas[0]))
    for proba in probas:
        guess, top = proba.argmax(1), proba.max(1)
        for c, n in enumerate(quota):
            rows = surest(proba, np.flatnonzero(guess == c), n)
            rows = rows[top[rows] > sure[rows]]
            label[rows], sure[rows] = c, top[rows]
    return label


def _told(step: int, label: Codes, codes: Codes, agreement: float) -> dict[str, float]:
    accepted, labeled = float((label >= 0).sum()), float((codes >= 0).sum())
    return {"step": float(step), "accepted": accepted, "labeled": labeled, "agreement": agreement}


def _guess_held_out(base: Any, rows: Any, y: Codes, fold: Codes) -> Codes:
    guess = np.empty(len(y), dtype=np.int64)
    for f in range(fold.max() + 1):
        rest, held = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        guess[held] = class_proba(clone(base).fit(rows[rest], y[rest]), rows[held], y.max() + 1).argmax(1)
    return guess


def _agreement(bases: list[Any], seen: list[Any], y: Codes) -> dict[str, float | None] | None:
    """How often two classifiers agree on labeled rows that they were not fitted to, beyond what the class explains."""
    fold = stratified_folds(y, 5)
    if fold is None:
        return None
    try:
        guess = [_guess_held_out(base, rows, y, fold) for base, rows in zip(bases, seen, strict=True)]
    except ValueError:  # a base may need more rows than a fold leaves, such as five neighbors
        return None
    expected = 0.0
    for c in np.unique(y):
        first, second = (np.bincount(g[y == c], minlength=y.max() + 1) / (y == c).sum() for g in guess)
        expected += float((y == c).mean() * (first @ second))
    observed = float((guess[0] == guess[1]).mean())
    beyond = (observed - expected) / (1 - expected) if expected < 1 - 1e-12 else None
    return {"observed": observed, "expected": expected, "beyond_chance": beyond}
