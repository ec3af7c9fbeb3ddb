"""Correct and smooth: against dense inverses, and where the answer is known."""

import numpy as np
import pytest
import reference_nodes as reference
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

import fewlabels as fl
from fewlabels.classical.correct_and_smooth import corrected, half_normalized, smoothed
from fewlabels.errors import OptionError

N, K, HOW = 25, 3, {"tol": 1e-12, "max_iter": 1000}


def problem(seed):
    rng = np.random.default_rng(seed)
    a = np.triu(rng.random((N, N)) < 0.15, 1) * rng.uniform(0.2, 2, (N, N))
    a[:, -1] = 0  # no edges
    z = rng.dirichlet(np.ones(K), N)
    labeled = np.arange(0, 9)
    return a + a.T, z, labeled, np.eye(K)[rng.integers(0, K, 9)]


@pytest.mark.parametrize("alphas", [(0.8, 0.8), (0.5, 0.95), (0.0, 0.3), (0.9, 0.0)])
def test_equations(alphas):
    for seed in range(3):
        a, z, labeled, y = problem(seed)
        spread = half_normalized(csr_array(a))
        step = corrected(z, labeled, y, spread, alphas[0], **HOW)
        step[labeled] = y
        found = smoothed(spread, step, alphas[1], **HOW).x
        np.testing.assert_allclose(found, reference.correct_and_smooth(z, labeled, y, a, *alphas), atol=1e-7)


def test_nothing_from_neighbors_leaves_the_base():
    a, _, _, _ = problem(0)
    X = np.random.default_rng(0).normal(size=(N, 2))
    y = np.where(np.arange(N) < 9, np.arange(N) % K, -1)
    model = fl.CorrectAndSmooth(
        affinity=csr_array(a), alpha_correct=0.0, alpha_smooth=0.0, estimator=LogisticRegression()
    )
    found = model.fit(X, y).label_distributions_
    base = LogisticRegression().fit(X[:9], y[:9]).predict_proba(X)
    np.testing.assert_allclose(found[9:], base[9:], atol=1e-7)
    np.testing.assert_array_equal(found[:9], np.eye(K)[y[:9]])


def test_rows_that_no_label_reaches_keep_the_base():
    X = np.random.default_rng(0).normal(size=(N, 2))
    y = np.where(np.arange(N) < 9, np.arange(N) % K, -1)
    model = fl.CorrectAndSmooth(affinity=csr_array((N, N)), estimator=LogisticRegression()).fit(X, y)
    base = LogisticRegression().fit(X[:9], y[:9]).predict_proba(X)
    np.testing.assert_allclose(model.label_distributions_[9:], base[9:], atol=1e-7)
    assert not model.unreached_.any()


@pytest.mark.parametrize(
    "option", [{"alpha_correct": 0.2}, {"alpha_smooth": 0.2}, {"estimator": LogisticRegression(C=1e-3)}]
)
def test_every_option_changes_something(option):
    a, _, _, _ = problem(0)
    X, y = np.random.default_rng(0).normal(size=(N, 2)), np.where(np.arange(N) < 9, np.arange(N) % K, -1)
    answers = [fl.CorrectAndSmooth(affinity=csr_array(a), **o).fit(X, y).label_distributions_ for o in ({}, option)]
    assert not np.allclose(*answers)


@pytest.mark.parametrize(
    ("option", "message"),
    [({"alpha_correct": 1.0}, "alpha_correct=1.0"), ({"alpha_smooth": -0.1}, "alpha_smooth=-0.1"),
     ({"estimator": object()}, "no predict_proba")],
)  # fmt: skip
def test_bad_options(option, message):
    with pytest.raises(OptionError, match=message):
        fl.CorrectAndSmooth(**option).fit(np.eye(4), [0, 1, -1, -1])
