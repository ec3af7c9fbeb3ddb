"""Encoders that cannot answer with a constant, and decoders to pretrain them with; for Deep SVDD and Deep SAD.

A network with a bias in any layer, or with an activation that saturates, can map every row onto one point (Ruff et al.
2018, propositions 2 and 3). So no layer here has a bias, BatchNorm neither scales nor shifts, the activation is
LeakyReLU, and the last layer is linear. The decoder is thrown away after pretraining, so it may have all of that.
"""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

from fewlabels.data.frames import shown
from fewlabels.errors import OptionError, nearest
from fewlabels.networks.names import make_if_it_fits, read_sizes

__all__ = ["LeNet", "LeNetDecoder", "RowDecoder", "RowEncoder", "build_autoencoder"]

_KNOWN = {"mlp": 2, "lenet": 1}


class RowEncoder(nn.Module):
    """(B, ...) -> (B, latent): `depth` hidden layers of `width` units. No BatchNorm, as in `MLP`."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int = 64, depth: int = 1) -> None:
        super().__init__()
        sizes = [math.prod(shape)] + [width] * depth
        hidden = [
            layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b, bias=False), nn.LeakyReLU(0.1))
        ]
        self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], latent, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class RowDecoder(nn.Module):
    """(B, latent) -> (B, ...), the encoder's layers in reverse."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int = 64, depth: int = 1) -> None:
        super().__init__()
        sizes = [latent] + [width] * depth
        hidden = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.1))]
        self.layers = nn.Sequential(*hidden, nn.Linear(sizes[-1], math.prod(shape)), nn.Unflatten(1, shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)  # type: ignore[no-any-return]


class LeNet(nn.Module):
    """(B, C, H, W) -> (B, latent): two 5x5 convolutions of `width` and twice that, each halved, then two linear layers.

    The network of Ruff et al. 2020 for Fashion-MNIST is LeNet with width 16 and latent 32.
    """

    def __init__(self, shape: tuple[int, ...], latent: int, width: int = 16) -> None:
        super().__init__()
        channels, height, width_px = shape
        rest = 2 * width * -(-height // 4) * -(-width_px // 4)
        self.layers = nn.Sequential(
            *_convolution(channels, width),
            nn.MaxPool2d(2, ceil_mode=True),
            *_convolution(width, 2 * width),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(rest, 4 * width, bias=False),
            nn.BatchNorm1d(4 * width, affine=False),
            nn.LeakyReLU(0.1),
            nn.Linear(4 * width, latent, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class LeNetDecoder(nn.Module):
    """(B, latent) -> (B, C, H, W): a linear layer, and two enlargements with a 5x5 convolution each."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int = 16) -> None:
        super().__init__()
        channels, height, width_px = shape
        small, half = (-(-height // 4), -(-width_px // 4)), (-(-height // 2), -(-width_px // 2))
        self.layers = nn.Sequential(
            nn.Linear(latent, 2 * width * math.prod(small)),
            nn.Unflatten(1, (2 * width, *small)),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.1),
            nn.Upsample(half),
            nn.Conv2d(2 * width, width, 5, padding=2),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.1),
            nn.Upsample((height, width_px)),
            nn.Conv2d(width, channels, 5, padding=2),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)  # type: ignore[no-any-return]


def _convolution(n_in: int, n_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(n_in, n_out, 5, padding=2, bias=False),
        nn.BatchNorm2d(n_out, affine=False),
        nn.LeakyReLU(0.1),
    ]


def build_autoencoder(name: str, shape: tuple[int, ...], latent: int) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder for inputs of `shape`, (D,) or (C, H, W), by name.

    Raises
    ------
    OptionError : an unknown name, or a network for images where rows are a table
    """
    image = len(shape) == 3
    if not isinstance(name, str):
        raise OptionError(f"network={name!r}; expected a name. Detectors build their networks themselves.")
    kind, *numbers = (("lenet" if image else "mlp") if name == "auto" else name).split("-")
    sizes = read_sizes(numbers, _KNOWN[kind]) if kind in _KNOWN else None
    if sizes is None:
        known = ("auto", "mlp", "mlp-WIDTH", "mlp-WIDTH-DEPTH", "lenet", "lenet-WIDTH")
        raise OptionError(f"network={shown(name)} is not known.{nearest(name, known)}")
    if kind == "lenet" and not image:
        raise OptionError(f"network={name!r} needs images (N, H, W[, C]); these rows have shape {shape}. Use 'mlp'.")
    encoder, decoder = (LeNet, LeNetDecoder) if kind == "lenet" else (RowEncoder, RowDecoder)
    return make_if_it_fits(name, lambda: (encoder(shape, latent, *sizes), decoder(shape, latent, *sizes)))
