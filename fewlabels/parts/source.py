"""Source: which network guesses the targets of unlabeled rows, and in which pass.

Each gives the guess's logits without gradient, then the student's outputs of the labeled rows and of
the strongly augmented unlabeled rows. The docs' concepts page holds the measured comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from fewlabels.method import Net


class Source(Protocol):
    def __call__(self, net: Net, x: Tensor, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...


@dataclass(frozen=True)
class Joint:
    """The student, one pass over all rows: one set of batch statistics, as in the FixMatch paper's code.

    Keeps activations of the weak rows that no gradient uses: about half as much work again.
    """

    def __call__(self, net: Net, x: Tensor, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs_x, outputs_w, outputs_s = net(x, weak, strong)
        return outputs_w.detach(), outputs_x, outputs_s


@dataclass(frozen=True)
class Separate:
    """The student, the weak rows in a pass of their own without gradient and with their own batch statistics."""

    def __call__(self, net: Net, x: Tensor, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        guess = net.guess(weak)
        outputs_x, outputs_s = net(x, strong)
        return guess, outputs_x, outputs_s


@dataclass(frozen=True)
class Teacher:
    """The moving average of the student, in evaluation mode (EMAN: Cai et al. 2021, section 4.2)."""

    def __call__(self, net: Net, x: Tensor, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        guess = net.teach(weak)
        outputs_x, outputs_s = net(x, strong)
        return guess, outputs_x, outputs_s
