"""Slow derivations of the S3VM, the entropy term and M2 from their papers: loops, no shared code."""

import math

import numpy as np


def svm_objective(X, signs, w, b, C):
    """LinearSVC's objective of one binary problem, bias not penalized."""
    total = 0.5 * sum(v * v for v in w)
    for x, s in zip(X, signs, strict=True):
        f = sum(a * c for a, c in zip(x, w, strict=True)) + b
        total += C * max(0.0, 1 - s * f) ** 2
    return total


def s3vm_objective(X, signs, U, w, b, C, lambda_u):
    """Chapelle & Zien 2005, with the mean over unlabeled rows weighed as lambda_u mean labeled losses."""
    near = []
    for u in U:
        f = sum(a * c for a, c in zip(u, w, strict=True)) + b
        near.append(math.exp(-3 * f * f))
    return svm_objective(X, signs, w, b, C) + lambda_u * C * len(X) * sum(near) / len(near)


def softmax_row(z):
    e = [math.exp(v - max(z)) for v in z]
    return [v / sum(e) for v in e]


def entropy_objective(X, y, U, W, b, C, lambda_u):
    """Grandvalet & Bengio 2005; W (D, K), b (K,), or K = 1 for two classes with logits (0, f)."""

    def p(x):
        z = [sum(x[d] * W[d][k] for d in range(len(x))) + b[k] for k in range(len(b))]
        return softmax_row([0.0, *z] if len(z) == 1 else z)

    total = 0.5 * float(np.square(W).sum())
    for x, c in zip(X, y, strict=True):
        total -= C * math.log(p(x)[c])
    h = [-sum(v * math.log(v) for v in p(u)) for u in U]
    return total + lambda_u * C * len(X) * sum(h) / len(h)


def gradient(f, point, step=1e-6):
    """Central differences."""
    point = np.asarray(point, dtype=np.float64)
    out = np.empty_like(point)
    for i in range(point.size):
        up, down = point.copy(), point.copy()
        up.flat[i] += step
        down.flat[i] -= step
        out.flat[i] = (f(up) - f(down)) / (2 * step)
    return out


def linear(layer, x):
    weight, bias = layer
    return np.array([sum(w * v for w, v in zip(row, x, strict=True)) + c for row, c in zip(weight, bias, strict=True)])


def m2_bound(parts, x, y, noise, bernoulli, mean, std):
    """-L(x, y) of Kingma et al. 2014, eq. 6, with one given draw of the noise.

    parts : the network's arrays by name; a layer over (x, one-hot y) is its part for x plus a row for y
    """

    def relu(v):
        return np.array([max(a, 0.0) for a in v])

    hidden = relu(linear(parts["encoder_x"], x) + parts["encoder_y"][y])
    out = linear(parts["encoder"], hidden)
    half = len(out) // 2
    z_mean, z_std = out[:half], np.array([math.exp(-math.log1p(math.exp(v))) for v in out[half:]])
    z = z_mean + z_std * noise
    decoded = linear(parts["decoder"], relu(linear(parts["decoder_z"], z) + parts["decoder_y"][y]))
    log_p = 0.0
    for d, o in enumerate(decoded):
        if bernoulli:
            p = 1 / (1 + math.exp(-o))
            raw = x[d] * std[d] + mean[d]
            log_p += raw * math.log(p) + (1 - raw) * math.log(1 - p)
        else:
            variance = max(math.exp(parts["log_variance"][d]), 0.1)
            log_p += -0.5 * math.log(2 * math.pi * variance) - (x[d] - o) ** 2 / (2 * variance)
    kl = sum(-math.log(s) + (s * s + m * m) / 2 - 0.5 for m, s in zip(z_mean, z_std, strict=True))
    return log_p + math.log(1 / len(parts["encoder_y"])) - kl


def m2_loss(bounds_x, log_q_x, y, bounds_u, q_u, lambda_u, alpha, terms):
    """Eqs. 7 to 9 with means: bounds_x (B,) at the true class, bounds_u and q_u (M, K)."""
    labeled = sum(-v for v in bounds_x) / len(bounds_x)
    unlabeled = 0.0
    for bound, q in zip(bounds_u, q_u, strict=True):
        unlabeled += sum(p * (-v + math.log(p)) for p, v in zip(q, bound, strict=True)) / len(q_u)
    classified = -sum(log_q[c] for log_q, c in zip(log_q_x, y, strict=True)) / len(y)
    return (labeled + lambda_u * unlabeled) / (1 + lambda_u) / terms + alpha * classified
