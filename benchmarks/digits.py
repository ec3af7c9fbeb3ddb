"""Digits, 40 labels: FixMatch against the same network on the labels alone, held-out third, five seeds.

Run: python benchmarks/digits.py      (about five minutes on two cores)
"""

import argparse
import time

import numpy as np
from common import add_row, machine, rows_of

import fewlabels as fl


def one_run(method, seed):
    data = fl.datasets.load_digits(n_labels=40, random_state=seed)
    start = time.perf_counter()
    model = fl.DeepClassifier(method, random_state=seed).fit(data.X, data.y)
    return {
        "method": method,
        "seed": seed,
        "accuracy": round(model.score(data.X_test, data.y_test), 4),
        "seconds": round(time.perf_counter() - start, 1),
        "steps": model.run_.facts["steps"],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=["supervised", "fixmatch"])
    options = parser.parse_args()
    print(machine())
    name = "digits.csv"
    done = {(row["method"], int(row["seed"])) for row in rows_of(name)}
    for seed in options.seeds:
        for method in options.methods:
            if (method, seed) not in done:
                add_row(name, one_run(method, seed))
    for method in options.methods:
        scores = np.array([float(row["accuracy"]) for row in rows_of(name) if row["method"] == method])
        print(f"{method}: mean {scores.mean():.4f}, sd {scores.std(ddof=1):.4f}, n {len(scores)}: {scores.tolist()}")


if __name__ == "__main__":
    main()
