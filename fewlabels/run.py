"""Partial -> Run: one training, from options to a fitted network."""

from __future__ import annotations

import copy
import dataclasses
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewlabels import recipes
from fewlabels.adapt import AdaBN, Adaptation, Adapting, ImportanceWeighting, Term
from fewlabels.adapt.importance import effective_labels
from fewlabels.audits.finding import Finding
from fewlabels.augment import Augmentation, CTAugment, Graphs, Images, MaskedImages, Moving, NoAugmentation, Tables
from fewlabels.augment.ct_augment import Learnt
from fewlabels.batches import AHEAD, Pool, batches
from fewlabels.checkpoint import check_finite
from fewlabels.data.images import ImageFiles
from fewlabels.data.memory import check_memory, memory_errors
from fewlabels.devices import choose_device, choose_precision, devices_here, reuse_memory
from fewlabels.errors import DivergenceError, OptionError
from fewlabels.identity import data_hash, environment, settings
from fewlabels.interrupts import Interrupts
from fewlabels.method import Method, Net, State
from fewlabels.monitors import EARLY, MONITORS, Seen
from fewlabels.monitors.looks import EVERY, Watched, sample
from fewlabels.networks import MLP, Network, build, describe
from fewlabels.networks.bias_free import RowEncoder
from fewlabels.networks.sizes import AUGMENTED, WEIGHT, WEIGHT_SAVED, layer_outputs, n_weights, step_bytes
from fewlabels.networks.split import Split, split
from fewlabels.partial_labels import Partial
from fewlabels.probing import Probing
from fewlabels.progress import Progress, Verbose, show_progress
from fewlabels.saver import History, Saver
from fewlabels.scaling import Scaling, learn_scaling
from fewlabels.tasks import Labels, Masks, Task, adjusted
from fewlabels.train import sgd, train

# Rows (and pixels) at most in one prediction pass.
_CHUNK, _CHUNK_PIXELS = 256, 2**20
# Steps when none are asked for. Found on rows held out of the training sets: see the concepts page.
_STEPS = {"table": 500, "image": 1000}
_ROLLBACKS = 3


@dataclass(frozen=True)
class Options:
    """What one training is told; see `DeepClassifier` for the meaning of each."""

    method: Method
    network: Network = "auto"
    augment: str | Augmentation = "auto"
    steps: int | None = None
    batch_size: int = 64
    unlabeled_ratio: int = 7
    lr: float = 0.03
    weight_decay: float = 5e-4
    average: float = 0.999
    precision: str = "auto"
    device: str = "auto"
    folder: str | Path | None = None
    verbose: Verbose = "auto"
    seed: int = 0
    class_balanced: bool = False
    logit_adjustment: float = 0.0
    watch_labels: int = 0
    adapt: Adaptation | None = None
    on_nonfinite: str = "raise"

    def __post_init__(self) -> None:
        choose_device(self.device)
        if not isinstance(self.precision, str) or self.precision not in ("auto", "float32", "bfloat16"):
            raise OptionError(f"precision={self.precision!r}; expected 'auto', 'float32' or 'bfloat16'.")
        if not isinstance(self.on_nonfinite, str) or self.on_nonfinite not in ("raise", "rollback"):
            raise OptionError(f"on_nonfinite={self.on_nonfinite!r}; expected 'raise' or 'rollback'.")
        own = not isinstance(self.augment, str | type | Graphs) and callable(getattr(self.augment, "weak", None))
        if not own and not (isinstance(self.augment, str) and self.augment in ("auto", "none")):
            raise OptionError(
                f"augment={self.augment!r}; expected 'auto', 'none' or an augmentation such as fl.augment.Images()."
            )
        _whole("steps", 1 if self.steps is None else self.steps)
        _whole("batch_size", self.batch_size)
        _whole("unlabeled_ratio", self.unlabeled_ratio)
        _whole("watch_labels", self.watch_labels, 0)
        if not isinstance(self.class_balanced, bool | np.bool_):
            raise OptionError(f"class_balanced={self.class_balanced!r}; expected True or False.")
        real = (int, float, np.integer, np.floating)
        limits = {"lr": 1e3, "weight_decay": 1e3, "average": 1.0, "logit_adjustment": 1e3}
        for name, high in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, real) or not 0 <= value < high:
                raise OptionError(f"{name}={value!r}; expected a number from 0 to below {high:g}.")
        if self.class_balanced and self.logit_adjustment:
            raise OptionError(
                f"class_balanced=True and logit_adjustment={self.logit_adjustment:g} correct for the same thing twice. "
                "Set one of them."
            )
        if self.class_balanced and isinstance(self.adapt, ImportanceWeighting):
            raise OptionError(
                "class_balanced=True and adapt='importance' both say how often labeled rows are drawn. Set one of them."
            )


def _whole(name: str, value: object, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 2**63:
        raise OptionError(f"{name}={value!r}; expected a whole number of at least {least}.")


def as_augmentation(augment: str | Augmentation, kind: str, *, masks: bool = False) -> Augmentation:
    """ "auto" is `Images()`, `MaskedImages()` or `Tables()`; "none" leaves rows as they are.

    Raises
    ------
    OptionError : one of ours that is for another kind of data
    """
    if isinstance(augment, str):
        if augment == "none":
            return NoAugmentation()
        return (MaskedImages() if masks else Images()) if kind == "image" else Tables()
    if isinstance(augment, (Images, MaskedImages, CTAugment) if kind == "table" else Tables):
        name, right = type(augment).__name__, "Tables" if kind == "table" else "Images"
        other = "images, and X is a table" if kind == "table" else "tables, and X holds images"
        raise OptionError(f"augment={name}(...) is for {other}. Use fl.augment.{right}(), 'auto' or 'none'.")
    return augment


def as_moving(augment: str | Augmentation) -> Moving:
    """An augmentation for images with masks.

    Raises
    ------
    OptionError : it does not say how a mask moves
    """
    found = as_augmentation(augment, "image", masks=True)
    if getattr(found, "move", None) is None:
        raise OptionError(
            f"augment={found!r} does not say how a mask moves with its image. Use fl.augment.MaskedImages(), or an "
            "augmentation with move(x, draws) whose weak and strong leave each pixel where it is."
        )
    return cast(Moving, found)


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes
    ----------
    network : the moving average of the trained network, in evaluation mode, on the CPU, so that it can be
        pickled and read where there is no accelerator
    scaling : how rows become its inputs
    history : at most 200 dicts with "step", "loss" and the method's metrics, each a mean since the last
    facts : what was resolved: seed, steps, device, precision, threads, parameters, seconds
    findings : what the monitors saw, see `fewlabels.monitors`
    """

    network: nn.Module
    scaling: Scaling
    history: list[dict[str, float]]
    facts: dict[str, Any]
    findings: tuple[Finding, ...] = ()

    @torch.no_grad()
    def outputs(self, x: NDArray[Any] | ImageFiles) -> Tensor:
        """Network outputs (N, n_outputs), on the CPU.

        Computed on the device of the training if it is there, in float32 whatever the training's precision
        was. A perceptron runs in float64, so that rounding does not make a row's output depend on its neighbors.
        """
        out, start = torch.empty(0), 0
        for some in self.outputs_by_chunk(x):
            # small results kept from every chunk would sit between large freed blocks, which then never go back
            out = out if start else torch.empty(len(x), *some.shape[1:], dtype=some.dtype)
            out[start : start + len(some)] = some
            start += len(some)
        return out

    @torch.no_grad()
    def outputs_by_chunk(self, x: NDArray[Any] | ImageFiles) -> Iterator[Tensor]:
        """`outputs` a few rows at a time, for outputs that are as large as images."""
        device = torch.device(self.facts["device"])
        if device.type not in devices_here():
            device = torch.device("cpu")
        exact = any(isinstance(m, MLP | RowEncoder) for m in self.network.modules()) and device.type != "mps"
        dtype = torch.float64 if exact else torch.float32
        network = copy.deepcopy(self.network).to(device, dtype) if exact or device.type != "cpu" else self.network
        for inputs in _inputs(x, np.arange(len(x)), self.scaling, device, _chunk(x)):
            yield network(inputs.to(dtype)).to("cpu", dtype)


def _chunk(x: NDArray[Any] | ImageFiles) -> int:
    """Rows of one pass without gradient."""
    return _CHUNK if len(x.shape) == 2 else max(1, min(_CHUNK, _CHUNK_PIXELS // math.prod(x.shape[1:3])))


def _inputs(
    x: NDArray[Any] | ImageFiles, rows: NDArray[np.int64], scaling: Scaling, device: torch.device, size: int
) -> Iterator[Tensor]:
    """Network inputs of some rows, `size` at a time, not augmented."""
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        raw = x.take(some) if isinstance(x, ImageFiles) else x[some]
        yield scaling.network(scaling.store(raw).to(device))


def fit_run(partial: Partial, task: Task, y: NDArray[Any], options: Options) -> Run:
    """Train one network; go on where an interrupted run in `options.folder` stopped.

    Parameters
    ----------
    y : targets of the labeled rows as the task wants them (L,)
    """
    rollbacks = _ROLLBACKS if options.on_nonfinite == "rollback" else 0
    for number in range(rollbacks):
        slower = _slower(options, number)
        try:
            return _fit_once(partial, task, y, slower, number)
        except DivergenceError as error:
            warnings.warn(
                f"{error} As on_nonfinite='rollback', training begins anew with lr={slower.lr / 2:.3g}.",
                stacklevel=_callers_level(),
            )
    return _fit_once(partial, task, y, _slower(options, rollbacks), rollbacks)


def _callers_level() -> int:
    """Which frame called the package: `fit` is not as many frames away for every estimator."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals["__name__"]).startswith("fewlabels."):
        level, frame = level + 1, frame.f_back
    return level


def _slower(options: Options, number: int) -> Options:
    """Half the learning rate for each training that diverged, and a run folder inside that of the first.

    From the start and not from a checkpoint: where that lies depends on the clock, and the same seed must give the same
    bits.
    """
    if not number:
        return options
    folder = None if options.folder is None else Path(options.folder) / f"rollback-{number}"
    return dataclasses.replace(options, lr=options.lr / 2**number, folder=folder)


def _fit_once(partial: Partial, task: Task, y: NDArray[Any], options: Options, rollbacks: int) -> Run:
    method = options.method
    recipes.check_task(method, task.name)
    if task.name != "classes" and (options.class_balanced or options.logit_adjustment):
        raise OptionError(f"class_balanced and logit_adjustment are for one class a row, not for {task.name}.")
    if task.name != "classes" and options.watch_labels:
        raise OptionError(f"watch_labels is for one class a row, not for {task.name}.")
    if task.name != "classes" and options.adapt is not None:
        raise OptionError(f"adapt is for one class a row, not for {task.name}.")
    sides = None if options.adapt is None else partial.sides()
    partial, y, truth = _keep_back(partial, y, options)
    if options.logit_adjustment:
        task = adjusted(task.n_outputs, y, options.logit_adjustment)
    options = dataclasses.replace(options, steps=options.steps or _STEPS[partial.kind])
    # Fitting must leave the caller's random state as it was, and depend on its own seed alone.
    device = choose_device(options.device)
    mend = "Lower batch_size, or take a smaller network."
    with torch.random.fork_rng([device] if device.type == "cuda" else []), reuse_memory(), memory_errors(mend):
        torch.manual_seed(options.seed)
        net = _make_net(partial, task, options, device)
        _check_memory(partial, net, options, device)
        scaling = learn_scaling(partial)
        pool = _make_pool(partial, scaling, y, device, sides, options)
        history, findings, seconds = _train(net, pool, scaling, partial, truth, task, options, device)
        network = net.teacher.joined() if isinstance(net.teacher, Split) else net.teacher
        if sides is not None and isinstance(options.adapt, AdaBN):
            # of equal size: a last one of a single row would weigh as much as any other
            size = math.ceil(len(sides[1]) / math.ceil(len(sides[1]) / _chunk(partial.x)))
            options.adapt.settle(network, _inputs(partial.x, sides[1], scaling, device, size))
    network = network.to("cpu")
    facts = {
        "seed": options.seed,
        "steps": options.steps,
        "network": describe(options.network),
        "parameters": n_weights(network),
        "device": str(device),
        "precision": "float32" if net.autocast is None else str(net.autocast).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "seconds": seconds,
    }
    if sides is not None:
        facts |= {"source_rows": len(sides[0]), "target_rows": len(sides[1])}
    if rollbacks:
        facts |= {"rollbacks": rollbacks, "learning_rate": options.lr}
    if pool.weights is not None:
        facts["effective_labels"] = effective_labels(pool.weights)
    return Run(network, scaling, history, facts, findings)


def _check_memory(partial: Partial, net: Net, options: Options, device: torch.device) -> None:
    """Refuse a training that would take too much, as the page on reliability counts it."""
    kept = _kept_bytes(partial, net.task, options.batch_size * (1 + options.unlabeled_ratio))
    if device.type == "cuda":  # has memory of its own, and says itself when it is full
        check_memory(kept, f"{partial.n_rows:,} rows as they are kept", "Use fewer rows.")
        return
    method, shape = options.method, row_shape(partial)
    passes = getattr(method, "passes", len(method.augment))
    aligned = 2 if isinstance(options.adapt, Term) else 0
    copies = 1 + len(getattr(method, "augment_x", ())) + options.unlabeled_ratio * passes + aligned
    trained = 1 + (options.unlabeled_ratio if passes else 0) + aligned
    together = options.batch_size * max(options.unlabeled_ratio if method.augment else 1, aligned)
    weights = n_weights(net.student) * (WEIGHT if options.folder is None else WEIGHT_SAVED)
    outputs, half = layer_outputs(net.student, shape), net.autocast is not None
    step = step_bytes(outputs, shape, options.batch_size * copies, options.batch_size * trained, half=half)
    step += together * AUGMENTED * math.prod(shape)
    # a prediction keeps no layer for a gradient, but takes more rows at a time
    step = max(step, step_bytes(outputs, shape, 2 * _chunk(partial.x) // 5))
    check_memory(
        weights + step + kept,
        f"training network={describe(options.network)!r} on {options.batch_size * copies:,} rows a step",
        f"Lower batch_size={options.batch_size} or unlabeled_ratio={options.unlabeled_ratio}, or take a smaller "
        "network or fewer rows.",
        whole=True,
    )


def _kept_bytes(partial: Partial, task: Task, rows: int) -> int:
    """What rows take as they are kept, and what the network says of each in the end.

    Float32 columns, float64 once while they are standardized; levels of pixels. Of images in files, `rows` a step, for
    as many steps as are decoded ahead.
    """
    x, masks = partial.x, isinstance(task, Masks)
    said = 12 * math.prod(x.shape[:3]) if masks else 8 * len(x) * task.n_outputs
    if isinstance(x, ImageFiles):
        return said + AHEAD * rows * math.prod(x.shape[1:])
    as_they_are = x.dtype == np.uint8 and x.shape[3] == 1
    return said + (0 if as_they_are else int(x.size) * (8 if partial.kind == "table" else 1))


def _make_net(partial: Partial, task: Task, options: Options, device: torch.device) -> Net:
    network = build_for(task, options.network, row_shape(partial))
    if isinstance(options.adapt, Term):
        network = split(network, row_shape(partial), options.adapt.critic)
    if isinstance(options.adapt, AdaBN):
        options.adapt.check(network)
    network = network.to(device)
    if isinstance(task, Masks):
        _check_sides(network, row_shape(partial), task.n_outputs, device)
    if partial.kind == "image":
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    precision = choose_precision(options.precision, network, device)
    return Net(network, task, average=options.average, autocast=precision)


@torch.no_grad()
def _check_sides(network: nn.Module, shape: tuple[int, ...], n_classes: int, device: torch.device) -> None:
    """Refuse a network that does not answer for every pixel, before it fails in a loss with a puzzling message."""
    training = network.training
    found = tuple(network.eval()(torch.zeros((1, *shape), device=device)).shape)
    network.train(training)
    if found != (1, n_classes, *shape[1:]):
        raise OptionError(
            f"the network turns an image (1, {', '.join(map(str, shape))}) into outputs {found}; masks need one value "
            f"for each class and pixel, {(1, n_classes, *shape[1:])}. Use network='unet', or end yours in such a layer."
        )


def build_for(task: Task, network: Network, shape: tuple[int, ...]) -> nn.Module:
    """The network that a task asks for: with labels, two numbers for each of them."""
    if not isinstance(task, Labels):
        return build(network, shape, task.n_outputs, masks=isinstance(task, Masks))
    return nn.Sequential(build(network, shape, 2 * task.n_labels), nn.Unflatten(1, (2, task.n_labels)))


def row_shape(partial: Partial) -> tuple[int, ...]:
    """What a network sees of one row: (D,) or (C, H, W)."""
    if partial.kind == "table":
        return (partial.x.shape[1],)
    _, height, width, channels = partial.x.shape
    return (channels, height, width)


def _make_pool(
    partial: Partial,
    scaling: Scaling,
    y: NDArray[Any],
    device: torch.device,
    sides: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
    options: Options,
) -> Pool:
    x = partial.x if isinstance(partial.x, ImageFiles) else scaling.store(partial.x).to(device)
    weights = None
    if sides is not None and isinstance(options.adapt, ImportanceWeighting):
        weights = options.adapt.weights(partial.x, partial.labeled, *sides, options.seed)
    aligned = sides if sides is not None and isinstance(options.adapt, Term) else ()
    return Pool(x, partial.labeled, torch.from_numpy(y).to(device), weights, aligned)


def _train(
    net: Net,
    pool: Pool,
    scaling: Scaling,
    partial: Partial,
    truth: Mapping[int, int],
    task: Task,
    options: Options,
    device: torch.device,
) -> tuple[list[dict[str, float]], tuple[Finding, ...], float]:
    told, steps = options.method, int(options.steps or 1)
    augment = as_augmentation(options.augment, partial.kind)
    # a method of one's own need not name what it does not use
    copies, copies_x = told.augment, getattr(told, "augment_x", ())
    method = _with_learning(told, augment, task) if "strong" in (*copies, *copies_x) else told
    optimizer = sgd(net.student, options.lr, options.weight_decay)
    state = _to(method.init(task.n_outputs, len(pool.x)), device)
    watched = _watched(partial, truth, pool, task, told, options.seed)
    saver = _saver(options, partial, net, optimizer, watched, device)
    state, start, history = saver.resume(state, steps, device)
    moving = as_moving(options.augment) if task.name == "masks" else None
    stream = batches(
        pool,
        scaling,
        Learnt(method.learner, state["augment"]) if isinstance(method, Probing) else moving or augment,
        copies,
        batch_size=int(options.batch_size),
        unlabeled_ratio=int(options.unlabeled_ratio),
        seed=options.seed,
        start=start,
        stop=steps,
        device=device,
        copies_x=copies_x,
        class_balanced=options.class_balanced,
        moving=moving,
    )
    # a fixed threshold keeps nothing in its state
    own = state["method"] if isinstance(method, Probing) else state
    seen = _seen(history, watched, partial, task, options, learns_threshold=len(own.get("weight", {})) > 0)
    stepped = Adapting(method, options.adapt) if isinstance(options.adapt, Term) else method
    loop = train(net, stepped, state, stream, optimizer, lr=options.lr, steps=steps, seed=options.seed, start=start)
    name = recipes.method_name(told)
    with Interrupts() as interrupts, show_progress(options.verbose, name, start, steps) as progress:
        try:
            for step in loop:
                entry = history.add(step)
                saver.write_metrics(entry)
                if entry:
                    progress.update(step.number, f"loss {entry['loss']:.3f}")
                    if len(history.entries) % EVERY == 0 or step.number == steps:
                        chunk = options.batch_size * (1 + options.unlabeled_ratio)
                        watched.look(net, scaling.network, step.number, chunk)
                        _tell([monitor(seen) for monitor in EARLY], watched, progress)
                if interrupts.caught is not None:
                    saver.save_now(step, history)
                    interrupts.stop(saver.how_to_go_on(step.number, steps))
                saver.save_if_due(step, history)
            check_finite("trained network", net.teacher.state_dict())
        except DivergenceError as error:
            saver.write_divergence(error)
            raise
        findings = tuple(monitor(seen) for monitor in MONITORS)
        _tell(findings, watched, progress)
    if interrupts.caught is not None:  # during the last checkpoint
        interrupts.stop(saver.how_to_go_on(steps, steps))
    return history.entries, findings, saver.seconds()


def _saver(
    options: Options,
    partial: Partial,
    net: Net,
    optimizer: torch.optim.Optimizer,
    watched: Watched,
    device: torch.device,
) -> Saver:
    if options.folder is None:
        return Saver(None, {}, {}, net, optimizer, watched)
    identity = {"settings": settings(options), "data": data_hash(partial)}
    return Saver(Path(options.folder), identity, environment(device), net, optimizer, watched)


def _tell(findings: Iterable[Finding], watched: Watched, progress: Progress) -> None:
    """Say what monitors see, each once."""
    for finding in findings:
        if finding.level == "look" and finding.check not in watched.told:
            watched.told.append(finding.check)
            progress.say(finding.text)


def _seen(
    history: History, watched: Watched, partial: Partial, task: Task, options: Options, *, learns_threshold: bool
) -> Seen:
    """What the monitors see; history and looks grow in it as training goes on."""
    used = history.steps * options.batch_size * options.unlabeled_ratio
    return Seen(
        history=history.entries,
        looks=watched.looks,
        rows=watched.rows,
        steps=history.steps,
        chance=math.log(task.n_outputs) if task.n_outputs > 1 else 1.0,  # standardized numbers have a variance of 1
        passes=used / partial.n_rows if options.method.augment else 0.0,
        learns_threshold=learns_threshold,
        watched=int((watched.truth >= 0).sum()),
        partial=partial,
        seed=options.seed,
    )


def _keep_back(partial: Partial, y: NDArray[Any], options: Options) -> tuple[Partial, NDArray[Any], Mapping[int, int]]:
    """Take `watch_labels` labels of each class out of training: their rows become unlabeled ones.

    Returns
    -------
    partial, y : without those labels; truth : row -> class of the rows whose label was kept back

    Raises
    ------
    OptionError : a class would have no label left
    """
    if not options.watch_labels:
        return partial, y, {}
    counts = np.bincount(y, minlength=partial.n_classes)
    if counts.min() <= options.watch_labels:
        name = np.asarray(partial.classes).tolist()[counts.argmin()]
        raise OptionError(
            f"watch_labels={options.watch_labels} would leave class {name!r}, which has {counts.min()} labels, without "
            "any for training. Keep fewer back."
        )
    rng = np.random.default_rng([options.seed, 8])
    each = [rng.choice(np.flatnonzero(y == c), options.watch_labels, replace=False) for c in range(partial.n_classes)]
    kept = np.sort(np.concatenate(each))
    truth = dict(zip(partial.labeled[kept].tolist(), y[kept].tolist(), strict=True))
    y = np.delete(y, kept)
    return dataclasses.replace(partial, y=y, labeled=np.delete(partial.labeled, kept)), y, truth


def _watched(partial: Partial, truth: Mapping[int, int], pool: Pool, task: Task, method: Method, seed: int) -> Watched:
    """A few unlabeled rows to look at; none where rows have no single class, or where no method uses them."""
    fits = task.name == "classes" and bool(method.augment)
    rows = sample(partial.unlabeled, seed) if fits else partial.unlabeled[:0]
    if fits:
        rows = np.union1d(rows, np.array(list(truth), dtype=np.int64))
    if isinstance(pool.x, Tensor):
        kept = pool.x[torch.from_numpy(rows).to(pool.x.device)]
    else:
        kept = torch.from_numpy(pool.x.take(rows)).permute(0, 3, 1, 2).to(pool.y.device)
    classes = torch.tensor([truth.get(row, -1) for row in rows.tolist()], dtype=torch.int64)
    return Watched(rows, kept, classes, task.n_outputs)


def _with_learning(method: Method, augment: Augmentation, task: Task) -> Method:
    """The method, and beside it the augmentation if that learns.

    Raises
    ------
    OptionError : it cannot learn from such labels
    """
    if not isinstance(augment, CTAugment):
        return method
    if task.name != "classes":
        raise OptionError(f"CTAugment learns from labels that are classes, not {task.name}. Use fl.augment.Images().")
    return Probing(method, augment)


def _to(state: State, device: torch.device) -> State:
    return {key: _to(value, device) if isinstance(value, dict) else value.to(device) for key, value in state.items()}
