"""Rows -> an encoder and its centre: the two stages that Deep SVDD and Deep SAD share."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewlabels.batches import draw
from fewlabels.classical.checking import check_number
from fewlabels.devices import choose_device
from fewlabels.errors import DivergenceError
from fewlabels.networks.bias_free import build_autoencoder
from fewlabels.progress import Progress, Verbose
from fewlabels.saver import History
from fewlabels.scaling import Scaling
from fewlabels.train import Step, learning_rate

# Streams of randomness: the order of rows in each stage, and of the labeled ones
_PRETRAIN, _UNLABELED, _LABELED = 0, 1, 2
# 1 / distance must stay finite for an anomaly that starts on the centre (as in the authors' code)
_TINY = 1e-6
_CHUNK = 1024


@dataclass(frozen=True)
class Plan:
    """What one training is told; see `DeepSAD` for the meaning of each."""

    network: str
    latent: int
    pretrain_steps: int
    steps: int
    batch_size: int
    eta: float
    eps: float
    lr: float
    weight_decay: float
    device: str
    verbose: Verbose
    seed: int

    def __post_init__(self) -> None:
        choose_device(self.device)
        # BatchNorm compares the rows of a batch, and a centre at 0 invites a collapse
        for name, least in {"latent": 1, "pretrain_steps": 0, "steps": 1, "batch_size": 2}.items():
            check_number(name, getattr(self, name), least, whole=True)
        for name, most in {"eta": 1e6, "lr": 1e6, "weight_decay": 1e6}.items():
            check_number(name, getattr(self, name), 0, most)
        check_number("eps", self.eps, 1e-9, 1e3)


@dataclass(frozen=True)
class Rows:
    """Rows as kept, and which of them are what.

    Attributes
    ----------
    x : (N, ...) on the device; scaling : from these to network inputs
    unlabeled : (n,) rows without a label; labeled : (m,) rows with one, sign : (m,) 1 normal, -1 anomaly
    """

    x: Tensor
    scaling: Scaling
    unlabeled: NDArray[np.int64]
    labeled: NDArray[np.int64]
    sign: NDArray[np.int64]

    @property
    def not_anomalous(self) -> NDArray[np.int64]:
        return np.sort(np.concatenate([self.unlabeled, self.labeled[self.sign > 0]]))

    def inputs(self, rows: NDArray[np.int64]) -> Tensor:
        """Network inputs (n, ...) of these rows."""
        return self.scaling.network(self.x[torch.from_numpy(rows).to(self.x.device)])

    def without(self, out: NDArray[np.bool_]) -> Rows:
        """The same without the rows that `out` (N,) marks."""
        stays = ~out[self.labeled]
        return Rows(
            self.x,
            self.scaling,
            self.unlabeled[~out[self.unlabeled]],
            self.labeled[stays],
            self.sign[stays],
        )


def pretrain(rows: Rows, plan: Plan, shape: tuple[int, ...], progress: Progress) -> tuple[nn.Module, History]:
    """An encoder that, with a decoder, reproduces the rows that are not labeled as anomalies."""
    encoder, decoder = (part.to(rows.x.device) for part in build_autoencoder(plan.network, shape, plan.latent))
    both, use = nn.Sequential(encoder, decoder), rows.not_anomalous

    def loss(step: int) -> Tensor:
        x = rows.inputs(use[draw(plan.seed, _PRETRAIN, step, len(use), plan.batch_size).index])
        error: Tensor = both(x) - x
        return error.square().mean()

    return encoder, _descend(both, loss, plan.pretrain_steps, plan, progress, 0, "pretraining")


@torch.no_grad()
def centre(encoder: nn.Module, rows: Rows, eps: float) -> Tensor:
    """c (d,): the mean code of the rows not labeled as anomalies, each coordinate at least `eps` away from 0."""
    encoder.eval()
    use = rows.not_anomalous
    # summed in float64, so that a million rows lose nothing
    sums = [encoder(rows.inputs(use[i : i + _CHUNK])).cpu().double().sum(0) for i in range(0, len(use), _CHUNK)]
    return off_zero(torch.stack(sums).sum(0) / len(use), eps).float().to(rows.x.device)


def off_zero(c: Tensor, eps: float) -> Tensor:
    """Coordinates nearer to 0 than eps become eps, with their sign: a zero would be reached by zero weights."""
    return torch.where(c.abs() < eps, torch.where(c < 0, -eps, eps), c)


def train_encoder(
    encoder: nn.Module, c: Tensor, rows: Rows, plan: Plan, progress: Progress, done: int
) -> tuple[nn.Module, History]:
    """A copy of the encoder after the second stage, in evaluation mode; `done` is the number of steps before it.

    Every step has `batch_size` unlabeled rows and a few labeled ones. Drawn from all rows together, a batch would
    hardly ever have one of ten labels.
    """
    encoder, n, m = copy.deepcopy(encoder), len(rows.unlabeled), len(rows.labeled)
    n_l = min(m, max(plan.batch_size // 8, round(plan.batch_size * m / max(1, n + m))))
    sign = torch.from_numpy(rows.sign).to(rows.x.device)

    def loss(step: int) -> Tensor:
        u = draw(plan.seed, _UNLABELED, step, n, plan.batch_size).index if n else np.empty(0, np.int64)
        j = draw(plan.seed, _LABELED, step, m, n_l).index if m else np.empty(0, np.int64)
        codes = encoder(rows.inputs(np.concatenate([rows.unlabeled[u], rows.labeled[j]])))
        distance = (codes - c).square().sum(1)
        return objective(distance[: len(u)], distance[len(u) :], sign[torch.from_numpy(j)], plan.eta)

    history = _descend(encoder, loss, plan.steps, plan, progress, done, "training")
    return encoder.eval(), history


def objective(d_u: Tensor, d_l: Tensor, sign: Tensor, eta: float) -> Tensor:
    """mean_u d + eta mean_l d^y from squared distances d of unlabeled rows (n,) and labeled ones (m,), y = 1 or -1."""
    loss = d_u.new_zeros(())
    if len(d_u):
        loss = loss + d_u.mean()
    if len(d_l):
        loss = loss + eta * ((d_l + _TINY) ** sign).mean()
    return loss


def _descend(
    network: nn.Module,
    loss_of: Callable[[int], Tensor],
    steps: int,
    plan: Plan,
    progress: Progress,
    before: int,
    stage: str,
) -> History:
    """Adam with the learning rate of the other trainings; `before` is how many steps of an earlier stage there were."""
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), plan.lr, weight_decay=plan.weight_decay)
    history = History(max(1, steps), [], [])
    for step in range(steps):
        rate = learning_rate(plan.lr, step / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        value, norm = loss.item(), nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise DivergenceError(
                f"the loss is {value} and the norm of its gradient {float(norm):.3g} at step {step + 1} of {steps} of "
                f"the {stage} (learning rate {rate:.3g}); that step was not taken. Lower lr (now {plan.lr:g}), and "
                "look for extreme values in X."
            )
        optimizer.step()
        entry = history.add(Step(step + 1, {"loss": loss.detach()}, {}))
        if entry:
            entry["step"] += before
            progress.update(before + step + 1, f"{stage}, loss {value:.3g}")
    return history
