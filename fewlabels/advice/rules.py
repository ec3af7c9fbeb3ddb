"""How methods are ordered: by what they gained on similar data, and by rules of thumb about the data at hand.

The figure of a method is the sum of its mean gains on k similar data sets over k + 1, as if there were one more on
which it gained nothing: with little evidence a method counts for less. A rule adds or takes a few points; it stands
for experience (docs/choose.md), not for a measurement, and its sentence is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fewlabels.advice.measured import Measured, similar
from fewlabels.advice.seeing import Seen
from fewlabels.classical import registry
from fewlabels.estimators import NAMES, learns
from fewlabels.methods import NAMES as RECIPES

GRAPH = (
    "label_propagation",
    "label_spreading",
    "poisson_learning",
    "correct_and_smooth",
    "label_propagation_regressor",
)
MOST_OF_A_FAMILY = 2  # a third method of the same idea would tell little more
FAMILY = {
    name: family
    for family, names in {
        "graph": GRAPH,
        "own labels": ("self_training", "co_training", "tri_training", "noisy_student", "pseudo_label"),
        "generative": ("gaussian_mixture", "naive_bayes", "vae"),
        "low density": ("s3vm", "entropy_logistic", "entropy_minimization"),
        "consistency": ("pi_model", "temporal_ensembling", "mean_teacher", "vat"),
        "mixing": ("mixmatch", "remixmatch"),
        "strong augmentation": ("uda", "fixmatch", "flexmatch", "freematch", "softmatch", "adamatch", "defixmatch"),
    }.items()
    for name in names
}


@dataclass(frozen=True)
class Rule:
    """`points` for `methods` where `when` holds; `why` is the end of a sentence, filled from what was seen."""

    methods: tuple[str, ...]
    points: float
    when: Callable[[Seen], bool]
    why: Callable[[Seen], str]


RULES = (
    Rule(
        GRAPH,
        0.03,
        lambda seen: seen.near is True,
        lambda seen: (
            f"for {100 * seen.near_share:.0f} % of the labeled rows the nearest other one has their label "
            f"({100 * seen.near_chance:.0f} % by chance), and it carries labels to near rows"
        ),
    ),
    Rule(
        GRAPH,
        -0.1,
        lambda seen: seen.near is False,
        lambda seen: "near rows were not shown to share labels, and it carries labels to near rows",
    ),
    Rule(
        ("poisson_learning",),
        0.02,
        lambda seen: 0 < seen.fewest <= 2,
        lambda seen: "it was made for one or two labels a class",
    ),
    Rule(
        ("defixmatch",),
        -0.03,
        lambda seen: 0 < seen.fewest <= 4,
        lambda seen: f"with {seen.fewest} labels in a class what it takes away is mostly noise",
    ),
    Rule(
        ("freematch", "softmatch"),
        -0.03,
        lambda seen: seen.ratio >= 10,
        lambda seen: f"it asks for even class shares, and the labels are {seen.ratio:.0f} to 1",
    ),
    Rule(
        ("flexmatch", "freematch"),
        -0.03,
        lambda seen: "open_set" in seen.alarms,
        lambda seen: "the pool holds rows unlike all labeled ones, and its lower thresholds let more of them in",
    ),
    Rule(
        ("adamatch",),
        0.02,
        lambda seen: bool(seen.alarms & {"shift", "predicted_shift"}),
        lambda seen: "labeled and unlabeled rows differ, and it aligns one with the other",
    ),
)


@dataclass(frozen=True)
class Weighed:
    """A method, its figure (a share: 0.05 is 5 points), the lines it rests on, and what speaks for and against it.

    `gained`: whether the lines alone, without any rule, speak for it; True where there are none.
    """

    method: str
    figure: float
    lines: tuple[Measured, ...]
    same_kind: bool
    pro: tuple[str, ...]
    con: tuple[str, ...]
    gained: bool


def possible(seen: Seen) -> list[str]:
    """Methods that learn the task from this kind of data."""
    names = [name for name in [*RECIPES, *NAMES] if name != "supervised" and seen.task in learns(name)]
    if seen.kind == "text":
        return [name for name in names if name in registry.NAMES and registry.NAMES[name].takes_sparse]
    return [name for name in names if not (seen.on_disk and name in registry.NAMES)]


def weigh(method: str, seen: Seen) -> Weighed:
    """What speaks for and against a method."""
    lines, same = similar(method, seen.kind, seen.task)
    figure = sum(line.gain for line in lines) / (len(lines) + 1)
    rules = [rule for rule in RULES if method in rule.methods and rule.when(seen)]
    pro, con = (tuple(rule.why(seen) for rule in rules if (rule.points > 0) == good) for good in (True, False))
    return Weighed(method, figure + sum(rule.points for rule in rules), lines, same, pro, con, figure > 0 or not lines)


def choose(weighed: list[Weighed], most: int, default: str) -> list[Weighed]:
    """The first `most`: those measured on the same kind of data before others, at most two of a family.

    A method that gained nothing is left out, whatever a rule says; if that leaves none, the first of all is kept.
    """
    ordered = sorted(weighed, key=lambda each: (not each.same_kind, -each.figure, each.method != default, each.method))
    kept: list[Weighed] = []
    for each in ordered:
        family = FAMILY[each.method]
        helped = each.gained and (each.figure > 0 or not each.lines)
        if helped and sum(FAMILY[k.method] == family for k in kept) < MOST_OF_A_FAMILY:
            kept.append(each)
    return kept[:most] or ordered[:1]


def reason(weighed: Weighed) -> str:
    """One sentence."""
    lines = weighed.lines
    if not lines:
        said = "It was not measured on such a task"
    else:
        mean = f"{100 * sum(line.gain for line in lines) / len(lines):+.1f}".replace("-", "−")
        unit = "% of the baseline's error" if lines[0].task == "numbers" else "points"
        where = ", ".join(dict.fromkeys(line.data for line in lines))
        kind = "similar data" if weighed.same_kind else "data of other kinds"
        said = f"On {kind} ({where}) its mean gain over the labels alone was {mean} {unit}"
        harm = [line.data for line in lines if line.high is not None and line.high < 0]
        if harm:
            said += f", with clear harm on {', '.join(harm)}"
        elif all(line.low is None for line in lines):
            said += ", from too few runs for an interval"
    pro = f"; {'; '.join(weighed.pro)}" if weighed.pro else ""
    return f"{said}{pro}{'; but ' + '; '.join(weighed.con) if weighed.con else ''}."
