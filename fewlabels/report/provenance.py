"""Where it all came from: the data, the settings, the machine, the command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fewlabels.report.blocks import Block, Code, Heading, Table, Text, clean, clean_lines, number, plural

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

MOST_SETTINGS = 150
MOST_FACTS = 30
MOST_CLASSES = 40


def data_blocks(comparison: Comparison) -> tuple[Block, ...]:
    data = dict(comparison.data)
    per_class = data.pop("labels_per_class", None) or {}
    data.pop("feature_names", None)
    how = (
        f"{plural(comparison.paired.n, 'row')} were taken from the labels; neither model was trained on them."
        if comparison.held_out
        else f"{plural(comparison.paired.n, 'row')} of the test set that was given; neither model was trained on them."
    )
    facts = [(_label(key), _value(value)) for key, value in _flat(data)]
    blocks: list[Block] = [Table("What was given", ("", ""), (*facts[:MOST_FACTS], ("evaluation rows", how)))]
    if per_class:
        rows = [(clean(name), f"{count:,}") for name, count in list(per_class.items())[:MOST_CLASSES]]
        if len(per_class) > MOST_CLASSES:
            rows.append((f"and {len(per_class) - MOST_CLASSES:,} more classes", ""))
        masks = comparison.task == "masks"
        title, counted = ("Masks that show each class", "masks") if masks else ("Labels per class", "labels")
        blocks.append(Table(title, ("class", counted), tuple(rows), frozenset({1})))
    return tuple(blocks)


def remark_blocks(comparison: Comparison) -> tuple[Block, ...]:
    """What the model with unlabeled data says of its own fit, by the names of its attributes."""
    rows = [
        (clean(key.rstrip("_").replace("_.", ": ").replace("_", " ")), number(v) if isinstance(v, float) else _value(v))
        for key, v in _flat(comparison.remarks)
    ]
    return (Table("What the model with unlabeled data says of its fit", ("", ""), tuple(rows)),) if rows else ()


def settings_blocks(comparison: Comparison) -> tuple[Block, ...]:
    seconds = [(f"{role}, training", f"{value:.1f} s") for role, value in comparison.seconds.items()]
    groups = (
        ("Settings", [(clean(key, 80), _value(value)) for key, value in _flat(comparison.settings)]),
        ("Versions and machine", [(clean(key), _value(value)) for key, value in _flat(comparison.environment)]),
        ("Time", seconds),
    )
    blocks: list[Block] = [Heading("Command"), Code(clean_lines(comparison.command))]
    for title, rows in groups:
        if not rows:
            blocks += (Heading(title), Text("Nothing was recorded.", "empty"))
            continue
        more = [(f"and {len(rows) - MOST_SETTINGS} more, in the JSON file", "")] if len(rows) > MOST_SETTINGS else []
        blocks.append(Table(title, ("", ""), tuple(rows[:MOST_SETTINGS] + more)))
    return tuple(blocks)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested dicts as dotted names, as `--set` takes them."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _label(key: str) -> str:
    known = {"n_rows": "rows", "n_labeled": "labeled rows", "n_unlabeled": "unlabeled rows", "kind": "kind of data"}
    return known.get(key, clean(key))


def _value(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case tuple() | list() if value and all(isinstance(item, int | float) for item in value):
            return clean(" × ".join(map(str, value)), 200)
    return clean(value, 200)
