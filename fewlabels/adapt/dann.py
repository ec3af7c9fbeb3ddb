r"""DANN. Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17, 2016.

.. math:: L + \mathrm{BCE}\bigl(d, D(R(f(x)))\bigr), \qquad R(f) = f, \quad
          \frac{\partial R}{\partial f} = -\lambda_p I, \qquad
          \lambda_p = \lambda_d \left(\frac{2}{1 + e^{-\gamma p}} - 1\right)

A critic D learns to tell source (d = 1) from target features f; the gradient that reaches the network is reversed, so
that the network learns features by which it cannot. As in section 5.2.2 the schedule holds for the network alone: the
critic learns at full rate from the start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from fewlabels.networks import MLP


@dataclass(frozen=True)
class DANN:
    """Features by which a critic cannot tell source from target rows.

    Parameters
    ----------
    lambda_d : of the reversed gradient at the end
    gamma : how soon it gets there
    """

    lambda_d: float = 1.0
    gamma: float = 10.0

    def critic(self, n_features: int) -> nn.Module:
        return MLP((n_features,), 1)

    def loss(
        self, source: Tensor, target: Tensor, critic: nn.Module, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        lambda_p = self.lambda_d * (2 / (1 + math.exp(-self.gamma * progress)) - 1)
        logits = critic(reverse_gradient(torch.cat([source, target]), lambda_p)).squeeze(1)
        of_source, of_target = logits[: len(source)], logits[len(source) :]
        # either side weighs half
        loss = (softplus(-of_source).mean() + softplus(of_target).mean()) / 2
        right = ((of_source > 0).float().mean() + (of_target <= 0).float().mean()) / 2
        return loss, {"loss_adapt": loss.detach(), "critic_right": right.detach()}


def reverse_gradient(x: Tensor, lambda_p: float) -> Tensor:
    """x, whose gradient is multiplied by -lambda_p on the way back."""
    reversed_: Tensor = _Reversed.apply(x, lambda_p)  # type: ignore[no-untyped-call]
    return reversed_


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lambda_p: float) -> Tensor:
        ctx.lambda_p = lambda_p
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.lambda_p * gradient, None
