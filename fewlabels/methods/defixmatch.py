r"""DeFixMatch. Schmutz, Humbert & Mattei, "Don't fear the unlabelled: safe SSL via debiasing", ICLR 2023.

.. math:: L = \tfrac12 [H(y, f(x)) + H(y, f(\mathrm{strong}(x)))]
          + \lambda_u\, [\mathrm{mean}_u\, h(u) - \mathrm{mean}_x\, h(x)], \qquad
          h(v) = 1(\max q_v \ge \tau)\, H(\arg\max q_v, f(\mathrm{strong}(v)))

h is FixMatch's unlabeled loss. Taking away its mean on the labeled rows leaves the whole an unbiased estimate of the
supervised risk, whatever lambda_u and however wrong the guesses: what h does in expectation cancels, and only the
noise of a few labels is reduced. As h on a labeled row that is guessed right is its own loss, lambda_u above 1/2 would
make that row's loss negative, without a floor; the paper's experiments take 1/2.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, State
from fewlabels.parts import Constant, Hard, Ramp, Source, Target, Teacher
from fewlabels.parts.math import cross_entropy


@dataclass(frozen=True)
class DeFixMatch:
    """FixMatch minus its own unlabeled loss on labeled rows, so that it is not biased by wrong guesses.

    Parameters
    ----------
    lambda_u : weight of the unlabeled term and of what is taken away
    tau : a row counts if its guess is at least this sure
    target : what they are taught; `Hard()`
    source : who guesses, and in which pass; `Teacher()`
    ramp : how the unlabeled term grows; `Constant()`
    """

    augment: ClassVar[tuple[str, ...]] = ("weak", "strong")
    augment_x: ClassVar[tuple[str, ...]] = ("strong",)
    tasks: ClassVar[tuple[str, ...]] = ("classes", "labels")

    lambda_u: float = 0.5
    tau: float = 0.95
    target: Target = field(default_factory=Hard)
    source: Source = field(default_factory=Teacher)
    ramp: Ramp = field(default_factory=Constant)

    def __post_init__(self) -> None:
        if not 0 <= self.tau <= 1:
            raise OptionError(f"DeFixMatch.tau is {self.tau}; expected a confidence threshold in [0, 1].")

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        (weak, strong), (strong_x,) = batch.u, batch.x_more
        both = torch.cat([batch.x, weak]), torch.cat([strong_x, strong])
        guess, logits_x, logits_s = self.source(net, batch.x, *both)
        q, n = guess.softmax(1), len(batch.x)
        w = (q.amax(1) >= self.tau).to(q.dtype)
        h = w * cross_entropy(logits_s, self.target(q))
        loss_x = (net.task.supervised(logits_x, batch.y) + net.task.supervised(logits_s[:n], batch.y)).mean() / 2
        loss_u, taken = h[n:].mean(), h[:n].mean()
        metrics = {"loss_x": loss_x.detach(), "loss_u": loss_u.detach(), "mask_used": w[n:].mean()}
        loss = loss_x + self.lambda_u * self.ramp(net.progress) * (loss_u - taken)
        return loss, metrics | {"loss_u_labeled": taken.detach()}, state
