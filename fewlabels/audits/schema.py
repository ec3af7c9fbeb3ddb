"""Are the columns and the class names what they seem?"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from scipy.sparse import issparse

from fewlabels.audits.finding import Finding
from fewlabels.audits.view import View

_SHOWN = 5


def schema(view: View) -> Finding:
    """Look when a column is constant or counts the rows, or when two class names differ in case or spaces alone.

    What cannot be used at all (NaN, lengths that differ, two marks for "unlabeled") was refused before.
    """
    data = view.data
    constant, counting = _columns(view)
    alike = _alike(view)
    said = []
    if constant:
        said.append(f"{_listed('Column', constant)} the same value in every row and tells nothing: drop it.")
    if counting:
        said.append(
            f"{_listed('Column', counting)} a running number of the rows. If rows were labeled in order, a model can "
            "read from it which rows are labeled: drop it."
        )
    if alike:
        said.append(f"Class names that look like one class: {'; '.join(alike)}. If so, write them alike.")
    evidence = {
        "rows": data.n_rows,
        "labeled": len(data.labeled),
        "unlabeled": data.n_rows - len(data.labeled),
        "classes": data.n_classes,
        "constant columns": constant,
        "counting columns": counting,
        "class names alike": alike,
    }
    seen = f"{data.n_rows:,} rows, {len(data.labeled):,} of them labeled"
    seen += f", {data.n_classes} classes." if data.n_classes else "; the labels are numbers."
    text = " ".join([seen, *(said or ["Nothing about columns and names looks odd."])])
    return Finding("schema", "look" if said else "ok", len(data.labeled) / data.n_rows, text, evidence)


def _listed(noun: str, names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    many = len(names) > 1
    return f"{noun}{'s' * many} {', '.join(names[:_SHOWN])}{more} {'have' if many else 'has'}"


def _columns(view: View) -> tuple[list[str], list[str]]:
    """Names of the constant columns of a table, and of those that count the rows."""
    x = view.data.x
    if view.data.kind != "table":
        return [], []
    names = view.data.feature_names or tuple(str(i) for i in range(x.shape[1]))
    if issparse(x):
        low, high = (np.asarray(v.toarray()).ravel() for v in (x.min(axis=0), x.max(axis=0)))
        return [names[i] for i in np.flatnonzero(low == high)], []
    constant = np.flatnonzero((x == x[0]).all(0))
    steps = np.diff(x[: min(len(x), 1000)], axis=0)
    counts: Any = np.flatnonzero((np.abs(steps) == 1).all(0) & (steps == steps[:1]).all(0)) if len(x) > 9 else []
    return [names[i] for i in constant], [names[i] for i in counts]


def _alike(view: View) -> list[str]:
    groups = defaultdict(list)
    for name in [] if view.data.classes is None else view.data.classes.tolist():
        if isinstance(name, str):
            groups["".join(name.casefold().split())].append(name)
    return [", ".join(map(repr, names)) for names in groups.values() if len(names) > 1]
