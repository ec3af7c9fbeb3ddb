"""Wide residual networks as the semi-supervised papers use them.

Zagoruyko & Komodakis, "Wide Residual Networks", BMVC 2016, with the choices of Oliver et al. 2018 and the
papers after it: pre-activation, LeakyReLU of slope 0.1, BatchNorm momentum 0.001 (0.999 in TensorFlow's
reckoning) and eps 1e-3.
"""

import itertools

from torch import Tensor, nn

from fewlabels.errors import OptionError


def _norm(n: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n, momentum=0.001, eps=1e-3)


class _Block(nn.Module):
    """BN, activation, conv, BN, activation, conv; where the shape changes the shortcut is a 1x1 convolution."""

    def __init__(self, n_in: int, n_out: int, stride: int, activate_shortcut: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = _norm(n_in), _norm(n_out)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.act = nn.LeakyReLU(0.1, inplace=True)
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(n_in, n_out, 1, stride, bias=False)
        self.activate_shortcut = activate_shortcut

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.norm1(x))
        shortcut: Tensor = self.shortcut(h if self.activate_shortcut else x)
        h = self.conv1(h)
        residual: Tensor = self.conv2(self.act(self.norm2(h)))
        return shortcut + residual


class WideResNet(nn.Module):
    """(B, C, H, W) -> (B, n_outputs). WideResNet(depth=28, width=2) is the papers' network for CIFAR-10.

    Parameters
    ----------
    shape : (C, H, W)
    n_outputs : classes, or 1
    depth : 6 n + 4: 10, 16, 22, 28, ...
    width : multiplies 16, 32, 64 channels
    """

    def __init__(self, shape: tuple[int, ...], n_outputs: int, depth: int = 28, width: int = 2) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise OptionError(f"wide_resnet's depth is {depth}; expected 10, 16, 22, 28, ... (6 n + 4).")
        channels = [16, 16 * width, 32 * width, 64 * width]
        blocks = [
            _Block(n_in if i == 0 else n_out, n_out, 2 if group and i == 0 else 1, group == 0 and i == 0)
            for group, (n_in, n_out) in enumerate(itertools.pairwise(channels))
            for i in range((depth - 4) // 6)
        ]
        self.stem = nn.Conv2d(shape[0], channels[0], 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*blocks)
        self.norm = _norm(channels[-1])
        self.act = nn.LeakyReLU(0.1, inplace=True)
        self.head = nn.Linear(channels[-1], n_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.1, mode="fan_out")
        nn.init.xavier_normal_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.norm(self.blocks(self.stem(x))))
        return self.head(h.mean((2, 3)))  # type: ignore[no-any-return]
