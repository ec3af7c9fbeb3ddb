"""What Deep SVDD and Deep SAD share: rows in, two stages, scores, a threshold. PyOD's names."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from fewlabels.anomaly.collapse import collapse
from fewlabels.anomaly.marks import ANOMALY
from fewlabels.anomaly.rates import Rates, by_contamination, by_labels, folds
from fewlabels.anomaly.training import Plan, Rows, centre, pretrain, train_encoder
from fewlabels.audits.finding import Finding
from fewlabels.classical.checking import check_choice, check_number
from fewlabels.data.inputs import Form, check_X, remember_form
from fewlabels.data.memory import check_memory, memory_errors
from fewlabels.devices import choose_device, reuse_memory
from fewlabels.errors import InputError
from fewlabels.networks.bias_free import build_autoencoder
from fewlabels.networks.sizes import WEIGHT, layer_outputs, n_weights, step_bytes
from fewlabels.partial_labels import Partial
from fewlabels.progress import Progress, Verbose, show_progress
from fewlabels.run import Run, row_shape
from fewlabels.scaling import learn_scaling
from fewlabels.seeds import check_seed

Floats = NDArray[np.float64]
# Folds of threshold="labels", and rows that the check for a collapse looks at
_FOLDS, _LOOKED_AT = 5, 2000
# Dimensions of the codes when none are asked for
_LATENT = {"table": 8, "image": 32}


class Detector(BaseEstimator):
    """Fits two stages to a `Partial`; what differs is which labels reach the second one."""

    network: str
    latent: int | None
    contamination: float
    threshold: Literal["contamination", "labels"]
    recall: float
    pretrain_steps: int
    steps: int
    batch_size: int
    eps: float
    lr: float
    weight_decay: float
    device: str
    verbose: Verbose
    random_state: int | np.random.RandomState | None

    run_: Run
    form_: Form
    center_: Floats
    threshold_: float
    rates_: Rates
    decision_scores_: Floats
    labels_: NDArray[np.int64]
    findings_: tuple[Finding, ...]

    def _learn(self, data: Partial, rows_of: Any, eta: float) -> Self:
        """`rows_of` (x, scaling) gives the `Rows` of the training."""
        plan = self._plan(eta, data.kind)
        anomalous = np.zeros(data.n_rows, dtype=bool)
        anomalous[data.labeled[data.y == ANOMALY]] = True
        self._check(int(anomalous.sum()))
        device, began = choose_device(self.device), time.perf_counter()
        if device.type != "cuda":  # which has memory of its own, and says itself when it is full
            _check_memory(data, plan)
        # Fitting must leave the caller's random state as it was, and depend on its own seed alone.
        mend = "Lower batch_size, or take a smaller network."
        with torch.random.fork_rng([device] if device.type == "cuda" else []), reuse_memory(), memory_errors(mend):
            torch.manual_seed(plan.seed)
            scaling = learn_scaling(_kept(data, ~anomalous))
            rows: Rows = rows_of(scaling.store(data.x).to(device), scaling)
            n_folds = min(_FOLDS, int(anomalous.sum())) if self.threshold == "labels" else 0
            total = plan.pretrain_steps + plan.steps * (1 + n_folds)
            with show_progress(self.verbose, type(self).__name__, 0, total) as progress:
                before, history = pretrain(rows, plan, row_shape(data), progress)
                c = centre(before, rows, self.eps)
                encoder, more = train_encoder(before, c, rows, plan, progress, plan.pretrain_steps)
                run = self._run(encoder, rows, plan, history.entries + more.entries)
                c64 = c.cpu().double().numpy()
                scores = _distance(run.outputs(data.x), c64)
                outside = self._out_of_fold(data, before, c, rows, plan, anomalous, progress) if n_folds else scores
        if self.threshold == "labels":
            threshold, rates = by_labels(outside, anomalous, self.recall)
        else:
            threshold, rates = by_contamination(scores, anomalous, self.contamination)
        run.facts["seconds"] = time.perf_counter() - began
        # after the training: a refit that fails leaves the fitted model whole
        self._remember(data, run, c64)
        self.findings_ = (self._collapsed(data, rows),)
        self.decision_scores_, self.threshold_, self.rates_ = scores, threshold, rates
        self.labels_ = (scores > threshold).astype(np.int64)
        return self

    def decision_function(self, X: Any) -> Floats:
        """(N,) squared distances to the centre; the higher, the more anomalous."""
        check_is_fitted(self, "run_")
        x = check_X(X, like=self.form_, name=type(self).__name__)
        return _distance(self.run_.outputs(x), self.center_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """(N,) 1 where the score lies above `threshold_`, else 0."""
        found: NDArray[np.int64] = (self.decision_function(X) > self.threshold_).astype(np.int64)
        return found

    def save(self, path: str | Path) -> Path:
        """Write the fitted detector into the folder `path`, as model.safetensors, no pickle.

        Raises
        ------
        SaveError : the folder cannot be written
        """
        from fewlabels.model_files import save_model

        check_is_fitted(self, "run_")
        return save_model(self, Path(path))

    def _plan(self, eta: float, kind: str) -> Plan:
        check_choice("threshold", self.threshold, ("contamination", "labels"))
        check_number("contamination", self.contamination, 1e-6, 0.5)
        check_number("recall", self.recall, 0.01, 0.999)
        return Plan(
            network=self.network,
            latent=_LATENT[kind] if self.latent is None else self.latent,
            pretrain_steps=self.pretrain_steps,
            steps=self.steps,
            batch_size=self.batch_size,
            eta=eta,
            eps=self.eps,
            lr=self.lr,
            weight_decay=self.weight_decay,
            device=self.device,
            verbose=self.verbose,
            seed=check_seed(self.random_state),
        )

    def _check(self, n_anomalies: int) -> None:
        if self.threshold == "labels" and n_anomalies < 2:
            raise InputError(
                f"y has {n_anomalies} labeled anomalies (1), and threshold='labels' needs 2 or more. Label some, or "
                "take threshold='contamination'."
            )

    def _run(self, encoder: nn.Module, rows: Rows, plan: Plan, history: list[dict[str, float]]) -> Run:
        network = encoder.to("cpu").requires_grad_(False)
        facts = {
            "seed": plan.seed,
            "steps": plan.steps,
            "network": plan.network,
            "parameters": sum(p.numel() for p in network.parameters()),
            "device": str(rows.x.device),
            "precision": "float32",
            "threads": torch.get_num_threads(),
        }
        return Run(network, rows.scaling, history, facts)

    def _out_of_fold(
        self,
        data: Partial,
        before: nn.Module,
        c: Tensor,
        rows: Rows,
        plan: Plan,
        anomalous: NDArray[np.bool_],
        progress: Progress,
    ) -> Floats:
        """(N,) each row's score by a second stage without it. Pretraining and centre never see anomalies at all."""
        fold, scores = folds(anomalous, _FOLDS, plan.seed), np.empty(data.n_rows)
        for k in range(int(fold.max()) + 1):
            done = plan.pretrain_steps + (k + 1) * plan.steps
            encoder, _ = train_encoder(before, c, rows.without(fold == k), plan, progress, done)
            run = self._run(encoder, rows, plan, [])
            scores[fold == k] = _distance(run.outputs(data.x[fold == k]), c.cpu().double().numpy())
        return scores

    def _collapsed(self, data: Partial, rows: Rows) -> Finding:
        some = rows.not_anomalous[:: max(1, len(rows.not_anomalous) // _LOOKED_AT)]
        return collapse(self.run_.outputs(data.x[some]).double().numpy(), self.center_)

    def _remember(self, data: Partial, run: Run, center: Floats) -> None:
        self.run_, self.center_, self.history_ = run, center, run.history
        remember_form(self, data.form)


def _check_memory(data: Partial, plan: Plan) -> None:
    """Refuse a training that would take too much, as the page on reliability counts it."""
    shape, x = row_shape(data), data.x
    with torch.random.fork_rng([]):
        network = nn.Sequential(*build_autoencoder(plan.network, shape, plan.latent))
    rows = plan.batch_size + plan.batch_size // 8
    # the rows that no label calls anomalous, and all of them once more while they are scaled
    kept = x.nbytes + x.size * (8 if data.kind == "table" else 1)
    check_memory(
        WEIGHT * n_weights(network) + step_bytes(layer_outputs(network, shape), shape, rows, rows) + kept,
        f"training network={plan.network!r} on {rows:,} rows a step",
        f"Lower batch_size={plan.batch_size}, or use fewer rows.",
        whole=True,
    )


def _distance(codes: Tensor, center: Floats) -> Floats:
    distance: Floats = np.square(codes.double().numpy() - center).sum(1)
    return distance


def _kept(data: Partial, rows: NDArray[np.bool_]) -> Partial:
    """Rows to learn the scaling from, without their labels."""
    return Partial(data.x[rows], np.empty(0, np.int64), np.empty(0, np.int64), data.classes, data.kind)
