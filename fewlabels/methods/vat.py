r"""VAT. Miyato et al., "Virtual Adversarial Training: A Regularization Method for Supervised and SSL", TPAMI 2018.

.. math:: L = H(y, f(x)) + \lambda_u(t)\, \mathrm{mean}_u\, [\mathrm{KL}(\mathrm{sg}\, f(u) \,\|\, f(u + r))
          + \lambda_h H(f(u))], \qquad
          r = \epsilon \sqrt{D}\, g / \|g\|, \qquad
          g = \nabla_{d}\, \mathrm{KL}(f(u) \,\|\, f(u + \xi d)), \quad d \sim N(0, I)

The paper's epsilon is the length of r, which means another thing for every size of image. Here epsilon is the root
mean square change of an input, where the D inputs have standard deviation about 1: a length of 8 to 10 on images of
32 x 32 x 3 is 0.14 to 0.18. One power iteration, as in the paper. Its two passes find a difference of the order of xi:
they run in float32, without dropout, and leave BatchNorm's running statistics alone. The entropy term is that of the
paper's "VAT+EntMin".
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.parts import Linear, Ramp
from fewlabels.parts.math import cross_entropy, entropy


@dataclass(frozen=True)
class VAT:
    """The student should say the same under the small change of a row that would change its answer most.

    Parameters
    ----------
    lambda_u : weight of the unlabeled terms after the ramp
    epsilon : size of the change, root mean square, in standard deviations of the inputs
    xi : size of the probe that finds its direction, likewise
    lambda_h : weight of the entropy of the answers beside the divergence (0.06 in Oliver et al. 2018)
    ramp : how the terms grow; `Linear(over=0.4)`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak",)
    passes: ClassVar[int] = 3  # clean, tried, adversarial
    tasks: ClassVar[tuple[str, ...]] = ("classes", "labels")

    lambda_u: float = 1.0
    epsilon: float = 0.15
    xi: float = 1e-3
    lambda_h: float = 0.06
    ramp: Ramp = field(default_factory=Linear)

    def __post_init__(self) -> None:
        if self.epsilon <= 0 or self.xi <= 0:
            raise OptionError(f"VAT.epsilon is {self.epsilon} and xi {self.xi}; expected sizes above 0.")

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        (u,) = batch.u
        r = self.worst(net, u)
        logits_x, logits_u, logits_r = net(batch.x, u, u + r)
        q = logits_u.detach().softmax(1)
        loss_x = net.task.supervised(logits_x, batch.y).mean()
        divergence = cross_entropy(logits_r, q) - entropy(q.clamp_min(1e-30).log())
        loss_u = (divergence + self.lambda_h * entropy(logits_u)).mean()
        loss = loss_x + self.lambda_u * self.ramp(net.progress) * loss_u
        return loss, {"loss_x": loss_x.detach(), "loss_u": loss_u.detach()}, state

    def worst(self, net: Net, u: Tensor) -> Tensor:
        """The change r of each row, shaped like u, along which the student's answer changes most."""
        with torch.no_grad():
            q = net.aside(u, exact=True).softmax(1)
        d = _unit(torch.randn_like(u)).requires_grad_()
        divergence = cross_entropy(net.aside(u + self.xi * d, exact=True), q).sum()
        (g,) = torch.autograd.grad(divergence, d)
        return self.epsilon * _unit(g)


def _unit(d: Tensor) -> Tensor:
    """Each row with root mean square 1; by its largest entry first, since squares of tiny ones underflow."""
    shape = (-1, *[1] * (d.ndim - 1))
    d = d / d.flatten(1).abs().amax(1).clamp_min(1e-30).view(shape)
    return d / d.flatten(1).square().mean(1).sqrt().clamp_min(1e-30).view(shape)
