"""No loss and no gradient that is not finite reaches the weights."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fewlabels.errors import DivergenceError
from fewlabels.method import Batch

# Losses that a divergence report holds; steps after which an accelerator is looked at even if nobody asks.
_TOLD, _LOOK_EVERY = 20, 50


class _Seen(NamedTuple):
    step: int  # steps done before
    learning_rate: float
    loss: Tensor
    norm: Tensor  # of the gradient
    batch: Batch


class Guard:
    """Ends a training at the first loss or gradient that is not finite, before the step is taken.

    On the CPU every step is looked at. An accelerator would have to be waited for; there the optimizer itself skips
    this step and all later ones (`found_inf`, as for mixed precision), and the look comes with the next point of the
    history or checkpoint.

    Parameters
    ----------
    optimizer : of the training; on an accelerator a fused one, see `train.sgd`
    steps : of the whole training, for the message
    """

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int) -> None:
        self.optimizer, self.steps = optimizer, steps
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.skips = bool(optimizer.param_groups[0].get("fused"))
        if self.skips:
            optimizer.found_inf = torch.zeros((), device=self.parameters[0].device)  # type: ignore[attr-defined]
        self._unseen: list[_Seen] = []
        self._losses: deque[float] = deque(maxlen=_TOLD)

    def see(self, step: int, learning_rate: float, loss: Tensor, batch: Batch) -> None:
        """Between the backward pass and the optimizer's step.

        Raises
        ------
        DivergenceError : this step must not be taken (on an accelerator: one of the last ones was not taken)
        """
        norms = torch._foreach_norm([p.grad for p in self.parameters if p.grad is not None])
        norm = torch.stack(norms).norm()
        self._unseen.append(_Seen(step, learning_rate, loss.detach(), norm, batch))
        if self.skips:
            bad = ~(torch.isfinite(loss.detach()) & torch.isfinite(norm))
            torch.maximum(self.optimizer.found_inf, bad.float(), out=self.optimizer.found_inf)  # type: ignore[attr-defined]
        if not self.skips or len(self._unseen) >= _LOOK_EVERY:
            self.look()

    def look(self) -> None:
        """Whether all steps so far were finite. One transfer from the device.

        Raises
        ------
        DivergenceError : one was not
        """
        if not self._unseen:
            return
        found = torch.stack([torch.stack([seen.loss.float(), seen.norm]) for seen in self._unseen]).tolist()
        for seen, (loss, norm) in zip(self._unseen, found, strict=True):
            self._losses.append(loss)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise self._error(seen, loss, norm)
        self._unseen.clear()

    def _error(self, seen: _Seen, loss: float, norm: float) -> DivergenceError:
        labeled, unlabeled = seen.batch.rows_x.tolist(), seen.batch.rows.tolist()
        what = f"the loss is {loss}" if not math.isfinite(loss) else f"the norm of the gradient is {norm}"
        details: dict[str, Any] = {
            "step": seen.step + 1,
            "steps": self.steps,
            "loss": str(loss),
            "gradient_norm": str(norm),
            "learning_rate": seen.learning_rate,
            "labeled_rows": labeled,
            "unlabeled_rows": unlabeled,
            "last_losses": [str(each) for each in self._losses],
        }
        return DivergenceError(
            f"{what} at step {seen.step + 1} of {self.steps} (learning rate {seen.learning_rate:.3g}, labeled rows "
            f"{_some(labeled)}, unlabeled rows {_some(unlabeled)}); that step was not taken. "
            "Lower lr or lambda_u, and look for extreme values in these rows of X.",
            details,
        )


def _some(rows: list[int]) -> str:
    return (", ".join(map(str, rows[:5])) or "none") + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
