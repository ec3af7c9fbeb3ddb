"""Data in which nothing is wrong, data in which something is, and checks as they are usually, and wrongly, coded."""

from dataclasses import replace

import numpy as np
from scipy.stats import binom, mannwhitneyu

from fewlabels.audits.finding import Finding, decide
from fewlabels.audits.neighbors import agreement
from fewlabels.audits.open_set import SHARE, distances, open_set
from fewlabels.audits.predicted_shift import bbsd, predicted_shift
from fewlabels.audits.predictions import trained
from fewlabels.audits.provenance import provenance
from fewlabels.audits.shift import shift
from fewlabels.audits.view import look_at
from fewlabels.graph.neighbors import nearest
from fewlabels.partial_labels import partial

ALARMS = {"shift": shift, "predicted_shift": predicted_shift, "open_set": open_set, "provenance": provenance}
SIZES = (40, 100, 400)
LOW, HIGH = 30, 73  # the 99.9 % band of 1,000 draws at 5 %


def gaussian(rng, n):
    """Three classes in 10 columns, shares .5, .3, .2."""
    y = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    return rng.normal(size=(n, 10)) + 2 * np.eye(3, 10)[y], y


def heavy_tails(rng, n):
    """Student's t with 1.5 degrees of freedom: no variance."""
    y = rng.integers(0, 2, n)
    return rng.standard_t(1.5, size=(n, 8)) + 2.0 * y[:, None], y


def categories(rng, n):
    """Five columns of four categories each, one-hot."""
    y = rng.integers(0, 2, n)
    codes = np.stack([np.where(rng.random(n) < 0.4, y, rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])) for _ in range(5)], 1)
    return np.eye(4)[codes].reshape(n, -1), y


def imbalanced(rng, n):
    """Nine rows of one class for each of the other."""
    y = (rng.random(n) < 0.1).astype(int)
    return rng.normal(size=(n, 10)) + 1.5 * y[:, None] * (np.arange(10) < 3), y


def ties(rng, n):
    """Three columns rounded to whole numbers: most rows occur several times."""
    y = rng.integers(0, 2, n)
    return np.rint(rng.normal(size=(n, 3)) + y[:, None]), y


def overlapping(rng, n):
    """Five classes that overlap, in 50 columns: a model learns its few labels by heart."""
    y = rng.integers(0, 5, n)
    return rng.normal(size=(n, 50)) + np.eye(5, 50)[y], y


DESIGNS = {f.__name__: f for f in (gaussian, heavy_tails, categories, imbalanced, ties, overlapping)}


def draw(design, n_l, seed):
    """(X, y): n_l rows with labels, of two classes at least, then a pool of 160 rows, or n_l if that is more."""
    rng = np.random.default_rng([seed, n_l])
    while True:
        x, y = DESIGNS[design](rng, n_l + max(160, n_l))
        if len(np.unique(y[:n_l])) > 1:
            return x, np.where(np.arange(len(y)) < n_l, y, -1)


def view_of(x, y, seed=0):
    return look_at(partial(x, y), seed=seed)


def p_values(design, n_l, seed):
    """p of every alarm, of "near rows share labels" where labels mean nothing, and whether the audit alarmed."""
    view = view_of(*draw(design, n_l, seed), seed)
    suspicions = {name: check(view) for name, check in ALARMS.items()}
    assert not any(isinstance(s, Finding) for s in suspicions.values())
    said = {name: s.p for name, s in suspicions.items()}
    shuffled = np.random.default_rng([7, seed]).permutation(view.y)
    index = nearest(view.features_l, 1).index[:, 0]
    # sides that somebody marked, and that do not differ
    domain = np.random.default_rng([8, seed]).choice([-1, 1], len(view.data.x), p=[0.2, 0.8])
    said["marked sides"] = shift(look_at(replace(view.data, domain=domain.astype(np.int8)), seed=seed)).p
    said["neighbors"] = agreement(shuffled, index, view.rng("neighbors"))[0]
    return said, any(f.level == "look" for f in decide(list(suspicions.values())))


# Checks as they are usually coded. Each alarms too often on harmless data.


def in_sample(view):
    """BBSD whose model is scored on the rows it was trained on."""
    model = trained(view.features_l, view.y, view.data.n_classes)
    return bbsd(model(view.features_l), model(view.features_u))[0]


def full_model(view):
    """BBSD of out-of-fold labeled rows against unlabeled rows scored by the model of all labels."""
    model = trained(view.features_l, view.y, view.data.n_classes)
    return bbsd(view.probabilities[0], model(view.features_u))[0]


def mean_of_folds(view):
    """BBSD of out-of-fold labeled rows against the mean of the five models."""
    k, rng = view.data.n_classes, np.random.default_rng(view.seed)
    fold = rng.permutation(np.arange(len(view.y)) % 5)
    p_l, p_u = np.zeros((len(view.y), k)), np.zeros((len(view.features_u), k))
    for f in range(5):
        model = trained(view.features_l[fold != f], view.y[fold != f], k)
        p_l[fold == f] = model(view.features_l[fold == f])
        p_u += model(view.features_u) / 5
    return bbsd(p_l, p_u)[0]


def plain_binomial(view):
    """The threshold of the open-set check taken for known."""
    scores_l, scores_u = distances(view.features_l, view.features_u, view.rng("open_set"))
    k = int(SHARE * (len(scores_l) + 1))
    reached = (scores_u >= np.sort(scores_l)[-k]).sum()
    return binom.sf(reached - 1, len(scores_u), k / (len(scores_l) + 1))


def pooled_classifier(view):
    """Labeled against unlabeled by cross-validated classification, scores of all folds pooled, Mann-Whitney."""
    x, side = np.concatenate([view.features_l, view.features_u]), np.repeat([0, 1], [len(view.y), len(view.features_u)])
    rng, score = np.random.default_rng(view.seed), np.zeros(len(side))
    fold = rng.permutation(np.arange(len(side)) % 5)
    for f in range(5):
        score[fold == f] = trained(x[fold != f], side[fold != f], 2)(x[fold == f])[:, 1]
    return mannwhitneyu(score[side == 1], score[side == 0]).pvalue


MUTANTS = {f.__name__: f for f in (in_sample, full_model, mean_of_folds, plain_binomial, pooled_classifier)}


def mutant_p(design, n_l, seed):
    view = view_of(*draw(design, n_l, seed), seed)
    return {name: float(mutant(view)) for name, mutant in MUTANTS.items()}


# Data in which something is wrong: 20 columns, three classes, 10 of the columns carry them.


def clouds(rng, y):
    centers = np.zeros((4, 20))
    centers[[0, 1, 2, 3], [0, 1, 2, 3]] = 3.0
    return rng.normal(size=(len(y), 20)) + centers[y]


def prior_shift(rng, n_l, n_u):
    """Shares .5, .3, .2 among the labels and .2, .3, .5 in the pool."""
    y = np.concatenate([rng.choice(3, n_l, p=[0.5, 0.3, 0.2]), rng.choice(3, n_u, p=[0.2, 0.3, 0.5])])
    return clouds(rng, y), y


def strangers(share):
    def made(rng, n_l, n_u):
        y = rng.choice(3, n_l + n_u, p=[0.5, 0.3, 0.2])
        x = clouds(rng, y)
        odd = n_l + np.flatnonzero(rng.random(n_u) < share)
        x[odd] = clouds(rng, np.full(len(odd), 3)) + np.where(np.arange(20) >= 10, 2.5, 0.0)
        return x, y

    made.__doc__ = f"{100 * share:.0f} % of the pool belong to a fourth class, away from the others in 11 columns."
    return made


def mean_shift(rng, n_l, n_u):
    """Two of 20 columns moved by half a standard deviation in the pool."""
    y = rng.choice(3, n_l + n_u, p=[0.5, 0.3, 0.2])
    x = clouds(rng, y)
    x[n_l:, 10:12] += 0.5
    return x, y


WRONG = {"prior shift": prior_shift, "mean shift": mean_shift}
WRONG |= {f"{s} % strangers": strangers(s / 100) for s in (10, 20, 30)}


def wrong_view(kind, n_l, seed, n_u=800):
    rng = np.random.default_rng([seed, n_l, 3])
    x, y = WRONG[kind](rng, n_l, n_u)
    return view_of(x, np.where(np.arange(len(y)) < n_l, y, -1), seed)
