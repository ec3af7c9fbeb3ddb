r"""Deep SVDD. Ruff et al., "Deep One-Class Classification", ICML 2018.

.. math:: \min_W \frac1n \sum_{i=1}^n \lVert \phi(x_i; W) - c \rVert^2 + \frac\lambda2 \sum_l \lVert W^l \rVert_F^2

The one-class objective (eq. 4). The network starts as the encoder of an autoencoder, c is the mean of its codes and
stays there, and a row's score is its squared distance to c. The network has no bias terms and no bounded activations,
and no coordinate of c lies within eps of 0: otherwise one constant answer would be the best of all.

Labels are not part of the method. Rows labeled as anomalies (y = 1) are left out of scaling, pretraining, centre and
training, for nobody would call them normal; rows labeled as normal (y = 0) are taken as the unlabeled ones are.

Departures: Adam with the cosine learning rate of the other trainings here, instead of a step down late in training; for
tables no BatchNorm.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np

from fewlabels.anomaly.detector import Detector
from fewlabels.anomaly.marks import ANOMALY, marked
from fewlabels.anomaly.training import Rows
from fewlabels.data.memory import memory_errors
from fewlabels.progress import Verbose


class DeepSVDD(Detector):
    """Anomalies are rows that a network, trained to map all rows near one point, maps far from it. Needs no labels.

    Parameters are those of `DeepSAD`, without `eta`.

    Attributes
    ----------
    decision_scores_, labels_, threshold_, rates_, center_, run_, history_, findings_, n_features_in_,
    feature_names_in_ : as in `DeepSAD`

    Raises
    ------
    InputError, OptionError, DivergenceError, ResourceError, SaveError : as in `DeepSAD`

    Examples
    --------
    >>> import fewlabels as fl
    >>> data = fl.datasets.load_breast_cancer(random_state=0)
    >>> model = fl.DeepSVDD(pretrain_steps=20, steps=20, random_state=0, verbose=False).fit(data.X)
    >>> model.decision_function(data.X_test).shape
    (190,)
    """

    def __init__(
        self,
        *,
        network: str = "auto",
        latent: int | None = None,
        contamination: float = 0.1,
        threshold: Literal["contamination", "labels"] = "contamination",
        recall: float = 0.9,
        pretrain_steps: int = 300,
        steps: int = 500,
        batch_size: int = 128,
        eps: float = 0.1,
        lr: float = 1e-3,
        weight_decay: float = 1e-6,
        device: str = "auto",
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.network = network
        self.latent = latent
        self.contamination = contamination
        self.threshold = threshold
        self.recall = recall
        self.pretrain_steps = pretrain_steps
        self.steps = steps
        self.batch_size = batch_size
        self.eps = eps
        self.lr = lr
        self.weight_decay = weight_decay
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on all rows of X but those labeled as anomalies.

        Parameters
        ----------
        X : (N, D) table or frame, images (N, H, W[, C]), a list of image paths
        y : None, or (N,) 0 normal, 1 anomaly, -1 (None, NaN) not known
        """
        with memory_errors("Use fewer rows, or lower batch_size."):
            data = marked(X, y)
            use = np.ones(data.n_rows, dtype=bool)
            use[data.labeled[data.y == ANOMALY]] = False
            none = np.empty(0, np.int64)
            return self._learn(data, lambda x, scaling: Rows(x, scaling, np.flatnonzero(use), none, none), 0.0)
