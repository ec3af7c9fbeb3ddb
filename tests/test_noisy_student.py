"""Noisy Student: which rows are taught and how much, the loop over rounds, scikit-learn's contract."""

import dataclasses
import pickle

import numpy as np
import pytest
import reference
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import fewlabels as fl
import fewlabels.noisy_student as module
from fewlabels.errors import InputError, OptionError
from fewlabels.method import Batch, Net
from fewlabels.noisy_student import NoisyStudent, Taught, chosen
from fewlabels.tasks import Classes


@parametrize_with_checks(
    [NoisyStudent(rounds=1, steps=40, random_state=0, verbose=False)],
    expected_failed_checks=lambda _: {"check_classifiers_classes": "-1 marks an unlabeled row"},
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def cancer():
    return fl.datasets.load_breast_cancer(n_labels=20, random_state=0)


def model(**options):
    return NoisyStudent(**{"rounds": 2, "steps": 15, "random_state": 0, "verbose": False} | options)


def slow_weights(proba, labeled, tau):
    """Xie et al., section 3.1: a multiset of rows, written out; a row's weight is how often it stands in it."""
    n, k = proba.shape
    kept = [i for i in range(n) if i not in set(labeled) and max(proba[i]) >= tau]
    share = -(-len(kept) // k)
    times = [0.0] * n
    for c in range(k):
        own = sorted((i for i in kept if proba[i].argmax() == c), key=lambda i: -max(proba[i]))[:share]
        for i in own:
            times[i] = share / len(own)
    return [t * n / sum(times) for t in times]


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_the_papers_filter_and_balance(seed):
    rng = np.random.default_rng(seed)
    proba = reference.softmax(2 * rng.normal(size=(80, 4)) + [2, 1, 0, -1])
    labeled = rng.permutation(80)[:10]
    w = chosen(proba, labeled, 0.5, True)
    np.testing.assert_allclose(w, slow_weights(proba, labeled, 0.5))
    assert w.mean() == pytest.approx(1)
    assert (w[labeled] == 0).all()
    per_class = [w[proba.argmax(1) == c].sum() for c in range(4)]
    np.testing.assert_allclose(per_class, np.mean(per_class))
    plain = chosen(proba, labeled, 0.5, False)
    assert len(np.unique(plain)) == 2
    assert ((plain > 0) == ((proba.max(1) >= 0.5) & ~np.isin(np.arange(80), labeled))).all()


def test_no_row_left_and_a_class_without_rows_give_no_nan():
    proba = np.tile([0.9, 0.1, 0.0], (6, 1))
    assert (chosen(proba, np.arange(6), 0.3, True) == 0).all()
    w = chosen(proba, np.array([0]), 0.3, True)
    assert w.mean() == pytest.approx(1)
    assert (w > 0).sum() == 2, "a third of the five rows, rounded up"


def test_the_loss_is_cross_entropy_with_fixed_answers_and_weights():
    torch.manual_seed(0)
    net = Net(nn.Linear(3, 4), Classes(4))
    answers, weight = torch.randn(20, 4).softmax(1), torch.rand(20) * 2
    batch = Batch(
        torch.randn(5, 3), torch.arange(5) % 4, (torch.randn(8, 3),), torch.randperm(20)[:8], (torch.randn(5, 3),)
    )
    recipe = Taught(answers, weight)
    loss, metrics, _ = recipe.loss(net, batch, recipe.init(4, 20))
    x, u = (net.student(rows).detach().numpy() for rows in (batch.x_more[0], batch.u[0]))
    rows = batch.rows.numpy()
    expected = reference.supervised(x, batch.y.numpy()) + np.mean(
        weight.numpy()[rows] * reference.cross_entropy(u, answers.numpy()[rows])
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert not metrics["loss_u"].requires_grad


def test_students_learn_the_teachers_answers_and_become_teachers(monkeypatch):
    seen = []
    real = fl.DeepClassifier.learn

    def learn(self, data):
        seen.append((self.method, self.random_state))
        return real(self, data)

    monkeypatch.setattr(fl.DeepClassifier, "learn", learn)
    data = cancer()
    fitted = model(tau=0.6).fit(data.X, data.y)
    (first, *lessons), seeds = zip(*seen, strict=True)
    assert first == "supervised"
    assert seeds == (0, 1, 2)
    teacher = fl.DeepClassifier("supervised", steps=15, random_state=0, verbose=False).fit(data.X, data.y)
    np.testing.assert_allclose(lessons[0].answers, teacher.predict_proba(data.X), rtol=1e-5)
    assert not torch.equal(lessons[0].answers, lessons[1].answers)
    expected = chosen(teacher.predict_proba(data.X), np.flatnonzero(data.y != -1), 0.6, True)
    np.testing.assert_allclose(lessons[0].weight, expected, rtol=1e-5)
    assert [entry["round"] for entry in fitted.rounds_] == [1, 2]
    assert fitted.rounds_[0]["used"] == (expected > 0).sum() == sum(fitted.rounds_[0]["used_per_class"])
    steps = [entry["step"] for entry in fitted.history_]
    assert steps == list(range(1, 46))


@pytest.mark.parametrize(
    "change",
    [
        {"rounds": 1}, {"targets": "hard"}, {"tau": 0.8}, {"balance": False}, {"student_network": "mlp-16-1"},
        {"network": "mlp-16-1"}, {"random_state": 1}, {"steps": 16}, {"augment": "none"}, {"lr": 0.1},
    ],
)  # fmt: skip
def test_every_option_matters(change):
    data = cancer()
    one, other = model().fit(data.X, data.y), model(**change).fit(data.X, data.y)
    assert not np.array_equal(one.predict_proba(data.X_test), other.predict_proba(data.X_test))


def test_without_rounds_it_is_the_supervised_classifier_and_the_baseline_is_that_of_the_students_network():
    data = cancer()
    alone = model(rounds=0).fit(data.X, data.y)
    plain = fl.DeepClassifier("supervised", steps=15, random_state=0, verbose=False).fit(data.X, data.y)
    assert np.array_equal(alone.predict_proba(data.X_test), plain.predict_proba(data.X_test))
    baseline = model(student_network="mlp-16-1").baseline()
    assert (baseline.rounds, baseline.network) == (0, "mlp-16-1")
    assert model().baseline().network == "auto"


def test_going_on_gives_the_same_bits_and_does_not_repeat_finished_rounds(tmp_path, monkeypatch):
    data = cancer()
    whole = model().fit(data.X, data.y)
    real = module._about

    def killed(number, *rest):
        if number == 2:
            raise KeyboardInterrupt
        return real(number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_about", killed)
        with pytest.raises(KeyboardInterrupt):
            model(folder=tmp_path).fit(data.X, data.y)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["round-0", "round-1", "round-2"]
    import fewlabels.train as train_module

    def never(*args):
        raise AssertionError("a finished round was trained again")

    monkeypatch.setattr(train_module, "learning_rate", never)
    resumed = model(folder=tmp_path).fit(data.X, data.y)
    assert np.array_equal(whole.predict_proba(data.X_test), resumed.predict_proba(data.X_test))
    assert whole.rounds_ == resumed.rounds_
    assert whole.history_ == resumed.history_
    for change in ({"tau": 0.9}, {"targets": "hard"}):
        with pytest.raises(InputError, match="other data or settings"):
            model(folder=tmp_path, **change).fit(data.X, data.y)
    with pytest.raises(OptionError, match="known seed"):
        model(folder=tmp_path, random_state=None).fit(data.X, data.y)


def test_clone_pickle_files_refit_and_the_global_random_state(tmp_path):
    data = cancer()
    state = torch.get_rng_state()
    fitted = model().fit(data.X, data.y)
    assert torch.equal(state, torch.get_rng_state())
    proba = fitted.predict_proba(data.X_test)
    for other in (
        clone(fitted).fit(data.X, data.y),
        pickle.loads(pickle.dumps(fitted)),
        fl.load(fitted.save(tmp_path / "m")),
    ):
        assert np.array_equal(other.predict_proba(data.X_test), proba)
    labeled = data.y != -1
    assert np.array_equal(fitted.transduction_[labeled], data.y[labeled])
    with pytest.raises(OptionError):
        fitted.set_params(tau=2.0).fit(data.X, data.y)
    assert np.array_equal(fitted.predict_proba(data.X_test), proba)


def test_strings_images_and_no_unlabeled_row_at_all():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (30, 8, 8), dtype=np.uint8)
    y = np.array(["a", "b", None] * 10, dtype=object)
    fitted = model(steps=3, rounds=1).fit(X, y)
    assert set(fitted.predict(X)) <= {"a", "b"}
    full = model(steps=3, rounds=1).fit(X[y != None], y[y != None])  # noqa: E711
    assert full.rounds_[0]["used"] == 0
    assert np.isfinite(full.predict_proba(X)).all()


@pytest.mark.parametrize(
    "change", [{"rounds": -1}, {"rounds": 1.5}, {"rounds": True}, {"targets": "firm"}, {"tau": 1.1}]
)
def test_senseless_options_are_refused(change):
    data = cancer()
    with pytest.raises(OptionError, match=rf"NoisyStudent\.{next(iter(change))} is .*expected"):
        model(**change).fit(data.X, data.y)


def test_the_lesson_is_a_value():
    lesson = Taught(torch.ones(2, 2), torch.ones(2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        lesson.weight = None
