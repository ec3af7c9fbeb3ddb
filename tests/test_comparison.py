"""compare(): both models share everything but the method, and the test labels choose nothing."""

import json

import numpy as np
import pytest
import torch

import fewlabels as fl
from fewlabels.comparison import guess_task
from fewlabels.errors import InputError, OptionError


@pytest.fixture(scope="module")
def digits():
    return fl.datasets.load_digits(random_state=0)


@pytest.fixture(scope="module")
def result(digits):
    return fl.compare(digits.X, digits.y, digits.X_test, digits.y_test, steps=40, random_state=0, verbose=False)


def test_both_models_share_all_but_the_method(result):
    one, other = result.baseline.get_params(), result.candidate.get_params()
    assert {k for k in one if one[k] != other[k]} == {"method"}
    assert (result.baseline_name, result.candidate_name) == ("supervised", "fixmatch")
    assert result.baseline.run_.facts["steps"] == result.candidate.run_.facts["steps"] == 40
    assert result.baseline.run_.facts["seed"] == result.candidate.run_.facts["seed"] == 0


def test_both_models_share_a_precision_that_was_timed_once(digits, monkeypatch):
    asked = []

    def busy(precision, network, device):
        asked.append(precision)
        return torch.bfloat16 if precision == "bfloat16" or len(asked) == 1 else None

    monkeypatch.setattr("fewlabels.run.choose_precision", busy)
    result = fl.compare(digits.X, digits.y, digits.X_test, digits.y_test, steps=2, random_state=0, verbose=False)
    assert asked == ["auto", "bfloat16"]
    assert result.baseline.run_.facts["precision"] == result.candidate.run_.facts["precision"] == "bfloat16"


def test_the_figures_are_those_of_the_models(result, digits):
    for model, score in ((result.baseline, "baseline_score"), (result.candidate, "candidate_score")):
        assert getattr(result.paired, score) == pytest.approx(model.score(digits.X_test, digits.y_test))
    assert result.paired.n == len(digits.y_test)
    assert result.data["n_labeled"] == 40
    assert result.data["labels_per_class"] == dict.fromkeys(range(10), 4)
    assert not result.held_out


@pytest.mark.parametrize(
    ("gain", "verdict", "deployed"),
    [(60, "HELPS", "candidate"), (-60, "HURTS", "baseline"), (3, "CANNOT TELL", "baseline")],
)
def test_the_baseline_is_deployed_unless_the_candidate_helps(result, gain, verdict, deployed):
    from dataclasses import replace

    from fewlabels.verdict import judge_classes

    good = np.zeros(200, bool)
    good[:100] = True
    better = good.copy()
    better[100 : 100 + max(gain, 0)] = True
    better[: max(-gain, 0)] = False
    judged = replace(result, paired=judge_classes(good, better))
    assert judged.verdict == verdict
    assert judged.deployed is getattr(judged, deployed)


def test_test_labels_change_no_model(digits, result):
    wrong = np.roll(digits.y_test, 7)
    again = fl.compare(digits.X, digits.y, digits.X_test, wrong, steps=40, random_state=0, verbose=False)
    assert np.array_equal(again.candidate_output, result.candidate_output)
    assert np.array_equal(again.baseline_output, result.baseline_output)
    assert again.paired != result.paired


def test_without_a_test_set_a_stratified_part_of_the_labels_is_held_out():
    data = fl.datasets.load_digits(n_labels=100, random_state=0)
    names = np.where(data.y == -1, None, np.array([f"digit {c}" for c in data.y], dtype=object))
    held = fl.compare(data.X, names, steps=10, random_state=0, verbose=False)
    assert held.held_out
    assert held.paired.n == 30
    assert np.array_equal(held.y_eval, names[held.rows_eval])
    assert np.array_equal(held.X_eval, data.X[held.rows_eval])
    assert sorted(set(held.y_eval)) == [f"digit {c}" for c in range(10)]
    assert held.data["n_labeled"] == 70
    assert held.data["n_rows"] == len(data.X) - 30, "no model sees the rows it is judged on, not even unlabeled"
    assert set(held.data["labels_per_class"].values()) == {7}


def test_numbers_are_judged_by_absolute_error():
    data = fl.datasets.load_diabetes(random_state=0)
    result = fl.compare(
        data.X, data.y, data.X_test, data.y_test, method="mean_teacher", steps=60, random_state=0, verbose=False
    )
    assert result.task == "numbers"
    error = np.abs(result.candidate.predict(data.X_test) - data.y_test).mean()
    assert result.paired.candidate_score == pytest.approx(error)
    held = fl.compare(data.X, data.y, method="mean_teacher", steps=10, random_state=0, verbose=False)
    assert held.held_out
    assert held.data["n_labeled"] + held.paired.n == (~np.isnan(data.y)).sum()


def test_an_estimator_carries_its_options_into_both(digits):
    model = fl.DeepClassifier(fl.methods.MeanTeacher(lambda_u=3.0), steps=10, network="convnet-8", verbose=False)
    result = fl.compare(digits.X, digits.y, digits.X_test, digits.y_test, method=model, random_state=1)
    assert result.settings["method"]["lambda_u"] == 3.0
    assert result.baseline.network == "convnet-8"
    with pytest.raises(OptionError, match="baseline itself"):
        fl.compare(digits.X, digits.y, method="supervised")
    with pytest.raises(OptionError, match="go on the estimator"):
        fl.compare(digits.X, digits.y, method=model, steps=5)


def test_the_report_is_written_with_its_facts_beside_it(result, tmp_path):
    path = result.report(tmp_path / "deep" / "report.html")
    html = path.read_text()
    assert str(result.verdict) in html
    facts = json.loads((tmp_path / "deep" / "report.json").read_text())
    assert str(result.verdict) in json.dumps(facts)
    assert len(html) < 2_000_000


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d: fl.compare(d.X, d.y, d.X_test), "X_test was given without y_test"),
        (lambda d: fl.compare(d.X, d.y, d.X_test, d.y_test[:-1], steps=1), "one label for each row"),
        (lambda d: fl.compare(d.X, d.y, d.X_test, np.full(len(d.y_test), 77), steps=1), "classes that no labeled row"),
        (lambda d: fl.compare(d.X, d.y, d.X_test, np.r_[-1, d.y_test[1:]], steps=1), "unlabeled rows"),
        (lambda d: fl.compare(d.X, d.y, d.X_test[:, :7], d.y_test, steps=10**9), "fitted on|images of"),
        (lambda d: fl.compare(d.X_test, d.y_test, d.X, d.y), "no unlabeled row"),
        (lambda d: fl.compare(d.X, np.where(np.arange(len(d.y)) < 3, np.arange(len(d.y)), -1)), "at least"),
    ],
)
def test_what_cannot_be_compared_is_refused(digits, call, words):
    with pytest.raises(InputError, match=words):
        call(digits)


def test_the_task_follows_the_labels():
    assert guess_task([1.5, np.nan]) == "numbers"
    assert guess_task([1.0, np.nan]) == "classes"
    assert guess_task([*np.arange(30.0), np.nan]) == "numbers"
    assert guess_task(["a", None]) == "classes"
    assert guess_task([0, 1, -1]) == "classes"
