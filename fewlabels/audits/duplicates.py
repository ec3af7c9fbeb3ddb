"""Does a row occur twice: in training and test, or under two labels?"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from fewlabels.audits.finding import MOST_ROWS, Finding, Level
from fewlabels.audits.view import View
from fewlabels.data.images import ImageFiles

Ids = NDArray[np.int64]

_SPLITS = 199


def duplicates(view: View) -> Finding:
    """Stop when labeled training rows are in the test set; look at other copies in it, and at rows with two labels.

    Copies are exact: the same numbers. Where rows repeat by nature (a few categories), test rows equal training
    rows without any leak. Then labeled and test rows are shuffled into new halves 199 times: only more copies
    across the halves than in any of the shuffles are a leak (wrong with chance 1 in 200).
    """
    data = view.data
    if isinstance(data.x, ImageFiles):
        return Finding(
            "duplicates", "skipped", None, "Not checked: the images stay on disk, as they do not fit in memory."
        )
    ids, test = row_ids(data.x, view.x_test)
    labeled, pool = ids[data.labeled], ids[data.unlabeled]
    two = contradicting(labeled, data.y)
    leaked, seen = np.isin(test, labeled), np.isin(test, pool)
    copies = {
        "test rows equal to a labeled row": int(leaked.sum()),
        "test rows equal to an unlabeled row": int(seen.sum()),
    }
    leak = bool(leaked.any()) and not _by_nature(labeled, test, view.rng("duplicates"))
    said = [
        *_leak_text(int(leaked.sum()), len(test), leak),
        *_pool_text(int(seen.sum()), len(test)),
        *_two_labels_text(int(two.sum()), len(labeled), data.n_classes > 0),
    ]
    repeated = data.n_rows - len(np.unique(ids))
    evidence = {
        **copies,
        "rows of X that repeat an earlier one": repeated,
        "unlabeled rows equal to a labeled row": int(np.isin(pool, labeled).sum()),
        "labeled rows equal to one with another label": int(two.sum()),
        "test rows in question": np.flatnonzero(leaked | seen)[:MOST_ROWS].tolist(),
    }
    level: Level = "stop" if leak else "look" if said else "ok"
    calm = (
        f"No test row is in the training data and no row has two labels; {repeated:,} rows of X repeat an earlier one."
    )
    if view.x_test is None:
        calm = f"No row has two labels; {repeated:,} rows of X repeat an earlier one. There is no test set to look at."
    if said and repeated:
        said.append(f"{repeated:,} rows of X repeat an earlier one.")
    rows = data.labeled[two] if two.any() and not leak else np.flatnonzero(np.isin(ids, test))
    share = float(leaked.mean()) if leaked.any() else float(two.mean())
    return Finding("duplicates", level, share, " ".join(said) or calm, evidence, tuple(rows[:MOST_ROWS].tolist()))


def row_ids(x: Any, x_test: Any = None) -> tuple[Ids, Ids]:
    """A number for each row of x and of x_test; equal rows have equal numbers."""
    known: dict[bytes, int] = {}
    both = [[known.setdefault(d, len(known)) for d in _digests(rows)] for rows in (x, x_test)]
    return np.array(both[0], dtype=np.int64), np.array(both[1], dtype=np.int64)


def _digests(x: Any) -> list[bytes]:
    """16 bytes a row; two unlike rows of a million share theirs with chance 1e-27."""
    if x is None:
        return []
    if issparse(x):
        x = csr_array(x, copy=True)
        x.eliminate_zeros()
        spans = zip(x.indptr[:-1], x.indptr[1:], strict=True)
        rows = (x.indices[a:b].astype(np.int64).tobytes() + x.data[a:b].tobytes() for a, b in spans)
    else:
        # adding zero makes -0.0 and 0.0, which are equal, have the same bytes
        rows = ((row + row.dtype.type(0)).tobytes() for row in x)
    return [blake2b(row, digest_size=16).digest() for row in rows]


def contradicting(ids: Ids, y: NDArray[Any]) -> NDArray[np.bool_]:
    """Which labeled rows (L,) equal another that has another label."""
    _, group = np.unique(ids, return_inverse=True)
    order = np.lexsort((y, group))
    same = np.diff(group[order]) == 0
    mixed = np.zeros(group.max() + 1, dtype=bool)
    mixed[group[order][1:][same & (np.diff(y[order]) != 0)]] = True
    result: NDArray[np.bool_] = mixed[group]
    return result


def _by_nature(labeled: Ids, test: Ids, rng: np.random.Generator) -> bool:
    """Whether as many copies across the halves ever occur when labeled and test rows are shuffled."""
    if len(np.unique(labeled)) == len(labeled) and len(np.unique(test)) == len(test):
        return False  # rows that repeat nowhere else do not repeat by nature
    both, n = np.concatenate([labeled, test]), len(labeled)
    observed = np.isin(test, labeled).sum()
    shuffles = (rng.permutation(both) for _ in range(_SPLITS))
    return any(np.isin(shuffled[n:], shuffled[:n]).sum() >= observed for shuffled in shuffles)


def _leak_text(n: int, n_test: int, leak: bool) -> list[str]:
    if leak:
        return [
            f"{n:,} of {n_test:,} test rows are exact copies of labeled training rows. A model that learns these by "
            "heart scores too well: no figure from this test set can be trusted. Take the copies out of one of the two."
        ]
    if n:
        return [
            f"{n:,} of {n_test:,} test rows equal a labeled training row, not more than when all are shuffled: "
            "rows of this data repeat by nature. Check that no case (patient, part, document) is on both sides."
        ]
    return []


def _pool_text(n: int, n_test: int) -> list[str]:
    if not n:
        return []
    return [
        f"{n:,} of {n_test:,} test rows are among the unlabeled rows. A score then speaks of rows the model has seen "
        "without labels, not of new ones. To judge new rows, take them out of the unlabeled rows."
    ]


def _two_labels_text(n: int, n_labeled: int, classes: bool) -> list[str]:
    if not n:
        return []
    what = "class" if classes else "number"
    return [
        f"{n:,} of {n_labeled:,} labeled rows equal another one that carries another {what}. No model can be right on "
        "all of them. Look at these rows: either a label is wrong, or what tells them apart is not among the columns."
    ]
