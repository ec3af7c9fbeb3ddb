"""Marks of unlabeled rows that carry the label they hide: whatever reads it is caught, or is one bit off."""

import numpy as np

_SPECIAL = """
__eq__ __lt__ __le__ __gt__ __ge__ __hash__ __bool__ __int__ __index__ __float__ __complex__ __round__ __trunc__ __abs__
__neg__ __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __str__ __repr__ __format__ __len__ __iter__ __getitem__
__contains__ __reduce_ex__ __copy__ __deepcopy__
"""


def _refusal(name):
    def refuse(self, *_, **__):
        raise AssertionError(f"a hidden label was read: {name}")

    return refuse


def _unreadable(kind, *allowed):
    """A type that may be asked whether it is a mark, by the methods `allowed`, and nothing else."""
    body = {name: _refusal(name) for name in _SPECIAL.split() if name not in allowed and hasattr(kind, name)}
    return type(f"Hidden{kind.__name__.title()}", (kind,), body | {"truth": property(_refusal("truth"))})


Unknown = type(
    "Unknown", (), {name: _refusal(name) for name in _SPECIAL}
)  # no mark: must be refused, by its type alone
HiddenNaN = _unreadable(float)  # NaN alone differs from itself, which is how it is known
HiddenMinusOne = _unreadable(int, "__eq__")
HiddenEmpty = _unreadable(str, "__eq__")
# rows of a matrix are numbers or nothing: turning them into numbers is the look for the mark
HiddenCell = _unreadable(float, "__float__")


class HiddenMask:
    """A mask that gives nothing but -1, and that once."""

    def __init__(self, shape):
        self.shape, self.read = shape, False

    def __array__(self, dtype=None, copy=None):
        assert not self.read, "a hidden mask was read again"
        self.read = True
        return np.full(self.shape, -1, dtype=np.int16)

    __eq__ = _refusal("__eq__")
    __hash__ = None


def objects(y, mark):
    """y as objects, `mark()` in place of each mark."""
    out = np.empty(len(y), dtype=object)
    out[:] = [mark() if value != value or value == -1 else value for value in y.tolist()]
    return out


def beside(y, truth):
    """y as a column of an array that has the truth in the next one."""
    return np.stack([y, truth], -1)[..., 0]


def in_nan(y, truth):
    """y with each NaN's spare bits telling the truth, and the truth in memory beside it."""
    bits = np.array(y, dtype=np.float64).view(np.uint64)
    spare = np.ascontiguousarray(truth, dtype=np.float64).view(np.uint64) >> np.uint64(12)
    told = np.where(np.isnan(y), np.uint64(0x7FF8000000000000) | (spare & np.uint64(0x7FFFFFFFFFFFF)), bits)
    return beside(told.view(np.float64), np.asarray(truth, dtype=np.float64))


def told(y):
    """The truth that `beside` put next to y."""
    return y.base[..., 1]


def poisons(case):
    """Name -> y of a case in another guise: the same labels and marks, another truth about the hidden rows."""
    y, truth = case.y, np.asarray(case.truth)
    rng = np.random.default_rng(7)
    random, same = rng.permutation(truth), np.broadcast_to(truth[:1], truth.shape)
    hide = in_nan if y.dtype.kind == "f" else beside
    found = {"random": hide(y, random), "one class": hide(y, same)}
    if y.ndim == 3:
        masks = [None if (mask == -1).all() else mask for mask in y]
        raising = [HiddenMask(y.shape[1:]) if mask is None else mask for mask in masks]
        raising[-1] = None  # a list with a None is read mask by mask
        return found | {"raising": raising, "removed": masks}
    if y.ndim == 2:
        cells = np.empty(y.shape, dtype=object)
        cells[:] = [[HiddenCell("nan") if v != v else v for v in row] for row in y.tolist()]
        return found | {"raising": cells, "removed": np.where(np.isnan(y), -1, y)}
    found |= {"raising NaN": objects(y, lambda: HiddenNaN("nan")), "removed": objects(y, lambda: None)}
    return found if y.dtype.kind == "f" else found | {"raising -1": objects(y, lambda: HiddenMinusOne(-1))}
