r"""Pseudo-Label. Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method", ICML workshop 2013.

.. math:: L = H(y, f(x)) + \lambda_u(t) \, \mathrm{mean}_u\, w(q)\, H(\arg\max q, f(u)), \qquad q = \mathrm{sg}\, f(u)

Teacher and student see the same weakly augmented row. Lee (eq. 15) has no threshold and ramps from step
T1 to T2; the threshold and the linear ramp are those of Oliver et al. 2018 ("Realistic Evaluation").
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from fewlabels.method import Batch, Net, State
from fewlabels.parts import Fixed, Hard, Linear, Ramp, Target, Weight
from fewlabels.parts.math import cross_entropy


@dataclass(frozen=True)
class PseudoLabel:
    """The student's own confident guesses as labels, trusted more and more.

    Parameters
    ----------
    lambda_u : weight of the unlabeled term after the ramp
    weight : which rows count; `Fixed(tau=0.95)`
    target : what they are taught; `Hard()`
    ramp : how the term grows; `Linear(over=0.4)`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak",)
    tasks: ClassVar[tuple[str, ...]] = ("classes", "labels", "masks")

    lambda_u: float = 1.0
    weight: Weight = field(default_factory=Fixed)
    target: Target = field(default_factory=Hard)
    ramp: Ramp = field(default_factory=Linear)

    def init(self, n_classes: int, n_rows: int) -> State:
        return {"weight": self.weight.init(n_classes, n_rows)}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        (u,) = batch.u
        logits_x, logits_u = net(batch.x, u)
        q = logits_u.detach().softmax(1)
        w, weighed = self.weight(q, batch.rows, state["weight"])
        loss_x = net.task.supervised(logits_x, batch.y).mean()
        loss_u = (w * cross_entropy(logits_u, self.target(q))).mean()
        loss = loss_x + self.lambda_u * self.ramp(net.progress) * loss_u
        metrics = {"loss_x": loss_x.detach(), "loss_u": loss_u.detach(), "mask_used": w.mean()}
        return loss, metrics, {"weight": weighed}
