"""Networks by name. `build` turns `network=` (a name, a module or a factory) into a module."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable
from typing import Any

from torch import nn

from fewlabels.data.frames import shown
from fewlabels.errors import OptionError
from fewlabels.networks.convnet import ConvNet
from fewlabels.networks.mlp import MLP
from fewlabels.networks.names import LARGEST, make_if_it_fits, read_sizes
from fewlabels.networks.unet import UNet
from fewlabels.networks.wide_resnet import WideResNet

__all__ = ["MLP", "ConvNet", "UNet", "WideResNet", "build"]

_KNOWN = (
    "'mlp', 'mlp-WIDTH-DEPTH', 'convnet', 'convnet-WIDTH', 'wide_resnet-DEPTH-WIDTH', 'unet-WIDTH-DEPTH' (numbers from "
    f"1 to {LARGEST})"
)
Network = str | nn.Module | Callable[[tuple[int, ...], int], nn.Module]


def build(network: Network, shape: tuple[int, ...], n_outputs: int, *, masks: bool = False) -> nn.Module:
    """A fresh module for inputs of `shape`, without the batch axis.

    Parameters
    ----------
    network : "auto", "mlp", "convnet", "convnet-WIDTH", "wide_resnet-DEPTH-WIDTH",
        "unet", "unet-WIDTH-DEPTH", a module (copied, so that fitting twice starts from the same weights), or a
        factory `f(shape, n_outputs)`
    shape : (D,) for tables, (C, H, W) for images
    n_outputs : classes, or 1 for a number
    masks : whether it answers for every pixel: (B, n_outputs, H, W)

    Raises
    ------
    OptionError : unknown name, or a network that does not fit the kind of data
    ResourceError : a name that asks for more weights than fit into half of the free memory
    """
    if isinstance(network, nn.Module):
        return copy.deepcopy(network)
    if isinstance(network, str):
        return _by_name(network, shape, n_outputs, masks)
    if not callable(network):
        raise OptionError(f"network={network!r} is not known. Expected {_KNOWN}, a module or a factory.")
    made = network(shape, n_outputs)
    if not isinstance(made, nn.Module):
        raise OptionError(f"network= is a factory that returned {type(made).__name__}; expected a torch.nn.Module.")
    return made


def _by_name(name: str, shape: tuple[int, ...], n_outputs: int, masks: bool) -> nn.Module:
    image = len(shape) == 3
    if name == "auto":
        name = "unet" if masks else "convnet" if image else "mlp"
    kind, *numbers = name.split("-")
    makers: dict[str, tuple[bool, int, Callable[..., nn.Module]]] = {
        "mlp": (False, 2, lambda *n: MLP(shape, n_outputs, *n)),
        "convnet": (True, 1, lambda *n: ConvNet(shape, n_outputs, *n)),
        "wide_resnet": (True, 2, lambda *n: WideResNet(shape, n_outputs, *n)),
        "unet": (True, 2, lambda *n: UNet(shape, n_outputs, *n)),
    }
    sizes = read_sizes(numbers, makers[kind][1]) if kind in makers else None
    if sizes is None:
        near = difflib.get_close_matches(name, makers, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise OptionError(f"network={shown(name)} is not known.{hint} Expected {_KNOWN}, a module or a factory.")
    wants_image, _, make = makers[kind]
    if wants_image and not image:
        raise OptionError(f"network={name!r} needs images (N, H, W[, C]); these rows have shape {shape}. Use 'mlp'.")
    if masks != (kind == "unet"):
        what, use = ("one answer an image", "'unet'") if masks else ("one answer a pixel", "'convnet'")
        raise OptionError(f"network={name!r} gives {what}, which this estimator cannot learn from. Use {use}.")
    return make_if_it_fits(name, lambda: (make(*sizes),))[0]


def describe(network: Any) -> str:
    """How `network=` is written down in reports and model files."""
    name = getattr(network, "__name__", type(network).__name__)
    return network if isinstance(network, str) else f"your own ({name})"
