"""Do guesses pile up in a few classes?

The shares of the classes that the final model gives to the rows looked at, beside an estimate for the same rows that
knows nothing of that model: the maximum-likelihood shares of `audits/shares.py`, from a logistic regression on the
labels in folds. That estimate is rough with few labels (of 40 labels in ten classes it is off by 5 to 15 points), so
both a large ratio of one class and a large difference of all together are asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fewlabels.audits.features import features
from fewlabels.audits.finding import Finding
from fewlabels.audits.predictions import fold_matched
from fewlabels.audits.shares import mlls
from fewlabels.audits.view import FEWEST, MOST_LABELED
from fewlabels.monitors.seen import Seen, no_looks, percent
from fewlabels.partial_labels import Partial

Floats = NDArray[np.float64]

# One class predicted three times as often as estimated, or a third as often: a rule of thumb
RATIO = 3.0
# ... and by this much: a third of little is chance. 256 rows know a share of 10 % to 2 points, 40 labels to 5
LEAST_POINTS = 0.05
# Half the sum of all differences. Healthy runs: up to 0.34, where the estimate was wrong and the model right (32 labels
# of classes that overlap); imbalanced labels: 0.38 and more; pools from elsewhere: 0.55 and more
LEAST_MOVED = 0.36


def collapse(seen: Seen) -> Finding:
    """One class far too often or too rarely; the value is half the sum of the differences to the estimate."""
    if not seen.looks:
        return no_looks("collapse", seen)
    if min(len(seen.partial.labeled), len(seen.rows)) < FEWEST:
        text = f"Not checked: an estimate of the shares needs {FEWEST} labeled and {FEWEST} unlabeled rows."
        return Finding("collapse", "skipped", None, text)
    expected = estimated(seen.partial, seen.rows, seen.seed)
    given = np.array(seen.looks[-1].counts, dtype=np.float64) / len(seen.rows)
    names = [str(name) for name in np.asarray(seen.partial.classes).tolist()]
    moved, worst = float(np.abs(given - expected).sum() / 2), int((given - expected).argmax())
    far = (given > RATIO * expected) | (given < expected / RATIO)
    evidence = {
        "predicted": dict(zip(names, given.tolist(), strict=True)),
        "estimated": dict(zip(names, expected.tolist(), strict=True)),
    }
    if moved < LEAST_MOVED or not np.any(far & (np.abs(given - expected) >= LEAST_POINTS)):
        text = f"Predicted class shares differ from an estimate by {100 * moved:.0f} points together."
        return Finding("collapse", "ok", moved, text, evidence)
    text = (
        f"The model says {names[worst]!r} for {percent(given[worst])} of the unlabeled rows; an estimate from the "
        f"labels and a simple model is {percent(expected[worst])}, and over all classes the two differ by "
        f"{100 * moved:.0f} points. Guesses may have piled up in a few classes, which pseudo-labels then confirm. "
        "Align the guesses (align=ToPrior), balance the labels (class_balanced or logit_adjustment), lower lambda_u, "
        "and look for unlabeled rows of other classes or another source (fl.audit: open_set, shift)."
    )
    return Finding("collapse", "look", moved, text, evidence)


def estimated(partial: Partial, rows: NDArray[np.int64], seed: int) -> Floats:
    """Class shares (K,) of these unlabeled rows, see `audits.shares.mlls`."""
    rng = np.random.default_rng([seed, 7])
    n = len(partial.labeled)
    chosen = np.arange(n) if n <= MOST_LABELED else np.sort(rng.choice(n, MOST_LABELED, replace=False))
    x, _ = features(partial.x, np.concatenate([partial.labeled[chosen], rows]), None, seed)
    y, n_l = partial.y[chosen], len(chosen)
    prior = np.bincount(y, minlength=partial.n_classes) / n_l
    return mlls(fold_matched(x[:n_l], y, x[n_l:], partial.n_classes, rng)[1], prior)
