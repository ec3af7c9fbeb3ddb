"""Cross-validation with few labels: unlabeled rows always train, and only labeled rows are scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from fewlabels.data.labels import USUAL_MARKS, Task, read_labels
from fewlabels.errors import InputError, OptionError
from fewlabels.seeds import check_seed


class SemiSupervisedSplit:
    """K folds over the labeled rows, stratified for classes; every unlabeled row is in every training fold.

    Parameters
    ----------
    n_splits : how many folds, at least 2
    shuffle : whether to shuffle the labeled rows first
    random_state : None, an integer or a RandomState
    task : "classes" or "numbers"
    unlabeled : the mark of unlabeled rows, if not one of the usual ones (see `fewlabels.partial`)

    Examples
    --------
    >>> folds = SemiSupervisedSplit(2, shuffle=False).split([[0], [1], [2], [3], [4]], [0, 1, -1, 0, 1])
    >>> [test.tolist() for train, test in folds]
    [[0, 1], [3, 4]]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = True,
        random_state: Any = None,
        task: Task = "classes",
        unlabeled: Any = USUAL_MARKS,
    ) -> None:
        if not isinstance(n_splits, int | np.integer) or n_splits < 2:
            raise OptionError(f"n_splits={n_splits!r} is not possible; it is a whole number, at least 2.")
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state
        self.task = task
        self.unlabeled = unlabeled

    def __repr__(self) -> str:
        return f"SemiSupervisedSplit({self.n_splits}, shuffle={self.shuffle}, random_state={self.random_state!r})"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many folds there are."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (train, test) row indices; `X` and `groups` are not looked at.

        Raises
        ------
        InputError : y cannot be read, or fewer labeled rows than folds (in all classes)
        OptionError : shuffle or random_state make no sense
        """
        labels = read_labels(y, task=self.task, unlabeled=self.unlabeled)
        if len(labels.rows) < self.n_splits:
            raise InputError(
                f"y has {len(labels.rows)} labeled rows, fewer than n_splits={self.n_splits}. "
                "Use fewer folds or label more rows."
            )
        if not isinstance(self.shuffle, bool):
            raise OptionError(f"shuffle={self.shuffle!r} should be True or False.")
        known = self.random_state is None or isinstance(self.random_state, np.random.RandomState)
        seed = self.random_state if known else check_seed(self.random_state)
        kind = StratifiedKFold if self.task == "classes" else KFold
        folds = kind(self.n_splits, shuffle=self.shuffle, random_state=seed if self.shuffle else None)
        try:
            for _, chosen in folds.split(labels.rows, labels.values):
                test = labels.rows[chosen]
                yield np.setdiff1d(np.arange(labels.n_rows), test, assume_unique=True), test
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"y cannot be split: {error}. Use fewer folds or label more rows.") from error


@dataclass(frozen=True)
class LabeledScorer:
    """A scorer for ``scoring=`` that looks at labeled rows only; made by `labeled_scorer`."""

    metric: str | Callable[..., float]
    task: Task = "classes"
    unlabeled: Any = field(default=USUAL_MARKS, repr=False)

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        from sklearn.metrics import get_scorer
        from sklearn.utils import _safe_indexing

        labels = read_labels(y, task=self.task, unlabeled=self.unlabeled)
        if len(labels.rows) == 0:
            raise InputError("none of the rows to score has a label. Split with fewlabels.SemiSupervisedSplit.")
        return float(get_scorer(self.metric)(estimator, _safe_indexing(X, labels.rows), labels.values))


def labeled_scorer(
    metric: str | Callable[..., float] = "accuracy", *, task: Task = "classes", unlabeled: Any = USUAL_MARKS
) -> LabeledScorer:
    """A scorer for cross_val_score or GridSearchCV that leaves out unlabeled rows.

    Parameters
    ----------
    metric : a name of scikit-learn's scorers, e.g. "balanced_accuracy" or "r2", or such a scorer
    task : "classes" or "numbers" (NaN is unlabeled)
    unlabeled : the mark of unlabeled rows, if not one of the usual ones

    Raises
    ------
    OptionError : no such metric
    """
    from sklearn.metrics import get_scorer

    try:
        get_scorer(metric)
    except ValueError as error:
        raise OptionError(f"metric={metric!r} is unknown. {error}") from error
    return LabeledScorer(metric, task, unlabeled)
