"""A Comparison -> arrays the page is made from, and the same facts as plain values for report.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.intervals import smallest_detectable, wilson
from fewlabels.overlap import confusion, dice, image_scores, iou
from fewlabels.report.blocks import LONGEST_TEXT, Line, Role, Section
from fewlabels.report.calibrated import calibration_facts
from fewlabels.report.during import monitored
from fewlabels.verdict import Verdict
from fewlabels.verdict_round import VerdictRound

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

MOST_CLASSES_DRAWN = 20
MOST_POINTS = 200  # of a curve: more than a reader can see


@dataclass(frozen=True)
class Outcomes:
    """Classes as numbers: what is true, what each model said, how sure it was. True is -1 for an unseen class."""

    names: tuple[str, ...]
    true: NDArray[np.int64]
    baseline: NDArray[np.int64]
    candidate: NDArray[np.int64]
    baseline_sure: NDArray[np.float64]
    candidate_sure: NDArray[np.float64]

    @property
    def baseline_right(self) -> NDArray[np.bool_]:
        return np.equal(self.baseline, self.true)

    @property
    def candidate_right(self) -> NDArray[np.bool_]:
        return np.equal(self.candidate, self.true)

    def confusion(self, guess: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts (K, K), rows the true class; rows of an unseen class are left out."""
        k, known = len(self.names), self.true >= 0
        cells = np.bincount(self.true[known] * k + guess[known], minlength=k * k)
        return cells.reshape(k, k).astype(np.int64)


def outcomes(comparison: Comparison) -> Outcomes:
    classes = np.asarray(comparison.classes).tolist()
    index = {name: i for i, name in enumerate(classes)}
    true = [index.get(label, -1) for label in np.asarray(comparison.y_eval).tolist()]
    return Outcomes(
        tuple(str(name) for name in classes),
        np.asarray(true, dtype=np.int64),
        comparison.baseline_output.argmax(axis=1).astype(np.int64),
        comparison.candidate_output.argmax(axis=1).astype(np.int64),
        comparison.baseline_output.max(axis=1),
        comparison.candidate_output.max(axis=1),
    )


@dataclass(frozen=True)
class ClassScore:
    """How one class of `n` rows went: rows right and the accuracy's Wilson interval, for both models."""

    name: str
    n: int
    baseline_right: int
    baseline_interval: tuple[float, float]
    candidate_right: int
    candidate_interval: tuple[float, float]


def class_scores(seen: Outcomes, level: float) -> tuple[ClassScore, ...]:
    scores = []
    for k, name in enumerate(seen.names):
        rows = seen.true == k
        n = int(rows.sum())
        baseline, candidate = int(seen.baseline_right[rows].sum()), int(seen.candidate_right[rows].sum())
        intervals = wilson(baseline, n, level), wilson(candidate, n, level)
        scores.append(ClassScore(name, n, baseline, intervals[0], candidate, intervals[1]))
    return tuple(scores)


def curves(comparison: Comparison) -> dict[str, tuple[Line, ...]]:
    """Every metric that was logged -> its line for each model; finite values only, averaged to 200 points."""
    roles: tuple[tuple[Role, Any], ...] = (
        ("baseline", comparison.baseline),
        ("candidate", comparison.candidate),
    )
    found: dict[str, list[Line]] = {}
    for role, model in roles:
        history = list(getattr(model, "history_", ()))  # a classical model keeps none
        for key in sorted({key for entry in history for key in entry} - {"step"}):
            pairs = [(e["step"], e[key]) for e in history if key in e and "step" in e]
            xy = np.asarray([(x, y) for x, y in pairs if isfinite(x) and isfinite(y)], dtype=np.float64)
            if len(xy):
                parts = np.array_split(xy, min(MOST_POINTS, len(xy)))
                means = np.asarray([part.mean(axis=0) for part in parts])
                found.setdefault(key, []).append(Line(role, role, means[:, 0], means[:, 1]))
    return {key: tuple(lines) for key, lines in sorted(found.items(), key=lambda item: _place(item[0]))}


def _place(key: str) -> tuple[int, str]:
    first = ("loss", "mask_used", "loss_x", "loss_u")
    return (first.index(key) if key in first else len(first), key)


def detectable(comparison: Comparison) -> float | None:
    """The smallest true gain that this many rows would find in 4 of 5 tries; None: they can find none."""
    paired = comparison.paired
    if comparison.task == "classes":
        share = (paired.wins + paired.losses) / paired.n
        return smallest_detectable(paired.n, share, alpha=1 - paired.level)
    gain = _gains(comparison)
    return float((1.96 + 0.84) * gain.std(ddof=1) / np.sqrt(paired.n)) if paired.n > 1 else None


def _round(asked: VerdictRound) -> dict[str, Any]:
    wins, losses, answers = asked.counts
    return {
        "verdict": str(asked.verdict),
        "sentence": asked.sentence,
        "pool": asked.pool,
        "disagree": len(asked.rows),
        "answers": answers,
        "wins": wins,
        "losses": losses,
        "gain": asked.gain,
        "e_value": asked.e_value,
    }


def _gains(comparison: Comparison) -> NDArray[np.float64]:
    """What each row gained: mean IoU, or error avoided."""
    if comparison.task == "masks":
        baseline, candidate = scores_by_image(comparison)
        return candidate - baseline
    true = np.asarray(comparison.y_eval, dtype=np.float64)
    return np.asarray(np.abs(comparison.baseline_output - true) - np.abs(comparison.candidate_output - true))


def scores_by_image(comparison: Comparison) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean IoU of each image, labels only and with unlabeled data."""
    k = len(np.asarray(comparison.classes))
    guesses = comparison.baseline_output, comparison.candidate_output
    baseline, candidate = (image_scores(comparison.y_eval, guess, k) for guess in guesses)
    return baseline, candidate


def pixel_counts(comparison: Comparison) -> dict[Role, NDArray[np.int64]]:
    """Confusion of pixels (K, K) over all images, rows the true class, of each model."""
    k = len(np.asarray(comparison.classes))
    return {
        "baseline": confusion(comparison.y_eval, comparison.baseline_output, k).sum(0),
        "candidate": confusion(comparison.y_eval, comparison.candidate_output, k).sum(0),
    }


def facts(comparison: Comparison, findings: tuple[Section, ...] = ()) -> dict[str, Any]:
    """What report.json holds: plain values alone, the same figures as the page."""
    helped = comparison.verdict == Verdict.HELPS
    result: dict[str, Any] = {
        "format": "fewlabels report 1",
        "verdict": str(comparison.verdict),
        "sentence": comparison.sentence,
        "deployed": "candidate" if helped else "baseline",
        "task": comparison.task,
        "baseline_name": comparison.baseline_name,
        "candidate_name": comparison.candidate_name,
        "held_out": comparison.held_out,
        "paired": {**asdict(comparison.paired), "verdict": str(comparison.paired.verdict)},
        "round": None if comparison.round is None else _round(comparison.round),
        "repeated": None if comparison.repeated is None else asdict(comparison.repeated),
        "smallest_detectable": detectable(comparison),
        "curves": {
            key: {line.role: {"step": line.x, "value": line.y} for line in lines}
            for key, lines in curves(comparison).items()
        },
        "findings": [asdict(finding) for finding in findings],
        "audit": None if comparison.audit is None else comparison.audit.to_dict(),
        "monitors": {role: [asdict(f) for f in found] for role, found in monitored(comparison).items()},
    }
    if comparison.task == "classes":
        result |= _class_facts(comparison)
    if comparison.task == "masks":
        result |= _mask_facts(comparison)
    for name in ("data", "remarks", "settings", "environment", "command", "seconds"):
        result[name] = getattr(comparison, name)
    return {key: plain(value) for key, value in result.items()}


def _class_facts(comparison: Comparison) -> dict[str, Any]:
    seen = outcomes(comparison)
    small = len(seen.names) <= MOST_CLASSES_DRAWN
    counts = {"baseline": seen.confusion(seen.baseline), "candidate": seen.confusion(seen.candidate)}
    return {
        "calibration": calibration_facts(seen),
        "classes": seen.names,
        "per_class": [asdict(score) for score in class_scores(seen, comparison.paired.level)],
        # rows are the true class; with many classes [true, predicted, rows] of the cells that are not empty
        "confusion": {
            role: table if small else [[i, j, table[i, j]] for i, j in np.argwhere(table)]
            for role, table in counts.items()
        },
    }


def _mask_facts(comparison: Comparison) -> dict[str, Any]:
    counts = pixel_counts(comparison)
    return {
        "classes": [str(name) for name in np.asarray(comparison.classes).tolist()],
        "iou": {role: iou(table) for role, table in counts.items()},
        "dice": {role: dice(table) for role, table in counts.items()},
        "confusion": counts,
    }


def plain(value: Any) -> Any:
    """Anything -> what strict JSON can hold: NaN and infinity become null, unknown objects their text."""
    match value:
        case None | bool() | int() if not isinstance(value, np.generic):
            return value
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case float():
            return value if isfinite(value) else None
        case Mapping():
            return {_text(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
            return [plain(item) for item in items]
    return _text(value)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)[:LONGEST_TEXT]
    return text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates are not Unicode text
