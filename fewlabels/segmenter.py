"""DeepSegmenter: a class for each pixel, on the same training loop and with the same method files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from fewlabels.augment import Augmentation
from fewlabels.data.images import ImageFiles
from fewlabels.data.inputs import check_X
from fewlabels.data.masks import IGNORED, as_codes, read_masks
from fewlabels.data.memory import memory_errors
from fewlabels.deep import _Deep
from fewlabels.errors import InputError
from fewlabels.method import Method
from fewlabels.networks import Network
from fewlabels.overlap import confusion, iou, mean_over_classes
from fewlabels.partial_labels import Partial, partial
from fewlabels.progress import Verbose
from fewlabels.tasks import Masks

__all__ = ["DeepSegmenter", "true_codes"]


class DeepSegmenter(_Deep):
    """A network that gives every pixel a class, trained on images with and without masks together.

    Parameters are those of `DeepClassifier`, with these differences:

    Parameters
    ----------
    method : one that learns masks: "mean_teacher", "fixmatch", "pi_model", "pseudo_label", "entropy_minimization",
        "supervised", or a recipe of these
    network : "auto" and "unet[-WIDTH[-DEPTH]]" (16 channels, 3 halvings), a torch module, or a factory; one of your
        own gives (B, K, H, W)
    augment : "auto" (`fl.augment.MaskedImages()`), "none", or an augmentation with `move`, `weak` and `strong`
    steps : None takes 1,000
    batch_size, unlabeled_ratio : images a step are batch_size * (1 + unlabeled_ratio); fewer than for classes, since
        every image brings thousands of pixels

    Attributes
    ----------
    classes_ : (K,) the values of the counted pixels, in the type of the masks
    transduction_ : (N, H, W) the given class of each marked pixel, the predicted one of every other
    n_features_in_, history_, findings_, run_ : as in `DeepClassifier`

    Raises
    ------
    InputError, OptionError, DivergenceError, ResourceError, SaveError : as in `DeepClassifier`

    Examples
    --------
    >>> import numpy as np, fewlabels as fl
    >>> X = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)
    >>> masks = np.where(X > 127, 1, 0)
    >>> masks[4:] = -1  # eight images without a mask
    >>> model = fl.DeepSegmenter(network="unet-4-1", steps=5, random_state=0, verbose=False).fit(X, masks)
    >>> model.predict(X).shape, model.predict_proba(X).shape
    ((12, 16, 16), (12, 16, 16, 2))
    """

    def __init__(
        self,
        method: str | Method = "mean_teacher",
        *,
        network: Network = "auto",
        augment: str | Augmentation = "auto",
        steps: int | None = None,
        batch_size: int = 8,
        unlabeled_ratio: int = 2,
        lr: float = 0.03,
        weight_decay: float = 5e-4,
        average: float = 0.999,
        precision: str = "auto",
        device: str = "auto",
        folder: str | Path | None = None,
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
        on_nonfinite: str = "raise",
    ) -> None:
        # scikit-learn reads the parameters off this signature, hence the repetition
        _Deep.__init__(
            self,
            method,
            network=network,
            augment=augment,
            steps=steps,
            batch_size=batch_size,
            unlabeled_ratio=unlabeled_ratio,
            lr=lr,
            weight_decay=weight_decay,
            average=average,
            precision=precision,
            device=device,
            folder=folder,
            verbose=verbose,
            random_state=random_state,
            on_nonfinite=on_nonfinite,
        )

    def fit(self, X: Any, y: Any) -> Self:
        """Train on all images of X.

        Parameters
        ----------
        X : images (N, H, W) or (N, H, W, C), or a list of image paths
        y : masks (N, H, W) of whole numbers or booleans, or a list of N masks. None, or a mask of nothing but -1, is
            an unlabeled image; a single pixel of -1 is ignored

        Raises
        ------
        InputError : the data cannot be used; OptionError : an option cannot; DivergenceError : the loss blew up
        """
        with memory_errors("Use fewer rows, or lower batch_size."):
            data = partial(X, y, task="masks")
            assert data.classes is not None
            self._fit(data, Masks(len(data.classes)), data.y)
            # after the training: a refit that fails leaves the fitted model whole
            self.classes_ = data.classes
            self.transduction_ = self._filled(data)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """(N, H, W, K) probabilities, the last axis as in `classes_`; float32, for they are K times the images."""
        rows = self._rows(X)
        proba = np.empty((*rows.shape[:3], len(self.classes_)), np.float32)
        start = 0
        for outputs in self.run_.outputs_by_chunk(rows):
            proba[start : start + len(outputs)] = outputs.softmax(1).permute(0, 2, 3, 1).numpy()
            start += len(outputs)
        return proba

    def predict(self, X: Any) -> NDArray[Any]:
        """(N, H, W) the likeliest class of each pixel, in the type of the masks."""
        guess: NDArray[Any] = self.classes_[self._codes(self._rows(X))]
        return guess

    def score(self, X: Any, y: Any) -> float:
        """Mean IoU: of each class over all counted pixels of all images, then the mean over classes.

        Images without a mask and pixels of -1 are left out; a class that is neither true nor predicted too.
        """
        rows = self._rows(X)
        true = true_codes(y, rows.shape[:3], self.classes_)
        counts = confusion(true, self._codes(rows), len(self.classes_)).sum(0)
        return float(mean_over_classes(iou(counts)))

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self, "run_")
        return check_X(X, like=self.form_, name=type(self).__name__)

    def _codes(self, rows: NDArray[Any] | ImageFiles) -> NDArray[np.int16]:
        chunks = [out.argmax(1).to(torch.int16).numpy() for out in self.run_.outputs_by_chunk(rows)]
        return np.concatenate(chunks)

    def _filled(self, data: Partial) -> NDArray[Any]:
        codes = self._codes(data.x)
        codes[data.labeled] = np.where(data.y == IGNORED, codes[data.labeled], data.y)
        filled: NDArray[Any] = self.classes_[codes]
        return filled


def true_codes(y: Any, shape: tuple[int, int, int], classes: NDArray[Any], name: str = "y") -> NDArray[np.int16]:
    """Masks to judge by as codes (N, H, W), -1 where ignored.

    Raises
    ------
    InputError : wrong shapes, no counted pixel, or a class that the model does not know
    """
    masks = read_masks(y, shape, name)
    if not len(masks.rows):
        raise InputError(f"{name} has no pixel that counts: all are -1. Give masks to score against.")
    codes = np.full(shape, IGNORED, np.int16)
    codes[masks.rows] = as_codes(masks.values, classes)
    if (codes < IGNORED).any():
        new = np.setdiff1d(masks.values[masks.values != IGNORED], classes)
        raise InputError(f"{name} has classes that no mask of the training had: {new[:5].tolist()}.")
    return codes
