"""What a check says: a finding, or a suspicion that becomes one when all suspicions of an audit were counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Level = Literal["ok", "look", "stop", "not applicable", "skipped"]

ALPHA = 0.05  # the chance that an audit of data in which nothing is wrong raises any statistical alarm at all
MOST_ROWS = 12  # listed and shown with a finding


@dataclass(frozen=True)
class Finding:
    """The answer to one question about the data.

    Attributes
    ----------
    check : the name of the check
    level : "ok"; "look" (judge for yourself); "stop" (mend this first); "not applicable" to such data; "skipped"
        (not checked, and why)
    value : the size of what was seen, in the unit that the text names; None where there is no single one
    text : what was seen, why it matters, what to do
    evidence : numbers behind it, plain values by name. Statistical alarms have "p" and "p adjusted" (Holm)
    rows : rows of X worth looking at, at most 12
    """

    check: str
    level: Level
    value: float | None
    text: str
    evidence: dict[str, Any] = field(default_factory=dict)
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Suspicion:
    """A statistical test and what to say either way; `decide` turns it into a finding.

    Attributes
    ----------
    p : how often chance alone would do as much or more
    large : whether the effect is large enough to matter; with enough rows a test finds trifles
    alarm, calm : the finding when it is both unlikely and large, and when it is not
    """

    p: float
    large: bool
    alarm: Finding
    calm: Finding


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p of several tests, so that p <= alpha errs in any of them with chance alpha (Holm, Scand J Stat 1979).

    The i-th smallest of m is multiplied by m - i + 1, and none is below a smaller one.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def decide(results: Sequence[Finding | Suspicion], alpha: float = ALPHA) -> tuple[Finding, ...]:
    """Findings of all checks; suspicions share one family-wise error `alpha`."""
    adjusted = iter(holm([r.p for r in results if isinstance(r, Suspicion)]).tolist())
    return tuple(_decided(r, next(adjusted), alpha) if isinstance(r, Suspicion) else r for r in results)


def _decided(suspicion: Suspicion, adjusted: float, alpha: float) -> Finding:
    chosen = suspicion.alarm if adjusted <= alpha and suspicion.large else suspicion.calm
    said = {"p": suspicion.p, "p adjusted": adjusted, "large enough to matter": suspicion.large}
    return replace(chosen, evidence=chosen.evidence | said)
