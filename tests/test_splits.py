"""Splits keep every unlabeled row in training; scores come from labeled rows alone."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

import fewlabels as fl
from fewlabels.data.splits import LabeledScorer, SemiSupervisedSplit, labeled_scorer
from fewlabels.errors import InputError, OptionError


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    truth = np.arange(90) % 3
    X = rng.normal(size=(90, 2)) + 6 * np.eye(3)[truth][:, :2]
    y = truth.copy()
    y[30:] = -1
    return X, y


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-1, 0, 1, 2]), max_size=60), st.integers(2, 4), st.integers(0, 99))
def test_folds_cover_the_labeled_rows_once_and_train_on_all_unlabeled(y, k, seed):
    y = np.array([0, 1, 2, -1] * k + y)
    folds = list(SemiSupervisedSplit(k, random_state=seed).split(np.zeros((len(y), 1)), y))
    assert len(folds) == k
    tests = np.concatenate([test for _, test in folds])
    assert sorted(tests.tolist()) == np.flatnonzero(y >= 0).tolist()
    for train, test in folds:
        assert np.isin(np.flatnonzero(y == -1), train).all()
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(y)))
        for c in range(3):  # stratified: each class is spread as evenly as it can be
            share = (y == c).sum() / k
            assert abs((y[test] == c).sum() - share) < 1


def test_names_of_classes_numbers_and_marks_of_your_own_split_too():
    names = np.array(["a", None, "b", None, "a", "b"], dtype=object)
    assert {len(test) for _, test in SemiSupervisedSplit(2).split(names, names)} == {2}
    numbers = [0.5, np.nan, 1.5, np.nan, 2.5, 3.5]
    tests = [test.tolist() for _, test in SemiSupervisedSplit(2, shuffle=False, task="numbers").split(numbers, numbers)]
    assert tests == [[0, 2], [4, 5]]
    zeros = [1, 0, 2, 0, 1, 2]
    tests = np.concatenate([t for _, t in SemiSupervisedSplit(2, unlabeled=0).split(zeros, zeros)])
    assert sorted(tests) == [0, 2, 4, 5]


def test_the_seed_decides():
    y = np.array([0, 1] * 20 + [-1] * 10)

    def tests(**options):
        return [test.tolist() for _, test in SemiSupervisedSplit(4, **options).split(y, y)]

    assert tests(random_state=1) == tests(random_state=1)
    assert tests(random_state=1) != tests(random_state=2)
    assert tests(shuffle=False) == tests(shuffle=False, random_state=3)


def test_the_splitter_contract():
    split = fl.SemiSupervisedSplit(3, random_state=0)
    assert (split.get_n_splits(), split.get_n_splits(1, 2, 3)) == (3, 3)
    assert repr(split) == "SemiSupervisedSplit(3, shuffle=True, random_state=0)"


@pytest.mark.parametrize(
    ("k", "y", "error", "message"),
    [
        (1, [0, 1], OptionError, r"n_splits=1 is not possible"),
        (2.5, [0, 1], OptionError, r"n_splits=2\.5 is not"),
        (3, [0, 1, -1, -1], InputError, r"2 labeled rows, fewer than n_splits=3"),
        (3, [0, 1, 2, 0], InputError, r"cannot be split: .*Use fewer folds"),
        (2, None, InputError, r"requires y"),
    ],
)
def test_what_cannot_be_split(k, y, error, message):
    with pytest.raises(error, match=message):
        list(SemiSupervisedSplit(k).split(np.zeros(4), y))


@pytest.mark.parametrize("estimator", [LabelSpreading("knn"), SelfTrainingClassifier(KNeighborsClassifier(3))])
def test_cross_val_score(blobs, estimator):
    X, y = blobs
    split = SemiSupervisedSplit(5, random_state=0)
    scores = cross_val_score(estimator, X, y, cv=split, scoring=labeled_scorer(), error_score="raise")
    assert len(scores) == 5
    assert scores.mean() > 0.8


def test_the_scorer_leaves_out_unlabeled_rows_that_other_splits_test(blobs):
    X, y = blobs
    model = LabelSpreading("knn").fit(X, y)
    plain = (model.predict(X) == y).mean()
    assert labeled_scorer()(model, X, y) == (model.predict(X[:30]) == y[:30]).mean() > 0.9 > plain
    scores = cross_val_score(model, X, y, cv=KFold(3, shuffle=True, random_state=0), scoring=labeled_scorer())
    assert (scores > 0.7).all()


def test_grid_search(blobs):
    X, y = blobs
    search = GridSearchCV(
        SelfTrainingClassifier(KNeighborsClassifier()),
        {"estimator__n_neighbors": [1, 3, 19]},
        cv=fl.SemiSupervisedSplit(3, random_state=0),
        scoring=fl.labeled_scorer("balanced_accuracy"),
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_["estimator__n_neighbors"] in (1, 3)
    assert search.cv_results_["mean_test_score"][2] < search.best_score_


class LabeledOnlyRegressor(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        known = ~np.isnan(y)
        self.model_ = LinearRegression().fit(X[known], y[known])
        return self

    def predict(self, X):
        return self.model_.predict(X)


def test_numbers_with_NaN(blobs):
    X, _ = blobs
    y = X @ [1.0, 2.0]
    y[::2] = np.nan
    split = SemiSupervisedSplit(3, random_state=0, task="numbers")
    scorer = labeled_scorer("r2", task="numbers")
    assert cross_val_score(LabeledOnlyRegressor(), X, y, cv=split, scoring=scorer) == pytest.approx([1, 1, 1])


class Memory(BaseEstimator):
    """Predicts the class written in the row itself."""

    def fit(self, X, y):
        self.seen_ = y
        return self

    def predict(self, X):
        return np.array(["a", "b"])[X[:, 0]]


def test_object_labels_with_None_are_scored_in_their_own_type():
    X = np.array([[0], [1], [0], [1]])
    y = np.array(["a", None, "a", "a"], dtype=object)
    assert labeled_scorer()(Memory().fit(X, y), X, y) == pytest.approx(2 / 3)
    assert labeled_scorer(unlabeled="none")(Memory(), X, ["a", "none", "b", "b"]) == pytest.approx(2 / 3)


def test_scorers_are_values():
    assert pickle.loads(pickle.dumps(labeled_scorer("f1_macro"))).metric == "f1_macro"
    assert isinstance(labeled_scorer(), LabeledScorer)
    with pytest.raises(OptionError, match="metric='acuracy' is unknown"):
        labeled_scorer("acuracy")


def test_nothing_to_score_is_refused(blobs):
    X, y = blobs
    with pytest.raises(InputError, match="none of the rows to score has a label"):
        labeled_scorer()(LabelSpreading("knn").fit(X, y), X[40:], y[40:])
