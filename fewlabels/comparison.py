"""Supervised baseline against semi-supervised candidate: same labels, same network, same steps."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_regressor
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing
from threadpoolctl import threadpool_info

from fewlabels import ledger
from fewlabels.audits.auditing import Audit, examine
from fewlabels.classical.base import Classical
from fewlabels.data.inputs import check_X
from fewlabels.data.labels import as_vector, guess_task, read_labels
from fewlabels.deep import DeepClassifier, DeepRegressor
from fewlabels.errors import InputError, OptionError
from fewlabels.estimators import make, name_of, task_of
from fewlabels.method import Method
from fewlabels.noisy_student import NoisyStudent
from fewlabels.overlap import image_scores
from fewlabels.partial_labels import Partial, partial
from fewlabels.progress import Verbose
from fewlabels.recipes import default_method
from fewlabels.segmenter import DeepSegmenter, true_codes
from fewlabels.verdict import Paired, Verdict, judge_classes, judge_masks, judge_numbers
from fewlabels.verdict_round import VerdictRound


@dataclass(frozen=True)
class Comparison:
    """Two fitted models and what an untouched set of labeled rows says about them.

    Attributes
    ----------
    task : "classes", "numbers" or "masks"
    baseline, candidate : fitted estimators; `history_` is a list of dicts with "step", "loss", ...
    baseline_name, candidate_name : the methods' names, e.g. "supervised", "fixmatch"
    X_eval, y_eval : the evaluation rows, (n, ...) and (n,), in the user's types; masks are (n, H, W) positions in
        `classes`, -1 where ignored
    rows_eval : which rows these are, of X when they were held out of it, else of X_test (n,)
    baseline_output, candidate_output : probabilities (n, K) in the order of `classes`, predictions (n,), or predicted
        masks (n, H, W) as positions in `classes`
    classes : ndarray (K,) or None for numbers
    held_out : True when the evaluation rows were taken from the labels (no test set was given)
    paired : what the evaluation rows say, see `verdict.Paired`
    data : what was given: {"kind", "n_rows", "n_labeled", "n_unlabeled", "shape", "labels_per_class": {name: n}}
    settings : the resolved options, nested dict of plain values
    environment : versions, device, precision, threads
    command : the exact command or call that repeats this
    seconds : {"baseline": s, "candidate": s}
    remarks : what a classical candidate says of its own fit: its fitted attributes that are plain values
    round : the verdict round on the unlabeled rows on which the models disagree; None for numbers
    audit : the checks of the data before training, or None
    looks : how many different comparisons have read these evaluation rows, with this one. In this process, or
        with `folder` in all run folders beside it. Intervals have level 1 - 0.05 / looks
    """

    task: str
    baseline: Any
    candidate: Any
    baseline_name: str
    candidate_name: str
    X_eval: Any
    y_eval: NDArray[Any]
    rows_eval: NDArray[np.int64]
    baseline_output: NDArray[Any]
    candidate_output: NDArray[Any]
    classes: NDArray[Any] | None
    held_out: bool
    paired: Paired
    data: dict[str, Any]
    settings: dict[str, Any]
    environment: dict[str, Any]
    command: str
    seconds: dict[str, float]
    remarks: dict[str, Any] = field(default_factory=dict)
    round: VerdictRound | None = None
    audit: Audit | None = None
    looks: int = 1

    @property
    def verdict(self) -> Verdict:
        """What the evaluation rows say or, where they cannot tell, the verdict round."""
        return self._decisive().verdict

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        decisive = self._decisive()
        # a verdict round reads other rows
        return decisive.sentence + (ledger.said(self.looks, self.paired.level) if decisive is self.paired else "")

    def _decisive(self) -> Paired | VerdictRound:
        told = self.round is not None and self.round.verdict != Verdict.CANNOT_TELL
        return self.round if told and self.round and self.paired.verdict == Verdict.CANNOT_TELL else self.paired

    def questions(self, n: int = 40) -> NDArray[np.int64]:
        """Rows of X whose labels would tell most: the next n of those on which the two models disagree.

        They are in random order and come without either model's answer, which whoever labels must not see.

        Raises
        ------
        OptionError : the task is numbers
        """
        return self._round().questions(n)

    def answer(self, rows: ArrayLike, labels: Any) -> Verdict:
        """Take labels of the rows that `questions` gave; `verdict` and `deployed` follow. Stop whenever you like.

        Parameters
        ----------
        rows : (n,) as `questions` gave them, none left out; labels : (n,) None where nobody can tell

        Raises
        ------
        InputError : other rows; OptionError : the task is numbers

        Examples
        --------
        >>> import fewlabels as fl
        >>> data = fl.datasets.load_digits(n_labels=40, random_state=0)
        >>> result = fl.compare(data.X, data.y, method="label_spreading", random_state=0)
        >>> rows = result.questions(3)
        >>> str(result.answer(rows, [None, None, None]))  # three rows that nobody can tell
        'CANNOT TELL'
        """
        self._round().answer(rows, labels)
        return self.verdict

    def _round(self) -> VerdictRound:
        if self.round is None:
            raise OptionError("a verdict round needs classes: any two numbers differ. Give a larger test set.")
        return self.round

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
    method: str | Method | DeepClassifier | DeepRegressor | DeepSegmenter | Classical | None = None,
    task: str | None = None,
    steps: int | None = None,
    device: str = "auto",
    holdout: float = 0.3,
    delta: float | None = None,
    folder: str | Path | None = None,
    verbose: Verbose = "auto",
    random_state: int | None = None,
    audit: bool = True,
    command: str | None = None,
) -> Comparison:
    """Train a supervised baseline and a semi-supervised candidate, and judge them on rows neither has seen.

    Both share labels, network, augmentation, steps, optimizer and seed; only the method differs. A classical
    estimator is compared with its own `baseline()`: the same model on the labels alone, or for graphs nearest
    neighbors or logistic regression, whichever cross-validation on the labels prefers.

    Parameters
    ----------
    X : rows as `DeepClassifier.fit` takes them
    y : their labels, unlabeled rows marked as in `fewlabels.partial`
    X_test : labeled rows used for the verdict and for nothing else. Without them a part of the labeled rows
        is held out of training; the report then says how little so few rows can show.
    y_test : the labels of X_test, every one
    method : a name (of a recipe or a classical estimator), a recipe, or an estimator that carries every
        option; None takes "fixmatch" for classes and "mean_teacher" for numbers and masks
    task : "classes", "numbers" or "masks"; None takes masks when y is (N, H, W), numbers when y holds fractions, or
        floats that mostly differ
    steps : as in `DeepClassifier`; for an estimator set it there
    device : likewise
    verbose : likewise
    holdout : share of the labels that are held out when there is no test set
    delta : differences smaller than this are of no practical matter; None takes 0.01 of accuracy or of
        the mean IoU of an image, or 2 % of the baseline's mean absolute error
    folder : a run folder; an interrupted comparison goes on there
    random_state : seed of both trainings and of the held-out rows; None draws one, which the report names
    audit : whether to check the data before training, see `fewlabels.audit`; about a second, it stops
        nothing. Masks are not audited
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
    name = name_of(candidate)
    if name == "supervised":
        raise OptionError("method='supervised' is the baseline itself. Name a method that uses the unlabeled rows.")
    sparse = isinstance(candidate, Classical) and candidate.takes_sparse
    task = task_of(candidate)
    held_out = X_test is None
    rows_train: NDArray[np.int64] | None = None
    if held_out:
        X, y, X_test, y_test, rows_eval, rows_train = _hold_out(X, y, task, holdout, seed, sparse)
    elif y_test is None:
        raise InputError("X_test was given without y_test. Give both, or neither to hold out a part of the labels.")
    data = partial(X, y, task=task, sparse=sparse)
    if len(data.labeled) == data.n_rows:
        raise InputError("y has no unlabeled row, so there is nothing to compare. Mark some rows as unlabeled, or fit.")
    y_test = check_evaluation(X_test, y_test, data, sparse=sparse)
    rows_eval = rows_eval if held_out else np.arange(len(y_test))
    found = examine(data, X_test, y_test, seed=seed) if audit and task != "masks" else None
    _set_if_there(candidate, random_state=seed)
    baseline, seconds = candidate.baseline(), {}
    for model, role in ((baseline, "baseline"), (candidate, "candidate")):
        _set_if_there(model, folder=None if folder is None else Path(folder) / role)
        began = time.perf_counter()
        model.fit(X, y)
        # a deep model knows what it spent before it was interrupted, too
        seconds[role] = _facts(model).get("seconds", time.perf_counter() - began)
        if role == "baseline" and "precision" in _facts(baseline):
            # "auto" is decided by a timing: once, or a busy machine could give the two different ones
            for either in (baseline, candidate):
                _set_if_there(either, precision=_facts(baseline)["precision"])
    outputs = [_output(model, X_test) for model in (baseline, candidate)]
    looks = ledger.read(
        ledger.fingerprint(check_X(X_test, like=data.form, sparse=sparse), y_test),
        ledger.fingerprint(data.x, data.labeled, data.y, repr(sorted(_settings(candidate).items()))),
        None if folder is None else Path(folder).absolute().parent,
    )
    baseline_name = name_of(baseline)
    return Comparison(
        task=task,
        baseline=baseline,
        candidate=candidate,
        baseline_name=f"{name} on the labels alone" if baseline_name == name else baseline_name,
        candidate_name=name,
        X_eval=X_test,
        y_eval=y_test,
        rows_eval=rows_eval,
        baseline_output=outputs[0],
        candidate_output=outputs[1],
        classes=data.classes,
        held_out=held_out,
        paired=_judge(y_test, data.classes, outputs, delta, 0.05 / looks),
        looks=looks,
        data=_describe(data),
        settings=_settings(candidate),
        environment=_environment(candidate),
        command=command or f"fewlabels.compare(X, y, ..., method={candidate!r}, random_state={seed})",
        seconds=seconds,
        remarks=_remarks(candidate),
        round=_ask(baseline, candidate, data, rows_train, seed, delta),
        audit=found,
    )


def _estimator(method: Any, task: str, steps: int | None, device: str, verbose: Verbose) -> Any:
    if task not in ("classes", "numbers", "masks"):
        raise OptionError(f"task={task!r}; expected 'classes', 'numbers' or 'masks'.")
    given = isinstance(method, DeepClassifier | DeepRegressor | DeepSegmenter | NoisyStudent | Classical)
    candidate = clone(method) if given else make(default_method(task) if method is None else method, task)
    if isinstance(candidate, Classical) or given:
        if steps is not None or device != "auto":
            raise OptionError("steps and device go on the estimator: a deep one given as method= has them.")
        return candidate
    return candidate.set_params(steps=steps, device=device, verbose=verbose)


def _set_if_there(model: Any, **options: Any) -> None:
    """Set the options that this estimator has."""
    known = model.get_params(deep=False)
    model.set_params(**{name: value for name, value in options.items() if name in known})


def _facts(model: Any) -> dict[str, Any]:
    """What a deep model's training resolved; a classical one resolves nothing."""
    return {} if isinstance(model, Classical) else dict(model.run_.facts)


def _hold_out(
    X: Any, y: Any, task: str, share: float, seed: int, sparse: bool
) -> tuple[Any, Any, Any, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Take some labeled rows out, stratified.

    Returns
    -------
    X and y without them, those rows, their labels, which they are, and which rows of X are left.
    """
    if not 0 < share < 1:
        raise OptionError(f"holdout={share}; expected a share of the labels between 0 and 1.")
    data = partial(X, y, task=task, min_per_class=2, sparse=sparse)  # type: ignore[arg-type]
    plain = data.classes is None or data.has_masks  # nothing to stratify by
    n, n_classes = len(data.y), 1 if plain else data.n_classes
    fewest = max(4, 2 * n_classes)
    if n < fewest:
        raise InputError(f"y has {n} labels; without a test set at least {fewest} are needed.")
    n_out = min(max(round(share * n), n_classes), n - n_classes)
    stratify = None if plain else data.y
    _, out = train_test_split(np.arange(n), test_size=n_out, random_state=seed, stratify=stratify)
    out.sort()
    rows = data.labeled[out]
    # not even as unlabeled rows do they stay: a model must not have seen what it is judged on
    rest = np.setdiff1d(np.arange(data.n_rows), rows)
    if data.has_masks:
        y = list(y) if isinstance(y, tuple) else y
        labels = _safe_indexing(y, rows)
        return _safe_indexing(X, rest), _safe_indexing(y, rest), _safe_indexing(X, rows), labels, rows, rest
    labels = data.y[out] if data.classes is None else data.classes[data.y[out]]
    return _safe_indexing(X, rest), _safe_indexing(as_vector(y), rest), _safe_indexing(X, rows), labels, rows, rest


def check_evaluation(X_test: Any, y_test: Any, data: Partial, *, sparse: bool = False) -> NDArray[Any]:
    """The labels of a test set, checked against the training data before hours of training, not after.

    Masks become positions in the classes, -1 where a pixel is ignored.

    Raises
    ------
    InputError : rows of another form, a row without a label, a class that no labeled training row has
    """
    shape = check_X(X_test, like=data.form, name="the model", sparse=sparse).shape
    n_rows, classes = shape[0], data.classes
    if data.has_masks:
        assert classes is not None
        codes = true_codes(y_test, shape[:3], classes, "y_test")
        _all_labeled(int(np.sum((codes < 0).all((1, 2)))))
        return codes
    labels = read_labels(y_test, task="numbers" if classes is None else "classes")
    if n_rows != labels.n_rows:
        raise InputError(f"X_test has {n_rows} rows and y_test {labels.n_rows}. Give one label for each row.")
    if len(labels.rows) != labels.n_rows:
        _all_labeled(labels.n_rows - len(labels.rows))
    values: NDArray[Any] = labels.values
    new = [] if classes is None else sorted(set(values.tolist()) - set(classes.tolist()), key=str)
    if new:
        raise InputError(f"y_test has classes that no labeled row of y has: {new[:5]}. Label some rows of each.")
    return values


def _all_labeled(missing: int) -> None:
    if missing:
        raise InputError(f"y_test has {missing} unlabeled rows. Every row of the test set needs a label.")


def _output(model: Any, X_test: Any) -> NDArray[Any]:
    if task_of(model) == "masks":
        codes: NDArray[np.int16] = np.searchsorted(model.classes_, model.predict(X_test)).astype(np.int16)
        return codes
    return model.predict(X_test) if is_regressor(model) else model.predict_proba(X_test)  # type: ignore[no-any-return]


def _judge(
    y_test: NDArray[Any], classes: NDArray[Any] | None, outputs: list[NDArray[Any]], delta: float | None, alpha: float
) -> Paired:
    options: dict[str, Any] = {"alpha": alpha} | ({} if delta is None else {"delta": delta})
    if classes is None:
        return judge_numbers(outputs[0] - y_test, outputs[1] - y_test, **options)
    if y_test.ndim == 3:
        return judge_masks(*(image_scores(y_test, guess, len(classes)) for guess in outputs), **options)
    guesses = [classes[output.argmax(1)] for output in outputs]
    disagreement = float(np.mean(guesses[0] != guesses[1]))
    return judge_classes(guesses[0] == y_test, guesses[1] == y_test, disagreement=disagreement, **options)


def _ask(
    baseline: Any, candidate: Any, data: Partial, rows: NDArray[np.int64] | None, seed: int, delta: float | None
) -> VerdictRound | None:
    if data.classes is None or data.has_masks:
        return None
    pool = data.unlabeled
    numbers = pool if rows is None else rows[pool]
    one, other = (model.transduction_[pool] for model in (baseline, candidate))
    return VerdictRound.between(numbers, one, other, seed, 0.01 if delta is None else delta)


def _describe(data: Partial) -> dict[str, Any]:
    counts = {} if data.classes is None else dict(zip(data.classes.tolist(), _per_class(data), strict=True))
    return {
        "kind": data.kind,
        "n_rows": data.n_rows,
        "n_labeled": len(data.labeled),
        "n_unlabeled": data.n_rows - len(data.labeled),
        "shape": list(data.x.shape[1:]),
        "labels_per_class": counts,
    }


def _per_class(data: Partial) -> list[int]:
    """Labels of each class; of masks, how many show it."""
    if data.has_masks:
        return [int((data.y == code).any((1, 2)).sum()) for code in range(data.n_classes)]
    return np.bincount(data.y).tolist()  # type: ignore[no-any-return]


def _remarks(candidate: Any) -> dict[str, Any]:
    plain = str | bool | int | float | np.generic | None
    fitted = vars(candidate).items() if isinstance(candidate, Classical) else ()
    # dicts of numbers too, such as the agreement of two views
    shown = {k: v for k, v in fitted if k.endswith("_") and isinstance(v, plain | dict) and k != "n_features_in_"}
    return {k: v for k, v in shown.items() if not isinstance(v, dict) or all(isinstance(x, plain) for x in v.values())}


def _settings(candidate: Any) -> dict[str, Any]:
    from fewlabels.model_files import plain_params

    plain = plain_params(candidate)
    if not isinstance(candidate, Classical):
        plain["steps"] = candidate.run_.facts["steps"]
    return {name: value for name, value in plain.items() if name not in ("folder", "verbose")}


def _environment(candidate: Any) -> dict[str, Any]:
    blas = max((pool["num_threads"] for pool in threadpool_info()), default=1)
    facts = {"device": "cpu", "precision": "float64", "threads": blas} | _facts(candidate)
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
