"""Every estimator, small enough to be fitted in a moment, and all that a fitted one holds, part by part as hashes."""

import dataclasses
import hashlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.sparse import csr_array, issparse

import fewlabels as fl
from fewlabels import estimators, methods
from fewlabels.classical.labels_only import LabelsOnlyClassifier, LabelsOnlyRegressor
from fewlabels.classical.registry import NAMES
from fewlabels.container import read_container
from fewlabels.data.images import ImageFiles
from fewlabels.node_networks import ARCHITECTURES

N, LABELED = 60, 18


@dataclasses.dataclass(frozen=True)
class Case:
    """An estimator and its data.

    Attributes
    ----------
    make : folder or None -> the unfitted estimator
    X, truth : rows and the label of each; y : those that fit gets, the others marked
    new : rows to predict
    more : further arguments of fit; asked : of predict
    """

    make: Callable[[Path | None], Any]
    X: Any
    truth: Any
    y: Any
    new: Any
    more: dict[str, Any] = dataclasses.field(default_factory=dict)
    asked: dict[str, Any] = dataclasses.field(default_factory=dict)

    def fit(self, y=None, folder=None):
        return self.make(folder).fit(self.X, self.y if y is None else y, **self.more)


# --- data --------------------------------------------------------------------------------------------------------


def table():
    """Three classes that lie apart, and no two distances alike."""
    rng = np.random.default_rng(0)
    truth = np.arange(N + 20) % 3
    return rng.normal(size=(N + 20, 5)) + 2 * np.eye(5)[truth], truth


def marked(truth, labeled=LABELED):
    """Labels of the first rows, and marks in place of all others."""
    mark = np.nan if truth.dtype.kind == "f" else -1
    y = truth.copy()
    y[labeled:] = mark
    return y


def pictures():
    rng = np.random.default_rng(1)
    truth = np.arange(30) % 2
    return (rng.integers(0, 200, (30, 8, 8)) + 40 * truth[:, None, None]).astype(np.uint8), truth


def written(folder, n=30):
    """The pictures as files that are decoded as needed."""
    x, truth = pictures()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for row in range(n):
        paths.append(str(folder / f"{row:03d}.png"))
        Image.fromarray(x[row]).save(paths[-1])
    return ImageFiles(tuple(paths), (8, 8), 1), truth[:n]


# --- estimators --------------------------------------------------------------------------------------------------

STEPS = 6
# precision: a busy machine may time another one the next time
_DEEP = {"steps": STEPS, "batch_size": 4, "unlabeled_ratio": 2, "random_state": 0, "verbose": False, "lr": 0.1}
_DEEP |= {"precision": "float32"}
_NODES = {"steps": STEPS, "random_state": 0, "verbose": False}
_DETECTOR = {"network": "mlp-8", "latent": 4, "pretrain_steps": 3, "steps": 4, "batch_size": 8}
_DETECTOR |= {"random_state": 0, "verbose": False}
_CLASSICAL = {"random_state": 0, "verbose": False, "steps": STEPS, "width": 8, "latent": 2, "batch_size": 4}
# each task's smallest network
_NETWORK = {"classes": "mlp-8-1", "labels": "mlp-8-1", "numbers": "mlp-8-1", "masks": "unet-4-1"}


def _deep(task, method, network=None, **more):
    def make(folder):
        kind = fl.DeepClassifier if task == "labels" else estimators.DEEP[task]
        return kind(method, network=network or _NETWORK[task], **_DEEP | {"folder": folder} | more)

    return make


def _classical(kind, **more):
    known = kind().get_params(deep=False)
    options = {name: value for name, value in _CLASSICAL.items() if name in known}
    return lambda folder: kind(**options | more)


def _rows(make, truth, X=None, new=None, labeled=LABELED, **more):
    x, _ = table()
    return Case(make, x[:N] if X is None else X, truth, marked(truth, labeled), x[N:] if new is None else new, **more)


def cases(folder):
    """Name -> Case; image files are written into `folder`."""
    x, classes = table()
    codes = classes[:N]
    numbers = (x @ [1.0, -2.0, 0.5, 0.0, 1.0] + classes)[:N]
    several = np.stack([codes > 0, codes > 1, codes < 2], 1).astype(np.float64)
    anomalous = (np.arange(N) % 4 == 0).astype(np.int64)
    pixels, of_pixels = pictures()
    masks = (pixels > 127).astype(np.int16)
    files, of_files = written(folder)
    ring = np.stack([np.arange(N), (np.arange(N) + 3) % N])
    truths = {"classes": codes, "numbers": numbers, "labels": several}
    found = {}
    for name, recipe in methods.NAMES.items():
        for task in recipe.tasks:
            if task == "masks":
                found[f"{name}, masks"] = _rows(_deep(task, name), masks, pixels, pixels[:5], 8)
            else:
                found[f"{name}, {task}"] = _rows(_deep(task, name), truths[task])
    sure = methods.FlexMatch(weight=fl.parts.PerClass(tau=0.4))  # a threshold that rows pass in a few steps
    images = {"network": "convnet-4", "X": pixels, "new": pixels[:5], "labeled": 12}
    found |= {
        "sure rows": _rows(_deep("classes", sure), codes),
        "class_balanced": _rows(_deep("classes", "fixmatch", class_balanced=True), codes),
        "logit_adjustment": _rows(_deep("classes", "fixmatch", logit_adjustment=1.0), codes),
        "watch_labels": _rows(_deep("classes", "fixmatch", watch_labels=2), codes),
        "images": _image_case("flexmatch", of_pixels, **images),
        "ct_augment": _image_case("fixmatch", of_pixels, augment=fl.augment.CTAugment(), **images),
        "files": _image_case("fixmatch", of_files, **images | {"X": files}),
        "noisy_student": _rows(
            lambda folder: fl.NoisyStudent(rounds=2, network="mlp-8-1", tau=0.0, **_DEEP | {"folder": folder}), codes
        ),
    }
    for name, kind in NAMES.items():
        found[name] = _rows(_classical(kind), numbers if estimators.learns(name) == ("numbers",) else codes)
    positive = {"X": np.abs(x[:N]).round(), "new": np.abs(x[N:]).round()}
    of_bayes = {d: _classical(NAMES["naive_bayes"], distribution=d) for d in ("multinomial", "bernoulli")}
    found |= {f"naive_bayes, {d}": _rows(make, codes, **positive) for d, make in of_bayes.items()}
    found |= {
        "label_propagation, sparse": _rows(
            _classical(NAMES["label_propagation"]), codes, X=csr_array(positive["X"]), new=csr_array(positive["new"])
        ),
        "self_training, calibrated": _rows(_classical(NAMES["self_training"], calibrate=True), codes),
        "s3vm, kernel": _rows(_classical(NAMES["s3vm"], kernel="rbf", n_components=20), codes),
        "labels alone": _rows(_classical(LabelsOnlyClassifier), codes),
        "labels alone, numbers": _rows(_classical(LabelsOnlyRegressor), numbers),
    }
    for name in ARCHITECTURES:
        found[f"graph {name}"] = _rows(lambda folder, name=name: fl.GraphClassifier(name, **_NODES), codes)
    given = {"more": {"graph": ring}, "asked": {"edges": []}}
    judged = {"more": {"graph": ring, "validation": np.arange(3)}, "asked": {"edges": []}}
    found |= {
        "graph, fixmatch": _rows(lambda folder: fl.GraphClassifier("gcn", "fixmatch", **_NODES), codes, **given),
        "graph, validation": _rows(lambda folder: fl.GraphClassifier("gcn", **_NODES), codes, **judged),
        "deep_svdd": _rows(lambda folder: fl.DeepSVDD(**_DETECTOR), anomalous),
        "deep_sad": _rows(lambda folder: fl.DeepSAD(**_DETECTOR), anomalous),
        "deep_sad, labels": _rows(lambda folder: fl.DeepSAD(**_DETECTOR, threshold="labels"), anomalous),
    }
    return found


def _image_case(method, truth, X, new, labeled, network, **more):
    return _rows(_deep("classes", method, network, **more), truth, X, new, labeled)


# Without the files; for tests that are one for each name.
ALL = [f"{name}, {task}" for name, recipe in methods.NAMES.items() for task in recipe.tasks]
ALL += ["sure rows", "class_balanced", "logit_adjustment", "watch_labels", "images", "ct_augment", "files"]
ALL += ["noisy_student", *NAMES, "naive_bayes, multinomial", "naive_bayes, bernoulli", "label_propagation, sparse"]
ALL += ["self_training, calibrated", "s3vm, kernel", "labels alone", "labels alone, numbers"]
ALL += [*(f"graph {name}" for name in ARCHITECTURES), "graph, fixmatch", "graph, validation"]
ALL += ["deep_svdd", "deep_sad", "deep_sad, labels"]


# --- all that a model holds ----------------------------------------------------------------------------------------

# How long something took and where it lies is no part of a result.
_PASSED = ("seconds", "folder")


def parts(value, name=""):
    """Every part of a value: its name -> a hash or a text. What is not known raises, so that nothing is passed over."""
    match value:
        case None | bool() | int() | float() | str() | bytes() | np.generic() | type() | np.dtype():
            return {name: f"{type(value).__name__} {value!r}"}
        case np.ndarray():
            content = repr(value.tolist()).encode() if value.dtype == object else np.ascontiguousarray(value).tobytes()
            return {name: f"{value.dtype} {value.shape} {hashlib.sha256(content).hexdigest()}"}
        case torch.Tensor():
            return parts(value.detach().cpu().float().numpy() if value.dtype == torch.bfloat16 else value.numpy(), name)
        case torch.nn.Module():
            return {name: f"{value!r} {value.training}"} | parts(dict(value.state_dict()), name)
        case np.random.RandomState() | types.FunctionType() | types.MethodType() | Path():
            return {name: type(value).__name__}
        case dict():
            items = value.items()
        case list() | tuple() | set() | frozenset():
            items = enumerate(sorted(value, key=repr) if isinstance(value, set | frozenset) else value)
        case _ if issparse(value):
            items = ((each, getattr(value, each)) for each in ("data", "indices", "indptr", "shape"))
        case _ if dataclasses.is_dataclass(value) or hasattr(value, "__dict__"):
            items = vars(value).items()
        case _:
            raise TypeError(f"{name} holds {type(value)}: say in every.parts what its parts are")
    found = {name: type(value).__name__}
    for key, item in items:
        if key not in _PASSED:
            found |= parts(item, f"{name}.{key}")
    return found


def state(case, model, folder):
    """Fitted state, history, predictions, what the model's file holds, and checkpoints and metrics of its folder."""
    found = parts(model, "model") | of_folder(folder)
    for ask in ("predict", "predict_proba", "decision_function"):
        if hasattr(model, ask):
            found |= parts(getattr(model, ask)(case.new, **case.asked), ask)
    if getattr(model, "calibrate", None) is not True:  # scikit-learn's calibration: files do not hold it
        model.save(folder / "saved")
        found |= parts(fl.load(folder / "saved"), "loaded")
    return found


def of_folder(folder):
    """Checkpoints and metrics below a run folder."""
    found = {}
    for path in sorted(folder.rglob("metrics.jsonl")):
        found[str(path.relative_to(folder))] = path.read_text()
    for path in sorted(folder.rglob("checkpoint/step-*")):
        found |= parts(read_container(path, "checkpoint"), str(path.relative_to(folder)))
    return found


def fitted(case, folder, y=None):
    """`state` of the case, fitted anew."""
    return state(case, case.fit(y, folder), folder)


def differing(one, other):
    """Names of the parts that are not the same bits."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
