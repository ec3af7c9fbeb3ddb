r"""Labeled rows alone: the baseline that every other method is measured against.

.. math:: L = \frac{1}{B} \sum_b \ell(f(x_b), y_b)
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fewlabels.method import Batch, Net, State


@dataclass(frozen=True)
class Supervised:
    """The task's loss on the labeled rows; unlabeled rows are not even drawn."""

    augment: ClassVar[tuple[str, ...]] = ()
    tasks: ClassVar[tuple[str, ...]] = ("classes", "numbers", "labels", "masks")

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        (outputs_x,) = net(batch.x)
        loss_x = net.task.supervised(outputs_x, batch.y).mean()
        return loss_x, {"loss_x": loss_x.detach()}, state
