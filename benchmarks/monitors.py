"""How often each monitor speaks: in trainings in which all goes well, and in ones with a classic mistake.

Run: python benchmarks/monitors.py [--seeds 200 205]      (about eight minutes of one core; goes on where it stopped)
     python benchmarks/monitors.py --docs                 (writes docs/results_monitors.md from what was measured)
     python benchmarks/monitors.py --seconds              (what the looks cost, by leaving them out; two minutes)
"""

import argparse
import json
import sys
import time
from pathlib import Path

from common import add_row, machine, rows_of

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from monitor_runs import HEALTHY, SICK, blobs_run, digits_run, speaking

from fewlabels.errors import DivergenceError
from fewlabels.monitors import MONITORS
from fewlabels.monitors.looks import Watched

NAME = "monitors.csv"
PAGE = Path(__file__).parents[1] / "docs" / "results_monitors.md"
METHODS = ("flexmatch", "freematch", "softmatch", "uda", "mean_teacher", "pseudo_label", "mixmatch")


def runs():
    yield from ((name, run) for name, run in HEALTHY.items())
    yield "digits, 40 labels", lambda seed: digits_run(seed, 40)
    for method in METHODS:
        yield f"digits, {method}", lambda seed, method=method: digits_run(seed, method=method)
        yield f"blobs, {method}", lambda seed, method=method: blobs_run(seed, method=method)
    yield from ((name, run) for name, (run, _) in SICK.items())


def measure(first, last, only):
    done = {(row["run"], int(row["seed"])) for row in rows_of(NAME)}
    for seed in range(first, last):
        for name, run in runs():
            if (name, seed) in done or (only and name not in only):
                continue
            try:
                model, accuracy = run(seed)
            except DivergenceError:
                continue
            values = {f.check: f.value and round(f.value, 4) for f in model.findings_}
            row = {"run": name, "seed": seed, "accuracy": round(accuracy, 4), "says": " ".join(sorted(speaking(model)))}
            add_row(NAME, row | {"values": json.dumps(values)})


def table():
    rows, checks = rows_of(NAME), [monitor.__name__ for monitor in MONITORS]
    checks.remove("precision")  # these runs keep no labels back, so it is not asked
    lines = [f"| Run | n | accuracy | any | {' | '.join(f'`{check}`' for check in checks)} |"]
    lines.append("|---|---|---|---|" + "---|" * len(checks))
    for name, _ in runs():
        mine = [row for row in rows if row["run"] == name]
        if not mine:
            continue
        said = [set(row["says"].split()) for row in mine]
        accuracy = sum(float(row["accuracy"]) for row in mine) / len(mine)
        counts = " | ".join(str(sum(check in s for s in said) or "") for check in checks)
        lines.append(f"| {name} | {len(mine)} | {100 * accuracy:.0f} % | {sum(map(bool, said))} | {counts} |")
    return "\n".join(lines) + "\n"


def seconds(rounds=5):
    """Alternating fits with and without looks."""
    look = Watched.look
    for name, run in (("digits, mlp", lambda: digits_run(0)), ("images", lambda: HEALTHY["images"](0))):
        times = {True: [], False: []}
        for _ in range(rounds):
            for watched in (True, False):
                Watched.look = look if watched else lambda *_: None
                began = time.perf_counter()
                run()
                times[watched].append(time.perf_counter() - began)
        best = {key: min(value) for key, value in times.items()}
        print(f"{name}: {best[True]:.2f} s with looks, {best[False]:.2f} s without (least of {rounds} each)")
    Watched.look = look


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs=2, default=[200, 205], metavar=("FIRST", "LAST"))
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--seconds", action="store_true")
    options = parser.parse_args()
    print(machine())
    if options.seconds:
        seconds()
        return
    if not options.docs:
        measure(*options.seeds, options.only)
    print(table())
    if options.docs:
        PAGE.write_text(table())


if __name__ == "__main__":
    main()
