"""The estimators keep scikit-learn's contract, and their files hold them safely."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import fewlabels as fl
from fewlabels.container import read_container, write_container
from fewlabels.errors import InputError, OptionError, SaveError, UnsafeFileError

# scikit-learn's check feeds the labels {-1, 1}; -1 marks unlabeled rows here, as in its own LabelSpreading.
EXPECTED = {"check_classifiers_classes": "-1 marks an unlabeled row"}


@parametrize_with_checks(
    [
        fl.DeepClassifier(steps=150, random_state=0, verbose=False),
        fl.DeepRegressor(steps=150, random_state=0, verbose=False),
    ],
    expected_failed_checks=lambda estimator: EXPECTED if isinstance(estimator, fl.DeepClassifier) else {},
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def digits(n_labels=40):
    return fl.datasets.load_digits(n_labels=n_labels, random_state=0)


def model(method="fixmatch", **options):
    return fl.DeepClassifier(method, steps=30, random_state=0, verbose=False, **options)


@pytest.fixture(scope="module")
def fitted():
    data = digits()
    return model().fit(data.X, data.y), data


def test_fit_predict_and_attributes(fitted):
    clf, data = fitted
    proba = clf.predict_proba(data.X_test)
    assert proba.shape == (len(data.X_test), 10)
    np.testing.assert_allclose(proba.sum(1), 1)
    assert np.array_equal(clf.classes_[proba.argmax(1)], clf.predict(data.X_test))
    given = data.y != -1
    assert np.array_equal(clf.transduction_[given], data.y[given])
    assert set(clf.transduction_) <= set(range(10))
    assert clf.history_[-1]["step"] == 30
    assert clf.n_features_in_ == 64
    assert clf.run_.facts["seed"] == 0


@pytest.mark.parametrize(
    "names", [np.array([f"class {i}" for i in range(10)]), np.arange(10) + 5, np.arange(10) > 4], ids=str
)
def test_classes_keep_the_users_type(names):
    data = digits()
    y = np.empty(len(data.y), dtype=object)
    y[:] = None
    y[data.y >= 0] = [names[i].item() for i in data.y[data.y >= 0]]
    clf = model().fit(data.X, y)
    assert set(map(type, clf.predict(data.X_test[:5]).tolist())) == {type(names[0].item())}
    assert set(clf.classes_.tolist()) == set(names.tolist())


def test_clone_pickle_and_refit_give_the_same_bits(fitted):
    clf, data = fitted
    again = clone(clf).fit(data.X, data.y)
    copied = pickle.loads(pickle.dumps(clf))
    for other in (again, copied):
        assert np.array_equal(clf.predict_proba(data.X_test), other.predict_proba(data.X_test))


def test_pipelines_cross_validation_and_a_grid_over_recipes():
    data = fl.datasets.load_breast_cancer(n_labels=40, random_state=0)
    clf = fl.DeepClassifier(steps=40, random_state=0, verbose=False)
    split, scorer = fl.SemiSupervisedSplit(3, random_state=0), fl.labeled_scorer()
    scores = cross_val_score(make_pipeline(StandardScaler(), clf), data.X, data.y, cv=split, scoring=scorer)
    assert scores.mean() > 0.8
    grid = {"method": ["supervised", fl.methods.FixMatch(weight=fl.parts.Fixed(0.8)), fl.methods.MeanTeacher()]}
    search = GridSearchCV(clf, grid, cv=split, scoring=scorer, error_score="raise").fit(data.X, data.y)
    assert len(search.cv_results_["mean_test_score"]) == 3
    assert search.best_estimator_.predict(data.X_test).shape == data.y_test.shape


def test_regression_with_nan_as_unlabeled_in_the_users_units():
    data = fl.datasets.load_diabetes(n_labels=80, random_state=0)
    reg = fl.DeepRegressor(steps=200, random_state=0, verbose=False).fit(data.X, data.y)
    known = ~np.isnan(data.y)
    assert np.array_equal(reg.transduction_[known], data.y[known])
    assert np.isfinite(reg.transduction_).all()
    assert reg.score(data.X_test, data.y_test) > 0.2
    assert abs(reg.predict(data.X_test).mean() - load_diabetes().target.mean()) < 40


def test_a_module_of_the_users_own_is_left_alone_and_a_factory_is_called():
    data = digits()
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = module[1].weight.clone()
    clf = model(network=module).fit(data.X, data.y)
    assert torch.equal(module[1].weight, before)
    assert not torch.equal(clf.run_.network[1].weight, before)
    shapes = []
    model(network=lambda shape, k: shapes.append((shape, k)) or nn.Sequential(nn.Flatten(), nn.Linear(64, k))).fit(
        data.X, data.y
    )
    assert shapes == [((1, 8, 8), 10)]


def test_augmentation_of_the_users_own_takes_the_place():
    data, calls = digits(), []

    def own(x, draws):
        calls.append(len(x))
        return x.flip(3)

    model(augment=fl.augment.Own(own, own)).fit(data.X, data.y)
    assert calls[:3] == [64, 448, 448]


def test_the_baseline_differs_in_the_method_alone():
    clf = model(lr=0.01, network="convnet-8")
    one, other = clf.get_params(), clf.baseline().get_params()
    assert {name for name in one if one[name] != other[name]} == {"method"}
    assert other["method"] == "supervised"


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: fl.DeepClassifier("fixmacht"), "Did you mean 'fixmatch'"),
        (lambda: fl.DeepClassifier(fl.methods.FixMatch), "expected a name or a recipe"),
        (lambda: fl.DeepClassifier(random_state=-1), "random_state=-1"),
        (lambda: fl.DeepRegressor("fixmatch"), "learns classes, labels and masks, not numbers"),
    ],
)
def test_senseless_parameters_are_refused(build, words):
    data = fl.datasets.load_diabetes(random_state=0)
    y = np.where(np.isnan(data.y), np.nan, np.round(data.y) % 3)
    with pytest.raises(OptionError, match=words):
        build().fit(data.X, y)


# --- files -------------------------------------------------------------------------------------------------------


def test_save_and_load_predict_the_same(fitted, tmp_path):
    clf, data = fitted
    clf.save(tmp_path / "model")
    back = fl.load(tmp_path / "model")
    assert np.array_equal(back.predict_proba(data.X_test), clf.predict_proba(data.X_test))
    assert np.array_equal(back.transduction_, clf.transduction_)
    assert back.history_ == clf.history_
    assert back.get_params()["method"] == fl.methods.FixMatch()
    assert [p.name for p in (tmp_path / "model").iterdir()] == ["model.safetensors"]
    refitted = clone(back).fit(data.X, data.y)
    assert np.array_equal(refitted.predict_proba(data.X_test), clf.predict_proba(data.X_test))


def test_a_regressor_of_a_frame_comes_back(tmp_path):
    import pandas as pd

    data = fl.datasets.load_diabetes(random_state=0)
    frame = pd.DataFrame(data.X, columns=[f"f{i}" for i in range(data.X.shape[1])])
    reg = fl.DeepRegressor(steps=20, random_state=0, verbose=False).fit(frame, data.y)
    back = fl.load(reg.save(tmp_path / "m"))
    assert np.array_equal(back.predict(frame), reg.predict(frame))
    assert back.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        back.predict(frame.rename(columns={"f0": "other"}))


def test_own_code_is_not_in_the_file(fitted, tmp_path):
    data = fitted[1]
    own = fl.augment.Own(lambda x, draws: x, lambda x, draws: x)
    network = lambda shape, k: nn.Sequential(nn.Flatten(), nn.Linear(64, k))  # noqa: E731
    clf = model(network=network, augment=own).fit(data.X, data.y)
    clf.save(tmp_path / "m")
    with pytest.raises(InputError, match="network"):
        fl.load(tmp_path / "m")
    back = fl.load(tmp_path / "m", network=network)
    assert np.array_equal(back.predict_proba(data.X_test), clf.predict_proba(data.X_test))
    with pytest.raises(OptionError, match="not saved"):
        back.fit(data.X, data.y)


def edit(folder, **changes):
    """What a hostile writer would do: other values, with hashes that fit."""
    path = folder / "model.safetensors"
    about, tensors = read_container(path, "model")
    for key, value in changes.items():
        inner, name = about, key
        while "__" in name:
            first, _, name = name.partition("__")
            inner = inner[first]
        inner[name] = value
    write_container(path, "model", about, {name: tensor.clone() for name, tensor in tensors.items()})


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: edit(f, estimator="os.system"),
        lambda f: edit(f, params__method={"recipe": "subprocess.Popen"}),
        lambda f: edit(f, params__method={"recipe": "FixMatch", "tua": 1}),
        lambda f: edit(f, params__augment={"recipe": "__import__"}),
        lambda f: edit(f, params__network="mlp-9000-9000"),
        lambda f: edit(f, params__evil=1),
        lambda f: edit(f, classes=None),
        lambda f: edit(f, classes__dtype="<U500000000"),
        lambda f: (f / "model.safetensors").write_bytes(b""),
        lambda f: (f / "model.safetensors").write_bytes(pickle.dumps(print)),
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes() + b"x"),
    ],
)
def test_damaged_and_hostile_model_files_are_refused(fitted, tmp_path, damage):
    fitted[0].save(tmp_path / "m")
    fl.load(tmp_path / "m")
    damage(tmp_path / "m")
    with pytest.raises(UnsafeFileError):
        fl.load(tmp_path / "m")


def test_a_missing_model_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match=r"no model in .*model\.safetensors is missing"):
        fl.load(tmp_path)


def test_a_model_that_cannot_be_written_says_where(fitted, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="cannot write .*file"):
        fitted[0].save(tmp_path / "file")


# --- what a careful reviewer found ---------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["mlp-16-1", "convnet-4"])
def test_every_network_predicts_what_it_was_trained_on(network):
    """Labels on all rows and no augmentation: a network that sees the same inputs at predict time fits them."""
    data = digits(n_labels=1000)
    keep = data.y != -1
    clf = fl.DeepClassifier("supervised", network=network, augment="none", steps=300, random_state=0, verbose=False)
    assert clf.fit(data.X[keep], data.y[keep]).score(data.X[keep], data.y[keep]) > 0.95


def test_float_images_of_a_small_range_keep_their_levels():
    from sklearn.datasets import load_digits

    images = load_digits().images[:100]
    clf = model().fit(images, np.arange(100) % 2)
    assert len(np.unique(clf.run_.scaling.store(images[..., None]).numpy())) == 17


def test_a_refit_that_fails_leaves_the_fitted_model_whole():
    data = fl.datasets.load_breast_cancer(random_state=0)
    clf = fl.DeepClassifier(steps=5, random_state=0, verbose=False).fit(data.X, data.y)
    before = clf.predict(data.X_test)
    clf.set_params(lr=900.0, steps=200)
    with pytest.raises(fl.errors.DivergenceError):
        clf.fit(data.X, np.where(data.y == -1, None, np.array([f"class {c}" for c in data.y], dtype=object)))
    assert np.array_equal(clf.predict(data.X_test), before)


def test_a_refit_without_names_forgets_the_names():
    import pandas as pd

    data = fl.datasets.load_breast_cancer(random_state=0)
    clf = fl.DeepClassifier(steps=2, random_state=0, verbose=False)
    clf.fit(pd.DataFrame(data.X, columns=[f"f{i}" for i in range(30)]), data.y)
    assert not hasattr(clf.fit(data.X, data.y), "feature_names_in_")


def test_going_on_needs_a_known_seed(tmp_path):
    data = digits()
    with pytest.raises(OptionError, match="set random_state to an integer"):
        fl.DeepClassifier(folder=tmp_path, steps=1).fit(data.X, data.y)


def test_parts_of_the_users_own_are_not_in_the_file(fitted, tmp_path):
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Own(fl.parts.Fixed):
        pass

    data = fitted[1]
    clf = model(fl.methods.FixMatch(weight=Own())).fit(data.X, data.y)
    back = fl.load(clf.save(tmp_path / "m"))
    assert np.array_equal(back.predict(data.X_test), clf.predict(data.X_test))
    with pytest.raises(OptionError, match="not saved"):
        back.fit(data.X, data.y)


def test_numbers_of_numpy_can_be_saved(fitted, tmp_path):
    data = fitted[1]
    clf = fl.DeepClassifier(steps=np.int64(3), lr=np.float32(0.01), random_state=np.int64(4), verbose=False)
    back = fl.load(clf.fit(data.X, data.y).save(tmp_path / "m"))
    assert (back.steps, back.random_state) == (3, 4)
