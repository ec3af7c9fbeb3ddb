r"""SoftMatch. Chen et al., "SoftMatch: Addressing the Quantity-Quality Trade-off in SSL", ICLR 2023.

.. math:: w = \exp\!\Big(-\frac{\min(\max \tilde q - \mu_t, 0)^2}{2 \sigma_t^2 / n_\sigma^2}\Big)

FixMatch with a weight that falls off smoothly below the mean confidence instead of a threshold: the body is FixMatch's,
only the weight differs. The confidence is that of the uniformly aligned guess, the label taught that of the guess
itself. mu and sigma are of the aligned guesses too, as in the authors' later code, so that like is compared with like;
the paper's algorithm takes them of the guesses before alignment.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from fewlabels.methods.fixmatch import FixMatch
from fewlabels.parts import TruncatedGaussian, Weight


@dataclass(frozen=True)
class SoftMatch(FixMatch):
    """FixMatch in which unsure rows count a little instead of not at all."""

    tasks: ClassVar[tuple[str, ...]] = ("classes",)  # the weight reads whole rows

    weight: Weight = field(default_factory=TruncatedGaussian)
