"""Images a second of one FixMatch step: fewlabels against the plain loop, alternating in one run.

WideResNet-16-2, 32x32x3, B = 64, ratio 7: 64 labeled, 448 weak and 448 strong images a step.
Run: python benchmarks/step.py [--rounds 5]      (about two minutes; let nothing else run)
"""

import argparse
import statistics
import time

import numpy as np
import torch
from common import machine
from plain_loop import module, plain_steps

from fewlabels.augment import Images
from fewlabels.batches import Pool, batches
from fewlabels.devices import choose_precision, reuse_memory
from fewlabels.method import Net
from fewlabels.methods import FixMatch
from fewlabels.networks import WideResNet
from fewlabels.scaling import Scaling
from fewlabels.tasks import Classes
from fewlabels.train import sgd, train

B, RATIO = 64, 7
IMAGES = B + 2 * B * RATIO


def data(n=5000):
    """Smooth random images: no operation is cheaper or dearer on them than on photographs."""
    rng = np.random.default_rng(0)
    small = torch.from_numpy(rng.uniform(0, 255, (n, 3, 8, 8)).astype(np.float32))
    large = torch.nn.functional.interpolate(small, size=32, mode="bilinear")
    return large.permute(0, 2, 3, 1).round().to(torch.uint8).numpy(), rng.integers(0, 10, n)


def our_parts(x, y, labeled):
    network = module(lambda: WideResNet((3, 32, 32), 10, 16, 2)).to(memory_format=torch.channels_last)
    precision = choose_precision("auto", network, torch.device("cpu"))
    net, method = Net(network, Classes(10), autocast=precision), FixMatch()
    levels = np.full(3, 128, np.float32), np.full(3, 64, np.float32)
    scaling = Scaling("image", *levels)
    pool = Pool(scaling.store(x), labeled, torch.from_numpy(y[labeled]))
    stream = batches(
        pool, scaling, Images(flip=True), method.augment, batch_size=B, unlabeled_ratio=RATIO,
        seed=0, start=0, stop=10**6, device=torch.device("cpu"),
    )  # fmt: skip
    return net, method, stream


def our_steps(net, method, stream, n_rows):
    loop = train(
        net, method, method.init(10, n_rows), stream, sgd(net.student, 0.03, 5e-4), lr=0.03, steps=10**6, seed=0
    )
    for step in loop:
        yield step.metrics["loss"]


def bare_passes(net, batch):
    """What no implementation can leave out: the teacher's pass, the student's pass, the backward pass."""
    weak, strong = batch.u
    while True:
        guess = net.teach(weak)
        out_x, out_s = net(batch.x, strong)
        ce = torch.nn.functional.cross_entropy
        (ce(out_x, batch.y) + ce(out_s, guess.argmax(1))).backward()
        net.student.zero_grad()
        yield


def seconds(steps, count):
    start = time.perf_counter()
    for _ in range(count):
        next(steps)
    return (time.perf_counter() - start) / count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    x, y = data()
    labeled = np.arange(250)
    net, method, stream = our_parts(x, y, labeled)
    plain = plain_steps(module(lambda: WideResNet((3, 32, 32), 10, 16, 2)), x, y, labeled)
    ours, bare = our_steps(net, method, stream, len(x)), bare_passes(net, next(stream))
    print(machine())
    print(f"precision chosen: {net.autocast or torch.float32}")
    times = {"plain": [], "ours": [], "bare": [], "ours, memory not kept": []}
    for i in range(rounds + 1):  # the first round warms up
        now = {"plain": seconds(plain, 1)}
        now["ours, memory not kept"] = seconds(ours, 2)
        with reuse_memory():
            seconds(ours, 1)
            # step by step, since the machine's speed drifts
            pairs = [(seconds(ours, 1), seconds(bare, 1)) for _ in range(6)]
        now["ours"], now["bare"] = (statistics.median(column) for column in zip(*pairs, strict=True))
        for name, value in now.items():
            if i:
                times[name].append(value)
        print("  ".join(f"{name} {value:.3f} s" for name, value in now.items()), flush=True)
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, value in median.items():
        print(f"{name:<22} {value:.3f} s a step, {IMAGES / value:7.0f} images/s")
    ratios = sorted(p / o for p, o in zip(times["plain"], times["ours"], strict=True))
    print(f"ours against the plain loop: {statistics.median(ratios):.1f} times ({ratios[0]:.1f} to {ratios[-1]:.1f})")
    outside = sorted(1 - b / o for b, o in zip(times["bare"], times["ours"], strict=True))
    print(f"time outside the bare passes: {statistics.median(outside):.1%} ({outside[0]:.1%} to {outside[-1]:.1%})")


if __name__ == "__main__":
    main()
