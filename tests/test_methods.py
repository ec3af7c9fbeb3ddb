"""Generic tests that every method passes: add a method to NAMES and they run on it."""

import dataclasses
from copy import deepcopy
from types import SimpleNamespace
from typing import get_args, get_type_hints

import numpy as np
import pytest
import reference
import reference_methods
import scipy.stats
import torch
from torch import nn

from fewlabels import methods, parts, recipes
from fewlabels.errors import OptionError, ResourceError
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
    x, y = torch.randn(b, D, generator=g), torch.randint(0, classes, (b,), generator=g)
    more = tuple(x + 0.4 * torch.randn(x.shape, generator=g) for _ in getattr(method, "augment_x", ()))
    return Batch(x, y, copies, rows, more)


def take_loss(method, net, batch, state=None, seed=0):
    """As in the loop: random numbers inside a loss are those of the step."""
    torch.manual_seed(seed)
    return method.loss(net, batch, method.init(net.task.n_outputs, N) if state is None else state)


def losses(method, n=20, progress=0.3):
    net, state, out = make_net(), method.init(K, N), []
    net.progress = progress
    for seed in range(n):
        loss, metrics, state = take_loss(method, net, make_batch(method, seed), state, seed)
        out.append(loss.item())
    return out


def gradient(method, batch, net, state=None):
    net.student.zero_grad()
    loss, _, _ = take_loss(method, net, batch, state)
    loss.backward()
    return net.student.weight.grad.clone()


def leaf_changes(recipe, path=""):
    """(name, changed recipe) for every option, walking into parts."""
    for field in dataclasses.fields(recipe):
        value, name = getattr(recipe, field.name), f"{path}{field.name}"
        if name == "noisy":  # nothing to a linear network: see test_mean_teachers_noise_is_that_of_the_batch
            continue
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
            yield name, dataclasses.replace(recipe, **{field.name: value * 0.6 or 0.95})
        elif isinstance(value, str):
            for other in sorted({*get_args(get_type_hints(type(recipe))[field.name])} - {value}):
                yield f"{name}={other}", dataclasses.replace(recipe, **{field.name: other})
        elif value is None:
            other = {"prior": (0.7, 0.1, 0.1, 0.1), "lambda_u": 20.0}[field.name]
            yield name, dataclasses.replace(recipe, **{field.name: other})
        else:
            raise AssertionError(f"no change is known for the option {name}={value!r}")


def rivals(part):
    kinds = [
        (parts.Hard(), parts.Soft(), parts.Sharpen()),
        (parts.Always(), parts.Fixed(), parts.PerClass(), parts.SelfAdaptive(), parts.TruncatedGaussian()),
        (parts.Unaligned(), parts.ToPrior((0.7, 0.1, 0.1, 0.1))),
        (parts.Constant(), parts.Linear(), parts.Gaussian(), parts.Cosine()),
        (parts.Joint(), parts.Separate(), parts.Teacher()),
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


@pytest.mark.parametrize("name", ALL)
def test_the_same_options_give_the_same_losses(name):
    """Or the test above could not fail."""
    assert losses(methods.NAMES[name]()) == losses(methods.NAMES[name]())


def test_options_of_the_rival_parts_matter_too():
    base = methods.FixMatch()
    for field, part in (
        ("weight", parts.PerClass()),
        ("weight", parts.SelfAdaptive()),
        ("weight", parts.TruncatedGaussian()),
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
    recipe, net = methods.NAMES[name](), make_net()
    batch, state = make_batch(recipe), recipe.init(K, N)
    if name == "temporal_ensembling":  # its first pass has nothing to compare with
        _, _, state = take_loss(recipe, make_net(1), batch, state)
    with_u = gradient(recipe, batch, net, deepcopy(state))
    without = gradient(dataclasses.replace(recipe, lambda_u=0.0), batch, net, state)
    assert not torch.allclose(with_u, without)


def supervised_limit(name, net, batch):
    """What is left without the unlabeled term; the docstrings say which copies of labeled rows are taught."""
    weak, *strong = [torch.nn.functional.cross_entropy(net.student(x), batch.y) for x in (batch.x, *batch.x_more)]
    return {
        "adamatch": lambda: weak + strong[0],
        "defixmatch": lambda: (weak + strong[0]) / 2,
        "remixmatch": lambda: strong[0],
    }.get(name, lambda: weak)()


@pytest.mark.parametrize("name", ALL)
def test_without_the_unlabeled_term_the_loss_is_the_supervised_one(name):
    recipe = methods.NAMES[name]()
    if name != "supervised":
        recipe = dataclasses.replace(recipe, lambda_u=0.0)
    if "mixmatch" in name:  # mixes labeled rows with unlabeled ones all the same, unless alpha is next to nothing
        assert take_loss(recipe, make_net(), make_batch(recipe))[0] != supervised_limit(
            name, make_net(), make_batch(recipe)
        )
        recipe = dataclasses.replace(recipe, alpha=1e-6)
    net, batch = make_net(), make_batch(recipe)
    loss, _, _ = take_loss(recipe, net, batch)
    torch.testing.assert_close(loss, supervised_limit(name, net, batch))


def as_numpy(batch, seed):
    (x,), u, more = ([t.numpy().astype(float) for t in copies] for copies in ((batch.x,), batch.u, batch.x_more))
    return SimpleNamespace(x=x, y=batch.y.numpy(), u=u, rows=batch.rows.tolist(), x_more=more, seed=seed)


def linear(network, move=0.0, direction=None):
    weight, bias = (p.detach().numpy().astype(float) for p in (network.weight, network.bias))
    return lambda rows: rows @ (weight + (0 if direction is None else move * direction)).T + bias


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient_equal_the_slow_derivation(name, seed):
    """Three batches in a row, so that memories matter; targets are constants in the reference, so none has a gradient.

    The gradient along a random direction is compared with the finite difference of the reference.
    """
    recipe, net = methods.NAMES[name](), make_net(seed)
    state, case = recipe.init(K, N), reference_methods.cases(N, K)[name]
    direction = np.random.default_rng(seed).normal(size=net.student.weight.shape)
    sg, teacher, h = linear(net.student), linear(net.teacher), 1e-6
    for step in range(3):
        batch = make_batch(recipe, 10 * seed + step)
        b = as_numpy(batch, step)
        net.student.zero_grad()
        loss, _, state = take_loss(recipe, net, batch, state, step)
        loss.backward()
        ahead, behind = (deepcopy(case)(b, linear(net.student, m, direction), sg, teacher) for m in (h, -h))
        assert loss.item() == pytest.approx(case(b, sg, sg, teacher), rel=2e-5)
        got = (net.student.weight.grad.numpy() * direction).sum()
        assert got == pytest.approx((ahead - behind) / (2 * h), rel=2e-3, abs=1e-4)
        assert net.teacher.weight.grad is None


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
def test_one_joint_pass_a_step_moves_the_running_statistics(name):
    """Labeled and unlabeled rows in passes of their own would be normalized by other statistics than at prediction."""
    norm = nn.BatchNorm1d(8)
    net = Net(nn.Sequential(nn.Linear(D, 8), norm, nn.Linear(8, K)), Classes(K))
    recipe = methods.NAMES[name]()
    take_loss(recipe, net, make_batch(recipe))
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("classes", [1, 2])
def test_batches_with_missing_classes_and_a_single_row_work(name, classes):
    recipe = methods.NAMES[name]()
    batch = make_batch(recipe, b=1, mu=1, classes=classes)
    net, state = make_net(), recipe.init(K, N)
    for _ in range(2):  # twice: the first pass leaves the state that the second reads
        loss, metrics, state = recipe.loss(net, batch, state)
    loss.backward()
    assert torch.isfinite(net.student.weight.grad).all()
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
    state = recipe.init(1, N)
    if name == "temporal_ensembling":
        _, _, state = recipe.loss(make_net(1, task=Numbers()), batch, state)
    before = make_net(1, task=Numbers()).student
    loss, _, _ = recipe.loss(net, batch, state)
    expected = ((net.student(batch.x).squeeze(1) - batch.y) ** 2).mean()
    if name != "supervised":
        guesser = {"mean_teacher": net.teacher, "pi_model": net.student, "temporal_ensembling": before}[name]
        ramp = np.exp(-5 * (1 - 0.3 / 0.4) ** 2)
        expected = expected + ramp * ((net.student(batch.u[-1]) - guesser(batch.u[0])) ** 2).mean()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    ("name", "table", "image"), [("mixmatch", 1, 10), ("mean_teacher", 10, 50), ("temporal_ensembling", 10, 30)]
)
def test_the_weight_of_the_unlabeled_term_depends_on_the_kind_of_data(name, table, image):
    """The papers' weights are those of images: see benchmarks/defaults.py."""
    kind = methods.NAMES[name]
    table_batch = make_batch(kind())
    image_batch = table_batch._replace(
        x=table_batch.x[:, :, None, None], u=tuple(u[:, :, None, None] for u in table_batch.u)
    )
    for batch, weight in ((table_batch, table), (image_batch, image)):
        losses = []
        for recipe in (kind(), kind(lambda_u=float(weight))):
            net = make_net()
            net.student, net.teacher = (nn.Sequential(nn.Flatten(), m) for m in (net.student, net.teacher))
            state = recipe.init(K, 1000)
            for _ in range(2):  # temporal ensembling remembers nothing before its second step
                torch.manual_seed(0)
                loss, _, state = recipe.loss(net, batch, state)
            losses.append(loss.item())
        assert losses[0] == losses[1] > 0


def test_mean_teachers_noise_is_that_of_the_batch():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(D, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, K))
    net = Net(module, Classes(K))
    net.progress = 1.0
    with torch.no_grad():
        net.teacher[0].weight.add_(torch.randn(8, D))
    batch = make_batch(methods.MeanTeacher())
    joint = deepcopy(net.student)(torch.cat([batch.x, batch.u[1]]))
    for noisy, teacher in ((True, deepcopy(net.teacher).train()), (False, net.teacher)):
        loss, _, _ = methods.MeanTeacher(noisy=noisy).loss(net, batch, {})
        far = (joint[8:].softmax(1) - teacher(batch.u[0]).softmax(1)).square().mean()
        torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(joint[:8], batch.y) + 10 * far)
        if noisy:
            assert loss == methods.MeanTeacher().loss(net, batch, {})[0]


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


# --- what one method alone promises ----------------------------------------------------------------------------------


def test_uda_with_plain_options_is_soft_consistency():
    """No annealing, no threshold, no sharpening: the mean KL divergence from the guess."""
    recipe = methods.UDA(weight=parts.Always(), target=parts.Soft())
    same = methods.UDA(weight=parts.Fixed(0.0), target=parts.Sharpen(1.0))
    assert losses(recipe) == pytest.approx(losses(same), rel=1e-5)
    net, batch = make_net(), make_batch(recipe)
    loss, _, _ = take_loss(recipe, net, batch)
    q, log_p = net.teacher(batch.u[0]).softmax(1), net.student(batch.u[1]).log_softmax(1)
    divergence = torch.nn.functional.kl_div(log_p, q, reduction="batchmean")
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(net.student(batch.x), batch.y) + divergence)


@pytest.mark.parametrize("anneal", ["linear", "log", "exp"])
def test_uda_holds_back_rows_whose_correct_class_is_sure(anneal):
    recipe, net = methods.UDA(anneal=anneal), make_net(scale=3.0)
    batch = make_batch(recipe, b=32)
    loss, metrics, _ = take_loss(recipe, net, batch)
    assert 0 < metrics["labels_used"] < 1
    expected = reference_methods.uda(
        as_numpy(batch, 0), linear(net.student), linear(net.student), linear(net.teacher), anneal=anneal
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    # by the end every row counts again, but not before
    assert recipe.eta(1.0, K) == pytest.approx(1.0, abs=0.01)
    assert recipe.eta(0.0, K) < 0.3


def test_temporal_ensembling_remembers_without_the_bias_of_its_start():
    recipe, net, batch = methods.TemporalEnsembling(), make_net(), make_batch(methods.TemporalEnsembling())
    loss, _, state = take_loss(recipe, net, batch)
    assert loss.item() == pytest.approx(reference.supervised(net.student(batch.x).detach().numpy(), batch.y.numpy()))
    # one pass on, the target is that pass's answer itself: nothing is left to disagree about
    _, metrics, _ = take_loss(recipe, net, batch, state)
    assert metrics["loss_u"].item() < 1e-10
    assert set(state["seen"].tolist()) == {0, 2}


def test_temporal_ensembling_without_decay_compares_with_the_pass_before():
    recipe = methods.TemporalEnsembling(alpha=0.0)
    batch, state = make_batch(recipe), recipe.init(K, N)
    for seed in range(3):
        _, metrics, state = take_loss(recipe, make_net(seed), batch, state)
    now, before = (make_net(seed).student(batch.u[0]).softmax(1) for seed in (2, 1))
    torch.testing.assert_close(metrics["loss_u"], (now - before).square().mean().detach())


def test_temporal_ensembling_counts_a_row_once_a_step():
    recipe = methods.TemporalEnsembling()
    batch = make_batch(recipe)._replace(rows=torch.zeros(24, dtype=torch.int64))
    _, _, state = take_loss(recipe, make_net(), batch)
    assert state["seen"].tolist() == [1] + [0] * (N - 1)
    told = make_net().student(batch.u[0]).softmax(1)[0]
    torch.testing.assert_close(state["z"][0], 0.4 * told.detach())


def test_temporal_ensembling_says_what_it_needs_before_it_takes_it():
    with pytest.raises(ResourceError, match=r"1,000,000,000,000 rows .* would take 4.2e\+04 GB;.*mean_teacher"):
        methods.TemporalEnsembling().init(10, 10**12)


def curved_net():
    torch.manual_seed(0)
    return Net(nn.Sequential(nn.Linear(D, 32), nn.Tanh(), nn.Linear(32, K)), Classes(K))


def test_vat_finds_a_worse_direction_than_chance():
    net, u = curved_net(), 2 * torch.randn(200, D)
    recipe = methods.VAT(epsilon=0.3)
    q = net.student(u).softmax(1).detach()

    def divergence(r):
        return (q * (q.log() - net.student(u + r).log_softmax(1))).sum(1).detach()

    r = recipe.worst(net, u)
    torch.testing.assert_close(r.square().mean(1).sqrt(), torch.full((200,), 0.3))
    for _ in range(20):
        other = torch.randn_like(u)
        other = 0.3 * other / other.square().mean(1, keepdim=True).sqrt()
        assert divergence(r).mean() > 1.5 * divergence(other).mean()
        assert (divergence(r) > divergence(other)).float().mean() > 0.75


def test_vats_probe_is_exact_where_dropout_and_bfloat16_would_drown_it():
    def direction(network, autocast):
        net = Net(network, Classes(K), autocast=autocast)
        torch.manual_seed(1)
        r = methods.VAT().worst(net, u)
        assert all(m.training for m in net.student.modules())
        return r

    u, plain = torch.randn(50, D), curved_net().student
    first, act, last = plain
    noisy = nn.Sequential(first, act, nn.Dropout(0.5), last)
    expected = direction(plain, None)
    torch.testing.assert_close(direction(noisy, None), expected)
    torch.testing.assert_close(direction(plain, torch.bfloat16), expected)


def test_vats_probe_leaves_running_statistics_alone_and_constant_answers_give_no_nan():
    net = Net(nn.Sequential(nn.Linear(D, 8), nn.BatchNorm1d(8), nn.Linear(8, K)), Classes(K))
    before = net.student[1].running_mean.clone()
    methods.VAT().worst(net, torch.randn(20, D))
    assert torch.equal(net.student[1].running_mean, before)
    with torch.no_grad():
        net.student[2].weight.zero_()
    assert torch.isfinite(methods.VAT().worst(net, torch.randn(20, D))).all()


@pytest.mark.parametrize("alpha", [0.02, 0.75, 20.0])
def test_mixups_shares_are_betas_larger_half(alpha):
    from fewlabels.methods.mixmatch import own_share

    shares = own_share(alpha, 20_000)
    for v in (0.5, 0.6, 0.75, 0.9, 0.99):  # not the exact ends, where float32 rounds a small alpha's draws to 1
        below = 1 - 2 * scipy.stats.beta(alpha, alpha).sf(v)
        assert (shares <= v).float().mean() == pytest.approx(below, abs=0.015)


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 0.75, 100.0])
def test_mixup_keeps_a_row_nearest_to_itself(alpha):
    from fewlabels.methods.mixmatch import mixup

    rows, targets = torch.randn(2000, 1), torch.randn(2000, 2)
    mixed, mixed_targets = mixup(rows, targets, alpha)
    assert torch.isfinite(mixed).all()
    assert torch.isfinite(mixed_targets).all()
    if alpha == 1e-6:
        torch.testing.assert_close(mixed, rows)
        torch.testing.assert_close(mixed_targets, targets)
    else:
        # regress out the partner: the own row's share is from 1/2 to 1
        slope = (mixed[:, 0] * rows[:, 0]).mean() / rows.square().mean()
        assert 0.45 < slope < 1.05
        assert not torch.equal(mixed, rows)


def test_adamatch_teaches_points_between_two_passes_with_batch_norm():
    torch.manual_seed(0)
    net = Net(nn.Sequential(nn.Linear(D, 8), nn.BatchNorm1d(8), nn.Linear(8, K)), Classes(K))
    recipe = methods.AdaMatch(lambda_u=0.0)
    batch = make_batch(recipe)
    x = torch.cat([batch.x, batch.x_more[0]])
    with torch.no_grad():
        alone = net.student(x)
        joint = net.student(torch.cat([x, *batch.u]))[: len(x)]
        assert not torch.allclose(alone, joint, atol=0.01)
        torch.manual_seed(5)
        share = torch.rand_like(joint)
        between = share * joint + (1 - share) * alone
        expected = 2 * torch.nn.functional.cross_entropy(between, batch.y.repeat(2))
    loss, _, _ = take_loss(recipe, net, batch, seed=5)
    torch.testing.assert_close(loss.detach(), expected)


def test_freematchs_fairness_spreads_the_answers_although_its_sign_looks_wrong():
    """Descending it raises the entropy of the mean answer; the opposite sign would lower it."""
    from fewlabels.methods.freematch import fairness
    from fewlabels.parts.math import entropy

    def gain(seed):
        g = torch.Generator().manual_seed(seed)
        logits = (2 * torch.randn(200, K, generator=g) + torch.tensor([1.5, 0.5, 0, -0.5])).requires_grad_()
        even = torch.full((K,), 1 / K)
        (slope,) = torch.autograd.grad(fairness(logits, even, even), logits)
        before, after = (z.softmax(1).mean(0).log()[None] for z in (logits.detach(), logits.detach() - 20 * slope))
        return (entropy(after) - entropy(before)).item()

    assert all(gain(seed) > 0 for seed in range(12))


def test_freematch_with_no_row_selected_has_no_fairness_term():
    recipe = methods.FreeMatch(weight=parts.Fixed(1.0))
    net, batch = make_net(scale=0.5), make_batch(recipe)
    loss, metrics, _ = take_loss(recipe, net, batch)
    assert metrics["mask_used"] == metrics["loss_f"] == 0
    loss.backward()


def test_freematch_with_one_fixed_threshold_for_all_classes_is_fixmatch():
    recipe = methods.FreeMatch(lambda_f=0.0, weight=parts.Fixed(0.95))
    assert losses(recipe) == losses(methods.FixMatch())


def test_defixmatch_is_unbiased_where_labeled_and_unlabeled_rows_are_the_same():
    """With u = x the unlabeled terms cancel and the supervised loss is left, whatever the guesses are."""
    recipe = methods.DeFixMatch(tau=0.0)
    net, batch = make_net(), make_batch(recipe)
    batch = batch._replace(u=(batch.x, batch.x_more[0]), rows=torch.arange(8))
    loss, metrics, _ = take_loss(recipe, net, batch)
    torch.testing.assert_close(loss, supervised_limit("defixmatch", net, batch))
    assert metrics["loss_u"] > 0.1


def test_remixmatch_moves_guesses_toward_the_shares_of_the_labels():
    recipe, state = methods.ReMixMatch(momentum=0.0), methods.ReMixMatch().init(K, N)
    q = (2 * torch.randn(500, K)).softmax(1)
    aligned, state = recipe.align(q, torch.tensor([0] * 400 + [1] * 200 + [2] * 200 + [3] * 196), state)
    wanted = torch.tensor([401, 201, 201, 197]) / 1000
    assert (aligned.mean(0) - wanted).abs().sum() < 0.5 * (q.mean(0) - wanted).abs().sum()
    torch.testing.assert_close(aligned.sum(1), torch.ones(500))


@pytest.mark.parametrize(
    "make",
    [
        lambda: methods.MixMatch(alpha=0.0),
        lambda: methods.ReMixMatch(alpha=-1.0),
        lambda: methods.ReMixMatch(momentum=1.0),
        lambda: methods.FreeMatch(momentum=1.0),
        lambda: methods.VAT(epsilon=0.0),
        lambda: methods.VAT(xi=0.0),
        lambda: methods.UDA(anneal="cosine"),
        lambda: methods.AdaMatch(tau=1.5),
        lambda: methods.DeFixMatch(tau=-0.1),
        lambda: methods.TemporalEnsembling(alpha=1.0),
    ],
)
def test_senseless_options_are_refused(make):
    with pytest.raises(OptionError, match="expected"):
        make()
