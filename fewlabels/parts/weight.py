"""Weight: how much each unlabeled row counts, w in [0, 1], from the guessed class shares q (B, K, ...)."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fewlabels.errors import OptionError

State = dict[str, Tensor]


class Weight(Protocol):
    def init(self, n_classes: int, n_rows: int) -> State: ...

    def __call__(self, q: Tensor, rows: Tensor, state: State) -> tuple[Tensor, State]: ...


def _check_tau(tau: float, name: str) -> None:
    if not 0 <= tau <= 1:
        raise OptionError(f"{name}.tau is {tau}; expected a confidence threshold in [0, 1].")


@dataclass(frozen=True)
class Always:
    """Every row counts fully."""

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def __call__(self, q: Tensor, rows: Tensor, state: State) -> tuple[Tensor, State]:
        return torch.ones_like(q[:, 0]), state


@dataclass(frozen=True)
class Fixed:
    """w = 1(max q >= tau) (FixMatch, eq. 4)."""

    tau: float = 0.95

    def __post_init__(self) -> None:
        _check_tau(self.tau, "Fixed")

    def init(self, n_classes: int, n_rows: int) -> State:
        return {}

    def __call__(self, q: Tensor, rows: Tensor, state: State) -> tuple[Tensor, State]:
        return (q.amax(1) >= self.tau).to(q.dtype), state


@dataclass(frozen=True)
class PerClass:
    """A threshold for each class, lower for classes that are learnt late (FlexMatch, eqs. 5 to 11).

    sigma(c) counts the rows whose last confident guess was c; while most rows have none yet, their
    number takes part in the maximum (the warm-up of eq. 11). With beta(c) = sigma(c) / max and the
    convex map M(b) = b / (2 - b), w = 1(max q >= tau * M(beta(argmax q))).

    The state holds two bytes a row (the last confident guess, -1 for none) and K + 1 counts that are
    updated for the rows of the batch alone. `last` is updated in place: a step must not cost the pool.
    """

    tau: float = 0.95
    warmup: bool = True

    def __post_init__(self) -> None:
        _check_tau(self.tau, "PerClass")

    def init(self, n_classes: int, n_rows: int) -> State:
        counts = torch.zeros(n_classes + 1, dtype=torch.int64)
        counts[-1] = n_rows
        return {"last": torch.full((n_rows,), -1, dtype=torch.int16), "counts": counts}

    def thresholds(self, counts: Tensor) -> Tensor:
        """tau_c of each class (K,) from the counts (K + 1,), the last of which is 'no confident guess yet'."""
        largest = counts.max() if self.warmup else counts[:-1].max().clamp_min(1)
        beta = counts[:-1] / largest
        return self.tau * beta / (2 - beta)

    def __call__(self, q: Tensor, rows: Tensor, state: State) -> tuple[Tensor, State]:
        confidence, guess = q.max(1)
        w = (confidence >= self.thresholds(state["counts"])[guess]).to(q.dtype)
        # The paper (eq. 5) counts a guess when it passes the fixed tau, and keeps it until the next one does.
        sure = confidence > self.tau
        sure_rows, first = _first_of_each(rows[sure])
        return w, _recount(state, sure_rows, guess[sure][first])


def _first_of_each(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows and where each stands first: a pool smaller than the batch repeats rows."""
    distinct, inverse = rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    first = torch.full_like(distinct, len(rows))
    first.scatter_reduce_(0, inverse, torch.arange(len(rows), device=rows.device), "amin")
    return distinct, first


def _recount(state: State, rows: Tensor, guess: Tensor) -> State:
    last, counts = state["last"], state["counts"].clone()
    one = torch.ones_like(guess)
    # index -1 is the count of rows without a confident guess
    counts.scatter_add_(0, last[rows].long() % len(counts), -one)
    counts.scatter_add_(0, guess, one)
    last[rows] = guess.to(last.dtype)
    return {"last": last, "counts": counts}
