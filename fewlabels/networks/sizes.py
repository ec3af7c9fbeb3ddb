"""What training a network takes: numbers that are known before the first step."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

# Bytes. A weight, its gradient, momentum, moving average, the optimizer's temporaries, a float64 copy that predicts
WEIGHT = 32
# and the copies that a checkpoint is written from
WEIGHT_SAVED = 60
# A number of a row while it is augmented: most of it random numbers
AUGMENTED = 60
# What libraries keep for themselves
_BUFFERS = 10**8


def n_weights(network: nn.Module) -> int:
    """Numbers that training changes or keeps."""
    return sum(p.numel() for p in network.parameters())


class Outputs(NamedTuple):
    """Numbers that a network's layers put out for one row: all together, and the largest of those that are trained."""

    all: int
    largest: int


def step_bytes(outputs: Outputs, shape: tuple[int, ...], rows: int, trained: int = 0, *, half: bool = False) -> int:
    """What a step takes that sends so many rows through the network, `trained` of them with a gradient at last.

    The gradient of a layer's output is there with that of the next and what both are made of; `half`: in bfloat16.
    """
    each = 2 if half else 4
    return _BUFFERS + rows * (8 * math.prod(shape) + each * outputs.all) + 3 * each * trained * outputs.largest


@torch.enable_grad()
def layer_outputs(network: nn.Module, shape: tuple[int, ...]) -> Outputs:
    """What the layers put out for one row, which a step keeps until its gradient is known.

    Of layers before the first that is trained it keeps one at a time. What a network does between its layers is not
    seen. 0 for one that cannot be asked for a single row: training will say why.
    """
    found, passing, largest = 0, 0, 0

    def count(layer: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal found, passing, largest
        if isinstance(output, Tensor) and not (inputs and output.data_ptr() == inputs[0].data_ptr()):
            if output.requires_grad:
                found += output.numel()
                largest = max(largest, output.numel())
            else:
                passing = max(passing, 2 * output.numel())

    layers = [m for m in network.modules() if not any(True for _ in m.children())]
    hooks = [m.register_forward_hook(count) for m in layers]
    training, device = network.training, next(network.parameters()).device
    try:
        network.eval()(torch.zeros((1, *shape), device=device))
    except Exception:
        return Outputs(0, 0)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return Outputs(found + passing, largest)
