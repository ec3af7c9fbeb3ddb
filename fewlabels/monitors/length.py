"""Was the run long enough?

How often each unlabeled row was seen is shown, but no bound is put on it: runs with 7 passes over 60,000 images were
long enough, and runs with 5 passes over 1,200 were not. Whether losses and masks still move tells more.
"""

from __future__ import annotations

from fewlabels.audits.finding import Finding
from fewlabels.monitors.seen import Seen, percent

# loss_x of the last fifth, as a share of the loss of a model that knows nothing. Healthy runs: up to 0.42 (MixMatch,
# whose labels are mixed), others up to 0.08. 27 steps: 0.70 to 0.95.
MOST_LEFT, NOTHING_LEARNT = 0.5, 0.8
# ... and by how much it fell from the fifth before; 27 steps: 9 %.
STILL_FALLING = 0.05
# Rise of mask_used from the third to the last quarter. Healthy runs: up to 0.065; a fifth of the steps: 0.11 to 0.14.
STILL_CLIMBING = 0.10


def length(seen: Seen) -> Finding:
    """Whether loss_x, as a share of a guess's loss, is still high and falling, or the mask still filling."""
    if seen.done < 1:
        return Finding("length", "skipped", None, "Judged at the end.")
    before, last = seen.values("loss_x", 0.6, 0.8), seen.values("loss_x", 0.8)
    if not len(before) or not len(last):
        return Finding("length", "skipped", None, "Not checked: too few steps for a history, or no loss_x in it.")
    left, fall = float(last.mean()) / seen.chance, 1 - float(last.mean()) / max(float(before.mean()), 1e-12)
    climb = _climb(seen)
    evidence = {
        "loss_x over that of a guess": left,
        "fall in the last fifth": fall,
        "passes over all rows": seen.passes,
    }
    said = []
    if left > NOTHING_LEARNT or (left > MOST_LEFT and fall > STILL_FALLING):
        said.append(
            f"the loss on labeled rows (loss_x) was still {percent(left)} of that of a model that knows nothing"
        )
    if climb > STILL_CLIMBING:
        said.append(f"mask_used rose by {100 * climb:.0f} points in the last quarter")
    seen_often = f" Each row was used {seen.passes:.1f} times." if seen.passes else ""
    if not said:
        return Finding(
            "length", "ok", left, f"At the end loss_x was {percent(left)} of a guess's.{seen_often}", evidence
        )
    text = (
        f"The training ended before it settled: {' and '.join(said)}.{seen_often} Take more steps (now "
        f"{seen.steps:,}); if the loss does not fall at all, another lr."
    )
    return Finding("length", "look", left, text, evidence)


def _climb(seen: Seen) -> float:
    third, last = seen.values("mask_used", 0.5, 0.75), seen.values("mask_used", 0.75)
    return float(last.mean() - third.mean()) if len(third) and len(last) else 0.0
