r"""Entropy minimization. Grandvalet & Bengio, "Semi-supervised Learning by Entropy Minimization", NeurIPS 2005.

.. math:: L = H(y, f(x)) + \lambda_u(t)\, \mathrm{mean}_u\, H(f(u)), \qquad H(p) = -\sum_c p_c \log p_c

The boundary is pushed to where rows are few. The gradient flows through both factors of the entropy. The paper anneals
the weight; here it ramps.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from fewlabels.method import Batch, Net, State
from fewlabels.parts import Linear, Ramp
from fewlabels.parts.math import entropy


@dataclass(frozen=True)
class EntropyMinimization:
    """The student should be sure of unlabeled rows, whichever class it says.

    Parameters
    ----------
    lambda_u : weight of the entropy after the ramp
    ramp : how the term grows; `Linear(over=0.4)`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak",)
    tasks: ClassVar[tuple[str, ...]] = ("classes", "labels", "masks")

    lambda_u: float = 1.0
    ramp: Ramp = field(default_factory=Linear)

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        (u,) = batch.u
        logits_x, logits_u = net(batch.x, u)
        loss_x = net.task.supervised(logits_x, batch.y).mean()
        loss_u = entropy(logits_u).mean()
        loss = loss_x + self.lambda_u * self.ramp(net.progress) * loss_u
        return loss, {"loss_x": loss_x.detach(), "loss_u": loss_u.detach()}, state
