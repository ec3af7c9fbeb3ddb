"""Did every row end on one point?

Two signs, since there are two ways. If the network answers with the centre whatever it sees, the rows' codes have no
spread beside the length of the centre. If it answers with one other point (weights that decay to zero answer with the
origin), every row has the same distance to the centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fewlabels.audits.finding import Finding

# Total variance of the codes over the squared length of the centre. Healthy trainings (tables and images of
# benchmarks/anomalies.py): 7e-4 to 1.6
LEAST_SPREAD = 1e-7
# Interquartile range of the distances over their median. The same trainings: 0.87 to 2.6
LEAST_DIFFERENCE = 1e-2


def collapse(codes: NDArray[np.float64], center: NDArray[np.float64]) -> Finding:
    """The value is the spread of the codes (N, d) beside the length of the centre (d,)."""
    distance = np.square(codes - center).sum(1)
    low, middle, high = np.quantile(distance, (0.25, 0.5, 0.75))
    spread = float(codes.var(0).sum() / np.square(center).sum())
    difference = float((high - low) / middle) if middle > 0 else 0.0
    evidence = {"spread": spread, "difference of distances": difference}
    if len(codes) < 2 or (spread >= LEAST_SPREAD and difference >= LEAST_DIFFERENCE):
        text = f"Codes of rows differ: their variance is {spread:.2g} of the squared length of the centre."
        return Finding("collapse", "ok", spread, text, evidence)
    text = (
        f"The network maps nearly all rows onto one point: the variance of their codes is {spread:.2g} of the squared "
        f"length of the centre, and half of the distances to it lie within {100 * difference:.2g} % of their median. "
        "Scores then mean nothing. Lower weight_decay and lr, take fewer steps, or a smaller latent, and look whether "
        "rows of X differ at all."
    )
    return Finding("collapse", "look", spread, text, evidence)
