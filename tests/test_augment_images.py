"""Image augmentation: each operation against Pillow, then the properties of weak and strong."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats
from torch import Tensor

from fewlabels.augment import Draws, Images, NoAugmentation, Own
from fewlabels.augment.operations import OPERATIONS, RANGES, apply, apply_each
from fewlabels.errors import InputError, OptionError

GEOMETRIC = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")
PHOTOMETRIC = tuple(name for name in OPERATIONS if name not in GEOMETRIC)
# Measured: equal to Pillow except AutoContrast, where Pillow's float offset loses a whole level now and then.
TOLERANCE = {"AutoContrast": 1}


def images(n: int, channels: int, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    """Half noise of varied range, half smooth; the first has one level only, the second two."""
    rng = np.random.default_rng(seed)
    low, span = rng.integers(0, 200, (n, channels, 1, 1)), rng.integers(1, 256, (n, channels, 1, 1))
    x = np.minimum(low + rng.random((n, channels, height, width)) * span, 255)
    ramp = np.linspace(0, 6, height)[:, None] * rng.random((n, channels, 1, 1)) + np.linspace(0, 6, width)
    x[n // 2 :] = 127.5 + 120 * np.sin(ramp + 6 * rng.random((n, channels, 1, 1)))[n // 2 :]
    x[0], x[1] = 77, np.where(rng.random((channels, height, width)) < 0.5, 3, 201)
    return torch.from_numpy(x.astype(np.uint8))


def magnitudes(name: str, n: int, seed: int = 0) -> Tensor:
    low, high = RANGES[name]
    return low + (high - low) * torch.rand(n, generator=torch.Generator().manual_seed(seed))


def draws(n: int, step: int = 0, stream: int = 0) -> Draws:
    return Draws(0, stream, step, np.arange(n))


def to_pillow(x: Tensor) -> Image.Image:
    return Image.fromarray(x.permute(1, 2, 0).squeeze(-1).numpy())


def from_pillow(image: Image.Image) -> Tensor:
    y = torch.from_numpy(np.array(image))
    return y.permute(2, 0, 1) if y.ndim == 3 else y[None]


def pillow(name: str, x: Tensor, m: float, fill: int = 128) -> Tensor:
    """The operation on one image, by Pillow."""
    image, (height, width) = to_pillow(x), x.shape[1:]
    fills = (fill,) * len(x) if len(x) == 3 else fill
    maps = {
        "ShearX": (1, m, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, m, 1, 0),
        "TranslateX": (1, 0, m * width, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, m * height),
    }
    if name in maps:
        return from_pillow(image.transform(image.size, Image.Transform.AFFINE, maps[name], fillcolor=fills))
    return from_pillow(
        {
            "AutoContrast": lambda: ImageOps.autocontrast(image),
            "Equalize": lambda: ImageOps.equalize(image),
            "Posterize": lambda: ImageOps.posterize(image, min(8, math.floor(m))),
            "Solarize": lambda: ImageOps.solarize(image, 256 * m),
            "Brightness": lambda: ImageEnhance.Brightness(image).enhance(m),
            "Color": lambda: ImageEnhance.Color(image).enhance(m),
            "Contrast": lambda: ImageEnhance.Contrast(image).enhance(m),
            "Sharpness": lambda: ImageEnhance.Sharpness(image).enhance(m),
            "Rotate": lambda: image.rotate(m, fillcolor=fills),
            "Identity": lambda: image,
        }[name]()
    )


@pytest.mark.parametrize("sides", [(32, 32), (28, 40), (8, 8), (97, 64)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PHOTOMETRIC)
def test_levels_are_pillows(name: str, channels: int, sides: tuple[int, int]) -> None:
    x, m = images(40, channels, *sides), magnitudes(name, 40)
    before = x.clone()
    ours = apply(name, x, m)
    theirs = torch.stack([pillow(name, *pair) for pair in zip(x, m.tolist(), strict=True)])
    assert ours.dtype == torch.uint8
    assert (ours.int() - theirs.int()).abs().max() <= TOLERANCE.get(name, 0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("fill", [0, 128])
@pytest.mark.parametrize("sides", [(32, 32), (28, 40), (8, 8), (97, 64)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", GEOMETRIC)
def test_moves_are_pillows(name: str, channels: int, sides: tuple[int, int], fill: int) -> None:
    """Measured: every pixel equal; 99 % asked for, since a map may fall on the border of two pixels."""
    x, m = images(40, channels, *sides), magnitudes(name, 40)
    ours = apply(name, x, m, fill)
    theirs = torch.stack([pillow(name, *pair, fill) for pair in zip(x, m.tolist(), strict=True)])
    assert (ours == theirs).double().mean() >= 0.99


def test_each_row_gets_its_own_operation() -> None:
    x = images(6 * len(OPERATIONS), 3)
    operation = torch.arange(len(x)) * 5 % len(OPERATIONS)
    m = torch.stack([magnitudes(OPERATIONS[k], 1, seed)[0] for seed, k in enumerate(operation.tolist())])
    together = apply_each(x, operation, m)
    for i, k in enumerate(operation.tolist()):
        assert torch.equal(together[i], apply(OPERATIONS[k], x[i : i + 1], m[i : i + 1])[0])


def test_operations_refuse_other_tensors() -> None:
    for x in (torch.zeros(2, 3, 8, 8), torch.zeros(2, 4, 8, 8, dtype=torch.uint8)):
        with pytest.raises(InputError, match="uint8 images"):
            apply("Rotate", x, torch.zeros(2))


@pytest.mark.parametrize("flip", [False, True])
def test_weak_is_a_reflected_crop(flip: bool) -> None:
    x = images(300, 3)
    y = Images(shift=0.125, flip=flip).weak(x, draws(300)).numpy()
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="reflect")
    found = np.zeros((2, 9, 9), dtype=int)
    for i in range(3, 150):  # noise images: a crop is found at one place only
        crops = np.lib.stride_tricks.sliding_window_view(padded[i], (32, 32), axis=(1, 2))
        for mirrored in range(2):
            shown = y[i, :, :, ::-1] if mirrored else y[i]
            found[mirrored] += (crops == shown[:, None, None]).all(axis=(0, 3, 4))
    assert found.sum() == 147
    assert (found[1].sum() > 50) == flip
    assert (found.sum((0, 1)) > 0).all()
    assert (found.sum((0, 2)) > 0).all()


def test_no_flip_unless_allowed() -> None:
    x = images(200, 1)
    still = Images(shift=0, flip=False)
    assert torch.equal(still.weak(x, draws(200)), x)
    y = Images(shift=0, flip=True).weak(x, draws(200))
    flipped = (y == x.flip(-1)).flatten(1).all(1)
    kept = (y == x).flatten(1).all(1)
    assert (flipped | kept).all()
    assert 70 < flipped.sum() < 130


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sides", [(8, 8), (1, 5), (28, 40)])
def test_sides_of_any_size(channels: int, sides: tuple[int, int]) -> None:
    x = images(64, channels, *sides)
    augment = Images(flip=True)
    for y in (augment.weak(x, draws(64)), augment.strong(x, draws(64))):
        assert y.shape == x.shape
        assert y.dtype == torch.uint8
    assert augment.strong(x[:0], draws(0)).shape == (0, channels, *sides)


def test_small_shift_moves_one_pixel_at_least() -> None:
    x = images(100, 1, 8, 8)
    assert not torch.equal(Images(shift=0.01).weak(x, draws(100)), x)


def test_weak_takes_masks_and_floats() -> None:
    x = images(50, 3)
    augment = Images(flip=True)
    moved = augment.weak(x, draws(50))
    assert torch.equal(augment.weak(x.long()[:, :1], draws(50)), moved.long()[:, :1])
    assert torch.equal(augment.weak(x.float(), draws(50)), moved.float())
    assert torch.equal(augment.weak(x.to(memory_format=torch.channels_last), draws(50)), moved)


@pytest.mark.parametrize("kind", ["weak", "strong"])
def test_draws_decide_everything(kind: str) -> None:
    x = images(120, 3)
    f = getattr(Images(flip=True), kind)
    before = x.clone()
    y = f(x, draws(120))
    assert torch.equal(y, f(x, draws(120)))
    assert torch.equal(x, before)
    for other in (draws(120, step=1), draws(120, stream=1), Draws(1, 0, 0, np.arange(120))):
        assert (y == f(x, other)).flatten(1).all(1).double().mean() < 0.2
    some = np.random.default_rng(0).permutation(120)[:37]
    assert torch.equal(y[some], f(x[some], Draws(0, 0, 0, some)))
    assert torch.equal(y[5:6], f(x[5:6], Draws(0, 0, 0, np.array([5]))))


def test_rows_of_one_batch_are_drawn_apart() -> None:
    x = images(4, 3)[3:].expand(200, -1, -1, -1)
    y = Images(flip=True).strong(x, draws(200))
    assert len(y.flatten(1).unique(dim=0)) > 195


def test_strong_shares_crop_and_flip_with_weak() -> None:
    x = images(100, 3)
    augment = Images(flip=True, cutout=0, operations=("Brightness",), n_ops=1)
    weak, strong = augment.weak(x, draws(100)), augment.strong(x, draws(100))
    assert (strong <= weak).all()
    assert not torch.equal(strong, weak)
    none = Images(flip=True, n_ops=0, cutout=0)
    assert torch.equal(none.strong(x, draws(100)), weak)


def test_operations_are_drawn_uniformly(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, levels = [], []

    def record(x: Tensor, operation: Tensor, magnitude: Tensor, fill: int) -> Tensor:
        seen.append(operation)
        levels.append(magnitude)
        return x

    monkeypatch.setattr("fewlabels.augment.images.apply_each", record)
    Images(shift=0, cutout=0).strong(torch.zeros(20_000, 1, 1, 1, dtype=torch.uint8), draws(20_000))
    first, second = seen
    assert stats.chisquare(np.bincount(first * 14 + second, minlength=196)).pvalue > 1e-4
    for k, (low, high) in enumerate(RANGES.values()):
        share = (levels[0][first == k].numpy() - low) / (high - low)
        assert stats.kstest(share, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("channels", [1, 3])
def test_cutout(channels: int) -> None:
    n = 4000
    x = torch.full((n, channels, 32, 32), 200, dtype=torch.uint8)
    y = Images(n_ops=0, fill=128).strong(x, draws(n))
    hole = y == 128
    assert (hole | (y == 200)).all()
    assert torch.equal(hole, hole[:, :1].expand_as(hole))
    height, width = hole[:, 0].any(2).sum(1), hole[:, 0].any(1).sum(1)
    assert torch.equal(hole[:, 0].sum((1, 2)), height * width)  # a rectangle
    assert height.max() == width.max() == 16
    # every pair of side and centre is as likely: the heights left after the cut at the border
    side, centre = np.arange(17)[:, None], np.arange(32)
    left = np.minimum(centre - side // 2 + side, 32) - np.maximum(centre - side // 2, 0)
    expected = np.bincount(left.ravel(), minlength=17) / left.size
    for found in (height, width):
        counts = np.bincount(found, minlength=17)
        assert stats.chisquare(counts, n * expected).pvalue > 1e-4


@pytest.mark.parametrize(
    "change",
    [{"shift": 0.3}, {"flip": True}, {"n_ops": 3}, {"cutout": 0.2}, {"fill": 0}, {"operations": ("Rotate",)}],
)
def test_every_option_has_an_effect(change: dict[str, object]) -> None:
    x = images(60, 3)
    assert not torch.equal(Images().strong(x, draws(60)), Images(**change).strong(x, draws(60)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": 0.6}, "shift=0.6 should be a share"),
        ({"shift": float("nan")}, "shift=nan"),
        ({"n_ops": -1}, "n_ops=-1"),
        ({"n_ops": 1.5}, "n_ops=1.5"),
        ({"cutout": 1.1}, "cutout=1.1"),
        ({"n_ops": "two"}, "n_ops='two'"),
        ({"flip": "no"}, "flip='no' should be True or False"),
        ({"fill": 256}, "fill=256"),
        ({"fill": 127.5}, "fill=127.5"),
        ({"operations": ()}, "operations should hold"),
        ({"operations": ("Rotat",)}, "Did you mean Rotate"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Images(**options)


def test_a_batch_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match="B = 3"):
        Images().weak(images(4, 1), draws(3))
    with pytest.raises(InputError, match="Images need"):
        Images().weak(images(4, 1)[:, 0], draws(4))


def test_images_may_be_on_another_device() -> None:
    """The meta device has no data but refuses, as CUDA and MPS do, most mixtures with CPU tensors."""
    x = images(200, 3)
    for f in (Images(flip=True).weak, Images(flip=True).strong):
        y = f(x.to("meta"), draws(200))
        assert y.device.type == "meta"
        assert y.shape == x.shape
        assert y.dtype == x.dtype


def test_own_functions() -> None:
    x = images(4, 1)
    augment = Own(weak=lambda x, draws: x, strong=lambda x, draws: 255 - x)
    assert torch.equal(augment.weak(x, draws(4)), x)
    assert torch.equal(augment.strong(x, draws(4)), 255 - x)
    with pytest.raises(OptionError, match=r"weak should be a function f\(x, draws\)"):
        Own(weak=3, strong=lambda x, draws: x)  # type: ignore[arg-type]
    wrong = Own(weak=lambda x, draws: x.float(), strong=lambda x, draws: x.numpy())
    with pytest.raises(OptionError, match=r"weak should return .*uint8, got .*float32"):
        wrong.weak(x, draws(4))
    with pytest.raises(OptionError, match="got ndarray"):
        wrong.strong(x, draws(4))


def test_no_augmentation() -> None:
    x = images(4, 1)
    assert NoAugmentation().weak(x, draws(4)) is x
    assert NoAugmentation().strong(x, draws(4)) is x
