"""What a monitor sees: the history so far, the looks so far, and what the training was told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewlabels.audits.finding import Finding
from fewlabels.monitors.looks import Look
from fewlabels.partial_labels import Partial

EARLIEST = 0.75  # of the steps, from which on the second half of a run is judged: before, healthy masks may be empty


@dataclass(frozen=True)
class Seen:
    """A training so far.

    Attributes
    ----------
    history : as in `Run.history`
    looks : see `looks.Look`; none where rows have no single class, and where no unlabeled row is used
    rows : the rows that were looked at
    steps : of the whole run
    chance : loss on labeled rows of a model that knows nothing: log K, or 1 for standardized numbers
    passes : how often each row of the pool will have been used at the end, on average; 0 if the method uses none
    learns_threshold : whether the method adapts which rows count; such methods let all pass at first
    watched : rows whose label was kept back from training
    partial, seed : the data, and the seed of random draws
    """

    history: list[dict[str, float]]
    looks: list[Look]
    rows: NDArray[np.int64]
    steps: int
    chance: float
    passes: float
    learns_threshold: bool
    watched: int
    partial: Partial
    seed: int

    @property
    def done(self) -> float:
        """How much of the run has been seen, from 0 to 1."""
        return self.history[-1]["step"] / self.steps if self.history else 0.0

    def values(self, key: str, since: float = 0.0, until: float = 1.0) -> NDArray[np.float64]:
        """A metric's recorded points between two shares of the whole run; empty if it is not recorded."""
        low, high = since * self.steps, until * self.steps
        return np.array([e[key] for e in self.history if key in e and low < e["step"] <= high], dtype=np.float64)

    def late_looks(self) -> list[Look]:
        """Those in the second half of the whole run."""
        return [look for look in self.looks if look.step > self.steps / 2]


def no_looks(check: str, seen: Seen) -> Finding:
    """Why a question about unlabeled rows has no answer."""
    if not seen.passes:
        return Finding(check, "not applicable", None, "The method uses no unlabeled rows.")
    return Finding(check, "not applicable", None, "Asked only where each row has one class, and some rows no label.")


def percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"
