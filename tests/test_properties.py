"""What must not matter does not: forms of the same numbers, names of classes, orders of rows and columns."""

import warnings
from dataclasses import dataclass

import every
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import fewlabels as fl
from fewlabels.classical.registry import NAMES
from fewlabels.errors import InputError, OptionError

DEEP = {
    f"{method}, deep": fl.DeepClassifier(method, **every._DEEP, network="mlp-8-1") for method in ("fixmatch", "vat")
}
GRAPHS = {f"graph {name}": fl.GraphClassifier(name, **every._NODES) for name in every.ARCHITECTURES}
CLASSIFIERS = {
    name: every._classical(kind)(None) for name, kind in NAMES.items() if name != "label_propagation_regressor"
} | GRAPHS | DEEP  # fmt: skip
# a seed decides about rows (bootstrap, batches) or columns (views, first weights) by their place
BY_ROW = ["tri_training", "vae", *GRAPHS, *DEEP]
BY_COLUMN = ["co_training", "vae", *GRAPHS, *DEEP]
BY_CLASS = ["tri_training", "vae", "gaussian_mixture", *GRAPHS, *DEEP]
KEEP_LABELS = ["label_propagation", "poisson_learning", "correct_and_smooth"]


@dataclass(frozen=True)
class Data:
    """Rows (N, D) that single precision holds exactly, and labels from 0 on, -1 unlabeled."""

    x: np.ndarray
    y: np.ndarray


@st.composite
def data(draw, ties=True):
    """A few classes with a few labels each, some unlabeled rows; constant columns; few values, so that rows repeat."""
    classes, labels, unlabeled = draw(st.integers(2, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 20))
    columns, seed = draw(st.integers(2, 5)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.repeat(np.arange(classes), labels), rng.integers(0, classes, unlabeled)])
    x = rng.normal(size=(len(truth), columns)) + 2 * rng.normal(size=(classes, columns))[truth]
    if ties and draw(st.booleans()):
        x = np.rint(x)
    if ties and draw(st.booleans()):
        x[:, 0] = 3
    y = np.where(np.arange(len(truth)) < classes * labels, truth, -1)
    order = rng.permutation(len(y))
    return Data(x[order].astype(np.float32).astype(np.float64), y[order])


def fitted(name, x, y):
    """The fitted estimator; None where the data is refused, which any other form of it must be, too."""
    from sklearn.base import clone

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return clone(CLASSIFIERS[name]).fit(x, y)
        except (InputError, OptionError) as error:
            return type(error)


def told(model, x):
    """What it says of rows, and of those it was fitted on."""
    if isinstance(model, type):
        return [model]
    return [model.predict_proba(x), np.asarray(model.predict(x)), np.asarray(model.transduction_)]


def same_bits(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def hold(test, count, **strategies):
    """The same examples every day, others each time in the slow suite."""
    setting = settings(max_examples=count, derandomize=count < 10, deadline=None, database=None)
    setting(given(**strategies)(test))()


def often(names, everyday):
    counts = pytest.mark.parametrize("count", [everyday, pytest.param(40, marks=pytest.mark.slow)])
    return lambda test: counts(pytest.mark.parametrize("name", names)(test))


def alike(one, other):
    """Probabilities within rounding, or the same refusal."""
    if isinstance(one, np.ndarray):
        np.testing.assert_allclose(one, other, atol=1e-6)
    else:
        assert one == other


@often(CLASSIFIERS, 3)
def test_probabilities_are_probabilities_and_agree_with_predictions(name, count):
    def test(found, new):
        x, y = found.x, found.y
        model = fitted(name, x, y)
        if isinstance(model, type):
            return
        for rows in (x, np.random.default_rng(new).normal(size=(4, x.shape[1])) * 10):
            proba, said = model.predict_proba(rows), model.predict(rows)
            assert np.isfinite(proba).all()
            assert (proba >= 0).all()
            np.testing.assert_allclose(proba.sum(1), 1.0, atol=1e-6)
            ordered = np.sort(proba, axis=1)
            clear = ordered[:, -1] > ordered[:, -2] + 1e-6  # within rounding any class may be the first
            assert (said == model.classes_[proba.argmax(1)])[clear].all()
        assert len(model.transduction_) == len(y)
        assert set(model.transduction_) <= set(model.classes_)
        if name in KEEP_LABELS:
            assert (model.transduction_ == y)[y >= 0].all()

    hold(test, count, found=data(), new=st.integers(0, 9))


@often(CLASSIFIERS, 3)
def test_the_form_of_the_same_numbers_does_not_matter(name, count):
    def test(found):
        x, y = found.x, found.y
        expected = told(fitted(name, x, y), x)
        for form in (np.asfortranarray(x), x.tolist(), np.repeat(x, 2, 0)[::2], x.astype(np.float32)):
            same_bits(told(fitted(name, form, y), form), expected)
        frame = pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])])
        same_bits(told(fitted(name, frame, pd.Series(y, index=np.arange(len(y))[::-1])), frame), expected)

    hold(test, count, found=data())


@often(CLASSIFIERS, 3)
def test_what_classes_are_called_does_not_matter(name, count):
    def test(found):
        x, y = found.x, found.y
        expected = told(fitted(name, x, y), x)
        names = np.array(["ant", "bee", "cow", "dog", None], dtype=object)  # -1 takes the last
        proba, *said = told(fitted(name, x, names[y]), x)
        same_bits([proba], expected[:1])
        for a, b in zip(said, expected[1:], strict=True):
            assert (a == names[b]).all()

    hold(test, count, found=data())


@often([name for name in CLASSIFIERS if name not in BY_CLASS], 3)
def test_the_order_of_classes_does_not_matter(name, count):
    def test(found):
        x, y = found.x, found.y
        backwards = fitted(name, x, np.where(y < 0, -1, 10 - 3 * y))
        alike(told(backwards, x)[0][:, ::-1], told(fitted(name, x, y), x)[0])

    hold(test, count, found=data(ties=False))


@often([name for name in CLASSIFIERS if name not in BY_ROW], 6)
def test_the_order_of_rows_does_not_matter(name, count):
    def test(found, order):
        x, y = found.x, found.y
        rows = np.random.default_rng(order).permutation(len(y))
        alike(told(fitted(name, x[rows], y[rows]), x)[0], told(fitted(name, x, y), x)[0])

    hold(test, count, found=data(ties=False), order=st.integers(0, 99))


@often([name for name in CLASSIFIERS if name not in BY_COLUMN], 6)
def test_the_order_of_columns_does_not_matter(name, count):
    def test(found, order):
        x, y = found.x, found.y
        columns = np.random.default_rng(order).permutation(x.shape[1])
        alike(told(fitted(name, x[:, columns], y), x[:, columns])[0], told(fitted(name, x, y), x)[0])

    hold(test, count, found=data(ties=False), order=st.integers(0, 99))


# others standardize, which would fill sparse rows: these they only divide
@often(["label_propagation", "label_spreading", "poisson_learning"], 3)
def test_sparse_rows_are_the_same_rows(name, count):
    def test(found):
        x, y = np.where(found.x > 0, found.x, 0.0), found.y
        sparse = csr_array(x)
        alike(told(fitted(name, sparse, y), sparse)[0], told(fitted(name, x, y), x)[0])

    hold(test, count, found=data())


# on a graph another row may have room for one of two equal neighbors: the first
@often([name for name in CLASSIFIERS if name not in (*BY_ROW, *KEEP_LABELS, "label_spreading")], 3)
def test_unlabeled_rows_that_stand_twice_get_the_same_answer(name, count):
    def test(found):
        unlabeled = np.flatnonzero(found.y < 0)[:3]
        x = np.concatenate([found.x, found.x[unlabeled]])
        model = fitted(name, x, np.concatenate([found.y, found.y[unlabeled]]))
        if isinstance(model, type) or not len(unlabeled):
            return
        twins = (unlabeled, len(found.y) + np.arange(len(unlabeled)))
        one, other = (np.asarray(model.transduction_)[rows] for rows in twins)
        ordered = np.sort(model.predict_proba(found.x[unlabeled]), axis=1)
        clear = ordered[:, -1] > ordered[:, -2] + 1e-6
        assert (one == other)[clear].all()

    hold(test, count, found=data(ties=False))
