"""VAEClassifier and the method M2."""

import pickle

import numpy as np
import pytest
import reference
import reference_linear
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import fewlabels as fl
from fewlabels.classical.m2 import M2, M2Network
from fewlabels.classical.vae import VAEClassifier, _hold_out
from fewlabels.errors import InputError, OptionError, ResourceError
from fewlabels.method import Batch, Net
from fewlabels.tasks import Classes

EXPECTED = {"check_classifiers_classes": "-1 marks an unlabeled row"}


@parametrize_with_checks(
    [VAEClassifier(steps=40, batch_size=16, width=32, measure_likelihood=False, random_state=0, verbose=False)],
    expected_failed_checks=lambda _: EXPECTED,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def network(bernoulli=False, columns=5, k=3, width=7, latent=2):
    torch.manual_seed(0)
    net = M2Network(k, width, latent, bernoulli, torch.rand(columns), torch.rand(columns) + 0.1)
    with torch.no_grad():
        net.log_variance.copy_(torch.linspace(-4, 1, columns))  # the lowest is under the floor
    return net


def arrays(net):
    """The network's layers as NumPy arrays by name."""
    layers = {}
    for name, module in net.named_children():
        if isinstance(module, torch.nn.Linear):
            layers[name] = (module.weight.detach().double().numpy(), module.bias.detach().double().numpy())
        if isinstance(module, torch.nn.Embedding):
            layers[name] = module.weight.detach().double().numpy()
    return layers | {"log_variance": net.log_variance.detach().double().numpy()}


def rows(bernoulli, net, n=4):
    raw = torch.rand(n, len(net.mean), generator=torch.Generator().manual_seed(3))
    return (raw - net.mean) / net.std if bernoulli else raw * 4 - 2


@pytest.mark.parametrize("bernoulli", [False, True])
def test_bound_equals_the_slow_derivation(bernoulli):
    net = network(bernoulli)
    x = rows(bernoulli, net)
    y = torch.arange(3).expand(4, -1)
    torch.manual_seed(5)
    noise = torch.randn(4, 3, 2).double().numpy()
    torch.manual_seed(5)
    bounds = net.bound(x, y).detach().numpy()
    for i in range(4):
        for c in range(3):
            slow = reference_linear.m2_bound(
                arrays(net), x[i].double().numpy(), c, noise[i, c], bernoulli, net.mean.numpy(), net.std.numpy()
            )
            assert bounds[i, c] == pytest.approx(slow, rel=1e-4)


def step(net, lambda_u, alpha, seed=7):
    """The loss of one batch and what it is made of."""
    x, u = rows(False, net), rows(False, net, 6) + 0.3
    y = torch.tensor([0, 2, 1, 1])
    torch.manual_seed(seed)
    batch = Batch(x, y, (u,), torch.arange(6))
    loss, metrics, state = M2(lambda_u, alpha).loss(Net(net, Classes(3)), batch, {})
    torch.manual_seed(seed)
    bound_x = net.bound(x, y[:, None]).squeeze(1)
    bound_u = net.bound(u, torch.arange(3).expand(6, -1))
    return loss, metrics, (bound_x, net(x), y, bound_u, net(u))


@pytest.mark.parametrize(("lambda_u", "alpha"), [(0.0, 1.0), (1.0, 0.5), (10.0, 0.0)])
def test_loss_equals_the_slow_derivation(lambda_u, alpha):
    net = network().double()
    net.mean, net.std = net.mean.double(), net.std.double()
    torch.set_default_dtype(torch.float64)
    try:
        loss, metrics, (bound_x, logits_x, y, bound_u, logits_u) = step(net, lambda_u, alpha)
    finally:
        torch.set_default_dtype(torch.float32)
    log_q = np.log(reference.softmax(logits_x.detach().numpy()))
    q_u = reference.softmax(logits_u.detach().numpy())
    slow = reference_linear.m2_loss(
        bound_x.tolist(), log_q, y.tolist(), bound_u.detach().numpy(), q_u, lambda_u, alpha, terms=5 + 2
    )
    assert loss.item() == pytest.approx(slow, rel=1e-5)
    assert ("bound_u" in metrics) == (lambda_u > 0)


def test_a_sure_classifier_makes_the_unlabeled_bound_the_labeled_one():
    """U(x) with q(y|x) = 1 for one y is L(x, y): the marginalization identity at its limit."""
    net = network()
    with torch.no_grad():
        net.classifier[2].weight.zero_()
        net.classifier[2].bias.copy_(torch.tensor([0.0, 200.0, 0.0]))
    _, metrics, (_, _, _, bound_u, _) = step(net, 1.0, 0.0)
    assert float(metrics["bound_u"]) == pytest.approx(bound_u[:, 1].mean().item(), rel=1e-5)


def test_the_best_classifier_is_the_posterior_of_the_bounds():
    """U is largest at q(y|x) proportional to exp(-L(x, y)), where it is logsumexp of them."""
    bounds = torch.tensor([[-3.0, -1.0, -2.0]], dtype=torch.float64)
    best = bounds.softmax(1)
    value = float((best * (bounds - best.log())).sum())
    assert value == pytest.approx(float(bounds.logsumexp(1)))

    class Fixed(M2Network):
        def bound(self, x, y):
            return bounds.float().expand(len(x), 3)[:, : y.shape[1]]

    net = Fixed(3, 4, 2, False, torch.zeros(5), torch.ones(5))
    with torch.no_grad():
        net.classifier[2].weight.zero_()
        net.classifier[2].bias.copy_(best.log()[0])
    batch = Batch(torch.zeros(2, 5), torch.tensor([0, 1]), (torch.zeros(3, 5),), torch.arange(3))
    assert float(M2().loss(Net(net, Classes(3)), batch, {})[1]["bound_u"]) == pytest.approx(value, rel=1e-5)


def with_proposal(mean, raw):
    """A network whose q(z|x,y) is the same for all rows: this mean, log std -softplus(raw)."""
    net = network()
    with torch.no_grad():
        net.encoder.weight.zero_()
        net.encoder.bias.copy_(torch.tensor([mean, mean, raw, raw]))
    return net


def test_importance_sampling_is_above_the_bound_and_settles():
    net = with_proposal(0.1, -2.0)
    x, y = rows(False, net, 50), torch.zeros(50, 1, dtype=torch.long)
    with torch.no_grad():
        torch.manual_seed(0)
        bound = float(torch.stack([net.bound(x, y) for _ in range(200)]).mean())
        one = float(torch.stack([net.log_joint(x, y, 1) for _ in range(200)]).mean())
        few, many, more = (float(net.log_joint(x, y, n).mean()) for n in (20, 1000, 2000))
    assert one == pytest.approx(bound, abs=0.1)  # one sample: the bound, its KL term by sampling
    assert few > bound + 0.1
    assert many == pytest.approx(more, abs=0.05)


def test_importance_sampling_is_exact_where_the_integral_is_known():
    """A decoder that ignores z: p(x|y) is the Gaussian itself, whatever q is."""
    net = with_proposal(0.3, -2.2)
    with torch.no_grad():
        net.decoder_z.weight.zero_()
        x, y = rows(False, net, 3), torch.full((3, 1), 2)
        exact = net.log_likelihood(x, y, torch.zeros(3, 1, 2)) - np.log(3)
        torch.manual_seed(0)
        np.testing.assert_allclose(net.log_joint(x, y, 5000).numpy(), exact.numpy(), atol=0.05)


@pytest.fixture(scope="module")
def data():
    return fl.datasets.load_breast_cancer(random_state=0)


def model(**options):
    usual = {"steps": 20, "batch_size": 16, "width": 16, "random_state": 0, "verbose": False}
    return VAEClassifier(**(usual | {"measure_likelihood": False} | options))


def test_fit_predict_and_files_can_hold_it(data):
    clf = model(measure_likelihood=True).fit(data.X, data.y)
    proba = clf.predict_proba(data.X_test)
    np.testing.assert_allclose(proba.sum(1), 1)
    assert np.isfinite(clf.likelihood_gain_)
    assert clf.history_[-1]["step"] == 20
    given = data.y != -1
    assert np.array_equal(clf.transduction_[given], data.y[given])
    assert all(type(array) is np.ndarray for array in clf.weights_.values())
    kinds = {type(value).__module__ for name, value in vars(clf).items() if name.endswith("_")}
    assert kinds <= {"builtins", "numpy", "fewlabels.data.inputs"}
    for other in (clone(clf).fit(data.X, data.y), pickle.loads(pickle.dumps(clf)), clf.fit(data.X, data.y)):
        assert np.array_equal(proba, other.predict_proba(data.X_test))
        assert other.likelihood_gain_ == clf.likelihood_gain_
    clf.set_params(width=99, latent=1)
    assert np.array_equal(proba, clf.predict_proba(data.X_test))


def test_global_random_state_is_left_alone(data):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model(measure_likelihood=True).fit(data.X, data.y).predict(data.X_test)
    assert torch.equal(before, torch.get_rng_state())


OPTIONS = {
    "lambda_u": 1.0, "alpha": 5.0, "likelihood": "bernoulli", "width": 17, "latent": 3, "steps": 21, "batch_size": 17,
    "unlabeled_ratio": 2, "lr": 0.05, "weight_decay": 0.1, "random_state": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_matters(data, name):
    X = data.X / data.X.max(0)
    usual, other = model().fit(X, data.y), model(**{name: OPTIONS[name]}).fit(X, data.y)
    assert not np.array_equal(usual.predict_proba(X), other.predict_proba(X))


def test_measuring_the_likelihood_does_not_change_the_model(data):
    a, b = model().fit(data.X, data.y), model(measure_likelihood=True).fit(data.X, data.y)
    assert np.array_equal(a.predict_proba(data.X), b.predict_proba(data.X))
    assert a.likelihood_gain_ is None


def test_no_gain_where_there_is_nothing_to_measure(data):
    options = {"measure_likelihood": True, "steps": 2}
    one_each = np.full(len(data.y), -1)
    one_each[[np.argmax(data.y == 0), np.argmax(data.y == 1)]] = 0, 1
    assert model(**options).fit(data.X, one_each).likelihood_gain_ is None
    assert model(**options).baseline().fit(data.X, data.y).likelihood_gain_ is None
    given = data.y != -1
    assert model(**options).fit(data.X[given], data.y[given]).likelihood_gain_ is None


def test_held_out_labels():
    y = np.array([0] * 9 + [1] * 2 + [2])
    held = _hold_out(y, seed=0)
    assert np.bincount(y[held], minlength=3).tolist() == [3, 1, 0]
    assert not np.array_equal(held, _hold_out(y, seed=1))


def test_unlabeled_rows_matter_unless_their_weight_is_zero(data):
    moved = data.X.copy()
    rows = np.flatnonzero(data.y < 0)
    moved[rows] = data.X[rows[::-1]]  # other rows meet other draws; means and deviations stay
    for lambda_u, same in ((10.0, False), (0.0, True)):
        a, b = (model(lambda_u=lambda_u).fit(x, data.y).predict_proba(data.X_test) for x in (data.X, moved))
        assert np.allclose(a, b, atol=1e-4) == same


@pytest.mark.parametrize("case", ["constant", "duplicate columns", "one column", "all labeled", "outliers", "images"])
def test_degenerate_data_gives_no_nan(data, case):
    X, y = data.X[:60].copy(), np.where(np.arange(60) < 20, np.arange(60) % 2, -1)
    if case == "constant":
        X[:, 0] = 3.3
    if case == "duplicate columns":
        X = np.repeat(X[:, :1], 10, axis=1)
    if case == "one column":
        X = X[:, :1]
    if case == "all labeled":
        y = np.arange(60) % 2
    if case == "outliers":
        X[50] *= 1e6
    if case == "images":
        X = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
    clf = model(steps=60).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_u": -1}, "lambda_u=-1"),
        ({"alpha": "x"}, "alpha='x'"),
        ({"likelihood": "poisson"}, "likelihood='poisson'; expected 'gaussian' or 'bernoulli'"),
        ({"width": 0}, "width=0"),
        ({"latent": 1.5}, "latent=1.5"),
        ({"steps": None}, "steps=None"),
        ({"lr": -1}, "lr=-1"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_bad_options(data, options, message):
    with pytest.raises(OptionError, match=message):
        model(**options).fit(data.X, data.y)


def test_bad_data_and_a_failed_refit(data, monkeypatch):
    clf = model().fit(data.X, data.y)
    proba = clf.predict_proba(data.X)
    with pytest.raises(InputError, match=r"values from 0 to .*, and likelihood='bernoulli' needs values in \[0, 1\]"):
        clf.set_params(likelihood="bernoulli").fit(data.X, data.y)
    monkeypatch.setattr("fewlabels.data.memory.memory_to_spare", lambda: 1000)
    with pytest.raises(ResourceError, match="Lower batch_size or unlabeled_ratio"):
        clf.set_params(likelihood="gaussian").fit(np.ascontiguousarray(data.X[:, :3]), data.y)
    assert np.array_equal(proba, clf.predict_proba(data.X))


@pytest.mark.slow
def test_it_learns_from_unlabeled_rows():
    gains = []
    for seed in range(5):
        digits = fl.datasets.load_digits(random_state=seed)
        clf = VAEClassifier(measure_likelihood=False, random_state=seed, verbose=False)
        scores = [each.fit(digits.X, digits.y).score(digits.X_test, digits.y_test) for each in (clf, clf.baseline())]
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0
