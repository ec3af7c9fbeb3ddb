"""Any network that ends in a linear layer, as a body that makes features and a head that answers from them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fewlabels.errors import OptionError


class Split(nn.Module):
    """(B, ...) -> (B, n_outputs): head(body(x)), and a critic that answers nothing but is trained beside them.

    Attributes
    ----------
    body : inputs -> features (B, F), what the last linear layer sees
    head : that layer
    critic : made of F
    """

    def __init__(self, network: nn.Module, critic: Callable[[int], nn.Module]) -> None:
        """Take `network` apart; it must not be used afterwards.

        Raises
        ------
        OptionError : it has no linear layer
        """
        super().__init__()
        linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise OptionError(
                "adapt= needs features, which are what the last linear layer of a network sees; this network has no "
                "linear layer. End it in one."
            )
        self.place = linear[-1]
        # a network that is a linear layer and nothing else has its inputs for features
        self.body = network if self.place else nn.Flatten()
        head = network.get_submodule(self.place)
        assert isinstance(head, nn.Linear)
        self.head = head
        if self.place:
            network.set_submodule(self.place, nn.Identity())
        self.critic = critic(head.in_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))  # type: ignore[no-any-return]

    def joined(self) -> nn.Module:
        """The network as it was before, without the critic, with the weights it has now."""
        if not self.place:
            return copy.deepcopy(self.head)
        network = copy.deepcopy(self.body)
        network.set_submodule(self.place, copy.deepcopy(self.head))
        return network


@torch.no_grad()
def split(network: nn.Module, shape: tuple[int, ...], critic: Callable[[int], nn.Module]) -> Split:
    """`Split` of a network on the CPU, which is taken apart, checked to answer as the network did.

    Parameters
    ----------
    shape : of a row, (D,) or (C, H, W)
    critic : number of features -> module

    Raises
    ------
    OptionError : the network does something to its answer after the last linear layer, or has none
    """
    x = torch.linspace(-1, 1, 2 * int(torch.Size(shape).numel())).reshape(2, *shape)
    expected = network.eval()(x)
    found = Split(network, critic).eval()
    # after an Identity a later step may even fail
    try:
        same = torch.allclose(found(x), expected, atol=1e-5)
    except RuntimeError:
        same = False
    if not same:
        raise OptionError(
            "adapt= needs a network whose last linear layer gives its answer; this one goes on after it. Let it end in "
            "the linear layer: softmax belongs to the loss."
        )
    return found.train()
