"""Ramp: how the weight of the unlabeled term grows with progress, both in [0, 1]."""

import math
from dataclasses import dataclass
from typing import Protocol

from fewlabels.errors import OptionError


class Ramp(Protocol):
    def __call__(self, progress: float) -> float: ...


def _check_over(over: float, name: str) -> None:
    if not 0 < over <= 1:
        raise OptionError(f"{name}.over is {over}; expected a share of the training in (0, 1].")


@dataclass(frozen=True)
class Constant:
    """Full weight from the first step."""

    def __call__(self, progress: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Linear:
    """progress / over, at most 1 (the ramp of Oliver et al. 2018)."""

    over: float = 0.4

    def __post_init__(self) -> None:
        _check_over(self.over, "Linear")

    def __call__(self, progress: float) -> float:
        return min(progress / self.over, 1.0)


@dataclass(frozen=True)
class Cosine:
    """(1 - cos(pi progress / over)) / 2, then 1 (AdaMatch)."""

    over: float = 0.5

    def __post_init__(self) -> None:
        _check_over(self.over, "Cosine")

    def __call__(self, progress: float) -> float:
        return (1 - math.cos(math.pi * min(progress / self.over, 1.0))) / 2


@dataclass(frozen=True)
class Gaussian:
    """exp(-5 (1 - progress / over)^2), then 1 (Laine & Aila 2017, section 2.1)."""

    over: float = 0.4

    def __post_init__(self) -> None:
        _check_over(self.over, "Gaussian")

    def __call__(self, progress: float) -> float:
        return math.exp(-5 * (1 - min(progress / self.over, 1.0)) ** 2)
