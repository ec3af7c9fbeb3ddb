"""The user's own augmentation."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from fewlabels.augment.randomness import Draws
from fewlabels.errors import OptionError

Function = Callable[[Tensor, Draws], Tensor]


@dataclass(frozen=True)
class Own:
    """Two functions ``f(x, draws) -> Tensor`` as weak and strong augmentation.

    Parameters
    ----------
    weak, strong
        ``x`` is a batch (B, ...) on any device, and the result has its shape and dtype. Random numbers come
        from ``draws`` (:class:`~fewlabels.augment.Draws`); with torch's own generator instead, a resumed
        run is not the same run.

    Raises
    ------
    OptionError
        If one is not callable; on use, if what it returns is not a tensor of the shape and dtype of ``x``.

    Examples
    --------
    Noise on waveforms (B, samples), ten times as much in the strong version:

    >>> def noise(scale):
    ...     return lambda x, draws: x + scale * draws.normal(0, x.shape[1], x.device)
    >>> augment = Own(weak=noise(0.01), strong=noise(0.1))
    """

    weak: Function
    strong: Function

    def __post_init__(self) -> None:
        for name in ("weak", "strong"):
            function = getattr(self, name)
            if not callable(function):
                raise OptionError(f"Own: {name} should be a function f(x, draws), got {function!r}.")
            object.__setattr__(self, name, _Checked(name, function))


@dataclass(frozen=True)
class _Checked:
    """A function whose result is compared with its input."""

    name: str
    function: Function

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        y = self.function(x, draws)
        expected = f"a tensor of the input's shape {tuple(x.shape)} and dtype {x.dtype}"
        if not isinstance(y, Tensor):
            raise OptionError(f"Own: {self.name} should return {expected}, got {type(y).__name__}.")
        if y.shape != x.shape or y.dtype != x.dtype:
            raise OptionError(f"Own: {self.name} should return {expected}, got {tuple(y.shape)} and {y.dtype}.")
        return y
