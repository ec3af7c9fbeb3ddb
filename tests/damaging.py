"""Whole files, and twelve ways in which disks and people damage them."""

import hashlib
import json
import struct

import torch
from safetensors.torch import load, save

from fewlabels import container

_SIZE = 8  # bytes that say how long the header is


def parts(content):
    """Header (a dictionary) and data of a safetensors file."""
    (size,) = struct.unpack("<Q", content[:_SIZE])
    return json.loads(content[_SIZE : _SIZE + size]), content[_SIZE + size :]


def joined(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def header_end(content):
    return _SIZE + struct.unpack("<Q", content[:_SIZE])[0]


def flip(content, place, bit):
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def _flip_header(content, rng, other):
    return flip(content, int(rng.integers(0, header_end(content))), int(rng.integers(8)))


def _flip_data(content, rng, other):
    return flip(content, int(rng.integers(header_end(content), len(content))), int(rng.integers(8)))


def _flip_manifest(content, rng, other):
    start = content.index(b"manifest")
    return flip(content, int(rng.integers(start, start + 1500)), int(rng.integers(8)))


def _truncate(content, rng, other):
    return content[: int(rng.integers(1, len(content)))]


def _zero(content, rng, other):
    start = int(rng.integers(0, len(content)))
    zeroed = content[:start] + bytes(min(4096, len(content) - start)) + content[start + 4096 :]
    return zeroed if zeroed != content else flip(content, start, 0)


def _members(header):
    return [name for name in header if name != "__metadata__"]


def _swap(content, rng, other):
    """Two members of one type and shape trade names."""
    header, data = parts(content)
    names = _members(header)
    pairs = [
        (a, b)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if (header[a]["dtype"], header[a]["shape"]) == (header[b]["dtype"], header[b]["shape"])
        and data[slice(*header[a]["data_offsets"])] != data[slice(*header[b]["data_offsets"])]
    ]
    a, b = pairs[int(rng.integers(len(pairs)))]
    header[a], header[b] = header[b], header[a]
    return joined(header, data)


def _rewritten(content, change):
    """The members through `change`, the metadata as they were."""
    header, _ = parts(content)
    tensors = load(content)
    change(tensors)
    return save({name: tensor.clone() for name, tensor in tensors.items()}, header["__metadata__"])


def _pick(tensors, rng):
    return sorted(tensors)[int(rng.integers(len(tensors)))]


def _lose(content, rng, other):
    return _rewritten(content, lambda tensors: tensors.pop(_pick(tensors, rng)))


def _add(content, rng, other):
    return _rewritten(content, lambda tensors: tensors.update({f"more.{rng.integers(100)}": torch.ones(3)}))


def _twice(content, rng, other):
    """One name stands twice in the header."""
    header, data = parts(content)
    names = _members(header)
    a, b = rng.choice(names, 2, replace=False)
    text = json.dumps(header).replace(json.dumps(str(a)) + ': {"dtype', json.dumps(str(b)) + ': {"dtype', 1)
    return joined(text.encode(), data)


def _version(content, rng, other):
    header, data = parts(content)
    manifest = json.loads(header["__metadata__"]["manifest"])
    manifest["format"] = [0, 2, 3, "1", None, 1.5, -1, 10**9][int(rng.integers(8))]
    header["__metadata__"] = sealed(manifest)
    return joined(header, data)


def sealed(manifest):
    """Metadata whose hash fits: what somebody who knows the format could write."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return {"manifest": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def edited(content, change):
    """A model file after `change(about, tensors)`, with all hashes right."""
    tensors = load(content)
    about = json.loads(tensors.pop("about.json").numpy().tobytes())
    change(about, tensors)
    return container.pack("model", about, tensors)


def raw_about(content, text):
    """A model file whose plain values are these bytes, with all hashes right."""
    header, _ = parts(content)
    manifest = json.loads(header["__metadata__"]["manifest"])
    tensors = load(content) | {"about.json": torch.frombuffer(bytearray(text), dtype=torch.uint8)}
    told = {"dtype": "uint8", "shape": [len(text)], "sha256": hashlib.sha256(text).hexdigest()}
    manifest["members"]["about.json"] = told
    return save(tensors, sealed(manifest))


def _shape(content, rng, other):
    """Another shape or type that takes as many bytes."""
    header, data = parts(content)
    other_types = {"F32": "I32", "F64": "I64", "I64": "F64"}
    names = [name for name in _members(header) if header[name]["dtype"] in other_types]
    name = names[int(rng.integers(len(names)))]
    if rng.integers(2):
        header[name]["dtype"] = other_types[header[name]["dtype"]]
    else:
        header[name]["shape"] = [1, *header[name]["shape"]]
    return joined(header, data)


def _foreign(content, rng, other):
    """The manifest of one file with the data of another."""
    mine, theirs = parts(content), parts(other)
    mine[0]["__metadata__"] = theirs[0]["__metadata__"]
    return joined(*mine)


def _empty_or_tail(content, rng, other):
    """Nothing, nothing but zeros, or something behind the end."""
    more = bytes(rng.integers(0, 256, int(rng.integers(1, 5000)), dtype="uint8"))
    return [b"", bytes(len(content)), content + more, content + content, more][int(rng.integers(5))]


KINDS = {
    "bit of the header": _flip_header,
    "bit of the data": _flip_data,
    "bit of the manifest": _flip_manifest,
    "truncated": _truncate,
    "4 KB of zeros": _zero,
    "members swapped": _swap,
    "member lost": _lose,
    "member added": _add,
    "name twice": _twice,
    "other format": _version,
    "other shape or type": _shape,
    "manifest of another file": _foreign,
    "empty or with a tail": _empty_or_tail,
}  # fmt: skip
