"""How much memory there is: asked before arrays are made, and said when it runs out all the same."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fewlabels.errors import ResourceError

# How libraries say that memory ran out where they raise a RuntimeError: PyTorch's allocators, C++, threads.
_SAID = ("out of memory", "can't allocate memory", "bad_alloc", "can't start new thread")


def memory_to_spare() -> float:
    """Half of the memory that is free now, in bytes; infinite where the system does not say."""
    free = [_meminfo(), _container(), _address_space()]
    known = [f for f in free if f is not None]
    return min(known) // 2 if known else math.inf


def held_bytes(x: Any) -> int:
    """What rows take, dense or CSR."""
    return int(x.nbytes if isinstance(x, np.ndarray) else x.data.nbytes + x.indices.nbytes)


def check_memory(n_bytes: float, what: str, mend: str, *, whole: bool = False) -> None:
    """Refuse what would take more than half of the free memory, before it is made; `whole`: more than all of it.

    Raises
    ------
    ResourceError : with the number of bytes, and what to do
    """
    spare = memory_to_spare() * (2 if whole else 1)
    if n_bytes > spare:
        raise ResourceError(f"{what} would take {n_bytes / 1e9:.3g} GB; {spare / 1e9:.3g} GB are to spare. {mend}")


@contextmanager
def memory_errors(mend: str = "Use fewer rows or columns.") -> Iterator[None]:
    """Turn the many ways of saying "out of memory" into one that says what to do.

    One of them is a worker that the system killed. PyTorch raises that wherever the main thread happens to be.

    Raises
    ------
    ResourceError : memory ran out within
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if isinstance(error, ResourceError):
            raise
        said = str(error)
        if "DataLoader worker" in said:
            raise ResourceError(
                "a process that decodes images was killed, most often for lack of memory. Free some, or lower "
                "batch_size or unlabeled_ratio."
            ) from error
        full = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        if not full and not (isinstance(error, RuntimeError) and any(words in said for words in _SAID)):
            raise
        first = said.partition("\n")[0].rpartition("Allocator: ")[2].rstrip(".")
        raise ResourceError(f"more memory is needed than there is{f' ({first})' if first else ''}. {mend}") from error


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # macOS: count half of all as free
    except (AttributeError, ValueError, OSError):
        return None


def _container() -> int | None:
    """Free memory below the limit of a Linux container (cgroup v2), which /proc/meminfo does not know."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = (folder / "memory.current").read_text().strip()
        kept = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if not (limit.isdigit() and used.isdigit()):
        return None
    # pages of files that were read count as used, and are given up when memory is asked for
    return max(0, int(limit) - int(used) + int(kept.get("inactive_file", 0)))


def _address_space() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # macOS does not hold the limit
        return None
    return max(0, limit - pages * resource.getpagesize())
