"""How often the audit alarms: where nothing is wrong, where something is, and as its tests are usually, wrongly, coded.

1,000 data sets for each design and number of labels; the pool has 160 rows or as many as there are labels. A rate
within 3.0 to 7.3 % is what 1,000 draws at 5 % give with chance 99.9 %. Invalid variants: 300 data sets. `wrong` and
`shares`: 200 with a pool of 800 rows.
Designs and wrong variants are in tests/audit_nulls.py. Rows go to results/audit_null.csv, at once, so that it goes on
where it stopped. `--docs` writes docs/results_audit.md from that file; `--seconds` times an audit of 1,000 labels and a
pool of 20,000 x 50.

Run: OMP_NUM_THREADS=1 python benchmarks/audit_null.py [--parts null mutants wrong shares] ; then --docs
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from common import add_row, machine, rows_of

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import audit_nulls as nulls

import fewlabels as fl
from fewlabels.audits.shares import _both

RESULTS = "audit_null.csv"
PAGE = Path(__file__).parents[1] / "docs" / "results_audit.md"
REPEATS = {"null": 1000, "mutants": 300, "wrong": 200, "shares": 200}
CHECKS = ("shift", "predicted_shift", "open_set", "provenance", "neighbors", "any alarm of the audit")


def null(design, n_l, repeats):
    """Share of data sets with p <= .05 for each check, and of audits with any alarm."""
    said = [nulls.p_values(design, n_l, seed) for seed in range(repeats)]
    rates = {name: np.mean([p[name] <= 0.05 for p, _ in said]) for name in CHECKS[:-1]}
    return rates | {CHECKS[-1]: np.mean([alarmed for _, alarmed in said])}


def mutants(design, n_l, repeats):
    said = [nulls.mutant_p(design, n_l, seed) for seed in range(repeats)]
    return {name: np.mean([p[name] <= 0.05 for p in said]) for name in nulls.MUTANTS}


def wrong(kind, n_l, repeats):
    views = [nulls.wrong_view(kind, n_l, seed) for seed in range(repeats)]
    return {c: np.mean([nulls.ALARMS[c](v).p <= 0.05 for v in views]) for c in CHECKS[:3]}


def shares(kind, n_l, repeats):
    """Mean distance (half the sum of differences) of the estimated class shares of the pool from the true ones."""
    return {"distance": np.mean([shares_error(nulls.wrong_view(kind, n_l, s)) for s in range(repeats)])}


def shares_error(view):
    truth = np.array([0.2, 0.3, 0.5])
    return np.abs(_both(view)[1] - truth).sum() / 2


PARTS = {
    "null": (null, tuple(nulls.DESIGNS), nulls.SIZES),
    "mutants": (mutants, ("overlapping",), (40, 400)),
    "wrong": (wrong, tuple(nulls.WRONG), (40, 100, 200)),
    "shares": (shares, ("prior shift",), (30, 60, 150, 400)),
}


def run(part, scale, only):
    measure, kinds, sizes = PARTS[part]
    done = {(r["part"], r["data"], r["labels"]) for r in rows_of(RESULTS)}
    for n_l in only or sizes:
        for kind in kinds:
            if (part, kind, str(n_l)) in done:
                continue
            began, repeats = time.perf_counter(), max(2, round(REPEATS[part] * scale))
            for check, rate in measure(kind, n_l, repeats).items():
                row = {"part": part, "data": kind, "labels": n_l, "check": check, "repeats": repeats}
                add_row(RESULTS, row | {"rate": round(float(rate), 4)})
            print(f"{time.perf_counter() - began:.0f} s", flush=True)


def seconds():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(21_000, 50))
    y = np.where(np.arange(21_000) < 1000, (x[:, 0] + rng.normal(size=21_000) > 0).astype(int), -1)
    took = [fl.audit(x, y).facts["seconds"] for _ in range(5)]
    print(
        f"1,000 labels, pool of 20,000 x 50: {np.median(took):.2f} s, median of 5 ({min(took):.2f} to {max(took):.2f})"
    )


def table(rows, columns, head):
    """One line for each data set and number of labels, one column for each check, in percent."""
    lines = [f"| {head} | labels | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    for key in sorted({(r["data"], r["labels"]) for r in rows}, key=lambda key: (int(key[1]), key[0])):
        cell = {r["check"]: r for r in rows if (r["data"], r["labels"]) == key}
        lines.append(
            f"| {key[0].replace('_', ' ')} | {key[1]} | " + " | ".join(_percent(cell[c]) for c in columns) + " |"
        )
    return lines


def _percent(row):
    return f"{100 * float(row['rate']):.1f}"


def page():
    by = {part: [r for r in rows_of(RESULTS) if r["part"] == part] for part in PARTS}
    repeats = {part: " or ".join(sorted({r["repeats"] for r in rows})) for part, rows in by.items()}
    lines = ["<!-- made by `python benchmarks/audit_null.py --docs` from benchmarks/results/audit_null.csv -->"]
    for part, columns, head, words in (
        ("null", CHECKS, "data", "False alarms in percent, {} harmless data sets a line"),
        ("mutants", tuple(nulls.MUTANTS), "data", "The same tests as often coded, in percent of {} harmless data sets"),
        ("wrong", CHECKS[:3], "what is wrong", "Alarms where something is wrong, percent of {} data sets, pool of 800"),
        (
            "shares",
            ("distance",),
            "data",
            "Distance of the estimated class shares from the true ones, points, mean of {}",
        ),
    ):
        if by[part]:  # what was not measured yet is left out
            lines += ["", f"{words.format(repeats[part])}:", "", *table(by[part], columns, head)]
    PAGE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--labels", nargs="+", type=int, default=[])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the data sets to draw")
    parser.add_argument("--seconds", action="store_true")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    print(machine())
    if options.docs:
        page()
    elif options.seconds:
        seconds()
    else:
        for part in options.parts:
            run(part, options.scale, options.labels)


if __name__ == "__main__":
    main()
