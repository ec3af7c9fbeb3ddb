"""Sample data with few labels: X, y (-1 or NaN where unlabeled), and X_test, y_test to judge by."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.errors import InputError, OptionError

if TYPE_CHECKING:
    from sklearn.utils import Bunch

__all__ = [
    "find_fashion_mnist",
    "load_breast_cancer",
    "load_cora",
    "load_diabetes",
    "load_digits",
    "load_fashion_mnist",
    "load_nuclei",
]

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def load_digits(n_labels: int = 40, *, random_state: int = 0) -> Bunch:
    """Scanned digits of scikit-learn: 1,197 images, of which `n_labels` labeled, and 600 to test.

    Parameters
    ----------
    n_labels : how many labels, drawn evenly from the ten classes
    random_state : draws which rows are labeled; the test rows are the same for every value

    Returns
    -------
    Bunch : X (1197, 8, 8) uint8, y (1197,) int64 with -1, X_test (600, 8, 8), y_test, target_names, DESCR, name

    Raises
    ------
    OptionError : fewer labels than classes, or more than there are rows
    """
    from sklearn import datasets

    source = datasets.load_digits()
    images = np.round(source.images * (255 / 16)).astype(np.uint8)
    return _few("digits", images, source.target, source, n_labels, random_state, test_size=600)


def load_breast_cancer(n_labels: int = 20, *, random_state: int = 0) -> Bunch:
    """Breast cancer Wisconsin of scikit-learn: 379 rows of 30 numbers, `n_labels` labeled, and 190 to test.

    Parameters and errors as in `load_digits`; also feature_names.
    """
    from sklearn import datasets

    source = datasets.load_breast_cancer()
    return _few("breast_cancer", source.data, source.target, source, n_labels, random_state, test_size=190)


def load_diabetes(n_labels: int = 60, *, random_state: int = 0) -> Bunch:
    """Diabetes progression of scikit-learn (regression): 294 rows, `n_labels` labeled, and 148 to test.

    Parameters and errors as in `load_digits`; y is float64 with NaN where unlabeled.
    """
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    source = datasets.load_diabetes()
    x, x_test, y, y_test = train_test_split(source.data, source.target, test_size=148, random_state=0)
    if not 2 <= n_labels <= len(y):
        raise OptionError(f"n_labels={n_labels} is not possible; diabetes takes 2 to {len(y)}.")
    hidden = np.random.default_rng(random_state).permutation(len(y))[n_labels:]
    y = np.array(y, dtype=np.float64)
    y[hidden] = np.nan
    return _bunch("diabetes", (x, y, x_test, y_test), None, source.DESCR, list(source.feature_names))


def load_fashion_mnist(n_labels: int = 250, *, random_state: int = 0) -> Bunch:
    """Fashion-MNIST: 60,000 images of clothes, of which `n_labels` labeled, and the official 10,000 to test.

    Nothing is downloaded. The four ``*-ubyte.gz`` files are looked for in the folder that the environment
    variable FEWLABELS_DATA names, in a fashion-mnist folder below it, and where Debian puts them.

    Parameters and errors as in `load_digits`, with X (60000, 28, 28); also

    Raises
    ------
    InputError : the files are absent or damaged; the message says how to get them
    """
    place = find_fashion_mnist()
    if place is None:
        raise InputError(
            f"Fashion-MNIST is not in {' or '.join(map(str, _fashion_places()))}. Install the Debian package "
            "dataset-fashion-mnist (apt-get install dataset-fashion-mnist), or put its four *-ubyte.gz files into a "
            "folder and set FEWLABELS_DATA to that folder."
        )
    x, y = (_read_idx(place / f"train-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    x_test, y_test = (_read_idx(place / f"t10k-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    marked = _keep_labels(y.astype(np.int64), n_labels, random_state, "fashion_mnist")
    about = "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747), MIT licence."
    return _bunch("fashion_mnist", (x, marked, x_test, y_test.astype(np.int64)), _FASHION, about)


def load_nuclei(n_labels: int = 14, *, random_state: int = 0) -> Bunch:
    """Cell nuclei under a microscope (segmentation): 144 images, `n_labels` with a mask, and 96 to test.

    One image of 512 x 512 pixels, the sample of the stardist package, cut into tiles of 32 x 32. Training tiles are its
    left part, test tiles its right one; the column of tiles between them is dropped, so that no nucleus is in both.
    Nothing is downloaded: `nuclei_stardist.npz` (arrays img2d and mask2d) is looked for in the folder that the
    environment variable FEWLABELS_DATA names.

    Parameters
    ----------
    n_labels : how many training tiles keep their mask, drawn among those that show both classes
    random_state : draws which

    Returns
    -------
    Bunch : X (N, 32, 32) uint8, y (N, 32, 32) int64 (0 background, 1 nucleus; all -1 without a mask), X_test, y_test,
        target_names, DESCR, name

    Raises
    ------
    InputError : the file is absent or damaged; OptionError : more labels than there are tiles
    """
    folder = os.environ.get("FEWLABELS_DATA")
    path = Path(folder or ".") / "nuclei_stardist.npz"
    if not folder or not path.is_file():
        raise InputError(
            f"{path.name} is not in {folder or 'a known folder'}. Save the sample image of the stardist package with "
            "np.savez(path, img2d=..., mask2d=...) and set FEWLABELS_DATA to that folder."
        )
    try:
        with np.load(path, allow_pickle=False) as stored:
            image, mask = np.clip(stored["img2d"], 0, 255).astype(np.uint8), (stored["mask2d"] > 0).astype(np.int64)
    except (OSError, ValueError, KeyError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}). Put the original file in its place.") from error
    (x, y), (x_test, y_test) = (
        (_tiles(image[:, part]), _tiles(mask[:, part])) for part in (slice(0, 288), slice(320, 512))
    )
    both = np.flatnonzero(y.any((1, 2)) & ~y.all((1, 2)))
    if not 1 <= n_labels <= len(both):
        raise OptionError(f"n_labels={n_labels} is not possible; nuclei takes 1 to {len(both)}.")
    kept = np.random.default_rng(random_state).choice(both, n_labels, replace=False)
    marked = np.full_like(y, -1)
    marked[kept] = y[kept]
    about = "Fluorescence nuclei, the sample image of stardist (Schmidt et al. 2018), BSD-3-Clause."
    return _bunch("nuclei", (x, marked, x_test, y_test), ["background", "nucleus"], about)


def load_cora() -> Bunch:
    """Cora: 2,708 papers that cite each other, 7 subjects; the standard split, 20 labels of each.

    Words are 1,433 zeros and ones for each paper. Nothing is downloaded: `cora.npz` is looked for in the folder that
    the environment variable FEWLABELS_DATA names, with arrays x_data, x_indices, x_indptr, x_shape (CSR), edges (2, E),
    y, train, val and test (node numbers).

    Returns
    -------
    Bunch : X (2708, 1433) CSR; graph (2, 5278), each citation once; y with -1 for all but the 140 training and 500
        validation nodes; train, validation, test : node numbers; y_test (1000,) of the test nodes; target_names, DESCR,
        name. Train with ``fit(X, y, graph, validation=validation)``

    Raises
    ------
    InputError : the file is absent or damaged
    """
    from scipy.sparse import csr_array
    from sklearn.utils import Bunch

    folder = os.environ.get("FEWLABELS_DATA")
    path = Path(folder or ".") / "cora.npz"
    if not folder or not path.is_file():
        raise InputError(
            f"{path.name} is not in {folder or 'a known folder'}. Save Cora (Planetoid's split) with np.savez(path, "
            "x_data=..., x_indices=..., x_indptr=..., x_shape=..., edges=..., y=..., train=..., val=..., test=...) and "
            "set FEWLABELS_DATA to that folder."
        )
    try:
        with np.load(path, allow_pickle=False) as stored:
            parts = [stored[f"x_{name}"] for name in ("data", "indices", "indptr", "shape")]
            edges, truth = stored["edges"].astype(np.int64), stored["y"].astype(np.int64)
            train, validation, test = (stored[name].astype(np.int64) for name in ("train", "val", "test"))
        x = csr_array(tuple(parts[:3]), shape=tuple(parts[3].tolist()), dtype=np.float64)
    except (OSError, ValueError, KeyError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}). Put the original file in its place.") from error
    y = np.full(len(truth), -1)
    known = np.concatenate([train, validation])
    y[known] = truth[known]
    about = "Cora (Sen et al. 2008; split of Yang et al. 2016)."
    names = [
        "Case_Based", "Genetic_Algorithms", "Neural_Networks", "Probabilistic_Methods", "Reinforcement_Learning",
        "Rule_Learning", "Theory",
    ]  # fmt: skip
    return Bunch(
        X=x, graph=edges, y=y, train=train, validation=validation, test=test, y_test=truth[test], target_names=names,
        DESCR=about, name="cora",
    )  # fmt: skip


def _tiles(image: NDArray[Any], side: int = 32) -> NDArray[Any]:
    rows, columns = image.shape[0] // side, image.shape[1] // side
    return image.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)


def find_fashion_mnist() -> Path | None:
    """The folder that holds Fashion-MNIST's files, or None; see `load_fashion_mnist` for where it looks."""
    return next((p for p in _fashion_places() if (p / "train-images-idx3-ubyte.gz").is_file()), None)


def _fashion_places() -> list[Path]:
    own = os.environ.get("FEWLABELS_DATA")
    return [Path(own), Path(own) / "fashion-mnist", _DEBIAN] if own else [_DEBIAN]


def _few(
    name: str, X: NDArray[Any], y: NDArray[Any], source: Any, n_labels: int, random_state: int, test_size: int
) -> Bunch:
    from sklearn.model_selection import train_test_split

    # A fixed split: runs that differ in random_state are judged on the same rows.
    x, x_test, y, y_test = train_test_split(X, y, test_size=test_size, stratify=y, random_state=0)
    marked = _keep_labels(y.astype(np.int64), n_labels, random_state, name)
    names = [str(n) for n in source.target_names]
    features = None if X.ndim > 2 else [str(n) for n in source.feature_names]
    return _bunch(name, (x, marked, x_test, y_test.astype(np.int64)), names, source.DESCR, features)


def _keep_labels(y: NDArray[np.int64], n_labels: int, random_state: int, name: str) -> NDArray[np.int64]:
    """`y` with -1 for all but `n_labels` rows, as evenly from the classes as the number allows."""
    rng = np.random.default_rng(random_state)
    classes = rng.permutation(np.unique(y))  # shuffled: which classes get one more is chance
    share = [n_labels // len(classes) + (i < n_labels % len(classes)) for i in range(len(classes))]
    most = np.bincount(y).min() * len(classes)
    if not len(classes) <= n_labels <= most:
        raise OptionError(f"n_labels={n_labels} is not possible; {name} takes {len(classes)} to {most}, even by class.")
    kept = [rng.choice(np.flatnonzero(y == c), n, replace=False) for c, n in zip(classes, share, strict=True)]
    marked = np.full(len(y), -1, dtype=np.int64)
    rows = np.concatenate(kept)
    marked[rows] = y[rows]
    return marked


def _bunch(
    name: str, data: tuple[Any, ...], names: list[str] | None, about: str, features: list[str] | None = None
) -> Bunch:
    from sklearn.utils import Bunch

    x, y, x_test, y_test = data
    return Bunch(
        X=x, y=y, X_test=x_test, y_test=y_test, target_names=names, feature_names=features, DESCR=about, name=name
    )


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """One gzipped IDX file of bytes: magic (0, 0, 8, ndim), sizes as big-endian uint32, then the data."""
    try:
        with gzip.open(path) as file:
            zero, kind, ndim = struct.unpack(">HBB", file.read(4))
            shape = struct.unpack(f">{ndim}I", file.read(4 * ndim))
            # Never more than Fashion-MNIST itself has, whatever the header claims.
            content = file.read(60_000 * 28 * 28 + 1)
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}). Put the original file in its place.") from error
    if (zero, kind) != (0, 8) or len(content) != np.prod(shape, dtype=object):
        raise InputError(f"{path} is no complete IDX file of bytes. Put the original file in its place.")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
