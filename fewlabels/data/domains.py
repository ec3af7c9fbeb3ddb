"""`domain=`: from which side each row comes, above 0 the source's, below 0 the target's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.errors import InputError


def read_domain(domain: Any, n_rows: int) -> NDArray[np.int8]:
    """(N,) 1 for rows of the source, -1 for rows of the target.

    Parameters
    ----------
    domain : (N,) numbers; as in other libraries for domain adaptation their sign counts, so that several sources may
        be 1, 2, 3

    Raises
    ------
    InputError : another length, no numbers, a 0, or one of the sides has fewer than two rows
    """
    try:
        given = np.asarray(domain, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"domain does not hold numbers ({error}). Give above 0 for rows of the source, below 0 for the target's."
        ) from None
    if given.shape != (n_rows,):
        raise InputError(f"domain has shape {given.shape} and X {n_rows} rows. Give one number for each row.")
    signs = np.nan_to_num(np.sign(given)).astype(np.int8)
    if not signs.all():
        row = int(np.argmin(np.abs(signs)))
        raise InputError(
            f"domain[{row}] is {given[row]:g}, which is neither side. Give above 0 for each row of the source, below 0 "
            "for the target's."
        )
    check_sides(signs)
    return signs


def check_sides(signs: NDArray[np.int8]) -> None:
    """Refuse a side with fewer than two rows.

    Raises
    ------
    InputError
    """
    counts = {"source": int((signs > 0).sum()), "target": int((signs < 0).sum())}
    for side, count in counts.items():
        if count < 2:
            raise InputError(
                f"the {side} has {count} row{'s' * (count != 1)}; adapting one side to the other needs at least 2 of "
                "each. Without domain= labeled rows are the source and unlabeled rows the target."
            )
