"""Supervised baseline against semi-supervised candidate: same labels, same network, same steps."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.base import clone
from threadpoolctl import threadpool_info

from fewlabels import ledger
from fewlabels.audits.auditing import Audit, examine
from fewlabels.classical.base import Classical
from fewlabels.classical.checking import check_number
from fewlabels.data.inputs import check_X, read_X
from fewlabels.data.labels import guess_task
from fewlabels.deep import DeepClassifier, DeepRegressor
from fewlabels.errors import InputError, OptionError, said_of
from fewlabels.estimators import name_of, task_of
from fewlabels.graph.reading import read_graph
from fewlabels.graph_classifier import GraphClassifier
from fewlabels.method import Method
from fewlabels.pairs import adapts, as_estimator, divide, facts, fit_both, judge, output
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose
from fewlabels.records import contents, fingerprint
from fewlabels.repeats import Repeated, check_repeats, repeat
from fewlabels.seeds import check_seed
from fewlabels.segmenter import DeepSegmenter
from fewlabels.verdict import Paired, Verdict
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
    repeated : with `repeats=5` or more, what all pairs say of the two methods; else None. The models, outputs and the
        verdict here are those of the first pair
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
    repeated: Repeated | None = None

    @property
    def verdict(self) -> Verdict:
        """What the evaluation rows say or, where they cannot tell, the verdict round."""
        return self._decisive().verdict

    @property
    def sentence(self) -> str:
        """The verdict in plain words; with repeats also what they say of the methods."""
        said = self.fitted_sentence
        return said if self.repeated is None else f"{said} {self.repeated.sentence}"

    @property
    def fitted_sentence(self) -> str:
        """What the verdict says of these two fitted models alone."""
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
    repeats: int = 1,
    domain: Any = None,
    graph: Any = None,
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
    repeats : 1 judges two fitted models. From 5 on as many pairs are trained, for a claim about the methods: each with
        new held-out rows or, with a test set, with a new seed alone. The first pair is the one that may be deployed
    domain : for a candidate with `adapt`, the side of each row of X as `DeepClassifier.fit` takes it. Such a candidate
        needs X_test, of rows like those it will be used on. The baseline is trained on the labels alone, unadapted
    graph : for a `GraphClassifier`, the edges as its `fit` takes them: of the rows of X or, with X_test, of these and
        then of those of X_test, numbered from N on. Rows that are judged are no nodes of the graph that is trained on:
        they are asked as new nodes with their edges. The baseline has the same graph
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
    seed = check_seed(random_state)
    if delta is not None:
        check_number("delta", delta, 0)
    candidate = as_estimator(method, task or guess_task(y), steps, device, verbose)
    name = name_of(candidate)
    if name == "supervised":
        raise OptionError("method='supervised' is the baseline itself. Name a method that uses the unlabeled rows.")
    check_repeats(repeats)
    _check_sides(candidate, X_test, domain)
    nodes = None if graph is None else _read_nodes(candidate, X, X_test, graph)
    sparse = isinstance(candidate, Classical) and candidate.takes_sparse
    task = task_of(candidate)
    share: dict[str, Any] = {"task": task, "holdout": holdout, "sparse": sparse, "domain": domain, "graph": nodes}
    rows = divide(X, y, X_test, y_test, seed=seed, **share)
    found = examine(rows.data, rows.X_eval, rows.y_eval, seed=seed) if audit and task != "masks" else None
    place = None if folder is None else Path(folder)
    untrained = clone(candidate)
    baseline, seconds = fit_both(candidate, rows.X, rows.y, seed, place, rows.domain, rows.graph)
    outputs = [output(model, rows.X_eval, rows.edges) for model in (baseline, candidate)]
    looks = ledger.read(
        contents(check_X(rows.X_eval, like=rows.data.form, sparse=sparse), rows.y_eval),
        fingerprint(rows.data, untrained, seed, rows.graph),
        None if place is None else place.absolute().parent,
    )
    paired = judge(rows.y_eval, rows.data.classes, outputs, delta, alpha=0.05 / looks)
    repeated = None
    if repeats > 1:
        given, first = (X, y, X_test, y_test), (rows, outputs)
        repeated = repeat(
            untrained, given, first, paired, share, seed=seed, repeats=repeats, folder=place, verbose=verbose
        )
    baseline_name = name_of(baseline)
    return Comparison(
        task=task,
        baseline=baseline,
        candidate=candidate,
        baseline_name=f"{name} on the labels alone" if baseline_name == name else baseline_name,
        candidate_name=name,
        X_eval=rows.X_eval,
        y_eval=rows.y_eval,
        rows_eval=rows.rows_eval,
        baseline_output=outputs[0],
        candidate_output=outputs[1],
        classes=rows.data.classes,
        held_out=X_test is None,
        paired=paired,
        looks=looks,
        data=_describe(rows.data),
        settings=_settings(candidate),
        environment=_environment(candidate),
        command=command or f"fewlabels.compare(X, y, ..., method={candidate!r}, random_state={seed})",
        seconds=seconds,
        remarks=_remarks(candidate),
        round=_ask(baseline, candidate, rows.data, rows.rows_train, seed, delta),
        audit=found,
        repeated=repeated,
    )


def _check_sides(candidate: Any, X_test: Any, domain: Any) -> None:
    if adapts(candidate) and X_test is None:
        raise OptionError(
            "a candidate with adapt= is judged on the rows it adapts to: give X_test and y_test from there. The labels "
            "of y that could be held out are the source's."
        )
    if domain is not None and not adapts(candidate):
        raise OptionError(
            "domain= is for a candidate with adapt=, such as fl.DeepClassifier('fixmatch', adapt='dann')."
        )


def _read_nodes(candidate: Any, X: Any, X_test: Any, graph: Any) -> csr_array:
    if not isinstance(candidate, GraphClassifier):
        raise OptionError("graph= is for fl.GraphClassifier; other methods build a graph of their own, or none.")
    n = read_X(X, sparse=True)[0].shape[0]
    if X_test is None:
        return read_graph(graph, n)
    with said_of("X_test"):
        n_test = read_X(X_test, sparse=True)[0].shape[0]
    shape = getattr(graph, "shape", None)
    if shape == (n, n):
        raise InputError(
            f"graph has the {n} rows of X alone; with X_test its nodes are those of X and then the {n_test} of X_test. "
            "Add these and their edges, or leave X_test out: then a part of the labels is held out."
        )
    return read_graph(graph, n + n_test)


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
    known = {"device": "cpu", "precision": "float64", "threads": blas} | facts(candidate)
    names = ("fewlabels", "torch", "numpy", "scikit-learn", "scipy", "pillow")
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in names},
        "platform": platform.platform(),
        "device": known["device"],
        "precision": known["precision"],
        "threads": known["threads"],
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
