"""Page -> HTML text: the one place that knows both."""

from __future__ import annotations

from itertools import count

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fewlabels.report.blocks import AuditPage, Page, Plot
from fewlabels.report.images import data_uri
from fewlabels.report.plots import svg

_SYMBOL = {"HELPS": "↑", "HURTS": "↓", "NO PRACTICAL DIFFERENCE": "≈", "CANNOT TELL": "?"}


def render(page: Page) -> str:
    """The whole report as one HTML document that loads nothing."""
    tone = page.verdict.lower().replace(" ", "-")
    symbol = _SYMBOL[page.verdict]
    return _environment().get_template("template.html.j2").render(page=page, tone=tone, symbol=symbol)


def render_audit(page: AuditPage) -> str:
    """The page of an audit, likewise."""
    return _environment().get_template("audit.html.j2").render(page=page)


def _environment() -> Environment:
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
    environment.globals |= {"draw": draw, "data_uri": data_uri}
    return environment
