"""IoU and Dice against sets of pixels."""

import numpy as np
import pytest

from fewlabels.overlap import confusion, dice, image_scores, iou, mean_over_classes


def slow(true, guess, c):
    places = [(i, p) for i, t in enumerate(true) for p in np.ndindex(t.shape) if t[p] >= 0]
    a = {(i, p) for i, p in places if true[i][p] == c}
    b = {(i, p) for i, p in places if guess[i][p] == c}
    if not a | b:
        return np.nan, np.nan
    return len(a & b) / len(a | b), 2 * len(a & b) / (len(a) + len(b))


@pytest.mark.parametrize("seed", range(5))
def test_iou_and_dice_are_those_of_the_sets_of_pixels(seed):
    rng = np.random.default_rng(seed)
    true, guess = rng.integers(-1, 3, (4, 5, 6)), rng.integers(0, 3, (4, 5, 6))
    counts = confusion(true, guess, 4)  # class 3 is nowhere
    for images, cells in ((slice(None), counts.sum(0)), (slice(1, 2), counts[1])):
        expected = np.array([slow(true[images], guess[images], c) for c in range(4)])
        np.testing.assert_allclose(iou(cells), expected[:, 0])
        np.testing.assert_allclose(dice(cells), expected[:, 1])


def test_ignored_pixels_do_not_count_and_an_absent_class_has_no_score():
    true, guess = np.array([[[0, 0, -1, -1]]]), np.array([[[0, 0, 1, 2]]])
    scores = iou(confusion(true, guess, 3)[0])
    assert scores[0] == 1
    assert np.isnan(scores[1:]).all()
    assert mean_over_classes(scores) == 1
    assert np.isnan(mean_over_classes(iou(confusion(np.full_like(true, -1), guess, 3)[0])))


def test_one_matrix_an_image():
    true, guess = np.zeros((2, 3, 3), int), np.zeros((2, 3, 3), int)
    guess[1] = 1
    np.testing.assert_array_equal(confusion(true, guess, 2), [[[9, 0], [0, 0]], [[0, 9], [0, 0]]])


def test_images_have_a_score_each_from_the_classes_that_are_in_them():
    rng = np.random.default_rng(0)
    true, guess = rng.integers(-1, 3, (4, 2, 2)), rng.integers(0, 3, (4, 2, 2))
    true[0], guess[0] = [[-1, -1], [-1, 2]], [[0, 0], [0, 2]]  # a single pixel, of one class
    expected = [np.nanmean([slow(true[[i]], guess[[i]], c)[0] for c in range(3)]) for i in range(4)]
    assert expected[0] == 1
    np.testing.assert_allclose(image_scores(true, guess, 3), expected)


def test_every_image_needs_a_guess():
    with pytest.raises(ValueError, match="shorter"):
        confusion(np.zeros((2, 1, 1), int), np.zeros((1, 1, 1), int), 2)
