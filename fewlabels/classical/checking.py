"""Options and folds: what the wrappers and the generative models check alike."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.errors import OptionError, nearest

# Whole numbers beyond it are no indices, and floats beyond it are infinite
LARGEST, _FLOAT = 2**63 - 1, float(np.finfo(np.float64).max)


def check_number(name: str, value: Any, least: float, most: float = np.inf, *, whole: bool = False) -> None:
    """Refuse what is not a number (a whole one) from `least` to `most`."""
    kind: Any = Integral if whole else Real
    known = isinstance(value, kind) and not isinstance(value, bool)
    if known and abs(value) <= (LARGEST if whole else _FLOAT) and least <= value <= most:
        return
    reach = f"from {least:g} to {most:g}" if np.isfinite(most) else f"of at least {least:g}"
    raise OptionError(f"{name}={value!r} should be a {'whole' if whole else 'finite'} number {reach}.")


def check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Refuse a name that is not known."""
    if not isinstance(value, str) or value not in known:
        raise OptionError(f"{name}={value!r} is not known.{nearest(str(value), known)}")


def check_flag(name: str, value: Any) -> None:
    """Refuse what is not True or False."""
    if not isinstance(value, bool | np.bool_):
        raise OptionError(f"{name}={value!r} should be True or False.")


def stratified_folds(codes: NDArray[np.int64], most: int) -> NDArray[np.int64] | None:
    """(L,) the fold of each labeled row, every class in every fold; None where a class has one row only.

    There are `most` folds, or as many as the rarest class has rows.
    """
    n = min(most, int(np.bincount(codes).min()))
    if n < 2:
        return None
    fold = np.empty(len(codes), dtype=np.int64)
    fold[np.argsort(codes, kind="stable")] = np.arange(len(codes)) % n
    return fold
