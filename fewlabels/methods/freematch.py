r"""FreeMatch. Wang et al., "FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning", ICLR 2023.

.. math:: L = H(y, f(x)) + \lambda_u\, \mathrm{mean}_u\, w(q)\, H(\arg\max q, f(s)) + \lambda_f L_f, \qquad
          L_f = \sum_c \mathcal{N}(\tilde p / \tilde h)_c \log \mathcal{N}(\bar p / \bar h)_c

w compares with thresholds that follow the model's confidence (`SelfAdaptive`). L_f is self-adaptive fairness: p-tilde
and h-tilde are moving averages of the guesses and of the histogram of their likeliest classes, p-bar and h-bar the same
of the student's answers to the selected strong rows of this batch; N divides by the sum. It is minus a cross-entropy,
in the paper and here, which looks like the wrong sign. But the histogram h-bar is a constant for the derivative, and so
descending spreads the answers over the classes. Classes that a batch's histogram lacks take no part.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.parts import Constant, Hard, Ramp, SelfAdaptive, Source, Target, Teacher, Weight
from fewlabels.parts.math import cross_entropy, warm


@dataclass(frozen=True)
class FreeMatch:
    """FixMatch with thresholds that need no tuning, and a term that keeps the classes in balance.

    Parameters
    ----------
    lambda_u : weight of the unlabeled term
    lambda_f : weight of the fairness term beside the other unlabeled one; lambda_u multiplies both
    weight : which rows count; `SelfAdaptive()`
    target : what they are taught; `Hard()`
    source : who guesses, and in which pass; `Teacher()`
    momentum : of the moving averages in the fairness term, warm-started like the teacher
    ramp : how the unlabeled term grows; `Constant()`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "strong")
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    lambda_u: float = 1.0
    lambda_f: float = 0.01
    weight: Weight = field(default_factory=SelfAdaptive)
    target: Target = field(default_factory=Hard)
    source: Source = field(default_factory=Teacher)
    momentum: float = 0.999
    ramp: Ramp = field(default_factory=Constant)

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise OptionError(f"FreeMatch.momentum is {self.momentum}; expected a decay in [0, 1).")

    def init(self, n_classes: int, n_rows: int) -> State:
        even = torch.full((n_classes,), 1 / n_classes)
        weight = self.weight.init(n_classes, n_rows)
        return {"weight": weight, "p": even, "h": even.clone(), "steps": torch.tensor(0)}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        weak, strong = batch.u
        logits_w, logits_x, logits_s = self.source(net, batch.x, weak, strong)
        q = logits_w.softmax(1)
        w, weighed = self.weight(q, batch.rows, state["weight"])
        decay = warm(self.momentum, state["steps"])
        p = torch.lerp(q.mean(0), state["p"], decay)
        h = torch.lerp(histogram(q), state["h"], decay)
        loss_x = net.task.supervised(logits_x, batch.y).mean()
        loss_u = (w * cross_entropy(logits_s, self.target(q))).mean()
        loss_f = fairness(logits_s[w > 0], p, h)
        metrics = {"loss_x": loss_x.detach(), "loss_u": loss_u.detach(), "mask_used": w.mean()}
        metrics |= {"loss_f": loss_f.detach()}
        loss = loss_x + self.lambda_u * self.ramp(net.progress) * (loss_u + self.lambda_f * loss_f)
        return loss, metrics, {"weight": weighed, "p": p, "h": h, "steps": state["steps"] + 1}


def histogram(q: Tensor) -> Tensor:
    """(K,) share of rows whose likeliest class is c."""
    return torch.bincount(q.argmax(1), minlength=q.shape[1]).to(q.dtype) / max(len(q), 1)


def fairness(logits_s: Tensor, p: Tensor, h: Tensor) -> Tensor:
    """L_f of the selected strong rows; 0 when there is none."""
    if len(logits_s) == 0:
        return p.sum() * 0
    answers = logits_s.softmax(1)
    now = histogram(answers.detach())
    seen = now > 0
    wanted = torch.where(seen, p / h.clamp_min(1e-12), 0)
    got = torch.where(seen, answers.mean(0) / now.clamp_min(1e-12), 0)
    return ((wanted / wanted.sum()) * (got / got.sum()).clamp_min(1e-12).log() * seen).sum()
