"""The classical estimators by the name that `method=` and the command line take."""

from typing import Any

from fewlabels.classical.co_training import CoTrainingClassifier
from fewlabels.classical.correct_and_smooth import CorrectAndSmooth
from fewlabels.classical.entropy_logistic import EntropyLogisticRegression
from fewlabels.classical.label_propagation import LabelPropagation, LabelSpreading
from fewlabels.classical.label_propagation_regressor import LabelPropagationRegressor
from fewlabels.classical.labels_only import LabelsOnlyClassifier, LabelsOnlyRegressor
from fewlabels.classical.mixture import GaussianMixtureClassifier
from fewlabels.classical.naive_bayes import NaiveBayesClassifier
from fewlabels.classical.poisson import PoissonLearning
from fewlabels.classical.s3vm import S3VM
from fewlabels.classical.self_training import SelfTrainingClassifier
from fewlabels.classical.tri_training import TriTrainingClassifier
from fewlabels.classical.vae import VAEClassifier
from fewlabels.classical.wrapping import StandardLogistic
from fewlabels.graph_classifier import GraphClassifier

NAMES: dict[str, Any] = {
    "self_training": SelfTrainingClassifier,
    "co_training": CoTrainingClassifier,
    "tri_training": TriTrainingClassifier,
    "label_propagation": LabelPropagation,
    "label_spreading": LabelSpreading,
    "poisson_learning": PoissonLearning,
    "correct_and_smooth": CorrectAndSmooth,
    "s3vm": S3VM,
    "entropy_logistic": EntropyLogisticRegression,
    "gaussian_mixture": GaussianMixtureClassifier,
    "naive_bayes": NaiveBayesClassifier,
    "vae": VAEClassifier,
    "label_propagation_regressor": LabelPropagationRegressor,
}

# All that a model file may name: those of NAMES, their parts, and the baselines they are compared with.
CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in [*NAMES.values(), StandardLogistic, LabelsOnlyClassifier, LabelsOnlyRegressor, GraphClassifier]
}

__all__ = ["CLASSES", "NAMES"]
