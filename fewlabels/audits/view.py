"""What a check sees: the data that passed the door, and features of a sample of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fewlabels.audits.features import Encoder, Floats, features
from fewlabels.audits.predictions import fold_matched
from fewlabels.partial_labels import Partial

Provenance = Literal["unknown", "random", "balanced", "active"]

MOST_LABELED, MOST_UNLABELED = 1000, 4000  # rows that the statistical checks look at
FEWEST = 10  # rows of each side that a statistical check needs to say anything


class Sides(NamedTuple):
    """Two samples of rows, of which a check asks whether they come from one source.

    Attributes
    ----------
    names : what they are, in words
    rows : indices of the rows sampled from each, ascending
    features : their features
    of : how many rows each was sampled from
    """

    names: tuple[str, str]
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]
    features: tuple[Floats, Floats]
    of: tuple[int, int]

    @property
    def sampled(self) -> str:
        """A sentence for findings when not all rows were looked at, else nothing."""
        (a, b), (n_a, n_b) = self.rows, self.of
        if len(a) == n_a and len(b) == n_b:
            return ""
        return f" (Looked at {len(a):,} of {n_a:,} {self.names[0]} and {len(b):,} of {n_b:,} {self.names[1]} rows.)"

    @property
    def too_few(self) -> str:
        """Why a statistical check is skipped, or nothing."""
        n_a, n_b = (len(rows) for rows in self.rows)
        if min(n_a, n_b) >= FEWEST:
            return ""
        return (
            f"Not checked: {n_a} {self.names[0]} and {n_b} {self.names[1]} rows are too few; at least {FEWEST} of each "
            "are needed."
        )


@dataclass(frozen=True)
class View:
    """All rows, and features of some.

    Attributes
    ----------
    data : all rows, and the labels of the labeled ones
    x_test, y_test : the test rows in the form of `data.x` and their labels, or None
    provenance : how rows were chosen for labeling, as the user said
    seed : of every random draw
    rows_l, rows_u : the labeled and the unlabeled rows that were sampled, ascending
    features_l, features_u : their features
    y : (len(rows_l),) codes of classes, or numbers
    features_are : what the features are, in words
    by_domain : rows of the source and of the target, where `domain` says which are which
    """

    data: Partial
    x_test: Any
    y_test: NDArray[Any] | None
    provenance: Provenance
    seed: int
    rows_l: NDArray[np.int64]
    rows_u: NDArray[np.int64]
    features_l: Floats
    features_u: Floats
    y: NDArray[Any]
    features_are: str
    by_domain: Sides | None = None

    def rng(self, name: str) -> np.random.Generator:
        """A generator of a check's own: another check, added or left out, changes none of its draws."""
        return np.random.default_rng([self.seed, crc32(name.encode())])

    @cached_property
    def probabilities(self) -> tuple[Floats, Floats]:
        """Class probabilities of labeled and unlabeled rows by models that saw neither, see `fold_matched`."""
        return fold_matched(self.features_l, self.y, self.features_u, self.data.n_classes, self.rng("probabilities"))

    @property
    def by_label(self) -> Sides:
        """The labeled and the unlabeled rows."""
        of = len(self.data.labeled), len(self.data.unlabeled)
        return Sides(("labeled", "unlabeled"), (self.rows_l, self.rows_u), (self.features_l, self.features_u), of)

    def name(self, code: int) -> str:
        """A class in the user's own word."""
        return str(np.asarray(self.data.classes)[code])


def look_at(
    data: Partial,
    x_test: Any = None,
    y_test: NDArray[Any] | None = None,
    *,
    provenance: Provenance = "unknown",
    encoder: Encoder | None = None,
    seed: int = 0,
) -> View:
    """Sample rows and compute their features."""
    rng = np.random.default_rng([seed, crc32(b"sample")])
    chosen = _sample(len(data.labeled), MOST_LABELED, rng)
    unlabeled = data.unlabeled
    rows_l, rows_u = data.labeled[chosen], unlabeled[_sample(len(unlabeled), MOST_UNLABELED, rng)]
    all_features, words = features(data.x, np.concatenate([rows_l, rows_u]), encoder, seed)
    n = len(rows_l)
    return View(
        *(data, x_test, y_test, provenance, seed, rows_l, rows_u),
        *(all_features[:n], all_features[n:], data.y[chosen], words),
        None if data.domain is None else _by_domain(data, data.domain, encoder, seed),
    )


def _by_domain(data: Partial, domain: NDArray[np.int8], encoder: Encoder | None, seed: int) -> Sides:
    rng = np.random.default_rng([seed, crc32(b"domain")])
    all_rows = [np.flatnonzero(domain == sign) for sign in (1, -1)]
    source, target = (rows[_sample(len(rows), MOST_LABELED, rng)] for rows in all_rows)
    found, _ = features(data.x, np.concatenate([source, target]), encoder, seed)
    of = len(all_rows[0]), len(all_rows[1])
    return Sides(("source", "target"), (source, target), (found[: len(source)], found[len(source) :]), of)


def _sample(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))
