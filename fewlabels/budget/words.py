"""A label budget in words and as a table of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fewlabels.budget.result import Estimate

if TYPE_CHECKING:
    from fewlabels.budget.result import LabelBudget, Point

USUAL = (
    "The usual shape: unlabeled data gains most where 1 to 5 % of the rows are labeled, and little from 20 % on. That "
    "is a rule of thumb; your own curve counts."
)


def sentence(budget: LabelBudget) -> str:
    """The whole result in plain words."""
    return " ".join([_bought(budget), _helped(budget), *(_more(budget, role) for role in ("baseline", "candidate"))])


def _bought(budget: LabelBudget) -> str:
    first, last = budget.points[0], budget.points[-1]
    scores = [score(budget, point.baseline.value) for point in (first, last)]
    others = [score(budget, point.candidate.value) for point in (first, last)]
    return (
        f"From {first.labels} to {last.labels} labels ({share(first)} to {share(last)} of the rows) the "
        f"{budget.metric} went from {scores[0]} to {scores[1]} with the labels alone ({budget.baseline_name}) and from "
        f"{others[0]} to {others[1]} with unlabeled data ({budget.candidate_name})."
    )


def _helped(budget: LabelBudget) -> str:
    best = max(budget.points, key=lambda point: point.gain.value)
    said = f"The gain of the unlabeled data was largest with {best.labels} labels: {gain(budget, best.gain)}."
    better, worse = (_listed([str(point.labels) for point in points]) for points in budget.beyond_chance)
    if better:
        said += f" It is more than chance explains with {better} labels."
    if worse:
        said += f" With {worse} labels the unlabeled data hurt, by more than chance explains."
    return (
        f"{said} (Holm's correction for {len(budget.sizes)} sizes.)"
        if better or worse
        else (f"{said} At no size is there a gain or harm that chance does not explain.")
    )


def _more(budget: LabelBudget, role: str) -> str:
    name = budget.baseline_name if role == "baseline" else budget.candidate_name
    why = budget.refused(role)
    if why:
        return f"What more labels would buy {name} cannot be said: {why}."
    more = budget.more(role=role)
    extra = more.labels - budget.sizes[-1]
    each = f"{extra} more labels"
    if budget.n_classes:
        each += f" ({extra / budget.n_classes:.0f} a class)"
    low, high = more.bought.low, more.bought.high
    if budget.is_error:
        return f"{each} would lower the error of {name} by {low:.3g} to {high:.3g}."
    return f"{each} would buy {name} {100 * low:.1f} to {100 * high:.1f} points."


def score(budget: LabelBudget, value: float) -> str:
    return f"{value:.3g}" if budget.is_error else f"{100 * value:.1f} %"


def gain(budget: LabelBudget, estimate: Estimate) -> str:
    """A gain with its interval."""
    scale, form, unit = (1.0, "+.3g", "") if budget.is_error else (100.0, "+.1f", " points")
    value, low, high = (f"{scale * x:{form}}".replace("-", "−") for x in (estimate.value, estimate.low, estimate.high))
    return f"{value}{unit} ({low} to {high})"


def interval(budget: LabelBudget, estimate: Estimate) -> str:
    """A score with its interval."""
    if budget.is_error:
        return f"{estimate.value:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def share(point: Point) -> str:
    return f"{100 * point.share:.0f} %" if point.share >= 0.1 else f"{100 * point.share:.2g} %"


def table_rows(budget: LabelBudget) -> list[tuple[str, str, str, str, str]]:
    """Labels, share, baseline, candidate and gain of each size, as text."""
    return [
        (
            str(point.labels),
            share(point),
            interval(budget, point.baseline),
            interval(budget, point.candidate),
            gain(budget, point.gain),
        )
        for point in budget.points
    ]


def head(budget: LabelBudget) -> tuple[str, str, str, str, str]:
    better = "error lower by" if budget.is_error else "gain"
    return "labels", "of the rows", budget.baseline_name, budget.candidate_name, better


def text_table(budget: LabelBudget) -> str:
    rows = [head(budget), *table_rows(budget)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _listed(items: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))
