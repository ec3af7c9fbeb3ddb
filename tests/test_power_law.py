"""Extrapolation of an error's curve: right where curves are known, silent where they do not bear it."""

import numpy as np
import pytest
from scipy.optimize import curve_fit
from simulated import SHARE, SIZES, coverage, law, repeats

from fewlabels.budget.power_law import doubt, draw_means, fit


@pytest.mark.parametrize("curve", [(0.05, 1.0, 0.5), (0.1, 3.0, 1.0), (0.0, 0.8, 0.35)])
def test_a_curve_without_noise_is_found_and_carried_on(curve):
    found = fit(SIZES, law(SIZES, *curve)[None])
    assert found.at(640)[0] == pytest.approx(law(640, *curve), abs=2e-3)
    slow, _ = curve_fit(law, SIZES, law(SIZES, *curve), p0=(0.1, 1, 0.5), bounds=((-1, 0, 0.05), (1, 9, 2)))
    assert found.at(640)[0] == pytest.approx(law(640, *slow), abs=2e-3)


def test_the_fit_is_the_least_squares_of_a_slow_search():
    errors = repeats(np.random.default_rng(1), (0.05, 1.0, 0.5))
    found = fit(SIZES, errors)
    for row, a, b, c in zip(errors, found.a, found.b, found.c, strict=True):
        own = np.sum((row - law(SIZES, a, b, c)) ** 2)
        for power in np.linspace(0.05, 2, 15):
            x = np.stack([np.ones(len(SIZES)), SIZES**-power], 1)
            best, *_ = np.linalg.lstsq(x, row, rcond=None)
            if best[1] >= 0:
                assert own <= np.sum((row - x @ best) ** 2) * 1.02 + 1e-9
        assert b >= 0


def test_an_error_is_never_below_zero_and_never_rises():
    errors = np.array([[0.5, 0.3, 0.1, 0.01, 0.0], [0.1, 0.2, 0.3, 0.4, 0.5]])
    found = fit(SIZES, errors)
    assert (found.at(640) >= 0).all()
    assert (found.at(640) <= found.at(320)).all()


def test_drawn_means_have_the_widened_covariance_of_the_repeats():
    scores = np.random.default_rng(0).normal(0.3, [0.01, 0.05], (40, 2))  # many, so that t is nearly normal
    drawn = draw_means(scores, 0.4, np.random.default_rng(1), 200_000)
    assert drawn.mean(0) == pytest.approx(scores.mean(0), abs=1e-3)
    expected = (1 / 40 + 0.4) * np.cov(scores.T) * 39 / 37  # variance of a t with 39 degrees of freedom
    assert np.cov(drawn.T) == pytest.approx(expected, rel=0.05, abs=2e-6)


@pytest.mark.parametrize("curve", [(0.05, 1.0, 0.5), (0.02, 0.6, 0.3), (0.0, 0.8, 0.35), (0.1, 2.0, 0.7)])
def test_intervals_cover_the_known_curve(curve):
    """1,000 known curves, five repeats each; 95 % asked, 92 to 98.5 % allowed for a fit that is not linear."""
    spoken, covered, gains = coverage(np.random.default_rng(3), curve, 1000)
    assert spoken > 0.8
    assert 0.92 <= covered <= 0.985
    assert 0.92 <= gains <= 0.985


def test_where_the_curve_does_not_bear_it_nothing_is_said():
    rng, ratio = np.random.default_rng(0), SHARE / (1 - SHARE)
    falling = repeats(rng, (0.05, 1.0, 0.5), sd=0.005)
    assert doubt(SIZES, falling, ratio) == ""
    assert "too few" in doubt(SIZES[:3], falling[:, :3], ratio)
    assert "less than 4 times" in doubt(np.array([20.0, 22, 24, 26, 28]), falling, ratio)
    flat = 0.3 + 0.02 * rng.normal(size=(5, 5))
    assert "did not lower" in doubt(SIZES, flat, ratio)
    assert "did not lower" in doubt(SIZES, falling[:, ::-1], ratio)
    step = np.array([0.6, 0.6, 0.6, 0.6, 0.1]) + 0.002 * rng.normal(size=(5, 5))
    assert "no inverse power law" in doubt(SIZES, step, ratio)


def test_a_flat_curve_is_seldom_taken_for_a_falling_one():
    rng, ratio = np.random.default_rng(5), SHARE / (1 - SHARE)
    spoken = sum(not doubt(SIZES, repeats(rng, (0.3, 0.0, 1.0)), ratio) for _ in range(1000))
    assert spoken <= 45  # one side of a 95 % interval
