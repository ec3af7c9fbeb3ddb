"""A small U-Net. Ronneberger, Fischer & Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
MICCAI 2015; here with BatchNorm, padded convolutions and far fewer channels."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _pair(n_in: int, n_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a in (n_in, n_out):
        layers += [
            nn.Conv2d(a, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.LeakyReLU(0.1, inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """(B, C, H, W) -> (B, n_outputs, H, W), for any H and W.

    Sides that 2^depth does not divide are padded with copies of the last row and column, and the answer is cut back.

    Parameters
    ----------
    shape : (C, H, W)
    n_outputs : classes
    width : channels of the finest level; each coarser one has twice as many
    depth : how often the sides are halved
    """

    def __init__(self, shape: tuple[int, ...], n_outputs: int, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_pair(a, b) for a, b in itertools.pairwise([shape[0], *widths]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * a, a, 2, stride=2) for a in widths[-2::-1])
        self.merge = nn.ModuleList(_pair(2 * a, a) for a in widths[-2::-1])
        self.head = nn.Conv2d(width, n_outputs, 1)
        self.multiple = 2**depth
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not self.head:
                nn.init.kaiming_normal_(module.weight, a=0.1, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        h = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        seen = []
        for level, layers in enumerate(self.down):
            h = layers(F.max_pool2d(h, 2) if level else h)
            seen.append(h)
        for up, merge, finer in zip(self.up, self.merge, seen[-2::-1], strict=True):
            h = merge(torch.cat([finer, up(h)], 1))
        answer: Tensor = self.head(h)
        return answer[:, :, :height, :width]
