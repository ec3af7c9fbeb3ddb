"""A million nodes and ten million edges: fit of `GraphClassifier("sgc")`, seconds and peak memory of the process.

A stochastic block model: 10 classes, each edge within a class with chance 0.6, 64 features that alone say little, 100
labels of each class. Everything in the process counts: making the data, checking the graph, training, all answers.
Run: python benchmarks/million_nodes.py [--architecture sgc] [--nodes 1000000]   (rows go to results/million_nodes.csv)
"""

import argparse
import resource
import time

import numpy as np
from common import add_row, machine

import fewlabels as fl

CLASSES, FEATURES, LABELS = 10, 64, 1000


def block_model(n, n_edges, seed=0):
    """Features (n, 64) float32, edges (2, E) without repeats or loops, and classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, n)
    members = np.argsort(truth, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(truth, minlength=CLASSES))])
    drawn = int(n_edges * 1.01)  # some are repeats or loops
    a = rng.integers(0, n, drawn)
    own = truth[a]
    same = members[start[own] + (rng.random(drawn) * (start[own + 1] - start[own])).astype(np.int64)]
    b = np.where(rng.random(drawn) < 0.6, same, rng.integers(0, n, drawn))
    key = np.unique(np.minimum(a, b) * n + np.maximum(a, b))
    key = key[key // n != key % n]
    key = rng.choice(key, n_edges, replace=False)
    x = rng.standard_normal((n, FEATURES), dtype=np.float32)
    x[:, :CLASSES] += 0.5 * np.eye(CLASSES, dtype=np.float32)[truth]
    return x, np.stack([key // n, key % n]), truth


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--architecture", default="sgc")
    parser.add_argument("--method", default="supervised")
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    print(machine())
    n = options.nodes
    x, edges, truth = block_model(n, 10 * n)
    y = np.full(n, -1)
    labeled = np.random.default_rng(1).choice(n, LABELS, replace=False)
    y[labeled] = truth[labeled]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.perf_counter()
    model = fl.GraphClassifier(
        options.architecture, options.method, steps=options.steps, random_state=0, verbose=False
    ).fit(x, y, edges)
    seconds = time.perf_counter() - began
    rest = y < 0
    row = {
        "architecture": options.architecture,
        "method": options.method,
        "nodes": n,
        "edges": edges.shape[1],
        "steps": model.facts_["steps"],
        "seconds": round(seconds),
        "training_seconds": round(model.facts_["seconds"], 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "peak_gb_before_fit": round(before, 2),
        "accuracy": round(float((model.transduction_ == truth)[rest].mean()), 4),
        "threads": model.facts_["threads"],
    }
    add_row("million_nodes.csv", row)


if __name__ == "__main__":
    main()
