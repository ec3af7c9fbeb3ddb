"""Counter-based randomness: a draw is a pure function of (seed, stream, step, row, slot).

There is no generator whose state has to be saved or advanced in order. A row gets the same draws in any
batch, in any worker and after any restart, so exact resume needs the step number alone.

The hash is the output function of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014, with Stafford's constants), applied once per part of the key and once per value.
It runs in NumPy on the CPU whatever the training device is, hence the same bits for CPU, CUDA and MPS.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewlabels.errors import InputError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: consecutive counters differ in half their bits
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = (1 << 64) - 1

_Words = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Draws:
    """The random numbers of one batch, one independent set per row.

    Parameters
    ----------
    seed
        The run's seed; any int, taken modulo 2^64.
    stream
        What the draws are for (for example 0 = weak, 1 = strong augmentation, 2 = the order of rows).
    step
        The training step, or an int array (B,): how many times each row was drawn before.
    rows
        (B,) ints: which rows of the data these are.

    Notes
    -----
    Every method takes a ``slot``: one number for one purpose, chosen by the caller. Value ``j`` of a slot
    does not depend on how many values are asked for.
    """

    seed: int
    stream: int
    step: int | NDArray[np.int64]
    rows: NDArray[np.int64]

    def __post_init__(self) -> None:
        rows, step = np.asarray(self.rows), np.asarray(self.step)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise InputError(f"rows must be a 1-D int array, got {rows.dtype} of shape {rows.shape}.")
        if step.shape not in ((), rows.shape) or step.dtype.kind not in "iu":
            raise InputError(
                f"step must be an int or an int array of rows' shape {rows.shape}, "
                f"got {step.dtype} of shape {step.shape}."
            )

    @cached_property
    def _keys(self) -> _Words:
        """One well mixed word per row (B,). Mixing after each part keeps (1, 2) and (2, 1) apart."""
        run = _absorb(np.zeros(1, dtype=np.uint64), _word(self.seed))
        now = _absorb(_absorb(run, _word(self.stream)), np.asarray(self.step).astype(np.uint64))
        return _absorb(now, np.asarray(self.rows).astype(np.uint64))

    def _hash(self, slot: int, n: int) -> _Words:
        """(B, n) uniform 64-bit words."""
        counters = np.arange(1, n + 1, dtype=np.uint64) + _word(slot << 32)
        return _mix(self._keys[:, None] + counters * _GOLDEN)

    def _halves(self, slot: int, n: int) -> NDArray[np.uint32]:
        """(B, n) uniform 32-bit words, two from each hash."""
        return self._hash(slot, (n + 1) // 2).view(np.uint32)[:, :n]

    def uniform(self, slot: int, n: int = 1, device: torch.device | str = "cpu") -> Tensor:
        """Uniform float32 numbers in [0, 1), multiples of 2^-24.

        Parameters
        ----------
        slot, n
            Which draw, and how many values of it per row.
        device
            Where the result is put.

        Returns
        -------
        Tensor
            (B, n) float32.
        """
        u = (self._halves(slot, n) >> np.uint32(8)).view(np.int32).astype(np.float32)
        u *= np.float32(2.0**-24)
        return torch.from_numpy(u).to(device)

    def integers(self, slot: int, high: int, n: int = 1, device: torch.device | str = "cpu") -> Tensor:
        """Uniform ints in [0, high).

        Multiply and shift (Lemire 2019) without rejection: a value's probability is off by less than
        high / 2^32 of itself.

        Returns
        -------
        Tensor
            (B, n) int64.
        """
        if not 0 < high < 1 << 32:
            raise InputError(f"high must be between 1 and 2^32 - 1, got {high}.")
        scaled = self._halves(slot, n).astype(np.uint64) * np.uint64(high) >> np.uint64(32)
        return torch.from_numpy(scaled.view(np.int64)).to(device)

    def normal(self, slot: int, n: int = 1, device: torch.device | str = "cpu") -> Tensor:
        """Standard normal float32 numbers, at most 5.8 from 0.

        Box and Muller: the two halves of a hash give a radius and an angle, hence two normals.

        Returns
        -------
        Tensor
            (B, n) float32.
        """
        pairs = self._hash(slot, (n + 1) // 2).view(np.uint32)
        # (0, 1]: the logarithm needs a number above zero
        radius = ((pairs[:, 0::2] >> np.uint32(8)).view(np.int32) + np.int32(1)).astype(np.float32)
        radius *= np.float32(2.0**-24)
        np.log(radius, out=radius)
        radius *= np.float32(-2)
        np.sqrt(radius, out=radius)
        angle = np.ascontiguousarray(pairs[:, 1::2]).view(np.int32).astype(np.float32)  # signed: [-pi, pi]
        angle *= np.float32(np.pi / 2**31)
        z = np.empty(pairs.shape, dtype=np.float32)
        np.multiply(radius, np.cos(angle), out=z[:, 0::2])
        np.multiply(radius, np.sin(angle), out=z[:, 1::2])
        return torch.from_numpy(z)[:, :n].contiguous().to(device)


def permutation(seed: int, stream: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Order of ``n`` rows in one epoch: sorting by hash, so the order is a pure function of the arguments.

    Returns
    -------
    ndarray
        (n,) int64, each of 0..n-1 once. Costs one sort: about 5 ms for 60,000 rows.
    """
    keys = Draws(seed, stream, epoch, np.arange(n))._keys
    return np.argsort(keys, kind="stable").astype(np.int64)


def _word(value: int) -> np.uint64:
    return np.uint64(value & _WORD)


def _absorb(key: _Words, part: np.uint64 | _Words) -> _Words:
    """Mix one more part of a key in; distinct parts give distinct keys, since every step is a bijection."""
    return _mix(key + (part + np.ones(1, dtype=np.uint64)) * _GOLDEN)


def _mix(z: _Words) -> _Words:
    """SplitMix64's finaliser, in place: each input bit flips each output bit with probability near 1/2."""
    z ^= z >> np.uint64(30)
    z *= _FIRST
    z ^= z >> np.uint64(27)
    z *= _SECOND
    z ^= z >> np.uint64(31)
    return z
