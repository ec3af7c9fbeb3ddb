"""Another scanner: labels from the old one, and the model is for the new one, whose digits fill the page.

100 of 600 digits from the old scanner have a label; 600 from the new one have none. The audit sees the shift. FixMatch
on both kinds of rows is compared with the labels alone, on 597 digits of the new scanner; then FixMatch that also
adapts. The digits are scikit-learn's; the old scanner is made up: it shrinks them by a quarter.

Run: python examples/scanner.py [report.html]      (a minute and a half on one core)
"""

import sys

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

import fewlabels as fl


def old_scanner(images):
    """(n, 8, 8) in [0, 1] -> the same at 6 x 6 with a margin of one pixel."""
    smaller = [np.clip(zoom(image, 6 / 8, order=1), 0, 1) for image in images]
    return np.pad(smaller, ((0, 0), (1, 1), (1, 1)))


def main():
    digits = load_digits()
    rng = np.random.default_rng(0)
    old, new, test = np.split(rng.permutation(len(digits.target)), [600, 1200])
    images = digits.images / 16
    X = np.concatenate([old_scanner(images[old]), images[new]])
    y = np.full(len(X), -1)
    for digit in range(10):
        some = np.flatnonzero(digits.target[old] == digit)[:10]
        y[some] = digit
    domain = np.repeat([1, -1], [len(old), len(new)])  # above 0: labeled here; below 0: deployed there
    X_test, y_test = images[test], digits.target[test]

    print(fl.audit(X, y)["shift"].text, "\n")
    options = {"steps": 400, "random_state": 0, "verbose": False}
    plain = fl.DeepClassifier("fixmatch", **options)
    adapted = fl.DeepClassifier("fixmatch", adapt="mmd", **options)
    for name, model, given in (("FixMatch", plain, {}), ("FixMatch with adapt='mmd'", adapted, {"domain": domain})):
        result = fl.compare(X, y, X_test, y_test, method=model, random_state=0, audit=False, verbose=False, **given)
        print(f"{name}: {result.verdict}. {result.paired.sentence}\n")
    if len(sys.argv) > 1:
        print(f"Report of the second comparison: {result.report(sys.argv[1])}")


if __name__ == "__main__":
    main()
