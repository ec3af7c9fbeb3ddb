"""Networks by name: the numbers in "mlp-64-2", and whether what they ask for fits into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from fewlabels.data.memory import check_memory
from fewlabels.networks.sizes import WEIGHT, n_weights

# Units of a layer, channels or layers. More is a slip of the finger, and would take minutes to refuse.
LARGEST = 16_384

Made = TypeVar("Made", bound=tuple[torch.nn.Module, ...])


def read_sizes(numbers: list[str], most: int) -> list[int] | None:
    """The numbers of a name, from 1 to `LARGEST`; None if they are not that, or more than `most` of them."""
    digits = all(n.isdecimal() and len(n) <= len(str(LARGEST)) for n in numbers)
    sizes = [int(n) for n in numbers] if digits else [0]
    return sizes if len(sizes) <= most and all(1 <= size <= LARGEST for size in sizes) else None


def make_if_it_fits(name: str, make: Callable[[], Made]) -> Made:
    """What `make` gives, once it is known that its weights fit into the memory to spare.

    Raises
    ------
    ResourceError : they do not
    """
    try:
        with torch.device("meta"):  # shapes without numbers: takes no memory and draws nothing
            n = sum(n_weights(module) for module in make())
    except (RuntimeError, OverflowError):  # sizes beyond what a tensor can have
        n = 2**62
    check_memory(n * WEIGHT, f"training network={name!r}", "Choose a smaller one.", whole=True)
    return make()
