"""Memory is checked before it is taken."""

from __future__ import annotations

from fewlabels.data.memory import memory_to_spare
from fewlabels.errors import ResourceError


def must_fit(need: float, what: str, mend: str) -> None:
    """Refuse what needs more than half of the free memory.

    Raises
    ------
    ResourceError : with the number of bytes, and what to do
    """
    if need > memory_to_spare():
        raise ResourceError(f"{what} need about {need / 1e9:.1f} GB, more than half of the free memory. {mend}")
