"""The verdict's statistics against brute force, published examples, and their own error rates."""

import warnings
from dataclasses import astuple
from itertools import product
from math import comb, sqrt

import numpy as np
import pytest
from scipy.stats import bootstrap, multinomial, norm

from fewlabels.errors import InputError
from fewlabels.intervals import _chunks, nadeau_bengio, seeds_and_rows
from fewlabels.verdict import (
    Verdict,
    decide,
    judge_classes,
    judge_masks,
    judge_numbers,
    mcnemar_midp,
    newcombe_paired,
    paired_bootstrap,
    sign_flip_p,
    smallest_detectable,
    wilson,
)


def rows(both, wins, losses, neither):
    """Which rows the baseline, and which the candidate, got right."""
    counts = (both, wins, losses, neither)
    return np.repeat([True, False, True, False], counts), np.repeat([True, True, False, False], counts)


@pytest.mark.parametrize(("x", "n"), [(0, 5), (1, 10), (7, 12), (85, 100), (40, 40)])
def test_wilson_limits_solve_the_score_equation(x, n):
    z = 1.959963984540054
    for limit in wilson(x, n):
        assert abs(x / n - limit) == pytest.approx(z * sqrt(limit * (1 - limit) / n), abs=1e-9)
    assert 0 <= wilson(x, n)[0] <= x / n <= wilson(x, n)[1] <= 1
    assert wilson(0, 0) == (0, 1)


def test_midp_is_the_exact_sum_less_half_of_the_observed():
    for wins, losses in product(range(12), repeat=2):
        n, k = wins + losses, min(wins, losses)
        one_side = sum(comb(n, i) for i in range(k + 1)) / 2**n - comb(n, k) / 2 ** (n + 1)
        assert mcnemar_midp(wins, losses) == pytest.approx(min(1, 2 * one_side))


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),  # Newcombe, Stat Med 17:2635 (1998), method 10
        ((14, 5, 0, 22), 0.011, 0.226),  # Altman et al., Statistics with Confidence (2000), p. 52
        ((1, 1, 7, 12), -0.507, -0.026),  # Fagerland et al., Stat Med 33:2850 (2014), airway reactivity
    ],
)
def test_newcombe_published_examples(table, low, high):
    assert newcombe_paired(*table) == pytest.approx((low, high), abs=5.1e-4)


def test_newcombe_is_symmetric_and_stays_in_range():
    for table in product((0, 1, 4, 30), repeat=4):
        if sum(table):
            both, wins, losses, neither = table
            low, high = newcombe_paired(*table)
            assert -1 <= low <= (wins - losses) / sum(table) <= high <= 1
            assert newcombe_paired(both, losses, wins, neither) == pytest.approx((-high, -low), abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("shares", [(0.8, 0.06, 0.04, 0.1), (0.75, 0.15, 0.02, 0.08), (0.5, 0.2, 0.2, 0.1)])
def test_newcombe_coverage(n, shares):
    tables = np.random.default_rng(0).multinomial(n, shares, 4000)
    intervals = np.asarray([newcombe_paired(*map(int, table)) for table in tables])
    truth = shares[1] - shares[2]
    covered = np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1]))
    assert 0.935 <= covered <= 0.995


def test_bootstrap_agrees_with_scipy():
    d = np.random.default_rng(0).exponential(size=60) - 0.8
    ours = paired_bootstrap(d, n=20_000, seed=1)
    theirs = bootstrap((d,), np.mean, n_resamples=20_000, rng=2).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.02)
    assert paired_bootstrap(d, seed=3) == paired_bootstrap(d, seed=3)
    assert paired_bootstrap([0.3] * 7) == (0.3, 0.3)
    assert paired_bootstrap([0.3]) == (0.3, 0.3)


def slow_bca(d, n, seed, level):
    """Efron's interval with the jackknife written out, on the resamples that one chunk draws."""
    size = len(d)
    rows = np.random.default_rng(seed).integers(0, size, (n, size))
    means = np.array([sum(d[i] for i in row) / size for row in rows])
    centre = sum(d) / size
    below = sum(1.0 * (m < centre) + 0.5 * (m == centre) for m in means) / n
    bias = norm.ppf(min(max(below, 0.5 / n), 1 - 0.5 / n))
    left_out = np.array([(sum(d) - x) / (size - 1) for x in d])
    apart = left_out.mean() - left_out
    acceleration = sum(apart**3) / (6 * sum(apart**2) ** 1.5)
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        z = bias + norm.ppf(share)
        ends.append(np.quantile(means, norm.cdf(bias + z / (1 - acceleration * z))))
    return tuple(ends)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_bootstrap_equals_the_slow_derivation(level):
    rng = np.random.default_rng(0)
    ties = rng.choice([-1.0, 0.0, 0.0, 2.0], 16)
    for seed, (d, n) in enumerate([(rng.exponential(size=30), 2000), (ties, 500), *[(ties, 2)] * 12]):
        assert paired_bootstrap(d, n, seed, level) == pytest.approx(slow_bca(d.tolist(), n, seed, level), abs=1e-9)
    d = rng.exponential(size=30)
    assert paired_bootstrap(d) == paired_bootstrap(d, 2000, 0, 0.95)


def test_sign_flips_equal_the_slow_derivation():
    d = np.random.default_rng(0).normal(0.2, 1, 25)
    for options, n, seed in (({}, 1999, 0), ({"n": 300, "seed": 5}, 300, 5)):
        signs = 2.0 * np.random.default_rng(seed).integers(0, 2, (n, 25), dtype=np.int8) - 1
        larger = sum(abs(sum(row * d)) >= abs(sum(d)) for row in signs)
        assert sign_flip_p(d, **options) == (1 + larger) / (n + 1)
    assert sign_flip_p(np.full(30, 1e-9)) == 1 / 2000  # whatever the unit


def test_draws_come_in_chunks_of_near_16_MB_and_none_too_many():
    assert _chunks(5, 666_667) == [2, 2, 1]
    assert _chunks(3, 3_000_000) == [1, 1, 1]
    for n, width in ((1999, 1000), (2000, 7), (1, 1)):
        assert sum(_chunks(n, width)) == n


def test_single_precision_is_computed_in_double():
    short = np.random.default_rng(0).normal(0.1, 1, (6, 40)).astype(np.float32)
    long = short.astype(np.float64)
    for statistic in (paired_bootstrap, sign_flip_p, lambda d: nadeau_bengio(d, 0.3)):
        assert statistic(short[0]) == statistic(long[0])
    assert seeds_and_rows(short) == seeds_and_rows(long)
    for three in short.T[:20, :3]:  # few sums, so that the observed one must be met to the last bit
        assert sign_flip_p(three) == sign_flip_p(np.float64(three))
    for judge in (judge_numbers, judge_masks):
        assert judge(short[0], short[1]) == judge(long[0], long[1])


def test_gains_without_any_spread_have_no_scale():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert seeds_and_rows(np.full((3, 5), 0.25)) == (0.25, 0.25, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(20, 0.87), (50, 0.90), (200, 0.92)])
def test_bootstrap_coverage_of_a_skewed_mean(n, least):
    rng = np.random.default_rng(0)
    intervals = np.asarray([paired_bootstrap(rng.exponential(size=n), n=1000, seed=i) for i in range(1500)])
    assert least <= np.mean((intervals[:, 0] <= 1) & (intervals[:, 1] >= 1)) <= 0.97


def test_sign_flips_against_all_of_them():
    d = np.asarray([3.0, -1.0, 2.5, 0.5, 4.0, -0.2, 1.0])
    signs = np.asarray(list(product((-1, 1), repeat=d.size)))
    exact = np.mean(np.abs(signs @ d) >= abs(d.sum()) - 1e-12)
    assert sign_flip_p(d, n=20_000) == pytest.approx(exact, abs=0.01)
    assert sign_flip_p(np.zeros(5)) == 1
    assert sign_flip_p(np.ones(30)) == 1 / 2000


def test_smallest_detectable_gain():
    assert smallest_detectable(312, 0.1) == pytest.approx(0.05, abs=2e-4)  # the worked example of evaluation.md
    assert smallest_detectable(20, 0.1) is None
    assert smallest_detectable(1000, 0.0) is None
    gains = [smallest_detectable(n, 0.15) for n in (100, 400, 1600)]
    assert gains[0] > gains[1] > gains[2]
    d, g, rng = 0.15, gains[1], np.random.default_rng(0)
    tables = rng.multinomial(400, [0.7, (d + g) / 2, (d - g) / 2, 0.3 - d], 3000)
    found = np.mean([mcnemar_midp(int(w), int(l)) <= 0.05 for _, w, l, _ in tables])  # noqa: E741
    assert 0.77 <= found <= 0.84


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        ((400, 80, 30, 90), Verdict.HELPS),
        ((400, 30, 80, 90), Verdict.HURTS),
        ((400, 33, 30, 90), Verdict.CANNOT_TELL),
        ((9000, 40, 20, 940), Verdict.NO_PRACTICAL_DIFFERENCE),  # beyond chance, and too small to matter
        ((20, 0, 0, 0), Verdict.CANNOT_TELL),
        ((0, 1, 0, 0), Verdict.CANNOT_TELL),
        ((15, 0, 5, 0), Verdict.HURTS),
    ],
)
def test_verdict_of_classes(table, verdict):
    paired = judge_classes(*rows(*table))
    both, wins, losses, _ = table
    assert paired.verdict == verdict
    assert paired.n == sum(table)
    assert (paired.wins, paired.losses) == (wins, losses)
    assert paired.baseline_score == (both + losses) / sum(table)
    assert paired.difference == pytest.approx(paired.candidate_score - paired.baseline_score)
    assert (paired.low, paired.high) == newcombe_paired(*table)
    assert "these two fitted models" in paired.sentence
    assert f"{sum(table)} rows" in paired.sentence
    assert not any(word in paired.sentence for word in ("method", "FixMatch", "better algorithm"))


def test_test_and_interval_never_contradict_each_other():
    for wins, losses, both in product(range(0, 40, 3), range(0, 40, 3), (5, 60)):
        paired = judge_classes(*rows(both, wins, losses, 10))
        if paired.verdict == Verdict.HELPS:
            assert paired.p_value <= 0.05
            assert paired.low > 0
        if paired.verdict == Verdict.HURTS:
            assert paired.p_value <= 0.05
            assert paired.high < 0


def test_few_disagreements_need_no_labels():
    table = rows(150, 1, 1, 48)
    assert judge_classes(*table).verdict == Verdict.CANNOT_TELL
    whole = judge_classes(*table, disagreement=0.009, pool=5000)
    assert whole.verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert "pool of 5000 rows" in whole.sentence
    assert judge_classes(*table, disagreement=0.011, pool=5000).verdict == Verdict.CANNOT_TELL
    # the same share of a sample of 200 leaves room for more in the rows it stands for
    assert judge_classes(*table, disagreement=0.005).verdict == Verdict.CANNOT_TELL
    large = judge_classes(*rows(1000, 20, 2, 978), disagreement=0.005)
    assert large.verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert "0.5 % of these 2000 rows" in large.sentence
    more = rows(1000, 20, 2, 978)
    assert judge_classes(*more, disagreement=0.008).verdict == Verdict.HELPS
    assert judge_classes(*more, disagreement=0.008, alpha=0.5).verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert judge_classes(*table, disagreement=0.0, pool=9).verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert judge_classes(*table, disagreement=0.01, pool=5000).verdict == Verdict.CANNOT_TELL  # not less than delta


def test_false_alarms_by_exact_enumeration():
    """All tables of 30 rows, each with its probability under "no difference"."""
    n, shares, alarm = 30, (0.6, 0.1, 0.1, 0.2), 0.0
    for wins, losses in product(range(n + 1), repeat=2):
        if mcnemar_midp(wins, losses) > 0.05:
            continue  # no alarm whatever the rest is
        for both in range(n - wins - losses + 1):
            table = (both, wins, losses, n - both - wins - losses)
            low, high = newcombe_paired(*table)
            if low > 0 or high < 0:
                alarm += multinomial.pmf(table, n, shares)
    assert 0.01 <= alarm <= 0.05


@pytest.mark.parametrize(("n", "discordant"), [(100, 0.2), (300, 0.1), (1000, 0.06)])
def test_false_alarms_of_classes(n, discordant):
    half = discordant / 2
    tables = np.random.default_rng(1).multinomial(n, [0.7, half, half, 0.3 - discordant], 2000)
    verdicts = [judge_classes(*rows(*table)).verdict for table in tables]
    alarms = sum(v in (Verdict.HELPS, Verdict.HURTS) for v in verdicts)
    assert 50 <= alarms <= 132  # 5 % of 2000 is 100; 132 is its 99.9 % limit, and a dead check finds none


def test_false_alarms_of_numbers():
    rng, alarms = np.random.default_rng(2), 0
    for seed in range(400):
        shared = rng.standard_t(3, 60)  # heavy tails, and rows that are hard for both models
        pair = shared + rng.normal(0, 0.5, 60), shared + rng.normal(0, 0.5, 60)
        alarms += judge_numbers(*pair, seed=seed).verdict in (Verdict.HELPS, Verdict.HURTS)
    assert 6 <= alarms <= 34  # 5 % of 400 is 20


def test_verdict_of_numbers():
    error = np.random.default_rng(0).normal(0, 10, 300)
    better = judge_numbers(error, 0.8 * error)
    assert better.verdict == Verdict.HELPS
    assert better.difference == pytest.approx(np.abs(error).mean() * 0.2)
    assert better.wins == 300
    assert better.metric == "mean absolute error"
    assert "these two fitted models, on these 300 rows" in better.sentence
    assert judge_numbers(0.8 * error, error).verdict == Verdict.HURTS
    assert judge_numbers(error, 0.995 * error).verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert judge_numbers(error, error).verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert judge_numbers(error, error[::-1]).verdict == Verdict.CANNOT_TELL
    assert judge_numbers(error[:10], error[:10] * 0.5).verdict == Verdict.CANNOT_TELL
    assert better == judge_numbers(np.abs(error), -0.8 * error)


@pytest.mark.parametrize("judge", [judge_numbers, judge_masks])
def test_every_figure_of_a_bootstrapped_verdict(judge):
    """Errors are better when small, scores when large; one tie, one row that is lost, gains above and below 1."""
    rng = np.random.default_rng(0)
    good, bad = rng.uniform(2, 3, 30), rng.uniform(3, 5, 30)
    good[0], good[1] = bad[0], bad[1] + 0.25
    baseline, candidate = (bad, good) if judge == judge_numbers else (good, bad)
    gain = bad - good
    said = judge(baseline, candidate, delta=0.02, alpha=0.1, seed=5)
    name = "mean absolute error" if judge == judge_numbers else "mean IoU of an image"
    figures = [
        *(gain.mean(), *paired_bootstrap(gain, seed=5, level=0.9), 0.9, sign_flip_p(gain, seed=5), 30, 28, 1),
        *(baseline.mean(), *paired_bootstrap(baseline, seed=5, level=0.9)),
        *(candidate.mean(), *paired_bootstrap(candidate, seed=5, level=0.9)),
    ]
    assert astuple(said)[1:-3] == pytest.approx(figures)
    assert (said.verdict, said.metric, said.delta) == (Verdict.HELPS, name, 0.02)
    assert judge(baseline, candidate) == judge(
        baseline, candidate, alpha=0.05, seed=0, delta=0.02 if "err" in name else 0.01
    )
    assert judge(baseline, candidate) != judge(baseline, candidate, seed=1)
    even = rng.normal(0.1, 1, 30)
    p_value = judge(3 + even, np.full(30, 3.0), seed=5).p_value
    assert p_value == sign_flip_p(even, seed=5) != sign_flip_p(even)
    assert judge(baseline[2:21], candidate[2:21]).verdict == Verdict.CANNOT_TELL
    assert judge(baseline[2:22], candidate[2:22]).verdict == Verdict.HELPS


def test_every_figure_of_a_verdict_on_classes():
    said = judge_classes(*rows(40, 12, 4, 8), delta=0.02, alpha=0.1)
    figures = [0.125, *newcombe_paired(40, 12, 4, 8, 0.9), 0.9, mcnemar_midp(12, 4), 64, 12, 4]
    figures += [44 / 64, *wilson(44, 64, 0.9), 52 / 64, *wilson(52, 64, 0.9)]
    assert astuple(said)[1:-3] == pytest.approx(figures)
    assert (said.verdict, said.metric, said.delta) == (Verdict.HELPS, "accuracy", 0.02)
    assert judge_classes(*(right.astype(int).tolist() for right in rows(40, 12, 4, 8)), delta=0.02, alpha=0.1) == said
    assert said.sentence == (
        "The unlabeled data helped: of these two fitted models, on these 64 rows, the one trained with unlabeled data "
        "is right on 81.2 % and the baseline on 68.8 %, a difference of +12.5 points (90 % interval +2.1 to +22.7)."
    )


def test_what_is_said_of_masks_and_numbers():
    score = np.full(20, 0.75)
    assert judge_masks(score, score - 0.25).sentence == (
        "The unlabeled data hurt: of these two fitted models, on these 20 images, the one trained with unlabeled data "
        "reaches a mean IoU of 50.0 % an image and the baseline of 75.0 %, a difference of −25.0 points (95 % interval "
        "over images −25.0 to −25.0)."
    )
    assert judge_masks(score[1:], score[1:]).sentence.endswith("). Fewer than 20 images are too few to say.")
    assert judge_numbers(score, score + 0.25, alpha=0.1).sentence == (
        "The unlabeled data hurt: of these two fitted models, on these 20 rows, the one trained with unlabeled data "
        "misses by 1 on average and the baseline by 0.75; the error is lower by −0.25 (90 % interval −0.25 to −0.25)."
    )
    assert judge_numbers(score[1:], score[1:]).sentence.endswith("). Fewer than 20 rows are too few to say.")


def test_limits_of_a_decision_belong_to_it():
    """p of exactly alpha is an alarm, an interval that touches zero is none, and one that fills the floor is small."""
    assert decide(0.05, 0.02, 0.09, 0.01, 0.05) == Verdict.HELPS
    assert decide(0.0501, 0.02, 0.09, 0.01, 0.05) == Verdict.CANNOT_TELL
    assert decide(0.05, -0.09, -0.02, 0.01, 0.05) == Verdict.HURTS
    assert decide(0.0501, -0.09, -0.02, 0.01, 0.05) == Verdict.CANNOT_TELL
    assert decide(0.01, 0.0, 0.09, 0.01, 0.05) == decide(0.01, -0.09, 0.0, 0.01, 0.05) == Verdict.CANNOT_TELL
    assert decide(0.01, -0.01, 0.01, 0.01, 0.05) == Verdict.NO_PRACTICAL_DIFFERENCE
    assert decide(0.5, -0.011, 0.01, 0.01, 0.05) == decide(0.5, -0.01, 0.011, 0.01, 0.05) == Verdict.CANNOT_TELL


def test_right_and_wrong_may_be_given_as_zeros_and_ones_of_any_type():
    baseline, candidate = rows(40, 12, 4, 8)
    for kind in (int, float, np.float32, np.uint8):
        assert judge_classes(baseline.astype(kind), candidate.astype(kind)) == judge_classes(baseline, candidate)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="same rows"):
        judge_classes([True], [True, False])
    with pytest.raises(InputError, match="at least one"):
        judge_classes([], [])
    with pytest.raises(InputError, match="NaN or infinite"):
        judge_numbers([1.0, np.nan], [1.0, 2.0])
    for share in (1.01, -0.01):
        with pytest.raises(InputError, match="between 0 and 1"):
            judge_classes([True], [True], disagreement=share)
    judge_classes([True], [True], disagreement=1.0)
