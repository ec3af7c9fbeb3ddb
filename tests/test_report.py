"""The report: self-contained, safe with hostile names, complete, and the same twice."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from fewlabels.comparison import Comparison
from fewlabels.errors import SaveError
from fewlabels.report import write
from fewlabels.report.blocks import Section, Text, clean, number
from fewlabels.report.images import LARGEST, data_uri, thumbnail, value_range
from fewlabels.verdict import Verdict, judge_classes, judge_numbers

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</svg><svg onload=alert(1)>",
    "$\\frac{1}{$",
    "{{ 7*7 }}{% raw %}",
    "a\x00b\x1b[31m\x7f",
    "\u202egnp.exe",
    "שלום عربى",
    "😀👩‍👩‍👧 \ud800",
    "n" * 10_000,
    "]]><!--",
    "#010203 url(#x)",
]


def model(*keys, steps=600, seed=0):
    """Stands in for a fitted estimator: the report reads `history_` and nothing else."""
    rng, history = np.random.default_rng(seed), []
    for step in range(10, steps + 1, 10):
        fall = 2.2 * np.exp(-step / 150) + 0.1
        values = {key: fall * rng.uniform(0.8, 1.2) for key in keys}
        if "mask_used" in keys:
            values["mask_used"] = 0.9 * (1 - np.exp(-step / 250))
        history.append({"step": step, **values})
    return SimpleNamespace(history_=history)


def comparison(task, X, y, baseline, candidate, classes=None, **changes):
    if task == "classes":
        truth = np.asarray(y)
        names = np.asarray(classes)
        right = [names[p.argmax(axis=1)] == truth for p in (baseline, candidate)]
        paired = judge_classes(*right)
    else:
        paired = judge_numbers(baseline - y, candidate - y)
    fields = {
        "task": task,
        "baseline": model("loss", "loss_x"),
        "candidate": model("loss", "loss_x", "loss_u", "mask_used", seed=1),
        "baseline_name": "supervised",
        "candidate_name": "fixmatch",
        "X_eval": X,
        "y_eval": np.asarray(y),
        "baseline_output": baseline,
        "candidate_output": candidate,
        "classes": None if classes is None else np.asarray(classes),
        "held_out": False,
        "paired": paired,
        "data": {
            "kind": "image" if np.ndim(X) > 2 else "table",
            "n_rows": 1198,
            "n_labeled": 40,
            "n_unlabeled": 1158,
            "shape": np.shape(X)[1:],
            "labels_per_class": {} if classes is None else dict.fromkeys(map(str, classes), 4),
        },
        "settings": {"random_state": 0, "steps": 600, "method": {"name": "fixmatch", "weight": {"tau": 0.95}}},
        "environment": {"fewlabels": "0.1.0", "torch": "2.13.0", "device": "cpu", "precision": "float32", "threads": 2},
        "command": "fewlabels compare digits --method fixmatch --seed 0 --set steps=600",
        "seconds": {"baseline": 20.4, "candidate": 41.0},
    }
    return Comparison(**(fields | changes))


def guesses(y, k, accuracy, seed, agree=None, sure=0.9):
    """Probabilities (n, k) of a model that is right with this chance; wrong ones are a neighbouring class."""
    rng = np.random.default_rng(seed)
    right = rng.random(len(y)) < accuracy
    if agree is not None:
        right |= agree
    guess = np.where(right, y, (y + rng.integers(1, 3, len(y))) % k)
    top = rng.uniform(max(1 / k + 0.05, sure - 0.3), 0.999, len(y))
    p = np.tile(((1 - top) / (k - 1))[:, None], (1, k))
    p[np.arange(len(y)), guess] = top
    return p


def digits(n=599, baseline=0.82, candidate=0.6, names=None, **changes):
    bunch = load_digits()
    y = bunch.target[:n]
    one = guesses(y, 10, baseline, 1)
    other = guesses(y, 10, candidate, 2, agree=None if candidate < 0.6 else one.argmax(axis=1) == y)
    names = np.arange(10) if names is None else np.asarray(names, dtype=object)
    return comparison("classes", bunch.images[:n], names[y], one, other, names, **changes)


def table(**changes):
    bunch = load_breast_cancer(as_frame=True)
    y = bunch.target.to_numpy()
    names = np.array(["malignant", "benign"])
    one, other = guesses(y, 2, 0.9, 1), guesses(y, 2, 0.9, 2)
    return comparison("classes", bunch.data, names[y], one, other, names, **changes)


def numbers(gain=0.8, n=442, **changes):
    bunch = load_diabetes(as_frame=True)
    y, rng = bunch.target.to_numpy()[:n], np.random.default_rng(0)
    error = rng.normal(0, 55, len(y))
    return comparison("numbers", bunch.data[:n], y, y + error, y + gain * error + rng.normal(0, 8, len(y)), **changes)


CASES = {
    "helps": digits,
    "hurts": lambda: digits(candidate=0.55),
    "cannot tell": lambda: digits(n=60, candidate=0.61, held_out=True),
    "same": lambda: digits(candidate=0.0, baseline_output=None) if False else table(),
    "numbers": numbers,
}


def hostile():
    names = HOSTILE[:10]
    settings = {name: {name: name} for name in HOSTILE}
    return digits(
        names=names,
        baseline_name=HOSTILE[0],
        candidate_name=HOSTILE[1],
        command="\n".join(HOSTILE),
        settings=settings,
        environment=dict.fromkeys(HOSTILE, float("nan")),
        data={"kind": "image", "path": HOSTILE[1], "labels_per_class": dict.fromkeys(names, 4)},
    )
