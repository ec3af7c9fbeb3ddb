"""Deep SVDD and Deep SAD: the objective, what keeps them from collapsing, thresholds, files, bad input."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import fewlabels as fl
import fewlabels.anomaly.detector as detector_module
from fewlabels.anomaly.collapse import LEAST_SPREAD, collapse
from fewlabels.anomaly.marks import marked
from fewlabels.anomaly.rates import by_contamination, by_labels, folds
from fewlabels.anomaly.training import Rows, objective, off_zero
from fewlabels.errors import DivergenceError, InputError, OptionError
from fewlabels.networks.bias_free import build_autoencoder
from fewlabels.scaling import learn_scaling

QUICK = {"pretrain_steps": 20, "steps": 20, "batch_size": 32, "random_state": 0, "verbose": False}


def table(n=240, n_anomalies=24, n_known=8, seed=0):
    """Normal rows around 0, anomalies (the first ones) elsewhere: X, y with few marks, and who is an anomaly."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    X[:n_anomalies, :2] += 3
    y = np.full(n, -1)
    y[:n_known], y[n_anomalies : n_anomalies + 10] = 1, 0
    return X, y, np.arange(n) < n_anomalies


def images(n=60, side=9):
    return np.random.default_rng(0).integers(0, 256, (n, side, side + 1, 3), dtype=np.uint8)


class SVDD(fl.DeepSVDD):
    """For scikit-learn's checks, which feed classes of their own."""

    def fit(self, X, y=None):
        return super().fit(X, None if y is None else np.arange(len(y)) % 2)


class SAD(fl.DeepSAD):
    def fit(self, X, y):
        return super().fit(X, None if y is None else np.arange(len(y)) % 2)


@parametrize_with_checks([cls(**QUICK) for cls in (SVDD, SAD)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def slow_objective(codes_u, codes_l, y, c, eta):
    """Ruff et al. 2020, eq. 7, with n and m for its n + m: row by row, coordinate by coordinate."""

    def distance(code):
        return sum((a - b) ** 2 for a, b in zip(code, c, strict=True))

    unlabeled = sum(distance(code) for code in codes_u) / len(codes_u) if len(codes_u) else 0.0
    labeled = 0.0
    for code, label in zip(codes_l, y, strict=True):
        labeled += distance(code) if label == 1 else 1 / distance(code)
    return unlabeled + (eta * labeled / len(codes_l) if len(codes_l) else 0.0)


@pytest.mark.parametrize(("n", "m"), [(20, 7), (20, 0), (0, 7)])
@pytest.mark.parametrize("eta", [0.0, 0.5, 3.0])
def test_objective_is_the_papers(n, m, eta):
    rng = np.random.default_rng(n + m)
    codes_u, codes_l, c = rng.normal(size=(n, 4)), rng.normal(size=(m, 4)), rng.normal(size=4)
    y = rng.choice([1, -1], m)
    d_u, d_l = (torch.from_numpy(((codes - c) ** 2).sum(1)) for codes in (codes_u, codes_l))
    found = objective(d_u, d_l, torch.from_numpy(y), eta)
    assert float(found) == pytest.approx(slow_objective(codes_u, codes_l, y, c, eta), rel=1e-5)


def test_gradient_pushes_anomalies_out_and_pulls_all_others_in():
    distance = torch.tensor([2.0, 2.0, 2.0], requires_grad=True)
    objective(distance[:1], distance[1:], torch.tensor([1, -1]), 1.0).backward()
    unlabeled, normal, anomaly = distance.grad.tolist()
    assert unlabeled > 0
    assert normal > 0
    assert anomaly < 0


def test_an_anomaly_on_the_centre_has_a_finite_loss_and_gradient():
    distance = torch.zeros(1, requires_grad=True)
    loss = objective(torch.ones(1), distance, torch.tensor([-1]), 1.0)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(distance.grad).all()


@pytest.mark.parametrize(
    ("name", "shape"), [("mlp", (5,)), ("mlp-8-3", (5,)), ("lenet", (3, 9, 10)), ("mlp", (1, 8, 8))]
)
def test_encoders_have_no_bias_no_scale_and_no_bounded_activation(name, shape):
    encoder, decoder = build_autoencoder(name, shape, 6)
    assert all(p.ndim > 1 for p in encoder.parameters()), "a vector of parameters is a bias or a scale"
    allowed = nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d | nn.LeakyReLU | nn.MaxPool2d | nn.Flatten
    for module in encoder.modules():
        if not list(module.children()):
            assert isinstance(module, allowed)
    assert isinstance([m for m in encoder.modules() if not list(m.children())][-1], nn.Linear)
    x = torch.randn(4, *shape)
    assert encoder(x).shape == (4, 6)
    assert decoder(encoder(x)).shape == x.shape


def test_zero_weights_cannot_reach_the_centre():
    encoder, _ = build_autoencoder("mlp", (5,), 3)
    for p in encoder.parameters():
        p.data.zero_()
    distance = (encoder(torch.randn(2, 5)) - off_zero(torch.zeros(3), 0.1)).square().sum(1)
    assert (distance > 0.02).all()


def test_a_coordinate_near_zero_moves_to_eps_with_its_sign():
    found = off_zero(torch.tensor([0.05, -0.05, 0.0, 0.2, -3.0]), 0.1)
    torch.testing.assert_close(found, torch.tensor([0.1, -0.1, 0.1, 0.2, -3.0]))


def test_centre_is_the_mean_code_after_pretraining_without_anomalies_and_stays_there():
    X, y, _ = table()
    # one step with a learning rate of zero: the encoder is that of the pretraining
    still = {**QUICK, "pretrain_steps": 0, "lr": 0.0, "eps": 1e-9}
    model = fl.DeepSAD(**still).fit(X, y)
    codes = model.run_.outputs(X[y != 1]).double().numpy()
    np.testing.assert_allclose(model.center_, codes.mean(0), rtol=1e-4, atol=1e-6)
    few, many = (fl.DeepSAD(**{**QUICK, "steps": steps}).fit(X, y) for steps in (1, 40))
    np.testing.assert_array_equal(few.center_, many.center_)
    assert (np.abs(many.center_) >= 0.1 - 1e-6).all()


def test_scores_are_squared_distances_and_the_rest_follows_pyod():
    X, y, _ = table()
    model = fl.DeepSAD(**QUICK, contamination=0.2).fit(X, y)
    codes = model.run_.outputs(X).double().numpy()
    slow = [sum((a - b) ** 2 for a, b in zip(code, model.center_, strict=True)) for code in codes]
    np.testing.assert_allclose(model.decision_scores_, slow)
    np.testing.assert_array_equal(model.decision_function(X), model.decision_scores_)
    assert model.threshold_ == np.quantile(model.decision_scores_, 0.8)
    np.testing.assert_array_equal(model.labels_, model.decision_scores_ > model.threshold_)
    np.testing.assert_array_equal(model.predict(X), model.labels_)
    assert model.labels_.mean() == pytest.approx(0.2, abs=0.01)


def test_rows_are_scored_by_themselves():
    X, y, _ = table()
    model = fl.DeepSAD(**QUICK).fit(X, y)
    # a processor may add the same float64 numbers in another order when there are more rows
    np.testing.assert_allclose(model.decision_function(X[7:8]), model.decision_function(X)[7:8], rtol=1e-12)


def test_without_labels_deep_sad_is_deep_svdd_bit_for_bit():
    X, y, _ = table()
    svdd = fl.DeepSVDD(**QUICK).fit(X)
    for model in (fl.DeepSVDD(**QUICK).fit(X, np.full(len(X), -1)), fl.DeepSAD(**QUICK).fit(X, np.full(len(X), -1))):
        np.testing.assert_array_equal(svdd.decision_scores_, model.decision_scores_)
        np.testing.assert_array_equal(svdd.center_, model.center_)
    assert (fl.DeepSAD(**QUICK).fit(X, y).decision_scores_ != svdd.decision_scores_).any()


def test_deep_svdd_leaves_labeled_anomalies_out_and_takes_normal_rows_as_unlabeled_ones():
    X, y, _ = table()
    model = fl.DeepSVDD(**QUICK).fit(X, y)
    without = fl.DeepSVDD(**QUICK).fit(X[y != 1])
    np.testing.assert_array_equal(model.decision_function(X), without.decision_function(X))
    moved = X.copy()
    moved[y == 1] *= 100
    again = fl.DeepSVDD(**QUICK).fit(moved, y)
    np.testing.assert_array_equal(model.decision_function(X), again.decision_function(X))


def test_labels_of_unlabeled_rows_are_never_read():
    X, y, _ = table()
    first = fl.DeepSAD(**QUICK).fit(X, y)
    unknown = [None if mark == -1 else int(mark) for mark in y]
    other = fl.DeepSAD(**QUICK).fit(X, unknown)
    np.testing.assert_array_equal(first.decision_scores_, other.decision_scores_)
    assert len(marked(X, y).y) == int((y != -1).sum()), "a mark of an unlabeled row went through the door"


@pytest.mark.parametrize("cls", [fl.DeepSVDD, fl.DeepSAD])
@pytest.mark.parametrize("x", ["table", "images"])
def test_same_seed_same_bits_and_the_global_state_is_left_alone(cls, x):
    X = table()[0] if x == "table" else images()
    y = np.full(len(X), -1)
    y[:6], y[6:12] = 1, 0
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    one, two = (cls(**QUICK).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(one.decision_scores_, two.decision_scores_)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])
    other = cls(**QUICK | {"random_state": 1}).fit(X, y)
    assert (one.decision_scores_ != other.decision_scores_).any()


CHANGED = {
    "network": "mlp-16",
    "latent": 3,
    "eta": 5.0,
    "pretrain_steps": 5,
    "steps": 30,
    "batch_size": 16,
    "eps": 3.0,
    "lr": 1e-2,
    "weight_decay": 0.1,
    "random_state": 3,
}


@pytest.mark.parametrize("name", CHANGED)
def test_every_option_of_the_training_changes_the_scores(name):
    X, y, _ = table()
    plain = fl.DeepSAD(**QUICK).fit(X, y)
    changed = fl.DeepSAD(**QUICK | {name: CHANGED[name]}).fit(X, y)
    assert (plain.decision_scores_ != changed.decision_scores_).any()


def test_every_option_of_the_threshold_changes_it():
    X, y, _ = table()
    plain = fl.DeepSAD(**QUICK).fit(X, y).threshold_
    assert fl.DeepSAD(**QUICK, contamination=0.3).fit(X, y).threshold_ < plain
    by_label = fl.DeepSAD(**QUICK, threshold="labels").fit(X, y)
    lower = fl.DeepSAD(**QUICK, threshold="labels", recall=0.5).fit(X, y)
    assert by_label.threshold_ < lower.threshold_
    np.testing.assert_array_equal(by_label.decision_scores_, lower.decision_scores_)


def test_all_options_are_covered():
    told = {*CHANGED, "contamination", "threshold", "recall", "device", "verbose"}
    assert told == set(fl.DeepSAD().get_params())
    assert told - {"eta"} == set(fl.DeepSVDD().get_params())
    clone(fl.DeepSAD(eta=2.0))


def test_eta_zero_is_training_on_the_unlabeled_rows_alone():
    X, y, _ = table()
    y[y == 0] = -1
    ignored = fl.DeepSAD(**QUICK, eta=0.0).fit(X, y)
    np.testing.assert_allclose(
        ignored.decision_scores_, fl.DeepSVDD(**QUICK).fit(X, y).decision_scores_, rtol=2e-3, atol=1e-4
    )


def test_labels_move_known_anomalies_and_their_like_outward():
    X, y, anomalous = table(n=600, n_anomalies=60, n_known=10)
    new, _, new_anomalous = table(n=600, n_anomalies=300, n_known=0, seed=1)
    longer = QUICK | {"pretrain_steps": 100, "steps": 200}
    share = []
    for model in (fl.DeepSVDD(**longer), fl.DeepSAD(**longer)):
        scores = model.fit(X, y).decision_function(new)
        share.append(float(np.mean(scores[new_anomalous] > np.quantile(scores[~new_anomalous], 0.95))))
    assert share[1] > share[0] + 0.1
    assert share[1] > 0.8


def test_images_with_odd_sides_and_colours():
    X = images()
    y = np.full(len(X), -1)
    y[:5] = 1
    model = fl.DeepSAD(**QUICK, network="lenet-4").fit(X, y)
    assert model.decision_function(X[:7]).shape == (7,)
    assert model.center_.shape == (32,)
    assert model.run_.network.layers[0].out_channels == 4
    grey = fl.DeepSVDD(**QUICK).fit(X[..., 0])
    assert grey.n_features_in_ == 90


def test_history_counts_over_both_stages_and_the_loss_falls():
    X, y, _ = table()
    model = fl.DeepSAD(**QUICK | {"pretrain_steps": 100, "steps": 100}).fit(X, y)
    steps = [entry["step"] for entry in model.history_]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (1, 200)
    losses = [entry["loss"] for entry in model.history_]
    assert losses[99] < losses[0]
    assert losses[-1] < losses[100]


# --- collapse ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [fl.DeepSVDD, fl.DeepSAD])
@pytest.mark.parametrize("data", ["gaussian", "cancer", "digits"])
def test_the_check_is_silent_on_healthy_trainings(cls, data):
    if data == "gaussian":
        X, y, _ = table()
    else:
        source = fl.datasets.load_breast_cancer() if data == "cancer" else fl.datasets.load_digits()
        X, y = source.X, np.where(source.y == 0, 1, -1)
    model = cls(**QUICK | {"pretrain_steps": 60, "steps": 150}).fit(X, y)
    (finding,) = model.findings_
    assert (finding.check, finding.level) == ("collapse", "ok")
    assert finding.value > 100 * LEAST_SPREAD


def test_the_check_speaks_where_weights_decay_to_zero():
    X, _, _ = table()
    model = fl.DeepSVDD(**QUICK | {"weight_decay": 1e4, "lr": 0.05, "steps": 500}).fit(X)
    (finding,) = model.findings_
    assert finding.level == "look"
    assert "one point" in finding.text
    assert "weight_decay" in finding.text


def test_the_check_speaks_where_a_bias_gives_the_centre_to_every_row(monkeypatch):
    class Constant(nn.Module):
        """What the paper warns of: the weights can vanish, for the bias alone reaches the centre."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 8)

        def forward(self, x):
            return self.layer(1e-4 * x)

    monkeypatch.setattr("fewlabels.anomaly.training.build_autoencoder", lambda *_: (Constant(), nn.Linear(8, 5)))
    X, _, _ = table()
    model = fl.DeepSVDD(**QUICK | {"steps": 400, "lr": 0.02}).fit(X)
    assert model.findings_[0].level == "look"


def test_collapse_looks_at_spread_and_at_distances():
    rng = np.random.default_rng(0)
    c = np.full(4, 0.5)
    codes = c + 0.01 * rng.normal(size=(100, 4))
    assert collapse(codes, c).level == "ok"
    assert collapse(c + 1e-7 * (codes - c), c).level == "look"
    elsewhere = collapse(0.1 * (codes - c), c)  # with some spread, but all equally far from the centre
    assert elsewhere.value > LEAST_SPREAD
    assert elsewhere.level == "look"


def test_a_loss_that_is_not_finite_ends_the_training_with_what_to_do():
    X, y, _ = table()
    with pytest.raises(DivergenceError, match=r"of the (pretraining|training).*Lower lr"):
        fl.DeepSAD(**QUICK | {"lr": 1e5, "pretrain_steps": 200, "network": "mlp-64-3"}).fit(X * 1e3, y)


@pytest.mark.parametrize("stage", ["pretraining", "training"])
def test_a_gradient_that_is_not_finite_is_not_followed(stage, monkeypatch):
    real = torch.Tensor.backward

    def backward(loss):
        real(loss)
        weight = next(p for p in watched[-1].parameters() if p.grad is not None)
        weight.grad[0] = math.inf

    watched = []
    monkeypatch.setattr(torch.Tensor, "backward", backward)
    steps = {"pretrain_steps": 3, "steps": 3} if stage == "pretraining" else {"pretrain_steps": 0, "steps": 3}
    adam = torch.optim.Adam

    def kept(parameters, *options, **more):
        network = torch.nn.ParameterList(parameters)
        watched.append(network)
        weights.append([p.detach().clone() for p in network])
        return adam(network.parameters(), *options, **more)

    weights = []
    monkeypatch.setattr(torch.optim, "Adam", kept)
    X, y, _ = table()
    with pytest.raises(DivergenceError, match=f"norm of its gradient inf at step 1 of 3 of the {stage}"):
        fl.DeepSAD(**QUICK | steps).fit(X, y)
    assert all(torch.equal(p, before) for p, before in zip(watched[-1], weights[-1], strict=True))


# --- thresholds and rates ---------------------------------------------------------------------------


def test_threshold_from_labels_is_the_conformal_order_statistic():
    scores = np.array([*range(1, 11), *np.linspace(0, 4, 50)], dtype=float)
    anomalous = np.arange(60) < 10
    threshold, rates = by_labels(scores, anomalous, 0.8)
    # k = floor(11 * 0.2) = 2: nine anomalies of ten lie above or on the second lowest
    assert threshold == pytest.approx(2, abs=1e-12)
    assert (scores[anomalous] > threshold).sum() == 9
    assert rates.recall == pytest.approx(1 - 2 / 11)
    assert rates.false_alarms == (scores[~anomalous] > 2 - 1e-12).mean()
    assert rates.false_alarms_low < rates.false_alarms < rates.false_alarms_high
    assert rates.recall_low < rates.recall < rates.recall_high


@pytest.mark.parametrize(("m", "recall", "k"), [(14, 0.8, 3), (9, 0.9, 1), (8, 0.9, 1), (19, 0.9, 2), (18, 0.9, 1)])
def test_the_order_statistic_is_the_largest_that_keeps_the_recall(m, recall, k):
    assert by_labels(np.arange(1.0, m + 2), np.arange(m + 1) < m, recall)[0] == pytest.approx(k, abs=1e-9)


def test_too_few_labels_for_the_recall_are_said_so():
    scores, anomalous = np.arange(20.0), np.arange(20) >= 17
    _, rates = by_labels(scores, anomalous, 0.9)
    assert rates.recall == 0.75
    assert "too few" in rates.how
    assert "too few" not in by_labels(scores, anomalous, 0.75)[1].how


def test_threshold_of_contamination_counts_no_labeled_anomaly_as_a_false_alarm():
    scores, anomalous = np.arange(100.0), np.arange(100) >= 95
    threshold, rates = by_contamination(scores, anomalous, 0.1)
    assert threshold == np.quantile(scores, 0.9)
    assert rates.false_alarms == pytest.approx(5 / 95)
    assert rates.recall is None


def test_new_anomalies_are_found_as_often_as_the_conformal_rule_says():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        scores = np.concatenate([rng.exponential(size=12), rng.normal(size=5)])
        threshold, rates = by_labels(scores, np.arange(17) < 12, 0.8)
        found.append(rng.exponential() > threshold)
    assert np.mean(found) == pytest.approx(rates.recall, abs=0.03)


def test_folds_spread_the_anomalies_and_depend_on_the_seed():
    anomalous = np.arange(103) < 7
    fold = folds(anomalous, 5, 0)
    assert sorted(np.bincount(fold[anomalous])) == [1, 1, 1, 2, 2]
    assert np.ptp(np.bincount(fold[~anomalous])) <= 1
    assert (fold != folds(anomalous, 5, 1)).any()
    assert folds(np.arange(10) < 2, 5, 0).max() == 1


def test_no_row_is_in_the_training_of_its_own_fold(monkeypatch):
    X, y, _ = table()
    seen, began = [], []

    def watched(before, c, rows, plan, progress, done):
        seen.append(rows)
        began.append(done)
        return real(before, c, rows, plan, progress, done)

    real = detector_module.train_encoder
    monkeypatch.setattr(detector_module, "train_encoder", watched)
    fl.DeepSAD(**QUICK, threshold="labels").fit(X, y)
    assert len(seen) == 6
    assert began == [20, 40, 60, 80, 100, 120], "progress would jump"
    used = [set(rows.unlabeled) | set(rows.labeled) for rows in seen]
    assert used[0] == set(range(len(X)))
    left_out = [used[0] - rows for rows in used[1:]]
    assert sum(map(len, left_out)) == len(X)
    assert set.union(*left_out) == used[0]


def test_rows_without_some_keep_labels_beside_their_rows():
    X, y, _ = table()
    data = marked(X, y)
    sign = np.where(data.y == 1, -1, 1)
    rows = Rows(torch.zeros(1), learn_scaling(data), data.unlabeled, data.labeled, sign)
    out = np.zeros(len(X), bool)
    out[[0, 25, 100]] = True
    less = rows.without(out)
    assert set(less.labeled) == set(rows.labeled) - {0, 25}
    np.testing.assert_array_equal(less.sign, np.where(y[less.labeled] == 1, -1, 1))
    assert 100 not in less.unlabeled
    assert set(rows.not_anomalous) == set(np.flatnonzero(y != 1))


@pytest.mark.slow
def test_expected_rates_hold_for_new_rows():
    """Of 20 data sets: the recall is as expected on average, false alarms at most as said, each up to noise."""
    recall, alarms, said, high = [], [], [], []
    for seed in range(20):
        X, _, anomalous = table(n=500, n_anomalies=45, n_known=0, seed=seed)
        y = np.full(500, -1)
        y[:20] = 1
        new, _, new_anomalous = table(n=4000, n_anomalies=2000, n_known=0, seed=1000 + seed)
        model = fl.DeepSAD(
            threshold="labels", recall=0.8, pretrain_steps=150, steps=200, random_state=seed, verbose=False
        ).fit(X, y)
        found = model.predict(new)
        recall.append(found[new_anomalous].mean())
        alarms.append(found[~new_anomalous].mean())
        said.append(model.rates_.false_alarms)
        high.append(model.rates_.false_alarms_high)
    print(model.rates_.recall, np.mean(recall), np.mean(said), np.mean(alarms))
    assert np.mean(recall) == pytest.approx(model.rates_.recall, abs=0.06)
    assert np.mean(np.array(alarms) <= high) >= 0.9


# --- files and input --------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [fl.DeepSVDD, fl.DeepSAD])
@pytest.mark.parametrize("x", ["table", "frame", "images"])
def test_a_saved_detector_is_the_same(cls, x, tmp_path):
    X = images() if x == "images" else table()[0]
    y = np.full(len(X), -1)
    y[:6] = 1
    if x == "frame":
        pd = pytest.importorskip("pandas")
        X = pd.DataFrame(X, columns=list("abcde"))
    model = cls(**QUICK, threshold="labels").fit(X, y)
    model.save(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["model.safetensors"]
    again = fl.load(tmp_path / "m")
    np.testing.assert_array_equal(model.decision_function(X), again.decision_function(X))
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    for name in ("threshold_", "rates_", "findings_", "history_", "n_features_in_"):
        assert getattr(model, name) == getattr(again, name)
    np.testing.assert_array_equal(model.labels_, again.labels_)
    assert again.get_params() == model.get_params()
    again.fit(X, y)
    np.testing.assert_array_equal(model.decision_scores_, again.decision_scores_)


def test_a_refit_that_fails_leaves_the_fitted_model_whole():
    X, y, _ = table()
    model = fl.DeepSAD(**QUICK).fit(X, y)
    before = vars(model).copy()
    with pytest.raises(InputError):
        model.fit(X, np.ones(len(X)))
    assert vars(model) == before


def bad_y(X, y):
    three = y.copy()
    three[4] = 2
    return [
        (three, r"y\[4\] = 2; expected 0 \(normal\), 1 \(anomaly\) or -1"),
        (np.where(y == 1, "fraud", ""), r"'fraud'; expected 0 \(normal\).*np.where"),
        (np.ones(len(X)), r"y calls all 240 rows anomalies \(1\)\. Add rows"),
        (y[:-1], r"X has 240 rows, y has 239"),
        (np.where(y == 1, 0.5, -1), "continuous|0.5"),
    ]


@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize("cls", [fl.DeepSVDD, fl.DeepSAD])
def test_bad_labels_are_refused(cls, case):
    X, y, _ = table()
    marks, message = bad_y(X, y)[case]
    with pytest.raises(InputError, match=message):
        cls(**QUICK).fit(X, marks)


def test_bad_rows_are_refused():
    X, y, _ = table()
    with pytest.raises(InputError, match="X has 1 sample; .* give 2 or more"):
        fl.DeepSAD(**QUICK).fit(X[:1], y[:1])
    X[3, 2] = np.nan
    with pytest.raises(InputError, match=r"NaN in 1 cell.*row 3"):
        fl.DeepSAD(**QUICK).fit(X, y)
    model = fl.DeepSVDD(**QUICK).fit(table()[0])
    with pytest.raises(InputError, match="4 features, but DeepSVDD is expecting 5"):
        model.decision_function(X[:, :4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "lenet"}, "needs images"),
        ({"network": "mpl"}, "Did you mean 'mlp'"),
        ({"network": "mlp-0"}, "is not known"),
        ({"latent": 0}, "latent=0"),
        ({"eta": -1.0}, "eta=-1"),
        ({"contamination": 0.7}, "contamination=0.7 should be"),
        ({"threshold": "label"}, "Did you mean 'labels'"),
        ({"recall": 1.0}, "recall=1.0 should be"),
        ({"pretrain_steps": -1}, "pretrain_steps=-1 should be a whole number of at least 0"),
        ({"steps": 0}, "steps=0"),
        ({"steps": 2.5}, "steps=2.5"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"eps": 0.0}, "eps=0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"weight_decay": -1}, "weight_decay=-1"),
        ({"device": "tpu"}, "is not on this machine"),
        ({"random_state": -1}, "random_state=-1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    X, y, _ = table()
    with pytest.raises(OptionError, match=message):
        fl.DeepSAD(**QUICK | options).fit(X, y)


def test_a_threshold_from_labels_needs_two_anomalies():
    X, _, _ = table()
    y = np.full(len(X), -1)
    y[0] = 1
    with pytest.raises(InputError, match="1 labeled anomalies.*needs 2 or more"):
        fl.DeepSAD(**QUICK, threshold="labels").fit(X, y)


def test_one_label_and_one_unlabeled_row_are_enough_to_train():
    X, _, _ = table()
    y = np.where(np.arange(len(X)) % 2, 0, 1)  # no unlabeled row at all
    assert np.isfinite(fl.DeepSAD(**QUICK).fit(X, y).decision_scores_).all()
    y = np.full(len(X), -1)
    y[0] = 1
    assert np.isfinite(fl.DeepSAD(**QUICK).fit(X, y).decision_scores_).all()


def test_rates_are_plain_values():
    X, y, _ = table()
    model = fl.DeepSAD(**QUICK, threshold="labels").fit(X, y)
    assert all(isinstance(v, float | int | str) for v in dataclasses.asdict(model.rates_).values())
