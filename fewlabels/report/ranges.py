"""Drawing of scores against a number, with their intervals; a plot of its own beside those of `plots`."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from fewlabels.report.blocks import Ranges
from fewlabels.report.plots import COLOR, DASH, INK, MARKER, draw


@draw.register
def _(plot: Ranges, figure: Figure) -> None:
    figure.set_size_inches(5.4, 3.2)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    for place, line in enumerate(plot.lines):
        # side by side, so that one interval does not hide the other
        x = line.x * (1.0 + 0.04 * (place - (len(plot.lines) - 1) / 2))
        low, y, high = (plot.scale * v for v in (line.low, line.y, line.high))
        axes.vlines(x, low, high, color=COLOR[line.role], linewidth=3, alpha=0.5)
        axes.plot(x, y, MARKER[line.role], color=COLOR[line.role], linestyle=DASH[line.role], markersize=6)
    if plot.zero:
        axes.axhline(0, color=INK, linewidth=1)
    ticks = plot.lines[0].x
    axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    axes.set_title(plot.title)
    axes.set_xlabel(plot.x_label)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
