"""Are the tests able to fail? mutmut's mutants of the modules that must not be wrong, and mistakes written by hand.

mutmut changes functions one operator, number or argument at a time, and runs the tests that reach the function, the
quickest ones. Texts of messages are left alone. It also leaves out constants, properties and statements that could
be missing: the mistakes in mutants.toml are mostly of these kinds. Survivors go to results/mutation.csv; a reason that
is written there by hand stays as long as the mutant does. Copies of the package are in .mutation/, so that a run can go
on; survivors of the last one are tried again.

Run: OMP_NUM_THREADS=1 python benchmarks/mutation.py [--groups parts ...] [--sample 300] [--by-hand]
"""

import argparse
import csv
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from common import RESULTS, rows_of

ROOT = Path(__file__).parents[1]
MUTMUT = Path(sys.executable).parent / "mutmut"
TABLE = "mutation.csv"
LEAST = 0.85  # of the mutants of a group that tests must notice
# Modules, and the quickest tests that cover them.
GROUPS = {
    "checkpoint": (
        "checkpoint container files saver identity guard",
        "test_checkpoint test_guard test_faults test_damaged_files",
    ),
    "partial": ("partial_labels data/labels", "test_partial_labels test_multilabel test_data_inputs"),
    "verdict": (
        "verdict intervals overlap verdict_round",
        "test_verdict test_verdict_round test_overlap test_repeats",
    ),
    "audits": ("audits/*", "test_audit"),
    "parts": ("parts/*", "test_parts"),
    "graph": (
        "graph/solve graph/weights graph/neighbors graph/rounding graph/ranking",
        "test_graph_neighbors test_graph_classical",
    ),
}
# Lines that raise or warn, and lines that begin with words (keys, before a colon, stay).
TEXTS = [r"^\s*(raise |warnings\.warn\()", r'^\s*f?"[^"]* [^"]*"(?!\s*:)']
# mutmut's numbers for a test that failed, a pytest that broke down, and one that took too long
KILLED = {1, 3, 24, 36, 152, 255, -24}


def prepare(group):
    """A copy of the package and its tests as they are now, with mutmut's settings for a group."""
    folder = ROOT / ".mutation" / group
    (folder / "mutants").mkdir(parents=True, exist_ok=True)  # Python forgets places that are not there when it starts
    for part in ("fewlabels", "tests"):
        shutil.copytree(ROOT / part, folder / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "benchmarks" / "quickest_first.py", folder / "mutants")
    modules, tests = (words.split() for words in GROUPS[group])
    settings = {
        "source_paths": ["fewlabels/"],
        "only_mutate": [f"fewlabels/{module}.py" for module in modules],
        "do_not_mutate_patterns": TEXTS,
        "pytest_add_cli_args": ["-p", "quickest_first"],
        "pytest_add_cli_args_test_selection": [f"tests/{test}.py" for test in tests],
        "use_git_change_detection": False,
        # a loop without end has a minute more than all tests that reach the function
        "timeout_multiplier": 1.0,
        "timeout_constant": 60.0,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    text = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text("\n".join([text, "[tool.mutmut]", *lines, ""]))
    return folder


def run(group, names):
    """Make all mutants of a group, and test some by name."""
    folder = ROOT / ".mutation" / group
    environment = os.environ | {"PYTHONPATH": str(folder / "mutants"), "PYTHONHASHSEED": "0"}
    subprocess.run([MUTMUT, "run", "--max-children", "1", *names], cwd=folder, env=environment, check=bool(names[1:]))


def results(group):
    """Every mutant of a group by name: whether a test noticed it, None if it was not tried."""
    found = {}
    for meta in sorted((ROOT / ".mutation" / group / "mutants" / "fewlabels").rglob("*.meta")):
        found |= json.loads(meta.read_text())["exit_code_by_key"]
    return {name: None if code is None else code in KILLED for name, code in found.items()}


def change(group, name):
    """What a mutant takes away and puts in."""
    folder = ROOT / ".mutation" / group
    shown = subprocess.run([MUTMUT, "show", name], cwd=folder, capture_output=True, text=True, check=True)
    lines = [line for line in shown.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return tuple(" / ".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")


def write(group, survivors):
    """Survivors of one group in place of those that were listed, with the reasons of those that were."""
    rows = rows_of(TABLE)
    reasons = {(r["where"], r["removed"], r["added"]): r["reason"] for r in rows}
    new = []
    for name in survivors:
        where = name.removeprefix("fewlabels.").rpartition("__mutmut_")[0]
        removed, added = change(group, name)
        row = {"group": group, "where": where, "removed": removed, "added": added}
        new.append(row | {"reason": reasons.get((where, removed, added), "")})
    kept = [r for r in rows if r["group"] != group] + new
    with (RESULTS / TABLE).open("w", newline="") as file:
        writer = csv.DictWriter(file, ("group", "where", "removed", "added", "reason"))
        writer.writeheader()
        writer.writerows(sorted(kept, key=lambda row: (list(GROUPS).index(row["group"]), row["where"], row["added"])))
    return sum(not row["reason"] for row in new)


def by_hand(only):
    """Each mistake of mutants.toml in a copy of the package; returns the names of those that no test noticed."""
    mutants = tomllib.loads((ROOT / "benchmarks" / "mutants.toml").read_text())["mutant"]
    with tempfile.TemporaryDirectory() as folder:
        copy, whole = Path(folder), set()
        for part in ("fewlabels", "tests"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        missed = []
        for mutant in [m for m in mutants if only in m["name"]]:
            file, tests = copy / "fewlabels" / mutant["file"], mutant["tests"]
            text = file.read_text()
            assert text.count(mutant["before"]) == 1, f"{mutant['name']}: stands {text.count(mutant['before'])} times"
            if tests not in whole:
                said = failure(copy, tests)
                assert not said, f"{tests} fails without a mistake:\n{said[-3000:]}"
                whole.add(tests)
            file.write_text(text.replace(mutant["before"], mutant["after"]))
            noticed = bool(failure(copy, tests))
            file.write_text(text)
            print(f"{'noticed' if noticed else 'MISSED '}  {mutant['file']:<26}{mutant['name']}", flush=True)
            missed += [] if noticed else [mutant["name"]]
    print(f"by hand: {len(mutants)} mistakes, missed {len(missed)}")
    return missed


def failure(copy, tests):
    """What pytest says when a test fails, nothing when all pass."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *shlex.split(tests)]
    command = [f"tests/{word}" if word.endswith(".py") else word for word in command]
    done = subprocess.run(
        command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, timeout=900, check=False
    )
    assert done.returncode in (0, 1, 2), done.stdout.decode()
    return done.stdout.decode() if done.returncode else ""


def report(group, sample):
    """One line of the table; whether enough mutants were noticed and each survivor has a reason."""
    prepare(group)
    run(group, ["none of them"])
    names = sorted(results(group))
    # drawn by name: where the code changes, the sample of the rest stays
    chosen = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:sample]
    due = [name for name in chosen if not results(group)[name]]  # not tried yet, or survived before
    if due:
        run(group, due)
    found = results(group)
    survivors = [name for name in chosen if not found[name]]
    unsaid = write(group, survivors)
    share = 1 - len(survivors) / len(chosen)
    print(
        f"| {group} | {len(names)} | {len(chosen)} | {len(chosen) - len(survivors)} | {100 * share:.1f} | {unsaid} |",
        flush=True,
    )
    return share >= LEAST and not unsaid


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", nargs="*", default=list(GROUPS), choices=list(GROUPS))
    parser.add_argument("--sample", type=int, default=300, help="mutants of a group; all if there are fewer")
    parser.add_argument("--by-hand", action="store_true", help="the mistakes of mutants.toml alone")
    parser.add_argument("--only", default="", help="mistakes whose name holds these words")
    options = parser.parse_args()
    short = [group for group in ([] if options.by_hand else options.groups) if not report(group, options.sample)]
    missed = by_hand(options.only)
    sys.exit(f"not noticed well enough: {', '.join(short + missed)}" if short + missed else 0)


if __name__ == "__main__":
    main()
