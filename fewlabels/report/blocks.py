"""What a page is made of: words, tables and the data of pictures. Nothing here knows of HTML."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from math import floor, log10
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fewlabels.calibration import Bin

Role = Literal["baseline", "candidate", "difference"]

LONGEST_NAME = 40
LONGEST_TEXT = 4000


def clean(value: object, limit: int = LONGEST_NAME) -> str:
    """Text safe to lay out: one line, no control, surrogate or direction-override characters, at most `limit`.

    What is dropped shows as "�", since two names that differ must not look alike by accident.
    """
    # ten times the limit is read, so a name of a gigabyte costs nothing
    text = "".join(_visible(c) for c in str(value)[: 10 * limit])
    text = " ".join(text.split()) or "(empty)"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_lines(value: object, limit: int = LONGEST_TEXT) -> str:
    """As `clean`, but line breaks stay: for a command."""
    text = "\n".join("".join(_visible(c) for c in line) for line in str(value)[:limit].splitlines())
    return text + ("…" if len(str(value)) > limit else "")


def _visible(character: str) -> str:
    if character in "\t\n\r":
        return " "
    if character in "\u200c\u200d":
        return character  # Persian, Hindi and emoji are spelled with joiners
    # Cc control, Cf direction overrides and invisible joiners, Cs lone surrogates, Co private, Cn unassigned
    return "�" if unicodedata.category(character)[0] == "C" else character


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def sure(name: str, probability: float) -> str:
    """A class and how sure the model is of it; isolated, so that a right-to-left name moves nothing else."""
    share = "over 99" if 0.995 <= probability < 1 else f"{100 * probability:.0f}"
    return f"\u2068{name}\u2069 ({share}\u00a0%)"


def points(difference: float) -> str:
    """A difference of two shares, in percentage points with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def number(value: float, signed: bool = False) -> str:
    """Four significant digits, without an exponent where people would not write one."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    sign, digits = "+" if signed else "", 3 - floor(log10(abs(value)))
    if value == round(value) and digits > -6:
        return f"{value:{sign},.0f}".replace("-", "−")
    text = f"{value:{sign}.3e}" if not -6 < digits < 9 else f"{value:{sign},.{max(0, digits)}f}"
    return text.replace("-", "−")


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


@dataclass(frozen=True)
class Text:
    kind: ClassVar[str] = "text"
    text: str
    tone: Literal["plain", "note", "empty"] = "plain"


@dataclass(frozen=True)
class Code:
    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Table:
    """`rows` hold strings; the first column heads its row; columns in `numeric` are aligned as numbers.

    `under_heading`: a heading says the same as the caption, which is then for screen readers alone.
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    under_heading: bool = False


@dataclass(frozen=True)
class Dot:
    label: str
    value: float
    low: float
    high: float
    role: Role


@dataclass(frozen=True)
class Dots:
    """Values with their intervals on one axis; `zone` is the span of no practical difference."""

    dots: tuple[Dot, ...]
    axis: str
    scale: float = 1.0
    zone: tuple[float, float] | None = None


@dataclass(frozen=True)
class Line:
    label: str
    role: Role
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    title: str
    lines: tuple[Line, ...]
    x_label: str
    share: bool = False


@dataclass(frozen=True)
class Range:
    """A line of values with an interval at each."""

    label: str
    role: Role
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Ranges:
    """Lines with intervals over the same x, which is drawn logarithmic; `zero` marks 0."""

    title: str
    lines: tuple[Range, ...]
    x_label: str
    scale: float = 1.0
    zero: bool = False


@dataclass(frozen=True)
class Matrix:
    """Rows are the true class, columns the predicted one."""

    title: str
    role: Role
    names: tuple[str, ...]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Scatter:
    title: str
    role: Role
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    span: tuple[float, float]


@dataclass(frozen=True)
class Histogram:
    edges: NDArray[np.float64]
    lines: tuple[tuple[str, Role, NDArray[np.int64]], ...]
    x_label: str


@dataclass(frozen=True)
class Reliability:
    """What a model said of groups of rows, and how many of them it got right."""

    title: str
    role: Role
    bins: tuple[Bin, ...]


Plot = Dots | Curves | Ranges | Matrix | Scatter | Histogram | Reliability


@dataclass(frozen=True)
class Picture:
    plot: Plot
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Pictures:
    kind: ClassVar[str] = "pictures"
    pictures: tuple[Picture, ...]
    wide: bool = False


@dataclass(frozen=True)
class Item:
    """One picture of a gallery: the array of an image and what the models said of it.

    `alt` is what the picture shows, if that is more than the row.
    """

    image: NDArray[np.uint8] | None
    row: int
    true: str
    baseline: str
    candidate: str
    alt: str = ""


@dataclass(frozen=True)
class Gallery:
    """`wide`: pictures are strips of several panels."""

    kind: ClassVar[str] = "gallery"
    items: tuple[Item, ...]
    wide: bool = False


@dataclass(frozen=True)
class Example:
    """A row of the data: its image, or None when it cannot be shown, and its label or "unlabeled"."""

    image: NDArray[np.uint8] | None
    row: int
    label: str


@dataclass(frozen=True)
class Examples:
    kind: ClassVar[str] = "examples"
    items: tuple[Example, ...]


@dataclass(frozen=True)
class Notice:
    """What a check found; `level` is a word of `fewlabels.audits.finding.Level`."""

    kind: ClassVar[str] = "notice"
    level: str
    title: str
    text: str


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"
    text: str


Block = Text | Code | Table | Pictures | Gallery | Examples | Notice | Heading


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """The whole report, before it is HTML."""

    title: str
    verdict: str
    question: str
    headline: str
    sentence: str
    deployed: str
    why: str
    key_figures: tuple[tuple[str, str, str], ...]
    sections: tuple[Section, ...]
    findings: tuple[Section, ...] = ()
    scope: str = ""
    legend: tuple[tuple[Role, str], ...] = field(default_factory=tuple)
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditPage:
    """A page of sections without a verdict, such as an audit's, before it is HTML."""

    title: str
    worst: str
    headline: str
    sentence: str
    sections: tuple[Section, ...]
    question: str = "Is the data fit for training, and what may be claimed from it?"
