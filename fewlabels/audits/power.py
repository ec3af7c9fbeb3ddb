"""What gain can this test set show, and how many labels would a verdict round need?"""

from __future__ import annotations

from math import ceil, sqrt

from scipy.stats import binom, norm

from fewlabels.audits.finding import Finding
from fewlabels.audits.view import View
from fewlabels.intervals import smallest_detectable

# Before training nobody knows on how many rows exactly one of the two models will be right. A tenth is usual.
DISAGREEMENT = 0.1
GAIN = 0.05  # what a user would like to see
HOLDOUT = 0.3  # as in `fewlabels.compare`


def power(view: View) -> Finding:
    """Look when a gain of 5 points would be missed more often than in one case of five."""
    if view.data.classes is None:
        text = "For numbers this depends on how the errors of the two models are spread, which only training shows."
        return Finding("power", "not applicable", None, text)
    given = view.x_test is not None
    n = view.x_test.shape[0] if given else round(HOLDOUT * len(view.data.labeled))
    gain = smallest_detectable(n, DISAGREEMENT)
    needed, sign_test = labels_needed(GAIN, DISAGREEMENT), round_needed(GAIN, DISAGREEMENT)
    rows = f"{n:,} test rows" if given else f"{n:,} labels held out of training (there is no test set)"
    if gain is None:
        seen = f"With {rows} no gain at all would be found reliably"
    else:
        seen = f"With {rows} a gain of {100 * gain:.1f} points or more would be found in 4 of 5 cases"
    text = (
        f"{seen}, if exactly one of the two models is right on a tenth of the rows. To find a gain of {100 * GAIN:.0f} "
        f"points, {needed:,} random test labels are needed, or about {sign_test} labels on rows on which the two "
        "models disagree."
    )
    found = gain is not None and gain <= GAIN
    if not found:
        text += " With this test set expect the verdict CANNOT TELL unless the gain is larger."
    evidence = {
        "evaluation rows": n,
        "assumed share of rows on which exactly one model is right": DISAGREEMENT,
        "smallest gain found in 4 of 5 cases": gain,
        "random labels needed for a gain of 5 points": needed,
        "labels needed where the models disagree": sign_test,
    }
    return Finding("power", "ok" if found else "look", gain, text, evidence)


def labels_needed(gain: float, disagreement: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Random labels that find `gain` with this power: (z_a sqrt(d) + z_b sqrt(d - g^2))^2 / g^2 (Connor 1987)."""
    z_a, z_b = float(norm.ppf(1 - alpha / 2)), float(norm.ppf(power))
    return ceil((z_a * sqrt(disagreement) + z_b * sqrt(disagreement - gain**2)) ** 2 / gain**2)


def round_needed(gain: float, disagreement: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Labels on rows where exactly one model is right, for an exact two-sided sign test to find it with this power.

    Of these rows the better model wins the share (1 + g / d) / 2.
    """
    win = (1 + gain / disagreement) / 2
    m = 1
    while True:
        fewer = int(binom.ppf(alpha / 2, m, 0.5))
        fewer -= binom.cdf(fewer, m, 0.5) > alpha / 2
        if fewer >= 0 and binom.cdf(fewer, m, 1 - win) + binom.cdf(fewer, m, win) >= power:
            return m
        m += 1
