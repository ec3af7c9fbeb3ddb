"""`audit`: every check on one data set, and the value that holds what they found."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

from scipy.sparse import csr_array, issparse

from fewlabels.audits import CHECKS
from fewlabels.audits.features import Encoder
from fewlabels.audits.finding import Finding, Level, decide
from fewlabels.audits.view import Provenance, look_at
from fewlabels.data.inputs import check_X
from fewlabels.data.labels import Task, guess_task, read_labels
from fewlabels.errors import InputError, OptionError, nearest, said_of
from fewlabels.partial_labels import Partial, partial
from fewlabels.seeds import check_seed

_WORST_FIRST: tuple[Level, ...] = ("stop", "look", "ok")


@dataclass(frozen=True)
class Audit:
    """What the checks found, in the order of the checks. Iterate over it, or ask for one: ``audit["shift"]``.

    Attributes
    ----------
    findings : a `Finding` for each check, also for those that do not apply or were skipped
    data : the rows, for the pictures of the report
    facts : how many rows there were and how many were looked at, the seed, seconds
    """

    findings: tuple[Finding, ...]
    data: Partial = field(repr=False, compare=False)
    facts: dict[str, Any] = field(compare=False)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, check: str) -> Finding:
        for finding in self.findings:
            if finding.check == check:
                return finding
        raise KeyError(f"no check is called {check!r}.{nearest(check, [f.check for f in self.findings])}")

    @property
    def worst(self) -> Level:
        """ "stop", "look" or "ok"."""
        found = {finding.level for finding in self.findings}
        return next((level for level in _WORST_FIRST if level in found), "ok")

    def __str__(self) -> str:
        lines = [f"{self.summary}", ""]
        for finding in self.findings:
            head = f"{finding.level.upper() if finding.level in ('look', 'stop') else finding.level:<15}"
            head += f"{finding.check:<17}"
            lines += textwrap.wrap(finding.text, 110, initial_indent=head, subsequent_indent=" " * len(head))
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """One sentence."""
        count = {level: sum(f.level == level for f in self.findings) for level in ("stop", "look", "ok")}
        rows = f"{self.facts['labeled']:,} labeled and {self.facts['unlabeled']:,} unlabeled rows"
        said = [
            f"{count['stop']} to mend first" * bool(count["stop"]),
            f"{count['look']} to look at" * bool(count["look"]),
        ]
        return f"{rows}, {len(self.findings)} checks: {', '.join([*filter(None, said), str(count['ok']) + ' fine'])}."

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{f.level}</td><td>{escape(f.check)}</td><td style='text-align:left'>{escape(f.text)}</td></tr>"
            for f in self.findings
        )
        head = "<tr><th>level</th><th>check</th><th style='text-align:left'>what was seen, and what to do</th></tr>"
        return f"<p>{escape(self.summary)}</p><table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        findings = [asdict(finding) | {"rows": list(finding.rows)} for finding in self.findings]
        return {"format": "fewlabels audit 1", "worst": self.worst, **self.facts, "findings": findings}

    def report(self, path: Any) -> Path:
        """Write one self-contained HTML page to `path`, and the same facts as JSON beside it."""
        from fewlabels.report import write_audit

        return write_audit(self, path)


def audit(
    X: Any,
    y: Any,
    X_test: Any = None,
    y_test: Any = None,
    *,
    domain: Any = None,
    task: Task | None = None,
    provenance: Provenance = "unknown",
    encoder: Encoder | None = None,
    feature_names: Sequence[str] | None = None,
    random_state: Any = 0,
) -> Audit:
    """Check data before training. The labels of unlabeled rows do not exist here, and y_test is counted, never fitted.

    Statistical alarms share one error: where nothing is wrong, an audit raises any of them with chance 5 % (Holm).
    Up to 1,000 labeled and 4,000 unlabeled rows are looked at; exact copies are sought among all.

    Parameters
    ----------
    X : rows as `fewlabels.partial` takes them, SciPy sparse ones too
    y : their labels, unlabeled rows marked as in `fewlabels.partial`
    X_test : test rows, if there are any
    y_test : their labels; without them only copies of test rows are looked for
    domain : (N,) above 0 for rows of the source, below 0 for rows of the target, as `DeepClassifier.fit` takes it. The
        shift check then compares these, in place of labeled and unlabeled rows
    task : "classes" or "numbers"; None guesses from y as `fewlabels.compare` does
    provenance : how rows were chosen for labeling: "random", "balanced" (so many of each class), "active" (a model
        was unsure of them) or "unknown"
    encoder : a function, rows -> (n, D) features that mean more than pixels do. It must not have been trained on
        these labels: it would know the labeled rows, and the shift checks would alarm
    feature_names : names of the columns of an array, for the texts; a frame brings its own
    random_state : seed of samples and permutations

    Returns
    -------
    Audit

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot

    Examples
    --------
    >>> import fewlabels as fl
    >>> data = fl.datasets.load_digits(random_state=0)
    >>> found = fl.audit(data.X, data.y, data.X_test, data.y_test)
    >>> found.worst, found["duplicates"].level
    ('look', 'ok')
    """
    if encoder is not None and not callable(encoder):
        raise OptionError(f"encoder={encoder!r}; expected a function, rows -> (n, D) features.")
    if provenance not in ("unknown", "random", "balanced", "active"):
        raise OptionError(f"provenance={provenance!r}; expected 'unknown', 'random', 'balanced' or 'active'.")
    seed = check_seed(random_state)
    task = task or guess_task(y)
    if task == "masks":
        raise InputError(
            "y holds masks, which the audit cannot check. Pass one class or number a row, or go on without an audit."
        )
    data = partial(X, y, task=task, sparse=True, domain=domain)
    return examine(data, X_test, y_test, provenance, encoder, feature_names, seed)


def examine(
    data: Partial,
    X_test: Any = None,
    y_test: Any = None,
    provenance: Provenance = "unknown",
    encoder: Encoder | None = None,
    feature_names: Sequence[str] | None = None,
    seed: int = 0,
) -> Audit:
    """`audit` of data that has passed the door already."""
    began = time.perf_counter()
    x_test, labels = _test_rows(X_test, y_test, data)
    if feature_names is not None:
        data = replace(data, feature_names=_names(feature_names, data))
    view = look_at(data, x_test, labels, provenance=provenance, encoder=encoder, seed=seed)
    findings = decide([check(view) for check in CHECKS])
    facts = {
        "labeled": len(data.labeled),
        "unlabeled": data.n_rows - len(data.labeled),
        "test rows": 0 if x_test is None else int(x_test.shape[0]),
        "labeled rows looked at": len(view.rows_l),
        "unlabeled rows looked at": len(view.rows_u),
        "features": view.features_are,
        "random_state": seed,
        "seconds": time.perf_counter() - began,
    }
    return Audit(findings, data, facts)


def _names(names: Sequence[str], data: Partial) -> tuple[str, ...]:
    try:
        given = [] if isinstance(names, str) else [str(name) for name in names]
    except TypeError:
        given = []
    if data.kind != "table" or len(given) != data.x.shape[1]:
        raise OptionError(f"feature_names has {len(given)} names; expected one for each column of a table X.")
    return tuple(given)


def _test_rows(X_test: Any, y_test: Any, data: Partial) -> tuple[Any, Any]:
    """The test rows and their labels; unlike in `compare`, a class without training labels is a finding, no error."""
    if X_test is None:
        if y_test is not None:
            raise InputError("y_test was given without X_test. Give both, or neither.")
        return None, None
    with said_of("X_test"):
        x_test = check_X(X_test, like=data.form, name="the audit's X", sparse=True)
    if issparse(x_test) != issparse(data.x):  # copies are found by their bytes, so both need one form
        x_test = csr_array(x_test) if issparse(data.x) else x_test.toarray()
    if y_test is None:
        return x_test, None
    with said_of("y_test"):
        labels = read_labels(y_test, task="numbers" if data.classes is None else "classes")
    if not len(labels.rows) and labels.n_rows == x_test.shape[0]:
        return x_test, None  # a file of test rows whose label column is empty
    if labels.n_rows != x_test.shape[0] or len(labels.rows) != labels.n_rows:
        raise InputError(
            f"X_test has {x_test.shape[0]} rows and y_test {len(labels.rows)} labels. Give one label for each row."
        )
    return x_test, labels.values
