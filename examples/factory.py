"""A factory: 2,000 pictures of a brushed surface, some scratched or stained; an inspector has marked 12 defects.

Deep SAD beside what it must be better than, judged on 600 pictures of the next day; the report shows which of the
unmarked pictures to inspect first. The pictures are made up: 16 x 16 pixels, 5 % of them with a defect.

Run: python examples/factory.py [report.html]      (two minutes on one core)
"""

import sys

import numpy as np

import fewlabels as fl


def surfaces(n, rng):
    """(n, 16, 16) pictures, and which of them have a defect: a scratch, or a stain."""
    streaks = rng.normal(0, 8, (n, 16, 1)) + rng.normal(0, 5, (n, 16, 16))
    light = 128 + rng.normal(0, 12, (n, 1, 1)) + np.linspace(-20, 20, 16) * rng.normal(0, 1, (n, 1, 1))
    X, defect = light + streaks, rng.random(n) < 0.05
    down, right = np.mgrid[:16, :16]
    for i in np.flatnonzero(defect):
        if rng.random() < 0.5:
            slope, start = rng.normal(0, 0.6), rng.integers(3, 13)
            X[i][np.abs(right - start - slope * (down - 8)) < 0.8] += 45
        else:
            middle, size = rng.integers(3, 13, 2), rng.uniform(1.5, 3)
            X[i][(down - middle[0]) ** 2 + (right - middle[1]) ** 2 < size**2] -= 35
    return np.clip(X, 0, 255).astype(np.uint8), defect


def main():
    rng = np.random.default_rng(0)
    X, defect = surfaces(2000, rng)
    X_next, defect_next = surfaces(600, rng)
    y = np.full(len(X), -1)
    y[rng.choice(np.flatnonzero(defect), 12, replace=False)] = 1

    detector = fl.DeepSAD(threshold="labels", recall=0.9, verbose=False)
    result = fl.compare_anomalies(X, y, X_next, defect_next, detector=detector, random_state=0)
    for model in result.models:
        recall = (
            f"found at 5 % false alarms {model.recall.value:4.0%} ({model.recall.low:.0%} to {model.recall.high:.0%})"
        )
        print(f"{model.name:<18} AUROC {model.auroc.value:.3f}   {recall}")
    rates = result.detector.rates_
    print(f"\nThreshold: {rates.recall:.0%} of such defects expected, {result.recall_at_threshold.value:.0%} found;")
    print(f"at most {rates.false_alarms:.0%} false alarms expected, {result.alarms_at_threshold.value:.0%} raised.")
    print(f"\nInspect next: {result.first[:12].tolist()}")
    print(f"{np.count_nonzero(defect[result.first])} of the first {len(result.first)} have a defect.")
    if len(sys.argv) > 1:
        print(f"Report: {result.report(sys.argv[1])}")


if __name__ == "__main__":
    main()
