"""What training a network takes: numbers that are known before the first step."""

from __future__ import annotations

import math
from typing import Any

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


def step_bytes(network: nn.Module, shape: tuple[int, ...], rows: int, *, half: bool = False) -> int:
    """What a step with so many rows takes; `half`: in bfloat16."""
    return _BUFFERS + rows * (8 * math.prod(shape) + (2 if half else 4) * layer_outputs(network, shape))


@torch.no_grad()
def layer_outputs(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Numbers that all layers together put out for one row, which a step keeps until its gradient is known.

    What a network does between its layers is not seen. 0 for one that cannot be asked for a single row: training will
    say why.
    """
    found = 0

    def count(layer: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal found
        if isinstance(output, Tensor) and not (inputs and output.data_ptr() == inputs[0].data_ptr()):
            found += output.numel()

    layers = [m for m in network.modules() if not any(True for _ in m.children())]
    hooks = [m.register_forward_hook(count) for m in layers]
    training, device = network.training, next(network.parameters()).device
    try:
        network.eval()(torch.zeros((1, *shape), device=device))
    except Exception:
        return 0
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return found
