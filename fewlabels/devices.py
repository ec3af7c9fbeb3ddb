"""Which device and which precision, and why."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import nn

from fewlabels.errors import AbsentDeviceError, OptionError

# bfloat16 is chosen only where it is clearly quicker, so that a noisy machine chooses the same every time.
_CLEARLY = 1.2


def choose_device(device: str | torch.device) -> torch.device:
    """ "auto" is CUDA, then Apple's MPS, then the CPU.

    Raises
    ------
    OptionError : no such kind of device
    AbsentDeviceError : the device asked for is not there
    """
    device, there = str(device), devices_here()
    if device == "auto":
        return torch.device(there[0])
    kind, _, number = device.partition(":")
    message = f"device={device!r} is not on this machine. There is: {', '.join(there)}; or 'auto'."
    if kind not in ("cuda", "mps", "cpu") or not (number.isdecimal() or device == kind):
        raise OptionError(message)
    if kind not in there or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise AbsentDeviceError(message)
    return torch.device(kind) if kind == "cpu" else torch.device(device)


def devices_here() -> list[str]:
    """The kinds of device on this machine, the quickest first."""
    known = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, here in known.items() if here]


def choose_precision(precision: str, network: nn.Module, device: torch.device) -> torch.dtype | None:
    """The autocast type, None for float32 throughout.

    "auto" gives bfloat16 to convolutional networks where a short timing of one convolution, forward
    and backward, shows it at least 1.2 times as quick. Other networks are too small to gain.
    """
    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    convolves = any(isinstance(m, nn.Conv2d) and m.out_channels >= 16 for m in network.modules())
    return torch.bfloat16 if convolves and bfloat16_gain(device.type) >= _CLEARLY else None


@lru_cache(maxsize=4)
def bfloat16_gain(device_type: str) -> float:
    """Seconds in float32 over seconds in bfloat16 of one convolution, median of 5, alternating."""
    if device_type == "mps":
        return 1.0
    with torch.random.fork_rng():
        convolution = nn.Conv2d(32, 32, 3, padding=1).to(device_type).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = torch.randn(64, 32, 16, 16, device=device_type).to(memory_format=torch.channels_last).requires_grad_()
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(6):
        for half in (False, True):
            _wait(device_type)
            start = time.perf_counter()
            with torch.autocast(device_type, torch.bfloat16, enabled=half):
                y = convolution(x)
            torch.autograd.grad(y.float().sum(), [x, *convolution.parameters()])
            _wait(device_type)
            seconds[half].append(time.perf_counter() - start)
    # the first round warms up
    return sorted(seconds[False][1:])[2] / sorted(seconds[True][1:])[2]


def _wait(device_type: str) -> None:
    if device_type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def reuse_memory() -> Iterator[None]:
    """While entered, freed memory is kept for the next step instead of going back to the system (glibc only).

    Activations of one step are tens of megabytes each; glibc asks the system for every one anew, and the
    system fills it with zeros page by page. Keeping them made a training step of WideResNet-16-2 1.4
    times as quick (benchmarks/step.py prints it).
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt = getattr(libc, "mallopt", None)
    if libc is None or mallopt is None:
        yield
        return
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
    try:
        yield
    finally:
        # what glibc's own adaptive rule settles at in a process that frees large arrays
        mallopt(mmap_threshold, 32 << 20)
        mallopt(trim_threshold, 64 << 20)
        libc.malloc_trim(0)


@contextmanager
def one_thread() -> Iterator[None]:
    """While entered, PyTorch's CPU operations use one thread.

    Augmentation is a hundred small operations. A second thread gains little, and on a machine whose cores
    are busy each operation waits for it: a batch of 448 images then took a second instead of 15 ms.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
