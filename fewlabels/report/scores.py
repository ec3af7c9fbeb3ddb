"""The scores in numbers, in words and as pictures, and how little few rows can show."""

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
    number,
    percent,
    plural,
    points,
)
from fewlabels.report.facts import detectable

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison


def _share(comparison: Comparison) -> bool:
    """Whether scores are shares, the higher the better; else errors."""
    return comparison.task != "numbers"


def _score(comparison: Comparison, value: float) -> str:
    return percent(value) if _share(comparison) else number(value)


def _gain(comparison: Comparison, value: float) -> str:
    return points(value) if _share(comparison) else number(value, signed=True)


def key_figures(comparison: Comparison) -> tuple[tuple[str, str, str], ...]:
    """Label, value, interval: the three numbers of the banner."""
    p = comparison.paired
    share = _share(comparison)
    unit = " points" if share else ""

    def span(low: str, high: str) -> str:
        return f"{100 * p.level:.4g} % interval {low} to {high}"

    return (
        (
            "Labels only",
            _score(comparison, p.baseline_score),
            span(_score(comparison, p.baseline_low), _score(comparison, p.baseline_high)),
        ),
        (
            "With unlabeled data",
            _score(comparison, p.candidate_score),
            span(_score(comparison, p.candidate_low), _score(comparison, p.candidate_high)),
        ),
        (
            "Difference" if share else "Error lower by",
            _gain(comparison, p.difference) + unit,
            span(_gain(comparison, p.low), _gain(comparison, p.high)),
        ),
    )


def score_blocks(comparison: Comparison) -> tuple[Block, ...]:
    p, classes = comparison.paired, comparison.task == "classes"
    figures = key_figures(comparison)
    head = ("", p.metric, "interval", *(("right", "rows") if classes else ("rows",)))
    right = [round(score * p.n) for score in (p.baseline_score, p.candidate_score)]
    rows = [
        (label, value, span.partition("interval ")[2], *((f"{r:,}",) if classes else ()), f"{p.n:,}")
        for (label, value, span), r in zip(figures[:2], right, strict=True)
    ]
    table = Table("Scores on the evaluation rows", head, tuple(rows), frozenset(range(1, len(head))))
    return _pictures(comparison), table, Text(_counts(comparison)), Text(_zone(comparison), "note")


def _pictures(comparison: Comparison) -> Pictures:
    """The two scores on one axis, their difference on another, since their intervals do not subtract."""
    p, share = comparison.paired, _share(comparison)
    scale, unit = (100.0, f"{p.metric}, %") if share else (1.0, "mean absolute error (lower is better)")
    baseline = Dot("labels only", p.baseline_score, p.baseline_low, p.baseline_high, "baseline")
    candidate = Dot("with unlabeled", p.candidate_score, p.candidate_low, p.candidate_high, "candidate")
    floor = p.delta if share else p.delta * p.baseline_score
    axis = f"points of {p.metric} gained" if share else "error avoided (positive is better)"
    gain = Dots((Dot("difference", p.difference, p.low, p.high, "difference"),), axis, scale, (-floor, floor))
    alts = [f"{label}: {value}, {span}." for label, value, span in key_figures(comparison)]
    return Pictures(
        (
            Picture(Dots((baseline, candidate), unit, scale), " ".join(alts[:2])),
            Picture(gain, f"{alts[2]} {_zone(comparison)}"),
        )
    )


def _counts(comparison: Comparison) -> str:
    p = comparison.paired
    if comparison.task == "classes":
        what = (
            f"Unlabeled data turned {plural(p.wins, 'row')} from wrong to right and {p.losses:,} from right to "
            "wrong; on all others the two models are both right or both wrong. "
        )
        test = "McNemar's test, mid-p"
    elif comparison.task == "masks":
        what = f"With unlabeled data {plural(p.wins, 'image')} overlapped better with the mask and {p.losses:,} worse. "
        test = "Sign-flip test over images"
    else:
        what = f"With unlabeled data {plural(p.wins, 'row')} came nearer the truth and {p.losses:,} further from it. "
        test = "Sign-flip test"
    chance = "less than 0.001" if p.p_value < 0.001 else f"{p.p_value:.3f}"
    return f"{what}{test}: p = {chance}.".replace("= less", "less")


def _zone(comparison: Comparison) -> str:
    p = comparison.paired
    if _share(comparison):
        return f"The grey band marks ±{100 * p.delta:.1f} points: differences inside it do not matter in practice."
    return (
        f"The grey band marks ±{number(p.delta * p.baseline_score)} ({100 * p.delta:g} % of the error with labels "
        "only): differences inside it do not matter in practice."
    )


def how_little(comparison: Comparison) -> tuple[Section, ...]:
    if not comparison.held_out:
        return ()
    p, least = comparison.paired, detectable(comparison)
    classes = comparison.task == "classes"
    origin = (
        f"No test set was given, so {plural(p.n, 'labeled row')} were kept out of training to judge the two "
        "models on. So few rows show large differences only."
    )
    share = percent((p.wins + p.losses) / p.n)
    if least is None:
        can = (
            f"On {share} of these rows one model alone is right. Even if all of them spoke for "
            f"the same model, such a difference would be missed more often than once in 5 tries."
            if classes
            else "One row can show nothing."
        )
    else:
        size = f"{100 * least:.1f} points" if _share(comparison) else number(least)
        spread = "differences" if comparison.task == "masks" else "errors"
        given = f"with {spread} spread as here"
        if classes:
            given = f"if, as here, one model alone is right on {share} of the rows"
        can = f"With {p.n} rows, a true gain of {size} is found in 4 of 5 tries ({given}), a smaller one rarely."
    advice = "To learn more: label more rows for testing, and give them as a test set."
    return (Section("power", "How little this can show", (Text(origin), Text(can), Text(advice))),)
