"""Nodes, edges and a method -> a fitted network, on the same loop and with the same recipes as rows."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewlabels import recipes
from fewlabels.audits.finding import Finding
from fewlabels.augment import Graphs
from fewlabels.batches import draw
from fewlabels.errors import OptionError
from fewlabels.interrupts import Interrupts
from fewlabels.method import Batch, Method, Net
from fewlabels.methods import VAT, MixMatch
from fewlabels.monitors import MONITORS, Seen
from fewlabels.monitors.looks import EVERY, Watched, sample
from fewlabels.networks.graph import Nodes
from fewlabels.networks.sparse import Sparse, normalized
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose, show_progress
from fewlabels.tasks import Classes
from fewlabels.train import train

_ORDER_X, _ORDER_U, _COPY_U = 0, 1, 2  # streams of randomness, as in `batches`
_HISTORY = 200  # points of a history at most


class GraphNet(Net):
    """`Net` whose inputs are `Nodes`: a pass for each, since each may be another view of the graph."""

    def __call__(self, *inputs: Any) -> tuple[Tensor, ...]:
        """Student outputs of each input's rows."""
        return tuple(self._run(self.student, nodes) for nodes in inputs)


class NodeData(NamedTuple):
    """What a training knows of the graph.

    Attributes
    ----------
    x : features (N, D); adjacency : A + I
    partial : labels of the training nodes
    validation, y_validation : nodes whose labels choose the step that is kept, and nothing else
    """

    x: Tensor | Sparse
    adjacency: Sparse
    partial: Partial
    validation: NDArray[np.int64]
    y_validation: NDArray[np.int64]


@dataclass(frozen=True)
class NodeOptions:
    """What one training is told; see `GraphClassifier`."""

    method: Method
    augment: Graphs
    steps: int
    patience: int
    lr: float
    weight_decay: float
    average: float
    rows: int  # labeled nodes a step at most, and as many others
    verbose: Verbose
    seed: int


class NodeRun(NamedTuple):
    """A finished training: the moving average of the network, and what there is to say of it."""

    network: nn.Module
    history: list[dict[str, float]]
    findings: tuple[Finding, ...]
    facts: dict[str, Any]


def check_method(method: Method) -> None:
    """Refuse methods that change, mix or join rows: a node is not its features alone."""
    recipes.check_task(method, "classes")
    # most methods have no copies of labeled rows, and one of your own need not say so
    copies_x: tuple[str, ...] = getattr(method, "augment_x", ())
    if isinstance(method, VAT | MixMatch) or copies_x:
        raise OptionError(
            f"{recipes.method_name(method)} changes, mixes or copies rows itself, which nodes with edges do not allow. "
            "Take fixmatch, mean_teacher, pi_model, entropy_minimization or pseudo_label."
        )


def train_nodes(network: nn.Module, data: NodeData, options: NodeOptions) -> NodeRun:
    """Train `network`; with validation nodes, the step at which they are judged best is kept.

    Raises
    ------
    DivergenceError : the loss is not finite
    """
    began, partial = time.perf_counter(), data.partial
    net = GraphNet(network, Classes(partial.n_classes), average=options.average)
    edges = normalized(data.adjacency)
    state = options.method.init(partial.n_classes, partial.n_rows)
    loop = train(
        net, options.method, state, _batches(data, edges, options), _adam(network, options),
        lr=options.lr, steps=options.steps, seed=options.seed,
    )  # fmt: skip
    best = _Best(net, data, edges, options.patience)
    history: list[dict[str, float]] = []
    watched, stride = _watched(data, options), -(-options.steps // _HISTORY)
    name = recipes.method_name(options.method)
    with Interrupts() as signals, show_progress(options.verbose, name, 0, options.steps) as progress:
        for step in loop:
            judged = best.judge(step.number)
            last = step.number == options.steps or best.settled(step.number)
            if step.number % stride == 0 or last:
                metrics = {key: float(value) for key, value in step.metrics.items()}
                history.append({"step": float(step.number), **metrics, **judged})
                progress.update(step.number, f"loss {history[-1]['loss']:.3f}")
                if len(history) % EVERY == 0 or last:
                    watched.look(net, lambda rows: Nodes(data.x, edges, rows), step.number, len(watched.rows))
            if signals.caught:
                signals.stop(f"stopped at step {step.number} of {options.steps}; nothing was saved")
            if last:
                break
        findings = tuple(monitor(_seen(history, watched, data, options)) for monitor in MONITORS)
        for finding in findings:
            if finding.level == "look":
                progress.say(finding.text)
    facts = {"seed": options.seed, "steps": int(history[-1]["step"]), "kept_step": best.restore()}
    facts |= {"parameters": sum(p.numel() for p in network.parameters()), "threads": torch.get_num_threads()}
    return NodeRun(net.teacher, history, findings, facts | {"seconds": time.perf_counter() - began})


def _adam(network: nn.Module, options: NodeOptions) -> torch.optim.Adam:
    decayed = cast(list[nn.Parameter], network.decayed)
    plain = [p for p in network.parameters() if all(p is not other for other in decayed)]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.Adam(groups, options.lr, foreach=True)


def _batches(data: NodeData, edges: Sparse, options: NodeOptions) -> Iterator[Batch]:
    """Labeled nodes in the graph as it is, all nodes in weak and strong views of it.

    Unlabeled nodes are all nodes, the labeled ones too.
    """
    labeled, y = torch.from_numpy(data.partial.labeled), torch.from_numpy(data.partial.y)
    n, seed, method = data.partial.n_rows, options.seed, options.method
    for step in range(options.steps):
        picked = _picked(seed, _ORDER_X, step, len(labeled), options.rows)
        rows = _picked(seed, _ORDER_U, step, n, options.rows) if method.augment else labeled[:0]

        def view(name: str, stream: int, asked: Tensor, step: int = step) -> Nodes:
            make = options.augment.strong if name == "strong" else options.augment.weak
            x = data.x
            if isinstance(x, Tensor) and not len(edges.values):
                # without edges the others need not be looked at: of a million rows a step asks for a few
                x, asked = x[asked], torch.arange(len(asked))
            return Nodes(*make(x, data.adjacency, (seed, stream, step)), asked)

        batch: Any = Batch(
            cast(Tensor, Nodes(data.x, edges, labeled[picked])),
            y[picked],
            tuple(cast(Tensor, view(name, _COPY_U + i, rows)) for i, name in enumerate(method.augment)),
            rows,
            rows_x=labeled[picked],
        )
        yield batch


def _picked(seed: int, stream: int, step: int, n: int, most: int) -> Tensor:
    """All n, or `most` of them that take turns."""
    return torch.arange(n) if n <= most else torch.from_numpy(draw(seed, stream, step, n, most).index)


class _Best:
    """The step at which validation nodes are judged best; the last one where there are none."""

    def __init__(self, net: Net, data: NodeData, edges: Sparse, patience: int) -> None:
        self.net, self.patience = net, patience
        self.asked = Nodes(data.x, edges, torch.from_numpy(data.validation))
        self.y = torch.from_numpy(data.y_validation)
        self.score, self.step = (-math.inf, -math.inf), 0
        self.weights: dict[str, Tensor] = {}

    def judge(self, step: int) -> dict[str, float]:
        """Ask the moving average, which is what predicts; ties in accuracy go to the smaller loss."""
        if not len(self.y):
            self.step = step
            return {}
        outputs = self.net.teach(cast(Tensor, self.asked))
        accuracy = float((outputs.argmax(1) == self.y).double().mean())
        loss = float(self.net.task.supervised(outputs, self.y).mean())
        if (accuracy, -loss) > self.score:
            self.score, self.step = (accuracy, -loss), step
            self.weights = copy.deepcopy(self.net.teacher.state_dict())
        return {"validation_accuracy": accuracy, "validation_loss": loss}

    def settled(self, step: int) -> bool:
        return len(self.y) > 0 and step - self.step >= self.patience

    def restore(self) -> int:
        """Put the weights of that step into the moving average."""
        if self.weights:
            self.net.teacher.load_state_dict(self.weights)
        return self.step


def _watched(data: NodeData, options: NodeOptions) -> Watched:
    """A few unlabeled nodes to look at; none where the method uses none."""
    rows = sample(data.partial.unlabeled, options.seed)
    rows = rows if options.method.augment else rows[:0]
    # no label is kept back here: validation nodes do that
    return Watched(rows, torch.from_numpy(rows), torch.full((len(rows),), -1), data.partial.n_classes)


def _seen(history: list[dict[str, float]], watched: Watched, data: NodeData, options: NodeOptions) -> Seen:
    steps, partial = int(history[-1]["step"]), data.partial
    rows = min(options.rows, partial.n_rows) if options.method.augment else 0
    # a fixed threshold keeps nothing in its state
    learns = len(options.method.init(partial.n_classes, 1).get("weight", {})) > 0
    return Seen(
        history=history,
        looks=watched.looks,
        rows=watched.rows,
        steps=steps,
        chance=math.log(partial.n_classes),
        passes=steps * rows / partial.n_rows,
        learns_threshold=learns,
        watched=0,
        partial=partial,
        seed=options.seed,
    )
