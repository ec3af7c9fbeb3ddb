"""One file that holds all a run needs to go on: tensors, step, history. safetensors, never pickle."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fewlabels.errors import InputError, SaveError
from fewlabels.method import Net, State


def write_file(path: Path, content: bytes) -> None:
    """Replace `path` as a whole or not at all: temporary file, flush to disk, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise SaveError(
            f"cannot write {path}: {error.strerror or error}. Check the folder and the free space."
        ) from error


def flatten(state: State, prefix: str) -> dict[str, Tensor]:
    """Nested dictionaries of tensors -> one dictionary with dotted names."""
    flat: dict[str, Tensor] = {}
    for key, value in state.items():
        name = f"{prefix}.{key}"
        flat.update(flatten(value, name) if isinstance(value, dict) else {name: value})
    return flat


def _restore(state: State, flat: dict[str, Tensor], prefix: str) -> State:
    return {
        key: _restore(value, flat, f"{prefix}.{key}")
        if isinstance(value, dict)
        else flat[f"{prefix}.{key}"].to(value.device)
        for key, value in state.items()
    }


def _momenta(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    momenta = {f"momentum.{i}": optimizer.state[p].get("momentum_buffer") for i, p in enumerate(parameters)}
    return {name: m for name, m in momenta.items() if m is not None}


def _modules(net: Net) -> dict[str, nn.Module]:
    return {"student": net.student, "teacher": net.teacher}


def save_checkpoint(
    path: Path, net: Net, optimizer: torch.optim.Optimizer, state: State, about: dict[str, Any]
) -> None:
    """Write student, teacher, momentum, method state, and `about` (plain values: step, history, fingerprint)."""
    tensors = flatten(state, "state") | _momenta(optimizer)
    for name, module in _modules(net).items():
        tensors |= flatten(module.state_dict(), name)
    # clone: safetensors refuses tensors that share memory
    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_file(path, save(ready, {"about": json.dumps(about)}))


def load_checkpoint(
    path: Path, net: Net, optimizer: torch.optim.Optimizer, state: State, fingerprint: str
) -> tuple[State, dict[str, Any]]:
    """Restore what `save_checkpoint` wrote into `net` and `optimizer`; return method state and `about`.

    Raises
    ------
    InputError : the file is damaged, or belongs to other data or settings
    """
    try:
        with safe_open(path, "pt") as file:
            about: dict[str, Any] = json.loads(file.metadata()["about"])
            if about["fingerprint"] != fingerprint:
                raise InputError(
                    f"{path} belongs to a run with other data or settings. Give the same ones to go on with it, "
                    "or another place (or delete it) to start anew."
                )
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name, module in _modules(net).items():
            module.load_state_dict({k: flat[f"{name}.{k}"] for k in module.state_dict()})
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for i, parameter in enumerate(parameters):
            if f"momentum.{i}" in flat:
                optimizer.state[parameter]["momentum_buffer"] = flat[f"momentum.{i}"].to(parameter.device)
        return _restore(state, flat, "state"), about
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError, RuntimeError) as error:
        raise InputError(f"{path} is not a whole checkpoint ({error}). Delete it to start anew.") from error
