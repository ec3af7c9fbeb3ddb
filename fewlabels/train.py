"""The training loop: one for every method. Logging, checkpoints and progress are the caller's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fewlabels.guard import Guard
from fewlabels.method import Batch, Method, Net, State


class Step(NamedTuple):
    number: int  # steps done so far
    metrics: dict[str, Tensor]
    state: State
    guard: Guard | None = None  # to be asked before anything of this step is kept


def sgd(network: nn.Module, lr: float, weight_decay: float) -> torch.optim.SGD:
    """SGD with Nesterov momentum 0.9; weight decay on weights alone, not on biases or BatchNorm."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    # an accelerator's optimizer must be able to skip a step by itself, see Guard
    fused = True if parameters[0].device.type != "cpu" else None
    return torch.optim.SGD([g for g in groups if g["params"]], lr, momentum=0.9, nesterov=True, fused=fused)


def learning_rate(lr: float, progress: float) -> float:
    """lr * cos(7 pi t / 16 T): ends at 0.195 lr (FixMatch, section 2.4)."""
    return lr * math.cos(7 * math.pi * progress / 16)


def train(
    net: Net,
    method: Method,
    state: State,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    *,
    lr: float,
    steps: int,
    seed: int,
    start: int = 0,
) -> Iterator[Step]:
    """Take one step a batch and yield what it did, from step `start` of `steps`.

    Raises
    ------
    DivergenceError : the loss or the gradient is not finite; that step was not taken
    """
    guard = Guard(optimizer, steps)
    for step, batch in enumerate(batches, start):
        net.progress = step / steps
        net.warm_start(step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(lr, net.progress)
        # dropout inside a network then depends on the step alone, which exact resume needs
        torch.manual_seed(seed * 1_000_003 + step)
        loss, metrics, state = method.loss(net, batch, state)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        guard.see(step, learning_rate(lr, net.progress), loss, batch)
        optimizer.step()
        net.follow(step)
        yield Step(step + 1, {"loss": loss.detach(), **metrics}, state, guard)
    guard.look()
