"""The section of a comparison's report on its repeats: what they say of the methods, not of two fitted models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fewlabels.report.blocks import (
    Block,
    Dot,
    Dots,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    clean,
    number,
    percent,
    points,
)

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

MORE = " What the repeats say of the methods stands in a section of its own."
MOST_DRAWN = 20


def repeat_sections(comparison: Comparison) -> tuple[Section, ...]:
    """None for a comparison of two fitted models."""
    repeated = comparison.repeated
    if repeated is None:
        return ()
    error = comparison.task == "numbers"
    pairs = list(zip(repeated.seeds, repeated.baseline_scores, repeated.candidate_scores, strict=True))
    gains = [(one - other if error else other - one) for _, one, other in pairs]
    score, gain = (number, lambda x: number(x, signed=True)) if error else (percent, points)
    table = Table(
        "Each pair",
        ("seed", "labels only", "with unlabeled data", "error lower by" if error else "points gained"),
        tuple((str(s), score(a), score(b), gain(g)) for (s, a, b), g in zip(pairs, gains, strict=True)),
        frozenset({1, 2, 3}),
    )
    mean = Dot("mean", repeated.difference, repeated.low, repeated.high, "difference")
    dots = [Dot(f"pair {i}", g, g, g, "candidate") for i, g in enumerate(gains[:MOST_DRAWN], start=1)]
    axis = "error avoided (positive is better)" if error else f"points of {repeated.metric} gained"
    baseline = sum(repeated.baseline_scores) / len(pairs)
    floor = repeated.delta * (baseline if error else 1)
    plot = Dots((mean, *dots), axis, 1.0 if error else 100.0, (-floor, floor))
    blocks: tuple[Block, ...] = (
        Text(f"{repeated.verdict}: {clean(repeated.sentence, 1000)}"),
        Pictures((Picture(plot, clean(repeated.sentence, 1000)),)),
        Text("The first pair is the one whose models this page shows and which may be deployed.", "note"),
        table,
    )
    return (Section("repeats", "What the repeats say of the methods", blocks),)
