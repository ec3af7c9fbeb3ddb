"""What the networks say of a few unlabeled rows, always the same ones, now and then during training.

A look costs two passes of at most 256 rows, and there are at most 20 in a run: some 0.5 % of the passes of 1,000 steps
of FixMatch. It draws nothing and changes nothing, so that training gives the same bits with and without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewlabels.method import Net

MOST_ROWS = 256  # a share of 10 % is then known to 2 points (one standard error)
EVERY = 10  # points of the history, of which there are at most 200
SURE = 0.95  # the customary threshold of pseudo-labels: FixMatch, section 2.4


@dataclass(frozen=True)
class Look:
    """One look. Plain values, so that a checkpoint can hold it.

    Attributes
    ----------
    step : steps done by then
    counts : rows that the teacher puts in each class (K,)
    sure : share of rows of which the student is at least 95 % sure
    both, flipped : rows of which it is sure now and was at the look before, and those of them that changed class
    disagree : share of rows on which student and teacher differ
    taught, right : rows with a label kept back of which the teacher is that sure, and those it is right about
    """

    step: int
    counts: list[int]
    sure: float
    both: int
    flipped: int
    disagree: float
    taught: int
    right: int


@dataclass
class Watched:
    """The rows that are looked at, and all looks so far.

    Attributes
    ----------
    rows : which rows of the data; empty where there is nothing to look at
    kept : these rows as the pool keeps them
    truth : (len(rows),) the class of those whose label was kept back from training, -1 for all others
    last : the student's class of each row at the last look, -1 where it was not sure
    told : monitors that have spoken, so that each speaks once
    """

    rows: NDArray[np.int64]
    kept: Tensor
    truth: Tensor
    n_classes: int
    looks: list[Look] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @torch.no_grad()
    def look(self, net: Net, as_input: Callable[[Tensor], Any], step: int, chunk: int) -> None:
        """Ask teacher and student; `chunk` rows at a time, no more than a step of the training holds.

        `as_input` makes what the network takes of rows as kept.
        """
        if not len(self.rows):
            return
        parts = [as_input(part) for part in torch.split(self.kept, chunk)]
        taught, guess = torch.cat([net.teach(part).softmax(1) for part in parts]).cpu().max(1)
        sure, student = torch.cat([net.settled(part).softmax(1) for part in parts]).cpu().max(1)
        now = torch.where(sure >= SURE, student, -1)
        before = torch.tensor(self.last) if self.last else torch.full_like(now, -1)
        both = (now >= 0) & (before >= 0)
        judged = (self.truth >= 0) & (taught >= SURE)
        counts = torch.bincount(guess, minlength=self.n_classes)
        self.looks.append(
            Look(
                step,
                counts.tolist(),
                float((now >= 0).double().mean()),
                int(both.sum()),
                int((both & (now != before)).sum()),
                float((student != guess).double().mean()),
                int(judged.sum()),
                int((judged & (guess == self.truth)).sum()),
            )
        )
        self.last = now.tolist()

    def plain(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"looks": [vars(look) for look in self.looks], "last": self.last, "told": self.told}

    def restore(self, plain: dict[str, Any]) -> None:
        self.looks = [Look(**look) for look in plain["looks"]]
        self.last, self.told = plain["last"], plain["told"]


def sample(unlabeled: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The rows to look at, ascending."""
    if len(unlabeled) <= MOST_ROWS:
        return unlabeled
    return np.sort(np.random.default_rng([seed, 6]).choice(unlabeled, MOST_ROWS, replace=False))
