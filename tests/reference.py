"""Slow NumPy re-derivations, written from the papers: loops over rows and classes, no shared code."""

import math

import numpy as np


def softmax(z):
    out = np.empty_like(z, dtype=np.float64)
    for i, row in enumerate(z):
        e = [math.exp(v - max(row)) for v in row]
        out[i] = [v / sum(e) for v in e]
    return out


def cross_entropy(logits, target):
    """-sum_c t_c log p_c of each row; target are classes or shares."""
    p = softmax(logits)
    if np.ndim(target) == 1:
        return np.array([-math.log(p[i][c]) for i, c in enumerate(target)])
    return np.array([-sum(t * math.log(v) for t, v in zip(target[i], p[i], strict=True)) for i in range(len(p))])


def squared_difference(logits, target):
    p = softmax(logits)
    return np.array(
        [sum((a - b) ** 2 for a, b in zip(p[i], target[i], strict=True)) / p.shape[1] for i in range(len(p))]
    )


def supervised(logits_x, y):
    return float(np.mean(cross_entropy(logits_x, y)))


def fixmatch(logits_x, y, logits_w, logits_s, tau=0.95, lambda_u=1.0):
    """Sohn et al. 2020, eqs. 3 and 4."""
    total = 0.0
    q = softmax(logits_w)
    for b in range(len(q)):
        if max(q[b]) >= tau:
            total += cross_entropy(logits_s[b : b + 1], np.array([int(np.argmax(q[b]))]))[0]
    return supervised(logits_x, y) + lambda_u * total / len(q)


def pseudo_label(logits_x, y, logits_u, progress, tau=0.95, lambda_u=1.0, over=0.4):
    """Lee 2013, eq. 15, with the threshold and the linear ramp of Oliver et al. 2018."""
    ramp = min(progress / over, 1.0)
    return fixmatch(logits_x, y, logits_u, logits_u, tau, lambda_u * ramp)


def mean_teacher(logits_x, y, teacher_u, student_u, progress, lambda_u=50.0, over=0.4):
    """Tarvainen & Valpola 2017, eq. 1, mean squared difference of probabilities, ramp of Laine & Aila 2017."""
    ramp = math.exp(-5 * (1 - min(progress / over, 1.0)) ** 2)
    return supervised(logits_x, y) + lambda_u * ramp * float(np.mean(squared_difference(student_u, softmax(teacher_u))))


class FlexMatchThresholds:
    """Zhang et al. 2021, eqs. 5, 9 and 11: the whole pool is counted anew at every look."""

    def __init__(self, n_rows, n_classes, tau=0.95, warmup=True):
        self.guess = [None] * n_rows
        self.n_classes, self.tau, self.warmup = n_classes, tau, warmup

    def thresholds(self):
        sigma = [sum(g == c for g in self.guess) for c in range(self.n_classes)]
        unused = sum(g is None for g in self.guess)
        largest = max([*sigma, unused]) if self.warmup else max([*sigma, 1])
        beta = [s / largest for s in sigma]
        return [self.tau * b / (2 - b) for b in beta]

    def weights(self, q, rows):
        thresholds = self.thresholds()
        w = [float(max(p) >= thresholds[int(np.argmax(p))]) for p in q]
        seen = set()
        for p, row in zip(q, rows, strict=True):
            if max(p) > self.tau and row not in seen:
                self.guess[row] = int(np.argmax(p))
                seen.add(row)
        return w


def aligned(q_batches, prior, momentum):
    """ReMixMatch, section 3.1, with a moving average: the last batch's aligned shares."""
    n_classes = q_batches[0].shape[1]
    mean = np.full(n_classes, 1 / n_classes)
    for q in q_batches:
        mean = momentum * mean + (1 - momentum) * q.mean(0)
        out = q * (np.asarray(prior) / mean)
        out = out / out.sum(1, keepdims=True)
    return out


def moving_average(values, decay):
    """The teacher's weight after each student weight, warm-started: decay_t = min(decay, (1 + t) / (10 + t))."""
    average = values[0]
    for t, value in enumerate(values[1:]):
        d = min(decay, (1 + t) / (10 + t))
        average = d * average + (1 - d) * value
    return average
