"""Weak and strong augmentation of whole batches, drawn per row from counter-based random numbers."""

from fewlabels.augment.augmentation import Augmentation, Moving, NoAugmentation
from fewlabels.augment.ct_augment import CTAugment
from fewlabels.augment.graphs import Graphs
from fewlabels.augment.images import Images
from fewlabels.augment.masked_images import MaskedImages
from fewlabels.augment.own import Own
from fewlabels.augment.randomness import Draws, permutation
from fewlabels.augment.tables import Tables

__all__ = [
    "Augmentation",
    "CTAugment",
    "Draws",
    "Graphs",
    "Images",
    "MaskedImages",
    "Moving",
    "NoAugmentation",
    "Own",
    "Tables",
    "permutation",
]
