"""The same seed gives the same bits: in one process, in others with another environment, with any number of processes
that decode files. At another number of threads, what is not the same bits is the same within rounding.
"""

import json
import locale
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import entrances
import every
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier

import fewlabels as fl
from fewlabels import batches

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return every.cases(tmp_path_factory.mktemp("files"))


# --- one process -----------------------------------------------------------------------------------------------------


def around():
    """What a function of this package must leave as it was."""
    rng = {"numpy": np.random.get_state(), "random": random.getstate(), "torch": torch.get_rng_state()}
    more = {"threads": torch.get_num_threads(), "type": str(torch.get_default_dtype()), "errors": np.geterr()}
    grad = {"grad": torch.is_grad_enabled(), "deterministic": torch.are_deterministic_algorithms_enabled()}
    here = {"cwd": os.getcwd(), "signal": repr(signal.getsignal(signal.SIGTERM))}
    return every.parts(rng | more | grad | here)


def scramble():
    """Global states that no earlier test has left behind."""
    np.random.seed(int.from_bytes(os.urandom(4)))
    random.seed(os.urandom(8))
    torch.manual_seed(int.from_bytes(os.urandom(7)))


@pytest.mark.parametrize("name", every.ALL)
def test_twice_the_same_bits_whatever_the_global_state_is_which_stays(name, cases, tmp_path):
    found = []
    for attempt in ("one", "two"):
        scramble()
        before = around()
        found.append(every.fitted(cases[name], tmp_path / attempt))
        assert every.differing(before, around()) == []
    assert every.differing(*found) == []


@pytest.mark.parametrize("name", every.ALL)
def test_without_a_seed_the_global_state_stays_too(name, cases):
    case = cases[name]
    model = case.make(None)
    if "random_state" in model.get_params():
        model.set_params(random_state=None)
    before = around()
    clone(model).fit(case.X, case.y, **case.more).predict(case.new, **case.asked)
    assert every.differing(before, around()) == []


@pytest.mark.parametrize("name", entrances.ALL)
def test_entrances_leave_the_global_state_and_say_the_same_twice(name, tmp_path):
    found = []
    for attempt in ("one", "two"):
        scramble()
        before = around()
        found.append(every.parts(entrances.ALL[name](tmp_path / attempt)))
        assert every.differing(before, around()) == []
    assert [part for part in every.differing(*found) if "seconds" not in part] == []


@pytest.mark.parametrize("name", ["fixmatch, classes", "graph gcn", "deep_sad"])
def test_a_fit_that_fails_leaves_the_global_state(name, cases, monkeypatch):
    monkeypatch.setattr("fewlabels.anomaly.training.objective", lambda *_: 1 / 0)
    monkeypatch.setattr("fewlabels.methods.PseudoLabel.loss", lambda *_: 1 / 0)
    case = cases[name]
    model = case.make(None)
    if "method" in model.get_params():
        model.set_params(method="pseudo_label")
    before = around()
    with pytest.raises(ZeroDivisionError):
        model.fit(case.X, case.y)
    assert every.differing(before, around()) == []


def forest():
    return RandomForestClassifier(3)  # no seed of its own


@pytest.mark.parametrize("kind", ["self_training", "co_training", "tri_training", "correct_and_smooth"])
def test_a_base_without_a_seed_gets_one(kind, cases):
    case, before = cases[kind], around()
    options = {"estimator": forest(), "random_state": 3, "verbose": False}
    fits = [every.parts(fl.estimators.NAMES[kind](**options).fit(case.X, case.y).predict_proba(case.X)) for _ in "ab"]
    other = fl.estimators.NAMES[kind](**options | {"random_state": 4}).fit(case.X, case.y).predict_proba(case.X)
    assert fits[0] == fits[1] != every.parts(other)
    assert every.differing(before, around()) == []


def test_a_view_without_a_seed_gets_one():
    X, y = np.random.default_rng(0).normal(size=(60, 200)), np.where(np.arange(60) < 18, np.arange(60) % 3, -1)
    before = around()
    options = {"views": (TruncatedSVD(2, n_iter=1), slice(2, 5)), "verbose": False}

    def fit(seed):
        return every.parts(fl.CoTrainingClassifier(**options, random_state=seed).fit(X, y).predict_proba(X))

    assert fit(3) == fit(3) != fit(4)
    assert every.differing(before, around()) == []


def test_another_seed_gives_other_bits(cases, tmp_path):
    """Or the comparisons above would show nothing."""
    for name in ("fixmatch, classes", "vae", "tri_training", "graph gcn", "deep_svdd"):
        case = cases[name]
        one, other = (case.make(None).set_params(random_state=seed).fit(case.X, case.y) for seed in (0, 1))
        assert len(every.differing(every.parts(one), every.parts(other))) > 3


# --- processes that decode files -------------------------------------------------------------------------------------


def without_place(found):
    """All but the hash of where the images are: their paths, or their pixels."""
    return {name: bits for name, bits in found.items() if not name.endswith(".identity.data")}


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_any_number_of_processes_decodes_to_the_same_bits(workers, cases, tmp_path, monkeypatch):
    two = every.fitted(cases["files"], tmp_path / "two")
    monkeypatch.setattr(batches, "_WORKERS", workers)
    assert every.differing(two, every.fitted(cases["files"], tmp_path / str(workers))) == []


def test_files_and_the_array_of_their_pixels_give_the_same_bits(cases, tmp_path):
    case = cases["files"]
    pixels = replace(case, X=case.X.take(range(len(case.X))))
    found = [without_place(every.fitted(each, tmp_path / name)) for name, each in (("f", case), ("p", pixels))]
    assert every.differing(*found) == []


# --- other processes -------------------------------------------------------------------------------------------------

LOCALES = ["tr_TR.utf8", "de_DE.utf8", "C.utf8"]  # decimal commas and dotted capitals if they are installed


def a_locale():
    """The first of them that is installed."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        for name in LOCALES:
            with suppress(locale.Error):
                return locale.setlocale(locale.LC_ALL, name)
    finally:
        locale.setlocale(locale.LC_ALL, before)
    return "POSIX"


def start(script, *options, cwd, **environment):
    """Run a script of this folder under another environment."""
    cwd.mkdir(parents=True, exist_ok=True)
    env = {k: v for k, v in os.environ.items() if k not in ("LANG", "LC_ALL", "TZ", "PYTHONHASHSEED")}
    env |= {"PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"} | environment
    subprocess.run([sys.executable, str(HERE / script), *map(str, options)], env=env, cwd=cwd, check=True, timeout=3600)


def in_a_process(out, files, *options, cwd, **environment):
    """What every estimator holds in a process under this environment, {name: {part: bits}}; and what it is."""
    start("fitting.py", out, "--files", files, *options, cwd=cwd, **environment)
    found = json.loads(out.read_text())
    around = found.pop("environment")
    return found, around


PLAIN = {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"}
OTHER = {"PYTHONHASHSEED": "1", "LC_ALL": a_locale(), "TZ": "Asia/Kathmandu"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    place = tmp_path_factory.mktemp("plain")
    return in_a_process(place / "out", tmp_path_factory.getbasetemp() / "pictures", cwd=place / "cwd", **PLAIN)


def differing(one, other):
    assert one.keys() == other.keys()
    return {name: parts for name in one if (parts := every.differing(one[name], other[name]))}


def test_everything_else_in_the_environment_changes_no_bit(plain, tmp_path, tmp_path_factory):
    """Hash seed, locale, time zone, folder, order of imports and of estimators: all at once."""
    files = tmp_path_factory.getbasetemp() / "pictures"
    other = in_a_process(tmp_path / "out", files, "--backwards", cwd=tmp_path / "another", **OTHER)
    assert len(every.differing(plain[1], other[1])) == len(plain[1]), "the two were not as different as was asked"
    assert set(plain[0]) == {*every.ALL, *entrances.ALL}
    assert differing(plain[0], other[0]) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "random"}, {"LC_ALL": a_locale()}, {"TZ": "Asia/Kathmandu"},
        {"OMP_WAIT_POLICY": "PASSIVE"}, {"PYTHONOPTIMIZE": "1"}, {},
    ],
    ids=lambda change: ", ".join(change) or "imports",
)  # fmt: skip
def test_each_part_of_the_environment_changes_no_bit(change, plain, tmp_path, tmp_path_factory):
    files = tmp_path_factory.getbasetemp() / "pictures"
    backwards = () if change else ("--backwards",)
    other, _ = in_a_process(tmp_path / "out", files, *backwards, cwd=tmp_path / "cwd", **PLAIN | change)
    assert differing(plain[0], other) == {}


@pytest.mark.slow
def test_with_two_threads_two_runs_give_the_same_bits(tmp_path):
    found = []
    for attempt in ("one", "two"):
        place = {"cwd": tmp_path / attempt, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
        found.append(in_a_process(tmp_path / f"{attempt}.json", tmp_path / "files", **place)[0])
    assert differing(*found) == {}


# --- threads ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_threads(tmp_path_factory):
    """What tests/larger.py found with one thread and with two."""
    place, found = tmp_path_factory.mktemp("threads"), []
    for threads in ("1", "2"):
        out = place / f"{threads}.npz"
        start("larger.py", out, place / "models", cwd=place, OMP_NUM_THREADS=threads, OMP_WAIT_POLICY="PASSIVE")
        found.append(dict(np.load(out)))
    assert [each["threads"] for each in found] == [1, 2]
    return found


@pytest.mark.slow
def test_neighbors_are_the_same_at_any_number_of_threads(by_threads):
    one, two = by_threads
    searches = {name for name in one if name.startswith("nearest")}
    assert len(searches) == 12
    assert [name for name in searches if not np.array_equal(one[name], two[name])] == []


@pytest.mark.slow
def test_at_another_number_of_threads_results_are_the_same_within_rounding(by_threads):
    """All but networks with convolutions, whose training makes rounding grow: there the first loss and the predictions
    of one model are."""
    one, two = by_threads
    names = {name.removesuffix("/outputs") for name in one if name.endswith("/outputs")}
    assert len(names) > 50
    for name in sorted(names):
        scores = one[f"{name}/outputs"].ndim == 1
        unit = one[f"{name}/outputs"].std() if scores else 1.0
        apart = np.abs(one[f"{name}/outputs"] - two[f"{name}/outputs"]).max() / unit
        agree = np.mean(np.isclose(one[f"{name}/labels"], two[f"{name}/labels"], rtol=1e-3))
        same = f"{name}/fitted" in one and str(one[f"{name}/fitted"]) == str(two[f"{name}/fitted"])
        print(f"{name:36s} {'same bits' if same else f'agree {100 * agree:.2f} %, apart {apart:.1e}'}")
        if f"{name}/first" in one:
            assert two[f"{name}/first"] == pytest.approx(one[f"{name}/first"], rel=1e-5)
        else:
            assert agree >= 0.999
            assert apart <= 1e-3
