"""What training looked like while it went: one question, one file. A monitor takes a `Seen` and returns a `Finding`.

Monitors read the history that training keeps anyway, and looks at a few unlabeled rows (`looks.py`). They change
nothing, and draw nothing from the training's randomness. Labels of unlabeled rows do not exist here. Every threshold is
a named constant beside its monitor; the runs that their comments speak of are those of benchmarks/monitors.py.
"""

from __future__ import annotations

from collections.abc import Callable

from fewlabels.audits.finding import Finding
from fewlabels.monitors.collapse import collapse
from fewlabels.monitors.disagreement import disagreement
from fewlabels.monitors.flips import flips
from fewlabels.monitors.length import length
from fewlabels.monitors.mask import mask_empty, mask_full
from fewlabels.monitors.precision import precision
from fewlabels.monitors.seen import Seen
from fewlabels.monitors.spikes import spikes

__all__ = ["EARLY", "MONITORS", "Seen"]

Monitor = Callable[[Seen], Finding]

# in the order in which they are shown
MONITORS: tuple[Monitor, ...] = (mask_empty, mask_full, collapse, precision, flips, disagreement, length, spikes)
# those that know something before the end, while there is time to stop
EARLY: tuple[Monitor, ...] = (mask_empty, precision, flips, disagreement, spikes)
