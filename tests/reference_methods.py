"""Slow NumPy re-derivations of whole losses, written from the papers.

Each is a function (or an object with a memory) of a batch `b`, the student `f`, the same student `sg` with weights that
are constants for the derivative, and the teacher. All three map rows to logits. So the loss can be compared, and so can
its gradient: the finite difference of these functions moves `f` alone, never a target.
"""

import math

import numpy as np
import torch
from reference import FlexMatchThresholds, cross_entropy, fixmatch, mean_teacher, pseudo_label, softmax
from reference import supervised as labeled_mean

PROGRESS = 0.3


def linear_ramp(over=0.4):
    return min(PROGRESS / over, 1.0)


def gaussian_ramp(over=0.4):
    return math.exp(-5 * (1 - min(PROGRESS / over, 1.0)) ** 2)


def shannon(p):
    return -sum(v * math.log(v) for v in p if v > 0)


def sharpen(p, T):
    powers = [v ** (1 / T) for v in p]
    return np.array([v / sum(powers) for v in powers])


def onehot(y, k):
    return np.array([[float(c == label) for c in range(k)] for label in y])


def warm(t, momentum):
    return min(momentum, (1 + t) / (10 + t))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def supervised(b, f, sg, teacher):
    return labeled_mean(f(b.x), b.y)


def pseudo(b, f, sg, teacher):
    return pseudo_label_with(f(b.x), b.y, sg(b.u[0]), f(b.u[0]))


def pseudo_label_with(logits_x, y, guess, student):
    assert pseudo_label(logits_x, y, guess, PROGRESS) == fixmatch(logits_x, y, guess, guess, 0.95, linear_ramp())
    return fixmatch(logits_x, y, guess, student, 0.95, linear_ramp())


def entropy_minimization(b, f, sg, teacher):
    return labeled_mean(f(b.x), b.y) + linear_ramp() * mean(shannon(p) for p in softmax(f(b.u[0])))


def mean_teacher_loss(b, f, sg, teacher):
    return mean_teacher(f(b.x), b.y, teacher(b.u[0]), f(b.u[1]), PROGRESS, lambda_u=10.0)  # for tables


def pi_model(b, f, sg, teacher):
    return mean_teacher(f(b.x), b.y, sg(b.u[0]), f(b.u[1]), PROGRESS, lambda_u=10.0)


class TemporalEnsembling:
    """Laine & Aila 2017, algorithm 2: every earlier answer is kept, and averaged anew with its weight."""

    def __init__(self, alpha=0.6, lambda_u=10.0):  # for tables
        self.told, self.alpha, self.lambda_u = {}, alpha, lambda_u

    def target(self, row):
        z = np.zeros(0)
        for answer in self.told[row]:
            z = (1 - self.alpha) * answer + (self.alpha * z if len(z) else 0)
        return z / (1 - self.alpha ** len(self.told[row]))

    def __call__(self, b, f, sg, teacher):
        p, total = softmax(f(b.u[0])), 0.0
        for i, row in enumerate(b.rows):
            if row in self.told:
                total += np.mean((p[i] - self.target(row)) ** 2)
        for i, row in enumerate(b.rows):
            self.told.setdefault(row, []).append(p[i])
        return labeled_mean(f(b.x), b.y) + self.lambda_u * gaussian_ramp() * total / len(p)


def vat(b, f, sg, teacher, epsilon=0.15, xi=1e-3, lambda_h=0.06):
    """Miyato et al. 2018, algorithm 1, for logits W u + c: the gradient of KL(p(u) || p(u + xi d)) is W^T (p' - p)."""
    (u,) = b.u
    zero = sg(np.zeros((1, u.shape[1])))
    w = (sg(np.eye(u.shape[1])) - zero).T
    torch.manual_seed(b.seed)
    d = torch.randn(u.shape).numpy().astype(float)
    total = 0.0
    for i in range(len(u)):
        direction = d[i] / math.sqrt(np.mean(d[i] ** 2))
        p, moved = softmax(sg(u[i : i + 1]))[0], softmax(sg(u[i : i + 1] + xi * direction))[0]
        g = w.T @ (moved - p)
        r = epsilon * math.sqrt(len(g)) * g / np.linalg.norm(g)
        there = softmax(f(u[i : i + 1] + r))[0]
        total += sum(a * math.log(a / c) for a, c in zip(p, there, strict=True))
        total += lambda_h * shannon(softmax(f(u[i : i + 1]))[0])
    return labeled_mean(f(b.x), b.y) + linear_ramp() * total / len(u)


def mixup(rows, targets, seed, alpha=0.75):
    """MixMatch, eqs. 8 to 11, with the numbers that the code drew."""
    torch.manual_seed(seed)
    gamma = torch.distributions.Gamma(alpha + 1, 1.0).sample((2, len(rows))).tolist()
    uniform = torch.rand(2, len(rows)).tolist()
    pair = [
        [g * (1 - v) ** (1 / alpha) for g, v in zip(*both, strict=True)] for both in zip(gamma, uniform, strict=True)
    ]
    shares = [a / (a + c) for a, c in zip(*pair, strict=True)]
    partner = torch.randperm(len(rows)).tolist()
    mixed, mixed_targets = [], []
    for i, share in enumerate(shares):
        share = max(share, 1 - share)
        mixed.append(share * rows[i] + (1 - share) * rows[partner[i]])
        mixed_targets.append(share * targets[i] + (1 - share) * targets[partner[i]])
    return np.array(mixed), np.array(mixed_targets)


def mixmatch(b, f, sg, teacher, lambda_u=1.0):  # for tables
    guesses = [softmax(sg(u)) for u in b.u]
    q = np.array([sharpen((guesses[0][i] + guesses[1][i]) / 2, 0.5) for i in range(len(b.u[0]))])
    k, n = q.shape[1], len(b.x)
    rows, targets = mixup(np.concatenate([b.x, *b.u]), np.concatenate([onehot(b.y, k), q, q]), b.seed)
    p, total = softmax(f(rows[n:])), 0.0
    for i in range(len(p)):
        total += sum((a - t) ** 2 for a, t in zip(p[i], targets[n + i], strict=True)) / k
    return cross_entropy(f(rows[:n]), targets[:n]).mean() + lambda_u * linear_ramp() * total / len(p)


class ReMixMatch:
    """Berthelot et al. 2020, algorithm 1 without rotations; moving average of guesses, running label shares."""

    def __init__(self, momentum=0.99):
        self.labels, self.average, self.momentum = None, None, momentum

    def __call__(self, b, f, sg, teacher):
        weak, first, second = b.u
        q = softmax(sg(weak))
        k, n = q.shape[1], len(b.x)
        if self.labels is None:
            self.labels, self.average = [1.0] * k, np.full(k, 1 / k)
        for label in b.y:
            self.labels[label] += 1
        self.average = self.momentum * self.average + (1 - self.momentum) * q.mean(0)
        targets = []
        for p in q:
            moved = [p[c] * self.labels[c] / sum(self.labels) / self.average[c] for c in range(k)]
            targets.append(sharpen([v / sum(moved) for v in moved], 0.5))
        targets = np.array(targets)
        rows = np.concatenate([b.x_more[0], weak, first, second])
        rows, mixed = mixup(rows, np.concatenate([onehot(b.y, k), targets, targets, targets]), b.seed)
        loss_u = cross_entropy(f(rows[n:]), mixed[n:]).mean()
        loss_1 = cross_entropy(f(first), targets).mean()
        return cross_entropy(f(rows[:n]), mixed[:n]).mean() + linear_ramp() * (1.5 * loss_u + 0.5 * loss_1)


def uda(b, f, sg, teacher, tau=0.8, T=0.4, anneal="none"):
    """Xie et al. 2020, with annealing by the probability of the correct class."""
    q, logits_x, k = softmax(teacher(b.u[0])), f(b.x), f(b.x).shape[1]
    alpha = {
        "none": 1.0,
        "linear": PROGRESS,
        "log": 1 - math.exp(-5 * PROGRESS),
        "exp": math.exp(-5 * (1 - PROGRESS)),
    }
    eta = alpha[anneal] * (1 - 1 / k) + 1 / k
    kept = [i for i, p in enumerate(softmax(logits_x)) if p[b.y[i]] <= eta]
    loss_x = sum(cross_entropy(logits_x, b.y)[i] for i in kept) / max(len(kept), 1)
    total = 0.0
    for guess, told in zip(q, softmax(f(b.u[1])), strict=True):
        if max(guess) >= tau:
            total += sum(t * math.log(t / p) for t, p in zip(sharpen(guess, T), told, strict=True) if t > 1e-30)
    return loss_x + total / len(q)


def fixmatch_loss(b, f, sg, teacher):
    return fixmatch(f(b.x), b.y, teacher(b.u[0]), f(b.u[1]))


def weighted(b, f, teacher, w):
    guess = softmax(teacher(b.u[0])).argmax(1)
    return labeled_mean(f(b.x), b.y) + mean(np.array(w) * cross_entropy(f(b.u[1]), guess))


class FlexMatch:
    def __init__(self, n_rows, n_classes):
        self.thresholds = FlexMatchThresholds(n_rows, n_classes)

    def __call__(self, b, f, sg, teacher):
        return weighted(b, f, teacher, self.thresholds.weights(softmax(teacher(b.u[0])), b.rows))


class SelfAdaptive:
    """Wang et al. 2023, eqs. 5 to 8."""

    def __init__(self, momentum=0.999, low=0.0, high=1.0):
        self.t, self.tau, self.p = 0, None, None
        self.momentum, self.low, self.high = momentum, low, high

    def weights(self, q):
        k, m = q.shape[1], warm(self.t, self.momentum)
        tau, p = (1 / k, np.full(k, 1 / k)) if self.t == 0 else (self.tau, self.p)
        self.tau = m * tau + (1 - m) * mean(max(row) for row in q)
        self.p = m * p + (1 - m) * q.mean(0)
        self.t += 1
        bounded = min(max(self.tau, self.low), self.high)
        return [float(max(row) >= bounded * self.p[row.argmax()] / max(self.p)) for row in q]


class FreeMatch:
    """Wang et al. 2023, eqs. 9 to 12; the fairness term is minus a cross-entropy, its histogram a constant."""

    def __init__(self):
        self.weight, self.h = SelfAdaptive(), None

    def __call__(self, b, f, sg, teacher):
        q = softmax(teacher(b.u[0]))
        k, m = q.shape[1], warm(self.weight.t, 0.999)
        h = np.full(k, 1 / k) if self.h is None else self.h
        self.h = m * h + (1 - m) * np.array([mean(row.argmax() == c for row in q) for c in range(k)])
        w = self.weight.weights(q)
        chosen = [i for i in range(len(q)) if w[i]]
        answers, fixed = softmax(f(b.u[1]))[chosen], softmax(sg(b.u[1]))[chosen]
        counts = [mean(row.argmax() == c for row in fixed) for c in range(k)]
        classes = [c for c in range(k) if counts[c] > 0]
        wanted = np.array([self.weight.p[c] / self.h[c] for c in classes])
        got = np.array([answers[:, c].mean() / counts[c] for c in classes])
        fair = sum(a * math.log(g) for a, g in zip(wanted / wanted.sum(), got / got.sum(), strict=True))
        return weighted(b, f, teacher, w) + 0.01 * fair


class TruncatedGaussian:
    """Chen et al. 2023, eqs. 5 to 8, of uniformly aligned guesses."""

    def __init__(self, n_sigma=2.0, momentum=0.999, align=0.99):
        self.t, self.n_sigma, self.momentum, self.align = 0, n_sigma, momentum, align

    def weights(self, q):
        k, m = q.shape[1], warm(self.t, self.momentum)
        if self.t == 0:
            self.mu, self.var, self.average = 1 / k, 1.0, np.full(k, 1 / k)
        self.average = self.align * self.average + (1 - self.align) * q.mean(0)
        confidence = []
        for row in q:
            moved = [row[c] / k / self.average[c] for c in range(k)]
            confidence.append(max(moved) / sum(moved))
        batch_mean = mean(confidence)
        variance = sum((c - batch_mean) ** 2 for c in confidence) / (len(confidence) - 1)
        self.mu = m * self.mu + (1 - m) * batch_mean
        self.var = m * self.var + (1 - m) * variance
        self.t += 1
        return [
            1.0 if c >= self.mu else math.exp(-((c - self.mu) ** 2) / (2 * self.var / self.n_sigma**2))
            for c in confidence
        ]


class SoftMatch:
    def __init__(self):
        self.weight = TruncatedGaussian()

    def __call__(self, b, f, sg, teacher):
        return weighted(b, f, teacher, self.weight.weights(softmax(teacher(b.u[0]))))


def adamatch(b, f, sg, teacher):
    """Berthelot et al. 2022. Without batch statistics both labeled passes are one, and nothing lies between them."""
    p_x, q = softmax(sg(b.x)), softmax(sg(b.u[0]))
    threshold, total = 0.9 * mean(max(p) for p in p_x), 0.0
    for i, p in enumerate(q):
        moved = [p[c] * p_x[:, c].mean() / q[:, c].mean() for c in range(len(p))]
        if max(moved) / sum(moved) >= threshold:
            total += cross_entropy(f(b.u[1][i : i + 1]), [int(np.argmax(moved))])[0]
    ramp = 0.5 - 0.5 * math.cos(min(math.pi, 2 * math.pi * PROGRESS))
    return labeled_mean(f(b.x), b.y) + labeled_mean(f(b.x_more[0]), b.y) + ramp * total / len(q)


def defixmatch(b, f, sg, teacher, lambda_u=0.5):
    """Schmutz et al. 2023: FixMatch's unlabeled term on the pool, minus the same on labeled rows."""

    def confident(weak, strong):
        total = 0.0
        for guess, loss in zip(softmax(teacher(weak)), range(len(weak)), strict=True):
            if max(guess) >= 0.95:
                total += cross_entropy(f(strong[loss : loss + 1]), [int(guess.argmax())])[0]
        return total / len(weak)

    labeled = (labeled_mean(f(b.x), b.y) + labeled_mean(f(b.x_more[0]), b.y)) / 2
    return labeled + lambda_u * (confident(*b.u) - confident(b.x, b.x_more[0]))


def cases(n_rows, n_classes):
    """A fresh reference for each method."""
    return {
        "supervised": supervised,
        "pseudo_label": pseudo,
        "entropy_minimization": entropy_minimization,
        "pi_model": pi_model,
        "temporal_ensembling": TemporalEnsembling(),
        "mean_teacher": mean_teacher_loss,
        "vat": vat,
        "mixmatch": mixmatch,
        "remixmatch": ReMixMatch(),
        "uda": uda,
        "fixmatch": fixmatch_loss,
        "flexmatch": FlexMatch(n_rows, n_classes),
        "freematch": FreeMatch(),
        "softmatch": SoftMatch(),
        "adamatch": adamatch,
        "defixmatch": defixmatch,
    }
