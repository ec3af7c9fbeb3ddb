"""The sections of a comparison of regressors: predicted against true, the errors, rows worth looking at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fewlabels.report.blocks import Block, Histogram, Picture, Pictures, Role, Scatter, Section, Text, number
from fewlabels.report.gallery import group, pick
from fewlabels.verdict import Verdict

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

MOST_DOTS = 400
MOST_BINS = 30


def number_sections(comparison: Comparison) -> tuple[Section, ...]:
    true = np.asarray(comparison.y_eval, dtype=np.float64)
    baseline = np.asarray(comparison.baseline_output, dtype=np.float64)
    candidate = np.asarray(comparison.candidate_output, dtype=np.float64)
    return (
        Section("scatter", "Predicted against true", _scatters(true, baseline, candidate)),
        Section("errors", "How the errors are spread", _histogram(baseline - true, candidate - true)),
        Section("gallery", "Rows worth looking at", _gallery(comparison, true, baseline, candidate)),
    )


def _scatters(
    true: NDArray[np.float64], baseline: NDArray[np.float64], candidate: NDArray[np.float64]
) -> tuple[Block, ...]:
    values = np.concatenate([true, baseline, candidate])
    margin = 0.03 * (np.ptp(values) or 1.0)
    span = (float(values.min() - margin), float(values.max() + margin))
    step = -(-len(true) // MOST_DOTS)  # every step-th row: as representative as the rows' order
    words = "On the diagonal a prediction is exact; above it, too high."
    if step > 1:
        words += f" Drawn is 1 row in {step}."
    both: tuple[tuple[str, Role, NDArray[np.float64]], ...] = (
        ("Labels only", "baseline", baseline),
        ("With unlabeled data", "candidate", candidate),
    )
    pictures = tuple(
        Picture(
            Scatter(title, role, true[::step], guess[::step], span),
            f"Predicted against true values, {title.lower()}: mean absolute error "
            f"{number(float(np.abs(guess - true).mean()))}, correlation {_correlation(true, guess)}.",
        )
        for title, role, guess in both
    )
    return Text(words), Pictures(pictures)


def _correlation(true: NDArray[np.float64], guess: NDArray[np.float64]) -> str:
    if len(true) < 3 or np.ptp(true) == 0 or np.ptp(guess) == 0:
        return "not defined"
    return f"{np.corrcoef(true, guess)[0, 1]:.2f}"


def _histogram(baseline: NDArray[np.float64], candidate: NDArray[np.float64]) -> tuple[Block, ...]:
    both = np.concatenate([baseline, candidate])
    reach = float(np.abs(both).max()) or 1.0
    bins = max(4, min(MOST_BINS, int(np.sqrt(len(baseline)) * 1.5)))
    edges = np.linspace(-reach, reach, bins + 1)
    lines: tuple[tuple[str, Role, NDArray[np.int64]], ...] = (
        ("labels only", "baseline", np.histogram(baseline, edges)[0].astype(np.int64)),
        ("with unlabeled data", "candidate", np.histogram(candidate, edges)[0].astype(np.int64)),
    )
    alt = (
        f"Histogram of the errors: half of them lie within {number(float(np.median(np.abs(baseline))))} with "
        f"labels only, within {number(float(np.median(np.abs(candidate))))} with unlabeled data."
    )
    words = "Narrow and centred on zero is good; a shift to one side is a bias."
    picture = Picture(Histogram(edges, lines, "predicted − true"), alt)
    return Text(words), Pictures((picture,), wide=True)


def _gallery(
    comparison: Comparison,
    true: NDArray[np.float64],
    baseline: NDArray[np.float64],
    candidate: NDArray[np.float64],
) -> tuple[Block, ...]:
    deployed = candidate if comparison.verdict == Verdict.HELPS else baseline
    gain = np.abs(baseline - true) - np.abs(candidate - true)
    miss = np.abs(deployed - true)

    def say(row: int) -> tuple[str, str, str]:
        return number(true[row]), number(baseline[row]), number(candidate[row])

    groups = (
        ("Largest errors", "Rows on which the deployed model misses most.", miss > 0, miss),
        ("Improved most by the unlabeled data", "Here its predictions came nearer the truth.", gain > 0, gain),
        ("Worsened most by the unlabeled data", "Here its predictions went further away.", gain < 0, -gain),
    )
    blocks: list[Block] = []
    for title, about, rows, score in groups:
        words = about if rows.any() else "There is no such row."
        blocks += group(comparison, title, words, pick(rows, score), int(rows.sum()), say)
    return tuple(blocks)
