r"""Mean Teacher. Tarvainen & Valpola, "Mean teachers are better role models", NeurIPS 2017.

.. math:: L = \ell(f(x), y) + \lambda_u(t)\, \mathrm{mean}_u\, d(f(u_2), \mathrm{sg}\, \bar f(u_1)), \qquad
          \bar\theta \leftarrow \alpha \bar\theta + (1 - \alpha) \theta

d is the mean squared difference of probabilities (or of numbers, for regression). As in the paper the teacher drops
units and takes the statistics of the batch like the student; in evaluation mode it gains much less for classes
(`benchmarks/defaults.py`), but for masks it is the other way round (`benchmarks/segmentation.py --validate`). Ramp: the
paper's Gaussian.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from fewlabels.method import Batch, Net, State
from fewlabels.parts import Gaussian, Ramp


@dataclass(frozen=True)
class MeanTeacher:
    """The student should agree with its own moving average on another augmentation of the same row.

    Parameters
    ----------
    lambda_u : weight of the consistency term after the ramp; None takes 50 for classes of images, where d
        is a mean over classes (Oliver et al. 2018), 10 for classes of table rows and for masks, 1 for numbers, where 50
        makes SGD diverge
    noisy : whether the teacher drops units and takes the statistics of the batch; None takes yes, except for masks
    ramp : how the term grows
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "weak")
    tasks: ClassVar[tuple[str, ...]] = ("classes", "numbers", "labels", "masks")

    lambda_u: float | None = None
    noisy: bool | None = None
    ramp: Ramp = field(default_factory=Gaussian)

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        u1, u2 = batch.u
        noisy = net.task.name != "masks" if self.noisy is None else self.noisy
        target = net.task.predict(net.teach(u1, noisy=noisy))
        outputs_x, outputs_u = net(batch.x, u2)
        loss_x = net.task.supervised(outputs_x, batch.y).mean()
        loss_u = net.task.distance(outputs_u, target).mean()
        usual = net.task.consistency if batch.x.ndim > 2 else min(net.task.consistency, 10.0)
        lambda_u = usual if self.lambda_u is None else self.lambda_u
        loss = loss_x + lambda_u * self.ramp(net.progress) * loss_u
        return loss, {"loss_x": loss_x.detach(), "loss_u": loss_u.detach()}, state
