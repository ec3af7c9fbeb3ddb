"""The sections of a comparison of segmenters: IoU and Dice of each class, and images with their masks laid over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewlabels.overlap import dice, iou, mean_over_classes
from fewlabels.report.blocks import Block, Gallery, Heading, Item, Section, Table, Text, clean, percent, plural, points
from fewlabels.report.facts import pixel_counts, scores_by_image
from fewlabels.report.gallery import image_of, pick
from fewlabels.verdict import Verdict

if TYPE_CHECKING:
    from fewlabels.comparison import Comparison

# Panels of at most 88 pixels: 12 strips of 4 are 1.5 MB of page even if nothing in them can be compressed.
LARGEST, MOST_STRIPS = 88, 4
MOST_CLASSES = 60
# Okabe and Ito's, which color-blind people can tell apart
_COLORS = {
    "orange": (230, 159, 0),
    "sky blue": (86, 180, 233),
    "green": (0, 158, 115),
    "yellow": (240, 228, 66),
    "red": (213, 94, 0),
    "pink": (204, 121, 167),
    "blue": (0, 114, 178),
}


def mask_sections(comparison: Comparison) -> tuple[Section, ...]:
    return (
        Section("classes", "Each class by itself", _per_class(comparison)),
        Section("gallery", "Images worth looking at", _gallery(comparison)),
    )


def _per_class(comparison: Comparison) -> tuple[Block, ...]:
    counts = pixel_counts(comparison)
    baseline, candidate = counts["baseline"], counts["candidate"]
    names = [clean(name) for name in np.asarray(comparison.classes).tolist()]
    scores = np.stack([iou(baseline), iou(candidate), dice(baseline), dice(candidate)], axis=1)
    total = max(1, int(baseline.sum()))
    rows = [(name, percent(n / total), *_cells(s)) for name, n, s in zip(names, baseline.sum(1), scores, strict=True)]
    rows = [*rows[:MOST_CLASSES], ("mean over classes", "", *_cells(mean_over_classes(scores.T)))]
    words = (
        "Counted over the pixels of all evaluation images together, so large objects weigh more here than in the mean "
        "of images above. IoU is the pixels that mask and prediction share, of all that either has; Dice is twice the "
        "shared ones, of both sizes added. A class that neither has gets no score."
    )
    columns = ("labels only", "with unlabeled", "change, points")
    head = ("class", "true pixels", *(f"{score}, {column}" for score in ("IoU", "Dice") for column in columns))
    more = () if len(names) <= MOST_CLASSES else (Text(f"Shown are the first {MOST_CLASSES} classes.", "note"),)
    return Text(words), Table("Overlap by class", head, tuple(rows), frozenset(range(1, 8))), *more


def _cells(scores: NDArray[np.float64]) -> tuple[str, ...]:
    """IoU of both models and its change, Dice of both and its change."""
    iou_b, iou_c, dice_b, dice_c = scores.tolist()
    pairs = ((iou_b, iou_c), (dice_b, dice_c))
    return tuple(t for b, c in pairs for t in (_shown(b), _shown(c), "–" if np.isnan(c - b) else points(c - b)))


def _shown(score: float) -> str:
    return "–" if np.isnan(score) else percent(score)


def _gallery(comparison: Comparison) -> tuple[Block, ...]:
    baseline, candidate = scores_by_image(comparison)
    deployed = candidate if comparison.verdict == Verdict.HELPS else baseline
    gain = candidate - baseline
    ground = int(np.bincount(comparison.y_eval[comparison.y_eval >= 0]).argmax())
    blocks: list[Block] = [Text(_key(comparison, ground))]
    for title, about, rows, score in (
        ("Least overlap", "Images on which the deployed model overlaps least.", deployed < 1, -deployed),
        ("Improved most by the unlabeled data", "Here the overlap grew.", gain > 0, gain),
        ("Worsened most by the unlabeled data", "Here the overlap shrank.", gain < 0, -gain),
    ):
        picked = pick(rows, score)[:MOST_STRIPS]
        if not len(picked):
            blocks += [Heading(title), Text("There is no such image.", "empty")]
            continue
        shown = f"{title}: {plural(int(rows.sum()), 'image')}, {len(picked)} shown"
        items = tuple(_item(comparison, int(row), ground, baseline[row], candidate[row]) for row in picked)
        blocks += [Heading(shown), Text(about, "note"), Gallery(items, wide=True)]
    return tuple(blocks)


def _key(comparison: Comparison, ground: int) -> str:
    names = [clean(name) for name in np.asarray(comparison.classes).tolist()]
    tinted = [code for code in range(len(names)) if code != ground]
    colors = [*_COLORS]
    said = ", ".join(f"{names[code]} {colors[i % len(colors)]}" for i, code in enumerate(tinted[: len(colors)]))
    more = " Further classes take the colours in turn." if len(tinted) > len(colors) else ""
    return (
        f"From left to right: the image, its mask, labels only, with unlabeled data. Class {said}; {names[ground]} is "
        f"not tinted.{more} Black pixels of a mask are not counted. Percentages are the mean IoU of the image."
    )


def _item(comparison: Comparison, row: int, ground: int, baseline: float, candidate: float) -> Item:
    true = comparison.y_eval[row]
    names = [clean(np.asarray(comparison.classes).tolist()[code]) for code in np.unique(true[true >= 0])]
    name = int(comparison.rows_eval[row])
    masks = true, comparison.baseline_output[row], comparison.candidate_output[row]
    return Item(
        strip(image_of(comparison.X_eval, row, LARGEST), masks, ground),
        name,
        clean(", ".join(names)),
        percent(baseline),
        percent(candidate),
        f"Row {name}: the image, then its mask and the predictions of both models laid over it; mean IoU "
        f"{percent(baseline)} with labels only, {percent(candidate)} with unlabeled data",
    )


def strip(
    image: NDArray[np.uint8] | None, masks: tuple[NDArray[np.integer], ...], ground: int
) -> NDArray[np.uint8] | None:
    """The image, and beside it the image under each mask: (h, w * (1 + masks) + gaps, 3)."""
    if image is None:
        return None
    image = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    times = max(1, LARGEST // max(image.shape[:2]))  # small images grow by whole pixels
    image = image.repeat(times, 0).repeat(times, 1)
    gap = np.full((image.shape[0], 2, 3), 255, np.uint8)
    panels = [image]
    for mask in masks:
        panels += [gap, _tinted(image, mask, ground)]
    return np.concatenate(panels, axis=1)


def _tinted(image: NDArray[np.uint8], mask: NDArray[np.integer], ground: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    # mode I holds 32-bit integers; nearest, for a class has no halves
    codes = np.asarray(Image.fromarray(mask.astype(np.int32)).resize((width, height), Image.Resampling.NEAREST))
    place = np.where(codes > ground, codes - 1, codes) % len(_COLORS)
    color = np.array([*_COLORS.values()])[place]
    # ignored pixels turn black, the commonest class stays as it is
    mixed = np.where((codes < 0)[..., None], 0, np.where((codes == ground)[..., None], image, (image + color) / 2))
    return mixed.astype(np.uint8)
