"""Calibration: Spiegelhalter's Z, reliability by bins, the temperature."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom, norm

import fewlabels as fl
from fewlabels.calibration import cooled, reliability, spiegelhalter, surely, temperature
from fewlabels.errors import InputError


def slow_z(p, right):
    top, below = 0.0, 0.0
    for one, r in zip(p, right, strict=True):
        top += (float(r) - one) * (1 - 2 * one)
        below += (1 - 2 * one) ** 2 * one * (1 - one)
    return top / below**0.5


def test_z_equals_the_slow_derivation():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.3, 1, 50)
    right = rng.random(50) < p
    found = spiegelhalter(p, right)
    assert found.z == pytest.approx(slow_z(p, right))
    assert (found.n, found.confidence, found.accuracy) == (50, pytest.approx(p.mean()), right.mean())


def test_z_is_the_brier_score_against_what_it_should_be():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1, 40)
    right = rng.random(40) < p
    brier, expected = np.sum((right - p) ** 2), np.sum(p * (1 - p))
    assert spiegelhalter(p, right).z == pytest.approx(
        (brier - expected) / np.sqrt(np.sum((1 - 2 * p) ** 2 * p * (1 - p)))
    )


def test_p_is_that_of_the_normal_distribution_for_many_doubtful_rows():
    rng = np.random.default_rng(2)
    p = rng.uniform(0.4, 0.95, 3000)
    for shift in (0.0, 0.02, 0.04):
        found = spiegelhalter(p, rng.random(3000) < p - shift)
        assert found.p == pytest.approx(2 * norm.sf(abs(found.z)), abs=0.04)


@pytest.mark.parametrize("low", [0.3, 0.9, 0.99])
def test_of_right_probabilities_one_in_twenty_is_called_wrong(low):
    alarms = 0
    for seed in range(1000):
        rng = np.random.default_rng([3, seed])
        p = rng.uniform(low, 1, 60)
        alarms += spiegelhalter(p, rng.random(60) < p, seed).p <= 0.05
    # 1,000 draws at 5 %: the 99.9 % band is 30 to 73. Few possible outcomes (0.3 mistakes expected) make it rarer
    assert (30 if low < 0.99 else 5) <= alarms <= 73


def test_the_normal_distribution_would_alarm_too_often_where_mistakes_are_rare():
    p = np.full(200, 0.9995)
    right = np.arange(200) > 0  # a single mistake, which one run in ten has
    found = spiegelhalter(p, right)
    assert 2 * norm.sf(abs(found.z)) < 0.01 < 0.05 < found.p
    assert found.p == pytest.approx(binom.sf(0, 200, 0.0005), abs=0.03)


def test_limits_of_z():
    ones = np.ones(30)
    assert (spiegelhalter(ones, ones).z, spiegelhalter(ones, ones).p) == (0.0, 1.0)
    wrong = spiegelhalter(ones, 1 - ones)
    assert (wrong.z, wrong.p) == (np.inf, 1 / 2000)  # it was certain and never right
    assert spiegelhalter(0.5 * ones, ones).p == 1.0  # of coins Z knows nothing
    sure = np.linspace(0.6, 0.99, 400)
    assert spiegelhalter(sure, np.random.default_rng(0).random(400) < 0.6).z > 3
    assert spiegelhalter(sure, np.ones(400)).z < -3


def test_bins_hold_every_row_and_know_their_interval():
    rng = np.random.default_rng(4)
    p = rng.uniform(0.2, 1, 205)
    right = rng.random(205) < p
    bins = reliability(p, right)
    assert [b.n for b in bins] == [21] * 5 + [20] * 5
    order = np.argsort(p)
    assert bins[0].confidence == pytest.approx(p[order[:21]].mean())
    assert bins[0].right == pytest.approx(right[order[:21]].mean())
    assert all(b.low <= b.right <= b.high for b in bins)
    assert np.dot([b.n for b in bins], [b.right for b in bins]) == pytest.approx(right.sum())
    assert len(reliability(p[:15], right[:15])) == 1
    assert len(reliability(p[:59], right[:59])) == 2
    assert reliability(p, right, level=0.5)[3].low > bins[3].low


def test_what_is_surely_right():
    assert surely(29, 29) == pytest.approx(0.9, abs=0.002)  # the 29 of evaluation textbooks: 0.05 ** (1 / 29)
    assert surely(0, 10) == 0.0
    assert binom.sf(7, 10, surely(8, 10)) == pytest.approx(0.05)


def test_the_temperature_of_right_probabilities_is_one_and_undoes_what_was_done():
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (20_000, 4))
    p = softmax(logits, 1)
    y = (p.cumsum(1) > rng.random((len(p), 1))).argmax(1)
    assert temperature(p, y) == pytest.approx(1, abs=0.03)
    assert temperature(softmax(3 * logits, 1), y) == pytest.approx(3, rel=0.03)
    assert temperature(softmax(logits / 2, 1), y) == pytest.approx(0.5, rel=0.03)


def test_the_temperature_minimizes_the_loss_on_a_grid():
    rng = np.random.default_rng(6)
    p = softmax(rng.normal(0, 3, (60, 3)), 1)
    y = rng.integers(0, 3, 60)
    grid = np.exp(np.linspace(-3, 4, 2001))
    losses = [-np.log(softmax(np.log(p) / t, 1)[np.arange(60), y]).mean() for t in grid]
    assert temperature(p, y) == pytest.approx(grid[int(np.argmin(losses))], rel=0.01)


def test_cooling_keeps_the_order_and_survives_zeros():
    p = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    assert cooled(p, 1.0) is p
    warm = cooled(p, 2.0)
    np.testing.assert_allclose(warm.sum(1), 1)
    np.testing.assert_allclose(warm[0], np.sqrt(p[0]) / np.sqrt(p[0]).sum())
    np.testing.assert_array_equal(warm.argmax(1), p.argmax(1))
    assert np.isfinite(warm).all()
    assert np.isfinite(temperature(p, [0, 1]))


@pytest.mark.parametrize(
    ("p", "y", "words"),
    [
        ([0.5, 0.5], [0, 1], "expected"),
        ([[0.5, 0.5]], [0, 1], "expected"),
        (np.empty((0, 2)), np.empty(0, int), "at least 1"),
        ([[0.5, 0.5]], [2], "0 to 1"),
        ([[0.5, 0.5]], [0.0], "whole numbers"),
        ([[3.0, -1.0]], [0], "softmax"),
        ([[np.nan, 1.0]], [0], "softmax"),
    ],
)
def test_what_is_refused(p, y, words):
    with pytest.raises(InputError, match=words):
        temperature(p, y)


@pytest.fixture(scope="module")
def cancer():
    data = fl.datasets.load_breast_cancer(random_state=0)
    words = np.array(["benign", "malign"], dtype=object)
    y = np.where(data.y < 0, None, words[data.y])
    return data.X, y, data.X_test, words[data.y_test]


def fitted(cancer, **options):
    return fl.DeepClassifier(steps=20, verbose=False, random_state=0, **options).fit(*cancer[:2])


def test_a_classifier_carries_its_temperature(cancer, tmp_path):
    X, y, X_test, y_test = cancer
    model = fitted(cancer)
    before, said = model.predict_proba(X_test), model.predict(X_test)
    assert model.temperature_ == 1.0
    assert model.calibrate(X_test[:90], y_test[:90]) is model
    codes = np.searchsorted(model.classes_, y_test[:90].astype(str))
    assert model.temperature_ == temperature(before[:90], codes) != 1.0
    np.testing.assert_array_equal(model.predict_proba(X_test), cooled(before, model.temperature_))
    np.testing.assert_array_equal(model.predict(X_test), said)
    again = fl.load(model.save(tmp_path / "model"))
    assert again.temperature_ == model.temperature_
    np.testing.assert_array_equal(again.predict_proba(X_test), model.predict_proba(X_test))
    assert model.fit(X, y).temperature_ == 1.0


def test_calibrate_says_what_is_wrong(cancer):
    X, _, X_test, y_test = cancer
    model = fitted(cancer)
    with pytest.raises(InputError, match="'other'"):
        model.calibrate(X_test[:2], ["benign", "other"])
    with pytest.raises(InputError, match="each of the 3 rows; y has 2"):
        model.calibrate(X_test[:3], ["benign", "malign", None])
    matrix = np.zeros((len(X), 2))
    matrix[20:] = np.nan
    matrix[:10] = 1
    several = fl.DeepClassifier(steps=2, verbose=False, random_state=0).fit(X, matrix)
    with pytest.raises(InputError, match="one class a row"):
        several.calibrate(X[:5], matrix[:5])
