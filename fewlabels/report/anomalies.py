"""An AnomalyComparison -> its page: the detector beside simpler ones, its threshold, and rows to look at first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from fewlabels.anomaly.metrics import Estimate, roc
from fewlabels.comparison import _environment
from fewlabels.report.before import title_of
from fewlabels.report.blocks import (
    AuditPage,
    Block,
    Curves,
    Dot,
    Dots,
    Example,
    Examples,
    Histogram,
    Line,
    Notice,
    Picture,
    Pictures,
    Role,
    Section,
    Table,
    Text,
    clean,
    number,
    percent,
    plural,
)
from fewlabels.report.gallery import image_of

if TYPE_CHECKING:
    from fewlabels.anomaly.comparison import AnomalyComparison, Scored

MOST_COLUMNS, BINS, MOST_POINTS = 6, 30, 400
# Below this many anomalies bootstrap intervals are too narrow: see tests/test_anomaly_comparison.py
_FEW = 20
_STAND_INS = (
    "No test set and too few labeled normal rows were given, so unlabeled rows were held out and taken for normal. "
    "Some are anomalies: false alarms are in truth rarer, and all models somewhat better, than shown."
)
_HELD_OUT = "No test set was given: these labels were kept out of all training."


def anomaly_page(comparison: AnomalyComparison) -> AuditPage:
    """The page; its frame is that of an audit."""
    finding = comparison.detector.findings_[0]
    spoke: tuple[Block, ...] = ()
    if finding.level == "look":
        spoke = (Notice(finding.level, title_of(finding), clean(finding.text, 2000)),)
    return AuditPage(
        title=f"Anomalies: {comparison.models[0].name}",
        worst="look" if spoke else "ok",
        headline="How well anomalies are told from normal rows.",
        question="Is the detector better than simpler ones, and where should one look first?",
        sentence=clean(comparison.sentence, 2000),
        sections=(
            Section("scores", "Beside simpler detectors", (*spoke, *_scores(comparison))),
            Section("threshold", "Where the line is drawn", _threshold(comparison)),
            Section("roc", "Anomalies found against false alarms", _roc(comparison)),
            Section("first", "Unlabeled rows to look at first", _first(comparison)),
            Section("settings", "How this was made", _settings(comparison)),
        ),
    )


def anomaly_facts(comparison: AnomalyComparison) -> dict[str, Any]:
    """Plain values, for JSON."""
    models = [
        {"name": m.name, "note": m.note, "seconds": m.seconds}
        | {name: getattr(m, name)._asdict() for name in ("auroc", "average_precision", "recall")}
        | {"ahead": {name: estimate._asdict() for name, estimate in m.ahead.items()}}
        for m in comparison.models
    ]
    return {
        "format": "fewlabels anomalies 1",
        "sentence": comparison.sentence,
        "models": models,
        "evaluation rows": len(comparison.anomalous),
        "evaluation anomalies": int(comparison.anomalous.sum()),
        "unlabeled rows stand for normal ones": comparison.stand_ins,
        "false alarms of the recall": comparison.false_alarms,
        "threshold": comparison.detector.threshold_,
        "rates": dataclasses.asdict(comparison.detector.rates_),
        "false alarms at the threshold": comparison.alarms_at_threshold._asdict(),
        "recall at the threshold": comparison.recall_at_threshold._asdict(),
        "first": [
            {"row": row, "score over threshold": score}
            for row, score in zip(comparison.first.tolist(), comparison.first_scores.tolist(), strict=True)
        ],
        "findings": [dataclasses.asdict(finding) for finding in comparison.detector.findings_],
        "data": comparison.data,
        "seed": comparison.seed,
        "settings": comparison.detector.get_params(deep=False),
        "environment": _environment(comparison.detector),
    }


def _scores(comparison: AnomalyComparison) -> tuple[Block, ...]:
    models, at = comparison.models, f"recall at {percent(comparison.false_alarms)} false alarms"
    n, k = len(comparison.anomalous), int(comparison.anomalous.sum())
    rows = tuple((m.name, _said(m.auroc), _said(m.average_precision), _said(m.recall), m.note) for m in models)
    ahead = tuple(
        (m.name, *(_said(m.ahead[name], True) for name in ("auroc", "average_precision", "recall"))) for m in models[1:]
    )
    dots = Dots(tuple(Dot(m.name, *m.auroc, _role(m, models)) for m in models), "AUROC (0.5 is chance)")
    words = f"Judged on {plural(n, 'row')}, {k:,} of them anomalies: chance has an average precision of {k / n:.3f}. "
    words += _HELD_OUT if comparison.held_out else "They are the test set that was given; no model was trained on them."
    notes = [Text(_STAND_INS, "note")] if comparison.stand_ins else []
    if k < _FEW:
        notes.append(Text(f"{k} anomalies are few: the intervals are narrower than they should be.", "note"))
    alt = "; ".join(f"{m.name}: {_said(m.auroc)}" for m in models)
    head = ("", "AUROC", "average precision", at)
    return (
        Text(words),
        *notes,
        Pictures((Picture(dots, f"AUROC with 95 % intervals. {alt}."),), wide=True),
        Table("Scores and 95 % intervals", (*head, ""), rows, frozenset({1, 2, 3})),
        Table(f"How far {models[0].name} is ahead, paired", head, ahead, frozenset({1, 2, 3})),
    )


def _threshold(comparison: AnomalyComparison) -> tuple[Block, ...]:
    model, rates = comparison.detector, comparison.detector.rates_
    expected = [Estimate(rates.false_alarms, rates.false_alarms_low, rates.false_alarms_high)]
    if rates.recall is not None and rates.recall_low is not None and rates.recall_high is not None:
        expected.append(Estimate(rates.recall, rates.recall_low, rates.recall_high))
    said = [_share(e) for e in expected] + ["not estimated"] * (2 - len(expected))
    seen = (_share(comparison.alarms_at_threshold), _share(comparison.recall_at_threshold))
    table = Table(
        "Rates at the threshold, with 95 % intervals",
        ("", "expected from training", "on the evaluation rows"),
        (("false alarms, of normal rows", said[0], seen[0]), ("found, of anomalies", said[1], seen[1])),
        frozenset({1, 2}),
    )
    how = "contamination" if model.threshold == "contamination" else "labeled anomalies"
    words = f"The threshold of {number(model.threshold_)} was set by the {how}. {rates.how}"
    return Text(clean(words, 2000)), table, _histograms(comparison)


def _histograms(comparison: AnomalyComparison) -> Pictures:
    """Scores of normal rows and of anomalies: apart, for there are many of the first and few of the second."""
    scores = np.log10(np.maximum(comparison.models[0].scores, 1e-300) / comparison.detector.threshold_)
    scores = np.clip(scores, -6, 6)
    edges = np.linspace(min(scores.min(), -0.1), max(scores.max(), 0.1), BINS + 1)
    pictures = []
    kinds: tuple[tuple[str, Role, Any], ...] = (
        ("normal rows", "baseline", ~comparison.anomalous),
        ("anomalies", "candidate", comparison.anomalous),
    )
    for name, role, rows in kinds:
        counts = np.histogram(scores[rows], edges)[0].astype(np.int64)
        above = percent(float(np.mean(scores[rows] > 0)))
        alt = f"Scores of {name}: {above} of {int(rows.sum()):,} lie above the threshold."
        picture = Histogram(edges, ((name, role, counts),), f"{name}: log10 of score over threshold")
        pictures.append(Picture(picture, alt, f"{alt} The upright line is the threshold."))
    return Pictures(tuple(pictures))


def _roc(comparison: AnomalyComparison) -> tuple[Block, ...]:
    own, *others = comparison.models
    words = "How many anomalies are found (upwards) when so many normal rows are called anomalies (to the right)."
    pictures = tuple(
        Picture(
            Curves(
                f"{own.name} and {other.name}",
                (_line(comparison, other, "baseline"), _line(comparison, own, "candidate")),
                "false alarms, share of normal rows",
                share=True,
            ),
            f"ROC of {own.name} (AUROC {own.auroc.value:.3f}) and {other.name} ({other.auroc.value:.3f}).",
            f"Solid: {own.name}. Dashed: {other.name}.",
        )
        for other in others
    )
    return Text(words), Pictures(pictures)


def _line(comparison: AnomalyComparison, model: Scored, role: Role) -> Line:
    alarms, found = roc(comparison.anomalous, model.scores)
    if len(alarms) > MOST_POINTS:  # evenly spaced to the right, where the curve is drawn
        at = np.linspace(0, 1, MOST_POINTS)
        alarms, found = at, found[np.searchsorted(alarms, at, side="right") - 1]
    return Line(model.name, role, alarms, found)


def _first(comparison: AnomalyComparison) -> tuple[Block, ...]:
    rows, scores = comparison.first, comparison.first_scores
    if not len(rows):
        return (Text("There is no unlabeled row.", "empty"),)
    words = (
        "The highest scores among the unlabeled rows. Each is an anomaly found, or a false alarm to mend: label it 0 "
        "and fit again. The number is the score over the threshold; above 1 a row is called an anomaly."
    )
    said = [f"{score:.3g}" for score in scores.tolist()]
    if str(comparison.data["kind"]) == "image":
        items = tuple(
            Example(image_of(comparison.X, int(row)), int(row), text) for row, text in zip(rows, said, strict=True)
        )
        return Text(words), Examples(items)
    names, cells = _cells(comparison, rows.tolist())
    body = tuple((str(row), text, *values) for row, text, values in zip(rows.tolist(), said, cells, strict=True))
    table = Table("Rows to look at first", ("row", "score", *names), body, frozenset({1}), under_heading=True)
    return Text(words), table


def _cells(comparison: AnomalyComparison, rows: list[int]) -> tuple[list[str], list[list[str]]]:
    """Names of the first columns, and their values in these rows."""
    frame = nw.from_native(comparison.X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        names = frame.columns[:MOST_COLUMNS]
        values = [list(row) for row in frame[rows, names].rows()]
    else:
        values = np.asarray(comparison.X)[rows][:, :MOST_COLUMNS].tolist()
        names = [f"column {i}" for i in range(len(values[0]))]
    return [clean(name) for name in names], [
        [number(v) if isinstance(v, float) else clean(v, 60) for v in row] for row in values
    ]


def _settings(comparison: AnomalyComparison) -> tuple[Block, ...]:
    finding = comparison.detector.findings_[0]
    environment = _environment(comparison.detector)
    facts = [(clean(k), clean(v)) for k, v in comparison.data.items()]
    facts += [("check for a collapse", clean(finding.text, 300)), ("seed", str(comparison.seed))]
    options = [(clean(k), clean(v)) for k, v in comparison.detector.get_params(deep=False).items() if k != "verbose"]
    versions = [(clean(k), clean(v)) for k, v in environment["versions"].items()]
    seconds = [(f"seconds, {m.name}", f"{m.seconds:.1f}") for m in comparison.models]
    return (
        Table("Data", ("", ""), tuple(facts)),
        Table(f"Options of {comparison.models[0].name}", ("", ""), tuple(options)),
        Table("Versions and time", ("", ""), (*versions, ("device", str(environment["device"])), *seconds)),
    )


def _said(e: Estimate, signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    return f"{e.value:{form}} ({e.low:{form}} to {e.high:{form}})".replace("-", "−")


def _share(e: Estimate) -> str:
    return f"{percent(e.value)} ({percent(e.low)} to {percent(e.high)})"


def _role(model: Scored, models: tuple[Scored, ...]) -> Role:
    return "candidate" if model is models[0] else "baseline"
