"""Try suggested methods on the user's own labels within some seconds: labeled rows are held out again and again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from fewlabels.budget.measuring import hide, score_plan
from fewlabels.budget.planning import count_held_out, draw_plan
from fewlabels.classical import registry
from fewlabels.intervals import nadeau_bengio
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose, show_progress
from fewlabels.repeats import FEWEST, repeat_seed
from fewlabels.run import _STEPS  # how many steps None stands for

HOLDOUT = 0.3
MOST_REPEATS = 20
_SHORT = 5  # steps of the shorter of two fits that time a deep method; the other has three times as many


@dataclass(frozen=True)
class Trial:
    """Scores of a method and its baseline on held-out labeled rows, higher is better (minus the error for numbers).

    Attributes
    ----------
    method : its name; repeats : splits, the same for all methods
    baseline, candidate : mean scores
    common : mean score of the candidate on the splits that every tried method met: what they may be ranked by
    gain, low, high : mean paired gain and its 95 % interval (Nadeau-Bengio), None below five repeats
    """

    method: str
    repeats: int
    baseline: float
    candidate: float
    common: float
    gain: float
    low: float | None
    high: float | None


def try_methods(
    data: Partial, models: dict[str, Any], seconds: float, seed: int, verbose: Verbose = False
) -> tuple[dict[str, Trial], dict[str, str]]:
    """Take turns until the time is spent; methods meet the same splits.

    A fit begins only if it is expected to end in time. A deep method is timed by two short fits first; how long the
    first fit of a classical one takes is not known, so the time may be overrun by that one.

    Returns
    -------
    trials of the methods that were tried at least once; why the others were not
    """
    n_out, end = count_held_out(data, HOLDOUT), time.monotonic() + seconds
    # classical methods first: they take seconds, and a deep one may take all there are
    models = dict(sorted(models.items(), key=lambda item: item[0] not in registry.NAMES))
    costs: dict[str, float] = {}
    scores: dict[str, list[list[float]]] = {name: [] for name in models}
    left: dict[str, str] = {}
    with show_progress(verbose, "trying", 0, round(seconds), "second") as progress:
        for number in range(MOST_REPEATS):
            part_seed = repeat_seed(seed, number)
            plan = draw_plan(data, n_out, part_seed)
            for name, model in models.items():
                if name in left or time.monotonic() >= end:
                    continue
                if name not in costs and name not in registry.NAMES:
                    costs[name] = _cost(data, plan, model, part_seed)
                if time.monotonic() + costs.get(name, 0.0) > end:
                    left[name] = f"a pair of fits takes about {costs.get(name, 0.0):.0f} s"
                    continue
                began = time.monotonic()
                scores[name].append(score_plan(data, plan, len(plan.order), clone(model), part_seed))
                costs[name] = time.monotonic() - began
                progress.update(min(round(seconds - (end - time.monotonic())), round(seconds)), name)
    met = min((len(found) for found in scores.values() if found), default=0)
    ratio = n_out / (len(data.y) - n_out)
    trials = {name: _trial(name, np.asarray(found), met, ratio) for name, found in scores.items() if found}
    return trials, {name: left.get(name, "the time was spent") for name in models if name not in trials}


def _cost(data: Partial, plan: Any, model: Any, seed: int) -> float:
    """Seconds that a candidate and its baseline will need, from two short fits of the candidate; rather too many."""
    X, y, _, _ = hide(data, plan, len(plan.order))
    taken = []
    for steps in (_SHORT, 3 * _SHORT):
        began = time.monotonic()
        clone(model).set_params(steps=steps, verbose=False, random_state=seed).fit(X, y)
        taken.append(time.monotonic() - began)
    steps = _STEPS[data.kind] if model.steps is None else model.steps
    step = max(taken[1] - taken[0], 0.0) / (2 * _SHORT)
    return 2 * (taken[0] + step * steps)


def _trial(name: str, scores: Any, met: int, ratio: float) -> Trial:
    gains = scores[:, 1] - scores[:, 0]
    low = high = None
    if len(gains) >= FEWEST:
        low, high, _ = nadeau_bengio(gains, ratio)
    baseline, candidate = scores.mean(0).tolist()
    common = float(scores[:met, 1].mean())
    return Trial(name, len(gains), baseline, candidate, common, float(gains.mean()), low, high)
