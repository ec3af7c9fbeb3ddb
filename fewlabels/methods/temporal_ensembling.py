r"""Temporal ensembling. Laine & Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017.

.. math:: L = \ell(f(x), y) + \lambda_u(t)\, \mathrm{mean}_u\, d(f(u), \tilde z_u), \qquad
          Z_u \leftarrow \alpha Z_u + (1 - \alpha)\, f(u), \qquad
          \tilde z_u = Z_u / (1 - \alpha^{n_u})

A row's target is the average of what the student said of it in the passes before, n_u of them, without the bias of a
start at zero. The paper counts epochs; here each row counts its own passes, and one never seen has no target and a
distance of zero. One pass a row and step, where the Pi-model takes two.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from fewlabels.data.memory import check_memory
from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.parts import Gaussian, Ramp
from fewlabels.parts.math import first_of_each


@dataclass(frozen=True)
class TemporalEnsembling:
    """The student should agree with the average of its own earlier answers for the row.

    The state holds 4 K + 2 bytes a row (K = 1 for numbers), updated in place for the rows of the batch alone.

    Parameters
    ----------
    lambda_u : weight of the consistency term after the ramp; None takes 30 for classes of images (the paper's),
        10 for those of table rows, 1 for numbers
    alpha : decay of the average of answers
    ramp : how the term grows
    """

    augment: ClassVar[tuple[str, ...]] = ("weak",)
    tasks: ClassVar[tuple[str, ...]] = ("classes", "numbers")

    lambda_u: float | None = None
    alpha: float = 0.6
    ramp: Ramp = field(default_factory=Gaussian)

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < 1:
            raise OptionError(f"TemporalEnsembling.alpha is {self.alpha}; expected a decay in [0, 1).")

    def init(self, n_classes: int, n_rows: int) -> State:
        check_memory(
            n_rows * (4 * n_classes + 2),
            f"the answers for {n_rows:,} rows that temporal_ensembling remembers",
            "Take mean_teacher, which remembers none, or fewer rows.",
        )
        return {"z": torch.zeros(n_rows, n_classes), "seen": torch.zeros(n_rows, dtype=torch.int16)}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        (u,) = batch.u
        outputs_x, outputs_u = net(batch.x, u)
        seen = state["seen"][batch.rows].to(outputs_u.dtype)
        told = net.task.predict(outputs_u.detach())
        target = (state["z"][batch.rows] / (1 - self.alpha**seen).clamp_min(1e-6)[:, None]).view_as(told)
        loss_x = net.task.supervised(outputs_x, batch.y).mean()
        loss_u = ((seen > 0) * net.task.distance(outputs_u, target)).mean()
        usual = 1.0 if net.task.name == "numbers" else 30.0 if batch.x.ndim > 2 else 10.0
        lambda_u = usual if self.lambda_u is None else self.lambda_u
        loss = loss_x + lambda_u * self.ramp(net.progress) * loss_u
        return loss, {"loss_x": loss_x.detach(), "loss_u": loss_u.detach()}, self._remember(state, batch.rows, told)

    def _remember(self, state: State, rows: Tensor, told: Tensor) -> State:
        rows, first = first_of_each(rows)
        told = told[first].view(len(rows), -1)
        state["z"][rows] = torch.lerp(told, state["z"][rows], self.alpha)
        state["seen"][rows] = (state["seen"][rows] + 1).clamp_max(32_000)  # int16 ends at 32,767
        return state
