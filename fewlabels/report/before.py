"""An Audit -> the blocks of a page: what to look at first, with rows to look at, then what was fine or not checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse

from fewlabels.audits.auditing import Audit
from fewlabels.audits.finding import Finding
from fewlabels.data.images import ImageFiles
from fewlabels.report.blocks import (
    AuditPage,
    Block,
    Example,
    Examples,
    Notice,
    Section,
    Table,
    Text,
    clean,
    number,
)
from fewlabels.report.images import thumbnail, value_range

MOST_COLUMNS = 6
MOST_FACTS = 24
_LONGEST = 2000
_HEADLINE = {
    "stop": "Mend the data first.",
    "look": "Some things need a look before training.",
    "ok": "Nothing speaks against training.",
}


def before_sections(audit: Audit | None) -> tuple[Section, ...]:
    """The section of a comparison's report; none without an audit."""
    return () if audit is None else (Section("before", "Before training", _blocks(audit)),)


def stops(audit: Audit | None) -> tuple[str, ...]:
    """What must stand beside the verdict."""
    return tuple(clean(finding.text, _LONGEST) for finding in audit or () if finding.level == "stop")


def audit_page(audit: Audit) -> AuditPage:
    facts = [(clean(key), number(v) if isinstance(v, float) else clean(v)) for key, v in audit.facts.items()]
    return AuditPage(
        title=f"Audit: {audit.worst}",
        worst=audit.worst,
        headline=_HEADLINE[audit.worst],
        sentence=clean(audit.summary, _LONGEST),
        sections=(
            Section("findings", "What the checks found", _blocks(audit)),
            Section("facts", "What was looked at", (Table("", ("", ""), tuple(facts), under_heading=True),)),
        ),
    )


def _blocks(audit: Audit) -> tuple[Block, ...]:
    words = (
        "A check says ok when it saw nothing, which is not the same as nothing being there. Statistical alarms share "
        "one error: where nothing is wrong, an audit raises any of them with chance 5 %."
    )
    blocks: list[Block] = [Text(words, "note")]
    speaking = [finding for finding in audit if finding.level in ("stop", "look")]
    for finding in sorted(speaking, key=lambda f: f.level != "stop"):
        blocks += [Notice(finding.level, title_of(finding), clean(finding.text, _LONGEST)), *evidence_blocks(finding)]
        blocks += _examples(audit, finding)
    rest = [(title_of(f), f.level, clean(f.text, _LONGEST)) for f in audit if f not in speaking]
    if rest:
        title = "The other checks" if speaking else "The checks"
        blocks.append(Table(title, ("check", "", "what was seen"), tuple(rest)))
    return tuple(blocks)


def title_of(finding: Finding) -> str:
    return clean(finding.check.replace("_", " "))


def evidence_blocks(finding: Finding) -> Iterator[Block]:
    """Single numbers in one table; a list of records, such as the columns that differ, in one of its own."""
    facts = []
    for key, value in finding.evidence.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = tuple(tuple(map(_cell, record.values())) for record in value)
            yield Table(clean(key).capitalize(), tuple(map(clean, value[0])), rows)
        elif isinstance(value, dict):
            facts += [(clean(f"{key}: {name}", 100), _cell(item)) for name, item in value.items()]
        elif not isinstance(value, list):
            facts.append((clean(key, 100), _cell(value)))
        elif value:
            facts.append((clean(key, 100), ", ".join(map(_cell, value))))
    if facts:
        shown = facts[:MOST_FACTS]
        more = [(f"and {len(facts) - MOST_FACTS} more, in the JSON file", "")] if len(facts) > MOST_FACTS else []
        yield Table("Figures", ("", ""), (*shown, *more))


def _cell(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return number(value)
        case int():
            return f"{value:,}"
    return clean(value, 100)


def _examples(audit: Audit, finding: Finding) -> tuple[Block, ...]:
    """The rows of a finding: images as pictures, table rows with their first columns."""
    if not finding.rows:
        return ()
    data, rows = audit.data, list(finding.rows)
    place = {row: i for i, row in enumerate(data.labeled.tolist())}
    labels = [_label(audit, place[row]) if row in place else "unlabeled" for row in rows]
    if data.kind == "image":
        images = data.x.take(rows) if isinstance(data.x, ImageFiles) else data.x[rows]
        span = value_range(images if isinstance(data.x, ImageFiles) else data.x)
        shown = [Example(thumbnail(x, *span), row, label) for x, row, label in zip(images, rows, labels, strict=True)]
        return (Examples(tuple(shown)),)
    some = data.x[rows][:, :MOST_COLUMNS]
    values = (some.toarray() if issparse(some) else np.asarray(some)).tolist()
    names = data.feature_names or tuple(f"column {i}" for i in range(data.x.shape[1]))
    head = ("row", "label", *map(clean, names[:MOST_COLUMNS]))
    body = [(str(row), label, *map(number, cells)) for row, label, cells in zip(rows, labels, values, strict=True)]
    return (Table("Rows to look at", head, tuple(body)),)


def _label(audit: Audit, place: int) -> str:
    data = audit.data
    return number(float(data.y[place])) if data.classes is None else clean(data.classes.tolist()[data.y[place]])
