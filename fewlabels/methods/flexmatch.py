r"""FlexMatch. Zhang et al., "FlexMatch: Boosting SSL with Curriculum Pseudo Labeling", NeurIPS 2021.

.. math:: \tau_c = \tau\, M(\beta_c), \qquad
          \beta_c = \sigma_c / \max(\max_{c'} \sigma_{c'},\, N - \textstyle\sum_{c'} \sigma_{c'}), \qquad
          M(b) = b / (2 - b)

FixMatch with a threshold for each class: the body is FixMatch's, only the weight differs.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from fewlabels.methods.fixmatch import FixMatch
from fewlabels.parts import PerClass, Weight


@dataclass(frozen=True)
class FlexMatch(FixMatch):
    """FixMatch whose threshold is lower for classes that are learnt late."""

    tasks: ClassVar[tuple[str, ...]] = ("classes",)  # the weight reads whole rows

    weight: Weight = field(default_factory=PerClass)
