"""EM as the formulas read, one number at a time; shares no code with the package."""

import math

import numpy as np


def spread(x, weight):
    out = []
    for j in range(x.shape[1]):
        mean = sum(w * row[j] for w, row in zip(weight, x, strict=True)) / sum(weight)
        out.append(sum(w * (row[j] - mean) ** 2 for w, row in zip(weight, x, strict=True)) / sum(weight))
    return out


def gaussian_step(x, r, covariance, nu, s2):
    """Means (C, D), and one covariance matrix a component, whatever its kind."""
    n_rows, d = x.shape
    n_components = r.shape[1]
    means, scatters, counts = [], [], []
    for c in range(n_components):
        n = sum(r[i, c] for i in range(n_rows))
        mean = [sum(r[i, c] * x[i, j] for i in range(n_rows)) / n for j in range(d)]
        scatter = np.zeros((d, d))
        for i in range(n_rows):
            for j in range(d):
                for k in range(d):
                    scatter[j, k] += r[i, c] * (x[i, j] - mean[j]) * (x[i, k] - mean[k])
        means.append(mean)
        scatters.append(scatter)
        counts.append(n)
    prior = np.zeros((d, d))
    for j in range(d):
        prior[j, j] = nu * s2[j]
    matrices = []
    for c in range(n_components):
        if covariance == "tied":
            matrix = (sum(scatters) + prior) / (sum(counts) + nu)
        else:
            matrix = (scatters[c] + prior) / (counts[c] + nu)
        if covariance in ("diag", "spherical"):
            matrix = np.array([[matrix[j, k] if j == k else 0.0 for k in range(d)] for j in range(d)])
        if covariance == "spherical":
            matrix = np.eye(d) * sum(matrix[j, j] for j in range(d)) / d
        matrices.append(matrix)
    return np.array(means), matrices


def gaussian_log_density(row, mean, matrix):
    difference = np.array(row) - np.array(mean)
    distance = difference @ np.linalg.solve(matrix, difference)
    return -0.5 * (len(row) * math.log(2 * math.pi) + math.log(np.linalg.det(matrix)) + distance)


def gaussian_log_prior(matrices, covariance, nu, s2):
    total = 0.0
    for matrix in matrices[:1] if covariance == "tied" else matrices:
        total -= nu / 2 * (math.log(np.linalg.det(matrix)) + np.trace(np.linalg.inv(matrix) @ np.diag(s2)))
    return total


def word_step(x, r, alpha):
    """theta (K, D) of the multinomial."""
    theta = np.zeros((r.shape[1], x.shape[1]))
    for k in range(r.shape[1]):
        counts = [alpha + sum(r[i, k] * x[i, j] for i in range(len(x))) for j in range(x.shape[1])]
        theta[k] = [c / sum(counts) for c in counts]
    return theta


def presence_step(x, r, alpha):
    """theta (K, D) of the Bernoulli."""
    theta = np.zeros((r.shape[1], x.shape[1]))
    for k in range(r.shape[1]):
        n = sum(r[i, k] for i in range(len(x)))
        for j in range(x.shape[1]):
            theta[k, j] = (alpha + sum(r[i, k] for i in range(len(x)) if x[i, j] > 0)) / (2 * alpha + n)
    return theta


def word_log_density(row, theta):
    return sum(count * math.log(p) for count, p in zip(row, theta, strict=True))


def presence_log_density(row, theta):
    return sum(math.log(p if value > 0 else 1 - p) for value, p in zip(row, theta, strict=True))


def em(x, codes, lambda_u, steps, step, log_density, log_prior):
    """Objectives and the last posterior p(class | x); `step(r)` gives parameters, one entry a class."""
    n_classes = max(codes) + 1
    weight = [1.0 if c >= 0 else lambda_u for c in codes]
    r = np.zeros((len(x), n_classes))
    for i, c in enumerate(codes):
        if c >= 0:
            r[i, c] = 1.0
    objectives = []
    for _ in range(steps + 1):
        parameters = step(r)
        n = r.sum(0)
        shares = [(1 + n[k]) / (n_classes + n.sum()) for k in range(n_classes)]
        objective = log_prior(parameters) + sum(math.log(s) for s in shares)
        proba = np.zeros((len(x), n_classes))
        for i, row in enumerate(x):
            joint = [math.log(shares[k]) + log_density(row, parameters, k) for k in range(n_classes)]
            top = max(joint)
            total = top + math.log(sum(math.exp(j - top) for j in joint))
            proba[i] = [math.exp(j - total) for j in joint]
            observed = joint[codes[i]] if codes[i] >= 0 else total
            objective += weight[i] * observed
            own = np.eye(n_classes)[codes[i]] if codes[i] >= 0 else proba[i]
            r[i] = weight[i] * own
        objectives.append(objective)
    return objectives, proba
