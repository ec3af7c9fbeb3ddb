r"""MMD over several kernels. Long, Cao, Wang, Jordan, "Learning Transferable Features with Deep Adaptation Networks",
ICML 2015; the unbiased estimate is that of Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, eq. 3.

.. math::

    L + \lambda\Bigl(\frac{\sum_{i \ne j} k(s_i, s_j)}{n(n-1)} + \frac{\sum_{i \ne j} k(t_i, t_j)}{m(m-1)}
    - \frac{2 \sum_{ij} k(s_i, t_j)}{nm}\Bigr), \qquad
    k(a, b) = \frac{1}{5} \sum_c \exp\bigl(-\lVert a - b \rVert^2 / (c\,w)\bigr), \quad
    c \in \{\tfrac14, \tfrac12, 1, 2, 4\}

w is the median squared distance between the rows of the batch, without gradient: otherwise features could shrink the
kernel in place of their discrepancy. The kernels weigh the same, where the paper learns their weights; the paper takes
the sum over pairs in linear time, here a batch is small enough for all of them. Being unbiased, the estimate is zero on
average where the sides are alike, and a single one may be negative.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fewlabels.parts import Constant, Ramp

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class MMD:
    """Features whose distributions on either side have a small maximum mean discrepancy.

    Parameters
    ----------
    lambda_mmd : weight of the term
    ramp : how it grows; `Constant()`
    """

    lambda_mmd: float = 1.0
    ramp: Ramp = field(default_factory=Constant)

    def critic(self, n_features: int) -> nn.Module:
        return nn.Identity()

    def loss(
        self, source: Tensor, target: Tensor, critic: nn.Module, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        found = mmd(source, target)
        return self.lambda_mmd * self.ramp(progress) * found, {"loss_adapt": found.detach()}


def mmd(source: Tensor, target: Tensor) -> Tensor:
    """The unbiased estimate of MMD squared between rows (n, F) and (m, F)."""
    n, m = len(source), len(target)
    rows = torch.cat([source, target])
    # not torch.cdist, whose gradient at two equal rows is not finite before it is squared
    norms = rows.square().sum(1)
    squared = (norms[:, None] + norms[None] - 2 * rows @ rows.T).clamp_min(0)
    width = squared.detach()[~torch.eye(n + m, dtype=torch.bool, device=rows.device)].median().clamp_min(1e-12)
    kernel = torch.stack([torch.exp(-squared / (c * width)) for c in WIDTHS]).mean(0)
    # the diagonal, each row with itself, is 1
    within = (kernel[:n, :n].sum() - n) / (n * (n - 1)) + (kernel[n:, n:].sum() - m) / (m * (m - 1))
    return within - 2 * kernel[:n, n:].mean()
