"""Which labels a repeat holds out and which it uses at each size: drawn once, stratified, nested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewlabels.errors import InputError, OptionError
from fewlabels.pairs import check_share
from fewlabels.partial_labels import Partial

MOST_SIZES = 6
FEWEST_NUMBERS = 10  # labels of a default size where labels are numbers


@dataclass(frozen=True)
class Plan:
    """Of one repeat, as positions in `Partial.labeled`.

    Attributes
    ----------
    held_out : (m,) labels that score every model of the repeat and train none
    order : the others; the first n of them are the labels of size n, so that larger sizes hold the smaller ones
    """

    held_out: NDArray[np.int64]
    order: NDArray[np.int64]


def draw_plan(data: Partial, n_out: int, seed: int) -> Plan:
    """Every prefix of the order has the labels' class shares as nearly as whole rows can, and one of each class first.

    Of a class of m rows in random order the k-th (from 0) is placed at (k + 1/2) / m, which is Webster's way of sharing
    out seats; ties between classes are broken at random. The last rows of the same order are held out.
    """
    rng = np.random.default_rng([seed, 1])
    codes = np.zeros(len(data.y), dtype=np.int64) if data.classes is None else data.y
    rows = rng.permutation(len(codes))
    place = np.empty(len(codes))
    for code in np.unique(codes):
        own = rows[codes[rows] == code]
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
        place[own[0]] = -1.0
    order = rows[np.argsort(place[rows], kind="stable")]
    return Plan(np.sort(order[len(order) - n_out :]), order[: len(order) - n_out])


def count_held_out(data: Partial, share: float) -> int:
    """How many labels are held out.

    Raises
    ------
    OptionError : no share between 0 and 1; InputError : too few labels
    """
    check_share(share)
    n, fewest = len(data.y), max(1, data.n_classes)
    n_out = min(max(round(share * n), fewest), n - fewest)
    if n < 4 * fewest or n_out < 2:
        raise InputError(
            f"y has {n} labels; a curve needs at least {4 * fewest}. Use `fewlabels.compare`, which needs fewer."
        )
    return n_out


def choose_sizes(data: Partial, n_out: int, sizes: Sequence[int] | None) -> tuple[int, ...]:
    """The sizes asked for, checked, or halves of all labels that are left, ascending.

    Raises
    ------
    OptionError : sizes that cannot be; InputError : too few labels for two sizes
    """
    fewest = max(2, data.n_classes)
    # at least one row stays unlabeled, or there is nothing the candidate could use
    most = min(len(data.y) - n_out, data.n_rows - n_out - 1)
    if sizes is None:
        least = max(FEWEST_NUMBERS, 2 * data.n_classes) if data.classes is None else 2 * data.n_classes
        found = [most]
        while found[-1] // 2 >= least and len(found) < MOST_SIZES:
            found.append(found[-1] // 2)
        if len(found) < 2:
            raise InputError(
                f"y has {len(data.y)} labels, of which {n_out} are held out: too few for two sizes of at least {least}."
            )
        return tuple(reversed(found))
    if not isinstance(sizes, Iterable):
        raise OptionError(f"sizes={sizes!r}; expected a list of numbers of labels, such as [20, 50, 100].")
    whole = all(isinstance(size, int | np.integer) and not isinstance(size, bool) for size in sizes)
    chosen = sorted({int(size) for size in sizes}) if whole else []
    if len(chosen) < 2 or chosen[0] < fewest or chosen[-1] > most:
        raise OptionError(
            f"sizes={list(sizes)}; expected at least two different numbers of labels from {fewest} to {most} (of "
            f"{len(data.y)} labels {n_out} are held out). They count all classes together."
        )
    return tuple(chosen)
