r"""AdaMatch. Berthelot et al., "AdaMatch: A Unified Approach to SSL and Domain Adaptation", ICLR 2022.

.. math:: L = H(y, \hat z_x) + H(y, \hat z_{\mathrm{strong}(x)})
          + \lambda_u(t)\, \mathrm{mean}_u\, 1(\max \tilde q \ge \tau_t)\, H(\arg\max \tilde q, f(s)), \qquad
          \tilde q = \mathcal{N}\Big(q\, \frac{\bar p_x}{\bar q}\Big), \qquad
          \tau_t = \tau\, \mathrm{mean}_x \max p_x
.. math:: \hat z_x = \lambda \odot z_x + (1 - \lambda) \odot z'_x, \qquad \lambda \sim U(0, 1), \qquad
          \lambda_u(t) = \tfrac12 (1 - \cos \min(\pi, 2 \pi t))

Labeled rows are taught weakly and strongly augmented. z are their logits from a pass over all rows, z' those from a
pass over labeled rows alone: they differ by their batch statistics, and random points between them are taught (for
networks without batch statistics the two are the same). The batch means of the answers to the weak labeled rows, p-bar,
and of the guesses, q-bar, align the guesses, and the threshold is a share of the mean confidence on weak labeled rows.
As in the paper the student guesses.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.parts import Cosine, Hard, Ramp, Target
from fewlabels.parts.math import cross_entropy, normalize


@dataclass(frozen=True)
class AdaMatch:
    """Guesses aligned with the labeled rows, and a threshold relative to how sure the student is of those.

    Parameters
    ----------
    lambda_u : weight of the unlabeled term after the ramp
    tau : threshold as a share of the mean confidence on labeled rows
    target : what unlabeled rows are taught; `Hard()`
    ramp : how the unlabeled term grows; `Cosine(over=0.5)`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "strong")
    augment_x: ClassVar[tuple[str, ...]] = ("strong",)
    passes: ClassVar[int] = 4  # every copy has a gradient, and labeled ones pass twice
    tasks: ClassVar[tuple[str, ...]] = ("classes", "labels")

    lambda_u: float = 1.0
    tau: float = 0.9
    target: Target = field(default_factory=Hard)
    ramp: Ramp = field(default_factory=Cosine)

    def __post_init__(self) -> None:
        if not 0 <= self.tau <= 1:
            raise OptionError(f"AdaMatch.tau is {self.tau}; expected a share in [0, 1].")

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        weak, strong = batch.u
        x = torch.cat([batch.x, *batch.x_more])
        alone = net.aside(x)
        joint, logits_w, logits_s = net(x, weak, strong)
        share = torch.rand_like(joint)
        logits_x, logits_xs = (share * joint + (1 - share) * alone).chunk(2)
        p_x, q = logits_x.detach().softmax(1), logits_w.detach().softmax(1)
        aligned = normalize(q * (p_x.mean(0) / q.mean(0).clamp_min(1e-6)))
        w = (aligned.amax(1) >= self.tau * p_x.amax(1).mean()).to(q.dtype)
        loss_x = (net.task.supervised(logits_x, batch.y) + net.task.supervised(logits_xs, batch.y)).mean()
        loss_u = (w * cross_entropy(logits_s, self.target(aligned))).mean()
        metrics = {"loss_x": loss_x.detach(), "loss_u": loss_u.detach(), "mask_used": w.mean()}
        return loss_x + self.lambda_u * self.ramp(net.progress) * loss_u, metrics, state
