"""The command line: thin commands that parse, call the public function and write."""

from __future__ import annotations

import io
import logging
import os
import re
import shlex
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from fewlabels import __version__
from fewlabels.data.memory import memory_errors
from fewlabels.errors import DivergenceError, InputError, OptionError, SaveError
from fewlabels.interrupts import terminable

if TYPE_CHECKING:
    from sklearn.utils import Bunch

app = App(
    name="fewlabels",
    version=__version__,
    help="Learn from a few labels and a lot of unlabeled data, and know whether the unlabeled data helped.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)


def _wholes(_: Any, tokens: Any) -> tuple[int, ...]:
    """cyclopts would round 1.5 to 2."""
    for token in tokens:
        if not re.fullmatch(r"[+-]?\d+", token.value):
            raise ValueError(f"{token.value!r} is no whole number")
    return tuple(int(token.value) for token in tokens)


Whole = Annotated[int, Parameter(converter=lambda kind, tokens: _wholes(kind, tokens)[0])]
Set = Annotated[
    tuple[str, ...],
    Parameter(name="--set", negative=(), help="Any option of any recipe: steps=2000, weight.tau=0.9, augment.n_ops=3."),
]
Label = Annotated[str, Parameter(help="The column of a table that holds the labels; empty cells are unlabeled.")]
Quiet = Annotated[bool, Parameter(negative=(), help="No progress.")]
BadFile = Annotated[Literal["error", "skip"], Parameter(help="What to do with an image that cannot be read.")]
MethodName = Annotated[
    str | None, Parameter(help="fixmatch for classes, mean_teacher for numbers and masks; see `fewlabels methods`.")
]
TaskName = Annotated[
    Literal["classes", "numbers", "masks"] | None, Parameter(help="Guessed from the labels when not given.")
]


@app.command
def demo(*, out: Path = Path("fewlabels-demo"), seed: Whole = 0, quiet: Quiet = False) -> None:
    """Supervised against FixMatch on 8x8 digits with 4 labels a class; writes a report. About a minute.

    Parameters
    ----------
    out : Where the run goes.
    seed : Of both trainings and of the choice of labels.
    """
    from fewlabels import datasets
    from fewlabels.seeds import check_seed

    data = datasets.load_digits(random_state=check_seed(seed))
    data.notes, data.ids, data.encoder, data.name = [], None, None, "digits"
    _say(
        f"1,797 images of digits: {len(data.X_test)} for the test, {len(data.X)} for training, 40 of them with a label."
    )
    _compare(
        data,
        "digits",
        "fixmatch",
        out,
        seed,
        (),
        None,
        quiet,
        shlex.join(["fewlabels", "demo", "--out", str(out), "--seed", str(seed)]),
    )


@app.command
def compare(
    data: str,
    *,
    method: MethodName = None,
    out: Path | None = None,
    seed: Whole = 0,
    set: Set = (),
    label: Label = "label",
    task: TaskName = None,
    repeats: Whole = 1,
    on_bad_file: BadFile = "error",
    quiet: Quiet = False,
) -> None:
    """Train a supervised baseline and a semi-supervised candidate, judge them, deploy the better one, write a report.

    Parameters
    ----------
    data : A folder of images, a CSV, Parquet or JSONL table, or an .npz with X and y (and X_test, y_test).
    out : The run folder; the same command goes on with an unfinished one.
    seed : Of both trainings and of the rows held out.
    repeats : 5 or more also train as many pairs, for a claim about the methods instead of two fitted models.
    """
    from fewlabels.repeats import check_repeats

    check_repeats(repeats)
    source = _load(data, label, task, on_bad_file)
    _compare(source, data, method, out, seed, set, task, quiet, _command(), label, repeats)


@app.command
def audit(
    data: str,
    *,
    test: Annotated[
        str | None, Parameter(help="Test rows, when DATA does not hold them: a path of the same kind.")
    ] = None,
    out: Path | None = None,
    seed: Whole = 0,
    label: Label = "label",
    task: TaskName = None,
    provenance: Annotated[
        Literal["unknown", "random", "balanced", "active"],
        Parameter(help="How rows were chosen for labeling: at random, so many of each class, or by a model."),
    ] = "unknown",
    on_bad_file: BadFile = "error",
) -> None:
    """Check the data before training: copies, shift, strangers, too few labels. Trains no network; takes seconds.

    Parameters
    ----------
    data : A folder of images, a CSV, Parquet or JSONL table, or an .npz with X and y (and X_test, y_test).
    out : The folder for audit.html and audit.json.
    seed : Of the samples and permutations.
    """
    from fewlabels.audits.auditing import audit as run_audit
    from fewlabels.files import check_name

    folder = out or Path("runs") / f"{Path(data).stem}-audit-{seed}"
    check_name(folder)
    source = _load(data, label, task, on_bad_file)
    for note in source.notes:
        _say(note)
    if source.y is None:
        raise InputError(f"{data} has no labels. Add some: without any there is nothing to check.")
    if test is not None:
        source.X_test, source.y_test = _load_test(test, source, label, on_bad_file)
    found = run_audit(
        source.X,
        source.y,
        source.X_test,
        source.y_test,
        task=task or source.get("task"),
        provenance=provenance,
        feature_names=source.feature_names,
        random_state=seed,
    )
    _say(f"{found}\n\nReport: {found.report(folder / 'audit.html')}")


@app.command
def budget(
    data: str,
    *,
    method: MethodName = None,
    out: Path | None = None,
    seed: Whole = 0,
    set: Set = (),
    label: Label = "label",
    task: Literal["classes", "numbers"] | None = None,
    sizes: Annotated[
        tuple[int, ...], Parameter(negative=(), converter=_wholes, help="Numbers of labels: --sizes 20 --sizes 100.")
    ] = (),
    repeats: Whole = 5,
    on_bad_file: BadFile = "error",
    quiet: Quiet = False,
) -> None:
    """Score against the number of labels, with and without unlabeled data, by hiding labels; never reads a test set.

    Parameters
    ----------
    data : A folder of images, a CSV, Parquet or JSONL table, or an .npz with X and y.
    out : The run folder; the same command goes on with an unfinished one.
    seed : Of trainings, hidden labels and held-out rows.
    repeats : At least 5.
    """
    from fewlabels.budget.measuring import label_budget

    source = _load(data, label, task, on_bad_file)
    more = {"sizes": list(sizes), "repeats": repeats}
    folder, estimator = _prepare("budget", source, data, method, out, seed, set, task, quiet, label, more)
    if _is_finished(folder):
        return
    found = label_budget(
        source.X,
        source.y,
        method=estimator,
        sizes=sizes or None,
        repeats=repeats,
        folder=folder.path,
        random_state=seed,
        verbose=False if quiet else "auto",
        command=_command(),
    )
    report = found.report(folder.path / "report.html")
    folder.finish(said=found.sentence)
    _say(f"{found}\n\nReport: {report}")


@app.command
def suggest(
    data: str,
    *,
    seconds: Annotated[
        float | None, Parameter(help="Try the first few within this time on held-out labels of DATA.")
    ] = None,
    most: Whole = 5,
    seed: Whole = 0,
    label: Label = "label",
    task: TaskName = None,
    on_bad_file: BadFile = "error",
    quiet: Quiet = False,
) -> None:
    """Say which methods to try for this data and why: from the audit and the project's own measurements.

    Parameters
    ----------
    data : A folder of images, a CSV, Parquet or JSONL table, or an .npz with X and y. Test rows are not read.
    most : How many methods.
    seed : Of samples, splits and trainings.
    """
    from fewlabels.advice.suggesting import suggest as suggest_methods

    source = _load(data, label, task, on_bad_file)
    for note in source.notes:
        _say(note)
    if source.y is None:
        raise InputError(f"{data} has no labels. Add some: without any there is nothing to go by.")
    advice = suggest_methods(
        source.X,
        source.y,
        task=task or source.get("task"),
        seconds=seconds,
        most=most,
        random_state=seed,
        verbose=False if quiet else "auto",
    )
    first = advice.suggestions[0].method
    _say(f"{advice}\n\nTo find out: fewlabels compare {shlex.quote(data)} --method {first}")


@app.command
def fit(
    data: str,
    *,
    method: MethodName = None,
    out: Path | None = None,
    seed: Whole = 0,
    set: Set = (),
    label: Label = "label",
    task: TaskName = None,
    on_bad_file: BadFile = "error",
    quiet: Quiet = False,
) -> None:
    """Train one model. It does not say whether the unlabeled data helped: `compare` does.

    Parameters
    ----------
    data : A folder of images, a CSV, Parquet or JSONL table, or an .npz with X and y.
    out : The run folder; the same command goes on with an unfinished one.
    seed : Of the training.
    """
    from fewlabels.estimators import name_of, task_of
    from fewlabels.pairs import check_evaluation
    from fewlabels.partial_labels import partial

    source = _load(data, label, task, on_bad_file)
    folder, estimator = _prepare("fit", source, data, method, out, seed, set, task, quiet, label)
    if _is_finished(folder):
        return
    if source.X_test is not None:
        data_ = partial(source.X, source.y, task=task_of(estimator))
        checked = check_evaluation(source.X_test, source.y_test, data_)
        source.y_test = source.y_test if data_.has_masks else checked
    if "folder" in estimator.get_params(deep=False):
        estimator.set_params(folder=folder.path)
    began = time.perf_counter()
    estimator.fit(source.X, source.y)
    said = f"{name_of(estimator)}: trained on {len(source.X)} rows in {time.perf_counter() - began:.0f} s"
    if source.X_test is not None:
        metric = {"numbers": "R2", "classes": "accuracy", "masks": "mean IoU"}[task_of(estimator)]
        said += f"; {metric} on the {len(source.X_test)} test rows: {estimator.score(source.X_test, source.y_test):.3f}"
    _finish(folder, estimator, source, said=said)
    _say_findings(estimator)
    _say(said)
    _say(f"Model: {folder.path / 'model'}. Whether the unlabeled data helped: fewlabels compare {shlex.quote(data)}")


@app.command
def predict(
    run: Path,
    data: str,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("predictions.csv"),
    label: Label = "label",
    on_bad_file: BadFile = "error",
) -> None:
    """Predict new rows with the model of a run.

    Parameters
    ----------
    run : The run folder of `fit` or `compare`.
    data : Rows of the kind the model was trained on, with or without labels.
    output : A CSV with the row, the prediction, and for classes each one's probability; masks go into an .npz, as y.
    """
    import csv

    import numpy as np
    from sklearn.base import is_classifier

    from fewlabels.data import load as load_data
    from fewlabels.data.tables import TableEncoder
    from fewlabels.deep import load
    from fewlabels.estimators import task_of
    from fewlabels.files import read_json, write_file

    model = load(run / "model")
    encoder = run / "encoder.json"
    known = None
    if encoder.exists():
        try:
            known = TableEncoder.from_dict(read_json(encoder.read_bytes()))
        except (OSError, ValueError) as error:
            raise InputError(f"{encoder} is damaged: {str(error).rstrip('.')}. Train again.") from error
    shape = model.form_.shape
    size, channels = ((shape[0], shape[1]), shape[2]) if model.form_.kind == "image" else (None, None)
    source = load_data(data, label=label, on_bad_file=on_bad_file, encoder=known, size=size, channels=channels)
    if known is None and source.encoder is not None:
        raise InputError(f"{run} was trained on arrays, so the columns of {data} have no known order. Give an .npz.")
    if task_of(model) == "masks":
        output, content = output.with_suffix(".npz"), io.BytesIO()
        np.savez_compressed(content, y=model.predict(source.X))
        write_file(output, content.getvalue())
        _say(f"{len(source.ids)} masks in {output}")
        return
    text = io.StringIO()
    writer = csv.writer(text)
    header, columns = ["row", "prediction"], [source.ids, model.predict(source.X)]
    if is_classifier(model):
        header += [f"p({name})" for name in model.classes_]
        columns += [[f"{p:.6f}" for p in column] for column in model.predict_proba(source.X).T]
    writer.writerow([_safe_cell(cell) for cell in header])
    writer.writerows([_safe_cell(cell) for cell in row] for row in zip(*columns, strict=True))
    # file names that are no UTF-8 come as halves of surrogate pairs
    write_file(output, text.getvalue().encode(errors="backslashreplace"))
    _say(f"{len(source.ids)} predictions in {output}")


@app.command
def verdict(run: Path, *, ask: Whole | None = None, answers: Path | None = None) -> None:
    """Ask for labels where the two models of a comparison disagree, and say what the answers prove.

    Parameters
    ----------
    run : The run folder of `compare`.
    ask : Print a CSV of this many rows to label, in random order; neither model's answer is in it.
    answers : That CSV with its column `label` filled in from the top; "?" where nobody can tell.
    """
    from fewlabels.rounds import ask_csv, read_answers, take_answers

    if answers is not None:
        _say(take_answers(run, read_answers(answers)))
    if ask is not None:
        sys.stdout.write(ask_csv(run, ask))
    if ask is None and answers is None:
        _say(take_answers(run, []))


@app.command
def methods(name: str | None = None, /) -> None:
    """List the methods with their papers, or show the equation and the options of one.

    Parameters
    ----------
    name : the method to show
    """
    from importlib import import_module
    from inspect import cleandoc

    from fewlabels import estimators
    from fewlabels.classical import registry
    from fewlabels.errors import OptionError, nearest
    from fewlabels.methods import NAMES

    every = NAMES | estimators.NAMES
    if name is not None:
        if name not in every:
            raise OptionError(f"no method is called {name!r}.{nearest(name, every)}")
        cls = every[name]
        _say(f"{(import_module(cls.__module__).__doc__ or '').strip()}\n\n{cls.__name__}: {cleandoc(cls.__doc__)}")
        return
    deep = NAMES | {"noisy_student": estimators.NAMES["noisy_student"]}
    for title, names in (("deep: neural networks", deep), ("classical: seconds on tables", registry.NAMES)):
        _say(title)
        for each, cls in names.items():
            paper = (import_module(cls.__module__).__doc__ or "").strip().partition("\n")[0]
            _say(f"  {each:<27} {paper}  [{', '.join(estimators.learns(each))}]")
    _say("fewlabels methods NAME shows the equation and the options of one.")


@app.command
def doctor() -> None:
    """Show versions, device, precision, threads and the data found."""
    import platform
    from importlib.metadata import version

    import torch

    from fewlabels.datasets import find_fashion_mnist
    from fewlabels.devices import bfloat16_gain, choose_device

    device = choose_device("auto")
    gain = bfloat16_gain(device.type)
    fashion = find_fashion_mnist()
    facts = {
        "fewlabels": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        **{name: version(name) for name in ("torch", "numpy", "scipy", "scikit-learn", "pillow")},
        "device": str(device),
        "threads": str(torch.get_num_threads()),
        "precision": f"{'bfloat16' if gain >= 1.2 else 'float32'} (bfloat16 is {gain:.1f} times as quick)",
        "Fashion-MNIST": str(fashion)
        if fashion
        else "not found: apt install dataset-fashion-mnist, or set FEWLABELS_DATA",
    }
    for name, fact in facts.items():
        _say(f"{name:<14} {fact}")


def _compare(
    source: Bunch,
    data: str,
    method: str | None,
    out: Path | None,
    seed: int,
    settings: tuple[str, ...],
    task: str | None,
    quiet: bool,
    command: str,
    label: str = "label",
    repeats: int = 1,
) -> None:
    from fewlabels.comparison import compare as compare_models
    from fewlabels.rounds import keep_round, row_names
    from fewlabels.verdict import Verdict

    folder, estimator = _prepare(
        "compare", source, data, method, out, seed, settings, task, quiet, label, {"repeats": repeats}
    )
    if _is_finished(folder):
        return
    result = compare_models(
        source.X,
        source.y,
        source.X_test,
        source.y_test,
        method=estimator,
        folder=folder.path,
        random_state=seed,
        command=command,
        repeats=repeats,
        verbose=False if quiet else "auto",
    )
    report = result.report(folder.path / "report.html")
    deployed = result.candidate_name if result.deployed is result.candidate else result.baseline_name
    said = f"{result.verdict}: {result.sentence}"
    for finding in result.audit or ():
        if finding.level == "stop":
            said = f"STOP, mend the data before you believe this: {finding.text}\n{said}"
    _say_findings(result.candidate)
    if result.round is not None:
        result.baseline.save(folder.path / "baseline" / "model")
        result.candidate.save(folder.path / "candidate" / "model")
        keep_round(folder.path, result.round, row_names(result.round, source.ids))
    _finish(folder, result.deployed, source, said=said, deployed=deployed, verdict=str(result.paired.verdict))
    _say(f"\n{said}\nDeployed: the {deployed} model, {folder.path / 'model'}\nReport: {report}")
    if result.verdict == Verdict.CANNOT_TELL and result.round is not None:
        _say(f"To find out with a few labels: fewlabels verdict {shlex.quote(str(folder.path))} --ask 40 > ask.csv")


def _prepare(
    verb: str,
    source: Bunch,
    data: str,
    method: str | None,
    out: Path | None,
    seed: int,
    settings: tuple[str, ...],
    task: str | None,
    quiet: bool,
    label: str,
    more: dict[str, Any] | None = None,
) -> tuple[Any, Any]:
    """The run folder, claimed only once nothing is left to refuse, and the unfitted estimator."""
    from fewlabels.data.inputs import read_X
    from fewlabels.data.labels import guess_task
    from fewlabels.recipes import default_method
    from fewlabels.runs import RunFolder, make_estimator

    for note in source.notes:
        _say(note)
    source.X, form = read_X(source.X)
    if source.y is None:
        raise InputError(f"{data} has no labels. Add some, or use `fewlabels predict` with a trained model.")
    task = task or source.get("task") or guess_task(source.y)
    method = default_method(task) if method is None else method
    estimator = make_estimator(
        method, task, form.kind, list(settings), random_state=seed, verbose=False if quiet else "auto"
    )
    config = {"command": verb, "data": data, "label": label, "task": task, "method": method, "seed": seed}
    config |= {"set": list(settings)} | (more or {})
    return RunFolder(out or _default_folder(data, method, seed, verb), config), estimator


def _load(data: str, label: str, task: TaskName, on_bad_file: BadFile) -> Bunch:
    from fewlabels.data import load

    return load(data, label=label, task=task, on_bad_file=on_bad_file)


def _load_test(test: str, source: Bunch, label: str, on_bad_file: BadFile) -> tuple[Any, Any]:
    """Test rows from another place, read as the training rows were."""
    from fewlabels.data import load
    from fewlabels.data.inputs import read_X

    if source.X_test is not None:
        raise OptionError("--test was given, but DATA holds test rows already. Leave one of them out.")
    source.X, form = read_X(source.X)
    size, channels = ((form.shape[0], form.shape[1]), form.shape[2]) if form.kind == "image" else (None, None)
    options: dict[str, Any] = {"label": label, "on_bad_file": on_bad_file, "encoder": source.encoder}
    found = load(test, task=source.get("task"), size=size, channels=channels, **options)
    return found.X, found.y


def _default_folder(data: str, method: str, seed: int, verb: str) -> Path:
    return Path("runs") / f"{Path(data).stem}-{method}-{verb}-{seed}"


def _is_finished(folder: Any) -> bool:
    done = folder.finished
    if done is None:
        return False
    _say(f"{folder.path} is finished: {done['said']}")
    _say("Choose another folder with --out to run again.")
    return True


def _say_findings(model: Any) -> None:
    """What the monitors of a deep model's training want looked at."""
    for finding in getattr(model, "findings_", ()):
        if finding.level == "look":
            _say(f"LOOK, {finding.check.replace('_', ' ')}: {finding.text}")


def _finish(folder: Any, model: Any, source: Bunch, **said: Any) -> None:
    import json

    from fewlabels.files import write_file

    model.save(folder.path / "model")
    if source.encoder is not None:
        write_file(folder.path / "encoder.json", json.dumps(source.encoder.to_dict()).encode())
    folder.finish(**said)


def _safe_cell(cell: Any) -> Any:
    """A spreadsheet runs a text cell that starts like a formula: an apostrophe keeps it text."""
    return (
        f"'{cell}"
        if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _number(cell)
        else cell
    )


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _command() -> str:
    return shlex.join(["fewlabels", *sys.argv[1:]])


def _say(text: str) -> None:
    print(text, flush=True)


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit.

    0 done, 2 usage, 3 bad input, 4 resource, 5 diverged, 6 cannot save, 130 and 143 interrupted.
    """
    # Threads that spin while they wait make a step ten times as slow on a machine that has other work. Read by
    # OpenMP when torch is imported, so it must be set before; who sets it keeps what was set.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Where the home cannot be written matplotlib keeps its list of fonts in the temporary folder, and need not say so.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    words = sys.argv[1:] if argv is None else argv
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal or pipe that does not know every character
    try:
        with terminable(), _plain_warnings(debug), memory_errors():
            app(words, exit_on_error=False, print_error=True)
    except CycloptsError:
        sys.exit(2)
    except BrokenPipeError:  # who reads the output has enough of it, as in `fewlabels methods | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # or Python complains when it flushes at the end
        sys.exit(141)  # as a shell says of a process that SIGPIPE ended
    except SystemExit as end:
        if end.code == 128 + signal.SIGTERM:
            _complain("".join(getattr(end, "__notes__", ())) or "terminated", end.code, debug)
        raise
    except KeyboardInterrupt as interrupt:
        _complain(str(interrupt) or "interrupted", 130, debug)
    except (OptionError, InputError, MemoryError, DivergenceError, OSError) as error:
        _complain(str(error), _exit_code(error), debug)


@contextmanager
def _plain_warnings(debug: bool) -> Iterator[None]:
    """Within, a warning to the user is a line of its own, without the place in the code where it arose."""
    usual = warnings.formatwarning

    def plain(message: Any, category: type[Warning], *place: Any, **line: Any) -> str:
        if not issubclass(category, UserWarning):
            return usual(message, category, *place, **line)
        return f"fewlabels: warning: {message}\n"

    warnings.formatwarning = usual if debug else plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _exit_code(error: BaseException) -> int:
    # in this order: an absent device is an OptionError, too
    codes = {MemoryError: 4, OptionError: 2, InputError: 3, DivergenceError: 5, SaveError: 6, OSError: 3}
    return next(code for kind, code in codes.items() if isinstance(error, kind))


def _complain(message: str, code: int, debug: bool) -> None:
    if debug:
        raise
    print(f"fewlabels: {message}", file=sys.stderr)
    sys.exit(code)
