"""Short trainings in which all goes well, and ones with a classic mistake: for the tests and benchmarks/monitors.py.

A run is a function of a seed, which draws the data, the labels and the training. The thresholds of the monitors were
chosen on seeds below 110, so the tests use others.
"""

from functools import lru_cache

import numpy as np
from sklearn import datasets

import fewlabels as fl


@lru_cache
def digits():
    """1,197 training images of 8 x 8 and their classes; the other 600 judge."""
    source = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(source.target))
    images, classes = np.round(source.images * (255 / 16)).astype(np.uint8)[order], source.target[order]
    return images[:1197], classes[:1197], images[1197:], classes[1197:]


def some_of_each(classes, counts, rng):
    return np.concatenate([rng.permutation(np.flatnonzero(classes == c))[:n] for c, n in enumerate(counts)])


def marked(classes, labeled):
    y = np.full(len(classes), -1)
    y[labeled] = classes[labeled]
    return y


def fit(X, y, seed, **options):
    return fl.DeepClassifier(**{"random_state": seed, "verbose": False, "network": "mlp"} | options).fit(X, y)


def digits_run(seed, labels=100, **options):
    X, classes, X_test, y_test = digits()
    y = marked(classes, some_of_each(classes, [labels // 10] * 10, np.random.default_rng(seed)))
    model = fit(X, y, seed, **{"steps": 300} | options)
    return model, model.score(X_test, y_test)


def cancer_run(seed, **options):
    data = fl.datasets.load_breast_cancer(random_state=seed)
    model = fit(data.X, data.y, seed, **options)
    return model, model.score(data.X_test, data.y_test)


def blobs_run(seed, **options):
    X, classes = datasets.make_blobs(1400, 8, centers=4, cluster_std=2.0, center_box=(-4, 4), random_state=seed)
    labeled = some_of_each(classes[:1000], [8] * 4, np.random.default_rng(seed))
    model = fit(X[:1000], marked(classes[:1000], labeled), seed, **{"steps": 300} | options)
    return model, model.score(X[1000:], classes[1000:])


def images_run(seed):
    return digits_run(seed, 40, network="convnet-8", batch_size=32, steps=500)


def imbalanced_labels(seed):
    """31 labels of one class and one of every other; the pool is balanced."""
    X, classes, X_test, y_test = digits()
    y = marked(classes, some_of_each(classes, [31] + [1] * 9, np.random.default_rng(seed)))
    model = fit(X, y, seed, steps=300)
    return model, model.score(X_test, y_test)


def shifted_pool(seed):
    """Unlabeled images are shifted by three of their eight columns."""
    X, classes, X_test, y_test = digits()
    labeled = some_of_each(classes, [4] * 10, np.random.default_rng(seed))
    moved = np.roll(X, 3, axis=2)
    moved[labeled] = X[labeled]
    model = fit(moved, marked(classes, labeled), seed, steps=300, network="convnet-8", batch_size=32)
    return model, model.score(X_test, y_test)


def open_set_pool(seed):
    """Four of five unlabeled images are of five classes that no label knows."""
    X, classes, X_test, y_test = digits()
    labeled = some_of_each(classes, [5] * 5, np.random.default_rng(seed))
    known = np.setdiff1d(np.flatnonzero(classes < 5), labeled)[:150]
    rows = np.concatenate([labeled, known, np.flatnonzero(classes >= 5)])
    model = fit(X[rows], marked(classes, labeled)[rows], seed, steps=300)
    return model, model.score(X_test[y_test < 5], y_test[y_test < 5])


def tau_too_high(seed):
    return digits_run(seed, 40, method=fl.methods.FixMatch(weight=fl.parts.Fixed(tau=0.9999)))


def too_few_steps(seed):
    """Ten passes over the labels and a few over the pool."""
    return digits_run(seed, 100, steps=16)


def lr_too_high(seed):
    return digits_run(seed, lr=0.8, steps=100)


def every_guess_counts(seed):
    """No threshold, and a large weight of the unlabeled term from the first step."""
    return digits_run(seed, 40, method=fl.methods.FixMatch(lambda_u=20, weight=fl.parts.Fixed(tau=0.0)))


HEALTHY = {"digits": digits_run, "cancer": cancer_run, "blobs": blobs_run, "images": images_run}

# what is wrong, and the monitors that must speak
SICK = {
    "imbalanced labels": (imbalanced_labels, {"collapse"}),
    "shifted pool": (shifted_pool, {"collapse", "disagreement", "mask_empty"}),
    "open-set pool": (open_set_pool, set()),  # see test_an_open_set_pool_is_seen_before_training
    "tau too high": (tau_too_high, {"mask_empty"}),
    "too few steps": (too_few_steps, {"length"}),
    "lr too high": (lr_too_high, {"disagreement"}),
    "every guess counts": (every_guess_counts, {"collapse", "mask_full"}),
}


def speaking(model):
    return {finding.check for finding in model.findings_ if finding.level == "look"}
