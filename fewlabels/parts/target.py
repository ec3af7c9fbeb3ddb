"""Target: what the student is asked to match, from the guessed class shares q (B, K, ...)."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from fewlabels.errors import OptionError


class Target(Protocol):
    def __call__(self, q: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Hard:
    """The likeliest class (Lee 2013; FixMatch). (B, K, ...) -> (B, ...) class indices."""

    def __call__(self, q: Tensor) -> Tensor:
        return q.argmax(1)


@dataclass(frozen=True)
class Soft:
    """The shares as they are."""

    def __call__(self, q: Tensor) -> Tensor:
        return q


@dataclass(frozen=True)
class Sharpen:
    """q^(1/T) / sum q^(1/T) (MixMatch, eq. 7). T = 1 is `Soft`; T -> 0 is `Hard`."""

    T: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.T <= 1:
            raise OptionError(f"Sharpen.T is {self.T}; expected a temperature in (0, 1].")

    def __call__(self, q: Tensor) -> Tensor:
        # In logarithms: q ** (1 / T) underflows to 0 / 0 for small T.
        return (q.clamp_min(1e-30).log() / self.T).softmax(1)
