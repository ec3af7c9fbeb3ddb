"""A claim about two methods, not two fitted models: at least five pairs, each with its own seed and split."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from fewlabels.data.inputs import read_X
from fewlabels.errors import InputError, OptionError
from fewlabels.estimators import name_of
from fewlabels.intervals import nadeau_bengio, seeds_and_rows
from fewlabels.pairs import Divided, divide, fit_both, output, row_scores, set_if_there
from fewlabels.progress import Verbose, show_progress
from fewlabels.records import Records, contents, fingerprint
from fewlabels.verdict import FEWEST_FOR_BOOTSTRAP, Paired, Verdict, decide

FEWEST = 5  # with 2 to 4 pairs the t quantile is 12.7 to 3.2: such an interval says nothing, or tempts to believe it


@dataclass(frozen=True)
class Repeated:
    """Pairs of models of the same two methods. A positive `difference` is in the candidate's favour.

    Attributes
    ----------
    new_splits : True when every pair had other held-out rows; False when a test set was given, and only seeds differ
    seeds : of each pair; the first is that of the comparison's own models
    baseline_scores, candidate_scores : of each pair, in `metric`
    metric : as `Paired.metric`: accuracy or mean IoU (higher is better), or mean absolute error (lower is better)
    difference, low, high : the mean difference and its interval at `level`, see `intervals.nadeau_bengio` and, with a
        test set, `intervals.seeds_and_rows`
    p_value : two-sided
    verdict : by the rule of `verdict.Paired`
    delta : as in `Paired`
    sentence : the result in plain words
    """

    new_splits: bool
    seeds: tuple[int, ...]
    baseline_scores: tuple[float, ...]
    candidate_scores: tuple[float, ...]
    metric: str
    difference: float
    low: float
    high: float
    level: float
    p_value: float
    verdict: Verdict
    delta: float
    sentence: str = field(default="")


def check_repeats(repeats: int) -> None:
    """Refuse numbers of repeats from which no claim about methods follows.

    Raises
    ------
    OptionError : neither 1 nor at least 5
    """
    whole = isinstance(repeats, int | np.integer) and not isinstance(repeats, bool)
    if not whole or (repeats != 1 and repeats < FEWEST):
        raise OptionError(
            f"repeats={repeats!r}; expected 1 (a verdict on two fitted models) or at least {FEWEST} (a claim about "
            "methods). From 2 to 4 pairs the spread between pairs cannot be estimated: their interval would be "
            "several times as wide, or be believed although it is wrong."
        )


def repeat_seed(seed: int, number: int) -> int:
    """The seed of a pair; the first one's is the comparison's own. Hashed, since methods count up from their seed."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)


def repeat(
    candidate: Any,
    given: tuple[Any, Any, Any, Any],
    first: tuple[Divided, list[NDArray[Any]]],
    paired: Paired,
    options: dict[str, Any],
    *,
    seed: int,
    repeats: int,
    folder: Path | None,
    verbose: Verbose,
) -> Repeated:
    """Train and score the other pairs, and say what all of them show.

    Parameters
    ----------
    candidate : the unfitted estimator; each pair trains a clone
    given : X, y, X_test, y_test as the user gave them
    first : the rows of the first pair and what its two models said of its evaluation rows
    paired : what the first pair's rows say; metric, delta and level are taken from it
    options : task, holdout, sparse, domain and graph, as `pairs.divide` takes them
    """
    rows, new_splits = first[0], given[2] is None
    if not new_splits and len(rows.y_eval) < FEWEST_FOR_BOOTSTRAP:
        raise InputError(
            f"the test set has {len(rows.y_eval)} rows; a claim about methods needs at least {FEWEST_FOR_BOOTSTRAP}."
        )
    records = Records(
        None if folder is None else folder / "repeats.json",
        # the test rows too: their scores are what is kept
        fingerprint(rows.data, candidate, "repeats 1", seed, options, _digest(rows)),
    )
    scores = [_scores(rows, first[1])]
    with show_progress(verbose, "repeats", 1, repeats, "pair") as progress:
        for number in range(1, repeats):
            progress.update(number)
            key = str(number)
            if key not in records.values:
                place = None if folder is None else folder / f"repeat-{number}"
                records.add(key, _pair(candidate, given, options, repeat_seed(seed, number), place).tolist())
                if place is not None:
                    _forget(place)
            scores.append(np.asarray(records.values[key]))
    seeds = tuple(repeat_seed(seed, number) for number in range(repeats))
    ratio = len(rows.y_eval) / len(rows.data.labeled) if new_splits else None
    return conclude(scores, seeds, ratio, paired, name_of(candidate))


def _pair(
    candidate: Any, given: tuple[Any, Any, Any, Any], options: dict[str, Any], seed: int, place: Path | None
) -> NDArray[np.float64]:
    model = clone(candidate)
    set_if_there(model, verbose=False)  # the pairs have a bar of their own, and a terminal shows one at a time
    rows = divide(*given, seed=seed, **options)
    baseline, _ = fit_both(model, rows.X, rows.y, seed, place, rows.domain, rows.graph)
    return _scores(rows, [output(each, rows.X_eval, rows.edges) for each in (baseline, model)])


def _forget(place: Path) -> None:
    """Remove the checkpoints of a pair, of no use once its scores are kept; and nothing else that may be there."""
    for role in ("baseline", "candidate"):
        shutil.rmtree(place / role, ignore_errors=True)
    with contextlib.suppress(OSError):
        place.rmdir()


def _scores(rows: Divided, outputs: list[NDArray[Any]]) -> NDArray[np.float64]:
    """(2, n): each evaluation row's score, baseline and candidate."""
    return np.stack([row_scores(rows.y_eval, rows.data.classes, each) for each in outputs])


def _digest(rows: Divided) -> str:
    x, _ = read_X(rows.X_eval, sparse=True)
    return contents(rows.rows_eval, rows.y_eval, x)


def conclude(
    scores: list[NDArray[np.float64]], seeds: tuple[int, ...], ratio: float | None, paired: Paired, name: str
) -> Repeated:
    """What the pairs say of the methods.

    Parameters
    ----------
    scores : (2, n) of each pair, see `pairs.row_scores`
    ratio : rows held out over labeled rows trained on, or None when all pairs share the evaluation rows
    paired : gives metric, delta and level
    name : of the candidate's method
    """
    gains = [each[1] - each[0] for each in scores]
    if ratio is None:
        low, high, p_value = seeds_and_rows(np.stack(gains), paired.level)
    else:
        low, high, p_value = nadeau_bengio([gain.mean() for gain in gains], ratio, paired.level)
    sign = -1 if paired.metric == "mean absolute error" else 1
    baseline, candidate = (tuple(sign * float(each[role].mean()) for each in scores) for role in (0, 1))
    floor = paired.delta * (float(np.mean(baseline)) if sign < 0 else 1.0)
    verdict = decide(p_value, low, high, floor, 1 - paired.level)
    mean = float(np.mean([gain.mean() for gain in gains]))
    new_splits = ratio is not None
    repeated = Repeated(
        new_splits,
        seeds,
        baseline,
        candidate,
        paired.metric,
        mean,
        low,
        high,
        paired.level,
        p_value,
        verdict,
        paired.delta,
    )
    return replace(repeated, sentence=_sentence(repeated, name))


def _sentence(repeated: Repeated, name: str) -> str:
    found = {
        Verdict.HELPS: f"the method {name} helped",
        Verdict.HURTS: f"the method {name} hurt",
        Verdict.NO_PRACTICAL_DIFFERENCE: f"the method {name} made no practical difference",
        Verdict.CANNOT_TELL: f"it cannot be told whether the method {name} helps",
    }[repeated.verdict]
    error = repeated.metric == "mean absolute error"
    values = [
        (f"{x:+.3g}" if error else f"{100 * x:+.1f}").replace("-", "−")
        for x in (repeated.difference, repeated.low, repeated.high)
    ]
    n, level = len(repeated.seeds), f"{100 * repeated.level:.4g} %"
    over, interval, missing = f"Over {n} splits, each with its own seed,", f"{level} Nadeau-Bengio interval", ""
    if not repeated.new_splits:
        over = f"Over {n} seeds, with the same labels and the same test rows,"
        interval = f"{level} interval over seeds and test rows"
        missing = " Other labeled rows may give another answer: their variation is not in this interval."
    size = f"a mean difference of {values[0]} points of {repeated.metric}"
    if error:
        size = f"the {repeated.metric} is lower by {values[0]} on average"
    return f"{over} {found}: {size} ({interval} {values[1]} to {values[2]}).{missing}"
