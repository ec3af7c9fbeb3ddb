"""Parts against slow NumPy, limits and identities."""

from copy import deepcopy

import numpy as np
import pytest
import reference
import reference_methods
import torch
from torch import nn

from fewlabels import parts
from fewlabels.errors import OptionError
from fewlabels.method import Net
from fewlabels.parts.math import cross_entropy
from fewlabels.tasks import Classes


def shares(n=64, k=5, seed=0, sharp=4.0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(reference.softmax(rng.normal(size=(n, k)) * sharp))


def test_cross_entropy_equals_reference_for_classes_and_shares():
    rng = np.random.default_rng(1)
    logits, classes = rng.normal(size=(32, 4)), rng.integers(0, 4, 32)
    got = cross_entropy(torch.from_numpy(logits), torch.from_numpy(classes))
    np.testing.assert_allclose(got, reference.cross_entropy(logits, classes), rtol=1e-12)
    t = reference.softmax(rng.normal(size=(32, 4)))
    got = cross_entropy(torch.from_numpy(logits), torch.from_numpy(t))
    np.testing.assert_allclose(got, reference.cross_entropy(logits, t), rtol=1e-12)


def test_masks_go_through_the_same_cross_entropy_and_unmarked_pixels_cost_nothing():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    y[0, 0, 0] = -1
    loss = cross_entropy(logits, y)
    assert loss.shape == (2, 4, 4)
    assert loss[0, 0, 0] == 0
    assert (loss.flatten()[1:] > 0).all()


def test_sharpen_lies_between_soft_and_hard():
    q = shares()
    torch.testing.assert_close(parts.Sharpen(1.0)(q), parts.Soft()(q))
    hard = torch.nn.functional.one_hot(parts.Hard()(q), q.shape[1]).double()
    torch.testing.assert_close(parts.Sharpen(0.001)(q), hard, atol=1e-6, rtol=0)
    by_hand = q.numpy() ** 2 / (q.numpy() ** 2).sum(1, keepdims=True)
    np.testing.assert_allclose(parts.Sharpen(0.5)(q), by_hand, rtol=1e-9)


def test_fixed_counts_exactly_the_confident_rows():
    q = torch.tensor([[0.95, 0.05], [0.94, 0.06], [0.2, 0.8]])
    w, _ = parts.Fixed(0.95)(q, torch.arange(3), {})
    assert w.tolist() == [1.0, 0.0, 0.0]
    w, _ = parts.Always()(q, torch.arange(3), {})
    assert w.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("warmup", [True, False])
def test_per_class_equals_a_recount_of_the_whole_pool(warmup):
    n_rows, k = 40, 4
    weight = parts.PerClass(0.8, warmup=warmup)
    state = weight.init(k, n_rows)
    slow = reference.FlexMatchThresholds(n_rows, k, 0.8, warmup)
    rng = np.random.default_rng(3)
    for batch in range(30):
        # more rows than the pool holds, so that rows repeat within a batch
        rows = rng.integers(0, n_rows, 50)
        q = shares(50, k, seed=batch, sharp=3.0)
        np.testing.assert_allclose(weight.thresholds(state["counts"]), slow.thresholds(), rtol=1e-6)
        w, state = weight(q, torch.from_numpy(rows), state)
        assert w.tolist() == slow.weights(q.numpy(), rows)
        counted = [sum(g == c for g in slow.guess) for c in range(k)]
        assert state["counts"].tolist() == [*counted, sum(g is None for g in slow.guess)]
    assert min(counted) > 0, "the trial must have visited every class"


def test_per_class_is_fixed_once_every_class_is_learnt_equally():
    weight = parts.PerClass(0.95)
    state = {"last": torch.arange(40, dtype=torch.int16) % 4, "counts": torch.tensor([10, 10, 10, 10, 0])}
    q = shares(40, 4, sharp=6.0)
    w, _ = weight(q, torch.arange(40), state)
    expected, _ = parts.Fixed(0.95)(q, torch.arange(40), {})
    assert torch.equal(w, expected)
    assert 0 < expected.sum() < 40


def test_a_confidence_of_exactly_the_threshold_counts_but_is_no_confident_guess():
    """Eq. 4 of FixMatch has "at least", the counts of FlexMatch "more than"."""
    q = torch.tensor([[0.75, 0.25]] * 4)
    even = {"last": torch.tensor([0, 0, 1, 1], dtype=torch.int16), "counts": torch.tensor([2, 2, 0])}
    w, state = parts.PerClass(0.75)(q, torch.arange(4), even)
    assert w.tolist() == [1.0] * 4
    assert w.dtype == q.dtype
    assert state["counts"].tolist() == [2, 2, 0]
    assert parts.Fixed(0.75)(q, torch.arange(4), {})[0].dtype == q.dtype
    weight = parts.SelfAdaptive(momentum=0.0)  # the mean confidence is that of every row
    assert weight(q, torch.arange(4), weight.init(2, 4))[0].tolist() == [1.0] * 4


def test_without_warm_up_the_first_class_learnt_has_the_whole_threshold():
    weight = parts.PerClass(0.8, warmup=False)
    torch.testing.assert_close(weight.thresholds(torch.tensor([1, 0, 39])), torch.tensor([0.8, 0.0]))
    assert weight.thresholds(torch.tensor([0, 0, 40])).tolist() == [0, 0]


def test_two_rows_have_a_variance_and_one_has_none():
    weight = parts.TruncatedGaussian(momentum=0.0, align=parts.Unaligned())
    q = torch.tensor([[0.9, 0.1], [0.7, 0.3]])
    _, state = weight(q, torch.arange(2), weight.init(2, 2))
    assert state["var"].item() == pytest.approx(0.02)
    assert weight(q[:1], torch.arange(1), weight.init(2, 2))[1]["var"] == 1


def test_per_class_costs_two_bytes_a_row():
    state = parts.PerClass().init(10, 1000)
    assert sum(t.element_size() * t.numel() for t in state.values()) <= 2 * 1000 + 8 * 11


def test_to_prior_equals_reference_and_moves_the_mean_to_the_prior():
    prior = (0.5, 0.3, 0.1, 0.05, 0.05)
    align = parts.ToPrior(prior, momentum=0.9)
    state = align.init(5)
    batches = [shares(64, 5, seed=s) for s in range(20)]
    for q in batches:
        out, state = align(q.float(), state)
    np.testing.assert_allclose(out, reference.aligned([b.numpy() for b in batches], prior, 0.9), rtol=1e-4)
    far = np.abs(batches[-1].mean(0).numpy() - prior).sum()
    assert np.abs(out.mean(0).numpy() - prior).sum() < 0.6 * far
    same, _ = parts.Unaligned()(q, {})
    assert torch.equal(same, q)


def test_ramps_start_low_and_end_full():
    for ramp in (parts.Linear(0.4), parts.Gaussian(0.4), parts.Cosine(0.4)):
        values = [ramp(p) for p in np.linspace(0, 1, 51)]
        assert values == sorted(values)
        assert values[0] < 0.01
        assert values[20] == values[-1] == 1
    assert parts.Linear(0.5)(0.25) == 0.5
    assert parts.Gaussian(1.0)(0.5) == pytest.approx(np.exp(-1.25))
    assert parts.Cosine(0.5)(0.25) == pytest.approx(0.5)
    assert parts.Cosine(1.0)(1 / 3) == pytest.approx(0.25)
    assert parts.Constant()(0.0) == 1


WEIGHTS = [parts.Always(), parts.Fixed(0.7), parts.PerClass(0.7), parts.SelfAdaptive(), parts.TruncatedGaussian()]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_permuting_rows_permutes_weights_and_weights_stay_between_0_and_1(weight):
    q, order = shares(32, 5).float(), torch.randperm(32, generator=torch.Generator().manual_seed(0))
    w, _ = weight(q, torch.arange(32), weight.init(5, 32))
    permuted, _ = weight(q[order], torch.arange(32)[order], weight.init(5, 32))
    torch.testing.assert_close(w[order], permuted)
    assert ((w >= 0) & (w <= 1)).all()


@pytest.mark.parametrize("weight", WEIGHTS)
def test_weights_of_one_row_and_of_certain_guesses_are_finite(weight):
    """A variance of nothing, a class that is never guessed."""
    for q in (shares(1, 5).float(), torch.eye(5)[:1].repeat(8, 1)):
        state = weight.init(5, 8)
        for _ in range(50):
            w, state = weight(q, torch.arange(len(q)), state)
        assert torch.isfinite(w).all()
        assert ((w >= 0) & (w <= 1)).all()


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.9, 0.95), (0.0, 0.5)])
@pytest.mark.parametrize("momentum", [0.0, 0.7, 0.999])
def test_self_adaptive_equals_the_slow_derivation(bounds, momentum):
    weight, slow = parts.SelfAdaptive(momentum, *bounds), reference_methods.SelfAdaptive(momentum, *bounds)
    state, used = weight.init(5, 100), []
    for batch in range(40):
        q = shares(50, 5, seed=batch, sharp=3.0).float()
        w, state = weight(q, torch.arange(50), state)
        assert w.tolist() == slow.weights(q.double().numpy())
        used.append(w.mean().item())
    assert 0 < min(used) <= max(used) < 1 or bounds == (0.0, 0.5)


def test_self_adaptive_with_one_bound_and_even_classes_is_fixed():
    q = shares(60, 4, sharp=3.0).float()
    # every class guessed as often and as surely: all rotations of each row
    q = torch.cat([q.roll(i, 1) for i in range(4)])
    weight = parts.SelfAdaptive(momentum=0.0, low=0.7, high=0.7)
    w, _ = weight(q, torch.arange(240), weight.init(4, 240))
    expected, _ = parts.Fixed(0.7)(q, torch.arange(240), {})
    assert torch.equal(w, expected)
    assert 0 < expected.sum() < 240


@pytest.mark.parametrize(("n_sigma", "momentum"), [(2.0, 0.999), (1.0, 0.5), (3.0, 0.0)])
def test_truncated_gaussian_equals_the_slow_derivation(n_sigma, momentum):
    weight = parts.TruncatedGaussian(n_sigma, momentum, parts.ToPrior(momentum=0.9))
    slow = reference_methods.TruncatedGaussian(n_sigma, momentum, 0.9)
    state = weight.init(5, 100)
    for batch in range(40):
        q = shares(50, 5, seed=batch, sharp=3.0)
        w, state = weight(q.float(), torch.arange(50), state)
        np.testing.assert_allclose(w, slow.weights(q.numpy()), rtol=2e-3, atol=1e-6)
    assert w.min() < 0.9
    assert w.max() == 1


def test_truncated_gaussian_is_a_threshold_for_narrow_and_nothing_for_wide_bells():
    q = shares(64, 5, sharp=3.0).float()
    mean = q.amax(1).mean()
    for n_sigma, expected in ((1e6, q.amax(1) >= mean), (1e-6, torch.ones(64, dtype=torch.bool))):
        weight = parts.TruncatedGaussian(n_sigma, momentum=0.0, align=parts.Unaligned())
        w, _ = weight(q, torch.arange(64), weight.init(5, 64))
        assert torch.equal(w, expected.float())
    assert 0 < (q.amax(1) >= mean).sum() < 64


def test_adaptive_weights_forget_their_start_within_a_short_run():
    """0.999 alone would leave 60 % of the starting values after 500 steps."""
    q = shares(64, 5, sharp=6.0).float()
    for weight in (parts.SelfAdaptive(), parts.TruncatedGaussian(align=parts.Unaligned())):
        state = weight.init(5, 64)
        for _ in range(100):
            _, state = weight(q, torch.arange(64), state)
        learnt = state["tau"] if "tau" in state else state["mean"]
        assert learnt.item() == pytest.approx(q.amax(1).mean().item(), abs=1e-3)


def test_warm_ends_at_the_momentum_asked_for():
    from fewlabels.parts.math import warm

    assert warm(0.999, torch.tensor(0)).item() == pytest.approx(0.1)
    assert warm(0.999, torch.tensor(10**6)).item() == pytest.approx(0.999)
    assert warm(0.5, torch.tensor(100)).item() == 0.5
    values = [0.3, *np.random.default_rng(0).random(40)]
    average = torch.tensor(values[0])
    for t, value in enumerate(values[1:]):
        average = torch.lerp(torch.tensor(value, dtype=torch.float32), average, warm(0.9, torch.tensor(t)))
    assert average.item() == pytest.approx(reference.moving_average(values, 0.9), rel=1e-5)


def test_entropy_equals_reference_and_is_zero_for_certain_answers():
    from fewlabels.parts.math import entropy

    logits = np.random.default_rng(0).normal(size=(20, 4)) * 3
    expected = [reference_methods.shannon(p) for p in reference.softmax(logits)]
    np.testing.assert_allclose(entropy(torch.from_numpy(logits)), expected, rtol=1e-12)
    assert entropy(torch.tensor([[1000.0, 0.0]])).item() == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: parts.Fixed(1.2), "Fixed.tau is 1.2"),
        (lambda: parts.PerClass(-0.1), "PerClass.tau is -0.1"),
        (lambda: parts.SelfAdaptive(momentum=1.0), "SelfAdaptive.momentum is 1.0"),
        (lambda: parts.SelfAdaptive(low=0.9, high=0.8), "SelfAdaptive.low is 0.9, high 0.8"),
        (lambda: parts.SelfAdaptive(high=1.5), "high 1.5"),
        (lambda: parts.TruncatedGaussian(n_sigma=0.0), "TruncatedGaussian.n_sigma is 0.0"),
        (lambda: parts.TruncatedGaussian(momentum=-0.1), "TruncatedGaussian.momentum is -0.1"),
        (lambda: parts.Sharpen(0.0), "Sharpen.T is 0.0"),
        (lambda: parts.Sharpen(1.5), "Sharpen.T is 1.5"),
        (lambda: parts.ToPrior((0.5, 0.6)), "shares that sum to 1"),
        (lambda: parts.ToPrior((1.0, 0.0)), "expected positive shares"),
        (lambda: parts.ToPrior(momentum=1.0), "ToPrior.momentum is 1.0"),
        (lambda: parts.Linear(0.0), "Linear.over is 0.0"),
        (lambda: parts.Gaussian(1.5), "Gaussian.over is 1.5"),
        (lambda: parts.Cosine(1.5), "Cosine.over is 1.5"),
        (lambda: parts.ToPrior((0.5, 0.5)).init(3), "2 shares for 3 classes"),
    ],
)
def test_senseless_options_are_refused(make, words):
    with pytest.raises(OptionError, match=words):
        make()


def test_the_ends_of_what_makes_sense_are_taken():
    parts.Fixed(0.0), parts.Fixed(1.0), parts.PerClass(0.0), parts.ToPrior(momentum=0.0), parts.Linear(1.0)
    parts.Sharpen(1.0), parts.Sharpen(1e-3), parts.ToPrior((0.5, 0.5 + 1e-7))


@pytest.mark.parametrize("part", [parts.PerClass(), parts.SelfAdaptive(), parts.TruncatedGaussian(), parts.ToPrior()])
def test_parts_that_keep_something_a_row_or_class_refuse_pixels(part):
    q, more = torch.full((2, 3, 4, 4), 1 / 3), () if isinstance(part, parts.ToPrior) else (torch.arange(2),)
    with pytest.raises(OptionError, match=f"{type(part).__name__} reads one guess a row"):
        part(q, *more, part.init(3, *([2] * len(more))))


@pytest.mark.parametrize("source", [parts.Joint(), parts.Separate(), parts.Teacher()])
def test_sources_guess_the_weak_rows_and_pass_the_others_through_the_student(source):
    torch.manual_seed(0)
    net = Net(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)), Classes(2))
    with torch.no_grad():
        net.teacher[0].bias += 1
    x, weak, strong = torch.randn(4, 3), torch.randn(6, 3) + 1, torch.randn(6, 3) * 2
    guess, outputs_x, outputs_s = source(net, x, weak, strong)
    student, teacher = deepcopy(net.student).train(), deepcopy(net.teacher).eval()
    if source == parts.Joint():  # one set of batch statistics
        expected_x, expected, expected_s = student(torch.cat([x, weak, strong])).split([4, 6, 6])
    else:
        expected = teacher(weak) if source == parts.Teacher() else student(weak)
        expected_x, expected_s = student(torch.cat([x, strong])).split([4, 6])
    torch.testing.assert_close((guess, outputs_x, outputs_s), (expected.detach(), expected_x, expected_s))
    assert [t.requires_grad for t in (guess, outputs_x, outputs_s)] == [False, True, True]
