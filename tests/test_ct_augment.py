"""CTAugment: its weights against a slow derivation, what it draws, its state in training, resume and options."""

import dataclasses

import numpy as np
import pytest
import torch
from test_engine import options, pictures, same, table
from torch import nn

import fewlabels as fl
import fewlabels.run as run_module
from fewlabels import methods
from fewlabels.augment import CTAugment, Draws, Images, Tables
from fewlabels.augment.ct_augment import Learnt
from fewlabels.augment.operations import RANGES
from fewlabels.errors import OptionError
from fewlabels.method import Batch, Net, Probe
from fewlabels.partial_labels import partial
from fewlabels.probing import Probing
from fewlabels.recipes import as_method
from fewlabels.run import fit_run
from fewlabels.runs import make_estimator
from fewlabels.tasks import Classes, Numbers

PLAIN = {"shift": 0.0, "cutout": 0.0, "n_ops": 1}


def draws(n, seed=0):
    return Draws(seed, 1, 0, np.arange(n))


def run(method="fixmatch", data=None, augment=None, **changes):
    x, y = data or pictures()
    p = partial(x, y)
    changes |= {"augment": augment or CTAugment(bins=4, decay=0.8), "method": as_method(method)}
    return fit_run(p, Classes(len(p.classes)), p.y, dataclasses.replace(options(), **changes))


def factors(x, augment):
    """Which Brightness was drawn: grey 200 is multiplied by it and rounded down."""
    return (augment.strong(x, draws(len(x)))[:, 0, 0, 0].double() + 0.5) / 200


def test_weights_equal_the_slow_derivation():
    augment = CTAugment(n_ops=3, operations=("Rotate", "Color"), bins=5, decay=0.9)
    state, rng = augment.init(), np.random.default_rng(0)
    slow = {(op, b): 1.0 for op in range(2) for b in range(5)}
    for step in range(20):
        x = torch.zeros(8, 3, 8, 8, dtype=torch.uint8)
        _, drawn = augment.probe(x, draws(8, step))
        p = rng.dirichlet(np.ones(4), 8)
        y = rng.integers(0, 4, 8)
        state = augment.update(state, drawn, torch.from_numpy(p[np.arange(8), y]))
        for row in range(8):
            omega = 1 - 0.5 * np.abs(p[row] - np.eye(4)[y[row]]).sum()
            for place in drawn[row].tolist():
                key = divmod(place, 5)
                slow[key] = 0.9 * slow[key] + 0.1 * omega
    expected = np.array([[slow[op, b] for b in range(5)] for op in range(2)])
    np.testing.assert_allclose(state["weights"], expected, rtol=1e-5)
    assert expected.max() < 0.9


def test_probes_say_which_bin_they_drew_and_visit_all_alike():
    augment = CTAugment(operations=("Brightness",), bins=4, **PLAIN)
    x = torch.full((4000, 1, 2, 2), 200, dtype=torch.uint8)
    probed, drawn = augment.probe(x, draws(4000))
    low, high = RANGES["Brightness"]
    factor = (probed[:, 0, 0, 0].double() + 0.5) / 200
    bins = ((factor - low) / (high - low) * 4).clamp(0, 3.999).long()
    assert (bins == drawn[:, 0]).double().mean() > 0.97, "but for rounding to a grey level at a bin's edge"
    np.testing.assert_allclose(torch.bincount(drawn[:, 0]) / 4000, 0.25, atol=0.03)


def test_bins_of_low_weight_are_never_drawn_and_the_others_by_their_weight():
    augment = CTAugment(operations=("Brightness",), bins=5, threshold=0.5, **PLAIN)
    learnt = Learnt(augment, {"weights": torch.tensor([[0.3, 0.4, 0.2, 0.8, 0.39]])})
    np.testing.assert_allclose(augment.chances(learnt.state["weights"]), [[0, 1 / 3, 0, 2 / 3, 0]], rtol=1e-6)
    low, high = RANGES["Brightness"]
    place = (factors(torch.full((6000, 1, 2, 2), 200, dtype=torch.uint8), learnt) - low) / (high - low) * 5
    assert ((place > 0.95) & (place < 2.05) | (place > 2.95) & (place < 4.05)).all()
    assert (place > 2.5).double().mean() == pytest.approx(2 / 3, abs=0.02)


def test_each_operation_has_weights_of_its_own():
    augment = CTAugment(operations=("Brightness", "Identity"), bins=2, **PLAIN)
    x = torch.full((2000, 1, 2, 2), 200, dtype=torch.uint8)
    got = factors(x, Learnt(augment, {"weights": torch.tensor([[0.1, 1.0], [1.0, 0.1]])}))
    dark = got[got < 0.99]
    assert 900 < len(dark) < 1100
    assert dark.min() > 0.49, "the upper half of Brightness"


@pytest.mark.parametrize("weights", [torch.ones(14, 4), torch.zeros(14, 4)])
def test_with_nothing_known_all_bins_are_drawn_alike(weights):
    np.testing.assert_allclose(CTAugment(bins=4).chances(weights), 0.25)


def test_weak_and_unlearnt_strong_are_those_of_images():
    x = torch.randint(0, 256, (20, 3, 12, 12), dtype=torch.uint8)
    kept = x.clone()
    one, other = CTAugment(flip=True), Images(flip=True)
    assert torch.equal(one.weak(x, draws(20)), other.weak(x, draws(20)))
    assert torch.equal(one.strong(x, draws(20)), other.strong(x, draws(20)))
    learnt = Learnt(one, one.init())
    assert torch.equal(learnt.weak(x, draws(20)), other.weak(x, draws(20)))
    assert not torch.equal(learnt.strong(x, draws(20)), learnt.strong(x, draws(20, seed=1)))
    assert torch.equal(x, kept)


def test_the_teachers_probability_of_the_correct_class_moves_the_weights_and_the_method_is_left_alone():
    torch.manual_seed(0)
    net = Net(nn.Linear(6, 4), Classes(4))
    with torch.no_grad():
        net.teacher.weight.add_(1)
    x, y, u = torch.randn(5, 6), torch.tensor([0, 1, 2, 3, 0]), torch.randn(9, 6)
    drawn = torch.arange(10).view(5, 2)
    batch = Batch(x, y, (u, u + 0.1), torch.arange(9), (), Probe(x + 0.2, drawn))
    augment = CTAugment(operations=("Rotate", "Color"), bins=5)
    probing = Probing(methods.FixMatch(), augment)
    loss, metrics, state = probing.loss(net, batch, probing.init(4, 9))
    alone, _, _ = methods.FixMatch().loss(net, batch, methods.FixMatch().init(4, 9))
    assert torch.equal(loss, alone)
    p = net.teacher(x + 0.2).softmax(1)[torch.arange(5), y]
    torch.testing.assert_close(metrics["probe_right"], p.mean())
    expected = 0.99 + 0.01 * p.repeat_interleave(2).view(2, 5)
    torch.testing.assert_close(state["augment"]["weights"], expected)


def test_it_learns_which_magnitudes_keep_the_class():
    """A bar on the left or on the right: moved by the whole range, one becomes the other."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.integers(0, 60, (60, 8, 8)).astype(np.uint8)
    x[y == 0, :, 2:4] = 230
    x[y == 1, :, 4:6] = 230
    seen = {}

    class Spy(CTAugment):
        def update(self, state, drawn, right):
            seen["weights"] = state["weights"]
            return CTAugment.update(self, state, drawn, right)

    augment = Spy(operations=("TranslateX",), bins=5, decay=0.9, n_ops=1, shift=0.0, cutout=0.0)
    run(data=(x, y), augment=augment, steps=60, network="mlp")
    left, *_, right = seen["weights"][0].tolist()
    assert seen["weights"][0, 2] > 0.9
    assert max(left, right) < 0.8 * seen["weights"][0, 2]
    chances = augment.chances(seen["weights"])[0]
    assert chances[0] == chances[-1] == 0


@pytest.mark.parametrize("method", ["fixmatch", "remixmatch", "flexmatch"])
def test_resume_equals_uninterrupted_bit_for_bit(method, tmp_path, monkeypatch):
    whole = run(method, folder=tmp_path / "whole")

    def killed(*args, **kwargs):
        for i, step in enumerate(real(*args, **kwargs), 1):
            yield step
            if i == 5:
                raise RuntimeError("killed")

    real = run_module.train
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "train", killed)
        for _ in range(2):  # the second time after a resume
            with pytest.raises(RuntimeError, match="killed"):
                run(method, folder=tmp_path / "killed")
    resumed = run(method, folder=tmp_path / "killed")
    assert same(whole, resumed)
    assert whole.history == resumed.history
    assert same(whole, run(method))


@pytest.mark.parametrize(
    "other",
    [
        Images(), CTAugment(bins=4, decay=1.0), CTAugment(bins=7, decay=0.8), CTAugment(bins=4, decay=0.6),
        CTAugment(bins=4, decay=0.8, threshold=0.99), CTAugment(bins=4, decay=0.8, n_ops=1),
    ],
)  # fmt: skip
def test_it_changes_training_and_every_option_matters(other):
    recipe = methods.FixMatch(weight=fl.parts.Always())
    assert not same(run(recipe), run(recipe, augment=other))


def test_methods_without_strong_augmentation_see_images():
    one, other = run("mean_teacher"), run("mean_teacher", augment=Images())
    assert same(one, other)
    assert "probe_right" not in one.history[0]
    assert "probe_right" in run("fixmatch").history[0]


def test_numbers_and_senseless_options_are_refused():
    p = partial(pictures()[0], np.where(np.arange(40) < 9, 0.5, np.nan), task="numbers")

    class Strong(methods.MeanTeacher):
        augment = ("weak", "strong")

    with pytest.raises(OptionError, match="labels that are classes, not numbers"):
        fit_run(
            p, Numbers(), p.y.astype(np.float32), dataclasses.replace(options(), augment=CTAugment(), method=Strong())
        )
    for change in ({"n_ops": 0}, {"bins": 0}, {"bins": 2.5}, {"decay": 1.5}, {"threshold": -0.1}, {"cutout": 2}):
        with pytest.raises(OptionError, match=rf"CTAugment: {next(iter(change))}="):
            CTAugment(**change)


def test_the_command_line_and_files_know_it(tmp_path):
    words = ["augment=CTAugment", "augment.bins=9", "augment.flip=true", "steps=3"]
    made = make_estimator("fixmatch", "classes", "image", words, random_state=0, verbose=False)
    assert made.augment == CTAugment(bins=9, flip=True)
    assert make_estimator("fixmatch", "classes", "image", ["augment=none"]).augment == "none"
    assert make_estimator("fixmatch", "classes", "image", ["augment=Tables"]).augment == Tables()
    with pytest.raises(OptionError, match="augment='CTAugmnt'"):
        make_estimator("fixmatch", "classes", "image", ["augment=CTAugmnt"])
    x, y = pictures()
    again = fl.load(made.fit(x, y).save(tmp_path / "m"))
    assert again.augment == made.augment
    assert np.array_equal(again.predict_proba(x), made.predict_proba(x))


def test_tables_are_refused_with_a_sentence():
    with pytest.raises(fl.errors.OptionError, match="CTAugment.* is for images, and X is a table"):
        run(data=table()[:2])
