"""Labeled here, deployed there: terms against slow derivations, what they do to a training, and what is refused."""

import dataclasses
import warnings

import numpy as np
import pytest
import reference_adapt
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import fewlabels as fl
from fewlabels.adapt import CORAL, DANN, MMD, ImportanceWeighting
from fewlabels.adapt.dann import reverse_gradient
from fewlabels.adapt.importance import effective_labels
from fewlabels.adapt.mmd import mmd
from fewlabels.augment.randomness import Draws
from fewlabels.batches import Pool, batches, draw_weighted
from fewlabels.errors import InputError, OptionError
from fewlabels.networks import build
from fewlabels.networks.split import Split, split
from fewlabels.partial_labels import partial
from fewlabels.runs import make_estimator
from fewlabels.scaling import learn_scaling
from fewlabels.train import sgd

TERMS = {"coral": CORAL(), "mmd": MMD(), "dann": DANN()}
SMALL = {"steps": 6, "batch_size": 8, "unlabeled_ratio": 2, "random_state": 0, "verbose": False, "precision": "float32"}


def table(n=120, d=6, shift=1.5, seed=0):
    """A labeled source and a target whose first column is moved; domain, and the target's labels."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    x = rng.normal(size=(n, d)) + 2 * np.eye(3, d)[truth]
    x[n // 2 :, -1] += shift
    y = np.where(np.arange(n) < 30, truth, -1)
    return x, y, np.repeat([1, -1], n // 2), truth


def pictures(n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.integers(0, 120, (n, 8, 8)) + 100 * (np.arange(8) < 4) * y[:, None, None]
    x[n // 2 :] = x[n // 2 :] // 2 + 30
    return x.astype(np.uint8), np.where(np.arange(n) < 20, y, -1), y


def fitted(adapt=None, *, data=None, method="fixmatch", **options):
    x, y, domain, _ = table() if data is None else data
    given = {} if adapt is None else {"domain": domain}
    return fl.DeepClassifier(method, network="mlp-8-1", adapt=adapt, **SMALL | options).fit(x, y, **given)


def same(one, other):
    a, b = one.run_.network.state_dict(), other.run_.network.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) and one.history_ == other.history_


def features(seed, n=7, m=5, f=3, shift=0.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, f)), rng.normal(size=(m, f)) + shift


# --- the equations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_mmd_and_coral_equal_the_slow_derivations(seed):
    source, target = features(seed)
    a, b = torch.from_numpy(source), torch.from_numpy(target)
    for term, slow, weight in ((MMD(0.7), reference_adapt.mmd, 0.7), (CORAL(3.0), reference_adapt.coral, 3.0)):
        loss, metrics = term.loss(a, b, nn.Identity(), 0.3)
        expected = slow(source, target)
        assert loss.item() == pytest.approx(weight * expected, rel=1e-9)
        assert metrics["loss_adapt"].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("progress", [0.0, 0.1, 1.0])
def test_dann_equals_the_slow_derivation_and_reverses_the_gradient_of_the_features_alone(progress):
    source, target = features(1)
    a, b = (torch.from_numpy(x).requires_grad_() for x in (source, target))
    critic = nn.Linear(3, 1).double()
    loss, metrics = DANN(lambda_d=0.8, gamma=10).loss(a, b, critic, progress)
    loss.backward()
    w, bias = critic.weight.detach().numpy()[0], critic.bias.item()
    expected, by_x, by_w, by_b = reference_adapt.dann(source, target, w, bias)
    lambda_p = 0.8 * (2 / (1 + np.exp(-10 * progress)) - 1)
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(torch.cat([a.grad, b.grad]).numpy(), -lambda_p * by_x, atol=1e-12)
    np.testing.assert_allclose(critic.weight.grad.numpy()[0], by_w, rtol=1e-9)  # whatever the progress
    assert critic.bias.grad.item() == pytest.approx(by_b, rel=1e-9)
    right = np.mean([np.mean(source @ w + bias > 0), np.mean(target @ w + bias <= 0)])
    assert metrics["critic_right"].item() == pytest.approx(right)


def test_the_reversed_gradient_is_the_identity_forward():
    x = torch.randn(4, 3, requires_grad=True)
    out = reverse_gradient(x, 0.25)
    assert torch.equal(out, x)
    (out * torch.arange(3.0)).sum().backward()
    assert torch.equal(x.grad, -0.25 * torch.arange(3.0).expand(4, 3))


def test_alike_sides_have_no_discrepancy_on_average_and_unlike_sides_have():
    rng = np.random.default_rng(0)
    found = {shift: [] for shift in (0.0, 1.0)}
    for _ in range(200):
        for shift, values in found.items():
            a, b = rng.normal(size=(8, 3)), rng.normal(size=(8, 3)) + shift
            values.append(mmd(torch.from_numpy(a), torch.from_numpy(b)).item())
    alike, unlike = np.array(found[0.0]), np.array(found[1.0])
    # a biased estimate would be about 0.1 here
    assert abs(alike.mean()) < 3 * alike.std() / np.sqrt(200)
    assert unlike.mean() > 10 * unlike.std() / np.sqrt(200)
    x = torch.randn(9, 4)
    assert CORAL().loss(x, x, nn.Identity(), 0.0)[0] == 0


def test_shrinking_all_features_does_not_lower_mmd():
    source, target = (torch.from_numpy(x) for x in features(2))
    assert mmd(source, target).item() == pytest.approx(mmd(source / 100, target / 100).item(), rel=1e-6)


def test_the_width_of_the_kernel_has_no_gradient():
    """Or features could shrink the kernel in place of their discrepancy."""
    a, b = (torch.from_numpy(x).requires_grad_() for x in features(3))
    rows, n, m = torch.cat([a, b]), len(a), len(b)
    apart = (rows[:, None] - rows[None]).square().sum(-1)
    width = apart.detach()[~torch.eye(n + m, dtype=torch.bool)].median().item()
    kernel = sum(torch.exp(-apart / (c * width)) for c in (0.25, 0.5, 1, 2, 4)) / 5
    off = kernel - torch.eye(n + m)
    held = off[:n, :n].sum() / (n * (n - 1)) + off[n:, n:].sum() / (m * (m - 1)) - 2 * kernel[:n, n:].mean()
    found = torch.autograd.grad(mmd(a, b), (a, b))
    for one, other in zip(found, torch.autograd.grad(held, (a, b)), strict=True):
        torch.testing.assert_close(one, other)


def test_rows_that_are_all_equal_give_finite_gradients():
    x = torch.ones(4, 3, requires_grad=True)
    for term in TERMS.values():
        loss, _ = term.loss(x, x.detach(), term.critic(3), 0.5)
        assert torch.isfinite(torch.autograd.grad(loss, x)[0]).all()


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_descending_a_term_makes_the_sides_alike(term):
    torch.manual_seed(0)
    # covariances are all that CORAL sees
    apart, scale = (CORAL(), 2.0) if isinstance(term, CORAL) else (MMD(), 1.0)

    def drawn(n):
        # fresh rows every time: on a few the critic learns them by heart, and has no gradient left to reverse
        return torch.randn(n, 5), torch.randn(n, 5) * scale + 1

    body, critic, tests = nn.Linear(5, 4), term.critic(4), drawn(500)
    both = nn.ModuleList([body, critic])
    optimizer = sgd(both, 0.03, 0.0)
    before = apart.loss(*(body(x) for x in tests), nn.Identity(), 1.0)[0].item()
    for _ in range(500):
        loss, _ = term.loss(*(body(x) for x in drawn(64)), critic, 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert apart.loss(*(body(x) for x in tests), nn.Identity(), 1.0)[0].item() < before / 10


@pytest.mark.parametrize(
    "change",
    [
        ("dann", {"lambda_d": 0.2}), ("dann", {"gamma": 1.0}), ("mmd", {"lambda_mmd": 0.2}),
        ("mmd", {"ramp": fl.parts.Linear()}), ("coral", {"lambda_coral": 0.2}), ("coral", {"ramp": fl.parts.Linear()}),
        ("importance", {"alpha": 0.9}),
    ],
)  # fmt: skip
def test_every_option_matters(change):
    name, options = change
    recipe = fl.adapt.NAMES[name](**options)
    assert set(options) <= {f.name for f in dataclasses.fields(recipe)}
    assert not same(fitted(name, method="supervised"), fitted(recipe, method="supervised"))


def test_every_field_of_every_recipe_is_tried_above():
    tried = {("dann", "lambda_d"), ("dann", "gamma"), ("mmd", "lambda_mmd"), ("mmd", "ramp"), ("coral", "lambda_coral")}
    tried |= {("coral", "ramp"), ("importance", "alpha")}
    assert tried == {(n, f.name) for n, recipe in fl.adapt.NAMES.items() for f in dataclasses.fields(recipe)}


# --- importance weights -------------------------------------------------------------------------------------------


def test_weights_equal_a_regression_written_out_and_their_limits():
    x, y, domain, _ = table()
    part = partial(x, y, domain=domain)
    source, target = part.sides()
    plain = ImportanceWeighting(alpha=0.0).weights(part.x, part.labeled, source, target, 0)
    relative = ImportanceWeighting(alpha=0.25).weights(part.x, part.labeled, source, target, 0)
    # the plain ratio back from the relative one, whose scale is not known: two rows fix nothing, so go forward
    ratio = plain / plain.mean()
    scales = np.linspace(0.01, 3, 20_000)
    forms = [(s * ratio) / (0.25 * s * ratio + 0.75) for s in scales]
    gaps = [np.abs(f / f.mean() - relative).max() for f in forms]
    assert min(gaps) < 1e-3
    assert relative.max() / relative.mean() <= 4 / relative.min() * relative.max()
    np.testing.assert_allclose(ImportanceWeighting(alpha=1.0).weights(part.x, part.labeled, source, target, 0), 1.0)
    assert plain.mean() == pytest.approx(1)
    assert (plain > 0).all()


def test_weights_come_from_folds_that_a_row_was_not_in_and_count_the_rows_of_either_side():
    x, y, _, _ = table()
    part = partial(x, y, domain=np.repeat([1, -1], [80, 40]))
    found = ImportanceWeighting(alpha=0.3).weights(part.x, part.labeled, *part.sides(), 4)
    z = (x - x.mean(0)) / x.std(0)  # the labeled rows come first in this table, then the source's others
    is_target = np.repeat([0, 1], [80, 40])
    ratio = np.empty(120)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=4).split(z, is_target):
        model = LogisticRegression(max_iter=1000).fit(z[train], is_target[train])
        p = model.predict_proba(z[test])
        ratio[test] = 80 / 40 * p[:, 1] / p[:, 0]
    expected = (ratio / (0.3 * ratio + 0.7))[:30]
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-6)


def test_weights_are_near_the_true_density_ratio():
    """Source N(0, 1), target N(1, 1): the ratio is exp(x - 1/2), which a logistic regression can express."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(2000, 1)), rng.normal(size=(2000, 1)) + 1])
    y = np.where(np.arange(4000) < 300, np.arange(4000) % 2, -1)
    part = partial(x, y, domain=np.repeat([1, -1], 2000))
    weights = ImportanceWeighting(alpha=0.0).weights(part.x, part.labeled, *part.sides(), 0)
    true = np.exp(x[:300, 0] - 0.5)
    assert np.corrcoef(np.log(weights), np.log(true))[0, 1] > 0.999
    np.testing.assert_allclose(weights, true / true.mean(), rtol=0.25)
    n = effective_labels(true)
    assert effective_labels(weights) == pytest.approx(n, rel=0.2)
    assert 50 < n < 250
    assert effective_labels(np.ones(7)) == 7
    assert effective_labels(np.array([1.0, 0, 0])) == 1


def test_a_labeled_row_of_the_target_weighs_one_and_no_weight_reads_a_label():
    x, y, domain, truth = table()
    y[-5:] = truth[-5:]
    part = partial(x, y, domain=domain)
    weights = ImportanceWeighting().weights(part.x, part.labeled, *part.sides(), 0)
    assert (weights[-5:] == 1).all()
    assert weights[:-5].mean() == pytest.approx(1)
    assert weights[:-5].std() > 0.1
    other = partial(x, np.where(y < 0, -1, (y + 1) % 3), domain=domain)
    assert np.array_equal(weights, ImportanceWeighting().weights(other.x, other.labeled, *other.sides(), 0))


@pytest.mark.parametrize("count", [4, 7])
def test_weighted_draws_are_systematic_sampling(count):
    weights = np.random.default_rng(0).uniform(0.1, 4, 9)
    drawn = [draw_weighted(5, 100, step, weights, count) for step in range(18)]
    index = np.concatenate([d.index for d in drawn])
    for epoch in range(len(index) // 9):
        some = index[9 * epoch : 9 * (epoch + 1)]
        first = float(Draws(5, 101, epoch, np.arange(1)).uniform(0))
        assert sorted(some.tolist()) == reference_adapt.systematic(weights.tolist(), first)
        counts = np.bincount(some, minlength=9)
        expected = 9 * weights / weights.sum()
        assert (counts >= np.floor(expected)).all()
        assert (counts <= np.ceil(expected)).all()
    passes = np.concatenate([d.passes for d in drawn])
    assert len(set(passes.tolist())) == len(passes)  # so that a row that comes twice is augmented anew


def test_few_effective_labels_are_said():
    x, y, domain, truth = table()
    data = (x + 1.5 * (domain < 0)[:, None], y, domain, truth)
    with pytest.warns(UserWarning, match=r"the 30 labels are worth [\d.]+: .*hardly overlap.*adapt='dann'"):
        model = fitted("importance", data=data)
    assert model.run_.facts["effective_labels"] < 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted("importance", data=table(shift=0.0))
    assert model.run_.facts["effective_labels"] > 20


# --- AdaBN ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [256, 39])
def test_adabn_sets_the_statistics_of_the_target_and_nothing_else(chunk, monkeypatch):
    monkeypatch.setattr("fewlabels.run._CHUNK", chunk)
    x, y, _ = pictures()
    options = SMALL | {"network": "convnet-4"}
    plain = fl.DeepClassifier("supervised", **options).fit(x, y)
    adapted = fl.DeepClassifier("supervised", adapt="adabn", **options).fit(x, y)
    before, after = plain.run_.network.state_dict(), adapted.run_.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name].float(), after[name].float())}
    assert changed == {n for n in before if "running" in n or "num_batches" in n}
    # the first layer sees the convolution of the target rows: 40, in one batch or in two of 20
    target = partial(x, y).sides()[1]
    inputs = adapted.run_.scaling.network(adapted.run_.scaling.store(x[target][..., None]))
    out = adapted.run_.network.features[0](inputs).detach().double().numpy()
    norm = adapted.run_.network.features[1]
    np.testing.assert_allclose(norm.running_mean.numpy(), out.mean((0, 2, 3)), rtol=1e-3, atol=1e-5)
    parts = np.split(out, 1 if chunk == 256 else 2)
    within = np.mean([part.var((0, 2, 3), ddof=1) for part in parts], 0)
    np.testing.assert_allclose(norm.running_var.numpy(), within, rtol=1e-3)
    assert not adapted.run_.network.training
    with pytest.raises(OptionError, match=r"adapt='adabn' sets BatchNorm's.*no BatchNorm layer. Use 'mmd'"):
        fitted("adabn")


# --- any method, any network -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [n for n, m in fl.methods.NAMES.items() if "classes" in m.tasks])
@pytest.mark.parametrize("adapt", ["dann", "importance"])
def test_any_method_may_adapt(method, adapt):
    plain, adapted = fitted(None, method=method), fitted(adapt, method=method)
    assert not same(plain, adapted)
    assert same(adapted, fitted(adapt, method=method))
    assert adapted.run_.network.state_dict().keys() == plain.run_.network.state_dict().keys()
    assert ("loss_adapt" in adapted.history_[-1]) == (adapt == "dann")
    assert adapted.run_.facts["source_rows"] == adapted.run_.facts["target_rows"] == 60


class Own(nn.Module):
    """The last linear layer is deep inside."""

    def __init__(self, end):
        super().__init__()
        self.inner = nn.ModuleDict({"a": nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3))})
        self.end = end

    def forward(self, x):
        return self.end(self.inner["a"](x))


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        ("mlp-8-2", (6,)), ("convnet-4", (1, 8, 8)), ("wide_resnet-10-1", (3, 8, 8)), (nn.Linear(6, 3), (6,)),
        (Own(nn.Identity()), (6,)),
    ],
)  # fmt: skip
def test_a_network_is_split_and_joined_without_change(network, shape):
    torch.manual_seed(0)
    whole = build(network, shape, 3).eval()
    x = torch.randn(4, *shape)
    expected, names = whole(x), list(whole.state_dict())
    parts = split(whole, shape, DANN().critic)
    assert parts.training
    parts.eval()
    assert torch.equal(parts(x), expected)
    assert torch.equal(parts.head(parts.body(x)), expected)
    assert parts.critic(parts.body(x)).shape == (4, 1)
    joined = parts.joined()
    assert sorted(joined.state_dict()) == sorted(names)
    assert torch.equal(joined(x), expected)
    with torch.no_grad():
        parts.head.weight.zero_()
    assert torch.equal(joined(x), expected)  # a copy


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Own(nn.Softmax(1)), "last linear layer gives its answer; this one goes on after it.*softmax belongs"),
        (nn.Sequential(Own(nn.Identity()), nn.Unflatten(1, (3, 1)), nn.Flatten(0)), "goes on after it"),
        (nn.Flatten(), "no linear layer. End it in one"),
    ],
)
def test_a_network_without_features_is_refused(network, words):
    with pytest.raises(OptionError, match=words):
        split(network, (6,), DANN().critic)


def test_a_split_network_keeps_its_place():
    parts = Split(build("mlp-8-1", (6,), 3), DANN().critic)
    assert parts.place == "layers.3"
    assert parts.head.in_features == 8


def test_a_module_of_ones_own_is_adapted_and_left_as_it_was():
    torch.manual_seed(0)
    own = Own(nn.Identity())
    before = {k: v.clone() for k, v in own.state_dict().items()}
    model = fl.DeepClassifier("fixmatch", network=own, adapt="mmd", **SMALL).fit(*table()[:2])
    assert all(torch.equal(own.state_dict()[k], v) for k, v in before.items())
    assert isinstance(model.run_.network, Own)


# --- sides ----------------------------------------------------------------------------------------------------


def test_a_batch_holds_rows_of_either_side_every_one_before_any_again():
    x, y, domain, _ = table()
    part = partial(x, y, domain=domain)
    scaling = learn_scaling(part)
    pool = Pool(scaling.store(part.x), part.labeled, torch.from_numpy(part.y), None, part.sides())
    stream = batches(
        pool, scaling, fl.augment.NoAugmentation(), (), batch_size=20, unlabeled_ratio=1, seed=0, start=0, stop=6,
        device=torch.device("cpu"),
    )  # fmt: skip
    seen = [batch.sides for batch in stream]
    rows = {tuple(row.tolist()): i for i, row in enumerate(pool.x)}
    for side, expected in enumerate(part.sides()):
        found = [rows[tuple(row.tolist())] for sides in seen for row in sides[side]]
        assert sorted(found[:60]) == sorted(found[60:]) == expected.tolist()
    assert found[:60] != found[60:]


def test_without_domain_labeled_rows_are_the_source():
    x, y, _, _ = table()
    by_label = np.where(y >= 0, 1, -1)
    default = fl.DeepClassifier(network="mlp-8-1", adapt="mmd", **SMALL).fit(x, y)
    told = fl.DeepClassifier(network="mlp-8-1", adapt="mmd", **SMALL).fit(x, y, domain=by_label)
    assert same(default, told)
    assert not same(default, fitted("mmd"))
    # a label kept back for the monitors does not change sides
    watched = fl.DeepClassifier(network="mlp-8-1", adapt="mmd", watch_labels=2, **SMALL).fit(x, y)
    assert watched.run_.facts["source_rows"] == 30


def test_signs_count_and_any_array_will_do():
    pandas = pytest.importorskip("pandas")
    x, y, domain, _ = table()
    assert partial(x, y, domain=3 * domain).domain.tolist() == domain.tolist()
    assert partial(x, y, domain=pandas.Series(domain)).domain.tolist() == domain.tolist()
    assert partial(x, y).domain is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d[:-1], r"domain has shape \(119,\) and X 120 rows. Give one number for each row"),
        (lambda d: np.where(np.arange(120) == 7, 0, d), r"domain\[7\] is 0, which is neither side. Give above 0"),
        (lambda d: np.where(np.arange(120) == 7, np.nan, d), r"domain\[7\] is nan, which is neither side"),
        (lambda d: np.abs(d), r"the target has 0 rows; adapting .* needs at least 2 of each"),
        (lambda d: np.where(np.arange(120) == 3, 1, -1), r"the source has 1 row; adapting"),
        (lambda d: ["left"] * 120, "domain does not hold numbers .* Give above 0 for rows of the source"),
        (lambda d: np.stack([d, d], 1), r"domain has shape \(120, 2\) and X 120 rows"),
    ],
)
def test_a_domain_that_cannot_be_used_is_refused(change, words):
    x, y, domain, _ = table()
    with pytest.raises(InputError, match=words):
        fl.DeepClassifier(adapt="mmd", **SMALL).fit(x, y, domain=change(domain))


def test_senseless_options_are_refused_and_unused_ones_said():
    x, y, domain, _ = table()
    for adapt, words in (
        ("damn", "adapt='damn' is not known. Did you mean 'dann'"),
        (DANN, "expected a name or a recipe such as fl.adapt.DANN"),
        (3, "adapt=3; expected a name"),
    ):
        with pytest.raises(OptionError, match=words):
            fl.DeepClassifier(adapt=adapt, **SMALL).fit(x, y)
    with pytest.raises(OptionError, match="alpha is 2"):
        ImportanceWeighting(2)
    with pytest.raises(OptionError, match="class_balanced=True and adapt='importance' both say how often"):
        fitted("importance", class_balanced=True)
    with pytest.raises(OptionError, match="adapt is for one class a row, not for labels"):
        fl.DeepClassifier(adapt="mmd", **SMALL).fit(x, np.where(y[:, None] < 0, np.nan, y[:, None] == [0, 1]))
    with pytest.warns(UserWarning, match="domain= is used by adapt=, which is None"):
        fl.DeepClassifier(network="mlp-8-1", **SMALL).fit(x, y, domain=domain)
    with pytest.raises(InputError, match="the target has 0 rows"):
        fl.DeepClassifier("supervised", adapt="mmd", **SMALL).fit(x[:30], y[:30])


# --- the contract --------------------------------------------------------------------------------------------


def test_a_run_goes_on_and_another_domain_is_another_run(tmp_path):
    whole = fitted("dann", folder=tmp_path / "run")
    assert same(whole, fitted("dann", folder=tmp_path / "run"))
    x, y, domain, truth = table()
    other = np.where(np.arange(120) % 2, 1, -1)
    with pytest.raises(InputError, match="run"):
        fitted("dann", data=(x, y, other, truth), folder=tmp_path / "run")
    with pytest.raises(InputError, match=r"adapt"):
        fitted("mmd", folder=tmp_path / "run")


@pytest.mark.parametrize("adapt", ["dann", DANN(0.5), MMD(ramp=fl.parts.Linear(0.3)), "importance"])
def test_saved_and_loaded_it_predicts_the_same_and_fits_the_same(adapt, tmp_path):
    model = fitted(adapt)
    model.save(tmp_path)
    again = fl.load(tmp_path)
    x, y, domain, _ = table()
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
    assert again.adapt == adapt
    assert same(again.set_params(**SMALL).fit(x, y, domain=domain), model)
    assert not [name for name in again.run_.network.state_dict() if "critic" in name]


def test_the_baseline_is_not_adapted():
    model = fl.DeepClassifier("fixmatch", adapt="dann")
    assert model.baseline().adapt is None
    assert model.baseline().method == "supervised"
    assert clone(model).adapt == "dann"


def test_hidden_labels_and_the_targets_truth_are_never_read():
    x, y, domain, truth = table()
    text = np.where(y >= 0, y.astype(str), None)
    one, other = fitted("dann"), fitted("dann", data=(x, text, domain, truth))
    assert same(one, other)


class Seen(fl.DeepClassifier):
    """Notes which domain each fit was given."""

    calls: list = []  # noqa: RUF012

    def fit(self, X, y, *, domain=None):
        Seen.calls.append((len(X), None if domain is None else np.asarray(domain).tolist()))
        return super().fit(X, y, domain=domain)


def test_scikit_learn_routes_the_domain_through_pipelines_and_folds():
    x, y, domain, truth = table()
    Seen.calls.clear()
    with config_context(enable_metadata_routing=True):
        model = Seen("supervised", network="mlp-8-1", adapt="mmd", **SMALL).set_fit_request(domain=True)
        folds = KFold(3, shuffle=True, random_state=0)
        found = cross_validate(
            make_pipeline(StandardScaler(), model), x, truth, cv=folds, params={"domain": domain}, error_score="raise"
        )
    assert np.isfinite(found["test_score"]).all()
    expected = [(80, domain[train].tolist()) for train, _ in folds.split(x)]
    assert Seen.calls == expected


def test_compare_judges_on_the_target_and_hands_the_domain_on():
    x, y, domain, truth = table(200)
    x_test, _, _, y_test = table(200, seed=1)
    target = slice(100, None)
    candidate = fl.DeepClassifier("fixmatch", network="mlp-8-1", adapt="mmd", **SMALL)
    found = fl.compare(
        x, y, x_test[target], y_test[target], method=candidate, domain=domain, random_state=0, verbose=False
    )
    assert found.candidate.run_.facts["source_rows"] == 100
    assert found.audit["shift"].evidence["source rows compared"] == 100
    assert found.baseline.adapt is None
    assert found.settings["adapt"] == "mmd"
    alone = clone(candidate).fit(x, y, domain=domain)
    assert same(alone, found.candidate)
    with pytest.raises(OptionError, match="judged on the rows it adapts to: give X_test and y_test from there"):
        fl.compare(x, y, method=candidate, random_state=0)
    with pytest.raises(OptionError, match="domain= is for a candidate with adapt="):
        fl.compare(x, y, x_test[target], y_test[target], method="fixmatch", domain=domain, random_state=0)
    with pytest.raises(OptionError, match="label_budget scores on labels that it holds out, which are the source's"):
        fl.label_budget(x, y, method=candidate)


def test_the_command_line_sets_it():
    model = make_estimator("fixmatch", "classes", "table", ["adapt=dann", "adapt.lambda_d=0.5"], random_state=0)
    assert model.adapt == DANN(lambda_d=0.5)
    with pytest.raises(OptionError, match="adapt='damn' is not known"):
        make_estimator("fixmatch", "classes", "table", ["adapt=damn"])
    with pytest.raises(OptionError, match="name the adaptation first, for example --set adapt=dann"):
        make_estimator("fixmatch", "classes", "table", ["adapt.lambda_d=0.5"])
    with pytest.raises(OptionError, match="no option 'lambda'"):
        make_estimator("fixmatch", "classes", "table", ["adapt=dann", "adapt.lambda=0.5"])
    with pytest.raises(OptionError, match="there is no such option"):
        make_estimator("mean_teacher", "numbers", "table", ["adapt=dann"])


# --- what it is worth -----------------------------------------------------------------------------------------------


def offset(n, moved, rng):
    """Two classes in six columns; the other device adds `moved` of the gap between them, and shows in a fifth."""
    y = rng.integers(0, 2, n)
    along = np.repeat([0.5, 0.0], [4, 2])
    x = rng.normal(size=(n, 6)) + np.outer(4 * (y - 0.5 + moved), along)
    x[:, 4] += 3 * (moved > 0)
    return x, y


@pytest.mark.slow
@pytest.mark.parametrize("adapt", ["mmd", "dann"])
def test_an_offset_is_mended_and_where_there_is_none_nothing_is_lost(adapt):
    gains = {moved: [] for moved in (0.6, 0.0)}
    for moved, found in gains.items():
        for seed in range(5):
            rng = np.random.default_rng(seed)
            (x_s, y_s), (x_t, _), (x_test, y_test) = (offset(1000, by, rng) for by in (0, moved, moved))
            marked = np.full(2000, -1)
            for c in (0, 1):
                marked[np.flatnonzero(y_s == c)[:20]] = c
            x = np.concatenate([x_s, x_t])
            scores = []
            for way in (None, adapt):
                model = fl.DeepClassifier("supervised", adapt=way, steps=400, random_state=seed, verbose=False)
                given = {} if way is None else {"domain": np.repeat([1, -1], 1000)}
                scores.append(model.fit(x, marked, **given).score(x_test, y_test))
            found.append(scores[1] - scores[0])
    assert min(gains[0.6]) > 0.02
    assert np.mean(gains[0.6]) > 0.1
    assert np.mean(gains[0.0]) > -0.02
    assert abs(np.mean(gains[0.0])) < 0.2 * np.mean(gains[0.6])
