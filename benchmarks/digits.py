"""Digits, 40 labels: FixMatch against the same network on the labels alone, held-out third, five seeds.

Run: python benchmarks/digits.py      (about five minutes on two cores)
--validate evaluates on 300 rows held out of the training rows instead: how the defaults were chosen.
"""

import argparse
import time

import numpy as np
from common import add_row, machine, rows_of
from sklearn.datasets import load_digits

import fewlabels as fl


def one_run(method, seed, validate):
    data = fl.datasets.load_digits(n_labels=40, random_state=seed)
    X, y, X_eval, y_eval = data.X, data.y, data.X_test, data.y_test
    if validate:
        truth = load_digits()
        levels = np.rint(truth.images * 255 / 16).astype(np.uint8)
        label_of = {image.tobytes(): label for image, label in zip(levels, truth.target, strict=True)}
        held = np.random.default_rng(seed).permutation(np.flatnonzero(y == -1))[:300]
        rest = np.setdiff1d(np.arange(len(X)), held)
        X_eval, y_eval = X[held], np.array([label_of[image.tobytes()] for image in X[held]])
        X, y = X[rest], y[rest]
    start = time.perf_counter()
    model = fl.DeepClassifier(method, random_state=seed).fit(X, y)
    return {
        "method": method,
        "seed": seed,
        "accuracy": round(model.score(X_eval, y_eval), 4),
        "seconds": round(time.perf_counter() - start, 1),
        "steps": model.run_.facts["steps"],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=["supervised", "fixmatch"])
    options = parser.parse_args()
    print(machine())
    name = "digits_validation.csv" if options.validate else "digits.csv"
    done = {(row["method"], int(row["seed"])) for row in rows_of(name)}
    for seed in options.seeds:
        for method in options.methods:
            if (method, seed) not in done:
                add_row(name, one_run(method, seed, options.validate))
    for method in options.methods:
        scores = np.array([float(row["accuracy"]) for row in rows_of(name) if row["method"] == method])
        print(f"{method}: mean {scores.mean():.4f}, sd {scores.std(ddof=1):.4f}, n {len(scores)}: {scores.tolist()}")


if __name__ == "__main__":
    main()
