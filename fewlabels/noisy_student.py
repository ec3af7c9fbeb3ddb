r"""Noisy Student. Xie et al., "Self-training with Noisy Student improves ImageNet classification", CVPR 2020.

.. math:: \theta' = \arg\min\; \mathrm{mean}_x\, H(y, f'(\mathrm{strong}(x)))
          + \mathrm{mean}_{\tilde u}\, H(\bar f(u), f'(\mathrm{strong}(u))), \qquad f \leftarrow f', \text{ repeat}

The teacher, trained before and now fixed, answers for the unlabeled rows as they are: without augmentation, dropout or
stochastic depth. A new network of equal or larger size then learns its answers under all of these, and is the next
teacher. u-tilde are the rows of which the teacher is sure enough, balanced over the classes it gives them.

Three departures. Balancing is by weights, which in expectation are the paper's duplicated rows: of a class with too
many rows the surest stay, the rows of one with too few weigh more. Teacher and student predict with the moving average
of their weights, as everything here does. Networks by name have neither dropout nor stochastic depth; bring one that
has (`student_network=`) for the paper's noise in the model.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from fewlabels.audits.finding import Finding
from fewlabels.augment import Augmentation
from fewlabels.classical.checking import check_flag
from fewlabels.data.memory import memory_errors
from fewlabels.deep import DeepClassifier
from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.networks import Network
from fewlabels.partial_labels import Partial, partial
from fewlabels.parts.math import cross_entropy
from fewlabels.progress import Verbose
from fewlabels.seeds import check_seed


@dataclasses.dataclass(frozen=True, eq=False)
class Taught:
    """One student's loss: the labels, and a fixed answer and weight for every row of the data."""

    augment: ClassVar[tuple[str, ...]] = ("strong",)
    augment_x: ClassVar[tuple[str, ...]] = ("strong",)
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    answers: Tensor  # (N, K)
    weight: Tensor  # (N,)

    def init(self, n_classes: int, n_rows: int) -> State:
        return {"answers": self.answers, "weight": self.weight}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        (x,), (u,) = batch.x_more, batch.u
        logits_x, logits_u = net(x, u)
        w = state["weight"][batch.rows]
        loss_x = net.task.supervised(logits_x, batch.y).mean()
        loss_u = (w * cross_entropy(logits_u, state["answers"][batch.rows])).mean()
        metrics = {"loss_x": loss_x.detach(), "loss_u": loss_u.detach(), "mask_used": (w > 0).float().mean()}
        return loss_x + loss_u, metrics, state


class NoisyStudent(ClassifierMixin, BaseEstimator):
    """A teacher answers for the unlabeled rows, a noised student learns the answers and becomes the teacher.

    Parameters
    ----------
    rounds : students after the first teacher; 0 is the first teacher alone
    targets : "soft" (the teacher's class shares) or "hard" (its likeliest class)
    tau : an unlabeled row counts if the teacher is at least this sure of it
    balance : whether every class gets the same weight of unlabeled rows
    network : of the first teacher; as in `DeepClassifier`
    student_network : of the students, equal or larger; None takes `network`
    augment, steps, batch_size, unlabeled_ratio, lr, weight_decay, average, precision, device, verbose : of each
        training, as in `DeepClassifier`; strong augmentation is the students' noise
    class_balanced, logit_adjustment : likewise
    folder : where each round has a run folder; the same call goes on in the round where it was interrupted
    random_state : seed; round r trains with seed + r

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, transduction_ : as in `DeepClassifier`
    teacher_ : the last student, a fitted `DeepClassifier`
    run_ : as in `DeepClassifier`, of the last student; `run_.facts["seconds"]` counts all rounds
    rounds_ : list of dicts, one a student: "round", "used" (unlabeled rows that counted), "changed" (share of all rows
        whose answer the student changed), and "used_per_class"
    history_ : list of dicts: "step" (counted over all rounds), "round", "loss" and the metrics
    findings_ : as in `DeepClassifier`, of each round; names end in "round 0" and so on

    Raises
    ------
    InputError, OptionError, DivergenceError, ResourceError, SaveError : as in `DeepClassifier`

    Examples
    --------
    >>> import fewlabels as fl
    >>> data = fl.datasets.load_breast_cancer(random_state=0)
    >>> model = fl.NoisyStudent(rounds=1, steps=20, random_state=0, verbose=False).fit(data.X, data.y)
    >>> [entry["round"] for entry in model.rounds_]
    [1]
    """

    def __init__(
        self,
        *,
        rounds: int = 3,
        targets: Literal["soft", "hard"] = "soft",
        tau: float = 0.3,
        balance: bool = True,
        network: Network = "auto",
        student_network: Network | None = None,
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
        class_balanced: bool = False,
        logit_adjustment: float = 0.0,
    ) -> None:
        self.rounds = rounds
        self.targets = targets
        self.tau = tau
        self.balance = balance
        self.network = network
        self.student_network = student_network
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
        self.class_balanced = class_balanced
        self.logit_adjustment = logit_adjustment

    def baseline(self) -> NoisyStudent:
        """The students' network on the labels alone: one training, weakly augmented."""
        params = self.get_params(deep=False)
        network = params["network"] if params["student_network"] is None else params["student_network"]
        return NoisyStudent(**params | {"rounds": 0, "network": network, "folder": None})

    def fit(self, X: Any, y: Any) -> Self:
        """Train the teacher and then `rounds` students; y marks unlabeled rows as for `DeepClassifier.fit`."""
        with memory_errors("Use fewer rows, or lower batch_size."):
            self._check()
            data, seed = partial(X, y, task="classes"), check_seed(self.random_state)
            teacher = self._learner(0, seed, "supervised").learn(data)
            history, told, seconds = _numbered(teacher, 0, 0.0), [], teacher.run_.facts["seconds"]
            findings = _of_round(teacher, 0)
            for number in range(1, self.rounds + 1):
                lesson = self._lesson(teacher, data)
                student = self._learner(number, seed, lesson).learn(data)
                told.append(_about(number, lesson, teacher, student))
                history += _numbered(student, number, history[-1]["step"])
                findings += _of_round(student, number)
                teacher, seconds = student, seconds + student.run_.facts["seconds"]
            # after the training: a refit that fails leaves the fitted model whole
            self.teacher_, self.rounds_, self.history_, self.findings_ = teacher, told, history, findings
            self.run_ = dataclasses.replace(teacher.run_, facts=teacher.run_.facts | {"seconds": seconds})
            self.classes_, self.transduction_ = teacher.classes_, teacher.transduction_
            self.n_features_in_ = teacher.n_features_in_
            self.__dict__.pop("feature_names_in_", None)
            if data.feature_names is not None:
                self.feature_names_in_ = teacher.feature_names_in_
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) probabilities, columns as in `classes_`."""
        check_is_fitted(self, "teacher_")
        return self.teacher_.predict_proba(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """(N,) the likeliest class of each row, in the type of y."""
        check_is_fitted(self, "teacher_")
        return self.teacher_.predict(X)

    def save(self, path: str | Path) -> Path:
        """Write the last student into the folder `path`; `fl.load` gives a `DeepClassifier`."""
        check_is_fitted(self, "teacher_")
        return self.teacher_.save(path)

    def _check(self) -> None:
        if isinstance(self.rounds, bool) or not isinstance(self.rounds, int | np.integer) or self.rounds < 0:
            raise OptionError(f"NoisyStudent.rounds is {self.rounds!r}; expected 0, 1, 2, ...")
        if not isinstance(self.targets, str) or self.targets not in ("soft", "hard"):
            raise OptionError(f"NoisyStudent.targets is {self.targets!r}; expected 'soft' or 'hard'.")
        if not isinstance(self.tau, int | float | np.floating) or not 0 <= self.tau <= 1:
            raise OptionError(f"NoisyStudent.tau is {self.tau}; expected a confidence threshold in [0, 1].")
        check_flag("balance", self.balance)
        if self.folder is not None and not isinstance(self.random_state, int | np.integer):
            raise OptionError("a run in folder= can go on only with a known seed: set random_state to an integer.")

    def _learner(self, number: int, seed: int, method: Any) -> DeepClassifier:
        own = ("rounds", "targets", "tau", "balance", "student_network")
        params = {key: value for key, value in self.get_params(deep=False).items() if key not in own}
        if number and self.student_network is not None:
            params["network"] = self.student_network
        if self.folder is not None:
            params["folder"] = Path(self.folder) / f"round-{number}"
        return DeepClassifier(method, **params | {"random_state": (seed + number) % 2**32})

    def _lesson(self, teacher: DeepClassifier, data: Partial) -> Taught:
        proba = teacher.run_.outputs(data.x).double().softmax(1)
        weight = chosen(proba.numpy(), data.labeled, self.tau, self.balance)
        if self.targets == "hard":
            proba = torch.nn.functional.one_hot(proba.argmax(1), proba.shape[1])
        return Taught(proba.float(), torch.from_numpy(weight).float())


def chosen(proba: NDArray[np.float64], labeled: NDArray[np.int64], tau: float, balance: bool) -> NDArray[np.float64]:
    """(N,) weight of each row, 1 on average over all rows; 0 for labeled and unsure ones (and if none is left)."""
    confidence, guess = proba.max(1), proba.argmax(1)
    kept = confidence >= tau
    kept[labeled] = False
    weight: NDArray[np.float64] = kept.astype(np.float64)
    if balance:
        share = math.ceil(kept.sum() / proba.shape[1])
        for c in range(proba.shape[1]):
            rows = np.flatnonzero(kept & (guess == c))
            rows = rows[np.argsort(-confidence[rows], kind="stable")]
            weight[rows[share:]] = 0
            weight[rows[:share]] = share / max(1, min(len(rows), share))
    if weight.any():
        weight *= len(weight) / weight.sum()
    return weight


def _numbered(model: DeepClassifier, number: int, before: float) -> list[dict[str, float]]:
    return [entry | {"step": entry["step"] + before, "round": float(number)} for entry in model.history_]


def _of_round(model: DeepClassifier, number: int) -> tuple[Finding, ...]:
    return tuple(dataclasses.replace(f, check=f"{f.check}, round {number}") for f in model.findings_)


def _about(number: int, lesson: Taught, teacher: DeepClassifier, student: DeepClassifier) -> dict[str, Any]:
    used = lesson.weight > 0
    per_class = torch.bincount(lesson.answers.argmax(1)[used], minlength=lesson.answers.shape[1])
    return {
        "round": number,
        "used": int(used.sum()),
        "used_per_class": per_class.tolist(),
        "changed": float(np.mean(teacher.transduction_ != student.transduction_)),
    }
