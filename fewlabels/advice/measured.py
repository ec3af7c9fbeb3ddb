"""What the project's own benchmarks measured: measured.csv beside this file, made by `benchmarks/summary.py`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files


@dataclass(frozen=True)
class Measured:
    """A method on a data set.

    Attributes
    ----------
    source : the file of benchmarks/results it comes from; runs : seeds or splits
    data, kind, task, labels, classes : on what; kind is "images", "table" or "text", classes 0 for numbers
    method : its name
    score : mean accuracy, mean IoU or mean absolute error
    gain, low, high : mean gain over the baseline and its 95 % interval (None below three runs), as a share: of accuracy
        or IoU, for numbers of the baseline's error
    """

    source: str
    data: str
    kind: str
    task: str
    labels: int
    classes: int
    method: str
    runs: int
    score: float
    gain: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        unit = "% of the error" if self.task == "numbers" else "points"
        shown = [f"{100 * x:+.1f}".replace("-", "−") for x in (self.gain, self.low, self.high) if x is not None]
        few = f" ({self.runs} run{'s' * (self.runs > 1)}, no interval)"
        span = f" ({shown[1]} to {shown[2]})" if len(shown) == 3 else few
        return f"{shown[0]} {unit}{span} on {self.data} with {self.labels} labels"


@lru_cache
def measured() -> tuple[Measured, ...]:
    """Every line of the table."""
    text = files("fewlabels.advice").joinpath("measured.csv").read_text(encoding="utf-8")
    return tuple(map(_line, csv.DictReader(text.splitlines())))


def _line(row: dict[str, str]) -> Measured:
    low, high = (float(row[name]) if row[name] else None for name in ("low", "high"))
    about = (row["source"], row["data"], row["kind"], row["task"], int(row["labels"]), int(row["classes"]))
    return Measured(*about, row["method"], int(row["runs"]), float(row["score"]), float(row["gain"]), low, high)


def similar(method: str, kind: str, task: str) -> tuple[tuple[Measured, ...], bool]:
    """Lines of a method and task on the same kind of data, or on any if there are none; and whether it is the same."""
    own = tuple(line for line in measured() if (line.method, line.task) == (method, task))
    same = tuple(line for line in own if line.kind == kind)
    return (same, True) if same else (own, False)
