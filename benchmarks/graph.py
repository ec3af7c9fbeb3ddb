"""Graph methods against scikit-learn's, and on a million rows.

Run: python benchmarks/graph.py digits     (20 draws of labels of 1,797 rows)
     python benchmarks/graph.py fashion    (60,000 x 784, 250 labels; scikit-learn takes minutes)
     python benchmarks/graph.py million    (1,000,000 x 64; needs faiss-cpu)
     python benchmarks/graph.py defaults   (on what n_neighbors, alpha and the weights were chosen)
"""

import argparse
import resource
import statistics
import time
import warnings

import numpy as np
from common import add_row, machine
from scipy.sparse import csr_array
from sklearn import datasets, semi_supervised

import fewlabels as fl
from fewlabels.classical.label_propagation import LabelPropagation, LabelSpreading
from fewlabels.classical.poisson import PoissonLearning
from fewlabels.graph.neighbors import nearest, prepare
from fewlabels.graph.ranking import Neighbors
from fewlabels.graph.weights import edges


def draw(truth, n_labels, seed):
    """`truth` with -1 for all but `n_labels` rows of each class."""
    rng = np.random.default_rng(seed)
    y = np.full(len(truth), -1)
    for c in np.unique(truth):
        y[rng.choice(np.flatnonzero(truth == c), n_labels, replace=False)] = c
    return y


def run(model, x, y, truth):
    """Accuracy on the unlabeled rows, and wall and processor seconds of fit."""
    wall, processor = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return float((model.transduction_ == truth)[y < 0].mean()), wall, processor


def digits():
    x, truth = datasets.load_digits(return_X_y=True)
    models = {
        "LabelSpreading": LabelSpreading(),
        "scikit-learn LabelSpreading(knn)": semi_supervised.LabelSpreading(kernel="knn"),
        "LabelPropagation": LabelPropagation(),
        "scikit-learn LabelPropagation(knn)": semi_supervised.LabelPropagation(kernel="knn"),
        "PoissonLearning": PoissonLearning(),
        "labels only": LabelSpreading(random_state=0).baseline(),
    }
    for n_labels in (1, 5):
        found = {name: [] for name in models}
        for seed in range(20):
            y = draw(truth, n_labels, seed)
            for name, model in models.items():
                found[name].append(run(model, x, y, truth))
        for name, rows in found.items():
            accuracy, wall, _ = zip(*rows, strict=True)
            print(
                f"digits, {n_labels} a class: {name}: accuracy {np.mean(accuracy):.4f} "
                f"(sd {np.std(accuracy, ddof=1):.4f}, n 20), median {statistics.median(wall) * 1000:.0f} ms"
            )


def fashion(rounds):
    data = fl.datasets.load_fashion_mnist(n_labels=250, random_state=0)
    truth = full_labels()
    x = data.X.reshape(len(data.X), -1) / 255.0
    models = {
        "LabelSpreading": LabelSpreading(n_neighbors=10),
        "sklearn LabelSpreading": semi_supervised.LabelSpreading(kernel="knn", n_neighbors=10),
        "LabelPropagation": LabelPropagation(n_neighbors=10),
        "sklearn LabelPropagation": semi_supervised.LabelPropagation(kernel="knn", n_neighbors=10),
    }
    for number in range(rounds):
        for name, model in models.items():
            accuracy, wall, processor = run(model, x, data.y, truth)
            row = {"model": name, "round": number, "accuracy": round(accuracy, 4)}
            add_row("graph_fashion.csv", row | {"seconds": round(wall, 1), "cpu_seconds": round(processor, 1)})


def full_labels():
    """The labels of Fashion-MNIST's 60,000 training rows, to measure accuracy with."""
    return fl.datasets.load_fashion_mnist(n_labels=60_000).y


def million():
    """Ten Gaussian classes in 64 columns whose variances fall as 1/j, as those of embeddings do."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 1_000_000)
    x = rng.normal(size=(1_000_000, 64)) + 0.55 * rng.normal(size=(10, 64))[truth]
    x /= np.sqrt(np.arange(1, 65))
    y = draw(truth, 50, 0)
    model = LabelSpreading(random_state=0)
    accuracy, wall, processor = run(model, x, y, truth)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"LabelSpreading: accuracy {accuracy:.4f}, {wall:.0f} s, {processor:.0f} CPU s, {model.n_iter_} iterations, "
        f"peak {gigabytes:.1f} GB, {model.graph_facts_}",
        flush=True,
    )
    base, wall, _ = run(model.baseline(), x, y, truth)
    print(f"labels only: accuracy {base:.4f}, {wall:.0f} s")


def defaults():
    fashion_x = fl.datasets.load_fashion_mnist().X[:5000].reshape(5000, -1) / 255.0
    digits_and_labels = datasets.load_digits(return_X_y=True)
    for name, (x, truth) in (("digits", digits_and_labels), ("fashion", (fashion_x, full_labels()[:5000]))):
        for metric in ("euclidean", "cosine"):
            found = nearest(prepare(x, metric), 15)
            for k in (5, 7, 10, 15):
                near = Neighbors(found.index[:, :k], found.distance[:, :k], 1.0, "exact")
                for kind, weights in (("calder", edges), ("zelnik-manor", mutual_scales), ("equal", equal)):
                    print(name, metric, k, kind, mean_accuracies(weights(near), truth), flush=True)


def mean_accuracies(graph, truth):
    models = {
        "LP": LabelPropagation(affinity=graph, tol=1e-6),
        "LS": LabelSpreading(affinity=graph, tol=1e-6),
        "LS alpha=.9": LabelSpreading(affinity=graph, alpha=0.9, tol=1e-6),
        "Poisson": PoissonLearning(affinity=graph, tol=1e-6),
    }
    x = np.zeros((len(truth), 1))
    return {
        f"{name}, {n}": round(np.mean([run(m, x, draw(truth, n, s), truth)[0] for s in range(1000, 1012)]), 3)
        for n in (1, 5, 25)
        for name, m in models.items()
    }


def mutual_scales(near):
    scale = near.distance[:, -1]
    return union(near, np.exp(-(near.distance**2) / np.maximum(scale[:, None] * scale[near.index], 1e-300)))


def equal(near):
    return union(near, np.ones(near.index.shape))


def union(near, weights):
    n, k = near.index.shape
    graph = csr_array((weights.ravel(), near.index.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    graph.sort_indices()
    return csr_array(graph.maximum(graph.T))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["digits", "fashion", "million", "defaults"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    if options.part == "fashion":
        fashion(options.rounds)
    else:
        {"digits": digits, "million": million, "defaults": defaults}[options.part]()


if __name__ == "__main__":
    main()
