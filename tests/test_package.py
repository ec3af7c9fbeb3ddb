"""The shape of the package: public names, what importing costs, and which way imports point."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fewlabels as fl

ROOT = Path(fl.__file__).parent

# Each line may import from itself and from the lines above it.
LAYERS = [
    {"errors", "files"},
    {"data", "partial_labels", "seeds", "progress", "interrupts", "parts", "datasets", "intervals", "overlap"},
    {"tasks", "method", "augment", "networks", "verdict", "verdict_round", "devices", "calibration"},
    {"methods", "scaling", "batches", "probing", "guard", "train", "container", "checkpoint", "identity"},
    {"graph", "audits"},
    {"adapt"},
    {"monitors"},
    {"recipes", "saver", "run", "deep", "segmenter", "noisy_student", "estimators", "classical"}
    | {"node_networks", "node_training", "graph_classifier"},
    {"anomaly", "model_files"},
    {"pairs", "records"},
    {"ledger", "repeats"},
    {"comparison"},
    {"budget", "advice"},
    {"report"},
    {"runs", "rounds", "cli", "__main__"},
]


def imports(path):
    """Modules of this package that a file imports when it is imported, by their first name."""
    tree = ast.parse(path.read_text())
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    for node in ast.walk(tree):
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        inside |= {id(n) for n in ast.walk(node)} if typing_only else set()
    for node in ast.walk(tree):
        if id(node) in inside or not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module == "fewlabels":
            yield from (alias.name for alias in node.names if not alias.name.startswith("__"))
        elif node.module.startswith("fewlabels."):
            yield node.module.split(".")[1]


def layer(name):
    return next(i for i, names in enumerate(LAYERS) if name in names)


def test_imports_point_down():
    checked = 0
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).with_suffix("").parts[0]
        if name == "__init__":
            continue
        for other in imports(path):
            assert layer(other) <= layer(name), f"{path.relative_to(ROOT)} imports {other}"
            checked += 1
    assert checked > 50


def test_any_module_may_be_imported_first():
    names = {".".join(p.relative_to(ROOT.parent).with_suffix("").parts) for p in ROOT.rglob("*.py")}
    code = f"""
import importlib, sys
for name in {sorted(n.removesuffix(".__init__") for n in names if not n.endswith("__main__"))}:
    for loaded in [m for m in sys.modules if m.split(".")[0] == "fewlabels"]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_exist_and_are_the_only_ones():
    for name in fl.__all__:
        assert getattr(fl, name) is not None
    assert set(fl.__all__) <= set(dir(fl))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fl.nonsense  # noqa: B018


def test_importing_a_module_never_hides_a_public_function():
    code = "import fewlabels.comparison, fewlabels.partial_labels, fewlabels.report, fewlabels as fl;"
    code += "assert callable(fl.compare) and callable(fl.partial) and callable(fl.load)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("words", ["import fewlabels", "import fewlabels.cli", "import fewlabels; fewlabels.partial"])
def test_torch_is_imported_only_when_needed(words):
    code = f"import sys; {words}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_on_choosing_says_what_each_method_learns():
    page = (ROOT.parent / "docs" / "choose.md").read_text(encoding="utf-8")
    for name, recipe in fl.methods.NAMES.items():
        line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert line.split("|")[3].split(",") == [f" {task}" for task in recipe.tasks[:-1]] + [f" {recipe.tasks[-1]} "]
