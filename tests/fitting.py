"""Fits every estimator in a process of its own and writes what each holds: `python tests/fitting.py OUT [options]`.

tests/test_determinism.py starts it with other environments, and compares.
"""

import argparse
import importlib
import json
import locale
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

HERE = Path(__file__).parent


def import_backwards():
    """Modules of the package in an order in which nobody imports them, and heavy libraries before it."""
    for name in ("torch", "matplotlib", "sklearn.linear_model", "scipy.sparse.linalg"):
        importlib.import_module(name)
    root = HERE.parent / "fewlabels"
    modules = {".".join(p.relative_to(root.parent).with_suffix("").parts) for p in root.rglob("*.py")}
    for name in sorted((m.removesuffix(".__init__") for m in modules if not m.endswith("__main__")), reverse=True):
        importlib.import_module(name)


def environment():
    """What is to be different, as this process sees it."""
    return {
        "hash": str(hash("fewlabels")),
        "locale": str(locale.setlocale(locale.LC_ALL)),
        "time": time.strftime("%z", time.localtime(0)),
        "cwd": os.getcwd(),
        "torch first": str("torch" in sys.modules),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--backwards", action="store_true", help="imports, and estimators, in reverse order")
    parser.add_argument("--files", type=Path, help="where images are, or will be")
    given = parser.parse_args()
    locale.setlocale(locale.LC_ALL, "")  # what LC_ALL says now holds for C libraries, too
    sys.path.insert(0, str(HERE))
    if given.backwards:
        import_backwards()
    around = environment()
    import entrances
    import every

    warnings.simplefilter("ignore")
    found = {"environment": around}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        cases = every.cases(given.files)
        jobs = [(name, lambda place, case=case: every.fitted(case, place)) for name, case in cases.items()]
        jobs += [(name, lambda place, ask=ask: every.parts(ask(place))) for name, ask in entrances.ALL.items()]
        for name, job in reversed(jobs) if given.backwards else jobs:
            found[name] = {k: v.replace(str(folder), "") for k, v in job(folder / name).items()}
    given.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
