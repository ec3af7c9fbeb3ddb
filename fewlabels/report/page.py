"""A Comparison -> the Page: every word and number of the report, before anything is drawn or is HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fewlabels.report.before import before_sections, stops
from fewlabels.report.blocks import Block, Curves, Page, Picture, Pictures, Section, Text, clean, number
from fewlabels.report.classes import class_sections
from fewlabels.report.during import during_sections
from fewlabels.report.facts import curves
from fewlabels.report.masks import mask_sections
from fewlabels.report.numbers import number_sections
from fewlabels.report.provenance import data_blocks, remark_blocks, settings_blocks
from fewlabels.report.repeats import MORE, repeat_sections
from fewlabels.report.scores import how_little, key_figures, score_blocks
from fewlabels.verdict import Verdict

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

MOST_PANELS = 6

_HEADLINE = {
    Verdict.HELPS: "The unlabeled data helped.",
    Verdict.HURTS: "The unlabeled data hurt.",
    Verdict.NO_PRACTICAL_DIFFERENCE: "The unlabeled data made no practical difference.",
    Verdict.CANNOT_TELL: "These rows cannot tell whether the unlabeled data helped.",
}
_WHY = {
    Verdict.HELPS: "It did better on rows that neither model was trained on, by more than chance explains.",
    Verdict.HURTS: "The model trained with unlabeled data did worse, by more than chance explains.",
    Verdict.NO_PRACTICAL_DIFFERENCE: "Between models that do equally well, the simpler one is kept.",
    Verdict.CANNOT_TELL: "Without evidence that the unlabeled data helped, the simpler model is kept.",
}
_SCOPE = (
    "This speaks of these two fitted models and rows like these {n:,}. Another seed or other labels may give another "
    "answer; it is not a verdict on methods.{more}"
)
_GO_ON = (
    "A label of such a row tells more than a label of any other: fewlabels verdict RUN --ask 40, or questions() and "
    "answer() of the comparison. You may look after every answer and stop at any time; some 20 to 80 answers usually "
    "decide if one model is right on two of three of these rows."
)
_CURVES = {
    "loss": "Loss",
    "mask_used": "Unlabeled rows used (mask_used)",
    "loss_x": "Loss on labeled rows (loss_x)",
    "loss_u": "Loss on unlabeled rows (loss_u)",
}


def page(comparison: Comparison, findings: tuple[Section, ...] = ()) -> Page:
    """Everything the report says. `findings` are more sections, shown after the scores, the audit and the monitors."""
    paired, verdict = comparison.paired, comparison.verdict
    helped = verdict == Verdict.HELPS
    name = clean(comparison.candidate_name if helped else comparison.baseline_name)
    body = {"classes": class_sections, "masks": mask_sections, "numbers": number_sections}[comparison.task]
    return Page(
        title=f"{verdict}: {clean(comparison.candidate_name)} against {clean(comparison.baseline_name)}",
        verdict=str(verdict),
        question="Did the unlabeled data help?",
        headline=_HEADLINE[verdict],
        sentence=_after_colon(clean(comparison.fitted_sentence, 1000)),
        deployed=f"{name}, trained {'with the unlabeled data' if helped else 'on the labels only'}",
        why=_WHY[verdict],
        key_figures=key_figures(comparison),
        sections=(
            Section("scores", "How good are the two models", score_blocks(comparison)),
            *how_little(comparison),
            *_round(comparison),
            *repeat_sections(comparison),
            Section("curves", "How training went", _curves(comparison)),
            *body(comparison),
            Section("data", "The data", data_blocks(comparison)),
            Section("settings", "How to repeat this", settings_blocks(comparison)),
        ),
        findings=(*before_sections(comparison.audit), *during_sections(comparison), *findings),
        scope=_SCOPE.format(n=paired.n, more=MORE if comparison.repeated else ""),
        legend=(
            ("baseline", f"labels only: {clean(comparison.baseline_name)}"),
            ("candidate", f"with unlabeled data: {clean(comparison.candidate_name)}"),
        ),
        stops=stops(comparison.audit),
    )


def _round(comparison: Comparison) -> tuple[Section, ...]:
    """Where labels would still tell something: worth its place while the verdict is open, or if it came from there."""
    asked = comparison.round
    if asked is None or (comparison.paired.verdict != Verdict.CANNOT_TELL and not asked.labels):
        return ()
    blocks = [Text(_after_colon(clean(asked.sentence, 1000)))]
    if asked.verdict == Verdict.CANNOT_TELL:
        blocks.append(Text(_GO_ON, "note"))
    return (Section("round", "Rows on which the two models disagree", tuple(blocks)),)


def _after_colon(sentence: str) -> str:
    """What the headline has not said yet."""
    rest = sentence.partition(": ")[2] or sentence
    return rest[:1].upper() + rest[1:]


def _curves(comparison: Comparison) -> tuple[Block, ...]:
    found, said = curves(comparison), remark_blocks(comparison)
    if not found:
        return said or (Text("Neither model kept a record of its training.", "empty"),)
    pictures = []
    for key, lines in list(found.items())[:MOST_PANELS]:
        ends = "; ".join(
            f"{'labels only' if line.role == 'baseline' else 'with unlabeled data'} from {number(line.y[0])} to "
            f"{number(line.y[-1])}"
            for line in lines
        )
        title = _CURVES.get(key, clean(key))
        plot = Curves(title, lines, "step", share=key == "mask_used")
        pictures.append(Picture(plot, f"{title} by step: {ends}."))
    used = "mask_used is the share of unlabeled rows sure enough to count in a step."
    words = "A loss should fall and settle. " + (used if "mask_used" in found else "")
    return Text(words.strip()), Pictures(tuple(pictures)), *said
