"""Do near rows share a label? What graph methods, and most others, build on.

The share of labeled rows whose nearest other labeled row has the same label, against the same share when the labels
are shuffled 199 times. Equal shares are ordered by chance.

It errs the other way round than an alarm: it says "ok" only where agreement is shown, so where labels have nothing to
do with the rows it says "ok" in 5 % of data sets, and with few labels it may say "look" although near rows do share
labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fewlabels.audits.finding import ALPHA, MOST_ROWS, Finding
from fewlabels.audits.view import FEWEST, View
from fewlabels.graph.neighbors import nearest

SHUFFLES = 199


def neighbors(view: View) -> Finding:
    """Look when nearest labeled rows do not share labels more often than chance would have it."""
    if view.data.classes is None:
        return Finding("neighbors", "not applicable", None, "The labels are numbers, not classes.")
    if len(view.y) < FEWEST:
        text = f"Not checked: {len(view.y)} labels are too few; at least {FEWEST} are needed."
        return Finding("neighbors", "skipped", None, text)
    index = nearest(view.features_l, 1).index[:, 0]
    p, share, chance = agreement(view.y, index, view.rng("neighbors"))
    seen = (
        f"For {100 * share:.0f} % of the labeled rows the nearest other labeled row has the same label; "
        f"{100 * chance:.0f} % would by chance"
    )
    if p <= ALPHA:
        text = f"{seen}. Methods that carry labels to near rows have something to go by."
    else:
        text = (
            f"{seen}, which is no clear difference (p = {p:.2f}). Either the labels are too few and far between to "
            "show it, or distance between these rows says little about the class. Methods that carry labels to near "
            "rows (label propagation, and in part all others) may then spread errors. Use features in which like "
            "things are near (encoder=), or label more rows and ask again."
        )
    evidence = {"p": p, "share": share, "by chance": chance, "labeled rows": len(view.y), "features": view.features_are}
    odd = view.rows_l[view.y != view.y[index]][:MOST_ROWS]
    rows = () if p <= ALPHA else tuple(odd.tolist())
    return Finding("neighbors", "ok" if p <= ALPHA else "look", share, text + view.by_label.sampled, evidence, rows)


def agreement(
    y: NDArray[np.int64], index: NDArray[np.int64], rng: np.random.Generator, shuffles: int = SHUFFLES
) -> tuple[float, float, float]:
    """p, the share of rows that agree with row `index` of them, and that share by chance."""
    shuffled = rng.permuted(np.tile(y, (shuffles, 1)), axis=1)
    counts = np.concatenate([[(y == y[index]).sum()], (shuffled == shuffled[:, index]).sum(1)])
    ties = counts + rng.random(shuffles + 1)
    return float(np.mean(ties >= ties[0])), float(counts[0] / len(y)), float(counts[1:].mean() / len(y))
