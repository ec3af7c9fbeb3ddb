"""A LabelBudget -> its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fewlabels.budget.words import USUAL, head, table_rows
from fewlabels.report import ranges  # noqa: F401  (registers the drawing)
from fewlabels.report.blocks import (
    AuditPage,
    Block,
    Code,
    Picture,
    Pictures,
    Range,
    Ranges,
    Role,
    Section,
    Table,
    Text,
    clean,
    clean_lines,
)

if TYPE_CHECKING:
    from fewlabels.budget.result import LabelBudget

_LONGEST = 3000
_LIMITS = (
    "Labels were hidden at random, so the curve holds for labels drawn like these. Intervals are those of Nadeau and "
    "Bengio over {n} repeats: {out} of {labels} labels held out each time, anew. Sizes of one repeat share their "
    "held-out rows and hold one another's labels, so the points of a curve move together. Each interval stands for "
    "itself: among several sizes the largest gain is too good by chance. What more labels would buy comes from an "
    "inverse power law through these points, and reaches to twice the largest number."
)


def budget_page(budget: LabelBudget) -> AuditPage:
    """The page; its frame is that of an audit."""
    said = clean(budget.sentence, _LONGEST)
    limits = _LIMITS.format(n=len(budget.seeds), out=budget.n_held_out, labels=budget.n_labels)
    columns = tuple(clean(title) for title in head(budget))
    table = Table("Mean scores and 95 % intervals", columns, tuple(table_rows(budget)), frozenset(range(1, 5)))
    facts = (
        ("training rows of a repeat", f"{budget.n_rows:,}"),
        ("labels given", f"{budget.n_labels:,}"),
        ("labels held out", f"{budget.n_held_out:,}"),
        ("seeds", ", ".join(map(str, budget.seeds))),
    )
    return AuditPage(
        title="Label budget",
        question="How many labels are enough, and where does unlabeled data help?",
        worst="ok",
        headline="What labels buy.",
        sentence=said,
        sections=(
            Section("curve", "Scores against labels", (_pictures(budget), table, Text(USUAL, "note"))),
            Section("limits", "What this can and cannot show", (Text(limits),)),
            Section("settings", "How to repeat this", (*_command(budget), Table("What was used", ("", ""), facts))),
        ),
    )


def _command(budget: LabelBudget) -> tuple[Block, ...]:
    return (Code(clean_lines(budget.command)),)


def _pictures(budget: LabelBudget) -> Pictures:
    scale = 1.0 if budget.is_error else 100.0
    roles: tuple[tuple[Role, str], ...] = (("baseline", "labels only"), ("candidate", "with unlabeled data"))
    lines = tuple(_line(budget, role, role, label) for role, label in roles)
    title = budget.metric.capitalize() + ("" if budget.is_error else ", %")
    gained = "Error lower by" if budget.is_error else "Points gained by the unlabeled data"
    gain = _line(budget, "gain", "difference", gained)
    rows = table_rows(budget)
    words = "; ".join(f"{row[0]} labels: {row[2]} with labels only, {row[3]} with unlabeled data" for row in rows)
    gains = "; ".join(f"{row[0]} labels: {row[4]}" for row in rows)
    return Pictures(
        (
            Picture(
                Ranges(title, lines, "labels", scale),
                f"{title} against the number of labels. {words}.",
                "Dashed, with dots: labels only. Solid, with diamonds: with unlabeled data. Bars are 95 % intervals.",
            ),
            Picture(Ranges(gained, (gain,), "labels", scale, zero=True), f"{gained}. {gains}."),
        )
    )


def _line(budget: LabelBudget, name: str, role: Role, label: str) -> Range:
    table = budget.table
    x, y, low, high = (
        np.asarray([row[key] for row in table], dtype=np.float64)
        for key in ("labels", name, f"{name}_low", f"{name}_high")
    )
    return Range(label, role, x, y, low, high)
