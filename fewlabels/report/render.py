"""Page -> HTML text: the one place that knows both."""

from __future__ import annotations

from itertools import count

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fewlabels.report.blocks import Page, Plot
from fewlabels.report.images import data_uri
from fewlabels.report.plots import svg

_SYMBOL = {"HELPS": "↑", "HURTS": "↓", "NO PRACTICAL DIFFERENCE": "≈", "CANNOT TELL": "?"}


def render(page: Page) -> str:
    """The whole report as one HTML document that loads nothing."""
    numbers = count(1)

    def draw(plot: Plot) -> Markup:
        return Markup(svg(plot, f"f{next(numbers)}"))  # labels were escaped when the tree was written

    environment = Environment(
        loader=PackageLoader("fewlabels", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("template.html.j2")
    tone = page.verdict.lower().replace(" ", "-")
    return template.render(page=page, tone=tone, symbol=_SYMBOL[page.verdict], draw=draw, data_uri=data_uri)
