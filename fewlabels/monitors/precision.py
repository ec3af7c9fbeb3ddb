"""Are confident pseudo-labels right? Asked of labels that were kept back from training (`watch_labels`).

The rows stay in the pool, where they are taught what the model guesses, as any unlabeled row is; only here their labels
are compared with the guesses. They choose nothing in the training. They are rows like the labeled ones, so they tell
nothing of a pool that comes from elsewhere: `fl.audit` asks for that.
"""

from __future__ import annotations

from fewlabels.audits.finding import Finding
from fewlabels.intervals import wilson
from fewlabels.monitors.looks import SURE
from fewlabels.monitors.seen import Seen, no_looks, percent

# A rule of thumb. Sure means 95 %, and networks promise a little too much; below this, with the error of the count,
# guesses are not what they say.
LEAST_RIGHT = 0.85
FEWEST = 20  # sure rows with a label: of fewer, the interval says nothing
LEVEL = 0.999  # of the interval; so high because there are up to 20 looks, and it may speak at any


def precision(seen: Seen) -> Finding:
    """Of the rows of which the teacher is at least 95 % sure, how many it is right about, at the last look."""
    if not seen.passes:
        return no_looks("precision", seen)
    if not seen.watched:
        text = "Not asked: no label was kept back. watch_labels=10 keeps ten labels a class for this."
        return Finding("precision", "not applicable", None, text)
    last = seen.looks[-1] if seen.looks else None
    if last is None or last.taught < FEWEST:
        sure = 0 if last is None else last.taught
        text = f"Not checked: the model is sure of {sure} of {seen.watched} rows whose label was kept back."
        return Finding("precision", "skipped", None, f"{text} It takes {FEWEST}.")
    share, (low, high) = last.right / last.taught, wilson(last.right, last.taught, LEVEL)
    evidence = {"sure": last.taught, "right": last.right, "low": low, "high": high}
    said = f"{last.right} of {last.taught} rows of which it is at least {percent(SURE)} sure ({percent(share)})"
    if high >= LEAST_RIGHT:
        return Finding(
            "precision", "ok", share, f"Of rows with a label kept back the model is right about {said}.", evidence
        )
    text = (
        f"Of rows with a label kept back the model is right about only {said}: its pseudo-labels are wrong more often "
        "than they say, and teach their errors. Raise the threshold (weight.tau=0.99), lower lambda_u, align the "
        "guesses (align=ToPrior), and look whether unlabeled rows come from another source (fl.audit: shift)."
    )
    return Finding("precision", "look", share, text, evidence)
