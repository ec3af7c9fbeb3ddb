"""A fraud desk: 20,000 payments, 1 % of them frauds, 25 of which were found and 200 checked and cleared.

Four models on the same rows: logistic regression on the labels alone, the same with entropy minimization on all rows,
an isolation forest, and Deep SAD. What counts is money: checking a payment costs 5, a fraud that gets through costs
what was paid. Every model may name 100 of 6,000 later payments to check. The payments are made up, in three kinds of
fraud, of which the desk knows two.

Run: python examples/fraud.py      (half a minute on one core)
"""

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fewlabels as fl

COLUMNS = ("amount", "hour", "payments_today", "days_since_last", "distance_km", "age_of_account")
CHECKS, COST_OF_A_CHECK = 100, 5.0


def payments(n, rng):
    """Rows, and the kind of fraud of each: 0 none, 1 card testing, 2 takeover of an account, 3 a new kind."""
    kind = rng.choice(4, n, p=[0.99, 0.005, 0.003, 0.002])
    X = np.column_stack(
        [
            rng.lognormal(3.5, 0.8, n),
            rng.normal(14, 4, n) % 24,
            1 + rng.poisson(0.6, n),
            rng.exponential(6, n),
            rng.lognormal(2, 1, n),
            rng.gamma(2, 500, n),
        ]
    )
    testing, takeover, new = (kind == k for k in (1, 2, 3))
    X[testing, 0], X[testing, 2] = rng.lognormal(1.8, 0.7, testing.sum()), 3 + rng.poisson(2, testing.sum())
    X[takeover, 0], X[takeover, 4] = rng.lognormal(5, 0.7, takeover.sum()), rng.lognormal(4.5, 1, takeover.sum())
    X[new, 0], X[new, 5] = rng.lognormal(5, 0.7, new.sum()), rng.exponential(60, new.sum())
    return np.log1p(X), kind


def cost(scores, kind, amount):
    """What the desk pays: for its checks, and for every fraud that none of them met."""
    checked = np.argsort(-scores, kind="stable")[:CHECKS]
    missed = kind > 0
    missed[checked] = False
    return CHECKS * COST_OF_A_CHECK + amount[missed].sum(), np.bincount(kind[checked], minlength=4)[1:]


def main():
    rng = np.random.default_rng(0)
    X, kind = payments(20_000, rng)
    later, kind_later = payments(6_000, rng)
    y = np.full(len(X), -1)
    y[rng.choice(np.flatnonzero((kind == 1) | (kind == 2)), 25, replace=False)] = 1
    y[rng.choice(np.flatnonzero(kind == 0), 200, replace=False)] = 0
    known = y >= 0

    alone = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")).fit(X[known], y[known])
    scaler = StandardScaler().fit(X)
    entropy = fl.EntropyLogisticRegression().fit(scaler.transform(X), y)
    forest = IsolationForest(random_state=0).fit(X[y != 1])
    sad = fl.DeepSAD(contamination=0.01, random_state=0, verbose=False).fit(X, y)
    scores = {
        "labels alone": alone.predict_proba(later)[:, 1],
        "entropy minimization": entropy.predict_proba(scaler.transform(later))[:, 1],
        "isolation forest": -forest.score_samples(later),
        "Deep SAD": sad.decision_function(later),
    }
    amount = np.expm1(later[:, 0])
    print(f"{len(later):,} later payments, {np.count_nonzero(kind_later)} frauds, {CHECKS} checks")
    print(f"{'no checks':<22} cost {amount[kind_later > 0].sum():8,.0f}")
    total = np.bincount(kind_later, minlength=4)[1:]
    for name, given in scores.items():
        paid, found = cost(given, kind_later, amount)
        shares = ", ".join(f"{f} of {t}" for f, t in zip(found, total, strict=True))
        print(f"{name:<22} cost {paid:8,.0f}   found: {shares} (testing, takeover, the unknown kind)")

    unchecked = np.flatnonzero(y == -1)
    first = unchecked[np.argsort(-sad.decision_scores_[unchecked], kind="stable")[:10]]
    print("\nCheck these next (then set y to 1 or 0 and fit again):")
    print("   row  " + "  ".join(f"{c:>15}" for c in COLUMNS))
    for row in first:
        print(f"{row:>6}  " + "  ".join(f"{value:>15,.1f}" for value in np.expm1(X[row])))


if __name__ == "__main__":
    main()
