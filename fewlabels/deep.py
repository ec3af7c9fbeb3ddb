"""DeepClassifier and DeepRegressor: scikit-learn's interface to the training loop."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from fewlabels import recipes
from fewlabels.adapt import Adaptation, as_adaptation
from fewlabels.augment import Augmentation
from fewlabels.calibration import cooled, temperature
from fewlabels.data.inputs import Form, check_X, remember_form
from fewlabels.data.labels import read_labels
from fewlabels.data.memory import memory_errors
from fewlabels.errors import InputError, OptionError
from fewlabels.method import Method
from fewlabels.networks import Network
from fewlabels.partial_labels import Partial, partial, partial_matrix
from fewlabels.progress import Verbose
from fewlabels.run import Options, Run, fit_run
from fewlabels.seeds import check_seed
from fewlabels.tasks import Classes, Labels, Numbers, Task

__all__ = ["DeepClassifier", "DeepRegressor", "load"]


class _Deep(BaseEstimator):
    """What the estimators on the training loop share: options, and rows in and out."""

    run_: Run
    form_: Form

    def __init__(
        self,
        method: str | Method,
        *,
        network: Network = "auto",
        augment: str | Augmentation = "auto",
        steps: int | None = None,
        batch_size: int = 64,
        unlabeled_ratio: int = 7,
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
        self.method = method
        self.network = network
        self.augment = augment
        self.steps = steps
        self.batch_size = batch_size
        self.unlabeled_ratio = unlabeled_ratio
        self.lr = lr
        self.weight_decay = weight_decay
        self.average = average
        self.precision = precision
        self.device = device
        self.folder = folder
        self.verbose = verbose
        self.random_state = random_state
        self.on_nonfinite = on_nonfinite

    def baseline(self) -> Self:
        """The same estimator on the labels alone: same network, augmentation, steps and optimizer."""
        params = self.get_params(deep=False) | {"method": "supervised"}
        return type(self)(**params | ({"adapt": None} if "adapt" in params else {}))

    def _options(self) -> Options:
        given = self.get_params(deep=False)
        method = recipes.as_method(given.pop("method"))
        if "adapt" in given:
            given["adapt"] = as_adaptation(given["adapt"])
        if self.folder is not None and not isinstance(self.random_state, int | np.integer):
            raise OptionError("a run in folder= can go on only with a known seed: set random_state to an integer.")
        return Options(method=method, seed=check_seed(given.pop("random_state")), **given)

    def _fit(self, data: Partial, task: Task, y: NDArray[Any]) -> None:
        self.run_ = fit_run(data, task, y, self._options())
        remember_form(self, data.form)
        self.history_, self.findings_ = self.run_.history, self.run_.findings

    def _outputs(self, X: Any) -> Tensor:
        check_is_fitted(self, "run_")
        return self.run_.outputs(check_X(X, like=self.form_, name=type(self).__name__))

    def save(self, path: str | Path) -> Path:
        """Write the fitted model into the folder `path`, as model.safetensors; no pickle.

        Raises
        ------
        SaveError : the folder cannot be written
        """
        from fewlabels.model_files import save_model

        check_is_fitted(self, "run_")
        return save_model(self, Path(path))


class DeepClassifier(ClassifierMixin, _Deep):
    """A neural network trained on labeled and unlabeled rows together.

    Parameters
    ----------
    method : a name (`fewlabels methods` lists them) or a recipe such as ``fl.methods.FixMatch(lambda_u=2)``
    network : "auto" (a small convnet for images, an mlp for tables), "mlp[-WIDTH[-DEPTH]]",
        "convnet[-WIDTH]", "wide_resnet[-DEPTH[-WIDTH]]", a torch module, or a factory
        ``f(shape, n_outputs)`` with shape (D,) or (C, H, W)
    augment : "auto", "none", or an augmentation such as ``fl.augment.Images(flip=True)``
    steps : training steps; None takes 500 for tables, 1,000 for images
    batch_size : labeled rows a step (drawn again, augmented anew, when there are fewer)
    unlabeled_ratio : unlabeled rows for each labeled row of a step
    lr : learning rate of SGD with Nesterov momentum at the first step, then lr * cos(7 pi t / 16 T)
    weight_decay : on weights, not on biases or BatchNorm
    average : decay of the moving average of the weights, which is the model that predicts
    class_balanced : whether classes take turns in the labeled rows of a step, however many rows each has
    logit_adjustment : tau of Menon et al. 2021: the labeled loss is that of the logits plus tau times the logarithm of
        the labels' class shares, so that rare classes are not drowned; 1 is the paper's, 0 none. For imbalanced labels
        set this or class_balanced. Both change the labeled rows' part alone, whichever method it is
    watch_labels : labels of each class that are kept back from training, and tell the monitor `precision` whether
        confident pseudo-labels are right. 0 keeps none; a rule of thumb: 10, if there are 50 or more
    adapt : for a model that will be used on rows of another kind than the labeled ones (another scanner, site or
        year): "adabn", "importance", "coral", "mmd", "dann", or a recipe such as ``fl.adapt.DANN(lambda_d=0.5)``.
        Any method may have it; see the page on shift. It needs rows of both sides, see `fit`
    precision : "auto" (bfloat16 where it is quicker here), "float32", "bfloat16"
    device : "auto", "cpu", "cuda", "mps"
    folder : where metrics.jsonl and checkpoints go; the same call goes on with an interrupted run there
    verbose : "auto" and True show progress (a bar, or in logs a line now and then), False nothing
    random_state : seed; the same seed, versions, threads and device give the same bits
    on_nonfinite : at a loss, gradient or weight that is not finite: "raise" a `DivergenceError`; or "rollback", up to
        three times, to the start, with half the learning rate each time and a warning

    Attributes
    ----------
    classes_ : (K,) in the type of y; with K labels 0 to K - 1, their columns
    n_features_in_, feature_names_in_ : what fit saw
    transduction_ : (N,) the given label of each labeled row, the predicted one of every other
    history_ : list of dicts, at most 200: "step", "loss", and the method's metrics
    run_ : the network and what was resolved (`run_.facts`: seed, steps, device, precision, seconds)
    findings_ : what the monitors saw during training, a tuple of `Finding`: "look" where something needs a look
    temperature_ : what `calibrate` found; 1.0 after fit

    Examples
    --------
    >>> import fewlabels as fl
    >>> data = fl.datasets.load_digits(random_state=0)
    >>> model = fl.DeepClassifier("fixmatch", steps=20, random_state=0).fit(data.X, data.y)
    >>> model.predict(data.X_test).shape
    (600,)
    """

    def __init__(
        self,
        method: str | Method = "fixmatch",
        *,
        network: Network = "auto",
        augment: str | Augmentation = "auto",
        steps: int | None = None,
        batch_size: int = 64,
        unlabeled_ratio: int = 7,
        lr: float = 0.03,
        weight_decay: float = 5e-4,
        average: float = 0.999,
        precision: str = "auto",
        device: str = "auto",
        folder: str | Path | None = None,
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
        on_nonfinite: str = "raise",
        class_balanced: bool = False,
        logit_adjustment: float = 0.0,
        watch_labels: int = 0,
        adapt: str | Adaptation | None = None,
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
        self.class_balanced = class_balanced
        self.logit_adjustment = logit_adjustment
        self.watch_labels = watch_labels
        self.adapt = adapt

    def fit(self, X: Any, y: Any, *, domain: Any = None) -> Self:
        """Train on all rows of X; y marks unlabeled rows with -1, None, NaN or "".

        Parameters
        ----------
        X : (N, D) table or frame, images (N, H, W[, C]), a list of image paths
        y : (N,) classes; or (N, K) zeros and ones, any of K labels for each row. There an unlabeled row is all NaN
            (or -1), and a single NaN is a label that is not known
        domain : with `adapt`, (N,) above 0 for rows of the source, below 0 for rows of the target, which the model is
            for; labels may be on either side. None takes the labeled rows for the source and the others for the
            target. scikit-learn's metadata routing knows it: ``set_fit_request(domain=True)``

        Raises
        ------
        InputError : the data cannot be used; OptionError : an option cannot; DivergenceError : the loss blew up
        """
        with memory_errors("Use fewer rows, or lower batch_size."):
            several = len(getattr(y, "shape", ())) == 2 and y.shape[1] > 1
            if domain is not None and self.adapt is None:
                warnings.warn("domain= is used by adapt=, which is None: all rows are treated alike.", stacklevel=2)
            return self.learn(partial_matrix(X, y) if several else partial(X, y, task="classes", domain=domain))

    def learn(self, data: Partial) -> Self:
        """`fit` for rows that are through the door already."""
        assert data.classes is not None
        self._fit(data, (Classes if data.y.ndim == 1 else Labels)(len(data.classes)), data.y)
        # after the training: a refit that fails leaves the fitted model whole
        self.classes_, self.temperature_ = data.classes, 1.0
        guessed = self.run_.outputs(data.x).argmax(1).numpy()
        guessed[data.labeled] = np.where(data.y < 0, guessed[data.labeled], data.y)
        self.transduction_ = self.classes_[guessed]
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) probabilities, columns as in `classes_`; with labels, each column that of the label."""
        proba: NDArray[np.float64] = self._outputs(X).double().softmax(1).numpy()
        return proba[:, 1] if proba.ndim == 3 else cooled(proba, self.temperature_)

    def calibrate(self, X: Any, y: Any) -> Self:
        """Make probabilities fit labeled rows that took no part in training; no prediction changes.

        One number is fitted, the temperature by which logits are divided (Guo et al., ICML 2017). `predict_proba` uses
        it from then on, and `save` keeps it. Rows that were used here must not judge the model afterwards.

        Parameters
        ----------
        X : (n, ...) as `predict` takes them; y : (n,) the class of every row

        Raises
        ------
        InputError : unlabeled rows, classes that the model does not know, several labels a row
        """
        outputs = self._outputs(X).double().softmax(1)  # first: it says so if the model is not fitted
        if outputs.ndim == 3:
            raise InputError("calibrate is for one class a row; this model answers several labels a row.")
        labels = read_labels(y, task="classes")
        codes = {label: code for code, label in enumerate(self.classes_.tolist())}
        unknown = sorted(set(labels.values.tolist()) - set(codes), key=str)
        if unknown or len(labels.rows) != len(outputs):
            raise InputError(
                f"calibrate needs the class of each of the {len(outputs)} rows; y has {len(labels.rows)} labels, and "
                f"classes that the model does not know: {unknown[:5] or 'none'}."
            )
        found = np.array([codes[label] for label in labels.values.tolist()])
        self.temperature_ = temperature(outputs.numpy(), found)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """(N,) the likeliest class of each row, in the type of y; with labels, (N, K) zeros and ones."""
        likeliest = self._outputs(X).argmax(1).numpy()  # first: it says so if the model is not fitted
        guess: NDArray[Any] = self.classes_[likeliest]
        return guess


class DeepRegressor(RegressorMixin, _Deep):
    """A neural network for numbers, trained on labeled and unlabeled rows together; NaN marks unlabeled ones.

    Targets are standardized inside and given back in the user's units. Parameters are those of
    `DeepClassifier`; `method` must be one that learns numbers.

    Attributes
    ----------
    n_features_in_, feature_names_in_, transduction_, history_, findings_, run_ : as in `DeepClassifier`
    target_mean_, target_std_ : of the labeled rows
    """

    def __init__(
        self,
        method: str | Method = "mean_teacher",
        *,
        network: Network = "auto",
        augment: str | Augmentation = "auto",
        steps: int | None = None,
        batch_size: int = 64,
        unlabeled_ratio: int = 7,
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
        """Train on all rows of X; NaN in y marks unlabeled rows. Errors as in `DeepClassifier.fit`."""
        with memory_errors("Use fewer rows, or lower batch_size."):
            data = partial(X, y, task="numbers")
            mean, std = float(data.y.mean()), float(data.y.std()) or 1.0
            self._fit(data, Numbers(), ((data.y - mean) / std).astype(np.float32))
            self.target_mean_, self.target_std_ = mean, std
            self.transduction_ = self._units(self.run_.outputs(data.x))
            self.transduction_[data.labeled] = data.y
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(N,) numbers in the units of y."""
        return self._units(self._outputs(X))

    def _units(self, outputs: Tensor) -> NDArray[np.float64]:
        standard: NDArray[np.float64] = outputs.squeeze(1).double().numpy()
        return standard * self.target_std_ + self.target_mean_


def load(path: str | Path, *, network: Network | None = None) -> Any:
    """A model written by `save`.

    Parameters
    ----------
    path : the folder
    network : the factory or module, if the model was made with one of your own: files hold its weights, no code

    Raises
    ------
    InputError : no model there, a damaged file, an unknown class name, a file of a later version
    """
    from fewlabels.model_files import load_model

    return load_model(Path(path), network)
