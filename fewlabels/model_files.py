"""Fitted models as files: model.json (what it is) and model.safetensors (numbers). Reading runs no code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

import fewlabels
from fewlabels import recipes
from fewlabels.anomaly import files as detector_files
from fewlabels.anomaly.detector import Detector
from fewlabels.audits.finding import Finding
from fewlabels.checkpoint import flatten, write_file
from fewlabels.classical.base import Classical
from fewlabels.classical.registry import CLASSES
from fewlabels.classical.state import decode, encode
from fewlabels.data.inputs import Form
from fewlabels.deep import DeepClassifier, DeepRegressor
from fewlabels.errors import InputError, OptionError, UnsafeFileError, nearest
from fewlabels.networks import Network, describe
from fewlabels.run import Run, build_for
from fewlabels.scaling import Scaling
from fewlabels.segmenter import DeepSegmenter
from fewlabels.tasks import Classes, Labels, Masks

FORMAT = 1
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
    return _write(folder, about, tensors)


def _parts(model: Classical) -> tuple[dict[str, Any], dict[str, Tensor]]:
    arrays: dict[str, NDArray[Any]] = {}
    about = {"estimator": type(model).__name__, "model": encode(model, arrays)}
    return about, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _write(folder: Path, about: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """The JSON is written last, with the hash of the tensors: it vouches for them."""
    content = save_tensors({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()})
    about = {"format": FORMAT, "fewlabels": fewlabels.__version__} | about
    about["sha256"] = hashlib.sha256(content).hexdigest()
    write_file(folder / "model.safetensors", content)
    write_file(folder / "model.json", json.dumps(about, indent=1, allow_nan=False, default=_number).encode())
    return folder


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
        "history": run.history,
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
    about, tensors = _read(folder)
    try:
        return _restore(about, tensors, network)
    except (KeyError, TypeError, AttributeError, RuntimeError, OptionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise UnsafeFileError(f"{folder / 'model.json'} cannot be used: {error}") from error


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    path = folder / "model.json"
    if not path.is_file():
        raise InputError(
            f"no model in {folder}: {path.name} is missing. Give the folder that save() wrote; of a run, its model/."
        )
    try:
        about = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
        content = (folder / "model.safetensors").read_bytes()
        if not isinstance(about, dict) or about.get("sha256") != hashlib.sha256(content).hexdigest():
            raise UnsafeFileError(f"{folder}: model.safetensors is not the file that model.json was written for.")
        if about.get("format") != FORMAT:
            raise UnsafeFileError(
                f"{path} has format {about.get('format')}; this fewlabels {fewlabels.__version__} reads {FORMAT}. "
                "Load it with the version that wrote it."
            )
        return about, load_tensors(content)
    except (ValueError, RecursionError, OSError, SafetensorError) as error:
        if isinstance(error, UnsafeFileError):
            raise
        raise UnsafeFileError(f"{path} is damaged or not a model file: {error}") from error


def _number(value: Any) -> Any:
    """NumPy's numbers, as grid searches set them, as Python's."""
    return value.item()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number of JSON")


def _restore(about: dict[str, Any], tensors: dict[str, Tensor], network: Network | None) -> Any:
    name = about["estimator"]
    if name in CLASSES:
        return decode(about["model"], {key: tensor.numpy() for key, tensor in tensors.items()})
    if name in detector_files.DETECTORS:
        return detector_files.restore(about, tensors)
    if name not in _ESTIMATORS:
        known = [*_ESTIMATORS, *detector_files.DETECTORS, *CLASSES]
        raise UnsafeFileError(f"estimator {name!r} is not known.{nearest(str(name), known)}")
    params = dict(about["params"])
    if isinstance(params["method"], dict):
        params["method"] = recipes.from_dict(params["method"])
    if isinstance(params["augment"], dict):
        params["augment"] = recipes.from_dict(params["augment"])
    if network is not None:
        params["network"] = network
    model: Any = _ESTIMATORS[name](**params)
    form = about["form"]
    names = None if form["feature_names"] is None else tuple(form["feature_names"])
    model.form_ = Form(form["kind"], tuple(form["shape"]), form["dtype"], names)
    model.n_features_in_ = model.form_.n_features
    if names is not None:
        model.feature_names_in_ = np.array(names, dtype=object)
    model.run_ = _restore_run(about, tensors, model.form_, params["network"])
    model.history_, model.findings_ = model.run_.history, model.run_.findings
    _restore_targets(model, about, tensors["transduction"].numpy())
    return model


def _restore_run(about: dict[str, Any], tensors: dict[str, Tensor], form: Form, network: Network) -> Run:
    shape = form.shape if form.kind == "table" else (form.shape[2], *form.shape[:2])
    n_outputs = len(about["classes"]["values"]) if about["classes"] else 1
    if isinstance(network, str) and network.startswith("your own"):
        raise InputError(f"the model has a network of {network}. Load it with fl.load(path, network=...).")
    with torch.random.fork_rng():
        module = build_for(_task(about, tensors["transduction"])(n_outputs), network, shape)
    prefix = "network."
    module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    low, high = about["levels"]
    scaling = Scaling(form.kind, tensors["scaling.mean"].numpy(), tensors["scaling.std"].numpy(), low, high)
    # files of before there were monitors have none
    findings = tuple(Finding(**finding | {"rows": tuple(finding["rows"])}) for finding in about.get("findings", ()))
    return Run(module.eval().requires_grad_(False), scaling, about["history"], about["facts"], findings)


def _task(about: dict[str, Any], transduction: Tensor) -> type[Classes | Labels | Masks]:
    if about["estimator"] == "DeepSegmenter":
        return Masks
    return Labels if transduction.ndim == 2 else Classes  # the answers for a matrix of labels are a matrix


def _restore_targets(model: Any, about: dict[str, Any], transduction: Any) -> None:
    if about["classes"] is None:
        model.target_mean_, model.target_std_ = about["target"]
        model.transduction_ = transduction
        return
    dtype = np.dtype(about["classes"]["dtype"])
    if dtype.kind not in "biufUSO":
        raise UnsafeFileError(f"classes of type {dtype} are not known.")
    model.classes_ = np.array(about["classes"]["values"], dtype=dtype)
    if isinstance(model, DeepClassifier):
        model.temperature_ = float(about.get("temperature", 1.0))  # files of before there was one have none
    model.transduction_ = model.classes_[transduction]
