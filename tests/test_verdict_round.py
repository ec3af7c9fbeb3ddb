"""The verdict round: its arithmetic, that any look is allowed, and the way through the command line."""

import csv
import json
from itertools import pairwise
from math import log, sqrt

import numpy as np
import pytest
from test_cli import run

import fewlabels as fl
from fewlabels.errors import InputError, OptionError
from fewlabels.verdict import Verdict
from fewlabels.verdict_round import VerdictRound


def make(n_rows=1000, differ=200, candidate_right=0.75, seed=0, delta=0.01):
    """(round, true labels): class 0 is the baseline's answer where they differ, 1 the candidate's."""
    rng = np.random.default_rng(seed)
    baseline = np.zeros(n_rows, dtype=int)
    candidate = np.where(np.arange(n_rows) < differ, 1, 0)
    truth = np.where(np.arange(n_rows) < round(candidate_right * differ), 1, 0)
    order = rng.permutation(n_rows)
    numbers = np.arange(5000, 5000 + n_rows)
    asked = VerdictRound.between(numbers, baseline[order], candidate[order], seed, delta)
    return asked, dict(zip(numbers.tolist(), truth[order].tolist(), strict=True))


def answer(asked, truth, n):
    rows = asked.questions(n)
    asked.answer(rows, [truth[row] for row in rows.tolist()])


def by_hand(outcomes):
    """The mixture's likelihood ratio, one outcome after the other: Beta(2, 2) predicts (wins + 2) / (n + 4)."""
    e, wins, losses = 1.0, 0, 0
    for won in outcomes:
        e *= 2 * (wins + 2 if won else losses + 2) / (wins + losses + 4)
        wins, losses = wins + won, losses + (not won)
    return e


def test_questions_are_the_rows_of_disagreement_in_a_random_order():
    asked, _ = make(seed=3)
    rows = asked.questions(1000)
    assert len(set(rows.tolist())) == len(rows) == 200
    assert (np.diff(rows) < 0).sum() > 60  # not sorted
    assert asked.questions().tolist() == rows[:40].tolist()
    assert rows.tolist() == make(seed=3)[0].rows.tolist()
    assert rows.tolist() != make(seed=4)[0].rows.tolist()


def test_e_value_and_gain_against_arithmetic_by_hand():
    asked, truth = make()
    outcomes = []
    assert asked.e_value == pytest.approx(1)
    for _ in range(30):
        row = asked.questions(1)
        asked.answer(row, [truth[int(row[0])]])
        outcomes.append(truth[int(row[0])] == 1)
        assert asked.e_value == pytest.approx(by_hand(outcomes))
    wins = sum(outcomes)
    assert asked.counts == (wins, 30 - wins, 30)
    assert asked.gain == pytest.approx(0.2 * (2 * wins - 30) / 30)


def test_neither_and_nobody_can_tell_count_as_answers_but_for_no_model():
    asked, _ = make()
    asked.answer(asked.questions(4), [1, 0, 2, None])
    assert asked.counts == (1, 1, 4)
    assert asked.e_value == pytest.approx(by_hand([True, False]))
    assert asked.gain == 0


@pytest.mark.parametrize(("right", "verdict"), [(0.85, Verdict.HELPS), (0.15, Verdict.HURTS)])
def test_it_decides_either_way(right, verdict):
    asked, truth = make(candidate_right=right)
    answer(asked, truth, 10_000)
    assert asked.verdict == verdict
    asked, truth = make(candidate_right=right)
    answer(asked, truth, 60)
    assert asked.verdict == verdict
    assert asked.e_value >= 20
    assert ("helped" if right > 0.5 else "hurt") in asked.sentence


def test_no_labels_are_needed_where_the_models_hardly_differ():
    assert make(differ=9)[0].verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert make(differ=11)[0].verdict == Verdict.CANNOT_TELL
    assert make(differ=0)[0].verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert make(differ=11, delta=0.02)[0].verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert "at most 0.9 points" in make(differ=9)[0].sentence


def test_thresholds_belong_to_the_side_that_is_said(monkeypatch):
    """E of exactly 20 decides; a gain or a disagreement of exactly delta is not smaller than delta."""
    assert make(differ=10)[0].verdict == Verdict.CANNOT_TELL
    asked, truth = make(differ=100, candidate_right=0.55)
    answer(asked, truth, 100)
    assert asked.gain == 0.01
    assert asked.verdict == Verdict.HELPS
    asked, _ = make()
    asked.answer(asked.questions(1), [1])
    for e_value, verdict in ((20.0, Verdict.HELPS), (np.nextafter(20.0, 0.0), Verdict.CANNOT_TELL)):
        monkeypatch.setattr(VerdictRound, "e_value", e_value)
        assert asked.verdict == verdict


def test_equally_many_wins_and_losses_never_hurt():
    asked, truth = make(differ=100, candidate_right=0.5, delta=0.0)
    answer(asked, truth, 100)
    assert asked.gain == 0
    assert asked.verdict == Verdict.NO_PRACTICAL_DIFFERENCE


def test_futility_stops_and_the_whole_disagreement_is_certain():
    asked, _ = make(n_rows=20_000, differ=600)  # g can be at most 3 points
    asked.answer(asked.questions(159), [i % 2 for i in range(159)])
    assert asked.verdict == Verdict.CANNOT_TELL
    asked.answer(asked.questions(1), [1])  # the third look
    assert asked.verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    asked, truth = make(n_rows=1000, differ=100, candidate_right=0.52)
    answer(asked, truth, 99)
    assert asked.verdict == Verdict.CANNOT_TELL
    answer(asked, truth, 1)
    assert asked.verdict == Verdict.NO_PRACTICAL_DIFFERENCE  # g = 0.4 points exactly
    asked, truth = make(n_rows=1000, differ=100, candidate_right=0.56)
    answer(asked, truth, 100)
    assert asked.verdict == Verdict.HELPS  # g = 1.2 points exactly


@pytest.mark.parametrize(("look", "risk", "lead"), [(40, 0.025, 0), (80, 0.0125, 8)])
def test_futility_is_hoeffding_s_bound_with_half_the_risk_at_each_look(look, risk, lead):
    share = 0.01 / (lead / look + sqrt(2 * log(2 / risk) / look))  # D / N at which delta is just out of reach
    for differ, verdict in (
        (int(share * 100_000), Verdict.NO_PRACTICAL_DIFFERENCE),
        (int(share * 100_000) + 1, Verdict.CANNOT_TELL),
    ):
        asked, _ = make(n_rows=100_000, differ=differ)
        asked.answer(asked.questions(look), [1] * lead + [0, 1] * ((look - lead) // 2))
        assert asked.verdict == verdict


def test_futility_at_exactly_delta_is_not_yet_sure():
    bound = 600 / 20_000 * (0 / 40 + sqrt(2 * log(2 / 0.025) / 40))
    for delta, verdict in (
        (bound, Verdict.CANNOT_TELL),
        (np.nextafter(bound, 1.0), Verdict.NO_PRACTICAL_DIFFERENCE),
    ):
        asked, _ = make(n_rows=20_000, differ=600, delta=float(delta))
        asked.answer(asked.questions(40), [0, 1] * 20)
        assert asked.verdict == verdict


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"delta": 0.0}, None),
        ({"pool": 3}, None),  # they disagree everywhere
        ({"labels": [0, 1, None]}, None),
        ({"pool": 2}, "more rows than the pool"),
        ({"labels": [0, 1, 0, 1]}, "more labels than rows"),
        ({"rows": [], "baseline": [], "candidate": [], "labels": []}, None),
        ({"rows": [], "baseline": [], "candidate": [], "labels": [], "pool": 0}, "the pool"),
        ({"delta": -0.01}, "delta or alpha"),
        ({"alpha": 0.0}, "delta or alpha"),
        ({"alpha": 1.0}, "delta or alpha"),
        ({"alpha": 0.99}, None),
        ({"rows": [1, 2]}, "unlike shapes"),
        ({"candidate": [1, 2]}, "unlike shapes"),
        ({"rows": [[1], [2], [3]], "baseline": [[0]] * 3, "candidate": [[1]] * 3}, "unlike shapes"),
        ({"rows": [1.0, 2.0, 3.0]}, "unlike shapes"),
        ({"pool": 9.0}, "pool is a whole number"),
        ({"labels": "01"}, "labels a list"),
    ],
)
def test_a_round_that_was_written_is_read_and_no_other(change, words):
    values = VerdictRound(np.array([4, 2, 9]), np.array([0, 0, 1]), np.array([1, 1, 0]), 9, labels=[1]).to_dict()
    if words is None:
        assert VerdictRound.from_dict(values | change).to_dict() == values | change
    else:
        with pytest.raises((ValueError, TypeError), match=words):
            VerdictRound.from_dict(values | change)


def test_a_look_after_every_label_is_wrong_at_most_once_in_twenty():
    """2,000 rounds between equally good models, stopped at the first decision: naive testing is wrong in a quarter."""
    rng, wrong, naive = np.random.default_rng(0), 0, 0
    for _ in range(2000):
        won = rng.permutation(np.arange(400) < 200)[:200]
        wins = np.cumsum(won)
        losses = np.arange(1, 201) - wins
        steps = np.where(won, wins + 1, losses + 1) * 2 / (np.arange(200) + 4)
        wrong += np.cumprod(steps).max() >= 20
        z = np.abs(wins - losses) / np.sqrt(wins + losses)
        naive += (z[19:] > 1.96).any()
    assert wrong / 2000 <= 0.05
    assert wrong > 0
    assert naive / 2000 > 0.15


def test_answers_may_not_be_chosen():
    asked, truth = make()
    rows = asked.questions(5)
    with pytest.raises(InputError, match="not the next"):
        asked.answer(rows[1:], [0] * 4)
    with pytest.raises(InputError, match="one label for each row"):
        asked.answer(rows, [0])
    assert asked.counts == (0, 0, 0)
    shuffled = rows[::-1]
    asked.answer(shuffled, [truth[r] for r in shuffled.tolist()])
    again, _ = make()
    again.answer(rows[:, None], np.array([truth[r] for r in rows.tolist()]))
    assert asked.labels == again.labels
    assert VerdictRound.from_dict(json.loads(json.dumps(again.to_dict()))).to_dict() == again.to_dict()


def test_through_compare_the_rows_are_those_of_x():
    data = fl.datasets.load_digits(n_labels=40, random_state=0)
    result = fl.compare(data.X, data.y, method="label_spreading", random_state=0)
    assert result.verdict == Verdict.CANNOT_TELL
    rows = result.questions(10_000)
    assert (data.y[rows] == -1).all()
    guesses = [model.predict(data.X[rows]) for model in (result.baseline, result.candidate)]
    assert np.mean(guesses[0] != guesses[1]) > 0.9  # new rows are answered otherwise than those in the graph
    assert not set(rows.tolist()) & set(result.rows_eval.tolist())
    labels = result.round.candidate.tolist()  # as if the candidate were always right
    before = result.deployed
    said = [result.answer(result.questions(1), [labels[i]]) for i in range(12)]
    assert said[-1] == Verdict.HELPS == result.verdict
    assert all(a == b or b == Verdict.HELPS for a, b in pairwise(said))
    assert before is result.baseline
    assert result.deployed is result.candidate
    assert "e-value" in result.sentence


def test_numbers_have_no_round():
    data = fl.datasets.load_diabetes(random_state=0)
    result = fl.compare(data.X, data.y, data.X_test, data.y_test, method="label_propagation_regressor")
    with pytest.raises(OptionError, match="needs classes"):
        result.questions()


def test_the_command_line_asks_and_deploys(tmp_path, capsys):
    data = fl.datasets.load_digits(n_labels=40, random_state=0)
    names = np.array([f"digit {i}" for i in range(10)])
    y = np.where(data.y < 0, "", names[data.y])
    np.savez(tmp_path / "d.npz", X=data.X.reshape(len(y), -1), y=y)
    out = tmp_path / "run"
    run("compare", tmp_path / "d.npz", "--method", "label_spreading", "--out", out, "--quiet")
    assert "fewlabels verdict" in capsys.readouterr().out
    run("verdict", out, "--ask", "12")
    asked = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [set(line) for line in asked] == [{"row", "label"}] * 12
    kept = json.loads((out / "round.json").read_text())["round"]
    answers = dict(zip(map(str, kept["rows"]), kept["candidate"], strict=True))

    def write(n, label):
        with (tmp_path / "ask.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [("row", "label"), *((a["row"], label(i, a) if i < n else "") for i, a in enumerate(asked))]
            )

    write(3, lambda i, a: answers[a["row"]])
    run("verdict", out, "--answers", tmp_path / "ask.csv")
    assert "Deployed: the baseline" in capsys.readouterr().out
    write(12, lambda i, a: "" if i == 5 else answers[a["row"]])
    run("verdict", out, "--answers", tmp_path / "ask.csv", expect=3)
    assert "Write ? where nobody can tell" in capsys.readouterr().err
    write(12, lambda i, a: answers[a["row"]])  # the three that are known are passed over
    run("verdict", out, "--answers", tmp_path / "ask.csv")
    said = capsys.readouterr().out
    assert "HELPS" in said
    assert "12 of those" in said
    assert type(fl.load(out / "model")).__name__ == "LabelSpreading"
    run("verdict", tmp_path, "--ask", "3", expect=3)
