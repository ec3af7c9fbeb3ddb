"""Rows -> batches. Alone knows the order of rows, augmentation, randomness and devices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewlabels.augment import Augmentation, Draws, Moving
from fewlabels.augment.ct_augment import Learnt
from fewlabels.augment.randomness import permutation
from fewlabels.data.images import ImageFiles
from fewlabels.devices import one_thread
from fewlabels.errors import InputError
from fewlabels.method import Batch, Probe
from fewlabels.scaling import Scaling

# Streams of randomness: the order of each pool, then one for every augmented copy (further ones count upward).
_ORDER_X, _ORDER_U, _COPY_X, _COPY_U, _MORE_X, _MOVE_X, _MOVE_U = 0, 1, 2, 3, 1000, 2000, 2001
_PROBE, _ORDER_SIDE, _COPY_SIDE, _WEIGHTED, _ORDER_CLASS = 3000, 4000, 4010, 5000, 10_000
# Processes that decode image files; how many changes no bit.
_WORKERS, _EACH_AHEAD = 2, 4
# Steps whose images are decoded ahead
AHEAD = _WORKERS * _EACH_AHEAD


class Pool(NamedTuple):
    """What batches are drawn from. Unlabeled rows are all rows: the labeled ones take part too."""

    x: Tensor | ImageFiles  # every row, as kept                (N, ...)
    labeled: NDArray[np.int64]  # rows with a label                 (L,)
    y: Tensor  # their targets                     (L,), masks (L, H, W)
    weights: NDArray[np.float64] | None = None  # how often to draw each labeled row, in proportion (L,)
    sides: tuple[NDArray[np.int64], ...] = ()  # source rows and target rows, if a term aligns them


@dataclass(frozen=True)
class Draw:
    """Rows of one pool at one step, and how many times each was drawn before."""

    index: NDArray[np.int64]
    passes: NDArray[np.int64]


@lru_cache(maxsize=4)
def _order(seed: int, stream: int, epoch: int, n: int) -> NDArray[np.int64]:
    return permutation(seed, stream, epoch, n)


@lru_cache(maxsize=4096)  # groups are many and small, and must not drive the order of the whole pool out
def _order_of_group(seed: int, stream: int, epoch: int, n: int) -> NDArray[np.int64]:
    return permutation(seed, stream, epoch, n)


def draw(seed: int, stream: int, step: int, n: int, count: int) -> Draw:
    """The `count` rows of n that step `step` sees: every row once before any row again.

    A function of the arguments alone, so that resuming needs the step number and nothing else.
    """
    return _at(lambda epoch: _order(seed, stream, epoch, n), np.arange(step * count, (step + 1) * count), n)


def draw_balanced(seed: int, stream: int, step: int, groups: list[NDArray[np.int64]], count: int) -> Draw:
    """The `count` rows that step `step` sees when groups of rows take turns, each group in an order of its own.

    Every group is drawn as often as any other, and every row of a group once before any row of it again.
    """
    turn, group = np.divmod(np.arange(step * count, (step + 1) * count), len(groups))
    index, passes = np.empty(count, np.int64), np.empty(count, np.int64)
    for i, rows in enumerate(groups):
        here = group == i
        drawn = _at(partial(_order_of_group, seed, stream + i, n=len(rows)), turn[here], len(rows))
        index[here], passes[here] = rows[drawn.index], drawn.passes
    return Draw(index, passes)


def draw_weighted(seed: int, stream: int, step: int, weights: NDArray[np.float64], count: int) -> Draw:
    """The `count` rows that step `step` sees when row i of n is drawn in proportion to its weight.

    In n draws each row comes up n w / sum(w) times, rounded down or up (systematic sampling), in a shuffled order.
    """
    n = len(weights)
    position = np.arange(step * count, (step + 1) * count)
    upto = np.cumsum(weights) / weights.sum()

    def order(epoch: int) -> NDArray[np.int64]:
        first = float(Draws(seed, stream + 1, epoch, np.arange(1)).uniform(0))
        points = (np.arange(n) + first) / n
        return np.minimum(np.searchsorted(upto, points, side="right"), n - 1)[_order(seed, stream, epoch, n)]

    # a row may come up several times in a pass, and is then augmented anew each time
    return Draw(_at(order, position, n).index, position)


def _at(order: Callable[[int], NDArray[np.int64]], position: NDArray[np.int64], n: int) -> Draw:
    """The rows at these places of an endless sequence of shuffled passes over n rows."""
    passes = position // n
    index = np.empty(len(position), np.int64)
    for epoch in np.unique(passes).tolist():
        here = passes == epoch
        index[here] = order(epoch)[position[here] % n]
    return Draw(index, passes)


def batches(
    pool: Pool,
    scaling: Scaling,
    augment: Augmentation,
    copies: tuple[str, ...],
    *,
    batch_size: int,
    unlabeled_ratio: int,
    seed: int,
    start: int,
    stop: int,
    device: torch.device,
    copies_x: tuple[str, ...] = (),
    moving: Moving | None = None,
    class_balanced: bool = False,
) -> Iterator[Batch]:
    """The batches of steps `start` to `stop`.

    Parameters
    ----------
    copies : "weak" or "strong" for each augmented copy of the unlabeled rows that the method asks for
    batch_size : labeled rows a step; fewer labels than that are repeated, augmented anew
    unlabeled_ratio : unlabeled rows for each labeled row of the batch
    copies_x : augmented copies of the labeled rows beside the weak one
    moving : for masks: what moves pixels, once a row, before anything else and alike in image and mask
    class_balanced : whether classes take turns in the labeled rows, however many rows each has
    """

    groups = _by_class(pool.y) if class_balanced else []

    def plan(step: int) -> tuple[Draw, ...]:
        if class_balanced:
            x = draw_balanced(seed, _ORDER_CLASS, step, groups, batch_size)
        elif pool.weights is not None:
            x = draw_weighted(seed, _WEIGHTED, step, pool.weights, batch_size)
        else:
            x = draw(seed, _ORDER_X, step, len(pool.labeled), batch_size)
        n_u = batch_size * unlabeled_ratio if copies else 0
        u = draw(seed, _ORDER_U, step, len(pool.x), n_u) if n_u else Draw(x.index[:0], x.passes[:0])
        return x, u, *(side(i, rows, step) for i, rows in enumerate(pool.sides))

    def side(i: int, rows: NDArray[np.int64], step: int) -> Draw:
        drawn = draw(seed, _ORDER_SIDE + i, step, len(rows), batch_size)
        return Draw(rows[drawn.index], drawn.passes)

    def augmented(
        rows: Tensor, which: str, stream: int, picked: NDArray[np.int64], passes: NDArray[np.int64]
    ) -> Tensor:
        draws = Draws(seed, stream, passes, picked)
        with one_thread():
            return scaling.network(augment.strong(rows, draws) if which == "strong" else augment.weak(rows, draws))

    def moved(rows: Tensor, stream: int, picked: NDArray[np.int64], passes: NDArray[np.int64]) -> Tensor:
        if moving is None or not len(rows):
            return rows
        with one_thread():
            return moving.move(rows, Draws(seed, stream, passes, picked))

    def probe(rows: Tensor, picked: NDArray[np.int64], passes: NDArray[np.int64]) -> Probe | None:
        if not isinstance(augment, Learnt):
            return None
        with one_thread():
            x, drawn = augment.augment.probe(rows, Draws(seed, _PROBE, passes, picked))
        return Probe(scaling.network(x), drawn)

    steps = (plan(step) for step in range(start, stop))
    for (x, u, *sides), kept in _kept(pool, steps, device):
        rows_x, rows_u, *rows_sides = torch.split(kept, [len(drawn.index) for drawn in (x, u, *sides)])
        ids_x = pool.labeled[x.index]
        y = pool.y[torch.from_numpy(x.index).to(pool.y.device)]
        rows_x, rows_u = moved(rows_x, _MOVE_X, ids_x, x.passes), moved(rows_u, _MOVE_U, u.index, u.passes)
        yield Batch(
            augmented(rows_x, "weak", _COPY_X, ids_x, x.passes),
            y if moving is None else moved(y[:, None], _MOVE_X, ids_x, x.passes)[:, 0],
            tuple(augmented(rows_u, copy, _COPY_U + i, u.index, u.passes) for i, copy in enumerate(copies)),
            torch.from_numpy(u.index).to(device),
            tuple(augmented(rows_x, copy, _MORE_X + i, ids_x, x.passes) for i, copy in enumerate(copies_x)),
            probe(rows_x, ids_x, x.passes),
            torch.from_numpy(ids_x),
            tuple(
                augmented(rows, "weak", _COPY_SIDE + i, drawn.index, drawn.passes)
                for i, (rows, drawn) in enumerate(zip(rows_sides, sides, strict=True))
            ),
        )


def _by_class(y: Tensor) -> list[NDArray[np.int64]]:
    classes = y.cpu().numpy()
    return [np.flatnonzero(classes == c) for c in np.unique(classes)]


def _kept(pool: Pool, plans: Any, device: torch.device) -> Iterator[tuple[tuple[Draw, ...], Tensor]]:
    """Each plan with its rows in its order, labeled first; files are decoded ahead of time by worker processes."""
    if isinstance(pool.x, Tensor):
        for plan in plans:
            rows = np.concatenate(_ids(pool, plan))
            yield plan, pool.x[torch.from_numpy(rows).to(pool.x.device)]
        return
    ahead: deque[tuple[Draw, ...]] = deque()

    def wanted() -> Iterator[list[int]]:
        for plan in plans:
            ahead.append(plan)
            yield np.concatenate(_ids(pool, plan)).tolist()

    loader = torch.utils.data.DataLoader(
        _Files(pool.x), batch_sampler=wanted(), num_workers=_WORKERS, prefetch_factor=_EACH_AHEAD if _WORKERS else None
    )
    try:
        for rows in loader:
            yield ahead.popleft(), rows.permute(0, 3, 1, 2).to(device)
    except InputError as error:
        # a worker wraps the message in its traceback
        raise InputError(str(error).rstrip().rpartition("InputError: ")[2]) from None


def _ids(pool: Pool, plan: tuple[Draw, ...]) -> list[NDArray[np.int64]]:
    x, *others = plan
    return [pool.labeled[x.index], *(drawn.index for drawn in others)]


class _Files(torch.utils.data.Dataset[Tensor]):
    def __init__(self, files: ImageFiles) -> None:
        self.files = files

    def __getitem__(self, row: int) -> Tensor:
        return torch.from_numpy(self.files.take(np.array([row]))[0])
