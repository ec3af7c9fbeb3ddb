"""AdaBN. Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", ICLR workshops 2017.

After the training, and at the cost of one pass: every BatchNorm layer's mean and variance become those of the target
rows, while all weights stay. Predictions on source rows then suffer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from fewlabels.errors import OptionError


@dataclass(frozen=True)
class AdaBN:
    """The target's means and variances in every BatchNorm layer of the trained network."""

    def check(self, network: nn.Module) -> None:
        """Refuse, before the training, a network with nothing to set.

        Raises
        ------
        OptionError
        """
        if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules()):
            raise OptionError(
                "adapt='adabn' sets BatchNorm's statistics, and this network has no BatchNorm layer. Use 'mmd' or "
                "'dann', or a network that has one, such as 'convnet' for images."
            )

    def settle(self, network: nn.Module, inputs: Iterable[Tensor]) -> None:
        """Set the statistics, in place, to the mean over batches of the target's network inputs."""
        update_bn(inputs, network)
