"""Is the network sure of one class now and of another a little later?

Asked of the student. The teacher, a moving average, was never seen to do so, not even where training broke down.
"""

from __future__ import annotations

from fewlabels.audits.finding import Finding
from fewlabels.monitors.seen import Seen, no_looks, percent

# Of rows that were sure at two looks in a row, those that changed class. Healthy runs: none of 61,000 such rows;
# a learning rate at which training breaks down: 6 %.
MOST_FLIPPED = 0.02
FEWEST = 50  # such rows; 2 % of fewer are less than one


def flips(seen: Seen) -> Finding:
    """Sure rows that change class between looks, as a share of those that could."""
    if not seen.looks:
        return no_looks("flips", seen)
    both, flipped = sum(look.both for look in seen.looks), sum(look.flipped for look in seen.looks)
    if both < FEWEST:
        return Finding(
            "flips", "skipped", None, f"Not checked: {both} times only was a row sure at two looks in a row."
        )
    share = flipped / both
    evidence = {"sure at two looks in a row": both, "changed class": flipped}
    if share <= MOST_FLIPPED:
        text = f"Of {both:,} times that a row was sure at two looks in a row, it had changed class {flipped:,} times."
        return Finding("flips", "ok", share, text, evidence)
    text = (
        f"In {percent(share)} of the cases in which the network was sure of an unlabeled row twice in a row, it was "
        "sure of another class than before. Such guesses teach contradictions. Lower lr, or raise weight.tau."
    )
    return Finding("flips", "look", share, text, evidence)
