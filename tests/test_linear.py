"""S3VM and logistic regression with an entropy term."""

import pickle
import warnings

import numpy as np
import pytest
import reference_linear as reference
from scipy.sparse import csr_array, issparse, random_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from fewlabels.classical.entropy_logistic import EntropyLogisticRegression
from fewlabels.classical.entropy_objective import Objective
from fewlabels.classical.kernel_features import fit_nystroem
from fewlabels.classical.linear import Columns, column_scale
from fewlabels.classical.s3vm import S3VM
from fewlabels.classical.s3vm_problem import Problem
from fewlabels.data import memory
from fewlabels.errors import InputError, OptionError, ResourceError

KINDS = [S3VM(), S3VM(kernel="rbf", random_state=0), EntropyLogisticRegression()]
# what most of these small data sets provoke; one test reads it
pytestmark = pytest.mark.filterwarnings("ignore:S3VM. the unlabeled rows pull")
EXPECTED = {"check_classifiers_classes": "-1 marks an unlabeled row"}


@parametrize_with_checks(KINDS, expected_failed_checks=lambda _: EXPECTED)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(params=KINDS, ids=lambda e: f"{type(e).__name__}-{getattr(e, 'kernel', '')}")
def estimator(request):
    return clone(request.param)


def blobs(k=3, n=40, labels=5, seed=0, width=4):
    """K Gaussian classes of n rows, `labels` rows of each labeled: X, y with -1, truth."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(k), n)
    X = rng.normal(size=(k, width))[truth] * 2 + rng.normal(size=(k * n, width))
    y = np.full(k * n, -1)
    for c in range(k):
        y[rng.choice(np.flatnonzero(truth == c), labels, replace=False)] = c
    return X, y, truth


def small_problem(sparse):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(9, 3)) * (rng.random((9, 3)) < 0.7)
    x = csr_array(X) if sparse else X
    center, scale = rng.normal(size=3), rng.uniform(0.5, 2, 3)
    labeled, unlabeled = np.array([0, 2, 5, 8]), np.array([1, 3, 4, 6, 7])
    return X, (X - center) * scale, Columns(x, center, scale), Columns(x[labeled], center, scale), labeled, unlabeled


@pytest.mark.parametrize("sparse", [False, True])
def test_s3vm_objectives_and_gradients(sparse):
    X, scaled, rows, given, labeled, unlabeled = small_problem(sparse)
    rng = np.random.default_rng(2)
    signs = np.where(rng.random((4, 2)) < 0.5, 1.0, -1.0)
    problem = Problem(given, rows, signs, labeled, unlabeled, C=1.7)
    W, b = rng.normal(size=(3, 2)), rng.normal(size=2)
    both = np.concatenate([W.ravel(), b])

    value, slope = problem.supervised(both)
    slow = sum(reference.svm_objective(scaled[labeled], signs[:, k], W[:, k], b[k], 1.7) for k in range(2))
    assert value * 1.7 * 4 == pytest.approx(slow)
    assert problem.labeled_objective(W, b)[0] == pytest.approx(slow)
    np.testing.assert_allclose(slope, reference.gradient(lambda p: problem.supervised(p)[0], both), atol=1e-7)

    value, slope = problem.transductive(W.ravel(), b, 0.8)
    slow = sum(
        reference.s3vm_objective(scaled[labeled], signs[:, k], scaled[unlabeled], W[:, k], b[k], 1.7, 0.8)
        for k in range(2)
    )
    assert value * 1.7 * 4 == pytest.approx(slow)
    slope_slow = reference.gradient(lambda p: problem.transductive(p, b, 0.8)[0], W.ravel())
    np.testing.assert_allclose(slope, slope_slow, atol=1e-7)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("k", [2, 3])
def test_entropy_objective_and_gradient(sparse, k):
    X, scaled, rows, given, labeled, unlabeled = small_problem(sparse)
    rng = np.random.default_rng(3)
    y = np.array([0, 1, k - 1, 0])
    problem = Objective(given, rows, y, unlabeled, k, C=1.7)
    W, b = rng.normal(size=(3, k if k > 2 else 1)), rng.normal(size=k if k > 2 else 1)
    packed = np.concatenate([W.ravel(), b])
    assert problem.n_parameters == len(packed)
    for lambda_u in (0.0, 0.8):
        value, slope = problem(packed, lambda_u)
        slow = reference.entropy_objective(scaled[labeled], y, scaled[unlabeled], W, b, 1.7, lambda_u)
        assert value * 1.7 * 4 == pytest.approx(slow)
        np.testing.assert_allclose(slope, reference.gradient(lambda p: problem(p, lambda_u)[0], packed), atol=1e-7)  # noqa: B023


@pytest.mark.parametrize("k", [2, 3])
def test_without_unlabeled_weight_it_is_linear_svc(k):
    X, y, _ = blobs(k)
    model = S3VM(C=0.5, lambda_u=0, standardize=False, tol=1e-9, max_iter=1000).fit(X, y)
    given = y >= 0
    # LinearSVC penalizes its bias, the less the larger intercept_scaling is
    svc = LinearSVC(C=0.5, dual=False, intercept_scaling=1e3, tol=1e-10, max_iter=100_000).fit(X[given], y[given])
    np.testing.assert_allclose(model.decision_function(X), svc.decision_function(X), atol=1e-4)
    assert model.labeled_objective_ == pytest.approx(model.baseline_objective_)


@pytest.mark.parametrize("k", [2, 3])
def test_without_unlabeled_weight_it_is_logistic_regression(k):
    X, y, _ = blobs(k)
    model = EntropyLogisticRegression(C=0.5, lambda_u=0, standardize=False, tol=1e-9, max_iter=1000).fit(X, y)
    given = y >= 0
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(X[given], y[given])
    np.testing.assert_allclose(model.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(model.coef_, theirs.coef_, atol=1e-5)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_balance_constraint_holds_exactly(k, kernel):
    X, y, _ = blobs(k)
    prior = np.array([0.7, 0.3]) if k == 2 else np.array([0.4, 0.3, 0.2, 0.1])
    model = S3VM(class_prior=prior, kernel=kernel).fit(X, y)
    scores = model.decision_function(X[y < 0]).reshape((y < 0).sum(), -1)
    np.testing.assert_allclose(scores.mean(0), (2 * prior - 1)[-scores.shape[1] :], atol=1e-12)
    by_labels = S3VM().fit(X, y)
    np.testing.assert_allclose(by_labels.class_prior_, np.full(k, 1 / k))


@pytest.mark.parametrize("kind", [S3VM, EntropyLogisticRegression])
def test_sparse_and_dense_rows_give_the_same(kind):
    x = random_array((60, 12), density=0.3, rng=np.random.default_rng(0), format="csr")
    y = np.full(60, -1)
    y[:12] = np.arange(12) % 3
    options = {"standardize": False, "tol": 1e-7, "max_iter": 2000}
    sparse, dense = kind(**options).fit(x, y), kind(**options).fit(x.toarray(), y)
    np.testing.assert_allclose(sparse.decision_function(x), dense.decision_function(x.toarray()), atol=1e-4)
    kept = S3VM(kernel="rbf", **options).fit(x, y)
    assert issparse(kept.landmarks_)
    full = S3VM(kernel="rbf", **options).fit(x.toarray(), y)
    np.testing.assert_allclose(kept.decision_function(x), full.decision_function(x.toarray()), atol=1e-3)


@pytest.mark.filterwarnings("ignore:S3VM. 3 iterations")
def test_sparse_rows_stay_sparse_and_columns_are_not_copied():
    # 10^5 columns: a dense copy of 2,000 rows would be 1.6 GB
    x = random_array((2000, 100_000), density=1e-4, rng=np.random.default_rng(0), format="csr")
    y = np.full(2000, -1)
    y[:20] = np.arange(20) % 2
    import tracemalloc

    tracemalloc.start()
    S3VM(n_steps=2, max_iter=3).fit(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_column_scale():
    rng = np.random.default_rng(0)
    X = rng.normal(5, [1, 10, 100], size=(9000, 3))
    X[:, 1] = 7.1
    scale = column_scale(X, True)
    np.testing.assert_allclose((X * scale).var(0), [1 / 3, 0, 1 / 3])
    np.testing.assert_array_equal(column_scale(X, False), 1)
    np.testing.assert_array_equal(column_scale(csr_array(X), True), 1)


def test_nystroem_is_the_exact_kernel_when_every_row_is_a_landmark():
    X = np.random.default_rng(0).normal(size=(30, 3))
    scale = np.array([0.5, 1.0, 2.0])
    features = fit_nystroem(X, scale, 0.3, 100, np.random.default_rng(0))
    z = features(X)
    np.testing.assert_allclose(z @ z.T, rbf_kernel(X * scale, gamma=0.3), atol=1e-6)
    fewer = fit_nystroem(X, scale, "scale", 10, np.random.default_rng(0))
    assert fewer(X).shape == (30, 10)
    assert fewer.gamma == pytest.approx(1 / fewer.landmarks.var(0).sum())


def stripes(seed=0):
    """Two long Gaussians side by side; the labels lie so that the SVM of the labels alone cuts across both."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], 200)
    X = np.column_stack([rng.normal(size=400) * 1.5, rng.normal(size=400) * 0.3 + np.where(truth == 1, 1.5, -1.5)])
    y = np.full(400, -1)
    X[0], X[200] = [-1.5, -1.5], [1.5, 1.5]
    y[[0, 200]] = 0, 1
    return X, y, truth


def test_unlabeled_rows_mend_a_boundary_that_the_labels_get_wrong():
    X, y, truth = stripes()
    model = S3VM(standardize=False)
    alone = model.baseline().fit(X, y)
    model.fit(X, y)
    assert np.mean(alone.transduction_ == truth) < 0.9
    assert np.mean(model.transduction_ == truth) == 1
    # the entropy term has no balance constraint, but mends this one too
    entropy = EntropyLogisticRegression(lambda_u=0.5, standardize=False)
    assert np.mean(entropy.baseline().fit(X, y).transduction_ == truth) < 0.9
    assert np.mean(entropy.fit(X, y).transduction_ == truth) > 0.97


def test_kernel_learns_rings():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 150)
    angle, radius = rng.uniform(0, 2 * np.pi, 300), np.where(truth == 1, 3.0, 1.0) + rng.normal(0, 0.1, 300)
    X = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    y = np.full(300, -1)
    for c in (0, 1):
        y[np.flatnonzero(truth == c)[:4]] = c
    assert np.mean(S3VM(kernel="rbf").fit(X, y).transduction_ == truth) == 1
    assert np.mean(S3VM(kernel="linear").fit(X, y).transduction_ == truth) < 0.8


def test_says_so_when_labeled_rows_end_on_the_wrong_side():
    X, y, _ = blobs(2)
    with pytest.warns(UserWarning, match=r"it gets 90.0% .* the labels alone 100.0% \(objective"):
        model = S3VM().fit(X, y)
    assert (model.labeled_accuracy_, model.baseline_labeled_accuracy_) == (0.9, 1.0)
    assert model.labeled_objective_ > model.baseline_objective_
    X, y, _ = stripes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        S3VM().fit(X, y)


def test_says_so_when_one_class_swallows_the_others():
    X, y, _ = blobs(3, n=60, labels=1)
    with pytest.warns(UserWarning, match=r"classes lost nearly all of their unlabeled rows .* Lower lambda_u"):
        EntropyLogisticRegression(C=0.01, lambda_u=20).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EntropyLogisticRegression().fit(X, y)


def test_history_follows_the_annealing(estimator):
    X, y, _ = blobs()
    model = estimator.set_params(n_steps=4, lambda_u=0.8).fit(X, y)
    assert [entry["lambda_u"] for entry in model.history_] == [0.1, 0.2, 0.4, 0.8]
    assert [entry["step"] for entry in model.history_] == [1, 2, 3, 4]
    assert model.history_[-1]["loss_u"] < model.history_[0]["loss_u"]
    assert model.n_iter_ == sum(entry["iterations"] for entry in model.history_)
    alone = model.baseline().fit(X, y)
    assert [entry["lambda_u"] for entry in alone.history_] == [0]


OPTIONS = {
    "C": 1.0, "lambda_u": 5.0, "standardize": False, "n_steps": 2, "max_iter": 2, "tol": 0.1,
    "class_prior": [0.2, 0.2, 0.6], "kernel": "rbf",
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", [S3VM, EntropyLogisticRegression])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_option_matters(kind, name):
    X, y, _ = blobs(width=3)
    X[:, 0] *= 5
    if name not in kind().get_params():
        pytest.skip("not an option of this one")
    usual, other = kind().fit(X, y), kind(**{name: OPTIONS[name]}).fit(X, y)
    assert not np.array_equal(usual.decision_function(X), other.decision_function(X))


def test_every_kernel_option_matters():
    X, y, _ = blobs()
    usual = S3VM(kernel="rbf", n_components=20, random_state=0).fit(X, y).decision_function(X)
    for change in ({"gamma": 0.1}, {"n_components": 30}, {"random_state": 1}):
        options = {"kernel": "rbf", "n_components": 20, "random_state": 0} | change
        assert not np.array_equal(usual, S3VM(**options).fit(X, y).decision_function(X))


def test_more_unlabeled_weight_keeps_the_boundary_farther_from_unlabeled_rows():
    X, y, _ = blobs()
    losses = [S3VM(lambda_u=v).fit(X, y).history_[-1]["loss_u"] for v in (0.01, 0.1, 1.0)]
    assert losses[0] > losses[1] > losses[2]
    entropies = [EntropyLogisticRegression(lambda_u=v).fit(X, y).history_[-1]["loss_u"] for v in (0.01, 0.1, 1.0)]
    assert entropies[0] > entropies[1] > entropies[2]


def test_unlabeled_rows_matter_unless_their_weight_is_zero():
    X, y, _ = blobs()
    moved = X.copy()
    moved[y < 0] += np.random.default_rng(0).normal(size=moved[y < 0].shape)
    for kind in (S3VM, EntropyLogisticRegression):
        for lambda_u, same in ((0.5, False), (0.0, True)):
            a, b = (kind(lambda_u=lambda_u, standardize=False, tol=1e-8).fit(each, y) for each in (X, moved))
            assert np.allclose(a.coef_, b.coef_, atol=1e-5) == same


def test_permuting_rows_permutes_results(estimator):
    X, y, _ = blobs()
    order = np.random.default_rng(0).permutation(len(X))
    a = estimator.set_params(tol=1e-7, max_iter=2000).fit(X, y).predict_proba(X)
    b = clone(estimator).fit(X[order], y[order]).predict_proba(X[order])
    np.testing.assert_allclose(a[order], b, atol=1e-4)


def test_same_bits_again_pickle_clone_and_global_state(estimator):
    X, y, _ = blobs()
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    model = estimator.fit(X, y)
    assert np.array_equal(before, np.random.get_state()[1])
    proba = model.predict_proba(X)
    again = clone(model).fit(X, y)
    for other in (again, pickle.loads(pickle.dumps(model)), model.fit(X, y)):
        assert np.array_equal(proba, other.predict_proba(X))


def test_a_failed_refit_leaves_the_model_whole(estimator):
    X, y, _ = blobs()
    proba = estimator.fit(X, y).predict_proba(X)
    with pytest.raises(InputError):
        estimator.fit(np.full((4, 9), np.nan), [0, 1, 0, -1])
    with pytest.raises(OptionError):
        estimator.set_params(C=-1).fit(X[:, :2], y)
    assert np.array_equal(proba, estimator.predict_proba(X))


@pytest.mark.parametrize(
    "case", ["constant", "one label a class", "duplicates", "all labeled", "one column", "huge", "one unlabeled"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_degenerate_data_gives_no_nan(estimator, case):
    X, y, truth = blobs()
    if case == "constant":
        X[:, 0] = 3.3
    if case == "one label a class":
        X, y, truth = blobs(labels=1)
    if case == "duplicates":
        X = np.repeat(X[::10], 10, axis=0)
    if case == "all labeled":
        y = truth
    if case == "one column":
        X = X[:, :1]
    if case == "huge":
        X = X * 1e30
    if case == "one unlabeled":
        y = np.where(np.arange(len(y)) == 7, -1, truth)
    model = estimator.fit(X, y)
    proba = model.predict_proba(np.vstack([X, X * 1.5 + 1]))
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(1), 1)
    assert np.array_equal(model.transduction_[y >= 0], y[y >= 0])


def test_strings_and_decision_function(estimator):
    X, y, _ = blobs(2)
    names = np.array(["yes", "no", None], dtype=object)[y]
    model = estimator.fit(X, names)
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(model.predict(X), np.where(model.decision_function(X) > 0, "yes", "no"))
    X, y, _ = blobs(3)
    model = estimator.fit(X, y)
    assert model.decision_function(X).shape == (120, 3)
    np.testing.assert_array_equal(model.predict(X), model.decision_function(X).argmax(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"C": 0}, "C=0; expected a number above 0"),
        ({"C": "1"}, "C='1'; expected a number above 0"),
        ({"lambda_u": -1}, "lambda_u=-1; expected a number of at least 0"),
        ({"lambda_u": float("nan")}, "lambda_u=nan; expected a number"),
        ({"tol": 0}, "tol=0; expected a number above 0"),
        ({"n_steps": 0}, "n_steps=0; expected a whole number of at least 1"),
        ({"max_iter": 1.5}, "max_iter=1.5; expected a whole number"),
        ({"kernel": "poly"}, "kernel='poly'; expected 'linear' or 'rbf'"),
        ({"gamma": "auto"}, "gamma='auto'; expected a number above 0"),
        ({"n_components": 0}, "n_components=0"),
        ({"class_prior": [0.5, 0.6, 0.1]}, r"class_prior=.*3 shares .* sum to 1, for the classes \[0, 1, 2\]"),
        ({"class_prior": [0.5, 0.5]}, "expected 3 shares"),
        ({"class_prior": "even"}, "class_prior='even'"),
        ({"kernel": "rbf", "random_state": -1}, "random_state=-1"),
    ],
)
def test_bad_options(options, message):
    X, y, _ = blobs()
    for kind in (S3VM, EntropyLogisticRegression):
        if set(options) <= set(kind().get_params()):
            with pytest.raises(OptionError, match=message):
                kind(**options).fit(X, y)


def test_memory_is_said_before_it_is_taken(monkeypatch):
    X, y, _ = blobs()
    monkeypatch.setattr(memory, "memory_to_spare", lambda: 1000)
    with pytest.raises(ResourceError, match=r"kernel of 120 landmarks would take .* GB; .* Lower n_components"):
        S3VM(kernel="rbf").fit(X, y)
    with pytest.raises(ResourceError, match="scores of 120 rows for 3 classes"):
        S3VM().fit(X, y)
    with pytest.raises(ResourceError, match="scores of 120 rows for 3 classes"):
        EntropyLogisticRegression().fit(X, y)


def test_too_few_iterations_are_said(estimator):
    X, y, _ = blobs()
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        estimator.set_params(max_iter=1, tol=1e-12).fit(X, y)
