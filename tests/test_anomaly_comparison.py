"""Metrics of detectors against slow definitions, their intervals, the baselines, the comparison and its report."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import fewlabels as fl
from fewlabels.anomaly import baselines
from fewlabels.anomaly.baselines import isolation_forest, one_class_svm, supervised
from fewlabels.anomaly.marks import marked
from fewlabels.anomaly.metrics import bootstrap, interval, metrics, roc
from fewlabels.errors import InputError, OptionError

QUICK = {"pretrain_steps": 20, "steps": 20, "verbose": False}


def slow_metrics(anomalous, scores, false_alarms):
    """The three by their definitions: pairs, precisions at anomalies, every threshold."""
    inside, outside = scores[~anomalous], scores[anomalous]
    pairs = [1.0 if a > n else 0.5 if a == n else 0.0 for a in outside for n in inside]
    precision = [np.mean(anomalous[scores >= a]) for a in outside]
    possible = [t for t in [*scores, np.inf] if np.mean(inside >= t) <= false_alarms]
    return np.mean(pairs), np.mean(precision), max(np.mean(outside >= t) for t in possible)


def case(seed, n=60, ties=False):
    rng = np.random.default_rng(seed)
    anomalous = rng.permutation(n) < n // 4
    scores = rng.normal(size=n) + anomalous
    return anomalous, np.round(scores, 0) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("false_alarms", [0.01, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_metrics_are_their_definitions(seed, ties, false_alarms):
    anomalous, scores = case(seed, ties=ties)
    found = metrics(anomalous, scores, false_alarms)
    np.testing.assert_allclose(found, slow_metrics(anomalous, scores, false_alarms))
    assert found[0] == pytest.approx(roc_auc_score(anomalous, scores))
    assert found[1] == pytest.approx(average_precision_score(anomalous, scores))


@pytest.mark.parametrize("ties", [False, True])
def test_weights_are_repeated_rows(ties):
    anomalous, scores = case(1, ties=ties)
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, (5, len(scores))).astype(float)
    for w, found in zip(weights, metrics(anomalous, scores, 0.1, weights), strict=True):
        rows = np.repeat(np.arange(len(scores)), w.astype(int))
        np.testing.assert_allclose(found, metrics(anomalous[rows], scores[rows], 0.1))


def test_perfect_and_reversed_scores():
    anomalous = np.arange(10) < 3
    assert metrics(anomalous, -np.arange(10.0), 0.05).tolist() == [1, 1, 1]
    assert metrics(anomalous, np.arange(10.0), 0.05)[[0, 2]].tolist() == [0, 0]
    constant = metrics(anomalous, np.zeros(10), 0.05)
    np.testing.assert_allclose(constant, [0.5, 0.3, 0])


def test_roc_has_the_area_of_the_auroc_and_goes_from_none_to_all():
    anomalous, scores = case(2, ties=True)
    alarms, found = roc(anomalous, scores)
    assert (alarms[0], found[0], alarms[-1], found[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(found, alarms) == pytest.approx(roc_auc_score(anomalous, scores))


def test_resamples_are_paired_and_keep_the_number_of_anomalies():
    anomalous, scores = case(3)
    drawn = bootstrap(anomalous, [scores, 2 * scores + 1, -scores], 0.1, 200, 0)
    assert drawn.shape == (3, 200, 3)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_allclose(drawn[0, :, 0] + drawn[2, :, 0], 1)
    np.testing.assert_array_equal(drawn, bootstrap(anomalous, [scores, 2 * scores + 1, -scores], 0.1, 200, 0))
    assert (drawn != bootstrap(anomalous, [scores, 2 * scores + 1, -scores], 0.1, 200, 1)).any()


def test_bootstrap_has_the_spread_of_delongs_variance():
    """DeLong et al. 1988 by pair counts: the variance of the AUROC from each row's mean over the other side."""
    anomalous, scores = case(4, n=400)
    inside, outside = scores[~anomalous], scores[anomalous]
    wins = (outside[:, None] > inside).astype(float)
    variance = wins.mean(1).var(ddof=1) / len(outside) + wins.mean(0).var(ddof=1) / len(inside)
    drawn = bootstrap(anomalous, [scores], 0.1, 4000, 0)[0, :, 0]
    assert drawn.std() == pytest.approx(np.sqrt(variance), rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(80, 0.87), (400, 0.92)])
def test_intervals_cover_the_truth(n, least):
    """Two scores that are equally good: true AUROC 0.76, true difference 0. 20 and 100 anomalies."""
    truth = 0.7602499389065233  # Phi(1 / sqrt 2)
    covered, alarm = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        anomalous = np.arange(n) < n // 4
        scores = [rng.normal(size=n) + anomalous for _ in range(2)]
        drawn = bootstrap(anomalous, scores, 0.1, 500, seed)
        values = [metrics(anomalous, s, 0.1) for s in scores]
        own = interval(values[0][0], drawn[0, :, 0])
        gain = interval(values[0][0] - values[1][0], drawn[0, :, 0] - drawn[1, :, 0])
        covered.append(own.low <= truth <= own.high)
        alarm.append(not gain.low <= 0 <= gain.high)
    print(n, np.mean(covered), np.mean(alarm))
    assert np.mean(covered) >= least
    assert np.mean(alarm) <= 0.1


# --- baselines --------------------------------------------------------------------------------------


def table(seed=0, n=240, n_known=16):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    X[:40, :2] += 3
    y = np.full(n, -1)
    y[:n_known], y[-80:] = 1, 0
    return X, y


@pytest.mark.parametrize("make", [isolation_forest, one_class_svm, supervised])
def test_baselines_score_anomalies_higher_and_are_deterministic(make):
    X, y = table(n_known=40)  # no unlabeled anomaly
    new, _ = table(1)
    one, two = (make(marked(X, y), 0).score(new) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert roc_auc_score(np.arange(len(new)) < 40, one) > 0.75


@pytest.mark.parametrize("make", [isolation_forest, one_class_svm])
def test_detectors_leave_labeled_anomalies_out(make):
    X, y = table()
    moved = X.copy()
    moved[y == 1] += 1000
    np.testing.assert_array_equal(make(marked(X, y), 0).score(X), make(marked(moved, y), 0).score(X))


def test_the_supervised_one_reads_the_labels_alone_unless_no_row_is_normal():
    X, y = table()
    moved = X.copy()
    moved[y == -1] = 0
    model = supervised(marked(X, y), 0)
    np.testing.assert_array_equal(model.score(X), supervised(marked(moved, y), 0).score(X))
    assert model.note == ""
    alone = supervised(marked(X, np.where(y == 0, -1, y)), 0)
    assert "taken for normal" in alone.note


def test_a_large_table_trains_the_svm_on_a_part_and_says_so(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_ROWS", 50)
    X, y = table()
    assert one_class_svm(marked(X, y), 0).note == "trained on 50 rows drawn from 224"


# --- the comparison ---------------------------------------------------------------------------------


def compared(**options):
    X, y = table()
    new, _ = table(1, n_known=40)
    return fl.compare_anomalies(
        X, y, new, np.arange(len(new)) < 40, detector=fl.DeepSAD(**QUICK), random_state=0, **options
    )


def test_a_given_test_set_judges_all_models_on_the_same_rows():
    result = compared()
    assert [m.name for m in result.models] == [
        "DeepSAD",
        "DeepSVDD",
        "isolation forest",
        "one-class SVM",
        "labels alone",
    ]
    assert result.anomalous.sum() == 40
    for i, m in enumerate(result.models):
        assert m.auroc.value == pytest.approx(roc_auc_score(result.anomalous, m.scores))
        assert m.auroc.low <= m.auroc.value <= m.auroc.high
        for name, ahead in m.ahead.items():
            assert ahead.low <= ahead.value <= ahead.high
            assert ahead.value == pytest.approx(getattr(result.models[0], name).value - getattr(m, name).value)
        assert bool(m.ahead) == (i > 0)
    new, _ = table(1)
    np.testing.assert_array_equal(result.models[0].scores, result.detector.decision_function(new))
    hits = result.detector.predict(new) > 0
    assert result.alarms_at_threshold.value == hits[40:].mean()
    assert result.recall_at_threshold.value == hits[:40].mean()
    svdd = fl.DeepSVDD(**QUICK, random_state=0).fit(*table())
    np.testing.assert_array_equal(result.models[1].scores, svdd.decision_function(new))


def test_labels_are_held_out_of_all_training(monkeypatch):
    X, y = table()
    result = fl.compare_anomalies(X, y, detector=fl.DeepSAD(**QUICK), random_state=0)
    assert result.held_out
    assert not result.stand_ins
    np.testing.assert_array_equal(result.anomalous, y[result.rows_eval] == 1)
    assert (y[result.rows_eval] != -1).all()
    assert result.data["training rows"] == len(X) - len(result.rows_eval)
    again = fl.DeepSAD(**QUICK, random_state=0)
    train = np.setdiff1d(np.arange(len(X)), result.rows_eval)
    again.fit(X[train], y[train])
    np.testing.assert_array_equal(result.models[0].scores, again.decision_function(X[result.rows_eval]))


def test_unlabeled_rows_stand_for_normal_ones_where_there_are_none():
    X, y = table()
    y[y == 0] = -1
    result = fl.compare_anomalies(X, y, detector=fl.DeepSAD(**QUICK), random_state=0, holdout=0.5)
    assert result.stand_ins
    assert (y[result.rows_eval[~result.anomalous]] == -1).all()
    assert result.anomalous.sum() == 8


def test_rows_to_look_at_first_are_the_highest_unlabeled_ones():
    X, y = table()
    result = compared()
    scores = result.detector.decision_function(X)
    unlabeled = np.flatnonzero(y == -1)
    expected = unlabeled[np.argsort(-scores[unlabeled], kind="stable")][: len(result.first)]
    np.testing.assert_array_equal(result.first, expected)
    np.testing.assert_allclose(result.first_scores, scores[expected] / result.detector.threshold_)
    assert len(result.first) == 24


def test_options_of_the_comparison_matter():
    first = compared()
    assert compared(false_alarms=0.2).models[0].recall.value >= first.models[0].recall.value
    X, y = table()
    sizes = [len(fl.compare_anomalies(X, y, detector=fl.DeepSVDD(**QUICK), holdout=h).rows_eval) for h in (0.3, 0.6)]
    assert sizes[0] < sizes[1]


def test_deep_svdd_is_compared_with_the_other_three():
    X, y = table()
    result = fl.compare_anomalies(X, y, detector=fl.DeepSVDD(**QUICK), random_state=0)
    assert [m.name for m in result.models] == ["DeepSVDD", "isolation forest", "one-class SVM", "labels alone"]


def test_bad_input_is_refused():
    X, y = table()
    with pytest.raises(InputError, match="only one of X_test"):
        fl.compare_anomalies(X, y, X)
    with pytest.raises(InputError, match="160 unlabeled rows, 80 normal.*0 anomalies"):
        fl.compare_anomalies(X, y, X, np.where(y == 1, -1, np.where(np.arange(len(y)) < 160, -1, 0)))
    with pytest.raises(InputError, match="3 labeled anomalies.*4 or more"):
        fl.compare_anomalies(X, np.where(np.arange(len(y)) < 3, 1, -1))
    with pytest.raises(InputError, match="X_test has 240 rows, y_test has 3. Give one label for each row"):
        fl.compare_anomalies(X, y, X, [0, 1, 1], detector=fl.DeepSAD(**QUICK))
    with pytest.raises(OptionError, match="holdout=2 should be"):
        fl.compare_anomalies(X, y, holdout=2)
    with pytest.raises(OptionError, match="false_alarms=0 should be"):
        fl.compare_anomalies(X, y, false_alarms=0)
    with pytest.raises(OptionError, match="expected fl.DeepSAD"):
        fl.compare_anomalies(X, y, detector=fl.DeepClassifier())


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.images, self.pictures = [], 0, []

    def handle_starttag(self, tag, attrs):
        self.images += tag == "img"
        given = dict(attrs)
        assert tag != "script"
        if given.get("role") == "img":
            self.pictures.append(given["aria-label"])

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    words = Words()
    words.feed(path.read_text(encoding="utf-8"))
    return words, " ".join(" ".join(words.text).split())


def test_the_report_of_a_table(tmp_path):
    result = compared()
    words, text = read(result.report(tmp_path / "report.html"))
    for name in ("DeepSVDD", "isolation forest", "one-class SVM", "labels alone", "Unlabeled rows to look at first"):
        assert name in text
    assert f"{result.models[0].auroc.value:.3f}" in text
    assert len(words.pictures) == 1 + 2 + 4
    assert str(int(result.first[0])) in text
    facts = json.loads((tmp_path / "report.json").read_text())
    assert facts["models"][0]["auroc"]["value"] == result.models[0].auroc.value
    assert [row["row"] for row in facts["first"]] == result.first.tolist()
    assert facts["settings"]["eta"] == 1.0


def test_the_report_of_images_shows_them_and_says_what_is_weak(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (80, 8, 8), dtype=np.uint8)
    y = np.full(80, -1)
    y[:8] = 1
    result = fl.compare_anomalies(X, y, detector=fl.DeepSAD(**QUICK, network="mlp", threshold="labels"), random_state=0)
    words, text = read(result.report(tmp_path / "report.html"))
    assert words.images == 24
    assert "anomalies are few" in text
    assert "unlabeled rows were held out and taken for normal" in text
    assert "no row is labeled normal" in text


def test_the_report_shows_a_collapse(tmp_path):
    X, y = table()
    broken = fl.DeepSAD(**QUICK | {"weight_decay": 1e4, "lr": 0.05, "steps": 500})
    result = fl.compare_anomalies(X, y, detector=broken, random_state=0)
    _, text = read(result.report(tmp_path / "report.html"))
    assert "Scores then mean nothing" in text


def test_the_report_of_a_frame_names_its_columns_and_escapes_them(tmp_path):
    pd = pytest.importorskip("pandas")
    X, y = table()
    frame = pd.DataFrame(X, columns=["<b>a</b>", "b", "c", "d", "e"])
    result = fl.compare_anomalies(frame, y, detector=fl.DeepSVDD(**QUICK), random_state=0)
    assert list(result.detector.feature_names_in_) == list(frame.columns)
    path = result.report(tmp_path / "report.html")
    assert "&lt;b&gt;a" in path.read_text()
