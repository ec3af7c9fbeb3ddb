"""Small pieces every equation shares. Classes lie on axis 1, so that rows and pixels read alike."""

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of each row (or pixel): logits (B, K, ...) against classes (B, ...) or shares (B, K, ...).

    A class of -1 (a pixel nobody marked) counts as zero loss.
    """
    if target.dtype.is_floating_point:
        return F.cross_entropy(logits, target, reduction="none")
    return F.cross_entropy(logits, target, reduction="none", ignore_index=-1)


def normalize(q: Tensor) -> Tensor:
    """Divide by the sum over classes."""
    return q / q.sum(1, keepdim=True)
