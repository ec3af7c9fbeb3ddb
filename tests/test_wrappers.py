"""Self-training, co-training and tri-training: against their pseudo-code, at their limits, and with bad input."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import reference_wrappers as slow
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier as SklearnSelfTraining
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from fewlabels.classical.co_training import CoTrainingClassifier
from fewlabels.classical.self_training import SelfTrainingClassifier
from fewlabels.classical.tri_training import Last, TriTrainingClassifier, joint_error, rows_to_teach
from fewlabels.classical.wrapping import StandardLogistic, class_proba, surest
from fewlabels.data import memory
from fewlabels.errors import InputError, OptionError, ResourceError

EXPECTED = {"check_classifiers_classes": "-1 marks an unlabeled row"}
MODELS = [
    SelfTrainingClassifier(random_state=0),
    SelfTrainingClassifier(criterion="k_best", relabel=True, weighted=True, calibrate=True, random_state=0),
    CoTrainingClassifier(random_state=0),
    TriTrainingClassifier(random_state=0),
]


@parametrize_with_checks(
    [SelfTrainingClassifier(), CoTrainingClassifier(), TriTrainingClassifier()],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def iris(labels=3, seed=0):
    """Iris with `labels` labels a class, rows in random order."""
    X, true = load_iris(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    X, true = X[order] + np.linspace(0, 0.01, len(X))[:, np.newaxis], true[order]  # no ties
    y = np.full(len(X), -1)
    for c in range(3):
        y[np.flatnonzero(true == c)[:labels]] = c
    return X, y, true


# ------------------------------------------------------------------ self-training


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.9},
        {"threshold": 0.999},
        {"k_best": 7},
        {"k_best": 4, "per_class": True},
        {"k_best": 7, "max_iter": 2},
    ],
)
def test_self_training_equals_the_pseudo_code(options):
    X, y, _ = iris()
    model, _, since = slow.self_training(GaussianNB(var_smoothing=0.1), X, y, **options)
    criterion = "threshold" if "threshold" in options else "k_best"
    ours = SelfTrainingClassifier(GaussianNB(var_smoothing=0.1), criterion=criterion, **options).fit(X, y)
    assert ours.labeled_iter_.tolist() == since
    np.testing.assert_allclose(ours.predict_proba(X), model.predict_proba(X))
    assert ours.n_iter_ > 2
    assert sum(h["accepted"] for h in ours.history_) == sum(s > 0 for s in since)
    for h in ours.history_:
        assert h["accepted"] == since.count(h["step"]) == sum(h[f"accepted {c}"] for c in range(3))


def test_self_training_without_options_is_scikit_learns():
    X, y, _ = iris()
    base = GaussianNB(var_smoothing=0.1)
    for options in ({"threshold": 0.9}, {"criterion": "k_best", "k_best": 7}):
        ours = SelfTrainingClassifier(base, **options).fit(X, y)
        theirs = SklearnSelfTraining(base, **options).fit(X, y)
        assert ours.labeled_iter_.tolist() == theirs.labeled_iter_.tolist()
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X))


def test_self_training_says_why_it_ended():
    X, y, true = iris()
    base = GaussianNB()
    ended = lambda labels=y, **options: (  # noqa: E731
        SelfTrainingClassifier(base, **options).fit(X, labels).termination_condition_
    )
    assert ended(threshold=0, max_iter=1) == "all_labeled"
    assert ended(threshold=0.5, max_iter=1) == "all_labeled"
    assert ended(criterion="k_best", k_best=1, max_iter=2) == "max_iter"
    assert ended(threshold=1) == "no_change"
    # the last round allowed is one that accepts nothing: that is why it ended
    assert ended(threshold=1, max_iter=1) == "no_change"
    assert ended(max_iter=0) == "max_iter"
    assert ended(labels=true) == "all_labeled"
    assert SelfTrainingClassifier(base).fit(X, true).history_ == []


class Swaps(GaussianNB):
    """In its second fit and later it takes every row for class 1."""

    def predict_proba(self, X):
        proba = super().predict_proba(X)
        return proba if self.class_count_.sum() <= 9 else np.tile([0.1, 0.8, 0.1], (len(X), 1))


def test_relabeling_changes_and_drops_pseudo_labels():
    X, y, _ = iris()
    kept = SelfTrainingClassifier(Swaps(), threshold=0.7).fit(X, y)
    again = SelfTrainingClassifier(Swaps(), threshold=0.7, relabel=True).fit(X, y)
    assert sum(h["flips"] for h in kept.history_) == 0
    assert again.history_[1]["flips"] > 0
    assert (again.labeled_iter_ == 2).sum() >= again.history_[1]["flips"]
    assert again.termination_condition_ == "all_labeled"
    # a threshold that the second model never reaches takes every pseudo-label back
    dropped = SelfTrainingClassifier(Swaps(), threshold=0.9, relabel=True, max_iter=2).fit(X, y)
    assert dropped.history_[1]["dropped"] == dropped.history_[0]["accepted"] > 0
    assert (dropped.labeled_iter_[y < 0] == -1).all()


def test_relabeling_by_number_takes_k_more_each_round():
    X, y, _ = iris()
    model = SelfTrainingClassifier(GaussianNB(), criterion="k_best", k_best=6, relabel=True, max_iter=4).fit(X, y)
    assert [h["labeled"] for h in model.history_] == [9 + 6 * t for t in (1, 2, 3, 4)]


def test_pseudo_labels_weigh_what_they_were_sure():
    X, y, _ = iris()
    weighted = SelfTrainingClassifier(GaussianNB(var_smoothing=0.1), threshold=0.8, weighted=True, max_iter=1).fit(X, y)
    first = GaussianNB(var_smoothing=0.1).fit(X[y >= 0], y[y >= 0])
    proba = first.predict_proba(X)
    rows = (y >= 0) | (proba.max(1) > 0.8)
    codes = np.where(y >= 0, y, proba.argmax(1))[rows]
    weight = np.where(y >= 0, 1, proba.max(1))[rows]
    by_hand = GaussianNB(var_smoothing=0.1).fit(X[rows], codes, sample_weight=weight)
    np.testing.assert_allclose(weighted.predict_proba(X), by_hand.predict_proba(X))
    piped = make_pipeline(StandardScaler(), LogisticRegression())
    plain = SelfTrainingClassifier(piped, threshold=0.5).fit(X, y).predict_proba(X)
    assert not np.allclose(
        SelfTrainingClassifier(piped, threshold=0.5, weighted=True).fit(X, y).predict_proba(X), plain
    )


@pytest.mark.filterwarnings("error")
def test_calibration_is_on_given_labels_out_of_the_fit():
    X, y = (part[::-1] for part in iris(labels=4)[:2])  # labels come last, pseudo-labels before them
    model = SelfTrainingClassifier(GaussianNB(), calibrate=True, criterion="k_best", k_best=60, max_iter=1)
    assert model.fit(X, y).calibrated_
    rows = np.flatnonzero(model.labeled_iter_ >= 0)
    assert len(rows) == 12 + 60
    for inner in model.estimator_.calibrated_classifiers_:
        # every fold's base is fitted to all pseudo-labels and to the labels of the other folds (4 of 4 a class: 3)
        assert inner.estimator.class_count_.sum() == len(rows) - 3
    given = np.flatnonzero(y[rows] >= 0)
    fold = np.empty(12, dtype=int)
    fold[np.argsort(y[rows][given], kind="stable")] = np.arange(12) % 4
    splits = [(np.setdiff1d(np.arange(len(rows)), given[fold == f]), given[fold == f]) for f in range(4)]
    first = SelfTrainingClassifier(GaussianNB(), calibrate=True, max_iter=0).fit(X, y).predict_proba(X).argmax(1)
    by_hand = CalibratedClassifierCV(GaussianNB(), cv=splits).fit(X[rows], np.where(y >= 0, y, first)[rows])
    np.testing.assert_allclose(model.predict_proba(X), by_hand.predict_proba(X))
    single = SelfTrainingClassifier(GaussianNB(), calibrate=True).fit(*iris(labels=1)[:2])
    assert not single.calibrated_
    both = SelfTrainingClassifier(calibrate=True, weighted=True).fit(X, y)  # the default base takes weights
    assert isinstance(both.estimator_, CalibratedClassifierCV)


def test_ties_go_to_the_first_rows():
    top = np.random.default_rng(0).integers(5, 10, 500) / 10
    rows = np.random.default_rng(1).permutation(500)[:300]
    chosen = surest(np.column_stack([top, 1 - top]), rows, 100)
    assert chosen.tolist() == sorted(rows, key=lambda i: -top[i])[:100]


# ------------------------------------------------------------------ co-training


@pytest.mark.parametrize(("per_round", "pool", "max_iter"), [(1, 75, 30), (2, 10, 5), (3, 200, 100)])
def test_co_training_equals_the_pseudo_code(per_round, pool, max_iter):
    X, y, true = iris()
    y[np.flatnonzero((true == 2) & (y < 0))[:6]] = 2  # class 2 has three times the labels
    base = GaussianNB(var_smoothing=0.1)
    order = np.random.default_rng(5).permutation(np.flatnonzero(y < 0))
    models, _, since = slow.co_training([base] * 2, [X[:, :2], X[:, 2:]], y, per_round, pool, max_iter, order)
    options = {"per_round": per_round, "pool": pool, "max_iter": max_iter}
    ours = CoTrainingClassifier(base, random_state=5, **options).fit(X, y)
    assert ours.labeled_iter_.tolist() == since
    mean = (models[0].predict_proba(X[:, :2]) + models[1].predict_proba(X[:, 2:])) / 2
    np.testing.assert_allclose(ours.predict_proba(X), mean)
    assert ours.history_[0]["accepted"] <= 2 * per_round * 5


def test_co_training_views_can_be_said_in_every_way():
    X, y, _ = iris()
    left, right = X[:, :2], X[:, 2:]
    fit = lambda views, rows=X: (  # noqa: E731
        CoTrainingClassifier(views=views, random_state=0).fit(rows, y).predict_proba(rows)
    )
    expected = fit(None)
    mask = np.array([True, True, False, False])
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    for views, rows in (
        ((slice(0, 2), slice(2, None)), np.hstack([left, right])),
        (([0, 1], [-2, -1]), X),
        ((mask, ~mask), X),
        ((["a", "b"], ["c", "d"]), frame),
        ((lambda x: x[:, :2], lambda x: x[:, 2:]), X),
    ):
        np.testing.assert_allclose(fit(views, rows), expected)
    assert not np.allclose(fit((PCA(1), slice(2, None))), expected)
    sparse = CoTrainingClassifier(random_state=0).fit(csr_array(X), y)
    assert (sparse.predict(csr_array(X)) == expected.argmax(1)).mean() > 0.95


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ((slice(0, 2),), "should be a pair"),
        ("halves", "should be a pair"),
        (([0, 9], [1]), r"not columns of X with 4"),
        ((["a"], [1]), "not columns of X"),
        (([], [1]), "columns"),
        ((slice(9, 9), [1]), "holds no column"),
        ((0, 1), "expected a slice"),
        ((lambda x: x[:3], [1]), r"shape \(3, 4\) for 150 rows"),
    ],
)
def test_views_that_cannot_be_are_refused(views, message):
    X, y, _ = iris()
    with pytest.raises(OptionError, match=message):
        CoTrainingClassifier(views=views).fit(X, y)


def test_view_agreement_equals_the_slow_count():
    X, y, true = iris()
    model = CoTrainingClassifier(GaussianNB(var_smoothing=0.5), max_iter=0).fit(X, true)
    folds = np.empty(len(X), dtype=int)
    folds[np.argsort(true, kind="stable")] = np.arange(len(X)) % 5
    base = GaussianNB(var_smoothing=0.5)
    observed, expected = slow.agreement([(base, X[:, :2]), (base, X[:, 2:])], true.tolist(), folds.tolist())
    assert model.view_agreement_["observed"] == pytest.approx(observed)
    assert model.view_agreement_["expected"] == pytest.approx(expected)
    assert model.view_agreement_["beyond_chance"] == pytest.approx((observed - expected) / (1 - expected))
    assert CoTrainingClassifier().fit(*iris(labels=1)[:2]).view_agreement_ is None
    # five neighbors can be found among six labels and not among the three that a fold leaves
    assert CoTrainingClassifier(KNeighborsClassifier()).fit(*iris(labels=2)[:2]).view_agreement_ is None


def test_view_agreement_tells_independent_views_from_one_view():
    rng = np.random.default_rng(0)
    true = np.arange(400) % 2
    first, second = (rng.normal(size=(400, 1)) + true[:, np.newaxis] for _ in range(2))
    fit = lambda *views: CoTrainingClassifier(max_iter=0).fit(np.hstack(views), true).view_agreement_  # noqa: E731
    assert abs(fit(first, second)["beyond_chance"]) < 0.15
    assert fit(first, first + 0.01 * second)["beyond_chance"] > 0.9
    certain = np.column_stack([true, true]).astype(float)
    assert fit(certain)["beyond_chance"] is None


def test_averaged_probabilities_are_no_worse_than_the_worse_view():
    """Averaging row-normalised decision scores, as done elsewhere, falls below both members; probabilities do not."""
    X, true = load_breast_cancer(return_X_y=True)
    scores = []
    for seed in range(5):
        y = np.full(len(X), -1)
        for c in (0, 1):
            y[np.random.default_rng(seed).choice(np.flatnonzero(true == c), 5, replace=False)] = c
        model = CoTrainingClassifier(random_state=seed).fit(X, y)
        views = [X[:, columns] for columns in model.views_]
        members = [class_proba(h, rows, 2) for h, rows in zip(model.estimators_, views, strict=True)]
        np.testing.assert_allclose(model.predict_proba(X), np.mean(members, axis=0))
        each = [(proba.argmax(1) == true).mean() for proba in members]
        scores.append(((model.predict(X) == true).mean(), *each))
    both, first, second = np.mean(scores, axis=0)
    assert both > min(first, second)
    assert both > max(first, second) - 0.02


# ------------------------------------------------------------------ tri-training


def test_tri_training_bound_equals_the_pseudo_code():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(3000):
        e, e_last = rng.choice([0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.5], 2)
        n_agreed, n_last = int(rng.integers(0, 60)), int(rng.choice([0, 1, 5, 20, 40]))
        theirs = slow.teach(e, e_last, n_agreed, n_last) or 0
        assert rows_to_teach(e, n_agreed, Last(e_last, n_last)) == theirs
        seen.add(0 if theirs == 0 else 2 if theirs == n_agreed else 1)
    assert seen == {0, 1, 2}  # none, some at random, all


def test_tri_training_error_is_of_rows_on_which_two_agree():
    first, second, y = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 1, 0, 1]), np.array([0, 1, 1, 1, 1])
    assert joint_error(first, second, y) == pytest.approx(1 / 3)
    assert joint_error(np.array([0]), np.array([1]), np.array([0])) == 0.5


def test_tri_training_rounds():
    X, y, true = iris(labels=8)
    model = TriTrainingClassifier(DecisionTreeClassifier(max_depth=1), random_state=1).fit(X, y)
    assert model.termination_condition_ == "no_change"
    assert model.history_[-1]["updated"] == 0
    assert model.history_[0]["updated"] > 0
    for i in "123":
        errors = [h[f"error {i}"] for h in model.history_ if h[f"taught {i}"]]
        bounds = [h[f"error {i}"] * h[f"taught {i}"] for h in model.history_ if h[f"taught {i}"]]
        assert (np.diff(errors) < 0).all()
        assert (np.diff(bounds) < 0).all()
    stopped = TriTrainingClassifier(DecisionTreeClassifier(max_depth=1), max_iter=1, random_state=1).fit(X, y)
    assert stopped.termination_condition_ == "max_iter"
    mean = np.mean([class_proba(h, X, 3) for h in model.estimators_], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean)
    assert len({h.random_state for h in model.estimators_}) == 3


def test_tri_training_keeps_every_class_in_each_bootstrap():
    X, y, _ = iris(labels=1)
    model = TriTrainingClassifier(GaussianNB(), max_iter=0, random_state=0).fit(X, y)
    assert all(len(h.classes_) == 3 for h in model.estimators_)


# ------------------------------------------------------------------ what all three share


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_baseline_does_not_see_unlabeled_rows(model):
    X, y, _ = iris()
    given = y >= 0
    fitted = model.baseline().fit(X, y)
    assert type(fitted) is type(model)
    alone = clone(model).fit(X[given], y[given])
    np.testing.assert_array_equal(fitted.predict_proba(X), alone.predict_proba(X))
    moved = X + 100 * (y < 0)[:, np.newaxis]
    np.testing.assert_array_equal(model.baseline().fit(moved, y).predict_proba(X), alone.predict_proba(X))
    assert not np.allclose(clone(model).fit(X, y).predict_proba(X), alone.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (
            SelfTrainingClassifier(criterion="k_best", k_best=12, max_iter=4),
            [
                {"criterion": "threshold"},
                {"k_best": 9},
                {"per_class": True},
                {"weighted": True},
                {"calibrate": True},
                {"max_iter": 2},
                {"estimator": GaussianNB()},
            ],
        ),
        (SelfTrainingClassifier(threshold=0.6), [{"threshold": 0.97}, {"relabel": True}]),
        (
            CoTrainingClassifier(random_state=0, max_iter=5),
            [
                {"estimator": (GaussianNB(), LogisticRegression())},
                {"views": ([0], [1, 2, 3])},
                {"per_round": 3},
                {"pool": 20},
                {"max_iter": 2},
                {"random_state": 1},
            ],
        ),
        (TriTrainingClassifier(random_state=0), [{"estimator": GaussianNB()}, {"max_iter": 0}, {"random_state": 1}]),
        (SelfTrainingClassifier(DecisionTreeClassifier(max_features=1), random_state=0), [{"random_state": 1}]),
    ],
    ids=["k_best", "threshold", "co", "tri", "seed"],
)
def test_every_option_changes_something(model, changes):
    X, y, _ = iris()
    base = clone(model).fit(X, y).predict_proba(X)
    for change in changes:
        changed = clone(model).set_params(**change).fit(X, y).predict_proba(X)
        assert not np.allclose(base, changed, atol=1e-6), change


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_same_bits_and_global_state_and_copies(model):
    X, y, _ = iris()
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    first, second = clone(model).fit(X, y), clone(model).fit(X, y)
    assert (np.random.get_state()[1] == before).all()
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(first.predict_proba(X), copy.predict_proba(X))
    names = np.array(["low", "mid", "top", None], dtype=object)
    named = clone(model).fit(X, names[y])
    assert named.classes_.tolist() == ["low", "mid", "top"]
    np.testing.assert_array_equal(first.predict_proba(X), named.predict_proba(X))
    assert (named.transduction_[y >= 0] == names[y[y >= 0]]).all()
    assert set(named.transduction_) <= set(named.classes_)


def test_permuted_rows_give_permuted_results():
    """Where no random draw depends on the order of rows."""
    X, y, _ = iris()
    order = np.random.default_rng(3).permutation(len(X))
    for model in (SelfTrainingClassifier(GaussianNB()), CoTrainingClassifier(GaussianNB(var_smoothing=0.5), pool=1000)):
        here, there = clone(model).fit(X, y), clone(model).fit(X[order], y[order])
        np.testing.assert_allclose(here.predict_proba(X), there.predict_proba(X), atol=1e-8)
        assert here.labeled_iter_[order].tolist() == there.labeled_iter_.tolist()


def test_the_default_base_learns_arrays_alone():
    X, y, _ = iris()
    model = SelfTrainingClassifier().fit(X, y)
    assert all(isinstance(value, np.ndarray) for value in vars(model.estimator_).values())
    piped = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    for labels in (y[y >= 0], np.minimum(y[y >= 0], 1)):
        ours = StandardLogistic().fit(X[y >= 0], labels)
        theirs = clone(piped).fit(X[y >= 0], labels)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-10)
        np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-8)
        assert (ours.predict(X) == theirs.predict(X)).all()


def test_a_class_that_a_base_did_not_see_has_probability_zero():
    base = GaussianNB().fit([[0.0], [0.1], [5.0], [5.1]], [0, 0, 2, 2])
    proba = class_proba(base, np.array([[0.0], [5.0]]), 4)
    np.testing.assert_allclose(proba, [[1, 0, 0, 0], [0, 0, 1, 0]], atol=1e-12)


class Broken(GaussianNB):
    def predict_proba(self, X):
        return super().predict_proba(X) * np.nan


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_bases_that_cannot_be_are_refused(model):
    X, y, _ = iris()
    for base in (LinearSVC(), LogisticRegression, "svm", PCA()):
        with pytest.raises(OptionError, match="should be a classifier, an instance with fit and predict_proba"):
            clone(model).set_params(estimator=base).fit(X, y)
    plain = clone(model)
    if isinstance(model, SelfTrainingClassifier):
        plain.set_params(weighted=False, calibrate=False)
    fitted = plain.fit(X, y)
    before = fitted.predict_proba(X)
    with pytest.raises(InputError, match=r"Broken\(\) gives a probability that is not finite"):
        clone(fitted).set_params(estimator=Broken()).fit(X, y)
    assert fitted.predict_proba(X).tolist() == before.tolist()


def test_a_refit_that_fails_leaves_the_model_whole():
    X, y, _ = iris()
    for model in MODELS:
        fitted = clone(model).fit(X, y)
        before = fitted.predict_proba(X)
        kept = {k: v for k, v in vars(fitted).items() if k.endswith("_")}
        fitted.estimator = Broken()
        with pytest.raises((InputError, ValueError)):
            fitted.fit(X[:, :3], y)
        assert {k: v for k, v in vars(fitted).items() if k.endswith("_")}.keys() == kept.keys()
        np.testing.assert_array_equal(fitted.predict_proba(X), before)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SelfTrainingClassifier(criterion="best"), "criterion='best' is not known"),
        (SelfTrainingClassifier(threshold=1.5), "threshold=1.5 should be a finite number from 0 to 1"),
        (SelfTrainingClassifier(k_best=0), "k_best=0 should be a whole number of at least 1"),
        (SelfTrainingClassifier(max_iter=-1), "max_iter=-1 should be"),
        (SelfTrainingClassifier(relabel=1), "relabel=1 should be True or False"),
        (SelfTrainingClassifier(per_class=True), "per_class=True goes with criterion='k_best'"),
        (SelfTrainingClassifier(KNeighborsClassifier(2), weighted=True), "weighted=True needs a base whose fit takes"),
        (
            SelfTrainingClassifier(make_pipeline(StandardScaler(), KNeighborsClassifier(2)), weighted=True),
            "weighted=True needs a base whose fit takes",
        ),
        (
            SelfTrainingClassifier(make_pipeline(LogisticRegression()), weighted=True, calibrate=True),
            "weighted=True needs a base whose fit takes",
        ),
        (SelfTrainingClassifier(random_state=-1), "random_state=-1"),
        (CoTrainingClassifier(per_round=0), "per_round=0 should be"),
        (CoTrainingClassifier(pool=0), "pool=0 should be"),
        (CoTrainingClassifier((GaussianNB(),)), "estimator has 1 classifiers; expected one, or a pair"),
        (TriTrainingClassifier(max_iter=2.5), "max_iter=2.5 should be a whole number"),
    ],
)
def test_bad_options_say_what_is_expected(model, message):
    X, y, _ = iris()
    with pytest.raises(OptionError, match=message):
        model.fit(X, y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_degenerate_rows_give_probabilities(model):
    X, y, true = iris(labels=2)
    single = iris(labels=1)[1]
    cases = [
        (np.hstack([X, np.full((150, 1), 7.0)]), y),
        (np.ones_like(X), y),
        (X, single),
        (X, true),
        (X * 1e37, y),
        (X * 1e-150, y),
        (X[:, :1], y),
        (np.array([[0.0], [1.0]]), [0, 1]),
        (np.repeat(X[:3], 50, axis=0), np.where(np.arange(150) % 50 == 0, np.arange(150) // 50, -1)),
        (csr_array(X), y),
    ]
    for rows, labels in cases:
        fitted = clone(model).fit(rows, labels)
        for asked in (rows, rows * 0):
            proba = fitted.predict_proba(asked)
            assert np.isfinite(proba).all()
            np.testing.assert_allclose(proba.sum(1), 1)
        assert all(isinstance(v, float) and np.isfinite(v) for h in fitted.history_ for v in h.values())


def test_no_classical_estimator_imports_torch():
    names = ("self_training", "co_training", "tri_training", "mixture", "naive_bayes")
    code = "".join(f"import fewlabels.classical.{name}; " for name in names)
    subprocess.run([sys.executable, "-c", f"import sys; {code}sys.exit('torch' in sys.modules)"], check=True)


def test_memory_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(memory, "memory_to_spare", lambda: 1000)
    X, y, _ = iris()
    for model in MODELS:
        with pytest.raises(ResourceError, match=r"would take \S+ GB; 1e-06 GB are to spare. Use fewer rows"):
            clone(model).fit(X, y)
