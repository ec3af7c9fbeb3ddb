"""The sections of a comparison of classifiers: confusion, each class, rows worth looking at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fewlabels.report.blocks import (
    Block,
    Matrix,
    Picture,
    Pictures,
    Role,
    Section,
    Table,
    Text,
    clean,
    percent,
    plural,
    points,
    sure,
)
from fewlabels.report.calibrated import calibration_sections
from fewlabels.report.facts import MOST_CLASSES_DRAWN, ClassScore, Outcomes, class_scores, outcomes
from fewlabels.report.gallery import group, pick
from fewlabels.verdict import Verdict

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

MOST_PAIRS = 20
MOST_CLASS_ROWS = 60
_LONGEST_ON_AXIS = 14


def class_sections(comparison: Comparison) -> tuple[Section, ...]:
    seen = outcomes(comparison)
    return (
        Section("confusion", "Which classes are mistaken for which", _confusion(seen)),
        Section("classes", "Each class by itself", _per_class(seen, comparison.paired.level)),
        *calibration_sections(seen),
        Section("gallery", "Rows worth looking at", _gallery(comparison, seen)),
    )


def _confusion(seen: Outcomes) -> tuple[Block, ...]:
    unseen = int(np.sum(seen.true < 0))
    missing = (
        (Text(f"{plural(unseen, 'row')} of a class that was not in training: always wrong, not drawn.", "note"),)
        if unseen
        else ()
    )
    if len(seen.names) > MOST_CLASSES_DRAWN:
        return *missing, _pairs(seen)
    how = "Each row is a true class, each column what the model said. Grey is right, colour is a mistake."
    both: tuple[tuple[Role, str], ...] = (("baseline", "Labels only"), ("candidate", "With unlabeled data"))
    return Text(how), *missing, Pictures(tuple(_matrix(seen, role, title) for role, title in both))


def _matrix(seen: Outcomes, role: Role, title: str) -> Picture:
    counts = seen.confusion(seen.baseline if role == "baseline" else seen.candidate)
    names = tuple(clean(name, _LONGEST_ON_AXIS) for name in seen.names)
    wrong = counts - np.diag(np.diag(counts))
    alt = f"Confusion matrix, {title.lower()}: {plural(int(wrong.sum()), 'mistake')} in {counts.sum()} rows."
    if wrong.any():
        true, guess = np.unravel_index(int(wrong.argmax()), wrong.shape)
        alt += f" Most often {names[true]} is taken for {names[guess]} ({plural(int(wrong.max()), 'row')})."
    return Picture(Matrix(title, role, names, counts), alt)


def _pairs(seen: Outcomes) -> Block:
    """With many classes a matrix is noise; the pairs most often confused are not."""
    baseline, candidate = seen.confusion(seen.baseline), seen.confusion(seen.candidate)
    total = baseline + candidate
    np.fill_diagonal(total, 0)
    order = np.argsort(-total, axis=None, kind="stable")[:MOST_PAIRS]
    pairs = [np.unravel_index(i, total.shape) for i in order if total.flat[i] > 0]
    if not pairs:
        return Text("Neither model mistook any class for another.", "empty")
    return Table(
        "The pairs most often confused, in rows",
        ("true class", "taken for", "labels only", "with unlabeled"),
        tuple(
            (clean(seen.names[i]), clean(seen.names[j]), f"{baseline[i, j]:,}", f"{candidate[i, j]:,}")
            for i, j in pairs
        ),
        frozenset({2, 3}),
    )


def _per_class(seen: Outcomes, level: float) -> tuple[Block, ...]:
    scores = [score for score in class_scores(seen, level) if score.n]
    shown = scores
    if len(scores) > MOST_CLASS_ROWS:
        shown = sorted(scores, key=lambda s: -abs(s.candidate_right - s.baseline_right) / s.n)[:MOST_CLASS_ROWS]
    none = [clean(name) for k, name in enumerate(seen.names) if not np.any(seen.true == k)]
    notes = [f"Accuracy on the rows of each class, with its {100 * level:.4g} % interval (Wilson)."]
    if len(shown) < len(scores):
        notes.append(f"Shown are the {len(shown)} of {len(scores)} classes that changed most.")
    if none:
        notes.append(f"Without any evaluation row: {', '.join(none[:10])}{' …' if len(none) > 10 else ''}.")
    notes.append("Few rows make wide intervals: read a single class with care.")
    head = ("class", "rows", "labels only", "interval", "with unlabeled", "interval", "change, points")
    table = Table("Accuracy by class", head, tuple(map(_class_row, shown)), frozenset(range(1, 7)))
    return Text(" ".join(notes)), table


def _class_row(score: ClassScore) -> tuple[str, ...]:
    return (
        clean(score.name),
        f"{score.n:,}",
        percent(score.baseline_right / score.n),
        _span(score.baseline_interval),
        percent(score.candidate_right / score.n),
        _span(score.candidate_interval),
        points((score.candidate_right - score.baseline_right) / score.n),
    )


def _span(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f} %"


_FIXED = "Fixed by the unlabeled data", "Wrong with labels only, right with unlabeled data.", "No row was fixed."
_BROKEN = "Broken by the unlabeled data", "Right with labels only, wrong with unlabeled data.", "No row was broken."
_WRONG = (
    "Confident and wrong",
    "Mistakes of the deployed model, the surest first. Some may be wrong labels.",
    "The deployed model made no mistake on these rows.",
)


def _gallery(comparison: Comparison, seen: Outcomes) -> tuple[Block, ...]:
    helped = comparison.verdict == Verdict.HELPS
    wrong = ~(seen.candidate_right if helped else seen.baseline_right)
    fixed = seen.candidate_right & ~seen.baseline_right
    broken = seen.baseline_right & ~seen.candidate_right
    names = [clean(name) for name in seen.names]
    labels = np.asarray(comparison.y_eval).tolist()

    def say(row: int) -> tuple[str, str, str]:
        true = names[seen.true[row]] if seen.true[row] >= 0 else clean(labels[row])
        baseline = sure(names[seen.baseline[row]], float(seen.baseline_sure[row]))
        return true, baseline, sure(names[seen.candidate[row]], float(seen.candidate_sure[row]))

    groups = (
        (_WRONG, wrong, seen.candidate_sure if helped else seen.baseline_sure),
        (_FIXED, fixed, seen.candidate_sure),
        (_BROKEN, broken, seen.candidate_sure),
    )
    blocks: list[Block] = []
    for (title, about, nothing), rows, score in groups:
        picked = pick(rows, score)
        words = about if len(picked) else nothing
        blocks += group(comparison, title, words, picked, int(rows.sum()), say)
    return tuple(blocks)
