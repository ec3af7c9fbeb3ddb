"""CIFAR-10, 250 labels of 50,000: accuracy against steps, one seed, official test rows, one thread.

Each number of steps is a training of its own, because the learning rate falls over all of them. The images are JPEG
copies (quality 75), close to but not the published ones. All models take the same network, batches and augmentation;
each training is a process of its own. Goes on where it stopped; rows go to results/cifar10.csv.
Run: python benchmarks/cifar10.py CIFAR10_JPEG.npz      (about an hour of one core a method)
     python benchmarks/cifar10.py --docs                (writes docs/results_cifar10.md)
"""

import argparse
import io
import multiprocessing
import resource
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from common import add_row, machine, rows_of
from PIL import Image

import fewlabels as fl

RESULTS = "cifar10.csv"
PAGE = Path(__file__).parents[1] / "docs" / "results_cifar10.md"
STEPS = (400, 1200, 3600)
SETTINGS = {
    "network": "convnet-32",
    "unlabeled_ratio": 4,
    "lr": 0.1,
    "augment": fl.augment.Images(flip=True),
    "verbose": False,
}


def load(path, seed):
    """X, y with marks (25 a class), X_test, y_test."""
    with np.load(path) as file:
        data, starts, codes, test = file["jpeg"], file["offset"], file["y"].astype(np.int64), file["is_test"]
    images = np.stack([np.asarray(Image.open(io.BytesIO(data[a:b].tobytes()))) for a, b in pairwise(starts)])
    y, rng = codes[~test], np.random.default_rng(seed)
    kept = np.concatenate([rng.choice(np.flatnonzero(y == c), 25, replace=False) for c in range(10)])
    marked = np.full(len(y), -1)
    marked[kept] = y[kept]
    return images[~test], marked, images[test], codes[test]


def one_run(path, method, steps, seed):
    torch.set_num_threads(1)
    X, y, X_test, y_test = load(path, seed)
    before = resource.getrusage(resource.RUSAGE_SELF)
    model = fl.DeepClassifier(method, steps=steps, random_state=seed, **SETTINGS).fit(X, y)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "method": method,
        "seed": seed,
        "steps": steps,
        "accuracy": round(model.score(X_test, y_test), 4),
        "cpu_minutes": round((after.ru_utime - before.ru_utime) / 60, 1),
        "peak_MB": after.ru_maxrss // 1024,
        "precision": model.run_.facts["precision"],
    }


def page():
    rows = rows_of(RESULTS)
    steps, names = sorted({int(r["steps"]) for r in rows}), dict.fromkeys(r["method"] for r in rows)
    cells = {(r["method"], int(r["steps"])): f"{100 * float(r['accuracy']):.1f} ({r['cpu_minutes']})" for r in rows}
    lines = [
        "<!-- made by `python benchmarks/cifar10.py --docs` from benchmarks/results/cifar10.csv -->",
        "",
        "| Method | " + " | ".join(f"{s:,} steps" for s in steps) + " |",
        "|---|" + "---|" * len(steps),
        *("| `" + n + "` | " + " | ".join(cells.get((n, s), "–") for s in steps) + " |" for n in names),
    ]
    PAGE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?")
    parser.add_argument("--methods", nargs="+", default=["supervised", "fixmatch", "flexmatch"])
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS)
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if options.docs:
        page()
        return
    if options.data is None:
        parser.error("name the file of images, for example cifar10_jpeg.npz")
    print(machine())
    done = {(row["method"], int(row["steps"])) for row in rows_of(RESULTS)}
    for steps in options.steps:
        for method in options.methods:
            if (method, steps) not in done:
                with multiprocessing.get_context("spawn").Pool(1) as process:
                    add_row(RESULTS, process.apply(one_run, (options.data, method, steps, 0)))


if __name__ == "__main__":
    main()
