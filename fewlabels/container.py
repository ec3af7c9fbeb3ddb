"""One verified file of tensors and plain values, for checkpoints and models. safetensors inside; no code, no pickle.

The file is safetensors as everybody reads it. Its metadata hold a manifest (format, kind, and type, shape and SHA-256
of every member) and the SHA-256 of the manifest. Plain values are one more member, JSON as bytes, so that headers stay
small whatever they hold. Nothing is used before all of it is verified.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fewlabels import __version__
from fewlabels.errors import ResourceError, SaveError, UnsafeFileError
from fewlabels.files import read_json, write_file

FORMAT = 1
_ABOUT = "about.json"
# Limits for what a hostile file may make us allocate before its hashes are known; 30,000 tensors stay below both.
_MOST_HEADER, _MOST_ABOUT = 10 * 2**20, 8 * 2**20
# Types that torch and NumPy share, by the name that safetensors gives them.
_TYPES = ("BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64", "U16", "U32", "U64", "C64")


def pack(kind: str, about: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """The content of a file.

    Parameters
    ----------
    kind : "checkpoint" or "model"
    about : plain values that JSON can hold

    Raises
    ------
    SaveError : the plain values are larger than `unpack` would read
    """
    text = json.dumps(about, allow_nan=False, default=_number).encode()
    if len(text) > _MOST_ABOUT:
        raise SaveError(f"the {kind} has {len(text):,} bytes of names and settings; files hold {_MOST_ABOUT:,}.")
    members = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    members[_ABOUT] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    told = {name: _told(tensor) for name, tensor in members.items()}
    manifest = json.dumps({"format": FORMAT, "kind": kind, "fewlabels": __version__, "members": told})
    # clone: safetensors refuses tensors that share memory
    content = {name: tensor.clone() for name, tensor in members.items()}
    return save(content, {"manifest": manifest, "sha256": hashlib.sha256(manifest.encode()).hexdigest()})


def write_container(path: Path, kind: str, about: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """`pack` into a file, see `write_file`."""
    write_file(path, pack(kind, about, tensors))


def read_container(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Plain values and tensors of a file that `write_container` wrote. The tensors are views of the file.

    Raises
    ------
    UnsafeFileError : damaged, of another kind or a later format, or not such a file at all
    """
    try:
        _check_header(path)
        with safe_open(path, "pt") as file:
            members = _members(file.metadata(), path, kind)
            names = set(file.keys())
            if names != set(members):
                raise UnsafeFileError(f"{path}: members are missing or were added: {_first(names ^ set(members))}.")
            tensors = {name: _verified(file, name, members[name], path) for name in members}
        about = read_json(_about(tensors.pop(_ABOUT), path))
        if not isinstance(about, dict):
            raise UnsafeFileError(f"{path}: {_ABOUT} is not an object.")
        return about, tensors
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        if isinstance(error, UnsafeFileError):
            raise
        raise UnsafeFileError(f"{path} is damaged or not a fewlabels file: {error}") from error


def check_size(
    network: str, shape: tuple[int, ...], tensors: dict[str, Tensor], build: Callable[[], nn.Module]
) -> None:
    """Refuse a network that the file has no weights for, before memory is taken for it.

    Parameters
    ----------
    network : its name, a kind and numbers: "mlp-128-2"
    shape : of a row, for the message
    tensors : members of the file; weights are those whose name starts with "network."
    build : makes the network, called where it takes no memory

    Raises
    ------
    UnsafeFileError : names, shapes or numbers of the weights are others
    """
    there = {name: tensor.shape for name, tensor in tensors.items() if name.startswith("network.")}
    # a width times a depth: so many weights there are at least, and so long this takes even without memory
    possible = math.prod(map(int, network.split("-")[1:])) <= sum(map(math.prod, there.values()))
    if possible:
        try:
            with torch.device("meta"):
                module = build()
        except ResourceError:  # more weights than memory can hold, let alone this file
            possible = False
    if not possible or there != {f"network.{name}": t.shape for name, t in module.state_dict().items()}:
        raise UnsafeFileError(f"the weights are not those of network={network[:60]!r} for rows of shape {shape}.")


def _check_header(path: Path) -> None:
    """Refuse a header of a size that no file of ours has, before anything parses it."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if not 2 <= size <= min(_MOST_HEADER, path.stat().st_size - 8):
        raise UnsafeFileError(f"{path} is damaged or not a fewlabels file: its header claims {size:,} bytes.")


def _members(metadata: dict[str, str] | None, path: Path, kind: str) -> dict[str, Any]:
    """What the manifest says of each member."""
    if metadata is None or set(metadata) != {"manifest", "sha256"}:
        raise UnsafeFileError(f"{path} is not a fewlabels file: it has no manifest.")
    text = metadata["manifest"]
    if hashlib.sha256(text.encode()).hexdigest() != metadata["sha256"]:
        raise UnsafeFileError(f"{path} is damaged: its manifest is not the one that was written.")
    manifest = read_json(text)
    if manifest["format"] != FORMAT:
        raise UnsafeFileError(
            f"{path} has format {manifest['format']!r}, written by fewlabels {manifest.get('fewlabels')}; this "
            f"fewlabels {__version__} reads format {FORMAT}. Install a version that reads it."
        )
    if manifest["kind"] != kind:
        raise UnsafeFileError(f"{path} is a {manifest['kind']!r} file, and a {kind} is expected here.")
    members: dict[str, Any] = manifest["members"]
    return members


def _verified(file: Any, name: str, expected: Any, path: Path) -> Tensor:
    part = file.get_slice(name)
    if part.get_dtype() not in _TYPES:
        raise UnsafeFileError(f"{path}: {name} has type {part.get_dtype()}, which no file of ours has.")
    tensor: Tensor = file.get_tensor(name)
    if _told(tensor) != expected:
        raise UnsafeFileError(f"{path} is damaged: {name} is not what was written.")
    return tensor


def _told(tensor: Tensor) -> dict[str, Any]:
    data: Any = tensor.reshape(-1).view(torch.uint8).numpy()
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _about(tensor: Tensor, path: Path) -> bytes:
    if tensor.dtype != torch.uint8 or tensor.numel() > _MOST_ABOUT:
        raise UnsafeFileError(f"{path}: {_ABOUT} has {tensor.numel():,} bytes; files hold {_MOST_ABOUT:,}.")
    return tensor.numpy().tobytes()


def _first(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3])


def _number(value: Any) -> Any:
    """NumPy's numbers, as grid searches set them, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a plain value")
