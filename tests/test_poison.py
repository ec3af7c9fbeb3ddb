"""Hidden labels replaced by random ones, by one class, by objects that raise when they are read, and removed: not one
bit changes. Test labels likewise: no model, history or checkpoint depends on them.

The last tests make estimators and comparisons leak, and see each caught.
"""

from dataclasses import replace

import every
import hidden
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

import fewlabels as fl
from fewlabels import comparison as comparison_module
from fewlabels import pairs, repeats, run
from fewlabels.budget import measuring
from fewlabels.errors import InputError
from fewlabels.report.facts import facts as facts_of
from fewlabels.report.page import page


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return every.cases(tmp_path_factory.mktemp("files"))


def changed_by_hidden_labels(case, folder):
    """Parts of the fitted estimator that differ, for each kind of poison."""
    plain = every.fitted(case, folder / "plain")
    found = {}
    for name, y in hidden.poisons(case).items():
        found[name] = every.differing(plain, every.fitted(case, folder / name, y))
    return {name: names for name, names in found.items() if names}


@pytest.mark.parametrize("name", every.ALL)
def test_hidden_labels_change_no_bit(name, cases, tmp_path):
    assert changed_by_hidden_labels(cases[name], tmp_path) == {}


def test_every_estimator_is_tested(cases):
    assert list(cases) == every.ALL
    tested = {type(case.make(None)) for case in cases.values()}
    public = {getattr(fl, name) for name in fl.__all__ if hasattr(getattr(fl, name), "fit")}
    assert public <= tested
    assert set(fl.estimators.NAMES.values()) <= tested
    assert set(fl.classical.registry.CLASSES.values()) - tested == {fl.classical.wrapping.StandardLogistic}, "a base"


@pytest.mark.parametrize("name", ["fixmatch, classes", "noisy_student", "label_spreading", "graph gcn", "deep_sad"])
def test_what_is_no_mark_is_refused_unread(name, cases, tmp_path):
    y = np.array(cases[name].y, dtype=object)
    y[-1] = hidden.Unknown()
    with pytest.raises(InputError, match=r"is Unknown|2 ways|mixes types"):
        cases[name].fit(y, tmp_path)


@pytest.mark.parametrize("name", ["fixmatch, classes", "label_spreading"])
def test_hidden_labels_that_are_texts_or_in_a_series(name, cases, tmp_path):
    import pandas as pd

    case = cases[name]
    words = np.array(["a", "b", "c", None], dtype=object)[case.y]
    plain = every.fitted(case, tmp_path / "plain", words)
    empty = hidden.objects(np.where(case.y < 0, -1, case.y), lambda: hidden.HiddenEmpty(""))
    empty[: every.LABELED] = words[: every.LABELED]
    nan = empty.copy()
    nan[every.LABELED :] = [hidden.HiddenNaN("nan") for _ in range(every.N - every.LABELED)]
    for number, y in enumerate((empty, nan, pd.Series(words), pd.Series(nan, dtype=object))):
        assert every.differing(plain, every.fitted(case, tmp_path / str(number), y)) == []


# --- labels kept back from training, and labels that choose among models --------------------------------------------


def test_labels_that_are_watched_train_nothing(cases, tmp_path, monkeypatch):
    """With watch_labels= the truth of rows kept back decides what a monitor says, and nothing else."""
    real, found = run._keep_back, {}
    for name, other in (("given", lambda c: c), ("others", lambda c: (c + 1) % 3), ("one class", lambda c: 0)):

        def keep(*args, other=other):
            data, y, truth = real(*args)
            return data, y, {row: other(c) for row, c in truth.items()}

        monkeypatch.setattr(run, "_keep_back", keep)
        found[name] = every.fitted(cases["watch_labels"], tmp_path / name)
    judged = (".looks.", "findings_.", ".findings.")
    for name in ("others", "one class"):
        differs = every.differing(found["given"], found[name])
        assert [part for part in differs if not any(word in part for word in judged)] == []


def test_validation_nodes_choose_a_step_and_train_nothing(cases):
    case, found = cases["graph, validation"], []
    for shift in (0, 1):
        y = case.y.copy()
        judges = case.more["validation"]
        y[judges] = (y[judges] + shift) % 3
        history = case.fit(y).history_
        assert all("validation_loss" in entry for entry in history)
        found.append([{k: v for k, v in entry.items() if not k.startswith("validation_")} for entry in history])
    assert found[0] == found[1]


def test_a_search_sees_no_hidden_label(cases):
    """Folds, scores, choice and the refitted model of scikit-learn's tools with our splitter and scorer."""
    case = cases["label_propagation"]

    def searched(y):
        folds, scorer = fl.SemiSupervisedSplit(3, random_state=0), fl.labeled_scorer("balanced_accuracy")
        model = fl.LabelPropagation(verbose=False, random_state=0)
        search = GridSearchCV(model, {"n_neighbors": [3, 9]}, cv=folds, scoring=scorer).fit(case.X, y)
        times = ("time", "params")
        results = {k: v for k, v in search.cv_results_.items() if not any(word in k for word in times)}
        scores = cross_val_score(model, case.X, y, cv=folds, scoring=scorer)
        return every.parts((list(folds.split(case.X, y)), results, scores, search.best_estimator_))

    plain = searched(case.y)
    for y in hidden.poisons(case).values():
        assert every.differing(plain, searched(y)) == []


def test_labels_of_a_fold_train_no_model_of_that_fold(cases):
    case = cases["label_propagation"]
    for train, test in fl.SemiSupervisedSplit(3, random_state=0).split(case.X, case.y):
        other = case.y.copy()
        other[test] = (other[test] + 1) % 3
        fits = [every.parts(fl.LabelPropagation(verbose=False).fit(case.X[train], y[train])) for y in (case.y, other)]
        assert fits[0] == fits[1]
        assert len(np.intersect1d(train, test)) == 0


def _budget_data():
    rng = np.random.default_rng(0)
    y = np.where(np.arange(80) < 60, np.arange(80) % 2, -1)
    return rng.normal(size=(80, 3)) + y[:, None], y


def _budget(monkeypatch, poison):
    """A budget whose plans are those of the plain labels, while `poison` (Partial, Plan, size) -> Partial hides."""
    fits, real_fit, real_hide = [], pairs.fit_both, measuring.hide

    def fit(*args):
        result = real_fit(*args)
        fits.append(every.parts((args[0], result[0])))
        return result

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "fit_both", fit)
        patch.setattr(measuring, "hide", lambda data, plan, size: real_hide(poison(data, plan, size), plan, size))
        X, y = _budget_data()
        result = fl.label_budget(X, y, method="naive_bayes", sizes=[8, 30], random_state=0, verbose=False)
    return every.parts(result), fits


def _other(y, rows, how):
    """Labels (two classes) with those at `rows` replaced."""
    out = y.copy()
    out[rows] = {"random": np.random.default_rng(5).permutation(y[rows]), "one class": 0, "others": 1 - y[rows]}[how]
    return out


@pytest.mark.parametrize("how", ["random", "one class", "others"])
def test_labels_that_a_budget_hides_change_no_bit(how, monkeypatch):
    def hidden_ones(data, plan, size):
        return replace(data, y=_other(data.y, plan.order[size:], how))

    def held_out_ones(data, plan, size):
        return replace(data, y=_other(data.y, plan.held_out, how))

    plain, fits = _budget(monkeypatch, lambda data, plan, size: data)
    assert len(fits) == 2 * 5
    assert _budget(monkeypatch, hidden_ones) == (plain, fits)
    scores, judged_otherwise = _budget(monkeypatch, held_out_ones)
    assert judged_otherwise == fits, "labels that only score must not train"
    assert every.differing(plain, scores) == [".baseline", ".candidate"]


# --- test labels -----------------------------------------------------------------------------------------------------

# What a report may say otherwise when the test labels are others; all else is the same bits.
EVALUATION = {"verdict", "sentence", "deployed", "paired", "smallest_detectable", "repeated"}
EVALUATION |= {"calibration", "per_class", "confusion", "iou", "dice"}
JUDGED = {"y_eval", "paired", "looks", "repeated"}  # of Comparison
UNJUDGED = {"curves", "data", "settings", "before", "during"}  # sections of the page
COMPARED = {
    "classes": "fixmatch, classes",
    "numbers": "mean_teacher, numbers",
    "masks": "mean_teacher, masks",
    "classical": "self_training",
}


class Comparing:
    """Comparisons of one case, and what of them test labels must not touch."""

    def __init__(self, case, monkeypatch):
        self.case, self.patch, self.fit_both = case, monkeypatch, pairs.fit_both
        self.X, self.y, self.X_test = case.X[:-12], case.y[:-12], case.X[-12:]
        self.y_test = np.asarray(case.truth)[-12:]

    def run(self, y_test, folder, y=None, **options):
        fits = []

        def fit(*args):
            baseline, seconds = self.fit_both(*args)
            fits.append(every.parts((args[0], baseline)))
            return baseline, seconds

        for module in (comparison_module, repeats):
            self.patch.setattr(module, "fit_both", fit)
        options = {"method": self.case.make(None), "folder": folder, "random_state": 0, "command": "again"} | options
        result = fl.compare(self.X, self.y if y is None else y, self.X_test, y_test, **options)
        found = every.parts(fits, "fits") | every.of_folder(folder) | self.models(result, folder) | report(result)
        return found | every.parts({k: v for k, v in vars(result).items() if k not in JUDGED}, "comparison")

    def models(self, result, folder):
        both = (every.state(self.case, getattr(result, role), folder / role) for role in ("baseline", "candidate"))
        return {f"{role} {part}": bits for role, found in zip("bc", both, strict=True) for part, bits in found.items()}

    def others(self):
        """Other test labels: random ones, all of one class, and all wrong where there are classes."""
        y, known = self.y_test, np.unique(self.case.truth)
        found = {"random": np.random.default_rng(3).permutation(y), "one class": np.broadcast_to(y[:1], y.shape)}
        wrong = known[(np.searchsorted(known, y) + 1) % len(known)]
        return {name: other for name, other in (found | {"wrong": wrong}).items() if (other != y).any()}


def report(result):
    """What the page and report.json say outside their evaluation."""
    result = replace(result, seconds={"baseline": 0.0, "candidate": 0.0})
    written, facts = page(result), facts_of(result)
    kept = [section for section in (*written.sections, *written.findings) if section.id in UNJUDGED]
    assert {"curves", "data", "settings"} <= {section.id for section in kept}
    facts = {key: value for key, value in facts.items() if key not in EVALUATION}
    assert {"curves", "data", "audit", "monitors", "round"} <= facts.keys()
    return every.parts(facts, "report.json") | every.parts(kept, "page")


@pytest.mark.parametrize("kind", COMPARED)
def test_test_labels_choose_nothing(kind, cases, tmp_path, monkeypatch):
    comparing = Comparing(cases[COMPARED[kind]], monkeypatch)
    plain = comparing.run(comparing.y_test, tmp_path / "plain")
    assert len(comparing.others()) >= 2
    for name, other in comparing.others().items():
        assert every.differing(plain, comparing.run(other, tmp_path / name)) == [], name


@pytest.mark.parametrize("kind", COMPARED)
def test_without_any_test_label_the_models_are_the_same(kind, cases, tmp_path, monkeypatch):
    """Fitted by hand, where there is nothing to judge by."""
    comparing, case = Comparing(cases[COMPARED[kind]], monkeypatch), cases[COMPARED[kind]]
    result = fl.compare(
        comparing.X, comparing.y, comparing.X_test, comparing.y_test, method=case.make(None), random_state=0
    )
    for given in (result.candidate, result.baseline):
        by_hand = type(given)(**given.get_params(deep=False)).fit(comparing.X, comparing.y)
        assert every.differing(every.parts(given), every.parts(by_hand)) == []


@pytest.mark.parametrize("kind", ["classes", "classical"])
def test_test_labels_are_not_even_looked_at_while_models_are_fitted(kind, cases, tmp_path, monkeypatch):
    case, fitting = cases[COMPARED[kind]], []

    class Label(str):
        __slots__ = ()

        def __eq__(self, other):
            assert not fitting, "a test label was compared during a fit"
            return str.__eq__(self, other)

        def __hash__(self):
            assert not fitting, "a test label was hashed during a fit"
            return str.__hash__(self)

    comparing = Comparing(case, monkeypatch)

    def fit_both(*args):
        fitting.append(True)
        found = pairs.fit_both(*args)
        fitting.clear()
        return found

    comparing.fit_both = fit_both
    y = np.array(["a", "b", "c", None], dtype=object)[comparing.y]
    y_test = np.empty(12, dtype=object)
    y_test[:] = [Label("abc"[code]) for code in comparing.y_test]
    comparing.run(y_test, tmp_path, y)


@pytest.mark.parametrize("kind", ["classes", "classical"])
def test_test_labels_choose_nothing_in_repeats(kind, cases, tmp_path, monkeypatch):
    monkeypatch.setattr(repeats, "FEWEST_FOR_BOOTSTRAP", 5)
    comparing = Comparing(cases[COMPARED[kind]], monkeypatch)
    plain = comparing.run(comparing.y_test, tmp_path / "plain", repeats=5, audit=False)
    other = comparing.run(comparing.others()["wrong"], tmp_path / "other", repeats=5, audit=False)
    assert sum(name.count(".") == 1 for name in plain if name.startswith("fits.")) == 5
    assert every.differing(plain, other) == []


def test_held_out_labels_train_nothing(cases, monkeypatch):
    """Without a test set: which rows are held out is drawn by class; from then on their labels only judge."""
    case, real, found = cases["naive_bayes"], pairs.divide, []
    for other in (lambda y: y, lambda y: np.random.default_rng(1).permutation(y), lambda y: np.full_like(y, y[0])):
        fits = []

        def divide(*args, other=other, **options):
            rows = real(*args, **options)
            return replace(rows, y_eval=other(rows.y_eval))

        def fit(*args, fits=fits):
            baseline, seconds = pairs.fit_both(*args)
            fits.append(every.parts((args[0], baseline)))
            return baseline, seconds

        for module in (comparison_module, repeats):
            monkeypatch.setattr(module, "divide", divide)
            monkeypatch.setattr(module, "fit_both", fit)
        result = fl.compare(case.X, case.y, method="naive_bayes", random_state=0, repeats=5, verbose=False)
        found.append((fits, every.parts((result.rows_eval, result.round, result.audit))))
    assert len(found[0][0]) == 5
    assert found[0] == found[1] == found[2]


def test_hidden_labels_change_no_bit_of_a_comparison(cases, tmp_path, monkeypatch):
    for kind in ("classical", "numbers"):
        comparing = Comparing(cases[COMPARED[kind]], monkeypatch)
        plain = comparing.run(comparing.y_test, tmp_path / f"{kind} plain", audit=False)
        for name, y in hidden.poisons(comparing.case).items():
            found = comparing.run(comparing.y_test, tmp_path / f"{kind} {name}", y[:-12], audit=False)
            assert every.differing(plain, found) == [], name


def test_answers_of_a_verdict_round_change_no_model_and_no_question(cases, tmp_path):
    case = cases["label_spreading"]
    found = []
    for answers in ("a", "b", None):
        result = fl.compare(case.X[:-12], case.y[:-12], case.X[-12:], case.truth[-12:], method="label_spreading",
                            random_state=0)  # fmt: skip
        asked = []
        while len(rows := result.questions(2)):
            asked.append(rows)
            result.answer(rows, [answers] * len(rows))
        assert len(asked) > 1
        found.append(every.parts((result.baseline, result.candidate, asked)))
    assert found[0] == found[1] == found[2]


# --- audit, suggestions, detectors, sample data ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["label_propagation", "labels alone, numbers"])
@pytest.mark.parametrize("ask", [fl.audit, fl.suggest])
def test_hidden_labels_change_no_bit_of_an_audit_or_advice(ask, name, cases):
    case = cases[name]
    task = "numbers" if "numbers" in name else "classes"
    plain = every.parts(ask(case.X, case.y, task=task))
    for y in hidden.poisons(case).values():
        assert every.differing(plain, every.parts(ask(case.X, y, task=task))) == []


def test_test_labels_are_counted_by_an_audit_and_never_fitted(cases):
    case = cases["label_propagation"]
    y_test = case.truth[-12:]
    plain, other = (fl.audit(case.X[:-12], case.y[:-12], case.X[-12:], y) for y in (y_test, np.roll(y_test, 1)))
    assert every.parts(plain) == every.parts(other)
    unseen = fl.audit(case.X[:-12], case.y[:-12], case.X[-12:], y_test + 3)
    judged = [finding.check for finding in plain if finding != unseen[finding.check]]
    assert judged == ["scarcity"], "which tells of classes that no label has"


@pytest.mark.parametrize("given", [True, False], ids=["test set", "held out"])
def test_hidden_and_test_labels_change_no_detector(given, cases, monkeypatch):
    case = cases["deep_sad"]
    test = (case.X[-20:], case.truth[-20:]) if given else (None, None)
    X, y = (case.X[:-20], case.y[:-20]) if given else (case.X, case.y)
    case = replace(case, X=X, y=y, truth=case.truth[: len(y)])

    def compared(y, y_test):
        result = fl.compare_anomalies(X, y, test[0], y_test, detector=case.make(None), random_state=0)
        scores = [model.scores for model in result.models]
        return every.parts((result.detector, scores, result.first, result.first_scores, result.data, result.rows_eval))

    plain = compared(case.y, test[1])
    for marks in hidden.poisons(case).values():
        assert every.differing(plain, compared(marks, test[1])) == []
    if given:
        assert every.differing(plain, compared(case.y, 1 - test[1])) == []


def test_sample_data_hold_no_label_of_an_unlabeled_row(monkeypatch, tmp_path):
    monkeypatch.setenv("FEWLABELS_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    edges, split = rng.integers(0, 40, (2, 60)), np.split(np.arange(40), [14, 24])
    words = {
        "x_data": np.ones(40),
        "x_indices": np.arange(40),
        "x_indptr": np.arange(41),
        "x_shape": np.array([40, 40]),
    }
    of_nodes = {"edges": edges, "y": np.arange(40) % 7} | dict(zip(("train", "val", "test"), split, strict=True))
    np.savez(tmp_path / "cora.npz", **words, **of_nodes)
    np.savez(tmp_path / "nuclei_stardist.npz", img2d=rng.random((512, 512)), mask2d=rng.integers(0, 2, (512, 512)))
    bunches = [fl.datasets.load_digits(), fl.datasets.load_breast_cancer(), fl.datasets.load_diabetes()]
    for data in (*bunches, fl.datasets.load_nuclei(), fl.datasets.load_cora()):
        unlabeled = np.isnan(data.y) if data.y.dtype.kind == "f" else data.y == -1
        assert unlabeled.any()
        assert (data.y[unlabeled].view(np.int64) == data.y[unlabeled].view(np.int64)[0]).all(), "a NaN may carry bits"
        owner = data.y
        while owner.base is not None:  # what lies in the same memory
            owner = owner.base
        assert owner.size == data.y.size
        like_labels = {key for key, value in data.items() if np.shape(value)[:1] == (len(data.y),)}
        assert like_labels <= {"X", "y"}
    judged = [data.test for data in [fl.datasets.load_cora()]]
    assert (fl.datasets.load_cora().y[judged[0]] == -1).all()


# --- what leaks is caught --------------------------------------------------------------------------------------------


def leaking_door(read):
    """`read_labels` that takes one more label than it was given, from wherever that lies."""

    def leak(y, **options):
        labels = read(y, **options)
        row = int(np.setdiff1d(np.arange(labels.n_rows), labels.rows)[0])
        values = np.asarray(y)
        told = hidden.told(values)[row] if values.base is not None else getattr(values[row], "truth", labels.values[0])
        rows = np.append(labels.rows, row)
        return labels._replace(values=np.append(labels.values, np.asarray(told, labels.values.dtype)), rows=rows)

    return leak


@pytest.mark.parametrize("name", ["fixmatch, classes", "mean_teacher, numbers", "s3vm", "graph gcn", "deep_sad"])
def test_an_estimator_that_reads_a_hidden_label_is_caught(name, cases, tmp_path, monkeypatch):
    from fewlabels import partial_labels
    from fewlabels.anomaly import marks

    for door in (partial_labels, marks):
        monkeypatch.setattr(door, "read_labels", leaking_door(door.read_labels))
    case = cases[name]
    poison = hidden.poisons(case)
    found = {}
    for kind in ("random", "one class"):
        found[kind] = every.fitted(case, tmp_path / kind, poison[kind])
    assert every.differing(found["random"], found["one class"])
    with pytest.raises(AssertionError, match="a hidden label was read"):
        case.fit(poison["raising NaN"], tmp_path / "raising")


def test_a_comparison_that_chooses_by_the_test_score_is_caught(cases, tmp_path, monkeypatch):
    comparing = Comparing(cases["fixmatch, classes"], monkeypatch)
    real, judged = comparison_module.divide, {}

    def divide(*args, **options):
        rows = real(*args, **options)
        judged.update(X=rows.X_eval, y=rows.y_eval)
        return rows

    def best_seed(candidate, X, y, seed, folder=None, domain=None, graph=None):
        seeds = range(4)
        tried = [candidate.set_params(random_state=s).fit(X, y).score(judged["X"], judged["y"]) for s in seeds]
        return pairs.fit_both(candidate, X, y, int(np.argmax(tried)), folder)

    monkeypatch.setattr(comparison_module, "divide", divide)
    comparing.fit_both = best_seed
    plain = comparing.run(comparing.y_test, tmp_path / "plain", audit=False)
    found = {}
    for name, y in comparing.others().items():
        found[name] = every.differing(plain, comparing.run(y, tmp_path / name, audit=False))
    assert any("c model.random_state" in differs for differs in found.values())


def test_a_budget_that_passes_on_one_label_more_is_caught(monkeypatch):
    real = measuring.hide
    monkeypatch.setattr(measuring, "hide", lambda data, plan, size: real(data, plan, size + 1))
    plain = _budget(monkeypatch, lambda data, plan, size: data)
    other = _budget(monkeypatch, lambda data, plan, size: replace(data, y=_other(data.y, plan.order[size:], "others")))
    assert plain != other


def test_watched_labels_that_train_are_caught(cases, tmp_path, monkeypatch):
    real, found = run._keep_back, []
    for shift in (0, 1):

        def keep(data, y, options, shift=shift):
            rest, kept, truth = real(data, y, options)
            truth = {row: (c + shift) % 3 for row, c in truth.items()}
            first = min(truth)
            place = int(np.searchsorted(rest.labeled, first))
            y = np.insert(kept, place, truth[first])
            return replace(rest, y=y, labeled=np.insert(rest.labeled, place, first)), y, truth

        monkeypatch.setattr(run, "_keep_back", keep)
        found.append(every.fitted(cases["watch_labels"], tmp_path / str(shift)))
    assert any(name.startswith("model.run_.network") for name in every.differing(*found))
