"""The measured gains of every method, from results/*.csv into fewlabels/advice/measured.csv, on which fl.suggest rests.

A line is a method on a data set: its mean gain over the baseline of the same seed, and the 95 % interval of that mean:
Nadeau and Bengio's over the splits of classical.csv (a third of the rows tests), a t interval over the seeds of
methods.csv, whose test rows are the same; none below three runs. Gains are shares: of accuracy or mean IoU, and for
numbers of the baseline's error. Fitting times are left out: they were measured on one machine, in part beside other
work.

Run: python benchmarks/summary.py
"""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from common import rows_of

from fewlabels.intervals import nadeau_bengio

TARGET = Path(__file__).parents[1] / "fewlabels" / "advice" / "measured.csv"
FIELDS = ("source", "data", "kind", "task", "labels", "classes", "method", "runs", "score", "gain", "low", "high")
# what the two benchmarks draw: kind of data, task, labels, classes
CLASSICAL = {
    "digits": ("images", "classes", 50, 10),
    "wine": ("table", "classes", 15, 3),
    "breast_cancer": ("table", "classes", 20, 2),
    "phoneme": ("table", "classes", 20, 2),
    "fashion": ("images", "classes", 50, 10),
    "bbc": ("text", "classes", 25, 5),
}
DEEP = {
    "digits": ("images", "classes", 40, 10),
    "phoneme": ("table", "classes", 40, 2),
    "fashion": ("images", "classes", 250, 10),
    "diabetes": ("table", "numbers", 60, 0),
}
MASKS = {"nuclei": ("images", "masks", 14, 2)}


def line(source, data, about, method, scores, gains, ratio):
    interval = ("", "")
    if len(gains) >= 3:
        interval = tuple(f"{x:.4f}" for x in nadeau_bengio(gains, ratio)[:2])
    values = (source, data, *about, method, len(gains), f"{np.mean(scores):.4f}", f"{np.mean(gains):.4f}", *interval)
    return dict(zip(FIELDS, values, strict=True))


def classical():
    runs = defaultdict(list)
    for row in rows_of("classical.csv"):
        runs[row["data"], row["method"]].append((float(row["accuracy"]), float(row["baseline"])))
    for (data, method), pairs in runs.items():
        scores, bases = np.array(pairs).T
        yield line("classical.csv", data, CLASSICAL[data], method, scores, scores - bases, 0.5)


def against_supervised(source, about, rows, value, error):
    """Lines of a table with a row a seed and method; the baseline is the method "supervised" of the same seed."""
    runs = defaultdict(dict)
    for row in rows:
        runs[row.get("data", "nuclei"), row["method"]][row["seed"]] = float(row[value])
    for (data, method), found in runs.items():
        base = runs[data, "supervised"]
        seeds = sorted(set(found) & set(base))
        if method == "supervised" or not seeds:
            continue
        scores, bases = (np.array([each[seed] for seed in seeds]) for each in (found, base))
        gains = (bases - scores) / bases if error(data) else scores - bases
        yield line(source, data, about[data], method, scores, gains, 0.0)


def main():
    nuclei = [row for row in rows_of("segmentation.csv") if row["n_labels"] == str(MASKS["nuclei"][2])]
    lines = [
        *classical(),
        *against_supervised("methods.csv", DEEP, rows_of("methods.csv"), "value", lambda data: data == "diabetes"),
        *against_supervised("segmentation.csv", MASKS, nuclei, "mean_iou", lambda data: False),
    ]
    with TARGET.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    print(f"{len(lines)} lines in {TARGET}")


if __name__ == "__main__":
    main()
