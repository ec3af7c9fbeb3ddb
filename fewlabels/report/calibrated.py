"""How far to trust the probabilities of the two models of a comparison."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fewlabels.calibration import Bin, Calibration, reliability, spiegelhalter, surely
from fewlabels.report.blocks import Block, Picture, Pictures, Reliability, Role, Section, Table, Text, number, percent

if TYPE_CHECKING:
    from fewlabels.report.facts import Outcomes

SURE = 0.95  # the customary threshold of pseudo-labels
ALPHA = 0.05

_WORDS = (
    "Of rows of which a model says 90 %, it should get 90 % right. Each point is a group of equally many evaluation "
    "rows with its 95 % interval (Wilson). Below the diagonal a model is too sure, above it less sure than it could be."
)
_TEST = (
    "Z is Spiegelhalter's; p is how often right probabilities would give a Z as far from 0, so that one right model in "
    "20 has p below 0.05. With few rows a large p says little."
)
_ADVICE = (
    "If you act on probabilities, keep some labeled rows aside, neither for training nor for this report, and call the "
    "model's calibrate(X, y): it divides all logits by one number and changes no prediction."
)


def calibration_sections(seen: Outcomes) -> tuple[Section, ...]:
    both: tuple[tuple[Role, str], ...] = (("baseline", "Labels only"), ("candidate", "With unlabeled data"))
    tests = {role: _test(seen, role) for role, _ in both}
    rows = tuple(_row(title, tests[role], _sure(seen, role)) for role, title in both)
    head = ("", "mean probability", "right", "Z", "p", "", "surer than 95 %: rows", "right", "at least")
    blocks: list[Block] = [
        Text(_WORDS),
        Pictures(tuple(_picture(title, role, _bins(seen, role)) for role, title in both)),
        Table("Probabilities and outcomes", head, rows, frozenset({1, 2, 3, 4, 6, 7, 8})),
        Text(_TEST, "note"),
    ]
    if any(test.p <= ALPHA for test in tests.values()):
        blocks.append(Text(_ADVICE))
    return (Section("calibration", "How far to trust the probabilities", tuple(blocks)),)


def calibration_facts(seen: Outcomes) -> dict[str, Any]:
    roles: tuple[Role, ...] = ("baseline", "candidate")
    found: dict[str, Any] = {}
    for role in roles:
        n, right = _sure(seen, role)
        found[role] = asdict(_test(seen, role)) | {"bins": [asdict(b) for b in _bins(seen, role)]}
        found[role]["surer than 95 %"] = {"n": n, "right": right, "share at least": surely(right, n) if n else None}
    return found


def _of(seen: Outcomes, role: Role) -> tuple[Any, Any]:
    baseline = role == "baseline"
    return (seen.baseline_sure, seen.baseline_right) if baseline else (seen.candidate_sure, seen.candidate_right)


def _test(seen: Outcomes, role: Role) -> Calibration:
    return spiegelhalter(*_of(seen, role))


def _bins(seen: Outcomes, role: Role) -> tuple[Bin, ...]:
    return reliability(*_of(seen, role))


def _sure(seen: Outcomes, role: Role) -> tuple[int, int]:
    """Rows that would pass the threshold of pseudo-labels, and how many of them are right."""
    sure, right = _of(seen, role)
    return int(np.sum(sure >= SURE)), int(np.sum(right[sure >= SURE]))


def _row(title: str, test: Calibration, sure: tuple[int, int]) -> tuple[str, ...]:
    n, right = sure
    chance = "< 0.001" if test.p < 0.001 else f"{test.p:.3f}"
    words = "too sure" if test.confidence > test.accuracy else "less sure than right"
    precision = (percent(right / n), percent(surely(right, n))) if n else ("none", "unknown")
    return (
        title,
        percent(test.confidence),
        percent(test.accuracy),
        number(test.z, signed=True),
        chance,
        words if test.p <= ALPHA else "no sign of error",
        f"{n:,}",
        *precision,
    )


def _picture(title: str, role: Role, bins: tuple[Bin, ...]) -> Picture:
    said = "; ".join(f"{percent(b.confidence)} said, {percent(b.right)} right" for b in bins)
    return Picture(Reliability(title, role, bins), f"Reliability of the probabilities, {title.lower()}: {said}.")
