"""Weight: how much each unlabeled row counts, w in [0, 1], from the guessed class shares q (B, K, ...)."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from fewlabels.errors import OptionError
from fewlabels.parts.align import Align, ToPrior
from fewlabels.parts.math import check_rows, first_of_each, warm

State = dict[str, Any]


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
        check_rows(q, "PerClass")
        confidence, guess = q.max(1)
        w = (confidence >= self.thresholds(state["counts"])[guess]).to(q.dtype)
        # The paper (eq. 5) counts a guess when it passes the fixed tau, and keeps it until the next one does.
        sure = confidence > self.tau
        sure_rows, first = first_of_each(rows[sure])
        return w, _recount(state, sure_rows, guess[sure][first])


def _recount(state: State, rows: Tensor, guess: Tensor) -> State:
    last, counts = state["last"], state["counts"].clone()
    one = torch.ones_like(guess)
    # index -1 is the count of rows without a confident guess
    counts.scatter_add_(0, last[rows].long() % len(counts), -one)
    counts.scatter_add_(0, guess, one)
    last[rows] = guess.to(last.dtype)
    return {"last": last, "counts": counts}


@dataclass(frozen=True)
class SelfAdaptive:
    """A threshold for each class that follows what the model is sure of (FreeMatch, eqs. 5 to 8).

    tau_t is a moving average of the mean confidence, p a moving average of the mean q; with
    tau_t(c) = tau_t * p(c) / max p, w = 1(max q >= tau_t(argmax q)). Both start at 1 / K. The
    averages are warm-started like the teacher: with the papers' 0.999 alone the threshold of a run of
    500 steps would stay near 1 / K and let every guess pass.

    `low` and `high` bound tau_t (the paper bounds it to 0.9 and 0.95 on SVHN only).
    """

    momentum: float = 0.999
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        _check_momentum(self.momentum, "SelfAdaptive")
        if not 0 <= self.low <= self.high <= 1:
            raise OptionError(f"SelfAdaptive.low is {self.low}, high {self.high}; expected 0 <= low <= high <= 1.")

    def init(self, n_classes: int, n_rows: int) -> State:
        start = {"tau": torch.tensor(1 / n_classes), "p": torch.full((n_classes,), 1 / n_classes)}
        return start | {"steps": torch.tensor(0)}

    def __call__(self, q: Tensor, rows: Tensor, state: State) -> tuple[Tensor, State]:
        check_rows(q, "SelfAdaptive")
        confidence, guess = q.max(1)
        decay = warm(self.momentum, state["steps"])
        tau = torch.lerp(confidence.mean(), state["tau"], decay)
        p = torch.lerp(q.mean(0), state["p"], decay)
        thresholds = tau.clamp(self.low, self.high) * p / p.max()
        return (confidence >= thresholds[guess]).to(q.dtype), {"tau": tau, "p": p, "steps": state["steps"] + 1}


@dataclass(frozen=True)
class TruncatedGaussian:
    """Rows below the mean confidence count less, as a Gaussian falls off (SoftMatch, eqs. 5 to 8).

    w = exp(-min(max q - mu, 0)^2 / (2 sigma^2 / n_sigma^2)), mu and sigma^2 moving averages of the mean and the
    variance of the confidence, started at 1 / K and 1 and warm-started like the teacher: with the paper's 0.999 alone
    sigma would stay near 1 for 500 steps, and every row would count. With `align` the confidence is that of the
    aligned q (uniform alignment); the label taught stays that of q itself.
    """

    n_sigma: float = 2.0
    momentum: float = 0.999
    align: Align = field(default_factory=ToPrior)

    def __post_init__(self) -> None:
        _check_momentum(self.momentum, "TruncatedGaussian")
        if self.n_sigma <= 0:
            raise OptionError(f"TruncatedGaussian.n_sigma is {self.n_sigma}; expected a number above 0.")

    def init(self, n_classes: int, n_rows: int) -> State:
        start = {"mean": torch.tensor(1 / n_classes), "var": torch.tensor(1.0), "steps": torch.tensor(0)}
        return start | {"align": self.align.init(n_classes)}

    def __call__(self, q: Tensor, rows: Tensor, state: State) -> tuple[Tensor, State]:
        check_rows(q, "TruncatedGaussian")
        aligned, align = self.align(q, state["align"])
        confidence = aligned.amax(1)
        decay = warm(self.momentum, state["steps"])
        mean = torch.lerp(confidence.mean(), state["mean"], decay)
        # of one row there is no variance to learn from
        spread = confidence.var() if len(confidence) > 1 else state["var"]
        var = torch.lerp(spread, state["var"], decay)
        below = (confidence - mean).clamp_max(0)
        w = torch.exp(-below.square() * self.n_sigma**2 / (2 * var.clamp_min(1e-12)))
        return w, {"mean": mean, "var": var, "steps": state["steps"] + 1, "align": align}


def _check_momentum(momentum: float, name: str) -> None:
    if not 0 <= momentum < 1:
        raise OptionError(f"{name}.momentum is {momentum}; expected a decay in [0, 1).")
