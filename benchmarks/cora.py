"""Cora: graph networks, methods on top of them and classical baselines, test accuracy; and seconds against PyG.

Standard split (140 labels, 500 validation nodes, 1,000 test nodes), 20 seeds; and ten random splits of the same sizes.
The validation nodes choose the step that is kept, and nothing reads the test nodes but the last line of a run.
Run: FEWLABELS_DATA=DIR python benchmarks/cora.py             (rows go to results/cora.csv, about 25 minutes)
     FEWLABELS_DATA=DIR python benchmarks/cora.py --speed     (rows go to results/cora_speed.csv; nothing else may run)
     python benchmarks/cora.py --docs                         (writes docs/results_cora.md)
"""

import argparse
import os
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from common import add_row, machine, rows_of
from scipy import stats
from torch.nn import functional as F

import fewlabels as fl
from fewlabels.graph.features import learn_features
from fewlabels.graph.propagation import with_loops
from fewlabels.graph.reading import read_graph
from fewlabels.intervals import nadeau_bengio
from fewlabels.methods import Supervised
from fewlabels.networks.sparse import normalized
from fewlabels.node_networks import ARCHITECTURES, as_tensor, build
from fewlabels.node_training import GraphNet, NodeData, NodeOptions, _adam, _batches
from fewlabels.partial_labels import partial
from fewlabels.tasks import Classes
from fewlabels.train import train

PAGE = Path(__file__).parents[1] / "docs" / "results_cora.md"
METHODS = ["entropy_minimization", "pseudo_label", "pi_model", "mean_teacher", "fixmatch"]
NETWORKS = [(name, "supervised") for name in ("gcn", "gat", "appnp", "sgc")]
CLASSICAL = ["labels_only", "label_propagation", "label_spreading", "correct_and_smooth"]
# methods average weights, so what they add is told against a supervised network that does, too
AVERAGED = ("gcn", "supervised averaged")
ENTRIES = [*NETWORKS, AVERAGED, *[("gcn", method) for method in METHODS], *[(name, "") for name in CLASSICAL]]
SEEDS, SPLITS = 20, 10


def cora():
    """X, truth, edges and the standard split. The truth is for splits and for scores."""
    data = fl.datasets.load_cora()
    with np.load(Path(os.environ["FEWLABELS_DATA"]) / "cora.npz") as stored:
        truth = stored["y"].astype(np.int64)
    return data.X, truth, data.graph, (data.train, data.validation, data.test)


def random_split(truth, seed):
    """20 nodes of each class to train, 500 to validate, 1,000 to test."""
    order = np.random.default_rng([seed, 99]).permutation(len(truth))
    train = np.concatenate([order[truth[order] == c][:20] for c in np.unique(truth)])
    rest = order[~np.isin(order, train)]
    return train, rest[:500], rest[500:1500]


def one_run(entry, seed, split, X, truth, edges):
    """Accuracy on test nodes; labels of validation nodes go to networks alone, to choose a step."""
    (name, method), (train, validation, test) = entry, split
    y = np.full(len(truth), -1)
    y[train] = truth[train]
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method:
            y[validation] = truth[validation]
            average = 0.999 if method == AVERAGED[1] else None
            model = fl.GraphClassifier(name, method.split()[0], average=average, random_state=seed, verbose=False)
            guess = model.fit(X, y, edges, validation=validation).transduction_
        else:
            guess = classical(name, edges, len(truth)).fit(X, y).transduction_
    return round(float((guess[test] == truth[test]).mean()), 4), round(time.perf_counter() - began, 2)


def classical(name, edges, n):
    affinity = read_graph(edges, n)
    if name == "labels_only":
        return fl.LabelPropagation(random_state=0).baseline()
    estimator = {
        "label_propagation": fl.LabelPropagation,
        "label_spreading": fl.LabelSpreading,
        "correct_and_smooth": fl.CorrectAndSmooth,
    }[name]
    return estimator(affinity=affinity, verbose=False, random_state=0)


def measure():
    X, truth, edges, standard = cora()
    done = {(r["network"], r["method"], r["split"], int(r["seed"])) for r in rows_of("cora.csv")}
    jobs = [("standard", seed) for seed in range(SEEDS)] + [(f"random {i}", i) for i in range(SPLITS)]
    for split, seed in jobs:
        for entry in ENTRIES:
            repeat = not entry[1] and split == "standard" and seed > 0  # classical ones draw nothing
            if repeat or (*entry, split, seed) in done:
                continue
            nodes = standard if split == "standard" else random_split(truth, seed)
            accuracy, seconds = one_run(entry, seed, nodes, X, truth, edges)
            row = {"network": entry[0], "method": entry[1], "split": split, "seed": seed}
            add_row("cora.csv", row | {"accuracy": accuracy, "seconds": seconds})


class Theirs(torch.nn.Module):
    """The same network from PyTorch Geometric's layers, as in its examples; the normalized graph is kept."""

    def __init__(self, kind, n_in, n_out):
        import torch_geometric.nn as pyg

        super().__init__()
        self.kind, self.p = kind, 0.6 if kind == "gat" else 0.5
        if kind == "gcn":
            self.first, self.last = pyg.GCNConv(n_in, 16, cached=True), pyg.GCNConv(16, n_out, cached=True)
        elif kind == "gat":
            self.first, self.last = pyg.GATConv(n_in, 8, 8, dropout=0.6), pyg.GATConv(64, n_out, 1, dropout=0.6)
        else:
            self.first, self.last = torch.nn.Linear(n_in, 64), torch.nn.Linear(64, n_out)
            self.spread = pyg.APPNP(10, 0.1, dropout=0.5, cached=True)

    def forward(self, x, graph):
        extra = (graph,) if self.kind != "appnp" else ()
        hidden = self.first(F.dropout(x, self.p, self.training), *extra)
        hidden = F.elu(hidden) if self.kind == "gat" else hidden.relu()
        out = self.last(F.dropout(hidden, self.p, self.training), *extra)
        return out if extra else self.spread(out, graph)


def their_epochs(kind, x, graph, rows, y):
    torch.manual_seed(0)
    network = Theirs(kind, x.shape[1], int(y.max()) + 1).train()
    optimizer = torch.optim.Adam(network.parameters(), 0.01, weight_decay=5e-4, foreach=True)
    while True:
        loss = F.cross_entropy(network(x, graph)[rows], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield float(loss)


def our_epochs(kind, x, adjacency, data):
    """The training loop of `GraphClassifier` as it is, moving average included."""
    torch.manual_seed(0)
    network = build(ARCHITECTURES[kind], data.x.shape[1], data.n_classes)
    options = NodeOptions(Supervised(), fl.augment.Graphs(), 10**6, 100, 0.01, 5e-4, 0.999, 2**62, False, 0)
    nodes = NodeData(x, adjacency, data, data.labeled[:0], data.y[:0])
    net, stream = GraphNet(network, Classes(data.n_classes)), _batches(nodes, normalized(adjacency), options)
    for step in train(net, options.method, {}, stream, _adam(network, options), lr=0.01, steps=10**6, seed=0):
        yield float(step.metrics["loss"])


def timed(loop, n=40):
    began = time.perf_counter()
    for _ in range(n):
        next(loop)
    return n / (time.perf_counter() - began)


def speed(rounds=7):
    """Epochs (one training step on the whole graph) a second, alternating in one process."""
    X, truth, edges, (train_nodes, _, _) = cora()
    y = np.full(len(truth), -1)
    y[train_nodes] = truth[train_nodes]
    data = partial(X, y, sparse=True)
    ours_x = learn_features(X, "auto")(X)
    weights = read_graph(edges, len(truth))
    dense = torch.from_numpy(ours_x.toarray())
    pairs = torch.from_numpy(np.stack(weights.nonzero()).astype(np.int64))
    # its memory-saving form, a sparse matrix in place of pairs
    matrix = torch.sparse_cooas_tensor(pairs, torch.ones(pairs.shape[1]), weights.shape).to_sparse_csr()
    labeled, targets = torch.from_numpy(data.labeled), torch.from_numpy(data.y)
    for kind in ("gcn", "gat", "appnp"):
        loops = {
            "fewlabels": our_epochs(kind, as_tensor(ours_x), as_tensor(with_loops(weights)), data),
            "PyG edge_index": their_epochs(kind, dense, pairs, labeled, targets),
            "PyG sparse matrix": their_epochs(kind, dense, matrix, labeled, targets),
        }
        if kind == "gat":
            del loops["PyG sparse matrix"]  # its attention has no faster form for it
        found = {name: [] for name in loops}
        for loop in loops.values():
            timed(loop, 10)
        for _ in range(rounds):
            for name, loop in loops.items():
                found[name].append(timed(loop))
        for name, rates in found.items():
            row = {"network": kind, "who": name, "epochs_per_second": round(statistics.median(rates), 1)}
            row |= {"least": round(min(rates), 1), "most": round(max(rates), 1), "rounds": rounds}
            add_row("cora_speed.csv", row | {"threads": torch.get_num_threads()})


def by_seed(rows, entry, standard):
    """{seed: accuracy in percent}; what draws nothing has the same accuracy for every seed."""
    chosen = [r for r in rows if (r["network"], r["method"]) == entry and (r["split"] == "standard") == standard]
    scores = {int(r["seed"]): 100 * float(r["accuracy"]) for r in chosen}
    if standard and not entry[1]:
        scores = dict.fromkeys(range(SEEDS), scores[0]) if scores else {}
    return scores


def cell(rows, entry, standard):
    """Mean, its 95 % interval over seeds or splits, and the gain over a supervised GCN of the same ones."""
    base_entry = AVERAGED if entry[1] in METHODS else ("gcn", "supervised")
    scores, base = by_seed(rows, entry, standard), by_seed(rows, base_entry, standard)
    if not scores:
        return "–"
    values = np.array(list(scores.values()))
    text = f"{values.mean():.1f}"
    if values.std() > 1e-9:  # classical ones draw nothing
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        text += f" ± {half:.1f}"
    both = [seed for seed in scores if seed in base]
    if entry == ("gcn", "supervised") or len(both) < 2:
        return text
    gains = np.array([scores[seed] - base[seed] for seed in both])
    # random splits share nodes: 1,000 tested, 1,708 others
    low, high, _ = nadeau_bengio(gains, 0.0 if standard else 1000 / 1708)
    return f"{text} ({gains.mean():+.1f}, {low:+.1f} to {high:+.1f})"


def docs():
    rows, fast = rows_of("cora.csv"), rows_of("cora_speed.csv")
    lines = [
        "<!-- made by `python benchmarks/cora.py --docs` from benchmarks/results/cora.csv and cora_speed.csv -->",
        "",
        "| Network | Method | Standard split, 20 seeds | Ten random splits |",
        "|---|---|---|---|",
    ]
    for entry in ENTRIES:
        name = f"`{entry[0]}` | `{entry[1]}`" if entry[1] else f"– | `{entry[0]}`"
        lines.append(f"| {name} | {cell(rows, entry, True)} | {cell(rows, entry, False)} |")
    lines += ["", "| Network | fewlabels | PyG, edge_index | PyG, sparse matrix |", "|---|---|---|---|"]
    for kind in ("gcn", "gat", "appnp"):
        rate = {r["who"]: f"{float(r['epochs_per_second']):.0f}" for r in fast if r["network"] == kind}
        whose = ("fewlabels", "PyG edge_index", "PyG sparse matrix")
        lines.append(f"| `{kind}` | " + " | ".join(rate.get(who, "–") for who in whose) + " |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if options.docs:
        docs()
        return
    print(machine())
    speed() if options.speed else measure()


if __name__ == "__main__":
    main()
