r"""CTAugment. Berthelot et al., "ReMixMatch: SSL with Distribution Alignment and Augmentation Anchoring", ICLR 2020.

.. math:: m_b \leftarrow \rho\, m_b + (1 - \rho)\, \omega, \qquad
          \omega = 1 - \tfrac12 \textstyle\sum_c |f(\hat x)_c - y_c| = f(\hat x)_y, \qquad
          P(b) \propto m_b\, 1(m_b \ge \tau \max_{b'} m_{b'})

The range of every operation is cut into bins b. In each step labeled rows are augmented with bins drawn uniformly, and
what the model still says of their class moves the weights m, one for each bin of each operation. Strong augmentation
then draws its magnitudes from the bins whose weight is near the largest of the operation.

The threshold is relative to that largest weight, as in the authors' code: at the start a model is unsure of everything,
and no bin at all would pass an absolute one. The moving average answers, in evaluation mode, as there. Operations,
their ranges and Cutout are those of `Images`. "AutoContrast", "Equalize" and "Identity" have no magnitude, so that
their weights do nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from numbers import Integral, Real

import torch
from torch import Tensor

from fewlabels.augment.images import Images, check_option
from fewlabels.augment.randomness import Draws

_BIN = 8  # slot of Draws, beside those of Images


@dataclass(frozen=True)
class CTAugment(Images):
    """`Images` whose magnitudes are those that the model can still read on labeled rows.

    It costs a pass of the moving average over one more copy of the labeled rows a step. Methods without strong
    augmentation do without, and see `Images`.

    Parameters
    ----------
    shift, flip, n_ops, cutout, fill, operations
        As in `Images`.
    bins
        Into how many the range of every operation is cut.
    decay
        Of the moving averages (rho).
    threshold
        A bin is drawn if its weight is at least this share of the operation's largest (tau).

    Raises
    ------
    OptionError
        If an option is out of range; on fit, if the labels are not classes.
    """

    bins: int = 17
    decay: float = 0.99
    threshold: float = 0.8

    def __post_init__(self) -> None:
        Images.__post_init__(self)
        check_option(self, "n_ops", Integral, 1, inf, "1, 2, ...: without operations there is nothing to learn")
        check_option(self, "bins", Integral, 1, inf, "1, 2, ...")
        check_option(self, "decay", Real, 0, 1, "a decay between 0 and 1")
        check_option(self, "threshold", Real, 0, 1, "a share of the largest weight between 0 and 1")

    def init(self) -> dict[str, Tensor]:
        """All weights 1: nothing is known against any bin."""
        return {"weights": torch.ones(len(self.operations), self.bins)}

    def chances(self, weights: Tensor) -> Tensor:
        """How often each bin of each operation is drawn: (operations, bins), rows sum to 1."""
        share = weights.clamp_min(1e-6)  # all zero: nothing is known, all alike
        share = share / share.amax(1, keepdim=True)
        share = share * (share >= self.threshold)
        return share / share.sum(1, keepdim=True)

    def learnt_strong(self, x: Tensor, draws: Draws, state: dict[str, Tensor]) -> Tensor:
        """`strong` with magnitudes drawn by their weights."""
        which = self._which(draws)
        below = self.chances(state["weights"].cpu()).cumsum(1)[which]  # (B, n_ops, bins)
        drawn = (draws.uniform(_BIN, self.n_ops)[..., None] >= below).sum(-1).clamp_max(self.bins - 1)
        return self._finish(self._operate(self.weak(x, draws), which, self._inside(drawn, draws)), draws)

    def probe(self, x: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Rows under bins drawn uniformly, without Cutout, and which these were: (B, n_ops) places in the weights."""
        which, drawn = self._which(draws), draws.integers(_BIN, self.bins, self.n_ops)
        return self._operate(self.weak(x, draws), which, self._inside(drawn, draws)), which * self.bins + drawn

    def update(self, state: dict[str, Tensor], drawn: Tensor, right: Tensor) -> dict[str, Tensor]:
        """Move the weight of every probed bin toward how right the model was there, row by row.

        Parameters
        ----------
        drawn
            (B, n_ops), from `probe`.
        right
            (B,) probability of the correct class of the probed rows.
        """
        m = state["weights"].flatten().tolist()
        for places, omega in zip(drawn.tolist(), right.tolist(), strict=True):
            for place in places:
                m[place] = self.decay * m[place] + (1 - self.decay) * omega
        # in place: the batches of the next step read this very tensor
        state["weights"].copy_(torch.tensor(m).view_as(state["weights"]))
        return state

    def _inside(self, drawn: Tensor, draws: Draws) -> Tensor:
        """A place within each bin, as a share of the operation's range."""
        return (drawn + self._share(draws)) / self.bins


@dataclass(frozen=True, eq=False)
class Learnt:
    """A CTAugment and what it has learnt so far, to be drawn from like any augmentation."""

    augment: CTAugment
    state: dict[str, Tensor]

    def weak(self, x: Tensor, draws: Draws) -> Tensor:
        """That of `Images`."""
        return self.augment.weak(x, draws)

    def strong(self, x: Tensor, draws: Draws) -> Tensor:
        """With magnitudes drawn by their weights."""
        return self.augment.learnt_strong(x, draws, self.state)
