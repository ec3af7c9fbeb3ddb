"""Slow: each method beats the same network on the labels alone, on real data, by a paired interval."""

import numpy as np
import pytest

import fewlabels as fl
from fewlabels.verdict import judge_classes, judge_numbers

pytestmark = pytest.mark.slow
SEEDS = range(3)


def pooled(method):
    """Right or wrong on the held-out digits, baseline and candidate, three choices of 40 labels together."""
    right = {"supervised": [], method: []}
    for seed in SEEDS:
        data = fl.datasets.load_digits(random_state=seed)
        for name, rows in right.items():
            model = fl.DeepClassifier(name, random_state=seed, verbose=False).fit(data.X, data.y)
            rows.append(model.predict(data.X_test) == data.y_test)
    return (np.concatenate(rows) for rows in right.values())


@pytest.mark.parametrize("method", sorted(set(fl.methods.NAMES) - {"supervised"}))
def test_digits_with_four_labels_a_class(method):
    result = judge_classes(*pooled(method))
    assert result.verdict == "HELPS", result.sentence


def test_mean_teacher_on_diabetes():
    error = {"supervised": [], "mean_teacher": []}
    for seed in SEEDS:
        data = fl.datasets.load_diabetes(random_state=seed)
        for name, rows in error.items():
            model = fl.DeepRegressor(name, random_state=seed, verbose=False).fit(data.X, data.y)
            rows.append(model.predict(data.X_test) - data.y_test)
    result = judge_numbers(*(np.concatenate(rows) for rows in error.values()))
    assert result.verdict == "HELPS", result.sentence
