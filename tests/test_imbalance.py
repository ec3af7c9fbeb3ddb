"""Imbalanced labels: classes that take turns, logit adjustment, for every method and without touching one."""

import dataclasses

import numpy as np
import pytest
import reference
import torch
from sklearn.metrics import balanced_accuracy_score
from test_engine import ALL, options, same
from test_methods import K, N, make_batch, make_net, take_loss

import fewlabels as fl
import fewlabels.run as run_module
from fewlabels import methods
from fewlabels.batches import draw, draw_balanced
from fewlabels.errors import InputError, OptionError
from fewlabels.partial_labels import partial
from fewlabels.run import fit_run
from fewlabels.runs import make_estimator
from fewlabels.tasks import Classes, adjusted


def imbalanced(seed=0, rows=(300, 30), labels=(50, 5)):
    """Two overlapping classes, ten to one, in the pool and in the labels; as many test rows of each."""
    rng = np.random.default_rng(seed)
    truth, test = np.repeat([0, 1], rows), np.repeat([0, 1], 500)
    x, x_test = (rng.normal(size=(len(t), 4)) + t[:, None] * [1.0, 1.0, 0.0, 0.0] for t in (truth, test))
    y = np.full(len(truth), -1)
    for c in (0, 1):
        y[rng.choice(np.flatnonzero(truth == c), labels[c], replace=False)] = c
    return x, y, x_test, test


def run(method="fixmatch", **changes):
    x, y, *_ = imbalanced()
    p = partial(x, y)
    return fit_run(p, Classes(2), p.y, options(method, **changes))


# --- classes that take turns ------------------------------------------------------------------------------------------


def test_groups_are_drawn_alike_and_every_row_of_a_group_once_before_any_again():
    y = np.array([0] * 7 + [1] * 3 + [2])
    groups = [np.flatnonzero(y == c) for c in range(3)]
    drawn = [draw_balanced(0, 9, step, groups, 4) for step in range(63)]
    index, passes = (np.concatenate([getattr(d, f) for d in drawn]) for f in ("index", "passes"))
    for start in range(0, len(index), 3):
        assert sorted(y[index[start : start + 3]]) == [0, 1, 2]
    for rows in groups:
        own = index[np.isin(index, rows)]
        for epoch in range(len(own) // len(rows)):
            assert sorted(own[epoch * len(rows) : (epoch + 1) * len(rows)]) == rows.tolist()
    assert [int(np.sum(index[:i] == row)) for i, row in enumerate(index)] == passes.tolist()
    first, second = index[np.isin(index, groups[0])][:14].reshape(2, 7)
    assert first.tolist() != second.tolist() != groups[0].tolist()


def test_the_order_depends_on_the_step_and_the_seed_alone():
    groups = [np.arange(9), np.arange(9, 13)]
    late = draw_balanced(3, 1, 40, groups, 5)
    assert np.array_equal(late.index, draw_balanced(3, 1, 40, groups, 5).index)
    assert not np.array_equal(late.index, draw_balanced(4, 1, 40, groups, 5).index)


def test_with_one_group_it_is_the_plain_order():
    for step in range(9):
        one, other = draw_balanced(0, 5, step, [np.arange(11)], 4), draw(0, 5, step, 11, 4)
        assert np.array_equal(one.index, other.index)
        assert np.array_equal(one.passes, other.passes)


def test_batches_hold_as_many_rows_of_each_class(monkeypatch):
    seen = []

    def spy(net, method, state, batches, *rest, **options):
        for batch in batches:
            seen.append(batch.y.bincount(minlength=2).tolist())
            return
            yield

    monkeypatch.setattr(run_module, "train", spy)
    for balanced in (True, False):
        run(class_balanced=balanced, batch_size=40)
    assert seen[0] == [20, 20]
    assert seen[1][0] > 30


# --- logit adjustment -------------------------------------------------------------------------------------------------


def test_the_adjusted_loss_equals_the_slow_derivation():
    rng = np.random.default_rng(0)
    y, logits = np.array([0] * 6 + [1] * 3 + [2]), rng.normal(size=(10, 3)) * 2
    prior = [0.6, 0.3, 0.1]
    for tau in (0.5, 1.0, 2.0):
        got = adjusted(3, y, tau).supervised(torch.from_numpy(logits), torch.from_numpy(y))
        for row, label, loss in zip(logits, y, got.tolist(), strict=True):
            weighted = [prior[c] ** tau * np.exp(row[c]) for c in range(3)]
            assert loss == pytest.approx(-np.log(weighted[label] / sum(weighted)))


def test_shares_are_adjusted_like_classes():
    logits, y = torch.randn(8, 3), torch.arange(8) % 3
    task = adjusted(3, np.array([0, 0, 0, 1, 2]), 1.0)
    shares = torch.nn.functional.one_hot(y, 3).float()
    torch.testing.assert_close(task.supervised(logits, y), task.supervised(logits, shares))


def test_its_minimum_answers_for_classes_equally_frequent():
    """Of 100 rows with the same x, counted by class: at the minimum the softmax is the share of each class's own."""
    here, total = torch.tensor([80.0, 15.0, 5.0]), np.array([800, 100, 20])
    task = adjusted(3, np.repeat([0, 1, 2], total), 1.0)
    logits = (here / torch.from_numpy(total)).log().requires_grad_()
    loss = (here * task.supervised(logits.expand(3, 3), torch.arange(3))).sum()
    (slope,) = torch.autograd.grad(loss, logits)
    assert slope.abs().max() < 1e-3
    assert logits.argmax() == 2


def test_equal_shares_change_nothing_and_only_the_supervised_loss_is_touched():
    logits, y = torch.randn(20, 4), torch.arange(20) % 4
    even = adjusted(4, y.numpy(), 1.0)
    torch.testing.assert_close(even.supervised(logits, y), Classes(4).supervised(logits, y))
    task = adjusted(4, np.array([0, 0, 0, 1, 2, 3]), 1.0)
    assert torch.equal(task.predict(logits), logits.softmax(1))
    q = logits.roll(1, 0).softmax(1)
    assert torch.equal(task.distance(logits, q), Classes(4).distance(logits, q))


@pytest.mark.parametrize("name", ALL)
def test_every_methods_labeled_part_is_adjusted_and_nothing_else_of_it(name):
    """The guesses, targets and weights of a step do not know of it."""
    recipe = methods.NAMES[name]()
    state, batch = recipe.init(K, N), make_batch(recipe)
    task = adjusted(K, np.array([0] * 9 + [1, 2, 3]), 1.0)
    plain, told, _ = take_loss(recipe, make_net(), batch, state)
    state = recipe.init(K, N)
    changed, told_now, _ = take_loss(recipe, make_net(task=task), batch, state)
    assert not torch.allclose(plain, changed)
    for key, value in told.items():
        if key != "loss_x":
            assert torch.equal(value, told_now[key]), key
    if name in ("supervised", "fixmatch"):
        logits = make_net().student(batch.x).detach().numpy() + np.log([9 / 12, 1 / 12, 1 / 12, 1 / 12])
        assert told_now["loss_x"].item() == pytest.approx(reference.supervised(logits, batch.y.numpy()), rel=1e-5)


# --- through the public interface -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("change", [{"class_balanced": True}, {"logit_adjustment": 1.0}])
def test_every_method_takes_both_options(method, change):
    assert not same(run(method), run(method, **change))


@pytest.mark.parametrize("method", ["supervised", "fixmatch", "mean_teacher"])
def test_the_balanced_accuracy_rises(method):
    common = {"steps": 60, "batch_size": 32, "unlabeled_ratio": 2, "network": "mlp-32-1", "verbose": False}
    for seed in range(3):
        x, y, x_test, truth = imbalanced(seed)

        def score(**change):
            model = fl.DeepClassifier(method, random_state=seed, **common, **change).fit(x, y)  # noqa: B023
            return balanced_accuracy_score(truth, model.predict(x_test))  # noqa: B023

        plain = score()
        assert score(class_balanced=True) > plain + 0.08
        assert score(logit_adjustment=1.0) > plain + 0.08


@pytest.mark.parametrize("change", [{"class_balanced": True}, {"logit_adjustment": 1.0}])
def test_resume_is_exact_and_other_settings_are_refused(change, tmp_path, monkeypatch):
    real = run_module.train

    def killed(*args, **kwargs):
        for i, step in enumerate(real(*args, **kwargs), 1):
            yield step
            if i == 5:
                raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
        patch.setattr(run_module, "train", killed)
        with pytest.raises(RuntimeError, match="killed"):
            run(folder=tmp_path, **change)
    with pytest.raises(InputError, match="other data or settings"):
        run(folder=tmp_path)
    assert same(run(folder=tmp_path, **change), run(**change))


def test_noisy_student_passes_them_on_and_the_baseline_keeps_them():
    x, y, *_ = imbalanced()
    fitted = [
        fl.NoisyStudent(rounds=1, steps=10, random_state=0, verbose=False, **change).fit(x, y).predict_proba(x)
        for change in ({}, {"class_balanced": True}, {"logit_adjustment": 1.0})
    ]
    assert not np.array_equal(fitted[0], fitted[1])
    assert not np.array_equal(fitted[0], fitted[2])
    baseline = fl.DeepClassifier("fixmatch", logit_adjustment=0.5).baseline()
    assert (baseline.method, baseline.logit_adjustment) == ("supervised", 0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"class_balanced": 1}, "class_balanced=1; expected True or False"),
        ({"logit_adjustment": -1.0}, "logit_adjustment=-1.0; expected a number from 0"),
        ({"logit_adjustment": True}, "logit_adjustment=True"),
        ({"logit_adjustment": 1.0, "class_balanced": True}, "the same thing twice"),
    ],
)
def test_senseless_options_are_refused(change, words):
    with pytest.raises(OptionError, match=words):
        dataclasses.replace(options(), **change)


def test_the_command_line_knows_them_for_classes_only():
    made = make_estimator("fixmatch", "classes", "table", ["class_balanced=true"])
    assert made.class_balanced is True
    assert make_estimator("fixmatch", "classes", "table", ["logit_adjustment=0.5"]).logit_adjustment == 0.5
    with pytest.raises(OptionError, match="no such option"):
        make_estimator("mean_teacher", "numbers", "table", ["class_balanced=true"])
