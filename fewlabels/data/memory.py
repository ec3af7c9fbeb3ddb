"""How much memory data may take."""

from __future__ import annotations

import os
from pathlib import Path


def memory_to_spare() -> int:
    """Half of the memory that is free now, in bytes (2 GB where the system does not say)."""
    free = [_meminfo(), _container()]
    known = [f for f in free if f is not None]
    return min(known) // 2 if known else 2_000_000_000


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
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
    except OSError:
        return None
    return max(0, int(limit) - int(used)) if limit.isdigit() and used.isdigit() else None
