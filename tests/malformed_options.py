# ruff: noqa: E501  (a row is a line, and a message stands in it as it is read)
"""Options, graphs and new rows as they should not be, and what is said of them; "…" is any text."""

from typing import Any

import networkx
import numpy as np
import pandas as pd
import torch
from malformed import FRAME, Kind, N, X, put
from scipy import sparse

import fewlabels as fl
from fewlabels.data.frames import InputTypeError
from fewlabels.errors import AbsentDeviceError, InputError, OptionError, ResourceError

# fmt: off
_SEED = "expected None, a RandomState or an integer from 0 to 2^32 - 1."
_WHOLE = "expected a whole number of at least 1."
_NETWORK = "Expected 'mlp', 'mlp-WIDTH-DEPTH', 'convnet', 'convnet-WIDTH', 'wide_resnet-DEPTH-WIDTH', 'unet-WIDTH-DEPTH' (numbers from 1 to 16384), a module or a factory."
_AUGMENT = "expected 'auto', 'none' or an augmentation such as fl.augment.Images()."
_HERE = "is not on this machine. There is: …cpu; or 'auto'."
_GATE = "expected 1 (a verdict on two fitted models) or at least 5 (a claim about methods)…"

# options of the deep estimators, on a table
DEEP: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a method that is not known": ({"method": "fixmacth"}, OptionError, "method='fixmacth' is not known. Did you mean 'fixmatch'? Known: …."),
    "a method of another type": ({"method": 3}, OptionError, "method=3; expected a name or a recipe such as fl.methods.FixMatch(lambda_u=2)."),
    "no steps": ({"steps": 0}, OptionError, f"steps=0; {_WHOLE}"),
    "half a step": ({"steps": 1.5}, OptionError, f"steps=1.5; {_WHOLE}"),
    "steps as text": ({"steps": "9"}, OptionError, f"steps='9'; {_WHOLE}"),
    "a ratio of 0": ({"unlabeled_ratio": 0}, OptionError, f"unlabeled_ratio=0; {_WHOLE}"),
    "a batch of 10^30": ({"batch_size": 10**30}, OptionError, f"batch_size=1000000000000000000000000000000; {_WHOLE}"),
    "a batch that no memory holds": ({"batch_size": 10**12}, ResourceError, "training network='auto' on … rows a step would take … GB; … GB are to spare. Lower batch_size=1000000000000 or unlabeled_ratio=7, or take a smaller network or fewer rows."),
    "a rate of NaN": ({"lr": np.nan}, OptionError, "lr=nan; expected a number from 0 to below 1000."),
    "a rate below 0": ({"lr": -1}, OptionError, "lr=-1; expected a number from 0 to below 1000."),
    "an average of 1": ({"average": 1}, OptionError, "average=1; expected a number from 0 to below 1."),
    "a device that is not there": ({"device": "mps" if torch.cuda.is_available() else "cuda"}, AbsentDeviceError, f"device='…' {_HERE}"),
    "a device that is not known": ({"device": "tpu"}, OptionError, f"device='tpu' {_HERE}"),
    "a device without a number": ({"device": "cpu:x"}, OptionError, f"device='cpu:x' {_HERE}"),
    "a precision": ({"precision": "float16"}, OptionError, "precision='float16'; expected 'auto', 'float32' or 'bfloat16'."),
    "a seed below 0": ({"random_state": -1}, OptionError, f"random_state=-1; {_SEED}"),
    "a seed as text": ({"random_state": "x"}, OptionError, f"random_state='x'; {_SEED}"),
    "verbose as text": ({"verbose": "loud"}, OptionError, "verbose='loud'; expected True, False or 'auto'."),
    "a network that is not known": ({"network": "mlpp"}, OptionError, f"network='mlpp' is not known. Did you mean 'mlp'? {_NETWORK}"),
    "a network of 5,000 digits": ({"network": "mlp-" + "9" * 5000}, OptionError, f"network='mlp-99999999999999999999999999999999... is not known. {_NETWORK}"),
    "a network of another type": ({"network": 3}, OptionError, f"network=3 is not known. {_NETWORK}"),
    "a factory of something else": ({"network": lambda shape, n: "network"}, OptionError, "network= is a factory that returned str; expected a torch.nn.Module."),
    "a network for images": ({"network": "convnet"}, OptionError, "network='convnet' needs images (N, H, W[, C]); these rows have shape (4,). Use 'mlp'."),
    "a network that no memory holds": ({"network": "mlp-16384-999"}, ResourceError, "training network='mlp-16384-999' would take 8.57e+03 GB; … GB are to spare. Choose a smaller one."),
    "an augmentation that is not known": ({"augment": "imagse"}, OptionError, f"augment='imagse'; {_AUGMENT}"),
    "an augmentation of another type": ({"augment": 3}, OptionError, f"augment=3; {_AUGMENT}"),
    "an augmentation of images": ({"augment": fl.augment.Images()}, OptionError, "augment=Images(...) is for images, and X is a table. Use fl.augment.Tables(), 'auto' or 'none'."),
    "an augmentation of graphs": ({"augment": fl.augment.Graphs()}, OptionError, f"augment=Graphs(…); {_AUGMENT}"),
    "a folder without a seed": ({"folder": "run", "random_state": None}, OptionError, "a run in folder= can go on only with a known seed: set random_state to an integer."),
}
# options of one estimator or function
OTHERS: dict[str, tuple[Any, type[Exception], str]] = {
    "two corrections": (lambda y: fl.DeepClassifier(class_balanced=True, logit_adjustment=1).fit(X, y), OptionError, "class_balanced=True and logit_adjustment=1 correct for the same thing twice. Set one of them."),
    "a threshold beyond 1": (lambda y: fl.DeepClassifier(fl.methods.FixMatch(weight=fl.parts.Fixed(1.5))).fit(X, y), OptionError, "Fixed.tau is 1.5; expected a confidence threshold in [0, 1]."),
    "labels kept back": (lambda y: fl.DeepClassifier(watch_labels=12).fit(X, y), OptionError, "watch_labels=12 would leave class 0, which has 12 labels, without any for training. Keep fewer back."),
    "a threshold as text": (lambda y: fl.NoisyStudent(tau="x").fit(X, y), OptionError, "NoisyStudent.tau is x; expected a confidence threshold in [0, 1]."),
    "a flag that is none": (lambda y: fl.NoisyStudent(balance="x").fit(X, y), OptionError, "balance='x' should be True or False."),
    "self_training": (lambda y: fl.SelfTrainingClassifier(threshold=2).fit(X, y), OptionError, "threshold=2 should be a finite number from 0 to 1."),
    "a pair that does not go together": (lambda y: fl.SelfTrainingClassifier(per_class=True).fit(X, y), OptionError, "per_class=True goes with criterion='k_best': a threshold is the same for every class."),
    "a huge number": (lambda y: fl.GaussianMixtureClassifier(tol=10**400).fit(X, y), OptionError, "tol=1000…000 should be a finite number of at least 0."),
    "a prior of text": (lambda y: fl.LabelSpreading(class_prior="x").fit(X, y), OptionError, "class_prior='x'; expected None or 2 numbers above 0, the share of each of the classes [0, 1]."),
    "a mass that is none": (lambda y: fl.LabelSpreading(class_mass="x").fit(X, y), OptionError, "class_mass='x' should be True or False."),
    "alpha of 1": (lambda y: fl.LabelSpreading(alpha=1).fit(X, y), OptionError, "alpha=1; expected a number above 0 and below 1."),
    "a metric": (lambda y: fl.LabelSpreading(metric=["cosine"]).fit(X, y), OptionError, "metric=['cosine']; expected 'euclidean' or 'cosine'."),
    "a kernel": (lambda y: fl.S3VM(kernel=np.ones(2)).fit(X, y), OptionError, "kernel=array([1., 1.]); expected 'linear' or 'rbf'."),
    "widths beyond any memory": (lambda y: fl.GraphClassifier(width=10**18).fit(X, y), OptionError, "width=1000000000000000000 should be a whole number from 1 to 16384."),
    "a detector's network": (lambda y: fl.DeepSAD(network=3).fit(X, y), OptionError, "network=3; expected a name. Detectors build their networks themselves."),
    "a detector's batch": (lambda y: fl.DeepSAD(batch_size=10**15).fit(X, y), ResourceError, "training network='auto' on 1,125,000,000,000,000 rows a step would take … GB; … GB are to spare. Lower batch_size=1000000000000000, or use fewer rows."),
    "a share": (lambda y: fl.compare(X, y, method="label_spreading", holdout="x"), OptionError, "holdout='x'; expected a share of the labels between 0 and 1."),
    "a difference that matters": (lambda y: fl.compare(X, y, method="label_spreading", delta=np.nan), OptionError, "delta=nan should be a finite number of at least 0."),
    "a seed of a comparison": (lambda y: fl.compare(X, y, method="label_spreading", random_state=1.5), OptionError, f"random_state=1.5; {_SEED}"),
    "2 repeats": (lambda y: fl.compare(X, y, method="label_spreading", repeats=2), OptionError, f"repeats=2; {_GATE}"),
    "sizes": (lambda y: fl.label_budget(X, y, method="label_spreading", sizes=5), OptionError, "sizes=5; expected a list of numbers of labels, such as [20, 50, 100]."),
    "sizes beyond the labels": (lambda y: fl.label_budget(X, y, method="label_spreading", sizes=[5, 99]), OptionError, "sizes=[5, 99]; expected at least two different numbers of labels from 2 to 17 (of 24 labels 7 are held out). They count all classes together."),
    "an encoder": (lambda y: fl.audit(X, y, encoder="x"), OptionError, "encoder='x'; expected a function, rows -> (n, D) features."),
    "what an encoder returns": (lambda y: fl.audit(X, y, encoder=lambda x: ["a"] * len(x)), InputError, "the encoder failed on 60 rows or returned no numbers: could not convert string to float: 'a'."),
    "names of columns": (lambda y: fl.audit(X, y, feature_names="abcd"), OptionError, "feature_names has 0 names; expected one for each column of a table X."),
    "seconds": (lambda y: fl.suggest(X, y, seconds="x"), OptionError, "seconds='x'; expected a time above 0, or None to train nothing."),
    "folds": (lambda y: list(fl.SemiSupervisedSplit(2, random_state="x").split(X, y)), OptionError, f"random_state='x'; {_SEED}"),
    "shuffle": (lambda y: list(fl.SemiSupervisedSplit(2, shuffle="x").split(X, y)), OptionError, "shuffle='x' should be True or False."),
}
# words of the command line: exit code, and what is said
WORDS = {
    "fit": (2, '…Command "fit" parameter --data requires an argument.…'),
    "fti d.npz": (2, '…Unknown command "fti". Did you mean "fit"?…'),
    "fit d.npz --sett x=1": (2, "…Unknown option: --sett. Did you mean --set?…"),
    "fit d.npz --seed 1.5": (2, "…Invalid value for --seed: '1.5' is no whole number…"),
    "fit d.npz --seed -1 --out o": (2, f"fewlabels: random_state=-1; {_SEED}\n"),
    "fit d.npz --task ranks": (2, '…Invalid value "ranks" for --task. Choose from: "classes", "numbers",…'),
    "fit d.npz --method  --out o": (2, "fewlabels: method='' is not known. Known: …"),
    "fit d.npz --set tua=1": (2, "fewlabels: --set tua: there is no such option. Known: …"),
    "fit d.npz --set weight.tua=1": (2, "fewlabels: Fixed has no option 'tua'. Did you mean 'tau'? Known: tau.\n"),
    "fit d.npz --set steps": (2, "fewlabels: --set 'steps': expected name=value, for example --set steps=2000.\n"),
    "fit d.npz --set steps=1e3": (2, "fewlabels: steps='1e3'; expected int.\n"),
    "fit d.npz --set lr=inf": (2, "fewlabels: lr=inf; expected a number from 0 to below 1000.\n"),
    "fit d.npz --set class_balanced=yes": (2, "fewlabels: class_balanced='yes'; expected bool.\n"),
    "fit d.npz --set device=cuda:99": (4, f"fewlabels: device='cuda:99' {_HERE}\n"),
    "fit d.npz --set device=tpu": (2, f"fewlabels: device='tpu' {_HERE}\n"),
    "fit d.npz --set batch_size=1000000000000 --out o1": (4, "fewlabels: training network='auto' on 15,000,000,000,000 rows a step would take …\n"),
    "fit d.npz --set network=mlp-16384-999 --out o2": (4, "fewlabels: training network='mlp-16384-999' would take …\n"),
    "fit d.npz --set network=mlp-99999 --out o3": (2, f"fewlabels: network='mlp-99999' is not known. {_NETWORK}\n"),
    "fit d.npz --set augment=Images --out o4": (2, "fewlabels: augment=Images(...) is for images, and X is a table. Use fl.augment.Tables(), 'auto' or 'none'.\n"),
    "fit d.npz --method label_spreading --set affinity=x": (2, "fewlabels: affinity='x': this option takes an object of Python, which no text can give. Use the API.\n"),
    "fit d.npz --method label_spreading --set metric=l1 --out o5": (2, "fewlabels: metric='l1'; expected 'euclidean' or 'cosine'.\n"),
    "fit d.npz --method label_propagation_regressor": (2, "fewlabels: label_propagation_regressor learns numbers, not classes. Methods that do: …\n"),
    "fit d.npz --task masks --method vat": (2, "fewlabels: vat learns classes and labels, not masks. Methods that do: …\n"),
    "compare d.npz --repeats 3": (2, "fewlabels: repeats=3; expected 1 (a verdict on two fitted models)…\n"),
    "budget d.npz --sizes x": (2, "…Invalid value for --sizes: 'x' is no whole number…"),
    "suggest d.npz --most 0": (2, "fewlabels: most=0; expected a number of suggestions, at least 1.\n"),
    "audit d.npz --test nowhere.npz": (3, "fewlabels: nowhere.npz does not exist. Give the path of a table, an .npz or a folder of images.\n"),
    "predict nowhere d.npz": (3, "fewlabels: no model in nowhere/model: model.safetensors is missing. Give the folder that save() wrote; of a run, its model/.\n"),
    "verdict nowhere": (3, "fewlabels: nowhere has no round.json: give the run folder of a finished `compare` of classes.\n"),
    "verdict nowhere --ask 0": (2, "fewlabels: --ask 0: expected at least 1.\n"),
    "fit d.npz --out d.npz": (3, "fewlabels: d.npz exists and is not a run folder. Choose another one with --out.\n"),
    "fit d.npz --out d.npz/o": (6, "fewlabels: cannot write d.npz/o/config.toml: Not a directory. …"),
    "fit d.npz --out " + "o" * 300: (6, "fewlabels: cannot write 'ooo…ooo': its name is too long. Choose another one.\n"),
    "audit d.npz --out " + "o" * 300: (6, "fewlabels: cannot write 'ooo…ooo': its name is too long. Choose another one.\n"),
}

# new rows, for estimators fitted on a table of four columns without names
_IMAGES = "Pass rows of that form (one image: X[np.newaxis]; other sizes: resize them first)."
NEW_ROWS = {
    "fewer columns": Kind(X[:6, :3], InputError, "X has 3 features, but … is expecting 4 features as input. Pass the columns of fit."),
    "more columns": Kind(np.hstack([X, X])[:6], InputError, "X has 8 features, but … is expecting 4 features as input. Pass the columns of fit."),
    "no row": Kind(X[:0], InputError, "X has no rows: Found array with 0 sample(s) (shape=(0, 4)) while a minimum of 1 is required. Look at the filter or file that it came from."),
    "a row by itself": Kind(X[0], InputError, "Expected 2D array, got 1D array instead: X has shape (4,). Reshape your data with X.reshape(-1, 1) if it has one column or X.reshape(1, -1) if it is one row."),
    "NaN": Kind(put(np.nan)[12:20], InputError, "X has NaN in 1 cell (first: row 5, column 2). Impute them or drop the rows."),
    "inf in float16": Kind(put(np.inf, np.float16)[12:20], InputError, "X has inf in 1 cell (first: row 5, column 2). Mend the division or logarithm that made them, clip them, or drop the rows."),
    "images for a table": Kind(np.zeros((6, 2, 2)), InputError, f"X has images of 2x2x1, but … was fitted on a table of 4 features. {_IMAGES}"),
    "text": Kind(np.full((6, 4), "a"), InputTypeError, "X holds strings (first: 'a') where numbers were expected: …"),
}
_SAME = "The feature names should match those that were passed during fit.\n"
_PASS = "Pass the columns of fit, under the names they had there.\n"
_MISSING = "Feature names seen at fit time, yet now missing:\n"
_UNSEEN = "Feature names unseen at fit time:\n"
# and for those fitted on a frame
NEW_FRAMES = {
    "renamed": Kind(FRAME.rename(columns={"age": "Age"})[:6], InputError, f"{_SAME}{_UNSEEN}- Age\n{_MISSING}- age\n{_PASS}"),
    "a column more": Kind(FRAME.assign(x=1.0)[:6], InputError, f"{_SAME}{_UNSEEN}- x\n{_PASS}"),
    "columns missing": Kind(FRAME[["size", "age"]][:6], InputError, f"{_SAME}{_MISSING}- dose\n- time\n{_PASS}"),
    "another order": Kind(FRAME[["age", "size", "dose", "time"]][:6], InputError, f"{_SAME}Feature names must be in the same order as they were in fit. Use X[['size', 'age', 'dose']...].\n"),
    "a column twice": Kind(pd.concat([FRAME, FRAME[["age"]]], axis=1)[:6], InputError, "X has duplicate column names. …'age'…. Rename or drop the repeats."),
}

EDGES = np.array([(i, (i + 1) % N) for i in range(N)])
RING = sparse.csr_array((np.ones(2 * N), (EDGES.T.ravel(), EDGES[:, ::-1].T.ravel())), shape=(N, N))


def weight(value: Any, row: int = 0, column: int = 1) -> Any:
    """The ring with another weight of one edge."""
    graph = RING.tolil().astype(np.result_type(float, type(value)))
    graph[row, column] = value
    return graph.tocsr()


def _with_weight(value: Any) -> Any:
    graph = networkx.path_graph(N)
    graph[0][1]["weight"] = value
    return graph


_FORMS = "expected a SciPy sparse adjacency, an edge list (2, E) or (E, 2) of node numbers, a networkx graph or a PyTorch Geometric Data object."
_SIMILAR = "Weights are similarities: 0 (no edge) or more."
_ROW = "expected one row and one column for each row of X, in the same order."
GRAPHS = {
    "a negative weight": (weight(-1.0), f"graph has 1 negative weights (first: row 0, column 1). {_SIMILAR} Drop these edges or mend them."),
    "a weight of NaN": (weight(np.nan), f"graph has 1 NaN or infinite weights (first: row 0, column 1). {_SIMILAR} Drop these edges or mend them."),
    "complex weights": (RING * 1j, f"graph has complex weights. {_SIMILAR} Use abs(graph)."),
    "another size": (RING[:50, :50], f"graph has shape (50, 50), but X has 60 rows; {_ROW}"),
    "no square": (RING[:50], f"graph has shape (50, 60), but X has 60 rows; {_ROW}"),
    "a dense adjacency": (RING.toarray(), f"graph is a ndarray of shape (60, 60) and type float64; {_FORMS} A dense adjacency: scipy.sparse.csr_array(graph)."),
    "a matrix of ones": (np.ones((2, 3)), "every one of the 3 edges goes from a node to itself (first: node 1). An edge list names two rows of X for each edge; a dense adjacency: scipy.sparse.csr_array(graph)."),
    "numbered from 1": (EDGES + 1, "edge 58 joins nodes 59 and 60, but there are 60 nodes, numbered 0 to 59."),
    "a negative node": (np.where(EDGES == 3, -1, EDGES), "edge 2 joins nodes 2 and -1, but there are 60 nodes, numbered 0 to 59."),
    "half a node": (EDGES + 0.5, "graph has 120 node numbers that are not whole, or beyond any row (first: 0.5). Edges join rows of X, numbered from 0."),
    "an infinite node": (np.where(EDGES == 3, np.inf, EDGES), "graph has 2 node numbers that are not whole, or beyond any row (first: inf). Edges join rows of X, numbered from 0."),
    "masked edges": (np.ma.masked_equal(EDGES, 3), "graph is a masked array with masked entries. Leave those edges out."),
    "three columns": (np.hstack([EDGES, EDGES[:, :1]]), f"graph is a ndarray of shape (60, 3) and type int64; {_FORMS}"),
    "ragged edges": ([[0, 1], [2]], f"graph is a list of shape (0,) and type object; {_FORMS}"),
    "names of nodes": (EDGES.astype(str), f"graph is a ndarray of shape (60, 2) and type <U21; {_FORMS}"),
    "a file's name": ("graph.csv", f"graph is a str of shape () and type <U9; {_FORMS}"),
    "two edges or four nodes": ([[0, 1], [1, 2]], "graph of shape (2, 2) could be an edge list (2, E) or (E, 2). Give both directions of each edge, or a SciPy sparse adjacency."),
    "a tensor with gradients": (torch.zeros(2, 3, requires_grad=True), "graph cannot become an array: …Use tensor.detach().numpy() instead."),
    "too few nodes": (networkx.path_graph(5), "graph has 5 nodes, but X has 60 rows; expected one row for each node."),
    "a weight of text": (_with_weight("x"), "graph has an edge whose \"weight\" is no number: could not convert string to float: 'x'. Mend or remove it."),
}
TAKEN_GRAPHS = {
    "one direction": (sparse.csr_array(sparse.triu(RING)), "UserWarning: graph is not symmetric (first: row 0, column 1): every edge now goes both ways, with the larger of the two weights."),
    "a self-loop": (weight(1.0, 2, 2), "UserWarning: graph has 1 edges from a node to itself (first: node 2): dropped, for every node listens to itself with weight 1."),
    "no edge": (sparse.csr_array((N, N)), None),
}
AFFINITIES = {
    "one direction": (sparse.csr_array(sparse.triu(RING)), "affinity has 120 weights that differ from their mirror image (first: row 0, column 1). Make it symmetric: affinity.maximum(affinity.T)."),
    "a negative weight": (weight(-1.0), f"affinity has 1 negative weights (first: row 0, column 1). {_SIMILAR} Mend or drop them."),
    "a self-loop": (weight(1.0, 2, 2), "affinity has 1 edges from a row to itself (first: row 2, column 2). Remove them: affinity.setdiag(0)."),
    "complex weights": (RING * 1j, f"affinity has complex weights. {_SIMILAR} Use abs(affinity)."),
    "a dense adjacency": (RING.toarray(), "affinity is a ndarray; expected a SciPy sparse array: scipy.sparse.csr_array(affinity)."),
    "another size": (RING[:50, :50], f"affinity has shape (50, 50), but X has 60 rows; {_ROW}"),
}
NEW_EDGES = {  # of two nodes that are numbered 60 and 61, to a graph of 60
    "none": (None, "fit was given a graph, so new nodes need edges=: a list in which they are numbered from 60 on, such as [[60, 0], [60, 1]], or [] if they have none. Nodes of fit are answered in transduction_."),
    "among old nodes": ([[0, 1]], "edges[0] joins nodes 0 and 1, which fit knew both. Give the edges of new nodes alone; new nodes are numbered from 60 on."),
    "a node beyond": ([[62, 0]], "edge 0 joins nodes 62 and 0, but there are 62 nodes, numbered 0 to 61."),
    "another size": (sparse.csr_array((2, 60)), "edges has shape (2, 60); expected (2, 62): a row for each new node, a column for each of the 60 nodes of fit and then for each new node."),
    "a graph": (networkx.path_graph(62), "edges is a Graph of shape (62,) and type int64; expected a SciPy sparse array (M, N + M) or an edge list (2, E) or (E, 2) of node numbers."),
    "a negative weight": (sparse.csr_array(([-1.0], ([0], [1])), shape=(2, 62)), f"edges has 1 negative weights (first: row 0, column 1). {_SIMILAR} Drop these edges or mend them."),
}
# fmt: on
