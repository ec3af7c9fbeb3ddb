"""`random_state=` -> one integer, the seed that everything else is drawn from."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from fewlabels.errors import OptionError


def check_seed(random_state: Any) -> int:
    """None (a new one each time), a RandomState or an integer -> an integer from 0 to 2^32 - 1.

    Raises
    ------
    OptionError : an integer outside that range, or anything else
    """
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        if not 0 <= random_state < 2**32:
            raise OptionError(
                f"random_state={random_state}; expected None, a RandomState or an integer from 0 to 2^32 - 1."
            )
        return int(random_state)
    if random_state is None:
        # scikit-learn would draw from NumPy's global state, which stays as the caller left it
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    try:
        return int(check_random_state(random_state).randint(2**31))
    except (TypeError, ValueError):
        raise OptionError(
            f"random_state={random_state!r}; expected None, a RandomState or an integer from 0 to 2^32 - 1."
        ) from None
