"""suggest: the order follows the figures, every rule changes something, and trials stay within time and labels."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import fewlabels as fl
from fewlabels.advice import rules, trying
from fewlabels.advice.measured import Measured, measured, similar
from fewlabels.advice.rules import FAMILY, RULES, choose, possible, reason, weigh
from fewlabels.advice.seeing import look
from fewlabels.budget.planning import draw_plan
from fewlabels.cli import main
from fewlabels.errors import InputError, OptionError
from fewlabels.estimators import NAMES, learns
from fewlabels.partial_labels import partial
from fewlabels.repeats import repeat_seed


@pytest.fixture(scope="module")
def data():
    return fl.datasets.load_breast_cancer(n_labels=40, random_state=0)


@pytest.fixture(scope="module")
def seen(data):
    return look(partial(data.X, data.y), "classes", 0)


def line(method, gain, low=None, high=None, kind="table", name="here", task="classes"):
    return Measured("x.csv", name, kind, task, 40, 2, method, 20, 0.8, gain, low, high)


@pytest.fixture
def table(monkeypatch):
    """Lines of a test's own in place of the measured ones."""

    def put(*lines):
        monkeypatch.setattr("fewlabels.advice.measured.measured", lambda: lines)

    return put


# the table


def test_every_line_is_of_a_method_that_learns_its_task():
    lines = measured()
    assert len(lines) > 50
    for each in lines:
        assert each.task in learns(each.method)
        assert each.kind in ("images", "table", "text")
        assert each.low is None or each.low <= each.gain <= each.high
        assert (each.low is None) == (each.runs < 3)


def test_the_summary_is_mean_paired_gain_with_its_interval(monkeypatch):
    benchmarks = Path(fl.__file__).parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(str(benchmarks))
    spec = importlib.util.spec_from_file_location("summary", benchmarks / "summary.py")
    summary = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(summary)
    sys.modules.pop("common", None)
    rows = [("supervised", 0, 0.8), ("supervised", 1, 0.7), ("supervised", 2, 0.9)]
    rows += [("vat", 0, 0.9), ("vat", 1, 0.9), ("vat", 2, 0.9), ("uda", 1, 0.8), ("uda", 7, 0.1)]
    rows = [{"data": "digits", "method": m, "seed": str(s), "value": str(v)} for m, s, v in rows]
    about = {"digits": ("images", "classes", 40, 10)}
    vat, uda = summary.against_supervised("m.csv", about, rows, "value", lambda data: False)
    gains = np.array([0.1, 0.2, 0.0])
    half = 4.302653 * gains.std(ddof=1) / np.sqrt(3)
    assert float(vat["gain"]) == pytest.approx(0.1)
    assert float(vat["low"]) == pytest.approx(0.1 - half, abs=1e-4)
    assert (uda["runs"], uda["gain"], uda["low"]) == (1, "0.1000", ""), "a seed without its baseline does not count"
    (lower, *_) = summary.against_supervised("m.csv", about, rows, "value", lambda data: True)
    assert float(lower["gain"]) == pytest.approx(np.mean([-0.1 / 0.8, -0.2 / 0.7, 0]), abs=1e-4)


# rules


def test_the_order_is_the_mean_gain_less_for_little_evidence(table, seen):
    table(line("s3vm", 0.05), line("vae", 0.04), line("vae", 0.05, name="there"), line("naive_bayes", -0.2))
    assert weigh("s3vm", seen).figure == pytest.approx(0.05 / 2)
    assert weigh("vae", seen).figure == pytest.approx(0.09 / 3)
    names = [each.method for each in choose([weigh(m, seen) for m in ("naive_bayes", "s3vm", "vae")], 5, "fixmatch")]
    assert names == ["vae", "s3vm"], "what gained nothing is left out"
    worst = choose([weigh(m, seen) for m in ("naive_bayes",)], 5, "fixmatch")
    assert [each.method for each in worst] == ["naive_bayes"], "something is always named"


def test_the_same_kind_of_data_comes_first(table, seen):
    table(line("vat", 0.2, kind="images"), line("s3vm", 0.01))
    chosen = choose([weigh(m, seen) for m in ("vat", "s3vm")], 5, "fixmatch")
    assert [each.method for each in chosen] == ["s3vm", "vat"]
    assert "data of other kinds" in reason(chosen[1])
    assert similar("vat", "images", "classes")[1]
    assert similar("vat", "table", "numbers") == ((), False)


def test_at_most_two_of_a_family_and_no_rule_outweighs_a_measured_loss(table, seen):
    near = replace(seen, near=True)
    table(*(line(m, 0.1) for m in ("uda", "fixmatch", "flexmatch", "s3vm")), line("label_spreading", -0.001))
    names = ("uda", "fixmatch", "flexmatch", "s3vm", "label_spreading")
    chosen = choose([weigh(m, near) for m in names], 9, "fixmatch")
    assert sorted(each.method for each in chosen) == ["fixmatch", "flexmatch", "s3vm"]


def test_harm_and_little_evidence_are_said(table, seen):
    table(line("s3vm", -0.1, -0.2, -0.01), line("s3vm", 0.3, 0.2, 0.4, name="there"), line("vae", 0.1))
    assert "with clear harm on here" in reason(weigh("s3vm", seen))
    assert "mean gain over the labels alone was +10.0 points" in reason(weigh("s3vm", seen))
    assert "too few runs for an interval" in reason(weigh("vae", seen))
    assert reason(weigh("tri_training", seen)) == "It was not measured on such a task."
    assert str(line("s3vm", -0.1, -0.2, -0.01)) == "−10.0 points (−20.0 to −1.0) on here with 40 labels"


CASES = [{"near": True}, {"near": False}, {"fewest": 1}, {"fewest": 3}, {"ratio": 12.0}]
CASES += [{"alarms": frozenset({"open_set"})}, {"alarms": frozenset({"predicted_shift"})}]


@pytest.mark.parametrize("number", range(len(RULES)))
def test_every_rule_holds_somewhere_and_not_elsewhere(number, seen):
    calm = replace(seen, near=None, fewest=30, ratio=1.0, alarms=frozenset())
    rule = RULES[number]
    assert not rule.when(calm)
    assert set(rule.methods) <= set(FAMILY)
    (case,) = (CASES[number],)
    struck = replace(calm, **case)
    assert rule.when(struck)
    for method in rule.methods:
        moved = weigh(method, struck).figure - weigh(method, calm).figure
        assert moved * rule.points > 0
        assert rule.why(struck) in reason(weigh(method, struck))


def test_every_method_has_a_family_and_the_kind_of_data_limits_them(seen):
    names = set(fl.methods.NAMES) | set(NAMES)
    assert set(FAMILY) == names - {"supervised"}
    assert "fixmatch" not in possible(replace(seen, kind="text"))
    assert "label_spreading" in possible(replace(seen, kind="text"))
    assert "label_spreading" not in possible(replace(seen, kind="images", on_disk=True))
    assert set(possible(replace(seen, task="masks", kind="images"))) == {
        name for name in fl.methods.NAMES if "masks" in learns(name)
    } - {"supervised"}  # fmt: skip
    assert rules.MOST_OF_A_FAMILY == 2


# what is seen


def test_what_is_seen_follows_the_data(data, seen):
    assert (seen.kind, seen.labeled, seen.classes, seen.fewest, seen.ratio) == ("table", 40, 2, 20, 1.0)
    assert seen.near is True
    assert seen.near_share > 0.8
    rng = np.random.default_rng(1)  # in 5 % of such data near rows seem to share labels
    noise = look(partial(rng.normal(size=(200, 5)), np.r_[np.arange(60) % 2, np.full(140, -1)]), "classes", 0)
    assert noise.near is False
    assert "neighbors" in noise.alarms
    sparse = look(partial(csr_array(np.abs(data.X)), data.y, sparse=True), "classes", 0)
    assert sparse.kind == "text"
    few = look(partial(data.X[:30], np.r_[0, 1, np.full(28, -1)]), "classes", 0)
    assert few.near is None


def test_advice_rests_on_figures_and_repeats_itself(data):
    one, two = (fl.suggest(data.X, data.y) for _ in range(2))
    assert str(one) == str(two)
    assert 1 <= len(one) <= 5
    for each in one:
        assert each.figures == similar(each.method, "table", "classes")[0]
        assert all(str(figure) in str(one) for figure in each.figures)
    assert "These are leads, not verdicts" in str(one)
    assert len(fl.suggest(data.X, data.y, most=1)) == 1
    assert one.to_dict()["suggestions"][0]["method"] == one.suggestions[0].method


def test_findings_of_the_audit_are_notes():
    rng = np.random.default_rng(0)
    y = np.r_[np.zeros(55, int), np.ones(4, int), np.full(141, -1)]
    advice = fl.suggest(rng.normal(size=(200, 5)), y)
    assert any(note.startswith("Imbalance:") for note in advice.notes)
    assert any(note.startswith("Neighbors:") for note in advice.notes)


def test_more_labels_than_were_ever_measured_are_said():
    few, many = (fl.datasets.load_digits(n_labels=n, random_state=0) for n in (60, 300))
    words = "All of this was measured with at most 50 labels, and you have 300."
    assert any(note.startswith(words) for note in fl.suggest(many.X, many.y, most=2).notes)
    assert not any("All of this was measured" in note for note in fl.suggest(few.X, few.y, most=2).notes)


def test_numbers_and_masks():
    data = fl.datasets.load_diabetes(random_state=0)
    advice = fl.suggest(data.X, data.y, task="numbers")
    assert {each.method for each in advice} <= {m for m in FAMILY if "numbers" in learns(m)}
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)
    masks = (images > 127).astype(int)
    masks[4:] = -1
    advice = fl.suggest(images, masks, seconds=5)
    assert all("masks" in learns(each.method) for each in advice)
    assert any("masks are not tried" in note for note in advice.notes)


# trials


def test_trials_hold_out_labels_and_say_what_they_saw(data):
    models = {name: NAMES[name]() for name in ("self_training", "entropy_logistic")}
    part = partial(data.X, data.y)
    trials, left = trying.try_methods(part, models, 60, 0)
    assert not left
    trial = trials["self_training"]
    assert trial.repeats == trying.MOST_REPEATS
    scores = []
    for number in range(trial.repeats):
        plan = draw_plan(part, 12, repeat_seed(0, number))
        out = part.labeled[plan.held_out]
        y = data.y.copy()
        y[out] = -1
        rest = np.delete(np.arange(len(y)), out)
        model = fl.SelfTrainingClassifier(random_state=repeat_seed(0, number)).fit(data.X[rest], y[rest])
        scores.append(np.mean(model.predict(data.X[out]) == data.y[out]))
    assert trial.candidate == pytest.approx(np.mean(scores))
    assert trial.low <= trial.gain <= trial.high
    assert trial.gain == pytest.approx(trial.candidate - trial.baseline)


class Clock:
    """Time that passes only while something is fitted."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.calls = 0.0, []
        monkeypatch.setattr(trying.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(trying, "score_plan", self.score)
        self.seconds = seconds

    def score(self, data, plan, size, model, seed):
        self.now += self.seconds[type(model).__name__]
        self.calls.append((type(model).__name__, seed))
        return [0.5, 0.7 if type(model).__name__ == "S3VM" else 0.6]


def test_no_fit_begins_that_will_not_end_in_time(data, monkeypatch):
    clock = Clock(monkeypatch, {"S3VM": 1.0, "EntropyLogisticRegression": 4.0})
    models = {name: NAMES[name]() for name in ("s3vm", "entropy_logistic")}
    trials, left = trying.try_methods(partial(data.X, data.y), models, 12, 0)
    assert clock.now <= 12
    assert trials["s3vm"].repeats == 4
    assert trials["entropy_logistic"].repeats == 2
    assert trials["entropy_logistic"].low is None
    assert [seed for name, seed in clock.calls if name == "S3VM"][:2] == [
        seed for name, seed in clock.calls if name != "S3VM"
    ], "the same splits for both"
    assert not left


def test_a_deep_method_that_is_too_slow_is_not_tried(data, monkeypatch):
    monkeypatch.setattr(trying, "_cost", lambda *_: 500.0)
    trials, left = trying.try_methods(partial(data.X, data.y), {"vat": fl.DeepClassifier("vat")}, 5, 0)
    assert trials == {}
    assert "takes about 500 s" in left["vat"]


def test_quick_methods_have_their_turn_before_one_that_takes_all_the_time(data, monkeypatch):
    Clock(monkeypatch, {"S3VM": 1.0, "DeepClassifier": 10.0})
    monkeypatch.setattr(trying, "_cost", lambda *_: 10.0)
    models = {"vat": fl.DeepClassifier("vat"), "s3vm": fl.S3VM()}
    trials, left = trying.try_methods(partial(data.X, data.y), models, 11, 0)
    assert {name: trial.repeats for name, trial in trials.items()} == {"s3vm": 1, "vat": 1}
    assert left == {}


def test_the_cost_of_a_deep_method_grows_with_its_steps(data):
    part = partial(data.X, data.y)
    plan = draw_plan(part, 12, 0)
    quick, slow = (trying._cost(part, plan, fl.DeepClassifier("vat", steps=steps), 0) for steps in (5, 100_000))
    assert slow > 20 * quick


def test_tried_methods_come_first_in_the_order_of_their_scores(data, monkeypatch):
    clock = Clock(monkeypatch, dict.fromkeys(("S3VM", "VAEClassifier", "GaussianMixtureClassifier"), 1.0))
    lines = (line("vae", 0.3), line("gaussian_mixture", 0.2), line("s3vm", 0.1))
    monkeypatch.setattr("fewlabels.advice.measured.measured", lambda: lines)
    monkeypatch.setattr("fewlabels.advice.suggesting.possible", lambda seen: ["s3vm", "vae", "gaussian_mixture"])
    advice = fl.suggest(data.X, data.y, seconds=2)
    assert [each.method for each in advice] == ["vae", "gaussian_mixture", "s3vm"], "equal scores keep their order"
    assert advice.suggestions[2].trial is None
    assert "the time was spent" in str(advice) or "takes about" in str(advice)
    clock.now = 0.0
    advice = fl.suggest(data.X, data.y, seconds=30)
    assert [each.method for each in advice] == ["s3vm", "vae", "gaussian_mixture"]
    assert "s3vm did best: accuracy 70.0 % against 50.0 %" in str(advice)
    assert "judge it once more with compare" in advice.notes[0]
    assert "None of these gains is clear of chance" in advice.notes[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"most": 0}, "at least 1"),
        ({"most": True}, "at least 1"),
        ({"seconds": 0}, "above 0"),
        ({"seconds": -1}, "above"),
    ],
)
def test_what_cannot_be_is_refused(data, options, words):
    with pytest.raises(OptionError, match=words):
        fl.suggest(data.X, data.y, **options)


def test_too_few_labels_are_not_tried_and_data_that_cannot_be_used_are_refused(data):
    y = np.full(len(data.y), -1)
    y[:3] = [0, 1, 1]
    advice = fl.suggest(data.X, y, seconds=5)
    assert any("3 labels are too few" in note for note in advice.notes)
    with pytest.raises(InputError, match="no labeled row"):
        fl.suggest(data.X, np.full(len(data.y), -1))


def test_the_command_line_suggests(data, tmp_path, capsys):
    np.savez(tmp_path / "cells.npz", X=data.X, y=data.y, X_test=data.X_test, y_test=np.full(len(data.y_test), -7))
    with pytest.raises(SystemExit) as stop:
        main(["suggest", str(tmp_path / "cells.npz"), "--most", "2", "--quiet"])
    assert not stop.value.code
    said = capsys.readouterr().out
    assert "1. " in said
    assert "3. " not in said
    assert "To find out: fewlabels compare" in said
