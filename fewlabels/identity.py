"""What tells one run from another: its options as text, its data as a hash, and what its bits depend on."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import platform
import re
import types
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fewlabels import __version__
from fewlabels.data.images import ImageFiles
from fewlabels.partial_labels import Partial

# Of the options, these change nothing in the result, or only where it is computed.
_PASSED = ("verbose", "folder", "device", "on_nonfinite")


def settings(options: Any) -> dict[str, str]:
    """Every option that changes the result, as text."""
    told = {name: told_apart(value) for name, value in sorted(vars(options).items()) if name not in _PASSED}
    if isinstance(options.network, nn.Module):
        told["weights"] = told_apart(list(options.network.state_dict().values()))
    return told


def data_hash(partial: Partial) -> str:
    """One hash of rows and labels; images on disk count by their paths."""
    digest = hashlib.sha256(partial.labeled.tobytes() + np.ascontiguousarray(partial.y).tobytes())
    if partial.domain is not None:
        digest.update(partial.domain.tobytes())
    if isinstance(partial.x, ImageFiles):
        digest.update(repr((partial.x.size, partial.x.channels, partial.x.paths)).encode())
    else:
        digest.update(repr(partial.x.shape).encode())
        digest.update(np.ascontiguousarray(partial.x).data)
    return digest.hexdigest()


def environment(device: torch.device) -> dict[str, str]:
    """What the bits of a training depend on beside data, options and seed."""
    return {
        "fewlabels": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "instruction set": torch.backends.cpu.get_cpu_capability(),
        "device": str(device),
        "threads": str(torch.get_num_threads()),
    }


def told_apart(value: Any) -> str:
    """A value as text that is the same in the next process: functions by name, not by address."""
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__}({','.join(f'{k}={told_apart(v)}' for k, v in sorted(vars(value).items()))})"
    if isinstance(value, Tensor):
        return hashlib.sha256(value.detach().cpu().float().numpy().tobytes()).hexdigest()  # repr leaves out the middle
    if isinstance(value, list):
        return hashlib.sha256("".join(map(told_apart, value)).encode()).hexdigest()
    if isinstance(value, functools.partial):
        return f"partial({told_apart(value.func)},{_shown(value.args)},{_shown(value.keywords)})"
    if isinstance(value, types.FunctionType):
        # lambdas share a name: their code tells them apart
        return f"{value.__module__}.{value.__qualname__}:{_code(value.__code__)}"
    return f"{value.__module__}.{value.__qualname__}" if isinstance(value, type) else _shown(value)


def _shown(value: Any) -> str:
    """Its repr without addresses, which are others in the next process."""
    return re.sub(" at 0x[0-9a-fA-F]+", "", repr(value))


def _code(code: types.CodeType) -> str:
    """What a function does; its place in a file may change."""
    told = [code.co_code.hex(), *code.co_names]  # names and constants are not in the code itself
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            told.append(_code(constant))
        else:  # a set comes in another order in the next process
            told.append(str(sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)))
    return ",".join(told)
