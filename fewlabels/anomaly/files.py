"""A fitted detector as plain values and tensors, and back. `model_files` writes and reads them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewlabels.anomaly.deep_sad import DeepSAD
from fewlabels.anomaly.deep_svdd import DeepSVDD
from fewlabels.anomaly.detector import Detector
from fewlabels.anomaly.rates import Rates
from fewlabels.audits.finding import Finding
from fewlabels.checkpoint import flatten
from fewlabels.container import check_size
from fewlabels.data.inputs import form_of, remember_form
from fewlabels.networks.bias_free import build_autoencoder
from fewlabels.run import Run
from fewlabels.scaling import Scaling

DETECTORS: dict[str, type[DeepSVDD | DeepSAD]] = {"DeepSVDD": DeepSVDD, "DeepSAD": DeepSAD}


def parts(model: Detector) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What model.safetensors holds."""
    run, params = model.run_, model.get_params(deep=False)
    tensors = flatten(run.network.state_dict(), "network")
    for name, array in (
        ("scaling.mean", run.scaling.mean),
        ("scaling.std", run.scaling.std),
        ("center", model.center_),
        ("scores", model.decision_scores_),
    ):
        tensors[name] = torch.from_numpy(np.array(array))
    # a generator's state is not kept: fitting again draws anew
    seed = run.facts["seed"] if isinstance(params["random_state"], int | np.integer) else None
    about = {
        "estimator": type(model).__name__,
        "params": params | {"random_state": seed},
        "form": dataclasses.asdict(model.form_),
        "levels": [run.scaling.low, run.scaling.high],
        "threshold": model.threshold_,
        "rates": dataclasses.asdict(model.rates_),
        "history": run.history,
        "facts": run.facts,
        "findings": [dataclasses.asdict(finding) for finding in model.findings_],
    }
    return about, tensors


def restore(about: dict[str, Any], tensors: dict[str, Tensor]) -> Detector:
    """The inverse of `parts`."""
    model = DETECTORS[about["estimator"]](**about["params"])
    remember_form(model, form_of(about["form"]))
    shape = model.form_.shape
    center = tensors["center"].numpy()
    inputs = shape if model.form_.kind == "table" else (shape[2], *shape[:2])
    check_size(model.network, inputs, tensors, lambda: build_autoencoder(model.network, inputs, len(center))[0])
    with torch.random.fork_rng():
        network, _ = build_autoencoder(model.network, inputs, len(center))
    prefix = "network."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    mean, std = tensors["scaling.mean"].numpy(), tensors["scaling.std"].numpy()
    scaling = Scaling(model.form_.kind, mean, std, *about["levels"])
    model.run_ = Run(network.eval().requires_grad_(False), scaling, about["history"], about["facts"])
    model.center_, model.history_ = center, model.run_.history
    model.threshold_, model.rates_ = about["threshold"], Rates(**about["rates"])
    model.findings_ = tuple(Finding(**f | {"rows": tuple(f["rows"])}) for f in about["findings"])
    model.decision_scores_ = tensors["scores"].numpy()
    model.labels_ = (model.decision_scores_ > model.threshold_).astype(np.int64)
    return model
