"""Monitors: each speaks where its mistake was made, is silent where all goes well, and changes no training."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from monitor_runs import HEALTHY, SICK, digits, digits_run, marked, some_of_each, speaking
from scipy.special import softmax
from sklearn import datasets

import fewlabels as fl
import fewlabels.run as run_module
from fewlabels.errors import OptionError
from fewlabels.method import Net
from fewlabels.monitors import EARLY, MONITORS, Seen
from fewlabels.monitors.collapse import collapse, estimated
from fewlabels.monitors.disagreement import disagreement
from fewlabels.monitors.flips import flips
from fewlabels.monitors.length import length
from fewlabels.monitors.looks import MOST_ROWS, SURE, Look, Watched, sample
from fewlabels.monitors.mask import mask_empty, mask_full
from fewlabels.monitors.precision import precision
from fewlabels.monitors.spikes import spikes
from fewlabels.partial_labels import partial
from fewlabels.progress import Lines
from fewlabels.run import Options, fit_run
from fewlabels.scaling import Scaling
from fewlabels.tasks import Classes, Masks, Numbers

NAMES = [monitor.__name__ for monitor in MONITORS]


# --- each monitor on made-up histories ---------------------------------------------------------------------


def look(step, *, counts=(50, 50), sure=0.8, both=80, flipped=0, disagree=0.01, taught=40, right=38):
    return Look(step, list(counts), sure, both, flipped, disagree, taught, right)


def seen(steps=100, until=100, looks=None, **metrics):
    """A run whose metrics are functions of the step."""
    x = np.random.default_rng(0).normal(size=(150, 3))
    x[::2, 0] += 6
    data = partial(x, np.where(np.arange(150) < 50, np.arange(150) % 2, -1))
    base = {"loss": lambda _: 1.0, "loss_x": lambda _: 0.01, "mask_used": lambda _: 0.6}
    metrics = {key: f for key, f in (base | metrics).items() if f is not None}
    history = [{"step": float(s), **{k: float(f(s)) for k, f in metrics.items()}} for s in range(1, until + 1)]
    looks = [look(s) for s in range(10, until + 1, 10)] if looks is None else looks
    return Seen(history, looks, np.arange(50, 150), steps, math.log(2), 5.0, False, 50, data, 0)


def test_all_are_silent_on_a_calm_history():
    levels = {m.__name__: m(seen()).level for m in MONITORS}
    assert levels == dict.fromkeys(NAMES, "ok")


@pytest.mark.parametrize(("used", "level"), [(0.0, "look"), (0.09, "look"), (0.11, "ok")])
def test_an_empty_mask(used, level):
    found = mask_empty(seen(mask_used=lambda s: 0.9 if s <= 50 else used))
    assert (found.level, found.value) == (level, pytest.approx(used))
    assert ("tau=0.7" in found.text) == (level == "look")


def test_an_empty_mask_is_judged_on_the_second_half_and_not_before_three_quarters():
    empty_first = {"mask_used": lambda s: 0.0 if s <= 50 else 0.9}
    assert mask_empty(seen(**empty_first)).level == "ok"
    assert mask_empty(seen(until=74, mask_used=lambda _: 0.0)).level == "skipped"
    assert mask_empty(seen(until=75, mask_used=lambda _: 0.0)).level == "look"


def test_a_full_mask_speaks_only_if_it_chose_nothing_although_guesses_were_unsure():
    unsure = [look(10, sure=0.2), look(100)]
    full = {"mask_used": lambda _: 1.0}
    assert mask_full(seen(looks=unsure, **full)).level == "look"
    assert mask_full(seen(looks=[look(10, sure=0.9)], **full)).level == "ok"  # the data are easy
    assert mask_full(seen(looks=unsure, mask_used=lambda s: 0.9 if s == 3 else 1.0)).level == "ok"
    learns = dataclasses.replace(seen(looks=unsure, **full), learns_threshold=True)
    assert mask_full(learns).level == "not applicable"


def test_collapse_needs_a_large_ratio_and_a_large_move():
    # half of the pool is of each class, which the estimate finds
    assert collapse(seen(looks=[look(100, counts=(50, 50))])).level == "ok"
    found = collapse(seen(looks=[look(100, counts=(98, 2))]))
    assert (found.level, found.value) == ("look", pytest.approx(0.98 - found.evidence["estimated"]["0"]))
    assert "98 %" in found.text
    assert found.evidence["predicted"] == {"0": 0.98, "1": 0.02}
    assert collapse(seen(looks=[look(100, counts=(85, 15))])).level == "ok"  # a third, but not 36 points
    assert collapse(seen(looks=[look(100, counts=(15, 85))])).level == "look"  # 41 points and a third
    assert collapse(seen(looks=[look(100, counts=(20, 80))])).level == "ok"  # 36 points, a ratio below 3


def test_a_large_ratio_of_a_small_class_is_not_enough():
    it = dataclasses.replace(seen(looks=[look(60, counts=(59, 1))]), rows=mostly_zero())
    found = collapse(it)
    assert found.evidence["estimated"]["1"] > 0.08  # 5 times as much as predicted, and 6 points
    assert found.level == "ok"


def mostly_zero():
    """50 rows of class 0 and 10 of class 1; the labels are even."""
    return np.concatenate([np.arange(50, 150, 2), np.arange(51, 150, 10)])


def test_the_estimate_follows_the_pool_and_not_the_labels():
    it = seen()
    even = estimated(it.partial, it.rows, 0)
    assert even.sum() == pytest.approx(1)
    assert even == pytest.approx([0.5, 0.5], abs=0.1)
    assert estimated(it.partial, mostly_zero(), 0)[0] > 0.75


def test_collapse_without_enough_rows_is_skipped():
    few = dataclasses.replace(seen(), rows=np.arange(50, 59))
    assert collapse(few).level == "skipped"


def test_flips_are_counted_over_all_looks():
    assert flips(seen(looks=[look(s, both=100, flipped=2) for s in range(10, 101, 10)])).level == "ok"
    found = flips(seen(looks=[look(10, both=100, flipped=9), look(20, both=100, flipped=1)]))
    assert (found.level, found.value) == ("look", 0.05)
    assert flips(seen(looks=[look(10, both=49, flipped=49)])).level == "skipped"


def test_disagreement_is_that_of_the_second_half():
    def found(early, late, until=100):
        looks = [look(s, disagree=early if s <= 50 else late) for s in range(10, until + 1, 10)]
        return disagreement(seen(until=until, looks=looks))

    assert found(0.9, 0.09).level == "ok"
    assert found(0.0, 0.11).level == "look"
    assert found(0.0, 0.11).evidence == {"first half": 0.0, "second half": pytest.approx(0.11)}
    assert found(0.9, 0.9, until=70).level == "skipped"


@pytest.mark.parametrize(
    ("loss_x", "mask_used", "level"),
    [
        (lambda s: 0.1, lambda s: 0.6, "ok"),
        (lambda s: 0.69 * 0.45, lambda s: 0.6, "ok"),  # high, but half of a guess's
        (lambda s: 0.69 * (1 - s / 300), lambda s: 0.6, "look"),  # 0.7 of a guess's, and falling
        (lambda s: 0.69 * 0.7, lambda s: 0.6, "ok"),  # as high, but it fell to rest
        (lambda s: 0.69 * 0.9, lambda s: 0.6, "look"),  # nothing learnt
        (lambda s: 0.1, lambda s: s / 200, "look"),  # the mask rises by 12 points
        (lambda s: 0.1, lambda s: s / 300, "ok"),
    ],
)
def test_length(loss_x, mask_used, level):
    found = length(seen(loss_x=loss_x, mask_used=mask_used))
    assert found.level == level
    assert "used 5.0 times" in found.text


def test_length_is_judged_at_the_end():
    assert length(seen(until=99)).level == "skipped"
    assert length(seen(loss_x=None)).level == "skipped"


def test_a_spike_is_relative_to_what_was_shortly_before():
    assert spikes(seen(loss=lambda s: 10 / s)).level == "ok"
    found = spikes(seen(loss=lambda s: 5.0 if s == 40 else 1.0))
    assert (found.level, found.value, found.evidence) == ("look", 5.0, {"step": 40})
    assert "step 40" in found.text
    assert spikes(seen(loss=lambda s: 3.9 if s == 40 else 1.0)).level == "ok"
    assert spikes(seen(loss=lambda s: 50.0 if s == 8 else 1.0)).level == "ok"  # the first tenth
    fallen = spikes(seen(loss=lambda s: 10.0 if s <= 60 else 5.0 if s == 80 else 1.0))
    assert (fallen.level, fallen.value) == ("look", 5.0)  # compared with the ten points before alone
    assert spikes(seen(loss=lambda s: 0.01 if s == 40 else 1e-9)).level == "ok"  # a multiple of nothing


def test_what_does_not_apply_says_so():
    nothing = seen(looks=[], mask_used=None)
    assert {m(nothing).level for m in (mask_empty, mask_full, collapse, flips, disagreement)} == {"not applicable"}
    assert "no unlabeled rows" in flips(dataclasses.replace(nothing, passes=0.0)).text


# --- looks ------------------------------------------------------------------------------------------------------


class Two(torch.nn.Module):
    """Logits that a test sets."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.as_tensor(logits, dtype=torch.float32))
        self.drop = torch.nn.Dropout(0.9)

    def forward(self, x):
        return self.drop(self.logits[x[:, 0].long()])


@pytest.mark.parametrize(("right", "level"), [(36, "ok"), (27, "ok"), (25, "look"), (0, "look")])
def test_confident_guesses_are_held_against_labels_kept_back(right, level):
    found = precision(seen(looks=[look(10, right=40), look(100, right=right)]))
    assert (found.level, found.value) == (level, right / 40)
    assert found.evidence["low"] <= right / 40 <= found.evidence["high"]
    assert f"{right} of 40 rows" in found.text


def test_precision_says_why_it_does_not_judge():
    assert precision(seen(looks=[look(100, taught=19, right=0)])).level == "skipped"
    none = dataclasses.replace(seen(), watched=0)
    assert precision(none).level == "not applicable"
    assert "watch_labels=10" in precision(none).text


def test_a_look_counts_what_a_slow_loop_counts():
    rng, rows, k = np.random.default_rng(0), 40, 3
    x = torch.arange(rows).float()[:, None]
    scaling = Scaling("table", np.zeros(1), np.ones(1))
    truth = rng.integers(-1, k, rows)
    watched = Watched(np.arange(rows), x, torch.from_numpy(truth), k)
    before = None
    for step in (10, 20, 30):
        student, teacher = rng.normal(0, 4, (rows, k)), rng.normal(0, 4, (rows, k))
        net = Net(Two(student), Classes(k))
        net.teacher.load_state_dict(Two(teacher).state_dict())
        watched.look(net, scaling.network, step, chunk=7)
        assert net.student.training
        p = softmax(student.astype(np.float32), 1)
        now = [int(p[i].argmax()) if p[i].max() >= SURE else -1 for i in range(rows)]
        q = softmax(teacher.astype(np.float32), 1)
        judged = [i for i in range(rows) if truth[i] >= 0 and q[i].max() >= SURE]
        pairs = [(a, b) for a, b in zip(before or [-1] * rows, now, strict=True) if a >= 0 and b >= 0]
        assert watched.looks[-1] == Look(
            step,
            [int((teacher.argmax(1) == c).sum()) for c in range(k)],
            pytest.approx(np.mean([c >= 0 for c in now])),
            len(pairs),
            sum(a != b for a, b in pairs),
            pytest.approx(np.mean(student.argmax(1) != teacher.argmax(1))),
            len(judged),
            sum(q[i].argmax() == truth[i] for i in judged),
        )
        assert 0 < watched.looks[-1].right < watched.looks[-1].taught
        before = now
    assert sum(each.flipped for each in watched.looks) > 0
    again = Watched(np.arange(rows), x, torch.from_numpy(truth), k)
    again.restore(watched.plain())
    assert (again.looks, again.last, again.told) == (watched.looks, watched.last, watched.told)


def test_the_rows_looked_at_are_a_fixed_sample_of_the_unlabeled_ones():
    rows = sample(np.arange(1000, 5000), 3)
    assert len(np.unique(rows)) == MOST_ROWS
    assert rows.min() >= 1000
    np.testing.assert_array_equal(rows, sample(np.arange(1000, 5000), 3))
    assert not np.array_equal(rows, sample(np.arange(1000, 5000), 4))
    np.testing.assert_array_equal(sample(np.arange(5), 0), np.arange(5))


def table():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    return rng.normal(size=(60, 5)) + 2 * np.eye(5)[truth], np.where(np.arange(60) < 15, np.arange(60) % 3, -1)


def run(x, y, **changes):
    data = partial(x, y)
    options = Options(method=fl.methods.FixMatch(), steps=40, batch_size=8, unlabeled_ratio=2, verbose=False)
    return fit_run(data, Classes(data.n_classes), data.y, dataclasses.replace(options, **changes))


def test_labels_kept_back_take_no_part_in_training():
    """The same bits as where nobody ever gave these labels."""
    x, y = table()
    kept = run(x, y, watch_labels=2)
    model = fl.DeepClassifier(steps=5, watch_labels=2, random_state=0, verbose=False).fit(x, y)
    np.testing.assert_array_equal(model.transduction_[y >= 0], y[y >= 0])
    _, _, truth = run_module._keep_back(partial(x, y), y[y >= 0], Options(fl.methods.FixMatch(), watch_labels=2))
    assert [list(truth.values()).count(c) for c in range(3)] == [2, 2, 2]
    assert all(y[row] == c for row, c in truth.items())
    rest = y.copy()
    rest[list(truth)] = -1
    never = run(x, rest)
    assert kept.history == never.history
    weights = kept.network.state_dict(), never.network.state_dict()
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert run(x, y).history != kept.history


def test_labels_kept_back_tell_whether_confident_guesses_are_right():
    """Classes that stand apart, and classes that the columns tell nothing of: the network is sure of both."""
    x, y = datasets.make_blobs(600, 5, centers=3, random_state=0)
    y[450:] = -1
    told = {"watch_labels": 40, "steps": 200, "method": fl.methods.EntropyMinimization(lambda_u=3.0)}
    honest = run(x, y, **told)
    misled = run(np.random.default_rng(0).normal(size=(600, 20)), y, **told)
    assert {f.check: f.level for f in honest.findings}["precision"] == "ok"
    assert {f.check: f.level for f in misled.findings}["precision"] == "look"


def test_both_models_of_a_comparison_do_without_the_same_labels(monkeypatch):
    kept, real = [], run_module._keep_back
    monkeypatch.setattr(run_module, "_keep_back", lambda *args: (kept.append(real(*args)[2]), real(*args))[1])
    x, y = table()
    told = fl.DeepClassifier("fixmatch", watch_labels=2, steps=3, verbose=False)
    result = fl.compare(x, y, x[15:], np.arange(45) % 3, method=told, random_state=0)
    assert len(kept) == 2
    assert kept[0] == kept[1] != {}
    precisions = [next(f for f in m.findings_ if f.check == "precision") for m in (result.baseline, result.candidate)]
    assert "uses no unlabeled rows" in precisions[0].text
    assert "whose label was kept back" in precisions[1].text


@pytest.mark.parametrize(
    ("watch_labels", "message"),
    [(5, "would leave class 0, which has 5 labels"), (-1, "whole number of at least 0"), (1.5, "whole number")],
)
def test_how_many_labels_can_be_kept_back(watch_labels, message):
    x, y = table()
    with pytest.raises(OptionError, match=message):
        fl.DeepClassifier(watch_labels=watch_labels, steps=2).fit(x, y)


@pytest.mark.parametrize("method", ["fixmatch", "mean_teacher"])
def test_looks_change_no_bit_of_the_training(method, monkeypatch):
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    y = np.where(np.arange(40) < 12, np.arange(40) % 2, -1)
    recipe = fl.methods.NAMES[method]()
    one = run(pictures, y, method=recipe, steps=12)
    monkeypatch.setattr(Watched, "look", lambda *_: None)
    other = run(pictures, y, method=recipe, steps=12)
    assert one.history == other.history
    weights = one.network.state_dict(), other.network.state_dict()
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert {f.check: f.level for f in other.findings}["flips"] == "not applicable"


def test_the_network_is_asked_at_no_other_time(monkeypatch):
    steps = []
    real = Watched.look
    monkeypatch.setattr(Watched, "look", lambda self, net, scaling, step, chunk: steps.append(step))
    run(*table(), steps=500)
    assert steps == [*range(30, 500, 30), 500]  # a point of the history is 3 steps
    assert real is not Watched.look


def test_a_resumed_run_finds_the_same_bit_for_bit(tmp_path, monkeypatch):
    x, y = table()
    whole = run(x, y, folder=tmp_path / "whole", lr=0.5)
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    real = run_module.train

    def killed_after(n):
        def loop(*args, **kwargs):
            for i, step in enumerate(real(*args, **kwargs), 1):
                yield step
                if i == n:
                    raise RuntimeError("killed")

        return loop

    for kill in (13, 9):  # between two looks, and after the second
        with monkeypatch.context() as patch:
            patch.setattr(run_module, "train", killed_after(kill))
            with pytest.raises(RuntimeError, match="killed"):
                run(x, y, folder=tmp_path / "killed", lr=0.5)
    resumed = run(x, y, folder=tmp_path / "killed", lr=0.5)
    assert whole.findings == resumed.findings
    assert run(x, y, folder=tmp_path / "killed", lr=0.5).findings == whole.findings  # a finished one, too
    assert run(x, y, lr=0.5).findings == whole.findings


# --- who hears of it --------------------------------------------------------------------------------------------


def test_each_monitor_speaks_once_and_early_where_it_can(monkeypatch):
    said = []
    monkeypatch.setattr(run_module, "show_progress", lambda *_: Told(said))
    method = fl.methods.FixMatch(weight=fl.parts.Fixed(tau=1.0))
    found = run(*table(), method=method, steps=200, lr=1e-4)
    texts = {f.check: f.text for f in found.findings if f.level == "look"}
    assert {"mask_empty", "length"} <= set(texts)
    assert len(said) == len(texts)
    steps = {text: step for step, text in said}
    assert steps[texts["mask_empty"]] == 150  # three quarters
    assert steps[texts["length"]] == 200


class Told(Lines):
    def __init__(self, said):
        super().__init__("name", 0, 1)
        self.said, self.step = said, 0

    def update(self, step, note=""):
        self.step = step

    def say(self, text):
        self.said.append((self.step, text))


def test_short_fits_print_nothing_and_long_ones_a_line(capsys, monkeypatch):
    lines = Lines("fixmatch", 0, 10)
    lines.say("early")
    monkeypatch.setattr("fewlabels.progress._EVERY", 0.0)
    lines.say("late")
    assert capsys.readouterr().err == "fixmatch: late\n"


def test_findings_are_in_the_estimator_its_file_the_report_and_the_facts(tmp_path):
    data = fl.datasets.load_digits(random_state=0)
    candidate = fl.DeepClassifier("fixmatch", steps=12, network="mlp", verbose=False)
    result = fl.compare(data.X, data.y, data.X_test, data.y_test, method=candidate, random_state=0, audit=False)
    model = result.candidate
    assert [f.check for f in model.findings_] == NAMES
    assert "length" in speaking(model)
    assert fl.load(model.save(tmp_path / "model")).findings_ == model.findings_
    html = result.report(tmp_path / "report.html").read_text()
    assert "During training" in html
    assert "The training ended before it settled" in html
    assert "The method uses no unlabeled rows" in html  # of the baseline
    import json

    facts = json.loads((tmp_path / "report.json").read_text())
    assert [f["check"] for f in facts["monitors"]["candidate"]] == NAMES
    assert facts["calibration"]["candidate"]["n"] == 600
    assert "How far to trust the probabilities" in html


def test_other_tasks_and_models():
    x = np.random.default_rng(0).normal(size=(80, 4))
    y = np.where(np.arange(80) < 30, x[:, 0], np.nan)
    numbers = fl.DeepRegressor(steps=12, lr=1e-4, verbose=False, random_state=0).fit(x, y)
    levels = {f.check: f.level for f in numbers.findings_}
    assert (levels["collapse"], levels["spikes"], levels["length"]) == ("not applicable", "ok", "look")
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)
    masks = np.where(images > 127, 1, 0)
    masks[6:] = -1
    segmenter = fl.DeepSegmenter(network="unet-4-1", steps=5, random_state=0, verbose=False).fit(images, masks)
    assert {f.check: f.level for f in segmenter.findings_}["flips"] == "not applicable"
    cancer = fl.datasets.load_breast_cancer(random_state=0)
    noisy = fl.NoisyStudent(rounds=1, steps=12, random_state=0, verbose=False).fit(cancer.X, cancer.y)
    assert [f.check for f in noisy.findings_] == [f"{name}, round {r}" for r in (0, 1) for name in NAMES]


def test_early_monitors_are_among_all():
    assert set(EARLY) < set(MONITORS)
    assert (Numbers().n_outputs, Masks(3).n_outputs) == (1, 3)


# --- whole trainings: seeds on which no threshold was chosen ------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "cancer", "blobs"])
def test_healthy_runs_are_silent(name):
    model, accuracy = HEALTHY[name](200)
    assert accuracy > 0.75
    assert speaking(model) == set()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(201, 206))
@pytest.mark.parametrize("name", list(HEALTHY))
def test_twenty_healthy_runs_are_silent(name, seed):
    assert speaking(HEALTHY[name](seed)[0]) == set()


@pytest.mark.parametrize("name", [name for name in SICK if name != "open-set pool"])
def test_classic_mistakes_are_seen(name):
    make, expected = SICK[name]
    model, _ = make(200)
    assert expected <= speaking(model)


def test_an_open_set_pool_is_seen_before_training():
    """Not reliably during it: strangers fall into known classes, with confidence. See the page on monitors."""
    X, classes, _, _ = digits()
    labeled = some_of_each(classes, [5] * 5, np.random.default_rng(200))
    known = np.setdiff1d(np.flatnonzero(classes < 5), labeled)[:150]
    rows = np.concatenate([labeled, known, np.flatnonzero(classes >= 5)])
    assert fl.audit(X[rows], marked(classes, labeled)[rows])["open_set"].level == "look"


def test_sure_rows_flip_where_training_breaks_down():
    # which of such runs breaks down, and how, rounding decides
    assert any("flips" in speaking(digits_run(seed, lr=0.8, steps=100)[0]) for seed in (1, 100, 101))
