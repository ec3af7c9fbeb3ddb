"""The classical estimators by the name that `method=` and the command line take."""

from typing import Any

from fewlabels.classical.co_training import CoTrainingClassifier
from fewlabels.classical.mixture import GaussianMixtureClassifier
from fewlabels.classical.naive_bayes import NaiveBayesClassifier
from fewlabels.classical.self_training import SelfTrainingClassifier
from fewlabels.classical.tri_training import TriTrainingClassifier
from fewlabels.classical.wrapping import StandardLogistic

NAMES: dict[str, Any] = {
    "self_training": SelfTrainingClassifier,
    "co_training": CoTrainingClassifier,
    "tri_training": TriTrainingClassifier,
    "gaussian_mixture": GaussianMixtureClassifier,
    "naive_bayes": NaiveBayesClassifier,
}

# All that a model file may name: those of NAMES, their parts, and the baselines they are compared with.
CLASSES: dict[str, Any] = {cls.__name__: cls for cls in [*NAMES.values(), StandardLogistic]}

__all__ = ["CLASSES", "NAMES"]
