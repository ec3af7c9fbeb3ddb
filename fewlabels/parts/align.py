"""Align: move the guessed class shares q (B, K) toward a known class distribution."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fewlabels.errors import OptionError
from fewlabels.parts.math import check_rows, normalize

State = dict[str, Tensor]


class Align(Protocol):
    def init(self, n_classes: int) -> State: ...

    def __call__(self, q: Tensor, state: State) -> tuple[Tensor, State]: ...


@dataclass(frozen=True)
class Unaligned:
    """q as it is."""

    def init(self, n_classes: int) -> State:
        return {}

    def __call__(self, q: Tensor, state: State) -> tuple[Tensor, State]:
        return q, state


@dataclass(frozen=True)
class ToPrior:
    """q * prior / mean(q), renormalized (distribution alignment; ReMixMatch, section 3.1).

    The mean is a moving average over batches. ReMixMatch keeps the last 128 batches; the moving
    average of later methods (FreeMatch, SoftMatch) needs one vector. `prior` None means uniform.
    """

    prior: tuple[float, ...] | None = None
    momentum: float = 0.99

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise OptionError(f"ToPrior.momentum is {self.momentum}; expected a value in [0, 1).")
        if self.prior is not None and (min(self.prior) <= 0 or abs(sum(self.prior) - 1) > 1e-6):
            raise OptionError(f"ToPrior.prior is {self.prior}; expected positive shares that sum to 1.")

    def init(self, n_classes: int) -> State:
        if self.prior is not None and len(self.prior) != n_classes:
            raise OptionError(f"ToPrior.prior has {len(self.prior)} shares for {n_classes} classes.")
        return {"mean": torch.full((n_classes,), 1 / n_classes)}

    def __call__(self, q: Tensor, state: State) -> tuple[Tensor, State]:
        check_rows(q, "ToPrior")
        mean = torch.lerp(q.mean(0), state["mean"], self.momentum)
        prior = torch.ones_like(mean) / len(mean) if self.prior is None else mean.new_tensor(self.prior)
        return normalize(q * (prior / mean.clamp_min(1e-6))), {"mean": mean}
