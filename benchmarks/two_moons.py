"""The picture in the docs: what each classical classifier makes of two moons with three labels each.

Run: python benchmarks/two_moons.py      (writes docs/_static/two_moons.png)
"""

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import is_regressor
from sklearn.datasets import make_moons

from fewlabels.classical.registry import NAMES

# An RBF kernel bends the boundary; everything else runs with its defaults.
OPTIONS = {"s3vm": {"kernel": "rbf"}}
COLOURS = ("#b45309", "#1d5fb4")


def moons():
    X, truth = make_moons(400, noise=0.08, random_state=4)
    rng, y = np.random.default_rng(4), np.full(400, -1)
    for c in (0, 1):
        chosen = rng.choice(np.flatnonzero(truth == c), 3, replace=False)
        y[chosen] = c
    return X, y, truth


def draw(axis, name, X, y, truth):
    model = NAMES[name](**OPTIONS.get(name, {}))
    known = model.get_params(deep=False)
    model.set_params(**{k: v for k, v in {"random_state": 0, "verbose": False}.items() if k in known})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    side = np.linspace(-1.6, 2.6, 160), np.linspace(-1.1, 1.6, 120)
    grid = np.stack(np.meshgrid(*side), axis=-1).reshape(-1, 2)
    share = model.predict_proba(grid)[:, 1].reshape(120, 160)
    axis.contourf(*side, share, levels=np.linspace(0, 1, 11), cmap="PuOr", alpha=0.5)
    axis.contour(*side, share, levels=[0.5], colors="#1f2937", linewidths=1)
    axis.scatter(*X[y == -1].T, s=4, c="#9ca3af", linewidths=0)
    for c, marker in ((0, "o"), (1, "D")):
        axis.scatter(*X[y == c].T, s=46, c=COLOURS[c], marker=marker, edgecolors="white", linewidths=1)
    right = np.mean(model.predict(X[y == -1]) == truth[y == -1])
    axis.set_title(f"{name}  {100 * right:.0f} %", fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])


def main():
    X, y, truth = moons()
    names = [name for name in NAMES if not is_regressor(NAMES[name]())]
    columns = 4
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 2.3 * rows), layout="constrained")
    for axis, name in zip(axes.flat, names, strict=False):
        draw(axis, name, X, y, truth)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    figure.savefig(Path(__file__).parents[1] / "docs" / "_static" / "two_moons.png", dpi=110)


if __name__ == "__main__":
    main()
