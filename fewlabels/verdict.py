"""Did the candidate help? Paired statistics of two fitted models on the same rows, and four possible answers.

Every claim is about these two fitted models. One pair of models says nothing about methods: another seed
or another choice of labels can turn the order round (Bouthillier et al., MLSys 2021).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fewlabels.errors import InputError
from fewlabels.intervals import (
    mcnemar_midp,
    newcombe_paired,
    paired_bootstrap,
    sign_flip_p,
    smallest_detectable,
    wilson,
)

__all__ = [
    "Paired",
    "Verdict",
    "judge_classes",
    "judge_masks",
    "judge_numbers",
    "mcnemar_midp",
    "newcombe_paired",
    "paired_bootstrap",
    "sign_flip_p",
    "smallest_detectable",
    "wilson",
]

FEWEST_FOR_BOOTSTRAP = 20  # with fewer rows a bootstrap interval of a mean is far too narrow to conclude from


class Verdict(StrEnum):
    """What the evaluation rows say of the candidate against the baseline."""

    HELPS = "HELPS"
    HURTS = "HURTS"
    NO_PRACTICAL_DIFFERENCE = "NO PRACTICAL DIFFERENCE"
    CANNOT_TELL = "CANNOT TELL"


@dataclass(frozen=True)
class Paired:
    """Two models on the same n rows. A positive `difference` is in the candidate's favour.

    Attributes
    ----------
    difference, low, high : the paired difference of the scores and its interval at `level`
    p_value : mid-p McNemar for classes, sign flips for numbers and masks; two-sided
    wins, losses : rows on which the candidate did better, worse
    *_score, *_low, *_high : each model's score on these rows and its interval at `level`
    metric : "accuracy", "mean IoU of an image" (higher is better) or "mean absolute error" (lower is better)
    delta : what counts as no practical difference; for numbers, a share of the baseline's error
    sentence : the result in plain words
    """

    verdict: Verdict
    difference: float
    low: float
    high: float
    level: float
    p_value: float
    n: int
    wins: int
    losses: int
    baseline_score: float
    baseline_low: float
    baseline_high: float
    candidate_score: float
    candidate_low: float
    candidate_high: float
    metric: str
    delta: float
    sentence: str


def judge_classes(
    baseline_correct: ArrayLike,
    candidate_correct: ArrayLike,
    *,
    delta: float = 0.01,
    alpha: float = 0.05,
    disagreement: float | None = None,
    pool: int | None = None,
) -> Paired:
    """Judge two classifiers by which of the same labeled rows each gets right.

    Parameters
    ----------
    baseline_correct, candidate_correct : bool (n,)
    delta : differences of accuracy smaller than this do not matter in practice
    alpha : false alarms allowed; intervals have level 1 - alpha
    disagreement : share of rows on which the two *predictions* differ; needs no labels
    pool : the number of rows `disagreement` was counted on, if they are all the rows that matter. Then
        |acc_S - acc_B| <= D / N is arithmetic and holds for that pool (and for no other rows). None: it was
        counted on the n rows, a sample, so its upper Wilson limit stands in its place.

    Raises
    ------
    InputError : no rows, or arrays of different length
    """
    baseline, candidate = _pair(baseline_correct, candidate_correct, np.bool_)
    n, level = baseline.size, 1 - alpha
    wins, losses = int(np.sum(candidate & ~baseline)), int(np.sum(baseline & ~candidate))
    both = int(np.sum(baseline & candidate))
    interval = newcombe_paired(both, wins, losses, n - both - wins - losses, level)
    p_value = mcnemar_midp(wins, losses)
    same = disagreement is not None and _disagreement_bound(disagreement, n, pool, level) < delta
    verdict = Verdict.NO_PRACTICAL_DIFFERENCE if same else decide(p_value, *interval, delta, alpha)
    paired = Paired(
        *(verdict, (wins - losses) / n, *interval, level, p_value, n, wins, losses),
        *((both + losses) / n, *wilson(both + losses, n, level)),
        *((both + wins) / n, *wilson(both + wins, n, level)),
        *("accuracy", delta, ""),
    )
    reason = _label_free(disagreement, delta, n, pool) if same else _classes_sentence(paired)
    return replace(paired, sentence=reason)


def judge_numbers(
    baseline_error: ArrayLike,
    candidate_error: ArrayLike,
    *,
    delta: float = 0.02,
    alpha: float = 0.05,
    seed: int = 0,
) -> Paired:
    """Judge two regressors by their errors on the same labeled rows; the metric is the mean absolute error.

    Parameters
    ----------
    baseline_error, candidate_error : predicted minus true, signed or absolute, (n,)
    delta : differences smaller than this share of the baseline's mean absolute error do not matter
    alpha : false alarms allowed; intervals are BCa bootstrap intervals of level 1 - alpha

    Raises
    ------
    InputError : no rows, arrays of different length, or errors that are not finite
    """
    baseline, candidate = (np.abs(e) for e in _pair(baseline_error, candidate_error, np.float64))
    gain, n, level = baseline - candidate, baseline.size, 1 - alpha
    interval = paired_bootstrap(gain, seed=seed, level=level)
    p_value = sign_flip_p(gain, seed=seed)
    verdict = decide(p_value, *interval, delta * float(baseline.mean()), alpha)
    if n < FEWEST_FOR_BOOTSTRAP:
        verdict = Verdict.CANNOT_TELL
    paired = Paired(
        *(
            verdict,
            float(gain.mean()),
            *interval,
            level,
            p_value,
            n,
            int(np.sum(gain > 0)),
            int(np.sum(gain < 0)),
        ),
        *(float(baseline.mean()), *paired_bootstrap(baseline, seed=seed, level=level)),
        *(float(candidate.mean()), *paired_bootstrap(candidate, seed=seed, level=level)),
        *("mean absolute error", delta, ""),
    )
    return replace(paired, sentence=_numbers_sentence(paired))


def judge_masks(
    baseline_score: ArrayLike,
    candidate_score: ArrayLike,
    *,
    delta: float = 0.01,
    alpha: float = 0.05,
    seed: int = 0,
) -> Paired:
    """Judge two segmenters by a score of each image; pixels of one image are not independent, images are the units.

    Parameters
    ----------
    baseline_score, candidate_score : mean IoU over the classes of each image, (n,)
    delta : differences smaller than this do not matter in practice
    alpha : false alarms allowed; intervals are BCa bootstrap intervals over images of level 1 - alpha

    Raises
    ------
    InputError : no images, arrays of different length, or scores that are not finite
    """
    baseline, candidate = _pair(baseline_score, candidate_score, np.float64)
    gain, n, level = candidate - baseline, baseline.size, 1 - alpha
    interval, p_value = paired_bootstrap(gain, seed=seed, level=level), sign_flip_p(gain, seed=seed)
    verdict = Verdict.CANNOT_TELL if n < FEWEST_FOR_BOOTSTRAP else decide(p_value, *interval, delta, alpha)
    wins, losses = int(np.sum(gain > 0)), int(np.sum(gain < 0))
    paired = Paired(
        *(verdict, float(gain.mean()), *interval, level, p_value, n, wins, losses),
        *(float(baseline.mean()), *paired_bootstrap(baseline, seed=seed, level=level)),
        *(float(candidate.mean()), *paired_bootstrap(candidate, seed=seed, level=level)),
        *("mean IoU of an image", delta, ""),
    )
    return replace(paired, sentence=_masks_sentence(paired))


def _pair(baseline: ArrayLike, candidate: ArrayLike, dtype: type[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    one, other = np.asarray(baseline, dtype=dtype), np.asarray(candidate, dtype=dtype)
    if one.ndim != 1 or one.shape != other.shape or one.size == 0:
        raise InputError(
            f"the two models need results for the same rows, at least one; got shapes {one.shape} and "
            f"{other.shape}. Predict the same labeled rows with both."
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise InputError("an error is NaN or infinite; evaluate only rows with a label and finite predictions")
    return one, other


def decide(p_value: float, low: float, high: float, floor: float, alpha: float) -> Verdict:
    """Size first: a difference surely too small to matter stays so however many rows prove it.

    A direction needs the test and the interval: either may be a shade too ready, and a page on which they
    contradict each other would help nobody.
    """
    if -floor <= low and high <= floor:
        return Verdict.NO_PRACTICAL_DIFFERENCE
    if p_value <= alpha and low > 0:
        return Verdict.HELPS
    if p_value <= alpha and high < 0:
        return Verdict.HURTS
    return Verdict.CANNOT_TELL


def _disagreement_bound(disagreement: float, n: int, pool: int | None, level: float) -> float:
    if not 0 <= disagreement <= 1:
        raise InputError(f"disagreement is a share of rows, between 0 and 1; got {disagreement}")
    return disagreement if pool is not None else wilson(round(disagreement * n), n, level)[1]


def _label_free(disagreement: float | None, delta: float, n: int, pool: int | None) -> str:
    rows = f"the pool of {pool} rows" if pool is not None else f"these {n} rows"
    return (
        f"The unlabeled data made no practical difference: these two fitted models give different answers on "
        f"{100 * (disagreement or 0):.2g} % of {rows}, so whatever the labels are, their accuracies "
        f"{'there' if pool is not None else 'on rows like these'} differ by less than "
        f"{100 * delta:.1f} points."
    )


FINDING = {
    Verdict.HELPS: "The unlabeled data helped",
    Verdict.HURTS: "The unlabeled data hurt",
    Verdict.NO_PRACTICAL_DIFFERENCE: "The unlabeled data made no practical difference",
    Verdict.CANNOT_TELL: "These rows cannot tell whether the unlabeled data helped",
}


def _classes_sentence(paired: Paired) -> str:
    points = [f"{100 * x:+.1f}".replace("-", "−") for x in (paired.difference, paired.low, paired.high)]
    return (
        f"{FINDING[paired.verdict]}: of these two fitted models, on these {paired.n} rows, the one trained "
        f"with unlabeled data is right on {100 * paired.candidate_score:.1f} % and the baseline on "
        f"{100 * paired.baseline_score:.1f} %, a difference of {points[0]} points "
        f"({100 * paired.level:.4g} % interval {points[1]} to {points[2]})."
    )


def _masks_sentence(paired: Paired) -> str:
    points = [f"{100 * x:+.1f}".replace("-", "−") for x in (paired.difference, paired.low, paired.high)]
    few = f" Fewer than {FEWEST_FOR_BOOTSTRAP} images are too few to say." if paired.n < FEWEST_FOR_BOOTSTRAP else ""
    return (
        f"{FINDING[paired.verdict]}: of these two fitted models, on these {paired.n} images, the one trained with "
        f"unlabeled data reaches a mean IoU of {100 * paired.candidate_score:.1f} % an image and the baseline of "
        f"{100 * paired.baseline_score:.1f} %, a difference of {points[0]} points "
        f"({100 * paired.level:.4g} % interval over images {points[1]} to {points[2]}).{few}"
    )


def _numbers_sentence(paired: Paired) -> str:
    values = [f"{x:+.3g}".replace("-", "−") for x in (paired.difference, paired.low, paired.high)]
    few = f" Fewer than {FEWEST_FOR_BOOTSTRAP} rows are too few to say." if paired.n < FEWEST_FOR_BOOTSTRAP else ""
    return (
        f"{FINDING[paired.verdict]}: of these two fitted models, on these {paired.n} rows, the one trained "
        f"with unlabeled data misses by {paired.candidate_score:.3g} on average and the baseline by "
        f"{paired.baseline_score:.3g}; the error is lower by {values[0]} "
        f"({100 * paired.level:.4g} % interval {values[1]} to {values[2]}).{few}"
    )
