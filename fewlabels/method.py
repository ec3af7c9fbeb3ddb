"""What a method is: `Batch` comes in, `Net` is asked, a loss and the next state go out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from fewlabels.tasks import Task

# Nested dictionaries of tensors, so that checkpoints need no code in any method.
State = dict[str, Any]


class Probe(NamedTuple):
    """The labeled rows once more, for an augmentation that learns."""

    x: Tensor  # (B, ...)
    drawn: Tensor  # what was done to each, as the augmentation counts it      (B, n_ops)


class Batch(NamedTuple):
    """One step's data. Labels of unlabeled rows do not exist here."""

    x: Tensor  # labeled inputs, weakly augmented                 (B, ...)
    y: Tensor  # their targets                                    (B,), masks (B, H, W)
    u: tuple[Tensor, ...]  # unlabeled inputs, once per augmentation          (mu B, ...) each
    rows: Tensor  # which rows of the data the unlabeled inputs are  (mu B,)
    x_more: tuple[Tensor, ...] = ()  # x once more, per name in `augment_x`            (B, ...) each
    probe: Probe | None = None  # x once more, if the augmentation learns
    rows_x: Tensor = torch.empty(0, dtype=torch.int64)  # which rows of the data x are; on the CPU, for messages (B,)
    sides: tuple[Tensor, ...] = ()  # source and target inputs, weakly augmented, if a term aligns them  (B, ...) each


class Method(Protocol):
    """A frozen dataclass of options. `loss` must not keep anything: what it learns goes into the state.

    A method may also have `augment_x: ClassVar[tuple[str, ...]]`: augmentations of the labeled rows beside the weak
    one, which `batch.x_more` then holds, and `passes: ClassVar[int]` if it sends the unlabeled rows through the network
    more often than `augment` has copies, so that memory is counted. Most have neither.
    """

    augment: ClassVar[tuple[str, ...]]  # which augmentations `batch.u` holds, e.g. ("weak", "strong")
    tasks: ClassVar[tuple[str, ...]]  # "classes", "numbers", "labels", "masks"

    def init(self, n_classes: int, n_rows: int) -> State:
        """The state before the first step."""
        ...

    def loss(self, net: Net, batch: Batch, state: State) -> tuple[Tensor, dict[str, Tensor], State]:
        """The loss to descend, metrics (scalars without gradient), and the next state."""
        ...


class Net:
    """A student, its moving average (the teacher), and how far training is.

    Parameters
    ----------
    student : the network that gradients train
    task : what its outputs mean
    average : decay of the moving average, warm-started: step t uses min(average, (1 + t) / (10 + t))
    autocast : bfloat16 where it is quicker, None for float32 throughout

    Notes
    -----
    BatchNorm's running statistics are the student's; the teacher's follow by the same moving average
    as its weights (EMAN: Cai et al. 2021). They are warm-started too: the paper's momentum of 0.001
    needs thousands of steps to forget its starting values, more than a small run has.
    """

    def __init__(
        self, student: nn.Module, task: Task, *, average: float = 0.999, autocast: torch.dtype | None = None
    ) -> None:
        self.student = student.train()
        self.teacher = copy.deepcopy(student).eval().requires_grad_(False)
        self.task = task
        self.average_decay = average
        self.autocast = autocast
        self.progress = 0.0
        self._device_type = next(student.parameters()).device.type
        self._norms = [(norm, norm.momentum) for norm in _norms(student)]
        self._drops = [m for m in student.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Student outputs of each input, in one pass (so batch statistics are joint)."""
        outputs = self._run(self.student, torch.cat(inputs))
        return torch.split(outputs, [len(x) for x in inputs])

    def features(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the student's last layer sees of each input (B, F), in one pass; the student is a `Split` network."""
        outputs = self._run(self.student.get_submodule("body"), torch.cat(inputs))
        return torch.split(outputs, [len(x) for x in inputs])

    @torch.no_grad()
    def teach(self, x: Tensor, *, noisy: bool = False) -> Tensor:
        """Teacher outputs without gradient, in evaluation mode.

        `noisy`: with dropout and the statistics of this batch, like a student; running statistics are left as they are.
        """
        if not noisy:
            return self._run(self.teacher, x)
        with _running_statistics_kept(self.teacher.train()):
            outputs = self._run(self.teacher, x)
        self.teacher.eval()
        return outputs

    @torch.no_grad()
    def settled(self, x: Tensor) -> Tensor:
        """Student outputs in evaluation mode, without gradient."""
        self.student.eval()
        try:
            return self._run(self.student, x)
        finally:
            self.student.train()

    @torch.no_grad()
    def guess(self, x: Tensor) -> Tensor:
        """Student outputs without gradient; running statistics are left as they are."""
        return self.aside(x)

    def aside(self, x: Tensor, *, exact: bool = False) -> Tensor:
        """Student outputs with gradient; running statistics are left as they are.

        `exact`: float32 and no dropout, so that two passes differ by their inputs alone.
        """
        for drop in self._drops:
            drop.train(not exact)
        try:
            with _running_statistics_kept(self.student):
                return self.student(x) if exact else self._run(self.student, x)
        finally:
            for drop in self._drops:
                drop.train()

    def _run(self, network: nn.Module, x: Tensor) -> Tensor:
        if self.autocast is None:
            return network(x)  # type: ignore[no-any-return]
        with torch.autocast(self._device_type, self.autocast):
            outputs: Tensor = network(x)
        return outputs.float()

    def warm_start(self, step: int) -> None:
        """Before step `step`: BatchNorm's momentum, at least what a window of a tenth of the run so far needs."""
        for norm, momentum in self._norms:
            # None is PyTorch's plain mean over all batches, which needs no warm start
            norm.momentum = None if momentum is None else max(momentum, 9 / (10 + step))

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """After step `step`: move the teacher toward the student."""
        rate = 1 - min(self.average_decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.teacher.parameters()), list(self.student.parameters()), rate)
        for mine, theirs in zip(self.teacher.buffers(), self.student.buffers(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, rate)
            else:
                mine.copy_(theirs)


def _norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@contextmanager
def _running_statistics_kept(network: nn.Module) -> Iterator[None]:
    """BatchNorm takes the batch's statistics and remembers none of them."""
    # a momentum of 0 would still count the batch, which a mean over all batches divides by
    tracking = [norm for norm in _norms(network) if norm.track_running_stats]
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True
