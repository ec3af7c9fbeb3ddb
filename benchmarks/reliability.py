"""What safety costs: the check for finite losses and gradients in a step, and a checkpoint.

The check is timed against the same loop without it, alternating in one run; the CPU reads it at every step.
A checkpoint holds student, teacher, momentum and state; it is hashed, written, flushed and renamed.
Run: python benchmarks/reliability.py [--rounds 7]      (about two minutes; let nothing else run)
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import machine

from fewlabels.augment import Images, Tables
from fewlabels.batches import Pool, batches
from fewlabels.checkpoint import Checkpoints, gather, restore
from fewlabels.devices import reuse_memory
from fewlabels.guard import Guard
from fewlabels.method import Net
from fewlabels.methods import FixMatch
from fewlabels.networks import build
from fewlabels.scaling import Scaling
from fewlabels.tasks import Classes
from fewlabels.train import sgd, train

# network, shape of a row, steps timed at once
CASES = [("mlp", (30,), 40), ("convnet", (1, 28, 28), 4), ("wide_resnet-16-2", (3, 32, 32), 1)]


def training(network, shape):
    rng = np.random.default_rng(0)
    kind = "table" if len(shape) == 1 else "image"
    x = rng.normal(size=(2000, *shape)) if kind == "table" else rng.integers(0, 256, (2000, *shape), dtype=np.uint8)
    x = torch.from_numpy(x.astype(np.float32) if kind == "table" else x)
    n = shape[0]
    scaling = Scaling(kind, np.zeros(n, np.float32), np.full(n, 1.0 if kind == "table" else 64.0, np.float32))
    pool = Pool(x, np.arange(100), torch.from_numpy(rng.integers(0, 10, 100)))
    module = build(network, shape, 10)
    net, method = (
        Net(module if kind == "table" else module.to(memory_format=torch.channels_last), Classes(10)),
        FixMatch(),
    )
    stream = batches(
        pool, scaling, Tables() if kind == "table" else Images(), method.augment, batch_size=64, unlabeled_ratio=7,
        seed=0, start=0, stop=10**6, device=torch.device("cpu"),
    )  # fmt: skip
    optimizer, state = sgd(net.student, 0.03, 5e-4), method.init(10, len(x))
    return net, optimizer, state, train(net, method, state, stream, optimizer, lr=0.03, steps=10**6, seed=0)


def seconds(loop, count):
    start = time.perf_counter()
    for _ in range(count):
        next(loop)
    return (time.perf_counter() - start) / count


def guard_cost(loop, count, rounds):
    """Seconds a step without the check, and the ratios of the steps with it to those without."""
    see, without, ratios = Guard.see, [], []
    for i in range(rounds + 1):  # the first round warms up
        times = {True: [], False: []}
        for _ in range(5):
            for on in (True, False):
                Guard.see = see if on else lambda *_: None
                times[on].append(seconds(loop, count))
        Guard.see = see
        if i:
            without.append(statistics.median(times[False]))
            ratios.append(statistics.median(times[True]) / without[-1])
    return statistics.median(without), sorted(ratios)


def checkpoint_cost(net, optimizer, state, rounds):
    """Seconds to write one and to read and restore it, and its bytes."""
    write, read = [], []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for i in range(rounds + 1):
            start = time.perf_counter()
            tensors, names = gather(net, optimizer, state)
            Checkpoints(Path(folder)).save(i, {"state": names}, tensors)
            middle = time.perf_counter()
            about, found = Checkpoints(Path(folder)).load()
            restore(net, optimizer, found, about["state"], torch.device("cpu"))
            if i:
                write.append(middle - start)
                read.append(time.perf_counter() - middle)
        size = max(path.stat().st_size for path in Path(folder).iterdir())
    return statistics.median(write), statistics.median(read), size


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(machine())
    for network, shape, count in CASES:
        net, optimizer, state, loop = training(network, shape)
        with reuse_memory():
            step, ratios = guard_cost(loop, count, rounds)
        write, read, size = checkpoint_cost(net, optimizer, state, rounds)
        print(
            f"{network:<17} step {1e3 * step:7.2f} ms; with the check {statistics.median(ratios):.3f} times "
            f"({ratios[0]:.3f} to {ratios[-1]:.3f}); checkpoint of {size / 1e6:.2f} MB: {1e3 * write:.0f} ms to write, "
            f"{1e3 * read:.0f} ms to read",
            flush=True,
        )


if __name__ == "__main__":
    main()
