"""A method whose augmentation learns beside it: one state holds what both have learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fewlabels.augment.ct_augment import CTAugment
from fewlabels.method import Batch, Method, Net, State


@dataclass(frozen=True)
class Probing:
    """The method's loss, and an update of the augmentation from the batch's probe.

    To the loop this is a method like any other, so that checkpoints and exact resume need nothing new.

    Parameters
    ----------
    method : whose loss is descended
    learner : what learns from the teacher's answers to probed labeled rows
    """

    augment: ClassVar[tuple[str, ...]] = ()  # batches are made as `method` asks
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    method: Method
    learner: CTAugment

    def init(self, n_classes: int, n_rows: int) -> State:
        return {"method": self.method.init(n_classes, n_rows), "augment": self.learner.init()}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        assert batch.probe is not None
        loss, metrics, learnt = self.method.loss(net, batch, state["method"])
        right = net.task.predict(net.teach(batch.probe.x)).gather(1, batch.y[:, None]).squeeze(1)
        augment = self.learner.update(state["augment"], batch.probe.drawn, right)
        return loss, metrics | {"probe_right": right.mean()}, {"method": learnt, "augment": augment}
