"""Matrix products in float32 (NumPy) and bfloat16 (torch), for `fewlabels.graph.products`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import local
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fewlabels.graph.threads import single_thread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def chunks(x: NDArray[Any], n: int | None = None) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose float64 copies fit a processor's cache."""
    n = len(x) if n is None else n
    size = max(1, 400_000 // max(1, x.shape[1]))
    return ((a, min(a + size, n)) for a in range(0, n, size))


class Rounding(Protocol):
    """A format of low precision: `unit_out` bounds the relative error of rounding a result.

    Scores are (n columns, queries): with the few queries as the second factor, which libraries repack, a
    product takes 0.6 of the time. Member m of group g is in line ``m * (n / group) + g``, so that `maxima`
    (n / group, queries) and `members` (group, M) read whole lines.
    """

    unit_out: float
    buffers: local

    def empty(self, n: int, width: int) -> Any: ...
    def cast(self, y: Floats) -> Any: ...
    def values(self, y: Floats) -> Floats: ...
    def scores(self, queries: Floats, columns: Any) -> Any: ...
    def maxima(self, scores: Any, group: int) -> NDArray[np.float32]: ...
    def members(self, scores: Any, group: int, query: Ints, which: Ints) -> NDArray[np.float32]: ...


def buffer(rounding: Rounding, n: int, width: int) -> Any:
    """This thread's buffer (n, width), made anew when the shape changes."""
    out = getattr(rounding.buffers, "out", None)
    if out is None or out.shape != (n, width):
        out = rounding.buffers.out = rounding.empty(n, width)
    return out


class Float32:
    """NumPy's float32. Each thread has one buffer for the scores: fresh memory costs more than the product."""

    unit_out = 2.0**-24

    def __init__(self) -> None:
        self.buffers = local()

    def empty(self, n: int, width: int) -> Any:
        return np.empty((n, width), dtype=np.float32)

    def cast(self, y: Floats) -> Any:
        return y.astype(np.float32)

    def values(self, y: Floats) -> Floats:
        return y.astype(np.float32).astype(np.float64)

    def scores(self, queries: Floats, columns: Any) -> Any:
        return np.matmul(columns, self.cast(queries).T, out=buffer(self, len(columns), len(queries)))

    def maxima(self, scores: Any, group: int) -> NDArray[np.float32]:
        top: NDArray[np.float32] = scores.reshape(group, -1, scores.shape[1]).max(0)
        return top

    def members(self, scores: Any, group: int, query: Ints, which: Ints) -> NDArray[np.float32]:
        found: NDArray[np.float32] = scores.reshape(group, -1, scores.shape[1])[:, which, query]
        return found


class BFloat16:
    """torch's bfloat16, which accumulates in float32 and rounds each result to 8 bits."""

    unit_out = 2.0**-8

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.buffers = local()

    def empty(self, n: int, width: int) -> Any:
        return self.torch.empty(n, width, dtype=self.torch.bfloat16)

    def cast(self, y: Floats) -> Any:
        return self.torch.from_numpy(y).to(self.torch.bfloat16)

    def values(self, y: Floats) -> Floats:
        exact: Floats = self.cast(y).double().numpy()
        return exact

    def scores(self, queries: Floats, columns: Any) -> Any:
        return self.torch.mm(columns, self.cast(queries).T, out=buffer(self, len(columns), len(queries)))

    def maxima(self, scores: Any, group: int) -> NDArray[np.float32]:
        top: NDArray[np.float32] = scores.view(group, -1, scores.shape[1]).amax(0).float().numpy()
        return top

    def members(self, scores: Any, group: int, query: Ints, which: Ints) -> NDArray[np.float32]:
        where = slice(None), self.torch.from_numpy(which), self.torch.from_numpy(query)
        found: NDArray[np.float32] = scores.view(group, -1, scores.shape[1])[where].float().numpy()
        return found


def pieces(rounding: Rounding, half: Floats) -> Floats:
    """(N,) numbers as (N, 3) of the format that add up to them within 2^-24: one bfloat16 holds eight bits."""
    out = np.empty((len(half), 3))
    for i in range(3):
        out[:, i] = rounding.values(half)
        half = half - out[:, i]
    return out


def bfloat16_is_faster(width: int) -> bool:
    """Whether a product in bfloat16 takes less than 2/3 of the time here, best of 5. It changes no result.

    On one thread, as the blocks of a search are: threads that wait for each other on a busy machine say little.
    """
    rows = np.ones((4096, width))
    kinds: dict[str, Rounding] = {"single": Float32(), "half": BFloat16()}
    columns = {name: kind.cast(rows) for name, kind in kinds.items()}
    best = dict.fromkeys(kinds, np.inf)
    with single_thread():
        for _ in range(5):
            for name, kind in kinds.items():
                start = time.perf_counter()
                kind.scores(rows[:128], columns[name])
                best[name] = min(best[name], time.perf_counter() - start)
    return best["half"] < best["single"] / 1.5
