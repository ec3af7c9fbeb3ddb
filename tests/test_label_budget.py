"""label_budget: hidden labels stay hidden, sizes are nested, and its intervals hold what they promise."""

import json

import numpy as np
import pytest
from simulated import centroids

import fewlabels as fl
from fewlabels.budget import measuring
from fewlabels.budget.planning import choose_sizes, count_held_out, draw_plan
from fewlabels.budget.result import LabelBudget
from fewlabels.classical.base import ClassicalClassifier
from fewlabels.cli import main
from fewlabels.errors import InputError, OptionError
from fewlabels.intervals import nadeau_bengio
from fewlabels.partial_labels import partial


@pytest.fixture(scope="module")
def data():
    return fl.datasets.load_digits(n_labels=200, random_state=0)


@pytest.fixture(scope="module")
def found(data):
    return fl.label_budget(data.X, data.y, method="label_spreading", random_state=0)


def budget(errors, sizes=(20, 40, 80, 160, 320), **more):
    """A result of known scores: `errors` (S,) of the candidate, each repeat a little off."""
    off = 0.004 * np.array([-1, 1, 0.5, -0.5, 0])[:, None]
    candidate = 1 - np.asarray(errors) + off
    options = {
        "sizes": sizes,
        "baseline": candidate - 0.02 + off * np.array([1, -1, 0.5, 1, -1])[:, None],
        "candidate": candidate,
        "metric": "accuracy",
        "baseline_name": "one",
        "candidate_name": "other",
        "n_rows": 2000,
        "n_held_out": 150,
        "n_labels": 500,
        "n_classes": 4,
        "seeds": (0, 1, 2, 3, 4),
        "command": "",
    }
    return LabelBudget(**options | more)


# plans


@pytest.mark.parametrize("counts", [(50, 50, 50), (90, 25, 5), (100, 2, 2)])
def test_each_prefix_is_stratified_and_starts_with_every_class(counts):
    y = np.repeat(np.arange(len(counts)), counts)
    part = partial(np.zeros((len(y), 1)), y)
    n_out = count_held_out(part, 0.3)
    for seed in range(20):
        plan = draw_plan(part, n_out, seed)
        assert sorted([*plan.held_out, *plan.order]) == list(range(len(y)))
        assert len(plan.held_out) == n_out
        codes = y[plan.order]
        assert set(codes[: len(counts)]) == set(range(len(counts)))
        for n in range(len(counts), len(codes) + 1):
            ideal = n * np.asarray(counts) / sum(counts)
            assert (np.abs(np.bincount(codes[:n], minlength=len(counts)) - ideal) <= len(counts)).all()


def test_which_rows_are_held_out_is_uniform_within_a_class_and_follows_the_seed():
    y = np.repeat([0, 1], 20)
    part = partial(np.zeros((40, 1)), y)
    times = np.zeros(40)
    for seed in range(2000):
        times[draw_plan(part, 12, seed).held_out] += 1
    assert np.abs(times / 2000 - 0.3).max() < 0.05
    assert np.array_equal(draw_plan(part, 12, 1).order, draw_plan(part, 12, 1).order)
    assert not np.array_equal(draw_plan(part, 12, 1).order, draw_plan(part, 12, 2).order)


def test_default_sizes_are_halves_down_to_two_a_class(data):
    part = partial(data.X, data.y)
    assert choose_sizes(part, 60, None) == (35, 70, 140)
    assert choose_sizes(part, 60, [100, 20, 20]) == (20, 100)
    every = partial(np.zeros((100, 1)), np.tile([0, 1], 50))
    assert choose_sizes(every, 30, None)[-1] == 69, "one row stays unlabeled, or there is nothing to use"


# nothing hidden is seen


class Spy(ClassicalClassifier):
    """Nearest class mean that writes down what it was given; its first column numbers the rows."""

    seen: list = []  # noqa: RUF012

    def __init__(self, role="candidate", random_state=None):
        self.role = role
        self.random_state = random_state

    def baseline(self):
        return Spy("baseline")

    def fit(self, X, y):
        data = partial(X, y)
        Spy.seen.append((self.role, self.random_state, np.asarray(X)[:, 0].astype(int), np.asarray(y)))
        self.means_ = np.stack([X[y == c].mean(0) for c in range(data.n_classes)])
        self._remember_classes(data, np.zeros((data.n_rows, data.n_classes)))
        return self

    def predict_proba(self, X):
        Spy.seen.append(("asked", None, np.asarray(X)[:, 0].astype(int), None))
        return -((np.asarray(X)[:, None, 1:] - self.means_[None, :, 1:]) ** 2).sum(2)


@pytest.fixture
def spied():
    Spy.seen = []
    y = np.where(np.arange(120) < 80, np.arange(120) % 2, -1)
    X = np.column_stack([np.arange(120.0), np.random.default_rng(0).normal(size=120) + y])
    return X, y, fl.label_budget(X, y, method=Spy(), sizes=[4, 16, 50], random_state=0)


def test_hidden_labels_are_never_passed_on_and_held_out_rows_never_trained_on(spied):
    X, y, _ = spied
    fits = [entry for entry in Spy.seen if entry[0] != "asked"]
    asked = [set(rows) for role, _, rows, _ in Spy.seen if role == "asked"]
    assert len(fits) == 2 * 3 * 5
    for i, (_, _, rows, marks) in enumerate(fits):
        known = marks != -1
        assert known.sum() == [4, 16, 50][i // 2 % 3]
        assert (marks[known] == y[rows[known]]).all()
        held = asked[i]
        assert not held & set(rows), "a held-out row is not even an unlabeled one"
        assert held <= set(np.flatnonzero(y >= 0))
        assert set(rows) | held == set(range(120))


def test_sizes_of_a_repeat_are_nested_and_share_their_held_out_rows(spied):
    fits = [(role, set(rows[marks != -1]), set(rows)) for role, _, rows, marks in Spy.seen if role != "asked"]
    labels = np.reshape([known for _, known, _ in fits], (5, 3, 2))
    for repeat in range(5):
        for size in range(3):
            assert labels[repeat, size, 0] == labels[repeat, size, 1], "both models have the same labels"
        assert labels[repeat, 0, 0] < labels[repeat, 1, 0] < labels[repeat, 2, 0]
    pools = {frozenset(rows) for _, _, rows in fits}
    assert len(pools) == 5, "one set of held-out rows a repeat"


# results


def test_figures_are_those_of_the_repeats(found, data):
    assert found.baseline.shape == (5, 3)
    assert found.n_held_out == 60
    assert found.n_rows == len(data.y) - 60
    point = found.points[1]
    low, high, _ = nadeau_bengio(found.candidate[:, 1] - found.baseline[:, 1], 60 / 140)
    assert (point.gain.low, point.gain.high) == pytest.approx((low, high))
    assert point.gain.value == pytest.approx(point.candidate.value - point.baseline.value)
    assert found.table[1]["gain_low"] == point.gain.low
    assert all(row["candidate_high"] <= 1 for row in found.table)
    assert "From 35 to 140 labels" in found.sentence
    assert "more labels would buy label_spreading cannot be said: 3 sizes are too few" in found.sentence


def test_one_score_is_that_of_a_fit_by_hand(found, data):
    part = partial(data.X, data.y)
    plan = draw_plan(part, 60, found.seeds[2])
    y = np.full(len(data.y), -1)
    y[part.labeled[plan.order[:70]]] = data.y[part.labeled[plan.order[:70]]]
    rest = np.delete(np.arange(len(y)), part.labeled[plan.held_out])
    model = fl.LabelSpreading().fit(data.X[rest], y[rest])
    out = part.labeled[plan.held_out]
    assert found.candidate[2, 1] == np.mean(model.predict(data.X[out]) == data.y[out])


def test_twice_the_labels_are_said_with_an_interval():
    sizes = np.array([20, 40, 80, 160, 320])
    known = budget(0.05 + sizes**-0.5)
    more = known.more()
    assert more.labels == 640
    assert more.score.low <= 1 - (0.05 + 640**-0.5) <= more.score.high
    assert more.bought.value == pytest.approx(320**-0.5 - 640**-0.5, abs=2e-3)
    assert f"320 more labels (80 a class) would buy other {100 * more.bought.low:.1f}" in known.sentence
    assert known.more(400).bought.value < more.bought.value
    assert known.more(role="baseline").score.value < more.score.value
    for labels in (320, 641):
        with pytest.raises(OptionError, match="more than 320 and at most 640"):
            known.more(labels)
    with pytest.raises(OptionError, match="expected 'baseline' or 'candidate'"):
        known.more(role="both")
    flat = budget(np.full(5, 0.2))
    with pytest.raises(OptionError, match="did not lower its error"):
        flat.more()
    assert "cannot be said" in flat.sentence


def test_errors_are_better_when_lower():
    scores = budget(0.05 + np.array([20, 40, 80, 160, 320]) ** -0.5)
    lower = budget(
        np.zeros(5), candidate=10 * (1 - scores.candidate), baseline=11 * (1 - scores.baseline), n_classes=0,
        metric="mean absolute error",
    )  # fmt: skip
    assert lower.points[0].gain.value > 0
    assert lower.more().score.value < lower.points[-1].candidate.value
    assert "would lower the error of other by" in lower.sentence
    assert "error lower by" in str(lower)


def test_numbers_are_budgeted_too():
    data = fl.datasets.load_diabetes(n_labels=100, random_state=0)
    found = fl.label_budget(data.X, data.y, method="label_propagation_regressor", task="numbers", random_state=0)
    assert found.sizes == (17, 35, 70)
    assert found.is_error
    assert 20 < found.baseline.mean() < 100


def test_intervals_of_scores_and_gains_cover_at_every_size():
    """1,000 data sets; the true mean score is the mean over all of them, the true gain 0."""
    rng, sizes = np.random.default_rng(0), (8, 16, 32, 70)
    every = np.stack([centroids(rng, sizes) for _ in range(1000)])
    true = every.mean((0, 1, 3))
    for place in range(len(sizes)):
        scores = [nadeau_bengio(one[:, place, 0], 30 / 70) for one in every]
        gains = [nadeau_bengio(one[:, place, 1] - one[:, place, 0], 30 / 70) for one in every]
        missed = np.mean([not low <= true[place] <= high for low, high, _ in scores])
        alarms = np.mean([p <= 0.05 for _, _, p in gains])
        assert missed <= 0.073, (sizes[place], missed)
        assert alarms <= 0.073, (sizes[place], alarms)
        assert alarms >= 0.002, "an interval that always covers says nothing"


def test_gains_and_harms_are_claimed_with_one_error_for_all_sizes():
    """Two equally good methods, 400 data sets: at any of four sizes at most as often as 5 % allow."""
    rng, sizes = np.random.default_rng(1), (8, 16, 32, 70)
    claims = 0
    for _ in range(400):
        scores = centroids(rng, sizes)
        found = budget(
            np.zeros(5), sizes, baseline=scores[..., 0], candidate=scores[..., 1], n_held_out=30, n_labels=100
        )
        helped, hurt = found.beyond_chance
        claims += bool(helped or hurt)
    assert claims <= 35  # the 99.9 % point of 400 draws at 5 %
    sure = budget(np.array([0.4, 0.3, 0.2, 0.1, 0.05]))
    assert "It is more than chance explains with 20, 40, 80, 160 and 320 labels." in sure.sentence
    harm = budget(np.full(5, 0.2), baseline=sure.candidate, candidate=sure.candidate - 0.1 * (sure.gains / 0.02))
    assert "With 20, 40, 80, 160 and 320 labels the unlabeled data hurt" in harm.sentence


# options, files


def test_every_option_changes_something():
    data = fl.datasets.load_breast_cancer(n_labels=60, random_state=0)
    options = {"method": "s3vm", "random_state": 0, "sizes": [10, 30]}
    base = fl.label_budget(data.X, data.y, **options)
    for more in (
        {"method": "self_training"},
        {"sizes": [10, 20]},
        {"repeats": 6},
        {"holdout": 0.4},
        {"random_state": 1},
        {"method": fl.S3VM(C=0.01)},
    ):
        other = fl.label_budget(data.X, data.y, **options | more)
        assert other.candidate.shape != base.candidate.shape or (other.candidate != base.candidate).any(), more
    assert np.array_equal(fl.label_budget(data.X, data.y, **options).candidate, base.candidate)


def test_options_of_a_deep_method_reach_every_model(data, monkeypatch):
    seen = []
    monkeypatch.setattr(measuring, "score_plan", lambda data, plan, size, model, seed: seen.append(model) or [0.5, 0.5])
    fl.label_budget(data.X, data.y, method="flexmatch", sizes=[20, 40], steps=7, device="cpu", random_state=0)
    assert len(seen) == 10
    assert {(model.steps, model.device) for model in seen} == {(7, "cpu")}
    assert len({id(model) for model in seen}) == 10, "a clone each"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"repeats": 4}, OptionError, "at least 5"),
        ({"repeats": True}, OptionError, "at least 5"),
        ({"sizes": [20]}, OptionError, "two different numbers of labels from 10 to 140"),
        ({"sizes": [5, 50]}, OptionError, "from 10 to 140"),
        ({"sizes": [20, 141]}, OptionError, "from 10 to 140"),
        ({"sizes": [20.5, 100]}, OptionError, "from 10 to 140"),
        ({"holdout": 0}, OptionError, "between 0 and 1"),
        ({"method": "supervised"}, OptionError, "baseline itself"),
        ({"method": "nonsense"}, OptionError, "nonsense"),
        ({"task": "masks"}, OptionError, "label_spreading learns classes"),
        ({"folder": "x", "random_state": None}, OptionError, "known seed"),
        ({"steps": 3}, OptionError, "go on the estimator"),
    ],
)
def test_what_cannot_be_is_refused(data, options, error, words):
    with pytest.raises(error, match=words):
        fl.label_budget(data.X, data.y, **{"method": "label_spreading", "random_state": 0} | options)


def test_too_few_labels_and_masks_are_refused():
    few = fl.datasets.load_digits(n_labels=30, random_state=0)
    with pytest.raises(InputError, match="a curve needs at least 40"):
        fl.label_budget(few.X, few.y, method="label_spreading")
    with pytest.raises(InputError, match="one class or one number a row"):
        fl.label_budget(np.zeros((8, 16, 16), np.uint8), np.zeros((8, 16, 16), int))


def test_an_interrupted_budget_goes_on(data, tmp_path, monkeypatch):
    options = {"method": "s3vm", "sizes": [20, 60], "random_state": 0}
    whole = fl.label_budget(data.X, data.y, **options)
    done, score = [], measuring.score_plan

    def until_the_fifth(*args):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(1)
        return score(*args)

    monkeypatch.setattr(measuring, "score_plan", until_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        fl.label_budget(data.X, data.y, **options, folder=tmp_path)
    done.clear()
    monkeypatch.setattr(measuring, "score_plan", lambda *args: done.append(1) or score(*args))
    again = fl.label_budget(data.X, data.y, **options, folder=tmp_path)
    assert len(done) == 6
    assert np.array_equal(again.candidate, whole.candidate)
    fl.label_budget(data.X, data.y, **options, repeats=6, folder=tmp_path)
    assert len(done) == 8, "one more repeat"
    with pytest.raises(InputError, match="other data or settings"):
        fl.label_budget(data.X, data.y, **options | {"holdout": 0.4}, folder=tmp_path)


def test_the_page_and_its_facts(found, tmp_path):
    html = found.report(tmp_path / "budget.html").read_text()
    assert html.count("<svg") == 2
    assert "How many labels are enough" in html
    assert "The usual shape" in html
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org", "")
    facts = json.loads((tmp_path / "budget.json").read_text())
    assert facts["candidate"] == found.candidate.tolist()
    assert facts["table"][0]["labels"] == 35
    assert "too few" in facts["twice the labels"]["candidate"]


def test_the_command_line_budgets_and_says_when_it_is_finished(data, tmp_path, capsys):
    np.savez(tmp_path / "digits.npz", X=data.X, y=data.y, X_test=data.X_test, y_test=data.y_test)
    words = ["budget", str(tmp_path / "digits.npz"), "--method", "label_spreading", "--out", str(tmp_path / "run")]
    words += ["--sizes", "20", "--sizes", "60", "--quiet"]
    for expected in ("The gain of the unlabeled data", "is finished"):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert not stop.value.code
        assert expected in capsys.readouterr().out
    assert (tmp_path / "run" / "report.html").exists()
