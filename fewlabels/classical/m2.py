r"""M2. Kingma, Mohamed, Rezende & Welling, "Semi-supervised Learning with Deep Generative Models", NeurIPS 2014.

.. math:: p(x, y, z) = p(y)\, N(z; 0, I)\, p_\theta(x | y, z), \qquad
          -L(x, y) = E_{q(z|x,y)} \log p_\theta(x | y, z) + \log p(y) - \mathrm{KL}(q(z|x,y)\,\|\,p(z))

.. math:: -U(x) = \sum_y q(y|x)\, (-L(x, y)) + H(q(y|x)), \qquad
          J = \frac{\mathrm{mean}_x L(x, y) + \lambda_u\, \mathrm{mean}_u U(u)}{(1 + \lambda_u)\, (D + D_z)}
          - \alpha\, \mathrm{mean}_x \log q(y|x)

(eqs. 6 to 9). The sum over y runs over all K classes: exact, no sampling of labels. The expectation over z takes
one sample; the KL term is in closed form. p(y) is uniform, as in the paper. Not as in the paper: means
in place of sums and a division by the D columns and D_z dimensions of z, so that one learning rate, lambda_u
and alpha fit tables of any size; SGD of the common loop in place of RMSProp.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewlabels.method import Batch, Net, State

# The learnt variance of a standardized column stays above this, or a column that repeats another would
# drive the likelihood to infinity.
_LEAST_LOG_VARIANCE = math.log(0.1)


class M2Network(nn.Module):
    """Classifier q(y|x), encoder q(z|x,y) and decoder p(x|y,z), one hidden layer each. Outputs: logits of q(y|x).

    Parameters
    ----------
    n_classes : K
    width, latent : units of the hidden layers, and of z
    bernoulli : whether columns are probabilities or on-off values in [0, 1]; else they are Gaussian
    mean, std : (D,) of the raw columns, which the network's inputs were standardized with
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_classes: int, width: int, latent: int, bernoulli: bool, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        columns = len(mean)
        self.n_classes, self.bernoulli, self.terms = n_classes, bernoulli, columns + latent
        self.classifier = nn.Sequential(nn.Linear(columns, width), nn.ReLU(), nn.Linear(width, n_classes))
        # a layer over (x, one-hot y) is a sum of two: the part of x is computed once for all classes
        self.encoder_x, self.encoder_y = nn.Linear(columns, width), nn.Embedding(n_classes, width)
        self.encoder = nn.Linear(width, 2 * latent)
        # torch draws embeddings from N(0, 1), much larger than a layer's weights, and this stays: with small ones the
        # accuracy on digits fell by points (the decoder may then learn to ignore y)
        self.decoder_z, self.decoder_y = nn.Linear(latent, width), nn.Embedding(n_classes, width)
        self.decoder = nn.Linear(width, columns)
        self.log_variance = nn.Parameter(torch.zeros(columns))
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x)  # type: ignore[no-any-return]

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z|x,y): x (B, D), y (B, C) classes -> (B, C, latent) each."""
        hidden = F.relu(self.encoder_x(x)[:, None] + self.encoder_y(y))
        mean, raw = self.encoder(hidden).chunk(2, dim=-1)
        # at most the prior's 1, which data can only narrow; unbounded, its exponential makes SGD diverge
        return mean, -F.softplus(raw)

    def log_likelihood(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """log p(x|y,z), summed over columns: (B, D), (B, C), (B, C, latent) -> (B, C)."""
        output = self.decoder(F.relu(self.decoder_z(z) + self.decoder_y(y)))
        x = x[:, None].expand_as(output)
        if self.bernoulli:
            raw = (x * self.std + self.mean).clamp(0, 1)  # rounding of the way back and forth
            cells: Tensor = -F.binary_cross_entropy_with_logits(output, raw, reduction="none")
            return cells.sum(-1)
        log_variance = self.log_variance.clamp(min=_LEAST_LOG_VARIANCE)
        cells = math.log(2 * math.pi) + log_variance + (x - output).square() / log_variance.exp()
        return -0.5 * cells.sum(-1)

    def bound(self, x: Tensor, y: Tensor) -> Tensor:
        """-L(x, y), the lower bound of log p(x, y) from one sample of z: (B, D), (B, C) -> (B, C)."""
        mean, log_std = self.encode(x, y)
        z = mean + log_std.exp() * torch.randn_like(mean)
        kl = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(-1)
        return self.log_likelihood(x, y, z) - math.log(self.n_classes) - kl

    def log_joint(self, x: Tensor, y: Tensor, samples: int) -> Tensor:
        """log p(x, y) by importance sampling from q(z|x,y): (B, D), (B, C) -> (B, C)."""
        mean, log_std = self.encode(x, y)
        terms = []
        for _ in range(samples):
            noise = torch.randn_like(mean)
            z = mean + log_std.exp() * noise
            # log p(z) - log q(z|x,y): the normalizing constants cancel
            prior = (0.5 * noise.square() + log_std - 0.5 * z.square()).sum(-1)
            terms.append(self.log_likelihood(x, y, z) + prior)
        return torch.stack(terms).logsumexp(0) - math.log(samples) - math.log(self.n_classes)


@dataclass(frozen=True)
class M2:
    """A model of how rows come about, whose classifier is taught by both kinds of rows; needs an `M2Network`.

    Parameters
    ----------
    lambda_u : weight of the unlabeled bound
    alpha : weight of the classification loss
    """

    augment: ClassVar[tuple[str, ...]] = ("weak",)
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    lambda_u: float = 10.0
    alpha: float = 1.0

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        student = cast(M2Network, net.student)
        logits_x, *logits_u = net(batch.x, *(batch.u if self.lambda_u else ()))
        loss_c = net.task.supervised(logits_x, batch.y).mean()
        bound_x = student.bound(batch.x, batch.y[:, None]).mean()
        metrics = {"loss_x": loss_c.detach(), "bound_x": bound_x.detach()}
        bounds = bound_x
        if self.lambda_u:
            (u,) = batch.u
            q, log_q = logits_u[0].softmax(1), logits_u[0].log_softmax(1)
            every = torch.arange(student.n_classes, device=u.device).expand(len(u), -1)
            bound_u = (q * (student.bound(u, every) - log_q)).sum(1).mean()
            metrics["bound_u"] = bound_u.detach()
            bounds = (bound_x + self.lambda_u * bound_u) / (1 + self.lambda_u)
        return self.alpha * loss_c - bounds / student.terms, metrics, state
