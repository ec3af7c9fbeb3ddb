r"""Deep SAD. Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR 2020.

.. math:: \min_W \frac1n \sum_{i=1}^n \lVert \phi(x_i; W) - c \rVert^2
          + \frac\eta m \sum_{j=1}^m \left( \lVert \phi(\tilde x_j; W) - c \rVert^2 \right)^{\tilde y_j}
          + \frac\lambda2 \sum_l \lVert W^l \rVert_F^2

over n unlabeled rows x and m labeled ones, with y = 1 for normal ones and y = -1 for anomalies: these are pushed away
from c, and the inverse keeps the loss bounded below. Without labels it is Deep SVDD, whose page says what keeps it from
collapsing.

Departures: in the paper (eq. 7) both sums are divided by n + m, so ten labels among 30,000 rows would weigh next to
nothing; here each is a mean, and eta = 1 gives all labels together the weight of all unlabeled rows (the paper's eta is
eta n / m here). A step has unlabeled and labeled rows in fixed numbers, for drawn from all rows together a batch would
hardly ever have a label. Rows labeled as anomalies take no part in scaling, pretraining and centre. Adam as in Deep
SVDD.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np

from fewlabels.anomaly.detector import Detector
from fewlabels.anomaly.marks import ANOMALY, marked
from fewlabels.anomaly.training import Rows
from fewlabels.data.memory import memory_errors
from fewlabels.progress import Verbose


class DeepSAD(Detector):
    """Anomalies are rows that a network maps far from one point. It learns to map the rows near that point, and the few
    known anomalies away from it.

    There is no `predict_proba`: a distance is no probability, and a handful of labels cannot make one of it. `rates_`
    says what to expect of the threshold instead.

    Parameters
    ----------
    network : "auto" ("lenet" for images, "mlp" for tables), "mlp[-WIDTH[-DEPTH]]" (64, 1), "lenet[-WIDTH]" (16)
    latent : dimensions of the codes; None takes 32 for images, 8 for tables
    eta : weight of the labeled rows together against the unlabeled ones together; 0 ignores labels in training
    contamination : share of the training rows that `threshold="contamination"` calls anomalies
    threshold : "contamination", or "labels": so that a new anomaly like the labeled ones is found with probability
        `recall`, from scores out of five folds; the second stage is trained five times more
    recall : see threshold
    pretrain_steps : steps of the autoencoder; 0 leaves the encoder as it was drawn
    steps : steps of the second stage
    batch_size : unlabeled rows a step; labeled ones come on top, an eighth of that or more
    eps : how far each coordinate of the centre is kept from 0
    lr : learning rate of Adam at the first step of each stage, then lr * cos(7 pi t / 16 T)
    weight_decay : lambda, on all weights
    device : "auto", "cpu", "cuda", "mps"
    verbose : "auto" and True show progress (a bar, or in logs a line now and then), False nothing
    random_state : seed; the same seed, versions, threads and device give the same bits

    Attributes
    ----------
    decision_scores_ : (N,) score of each training row, its squared distance to the centre
    labels_ : (N,) 1 where it lies above the threshold, else 0
    threshold_ : where `predict` draws the line
    rates_ : `Rates`, the expected share of false alarms (with threshold="labels" also of anomalies found), intervals
    center_ : (latent,) the centre c
    findings_ : `Finding` of the check for a collapse: "look" where all rows ended on one point
    history_ : list of dicts, at most 200 a stage: "step" (counted over both stages), "loss"
    run_ : the encoder and what was resolved (`run_.facts`: seed, device, parameters, seconds)
    n_features_in_, feature_names_in_ : what fit saw

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot; DivergenceError : the loss blew up
    ResourceError : too little memory; SaveError : the folder cannot be written

    Examples
    --------
    >>> import numpy as np, fewlabels as fl
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> X[:10] += 4  # anomalies, of which we know three
    >>> y = np.full(200, -1)
    >>> y[:3] = 1
    >>> model = fl.DeepSAD(pretrain_steps=50, steps=50, contamination=0.05, random_state=0, verbose=False).fit(X, y)
    >>> model.predict(X[3:10])
    array([1, 1, 1, 1, 1, 1, 1])
    """

    def __init__(
        self,
        *,
        network: str = "auto",
        latent: int | None = None,
        eta: float = 1.0,
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
        self.eta = eta
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

    def fit(self, X: Any, y: Any) -> Self:
        """Train on all rows of X.

        Parameters
        ----------
        X : (N, D) table or frame, images (N, H, W[, C]), a list of image paths
        y : (N,) 0 normal, 1 anomaly, -1 (None, NaN) not known
        """
        with memory_errors("Use fewer rows, or lower batch_size."):
            data = marked(X, y)
            sign = np.where(data.y == ANOMALY, -1, 1)
            return self._learn(data, lambda x, scaling: Rows(x, scaling, data.unlabeled, data.labeled, sign), self.eta)
