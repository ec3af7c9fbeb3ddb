"""Checkpoints of a run: all it needs to go on, in one verified file each, the last two of them.

There is no "best" one: nothing here is chosen by a score during training, and the test set chooses nothing.
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fewlabels.container import pack, read_container
from fewlabels.errors import DivergenceError, UnsafeFileError
from fewlabels.files import check_space, remove_stale, write_file
from fewlabels.method import Net, State

# Free space asked for before a file is begun, in sizes of the file: the next one and the model still have room then.
_ROOM = 2.2


class Checkpoints:
    """The checkpoint files of one run, `step-NNNNNNNNN.safetensors`. One run at a time owns the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last: Path | None = None  # the newest that is known to be whole

    def save(self, step: int, about: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Write one more, and then remove all but this and the one before.

        Raises
        ------
        SaveError : it cannot be written; the ones before are still there
        """
        path, content = self.folder / f"step-{step:09}.safetensors", pack("checkpoint", about, tensors)
        check_space(path, int(_ROOM * len(content)))
        write_file(path, content)
        for old in self._files():
            if old not in (path, self._last):
                with contextlib.suppress(OSError):
                    old.unlink()
        self._last = path

    def load(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The newest that verifies; None where there is no file. An older one than the last comes with a warning.

        Raises
        ------
        UnsafeFileError : none verifies
        """
        remove_stale(self.folder)
        damaged: list[UnsafeFileError] = []
        for path in reversed(self._files()):
            try:
                found = read_container(path, "checkpoint")
            except UnsafeFileError as error:
                damaged.append(error)
                continue
            if damaged:
                warnings.warn(
                    f"{damaged[0]} The run goes on from the older {path}; nothing else is lost.", stacklevel=2
                )
            self._last = path
            return found
        if damaged:
            raise UnsafeFileError(f"{damaged[0]} There is no older whole one. Delete {self.folder} to start anew.")
        return None

    def _files(self) -> list[Path]:
        """By step, the newest last."""
        return sorted(self.folder.glob("step-*.safetensors"))


def gather(net: Net, optimizer: torch.optim.Optimizer, state: State) -> tuple[dict[str, Tensor], State]:
    """Every tensor by name, and the method's state with names in place of tensors.

    Raises
    ------
    DivergenceError : weights or momentum are not finite; such a checkpoint must not exist
    """
    named = {name: flatten(module.state_dict(), name) for name, module in _modules(net).items()}
    named["momentum"] = _momenta(optimizer)
    for name, tensors in named.items():
        check_finite(name, tensors)
    flat = flatten(state, "state")
    return {k: v for tensors in named.values() for k, v in tensors.items()} | flat, _names(state, "state")


def restore(
    net: Net, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], names: State, device: torch.device
) -> State:
    """Put what `gather` gave back into `net` and `optimizer`; return the method's state.

    Raises
    ------
    UnsafeFileError : tensors are missing, or of other shapes
    """
    try:
        for name, module in _modules(net).items():
            module.load_state_dict({k: tensors[f"{name}.{k}"] for k in module.state_dict()})
        for i, parameter in enumerate(_parameters(optimizer)):
            if f"momentum.{i}" in tensors:
                # laid out in memory like the parameter, since rounding may depend on it
                momentum = torch.empty_like(parameter, requires_grad=False).copy_(tensors[f"momentum.{i}"])
                optimizer.state[parameter]["momentum_buffer"] = momentum
        return _values(names, tensors, device)
    except (LookupError, TypeError, RuntimeError) as error:
        raise UnsafeFileError(f"the checkpoint does not fit this network and method: {error}") from error


def check_finite(what: str, tensors: dict[str, Tensor]) -> None:
    """Refuse weights that are not finite.

    Raises
    ------
    DivergenceError
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DivergenceError(
                f"{name} of the {what} is not finite any more, so nothing was saved. Lower lr, and look for extreme "
                "values in X."
            )


def flatten(state: State, prefix: str) -> dict[str, Tensor]:
    """Nested dictionaries of tensors -> one dictionary with dotted names."""
    flat: dict[str, Tensor] = {}
    for key, value in state.items():
        name = f"{prefix}.{key}"
        flat.update(flatten(value, name) if isinstance(value, dict) else {name: value})
    return flat


def _names(state: State, prefix: str) -> State:
    return {k: _names(v, f"{prefix}.{k}") if isinstance(v, dict) else f"{prefix}.{k}" for k, v in state.items()}


def _values(names: State, tensors: dict[str, Tensor], device: torch.device) -> State:
    # clone: what was read is a view of the file
    return {
        key: _values(name, tensors, device) if isinstance(name, dict) else tensors[name].to(device, copy=True)
        for key, name in names.items()
    }


def _modules(net: Net) -> dict[str, nn.Module]:
    return {"student": net.student, "teacher": net.teacher}


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _momenta(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    momenta = {f"momentum.{i}": optimizer.state[p].get("momentum_buffer") for i, p in enumerate(_parameters(optimizer))}
    return {name: m for name, m in momenta.items() if m is not None}
