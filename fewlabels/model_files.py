"""Fitted models as files, see `container`. Class names come from closed lists; reading runs no code."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewlabels import recipes
from fewlabels.anomaly import files as detector_files
from fewlabels.anomaly.detector import Detector
from fewlabels.audits.finding import Finding
from fewlabels.checkpoint import flatten
from fewlabels.classical.base import Classical
from fewlabels.classical.registry import CLASSES
from fewlabels.classical.state import check_type, decode, encode
from fewlabels.container import check_size, read_container, write_container
from fewlabels.data.inputs import Form, form_of, remember_form
from fewlabels.deep import DeepClassifier, DeepRegressor
from fewlabels.errors import InputError, UnsafeFileError, nearest
from fewlabels.files import remove_stale
from fewlabels.networks import Network, describe
from fewlabels.run import Run, build_for
from fewlabels.saver import numbers, plain
from fewlabels.scaling import Scaling
from fewlabels.segmenter import DeepSegmenter
from fewlabels.tasks import Classes, Labels, Masks

FILE = "model.safetensors"
_ESTIMATORS: dict[str, type[DeepClassifier | DeepRegressor | DeepSegmenter]] = {
    "DeepClassifier": DeepClassifier,
    "DeepRegressor": DeepRegressor,
    "DeepSegmenter": DeepSegmenter,
}


def save_model(model: Any, folder: Path) -> Path:
    """Write `model` into `folder`."""
    if isinstance(model, Detector):
        about, tensors = detector_files.parts(model)
    else:
        about, tensors = _deep_parts(model) if isinstance(model, tuple(_ESTIMATORS.values())) else _parts(model)
    remove_stale(folder)
    write_container(folder / FILE, "model", about, tensors)
    return folder


def _parts(model: Classical) -> tuple[dict[str, Any], dict[str, Tensor]]:
    arrays: dict[str, NDArray[Any]] = {}
    about = {"estimator": type(model).__name__, "model": encode(model, arrays)}
    return about, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _deep_parts(model: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    run: Run = model.run_
    tensors = flatten(run.network.state_dict(), "network")
    tensors |= {"scaling.mean": torch.from_numpy(np.asarray(run.scaling.mean))}
    tensors |= {"scaling.std": torch.from_numpy(np.asarray(run.scaling.std))}
    classes = None
    if isinstance(model, DeepClassifier | DeepSegmenter):
        classes = {"values": model.classes_.tolist(), "dtype": model.classes_.dtype.str}
        codes = np.searchsorted(model.classes_, model.transduction_)
        # one for each pixel: four times smaller
        codes = codes.astype(np.int16) if isinstance(model, DeepSegmenter) else codes
        tensors["transduction"] = torch.from_numpy(codes)
    else:
        tensors["transduction"] = torch.from_numpy(model.transduction_)
    about = {
        "estimator": type(model).__name__,
        "params": plain_params(model),
        "classes": classes,
        "target": None if classes else [model.target_mean_, model.target_std_],
        "temperature": model.temperature_ if isinstance(model, DeepClassifier) else None,
        "form": dataclasses.asdict(model.form_),
        "levels": [run.scaling.low, run.scaling.high],
        "history": plain(run.history),
        "facts": run.facts,
        "findings": [dataclasses.asdict(finding) for finding in run.findings],
    }
    return about, tensors


def plain_params(model: Any) -> dict[str, Any]:
    """The parameters of a fitted estimator as values that JSON can hold."""
    params: dict[str, Any] = model.get_params(deep=False)
    if isinstance(model, Classical):
        return {k: v if isinstance(v, str | bool | int | float | None) else repr(v) for k, v in params.items()}
    augment = params["augment"]
    recipe = {"method": _plain_recipe(recipes.as_method(params["method"]))} if "method" in params else {}
    if "adapt" in params:
        adapt = params["adapt"]
        recipe["adapt"] = adapt if isinstance(adapt, str | None) else _plain_recipe(adapt)
    return (
        params
        | recipe
        | {
            "network": describe(params["network"]),
            "augment": augment if isinstance(augment, str) else _plain_recipe(augment),
            "random_state": model.run_.facts["seed"] if isinstance(params["random_state"], int | np.integer) else None,
            "folder": None,
        }
    )


def _plain_recipe(recipe: Any) -> Any:
    """A recipe as plain values. Code of the user's own is not saved; fitting a loaded model again says so."""
    return recipes.to_dict(recipe) if recipes.is_known(recipe) else f"your own {type(recipe).__name__} (not saved)"


def load_model(folder: Path, network: Network | None) -> Any:
    """The inverse of `save_model`."""
    path, there = folder / FILE, False
    with contextlib.suppress(OSError):  # a name that no folder can have
        there = path.is_file()
    if not there:
        raise InputError(
            f"no model in {folder}: {path.name} is missing. Give the folder that save() wrote; of a run, its model/."
        )
    about, tensors = read_container(path, "model")
    try:
        # clone: a model must not hang on the file it came from
        return _restore(about, {name: tensor.clone() for name, tensor in tensors.items()}, network)
    except (LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise UnsafeFileError(f"{path} cannot be used: {error}") from error


def _restore(about: dict[str, Any], tensors: dict[str, Tensor], network: Network | None) -> Any:
    name = about["estimator"]
    if name in CLASSES:
        model: Any = decode(about["model"], {key: tensor.numpy() for key, tensor in tensors.items()})
        if type(model) is not CLASSES[name]:
            raise UnsafeFileError(f"the file says that it holds a {name}, and holds a {type(model).__name__}.")
        return model
    if name in detector_files.DETECTORS:
        return detector_files.restore(about, tensors)
    if name not in _ESTIMATORS:
        known = [*_ESTIMATORS, *detector_files.DETECTORS, *CLASSES]
        raise UnsafeFileError(f"estimator {name!r} is not known.{nearest(str(name), known)}")
    params = about["params"] | {"folder": None}  # where to write is for who fits it again to say
    if isinstance(params["method"], dict):
        params["method"] = recipes.from_dict(params["method"])
    for option in ("augment", "adapt"):
        if isinstance(params.get(option), dict):
            params[option] = recipes.from_dict(params[option])
    if network is not None:
        params["network"] = network
    model = _ESTIMATORS[name](**params)
    remember_form(model, form_of(about["form"]))
    model.run_ = _restore_run(about, tensors, model.form_, params["network"])
    model.history_, model.findings_ = model.run_.history, model.run_.findings
    _restore_targets(model, about, tensors["transduction"].numpy())
    return model


def _restore_run(about: dict[str, Any], tensors: dict[str, Tensor], form: Form, network: Network) -> Run:
    shape = form.shape if form.kind == "table" else (form.shape[2], *form.shape[:2])
    n_outputs = len(about["classes"]["values"]) if about["classes"] else 1
    if isinstance(network, str) and network.startswith("your own"):
        raise InputError(f"the model has a network of {network}. Load it with fl.load(path, network=...).")
    task = _task(about, tensors["transduction"])(n_outputs)
    if isinstance(network, str):
        check_size(network, shape, tensors, lambda: build_for(task, network, shape))
    with torch.random.fork_rng():
        module = build_for(task, network, shape)
    prefix = "network."
    module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    low, high = about["levels"]
    scaling = Scaling(form.kind, tensors["scaling.mean"].numpy(), tensors["scaling.std"].numpy(), low, high)
    findings = tuple(Finding(**finding | {"rows": tuple(finding["rows"])}) for finding in about["findings"])
    torch.device(about["facts"]["device"])  # raises now, not at the first prediction
    network = module.eval().requires_grad_(False)
    return Run(network, scaling, numbers(about["history"]), about["facts"], findings)


def _task(about: dict[str, Any], transduction: Tensor) -> type[Classes | Labels | Masks]:
    if about["estimator"] == "DeepSegmenter":
        return Masks
    return Labels if transduction.ndim == 2 else Classes  # the answers for a matrix of labels are a matrix


def _restore_targets(model: Any, about: dict[str, Any], transduction: Any) -> None:
    if about["classes"] is None:
        model.target_mean_, model.target_std_ = about["target"]
        model.transduction_ = transduction
        return
    values, dtype = about["classes"]["values"], np.dtype(about["classes"]["dtype"])
    check_type(dtype, len(values))
    model.classes_ = np.array(values, dtype=dtype)
    if isinstance(model, DeepClassifier):
        model.temperature_ = float(about["temperature"])
    model.transduction_ = model.classes_[transduction]
