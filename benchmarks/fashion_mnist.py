"""Fashion-MNIST, 250 labels of 60,000: FixMatch against the same network on the labels alone, official test set.

Five seeds, each with labels of its own; all models take the same steps, each run in a process of its own (peak_MB is
that process's). "fixmatch_aligned" is FixMatch with alignment to equal class shares, `FixMatch(align=ToPrior())`. Goes
on where it stopped; rows go to results/fashion_mnist.csv. Needs the data (see fewlabels.datasets.load_fashion_mnist).
`minutes` are only as good as the machine was quiet; cpu_minutes tell more.
Run: python benchmarks/fashion_mnist.py      (about an hour on two cores)

--validate evaluates on 5,000 rows held out of the training set instead: how the settings were chosen.
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np
from common import add_row, machine, rows_of

import fewlabels as fl

METHODS = {
    "supervised": "supervised",
    "fixmatch": "fixmatch",
    "fixmatch_aligned": fl.methods.FixMatch(align=fl.parts.ToPrior()),
    "flexmatch": "flexmatch",
    "freematch": "freematch",
}
# For every model; chosen on rows held out of the training set, see the docs' concepts page. Mirroring is allowed:
# a mirrored shirt is a shirt.
SETTINGS = {
    "network": "convnet-32",
    "steps": 3500,
    "unlabeled_ratio": 4,
    "lr": 0.1,
    "augment": fl.augment.Images(shift=0.07, flip=True),
}


def validation(data, seed):
    """The same task with 5,000 training rows in place of the test set."""
    full = fl.datasets.load_fashion_mnist(n_labels=60_000)
    order = np.random.default_rng(seed).permutation(60_000)
    held, rest = order[:5000], order[5000:]
    return data.X[rest], data.y[rest], data.X[held], full.y[held]


def one_run(method, seed, settings, validate):
    data = fl.datasets.load_fashion_mnist(n_labels=250, random_state=seed)
    X, y, X_eval, y_eval = validation(data, seed) if validate else (data.X, data.y, data.X_test, data.y_test)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    model = fl.DeepClassifier(METHODS[method], random_state=seed, **settings).fit(X, y)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "method": method,
        "seed": seed,
        "accuracy": round(model.score(X_eval, y_eval), 4),
        "minutes": round((time.perf_counter() - start) / 60, 2),
        "cpu_minutes": round((after.ru_utime - before.ru_utime) / 60, 2),
        "peak_MB": after.ru_maxrss // 1024,
        "steps": settings["steps"],
        "precision": model.run_.facts["precision"],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--steps", type=int, default=SETTINGS["steps"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=["supervised", "fixmatch_aligned"], choices=METHODS)
    options = parser.parse_args()
    settings = SETTINGS | {"steps": options.steps}
    print(machine())
    name = "fashion_mnist_validation.csv" if options.validate else "fashion_mnist.csv"
    done = {(row["method"], int(row["seed"]), int(row["steps"])) for row in rows_of(name)}
    for seed in options.seeds:
        for method in options.methods:
            if (method, seed, options.steps) not in done:
                with multiprocessing.get_context("spawn").Pool(1) as process:
                    add_row(name, process.apply(one_run, (method, seed, settings, options.validate)))
    for method in options.methods:
        rows = [r for r in rows_of(name) if r["method"] == method and int(r["steps"]) == options.steps]
        scores = np.array([float(row["accuracy"]) for row in rows])
        if len(scores) > 1:
            print(
                f"{method}: mean {scores.mean():.4f}, sd {scores.std(ddof=1):.4f}, n {len(scores)}: {scores.tolist()}"
            )


if __name__ == "__main__":
    main()
