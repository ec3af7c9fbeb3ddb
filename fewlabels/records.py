"""Results of many trainings in one file, so that an interrupted command goes on with what it has."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import nn

from fewlabels.data.images import ImageFiles
from fewlabels.errors import InputError
from fewlabels.files import read_json, write_file
from fewlabels.identity import told_apart
from fewlabels.partial_labels import Partial


class Records:
    """Plain values by key. With a path every new one is on the disk before the next training begins.

    Parameters
    ----------
    path : the JSON file, or None to keep them in memory alone
    fingerprint : of all that the values depend on, see `fingerprint`

    Raises
    ------
    InputError : the file is damaged, or was written for other data or settings
    """

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.values: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        try:
            kept = read_json(path.read_bytes())
            known, self.values = kept["fingerprint"], dict(kept["values"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}). Delete it to start anew.") from error
        if known != fingerprint:
            raise InputError(
                f"{path} belongs to other data or settings. Give the same ones to go on with it, or another folder "
                "(or delete it) to start anew."
            )

    def add(self, key: str, value: Any) -> Any:
        """Keep a plain value."""
        self.values[key] = value
        if self.path is not None:
            content = {"fingerprint": self.fingerprint, "values": self.values}
            write_file(self.path, json.dumps(content).encode())
        return value


def fingerprint(data: Partial, model: Any, *more: Any) -> str:
    """One hash of rows, labels, a model's options and anything else a result depends on; places and progress do not."""
    passed = ("folder", "verbose", "device", "random_state")  # the seed is among `more`
    options = {k: v for k, v in model.get_params(deep=False).items() if k not in passed}
    sides = () if data.domain is None else (data.domain,)
    return contents(f"{type(model).__name__}{_text(options)}{_text(more)}", data.labeled, data.y, data.x, *sides)


def contents(*items: Any) -> str:
    """One hash of arrays, sparse rows, images on disk (by path) and plain values: equal ones have equal hashes."""
    digest = hashlib.sha256()
    for array in (array for item in items for array in _arrays(item)):
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _text(value: Any) -> str:
    if isinstance(value, nn.Module):
        return repr(value) + _text([told_apart(tensor) for tensor in value.state_dict().values()])
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_text(item)}' for key, item in sorted(value.items()))}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, np.ndarray) or issparse(value):
        return contents(value)
    return told_apart(value) if dataclasses.is_dataclass(value) or callable(value) else repr(value)


def _arrays(item: Any) -> tuple[NDArray[Any], ...]:
    if isinstance(item, ImageFiles):
        return (np.array([repr((item.size, item.channels)), *item.paths]),)
    if issparse(item):
        return item.data, item.indices, item.indptr
    array = np.asarray(item)
    # the bytes of objects are addresses
    return (np.asarray([repr(value) for value in array.ravel()]),) if array.dtype == object else (array,)
