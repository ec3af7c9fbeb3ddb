"""Nearest neighbors: the exact search against brute force, ties and all, in both precisions."""

from contextlib import contextmanager
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from reference_graph import neighbors as slow
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from fewlabels.data import memory
from fewlabels.errors import OptionError, ResourceError
from fewlabels.graph import approximate, neighbors, products, ranking, rounding
from fewlabels.graph import threads as blocks
from fewlabels.graph.neighbors import nearest, prepare
from fewlabels.graph.tree import by_tree

rng = np.random.default_rng(0)
ROWS = {
    "digits, many ties": load_digits().data[:500],
    "duplicates": np.repeat(rng.normal(size=(30, 12)), 15, axis=0),
    "all equal": np.ones((200, 10)),
    "whole numbers": rng.integers(0, 3, (500, 9)).astype(float),
    "outliers": np.vstack([rng.normal(size=(400, 20)), 1e6 * rng.normal(size=(3, 20))]),
    "far from the origin": rng.normal(size=(400, 10)) + 1e7,
    "tiny": rng.normal(size=(300, 9)) * 1e-80,
    "huge": rng.normal(size=(300, 9)) * 1e80,
    "few rows": rng.normal(size=(12, 9)),
    "one column": rng.integers(0, 50, (400, 1)).astype(float),
    "constant column": np.column_stack([np.full(300, 7.0), rng.normal(size=(300, 9))]),
}


@pytest.fixture(params=["float32", "bfloat16"])
def precision(request, monkeypatch):
    if request.param == "bfloat16":
        monkeypatch.setattr(products, "_LARGE", 0.0)
        monkeypatch.setattr(products, "bfloat16_is_faster", lambda width: True)
    return request.param


@pytest.mark.parametrize("name", ROWS)
def test_exact_search_is_brute_force(name, precision):
    x = ROWS[name]
    index, distance = slow(x, 10)
    found = nearest(x, 10)
    assert (found.index == index).all()
    np.testing.assert_allclose(found.distance, distance, rtol=1e-15)
    assert found.search == "exact"
    assert found.recall == 1.0


@pytest.mark.parametrize("name", ROWS)
def test_new_rows_and_rows_far_away(name, precision):
    x = ROWS[name]
    for queries in (x[::9] * 1.01, x[:5] * 1e6 + 1.0):
        index, _ = slow(x, 7, queries)
        assert (nearest(x, 7, queries).index == index).all()


@pytest.mark.parametrize("name", ROWS)
def test_sparse_rows_have_the_same_neighbors(name):
    x = ROWS[name]
    found = nearest(csr_array(x), 10)
    assert (found.index == nearest(x, 10).index).all()


@pytest.mark.parametrize("name", ["whole numbers", "one column", "all equal"])
def test_the_tree_keeps_the_tie_rule(name):
    x = ROWS[name][:, :4]
    for queries in (None, x[:30] + 0.5):
        found, (index, distance) = by_tree(x, 10, queries), slow(x, 10, queries)
        assert (found.index == index).all()
        np.testing.assert_allclose(found.distance, distance, rtol=1e-15)


def test_a_flat_table_goes_to_the_tree(monkeypatch):
    monkeypatch.setattr(neighbors, "TREE_ROWS", 200)
    x = rng.normal(size=(300, 2))
    found = nearest(x, 5)
    assert found.search == "k-d tree"
    assert (found.index == slow(x, 5)[0]).all()


@pytest.mark.parametrize("width", [1, 3, 100])
def test_no_score_is_off_by_more_than_the_bound(width, precision):
    x = 1.0 + np.random.default_rng(0).random((900, width)) ** 3
    search = products.Products(x, 11, len(x))
    scores, bound = search.bounded(x)
    scores = np.float64(scores.float().numpy() if precision == "bfloat16" else scores)
    real = search.columns >= 0
    y = np.longdouble((x - search.center) * search.scale)
    true = y[search.columns[real]] @ y.T - (y[search.columns[real]] ** 2).sum(1)[:, None] / 2
    off = np.abs(scores[real] - true) / search.off(scores, np.tile(bound.T, (search.group, 1)))[real]
    assert off.max() <= 1.0
    if width == 1 and precision == "bfloat16":
        # Cauchy and Schwarz lose nothing here: a bound without one of its terms would be crossed
        assert off.max() > 0.5


def test_low_precision_leaves_few_candidates(precision):
    x = load_digits().data
    query, _ = products.Products(x, 11, len(x)).candidates(x[:300])
    assert 11 <= len(query) / 300 < 20


def test_values_are_those_that_the_format_can_hold():
    y = np.array([[1 / 3, 1.0]])
    assert rounding.Float32().values(y).tolist() == [[float(np.float32(1 / 3)), 1.0]]
    assert rounding.BFloat16().values(y).tolist() == [[0.333984375, 1.0]]  # 8 bits: 171 / 512
    assert rounding.Float32().empty(2, 3).dtype == rounding.Float32().cast(y).dtype == np.float32


@pytest.mark.parametrize("kind", [rounding.Float32, rounding.BFloat16])
def test_scores_of_one_shape_share_their_memory(kind):
    """Fresh memory costs more than the product."""
    low = kind()
    columns = low.cast(np.ones((6, 2)))
    first = low.scores(np.ones((4, 2)), columns)
    assert low.scores(np.zeros((4, 2)), columns) is first
    assert float(first[0, 0]) == 0.0
    assert tuple(low.scores(np.ones((3, 2)), columns).shape) == (6, 3)


@pytest.mark.parametrize(("half", "faster"), [(1.99, True), (2.0, False)])
def test_bfloat16_is_taken_where_it_takes_less_than_two_thirds_of_the_time_best_of_five(half, faster, monkeypatch):
    now, done = [100.0], []
    seconds = {"Float32": [9.0, 9.0, 9.0, 9.0, 3.0], "BFloat16": [9.0, half, 9.0, 9.0, 9.0]}

    def scores(self, queries, columns):
        done.append((queries.shape, tuple(columns.shape)))
        now[0] += seconds[type(self).__name__].pop(0)

    monkeypatch.setattr(rounding, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    for kind in (rounding.Float32, rounding.BFloat16):
        monkeypatch.setattr(kind, "scores", scores)
    assert rounding.bfloat16_is_faster(7) == faster
    assert done == [((128, 7), (4096, 7))] * 10


def test_progress_counts_the_rows_that_are_done(monkeypatch):
    shown = []

    @contextmanager
    def show(*args):
        shown.append(args)
        yield SimpleNamespace(update=shown.append)

    monkeypatch.setattr(ranking, "show_progress", show)
    monkeypatch.setattr(products.Products, "block_scores", 200 * 400)
    nearest(ROWS["outliers"][:400], 5, verbose=True)
    assert shown == [(True, "neighbors", 0, 400, "row"), 200, 400]


@pytest.mark.parametrize("block", [7, 100, 32_000_000])
def test_block_size_changes_no_bit(block, monkeypatch, precision):
    x = ROWS["digits, many ties"]
    whole = nearest(x, 10)
    monkeypatch.setattr(products.Products, "block_scores", block * len(x))
    found = nearest(x, 10)
    assert (found.index == whole.index).all()
    assert (found.distance == whole.distance).all()


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_many_equal_rows_are_looked_at_a_few_at_a_time_and_change_no_bit(form, monkeypatch):
    x = form(ROWS["all equal"])
    whole = nearest(x, 10)
    looked, real = [], ranking.ranked
    monkeypatch.setattr(ranking, "ranked", lambda *args: looked.append(len(args[2])) or real(*args))
    nearest(x, 10)
    assert looked == [200 * 199]
    monkeypatch.setattr(ranking, "MOST_PAIRS", 1000)
    found = nearest(x, 10)
    assert (found.index == whole.index).all()
    assert (found.distance == whole.distance).all()
    # four times what is looked for, at the least
    assert max(looked[1:]) <= 4 * 11 * 50
    assert sum(looked[1:]) == 200 * 199


def test_threads_change_no_bit(precision):
    x = np.random.default_rng(0).normal(size=(2000, 40)).round(1)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            found.append(nearest(x, 10))
    torch.set_num_threads(before)
    assert (found[0].index == found[1].index).all()
    assert (found[0].distance == found[1].distance).all()


def test_cosine_is_the_angle():
    x = np.abs(rng.normal(size=(60, 5)))
    unit = x / np.linalg.norm(x, axis=1)[:, None]
    found = nearest(prepare(x, "cosine"), 4)
    cosine = unit @ unit.T - 2 * np.eye(60)
    assert (found.index == np.argsort(-cosine, axis=1, kind="stable")[:, :4]).all()
    same = nearest(prepare(csr_array(x), "cosine"), 4)
    assert (same.index == found.index).all()
    assert isinstance(prepare(csr_array(x), "cosine"), csr_array)
    assert np.isfinite(prepare(np.zeros((3, 2)), "cosine")).all()
    np.testing.assert_allclose(prepare(x * 1e200, "cosine"), unit, rtol=1e-12)


def test_distances_are_symmetric_bit_for_bit():
    a, b = rng.normal(size=(2, 50, 37))
    assert (ranking.squared(a, b) == ranking.squared(b, a)).all()
    assert (ranking.squared(csr_array(a), csr_array(b)) == ranking.squared(csr_array(b), csr_array(a))).all()


def test_unknown_metric():
    with pytest.raises(OptionError, match="metric='manhattan'; expected 'euclidean' or 'cosine'"):
        prepare(np.zeros((2, 2)), "manhattan")


def test_memory_is_said_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "memory_to_spare", lambda: 1000)
    message = r"of 12 rows would take 8.5e-06 GB; 1e-06 GB are to spare. Use fewer rows or columns, or a smaller n_n"
    with pytest.raises(ResourceError, match=message):
        nearest(ROWS["few rows"], 3)
    asked = []
    monkeypatch.setattr(neighbors, "check_memory", lambda need, what, mend: asked.append((need, what)))
    monkeypatch.setattr(neighbors, "n_threads", lambda n_tasks, each: 1 + n_tasks)
    x = np.ones((400, 9))
    nearest(x, 5)
    nearest(csr_array(x), 5, csr_array(x[:7]))
    # the rows (three arrays of sparse ones), 100 bytes a neighbor, the scores
    assert asked == [
        (400 * 9 * 8 + 400 * 5 * 100 + 400 * 400 * (4 + 24 / 10), "the neighbors of 400 rows"),
        (3 * 400 * 9 * (8 + 4) + 7 * 5 * 100 + 400 * 7 * 30, "the neighbors of 7 rows"),
    ]
    # blocks of large ones, in every thread; with a tree or an index one, for the few rows that are looked at again
    large = np.broadcast_to(0.0, (10**6, 9))
    assert neighbors.search_bytes(large, 10**6, 5) == 72e6 + 100 * 5e6 + 32e6 * 4.75
    assert neighbors.search_bytes(large[:, :3], 10**6, 5) == 24e6 + 100 * 5e6 + 32e6 * 4.75
    monkeypatch.setattr(neighbors, "faiss_is_here", lambda: False)
    need = neighbors.search_bytes(large, 10**6, 5)
    assert need == 72e6 + 100 * 5e6 + 32e6 * 4.75 * (1 + 10**12 // 32_000_000)


def test_as_many_threads_as_there_are_two_blocks_for_and_memory_for_one(monkeypatch):
    monkeypatch.setattr(blocks, "threadpool_info", lambda: [{"num_threads": 64}])
    monkeypatch.setattr(blocks, "memory_to_spare", lambda: 4000)
    counts = [(3, 0), (127, 0), (128, 0), (128, 100), (39, 100), (40, 100), (200, 9999)]
    assert [blocks.n_threads(*count) for count in counts] == [1, 1, 64, 20, 1, 20, 1]


def test_which_search_is_taken(monkeypatch):
    asked = []
    for name, value in (("TREE_ROWS", 20), ("EXACT", 30), ("faiss_is_here", lambda: True)):
        monkeypatch.setattr(neighbors, name, value)
    for name in ("by_tree", "by_index", "_exact"):
        monkeypatch.setattr(neighbors, name, lambda *args, name=name: asked.append((name, *args)))
    x, q = rng.normal(size=(31, 9)), rng.normal(size=(30, 9))

    def taken(*args, **options):
        asked.clear()
        nearest(*args, **options)
        return asked[0]

    assert taken(x[:26, :8], 5)[0] == "by_tree"
    assert taken(x[:26, :8], 5, q[:2, :8])[3].tolist() == q[:2, :8].tolist()
    assert taken(x[:26, :8], 5)[2:] == (5, None)
    assert taken(x[:25, :8], 5)[0] == taken(x[:26], 5)[0] == "_exact"
    assert taken(x, 5)[0] == "by_index"
    assert taken(x, 5)[2:] == (5, None, 0, False)
    assert taken(x, 5, x, seed=3, verbose=True)[3:] == (x, 3, True)
    assert taken(x, 5)[1] is x
    assert taken(x, 5, q)[0] == taken(x[:30], 5)[0] == "_exact"
    assert taken(x, 5, q)[2:] == (q, False, False)


def test_many_rows_without_faiss_warn(monkeypatch):
    monkeypatch.setattr(neighbors, "EXACT", 300)
    monkeypatch.setattr(neighbors, "faiss_is_here", lambda: False)
    x = rng.normal(size=(400, 20))
    monkeypatch.setattr(neighbors, "_PACE", 400 * 400 / (122 * 60))
    for rows in (x, csr_array(x)):
        with pytest.warns(
            UserWarning, match=r"neighbors of 400 rows among 400 may take 122 minutes.*'fewlabels\[ann\]'"
        ):
            assert nearest(rows, 5).search == "exact"
    with pytest.warns(UserWarning, match="and make the rows dense"):
        nearest(csr_array(x), 5)


@pytest.mark.skipif(not find_spec("faiss"), reason="faiss is an optional extra")
def test_the_index_states_its_recall(monkeypatch):
    monkeypatch.setattr(neighbors, "EXACT", 1000)
    x = np.random.default_rng(1).normal(size=(4000, 20))
    found, again = nearest(x, 10, seed=3), nearest(x, 10, seed=3)
    true = products.Products(x, 11, len(x)).nearest(x, np.arange(len(x)), True)[1]
    recall = (found.distance <= true[:, -1:]).mean()
    assert found.search.startswith("faiss")
    assert found.recall >= 0.9
    assert abs(recall - found.recall) < 0.02
    assert (found.index == again.index).all()
    assert (found.index != np.arange(len(x))[:, None]).all()
    duplicated = np.repeat(x[:30], 100, axis=0)
    assert (approximate.by_index(duplicated, 10, None, 0).distance == 0).all()
