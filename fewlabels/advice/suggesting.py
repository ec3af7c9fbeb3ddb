"""`suggest`: which methods to try for this data, why, and on which figures that rests."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

from fewlabels.advice.measured import Measured
from fewlabels.advice.rules import choose, possible, reason, weigh
from fewlabels.advice.seeing import Seen, look
from fewlabels.advice.trying import Trial, try_methods
from fewlabels.audits.finding import Finding
from fewlabels.data.labels import Task, guess_task
from fewlabels.errors import OptionError
from fewlabels.estimators import make
from fewlabels.partial_labels import partial
from fewlabels.progress import Verbose
from fewlabels.recipes import default_method
from fewlabels.seeds import check_seed

FEWEST_TO_TRY = 4  # labels a class, so that some can be held out
MANY = 3  # times the labels of the measurements
_TELL = ("duplicates", "scarcity", "imbalance", "shift", "predicted_shift", "open_set", "neighbors")
_NOTHING = "No method gained anything on similar data. Expect the labels alone to do as well, and compare."
_MORE_LABELS = (
    "All of this was measured with at most {} labels, and you have {}. The more labels, the less unlabeled data has to "
    "add: fewlabels.label_budget shows how much on your own."
)
_UNCLEAR = "None of these gains is clear of chance: every interval reaches below 0, or there were too few runs for one."
_ALWAYS = (
    "These are leads, not verdicts. The model on the labels alone is the one to beat, and only fewlabels.compare on "
    "rows that took no part says whether a method does."
)


@dataclass(frozen=True)
class Suggestion:
    """A method to try.

    Attributes
    ----------
    method : its name, as `method=` takes it
    reason : why, in a sentence
    figures : the measurements of benchmarks/results that the reason rests on
    figure : what the order goes by, see `fewlabels.advice.rules`; a share, 0.05 is 5 points
    trial : how it did on the labels at hand, with seconds=; None if it was not tried
    untried : why it was not, empty otherwise
    """

    method: str
    reason: str
    figures: tuple[Measured, ...]
    figure: float
    trial: Trial | None = None
    untried: str = ""


@dataclass(frozen=True)
class Advice:
    """Suggestions, the first ones first. Iterate over it, or print it.

    Attributes
    ----------
    suggestions : methods to try
    seen : what the data look like
    notes : what to mind, sentences: findings of the audit, and what the trials can show
    """

    suggestions: tuple[Suggestion, ...]
    seen: Seen
    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[Suggestion]:
        return iter(self.suggestions)

    def __len__(self) -> int:
        return len(self.suggestions)

    def __str__(self) -> str:
        lines = [f"{self.seen}.", ""]
        for place, each in enumerate(self.suggestions, start=1):
            head = f"{place}. {each.method}: "
            lines += textwrap.wrap(head + each.reason, 110, subsequent_indent="   ")
            lines += [f"   - {line}" for line in each.figures]
            if each.trial is not None:
                lines.append(f"   tried: {_told(each.trial, self.seen.task)}")
            elif each.untried:
                lines.append(f"   not tried: {each.untried}")
        for note in self.notes:
            lines += ["", *textwrap.wrap(note, 110)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        seen = {k: v for k, v in vars(self.seen).items() if k not in ("audit", "alarms")}
        seen["alarms"] = sorted(self.seen.alarms)
        return {"suggestions": [asdict(each) for each in self.suggestions], "seen": seen, "notes": list(self.notes)}


def suggest(
    X: Any,
    y: Any,
    *,
    task: Task | None = None,
    seconds: float | None = None,
    most: int = 5,
    random_state: int | None = 0,
    verbose: Verbose = "auto",
) -> Advice:
    """Suggest methods for this data, from what it looks like and what was measured on other data.

    The order goes by the mean gain on similar data in the project's benchmarks (counted for less where there is little
    of it) and by a few rules about the kind of data, the labels of each class and the audit's findings; see
    `fewlabels.advice.rules`. There is no parameter for a test set, which chooses nothing.

    Parameters
    ----------
    X : rows as `fewlabels.partial` takes them, SciPy sparse ones too
    y : their labels, unlabeled rows marked as in `fewlabels.partial`
    task : "classes", "numbers" or "masks"; None guesses from y as `fewlabels.compare` does
    seconds : also try the suggestions within this time: three tenths of the labels are held out again and again, the
        same for every method, and the order follows what is seen there. None: nothing is trained
    most : how many suggestions
    random_state : seed of the audit's samples and of the trials
    verbose : whether trials show progress

    Returns
    -------
    Advice

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot

    Examples
    --------
    >>> import fewlabels as fl
    >>> data = fl.datasets.load_digits(random_state=0)
    >>> advice = fl.suggest(data.X, data.y, most=3)
    >>> len(advice), advice.seen.kind
    (3, 'images')
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise OptionError(f"most={most!r}; expected a number of suggestions, at least 1.")
    if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
        raise OptionError(f"seconds={seconds!r}; expected a time above 0, or None to train nothing.")
    seed = check_seed(random_state)
    task = task or guess_task(y)
    data = partial(X, y, task=task, sparse=True)
    seen = look(data, task, seed)
    kept = choose([weigh(name, seen) for name in possible(seen)], most, default_method(task))
    suggestions = tuple(Suggestion(each.method, reason(each), each.lines, each.figure) for each in kept)
    notes = [_note(finding) for finding in seen.audit or () if finding.check in _TELL and finding.check in seen.alarms]
    if not any(each.gained for each in kept):
        notes.insert(0, _NOTHING)
    elif not any(line.low is not None and line.low > 0 for each in kept for line in each.lines):
        notes.insert(0, _UNCLEAR)
    most_labels = max((line.labels for each in kept for line in each.lines), default=seen.labeled)
    if seen.labeled > MANY * most_labels:
        notes.append(_MORE_LABELS.format(most_labels, seen.labeled))
    if seconds is not None:
        suggestions, said = _tried(data, seen, suggestions, seconds, seed, verbose)
        notes.insert(0, said)
    return Advice(suggestions, seen, (*notes, _ALWAYS))


def _note(finding: Finding) -> str:
    return f"{finding.check.replace('_', ' ').capitalize()}: {finding.text}"


def _tried(
    data: Any, seen: Seen, suggestions: tuple[Suggestion, ...], seconds: float, seed: int, verbose: Verbose
) -> tuple[tuple[Suggestion, ...], str]:
    why = _too_little(seen)
    if why:
        return suggestions, f"Nothing was tried: {why}. Use fewlabels.compare."
    models = {each.method: make(each.method, seen.task) for each in suggestions}
    trials, left = try_methods(data, models, seconds, seed, verbose)
    found = [replace(each, trial=trials.get(each.method), untried=left.get(each.method, "")) for each in suggestions]
    # stable: those not tried keep their order, behind
    found.sort(key=lambda each: -each.trial.common if each.trial is not None else math.inf)
    return tuple(found), _so_what(trials, seen.task)


def _too_little(seen: Seen) -> str:
    """Why nothing can be held out; empty when it can."""
    if seen.task == "masks":
        return "masks are not tried here"
    few = seen.labeled < FEWEST_TO_TRY * max(1, seen.classes) or seen.fewest == 1
    return f"{seen.labeled} labels are too few to hold some out" if few else ""


def _so_what(trials: dict[str, Trial], task: str) -> str:
    if not trials:
        return "Nothing could be tried in the time given; allow more seconds."
    best = max(trials.values(), key=lambda each: each.common)
    said = f"Of {len(trials)} methods tried on held-out labels {best.method} did best: {_told(best, task)}."
    if best.low is None or best.low <= 0:
        said += " Whether it beats the labels alone these trials do not show."
    return f"{said} The best of several is too good by chance: judge it once more with compare, on other rows."


def _told(trial: Trial, task: str) -> str:
    error = task == "numbers"
    scale, digits, percent, points = (1.0, ".3g", "", "") if error else (100.0, ".1f", " %", " points")
    gains = [f"{scale * x:+{digits}}".replace("-", "−") for x in (trial.gain, trial.low, trial.high) if x is not None]
    span = f", {gains[1]} to {gains[2]}" if len(gains) == 3 else ", too few for an interval"
    score, base = (f"{abs(scale * x):{digits}}{percent}" for x in (trial.candidate, trial.baseline))
    splits = f"{trial.repeats} split{'s' * (trial.repeats > 1)}"
    what, better = ("error", "error lower by") if error else ("accuracy", "gain")
    return f"{what} {score} against {base} on the labels alone ({splits}; {better} {gains[0]}{points}{span})"
