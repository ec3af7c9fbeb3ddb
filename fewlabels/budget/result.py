"""What a label budget found: scores against the number of labels, with intervals, in numbers and words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.audits.finding import holm
from fewlabels.budget.power_law import FURTHEST, doubt, draw_means, fit
from fewlabels.errors import OptionError
from fewlabels.intervals import nadeau_bengio

LEVEL = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """One size of the curve.

    Attributes
    ----------
    labels, share : how many labels, and of all training rows
    baseline, candidate : mean accuracy or mean absolute error over the repeats
    gain : the candidate over the baseline, paired; positive is in the candidate's favour
    """

    labels: int
    share: float
    baseline: Estimate
    candidate: Estimate
    gain: Estimate


@dataclass(frozen=True)
class More:
    """What `labels` labels would give, by a fitted power law.

    Attributes
    ----------
    score : accuracy or mean absolute error; bought : how much better than with the largest measured size
    """

    labels: int
    score: Estimate
    bought: Estimate


@dataclass(frozen=True, eq=False)
class LabelBudget:
    """Scores of baseline and candidate at several numbers of labels.

    Attributes
    ----------
    sizes : (S,) numbers of labels, of all classes together, ascending
    baseline, candidate : (J, S) scores of each repeat; accuracy, or mean absolute error
    metric : "accuracy" or "mean absolute error"
    baseline_name, candidate_name : the methods' names
    n_rows : training rows of a repeat, labeled or not; n_held_out : labels that score its models
    n_labels : labels that were given; n_classes : 0 for numbers
    seeds : of each repeat
    command : the call or command that repeats this
    """

    sizes: tuple[int, ...]
    baseline: Floats
    candidate: Floats
    metric: str
    baseline_name: str
    candidate_name: str
    n_rows: int
    n_held_out: int
    n_labels: int
    n_classes: int
    seeds: tuple[int, ...]
    command: str

    @property
    def is_error(self) -> bool:
        """Whether lower scores are better."""
        return self.metric == "mean absolute error"

    @property
    def ratio(self) -> float:
        """Labels held out over the others: how much the repeats share, see `intervals.nadeau_bengio`."""
        return self.n_held_out / (self.n_labels - self.n_held_out)

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Each size with its intervals."""
        better = self.gains
        return tuple(
            Point(
                size,
                size / self.n_rows,
                self._estimate(self.baseline[:, i], not self.is_error),
                self._estimate(self.candidate[:, i], not self.is_error),
                self._estimate(better[:, i]),
            )
            for i, size in enumerate(self.sizes)
        )

    @property
    def gains(self) -> Floats:
        """(J, S) the candidate over the baseline in each repeat."""
        return self.baseline - self.candidate if self.is_error else self.candidate - self.baseline

    @property
    def beyond_chance(self) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        """Sizes at which the unlabeled data helped, and at which it hurt; one error of 5 % for all sizes (Holm)."""
        chance = holm([nadeau_bengio(gains, self.ratio)[2] for gains in self.gains.T])
        shown = [point for point, p in zip(self.points, chance, strict=True) if p <= 1 - LEVEL]
        return tuple(p for p in shown if p.gain.value > 0), tuple(p for p in shown if p.gain.value < 0)

    def _estimate(self, values: Floats, share: bool = False) -> Estimate:
        low, high, _ = nadeau_bengio(values, self.ratio, LEVEL)
        return Estimate(float(values.mean()), max(low, 0.0) if share else low, min(high, 1.0) if share else high)

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row for each size, plain values: for a frame of pandas or polars."""
        rows = []
        for point in self.points:
            row: dict[str, Any] = {"labels": point.labels, "share": point.share}
            for name in ("baseline", "candidate", "gain"):
                row |= {f"{name}{end}": v for end, v in zip(("", "_low", "_high"), _triple(point, name), strict=True)}
            rows.append(row)
        return rows

    def refused(self, role: str = "candidate") -> str:
        """Why nothing is said of more labels; empty when something is. `role`: "baseline" or "candidate"."""
        return doubt(np.asarray(self.sizes, dtype=np.float64), self._errors(role), self.ratio)

    def more(self, labels: int | None = None, role: str = "candidate") -> More:
        """What more labels would buy, see `fewlabels.budget.power_law`.

        Parameters
        ----------
        labels : at most twice the largest size; None takes that
        role : "candidate" or "baseline"

        Raises
        ------
        OptionError : further than that, or the curve does not bear it (`refused` says why)
        """
        largest = self.sizes[-1]
        labels = round(FURTHEST * largest) if labels is None else labels
        if not largest < labels <= FURTHEST * largest:
            raise OptionError(
                f"labels={labels}; a curve up to {largest} labels speaks of more than {largest} and at most "
                f"{FURTHEST * largest:.0f}."
            )
        why = self.refused(role)
        if why:
            raise OptionError(f"nothing can be said of more labels for the {role}: {why}.")
        sizes, errors = np.asarray(self.sizes, dtype=np.float64), self._errors(role)
        drawn = fit(sizes, draw_means(errors, self.ratio, np.random.default_rng(0)))
        law = fit(sizes, errors.mean(0)[None])
        score = _quantiles(float(law.at(labels)[0]), drawn.at(labels))
        bought = _quantiles(float((law.at(largest) - law.at(labels))[0]), drawn.at(largest) - drawn.at(labels))
        if not self.is_error:
            score = Estimate(1 - score.value, 1 - score.high, 1 - score.low)
        return More(labels, score, bought)

    def _errors(self, role: str) -> Floats:
        if role not in ("baseline", "candidate"):
            raise OptionError(f"role={role!r}; expected 'baseline' or 'candidate'.")
        scores = self.baseline if role == "baseline" else self.candidate
        return scores if self.is_error else 1 - scores

    @property
    def sentence(self) -> str:
        """What the labels bought, where the unlabeled data helped, and what more labels would buy."""
        from fewlabels.budget.words import sentence

        return sentence(self)

    def __str__(self) -> str:
        from fewlabels.budget.words import USUAL, text_table

        return f"{text_table(self)}\n\n{self.sentence} {USUAL}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        told: dict[str, Any] = {
            role: self.refused(role) or asdict(self.more(role=role)) for role in ("baseline", "candidate")
        }
        return {
            "format": "fewlabels label budget 1",
            "sentence": self.sentence,
            **{name: value for name, value in vars(self).items() if name != "points"},
            "table": self.table,
            "twice the labels": told,
        }

    def report(self, path: Any) -> Path:
        """Write one self-contained HTML page to `path`, and the same facts as JSON beside it."""
        from fewlabels.report import write_budget

        return write_budget(self, path)


def _triple(point: Point, name: str) -> tuple[float, float, float]:
    estimate: Estimate = getattr(point, name)
    return estimate.value, estimate.low, estimate.high


def _quantiles(value: float, drawn: Floats) -> Estimate:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(min(low, value)), float(max(high, value)))
