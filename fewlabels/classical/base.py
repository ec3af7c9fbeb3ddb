"""What classical estimators share: the door for rows, classes in the user's type, files. No algorithm."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from fewlabels.data.images import ImageFiles
from fewlabels.data.inputs import Form, check_X, remember_form
from fewlabels.data.labels import Task
from fewlabels.errors import InputError
from fewlabels.partial_labels import Partial, partial


class Classical(BaseEstimator):
    """Rows in, checked once; every fitted attribute is an array, a plain value or such an estimator."""

    takes_sparse: ClassVar[bool] = False
    form_: Form

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.takes_sparse
        return tags

    def _enter(self, X: Any, y: Any, task: Task = "classes") -> tuple[Any, Partial]:
        """Training rows as a table (N, D) float64 (CSR if sparse), and the labels of the labeled ones."""
        data = partial(X, y, task=task, sparse=self.takes_sparse)
        return _flat(data.x), data

    def _remember(self, data: Partial) -> None:
        """What scikit-learn expects after fit. Call it when nothing can fail any more."""
        remember_form(self, data.form)

    def _rows(self, X: Any) -> Any:
        """New rows as a table (N, D), of the form that fit saw."""
        check_is_fitted(self, "form_")
        return _flat(check_X(X, like=self.form_, name=type(self).__name__, sparse=self.takes_sparse))

    def save(self, path: str | Path) -> Path:
        """Write the fitted model into the folder `path`, as model.safetensors; no pickle.

        Raises
        ------
        SaveError : the folder cannot be written, or a part of the model is of a class that files cannot hold
        """
        from fewlabels.model_files import save_model

        check_is_fitted(self, "form_")
        return save_model(self, Path(path))


class ClassicalClassifier(ClassifierMixin, Classical):
    """A classifier whose `predict` is the likeliest class of `predict_proba`."""

    classes_: NDArray[Any]
    transduction_: NDArray[Any]

    def _remember_classes(self, data: Partial, proba: NDArray[np.float64]) -> None:
        """As `_remember`; `proba` (N, K) of the training rows gives `transduction_`, given labels kept."""
        assert data.classes is not None
        self._remember(data)
        self.classes_ = data.classes
        codes = proba.argmax(1)
        codes[data.labeled] = data.y
        self.transduction_ = data.classes[codes]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) probabilities, columns as in `classes_`."""
        raise NotImplementedError

    def predict(self, X: Any) -> NDArray[Any]:
        """(N,) the likeliest class of each row, in the type of y; ties go to the first."""
        likeliest = self.predict_proba(X).argmax(1)
        guess: NDArray[Any] = self.classes_[likeliest]
        return guess


def _flat(x: Any) -> Any:
    if isinstance(x, ImageFiles):
        raise InputError(
            "X is a list of image files, and classical estimators need a table. Compute features first, "
            "or load the images into an array."
        )
    return x if x.ndim == 2 else x.reshape(len(x), -1).astype(np.float64)
