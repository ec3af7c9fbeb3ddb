"""Masks in a comparison, its verdict, its report and on the command line; the nuclei."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from test_cli import run
from test_segmenter import blobs, model

import fewlabels as fl
from fewlabels.data.labels import guess_task
from fewlabels.errors import InputError, OptionError
from fewlabels.report.masks import strip
from fewlabels.verdict import Verdict, judge_masks


@pytest.fixture(scope="module")
def compared():
    X, y, _ = blobs(n=24)
    X_test, _, truth = blobs(n=25, seed=1)
    truth[3, :4] = -1
    truth[5] = np.where(truth[5] == 7, 3, truth[5])
    result = fl.compare(X, y, X_test, truth, method=model("fixmatch", steps=25), random_state=0)
    return result, X_test, truth


def slow_score(true, guess):
    scores = []
    for c in (3, 7):
        a, b = (guess == c) & (true != -1), (true == c) & (true != -1)
        if (a | b).any():
            scores.append((a & b).sum() / (a | b).sum())
    return np.mean(scores)


def test_the_verdict_is_on_the_mean_iou_of_each_image(compared):
    result, X_test, truth = compared
    scores = [
        np.array([slow_score(t, g) for t, g in zip(truth, m.predict(X_test), strict=True)])
        for m in (result.baseline, result.candidate)
    ]
    assert result.task == "masks"
    assert result.paired.n == 25
    assert result.paired.baseline_score == pytest.approx(scores[0].mean())
    assert result.paired.difference == pytest.approx((scores[1] - scores[0]).mean())
    assert result.paired.wins == (scores[1] > scores[0] + 1e-12).sum()
    assert result.paired.low == pytest.approx(judge_masks(*scores).low)
    assert result.data["labels_per_class"] == {3: 4, 7: 4}
    assert (result.baseline_name, result.candidate_name) == ("supervised", "fixmatch")


def test_which_verdict():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.4, 0.6, 60)
    noise = rng.normal(0, 0.02, 60)
    assert judge_masks(base, base + 0.1 + noise).verdict == Verdict.HELPS
    assert judge_masks(base, base - 0.1 + noise).verdict == Verdict.HURTS
    assert judge_masks(base, base + noise / 100).verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert judge_masks(base, base + 10 * noise).verdict == Verdict.CANNOT_TELL
    assert judge_masks(base[:19], base[:19] + 0.1).verdict == Verdict.CANNOT_TELL
    assert judge_masks(base, base + noise / 100, delta=1e-9).verdict == Verdict.CANNOT_TELL
    helped = judge_masks(base, base + 0.1 + noise)
    assert helped.difference > 0
    assert helped.low < helped.difference < helped.high
    assert "60 images" in helped.sentence


@pytest.mark.slow
def test_false_alarms_of_masks():
    """Two models that are the same in the long run are told apart in at most some 5 % of samples."""
    rng, wrong = np.random.default_rng(0), 0
    for seed in range(400):
        base = rng.beta(8, 2, 60)
        other = np.clip(base + rng.normal(0, 0.05, 60), 0, 1)
        shift = np.clip(base + rng.normal(0, 0.05, 60), 0, 1)
        wrong += judge_masks(other, shift, seed=seed, delta=1e-6).verdict in (Verdict.HELPS, Verdict.HURTS)
    assert wrong / 400 < 0.075


def test_the_report_shows_the_classes_and_overlays(compared, tmp_path):
    result, _, _ = compared
    path = result.report(tmp_path / "report.html")
    html = path.read_text()
    assert path.stat().st_size < 2_000_000
    assert "Overlap by class" in html
    assert "Dice, labels only" in html
    pictures = [Image.open(io.BytesIO(base64.b64decode(p))) for p in re.findall(r"png;base64,([^\"]+)", html)]
    assert 1 <= len(pictures) <= 12
    assert {p.size for p in pictures} == {(4 * 80 + 3 * 2, 80)}
    facts = json.loads(path.with_suffix(".json").read_text())
    counts = np.array(facts["confusion"]["candidate"])
    assert facts["iou"]["candidate"][1] == pytest.approx(
        counts[1, 1] / (counts[1].sum() + counts[:, 1].sum() - counts[1, 1])
    )
    assert facts["dice"]["candidate"][1] == pytest.approx(2 * counts[1, 1] / (counts[1].sum() + counts[:, 1].sum()))
    assert facts["classes"] == ["3", "7"]


def test_a_report_of_incompressible_images_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (30, 100, 90, 3), dtype=np.uint8)
    y = rng.integers(0, 4, (30, 100, 90))
    y[3:20] = -1
    result = fl.compare(X[:20], y[:20], X[20:], y[20:], method=model(steps=2, network="unet-2-1"), random_state=0)
    assert result.report(tmp_path / "report.html").stat().st_size < 2_000_000


def test_a_strip_lays_each_mask_over_the_image():
    image = np.full((20, 10), 100, np.uint8)
    mask = np.zeros((40, 20), int)
    mask[:20] = 1
    mask[:2, :2] = -1
    drawn = strip(image, (mask, mask * 0), ground=0)
    assert drawn.shape == (80, 3 * 40 + 2 * 2, 3)  # four times, three panels and two gaps
    first, second = drawn[:, 42:82], drawn[:, 84:]
    assert (first[0, 0] == 0).all()  # ignored
    assert np.abs(first[20, 20].astype(int) - (100 + np.array([230, 159, 0])) // 2).max() <= 1
    assert (first[60, 20] == 100).all()
    assert (second == 100).all()
    assert strip(None, (mask,), 0) is None


def test_masks_are_held_out_when_no_test_set_is_given():
    X, y, _ = blobs(n=24, n_labeled=10)
    listed = [mask if (mask != -1).any() else None for mask in y]
    results = [fl.compare(X, masks, method=model(steps=2), random_state=0) for masks in (y, listed)]
    for result in results:
        assert result.held_out
        assert len(result.rows_eval) == 3
        assert set(result.rows_eval) <= set(range(10))
        assert np.array_equal(result.classes[result.y_eval], y[result.rows_eval])
        assert len(result.candidate.transduction_) == 21
        assert result.verdict == Verdict.CANNOT_TELL
    assert np.array_equal(results[0].candidate_output, results[1].candidate_output)


def test_the_task_is_guessed():
    _, y, _ = blobs()
    assert guess_task(y) == "masks"
    assert guess_task([None, y[0]]) == "masks"
    assert guess_task([None, "a"]) == "classes"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t[:, :5], "y_test has shape"),
        (lambda t: np.where(t == 7, 8, t), r"y_test has classes that no mask of the training had: \[8\]"),
        (lambda t: [None, *t[1:]], "y_test has 1 unlabeled rows"),
    ],
)
def test_a_test_set_that_cannot_be_used_is_refused_before_training(change, words):
    X, y, masks = blobs()
    with pytest.raises(InputError, match=words):
        fl.compare(X, y, X, change(masks), method=model(steps=10**9), random_state=0)


def test_methods_that_do_not_learn_masks_are_refused():
    X, y, masks = blobs()
    with pytest.raises(OptionError, match="learns classes, not masks"):
        fl.compare(X, y, X, masks, method="flexmatch")
    with pytest.raises(OptionError, match="not masks"):
        fl.compare(X, y, X, masks, method="label_spreading")


# the command line


@pytest.fixture
def npz(tmp_path):
    X, y, _ = blobs(n=24)
    X_test, _, truth = blobs(n=22, seed=1)
    np.savez(tmp_path / "cells.npz", X=X, y=y, X_test=X_test, y_test=truth)
    return tmp_path / "cells.npz"


def test_compare_and_predict_from_an_npz(npz, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["compare", str(npz), "--out", str(out), "--quiet"]
    for setting in ("steps=4", "network=unet-4-1", "augment.upside_down=true"):
        words += ["--set", setting]
    run(*words)
    assert "mean IoU" in capsys.readouterr().out
    config = (out / "config.toml").read_text()
    assert 'task = "masks"' in config
    assert 'method = "mean_teacher"' in config
    assert json.loads((out / "report.json").read_text())["settings"]["augment"]["upside_down"] is True
    run("predict", out, npz, "-o", tmp_path / "said.csv")
    with np.load(npz) as given, np.load(tmp_path / "said.npz") as said:
        assert said["y"].shape == given["y"].shape
        assert set(np.unique(said["y"])) <= {3, 7}


def test_fit_says_the_mean_iou(npz, tmp_path, capsys):
    run("fit", npz, "--out", tmp_path / "run", "--quiet", "--set", "steps=2", "--set", "network=unet-4-1")
    assert "mean IoU on the 22 test rows" in capsys.readouterr().out


def test_masks_from_other_files_are_refused(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x,label\n1,0\n")
    run("compare", tmp_path / "a.csv", "--task", "masks", expect=2)
    assert "task='masks' needs an .npz" in capsys.readouterr().err


# nuclei


def write_nuclei(folder):
    rng = np.random.default_rng(0)
    image = np.tile(np.arange(512, dtype=np.uint16), (512, 1))
    np.savez(folder / "nuclei_stardist.npz", img2d=image, mask2d=rng.integers(0, 3, (512, 512)))


def test_nuclei_from_a_folder_of_your_own(tmp_path, monkeypatch):
    write_nuclei(tmp_path)
    monkeypatch.setenv("FEWLABELS_DATA", str(tmp_path))
    data = fl.datasets.load_nuclei(5, random_state=1)
    assert (data.X.shape, data.X_test.shape) == ((144, 32, 32), (96, 32, 32))
    labeled = (data.y != -1).any((1, 2))
    assert labeled.sum() == 5
    assert set(np.unique(data.y[labeled])) == {0, 1}
    assert data.X.dtype == np.uint8
    # the column of an image is its grey level here: what is left of 288 trains (255 is as far as a byte goes)
    assert data.X[0, 0].tolist() == list(range(32))
    assert data.X[8, 0].tolist() == [255] * 32
    again = fl.datasets.load_nuclei(5, random_state=2)
    assert np.array_equal(again.y_test, data.y_test)
    assert not np.array_equal((again.y != -1).any((1, 2)), labeled)
    with pytest.raises(OptionError, match="n_labels=500"):
        fl.datasets.load_nuclei(500)


def test_absent_or_damaged_nuclei_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("FEWLABELS_DATA", raising=False)
    with pytest.raises(InputError, match="set FEWLABELS_DATA"):
        fl.datasets.load_nuclei()
    monkeypatch.setenv("FEWLABELS_DATA", str(tmp_path))
    with pytest.raises(InputError, match="nuclei_stardist.npz is not in"):
        fl.datasets.load_nuclei()
    (tmp_path / "nuclei_stardist.npz").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        fl.datasets.load_nuclei()
