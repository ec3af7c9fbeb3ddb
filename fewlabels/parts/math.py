"""Small pieces every equation shares. Classes lie on axis 1, so that rows and pixels read alike."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewlabels.errors import OptionError


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of each row (or pixel): logits (B, K, ...) against classes (B, ...) or shares (B, K, ...).

    A class of -1 (a pixel nobody marked) counts as zero loss.
    """
    if target.dtype.is_floating_point:
        return F.cross_entropy(logits, target, reduction="none")
    return F.cross_entropy(logits, target, reduction="none", ignore_index=-1)


def check_rows(q: Tensor, name: str) -> None:
    """Refuse the class shares of pixels: a part that keeps something for each class or row reads rows alone."""
    if q.ndim != 2:
        raise OptionError(
            f"{name} reads one guess a row, not one a pixel. For masks use Fixed(), Always(), Unaligned()."
        )


def normalize(q: Tensor) -> Tensor:
    """Divide by the sum over classes."""
    return q / q.sum(1, keepdim=True)


def entropy(logits: Tensor) -> Tensor:
    """-sum_c p_c log p_c of each row (or pixel), p = softmax(logits)."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)


def warm(momentum: float, steps: Tensor) -> Tensor:
    """min(momentum, (1 + t) / (10 + t)), as for the teacher: a short run must not be full of the average's start."""
    return ((1 + steps) / (10 + steps)).clamp_max(momentum)


def first_of_each(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows and where each stands first: a pool smaller than the batch repeats rows."""
    distinct, inverse = rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    first = torch.full_like(distinct, len(rows))
    first.scatter_reduce_(0, inverse, torch.arange(len(rows), device=rows.device), "amin")
    return distinct, first
