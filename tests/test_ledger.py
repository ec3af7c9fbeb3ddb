"""How often test rows were read: counted once a comparison, remembered beside run folders, told in words."""

import json
import os

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.stats import binom

import fewlabels as fl
from fewlabels import ledger
from fewlabels.errors import InputError
from fewlabels.records import contents
from fewlabels.verdict import Verdict, judge_classes


@pytest.fixture(scope="module")
def digits():
    return fl.datasets.load_digits(random_state=0)


def look(digits, method="label_spreading", seed=0, test=slice(None), **options):
    options |= {"method": method, "random_state": seed, "audit": False}
    return fl.compare(digits.X, digits.y, digits.X_test[test], digits.y_test[test], **options)


def test_each_new_comparison_widens_the_interval_and_the_same_one_does_not(digits):
    first = look(digits)
    second = look(digits, "label_propagation")
    again = look(digits)
    assert (first.looks, second.looks, again.looks) == (1, 2, 2)
    assert (first.paired.level, second.paired.level) == (0.95, 0.975)
    assert again.paired.level == 0.975  # the first one is now one of two
    ledger._HERE.clear()
    alone = look(digits, "label_propagation")
    assert alone.paired.low > second.paired.low
    assert alone.paired.high < second.paired.high
    assert alone.paired.difference == second.paired.difference


def test_other_test_rows_have_a_count_of_their_own(digits):
    look(digits)
    assert look(digits, seed=1, test=slice(0, 300)).looks == 1


def test_the_count_is_told_and_from_21_on_the_rows_are_called_validation(digits):
    result = look(digits)
    assert "read" not in result.sentence
    row = next(iter(ledger._HERE))
    ledger._HERE[row] = [str(i) for i in range(19)]
    result = look(digits, seed=5)
    assert result.looks == 20
    assert "20 comparisons have read these rows, so the interval is one of 99.75 %." in result.sentence
    assert "(99.75 % interval" in result.sentence
    assert "validation" not in result.sentence
    result = look(digits, seed=6)
    assert result.looks == 21
    assert "they are validation rows: judge the last choice on rows never used before." in result.sentence


def test_run_folders_side_by_side_share_a_count(digits, tmp_path):
    one = look(digits, folder=tmp_path / "a")
    ledger._HERE.clear()  # another process
    other = look(digits, "self_training", folder=tmp_path / "b")
    assert (one.looks, other.looks) == (1, 2)
    ledger._HERE.clear()
    assert look(digits, folder=tmp_path / "a").looks == 2
    (looks,) = json.loads((tmp_path / ledger.FILE).read_text()).values()
    assert len(looks) == 2
    ledger._HERE.clear()
    assert look(digits, "self_training", folder=tmp_path / "elsewhere" / "b").looks == 1


def test_a_count_that_cannot_be_kept_loses_no_comparison(digits, tmp_path, monkeypatch):
    real = os.replace

    def refuse(source, target):
        if target.name == ledger.FILE:
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.warns(UserWarning, match="counts in this process alone: cannot write"):
        assert look(digits, folder=tmp_path / "runs" / "a").looks == 1
    with pytest.warns(UserWarning, match="counts in this process alone"):
        assert look(digits, "self_training", folder=tmp_path / "runs" / "b").looks == 2


def test_a_precision_chosen_by_another_timing_is_no_other_comparison(digits, monkeypatch):
    for precision in (torch.bfloat16, None):
        monkeypatch.setattr("fewlabels.run.choose_precision", lambda *_, chosen=precision: chosen)
        options = {"method": "fixmatch", "steps": 2, "random_state": 0, "audit": False, "verbose": False}
        assert fl.compare(digits.X, digits.y, digits.X_test, digits.y_test, **options).looks == 1


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 3}'])
def test_a_damaged_count_is_refused(tmp_path, content):
    (tmp_path / ledger.FILE).write_text(content)
    with pytest.raises(InputError, match="counts how often test rows were read"):
        ledger.read("rows", "one", tmp_path)


def test_fingerprints_are_of_contents():
    x, rng = np.arange(12.0).reshape(3, 4), np.random.default_rng(0)
    assert contents(x, [1]) == contents(x.copy(), [1])
    names = {contents(item) for item in (x, x + 1, x.T, x.astype("f4"), csr_array(x), ["a"], "a")}
    assert len(names) == 7
    assert contents(np.array(["b", None], object)) == contents(np.array(["b", None], object))
    assert contents(rng.random(3)) != contents(rng.random(3))


def test_under_the_null_the_best_of_twenty_looks_is_a_false_alarm_in_one_case_of_twenty():
    """Candidates as good as the baseline; without the count some of 20 seem to help or hurt in four cases of ten."""
    rng, alarms = np.random.default_rng(0), {0.05 / 20: 0, 0.05: 0}
    for _ in range(400):
        baseline = rng.random(300) < 0.8
        candidates = [rng.random(300) < 0.8 for _ in range(20)]
        for alpha in alarms:
            verdicts = {judge_classes(baseline, c, alpha=alpha).verdict for c in candidates}
            alarms[alpha] += bool(verdicts & {Verdict.HELPS, Verdict.HURTS})
    assert alarms[0.05] > 0.25 * 400  # 157 when this was written
    assert alarms[0.05 / 20] <= binom.ppf(0.999, 400, 0.05)
