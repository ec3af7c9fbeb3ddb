"""Comparison, Audit or LabelBudget -> Page -> one self-contained HTML file, and the same facts as JSON beside it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from fewlabels.errors import SaveError
from fewlabels.files import check_name

if TYPE_CHECKING:
    from fewlabels.anomaly.comparison import AnomalyComparison
    from fewlabels.audits.auditing import Audit
    from fewlabels.budget.result import LabelBudget
    from fewlabels.comparison import Comparison
    from fewlabels.report.blocks import Section

__all__ = ["write", "write_anomalies", "write_audit", "write_budget"]


def write(comparison: Comparison, path: str | os.PathLike[str], *, findings: tuple[Section, ...] = ()) -> Path:
    """Write the page to `path` and its facts to the same name with .json.

    Parameters
    ----------
    comparison : what to report
    path : the HTML file; folders are made
    findings : sections of audits, see `report.blocks.Section`

    Returns
    -------
    Path of the HTML file.

    Raises
    ------
    SaveError : a file could not be written; an earlier report there is left as it was
    """
    from fewlabels.report.facts import facts
    from fewlabels.report.page import page
    from fewlabels.report.render import render

    return _write(path, render(page(comparison, findings)), facts(comparison, findings))


def write_audit(audit: Audit, path: str | os.PathLike[str]) -> Path:
    """Write the page of an audit to `path` and its facts to the same name with .json; errors as in `write`."""
    from fewlabels.report.before import audit_page
    from fewlabels.report.facts import plain
    from fewlabels.report.render import render_audit

    return _write(path, render_audit(audit_page(audit)), plain(audit.to_dict()))


def write_budget(budget: LabelBudget, path: str | os.PathLike[str]) -> Path:
    """Write the page of a label budget to `path` and its facts to the same name with .json; errors as in `write`."""
    from fewlabels.report.budget import budget_page
    from fewlabels.report.facts import plain
    from fewlabels.report.render import render_audit

    return _write(path, render_audit(budget_page(budget)), plain(budget.to_dict()))


def write_anomalies(comparison: AnomalyComparison, path: str | os.PathLike[str]) -> Path:
    """Write the page of compared detectors to `path`, its facts to the same name with .json; errors as in `write`."""
    from fewlabels.report.anomalies import anomaly_facts, anomaly_page
    from fewlabels.report.facts import plain
    from fewlabels.report.render import render_audit

    return _write(path, render_audit(anomaly_page(comparison)), plain(anomaly_facts(comparison)))


def _write(path: str | os.PathLike[str], html: str, facts: dict[str, Any]) -> Path:
    target = Path(path)
    check_name(target)
    if not target.name:
        raise SaveError(f"cannot write the report to {path!r}: it has no name. Choose one ending in .html.")
    beside = target.with_suffix(".json")
    if beside == target:
        raise SaveError(f"cannot write the report to {target}: its facts go there. Choose a name ending in .html.")
    # NaN is no JSON: `plain` turned it into null, and allow_nan=False makes sure
    text = json.dumps(facts, indent=1, allow_nan=False) + "\n"
    _replace_all({target: html, beside: text})
    return target


def _replace_all(texts: dict[Path, str]) -> None:
    """Write every file beside its place, then move all: a full disk leaves the old pair whole."""
    ready: dict[Path, Path] = {}
    target = next(iter(texts))
    try:
        for target, text in texts.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            ready[target] = target.parent / f".fewlabels-{token_hex(6)}.tmp"
            # file names that are no UTF-8 reach the page as halves of surrogate pairs
            with open(ready[target], "x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for target, temporary in ready.items():
            os.replace(temporary, target)
    except OSError as error:
        raise SaveError(
            f"cannot write the report to {target}: {error.strerror or error}. Check that the folder can be written "
            "to and the disk has room."
        ) from error
    finally:
        for temporary in ready.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
