"""What a data set looks like to someone who has to choose a method: its kind, its labels, what the audit found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from fewlabels.audits.auditing import Audit, examine
from fewlabels.data.images import ImageFiles
from fewlabels.data.labels import Task
from fewlabels.partial_labels import Partial


@dataclass(frozen=True)
class Seen:
    """Facts that the rules of `advice.rules` read.

    Attributes
    ----------
    kind : "images", "table" or "text" (sparse rows)
    task : "classes", "numbers" or "masks"
    on_disk : whether the images do not fit in memory, so that no classical estimator takes them
    labeled, unlabeled : rows
    classes : how many; 0 for numbers
    fewest, ratio : labels of the rarest class; most over fewest. 0 and 1 where there are no classes
    near : whether near rows share labels: True, False (not shown), or None where it was not checked
    near_share, near_chance : for how many labeled rows the nearest other one has their label, and by chance
    alarms : names of the audit's checks that say look or stop
    audit : all its findings; None for masks
    """

    kind: str
    task: Task
    on_disk: bool
    labeled: int
    unlabeled: int
    classes: int
    fewest: int
    ratio: float
    near: bool | None
    near_share: float
    near_chance: float
    alarms: frozenset[str]
    audit: Audit | None

    def __str__(self) -> str:
        labels = f"{self.labeled:,} labeled and {self.unlabeled:,} unlabeled rows, {self.kind}"
        if self.task != "classes":
            return f"{labels}, {self.task}"
        return f"{labels}, {self.classes} classes, at least {self.fewest} labels each, {self.ratio:.1f} to 1"


def look(data: Partial, task: Task, seed: int) -> Seen:
    """Run the audit on data that passed the door, and note what matters for a choice."""
    audit = None if task == "masks" else examine(data, seed=seed)
    counts = np.bincount(data.y, minlength=data.n_classes) if task == "classes" else np.ones(1, dtype=np.int64)
    near = audit["neighbors"] if audit is not None else None
    checked = near is not None and near.level in ("ok", "look")
    return Seen(
        kind="images" if data.kind == "image" else "text" if issparse(data.x) else "table",
        task=task,
        on_disk=isinstance(data.x, ImageFiles),
        labeled=len(data.labeled),
        unlabeled=data.n_rows - len(data.labeled),
        classes=data.n_classes,
        fewest=int(counts.min()) if task == "classes" else 0,
        ratio=float(counts.max() / counts.min()),
        near=near.level == "ok" if near is not None and checked else None,
        near_share=float(near.evidence["share"]) if near is not None and checked else 0.0,
        near_chance=float(near.evidence["by chance"]) if near is not None and checked else 0.0,
        alarms=frozenset(f.check for f in audit or () if f.level in ("look", "stop")),
        audit=audit,
    )
