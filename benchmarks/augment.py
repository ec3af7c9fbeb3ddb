"""Weak and strong augmentation of whole batches, against a Pillow loop over single images doing the same.

    python benchmarks/augment.py [--threads 2] [--repeats 15]

Images are 32 x 32 x 3, both sides alternate, medians in milliseconds. The loop is what training scripts run in
their loader workers: array to Pillow, reflect-padded crop and flip, two of the 14 operations, Cutout, back to an
array. It is given its random numbers for nothing.

Measured on two cores of an AMD EPYC (AVX-512), Python 3.11, torch 2.13.0+cpu, Pillow 13.0.0, NumPy 2.4.6, 9
repeats, while other jobs kept the machine at a load of about 3 (the best of several runs, by the loop's time):

    threads                           1        2      Pillow loop
    images weak of 512             1.4 ms   1.3 ms      21 ms
    images strong of 448            10 ms   9.4 ms      53 ms
    tables weak of 448 x 784       1.2 ms   1.3 ms
    tables strong of 448 x 784     5.8 ms   4.6 ms

At a load of 0.5 (60 repeats, before the last changes), two threads: weak 0.9 to 2.1 ms, strong 5.9 to 7.9 ms.

With two threads and no free core, OpenMP's spinning threads can cost a time slice per operation: strong then
took up to 1,200 ms with two threads and 11 ms with one. OMP_WAIT_POLICY=PASSIVE (16 ms) or one thread avoid it.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from fewlabels.augment import Draws, Images, Tables
from fewlabels.augment.operations import RANGES

Affine = tuple[float, float, float, float, float, float]
GREY = (128, 128, 128)


def moved(image: Image.Image, matrix: Affine) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=GREY)


PILLOW: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "AutoContrast": lambda image, m: ImageOps.autocontrast(image),
    "Brightness": lambda image, m: ImageEnhance.Brightness(image).enhance(m),
    "Contrast": lambda image, m: ImageEnhance.Contrast(image).enhance(m),
    "Equalize": lambda image, m: ImageOps.equalize(image),
    "Posterize": lambda image, m: ImageOps.posterize(image, min(8, int(m))),
    "Solarize": lambda image, m: ImageOps.solarize(image, int(256 * m)),
    "Color": lambda image, m: ImageEnhance.Color(image).enhance(m),
    "Sharpness": lambda image, m: ImageEnhance.Sharpness(image).enhance(m),
    "Rotate": lambda image, m: image.rotate(m, fillcolor=GREY),
    "ShearX": lambda image, m: moved(image, (1, m, 0, 0, 1, 0)),
    "ShearY": lambda image, m: moved(image, (1, 0, 0, m, 1, 0)),
    "TranslateX": lambda image, m: moved(image, (1, 0, m * image.width, 0, 1, 0)),
    "TranslateY": lambda image, m: moved(image, (1, 0, 0, 0, 1, m * image.height)),
    "Identity": lambda image, m: image,
}


def weak(pixels: NDArray[np.uint8], u: NDArray[np.float64]) -> Image.Image:
    """One image (H, W, 3), by Pillow; ``u`` are uniform numbers."""
    padded = Image.fromarray(np.pad(pixels, ((4, 4), (4, 4), (0, 0)), mode="reflect"))
    left, top = int(9 * u[0]), int(9 * u[1])
    crop = padded.crop((left, top, left + 32, top + 32))
    return ImageOps.mirror(crop) if u[2] < 0.5 else crop


def strong(pixels: NDArray[np.uint8], u: NDArray[np.float64]) -> Image.Image:
    image, names = weak(pixels, u), list(RANGES)
    for which, where in ((u[3], u[4]), (u[5], u[6])):
        name = names[int(which * len(names))]
        low, high = RANGES[name]
        image = PILLOW[name](image, low + (high - low) * where)
    side, x, y = int(17 * u[7]), int(32 * u[8]), int(32 * u[9])
    if side:
        corner = x - side // 2, y - side // 2
        box = (*corner, corner[0] + side - 1, corner[1] + side - 1)
        ImageDraw.Draw(image).rectangle(box, fill=GREY)
    return image


def loop(one: Callable[..., Image.Image], x: NDArray[np.uint8], u: NDArray[np.float64]) -> torch.Tensor:
    done = [np.asarray(one(pixels, row)) for pixels, row in zip(x, u, strict=True)]
    return torch.from_numpy(np.stack(done)).permute(0, 3, 1, 2).contiguous()


def alternate(repeats: int, *functions: Callable[[int], object]) -> list[float]:
    """Median milliseconds of each, one call of each in turn, after three turns to warm up."""
    times: list[list[float]] = [[] for _ in functions]
    for turn in range(repeats + 3):
        for function, spent in zip(functions, times, strict=True):
            start = time.perf_counter()
            function(turn)
            spent.append(1e3 * (time.perf_counter() - start))
    return [median(spent[3:]) for spent in times]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(0)
    augment = Images(flip=True)
    for kind, n in (("weak", 512), ("strong", 448)):
        x = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        u, batch = rng.random((n, 10)), torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
        ours, one = getattr(augment, kind), {"weak": weak, "strong": strong}[kind]
        a, b = alternate(
            args.repeats,
            lambda step, f=ours, z=batch, n=n: f(z, Draws(0, 0, step, np.arange(n))),
            lambda step, f=one, z=x, v=u: loop(f, z, v),
        )
        print(f"images {kind:6s} of {n}: {a:6.2f} ms   Pillow loop, one core: {b:6.1f} ms   {b / a:4.0f} x")
    table = torch.randn(448, 784)
    for kind in ("weak", "strong"):
        f = getattr(Tables(), kind)
        (a,) = alternate(args.repeats, lambda step, f=f: f(table, Draws(0, 0, step, np.arange(448))))
        print(f"tables {kind:6s} of 448 x 784: {a:6.2f} ms")


if __name__ == "__main__":
    main()
