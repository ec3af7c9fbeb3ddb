"""Did the loss jump?"""

from __future__ import annotations

import numpy as np

from fewlabels.audits.finding import Finding
from fewlabels.monitors.seen import Seen

# A recorded point over the median of the ten before. Healthy runs: up to 1.75; a learning rate at which training breaks
# down: 5.7 and more. A point is a mean over a two-hundredth of the run, so that one wild step of five needs 16 times
LARGEST = 4.0
BEFORE = 10
# Medians below this share of a guess's loss count as this share: near zero every change is a multiple.
FLOOR = 0.1


def spikes(seen: Seen) -> Finding:
    """The largest jump of the loss; the first tenth of the run is left out, since it starts from nowhere."""
    skipped, loss = len(seen.values("loss", 0, 0.1)), seen.values("loss")
    first = max(skipped, 1)
    if len(loss) <= first:
        return Finding("spikes", "skipped", None, "Not checked: the history is too short.")
    floor = FLOOR * seen.chance
    jumps = [loss[i] / max(float(np.median(loss[max(0, i - BEFORE) : i])), floor) for i in range(first, len(loss))]
    largest, where = float(max(jumps)), first + int(np.argmax(jumps))
    step = int(seen.history[where]["step"])
    if largest < LARGEST:
        return Finding(
            "spikes", "ok", largest, f"The loss was never more than {largest:.1f} times that shortly before."
        )
    text = (
        f"At step {step:,} the loss was {largest:.0f} times what it had been shortly before. What was learnt until "
        "then may be lost, and the model that predicts is an average over such steps. Lower lr, and look for extreme "
        "values in X."
    )
    return Finding("spikes", "look", largest, text, {"step": step})
