"""Generic tests that every method passes: add a method to NAMES and they run on it."""

import dataclasses

import numpy as np
import pytest
import reference
import torch
from torch import nn

from fewlabels import methods, parts, recipes
from fewlabels.method import Batch, Net
from fewlabels.tasks import Classes, Numbers

K, D, N = 4, 6, 48
ALL = sorted(methods.NAMES)
LEARN_FROM_UNLABELED = [name for name in ALL if name != "supervised"]


def make_net(seed=0, task=None, scale=8.0):
    task = task or Classes(K)
    torch.manual_seed(seed)
    # scaled up, so that some guesses are confident and some are not
    net = Net(nn.Linear(D, task.n_outputs), task)
    with torch.no_grad():
        net.student.weight.mul_(scale)
        net.teacher.weight.copy_(net.student.weight + 0.5 * torch.randn_like(net.student.weight))
    net.progress = 0.3
    return net


def make_batch(method, seed=0, b=8, mu=3, classes=K):
    g = torch.Generator().manual_seed(seed)
    u = torch.randn(b * mu, D, generator=g) if method.augment else torch.empty(0, D)
    copies = tuple(u + 0.2 * torch.randn(u.shape, generator=g) for _ in method.augment)
    rows = torch.randperm(N, generator=g)[: len(u)]
    return Batch(torch.randn(b, D, generator=g), torch.randint(0, classes, (b,), generator=g), copies, rows)


def losses(method, n=20, progress=0.3):
    net, state, out = make_net(), method.init(K, N), []
    net.progress = progress
    for seed in range(n):
        loss, metrics, state = method.loss(net, make_batch(method, seed), state)
        out.append(loss.item())
    return out


def gradient(method, batch, net):
    net.student.zero_grad()
    loss, _, _ = method.loss(net, batch, method.init(K, N))
    loss.backward()
    return net.student.weight.grad.clone()


def leaf_changes(recipe, path=""):
    """(name, changed recipe) for every option, walking into parts."""
    for field in dataclasses.fields(recipe):
        value, name = getattr(recipe, field.name), f"{path}{field.name}"
        if dataclasses.is_dataclass(value):
            for inner, changed in leaf_changes(value, f"{name}."):
                yield inner, dataclasses.replace(recipe, **{field.name: changed})
            yield from (
                (f"{name}={type(rival).__name__}", dataclasses.replace(recipe, **{field.name: rival}))
                for rival in rivals(value)
            )
        elif isinstance(value, bool):
            yield name, dataclasses.replace(recipe, **{field.name: not value})
        elif isinstance(value, float):
            yield name, dataclasses.replace(recipe, **{field.name: value * 0.6})
        elif value is None:
            other = {"prior": (0.7, 0.1, 0.1, 0.1), "lambda_u": 20.0}[field.name]
            yield name, dataclasses.replace(recipe, **{field.name: other})
        else:
            raise AssertionError(f"no change is known for the option {name}={value!r}")


def rivals(part):
    kinds = [
        (parts.Hard(), parts.Soft(), parts.Sharpen()),
        (parts.Always(), parts.Fixed(), parts.PerClass()),
        (parts.Unaligned(), parts.ToPrior((0.7, 0.1, 0.1, 0.1))),
        (parts.Constant(), parts.Linear(), parts.Gaussian()),
        (parts.Joint(), parts.Teacher()),
    ]
    same = next((kind for kind in kinds if any(type(p) is type(part) for p in kind)), ())
    return [p for p in same if type(p) is not type(part)]


CHANGES = [
    pytest.param(name, changed, id=f"{name}-{option}")
    for name in ALL
    for option, changed in leaf_changes(methods.NAMES[name]())
]


@pytest.mark.parametrize(("name", "changed"), CHANGES)
def test_every_option_matters(name, changed):
    assert losses(methods.NAMES[name]()) != losses(changed)


def test_options_of_the_rival_parts_matter_too():
    base = methods.FixMatch()
    for field, part in (
        ("weight", parts.PerClass()),
        ("target", parts.Sharpen()),
        ("align", parts.ToPrior()),
    ):
        recipe = dataclasses.replace(base, **{field: part})
        for option, changed in leaf_changes(part):
            assert losses(recipe) != losses(dataclasses.replace(base, **{field: changed})), option
    ramped = methods.PseudoLabel(ramp=parts.Gaussian())
    assert losses(ramped) != losses(methods.PseudoLabel(ramp=parts.Gaussian(0.9)))


@pytest.mark.parametrize("name", LEARN_FROM_UNLABELED)
def test_unlabeled_rows_move_the_student(name):
    recipe = methods.NAMES[name]()
    batch = make_batch(recipe)
    with_u = gradient(recipe, batch, make_net())
    without = gradient(dataclasses.replace(recipe, lambda_u=0.0), batch, make_net())
    assert not torch.allclose(with_u, without)


@pytest.mark.parametrize("name", ALL)
def test_without_the_unlabeled_term_the_loss_is_the_supervised_one(name):
    recipe = methods.NAMES[name]()
    if name != "supervised":
        recipe = dataclasses.replace(recipe, lambda_u=0.0)
    net, batch = make_net(), make_batch(recipe)
    loss, _, _ = recipe.loss(net, batch, recipe.init(K, N))
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(net.student(batch.x), batch.y))


@pytest.mark.parametrize("name", LEARN_FROM_UNLABELED)
def test_targets_carry_no_gradient(name):
    """The gradient equals the one with targets that were computed beforehand and are constants."""
    recipe, net = methods.NAMES[name](), make_net()
    batch = make_batch(recipe)
    (reference_loss,) = [frozen_target_loss(name, net, batch)]
    net.student.zero_grad()
    reference_loss.backward()
    expected = net.student.weight.grad.clone()
    torch.testing.assert_close(gradient(recipe, batch, net), expected)
    assert net.teacher.weight.grad is None


def frozen_target_loss(name, net, batch):
    """Each method once more, with targets as numbers: torch gives the gradient, NumPy the target."""
    ce = torch.nn.functional.cross_entropy
    loss = ce(net.student(batch.x), batch.y)
    logits = {"teacher": net.teacher(batch.u[0]), "student": net.student(batch.u[0])}
    if name == "mean_teacher":
        target = torch.from_numpy(reference.softmax(logits["teacher"].detach().numpy())).float()
        ramp = np.exp(-5 * (1 - 0.3 / 0.4) ** 2)
        return loss + 50 * ramp * (net.student(batch.u[1]).softmax(1) - target).square().mean()
    guess = logits["student" if name == "pseudo_label" else "teacher"].detach().numpy()
    q = reference.softmax(guess)
    # FlexMatch begins with thresholds of zero: every row counts
    w = torch.from_numpy((q.max(1) >= (0.0 if name == "flexmatch" else 0.95)).astype(np.float32))
    student = net.student(batch.u[-1])
    ramp = 0.3 / 0.4 if name == "pseudo_label" else 1.0
    return loss + ramp * (w * ce(student, torch.from_numpy(q.argmax(1)), reduction="none")).mean()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(5))
def test_loss_equals_the_slow_derivation(name, seed):
    recipe, net = methods.NAMES[name](), make_net(seed)
    batch = make_batch(recipe, seed)
    loss, _, _ = recipe.loss(net, batch, recipe.init(K, N))
    x, y = net.student(batch.x).detach().numpy(), batch.y.numpy()
    student = [net.student(u).detach().numpy() for u in batch.u]
    teacher = [net.teacher(u).detach().numpy() for u in batch.u]
    expected = {
        "supervised": lambda: reference.supervised(x, y),
        "pseudo_label": lambda: reference.pseudo_label(x, y, student[0], 0.3),
        "mean_teacher": lambda: reference.mean_teacher(x, y, teacher[0], student[1], 0.3),
        "fixmatch": lambda: reference.fixmatch(x, y, teacher[0], student[1]),
        "flexmatch": lambda: reference.fixmatch(x, y, teacher[0], student[1], tau=0.0),
    }[name]()
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_fixmatch_takes_its_guesses_from_the_source_it_is_told():
    batch, net = make_batch(methods.FixMatch()), make_net()
    weak, strong = batch.u
    x, s = net.student(batch.x).detach().numpy(), net.student(strong).detach().numpy()
    for source, guesser in (
        (parts.Joint(), net.student),
        (parts.Separate(), net.student),
        (parts.Teacher(), net.teacher),
    ):
        loss, _, _ = methods.FixMatch(source=source).loss(net, batch, methods.FixMatch().init(K, N))
        assert loss.item() == pytest.approx(
            reference.fixmatch(x, batch.y.numpy(), guesser(weak).detach().numpy(), s), rel=1e-5
        )


def test_the_unlabeled_mean_runs_over_all_rows_not_over_the_confident_ones():
    """Dividing by the number of confident rows makes lambda_u 1 / mask_used times too large."""
    net, batch = make_net(), make_batch(methods.FixMatch())
    recipe = methods.FixMatch()
    _, metrics, _ = recipe.loss(net, batch, recipe.init(K, N))
    used = metrics["mask_used"].item()
    assert 0 < used < 1
    q = reference.softmax(net.teacher(batch.u[0]).detach().numpy())
    rows = np.flatnonzero(q.max(1) >= 0.95)
    of_the_confident = reference.cross_entropy(net.student(batch.u[1]).detach().numpy()[rows], q[rows].argmax(1)).mean()
    assert metrics["loss_u"].item() == pytest.approx(of_the_confident * used, rel=1e-5)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("classes", [1, 2])
def test_batches_with_missing_classes_and_a_single_row_work(name, classes):
    recipe = methods.NAMES[name]()
    batch = make_batch(recipe, b=1, mu=1, classes=classes)
    loss, metrics, _ = recipe.loss(make_net(), batch, recipe.init(K, N))
    assert torch.isfinite(loss)
    assert all(not m.requires_grad for m in metrics.values())


@pytest.mark.parametrize("name", ALL)
def test_two_class_batches(name):
    recipe, net = methods.NAMES[name](), make_net(task=Classes(2))
    batch = make_batch(recipe, classes=2)
    loss, _, _ = recipe.loss(net, batch, recipe.init(2, N))
    assert torch.isfinite(loss)


@pytest.mark.parametrize("name", [n for n in ALL if "numbers" in methods.NAMES[n].tasks])
def test_numbers_go_through_the_same_file(name):
    recipe, net = methods.NAMES[name](), make_net(task=Numbers())
    batch = make_batch(recipe)._replace(y=torch.randn(8))
    loss, _, _ = recipe.loss(net, batch, recipe.init(1, N))
    expected = ((net.student(batch.x).squeeze(1) - batch.y) ** 2).mean()
    if name == "mean_teacher":
        ramp = np.exp(-5 * (1 - 0.3 / 0.4) ** 2)
        expected = expected + ramp * ((net.student(batch.u[1]) - net.teacher(batch.u[0])) ** 2).mean()
    torch.testing.assert_close(loss, expected)


def test_mean_teacher_holds_masks():
    """Outputs (B, K, H, W) and masks (B, H, W) need no second path."""
    torch.manual_seed(0)
    net = Net(nn.Conv2d(1, 3, 3, padding=1), Classes(3))
    x, u = torch.randn(2, 1, 8, 8), torch.randn(4, 1, 8, 8)
    y = torch.randint(-1, 3, (2, 8, 8))
    for recipe in (methods.MeanTeacher(), methods.FixMatch(weight=parts.Fixed(0.4))):
        copies = (u, u + 0.1)
        loss, _, _ = recipe.loss(net, Batch(x, y, copies, torch.arange(4)), recipe.init(3, 4))
        loss.backward()
        assert torch.isfinite(loss)


def test_variants_change_defaults_and_never_a_body():
    for recipe in methods.NAMES.values():
        bases = [b for b in recipe.__mro__[1:] if dataclasses.is_dataclass(b)]
        if bases:
            assert not {"init", "loss"} & set(vars(recipe)), recipe


@pytest.mark.parametrize("name", ALL)
def test_recipes_are_frozen_values_with_a_citation(name):
    recipe = methods.NAMES[name]()
    assert recipe == methods.NAMES[name]()
    assert hash(recipe) == hash(methods.NAMES[name]())
    assert recipes.from_dict(recipes.to_dict(recipe)) == recipe
    for field in dataclasses.fields(recipe):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(recipe, field.name, None)
    import importlib

    text = importlib.import_module(type(recipe).__module__).__doc__
    assert ".. math::" in text
    assert name == "supervised" or "20" in text.partition("\n")[0], "the first line names the paper and its year"


@pytest.mark.parametrize(
    "recipe",
    [
        methods.PseudoLabel(weight=parts.Always(), target=parts.Soft()),
        methods.FixMatch(weight=parts.Always(), target=parts.Soft(), source=parts.Joint()),
        methods.FixMatch(weight=parts.Always(), target=parts.Sharpen(), source=parts.Separate()),
    ],
)
def test_soft_targets_of_the_student_carry_no_gradient(recipe):
    """A hard target has none anyway; a soft one would pull the guess toward the student."""
    net, batch = make_net(), make_batch(recipe)
    ce = torch.nn.functional.cross_entropy
    target = recipe.target(net.student(batch.u[0]).detach().softmax(1))
    ramp = 0.3 / 0.4 if isinstance(recipe, methods.PseudoLabel) else 1.0
    (ce(net.student(batch.x), batch.y) + ramp * ce(net.student(batch.u[-1]), target)).backward()
    expected = net.student.weight.grad.clone()
    torch.testing.assert_close(gradient(recipe, batch, net), expected)
