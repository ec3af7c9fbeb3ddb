"""A small convolutional network: minutes on two cores for images of 8 to 64 pixels."""

from torch import Tensor, nn


def _layer(n_in: int, n_out: int) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.1, inplace=True)]


class ConvNet(nn.Module):
    """(B, C, H, W) -> (B, n_outputs): two pairs of 3x3 convolutions of `width` and twice that, one of four times that.

    Parameters
    ----------
    shape : (C, H, W)
    n_outputs : classes, or 1
    width : channels of the first pair
    """

    def __init__(self, shape: tuple[int, ...], n_outputs: int, width: int = 32) -> None:
        super().__init__()
        w = width
        self.features = nn.Sequential(
            *_layer(shape[0], w),
            *_layer(w, w),
            nn.MaxPool2d(2, ceil_mode=True),
            *_layer(w, 2 * w),
            *_layer(2 * w, 2 * w),
            nn.MaxPool2d(2, ceil_mode=True),
            *_layer(2 * w, 4 * w),
        )
        self.head = nn.Linear(4 * w, n_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.1, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))  # type: ignore[no-any-return]
