"""GraphClassifier: what it promises as an estimator, what it reads, and what it refuses."""

import itertools
import json
import warnings

import networkx
import numpy as np
import pytest
import reference_nodes as reference
import torch
from scipy.sparse import block_diag, csr_array, hstack
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch_geometric.data import Data

import fewlabels as fl
from fewlabels.container import read_container, write_container
from fewlabels.errors import InputError, OptionError, SaveError, UnsafeFileError
from fewlabels.graph.propagation import with_loops
from fewlabels.graph.reading import read_edges, read_graph
from fewlabels.graph_classifier import GraphClassifier
from fewlabels.model_files import FILE
from fewlabels.networks.sparse import normalized
from fewlabels.node_networks import ARCHITECTURES, as_tensor
from fewlabels.node_training import NodeData, _batches
from fewlabels.partial_labels import partial

ALL = list(ARCHITECTURES)
N = 60
UNFIT = ["vat", "mixmatch", "remixmatch", "adamatch", "defixmatch"]
FIT = [name for name in fl.methods.NAMES if name not in UNFIT]


def blocks(seed=0, n=N, within=0.25, between=0.02):
    """Three groups: X (n, 4) with a little of the group in it, its edges (2, E), and the truth."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    chance = np.where(truth[:, None] == truth[None], within, between)
    edges = np.stack(np.nonzero(np.triu(rng.random((n, n)) < chance, 1)))
    X = rng.normal(size=(n, 4))
    X[np.arange(n), truth] += 1.5
    return X, edges, truth


def marked(truth, n_labeled=12):
    y = np.array(["a", "b", "c"], dtype=object)[truth]
    y[n_labeled:] = None
    return y


def model(architecture="gcn", method="supervised", **options):
    return GraphClassifier(architecture, method, **({"steps": 10, "verbose": False, "random_state": 0} | options))


def same(first, second):
    return np.array_equal(first.label_distributions_, second.label_distributions_) and all(
        np.array_equal(first.weights_[key], second.weights_[key]) for key in first.weights_
    )


SKLEARN = [model(name, steps=20, lr=0.2) for name in ("gcn", "sgc")]
SLOWER = [model("gat", steps=60, lr=0.1), model("appnp", steps=60, lr=0.1), model("gcn", "fixmatch", steps=60, lr=0.1)]


def fails(estimator):
    return {"check_classifiers_classes": "feeds labels {-1, 1}; -1 is unlabeled"}


@parametrize_with_checks(SKLEARN, expected_failed_checks=fails)
def test_scikit_learn_agrees(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.slow
@parametrize_with_checks(SLOWER, expected_failed_checks=fails)
def test_scikit_learn_agrees_on_the_slower_ones(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.parametrize("name", ALL)
def test_fit_and_what_it_leaves(name):
    X, edges, truth = blocks()
    y = marked(truth)
    found = model(name, steps=80).fit(X, y, edges)
    assert found.classes_.tolist() == ["a", "b", "c"]
    assert found.transduction_[:12].tolist() == y[:12].tolist()
    assert (found.transduction_ == np.array(["a", "b", "c"], dtype=object)[truth]).mean() > 0.85
    np.testing.assert_allclose(found.label_distributions_.sum(1), 1)
    assert found.history_[-1]["step"] == 80 == found.facts_["kept_step"]
    assert found.facts_["n_edges"] == edges.shape[1]
    assert {finding.check for finding in found.findings_} >= {"length", "spikes", "mask_empty"}


@pytest.mark.parametrize("method", FIT)
@pytest.mark.parametrize("name", ["gcn", "sgc"])
def test_every_method_learns_from_unlabeled_nodes(name, method):
    X, edges, truth = blocks()
    y, alone = marked(truth), model(name, augment=fl.augment.Graphs(0.2, 0.2)).fit(*blocks()[:1], marked(truth), edges)
    # sure at once, so that a threshold lets something pass in ten steps
    recipe = fl.methods.NAMES[method]()
    parts = vars(recipe)
    changed = {"weight": fl.parts.Fixed(tau=0.0)} if isinstance(parts.get("weight"), fl.parts.Fixed) else {}
    recipe = type(recipe)(**(parts | changed))
    found = model(name, recipe).fit(X, y, edges)
    assert np.isfinite(found.label_distributions_).all()
    assert same(found, clone(found).fit(X, y, edges))
    assert same(found, alone) == (method == "supervised")


@pytest.mark.parametrize("method", UNFIT)
def test_methods_that_add_up_rows_are_refused(method):
    X, edges, truth = blocks()
    with pytest.raises(OptionError, match=f"{method} changes, mixes or copies rows itself.*Take fixmatch"):
        model(method=method).fit(X, marked(truth), edges)


CHANGED = [
    *[
        ("gcn", option)
        for option in ("width=5", "dropout=0.1", "steps=9", "lr=0.02", "weight_decay=0.5", "average=0.9")
    ],
    *[("gcn", option) for option in ("scaling='none'", "scaling='rows'", "random_state=1")],
    *[("gat", option) for option in ("width=3", "heads=2", "dropout=0.2")],
    *[("appnp", option) for option in ("width=5", "hops=2", "alpha=0.5", "dropout=0.1")],
    *[("sgc", option) for option in ("hops=1", "alpha=0.5", "dropout=0.3", "weight_decay=0.5", "lr=0.1", "steps=9")],
]


@pytest.mark.parametrize(("name", "option"), CHANGED, ids=str)
def test_every_option_changes_something(name, option):
    X, edges, truth = blocks()
    key, value = option.split("=")
    first, other = model(name), model(name, **{key: eval(value)})
    answers = [m.fit(X, marked(truth), edges).label_distributions_ for m in (first, other)]
    assert not np.array_equal(*answers)


@pytest.mark.parametrize("option", [{"n_neighbors": 3}, {"metric": "cosine"}])
def test_options_of_the_graph_that_is_built(option):
    X, _, truth = blocks()
    answers = [model(**o).fit(X, marked(truth)).label_distributions_ for o in ({}, option)]
    assert not np.array_equal(*answers)


@pytest.mark.parametrize("share", ["edges", "features", "strong_edges", "strong_features"])
def test_every_share_of_a_view_changes_something(share):
    X, edges, truth = blocks()
    recipe = fl.methods.FixMatch(weight=fl.parts.Fixed(tau=0.0))
    augments = [fl.augment.Graphs(), fl.augment.Graphs(**{share: 0.7})]
    first, second = (model("gcn", recipe, augment=a).fit(X, marked(truth), edges) for a in augments)
    assert not same(first, second)
    if share.endswith("edges"):  # which propagated features no longer know
        first, second = (model("sgc", recipe, augment=a).fit(X, marked(truth), edges) for a in augments)
        assert same(first, second)


@pytest.mark.parametrize("name", ALL)
def test_same_seed_same_bits_and_the_global_state_is_left_alone(name):
    X, edges, truth = blocks()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (model(name, "mean_teacher").fit(X, marked(truth), edges) for _ in range(2))
    assert same(first, second)
    assert torch.equal(before, torch.get_rng_state())
    assert not same(first, model(name, "mean_teacher", random_state=1).fit(X, marked(truth), edges))


def test_views_of_one_step_differ_and_labeled_nodes_see_the_whole_graph():
    X, edges, truth = blocks()
    found = model("gcn", "mean_teacher", steps=2)
    data, adjacency = partial(X, marked(truth)), as_tensor(with_loops(read_graph(edges, N)))
    nodes = NodeData(torch.from_numpy(X).float(), adjacency, data, data.labeled[:0], data.y[:0])
    clean = normalized(adjacency)
    first, second = _batches(nodes, clean, found._options(found._resolved()))
    for batch in (first, second):
        assert batch.x.edges is clean
        assert batch.x.rows.tolist() == list(range(12))
        assert batch.rows.tolist() == list(range(N))
    views = [first.u[0], first.u[1], second.u[0]]
    for a, b in itertools.combinations(views, 2):
        assert not torch.equal(a.edges.values, b.edges.values)


def test_marks_carry_nothing():
    X, edges, truth = blocks()
    y = truth.copy()
    y[12:] = -1
    other = np.where(y < 0, np.nan, y)
    assert same(model().fit(X, y, edges), model().fit(X, other, edges))


def test_renaming_nodes_renames_answers():
    X, edges, truth = blocks()
    y, order = marked(truth), np.random.default_rng(0).permutation(N)
    place = np.argsort(order)
    # dropout draws by place, so there is none
    first = model(dropout=0.0, steps=5).fit(X, y, edges)
    second = model(dropout=0.0, steps=5).fit(X[order], y[order], place[edges])
    np.testing.assert_allclose(second.label_distributions_, first.label_distributions_[order], atol=1e-4)


def test_validation_nodes_choose_the_step_and_nothing_else():
    X, edges, truth = blocks()
    y = marked(truth, 30)
    nodes = np.arange(12, 30)
    found = model(steps=40, lr=0.2, average=0.0).fit(X, y, edges, validation=nodes)
    scores = [(entry["validation_accuracy"], -entry["validation_loss"]) for entry in found.history_]
    assert found.facts_["kept_step"] == 1 + scores.index(max(scores))
    # other labels there: the same losses, whichever step is kept
    lies = y.copy()
    lies[nodes] = np.roll(y[nodes], 1)
    other = model(steps=40, lr=0.2, average=0.0).fit(X, lies, edges, validation=nodes)
    assert [e["loss"] for e in other.history_] == [e["loss"] for e in found.history_]
    assert other.facts_["kept_step"] != found.facts_["kept_step"]
    # the weights kept are those of a run that ends there
    hidden = y.copy()
    hidden[nodes] = None
    longer = model(steps=40, lr=0.2, average=0.0).fit(X, hidden, edges)
    assert [e["loss"] for e in longer.history_] == [e["loss"] for e in found.history_]
    guess = found.classes_[found.label_distributions_.argmax(1)]
    assert (guess[nodes] == y[nodes]).mean() == pytest.approx(max(scores)[0])


def test_patience_ends_the_training():
    X, edges, truth = blocks()
    found = model(steps=100, lr=0.5, patience=3).fit(X, marked(truth, 30), edges, validation=np.arange(12, 30))
    assert found.history_[-1]["step"] == found.facts_["kept_step"] + 3 < 100


BAD_VALIDATION = [
    ([0, 55], "1 nodes without a label in y \\(first: 55\\)"),
    (np.ones(N, bool), "bool of shape \\(60,\\); expected numbers of nodes.*flatnonzero"),
    ([0, 3, 6, 9], "class 'a' has labels on validation nodes only"),
    ([], "expected numbers of nodes"),
]


@pytest.mark.parametrize(("nodes", "message"), BAD_VALIDATION, ids=range(4))
def test_bad_validation_nodes(nodes, message):
    X, edges, truth = blocks()
    with pytest.raises(InputError, match=message):
        model().fit(X, marked(truth), edges, validation=nodes)


# graphs


def forms(edges, n):
    """The same graph in every form that is taken."""
    a = np.zeros((n, n))
    a[edges[0], edges[1]] = a[edges[1], edges[0]] = 1
    both = np.concatenate([edges, edges[::-1]], axis=1)
    network = networkx.Graph()
    network.add_nodes_from(reversed(range(n)))
    network.add_edges_from(edges.T.tolist())
    return {
        "sparse": csr_array(a),
        "(2, E)": edges,
        "(E, 2)": edges.T,
        "both directions": both,
        "list": edges.T.tolist(),
        "twice": np.concatenate([edges, edges], axis=1),
        "networkx": network,
        "Data": Data(edge_index=torch.from_numpy(both), num_nodes=n),
        "edge_index": torch.from_numpy(edges),
        "float": edges.astype(float),
    }


@pytest.mark.parametrize("form", list(forms(np.array([[0], [1]]), 3)))
def test_every_form_of_a_graph_is_the_same_graph(form):
    _, edges, _ = blocks()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_graph(forms(edges, N)[form], N)
    np.testing.assert_array_equal(found.toarray(), forms(edges, N)["sparse"].toarray())


def test_weights_and_names_of_nodes_are_read():
    network = networkx.Graph()
    network.add_edge("x", "y", weight=2.5)
    network.add_edge("y", "z")
    np.testing.assert_array_equal(read_graph(network, 3).toarray(), [[0, 2.5, 0], [2.5, 0, 1], [0, 1, 0]])
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), edge_weight=torch.tensor([0.5, 0.5]))
    np.testing.assert_array_equal(read_graph(data, 2).toarray(), [[0, 0.5], [0.5, 0]])


BAD_GRAPHS = [
    (csr_array(np.ones((3, 4))), "graph has shape \\(3, 4\\), but X has 4 rows"),
    (csr_array(np.diag([-1.0], 3)), "1 negative weights \\(first: row 0, column 3\\)"),
    (csr_array(np.diag([np.nan], 3)), "1 NaN or infinite weights \\(first: row 0, column 3\\)"),
    ([[0, 1, 2], [1, 2, 4]], "edge 2 joins nodes 2 and 4, but there are 4 nodes, numbered 0 to 3"),
    ([[0, 1, 2], [1, 2, -1]], "edge 2 joins nodes 2 and -1"),
    ([[0, 1], [1, 2]], "shape \\(2, 2\\) could be an edge list"),
    ([[0, 1.5], [1, 2], [2, 3]], "node numbers that are not whole"),
    (np.ones((4, 4)), "graph is a ndarray of shape \\(4, 4\\).*A dense adjacency: scipy.sparse.csr_array"),
    (np.ones(5), "graph is a ndarray of shape \\(5,\\) and type float64; expected a SciPy sparse adjacency"),
    ("cora", "graph is a str of shape"),
    (networkx.path_graph(5), "graph has 5 nodes, but X has 4 rows"),
]


@pytest.mark.parametrize(("graph", "message"), BAD_GRAPHS, ids=range(len(BAD_GRAPHS)))
def test_malformed_graphs(graph, message):
    with pytest.raises(InputError, match=message):
        model().fit(np.eye(4), [0, 1, -1, -1], graph)


def test_what_is_mended_is_said():
    skewed = np.array([[0, 2.0, 0], [1.0, 0, 0], [0, 3.0, 0]])
    with pytest.warns(UserWarning, match="graph is not symmetric \\(first: row 0, column 1\\).*larger"):
        found = read_graph(csr_array(skewed), 3)
    np.testing.assert_array_equal(found.toarray(), [[0, 2, 0], [2, 0, 3], [0, 3, 0]])
    with pytest.warns(UserWarning, match="1 edges from a node to itself \\(first: node 2\\)"):
        found = read_graph([[0, 1, 2], [1, 2, 2]], 3)
    np.testing.assert_array_equal(found.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])


def test_reading_leaves_the_users_graph_alone():
    skewed = csr_array(np.array([[4.0, 2.0], [1.0, 0.0]]))
    kept = skewed.toarray()
    with pytest.warns(UserWarning, match="not symmetric|to itself"):
        read_graph(skewed, 2)
    np.testing.assert_array_equal(skewed.toarray(), kept)


@pytest.mark.parametrize("name", ALL)
def test_nodes_without_edges_are_no_reason_for_nan(name):
    X, _, truth = blocks()
    for graph in ([], np.array([[0], [1]]), csr_array((N, N))):
        found = model(name, "fixmatch").fit(X, marked(truth), graph)
        assert np.isfinite(found.label_distributions_).all()
    # features of zeros, which no row sum can divide
    found = model(name, scaling="rows").fit(np.where(np.arange(N)[:, None] % 2, X, 0), marked(truth), [])
    assert np.isfinite(found.label_distributions_).all()


# new nodes


@pytest.mark.parametrize("name", ALL)
def test_answers_of_new_nodes_are_those_of_the_larger_graph(name):
    X, edges, truth = blocks()
    new = np.random.default_rng(3).normal(size=(2, 4))
    found = model(name, scaling="none").fit(X, marked(truth), edges)
    proba = found.predict_proba(new, [[N, 4], [N, 7], [N, N + 1]])
    # new nodes listen to old ones, which do not listen to them: rows of a matrix that is not symmetric
    a = np.zeros((N + 2, N + 2))
    a[:N, :N] = found.graph_.toarray()
    a[N, [4, 7, N + 1]] = 1
    a[N + 1, N] = 1
    x, weights = np.vstack([X, new]), {k: v.astype(float) for k, v in found.weights_.items()}
    parts = [weights.get(k) for k in ("first", "bias_first", "last", "bias_last")]
    if name == "gcn":
        logits = reference.gcn(x, a, *parts)
    elif name == "appnp":
        logits = reference.appnp(x, a, *parts, 10, 0.1)
    elif name == "sgc":
        logits = reference.propagated(x, a, 2, 0.0) @ weights["weight"] + weights["bias"]
    else:
        layers = [[weights[f"{m}.{k}"] for k in ("weight", "u", "v", "bias")] for m in ("first", "last")]
        for layer in layers:
            layer[1:3] = layer[1][0], layer[2][0]
        logits = reference.gat(x, a, *layers)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(proba, expected[N:], atol=1e-5)
    np.testing.assert_allclose(found.label_distributions_, expected[:N], atol=1e-5)


def test_new_nodes_do_not_change_each_other_unless_joined():
    X, edges, truth = blocks()
    new = np.random.default_rng(3).normal(size=(2, 4))
    found = model().fit(X, marked(truth), edges)
    both = found.predict_proba(new, [[N, 4], [N + 1, 4], [N + 1, 5]])
    np.testing.assert_allclose(found.predict_proba(new[:1], [[N, 4], [N, 4], [N, 4]])[0], both[0], atol=1e-7)
    joined = found.predict_proba(new, [[N, 4], [N + 1, 4], [N + 1, N]])
    assert np.abs(joined[0] - both[0]).max() > 1e-3
    sparse = csr_array(([1.0, 1, 1], ([0, 1, 1], [4, 4, 5])), shape=(2, N + 2))
    np.testing.assert_array_equal(found.predict_proba(new, sparse), both)
    assert found.predict(new, sparse).tolist() == found.classes_[both.argmax(1)].tolist()


def test_a_copy_of_a_node_is_answered_like_it():
    X, edges, truth = blocks()
    found = model(steps=60).fit(X, marked(truth), edges)
    near = np.concatenate([edges[1][edges[0] == 40], edges[0][edges[1] == 40]])
    copy = found.predict_proba(X[40:41], [[N, j] for j in near])
    np.testing.assert_allclose(copy[0], found.label_distributions_[40], atol=0.1)


BAD_EDGES = [
    ([[0, 1], [1, 2], [60, 3]], "edges\\[0\\] joins nodes 0 and 1, which fit knew both.*numbered from 60"),
    ([[60, 1], [61, 2], [60, 3]], "edge 1 joins nodes 61 and 2, but there are 61 nodes"),
    (csr_array((1, 60)), "edges has shape \\(1, 60\\); expected \\(1, 61\\)"),
    (csr_array(-np.eye(1, 61)), "negative weights"),
    (None, "fit was given a graph, so new nodes need edges=.*numbered from 60 on"),
]


@pytest.mark.parametrize(("edges", "message"), BAD_EDGES, ids=range(5))
def test_bad_edges_of_new_nodes(edges, message):
    X, graph, truth = blocks()
    found = model().fit(X, marked(truth), graph)
    with pytest.raises(InputError, match=message):
        found.predict(np.zeros((1, 4)), edges)


def test_edges_of_new_nodes_go_both_ways_among_them():
    found = read_edges([[5, 4], [5, 0], [4, 3]], 4, 2).toarray()
    expected = [[0, 0, 0, 1, 0, 1], [1, 0, 0, 0, 1, 0]]
    np.testing.assert_array_equal(found, expected)
    one_way = csr_array(np.array([[0, 0, 0, 1.0, 0, 1], [1, 0, 0, 0, 0, 0]]))
    np.testing.assert_array_equal(read_edges(one_way, 4, 2).toarray(), expected)


# features


@pytest.mark.parametrize("name", ALL)
def test_sparse_features_are_dense_ones(name):
    X, edges, truth = blocks()
    counts = np.rint(np.maximum(X, 0)) * (np.abs(X) > 1)
    found = [model(name, scaling="auto").fit(kind(counts), marked(truth), edges) for kind in (csr_array, np.asarray)]
    np.testing.assert_array_equal(found[0].label_distributions_, found[1].label_distributions_)
    assert found[0].scaling_["kind"] == "rows"
    proba = [m.predict_proba(kind(counts[:2]), []) for m, kind in zip(found, (csr_array, np.asarray), strict=True)]
    np.testing.assert_array_equal(*proba)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_standardized_columns(kind):
    X, edges, truth = blocks()
    X = np.column_stack([X, np.full(N, 7.0)])
    scaling = fl.graph_classifier.learn_features(kind(X), "auto")
    assert scaling.kind == "columns"
    found = scaling(kind(X))
    spread = np.append(X[:, :4].std(0), 1.0)
    expected = X / spread if kind is csr_array else (X - X.mean(0)) / spread
    np.testing.assert_allclose(found.toarray() if kind is csr_array else found, expected, atol=1e-5)


BAD_OPTIONS = [
    ({"architecture": "gcnn"}, "architecture='gcnn' is not known. Did you mean 'gcn'"),
    ({"heads": 4}, "gcn has no heads; gat does"),
    ({"hops": 4}, "gcn has no hops; appnp, sgc does"),
    ({"architecture": "sgc", "width": 4}, "sgc has no width"),
    ({"width": 0}, "width=0 should be a whole number from 1 to 16384"),
    ({"dropout": 1.0}, "dropout=1.0 should be"),
    ({"steps": 0}, "steps=0 should be"),
    ({"lr": -1.0}, "lr=-1.0 should be"),
    ({"patience": 0}, "patience=0 should be"),
    ({"average": 1.0}, "average=1.0 should be"),
    ({"scaling": "row"}, "scaling='row' is not known. Did you mean 'rows'"),
    ({"augment": "none"}, "augment='none'; expected 'auto' or fl.augment.Graphs"),
    ({"method": "fixmatc"}, "method='fixmatc' is not known"),
    ({"random_state": -1}, "random_state=-1"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=str)
def test_bad_options(options, message):
    X, edges, truth = blocks()
    with pytest.raises(OptionError, match=message):
        model(**options).fit(X, marked(truth), edges)


@pytest.mark.parametrize("option", [{"n_neighbors": 0}, {"metric": "manhattan"}], ids=str)
def test_bad_options_of_the_graph_that_is_built(option):
    X, _, truth = blocks()
    with pytest.raises(OptionError, match=f"{next(iter(option))}="):
        model(**option).fit(X, marked(truth))


# files and comparisons


@pytest.mark.parametrize("name", ALL)
def test_files_hold_it_all(name, tmp_path):
    X, edges, truth = blocks()
    recipe = fl.methods.FixMatch(weight=fl.parts.Fixed(tau=0.3))
    found = model(name, recipe, augment=fl.augment.Graphs(0.3)).fit(X, marked(truth), edges)
    back = fl.load(found.save(tmp_path / name))
    assert same(found, back)
    assert back.get_params() == found.get_params()
    assert (back.findings_, back.facts_, back.history_) == (found.findings_, found.facts_, found.history_)
    new = [[N, 1], [N, 2], [N, 3]]
    np.testing.assert_array_equal(back.predict_proba(X[:1], new), found.predict_proba(X[:1], new))
    assert same(back.fit(X, marked(truth), edges), found)


def test_files_refuse_recipes_they_do_not_know(tmp_path):
    X, edges, truth = blocks()

    class Mine(fl.methods.Supervised):
        pass

    found = model(method=Mine()).fit(X, marked(truth), edges)
    with pytest.raises(SaveError, match="cannot save model.params.method"):
        found.save(tmp_path / "mine")
    folder = model().fit(X, marked(truth), edges).save(tmp_path / "model")
    about, tensors = read_container(folder / FILE, "model")
    text = json.dumps(about).replace('"method", "supervised"', '"method", {"recipe": {"recipe": "os.system"}}')
    assert "os.system" in text
    write_container(folder / FILE, "model", json.loads(text), tensors)
    with pytest.raises((UnsafeFileError, OptionError), match="os.system"):
        fl.load(folder)


def test_a_comparison_on_nearest_neighbors():
    X, truth = make_blobs(160, centers=3, cluster_std=2.0, random_state=0)
    y = np.where(np.arange(120) < 12, truth[:120], -1)
    candidate = model("gcn", "entropy_minimization")
    result = fl.compare(X[:120], y, X[120:], truth[120:], method=candidate, random_state=0)
    assert result.baseline.method == "supervised"
    assert result.candidate.method == "entropy_minimization"
    assert result.paired.n == 40


def test_a_comparison_on_a_graph_judges_new_nodes_with_their_edges():
    X, edges, truth = blocks()
    graph, known = read_graph(edges, N), np.arange(N) % 4 > 0
    X_test, y_test = X[~known], np.array(["a", "b", "c"], dtype=object)[truth[~known]]
    order = np.concatenate([np.flatnonzero(known), np.flatnonzero(~known)])  # test nodes last
    y = marked(truth[known])
    candidate = model("gcn", "entropy_minimization")
    result = fl.compare(
        X[known], y, X_test, y_test, method=candidate, graph=graph[order][:, order], random_state=3, verbose=False
    )
    alone = model("gcn", "entropy_minimization", random_state=3)
    alone.fit(X[known], y, graph[known][:, known])
    heard = csr_array(hstack([graph[~known][:, known], graph[~known][:, ~known]]))
    np.testing.assert_array_equal(result.candidate_output, alone.predict_proba(X_test, heard))
    assert (result.baseline_output != result.candidate_output).any()
    np.testing.assert_array_equal(result.baseline.graph_.toarray(), alone.graph_.toarray())


def test_a_comparison_without_test_nodes_takes_labeled_ones_out_of_the_graph(tmp_path):
    X, edges, truth = blocks()
    y = marked(truth, 15)
    options = {"method": model("gcn", "mean_teacher"), "random_state": 0, "verbose": False}
    result = fl.compare(X, y, graph=edges, **options)
    rest = np.setdiff1d(np.arange(N), result.rows_eval)
    graph = read_graph(edges, N)
    np.testing.assert_array_equal(result.candidate.graph_.toarray(), graph[rest][:, rest].toarray())
    heard = csr_array(hstack([graph[result.rows_eval][:, rest], graph[result.rows_eval][:, result.rows_eval]]))
    asked = result.candidate.predict_proba(X[result.rows_eval], heard)
    np.testing.assert_array_equal(result.candidate_output, asked)
    assert (result.y_eval == np.array(["a", "b", "c"])[truth[result.rows_eval]]).all()
    repeated = fl.compare(X, y, graph=edges, repeats=5, folder=tmp_path / "run", **options)
    assert len(set(repeated.repeated.baseline_scores)) > 1
    with pytest.raises(InputError, match="belongs to other data or settings"):
        fl.compare(X, y, graph=edges[:, 1:], repeats=5, folder=tmp_path / "run", **options)


def test_graphs_of_a_comparison_that_do_not_fit():
    X, edges, truth = blocks()
    y = marked(truth)
    with pytest.raises(OptionError, match="graph= is for fl.GraphClassifier"):
        fl.compare(X, y, method="label_propagation", graph=edges)
    small = csr_array((N, N))
    with pytest.raises(InputError, match=f"graph has the {N} rows of X alone; with X_test its nodes are"):
        fl.compare(X, y, X[:2], ["a", "b"], method=model("gcn", "mean_teacher"), graph=small)
    with pytest.raises(InputError, match="X_test"):
        fl.compare(X, y, [["a"]], [0], method=model("gcn", "mean_teacher"), graph=small)


def test_two_components_of_which_one_is_labeled():
    X, edges, truth = blocks()
    a = read_graph(edges, N)
    y = np.concatenate([marked(truth), np.full(N, None)])
    found = model(steps=60).fit(np.vstack([X, X]), y, csr_array(block_diag([a, a])))
    np.testing.assert_allclose(found.label_distributions_[:N], found.label_distributions_[N:], atol=1e-6)


@pytest.mark.slow
def test_the_graph_helps_where_features_say_little():
    gains = []
    for seed in range(5):
        X, edges, truth = blocks(seed, 300, 0.05, 0.005)
        X[np.arange(300), truth] -= 1.0
        y = np.where(np.arange(300) < 15, truth, -1)
        with_graph, without = (model(steps=None, random_state=seed).fit(X, y, g) for g in (edges, []))
        gains.append(np.mean((with_graph.transduction_ == truth)[15:]) - np.mean((without.transduction_ == truth)[15:]))
    assert np.mean(gains) > 0.2
    assert min(gains) > 0
