"""What fl.label_budget shows where all labels are known, and whether its intervals hold; docs/results_budget.md.

Curves: digits (1,160 labels of 1,197 rows) with label_spreading, breast_cancer (270 of 379) with gaussian_mixture, each
with 5 repeats and the default sizes. Coverage: 1,000 simulated data sets a line (tests/simulated.py); equally good
nearest-centroid rules for repeats and budgets, known inverse power laws for twice the labels. Suggestions: for each
data set of results/classical.csv, what the method that the other data sets would put first gained on it.

Run: OMP_NUM_THREADS=1 python benchmarks/budget.py        (about two minutes; writes docs/results_budget.md)
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from common import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from simulated import centroids, coverage, equal_learners

import fewlabels as fl
from fewlabels.advice.measured import measured
from fewlabels.audits.finding import holm
from fewlabels.budget.words import head, table_rows
from fewlabels.intervals import nadeau_bengio

PAGE = Path(__file__).parents[1] / "docs" / "results_budget.md"
DRAWS = 1000
CURVES = ((0.05, 1.0, 0.5), (0.02, 0.6, 0.3), (0.0, 0.8, 0.35), (0.1, 2.0, 0.7))


def table(title, columns, rows):
    lines = [title, "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows), ""]


def percent(share):
    return f"{100 * share:.1f}"


def budgets():
    jobs = (
        ("digits", fl.datasets.load_digits(n_labels=1160, random_state=0), "label_spreading"),
        ("breast_cancer", fl.datasets.load_breast_cancer(n_labels=270, random_state=0), "gaussian_mixture"),
    )
    for name, data, method in jobs:
        found = fl.label_budget(data.X, data.y, method=method, random_state=0)
        yield from table(f"`{name}`, {found.n_held_out} labels held out:", head(found), table_rows(found))
        yield from (found.sentence, "")


def alarms_of_repeats():
    rows = []
    for n in (40, 100, 400):
        for splits in (5, 20):
            rng = np.random.default_rng(n)
            draws = [equal_learners(rng, n, splits, 0.3) for _ in range(DRAWS)]
            rates = [np.mean([nadeau_bengio(d, ratio)[2] <= 0.05 for d in draws]) for ratio in (0.3 / 0.7, 0.0)]
            rows.append((n, splits, *map(percent, rates)))
    return table(
        "False alarms of `repeats` without a test set, in percent; 5 are asked, 3.0 to 7.3 is the 99.9 % band:",
        ("labels", "pairs", "Nadeau-Bengio", "uncorrected t test"),
        rows,
    )


def misses_of_sizes():
    rng, sizes = np.random.default_rng(0), (8, 16, 32, 70)
    every = np.stack([centroids(rng, sizes) for _ in range(DRAWS)])
    true, rows = every.mean((0, 1, 3)), []
    for place, size in enumerate(sizes):
        scores = [nadeau_bengio(one[:, place, 0], 30 / 70)[:2] for one in every]
        gains = [nadeau_bengio(one[:, place, 1] - one[:, place, 0], 30 / 70)[2] for one in every]
        missed = np.mean([not low <= true[place] <= high for low, high in scores])
        rows.append((size, percent(missed), percent(np.mean(np.array(gains) <= 0.05))))
    chance = [holm([nadeau_bengio(g, 30 / 70)[2] for g in (one[..., 1] - one[..., 0]).T]) for one in every]
    rows.append(("any size, after Holm", "", percent(np.mean([p.min() <= 0.05 for p in chance]))))
    title = "Intervals of a budget of 100 labels (30 held out, 5 repeats) that miss the truth, in percent; 5 are asked:"
    return table(title, ("labels", "of the score", "of the gain"), rows)


def coverage_of_more():
    rows = []
    for curve in CURVES:
        said = coverage(np.random.default_rng(3), curve, DRAWS)
        rows.append(("{:g} + {:g} n^-{:g}".format(*curve), *map(percent, said)))
    title = "Twice the labels, sizes 20 to 320, 5 repeats: how often something is said and covers, percent (95 asked):"
    return table(title, ("true error", "said", "error covered", "gain covered"), rows)


def first_suggestions():
    lines = [line for line in measured() if line.source == "classical.csv"]
    methods = sorted({line.method for line in lines})
    rows = []
    for name, kind in dict.fromkeys((line.data, line.kind) for line in lines):
        others = [line for line in lines if line.data != name]
        same = [line for line in others if line.kind == kind] or others
        gains = {method: [line.gain for line in same if line.method == method] for method in methods}
        first = max(methods, key=lambda method: (sum(gains[method]) / (len(gains[method]) + 1), method))
        own = {line.method: line.gain for line in lines if line.data == name}
        told = [own[first], np.mean(list(own.values())), max(own.values())]
        rows.append((name, f"`{first}`", *(f"{100 * gain:+.1f}".replace("-", "−") for gain in told)))
    title = "What the first suggestion of the table, without rules, gained on data it had not seen (points):"
    return table(title, ("data", "first suggestion", "its gain", "mean of all methods", "best method"), rows)


def main():
    print(machine())
    warnings.simplefilter("ignore", UserWarning)
    parts = (budgets, alarms_of_repeats, misses_of_sizes, coverage_of_more, first_suggestions)
    text = ["<!-- made by `python benchmarks/budget.py` -->", ""]
    for part in parts:
        text += part()
    PAGE.write_text("\n".join(text).rstrip() + "\n")
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
