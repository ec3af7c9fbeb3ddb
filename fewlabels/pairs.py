"""One comparison's rows and its two models: what is held out, what is trained, what each model scores."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack
from sklearn.base import clone, is_regressor
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing

from fewlabels.classical.base import Classical
from fewlabels.data.inputs import check_X
from fewlabels.data.labels import as_vector, read_labels
from fewlabels.deep import DeepClassifier, DeepRegressor
from fewlabels.errors import InputError, OptionError, said_of
from fewlabels.estimators import make, task_of
from fewlabels.noisy_student import NoisyStudent
from fewlabels.overlap import image_scores
from fewlabels.partial_labels import Partial, partial
from fewlabels.progress import Verbose
from fewlabels.recipes import default_method
from fewlabels.segmenter import DeepSegmenter, true_codes
from fewlabels.verdict import Paired, judge_classes, judge_masks, judge_numbers


@dataclass(frozen=True)
class Divided:
    """What both models are trained on, and the rows they are judged on.

    Attributes
    ----------
    X, y : training rows and labels, unlabeled ones marked; data : the same after the door
    X_eval, y_eval : the evaluation rows and their labels; rows_eval : which rows these are
    rows_train : which rows of the user's X the training rows are; None when all of them
    domain : the side of each training row, for a candidate that adapts; or None
    graph : the edges among training rows; edges : those from the evaluation rows to them and to each other; or None
    """

    X: Any
    y: Any
    data: Partial
    X_eval: Any
    y_eval: NDArray[Any]
    rows_eval: NDArray[np.int64]
    rows_train: NDArray[np.int64] | None
    domain: NDArray[np.int8] | None = None
    graph: csr_array | None = None
    edges: csr_array | None = None


def divide(
    X: Any,
    y: Any,
    X_test: Any,
    y_test: Any,
    *,
    task: str,
    holdout: float,
    seed: int,
    sparse: bool,
    domain: Any = None,
    graph: csr_array | None = None,
) -> Divided:
    """The given test set, or without one a part of the labels held out; `domain` needs a given one.

    `graph` joins the rows of X and then those of X_test. As evaluation rows are no training rows, their edges go, too.

    Raises
    ------
    InputError : data that cannot be used; OptionError : holdout is no share
    """
    held_out, rows_train = X_test is None, None
    if held_out:
        X, y, X_test, y_test, rows_eval, rows_train = _hold_out(X, y, task, holdout, seed, sparse)
    elif y_test is None:
        raise InputError("X_test was given without y_test. Give both, or neither to hold out a part of the labels.")
    data = partial(X, y, task=task, sparse=sparse, domain=domain)  # type: ignore[arg-type]
    if len(data.labeled) == data.n_rows:
        raise InputError("y has no unlabeled row, so there is nothing to compare. Mark some rows as unlabeled, or fit.")
    y_test = check_evaluation(X_test, y_test, data, sparse=sparse)
    rows_eval = rows_eval if held_out else np.arange(len(y_test))
    found = Divided(X, y, data, X_test, y_test, rows_eval, rows_train, data.domain)
    if graph is None:
        return found
    train = np.arange(data.n_rows) if rows_train is None else rows_train
    judged = rows_eval if held_out else data.n_rows + rows_eval
    of_judged = csr_array(graph[judged])
    edges = csr_array(hstack([of_judged[:, train], of_judged[:, judged]]))
    return replace(found, graph=csr_array(graph[train][:, train]), edges=edges)


def as_estimator(method: Any, task: str, steps: int | None, device: str, verbose: Verbose) -> Any:
    """The candidate that a name, a recipe or an estimator stands for, unfitted.

    Raises
    ------
    OptionError : an unknown task or method, or steps and device beside an estimator
    """
    if task not in ("classes", "numbers", "masks"):
        raise OptionError(f"task={task!r}; expected 'classes', 'numbers' or 'masks'.")
    given = isinstance(method, DeepClassifier | DeepRegressor | DeepSegmenter | NoisyStudent | Classical)
    candidate = clone(method) if given else make(default_method(task) if method is None else method, task)
    if candidate.get_params(deep=False).get("on_nonfinite") == "rollback":
        raise OptionError(
            "on_nonfinite='rollback' could train one of two models with another learning rate than the other, which "
            "is then part of what is compared. Set lr instead."
        )
    if isinstance(candidate, Classical) or given:
        if steps is not None or device != "auto":
            raise OptionError("steps and device go on the estimator: a deep one given as method= has them.")
        return candidate
    return candidate.set_params(steps=steps, device=device, verbose=verbose)


def adapts(model: Any) -> bool:
    """Whether an estimator adapts to a target."""
    return model.get_params(deep=False).get("adapt") is not None


def fit_both(
    candidate: Any, X: Any, y: Any, seed: int, folder: Path | None = None, domain: Any = None, graph: Any = None
) -> tuple[Any, dict[str, float]]:
    """Fit the candidate in place and its baseline, with the same seed; return the baseline and what each took."""
    set_if_there(candidate, random_state=seed)
    baseline, seconds = candidate.baseline(), {}
    for model, role in ((baseline, "baseline"), (candidate, "candidate")):
        set_if_there(model, folder=None if folder is None else folder / role)
        began = time.perf_counter()
        more = {"domain": domain} if adapts(model) else {} if graph is None else {"graph": graph}
        model.fit(X, y, **more)
        # a deep model knows what it spent before it was interrupted, too
        seconds[role] = facts(model).get("seconds", time.perf_counter() - began)
        if role == "baseline" and "precision" in facts(baseline):
            # "auto" is decided by a timing: once, or a busy machine could give the two different ones
            for either in (baseline, candidate):
                set_if_there(either, precision=facts(baseline)["precision"])
    return baseline, seconds


def check_share(holdout: Any) -> None:
    """Refuse what is no share of the labels.

    Raises
    ------
    OptionError
    """
    if not isinstance(holdout, int | float | np.floating) or not 0 < holdout < 1:
        raise OptionError(f"holdout={holdout!r}; expected a share of the labels between 0 and 1.")


def set_if_there(model: Any, **options: Any) -> None:
    """Set the options that this estimator has."""
    known = model.get_params(deep=False)
    model.set_params(**{name: value for name, value in options.items() if name in known})


def facts(model: Any) -> dict[str, Any]:
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
    check_share(share)
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
    with said_of("X_test"):
        shape = check_X(X_test, like=data.form, name="the model", sparse=sparse).shape
    n_rows, classes = shape[0], data.classes
    if data.has_masks:
        assert classes is not None
        codes = true_codes(y_test, shape[:3], classes, "y_test")
        _all_labeled(int(np.sum((codes < 0).all((1, 2)))))
        return codes
    with said_of("y_test"):
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


def output(model: Any, X_test: Any, edges: csr_array | None = None) -> NDArray[Any]:
    """Probabilities (n, K), predicted numbers (n,), or masks (n, H, W) as positions in the classes."""
    if edges is not None:
        return model.predict_proba(X_test, edges)  # type: ignore[no-any-return]
    if task_of(model) == "masks":
        codes: NDArray[np.int16] = np.searchsorted(model.classes_, model.predict(X_test)).astype(np.int16)
        return codes
    return model.predict(X_test) if is_regressor(model) else model.predict_proba(X_test)  # type: ignore[no-any-return]


def judge(
    y_test: NDArray[Any],
    classes: NDArray[Any] | None,
    outputs: list[NDArray[Any]],
    delta: float | None,
    alpha: float = 0.05,
) -> Paired:
    """What the evaluation rows say of the baseline's and the candidate's output; `delta` as in `fewlabels.compare`."""
    options: dict[str, Any] = {"alpha": alpha} | ({} if delta is None else {"delta": delta})
    if classes is None:
        return judge_numbers(outputs[0] - y_test, outputs[1] - y_test, **options)
    if y_test.ndim == 3:
        return judge_masks(*(image_scores(y_test, guess, len(classes)) for guess in outputs), **options)
    guesses = [classes[output.argmax(1)] for output in outputs]
    disagreement = float(np.mean(guesses[0] != guesses[1]))
    return judge_classes(guesses[0] == y_test, guesses[1] == y_test, disagreement=disagreement, **options)


def row_scores(y_eval: NDArray[Any], classes: NDArray[Any] | None, guess: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) the score of each row by a model's output, higher is better: right or not, mean IoU, or minus the error."""
    if classes is None:
        return np.asarray(-np.abs(guess - y_eval), dtype=np.float64)
    if y_eval.ndim == 3:
        return image_scores(y_eval, guess, len(classes))
    return np.asarray(classes[guess.argmax(1)] == y_eval, dtype=np.float64)
