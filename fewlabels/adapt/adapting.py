"""A method and an alignment term beside it, as one method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from fewlabels.method import Batch, Method, Net, State


@runtime_checkable
class Term(Protocol):
    """A frozen dataclass of options: a loss that falls as the features of source and target become alike."""

    def critic(self, n_features: int) -> nn.Module:
        """What is trained beside the network, on its features (B, n_features); `nn.Identity()` for nothing."""
        ...

    def loss(
        self, source: Tensor, target: Tensor, critic: nn.Module, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The term, weighted, and metrics (scalars without gradient).

        Parameters
        ----------
        source, target : features (B, F) of rows of either side, from one pass of the student
        progress : of the training, in [0, 1]
        """
        ...


@dataclass(frozen=True)
class Adapting:
    """The method's loss, and the term's on rows of both sides, in a pass of their own.

    The pass is the term's alone, so that it sees as many source rows as target rows whatever the method does with its
    batch. It costs 2 B rows; FixMatch's own passes see B + 2 mu B. Batch statistics are those of both sides together.

    Parameters
    ----------
    method : whose loss is descended
    term : what is added; its critic is `net.student.critic` (see `fewlabels.networks.split`)
    """

    augment: ClassVar[tuple[str, ...]] = ()  # batches are made as `method` asks
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    method: Method
    term: Term

    def init(self, n_classes: int, n_rows: int) -> State:
        return self.method.init(n_classes, n_rows)

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        loss, metrics, learnt = self.method.loss(net, batch, state)
        source, target = net.features(*batch.sides)
        term, more = self.term.loss(source, target, net.student.get_submodule("critic"), net.progress)
        return loss + term, metrics | more, learnt
