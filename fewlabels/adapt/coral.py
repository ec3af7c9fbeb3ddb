r"""CORAL. Sun, Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", ECCV workshops 2016.

.. math:: L + \lambda \frac{1}{4 F^2} \lVert C_S - C_T \rVert_F^2 \qquad \text{(eqs. 1 to 3)}

with C the covariance matrices of the F features on either side of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from fewlabels.parts import Constant, Ramp


@dataclass(frozen=True)
class CORAL:
    """Features with the same covariances on either side.

    Parameters
    ----------
    lambda_coral : weight of the term. The paper sets it so that at the end the term is as large as the labeled loss
    ramp : how it grows; `Constant()`
    """

    lambda_coral: float = 1.0
    ramp: Ramp = field(default_factory=Constant)

    def critic(self, n_features: int) -> nn.Module:
        return nn.Identity()

    def loss(
        self, source: Tensor, target: Tensor, critic: nn.Module, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        found = (_covariance(source) - _covariance(target)).square().sum() / (4 * source.shape[1] ** 2)
        return self.lambda_coral * self.ramp(progress) * found, {"loss_adapt": found.detach()}


def _covariance(x: Tensor) -> Tensor:
    """(F, F) of rows (n, F), with n - 1."""
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)
