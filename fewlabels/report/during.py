"""What the monitors saw while the models of a comparison were trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fewlabels.audits.finding import Finding
from fewlabels.report.before import evidence_blocks, title_of
from fewlabels.report.blocks import LONGEST_TEXT, Block, Notice, Section, Table, Text, clean

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

_WORDS = (
    "Read from the history of each training and from looks at a few unlabeled rows. ok means that nothing was seen. A "
    "look is advice; it does not change the verdict."
)


def monitored(comparison: Comparison) -> dict[str, tuple[Finding, ...]]:
    """The findings of both models; a classical model has none."""
    models = {"baseline": comparison.baseline, "candidate": comparison.candidate}
    return {role: tuple(getattr(model, "findings_", ())) for role, model in models.items()}


def during_sections(comparison: Comparison) -> tuple[Section, ...]:
    """One section, or none if neither model was watched."""
    names = {"baseline": "labels only", "candidate": "with unlabeled data"}
    every = [(names[role], finding) for role, findings in monitored(comparison).items() for finding in findings]
    if not every:
        return ()
    blocks: list[Block] = [Text(_WORDS, "note")]
    for name, finding in every:
        if finding.level == "look":
            text = clean(finding.text, LONGEST_TEXT)
            blocks += [Notice("look", f"{title_of(finding)}, {name}", text), *evidence_blocks(finding)]
    rest = [(title_of(f), name, f.level, clean(f.text, LONGEST_TEXT)) for name, f in every if f.level != "look"]
    if rest:
        title = "The other monitors" if len(rest) < len(every) else "The monitors"
        blocks.append(Table(title, ("monitor", "model", "", "what was seen"), tuple(rest)))
    return (Section("during", "During training", tuple(blocks)),)
