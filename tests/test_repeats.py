"""Repeats: claims about methods need several pairs; their interval, their wording, going on where it stopped."""

import json
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.stats import t as student
from simulated import equal_learners

import fewlabels as fl
from fewlabels import repeats as module
from fewlabels.cli import main
from fewlabels.errors import InputError, OptionError
from fewlabels.intervals import nadeau_bengio, seeds_and_rows
from fewlabels.repeats import conclude, repeat_seed
from fewlabels.verdict import Verdict, judge_classes, judge_numbers


@pytest.fixture(scope="module")
def data():
    return fl.datasets.load_digits(n_labels=60, random_state=0)


@pytest.fixture(scope="module")
def result(data):
    return fl.compare(data.X, data.y, method="label_spreading", repeats=5, random_state=0)


def test_nadeau_bengio_is_the_formula_of_the_paper():
    d, test, train = [0.03, -0.01, 0.05, 0.02, 0.04, 0.01], 30, 70
    mean = sum(d) / len(d)
    variance = sum((x - mean) ** 2 for x in d) / (len(d) - 1)
    error = sqrt((1 / len(d) + test / train) * variance)
    half = -student.ppf(0.05, 5) * error
    low, high, p = nadeau_bengio(d, test / train, level=0.9)
    assert (low, high) == pytest.approx((mean - half, mean + half))
    assert p == pytest.approx(2 * (1 - student.cdf(mean / error, 5)))
    assert nadeau_bengio(d, 0.0)[2] < p, "without the correction the test is readier"


def test_seeds_and_rows_is_the_sum_of_both_variances():
    g = np.random.default_rng(0).normal(0.1, 1, (5, 40))
    J, n = g.shape
    by_seed = [sum(row) / n for row in g.tolist()]
    by_row = [sum(column) / J for column in g.T.tolist()]
    spread = [sum((x - sum(v) / len(v)) ** 2 for x in v) / (len(v) - 1) / len(v) for v in (by_seed, by_row)]
    freedom = sum(spread) ** 2 / (spread[0] ** 2 / (J - 1) + spread[1] ** 2 / (n - 1))
    half = student.ppf(0.975, freedom) * sqrt(sum(spread))
    low, high, p = seeds_and_rows(g)
    assert (low, high) == pytest.approx((g.mean() - half, g.mean() + half))
    assert (p < 0.05) == (low > 0 or high < 0)


def test_a_method_that_draws_nothing_is_judged_by_its_rows_alone():
    g = np.tile(np.random.default_rng(0).choice([-1.0, 0, 1], 50), (5, 1))
    low, high, _ = seeds_and_rows(g)
    half = student.ppf(0.975, 49) * g[0].std(ddof=1) / sqrt(50)
    assert (high - low) / 2 == pytest.approx(half)


def test_without_any_spread_there_is_no_test():
    assert nadeau_bengio([0.1] * 5, 0.4) == (pytest.approx(0.1), pytest.approx(0.1), 1.0)
    assert seeds_and_rows(np.zeros((5, 30)))[2] == 1.0


@pytest.mark.parametrize("n", [40, 100, 400])
def test_false_alarms_over_splits_of_equally_good_methods(n):
    rng = np.random.default_rng(n)
    alarms = {0.3 / 0.7: 0, 0.0: 0}
    for _ in range(1000):
        d = equal_learners(rng, n, 5, 0.3)
        for ratio in alarms:
            alarms[ratio] += nadeau_bengio(d, ratio)[2] <= 0.05
    assert 30 <= alarms[0.3 / 0.7] <= 73  # the 99.9 % band of 1,000 draws at 5 %
    assert alarms[0.0] > 150, "the t test that takes the splits for independent alarms without cause"


@pytest.mark.parametrize(("seed_sd", "row_sd"), [(0.0, 0.3), (0.02, 0.3), (0.05, 0.1), (0.05, 0.0)])
def test_false_alarms_over_seeds_and_rows(seed_sd, row_sd):
    rng, alarms = np.random.default_rng(7), 0
    for _ in range(1000):
        own = rng.normal(0, row_sd, 200) + rng.normal(0, seed_sd, (5, 1))
        gains = np.sign(own) * (rng.random((5, 200)) < np.abs(own))  # 1, 0 or -1, of mean `own`
        alarms += seeds_and_rows(gains)[2] <= 0.05
    assert 30 <= alarms <= 73


def pairs(gain, n=5, rows=60):
    """Scores of pairs in which the candidate is right on `gain` more rows, one more or less from pair to pair."""
    found = []
    for j in range(n):
        scores = np.zeros((2, rows))
        scores[0, :30] = 1
        scores[1, : 30 + gain + j % 2] = 1
        found.append(scores)
    return found


@pytest.mark.parametrize(
    ("gain", "verdict", "words"),
    [
        (15, Verdict.HELPS, "the method fixmatch helped"),
        (-15, Verdict.HURTS, "the method fixmatch hurt"),
        (0, Verdict.CANNOT_TELL, "it cannot be told whether the method fixmatch helps"),
    ],
)
@pytest.mark.parametrize("ratio", [0.4, None])
def test_the_wording_of_methods(gain, verdict, words, ratio):
    paired = judge_classes([True, False], [True, True])
    found = conclude(pairs(gain), (0, 1, 2, 3, 4), ratio, paired, "fixmatch")
    assert found.verdict == verdict
    assert words in found.sentence
    assert found.new_splits == (ratio is not None)
    assert ("Nadeau-Bengio" in found.sentence) == (ratio is not None)
    assert ("their variation is not in this interval" in found.sentence) == (ratio is None)
    assert "these two fitted models" not in found.sentence


def test_models_that_answer_alike_make_no_practical_difference():
    paired = judge_classes([True, False], [True, True])
    same = [np.ones((2, 50))] * 5
    assert conclude(same, (0, 1, 2, 3, 4), 0.4, paired, "x").verdict == Verdict.NO_PRACTICAL_DIFFERENCE


def test_errors_are_lower_not_higher():
    paired = judge_numbers([1.0, 2.0], [0.5, 1.0])
    scores = [np.array([[-2.0, -3.0], [-1.0 - 0.1 * j, -2.0]]) for j in range(5)]
    found = conclude(scores, (0, 1, 2, 3, 4), 0.4, paired, "mean_teacher")
    assert found.baseline_scores[0] == 2.5
    assert found.candidate_scores[0] == 1.5
    assert "the mean absolute error is lower by +0.9 on average" in found.sentence


def test_one_pair_says_nothing_of_methods(data):
    one = fl.compare(data.X, data.y, method="label_spreading", random_state=0)
    assert one.repeated is None
    assert "these two fitted models" in one.sentence
    assert "the method" not in one.sentence


def test_five_pairs_keep_the_first_and_speak_of_the_method(data, result):
    one = fl.compare(data.X, data.y, method="label_spreading", random_state=0)
    assert result.paired == one.paired
    assert result.verdict == one.verdict
    assert np.array_equal(result.candidate_output, one.candidate_output)
    assert result.fitted_sentence == one.sentence
    assert result.sentence == f"{one.sentence} {result.repeated.sentence}"
    assert "the method label_spreading" in result.sentence
    assert result.repeated.baseline_scores[0] == one.paired.baseline_score
    assert len(set(result.repeated.candidate_scores)) > 1, "other rows are held out each time"
    gains = np.subtract(result.repeated.candidate_scores, result.repeated.baseline_scores)
    expected = nadeau_bengio(gains, 18 / 42)  # of 60 labels
    assert (result.repeated.low, result.repeated.high, result.repeated.p_value) == pytest.approx(expected)


def test_each_pair_is_a_comparison_of_its_own(data, result):
    again = fl.compare(data.X, data.y, method="label_spreading", random_state=repeat_seed(0, 3))
    assert result.repeated.seeds[3] == repeat_seed(0, 3)
    assert result.repeated.baseline_scores[3] == again.paired.baseline_score
    assert result.repeated.candidate_scores[3] == again.paired.candidate_score


def test_with_a_test_set_the_seeds_alone_differ(data):
    found = fl.compare(
        data.X, data.y, data.X_test, data.y_test, method="tri_training", repeats=5, random_state=0
    ).repeated
    assert not found.new_splits
    again = fl.compare(data.X, data.y, data.X_test, data.y_test, method="tri_training", random_state=found.seeds[2])
    assert found.candidate_scores[2] == again.paired.candidate_score
    with pytest.raises(InputError, match="needs at least 20"):
        fl.compare(data.X, data.y, data.X_test[:19], data.y_test[:19], method="tri_training", repeats=5, random_state=0)


@pytest.mark.parametrize("repeats", [0, 2, 4, -1, 5.0, True])
def test_too_few_pairs_are_refused_with_the_reason(data, repeats):
    with pytest.raises(OptionError, match="claim about methods"):
        fl.compare(data.X, data.y, method="label_spreading", repeats=repeats)


def test_an_interrupted_comparison_goes_on(data, result, tmp_path, monkeypatch):
    folder = tmp_path / "run"  # beside it is the count of who read the test rows
    options = {"method": "label_spreading", "repeats": 5, "random_state": 0, "folder": folder}
    trained, fit = [], module.fit_both

    def until_the_third(*args, **more):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(1)
        return fit(*args, **more)

    monkeypatch.setattr(module, "fit_both", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        fl.compare(data.X, data.y, **options)
    assert len(json.loads((folder / "repeats.json").read_text())["values"]) == 2
    trained.clear()
    monkeypatch.setattr(module, "fit_both", lambda *a, **k: trained.append(1) or fit(*a, **k))
    assert fl.compare(data.X, data.y, **options).repeated == result.repeated
    assert len(trained) == 2, "the first two of four are not trained again"
    changed = data.X.copy()
    changed[0] += 1
    for X, more in ((changed, {}), (data.X, {"random_state": 1}), (data.X, {"holdout": 0.4})):
        with pytest.raises(InputError, match="other data or settings"):
            fl.compare(X, data.y, **options | more)
    (folder / "repeats.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        fl.compare(data.X, data.y, **options)


def test_deep_pairs_keep_their_scores_and_not_their_checkpoints(data, tmp_path):
    options = {"method": "fixmatch", "steps": 2, "repeats": 5, "random_state": 0, "verbose": False, "audit": False}
    folder = tmp_path / "run"
    one = fl.compare(data.X, data.y, **options, folder=folder)
    assert sorted(path.name for path in folder.iterdir()) == ["baseline", "candidate", "repeats.json"]
    assert fl.compare(data.X, data.y, **options, folder=folder).repeated == one.repeated
    with pytest.raises(InputError, match="other data or settings"):
        fl.compare(data.X, data.y, **options | {"method": fl.methods.FixMatch(lambda_u=2.0)}, folder=folder)


def test_the_report_has_a_section_of_its_own(result, tmp_path):
    html = result.report(tmp_path / "report.html").read_text()
    assert "What the repeats say of the methods" in html
    assert "the method label_spreading" in html
    facts = json.loads((tmp_path / "report.json").read_text())
    assert facts["repeated"]["candidate_scores"] == pytest.approx(list(result.repeated.candidate_scores))
    assert facts["repeated"]["verdict"] == str(result.repeated.verdict)
    one = replace(result, repeated=None).report(tmp_path / "one.html").read_text()
    assert "the method" not in one


def test_the_command_line_repeats(data, tmp_path, capsys):
    np.savez(tmp_path / "digits.npz", X=data.X, y=data.y)
    words = ["compare", str(tmp_path / "digits.npz"), "--method", "label_spreading", "--out", str(tmp_path / "run")]
    main_ok = [*words, "--repeats", "5", "--quiet"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--repeats", "3"])
    assert stop.value.code == 2
    assert "claim about methods" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(main_ok)
    assert not stop.value.code
    assert "Over 5 splits" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 3, "a run with other settings is in that folder"
