"""What every classical estimator promises: add one to NAMES and these run on it."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import fewlabels as fl
from fewlabels.classical.registry import CLASSES, NAMES
from fewlabels.container import read_container, write_container
from fewlabels.errors import InputError, OptionError, SaveError, UnsafeFileError

ALL = sorted(NAMES)
CLASSIFIERS = [name for name in ALL if not is_regressor(NAMES[name]())]
# quick: what a deep one needs to be fitted in a second
QUICK = {"vae": {"steps": 20}}


def make(name, **options):
    model = NAMES[name](**(QUICK.get(name, {}) | options))
    for option, value in (("random_state", 0), ("verbose", False)):
        if option in model.get_params(deep=False):
            model.set_params(**{option: value})
    return model


def data(name, n=150, n_labeled=24, seed=0):
    """Three blobs; y as the estimator takes it, strings for classes, and rows to predict."""
    X, codes = make_blobs(n + 40, centers=3, cluster_std=1.6, n_features=4, random_state=seed)
    if is_regressor(NAMES[name]()):
        y = X @ [1.0, -2.0, 0.5, 0.0] + codes
        y[n_labeled:] = np.nan
        return X[:n], y[:n], X[n:]
    y = np.array(["a", "b", "c"], dtype=object)[codes]
    y[n_labeled:] = None
    return X[:n], y[:n], X[n:]


def run(words):
    """The command line, in this process; raises SystemExit where its exit code is not 0."""
    from fewlabels.cli import main

    try:
        main(words)
    except SystemExit as stop:
        if stop.code:
            raise


def outputs(model, X):
    return model.predict(X) if is_regressor(model) else model.predict_proba(X)


@pytest.mark.parametrize("name", ALL)
def test_probabilities_and_transduction(name):
    X, y, new = data(name)
    model = make(name).fit(X, y)
    assert np.isfinite(outputs(model, new)).all()
    assert model.transduction_.shape == (len(X),)
    labeled = [i for i, label in enumerate(y) if label is not None and label == label]
    assert model.transduction_[labeled].tolist() == y[labeled].tolist()
    if name in CLASSIFIERS:
        proba = model.predict_proba(new)
        np.testing.assert_allclose(proba.sum(1), 1)
        assert proba.min() >= 0
        assert proba.max() <= 1
        assert model.classes_.tolist() == ["a", "b", "c"]
        assert model.predict(new).tolist() == model.classes_[proba.argmax(1)].tolist()


@pytest.mark.parametrize("name", ALL)
def test_unlabeled_rows_matter_and_the_baseline_does_not_see_them(name):
    X, y, new = data(name)
    other = X.copy()
    other[60:] = other[60:] * 0.5 + 1.0
    model, baseline = make(name), make(name).baseline()
    assert not np.array_equal(outputs(clone(model).fit(X, y), new), outputs(clone(model).fit(other, y), new))
    if "standardize" in baseline.get_params(deep=False):
        baseline.set_params(standardize=False)  # means and deviations are those of all rows; no label is involved
    rest = slice(None, 24)
    alone = clone(baseline).fit(X[rest], y[rest])
    with_pool = clone(baseline).fit(X, y)
    if name == "vae" or name == "co_training":
        return  # scaling and the number of steps, or the transformers of the views, may look at all rows
    np.testing.assert_allclose(outputs(alone, new), outputs(with_pool, new), atol=0.05)


@pytest.mark.parametrize("name", ALL)
def test_files_hold_the_model_without_pickle(name, tmp_path):
    X, y, new = data(name)
    model = make(name).fit(X, y)
    model.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    loaded = fl.load(tmp_path)
    assert type(loaded) is type(model)
    assert np.array_equal(outputs(loaded, new), outputs(model, new))
    assert loaded.transduction_.tolist() == model.transduction_.tolist()
    assert loaded.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    clone(loaded).fit(X, y)
    baseline = model.baseline().fit(X, y)
    baseline.save(tmp_path / "baseline")
    assert np.array_equal(outputs(fl.load(tmp_path / "baseline"), new), outputs(baseline, new))


def test_files_that_name_another_class_are_refused(tmp_path):
    X, y, _ = data("gaussian_mixture")
    make("gaussian_mixture").fit(X, y).save(tmp_path)
    path = tmp_path / "model.safetensors"
    about, tensors = read_container(path, "model")
    tensors = {key: tensor.clone() for key, tensor in tensors.items()}
    for name in ("os.system", "Popen", "HistGradientBoostingClassifier"):
        about["model"]["estimator"] = name
        write_container(path, "model", about, tensors)
        with pytest.raises(UnsafeFileError, match="not known"):
            fl.load(tmp_path)


def test_a_part_that_files_cannot_hold_is_refused_with_its_name(tmp_path):
    from sklearn.ensemble import RandomForestClassifier

    X, y, _ = data("self_training")
    model = make("self_training", estimator=RandomForestClassifier(5, random_state=0)).fit(X, y)
    with pytest.raises(SaveError, match="RandomForestClassifier"):
        model.save(tmp_path)


@pytest.mark.parametrize("name", ALL)
def test_pickle_clone_refit_and_not_fitted(name):
    X, y, new = data(name)
    model = make(name)
    with pytest.raises(NotFittedError):
        model.predict(new)
    model.fit(X, y)
    assert np.array_equal(outputs(pickle.loads(pickle.dumps(model)), new), outputs(model, new))
    before = outputs(model, new)
    with pytest.raises(InputError):
        model.fit(np.full((len(X), 4), np.nan), y)
    assert np.array_equal(outputs(model, new), before), "a refit that fails leaves the model whole"
    with pytest.raises(InputError, match="features"):
        model.predict(new[:, :3])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_comparison_report_and_command_line(name, tmp_path):
    X, y, _ = data(name)
    new, truth = make_blobs(190, centers=3, cluster_std=1.6, n_features=4, random_state=0)
    X_test, y_test = new[150:], np.array(["a", "b", "c"])[truth[150:]]
    result = fl.compare(X, y, X_test, y_test, method=make(name), random_state=0)
    assert result.candidate_name == name
    assert result.baseline_name != name
    assert result.paired.n == 40
    page = result.report(tmp_path / "report.html").read_text()
    assert name in page
    assert str(result.verdict) in page


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_command_line_takes_the_name(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    X, y, new = data(name)
    np.savez("rows.npz", X=X, y=np.array([label or "" for label in y]))
    np.savez("new.npz", X=new)
    extra = [w for option, value in QUICK.get(name, {}).items() for w in ("--set", f"{option}={value}")]
    run(["compare", "rows.npz", "--method", name, "--out", "run", "--quiet", *extra])
    assert (tmp_path / "run" / "report.html").exists()
    run(["predict", "run", "new.npz", "-o", "out.csv"])
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 41
    assert "Deployed" in capsys.readouterr().out
    run(["fit", "rows.npz", "--method", name, "--out", "fitted", "--quiet", *extra])
    with pytest.raises(SystemExit) as stop:
        run(["fit", "rows.npz", "--method", name, "--set", "nonsense=1", "--out", "other"])
    assert stop.value.code == 2
    assert "no such option" in capsys.readouterr().err


def test_names_are_refused_where_they_do_not_belong():
    with pytest.raises(OptionError, match="fl.GaussianMixtureClassifier"):
        fl.DeepClassifier("gaussian_mixture").fit(np.zeros((4, 2)), [0, 1, -1, -1])
    with pytest.raises(OptionError, match="learns classes, not numbers"):
        fl.compare([[0.0]] * 30, [0.5] * 20 + [np.nan] * 10, method="self_training")
    with pytest.raises(OptionError, match="steps and device"):
        fl.compare([[0.0]] * 30, [0, 1] * 10 + [-1] * 10, method="self_training", steps=5)


def test_a_literal_option_is_read_from_text_and_a_wrong_one_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    X, y, _ = data("self_training")
    np.savez("rows.npz", X=X, y=np.array([label or "" for label in y]))
    run(["fit", "rows.npz", "--method", "self_training", "--set", "criterion=k_best", "--set", "max_iter=2"])
    with pytest.raises(SystemExit):
        run(["fit", "rows.npz", "--method", "self_training", "--set", "criterion=best", "--out", "o"])
    assert "'threshold' or 'k_best'" in capsys.readouterr().err


def test_grid_search_over_labeled_folds():
    X, y, _ = data("self_training")
    search = GridSearchCV(
        make("self_training"),
        {"threshold": [0.6, 0.9]},
        cv=fl.SemiSupervisedSplit(3, random_state=0),
        scoring=fl.labeled_scorer("accuracy"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, y)
    assert search.best_score_ > 0.5


def test_every_class_a_file_may_name_is_one_of_ours():
    assert all(cls.__module__.startswith("fewlabels.") for cls in CLASSES.values())


def test_images_are_flattened():
    digits = fl.datasets.load_digits(n_labels=40, random_state=0)
    model = make("self_training").fit(digits.X, digits.y)
    assert model.predict(digits.X_test).shape == (600,)
    assert model.n_features_in_ == 64
