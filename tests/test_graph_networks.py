"""Graph layers: against slow derivations, against PyTorch Geometric, and where the answer is known."""

import numpy as np
import pytest
import reference_nodes as reference
import torch
import torch_geometric.nn as pyg
from scipy.sparse import csr_array
from torch.autograd import gradcheck

from fewlabels.augment import Graphs
from fewlabels.errors import OptionError
from fewlabels.graph.propagation import propagate, with_loops
from fewlabels.networks.graph import APPNP, GAT, GCN, Attention, Linear, Nodes
from fewlabels.networks.sparse import Pattern, Sparse, at_entries, normalized, segment_softmax

N, D, K = 23, 9, 4
NETWORKS = {
    "gcn": lambda: GCN(D, K, 5),
    "gat": lambda: GAT(D, K, 3, 2),
    "appnp": lambda: APPNP(D, K, 6, 4, 0.2),
}


def a_graph(seed=0, weighted=False, p=0.15):
    """A random graph (N, N) whose last node has no edge."""
    rng = np.random.default_rng(seed)
    a = np.triu(rng.random((N, N)) < p, 1) * (rng.uniform(0.1, 3, (N, N)) if weighted else 1.0)
    a[:, -1] = 0
    return a + a.T


def sparse(dense):
    matrix = csr_array(dense)
    return Sparse(Pattern.of(matrix), torch.from_numpy(matrix.data.astype(np.float32)))


def edges_of(a):
    return normalized(sparse(a + np.eye(len(a))))


def features(seed=1, zeros=0.0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(N, D)) * (rng.random((N, D)) >= zeros)).astype(np.float32)


def random_weights(network, seed=3):
    """Biases are zero at first, which would hide one that is left out."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p.normal_(0, 0.5, generator=generator)
    return network.eval()


def arrays(*tensors):
    return [t.detach().double().numpy() for t in tensors]


def answer(network, x, a, rows=None):
    rows = torch.arange(len(a)) if rows is None else rows
    x = sparse(x) if isinstance(x, csr_array) else torch.from_numpy(x)
    return network(Nodes(x, edges_of(a), rows)).detach().numpy()


def pairs(a):
    return torch.from_numpy(np.stack(np.nonzero(a)))


def derived(name, network, x, a):
    if name == "gcn":
        return reference.gcn(x, a, *arrays(network.first, network.bias_first, network.last, network.bias_last))
    if name == "appnp":
        parts = arrays(network.first, network.bias_first, network.last, network.bias_last)
        return reference.appnp(x, a, *parts, network.hops, network.alpha)
    layers = [arrays(m.weight, m.u[0], m.v[0], m.bias) for m in (network.first, network.last)]
    return reference.gat(x, a, *layers)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_networks_equal_the_slow_derivation(name, weighted):
    for seed in range(3):
        a, x, network = a_graph(seed, weighted), features(seed), random_weights(NETWORKS[name]())
        np.testing.assert_allclose(answer(network, x, a), derived(name, network, x, a), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_gcn_layer_equals_pytorch_geometric(weighted):
    a, x, network = a_graph(4, weighted), features(2), random_weights(GCN(D, K, 5))
    weight = torch.from_numpy(a[np.nonzero(a)]).float()
    theirs = [pyg.GCNConv(D, 5), pyg.GCNConv(5, K)]
    ours = [(network.first, network.bias_first), (network.last, network.bias_last)]
    with torch.no_grad():
        for layer, (w, b) in zip(theirs, ours, strict=True):
            layer.lin.weight.copy_(w.T)
            layer.bias.copy_(b)
        hidden = theirs[0](torch.from_numpy(x), pairs(a), weight).relu()
        expected = theirs[1](hidden, pairs(a), weight)
    np.testing.assert_allclose(answer(network, x, a), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("heads", [1, 3])
def test_attention_equals_pytorch_geometric(heads):
    a, x, ours = a_graph(5), features(3), random_weights(Attention(D, 4, heads, 0.0))
    theirs = pyg.GATConv(D, 4, heads)
    with torch.no_grad():
        theirs.lin.weight.copy_(ours.weight.T)
        theirs.att_dst.copy_(ours.u)
        theirs.att_src.copy_(ours.v)
        theirs.bias.copy_(ours.bias)
    inputs = [torch.from_numpy(x).requires_grad_() for _ in range(2)]
    outputs = ours(inputs[0], edges_of(a)), theirs(inputs[1], pairs(a))
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)
    for out in outputs:
        out.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.v.grad, theirs.att_src.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.weight.grad.T, theirs.lin.weight.grad, atol=1e-4, rtol=1e-4)


def test_appnp_equals_pytorch_geometric():
    a, x, network = a_graph(6), features(4), random_weights(APPNP(D, K, 6, 7, 0.15))
    with torch.no_grad():
        start = (torch.from_numpy(x) @ network.first + network.bias_first).relu() @ network.last + network.bias_last
        expected = pyg.APPNP(7, 0.15)(start, pairs(a))
    np.testing.assert_allclose(answer(network, x, a), expected.numpy(), atol=1e-5)


def test_sgc_equals_pytorch_geometric():
    a, x, network = a_graph(7), features(5), random_weights(Linear(D, K))
    theirs = pyg.SGConv(D, K, K=3)
    with torch.no_grad():
        theirs.lin.weight.copy_(network.weight.T)
        theirs.lin.bias.copy_(network.bias)
        expected = theirs(torch.from_numpy(x), pairs(a))
    spread = propagate(x, with_loops(csr_array(a)), 3, 0.0)
    np.testing.assert_allclose(answer(network, spread, a), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_propagation_equals_the_slow_derivation(alpha, kind):
    rng = np.random.default_rng(0)
    x, a = rng.normal(size=(N, 40)).astype(np.float32), a_graph(1, weighted=True)  # more columns than one block
    found = propagate(kind(x), with_loops(csr_array(a)), 3, alpha)
    np.testing.assert_allclose(found, reference.propagated(x, a, 3, alpha), atol=1e-5)
    if alpha == 1:
        np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_sparse_features_are_dense_ones(name):
    x, a, network = features(zeros=0.7), a_graph(), random_weights(NETWORKS[name]())
    np.testing.assert_allclose(answer(network, csr_array(x), a), answer(network, x, a), atol=1e-6)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_renaming_nodes_renames_answers(name):
    x, a, network = features(), a_graph(weighted=True), random_weights(NETWORKS[name]())
    order = np.random.default_rng(1).permutation(N)
    moved = answer(network, x[order], a[np.ix_(order, order)])
    np.testing.assert_allclose(moved, answer(network, x, a)[order], atol=1e-6)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_only_the_rows_asked_about_are_answered(name):
    x, a, network = features(), a_graph(), random_weights(NETWORKS[name]())
    rows = torch.tensor([5, 0, 5])
    np.testing.assert_array_equal(answer(network, x, a, rows), answer(network, x, a)[[5, 0, 5]])


@pytest.mark.parametrize("name", ["gcn", "appnp"])
def test_without_edges_it_is_a_perceptron(name):
    x, network = features(), random_weights(NETWORKS[name]())
    w1, b1, w2, b2 = arrays(network.first, network.bias_first, network.last, network.bias_last)
    alone = answer(network, x, np.zeros((N, N)))
    np.testing.assert_allclose(alone, np.maximum(x @ w1 + b1, 0) @ w2 + b2, atol=1e-5)
    assert np.abs(alone - answer(network, x, a_graph())).max() > 0.1


def test_attention_without_edges_is_a_linear_layer():
    x, layer = features(), random_weights(Attention(D, 4, 2, 0.0))
    out = layer(torch.from_numpy(x), edges_of(np.zeros((N, N)))).detach().numpy()
    w, b = arrays(layer.weight, layer.bias)
    np.testing.assert_allclose(out, x @ w + b, atol=1e-5)


def test_appnp_that_keeps_all_of_its_own_is_a_perceptron():
    x, network = features(), random_weights(APPNP(D, K, 6, 4, 1.0))
    np.testing.assert_allclose(answer(network, x, a_graph()), answer(network, x, np.zeros((N, N))), atol=1e-6)


def test_an_entry_of_zero_is_no_edge():
    x, a = features(), a_graph(weighted=True)
    full = sparse(a + np.eye(N))
    fewer = a.copy()
    i, j = (int(v) for v in np.argwhere(a)[0])
    fewer[i, j] = fewer[j, i] = 0
    pattern = full.pattern
    gone = ((pattern.row == i) & (pattern.column == j)) | ((pattern.row == j) & (pattern.column == i))
    edges = normalized(Sparse(pattern, full.values * ~gone))
    for make in NETWORKS.values():
        network = random_weights(make())
        out = network(Nodes(torch.from_numpy(x), edges, torch.arange(N))).detach().numpy()
        np.testing.assert_allclose(out, answer(network, x, fewer), atol=1e-6)


def test_gradients_of_the_sparse_operations():
    rng = np.random.default_rng(0)
    matrix = csr_array((rng.random((6, 8)) < 0.4) * rng.normal(size=(6, 8)) + np.eye(6, 8))
    pattern, values = Pattern.of(matrix), torch.from_numpy(matrix.data).requires_grad_()
    dense = torch.from_numpy(rng.normal(size=(8, 3))).requires_grad_()
    assert gradcheck(lambda v, d: Sparse(pattern, v) @ d, (values, dense))
    np.testing.assert_allclose((Sparse(pattern, values) @ dense).detach(), matrix @ dense.detach().numpy())
    scores = torch.from_numpy(rng.normal(size=(matrix.nnz, 2))).requires_grad_()
    assert gradcheck(lambda s: segment_softmax(s, pattern), (scores,))
    ends = [torch.from_numpy(rng.normal(size=(n, 2))).requires_grad_() for n in (6, 8)]
    assert gradcheck(lambda r, c: at_entries(r, c, pattern), tuple(ends))


def test_softmax_bears_large_scores_and_closed_entries():
    pattern = Pattern.of(csr_array(np.ones((2, 3))))
    scores = torch.tensor([[1e4], [1e4], [-torch.inf], [-1e4], [-torch.inf], [-torch.inf]])
    assert segment_softmax(scores, pattern).squeeze(1).tolist() == [0.5, 0.5, 0, 1, 0, 0]


def test_views_drop_as_much_as_they_say_and_both_directions():
    rng = np.random.default_rng(0)
    a = np.triu(rng.random((120, 120)) < 0.3, 1).astype(float)
    adjacency, x = sparse(a + a.T + np.eye(120)), torch.ones(120, 400)
    augment = Graphs(edges=0.2, features=0.3, strong_edges=0.6, strong_features=0.5)
    for make, edge_share, feature_share in ((augment.weak, 0.2, 0.3), (augment.strong, 0.6, 0.5)):
        some, edges = make(x, adjacency, (0, 1, 2))
        dense = np.zeros((120, 120))
        dense[edges.pattern.row, edges.pattern.column] = edges.values
        np.testing.assert_allclose(dense, dense.T, atol=1e-7)
        assert (np.diag(dense) > 0).all()
        left = (np.triu(dense, 1) > 0).sum() / (a > 0).sum()
        assert abs(left - (1 - edge_share)) < 0.03
        assert abs((some[0] == 0).float().mean() - feature_share) < 0.08
        assert (some == some[0]).all()  # of all nodes alike
        assert some.max() == pytest.approx(1 / (1 - feature_share))
        # what is left is normalized anew
        np.testing.assert_allclose(
            dense, reference.spread((np.triu(dense, 1) + np.triu(dense, 1).T > 0) * 1.0), atol=1e-6
        )


def test_views_are_functions_of_seed_stream_and_step():
    adjacency, x = sparse(a_graph() + np.eye(N)), torch.from_numpy(features())
    first = Graphs().strong(x, adjacency, (0, 1, 2))[1].values
    assert torch.equal(first, Graphs().strong(x, adjacency, (0, 1, 2))[1].values)
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not torch.equal(first, Graphs().strong(x, adjacency, other)[1].values)
    same, edges = Graphs(0, 0, 0, 0).strong(x, adjacency, (0, 1, 2))
    assert torch.equal(same, x)
    assert torch.equal(edges.values, normalized(adjacency).values)
    columns = Graphs().strong(sparse(features(zeros=0.5)), adjacency, (0, 1, 2))[0]
    dense = Graphs().strong(torch.from_numpy(features(zeros=0.5)), adjacency, (0, 1, 2))[0]
    assert torch.equal(columns @ torch.eye(D), dense)


@pytest.mark.parametrize("option", ["edges", "features", "strong_edges", "strong_features"])
def test_views_refuse_shares_that_are_none(option):
    with pytest.raises(OptionError, match=f"{option}=1.0 should be a share from 0 to below 1"):
        Graphs(**{option: 1.0})
