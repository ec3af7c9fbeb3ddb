"""Weak and strong augmentation of whole batches, drawn per row from counter-based random numbers."""

from fewlabels.augment.augmentation import Augmentation, NoAugmentation
from fewlabels.augment.ct_augment import CTAugment
from fewlabels.augment.images import Images
from fewlabels.augment.own import Own
from fewlabels.augment.randomness import Draws, permutation
from fewlabels.augment.tables import Tables

__all__ = ["Augmentation", "CTAugment", "Draws", "Images", "NoAugmentation", "Own", "Tables", "permutation"]
