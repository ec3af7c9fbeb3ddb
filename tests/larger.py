"""Estimators on data for which libraries use several threads: `python tests/larger.py OUT MODELS` writes, for each,
labels, probabilities (or scores, numbers) of new rows, and a hash of all that was fitted, as one .npz.

MODELS is a folder for the models of images. If there is one it is read, and predicts.
"""

import hashlib
import sys
import warnings
from pathlib import Path

import every
import numpy as np
import torch

import fewlabels as fl
from fewlabels import methods
from fewlabels.classical.registry import NAMES
from fewlabels.graph.neighbors import nearest, prepare
from fewlabels.node_networks import ARCHITECTURES

N, NEW, LABELED = 12_000, 1000, 1200
STILL = {"random_state": 0, "verbose": False}


def table(n=N + NEW, columns=40):
    """Three classes, few of whose rows are close to a border."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, n)
    return rng.normal(size=(n, columns)) + 1.2 * rng.normal(size=(3, columns))[truth], truth


def pictures(n=700):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, n)
    shape = rng.integers(0, 2, (3, 28, 28)) * 90
    return (shape[truth] + rng.integers(0, 120, (n, 28, 28))).astype(np.uint8), truth


def fits():
    """Name -> (the fitted estimator, new rows)."""
    x, truth = table()
    X, new, y = x[:N], x[N:], np.where(np.arange(N) < LABELED, truth[:N], -1)
    numbers = np.where(np.arange(N) < LABELED, X @ np.linspace(-1, 1, X.shape[1]), np.nan)
    pixels, of_pixels = pictures()
    y_pixels = np.where(np.arange(600) < 60, of_pixels[:600], -1)
    found = {}
    for name, kind in NAMES.items():
        options = {k: v for k, v in (STILL | {"steps": 40}).items() if k in kind().get_params(deep=False)}
        target = numbers if name.endswith("regressor") else y
        found[name] = lambda kind=kind, o=options, t=target: (kind(**o).fit(X, t), new)
        found[f"{name} baseline"] = lambda kind=kind, o=options, t=target: (kind(**o).baseline().fit(X, t), new)
    found["s3vm, kernel"] = lambda: (fl.S3VM(kernel="rbf", **STILL).fit(X, y), new)
    for name in ARCHITECTURES:
        found[f"graph {name}"] = lambda name=name: (fl.GraphClassifier(name, steps=10, **STILL).fit(X, y), new)
    found["deep_svdd"] = lambda: (fl.DeepSVDD(network="mlp-512-2", steps=40, pretrain_steps=20, **STILL).fit(X), new)
    anomalies = np.where(y < 0, -1, y == 0).astype(np.int64)
    found["deep_sad"] = lambda: (
        fl.DeepSAD(network="mlp-512-2", steps=40, pretrain_steps=20, **STILL).fit(X, anomalies),
        new,
    )
    for name in methods.NAMES:
        model = fl.DeepClassifier(name, network="mlp-512-2", steps=40, **STILL)
        found[f"deep {name}"] = lambda model=model: (model.fit(X, y), new)
    found["regressor"] = lambda: (fl.DeepRegressor(network="mlp-512-2", steps=40, **STILL).fit(X, numbers), new)
    for name in ("supervised", "fixmatch"):
        model = fl.DeepClassifier(name, steps=12, precision="float32", **STILL)
        found[f"images {name}"] = lambda model=model: (model.fit(pixels[:600], y_pixels), pixels[600:])
    masks = np.where(np.arange(200)[:, None, None] < 20, pixels[:200] > 90, -1)
    model = fl.DeepSegmenter(steps=6, precision="float32", **STILL)
    found["images and masks"] = lambda: (model.fit(pixels[:200], masks), pixels[600:640])
    return found


def graphs():
    """Neighbors as each search finds them; columns of whole numbers have many ties."""
    x, _ = table()
    ties = np.random.default_rng(0).integers(0, 3, (N, 20)).astype(np.float64)
    few = np.random.default_rng(0).normal(size=(N, 5))
    many = np.random.default_rng(0).normal(size=(110_000, 16))
    from scipy.sparse import random_array

    words = random_array((4000, 2000), density=0.02, rng=0, format="csr")
    return {
        "exact": lambda: nearest(x, 10), "ties": lambda: nearest(ties, 10), "tree": lambda: nearest(few, 10),
        "cosine": lambda: nearest(prepare(x, "cosine"), 10), "sparse": lambda: nearest(words, 10),
        "approximate": lambda: nearest(many, 10),
    }  # fmt: skip


def main():
    warnings.simplefilter("ignore")
    out, models, found = Path(sys.argv[1]), Path(sys.argv[2]), {"threads": np.array(torch.get_num_threads())}
    for name, fit in fits().items():
        model, new = fit()
        found |= {f"{name}/{what}": array for what, array in said(model, new).items()}
        parts = {k: v for k, v in every.parts(model).items() if "threads" not in k}
        found[f"{name}/fitted"] = np.array(hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest())
        if name.startswith("images"):
            found[f"{name}/first"] = np.array(model.history_[0]["loss"])
            saved = models / name
            model = fl.load(saved) if saved.exists() else fl.load(model.save(saved))
            found |= {f"{name}, one model/{what}": array for what, array in said(model, new).items()}
    for name, search in graphs().items():
        near = search()
        found[f"nearest {name}/index"], found[f"nearest {name}/distance"] = near.index, near.distance
    np.savez(out, **found)


def said(model, new):
    """What a model says of new rows."""
    ask = next(name for name in ("predict_proba", "decision_function", "predict") if hasattr(model, name))
    outputs = np.asarray(getattr(model, ask)(new), dtype=np.float64)
    return {"outputs": outputs, "labels": np.asarray(model.predict(new))}


if __name__ == "__main__":
    main()
