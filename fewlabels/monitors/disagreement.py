"""Do the network and its moving average, which predicts in the end, still say different things?"""

from __future__ import annotations

from fewlabels.audits.finding import Finding
from fewlabels.monitors.seen import EARLIEST, Seen, no_looks, percent

# Mean share of rows in the second half. Healthy runs: up to 0.05, and falling; a shifted pool: 0.14 to 0.17; a learning
# rate at which training breaks down: 0.9 to 1.
MOST_DIFFERENT = 0.10


def disagreement(seen: Seen) -> Finding:
    """Share of rows on which student and teacher differ, over the second half of the run."""
    if not seen.looks:
        return no_looks("disagreement", seen)
    late = seen.late_looks()
    if seen.done < EARLIEST or not late:
        return Finding("disagreement", "skipped", None, f"Judged after {percent(EARLIEST)} of the steps.")
    share = sum(look.disagree for look in late) / len(late)
    first = [look.disagree for look in seen.looks if look not in late]
    before = sum(first) / len(first) if first else share
    evidence = {"first half": before, "second half": share}
    if share < MOST_DIFFERENT:
        text = f"In the second half student and teacher differed on {percent(share)} of the rows looked at."
        return Finding("disagreement", "ok", share, text, evidence)
    text = (
        f"Student and teacher differ on {percent(share)} of the unlabeled rows in the second half of the training "
        f"(first half: {percent(before)}), so the model that predicts is not what the network has settled on. Lower "
        "lr, train for more steps, or look whether unlabeled rows come from another source (fl.audit: shift)."
    )
    return Finding("disagreement", "look", share, text, evidence)
