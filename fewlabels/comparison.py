"""Supervised baseline against semi-supervised candidate: same labels, same network, same steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.verdict import Paired, Verdict


@dataclass(frozen=True)
class Comparison:
    """Two fitted models and what an untouched set of labeled rows says about them.

    Attributes
    ----------
    task : "classes" or "numbers"
    baseline, candidate : fitted estimators; `history_` is a list of dicts with "step", "loss", ...
    baseline_name, candidate_name : the methods' names, e.g. "supervised", "fixmatch"
    X_eval, y_eval : the evaluation rows, (n, ...) and (n,), in the user's types
    baseline_output, candidate_output : probabilities (n, K) in the order of `classes`, or predictions (n,)
    classes : ndarray (K,) or None for numbers
    held_out : True when the evaluation rows were taken from the labels (no test set was given)
    paired : what the evaluation rows say, see `verdict.Paired`
    data : what was given: {"kind", "n_rows", "n_labeled", "n_unlabeled", "shape", "labels_per_class": {name: n}}
    settings : the resolved options, nested dict of plain values
    environment : versions, device, precision, threads
    command : the exact command or call that repeats this
    seconds : {"baseline": s, "candidate": s}
    """

    task: str
    baseline: Any
    candidate: Any
    baseline_name: str
    candidate_name: str
    X_eval: Any
    y_eval: NDArray[Any]
    baseline_output: NDArray[np.float64]
    candidate_output: NDArray[np.float64]
    classes: NDArray[Any] | None
    held_out: bool
    paired: Paired
    data: dict[str, Any]
    settings: dict[str, Any]
    environment: dict[str, Any]
    command: str
    seconds: dict[str, float]

    @property
    def verdict(self) -> Verdict:
        return self.paired.verdict

    @property
    def deployed(self) -> Any:
        """The candidate if it HELPS, else the baseline."""
        return self.candidate if self.verdict == Verdict.HELPS else self.baseline

    def report(self, path: Any) -> Any:
        """Write a self-contained HTML page to `path` and the same facts as JSON beside it."""
        from fewlabels.report import write

        return write(self, path)
