"""Where targets come from, and in which precision: Joint in float32 (the papers' way) against the default.

Fashion-MNIST, 250 labels, three seeds, same steps; scored on 5,000 rows held out of the training set.
Run: python benchmarks/sources.py [--part 0 --parts 2]      (rows go to results/sources.csv)
"""

import argparse
import time

import numpy as np
from common import add_row, machine, rows_of
from fashion_mnist import validation

import fewlabels as fl
from fewlabels.parts import Joint, Separate, Teacher

VARIANTS = [
    ("Joint float32", Joint(), "float32"),
    ("Separate auto", Separate(), "auto"),
    ("Teacher auto", Teacher(), "auto"),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--part", type=int, default=0, help="which share of the runs this process takes")
    parser.add_argument("--parts", type=int, default=1)
    options = parser.parse_args()
    print(machine())
    done = {(row["variant"], int(row["seed"]), int(row["steps"])) for row in rows_of("sources.csv")}
    jobs = [(seed, variant) for seed in (100, 101, 102) for variant in VARIANTS]
    for seed, (name, source, precision) in jobs[options.part :: options.parts]:
        if (name, seed, options.steps) in done:
            continue
        data = fl.datasets.load_fashion_mnist(n_labels=250, random_state=seed)
        X, y, X_eval, y_eval = validation(data, seed)
        start = time.perf_counter()
        model = fl.DeepClassifier(
            fl.methods.FixMatch(source=source),
            steps=options.steps,
            unlabeled_ratio=4,
            lr=0.1,
            precision=precision,
            random_state=seed,
            verbose=False,
        ).fit(X, y)
        seconds = round(time.perf_counter() - start)
        row = {"variant": name, "seed": seed, "steps": options.steps, "accuracy": round(model.score(X_eval, y_eval), 4)}
        add_row("sources.csv", row | {"seconds": seconds, "precision": model.run_.facts["precision"]})
    rows = [row for row in rows_of("sources.csv") if int(row["steps"]) == options.steps]
    for name, _, _ in VARIANTS:
        scores = [float(row["accuracy"]) for row in rows if row["variant"] == name]
        print(f"{name:<14} mean {np.mean(scores):.4f} of {len(scores)}: {scores}")


if __name__ == "__main__":
    main()
