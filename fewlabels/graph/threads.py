"""Blocks of a search side by side, each on one thread."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped, unused-ignore]

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_threads(work: Callable[[Task], Result], tasks: list[Task]) -> Iterator[Result]:
    """Results in the order of the tasks. NumPy and torch let go of Python's lock in long operations.

    A block is a product, which libraries spread over threads, and a dozen operations that they do not: whole
    blocks side by side keep all processors busy. As many as the libraries' own threads, so that
    OMP_NUM_THREADS=1 is one; they themselves then get one each.
    """
    threads = max([1, *(library["num_threads"] for library in threadpool_info())])
    if threads == 1 or len(tasks) < 2 * threads:
        yield from map(work, tasks)
        return
    with _single(), ThreadPoolExecutor(threads) as pool:
        for a in range(0, len(tasks), threads):
            # a few at a time, so that an interruption does not wait for all of them
            yield from pool.map(work, tasks[a : a + threads])


@contextmanager
def _single() -> Iterator[None]:
    """While entered, libraries use one thread for each caller. torch gives new threads a number of its own."""
    with threadpool_limits(1):
        if "torch" not in sys.modules:
            yield
            return
        from fewlabels.devices import one_thread

        with one_thread():
            yield
