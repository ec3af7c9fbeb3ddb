"""Supervised baseline against semi-supervised candidate: same labels, same network, same steps."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_regressor

from fewlabels.data.labels import read_labels
from fewlabels.deep import DeepClassifier, DeepRegressor
from fewlabels.errors import InputError, OptionError
from fewlabels.method import Method
from fewlabels.partial_labels import partial
from fewlabels.progress import Verbose
from fewlabels.recipes import method_name, to_dict
from fewlabels.verdict import Paired, Verdict, judge_classes, judge_numbers


@dataclass(frozen=True)
class Comparison:
    """Two fitted models and what an untouched set of labeled rows says about them.

    Attributes
    ----------
    task : "classes" or "numbers"
    baseline, candidate : fitted estimators; `history_` is a list of dicts with "step", "loss", ...
    baseline_name, candidate_name : the methods' names, e.g. "supervised", "fixmatch"
    X_eval, y_eval : the evaluation rows, (n, ...) and (n,), in the user's types
    baseline_output, candidate_output : probabilities (n, K) in the order of `classes`, or predictions (n,)
    classes : ndarray (K,) or None for numbers
    held_out : True when the evaluation rows were taken from the labels (no test set was given)
    paired : what the evaluation rows say, see `verdict.Paired`
    data : what was given: {"kind", "n_rows", "n_labeled", "n_unlabeled", "shape", "labels_per_class": {name: n}}
    settings : the resolved options, nested dict of plain values
    environment : versions, device, precision, threads
    command : the exact command or call that repeats this
    seconds : {"baseline": s, "candidate": s}
    """

    task: str
    baseline: Any
    candidate: Any
    baseline_name: str
    candidate_name: str
    X_eval: Any
    y_eval: NDArray[Any]
    baseline_output: NDArray[np.float64]
    candidate_output: NDArray[np.float64]
    classes: NDArray[Any] | None
    held_out: bool
    paired: Paired
    data: dict[str, Any]
    settings: dict[str, Any]
    environment: dict[str, Any]
    command: str
    seconds: dict[str, float]

    @property
    def verdict(self) -> Verdict:
        return self.paired.verdict

    @property
    def deployed(self) -> Any:
        """The candidate if it HELPS, else the baseline."""
        return self.candidate if self.verdict == Verdict.HELPS else self.baseline

    def report(self, path: Any) -> Any:
        """Write a self-contained HTML page to `path` and the same facts as JSON beside it."""
        from fewlabels.report import write

        return write(self, path)


def compare(
    X: Any,
    y: Any,
    X_test: Any = None,
    y_test: Any = None,
    *,
    method: str | Method | DeepClassifier | DeepRegressor = "fixmatch",
    task: str | None = None,
    steps: int | None = None,
    device: str = "auto",
    holdout: float = 0.3,
    delta: float | None = None,
    folder: str | Path | None = None,
    verbose: Verbose = "auto",
    random_state: int | None = None,
    command: str | None = None,
) -> Comparison:
    """Train a supervised baseline and a semi-supervised candidate, and judge them on rows neither has seen.

    Both share labels, network, augmentation, steps, optimizer and seed; only the method differs.

    Parameters
    ----------
    X, y : rows and labels, unlabeled rows marked as in `fewlabels.partial`
    X_test, y_test : rows with labels, used for the verdict and for nothing else. Without them a part of the
        labels is held out; the report then says how little so few rows can show.
    method : a name, a recipe, or an estimator that carries every option
    task : "classes" or "numbers"; None takes numbers when y holds fractions
    steps, device, verbose : as in `DeepClassifier`; for an estimator set them on it
    holdout : share of the labels that are held out when there is no test set
    delta : differences smaller than this are of no practical matter; None takes 0.01 of accuracy, or 2 % of
        the baseline's mean absolute error
    folder : a run folder; an interrupted comparison goes on there
    random_state : seed of both trainings and of the held-out rows; None draws one, which the report names
    command : what the report names as the command that repeats this

    Returns
    -------
    Comparison

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot

    Examples
    --------
    >>> import fewlabels as fl
    >>> data = fl.datasets.load_digits(random_state=0)
    >>> result = fl.compare(data.X, data.y, data.X_test, data.y_test, steps=20, random_state=0)
    >>> str(result.verdict) in {"HELPS", "HURTS", "NO PRACTICAL DIFFERENCE", "CANNOT TELL"}
    True
    """
    seed = int(np.random.SeedSequence().generate_state(1)[0] >> 1) if random_state is None else random_state
    candidate = _estimator(method, task or guess_task(y), steps, device, verbose)
    task = "numbers" if is_regressor(candidate) else "classes"
    held_out = X_test is None
    if held_out:
        y, X_test, y_test = _hold_out(X, y, task, holdout, seed)
    elif y_test is None:
        raise InputError("X_test was given without y_test. Give both, or neither to hold out a part of the labels.")
    candidate.set_params(random_state=seed)
    baseline = candidate.baseline()
    for model, name in ((baseline, "baseline"), (candidate, "candidate")):
        model.set_params(folder=None if folder is None else Path(folder) / name)
        model.fit(X, y)
    outputs = [_output(model, X_test) for model in (baseline, candidate)]
    y_test = _evaluation_labels(y_test, task, baseline)
    return Comparison(
        task=task,
        baseline=baseline,
        candidate=candidate,
        baseline_name="supervised",
        candidate_name=method_name(candidate.method),
        X_eval=X_test,
        y_eval=y_test,
        baseline_output=outputs[0],
        candidate_output=outputs[1],
        classes=baseline.classes_ if task == "classes" else None,
        held_out=held_out,
        paired=_judge(task, y_test, baseline, outputs, delta),
        data=_describe_data(X, y, task),
        settings=_settings(candidate),
        environment=_environment(candidate),
        command=command or f"fewlabels.compare(X, y, ..., method={candidate.method!r}, random_state={seed})",
        seconds={"baseline": baseline.run_.facts["seconds"], "candidate": candidate.run_.facts["seconds"]},
    )


def guess_task(y: Any) -> str:
    values = np.asarray(y)
    if values.dtype.kind != "f":
        return "classes"
    known = values[np.isfinite(values)]
    return "numbers" if np.any(known != np.rint(known)) else "classes"


def _estimator(method: Any, task: str, steps: int | None, device: str, verbose: Verbose) -> Any:
    if isinstance(method, DeepClassifier | DeepRegressor):
        if steps is not None or device != "auto":
            raise OptionError("steps and device go on the estimator when method= is one.")
        return clone(method)
    makers: dict[str, Callable[..., Any]] = {"classes": DeepClassifier, "numbers": DeepRegressor}
    if task not in makers:
        raise OptionError(f"task={task!r}; expected 'classes' or 'numbers'.")
    return makers[task](method, steps=steps, device=device, verbose=verbose)


def _hold_out(X: Any, y: Any, task: str, share: float, seed: int) -> tuple[NDArray[Any], Any, NDArray[Any]]:
    """Take labels away from some labeled rows, stratified: (y without them, those rows, their labels)."""
    from sklearn.model_selection import train_test_split

    if not 0 < share < 1:
        raise OptionError(f"holdout={share}; expected a share of the labels between 0 and 1.")
    data = partial(X, y, task=task, min_per_class=2)  # type: ignore[arg-type]
    classes = data.classes
    n = len(data.labeled)
    n_classes = 1 if classes is None else len(classes)
    if n < 2 * n_classes or n < 4:
        raise InputError(f"y has {n} labels; without a test set at least {max(4, 2 * n_classes)} are needed.")
    n_out = min(max(round(share * n), n_classes), n - n_classes)
    stratify = None if classes is None else data.y
    _, out = train_test_split(np.arange(n), test_size=n_out, random_state=seed, stratify=stratify)
    out.sort()
    rows = data.labeled[out]
    labels = data.y[out] if classes is None else classes[data.y[out]]
    kept = np.setdiff1d(data.labeled, rows)
    # The mark that suits the labels' type; the labels of other unlabeled rows were never there.
    if classes is None:
        left = np.full(len(data.x), np.nan)
    elif classes.dtype.kind in "iu":
        left = np.full(len(data.x), -1, dtype=np.int64)
    else:
        left = np.full(len(data.x), None, dtype=object)
    index = np.searchsorted(data.labeled, kept)
    left[kept] = data.y[index] if classes is None else classes[data.y[index]]
    return left, data.x.take(rows) if not isinstance(data.x, np.ndarray) else data.x[rows], labels


def _evaluation_labels(y_test: Any, task: str, baseline: Any) -> NDArray[Any]:
    labels = read_labels(y_test, task=task)  # type: ignore[arg-type]
    if len(labels.rows) != labels.n_rows:
        raise InputError(
            f"y_test has {labels.n_rows - len(labels.rows)} unlabeled rows. Every row of the test set needs a label."
        )
    values: NDArray[Any] = labels.values
    if task == "classes":
        new = sorted(set(values.tolist()) - set(baseline.classes_.tolist()), key=str)
        if new:
            raise InputError(f"y_test has classes that no labeled row of y has: {new[:5]}. Label some rows of each.")
    return values


def _output(model: Any, X_test: Any) -> NDArray[np.float64]:
    return model.predict(X_test) if is_regressor(model) else model.predict_proba(X_test)  # type: ignore[no-any-return]


def _judge(
    task: str, y_test: NDArray[Any], baseline: Any, outputs: list[NDArray[np.float64]], delta: float | None
) -> Paired:
    if any(len(output) != len(y_test) for output in outputs):
        raise InputError(f"X_test has {len(outputs[0])} rows and y_test {len(y_test)}. Give one label for each row.")
    options: dict[str, Any] = {} if delta is None else {"delta": delta}
    if task == "numbers":
        return judge_numbers(outputs[0] - y_test, outputs[1] - y_test, **options)
    guesses = [baseline.classes_[output.argmax(1)] for output in outputs]
    disagreement = float(np.mean(guesses[0] != guesses[1]))
    return judge_classes(guesses[0] == y_test, guesses[1] == y_test, disagreement=disagreement, **options)


def _describe_data(X: Any, y: Any, task: str) -> dict[str, Any]:
    data = partial(X, y, task=task)  # type: ignore[arg-type]
    counts = {} if data.classes is None else dict(zip(data.classes.tolist(), np.bincount(data.y).tolist(), strict=True))
    return {
        "kind": data.kind,
        "n_rows": len(data.x),
        "n_labeled": len(data.labeled),
        "n_unlabeled": len(data.x) - len(data.labeled),
        "shape": list(data.x.shape[1:]),
        "labels_per_class": counts,
    }


def _settings(candidate: Any) -> dict[str, Any]:
    from fewlabels.model_files import _plain_params

    plain = _plain_params(candidate) | {"steps": candidate.run_.facts["steps"]}
    del plain["folder"], plain["verbose"]
    return plain | {"method": to_dict(candidate._options().method)}


def _environment(candidate: Any) -> dict[str, Any]:
    facts = candidate.run_.facts
    names = ("fewlabels", "torch", "numpy", "scikit-learn", "scipy", "pillow")
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in names},
        "platform": platform.platform(),
        "device": facts["device"],
        "precision": facts["precision"],
        "threads": facts["threads"],
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
