"""Blocks of a search side by side, each on one thread."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from scipy.sparse import issparse
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from fewlabels.data.memory import memory_to_spare

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_threads(work: Callable[[Task], Result], tasks: list[Task], each: float = 0.0) -> Iterator[Result]:
    """Results in the order of the tasks. NumPy and torch let go of Python's lock in long operations.

    A block is a product, which libraries spread over threads, and a dozen operations that they do not: whole
    blocks side by side keep all processors busy. As many as the libraries' own threads, so that
    OMP_NUM_THREADS=1 is one; they themselves then get one each. `each`: bytes that a block takes.
    """
    threads = n_threads(len(tasks), each)
    if threads == 1:
        yield from map(work, tasks)
        return
    with single_thread(), ThreadPoolExecutor(threads) as pool:
        size = 4 * threads
        for a in range(0, len(tasks), size):
            # a few at a time, so that an interruption does not wait for all of them
            yield from pool.map(work, tasks[a : a + size])


def n_threads(n_tasks: int, each: float = 0.0) -> int:
    """How many threads `in_threads` takes: as many as half of the memory to spare holds blocks, and one where there are
    not two blocks for each."""
    # to ask the libraries takes longer than a small search
    threads = max([1, *(library["num_threads"] for library in threadpool_info())]) if n_tasks >= 4 else 1
    if each:
        threads = int(np.clip(memory_to_spare() / 2 / each, 1, threads))
    return threads if n_tasks >= 2 * threads else 1


def copied(x: Any) -> Any:
    """A copy of dense or sparse rows; fresh memory costs more than copying, and threads share that cost."""
    if issparse(x):
        return x.copy()
    out = np.empty_like(x)
    size = max(1, 4_000_000 // max(1, x.shape[1]))

    def work(a: int) -> None:
        out[a : a + size] = x[a : a + size]

    list(in_threads(work, list(range(0, len(x), size))))
    return out


@contextmanager
def single_thread() -> Iterator[None]:
    """While entered, libraries use one thread for each caller. torch gives new threads a number of its own."""
    with threadpool_limits(1):
        if "torch" not in sys.modules:
            yield
            return
        from fewlabels.devices import one_thread

        with one_thread():
            yield
