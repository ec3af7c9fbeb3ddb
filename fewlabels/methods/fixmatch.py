r"""FixMatch. Sohn et al., "FixMatch: Simplifying SSL with Consistency and Confidence", NeurIPS 2020.

.. math:: L = H(y, f(x)) + \lambda_u\, \mathrm{mean}_u\, 1(\max q \ge \tau)\, H(\arg\max q, f(\mathrm{strong}(u))),
          \qquad q = \mathrm{sg}\, f(\mathrm{weak}(u))

The mean runs over all unlabeled rows of the batch, not over the confident ones (eq. 4). In the paper the
student guesses q in one joint pass (`source=Joint()`); the default here is the moving average (`Teacher`),
cheaper, and no worse where it was measured: see the concepts page.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from fewlabels.method import Batch, Net, State
from fewlabels.parts import Align, Constant, Fixed, Hard, Ramp, Source, Target, Teacher, Unaligned, Weight
from fewlabels.parts.math import cross_entropy


@dataclass(frozen=True)
class FixMatch:
    """A confident guess on a weakly augmented row is the label of its strongly augmented copy.

    Parameters
    ----------
    lambda_u : weight of the unlabeled term
    weight : which rows count; `Fixed(tau=0.95)`
    target : what they are taught; `Hard()`
    align : distribution alignment of the guesses; `Unaligned()`
    source : who guesses, and in which pass; `Teacher()`
    ramp : how the unlabeled term grows; `Constant()`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "strong")
    tasks: ClassVar[tuple[str, ...]] = ("classes", "labels", "masks")

    lambda_u: float = 1.0
    weight: Weight = field(default_factory=Fixed)
    target: Target = field(default_factory=Hard)
    align: Align = field(default_factory=Unaligned)
    source: Source = field(default_factory=Teacher)
    ramp: Ramp = field(default_factory=Constant)

    def init(self, n_classes: int, n_rows: int) -> State:
        return {"align": self.align.init(n_classes), "weight": self.weight.init(n_classes, n_rows)}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        weak, strong = batch.u
        logits_w, logits_x, logits_s = self.source(net, batch.x, weak, strong)
        q, aligned = self.align(logits_w.softmax(1), state["align"])
        w, weighed = self.weight(q, batch.rows, state["weight"])
        loss_x = net.task.supervised(logits_x, batch.y).mean()
        loss_u = (w * cross_entropy(logits_s, self.target(q))).mean()
        metrics = {"loss_x": loss_x.detach(), "loss_u": loss_u.detach(), "mask_used": w.mean()}
        return loss_x + self.lambda_u * self.ramp(net.progress) * loss_u, metrics, {"align": aligned, "weight": weighed}
