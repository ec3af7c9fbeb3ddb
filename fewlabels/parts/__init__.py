"""Pieces of an equation, all rivals of one kind side by side; a recipe is made of them."""

from fewlabels.parts.align import Align, ToPrior, Unaligned
from fewlabels.parts.ramp import Constant, Cosine, Gaussian, Linear, Ramp
from fewlabels.parts.source import Joint, Separate, Source, Teacher
from fewlabels.parts.target import Hard, Sharpen, Soft, Target
from fewlabels.parts.weight import Always, Fixed, PerClass, SelfAdaptive, TruncatedGaussian, Weight

__all__ = [
    "Align",
    "Always",
    "Constant",
    "Cosine",
    "Fixed",
    "Gaussian",
    "Hard",
    "Joint",
    "Linear",
    "PerClass",
    "Ramp",
    "SelfAdaptive",
    "Separate",
    "Sharpen",
    "Soft",
    "Source",
    "Target",
    "Teacher",
    "ToPrior",
    "TruncatedGaussian",
    "Unaligned",
    "Weight",
]
