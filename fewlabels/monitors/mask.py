"""Do unlabeled rows count at all, and does the threshold choose among them?"""

from __future__ import annotations

from fewlabels.audits.finding import Finding
from fewlabels.monitors.seen import EARLIEST, Seen, percent

# Mean of mask_used over the second half. Healthy runs: 0.31 at the least; thresholds nobody reaches: 0.02 at the most.
LEAST_USED = 0.10
# A mask this full at every point of the history chooses nothing. Fixed thresholds of healthy runs start at 0 to 0.3.
FULL = 0.95
# Share of rows at the first look that may be sure: a mask that is full because the data are easy is as it should be.
MOST_SURE = 0.5


def mask_empty(seen: Seen) -> Finding:
    """Near zero for the second half of the run."""
    if not len(seen.values("mask_used")):
        return _no_mask("mask_empty")
    if seen.done < EARLIEST:
        return Finding("mask_empty", "skipped", None, f"Judged after {percent(EARLIEST)} of the steps.")
    used = float(seen.values("mask_used", 0.5).mean())
    if used >= LEAST_USED:
        return Finding("mask_empty", "ok", used, f"In the second half {percent(used)} of the unlabeled rows counted.")
    text = (
        f"Only {percent(used)} of the unlabeled rows counted in the second half of the training (mask_used): the model "
        "learnt from the labels nearly alone. Lower the threshold (weight.tau=0.7 or 0.8), train for more steps, or "
        "take a method whose threshold adapts (freematch, softmatch). If unlabeled rows look unlike labeled ones "
        "(fl.audit: shift), mend that first."
    )
    return Finding("mask_empty", "look", used, text)


def mask_full(seen: Seen) -> Finding:
    """Saturated from the first steps on, although the model was not sure."""
    used = seen.values("mask_used")
    if not len(used):
        return _no_mask("mask_full")
    if seen.learns_threshold:
        text = "The method learns which rows count, and lets all pass at first by design."
        return Finding("mask_full", "not applicable", None, text)
    least = float(used.min())
    sure = seen.looks[0].sure if seen.looks else 0.0
    if least < FULL or sure > MOST_SURE:
        return Finding("mask_full", "ok", least, f"At some point {percent(1 - least)} of the rows were left out.")
    text = (
        f"From the first steps on at least {percent(least)} of the unlabeled rows counted (mask_used), so the "
        "threshold chose nothing, and early guesses were taught right or wrong. Raise the threshold (weight.tau=0.95), "
        "let the unlabeled term grow (ramp), or lower lambda_u. If every row was meant to count, all is as you asked."
    )
    return Finding("mask_full", "look", least, text)


def _no_mask(check: str) -> Finding:
    return Finding(check, "not applicable", None, "The method has no threshold on unlabeled rows.")
