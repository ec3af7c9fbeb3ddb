r"""UDA. Xie et al., "Unsupervised Data Augmentation for Consistency Training", NeurIPS 2020.

.. math:: L = \frac{\sum_b m_b H(y_b, f(x_b))}{\max(\sum_b m_b, 1)}
          + \lambda_u\, \mathrm{mean}_u\, w(q)\,
          \mathrm{KL}(q^{1/T} / \textstyle\sum q^{1/T} \,\|\, f(\mathrm{strong}(u))),
          \qquad m_b = 1(f(x_b)_{y_b} \le \eta_t), \qquad \eta_t = \alpha_t (1 - 1/K) + 1/K

m is training-signal annealing: labeled rows whose *correct* class is already surer than eta wait, so that a few labels
are not learnt by heart while the unlabeled rows still have nothing to say. (Public code takes the likeliest class
instead, and so drops rows it gets wrong.) The threshold looks at q before it is sharpened, as in the paper.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor

from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.parts import Align, Constant, Fixed, Ramp, Sharpen, Source, Target, Teacher, Unaligned, Weight
from fewlabels.parts.math import cross_entropy, entropy

Anneal = Literal["none", "linear", "log", "exp"]


@dataclass(frozen=True)
class UDA:
    """A sharpened guess on a weakly augmented row is what its strongly augmented copy should say.

    Parameters
    ----------
    lambda_u : weight of the unlabeled term
    weight : which rows count; `Fixed(tau=0.8)`
    target : what they are taught; `Sharpen(T=0.4)`
    align : distribution alignment of the guesses; `Unaligned()`
    source : who guesses, and in which pass; `Teacher()`
    anneal : how eta grows with progress t: "none" (every labeled row counts), "linear" (t), "exp" (e^(5 (t - 1)), for
        few labels) or "log" (1 - e^(-5 t))
    ramp : how the unlabeled term grows; `Constant()`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "strong")
    tasks: ClassVar[tuple[str, ...]] = ("classes", "labels")

    lambda_u: float = 1.0
    weight: Weight = field(default_factory=lambda: Fixed(tau=0.8))
    target: Target = field(default_factory=lambda: Sharpen(T=0.4))
    align: Align = field(default_factory=Unaligned)
    source: Source = field(default_factory=Teacher)
    anneal: Anneal = "none"
    ramp: Ramp = field(default_factory=Constant)

    def __post_init__(self) -> None:
        if self.anneal not in ("none", "linear", "log", "exp"):
            raise OptionError(f"UDA.anneal is {self.anneal!r}; expected 'none', 'linear', 'log' or 'exp'.")

    def init(self, n_classes: int, n_rows: int) -> State:
        return {"align": self.align.init(n_classes), "weight": self.weight.init(n_classes, n_rows)}

    def eta(self, progress: float, n_classes: int) -> float:
        """The most a labeled row may be sure of its class and still count."""
        alpha = {
            "none": 1.0,
            "linear": progress,
            "log": 1 - math.exp(-5 * progress),
            "exp": math.exp(5 * (progress - 1)),
        }[self.anneal]
        return alpha * (1 - 1 / n_classes) + 1 / n_classes

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        weak, strong = batch.u
        logits_w, logits_x, logits_s = self.source(net, batch.x, weak, strong)
        q, aligned = self.align(logits_w.softmax(1), state["align"])
        w, weighed = self.weight(q, batch.rows, state["weight"])
        t = self.target(q)
        ce_x = net.task.supervised(logits_x, batch.y)
        # H(y, f) is -log of what the correct class got; "none" has eta = 1, which rounding must not exceed
        m = ((-ce_x.detach()).exp() <= self.eta(net.progress, logits_x.shape[1]) + 1e-6).to(ce_x.dtype)
        loss_x = (m * ce_x).sum() / m.sum().clamp_min(1)
        divergence = cross_entropy(logits_s, t) - (entropy(t.clamp_min(1e-30).log()) if t.is_floating_point() else 0.0)
        loss_u = (w * divergence).mean()
        metrics = {"loss_x": loss_x.detach(), "loss_u": loss_u.detach(), "mask_used": w.mean(), "labels_used": m.mean()}
        return loss_x + self.lambda_u * self.ramp(net.progress) * loss_u, metrics, {"align": aligned, "weight": weighed}
