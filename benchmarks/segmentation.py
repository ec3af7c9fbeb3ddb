"""Nuclei, 14 masks of 144 images (10 %): Mean Teacher and FixMatch against the same U-Net on the masks alone.

Tiles of 32 x 32 of one microscope image, 96 of them to test, none next to a training tile (see
fewlabels.datasets.load_nuclei; needs its file). Each seed draws which tiles have a mask; all models take the same steps
of 8 masks each. Goes on where it stopped; rows go to results/segmentation.csv. The end prints, for each method, the
gain in mean IoU over the baseline of the same seed and its 95 % interval over seeds (Student's t). Seeds share the one
image and the test tiles, so the interval speaks of other masks of this image, not of other images.
Run: FEWLABELS_DATA=FOLDER python benchmarks/segmentation.py      (one core: 10 to 20 s a run)

--validate trains on 96 of the training tiles and judges on 32 others, whose masks are used for nothing else: how the
consistency weight and the augmentation's defaults were chosen.
"""

import argparse
import time

import numpy as np
from common import add_row, machine, rows_of
from scipy import stats

import fewlabels as fl
from fewlabels.overlap import confusion, dice, iou, mean_over_classes
from fewlabels.segmenter import true_codes

METHODS = {
    "supervised": "supervised",
    "mean_teacher": "mean_teacher",
    "fixmatch": "fixmatch",
    **{f"mean_teacher_{w}": fl.methods.MeanTeacher(lambda_u=float(w)) for w in (1, 3, 30, 100)},
    "mean_teacher_noisy": fl.methods.MeanTeacher(noisy=True),
    "mean_teacher_noisy_1": fl.methods.MeanTeacher(lambda_u=1.0, noisy=True),
}
SETTINGS = {
    "network": "unet-16-2",
    "batch_size": 8,
    "unlabeled_ratio": 3,
    "augment": fl.augment.MaskedImages(upside_down=True),
}


def validation(seed, n_labels):
    """Six columns of training tiles to train on, two to judge by, one between them left out."""
    full = fl.datasets.load_nuclei(n_labels=115, random_state=0)
    known = np.flatnonzero((full.y != -1).any((1, 2)))
    column = np.arange(len(full.X)) % 9
    rows, held = np.flatnonzero(column < 6), np.intersect1d(np.flatnonzero(column > 6), known)
    kept = np.random.default_rng(seed).choice(np.intersect1d(rows, known), n_labels, replace=False)
    y = np.full_like(full.y, -1)
    y[kept] = full.y[kept]
    return full.X[rows], y[rows], full.X[held], full.y[held]


def one_run(method, seed, steps, n_labels, validate):
    data = None if validate else fl.datasets.load_nuclei(n_labels=n_labels, random_state=seed)
    X, y, X_eval, y_eval = validation(seed, n_labels) if data is None else (data.X, data.y, data.X_test, data.y_test)
    start = time.process_time()
    model = fl.DeepSegmenter(METHODS[method], steps=steps, random_state=seed, verbose=False, **SETTINGS).fit(X, y)
    spent = time.process_time() - start
    true = true_codes(y_eval, y_eval.shape, model.classes_)
    counts = confusion(true, np.searchsorted(model.classes_, model.predict(X_eval)), 2).sum(0)
    return {
        "method": method,
        "seed": seed,
        "n_labels": n_labels,
        "steps": steps,
        "mean_iou": round(float(mean_over_classes(iou(counts))), 4),
        "iou_nucleus": round(float(iou(counts)[1]), 4),
        "dice_nucleus": round(float(dice(counts)[1]), 4),
        "cpu_minutes": round(spent / 60, 2),
    }


def summary(rows, method):
    """The gains of a method over the baseline of the same seed, with their interval."""
    score = {(r["method"], r["seed"]): float(r["mean_iou"]) for r in rows}
    seeds = sorted({s for m, s in score if m == method and ("supervised", s) in score}, key=int)
    gains = np.array([score[method, s] - score["supervised", s] for s in seeds])
    scores = np.array([score[method, s] for s in seeds])
    if len(gains) < 2 or method == "supervised":
        return f"{method}: mean IoU {scores.mean():.4f} over {len(seeds)} seeds"
    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    return (
        f"{method}: mean IoU {scores.mean():.4f} over {len(seeds)} seeds; gain over supervised {gains.mean():+.4f} "
        f"[{gains.mean() - half:+.4f}, {gains.mean() + half:+.4f}]; by seed {np.round(gains, 4).tolist()}"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--labels", type=int, default=14)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=["supervised", "mean_teacher", "fixmatch"], choices=METHODS)
    options = parser.parse_args()
    print(machine())
    name = "segmentation_validation.csv" if options.validate else "segmentation.csv"
    same = {"steps": str(options.steps), "n_labels": str(options.labels)}
    done = {(r["method"], int(r["seed"])) for r in rows_of(name) if same.items() <= r.items()}
    for seed in options.seeds:
        for method in options.methods:
            if (method, seed) not in done:
                add_row(name, one_run(method, seed, options.steps, options.labels, options.validate))
    rows = [r for r in rows_of(name) if same.items() <= r.items()]
    for method in options.methods:
        print(summary(rows, method))


if __name__ == "__main__":
    main()
