"""`label_budget`: hide labels that are known, train, score on labels held out of everything, again and again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from fewlabels.budget.planning import Plan, choose_sizes, count_held_out, draw_plan
from fewlabels.budget.result import LabelBudget
from fewlabels.classical.base import Classical
from fewlabels.data.labels import guess_task
from fewlabels.deep import DeepClassifier, DeepRegressor
from fewlabels.errors import InputError, OptionError
from fewlabels.estimators import name_of, task_of
from fewlabels.method import Method
from fewlabels.pairs import adapts, as_estimator, fit_both, output, row_scores, set_if_there
from fewlabels.partial_labels import Partial, partial
from fewlabels.progress import Verbose, show_progress
from fewlabels.records import Records, fingerprint
from fewlabels.repeats import FEWEST, repeat_seed
from fewlabels.seeds import check_seed


def label_budget(
    X: Any,
    y: Any,
    *,
    method: str | Method | DeepClassifier | DeepRegressor | Classical | None = None,
    task: str | None = None,
    sizes: Sequence[int] | None = None,
    repeats: int = 5,
    holdout: float = 0.3,
    steps: int | None = None,
    device: str = "auto",
    folder: str | Path | None = None,
    verbose: Verbose = "auto",
    random_state: int | None = None,
    command: str | None = None,
) -> LabelBudget:
    """Accuracy (or error) against the number of labels, with and without the unlabeled data, by hiding known labels.

    Each repeat holds out labeled rows anew, the same for all its sizes, and takes nested, stratified subsets of the
    other labels; the labels left out are not passed on, and their rows are unlabeled. It trains 2 x sizes x repeats
    models. There is no parameter for a test set: this is a way to plan, and a test set is for the verdict.

    Parameters
    ----------
    X : rows as `DeepClassifier.fit` takes them
    y : their labels, unlabeled rows marked as in `fewlabels.partial`; all rows may be labeled. No masks
    method : the candidate, as in `fewlabels.compare`; its baseline is the same as there
    task : "classes" or "numbers"; None guesses as `fewlabels.compare` does
    sizes : numbers of labels, of all classes together; None takes all that are not held out, their half, and so on down
        to two a class (10 for numbers), at most six sizes
    repeats : at least 5; each with another seed, other held-out rows and other subsets
    holdout : share of the labels that score the models of a repeat
    steps, device, verbose : as in `fewlabels.compare`
    folder : where results are kept; an interrupted call goes on there
    random_state : seed; None draws one
    command : what the report names as the command that repeats this

    Returns
    -------
    LabelBudget

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot

    Examples
    --------
    >>> import fewlabels as fl
    >>> data = fl.datasets.load_breast_cancer(n_labels=60, random_state=0)
    >>> budget = fl.label_budget(data.X, data.y, method="label_spreading", sizes=[6, 20], random_state=0)
    >>> [point.labels for point in budget.points], budget.candidate.shape
    ([6, 20], (5, 2))
    """
    candidate = as_estimator(method, task or guess_task(y), steps, device, verbose)
    name, task = name_of(candidate), task_of(candidate)
    if name == "supervised":
        raise OptionError("method='supervised' is the baseline itself. Name a method that uses the unlabeled rows.")
    if adapts(candidate):
        raise OptionError(
            "label_budget scores on labels that it holds out, which are the source's, so it cannot judge adapt=. Use "
            "fl.compare with X_test and y_test from the target."
        )
    if task == "masks":
        raise InputError("y holds masks; a label budget takes one class or one number a row.")
    if isinstance(repeats, bool) or not isinstance(repeats, int | np.integer) or repeats < FEWEST:
        raise OptionError(f"repeats={repeats!r}; expected at least {FEWEST}: fewer cannot show how much they spread.")
    if folder is not None and random_state is None:
        raise OptionError("a budget in folder= can go on only with a known seed: set random_state to an integer.")
    seed = check_seed(random_state)
    sparse = isinstance(candidate, Classical) and candidate.takes_sparse
    data = partial(X, y, task=task, min_per_class=2, sparse=sparse)
    n_out = count_held_out(data, holdout)
    chosen = choose_sizes(data, n_out, sizes)
    seeds = tuple(repeat_seed(seed, number) for number in range(repeats))
    # each repeat has a key of its own, so that a call with more of them goes on, too
    records = Records(
        None if folder is None else Path(folder) / "budget.json",
        fingerprint(data, candidate, "budget 1", seed, chosen, n_out),
    )
    scores = _measure(data, candidate, chosen, n_out, seeds, records, verbose)
    sign = 1.0 if data.classes is not None else -1.0
    baseline_name = name_of(candidate.baseline())
    return LabelBudget(
        sizes=chosen,
        baseline=sign * scores[..., 0],
        candidate=sign * scores[..., 1],
        metric="mean absolute error" if data.classes is None else "accuracy",
        baseline_name=f"{name} on the labels alone" if baseline_name == name else baseline_name,
        candidate_name=name,
        n_rows=data.n_rows - n_out,
        n_held_out=n_out,
        n_labels=len(data.y),
        n_classes=data.n_classes,
        seeds=seeds,
        command=command or f"fewlabels.label_budget(X, y, method={candidate!r}, sizes={chosen}, random_state={seed})",
    )


def _measure(
    data: Partial,
    candidate: Any,
    sizes: tuple[int, ...],
    n_out: int,
    seeds: tuple[int, ...],
    records: Records,
    verbose: Verbose,
) -> NDArray[np.float64]:
    """(J, S, 2) scores, the higher the better, of baseline and candidate."""
    cells = [(number, seed, size) for number, seed in enumerate(seeds) for size in sizes]
    done = [cell for cell in cells if f"{cell[0]}/{cell[2]}" in records.values]
    with show_progress(verbose, "label budget", len(done), len(cells), "pair") as progress:
        for number, seed, size in cells:
            if (number, seed, size) not in done:
                plan = draw_plan(data, n_out, seed)
                records.add(f"{number}/{size}", score_plan(data, plan, size, clone(candidate), seed))
                done.append((number, seed, size))
                progress.update(len(done), f"{size} labels")
    found = [[records.values[f"{number}/{size}"] for size in sizes] for number in range(len(seeds))]
    return np.asarray(found, dtype=np.float64)


def score_plan(data: Partial, plan: Plan, size: int, candidate: Any, seed: int) -> list[float]:
    """Mean score, the higher the better, of baseline and candidate, trained with `size` labels of the plan."""
    X, y, X_eval, y_eval = hide(data, plan, size)
    set_if_there(candidate, verbose=False)
    with warnings.catch_warnings():
        # of every fit with few labels, a line each; `compare` on the data as they are shows them
        warnings.simplefilter("ignore", UserWarning)
        baseline, _ = fit_both(candidate, X, y, seed)
    classes = None if data.classes is None else np.arange(data.n_classes)
    return [float(row_scores(y_eval, classes, output(model, X_eval)).mean()) for model in (baseline, candidate)]


def hide(data: Partial, plan: Plan, size: int) -> tuple[Any, NDArray[Any], Any, NDArray[Any]]:
    """Training rows with only the first `size` labels of the plan, and the held-out rows with theirs.

    Classes are their codes, -1 where unlabeled; numbers NaN. The held-out rows are not even unlabeled training rows.
    """
    numbers = data.classes is None
    y = np.full(data.n_rows, np.nan if numbers else -1, dtype=np.float64 if numbers else np.int64)
    known = plan.order[:size]
    y[data.labeled[known]] = data.y[known]
    out = data.labeled[plan.held_out]
    rest = np.setdiff1d(np.arange(data.n_rows), out)
    return data.x[rest], y[rest], data.x[out], data.y[plan.held_out]
