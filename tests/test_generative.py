"""Gaussian mixtures and naive Bayes by EM: against slow derivations, at their limits, and with bad input."""

import pickle

import numpy as np
import pytest
import reference_generative as slow
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.naive_bayes import BernoulliNB, MultinomialNB
from sklearn.utils.estimator_checks import parametrize_with_checks

from fewlabels.classical.em import EM, posterior
from fewlabels.classical.mixture import GaussianMixtureClassifier, Gaussians, log_gaussians
from fewlabels.classical.naive_bayes import Counts, NaiveBayesClassifier, Presence
from fewlabels.data import memory
from fewlabels.errors import InputError, OptionError, ResourceError

EXPECTED = {"check_classifiers_classes": "-1 marks an unlabeled row"}
COVARIANCES = ["full", "tied", "diag", "spherical"]
DISTRIBUTIONS = ["gaussian", "multinomial", "bernoulli"]
MODELS = [GaussianMixtureClassifier(covariance=c) for c in COVARIANCES]
MODELS += [GaussianMixtureClassifier(n_components=2)]
MODELS += [NaiveBayesClassifier(distribution=d) for d in DISTRIBUTIONS]


@parametrize_with_checks(MODELS, expected_failed_checks=lambda estimator: EXPECTED)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def counts(seed=0, n=60, d=6, labels=4):
    """Two classes of counts with words of their own; the first `labels` rows of each are labeled."""
    rng = np.random.default_rng(seed)
    true = np.arange(n) % 2
    rates = np.where(np.arange(d) < d // 2, 2.0, 0.4)
    X = rng.poisson(np.where(true[:, np.newaxis] == 0, rates, rates[::-1])).astype(float)
    y = np.where(np.arange(n) < 2 * labels, true, -1)
    return X, y, true


def clouds(seed=0, n=60, d=3, labels=4, apart=1.2):
    rng = np.random.default_rng(seed)
    true = np.arange(n) % 2
    X = rng.normal(size=(n, d)) @ (np.eye(d) + 0.4) + apart * true[:, np.newaxis]
    return X, np.where(np.arange(n) < 2 * labels, true, -1), true


def data_for(model):
    return counts() if isinstance(model, NaiveBayesClassifier) else clouds()


def weights(n, c, seed=1):
    return np.random.default_rng(seed).dirichlet(np.ones(c), n) * np.random.default_rng(seed + 1).random((n, 1))


def as_matrices(covariances, kind, n_components, d):
    if kind == "tied":
        return [covariances] * n_components
    if kind == "full":
        return list(covariances)
    return [np.diag(np.broadcast_to(np.atleast_1d(v), d)) for v in covariances]


# ------------------------------------------------------------------ equations


@pytest.mark.parametrize("kind", COVARIANCES)
def test_gaussian_step_density_and_prior_equal_the_slow_derivation(kind):
    X, _, _ = clouds()
    r, w = weights(len(X), 3), np.linspace(0.1, 1, len(X))
    family = Gaussians.around(X, w, covariance=kind, prior_rows=2.5)
    s2 = slow.spread(X, w)
    params = family.estimate(X, r)
    means, matrices = slow.gaussian_step(X, r, kind, 2.5, s2)
    np.testing.assert_allclose(params["means"], means)
    for ours, theirs in zip(as_matrices(params["covariances"], kind, 3, 3), matrices, strict=True):
        np.testing.assert_allclose(ours, theirs)
    ours = log_gaussians(X, params, kind)
    theirs = [[slow.gaussian_log_density(row, means[c], matrices[c]) for c in range(3)] for row in X]
    np.testing.assert_allclose(ours, theirs)
    np.testing.assert_allclose(family.log_prior(params), slow.gaussian_log_prior(matrices, kind, 2.5, s2))


def test_words_equal_the_slow_derivation():
    X, _, _ = counts()
    r = weights(len(X), 2)
    for family, step, density, rows in (
        (Counts(0.3), slow.word_step, slow.word_log_density, X),
        (Presence(0.3), slow.presence_step, slow.presence_log_density, (X > 0) * 1.0),
    ):
        params, theta = family.estimate(rows, r), step(X, r, 0.3)
        np.testing.assert_allclose(np.exp(params["log_p"]), theta)
        theirs = [[density(row, theta[k]) for k in range(2)] for row in X]
        np.testing.assert_allclose(family.log_density(rows, params), theirs)


@pytest.mark.parametrize("lambda_u", [0.2, 1.0])
@pytest.mark.parametrize("kind", ["full", "diag"])
def test_gaussian_em_equals_the_slow_derivation(kind, lambda_u):
    X, y, _ = clouds(n=30)
    s2 = slow.spread(X, np.where(y >= 0, 1.0, lambda_u))
    objectives, proba = slow.em(
        X,
        y,
        lambda_u,
        4,
        lambda r: slow.gaussian_step(X, r, kind, 1.0, s2),
        lambda row, p, k: slow.gaussian_log_density(row, p[0][k], p[1][k]),
        lambda p: slow.gaussian_log_prior(p[1], kind, 1.0, s2),
    )
    model = GaussianMixtureClassifier(covariance=kind, lambda_u=lambda_u, max_iter=4, tol=0, folds=0).fit(X, y)
    np.testing.assert_allclose([h["log_posterior"] for h in model.history_], objectives)
    np.testing.assert_allclose(model.predict_proba(X), proba, atol=1e-10)
    if kind == "diag":
        bayes = NaiveBayesClassifier(lambda_u=lambda_u, max_iter=4, tol=0, folds=0).fit(X, y)
        np.testing.assert_allclose(bayes.predict_proba(X), proba, atol=1e-10)


@pytest.mark.parametrize("distribution", ["multinomial", "bernoulli"])
def test_word_em_equals_the_slow_derivation(distribution):
    X, y, _ = counts(n=30)
    alpha = 0.7
    if distribution == "multinomial":
        step, density = slow.word_step, slow.word_log_density
        prior = lambda theta: alpha * np.log(theta).sum()  # noqa: E731
    else:
        step, density = slow.presence_step, slow.presence_log_density
        prior = lambda theta: alpha * (np.log(theta) + np.log(1 - theta)).sum()  # noqa: E731
    objectives, proba = slow.em(
        X, y, 0.4, 5, lambda r: step(X, r, alpha), lambda row, theta, k: density(row, theta[k]), prior
    )
    options = {"lambda_u": 0.4, "alpha": alpha, "max_iter": 5, "tol": 0, "folds": 0}
    model = NaiveBayesClassifier(distribution=distribution, **options).fit(X, y)
    n = len(model.history_)  # it stops early where a step gains nothing
    assert n >= 4
    np.testing.assert_allclose([h["log_posterior"] for h in model.history_], objectives[:n])
    np.testing.assert_allclose(model.predict_proba(X), proba, atol=1e-8)


@pytest.mark.parametrize("kind", COVARIANCES)
def test_the_m_step_is_the_maximum_of_what_em_climbs(kind):
    """The gradient of sum r log N + log prior is zero at the estimate, by finite differences."""
    X, _, _ = clouds()
    r = weights(len(X), 2)
    family = Gaussians.around(X, np.ones(len(X)), covariance=kind, prior_rows=3.0)
    params = family.estimate(X, r)

    def objective(p):
        return float((r * family.log_density(X, p)).sum()) + family.log_prior(p)

    rng = np.random.default_rng(0)
    for key in params:
        direction = rng.normal(size=params[key].shape)
        if key == "covariances" and kind in ("full", "tied"):
            direction = direction + np.swapaxes(direction, -1, -2)
        h = 1e-4
        up, down = (objective(params | {key: params[key] + s * h * direction}) for s in (1, -1))
        assert abs(up - down) / (2 * h) < 1e-3
        assert max(up, down) < objective(params)


@pytest.mark.parametrize("lambda_u", [0.05, 1.0, 3.0])
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_the_objective_never_falls(model, lambda_u):
    for seed in range(3):
        words = isinstance(model, NaiveBayesClassifier)
        X, y, _ = counts(seed, n=80) if words else clouds(seed, n=80, apart=0.7)
        fitted = clone(model).set_params(lambda_u=lambda_u, tol=0, max_iter=30, folds=0).fit(X, y)
        objective = np.array([h["log_posterior"] for h in fitted.history_])
        assert len(objective) > 3
        assert (np.diff(objective) >= -1e-9 * np.abs(objective[1:])).all()


def test_given_labels_keep_their_components():
    owner = np.array([0, 0, 1, 2, 2])
    log_joint = np.random.default_rng(0).normal(size=(4, 5)) * 500
    r, log_p = posterior(log_joint, np.array([0, 1, 2, -1]), owner)
    np.testing.assert_allclose(r.sum(1), 1)
    assert (r[0, 2:] == 0).all()
    assert r[1].tolist() == [0, 0, 1, 0, 0]
    assert log_p[1] == log_joint[1, 2]
    np.testing.assert_allclose(log_p[3], np.logaddexp.reduce(log_joint[3]))


# ------------------------------------------------------------------ limits


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_no_weight_is_the_labeled_rows_alone(model):
    X, y, _ = data_for(model)
    given = y >= 0
    alone = clone(model).fit(X[given], y[given]).predict_proba(X)
    baseline = model.baseline()
    assert type(baseline) is type(model)
    assert not np.allclose(clone(model).fit(X, y).predict_proba(X), alone, atol=1e-6)
    np.testing.assert_array_equal(baseline.fit(X, y).predict_proba(X), alone)
    np.testing.assert_allclose(clone(model).set_params(lambda_u=1e-9).fit(X, y).predict_proba(X), alone, atol=1e-5)
    shared = X + 100 * (y < 0)[:, np.newaxis]  # other unlabeled rows, the same baseline
    np.testing.assert_array_equal(baseline.fit(shared, y).predict_proba(X), alone)


def test_naive_bayes_on_labels_is_scikit_learns():
    X, _, true = counts()
    for distribution, theirs in (("multinomial", MultinomialNB(alpha=0.5)), ("bernoulli", BernoulliNB(alpha=0.5))):
        ours = NaiveBayesClassifier(distribution=distribution, alpha=0.5).fit(X, true)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.fit(X, true).predict_proba(X))


def test_zero_steps_fit_the_labels_alone():
    X, y, _ = clouds()
    stopped = GaussianMixtureClassifier(max_iter=0).fit(X, y)
    np.testing.assert_allclose(stopped.predict_proba(X), stopped.baseline().fit(X, y).predict_proba(X))
    assert (stopped.n_iter_, stopped.converged_) == (0, False)


def test_two_components_learn_a_class_of_two_clouds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)) * 0.5 + np.array([[-3.0, 0], [0, 0], [3.0, 0]])[np.arange(300) % 3]
    true = (np.arange(300) % 3 == 1).astype(int)
    y = np.where(np.arange(300) < 30, true, -1)
    two = GaussianMixtureClassifier(covariance="spherical", n_components=2).fit(X, y)
    assert (two.predict(X) == true).mean() > 0.98
    assert two.component_class_.tolist() == [0, 0, 1, 1]
    outer = two.means_[two.component_class_ == 0][:, 0]
    np.testing.assert_allclose(np.sort(outer), [-3, 3], atol=0.3)


def test_a_class_with_fewer_rows_gets_fewer_components():
    X = np.array([[0.0], [1.0], [2.0], [9.0]])
    model = GaussianMixtureClassifier(n_components=2).fit(X, [0, 0, 0, 1])
    assert model.component_class_.tolist() == [0, 0, 1]
    assert model.predict(X).tolist() == [0, 0, 0, 1]


# ------------------------------------------------------------------ the gain


def test_the_gain_is_positive_where_the_model_is_right():
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        true = np.arange(400) % 2
        X = rng.normal(size=(400, 4)) + 1.5 * true[:, np.newaxis]
        model = GaussianMixtureClassifier().fit(X, np.where(np.arange(400) < 20, true, -1))
        gains.append((model.likelihood_gain_, model.label_likelihood_gain_))
    joint, label = np.array(gains).T
    assert (joint > 0).all()
    assert label.mean() > 0.2


@pytest.mark.parametrize(("pull", "joint_tells"), [(0.8, True), (0.5, False)])
def test_the_gain_is_negative_where_classes_are_not_clusters(pull, joint_tells):
    """Two clouds far apart along the first column; the class is mostly a matter of the second.

    Where labels differ little between clouds, the rows fit better while their labels fit worse: why there are two.
    """
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        side = np.where(rng.random(600) < 0.5, 1.0, -1.0)
        X = rng.normal(size=(600, 2)) + np.outer(side, [6, 0])
        true = (X[:, 1] + pull * side > 0).astype(int)
        y = np.where(np.arange(600) < 60, true, -1)
        model = GaussianMixtureClassifier(covariance="diag").fit(X, y)
        harm = model.score(X, true) - model.baseline().fit(X, y).score(X, true)
        found.append((model.likelihood_gain_, model.label_likelihood_gain_, harm))
    joint, label, harm = np.array(found).T
    assert (label < 0).all()
    assert (harm < 0).all()
    assert (joint < 0).all() == joint_tells


def test_the_gain_equals_refitting_by_hand():
    X, y, _ = clouds(labels=6)
    model = GaussianMixtureClassifier(folds=3).fit(X, y)
    labeled = np.flatnonzero(y >= 0)
    fold = np.empty(len(labeled), dtype=int)
    fold[np.argsort(y[labeled], kind="stable")] = np.arange(len(labeled)) % 3
    joint, label = [], []
    for f in range(3):
        held, keep = labeled[fold == f], np.setdiff1d(np.arange(len(y)), labeled[fold == f])
        total = {}
        for name, candidate in (("with", clone(model)), ("without", model.baseline())):
            fitted = candidate.fit(X[keep], y[keep])
            for i in held:
                own = [
                    np.log(fitted.component_shares_[k])
                    + slow.gaussian_log_density(X[i], fitted.means_[k], fitted.covariances_[k])
                    for k in range(2)
                ]
                total.setdefault(name, []).append((own[y[i]], own[y[i]] - np.logaddexp(*own)))
        difference = np.array(total["with"]) - np.array(total["without"])
        joint.extend(difference[:, 0])
        label.extend(difference[:, 1])
    np.testing.assert_allclose(model.likelihood_gain_, np.mean(joint))
    np.testing.assert_allclose(model.label_likelihood_gain_, np.mean(label))


def test_the_gain_is_none_where_it_cannot_be_measured():
    X, y, true = clouds()
    one_label = np.where(np.arange(len(y)) < 3, true, -1)
    for options, labels in (
        ({}, one_label),
        ({"folds": 0}, y),
        ({"folds": 1}, y),
        ({"max_iter": 0}, y),
        ({"lambda_u": 0}, y),
        ({}, true),
    ):
        model = GaussianMixtureClassifier(**options).fit(X, labels)
        assert model.likelihood_gain_ is None
        assert model.label_likelihood_gain_ is None


# ------------------------------------------------------------------ the contract


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (
            GaussianMixtureClassifier(),
            [{"covariance": c} for c in COVARIANCES[1:]]
            + [{"n_components": 2}, {"lambda_u": 0.1}, {"prior_rows": 9.0}, {"max_iter": 1}, {"tol": 5.0}],
        ),
        (
            NaiveBayesClassifier(distribution="multinomial"),
            [{"distribution": d} for d in ("gaussian", "bernoulli")]
            + [{"lambda_u": 0.1}, {"alpha": 3.0}, {"max_iter": 1}, {"tol": 5.0}],
        ),
        (NaiveBayesClassifier(), [{"prior_rows": 9.0}]),
    ],
    ids=["mixture", "words", "numbers"],
)
def test_every_option_changes_something(model, changes):
    X, y, _ = data_for(model)
    base = clone(model).fit(X, y).predict_proba(X)
    for change in changes:
        changed = clone(model).set_params(**change).fit(X, y).predict_proba(X)
        assert not np.allclose(base, changed, atol=1e-9), change
    model = clone(model).fit(X, y)
    assert clone(model).set_params(folds=2).fit(X, y).likelihood_gain_ != model.likelihood_gain_


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_permuted_rows_give_permuted_results(model):
    X, y, _ = data_for(model)
    X = X + np.linspace(0, 0.01, len(X))[:, np.newaxis] if isinstance(model, GaussianMixtureClassifier) else X
    order = np.random.default_rng(3).permutation(len(X))
    here, there = clone(model).fit(X, y), clone(model).fit(X[order], y[order])
    np.testing.assert_allclose(here.predict_proba(X), there.predict_proba(X), atol=1e-8)
    assert here.transduction_[order].tolist() == there.transduction_.tolist()


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_same_bits_and_global_state_and_copies(model):
    X, y, _ = data_for(model)
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    first, second = clone(model).fit(X, y), clone(model).fit(X, y)
    assert (np.random.get_state()[1] == before).all()
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(first.predict_proba(X), copy.predict_proba(X))
    names = np.array(["no", "yes", None], dtype=object)
    named = clone(model).fit(X, names[y])
    assert named.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(first.predict_proba(X), named.predict_proba(X))
    assert (named.transduction_[y >= 0] == names[y[y >= 0]]).all()
    plain = (int, float, str, bool, type(None), np.ndarray, list, dict)
    for name, value in vars(first).items():
        assert name == "form_" or isinstance(value, plain), name


def test_a_refit_that_fails_leaves_the_model_whole():
    X, y, _ = counts()
    model = NaiveBayesClassifier(distribution="multinomial").fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(InputError, match="Negative values"):
        model.fit(-X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    refitted = model.fit(X[:, :4], y)
    assert refitted.predict_proba(X[:, :4]).shape == (len(X), 2)


@pytest.mark.parametrize("distribution", ["multinomial", "bernoulli"])
def test_sparse_rows_are_dense_rows(distribution):
    X, y, _ = counts()
    model = NaiveBayesClassifier(distribution=distribution)
    dense = clone(model).fit(X, y)
    thin = clone(model).fit(csr_array(X), y)
    np.testing.assert_allclose(thin.predict_proba(csr_array(X)), dense.predict_proba(X))
    np.testing.assert_allclose(thin.predict_proba(X), dense.predict_proba(X))
    np.testing.assert_allclose(thin.likelihood_gain_, dense.likelihood_gain_)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_degenerate_rows_give_probabilities(model):
    X, y, true = counts()
    cases = [
        (np.hstack([X, np.full((len(X), 1), 7.0)]), y),
        (np.ones_like(X), y),
        (X * 1e37, y),
        (X * 1e-150, y),
        (X + 1e10, y),
        (np.repeat(X[:2], 30, axis=0), np.where(np.arange(60) == 0, 0, np.where(np.arange(60) == 59, 1, -1))),
        (X, true),
        (X[:2], [0, 1]),
        (np.abs(np.random.default_rng(0).normal(size=(60, 200))), y),
    ]
    for rows, labels in cases:
        fitted = clone(model).fit(rows, labels)
        for asked in (rows, rows * 0, np.minimum(np.abs(rows) * 1e250, 3e38)):
            proba = fitted.predict_proba(asked)
            assert np.isfinite(proba).all()
            np.testing.assert_allclose(proba.sum(1), 1)
        assert all(np.isfinite(list(h.values())).all() for h in fitted.history_)


def test_a_column_that_is_constant_among_the_labels_does_not_rule():
    """The baseline sees a constant where other rows vary; it must still use the other columns."""
    rng = np.random.default_rng(0)
    true = np.arange(100) % 2
    X = np.column_stack([rng.normal(size=100) + 4 * true, np.where(np.arange(100) < 8, 0.0, rng.normal(size=100) * 50)])
    y = np.where(np.arange(100) < 8, true, -1)
    for kind in COVARIANCES[:3]:
        baseline = GaussianMixtureClassifier(covariance=kind).baseline().fit(X, y)
        assert (baseline.predict(X) == true).mean() > 0.9, kind


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (GaussianMixtureClassifier(covariance="ful"), "covariance='ful' is not known.*Did you mean 'full'"),
        (GaussianMixtureClassifier(n_components=0), "n_components=0 should be a whole number of at least 1"),
        (GaussianMixtureClassifier(n_components=1.5), "n_components=1.5 should be a whole number"),
        (GaussianMixtureClassifier(lambda_u=-1), "lambda_u=-1 should be a finite number of at least 0"),
        (GaussianMixtureClassifier(lambda_u=np.nan), "lambda_u=nan should be"),
        (GaussianMixtureClassifier(prior_rows=0), "prior_rows=0 should be"),
        (GaussianMixtureClassifier(max_iter=True), "max_iter=True should be a whole number"),
        (GaussianMixtureClassifier(tol="small"), "tol='small' should be a finite number"),
        (GaussianMixtureClassifier(folds=-1), "folds=-1 should be"),
        (NaiveBayesClassifier(distribution="poisson"), "distribution='poisson' is not known"),
        (NaiveBayesClassifier(alpha=0), "alpha=0 should be"),
    ],
)
def test_bad_options_say_what_is_expected(model, message):
    X, y, _ = counts()
    with pytest.raises(OptionError, match=message):
        model.fit(X, y)


def test_sparse_rows_where_numbers_are_dense():
    X, y, _ = counts()
    with pytest.raises(InputError, match="X is sparse, and distribution='gaussian' needs dense rows"):
        NaiveBayesClassifier().fit(csr_array(X), y)


def test_memory_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(memory, "memory_to_spare", lambda: 1000)
    X, y, _ = counts()
    for model in (GaussianMixtureClassifier(), NaiveBayesClassifier()):
        with pytest.raises(ResourceError, match=r"would take \S+ GB; 1e-06 GB are to spare. Use fewer"):
            model.fit(X, y)


def test_em_stops_at_its_tolerance():
    X, y, _ = clouds(n=200, apart=1.0)
    em = EM(lambda x, w: Gaussians.around(x, w, covariance="full", prior_rows=1.0), 1.0, 500, 1e-6)
    fitted = em.fit(X, y)
    assert fitted.converged
    climbed = [h["log_posterior"] for h in fitted.history]
    assert climbed[-1] - climbed[-2] <= 1e-6 * 200 < climbed[-2] - climbed[-3]
