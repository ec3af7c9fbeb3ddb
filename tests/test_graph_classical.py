"""Label propagation, label spreading, Poisson learning: equations, limits, and data that goes wrong."""

import pickle
import signal
import warnings

import numpy as np
import pytest
import reference_graph as slow
from scipy.sparse import coo_array, csr_array, diags_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

from fewlabels.classical.label_propagation import LabelPropagation, LabelSpreading
from fewlabels.classical.label_propagation_regressor import LabelPropagationRegressor
from fewlabels.classical.labels_only import LabelsOnlyClassifier, LabelsOnlyRegressor
from fewlabels.classical.poisson import PoissonLearning
from fewlabels.errors import InputError, OptionError
from fewlabels.graph.neighbors import nearest
from fewlabels.graph.solve import solve
from fewlabels.graph.weights import affinities, check_affinity, edges

CLASSIFIERS = [LabelPropagation, LabelSpreading, PoissonLearning]
GRAPHS = [*CLASSIFIERS, LabelPropagationRegressor]
ALL = [*GRAPHS, LabelsOnlyClassifier, LabelsOnlyRegressor]


def blobs(seed=0, n=45, labels=2, n_classes=3):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % n_classes
    x = rng.normal(size=(n, 4)) + 1.5 * np.eye(n_classes, 4)[truth]
    y = np.full(n, -1)
    for c in range(n_classes):
        y[np.flatnonzero(truth == c)[:labels]] = c
    return x, y, truth


def two_pairs():
    """Two components of three rows, far apart; a label in the first only, and one in a third component."""
    x = np.array([[0.0], [0.1], [0.2], [50.0], [50.1], [50.2], [99.0], [99.1], [99.2]])
    return x, np.array([0, -1, 1, -1, -1, -1, 1, -1, -1])


def numbers(y):
    return np.where(y < 0, np.nan, y.astype(float))


@pytest.mark.parametrize("estimator", [cls() for cls in ALL], ids=lambda e: type(e).__name__)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_agrees(estimator):
    excused = {"check_classifiers_classes": "-1 marks unlabeled rows"}
    results = check_estimator(estimator, expected_failed_checks=excused, on_fail=None)
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []


@pytest.mark.parametrize("seed", range(2))
def test_equations(seed):
    x, y, _ = blobs(seed)
    labeled, codes = np.flatnonzero(y >= 0), y[y >= 0]
    w = slow.weights(x, 6)
    np.testing.assert_allclose(edges(nearest(x, 6)).toarray(), w, rtol=1e-12)
    lp = LabelPropagation(n_neighbors=6, tol=1e-12).fit(x, y)
    np.testing.assert_allclose(lp.label_distributions_, slow.propagation(w, labeled, codes, 3), atol=1e-8)
    for alpha in (0.5, 0.99):
        ls = LabelSpreading(n_neighbors=6, alpha=alpha, tol=1e-12).fit(x, y)
        np.testing.assert_allclose(ls.label_distributions_, slow.spreading(w, labeled, codes, 3, alpha), atol=1e-8)
    u = slow.poisson(w, labeled, codes, 3)
    po = PoissonLearning(n_neighbors=6, tol=1e-12).fit(x, y)
    positive = np.maximum(u, 0) / np.maximum(u, 0).sum(1, keepdims=True)
    np.testing.assert_allclose(po.label_distributions_, positive, atol=1e-7)
    new = x[:7] + 0.1
    for model in (lp, po):
        expected = slow.extension(x, 6, new, model.label_distributions_)
        np.testing.assert_allclose(model.predict_proba(new), expected, atol=1e-9)


def test_poisson_corrects_by_the_class_prior():
    x, y, _ = blobs()
    y[np.flatnonzero(y == 0)[0]] = -1
    labeled, codes = np.flatnonzero(y >= 0), y[y >= 0]
    prior = np.array([0.6, 0.3, 0.1])
    u = slow.poisson(slow.weights(x, 6), labeled, codes, 3) * prior / (np.bincount(codes) / len(codes))
    model = PoissonLearning(n_neighbors=6, class_prior=prior).fit(x, y)
    unlabeled = y < 0
    assert (model.transduction_[unlabeled] == u.argmax(1)[unlabeled]).all()


def test_class_mass_is_the_prior():
    x, y, _ = blobs()
    prior = np.array([0.6, 0.3, 0.1])
    plain = LabelPropagation(n_neighbors=6).fit(x, y).label_distributions_
    model = LabelPropagation(n_neighbors=6, class_mass=True, class_prior=prior).fit(x, y)
    scaled = plain * prior / plain[y < 0].sum(0)
    np.testing.assert_allclose(model.label_distributions_, scaled / scaled.sum(1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize(
    "option",
    [
        {"n_neighbors": 3}, {"metric": "cosine"}, {"class_mass": True, "class_prior": [0.6, 0.3, 0.1]}, {"tol": 0.3},
        {"max_iter": 2}, {"affinity": "ring"}, {"alpha": 0.5},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_every_option_changes_something(cls, option):
    x, y, _ = blobs()
    if "alpha" in option and cls is not LabelSpreading:
        return
    if "affinity" in option:
        option = {"affinity": csr_array(diags_array([np.ones(44), np.ones(44)], offsets=[-1, 1]))}
    base = cls(n_neighbors=6).fit(x, y).label_distributions_
    changed = clone(cls(n_neighbors=6)).set_params(**option).fit(x, y).label_distributions_
    assert np.abs(base - changed).max() > 1e-6


def test_clamped_labels_stay_and_others_may_not():
    x, y, _ = blobs(labels=4)
    model = LabelPropagation().fit(x, y)
    assert (model.label_distributions_[y >= 0].argmax(1) == y[y >= 0]).all()
    assert model.label_distributions_[y >= 0].max() == 1.0


def test_spreading_with_little_alpha_is_the_labels():
    x, y, _ = blobs()
    model = LabelSpreading(alpha=1e-3).fit(x, y)
    assert model.label_distributions_[y >= 0, y[y >= 0]].min() > 0.99


def test_the_regressor_is_the_harmonic_function():
    x, y, _ = blobs()
    w = slow.weights(x, 6)
    f = slow.propagation(w, np.flatnonzero(y >= 0), y[y >= 0], 3)
    model = LabelPropagationRegressor(n_neighbors=6, tol=1e-12).fit(x, 10.0 + 5 * numbers(y))
    np.testing.assert_allclose(model.transduction_, 10 + 5 * (f @ [0, 1, 2]), atol=1e-7)
    np.testing.assert_allclose(model.predict(x + 0.1), slow.extension(x, 6, x + 0.1, model.transduction_), atol=1e-9)
    assert (model.transduction_[y >= 0] == 10.0 + 5 * y[y >= 0]).all()


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_rows_that_no_label_reaches_get_the_prior(cls):
    x, y = two_pairs()
    with pytest.warns(UserWarning, match="3 of 9 rows are in parts of the graph that no label reaches"):
        model = cls(n_neighbors=2).fit(x, y)
    assert model.unreached_.tolist() == [False] * 3 + [True] * 3 + [False] * 3
    np.testing.assert_allclose(model.label_distributions_[3:6], np.tile([1 / 3, 2 / 3], (3, 1)))
    # a component whose labels are all of one class gets that class
    np.testing.assert_allclose(model.label_distributions_[6:], np.tile([0.0, 1.0], (3, 1)), atol=1e-9)
    np.testing.assert_allclose(model.predict_proba([[50.05]]), [[1 / 3, 2 / 3]])


def test_unreached_numbers_get_the_mean():
    x, y = two_pairs()
    with pytest.warns(UserWarning, match="get the mean of the labels"):
        model = LabelPropagationRegressor(n_neighbors=2).fit(x, numbers(y))
    np.testing.assert_allclose(model.transduction_[3:6], 2 / 3)


def degenerate():
    rng = np.random.default_rng(0)
    x, y, _ = blobs()
    yield "constant column", np.column_stack([x, np.ones(len(x))]), y
    yield "one label a class", x, np.where(np.arange(len(x)) < 3, y, -1)
    yield "duplicates", np.repeat(x, 12, axis=0), np.repeat(y, 12)
    yield "all equal", np.ones((30, 3)), np.r_[0, 1, np.full(28, -1)]
    yield "all labeled", x, np.arange(len(x)) % 3
    yield "two rows a class", np.array([[0.0], [0.1], [1.0], [1.1]]), np.array([0, 0, 1, 1])
    yield "two rows", np.array([[0.0], [1.0]]), np.array([0, 1])
    yield "tight clusters", np.vstack([1e-12 * rng.normal(size=(30, 2)), [[1.0, 1.0]]]), np.r_[0, 1, np.full(29, -1)]
    yield "tiny", x * 1e-200, y
    yield "huge", x * 1e30, y
    yield "an outlier", np.vstack([x, np.full((1, 4), 1e9)]), np.r_[y, -1]


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize(("name", "x", "y"), list(degenerate()), ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_nan_leaves(cls, name, x, y):
    model = cls().fit(x, y)
    for proba in (model.label_distributions_, model.predict_proba(x), model.predict_proba(x * 3 + 1)):
        assert np.isfinite(proba).all()
        assert (proba >= 0).all()
        np.testing.assert_allclose(proba.sum(1), 1.0)
    values = LabelPropagationRegressor().fit(x, numbers(y))
    assert np.isfinite(values.transduction_).all()
    assert np.isfinite(values.predict(x * 3 + 1)).all()


@pytest.mark.parametrize("cls", GRAPHS)
def test_permuted_rows_permute_results(cls):
    x, y, _ = blobs()
    y = numbers(y) if cls is LabelPropagationRegressor else y
    order = np.random.default_rng(5).permutation(len(x))
    a, b = cls(n_neighbors=6).fit(x, y), cls(n_neighbors=6).fit(x[order], y[order])
    np.testing.assert_allclose(np.float64(a.transduction_[order]), np.float64(b.transduction_), atol=1e-7)
    np.testing.assert_allclose(a.graph_.toarray()[order][:, order], b.graph_.toarray())


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_string_classes_sparse_rows_and_your_own_graph(cls):
    x, y, _ = blobs()
    words = np.array(["ant", "bee", "cat", ""])[y]
    model = cls(n_neighbors=6).fit(x, y)
    named = cls(n_neighbors=6).fit(x, words.tolist())
    assert (named.transduction_ == np.array(["ant", "bee", "cat"])[model.transduction_]).all()
    thin = cls(n_neighbors=6).fit(csr_array(x), y)
    np.testing.assert_allclose(thin.label_distributions_, model.label_distributions_, atol=1e-9)
    np.testing.assert_allclose(thin.predict_proba(csr_array(x[:4])), model.predict_proba(x[:4]), atol=1e-9)
    given = cls(affinity=5 * model.graph_).fit(x, y)
    np.testing.assert_allclose(given.label_distributions_, model.label_distributions_, atol=1e-7)
    assert given.graph_facts_["search"] == "given"


@pytest.mark.parametrize("cls", ALL)
def test_refit_clone_pickle_determinism(cls):
    x, y, _ = blobs()
    y = numbers(y) if "Regressor" in cls.__name__ else y
    state = np.random.get_state()[1].copy()
    model = cls(random_state=0).fit(x, y)
    assert (np.random.get_state()[1] == state).all()
    again = clone(model).fit(x, y)
    restored = pickle.loads(pickle.dumps(model))
    output = model.predict_proba if hasattr(cls, "predict_proba") else model.predict
    expected = output(x)
    for other in (again, restored):
        assert (getattr(other, output.__name__)(x) == expected).all()
    with pytest.raises(InputError):
        model.fit(np.full_like(x, np.nan), y)
    assert (output(x) == expected).all()
    seen = x.copy()
    fitted = cls(random_state=0).fit(seen, y)
    seen[:] = 0.0
    assert (getattr(fitted, output.__name__)(x) == expected).all()


BAD_OPTIONS = [
    ({"n_neighbors": 0}, "n_neighbors=0; expected a whole number of at least 1"),
    ({"n_neighbors": 2.5}, r"n_neighbors=2\.5"),
    ({"metric": "manhattan"}, "metric='manhattan'; expected 'euclidean' or 'cosine'"),
    ({"tol": 0}, "tol=0; expected a number above 0 and below 1"),
    ({"tol": 1}, "tol=1; expected a number above 0 and below 1"),
    ({"max_iter": 0}, "max_iter=0; expected a whole number of at least 1"),
    ({"alpha": 1}, "alpha=1; expected a number above 0 and below 1"),
    ({"class_prior": [1, 2]}, r"class_prior=\[1, 2\]; expected None or 3 numbers above 0"),
    ({"random_state": -1}, "random_state=-1"),
]


@pytest.mark.parametrize(("option", "message"), BAD_OPTIONS, ids=[str(option) for option, _ in BAD_OPTIONS])
def test_bad_options(option, message):
    x, y, _ = blobs()
    with pytest.raises(OptionError, match=message):
        LabelSpreading(**option).fit(x, y)


def test_more_neighbors_than_rows():
    with pytest.warns(UserWarning, match="n_neighbors=10, but X has 4 rows: each is joined to the 3 others"):
        LabelPropagation().fit([[0.0], [0.1], [1.0], [1.1]], [0, -1, -1, 1])


def with_edge(row, column, weight):
    graph = np.zeros((4, 4))
    graph[0, 1] = graph[1, 0] = 1.0
    graph[row, column] = weight
    return csr_array(graph)


BAD_GRAPHS = [
    (np.eye(4), "affinity is a ndarray; expected a SciPy sparse array"),
    (csr_array((3, 3)), r"affinity has shape \(3, 3\), but X has 4 rows"),
    (csr_array(1j * np.eye(4)), r"affinity has complex weights\. Weights are similarities"),
    (with_edge(2, 3, np.nan), r"1 weights that are NaN or infinite \(first: row 2, column 3\)\. Drop these edges or"),
    (
        with_edge(2, 3, -1.0),
        r"1 negative weights \(first: row 2, column 3\)\. Weights .*: 0 \(no edge\) or more\. M",
    ),
    (with_edge(2, 2, 1.0), r"1 edges from a row to itself \(first: row 2, column 2\)\. Remove them: affinity\.setdiag"),
    (with_edge(2, 3, 1.0), r"2 weights that differ from their mirror image \(first: row 2, column 3\)"),
]


@pytest.mark.parametrize(("graph", "message"), BAD_GRAPHS, ids=lambda v: v[:18] if isinstance(v, str) else "")
def test_malformed_graphs(graph, message):
    with pytest.raises(InputError, match=message):
        LabelPropagation(affinity=graph).fit(np.eye(4), [0, 1, -1, -1])


def test_your_own_weights_count_in_units_of_the_largest():
    weights = np.array([[0, 4, 1], [4, 0, 0], [1, 0, 0]])
    expected = weights / 4
    rows, columns = np.nonzero(weights)
    halves = np.tile(weights[rows, columns] / 2, 2)
    twice = coo_array((halves, (np.tile(rows, 2), np.tile(columns, 2))), shape=(3, 3))  # each edge in two parts
    for given in (csr_array(weights), csr_array(weights * 1e-200), csr_array(weights * 1e200), twice):
        before = given.toarray().copy()
        np.testing.assert_allclose(check_affinity(given, 3).toarray(), expected)
        assert (given.toarray() == before).all()
    assert check_affinity(csr_array(weights > 0), 3).toarray().tolist() == (weights > 0).tolist()
    assert check_affinity(csr_array((3, 3)), 3).nnz == 0
    for tiny, stays in ((1e-100, True), (0.99e-100, False)):
        assert (check_affinity(with_edge(2, 3, 2 * tiny) + with_edge(3, 2, 2 * tiny), 4).nnz == 4) == stays


def test_isolated_rows_of_your_own_graph():
    x, y = np.zeros((4, 1)), np.array([0, -1, 1, -1])
    for cls in CLASSIFIERS:
        with pytest.warns(UserWarning, match="1 of 4 rows"):
            model = cls(affinity=with_edge(0, 1, 1.0)).fit(x, y)
        assert model.transduction_.tolist()[:3] == [0, 0, 1]
        np.testing.assert_allclose(model.label_distributions_[3], [0.5, 0.5])


def test_a_far_end_of_a_chain_is_unreached_not_noise():
    n = 2000
    chain = csr_array(diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1]))
    y = np.full(n, -1)
    y[:2] = 0, 1
    with pytest.warns(UserWarning, match="no label reaches"):
        model = LabelSpreading(affinity=chain, alpha=0.9).fit(np.zeros((n, 1)), y)
    assert (model.transduction_[1:30] == 1).all()
    assert model.unreached_[500:].all()


@pytest.mark.filterwarnings("ignore:.*no label reaches")
def test_labeled_rows_are_reached_however_loose_the_solver():
    x, y, _ = blobs()
    model = LabelSpreading(n_neighbors=6, tol=0.9, alpha=0.999).fit(x, y)
    assert not model.unreached_[y >= 0].any()
    assert (model.label_distributions_[y >= 0].argmax(1) == y[y >= 0]).all()


def test_solver_against_numpy():
    rng = np.random.default_rng(0)
    w = np.triu(rng.random((60, 60)) * (rng.random((60, 60)) < 0.2), 1)
    w = w + w.T
    laplacian = np.diag(w.sum(1)) - w
    b = rng.normal(size=(60, 5))
    b[:, 3] = 0.0
    shifted = laplacian + 0.1 * np.eye(60)
    solution = solve(csr_array(shifted), b, tol=1e-12, max_iter=500)
    np.testing.assert_allclose(solution.x, np.linalg.solve(shifted, b), atol=1e-9)
    assert solution.n_iter == len(solution.history) == solution.history[-1]["step"]
    b -= b.mean(0)
    x = solve(csr_array(laplacian), b, tol=1e-12, max_iter=500).x
    np.testing.assert_allclose(x - x.mean(0), np.linalg.pinv(laplacian) @ b, atol=1e-8)


def test_the_solver_scales_by_the_diagonal_and_stops_by_the_size_of_each_column():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # one iteration for a diagonal matrix whatever its units; a row of nothing stays at zero
        found = solve(csr_array(np.diag([0.1, 0.5, 3.0, 0.0])), np.array([[1.0, 1, 1, 0]]).T, tol=1e-9, max_iter=9)
    np.testing.assert_allclose(found.x[:, 0], [10, 2, 1 / 3, 0])
    assert found.n_iter == 1
    rng = np.random.default_rng(0)
    a = np.eye(30) + 0.3 * np.diag(np.ones(29), 1) + 0.3 * np.diag(np.ones(29), -1)
    b = rng.normal(size=(30, 1))
    plain, large = (solve(csr_array(a), scale * b, tol=1e-6, max_iter=99) for scale in (1.0, 1e6))
    assert plain.n_iter == large.n_iter > 3
    for scale, found in ((1.0, plain), (1e6, large)):
        off = np.linalg.norm(a @ found.x - scale * b) / np.linalg.norm(scale * b)
        assert off <= 1e-6
        assert found.history[-1]["residual"] == pytest.approx(off, rel=1e-6)
    with pytest.warns(ConvergenceWarning):
        assert solve(csr_array(a), b, tol=1e-6, max_iter=3).n_iter == 3
    assert solve(csr_array(a), b, tol=plain.history[2]["residual"], max_iter=99).n_iter == 3  # exactly tol is enough


class Interrupting:
    """A matrix whose third product is interrupted."""

    def __init__(self, matrix, number):
        self.matrix, self.number, self.products = matrix, number, 0

    def diagonal(self):
        return self.matrix.diagonal()

    def __matmul__(self, other):
        self.products += 1
        if self.products == 3:
            signal.raise_signal(self.number)
        return self.matrix @ other


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_the_solver_stops_after_the_iteration_that_a_signal_came_in(number, error):
    before = signal.getsignal(number)
    matrix = Interrupting(csr_array(np.eye(9) + 0.3 * np.eye(9, k=1) + 0.3 * np.eye(9, k=-1)), number)
    with pytest.raises(error) as caught:
        solve(matrix, np.arange(9.0)[:, None], tol=1e-12, max_iter=99)
    said = "".join([*map(str, caught.value.args), *getattr(caught.value, "__notes__", [])])
    assert "stopped after 3 iterations of the solver" in said
    assert matrix.products == 3
    assert signal.getsignal(number) is before


def test_affinities_at_their_ends():
    """exp(-4) at the k-th neighbor in any unit, 1 between equal rows."""
    last = np.exp(-4)
    for unit in (1.0, 1e-200, 1e200):
        np.testing.assert_allclose(affinities(unit * np.array([[0.0, 0.25, 0.5]])), [[1, np.exp(-1), last]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert affinities(np.zeros((2, 3))).tolist() == [[1.0] * 3] * 2
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(affinities(np.array([[1.0, np.inf]])), [[1, last]])  # distances beyond float64


@pytest.mark.filterwarnings("ignore:.*no label reaches")
def test_too_few_iterations_warn():
    x, y, _ = blobs()
    with pytest.warns(ConvergenceWarning, match="after max_iter=1 iterations the residual is .*Raise max_iter"):
        LabelSpreading(max_iter=1).fit(x, y)


def test_nothing_else_warns():
    x, y, _ = blobs()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cls in ALL:
            model = cls(random_state=0).fit(x, numbers(y) if "Regressor" in cls.__name__ else y)
            model.predict(x)


def test_digits_with_few_labels():
    x, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(1000)
    for n_labels, cls, least in ((5, LabelSpreading, 0.92), (5, LabelPropagation, 0.92), (1, PoissonLearning, 0.8)):
        y = np.full(len(x), -1)
        for c in range(10):
            y[rng.choice(np.flatnonzero(truth == c), n_labels, replace=False)] = c
        model = cls().fit(x, y)
        assert (model.transduction_ == truth)[y < 0].mean() > least
        assert (model.predict(x) == model.transduction_).mean() > 0.97


class TestLabelsOnly:
    def test_graph_estimators_name_it(self):
        assert isinstance(LabelPropagation(metric="cosine", random_state=3).baseline(), LabelsOnlyClassifier)
        assert LabelPropagation(metric="cosine", random_state=3).baseline().get_params() == {
            "metric": "cosine", "random_state": 3,
        }  # fmt: skip
        assert isinstance(LabelPropagationRegressor().baseline(), LabelsOnlyRegressor)

    def test_it_reads_no_unlabeled_row(self):
        x, y, _ = blobs(labels=5)
        a = LabelsOnlyClassifier(random_state=0).fit(x, y)
        x[y < 0] = 1e6
        b = LabelsOnlyClassifier(random_state=0).fit(x, y)
        assert a.scores_ == b.scores_
        assert (a.predict_proba(x) == b.predict_proba(x)).all()

    def test_the_best_is_chosen(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(200, 2))
        ring = (np.hypot(*x.T) > 1.2).astype(int)
        line = (x[:, 0] + x[:, 1] > 0).astype(int)
        near, straight = LabelsOnlyClassifier(random_state=0), LabelsOnlyClassifier(random_state=0)
        assert near.fit(x, ring).chosen_ in ("1 neighbor", "5 neighbors")
        assert near.scores_[near.chosen_] == max(near.scores_.values())
        assert straight.fit(x, line).chosen_ == "logistic regression"
        assert straight.score(x, line) > 0.95

    def test_one_label_a_class_takes_logistic_regression(self):
        model = LabelsOnlyClassifier().fit([[0.0], [1.0], [5.0]], [0, 1, -1])
        assert model.chosen_ == "logistic regression"
        assert model.scores_ == {}

    def test_linear_models_in_the_units_of_x(self):
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        x, _, truth = blobs(n=90)
        x = x * [1, 10, 100, 0.1] + 5
        model = LabelsOnlyClassifier(random_state=0)
        weights, intercept = model._linear(x, np.eye(3)[truth])
        scaled = StandardScaler().fit(x)
        expected = LogisticRegression(max_iter=1000).fit(scaled.transform(x), truth)
        np.testing.assert_allclose(
            model._link(x @ weights + intercept), expected.predict_proba(scaled.transform(x)), atol=1e-8
        )

    def test_two_classes_are_logistic_regression_too(self):
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        x, _, truth = blobs(n=60, n_classes=2)
        model = LabelsOnlyClassifier(random_state=0)
        weights, intercept = model._linear(x, np.eye(2)[truth])
        scaled = StandardScaler().fit_transform(x)
        expected = LogisticRegression(max_iter=1000).fit(scaled, truth).predict_proba(scaled)
        np.testing.assert_allclose(model._link(x @ weights + intercept), expected, atol=1e-8)

    def test_regression_chooses_too(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(150, 2))
        assert LabelsOnlyRegressor(random_state=0).fit(x, x @ [1.0, 2.0]).chosen_ == "ridge regression"
        bumpy = LabelsOnlyRegressor(random_state=0).fit(x, np.sin(3 * x[:, 0]) * np.cos(3 * x[:, 1]))
        assert bumpy.chosen_ in ("1 neighbor", "5 neighbors")
        assert LabelsOnlyRegressor().fit([[0.0], [1.0]], [3.0, np.nan]).predict([[7.0]]).tolist() == [3.0]

    def test_sparse_rows(self):
        x, y, _ = blobs(labels=5)
        x = np.maximum(x, 0)
        for cls, target in ((LabelsOnlyClassifier, y), (LabelsOnlyRegressor, numbers(y))):
            assert np.isfinite(cls(random_state=0).fit(csr_array(x), target).predict(csr_array(x))).all()
