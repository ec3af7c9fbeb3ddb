"""GraphClassifier: a class for each node of a graph, on the same training loop and with the same recipes as rows."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, issparse, vstack
from sklearn.utils.validation import check_is_fitted

from fewlabels import recipes
from fewlabels.augment import Graphs
from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_choice, check_number
from fewlabels.data.memory import check_memory, held_bytes, memory_errors
from fewlabels.errors import InputError, OptionError
from fewlabels.graph.features import FeatureScaling, learn_features
from fewlabels.graph.neighbors import nearest, prepare
from fewlabels.graph.propagation import with_loops
from fewlabels.graph.reading import read_edges, read_graph
from fewlabels.graph.threads import copied
from fewlabels.graph.weights import affinities, edges
from fewlabels.method import Method
from fewlabels.networks.names import LARGEST
from fewlabels.node_networks import ARCHITECTURES, SIZES, Architecture, answers, build, inputs
from fewlabels.node_training import NodeData, NodeOptions, check_method, train_nodes
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose
from fewlabels.seeds import check_seed

Floats = NDArray[np.float64]


class GraphClassifier(ClassicalClassifier):
    """A class for each node of a graph, from its features and its neighbors'; few nodes need a label.

    Parameters
    ----------
    architecture : "gcn" (Kipf & Welling 2017), "gat" (Velickovic et al. 2018), "appnp" (Gasteiger et al. 2019), or
        "sgc" (Wu et al. 2019): features are propagated once, before training, so that a million nodes fit
    method : a name or a recipe, as in `DeepClassifier`. "supervised" trains on labeled nodes alone, which already
        listen to unlabeled ones; others add their term for all nodes, weak and strong views being those of `augment`.
        Not those that change rows themselves: vat, mixmatch, remixmatch, adamatch, defixmatch
    width : hidden units ("gat": of each head); None takes 16 for "gcn", 8 for "gat", 64 for "appnp"
    heads : of "gat"; None takes 8
    hops : steps of propagation; None takes 10 for "appnp", 2 for "sgc"
    alpha : share of its own that a node keeps in each of them; None takes 0.1 for "appnp", 0 for "sgc"
    dropout : None takes 0.5, 0.6 for "gat", 0 for "sgc"
    scaling : of features: "rows" (each divided by its sum), "columns" (standardized), "none"; "auto" is rows where no
        entry is negative and most are zero, else columns
    augment : "auto" (`fl.augment.Graphs()`), or such a recipe: what views leave out. "sgc" drops features only
    n_neighbors, metric : of the nearest-neighbor graph that is built if fit gets none
    steps : passes over the graph, the most if there are validation nodes; None takes 200, 400 for "gat", 100 for "sgc"
    patience : steps without a better step on the validation nodes after which training ends
    lr : of Adam at the first step, then lr * cos(7 pi t / 16 T); None takes 0.01, 0.005 for "gat", 0.2 for "sgc"
    weight_decay : None takes 5e-4, 5e-3 for "appnp", 5e-5 for "sgc"; on the first layer, for "gat" on all
    average : decay of the moving average of the weights, which is the model that predicts; None takes 0.999, and for
        "supervised" 0, the last weights, as in the papers
    verbose : "auto" and True show progress, False nothing
    random_state : seed; the same seed, versions and threads give the same bits

    Attributes
    ----------
    classes_ : (K,) in the type of y
    transduction_ : (N,) the given label of each labeled node, the likeliest class of every other
    label_distributions_ : (N, K) probabilities of the nodes of fit
    history_ : list of dicts, at most 200: "step", "loss", the method's metrics, those of validation nodes if there are
    findings_ : what the monitors saw, a tuple of `Finding`
    facts_ : what was resolved: seed, steps, the step that was kept, parameters, threads, seconds, edges
    weights_ : dict of the network's arrays
    graph_ : (N, N) symmetric weights, CSR
    X_ : features of the nodes of fit
    n_features_in_, feature_names_in_ : what fit saw

    Raises
    ------
    OptionError : a parameter makes no sense; InputError : X, y or the graph cannot be used; DivergenceError : the loss
        blew up; ResourceError : "sgc" needs more than half of the free memory

    Examples
    --------
    >>> import numpy as np, fewlabels as fl
    >>> X, y = np.eye(6), [0, -1, -1, -1, -1, 1]
    >>> graph = [[0, 1], [0, 2], [1, 2], [2, 3], [3, 4], [3, 5], [4, 5]]
    >>> model = fl.GraphClassifier(scaling="none", verbose=False, random_state=0).fit(X, y, graph)
    >>> model.transduction_.tolist()
    [0, 0, 0, 1, 1, 1]
    >>> model.predict(np.zeros((1, 6)), edges=[[6, 0], [6, 1], [6, 2]]).tolist()  # node 6 is new
    [0]
    """

    takes_sparse: ClassVar[bool] = True

    def __init__(
        self,
        architecture: str = "gcn",
        method: str | Method = "supervised",
        *,
        width: int | None = None,
        heads: int | None = None,
        hops: int | None = None,
        alpha: float | None = None,
        dropout: float | None = None,
        scaling: str = "auto",
        augment: str | Graphs = "auto",
        n_neighbors: int = 10,
        metric: str = "euclidean",
        steps: int | None = None,
        patience: int = 100,
        lr: float | None = None,
        weight_decay: float | None = None,
        average: float | None = None,
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.architecture = architecture
        self.method = method
        self.width = width
        self.heads = heads
        self.hops = hops
        self.alpha = alpha
        self.dropout = dropout
        self.scaling = scaling
        self.augment = augment
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.steps = steps
        self.patience = patience
        self.lr = lr
        self.weight_decay = weight_decay
        self.average = average
        self.verbose = verbose
        self.random_state = random_state

    def baseline(self) -> GraphClassifier:
        """The same network on the same graph, averaged alike, trained on the labeled nodes alone."""
        return GraphClassifier(**(self.get_params(deep=False) | {"method": "supervised", "average": self._average()}))

    def fit(self, X: Any, y: Any, graph: Any = None, *, validation: Any = None) -> Self:
        """Train on all nodes; y marks unlabeled ones with -1, None, NaN or "".

        Parameters
        ----------
        X : (N, D) features, a table, frame or SciPy sparse rows; y : (N,)
        graph : SciPy sparse (N, N); an edge list (2, E) or (E, 2), each edge in one direction or both; a networkx
            graph; a PyTorch Geometric Data object or edge_index; None joins each node to its nearest ones. Edges go
            both ways: see `fewlabels.graph.reading.read_graph`
        validation : (V,) numbers of nodes whose labels in y choose the step that is kept, and nothing else; None
            takes the last step
        """
        with memory_errors():
            architecture = self._resolved()
            options = self._options(architecture)
            x, data = self._enter(X, y)
            weights = self._graph(x, graph, options.seed)
            _check_memory(x, weights, architecture, data.n_classes, options.method)
            partial, judges, y_judges = _without(data, validation)
            scaling = learn_features(x, self.scaling)
            adjacency = with_loops(weights)
            seen = inputs(scaling(x), adjacency, architecture)
            with torch.random.fork_rng([]):
                torch.manual_seed(options.seed)
                network = build(architecture, x.shape[1], data.n_classes)
                run = train_nodes(network, NodeData(*seen, partial, judges, y_judges), options)
            proba = answers(run.network, *seen, 0)
            self.scaling_ = vars(scaling)
            self.weights_ = {name: tensor.numpy() for name, tensor in run.network.state_dict().items()}
            self.history_, self.findings_ = run.history, run.findings
            self.facts_ = run.facts | {"n_edges": weights.nnz // 2}
            self.X_, self.graph_, self.label_distributions_ = copied(x), weights, proba
            self.given_graph_ = graph is not None
            self._remember_classes(data, proba)
        return self

    def predict_proba(self, X: Any, edges: Any = None) -> Floats:
        """(M, K) probabilities of new nodes, columns as in `classes_`; those of the nodes of fit are
        `label_distributions_`.

        New nodes listen to their neighbors, old ones do not listen to new ones: what is said of a node does not depend
        on the other new nodes, unless an edge joins them.

        Parameters
        ----------
        X : (M, D) features of new nodes
        edges : their edges: a list (2, E) or (E, 2) in which new nodes are numbered N, N + 1, ... in the order of X;
            or SciPy sparse (M, N + M). An empty list: no edges. None, if fit built the graph: their nearest nodes

        Raises
        ------
        InputError : features or edges that do not fit; no edges although fit was given a graph
        """
        check_is_fitted(self, "weights_")
        rows = self._rows(X)
        n, m, architecture = self.X_.shape[0], rows.shape[0], self._resolved()
        heard = self._neighbors(rows) if edges is None else read_edges(edges, n, m)
        old = csr_array((n, m), dtype=np.float64)
        weights = csr_array(vstack([hstack([self.graph_, old]), heard], format="csr"))
        scaling = FeatureScaling(**self.scaling_)
        stack = vstack if issparse(rows) else np.vstack
        x = scaling(stack([self.X_, rows]))
        with torch.random.fork_rng([]):
            network = build(architecture, self.n_features_in_, len(self.classes_))
        network.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights_.items()})
        return answers(network.eval(), *inputs(x, with_loops(weights), architecture), n)

    def predict(self, X: Any, edges: Any = None) -> NDArray[Any]:
        """(M,) the likeliest class of each new node, in the type of y; parameters as in `predict_proba`."""
        likeliest = self.predict_proba(X, edges).argmax(1)
        guess: NDArray[Any] = self.classes_[likeliest]
        return guess

    def _resolved(self) -> Architecture:
        """The architecture with the user's options in place of the paper's."""
        check_choice("architecture", self.architecture, tuple(ARCHITECTURES))
        found = ARCHITECTURES[self.architecture]
        for name in ("steps", "lr", "weight_decay", "dropout", *SIZES, "alpha"):
            value = getattr(self, name)
            if value is None:
                continue
            if getattr(found, name) is None:
                having = [other for other, its in ARCHITECTURES.items() if getattr(its, name) is not None]
                raise OptionError(f"{self.architecture} has no {name}; {', '.join(having)} does. Leave it at None.")
            whole = name in (*SIZES, "steps")
            limits = dict.fromkeys(SIZES, LARGEST) | {"dropout": np.nextafter(1, 0), "alpha": 1}
            most = limits.get(name, np.inf)
            check_number(name, value, int(whole), most, whole=whole)
            found = found._replace(**{name: value})
        return found

    def _options(self, architecture: Architecture) -> NodeOptions:
        method = recipes.as_method(self.method)
        check_method(method)
        check_number("patience", self.patience, 1, whole=True)
        check_number("average", self._average(), 0, np.nextafter(1, 0))
        if not isinstance(self.augment, Graphs) and not (isinstance(self.augment, str) and self.augment == "auto"):
            raise OptionError(f"augment={self.augment!r}; expected 'auto' or fl.augment.Graphs(...).")
        return NodeOptions(
            method=method,
            augment=self.augment if isinstance(self.augment, Graphs) else Graphs(),
            steps=int(architecture.steps),
            patience=int(self.patience),
            lr=float(architecture.lr),
            weight_decay=float(architecture.weight_decay),
            average=float(self._average()),
            rows=architecture.rows,
            verbose=self.verbose,
            seed=check_seed(self.random_state),
        )

    def _average(self) -> float:
        if self.average is not None:
            return self.average
        return 0.999 if recipes.as_method(self.method).augment else 0.0

    def _graph(self, x: Any, graph: Any, seed: int) -> csr_array:
        if graph is not None:
            return read_graph(graph, x.shape[0])
        check_number("n_neighbors", self.n_neighbors, 1, whole=True)
        if x.shape[0] < 2:
            raise InputError("X has 1 sample; a graph needs at least 2 nodes.")
        k = min(int(self.n_neighbors), x.shape[0] - 1)
        return edges(nearest(prepare(x, self.metric), k, seed=seed, verbose=self.verbose))

    def _neighbors(self, rows: Any) -> csr_array:
        """(M, N + M) edges of new nodes to the nearest nodes of fit."""
        n, m = self.X_.shape[0], rows.shape[0]
        if self.given_graph_:
            raise InputError(
                f"fit was given a graph, so new nodes need edges=: a list in which they are numbered from {n} on, such "
                f"as [[{n}, 0], [{n}, 1]], or [] if they have none. Nodes of fit are answered in transduction_."
            )
        found = nearest(prepare(self.X_, self.metric), min(int(self.n_neighbors), n), prepare(rows, self.metric))
        start = np.arange(0, found.index.size + 1, found.index.shape[1])
        return csr_array((affinities(found.distance).ravel(), found.index.ravel(), start), shape=(m, n + m))


def _check_memory(x: Any, weights: csr_array, found: Architecture, n_classes: int, method: Method) -> None:
    """Refuse a training that would take too much, as the page on reliability counts it."""
    edges, heads = weights.nnz + x.shape[0], found.heads or 0
    # what a node has at once of features, hidden units and answers, in each pass and its gradient
    numbers = x.shape[1] + (found.width or 0) * max(1, heads) + n_classes * (1 + (found.hops or 0))
    passes = min(found.rows, x.shape[0]) * (2 + len(method.augment))
    check_memory(
        2.0 * held_bytes(x) + (50 + 40 * heads) * edges + 10 * passes * numbers,
        f"{x.shape[0]:,} nodes with {edges:,} edges and {numbers:,} numbers each",
        "Take architecture='sgc', or fewer nodes, edges or columns.",
    )


def _without(data: Partial, validation: Any) -> tuple[Partial, NDArray[np.int64], NDArray[np.int64]]:
    """The labels to train on, the validation nodes, and their labels."""
    if validation is None:
        return data, np.empty(0, np.int64), np.empty(0, np.int64)
    nodes = np.asarray(validation)
    if nodes.ndim != 1 or nodes.dtype.kind not in "iu" or not len(nodes):
        raise InputError(
            f"validation is {nodes.dtype} of shape {nodes.shape}; expected numbers of nodes (V,). A mask: "
            "np.flatnonzero(mask)."
        )
    beyond = nodes[(nodes < 0) | (nodes >= data.n_rows)]
    if len(beyond):
        raise InputError(f"validation names node {beyond[0]}, but there are {data.n_rows}, numbered from 0.")
    chosen = np.isin(data.labeled, nodes)
    unknown = np.setdiff1d(nodes, data.labeled)
    if len(unknown):
        raise InputError(f"validation has {len(unknown)} nodes without a label in y (first: {unknown[0]}). Label them.")
    left = np.bincount(data.y[~chosen], minlength=data.n_classes)
    if not left.all():
        assert data.classes is not None
        name = data.classes.tolist()[int(left.argmin())]
        raise InputError(f"class {name!r} has labels on validation nodes only. Label other nodes of it, too.")
    partial = dataclasses.replace(data, y=data.y[~chosen], labeled=data.labeled[~chosen])
    return partial, data.labeled[chosen], data.y[chosen]
