"""Any of several labels a row: the same loop and the same method files, each label a question of its own."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from test_engine import options, same
from test_methods import D, make_batch, take_loss
from torch import nn

import fewlabels as fl
from fewlabels import methods, parts
from fewlabels.errors import InputError, OptionError
from fewlabels.method import Net
from fewlabels.partial_labels import partial_matrix
from fewlabels.run import fit_run
from fewlabels.tasks import Classes, Labels

K = 3
HOLD = [name for name in sorted(methods.NAMES) if "labels" in methods.NAMES[name].tasks]


def several(seed=0, n=240, n_labels=24):
    """Three labels, each its own direction; the last rows are unlabeled."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + 300, 6))
    truth = (x[:, :3] + 0.5 * x[:, 3:] + 0.3 * rng.normal(size=(n + 300, 3)) > 0.4).astype(float)
    y = truth[:n].copy()
    y[n_labels:] = np.nan
    return x[:n], y, x[n:], truth[n:]


def model(method="fixmatch", **changes):
    common = {"steps": 12, "batch_size": 8, "unlabeled_ratio": 2, "random_state": 0, "verbose": False}
    return fl.DeepClassifier(method, **common | changes)


def run(name, **changes):
    data = partial_matrix(*several()[:2])
    return fit_run(data, Labels(K), data.y, dataclasses.replace(options(name), **changes))


def test_the_supervised_loss_is_the_sigmoid_cross_entropy_of_the_labels_that_are_known():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(7, 2, K)), rng.integers(-1, 2, (7, K))
    got = Labels(K).supervised(torch.from_numpy(z), torch.from_numpy(y))
    assert (y == -1).any()
    for row in range(7):
        for label in range(K):
            p = 1 / (1 + np.exp(z[row, 0, label] - z[row, 1, label]))
            expected = {1: -np.log(p), 0: -np.log(1 - p), -1: 0.0}[int(y[row, label])]
            assert got[row, label].item() == pytest.approx(expected)


def label_net(network, task):
    return Net(nn.Sequential(network, nn.Unflatten(1, (2, K))) if task.name == "labels" else network, task)


@pytest.mark.parametrize("name", [n for n in HOLD if n not in ("adamatch", "vat")])
def test_a_methods_loss_is_the_mean_of_its_losses_for_each_label_alone(name):
    """AdaMatch has one threshold and VAT one direction for all labels of a row: not so, and rightly."""
    recipe = methods.NAMES[name]()
    if name == "mean_teacher":
        assert Labels(K).consistency == Classes(2).consistency
    torch.manual_seed(0)
    whole = nn.Linear(D, 2 * K)
    with torch.no_grad():
        whole.weight.mul_(6)
    y = torch.randint(0, 2, (8, K))
    net = label_net(whole, Labels(K))
    net.progress = 0.3
    batch = make_batch(recipe)._replace(y=y)
    loss, _, _ = take_loss(recipe, net, batch)
    alone = []
    for label in range(K):
        one = nn.Linear(D, 2)
        with torch.no_grad():
            one.weight.copy_(whole.weight[[label, K + label]])
            one.bias.copy_(whole.bias[[label, K + label]])
        single = label_net(one, Classes(2))
        single.progress = 0.3
        alone.append(take_loss(recipe, single, batch._replace(y=y[:, label]))[0])
    torch.testing.assert_close(loss, torch.stack(alone).mean())
    assert len({round(value.item(), 6) for value in alone}) == K


@pytest.mark.parametrize("name", HOLD)
def test_every_method_that_says_so_learns_labels_and_uses_the_unlabeled_rows(name):
    quick = {"lr": 0.3, "steps": 30}  # until guesses are confident
    one = run(name, **quick)
    assert same(one, run(name, **quick))
    assert one.outputs(several()[0]).shape == (240, 2, K)
    if name != "supervised":
        recipe = dataclasses.replace(methods.NAMES[name](), lambda_u=0.0)
        assert not same(one, run(name, method=recipe, **quick))


@pytest.mark.parametrize("name", [n for n in sorted(methods.NAMES) if n not in HOLD])
def test_methods_that_read_one_guess_a_row_are_refused(name):
    with pytest.raises(OptionError, match="not labels. Methods that do: .*fixmatch"):
        model(name).fit(*several()[:2])


def test_fit_predict_and_attributes():
    x, y, x_test, truth = several(n_labels=60)
    fitted = model(steps=100, batch_size=24, lr=0.1, network="mlp-32-1").fit(x, y)
    proba, guess = fitted.predict_proba(x_test), fitted.predict(x_test)
    assert proba.shape == guess.shape == truth.shape
    assert ((proba > 0.5) == guess).all()
    assert set(np.unique(guess)) == {0, 1}
    assert guess.sum(1).min() == 0
    assert guess.sum(1).max() > 1, "labels do not exclude one another"
    assert f1_score(truth, guess, average="macro") > 0.7 > f1_score(truth, np.ones_like(truth), average="macro") + 0.1
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert np.array_equal(fitted.transduction_[:60], y[:60])
    assert np.array_equal(fitted.transduction_[60:], fitted.predict(x[60:]))
    assert 0 < fitted.score(x_test, truth) < 1


def test_a_label_that_is_not_known_costs_nothing_and_is_filled_in():
    x, y, *_ = several()
    y[3] = [1, np.nan, np.nan]
    fitted = model("supervised").fit(x, y)
    assert fitted.transduction_[3, 0] == 1
    assert fitted.transduction_[3, 1] == fitted.predict(x[3:4])[0, 1]
    y[3] = np.nan
    assert not same(fitted.run_, model("supervised").fit(x, y).run_)


def test_marks_and_containers():
    x, y, *_ = several()
    marked = np.where(np.isnan(y), -1, y).astype(int)
    data, other = partial_matrix(x, y), partial_matrix(x, marked)
    assert data.labeled.tolist() == other.labeled.tolist() == list(range(24))
    assert np.array_equal(data.y, other.y)
    assert data.y.dtype == np.int64
    pd = pytest.importorskip("pandas")
    again = model().fit(x, pd.DataFrame(y, columns=["a", "b", "c"]))
    assert np.array_equal(again.predict_proba(x), model().fit(x, marked).predict_proba(x))


ONE_HOT = "y has exactly one 1 in every labeled row, like classes in one-hot code"


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([[1, 0], [0, 1], [-1, -1]], ONE_HOT),
        ([[1, 0], [1, 1], [-1, -1]], None),
        ([[0, 0], [0, 1], [-1, -1]], None),
        ([[1, 1], [1, 1], [-1, -1]], None),
        ([[1, 0], [0, 1], [1, -1]], ONE_HOT),  # only rows of which all is known can be in one-hot code
        ([[1, 0], [1, -1], [-1, -1]], None),  # a single row says nothing
    ],
)
def test_a_matrix_that_looks_like_one_hot_code_is_pointed_out(y, words):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        partial_matrix(np.eye(3), np.array(y))
    assert [ONE_HOT in str(warning.message) for warning in caught] == [True] * (words is not None)


def test_files_keep_the_matrix(tmp_path):
    x, y, x_test, _ = several()
    fitted = model().fit(x, y)
    back = fl.load(fitted.save(tmp_path / "m"))
    assert np.array_equal(back.predict_proba(x_test), fitted.predict_proba(x_test))
    assert np.array_equal(back.transduction_, fitted.transduction_)
    again = back.fit(x, y)
    assert np.array_equal(again.predict_proba(x_test), fitted.predict_proba(x_test))


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([[0.0, 0.5], [1, 0]], r"y\[0, 1\] = 0.5. A matrix of labels holds 0 and 1.*argmax"),
        ([[0.0, 2], [1, 0]], r"y\[0, 1\] = 2"),
        ([["a", "b"], ["a", "b"]], "not all numbers"),
        ([[np.nan, np.nan], [np.nan, np.nan]], "no labeled row"),
        ([[0, 1], [1, 0], [1, 1]], "inconsistent numbers of samples"),
    ],
)
def test_bad_matrices_are_refused(y, words):
    with pytest.raises(InputError, match=words):
        model().fit(np.eye(2), np.array(y))


@pytest.mark.parametrize("change", [{"class_balanced": True}, {"logit_adjustment": 1.0}])
def test_options_for_one_class_a_row_are_refused(change):
    with pytest.raises(OptionError, match="one class a row, not for labels"):
        model(**change).fit(*several()[:2])
    images = np.random.default_rng(0).integers(0, 256, (240, 8, 8), dtype=np.uint8)
    with pytest.raises(OptionError, match="classes, not labels"):
        model(augment=fl.augment.CTAugment()).fit(images, several()[1])


def test_every_weight_that_reads_rows_alone_works_on_labels():
    recipe = methods.FixMatch(weight=parts.Always(), target=parts.Sharpen())
    assert np.isfinite(model(recipe).fit(*several()[:2]).predict_proba(several()[2])).all()
