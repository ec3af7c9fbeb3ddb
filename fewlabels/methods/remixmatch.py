r"""ReMixMatch. Berthelot et al., "ReMixMatch: SSL with Distribution Alignment and Augmentation Anchoring", ICLR 2020.

.. math:: q = \mathrm{sharpen}\Big(\mathcal{N}\Big(\mathrm{sg}\, f(\mathrm{weak}(u))\, \frac{p(y)}{\tilde p}\Big),
          T\Big), \qquad
          X', U' = \mathrm{mixup}(\{\mathrm{strong}(x)\} \cup \{\mathrm{strong}_k(u)\}_k \cup \{\mathrm{weak}(u)\})
.. math:: L = \mathrm{mean}_{X'} H(p, f(x')) + \lambda_u(t)\, \mathrm{mean}_{U'} H(q, f(u'))
          + \lambda_1(t)\, \mathrm{mean}_u\, H(q, f(\mathrm{strong}_1(u)))

One guess on the weak copy anchors all K strong copies. p(y) are the shares of the labels drawn so far (one of each
class to begin with), p-tilde a moving average of the guesses where the paper keeps the last 128 batches. K is 2 here;
the paper takes 8. Mixup is MixMatch's, and all rows go through the network in one pass.

Left out: the paper's fourth term, predicting by how much a row was rotated. It needs a second head on the network, and
a method here has no weights of its own; nor does it mean anything for a table.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.methods.mixmatch import as_shares, mixup
from fewlabels.parts import Linear, Ramp, Sharpen, Target
from fewlabels.parts.math import cross_entropy, normalize


@dataclass(frozen=True)
class ReMixMatch:
    """Aligned, sharpened guesses for several strong copies, and every row mixed with another one.

    Parameters
    ----------
    lambda_u : weight of the mixed unlabeled rows after the ramp
    lambda_1 : weight of the first strong copies, unmixed, for each unit of lambda_u (the paper's 0.5 to 1.5)
    target : what unlabeled rows are taught; `Sharpen(T=0.5)`
    alpha : of mixup's Beta distribution; toward 0 nothing is mixed
    momentum : of the moving average of guesses
    ramp : how the unlabeled terms grow; `Linear(over=0.4)`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "strong", "strong")
    augment_x: ClassVar[tuple[str, ...]] = ("strong",)
    passes: ClassVar[int] = 4  # that of rotated images, too
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    lambda_u: float = 1.5
    lambda_1: float = 1 / 3
    target: Target = field(default_factory=Sharpen)
    alpha: float = 0.75
    momentum: float = 0.99
    ramp: Ramp = field(default_factory=Linear)

    def __post_init__(self) -> None:
        if self.alpha <= 0:
            raise OptionError(f"ReMixMatch.alpha is {self.alpha}; expected a number above 0.")
        if not 0 <= self.momentum < 1:
            raise OptionError(f"ReMixMatch.momentum is {self.momentum}; expected a decay in [0, 1).")

    def init(self, n_classes: int, n_rows: int) -> State:
        return {"labels": torch.ones(n_classes), "mean": torch.full((n_classes,), 1 / n_classes)}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        (strong_x,), (weak, first, *_) = batch.x_more, batch.u
        q, state = self.align(net.guess(weak).softmax(1), batch.y, state)
        shares = as_shares(self.target(q), q.shape[1])
        rows = torch.cat([strong_x, *batch.u])
        targets = torch.cat([as_shares(batch.y, q.shape[1]), *[shares] * len(batch.u)])
        mixed, mixed_targets = mixup(rows, targets, self.alpha)
        n = len(strong_x)
        logits_x, logits_u, logits_1 = net(mixed[:n], mixed[n:], first)
        loss_x = net.task.supervised(logits_x, mixed_targets[:n]).mean()
        loss_u = cross_entropy(logits_u, mixed_targets[n:]).mean()
        loss_1 = cross_entropy(logits_1, shares).mean()
        metrics = {"loss_x": loss_x.detach(), "loss_u": loss_u.detach(), "loss_1": loss_1.detach()}
        loss = loss_x + self.lambda_u * self.ramp(net.progress) * (loss_u + self.lambda_1 * loss_1)
        return loss, metrics, state

    def align(self, q: Tensor, y: Tensor, state: State) -> tuple[Tensor, State]:
        """Guesses moved from their own class shares toward those of the labels, and the next state."""
        labels = state["labels"] + torch.bincount(y, minlength=q.shape[1])
        mean = torch.lerp(q.mean(0), state["mean"], self.momentum)
        aligned = normalize(q * (labels / labels.sum() / mean.clamp_min(1e-6)))
        return aligned, {"labels": labels, "mean": mean}
