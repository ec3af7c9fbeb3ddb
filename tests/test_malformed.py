"""Bad input at every entrance: which error, in which words, with which exit code; and what is taken all the same."""

import subprocess
import sys
import warnings

import malformed as bad
import malformed_files as files
import malformed_options as options
import numpy as np
import pytest
from malformed import CLASSES, FRAME, GOOD, LENIENT, NUMBERS, Kind, X, attempt, entrances, fits, quick, say
from scipy import sparse

import fewlabels as fl
from fewlabels.classical.registry import NAMES
from fewlabels.data import load
from fewlabels.data.frames import InputTypeError
from fewlabels.errors import InputError

VERBS = ("fit", "compare", "audit", "suggest", "budget")
QUICK = ("--set", "steps=2", "--quiet")


def check(call, error, message, where):
    """A call is refused with this very error, in these words, and soon."""
    seen = attempt(call)
    assert type(seen.error) is error, f"{where}: {type(seen.error).__name__}: {seen.error}"
    assert fits(message, str(seen.error)), f"{where}: {seen.error}"
    assert not [w for w in seen.warned if w.startswith("RuntimeWarning")], where
    assert seen.seconds < LENIENT


def check_command(words, message, code=3):
    """The command line says the same in one line, and exits with a code of its own."""
    said = say(*words)
    assert said.code == code, f"{words}: {said}"
    assert fits(f"…fewlabels: {message}\n", said.err), f"{words}: {said.err}"
    assert all(line.startswith("fewlabels: ") for line in said.err.splitlines()), said.err  # warnings come before it
    assert said.seconds < LENIENT


def check_everywhere(kind, task, call):
    for name, entrance in entrances(task).items():
        message = kind.but.get(name, kind.message)
        if message is not None:
            check(lambda entrance=entrance: call(entrance), kind.error, message, f"{task}, {name}")


def commands(path, out, task=None):
    more = {"fit": QUICK, "compare": QUICK, "budget": QUICK}
    for verb in VERBS:
        folder = () if verb == "suggest" else ("--out", out / verb)
        yield (verb, path, *folder, *more.get(verb, ()), *(("--task", task) if task else ()))


def counted():
    """How many kinds there are in each group."""
    groups = {
        "X": [bad.BAD_X, options.NEW_ROWS, options.NEW_FRAMES],
        "y": [bad.BAD_Y, bad.BAD_CLASSES, bad.BAD_NUMBERS, bad.BAD_MARKS, bad.SOME_REFUSE],
        "options": [options.DEEP, options.OTHERS, options.WORDS],
        "files": [files.TABLES, files.ARRAYS, files.TESTS, files.RUN_FILES, files.ANSWERS],
        "images": [files.FOLDERS],
        "graphs": [options.GRAPHS, options.AFFINITIES, options.NEW_EDGES],
        "taken": [bad.TAKEN, files.TAKEN_FILES, options.TAKEN_GRAPHS],
    }
    return {name: sum(map(len, tables)) for name, tables in groups.items()}


def test_there_are_as_many_kinds_as_promised():
    counts = counted()
    least = {"X": 18, "y": 20, "options": 10, "files": 14, "images": 6, "graphs": 4, "taken": 8}
    assert all(counts[name] >= n for name, n in least.items()), counts


@pytest.mark.parametrize("name", bad.BAD_X)
def test_X_at_every_entrance(name, tmp_path):
    kind = bad.BAD_X[name]
    for task, y in GOOD.items():
        check_everywhere(kind, task, lambda entrance, y=y: entrance(kind.value, y))
    if kind.cli:
        np.savez(tmp_path / "d.npz", X=kind.value, y=CLASSES)
        for words in commands(tmp_path / "d.npz", tmp_path):
            check_command(words, kind.message)


TABLES_OF_Y = {"classes": bad.BAD_CLASSES, "numbers": bad.BAD_NUMBERS, "anomalies": bad.BAD_MARKS}
ROWS_OF_Y = [(task, name) for task, table in TABLES_OF_Y.items() for name in [*table, *bad.BAD_Y]]


@pytest.mark.parametrize(("task", "name"), ROWS_OF_Y)
def test_y_at_every_entrance(task, name, tmp_path):
    kind = TABLES_OF_Y[task].get(name) or bad.BAD_Y[name]
    check_everywhere(kind, task, lambda entrance: entrance(X, kind.value))
    if kind.cli and task != "anomalies":
        np.savez(tmp_path / "d.npz", X=X, y=kind.value)
        for words in commands(tmp_path / "d.npz", tmp_path, task):
            if not (task == "numbers" and name == "one-hot" and words[0] == "fit"):
                check_command(words, kind.message)


@pytest.mark.parametrize("name", bad.SOME_REFUSE)
def test_y_that_only_some_refuse(name):
    y, message, refusing = bad.SOME_REFUSE[name]
    for entrance in refusing:
        check(lambda entrance=entrance: entrances("classes")[entrance](X, y), InputError, message, entrance)


@pytest.mark.parametrize("name", bad.TAKEN)
def test_what_is_taken_is_taken_everywhere_and_with_the_same_words(name):
    x, y, warning = bad.TAKEN[name]
    task = "numbers" if name == "numbers with -1" else "classes"
    for entrance, call in entrances(task).items():
        if entrance not in ("compare", "compare deep", "label_budget"):
            seen = attempt(lambda call=call: call(x, y))
            assert seen.error is None, f"{entrance}: {seen.error!r}"
            assert warning is None or warning in seen.warned, f"{entrance}: {seen.warned}"
            assert not [w for w in seen.warned if w.startswith("RuntimeWarning")], f"{entrance}: {seen.warned}"


@pytest.mark.parametrize("mark", [-1, None, "", np.nan])
def test_detectors_need_no_label(mark):
    for cls in (fl.DeepSAD, fl.DeepSVDD):
        assert attempt(lambda cls=cls: quick(cls()).fit(X, [mark] * bad.N)).error is None
    message = "y has 0 labeled anomalies (1); without a test set 4 or more are needed, for some…"
    check(lambda: entrances("anomalies")["compare_anomalies"](X, [mark] * bad.N), InputError, message, str(mark))


@pytest.mark.parametrize("dense", ["DeepClassifier", "NoisyStudent", "GaussianMixtureClassifier", "VAEClassifier"])
def test_sparse_rows_where_only_dense_ones_are_taken(dense):
    message = "X is sparse, but dense data is required. Use X.toarray() if it fits in memory, or a classical estimator that takes sparse input."  # noqa: E501
    check(lambda: entrances("classes")[dense](sparse.csr_array(X), CLASSES), InputTypeError, message, dense)


@pytest.mark.parametrize("cell", [np.nan, np.inf, 1e39])
def test_sparse_rows_where_they_are_taken(cell):
    what = {np.inf: "inf", 1e39: "a value too large for float32"}.get(cell, "NaN")
    message = (
        f"X has {what} in 1 of its stored cells (first: row 17, column 2). Impute or rescale them, or drop the rows."
    )
    for name, entrance in entrances("classes").items():
        if name not in ("DeepClassifier", "NoisyStudent", "GaussianMixtureClassifier", "VAEClassifier", "compare deep"):
            x = sparse.csr_array(bad.put(cell))
            check(lambda entrance=entrance, x=x: entrance(x, CLASSES), InputError, message, name)


@pytest.fixture(scope="module")
def fitted():
    """Every estimator, fitted on an array and on a frame."""
    models = [fl.DeepClassifier, fl.NoisyStudent, fl.GraphClassifier, fl.DeepSAD, fl.DeepSVDD, fl.DeepRegressor]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            kind: [
                quick(cls()).fit(x, NUMBERS if cls.__name__.endswith("Regressor") else CLASSES)
                for cls in [*models, *NAMES.values()]
            ]
            for kind, x in (("array", X), ("frame", FRAME))
        }


@pytest.mark.parametrize("name", [*options.NEW_ROWS, *options.NEW_FRAMES])
def test_new_rows_at_every_entrance(name, fitted):
    kind: Kind = (options.NEW_ROWS | options.NEW_FRAMES)[name]
    source, x = ("array", X) if name in options.NEW_ROWS else ("frame", FRAME)
    for model in fitted[source]:
        check(lambda model=model: model.predict(kind.value), kind.error, kind.message, type(model).__name__)
    y_test = np.arange(6) % 2
    detector = quick(fl.DeepSAD())
    for judge in (
        lambda: fl.audit(x, CLASSES, kind.value, y_test),
        lambda: fl.compare(x, CLASSES, kind.value, y_test, method="label_spreading"),
        lambda: fl.compare_anomalies(x, CLASSES, kind.value, y_test, detector=detector),
    ):
        check(judge, kind.error, f"X_test: {kind.message}", "X_test")


@pytest.mark.parametrize("name", options.DEEP)
def test_options_of_deep_estimators(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given, error, message = options.DEEP[name]
    for model, y in ((fl.DeepClassifier, CLASSES), (fl.DeepRegressor, NUMBERS), (fl.NoisyStudent, CLASSES)):
        if "method" not in given or model is not fl.NoisyStudent:
            settings = {"steps": 2, "verbose": False, "random_state": 0} | given
            check(lambda model=model, y=y, s=settings: model(**s).fit(X, y), error, message, model.__name__)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", options.OTHERS)
def test_options_of_others(name):
    call, error, message = options.OTHERS[name]
    check(lambda: call(CLASSES), error, message, name)


@pytest.mark.parametrize("words", options.WORDS)
def test_words_of_the_command_line(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", X=X, y=CLASSES)
    code, message = options.WORDS[words]
    said = say(*words.split(" "))
    assert (said.code, fits(message, said.err)) == (code, True), said
    assert "Traceback" not in said.err
    assert said.seconds < LENIENT


@pytest.mark.parametrize("name", options.GRAPHS)
def test_graphs(name):
    graph, message = options.GRAPHS[name]
    model = quick(fl.GraphClassifier())
    check(lambda: model.fit(X, CLASSES, graph), InputError, message, "GraphClassifier")


@pytest.mark.parametrize("name", options.TAKEN_GRAPHS)
def test_graphs_that_are_taken(name):
    graph, warning = options.TAKEN_GRAPHS[name]
    model = quick(fl.GraphClassifier())
    assert attempt(lambda: model.fit(X, CLASSES, graph)).warned == ([warning] if warning else [])
    assert np.isfinite(model.label_distributions_).all()


@pytest.mark.parametrize("name", options.AFFINITIES)
def test_affinities(name):
    graph, message = options.AFFINITIES[name]
    for cls, y in [(NAMES[n], CLASSES) for n in ("label_propagation", "label_spreading", "poisson_learning")] + [
        (fl.LabelPropagationRegressor, NUMBERS),
        (fl.CorrectAndSmooth, CLASSES),
    ]:
        if "affinity" in cls().get_params():
            check(lambda cls=cls, y=y: cls(affinity=graph).fit(X, y), InputError, message, cls.__name__)


@pytest.mark.parametrize("name", ["label_propagation", "label_spreading", "poisson_learning"])
def test_rows_that_no_label_reaches_get_the_class_prior(name):
    halves = sparse.block_diag([options.RING[:30, :30], options.RING[:30, :30]]).tocsr()
    model = NAMES[name](affinity=halves)
    seen = attempt(lambda: model.fit(X, CLASSES))
    assert any("30 of 60 rows are in parts of the graph that no label reaches" in w for w in seen.warned)
    np.testing.assert_allclose(model.label_distributions_[30:], np.broadcast_to(model.class_prior_, (30, 2)))
    assert model.unreached_.tolist() == [False] * 30 + [True] * 30


@pytest.mark.parametrize("name", options.NEW_EDGES)
def test_edges_of_new_nodes(name):
    edges, message = options.NEW_EDGES[name]
    model = quick(fl.GraphClassifier()).fit(X, CLASSES, options.RING)
    check(lambda: model.predict(X[:2], edges=edges), InputError, message, "predict")


def test_two_edges_of_new_nodes_are_read_the_way_that_is_possible():
    model = quick(fl.GraphClassifier()).fit(X, CLASSES, options.RING)
    wanted = model.predict_proba(X[:2], edges=[[60, 0], [61, 1], [61, 1]])
    for edges in ([[60, 0], [61, 1]], [[60, 61], [0, 1]]):
        np.testing.assert_array_equal(model.predict_proba(X[:2], edges=edges), wanted)


def _enter(path):
    data = load(path)
    if data.y is None:
        raise InputError(f"{path} has no labels. Add some…")  # loading may go on to predict; the commands below do not
    fl.partial(data.X, data.y, task=data.task)


FILES = files.TABLES | files.ARRAYS | {f"folder: {name}": kind for name, kind in files.FOLDERS.items()}


@pytest.mark.parametrize("name", FILES)
def test_files(name, tmp_path):
    kind = FILES[name]
    path = tmp_path / "a folder, ünusual" / kind.name
    path.parent.mkdir()
    kind.make(path)
    message = kind.message.replace("{path}", str(path))
    check(lambda: _enter(path), kind.error, message, "load")
    for words in commands(path, tmp_path):
        check_command(words, message)
    assert {p.name for p in tmp_path.iterdir()} <= {path.parent.name, *VERBS}


@pytest.mark.parametrize("name", files.TESTS)
def test_rows_to_judge_by(name, tmp_path):
    arrays, message = files.TESTS[name]
    np.savez(tmp_path / "d.npz", **arrays)
    for verb in ("fit", "compare", "audit"):
        more = () if verb == "audit" else QUICK
        check_command((verb, tmp_path / "d.npz", "--out", tmp_path / verb, *more), message)


def test_files_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("fewlabels.data.tables.read_columns", refuse)
    path = tmp_path / "t.csv"
    path.write_bytes(files.csv())
    message = f"{path} may not be read (permission denied). Change its permissions, or copy it."
    for words in commands(path, tmp_path):
        check_command(words, message)


@pytest.mark.parametrize("name", files.TAKEN_FILES)
def test_files_that_are_taken(name, tmp_path):
    file, make, note = files.TAKEN_FILES[name]
    make(tmp_path / file)
    data = load(tmp_path / file)
    assert note is None or note in data.notes
    part = fl.partial(data.X, data.y, task=data.task)
    assert np.isfinite(part.x).all()
    assert len(part.labeled) == {"small numbers as labels": 60}.get(name, 8 if file == "d" else 24)
    assert data.task == ("numbers" if name == "small numbers as labels" else "classes")


def test_a_warning_is_a_line_of_its_own(tmp_path):
    _, y, warning = bad.TAKEN["-1 made unsigned"]
    np.savez(tmp_path / "d.npz", X=X, y=y)
    command = [sys.executable, "-m", "fewlabels", "audit", tmp_path / "d.npz", "--out", tmp_path / "a"]
    err = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert err == f"fewlabels: warning: {warning.removeprefix('UserWarning: ')}\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of `fit` on a table, and one of `compare` with a verdict round."""
    root = tmp_path_factory.mktemp("runs")
    (root / "t.csv").write_bytes(files.csv())
    assert say("fit", root / "t.csv", "--out", root / "fit", *QUICK).code == 0
    assert say("compare", root / "t.csv", "--out", root / "compare", *QUICK).code == 0
    return root


@pytest.mark.parametrize("name", files.RUN_FILES)
def test_files_of_a_run_folder(name, runs):
    file, content, message = files.RUN_FILES[name]
    run = runs / ("compare" if file == "round.json" else "fit")
    path = run / file
    good = path.read_bytes()
    message = message.replace("{path}", str(path)).replace("{run}", str(run))
    try:
        path.write_bytes(content)
        if file == "round.json":
            check_command(("verdict", run), message)
            check_command(("verdict", run, "--ask", 3), message)
        elif file == "encoder.json":
            check_command(("predict", run, runs / "t.csv", "-o", runs / "p.csv"), message)
        else:
            check_command(("fit", runs / "t.csv", "--out", run, *QUICK), message)
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize("name", files.ANSWERS)
def test_answers(name, runs):
    content, message = files.ANSWERS[name]
    path = runs / "answers.csv"
    path.write_bytes(content)
    message = message.replace("{path}", str(path)).replace("{run}", str(runs / "compare"))
    check_command(("verdict", runs / "compare", "--answers", path), message)


def test_debug_shows_the_traceback_in_front_of_what_is_said():
    command = [sys.executable, "-m", "fewlabels", "fit", "nowhere.npz", "--debug"]
    err = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert err.startswith("Traceback")
    assert fits("…fewlabels.errors.InputError: nowhere.npz does not exist. Give the path of…", err)
    assert "Traceback" not in say(*command[3:-1]).err


@pytest.mark.skipif(sys.platform != "linux", reason="reads the most memory taken from /proc")
def test_images_that_would_unpack_to_more_are_refused_before_they_do(tmp_path):
    kinds = ("26 million pixels", "144 million pixels", "10^18 pixels", "a bomb in its text")
    for i, name in enumerate(kinds):
        files.FOLDERS[name].make(tmp_path / f"{i}")
    (tmp_path / "idat.png").write_bytes(files.png(8, 8, bytes(300_000_000)))  # 300 MB where 72 bytes belong
    code = """
import sys
from fewlabels.data.images import read_images
from fewlabels.errors import InputError
for path in sys.argv[2:]:
    try:
        read_images([path])
        raise SystemExit(f"{path} was read")
    except InputError:
        pass
assert read_images(sys.argv[1:2]).x.shape == (1, 8, 8, 1)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    bombs = [tmp_path / f"{i}" / "unlabeled" / "bad.png" for i in range(len(kinds))]
    found = subprocess.run([sys.executable, "-c", code, tmp_path / "idat.png", *bombs], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < 300_000  # kilobytes
