"""Masks on the one training loop: what counts, what moves with what, and the estimator's contract."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import fewlabels as fl
from fewlabels.augment import Draws, MaskedImages
from fewlabels.batches import Pool, batches
from fewlabels.errors import InputError, OptionError
from fewlabels.networks import build
from fewlabels.scaling import Scaling
from fewlabels.tasks import Masks

LEARN_MASKS = sorted(name for name, cls in fl.methods.NAMES.items() if "masks" in cls.tasks)


def blobs(n=16, side=20, n_labeled=4, seed=0, channels=None):
    """Bright squares on a dark noisy ground, and which pixels they cover (classes 3 and 7)."""
    rng = np.random.default_rng(seed)
    X, masks = rng.integers(0, 90, (n, side, side)), np.full((n, side, side), 3)
    for i in range(n):
        r, c = rng.integers(0, side - 8, 2)
        X[i, r : r + 8, c : c + 8] += 120
        masks[i, r : r + 8, c : c + 8] = 7
    y = masks.copy()
    y[n_labeled:] = -1
    X = X.astype(np.uint8)
    return X if channels is None else np.stack([X] * channels, -1), y, masks


def model(method="mean_teacher", **options):
    options = {"network": "unet-4-2", "steps": 12, "batch_size": 4, "random_state": 0, "verbose": False} | options
    return fl.DeepSegmenter(method, **options)


# what the loss counts


def slow_supervised(logits, y):
    total, count = 0.0, 0
    for b in range(len(y)):
        for r in range(y.shape[1]):
            for c in range(y.shape[2]):
                if y[b, r, c] >= 0:
                    z = logits[b, :, r, c]
                    total += np.log(np.exp(z).sum()) - z[y[b, r, c]]
                    count += 1
    return total / count


def test_the_supervised_loss_is_the_mean_over_counted_pixels():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(3, 4, 5, 6)), rng.integers(-1, 4, (3, 5, 6))
    y[2, 1:] = -1  # one image with a few strokes
    loss = Masks(4).supervised(torch.tensor(logits), torch.tensor(y, dtype=torch.int16)).mean()
    assert loss.item() == pytest.approx(slow_supervised(logits, y), rel=1e-7)  # the scale is a float32
    none = Masks(4).supervised(torch.tensor(logits), torch.full((3, 5, 6), -1)).mean()
    assert none.item() == 0


def test_the_distance_is_the_mean_square_over_classes_of_each_pixel():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 3, 4, 5)), rng.dirichlet(np.ones(3), (2, 4, 5)).transpose(0, 3, 1, 2)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = Masks(3).distance(torch.tensor(logits), torch.tensor(target))
    np.testing.assert_allclose(found, ((p - target) ** 2).mean(1))


def test_ignored_pixels_change_nothing():
    """The labels under -1 do not exist, so images that differ there alone train the same model."""
    X, y, masks = blobs()
    y[0, :10] = -1
    listed = [mask if (mask != -1).any() else None for mask in y]
    first = model("fixmatch").fit(X, y)
    assert np.array_equal(first.predict_proba(X), model("fixmatch").fit(X, listed).predict_proba(X))
    y[0, :10] = masks[0, :10]
    assert not np.array_equal(first.predict_proba(X), model("fixmatch").fit(X, y).predict_proba(X))


# what moves with what


def draws(n, stream=0):
    return Draws(0, stream, 3, np.arange(n))


def stream_of(augment, copies=("weak", "strong"), ratio=3, steps=3):
    """Batches of images whose mask is known from the grey level: 0 to 9 below 128, the rest above."""
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.integers(0, 256, (9, 1, 11, 7), dtype=np.uint8))
    y = (x[:4, 0] > 127).to(torch.int16)
    pool = Pool(x, np.arange(4), y)
    scaling = Scaling("image", np.zeros(1, np.float32), np.ones(1, np.float32))
    return batches(
        pool, scaling, augment, copies, batch_size=5, unlabeled_ratio=ratio, seed=0, start=0, stop=steps,
        device=torch.device("cpu"), moving=augment,
    )  # fmt: skip


def test_the_mask_moves_with_its_image():
    still = MaskedImages(shift=0.3, upside_down=True, contrast=0, brightness=0, noise=0)
    moved = 0
    for batch in stream_of(still):
        assert torch.equal(batch.y, (batch.x[:, 0] > 127).to(torch.int16))
        moved += len({tuple(y.flatten().tolist()) for y in batch.y})
    assert moved > 4  # more than the masks there are: they do move


def test_all_versions_of_an_unlabeled_image_fit_pixel_by_pixel():
    """A network that says whether a pixel is bright gives the teacher's target where the student sees it."""
    still = MaskedImages(shift=0.3, upside_down=True, contrast=0, brightness=0, noise=0, n_ops=0, cutout=0)
    for batch in stream_of(still, ("weak", "weak", "strong")):
        one, other, strong = batch.u
        assert torch.equal(one > 127, other > 127)
        assert torch.equal(one > 127, strong > 127)
    noisy = MaskedImages(shift=0.3, upside_down=True, noise=0.02, contrast=0.1, brightness=0.05)
    for batch in stream_of(noisy, ("weak", "weak")):
        one, other = batch.u
        assert not torch.equal(one, other)
        assert ((one > 127) == (other > 127)).float().mean() > 0.75
        assert np.corrcoef(one.flatten(), other.flatten())[0, 1] > 0.95


class Brightness(nn.Module):
    """Logits of (dark, bright) that are the grey level itself; one weight, so that there is something to train."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 1))

    def forward(self, x):
        return torch.cat([-x, x], 1) * self.scale


def test_consistency_is_zero_where_nothing_but_geometry_differs():
    """Were teacher and student cropped apart, their answers would differ."""
    X, y, _ = blobs(n_labeled=4)
    still = MaskedImages(shift=0.3, upside_down=True, contrast=0, brightness=0, noise=0)
    for method in (fl.methods.MeanTeacher(), fl.methods.PiModel()):
        fitted = model(method, network=Brightness(), augment=still, lr=0.0).fit(X, y)
        assert all(entry["loss_u"] < 1e-12 for entry in fitted.history_)
    noisy = model("mean_teacher", network=Brightness(), augment=MaskedImages(), lr=0.0).fit(X, y)
    assert all(entry["loss_u"] > 1e-6 for entry in noisy.history_)


def test_the_estimator_moves_image_mask_and_unlabeled_image():
    """A network that looks at single pixels has the same loss when all are mirrored, and another when one is not."""
    X, y, _ = blobs()
    seen = []

    class Mirrored(fl.augment.NoAugmentation):
        def move(self, x, draws):
            seen.append((tuple(x.shape), x.dtype))
            return x.flip(3)

    plain, mirrored = (model(network=Brightness(), augment=a, lr=0.0).fit(X, y) for a in ("none", Mirrored()))
    assert set(seen) == {((4, 1, 20, 20), torch.uint8), ((4, 1, 20, 20), torch.int16), ((8, 1, 20, 20), torch.uint8)}
    for one, other in zip(plain.history_, mirrored.history_, strict=True):
        assert one["loss_x"] == pytest.approx(other["loss_x"], rel=1e-5)


@pytest.mark.parametrize("which", ["weak", "strong"])
def test_weak_and_strong_leave_pixels_where_they_are(which):
    """A corner of one grey level stays that corner; Cutout is off."""
    x = torch.full((40, 1, 12, 12), 40, dtype=torch.uint8)
    x[:, :, :3, :5] = 200
    augment = MaskedImages(noise=0.01, cutout=0)
    seen = getattr(augment, which)(x, draws(40)).float()
    inside, outside = seen[:, :, :3, :5].mean((1, 2, 3)), seen[:, :, 4:, 6:].mean((1, 2, 3))
    clear = (inside - outside).abs() > 20
    assert clear.float().mean() > 0.7
    # away from the edge, which Sharpness blurs
    assert (seen[clear][:, :, :2, :4].std((1, 2, 3)) < 10).all()
    assert (seen[clear][:, :, 4:, 6:].std((1, 2, 3)) < 10).all()
    assert not torch.equal(seen, x.float())


@pytest.mark.parametrize(
    "changed",
    [{"shift": 0.3}, {"flip": False}, {"upside_down": True}, {"contrast": 0.1}, {"brightness": 0.5}, {"noise": 0.2},
     {"n_ops": 1}, {"cutout": 0.2}, {"fill": 0}],
    ids=str,
)  # fmt: skip
def test_every_option_of_the_augmentation_matters(changed):
    def all_of(augment):
        x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (30, 1, 16, 16), dtype=np.uint8))
        return torch.cat([augment.move(x, draws(30)), augment.weak(x, draws(30)), augment.strong(x, draws(30))])

    assert torch.equal(all_of(MaskedImages()), all_of(MaskedImages()))
    assert not torch.equal(all_of(MaskedImages()), all_of(MaskedImages(**changed)))


@pytest.mark.parametrize("bad", [{"shift": 2}, {"contrast": -1}, {"noise": 3}, {"upside_down": 2}, {"cutout": -1}])
def test_senseless_options_of_the_augmentation_are_refused(bad):
    with pytest.raises(OptionError, match=next(iter(bad))):
        MaskedImages(**bad)


# the network


@pytest.mark.parametrize(("shape", "depth"), [((1, 13, 9), 3), ((3, 32, 20), 2), ((1, 1, 5), 1)])
def test_the_unet_answers_for_every_pixel_of_any_size(shape, depth):
    net = build(f"unet-4-{depth}", shape, 5, masks=True)
    assert net(torch.randn(2, *shape)).shape == (2, 5, *shape[1:])


def test_the_unet_shifts_with_its_input():
    """Far from the border, and by a multiple of 2^depth: no row or column is lost on the way down and up."""
    torch.manual_seed(0)
    net = build("unet-4-2", (1, 64, 64), 2, masks=True).eval()
    x = torch.zeros(1, 1, 64, 64)
    x[:, :, 28:32, 28:32] = torch.randn(4, 4)
    there = net(x.roll((8, 4), (2, 3)))
    torch.testing.assert_close(there[:, :, 24:48, 24:48], net(x).roll((8, 4), (2, 3))[:, :, 24:48, 24:48])


# the estimator


@pytest.mark.parametrize("method", LEARN_MASKS)
def test_every_method_that_learns_masks_trains(method):
    X, y, _ = blobs()
    fitted = model(method, steps=3).fit(X, y)
    assert fitted.predict(X).shape == X.shape
    assert np.isfinite(fitted.history_[-1]["loss"])


def test_which_methods_learn_masks():
    assert {"supervised", "mean_teacher", "pi_model", "fixmatch"} <= set(LEARN_MASKS)
    X, y, _ = blobs()
    with pytest.raises(OptionError, match="learns classes, not masks"):
        model("flexmatch").fit(X, y)
    for part in ({"weight": fl.parts.PerClass()}, {"weight": fl.parts.SelfAdaptive()}, {"align": fl.parts.ToPrior()},
                 {"weight": fl.parts.TruncatedGaussian()}):  # fmt: skip
        with pytest.raises(OptionError, match="not one a pixel"):
            model(fl.methods.FixMatch(**part)).fit(X, y)


@pytest.fixture(scope="module")
def fitted():
    X, y, masks = blobs(channels=3)
    return model(steps=60).fit(X, y), X, y, masks


def test_fit_predict_and_attributes(fitted):
    seg, X, y, masks = fitted
    proba = seg.predict_proba(X)
    assert proba.shape == (16, 20, 20, 2)
    assert seg.classes_.tolist() == [3, 7]
    np.testing.assert_allclose(proba.sum(-1), 1, rtol=1e-5)
    assert np.array_equal(seg.classes_[proba.argmax(-1)], seg.predict(X))
    assert np.array_equal(seg.transduction_[y != -1], y[y != -1])
    assert np.array_equal(seg.transduction_[4:], seg.predict(X)[4:])
    assert seg.history_[-1]["step"] == 60
    assert seg.score(X, masks) > 0.6


def test_it_gives_the_same_in_small_passes(fitted, monkeypatch):
    seg, X, _, _ = fitted
    whole = seg.predict_proba(X)
    monkeypatch.setattr("fewlabels.run._CHUNK_PIXELS", 3 * 400)
    sizes = [len(out) for out in seg.run_.outputs_by_chunk(X)]
    assert sizes == [3, 3, 3, 3, 3, 1]
    np.testing.assert_allclose(seg.predict_proba(X), whole, atol=1e-5)


def test_score_is_the_mean_iou(fitted):
    seg, X, _, masks = fitted
    truth = masks.copy()
    truth[:3, :5] = -1
    guess, scores = seg.predict(X), []
    for c in (3, 7):
        counted = truth != -1
        a, b = (guess == c) & counted, (truth == c) & counted
        scores.append((a & b).sum() / (a | b).sum())
    assert seg.score(X, truth) == pytest.approx(np.mean(scores))
    assert seg.score(X, [None, *truth[1:]]) != seg.score(X, truth)


def test_clone_pickle_save_and_load_give_the_same_bits(fitted, tmp_path):
    seg, X, y, _ = fitted
    loaded = fl.load(seg.save(tmp_path / "model"))
    assert isinstance(loaded, fl.DeepSegmenter)
    assert np.array_equal(loaded.transduction_, seg.transduction_)
    for other in (clone(seg).fit(X, y), pickle.loads(pickle.dumps(seg)), loaded, clone(loaded).fit(X, y)):
        assert np.array_equal(other.predict_proba(X), seg.predict_proba(X))
        assert other.classes_.dtype == seg.classes_.dtype


@pytest.mark.parametrize(
    "values", [np.array([0, 255], np.uint8), np.array([False, True]), np.array([2, 9], np.int32)], ids=str
)
def test_classes_keep_the_users_values_and_type(values):
    X, y, masks = blobs()
    listed = [values[(mask == 7).astype(int)] if i < 4 else None for i, mask in enumerate(masks)]
    seg = model(steps=2).fit(X, listed)
    assert seg.classes_.tolist() == values.tolist()
    assert seg.predict(X).dtype == values.dtype == seg.transduction_.dtype


def test_a_resumed_run_gives_the_same_bits(tmp_path, monkeypatch):
    X, y, _ = blobs()
    whole = model("fixmatch", folder=tmp_path / "a").fit(X, y)
    from fewlabels.saver import Saver

    kept, real = [], Saver.save_if_due

    def stop_at_five(saver, step, history):
        if step.number == 5 and not kept:
            kept.append(step)
            saver.save_now(step, history)
            raise KeyboardInterrupt
        real(saver, step, history)

    monkeypatch.setattr(Saver, "save_if_due", stop_at_five)
    with pytest.raises(KeyboardInterrupt):
        model("fixmatch", folder=tmp_path / "b").fit(X, y)
    again = model("fixmatch", folder=tmp_path / "b").fit(X, y)
    assert again.history_ == whole.history_
    assert np.array_equal(again.predict_proba(X), whole.predict_proba(X))
    y[0, 0, 0] = -1
    with pytest.raises(InputError, match="other data or settings"):
        model("fixmatch", folder=tmp_path / "b").fit(X, y)


def test_the_baseline_differs_in_the_method_alone():
    one, other = model().get_params(), model().baseline().get_params()
    assert {name for name in one if one[name] != other[name]} == {"method"}


def test_float_images_and_image_files(tmp_path):
    from PIL import Image

    X, y, _ = blobs()
    a = model(steps=3).fit(X / 255.0, y)
    assert a.predict(X / 255.0).shape == X.shape
    paths = []
    for i, image in enumerate(X):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(image).save(paths[-1])
    assert np.array_equal(model(steps=3).fit(paths, y).predict(paths), model(steps=3).fit(X, y).predict(X))


X, Y, _ = blobs()
BAD = [
    (X, Y[:5], "X has 16 images, y has 5 masks"),
    (X, Y[:, :10], r"y has shape \(16, 10, 20\), where the images ask for \(16, 20, 20\)"),
    (X, np.eye(8)[np.maximum(Y, 0)].astype(int), "argmax"),
    (X, Y[..., None], "Drop the last axis"),
    (X, [Y[0], Y[1][:5], *[None] * 14], r"y\[1\] has shape \(5, 20\)"),
    (X, np.full_like(Y, -1), "no labeled row"),
    (X, [None] * 16, "no labeled row"),
    (X, np.where(Y == 7, 3, Y), "only one class, 3"),
    (X, Y.astype(float), "y holds float64"),
    (X, [Y[0] * 0.5, *[None] * 15], r"y\[0\] holds float64"),
    (X, np.where(Y == 7, -2, Y), "of the negative numbers only -1 is known"),
    (X, Y.astype(str), "masks hold whole numbers"),
    (X, None, "y is None"),
    (X.reshape(16, -1), Y, "X is a table"),
]


@pytest.mark.parametrize(("x", "y", "words"), BAD, ids=[words for *_, words in BAD])
def test_data_that_cannot_be_used_is_refused_with_the_reason(x, y, words):
    with pytest.raises(InputError, match=words):
        model().fit(x, y)


def test_scoring_refuses_what_the_model_does_not_know(fitted):
    seg, X, _, masks = fitted
    with pytest.raises(InputError, match=r"\[9\]"):
        seg.score(X, np.where(masks == 7, 9, masks))
    with pytest.raises(InputError, match="no pixel that counts"):
        seg.score(X, np.full_like(masks, -1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"network": "convnet"}, "one answer an image"),
        ({"network": nn.Sequential(nn.Flatten(), nn.Linear(400, 2))}, "masks need one value for each class and pixel"),
        ({"network": "unett"}, "Did you mean 'unet'"),
        ({"augment": fl.augment.Images()}, "does not say how a mask moves"),
    ],
)
def test_options_that_do_not_fit_masks_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        model(**options).fit(X, Y)


def test_a_classifier_refuses_the_unet():
    data = fl.datasets.load_digits(random_state=0)
    with pytest.raises(OptionError, match="one answer a pixel"):
        fl.DeepClassifier(network="unet", steps=1, verbose=False).fit(data.X, data.y)
