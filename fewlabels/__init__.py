"""fewlabels learns from a few labels and a lot of unlabeled data, and says whether the unlabeled data helped.

Names are loaded when first used, so that ``import fewlabels`` costs milliseconds and does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "EntropyLogisticRegression": "classical.entropy_logistic",
    "LabelPropagation": "classical.label_propagation",
    "LabelPropagationRegressor": "classical.label_propagation_regressor",
    "LabelSpreading": "classical.label_propagation",
    "PoissonLearning": "classical.poisson",
    "S3VM": "classical.s3vm",
    "VAEClassifier": "classical.vae",
    "CoTrainingClassifier": "classical.co_training",
    "CorrectAndSmooth": "classical.correct_and_smooth",
    "GaussianMixtureClassifier": "classical.mixture",
    "NaiveBayesClassifier": "classical.naive_bayes",
    "SelfTrainingClassifier": "classical.self_training",
    "TriTrainingClassifier": "classical.tri_training",
    "DeepSAD": "anomaly.deep_sad",
    "DeepSVDD": "anomaly.deep_svdd",
    "DeepClassifier": "deep",
    "DeepRegressor": "deep",
    "DeepSegmenter": "segmenter",
    "GraphClassifier": "graph_classifier",
    "NoisyStudent": "noisy_student",
    "load": "deep",
    "Advice": "advice.suggesting",
    "suggest": "advice.suggesting",
    "AnomalyComparison": "anomaly.comparison",
    "compare_anomalies": "anomaly.comparison",
    "compare": "comparison",
    "LabelBudget": "budget.result",
    "label_budget": "budget.measuring",
    "Comparison": "comparison",
    "Audit": "audits.auditing",
    "Finding": "audits.finding",
    "audit": "audits.auditing",
    "partial": "partial_labels",
    "SemiSupervisedSplit": "data.splits",
    "labeled_scorer": "data.splits",
}
_MODULES = ("adapt", "augment", "datasets", "errors", "methods", "networks", "parts")

if TYPE_CHECKING:
    import fewlabels.adapt as adapt
    import fewlabels.augment as augment
    import fewlabels.datasets as datasets
    import fewlabels.errors as errors
    import fewlabels.methods as methods
    import fewlabels.networks as networks
    import fewlabels.parts as parts
    from fewlabels.advice.suggesting import Advice, suggest
    from fewlabels.anomaly.comparison import AnomalyComparison, compare_anomalies
    from fewlabels.anomaly.deep_sad import DeepSAD
    from fewlabels.anomaly.deep_svdd import DeepSVDD
    from fewlabels.audits.auditing import Audit, audit
    from fewlabels.audits.finding import Finding
    from fewlabels.budget.measuring import label_budget
    from fewlabels.budget.result import LabelBudget
    from fewlabels.classical.co_training import CoTrainingClassifier
    from fewlabels.classical.correct_and_smooth import CorrectAndSmooth
    from fewlabels.classical.entropy_logistic import EntropyLogisticRegression
    from fewlabels.classical.label_propagation import LabelPropagation, LabelSpreading
    from fewlabels.classical.label_propagation_regressor import LabelPropagationRegressor
    from fewlabels.classical.mixture import GaussianMixtureClassifier
    from fewlabels.classical.naive_bayes import NaiveBayesClassifier
    from fewlabels.classical.poisson import PoissonLearning
    from fewlabels.classical.s3vm import S3VM
    from fewlabels.classical.self_training import SelfTrainingClassifier
    from fewlabels.classical.tri_training import TriTrainingClassifier
    from fewlabels.classical.vae import VAEClassifier
    from fewlabels.comparison import Comparison, compare
    from fewlabels.data.splits import SemiSupervisedSplit, labeled_scorer
    from fewlabels.deep import DeepClassifier, DeepRegressor, load
    from fewlabels.graph_classifier import GraphClassifier
    from fewlabels.noisy_student import NoisyStudent
    from fewlabels.partial_labels import partial
    from fewlabels.segmenter import DeepSegmenter

__all__ = [
    "S3VM",
    "Advice",
    "AnomalyComparison",
    "Audit",
    "CoTrainingClassifier",
    "Comparison",
    "CorrectAndSmooth",
    "DeepClassifier",
    "DeepRegressor",
    "DeepSAD",
    "DeepSVDD",
    "DeepSegmenter",
    "EntropyLogisticRegression",
    "Finding",
    "GaussianMixtureClassifier",
    "GraphClassifier",
    "LabelBudget",
    "LabelPropagation",
    "LabelPropagationRegressor",
    "LabelSpreading",
    "NaiveBayesClassifier",
    "NoisyStudent",
    "PoissonLearning",
    "SelfTrainingClassifier",
    "SemiSupervisedSplit",
    "TriTrainingClassifier",
    "VAEClassifier",
    "adapt",
    "audit",
    "augment",
    "compare",
    "compare_anomalies",
    "datasets",
    "errors",
    "label_budget",
    "labeled_scorer",
    "load",
    "methods",
    "networks",
    "partial",
    "parts",
    "suggest",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"fewlabels.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'fewlabels' has no attribute {name!r}")
    # No module may share a public function's name: importing it would hide the function (so
    # comparison.py holds compare, partial_labels.py holds partial).
    value = globals()[name] = getattr(import_module(f"fewlabels.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
