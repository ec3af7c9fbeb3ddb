r"""MixMatch. Berthelot et al., "MixMatch: A Holistic Approach to Semi-Supervised Learning", NeurIPS 2019.

.. math:: q = \mathrm{sharpen}(\tfrac12 \textstyle\sum_k \mathrm{sg}\, f(u_k), T), \qquad
          W = \mathrm{shuffle}(X \cup U), \quad
          X' = \mathrm{mixup}(X, W_{1..|X|}), \quad U' = \mathrm{mixup}(U, W_{|X|+1..})
.. math:: L = \mathrm{mean}_{X'} H(p, f(x')) + \lambda_u(t)\, \mathrm{mean}_{U'} \tfrac1K \|q - f(u')\|^2

Mixup draws lambda ~ Beta(alpha, alpha) for each row and takes max(lambda, 1 - lambda), so that a mixed row stays
nearest to its own (eqs. 8 to 11). Labeled and unlabeled mixtures go through the network in one pass, which has the
joint batch statistics that the paper's interleaving is for. The paper's lambda_u of 75 to 250 is for images of 32 x 32
and hundreds of thousands of steps. On small tables it ruins the model (`benchmarks/defaults.py`), so the default here
is lower, and lowest for tables.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.parts import Linear, Ramp, Sharpen, Target


@dataclass(frozen=True)
class MixMatch:
    """Averaged, sharpened guesses, and every row mixed with another one.

    Parameters
    ----------
    lambda_u : weight of the unlabeled term after the ramp; None takes 10 for images, 1 for tables
    target : what unlabeled rows are taught; `Sharpen(T=0.5)`
    alpha : of the Beta distribution; toward 0 nothing is mixed
    ramp : how the unlabeled term grows; `Linear(over=0.4)`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "weak")
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    lambda_u: float | None = None
    target: Target = field(default_factory=Sharpen)
    alpha: float = 0.75
    ramp: Ramp = field(default_factory=Linear)

    def __post_init__(self) -> None:
        if self.alpha <= 0:
            raise OptionError(f"MixMatch.alpha is {self.alpha}; expected a number above 0.")

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        q = torch.stack([net.guess(u).softmax(1) for u in batch.u]).mean(0)
        shares = as_shares(self.target(q), q.shape[1])
        rows = torch.cat([batch.x, *batch.u])
        targets = torch.cat([as_shares(batch.y, q.shape[1]), *[shares] * len(batch.u)])
        mixed, mixed_targets = mixup(rows, targets, self.alpha)
        n = len(batch.x)
        logits_x, logits_u = net(mixed[:n], mixed[n:])
        loss_x = net.task.supervised(logits_x, mixed_targets[:n]).mean()
        loss_u = net.task.distance(logits_u, mixed_targets[n:]).mean()
        lambda_u = (10.0 if batch.x.ndim > 2 else 1.0) if self.lambda_u is None else self.lambda_u
        loss = loss_x + lambda_u * self.ramp(net.progress) * loss_u
        return loss, {"loss_x": loss_x.detach(), "loss_u": loss_u.detach()}, state


def as_shares(target: Tensor, n_classes: int) -> Tensor:
    """Classes (B,) -> shares (B, K); shares as they are."""
    return target if target.is_floating_point() else F.one_hot(target, n_classes).float()


def own_share(alpha: float, n: int) -> Tensor:
    """(n,) draws of max(lambda, 1 - lambda), lambda ~ Beta(alpha, alpha) = G / (G + G'), G and G' ~ Gamma(alpha).

    In logarithms, G = Gamma(alpha + 1) U^(1 / alpha): for alpha below 0.1 torch's own Beta often has two G of 0 and
    then says 1/2, the opposite of what a small alpha asks for.
    """
    log_g = torch.distributions.Gamma(alpha + 1, 1.0).sample((2, n)).log() + (1 - torch.rand(2, n)).log() / alpha
    return (log_g[0] - log_g[1]).abs().sigmoid()


def mixup(rows: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Each row and its target mixed with another row of the batch and its target (Zhang et al. 2018).

    Random numbers are the step's: the loop seeds them by the step's number.
    """
    share = own_share(alpha, len(rows)).to(rows.device)
    partner = torch.randperm(len(rows)).to(rows.device)
    wide = share.view(-1, *[1] * (rows.ndim - 1))
    mixed = wide * rows + (1 - wide) * rows[partner]
    return mixed, share[:, None] * targets + (1 - share[:, None]) * targets[partner]
