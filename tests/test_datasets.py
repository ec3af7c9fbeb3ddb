"""Sample data: shapes, balanced labels drawn by the seed, and what is said when files are absent."""

import gzip
import struct

import numpy as np
import pytest

import fewlabels as fl
from fewlabels import datasets
from fewlabels.errors import InputError, OptionError
from fewlabels.partial_labels import partial


def test_digits():
    d = fl.datasets.load_digits()
    assert d.X.shape == (1197, 8, 8)
    assert d.X.dtype == np.uint8
    assert (d.X.min(), d.X.max()) == (0, 255)
    assert d.X_test.shape == (600, 8, 8)
    assert np.bincount(d.y[d.y >= 0]).tolist() == [4] * 10
    assert (d.y == -1).sum() == 1157
    assert np.bincount(d.y_test).min() >= 57
    assert d.name == "digits"
    assert d.target_names == [str(i) for i in range(10)]
    assert d.DESCR


def test_the_labels_are_true_and_the_test_rows_are_no_training_rows():
    from sklearn.datasets import load_digits

    source = load_digits()
    truth = {np.round(i * (255 / 16)).astype(np.uint8).tobytes(): t for i, t in zip(*source_pairs(source), strict=True)}
    d = datasets.load_digits(50, random_state=3)
    assert all(truth[d.X[i].tobytes()] == d.y[i] for i in np.flatnonzero(d.y >= 0))
    assert all(truth[x.tobytes()] == t for x, t in zip(d.X_test, d.y_test, strict=True))
    assert not {x.tobytes() for x in d.X} & {x.tobytes() for x in d.X_test}


def source_pairs(source):
    return source.images, source.target


def test_breast_cancer():
    d = datasets.load_breast_cancer()
    assert (d.X.shape, d.X_test.shape) == ((379, 30), (190, 30))
    assert np.bincount(d.y[d.y >= 0]).tolist() == [10, 10]
    assert len(d.feature_names) == 30
    assert d.target_names == ["malignant", "benign"]


def test_diabetes():
    d = datasets.load_diabetes()
    assert (d.X.shape, d.X_test.shape) == ((294, 10), (148, 10))
    assert (~np.isnan(d.y)).sum() == 60
    assert len(partial(d.X, d.y, task="numbers").labeled) == 60
    assert not np.isnan(d.y_test).any()


@pytest.mark.parametrize("load", [datasets.load_digits, datasets.load_breast_cancer, datasets.load_diabetes])
def test_the_seed_draws_the_labels_and_nothing_else(load):
    a, b, c = load(30, random_state=1), load(30, random_state=1), load(30, random_state=2)
    np.testing.assert_array_equal(a.y, b.y)
    assert not np.array_equal(a.y, c.y, equal_nan=a.y.dtype.kind == "f")
    np.testing.assert_array_equal(a.X, c.X)
    np.testing.assert_array_equal(a.y_test, c.y_test)


def test_numbers_of_labels_that_do_not_divide_are_spread():
    y = datasets.load_digits(43, random_state=0).y
    counts = np.bincount(y[y >= 0])
    assert counts.sum() == 43
    assert set(counts.tolist()) == {4, 5}


@pytest.mark.parametrize("load", [datasets.load_digits, datasets.load_breast_cancer, datasets.load_diabetes])
@pytest.mark.parametrize("n_labels", [1, 100_000])
def test_impossible_numbers_of_labels_are_refused(load, n_labels):
    with pytest.raises(OptionError, match=rf"n_labels={n_labels} is not possible; \w+ takes \d+ to \d+"):
        load(n_labels)


def write_idx(path, array, shape=None):
    path.parent.mkdir(exist_ok=True)
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *(shape or array.shape))
    path.write_bytes(gzip.compress(header + array.tobytes(), 1))


def small_fashion(folder, shape=None):
    rng = np.random.default_rng(0)
    for part, n in (("train", 200), ("t10k", 50)):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images, shape)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", (np.arange(n) % 10).astype(np.uint8))


@pytest.mark.parametrize("below", ["", "fashion-mnist"])
def test_fashion_mnist_from_a_folder_of_your_own(tmp_path, monkeypatch, below):
    small_fashion(tmp_path / below)
    monkeypatch.setenv("FEWLABELS_DATA", str(tmp_path))
    assert datasets.find_fashion_mnist() == tmp_path / below
    d = datasets.load_fashion_mnist(50, random_state=1)
    assert (d.X.shape, d.X.dtype, d.X_test.shape) == ((200, 28, 28), np.uint8, (50, 28, 28))
    assert np.bincount(d.y[d.y >= 0]).tolist() == [5] * 10
    rows = np.flatnonzero(d.y >= 0)
    np.testing.assert_array_equal(d.y[rows], rows % 10)
    assert len(d.target_names) == 10


def test_absent_fashion_mnist_says_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWLABELS_DATA", str(tmp_path))
    monkeypatch.setattr(datasets, "_DEBIAN", tmp_path / "debian")
    assert datasets.find_fashion_mnist() is None
    with pytest.raises(InputError, match=r"dataset-fashion-mnist.*FEWLABELS_DATA"):
        datasets.load_fashion_mnist()


def claims_more(folder):
    small_fashion(folder, shape=(10**9, 28, 28))


def truncated(folder):
    small_fashion(folder)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:5000])


def no_gzip(folder):
    small_fashion(folder)
    (folder / "t10k-labels-idx1-ubyte.gz").write_text("hello")


@pytest.mark.parametrize("damage", [claims_more, truncated, no_gzip])
def test_damaged_fashion_mnist_is_refused(tmp_path, monkeypatch, damage):
    damage(tmp_path)
    monkeypatch.setenv("FEWLABELS_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"ubyte\.gz .*original file"):
        datasets.load_fashion_mnist(50)


@pytest.mark.skipif(not (datasets._DEBIAN / "train-images-idx3-ubyte.gz").exists(), reason="needs the Debian package")
def test_fashion_mnist_itself(monkeypatch):
    monkeypatch.delenv("FEWLABELS_DATA", raising=False)
    d = datasets.load_fashion_mnist()
    assert (d.X.shape, d.X_test.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert np.bincount(d.y[d.y >= 0]).tolist() == [25] * 10
    assert np.bincount(d.y_test).tolist() == [1000] * 10


def write_cora(folder, **changed):
    rng = np.random.default_rng(0)
    parts = {
        "x_data": np.ones(6), "x_indices": np.arange(6), "x_indptr": np.arange(7), "x_shape": np.array([6, 6]),
        "edges": np.array([[0, 1, 2], [1, 2, 3]], dtype=np.int32), "y": rng.integers(0, 7, 6).astype(np.int8),
        "train": np.array([0, 1]), "val": np.array([2]), "test": np.array([4, 5]),
    }  # fmt: skip
    np.savez(folder / "cora.npz", **(parts | changed))
    return parts["y"]


def test_cora_from_a_folder_of_your_own(tmp_path, monkeypatch):
    truth = write_cora(tmp_path)
    monkeypatch.setenv("FEWLABELS_DATA", str(tmp_path))
    data = datasets.load_cora()
    assert data.X.shape == (6, 6)
    assert data.y.tolist() == [*truth[:3].tolist(), -1, -1, -1]  # those of test nodes are not there
    assert data.y_test.tolist() == truth[4:].tolist()
    assert [data.train.tolist(), data.validation.tolist(), data.test.tolist()] == [[0, 1], [2], [4, 5]]
    assert data.graph.dtype == np.int64


def test_absent_or_damaged_cora_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("FEWLABELS_DATA", raising=False)
    with pytest.raises(InputError, match="cora.npz is not in a known folder.*FEWLABELS_DATA"):
        datasets.load_cora()
    monkeypatch.setenv("FEWLABELS_DATA", str(tmp_path))
    with pytest.raises(InputError, match="cora.npz is not in .*np.savez"):
        datasets.load_cora()
    (tmp_path / "cora.npz").write_bytes(b"no zip")
    with pytest.raises(InputError, match="cannot be read"):
        datasets.load_cora()
    write_cora(tmp_path, x_indptr=np.arange(3))
    with pytest.raises(InputError, match="cannot be read"):
        datasets.load_cora()
