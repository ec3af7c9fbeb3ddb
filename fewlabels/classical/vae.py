"""VAE (M2). Kingma et al., "Semi-supervised Learning with Deep Generative Models", NeurIPS 2014.

This is the estimator; `m2.py` beside it has the network, the bound and the equations.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_flag
from fewlabels.classical.linear import check_number, check_whole, softmax
from fewlabels.classical.m2 import M2, M2Network
from fewlabels.data.memory import check_memory, memory_errors
from fewlabels.errors import InputError, OptionError
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose
from fewlabels.run import Options, Run, fit_run
from fewlabels.scaling import learn_scaling
from fewlabels.seeds import check_seed
from fewlabels.tasks import Classes

# One held-out row in this many labeled ones of a class; samples of z for log p(x, y) of each.
_HELD_OUT = 3
_SAMPLES = 50


class VAEClassifier(ClassicalClassifier):
    """A variational autoencoder of rows and classes, whose classifier also learns from unlabeled rows; for tables.

    `likelihood_gain_` tells whether the unlabeled rows fit the model of the labeled ones. Where the gain is
    negative they do not (other sources, other classes), and the classifier may be worse for them.

    Parameters
    ----------
    lambda_u : weight of the unlabeled bound against the labeled one; 0 learns from the labeled rows alone
    alpha : weight of the classification loss
    likelihood : of a column: "gaussian" with a learnt variance (columns are standardized), or "bernoulli" for
        on-off values and shares in [0, 1]
    width : units of each hidden layer
    latent : dimensions of z
    steps : training steps
    batch_size : labeled rows a step
    unlabeled_ratio : unlabeled rows for each labeled row of a step
    lr : learning rate of SGD with Nesterov momentum, as in `DeepClassifier`
    weight_decay : on weights, not on biases
    measure_likelihood : whether to train twice more, without a third of the labels, to measure `likelihood_gain_`;
        fit then takes somewhat over twice as long (fewer steps would tell of too short a training instead)
    device : "auto", "cpu", "cuda", "mps"
    verbose : "auto" and True show progress, False nothing
    random_state : seed

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, transduction_ : as in every classifier here
    likelihood_gain_ : mean log p(x, y) of held-out labeled rows, trained with unlabeled rows, minus the same trained
        without (nats a row; one split, 50 importance samples a row, so an estimate); None if it was not measured,
        if lambda_u is 0, if there is no unlabeled row or if no class has two labels
    history_ : list of dicts, at most 200: "step", "loss", "loss_x" (cross-entropy), "bound_x", "bound_u"
    weights_ : dict of the network's arrays; mean_, std_ : (D,) of the columns
    facts_ : what was resolved: seed, steps, device, seconds

    Raises
    ------
    OptionError : a parameter makes no sense; InputError : the data cannot be used; DivergenceError : the loss blew up

    Examples
    --------
    >>> import fewlabels as fl
    >>> data = fl.datasets.load_breast_cancer(random_state=0)
    >>> model = VAEClassifier(steps=30, random_state=0).fit(data.X, data.y)
    >>> model.predict_proba(data.X_test).shape
    (190, 2)
    """

    def __init__(
        self,
        *,
        lambda_u: float = 10.0,
        alpha: float = 1.0,
        likelihood: Literal["gaussian", "bernoulli"] = "gaussian",
        width: int = 128,
        latent: int = 16,
        steps: int = 500,
        batch_size: int = 64,
        unlabeled_ratio: int = 4,
        lr: float = 0.1,
        weight_decay: float = 5e-4,
        measure_likelihood: bool = True,
        device: str = "auto",
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.lambda_u = lambda_u
        self.alpha = alpha
        self.likelihood = likelihood
        self.width = width
        self.latent = latent
        self.steps = steps
        self.batch_size = batch_size
        self.unlabeled_ratio = unlabeled_ratio
        self.lr = lr
        self.weight_decay = weight_decay
        self.measure_likelihood = measure_likelihood
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def baseline(self) -> VAEClassifier:
        """The same model and training on the labeled rows alone."""
        return VAEClassifier(**(self.get_params(deep=False) | {"lambda_u": 0.0}))

    def fit(self, X: Any, y: Any) -> Self:
        """Train on all rows of X; y marks unlabeled rows with -1, None, NaN or "".

        Parameters
        ----------
        X : (N, D) table or frame; images are taken pixel by pixel
        y : (N,)
        """
        with memory_errors():
            options = self._options()
            x, data = self._enter(X, y)
            # images have been laid out as tables
            table = dataclasses.replace(data, x=x, kind="table")
            self._check_data(table)
            run = self._train(table, options)
            gain = self._measure(table, options) if self.measure_likelihood else None
            proba = _probabilities(run.network, (x - run.scaling.mean) / run.scaling.std)
            self.weights_ = {name: tensor.numpy() for name, tensor in run.network.state_dict().items()}
            self.mean_, self.std_ = run.scaling.mean, run.scaling.std
            self.likelihood_gain_, self.history_, self.facts_ = gain, run.history, run.facts
            self._remember_classes(data, proba)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) the classifier's q(y|x), columns as in `classes_`."""
        x = self._rows(X)
        check_is_fitted(self, "weights_")
        weights = {name: torch.from_numpy(array) for name, array in self.weights_.items()}
        n_classes, width = weights["decoder_y.weight"].shape
        latent = weights["decoder_z.weight"].shape[1]
        with torch.random.fork_rng([]):
            network = M2Network(n_classes, width, latent, False, weights["mean"], weights["std"])
        network.load_state_dict(weights)
        return _probabilities(network, (x - self.mean_) / self.std_)

    def _options(self) -> Options:
        for name, above in (("lambda_u", False), ("alpha", False)):
            check_number(name, getattr(self, name), 0, above=above)
        for name in ("width", "latent", "steps"):
            check_whole(name, getattr(self, name), 1)
        check_flag("measure_likelihood", self.measure_likelihood)
        if not isinstance(self.likelihood, str) or self.likelihood not in ("gaussian", "bernoulli"):
            raise OptionError(f"likelihood={self.likelihood!r}; expected 'gaussian' or 'bernoulli'.")
        return Options(
            method=M2(float(self.lambda_u), float(self.alpha)),
            augment="none",
            steps=self.steps,
            batch_size=self.batch_size,
            unlabeled_ratio=self.unlabeled_ratio,
            lr=self.lr,
            weight_decay=self.weight_decay,
            precision="float32",
            device=self.device,
            verbose=self.verbose,
            seed=check_seed(self.random_state),
        )

    def _check_data(self, data: Partial) -> None:
        if self.likelihood == "bernoulli" and not (data.x.min() >= 0 and data.x.max() <= 1):
            raise InputError(
                f"X has values from {data.x.min():g} to {data.x.max():g}, and likelihood='bernoulli' needs values in "
                "[0, 1]. Divide by the largest value if columns start at 0, or take likelihood='gaussian'."
            )
        rows = self.batch_size * (1 + self.unlabeled_ratio * data.n_classes)
        # the decoder's output and what its gradient keeps, for every unlabeled row and class
        needed = 4.0 * 5 * rows * (data.x.shape[1] + self.width)
        check_memory(needed, "A training step", "Lower batch_size or unlabeled_ratio.")

    def _train(self, data: Partial, options: Options) -> Run:
        scaling = learn_scaling(data)
        mean, std = (torch.from_numpy(np.asarray(part, dtype=np.float32)) for part in (scaling.mean, scaling.std))

        def network(shape: tuple[int, ...], n_classes: int) -> nn.Module:
            return M2Network(n_classes, self.width, self.latent, self.likelihood == "bernoulli", mean, std)

        return fit_run(data, Classes(data.n_classes), data.y, dataclasses.replace(options, network=network))

    def _measure(self, data: Partial, options: Options) -> float | None:
        """Mean log p(x, y) of held-out labeled rows with the unlabeled rows in training, minus without."""
        held = _hold_out(data.y, options.seed)
        if not self.lambda_u or not len(data.unlabeled) or not held.any():
            return None
        keep = np.ones(data.n_rows, dtype=bool)
        keep[data.labeled[held]] = False
        # held-out rows leave altogether: they must not even count as unlabeled
        labeled = np.cumsum(keep)[data.labeled[~held]] - 1
        rest = dataclasses.replace(data, x=data.x[keep], y=data.y[~held], labeled=labeled)
        alone = dataclasses.replace(options, method=M2(0.0, float(self.alpha)))
        x, y = data.x[data.labeled[held]], data.y[held]
        values = [_log_joint(self._train(rest, how), x, y, options.seed) for how in (options, alone)]
        return values[0] - values[1]


def _hold_out(y: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """A third of the labels of each class, at least one of two: which are held out (L,)."""
    order = np.random.default_rng(seed).permutation(len(y))
    held = np.zeros(len(y), dtype=bool)
    for c in range(y.max() + 1):
        rows = order[y[order] == c]
        count = len(rows) // _HELD_OUT or int(len(rows) > 1)
        held[rows[:count]] = True
    return held


def _log_joint(run: Run, x: NDArray[np.float64], y: NDArray[np.int64], seed: int) -> float:
    with torch.random.fork_rng([]), torch.no_grad():
        torch.manual_seed(seed)
        rows, classes = run.scaling.store(x), torch.from_numpy(y)[:, None]
        network = run.network
        assert isinstance(network, M2Network)
        return float(network.log_joint(rows, classes, _SAMPLES).double().mean())


@torch.no_grad()
def _probabilities(network: nn.Module, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """In float64, so that rounding does not make a row's probabilities depend on its neighbors."""
    return softmax(network.double()(torch.from_numpy(x)).numpy())
