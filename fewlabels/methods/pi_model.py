r"""Pi-model. Laine & Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017.

.. math:: L = \ell(f(x), y) + \lambda_u(t)\, \mathrm{mean}_u\, d(f(u_2), \mathrm{sg}\, f(u_1))

d is the mean squared difference of probabilities (or of numbers, for regression); dropout and augmentation make the
two passes differ. As in Oliver et al. 2018 one of the two carries no gradient; in the paper both do. Ramp: the paper's.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from fewlabels.method import Batch, Net, State
from fewlabels.parts import Gaussian, Ramp


@dataclass(frozen=True)
class PiModel:
    """The student should agree with itself on another augmentation of the same row.

    Parameters
    ----------
    lambda_u : weight of the consistency term after the ramp; None takes 10 for classes (Oliver et al. 2018) and
        masks, 1 for numbers
    ramp : how the term grows
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "weak")
    tasks: ClassVar[tuple[str, ...]] = ("classes", "numbers", "labels", "masks")

    lambda_u: float | None = None
    ramp: Ramp = field(default_factory=Gaussian)

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        u1, u2 = batch.u
        target = net.task.predict(net.guess(u1))
        outputs_x, outputs_u = net(batch.x, u2)
        loss_x = net.task.supervised(outputs_x, batch.y).mean()
        loss_u = net.task.distance(outputs_u, target).mean()
        lambda_u = (1.0 if net.task.name == "numbers" else 10.0) if self.lambda_u is None else self.lambda_u
        loss = loss_x + lambda_u * self.ramp(net.progress) * loss_u
        return loss, {"loss_x": loss_x.detach(), "loss_u": loss_u.detach()}, state
