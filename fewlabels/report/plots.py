"""Data of a picture -> inline SVG text, drawn by matplotlib.

Colours are CSS variables of the page, so that one picture serves light, dark and print. Text stays text: it
is small, can be searched, and takes the page's font. The same data give the same bytes.
"""

from __future__ import annotations

import re
import warnings
from functools import singledispatch
from io import StringIO
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from fewlabels.report.blocks import Curves, Dots, Histogram, Matrix, Plot, Reliability, Scatter

# Stand-ins that matplotlib can write and nothing else uses; `_tidy` puts the page's variables in their place.
INK, FAINT = "#010203", "#010204"
COLOR = {"baseline": "#010206", "candidate": "#010207", "difference": INK}
_VARIABLE = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    COLOR["baseline"]: "var(--baseline)",
    COLOR["candidate"]: "var(--candidate)",
}
# shape and dash tell the models apart where colour cannot
MARKER = {"baseline": "o", "candidate": "D", "difference": "s"}
DASH = {"baseline": (0, (4, 2)), "candidate": "solid", "difference": "solid"}

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fewlabels",
    "text.parse_math": False,  # "$" in a class name is a dollar
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "lines.linewidth": 1.8,
    "figure.dpi": 72,  # one unit of the picture is then one point of the font
}


def svg(plot: Plot, name: str) -> str:
    """Draw one picture; `name` begins its ids, so that several fit on one page."""
    with warnings.catch_warnings(), matplotlib.rc_context():
        # a class name may hold any character; the reader's font shows it, not matplotlib's
        warnings.filterwarnings("ignore", message="(?s).*Glyph.*missing from")
        matplotlib.rcdefaults()  # a user's own style must not change the report
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(layout="constrained", facecolor="none")
        draw(plot, figure)
        for axes in figure.axes:
            axes.set_facecolor("none")
        text = StringIO()
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        FigureCanvasSVG(figure).print_figure(text, format="svg", metadata=no_metadata)
    return _tidy(text.getvalue(), name)


@singledispatch
def draw(plot: object, figure: Figure) -> None:
    raise TypeError(f"no drawing for {type(plot).__name__}")


@draw.register
def _(plot: Dots, figure: Figure) -> None:
    figure.set_size_inches(4.7, 0.62 + 0.42 * len(plot.dots))
    axes = figure.add_subplot()
    for y, dot in enumerate(reversed(plot.dots)):
        low, value, high = (plot.scale * v for v in (dot.low, dot.value, dot.high))
        axes.plot([low, high], [y, y], color=COLOR[dot.role], linewidth=3, alpha=0.55, solid_capstyle="round")
        axes.plot([value], [y], MARKER[dot.role], color=COLOR[dot.role], markersize=8)
    if plot.zone is not None:
        axes.axvspan(plot.scale * plot.zone[0], plot.scale * plot.zone[1], color=FAINT, alpha=0.3, linewidth=0)
        axes.axvline(0, color=INK, linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.set_yticks(range(len(plot.dots)), [dot.label for dot in reversed(plot.dots)])
    axes.set_ylim(-0.6, len(plot.dots) - 0.4)
    axes.tick_params(axis="y", length=0, labelsize=11)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel(plot.axis)


@draw.register
def _(plot: Curves, figure: Figure) -> None:
    figure.set_size_inches(4.6, 2.5)
    axes = figure.add_subplot()
    for line in plot.lines:
        axes.plot(line.x, line.y, color=COLOR[line.role], linestyle=DASH[line.role], linewidth=1.8)
        if len(line.x) == 1:
            axes.plot(line.x, line.y, MARKER[line.role], color=COLOR[line.role])
    if all((line.y >= 0).all() for line in plot.lines):
        axes.set_ylim(bottom=0)
    if plot.share:
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_title(plot.title)
    axes.set_xlabel(plot.x_label)
    axes.grid(axis="y")


@draw.register
def _(plot: Matrix, figure: Figure) -> None:
    k = len(plot.names)
    figure.set_size_inches(5, 5 if k > 4 else 3.2)
    axes = figure.add_subplot()
    shares = plot.counts / np.maximum(plot.counts.sum(axis=1, keepdims=True), 1)
    for true, guess in np.argwhere(plot.counts > 0):
        share, right = float(shares[true, guess]), true == guess
        # grey for right, so that colour means a mistake; the root shows rare ones; pale enough to write on
        alpha = 0.15 + 0.45 * share if right else 0.16 + 0.38 * share**0.5
        axes.add_patch(
            Rectangle(
                (guess - 0.47, true - 0.47),
                0.94,
                0.94,
                linewidth=0,
                color=FAINT if right else COLOR[plot.role],
                alpha=alpha,
            )
        )
        if k <= 12:
            axes.text(guess, true, str(plot.counts[true, guess]), ha="center", va="center", size=12 if k <= 5 else 9.5)
    axes.hlines(np.arange(k + 1) - 0.5, -0.5, k - 0.5, color=FAINT, alpha=0.25, linewidth=0.6)
    axes.vlines(np.arange(k + 1) - 0.5, -0.5, k - 0.5, color=FAINT, alpha=0.25, linewidth=0.6)
    _square_of_names(axes, plot.names)
    axes.set_title(plot.title)


def _square_of_names(axes: Axes, names: tuple[str, ...]) -> None:
    k, size = len(names), 10 if len(names) <= 12 else 8
    long = k * max(map(len, names)) > 40
    axes.set_xlim(-0.5, k - 0.5)
    axes.set_ylim(k - 0.5, -0.5)
    axes.set_aspect("equal" if k > 4 else "auto")
    axes.set_xticks(range(k), names, rotation=90 if long else 0, fontsize=size)
    axes.set_yticks(range(k), names, fontsize=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")


@draw.register
def _(plot: Scatter, figure: Figure) -> None:
    figure.set_size_inches(4.2, 4.2)
    axes = figure.add_subplot()
    axes.plot(plot.span, plot.span, color=FAINT, linewidth=1, zorder=1)
    axes.plot(
        plot.true,
        plot.predicted,
        MARKER[plot.role],
        color=COLOR[plot.role],
        markersize=4,
        alpha=0.5,
        markeredgewidth=0,
    )
    axes.set_xlim(plot.span)
    axes.set_ylim(plot.span)
    axes.set_aspect("equal")
    axes.set_title(plot.title)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.grid()
    axes.set_axisbelow(True)


@draw.register
def _(plot: Reliability, figure: Figure) -> None:
    figure.set_size_inches(4.2, 4.2)
    axes = figure.add_subplot()
    lowest = max(0.0, min(min(b.low, b.confidence) for b in plot.bins) - 0.02)
    axes.plot([lowest, 1], [lowest, 1], color=FAINT, linewidth=1, zorder=1)
    for b in plot.bins:
        axes.plot([b.confidence] * 2, [b.low, b.high], color=COLOR[plot.role], linewidth=3, alpha=0.55)
        axes.plot([b.confidence], [b.right], MARKER[plot.role], color=COLOR[plot.role], markersize=6)
    axes.set_xlim(lowest, 1.01)
    axes.set_ylim(lowest, 1.01)
    axes.set_aspect("equal")
    axes.set_title(plot.title)
    axes.set_xlabel("probability said, %")
    axes.set_ylabel("right, %")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
    axes.grid()
    axes.set_axisbelow(True)


@draw.register
def _(plot: Histogram, figure: Figure) -> None:
    figure.set_size_inches(5.4, 2.6)
    axes = figure.add_subplot()
    for _, role, counts in plot.lines:
        axes.stairs(counts, plot.edges, color=COLOR[role], linestyle=DASH[role], linewidth=2)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel(plot.x_label)
    axes.set_ylabel("rows")
    axes.grid(axis="y")
    axes.set_axisbelow(True)


_FONT = re.compile(r"font: (?:([\w-]+) )??([\d.]+)px [^;]+")


def _tidy(text: str, name: str) -> str:
    """Make matplotlib's file a part of a page: page colours and font, no ids but needed ones, no leaking style.

    Work is done on the parsed tree, never on the text, so that no label can be taken for markup.
    """
    root = ElementTree.fromstring(text)
    for parent in root.iter():
        for child in list(parent):
            # matplotlib's style element would apply to the whole page
            if child.tag.endswith("}style") or child.tag.endswith("}metadata"):
                parent.remove(child)
    used = {
        match
        for element in root.iter()
        for value in element.attrib.values()
        for match in re.findall(r"^#(\w+)$|url\(#(\w+)\)", value)
        for match in match
    }
    for element in root.iter():
        element.tag = element.tag.partition("}")[2]
        _tidy_attributes(element, used, name)
    root.attrib = {"viewBox": root.get("viewBox", ""), "aria-hidden": "true", "focusable": "false"}
    return ElementTree.tostring(root, encoding="unicode")


def _tidy_attributes(element: ElementTree.Element, used: set[str], name: str) -> None:
    attributes = {}
    for key, value in element.attrib.items():
        key = key.rpartition("}")[2]  # xlink:href is href in HTML
        if key == "id":
            if value not in used:
                continue
            value = f"{name}-{value}"
        elif key == "href":
            value = value.replace("#", f"#{name}-", 1)
        elif key == "style":
            value = _FONT.sub(lambda m: f"font-size: {m[2]}px", value)
        for stand_in, variable in _VARIABLE.items():
            value = value.replace(stand_in, variable)
        attributes[key] = value.replace("url(#", f"url(#{name}-")
    element.attrib = attributes
