"""Sphinx configuration. Nothing is fetched while building: no intersphinx."""

import dataclasses
import inspect
import re
import sys
from pathlib import Path

import fewlabels

sys.path.insert(0, str(Path(__file__).parent))
import method_pages

method_pages.write()

project = "fewlabels"
author = "the fewlabels authors"
release = version = fewlabels.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_design",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "results_*.md"]
nitpicky = False  # without intersphinx the types of numpy and torch have no page to point to

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autoclass_content = "class"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_attr_annotations = False
napoleon_custom_sections = ["Attributes"]  # as it stands; see split_entries
add_module_names = False
default_role = "code"

html_theme = "pydata_sphinx_theme"
html_title = f"fewlabels {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"**": []}  # eight pages: the bar at the top holds them all
html_show_sourcelink = False
project_copyright = "the fewlabels authors. Apache-2.0"

# --- Docstrings ----------------------------------------------------------------------------------
# In this project a parameter is one line, `name : what it is`; its type is in the signature. numpydoc
# would read what follows the colon as the type, so the line is split before napoleon sees it.

_SECTIONS = {"Parameters", "Raises", "Returns", "Yields"}
_ENTRY = re.compile(r"^(\*{0,2}\w[\w.]*(?:, \*{0,2}\w[\w.]*)*) : (.+)$")
_NEXT_ERROR = re.compile(r"; (?=\w+Error : )")
_MANY = re.compile(r"(?:\w+_, )*\w+_,")
_NAME = re.compile(r"(?<![`\w.])(\w+_)(?![`\w])")  # docutils takes a trailing underscore for a link
_BARS = re.compile(r"\|([^|`]+)\|")  # an absolute value in a sentence, which docutils takes for a substitution


def split_entries(app, what, name, obj, options, lines):
    out, section = [], None
    for i, line in enumerate(lines):
        following = lines[i + 1] if i + 1 < len(lines) else ""
        if following and set(following) == {"-"} and line.strip():
            section = line.strip()
        if section == "Attributes":
            out += _attribute(line)
            continue
        for part in _NEXT_ERROR.split(line) if section == "Raises" else [line]:
            entry = _ENTRY.match(part) if section in _SECTIONS else None
            out += [entry[1], f"    {entry[2]}"] if entry else [part]
    formula = what == "module"  # there an indented line belongs to an equation
    lines[:] = [
        line if formula and line.startswith((".. math::", "   ")) else _BARS.sub(r"\\|\1\\|", line) for line in out
    ]


def _attribute(line):
    """Attributes as a plain list: napoleon would make an entry with a link of each, without its type."""
    entry = _ENTRY.match(line)
    if entry:
        names = ", ".join(f"``{n}``" for n in entry[1].split(", "))
        return [f"* {names}: " + _NAME.sub(r"``\1``", entry[2])]
    if _MANY.fullmatch(line):  # names that go on in the next line
        return ["* " + _NAME.sub(r"``\1``", line)]
    return ["  " + _NAME.sub(r"``\1``", line.strip())] if line.startswith(" ") else [line]


def skip_request_setters(app, what, name, obj, skip, options):
    """`set_fit_request` and its like, which scikit-learn gives to every estimator."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def show_default_parts(app, what, name, obj, options, signature, returns):
    """Show what a recipe's part is by default, instead of `<factory>`."""
    if not (inspect.isclass(obj) and dataclasses.is_dataclass(obj) and signature):
        return None
    for field in dataclasses.fields(obj):
        if field.default_factory is not dataclasses.MISSING:
            signature = signature.replace(f"{field.name}=<factory>", f"{field.name}={field.default_factory()!r}")
    return signature, returns


def setup(app):
    app.connect("autodoc-process-docstring", split_entries, priority=100)  # before napoleon (500)
    app.connect("autodoc-skip-member", skip_request_setters)
    app.connect("autodoc-process-signature", show_default_parts)
