"""Image files and folders of them: what is read, how it is brought to one form, and what is refused."""

import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from fewlabels import data
from fewlabels.data.images import ImageFiles, read_images
from fewlabels.errors import InputError, OptionError
from fewlabels.partial_labels import partial


def save(path, pixels, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(path, **options)
    return path


def gray(value=100, size=(6, 8)):
    return np.full(size, value, np.uint8)


def color(value=(10, 20, 30), size=(6, 8)):
    return np.full((*size, 3), value, np.uint8)


def png_header(path, width, height):
    """A PNG of a few bytes that claims a size."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))
    return path


def test_equal_small_images_keep_their_size_and_gray_stays_one_channel(tmp_path):
    paths = [save(tmp_path / f"{v}.png", gray(v)) for v in (0, 7, 255)]
    images = read_images(paths)
    assert images.x.dtype == np.uint8
    assert images.x.shape == (3, 6, 8, 1)
    assert images.x[:, 0, 0, 0].tolist() == [0, 7, 255]
    assert images.kept.tolist() == [0, 1, 2]
    assert images.notes == ["3 images of 6x8x1 were decoded into 0.0 MB of memory."]


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "jpg"])
def test_each_known_format_is_read(tmp_path, suffix):
    exact = {"lossless": True} if suffix == "webp" else {}
    x = read_images([save(tmp_path / f"a.{suffix}", color(), **exact)]).x
    np.testing.assert_allclose(x[0, 0, 0], (10, 20, 30), atol=3 if suffix == "jpg" else 0)


def test_gray_and_colour_together_become_colour(tmp_path):
    x = read_images([save(tmp_path / "a.png", gray(9)), save(tmp_path / "b.png", color())]).x
    assert x.shape == (2, 6, 8, 3)
    assert x[:, 0, 0].tolist() == [[9, 9, 9], [10, 20, 30]]


def test_unequal_or_large_images_are_resized_and_that_is_said(tmp_path):
    unequal = [save(tmp_path / "a.png", gray(5)), save(tmp_path / "b.png", gray(9, (9, 9)))]
    images = read_images(unequal)
    assert images.x.shape == (2, 64, 64, 1)
    assert (images.x[0] == 5).all()
    assert "2 sizes; they were resized to 64 x 64" in images.notes[0]
    large = read_images([save(tmp_path / "c.png", gray(size=(130, 20)))])
    assert large.x.shape == (1, 64, 64, 1)
    assert "130 x 20 pixels; they were resized" in large.notes[0]
    assert read_images([save(tmp_path / "d.png", gray(size=(128, 20)))]).x.shape == (1, 128, 20, 1)


def test_size_and_channels_may_be_said(tmp_path):
    path = save(tmp_path / "a.png", color())
    assert read_images([path], size=5).x.shape == (1, 5, 5, 3)
    assert read_images([path], size=(4, 7), channels=1).x.shape == (1, 4, 7, 1)


@pytest.mark.parametrize("option", [{"size": 0}, {"size": (1, 2, 3)}, {"channels": 4}, {"on_bad_file": "maybe"}])
def test_senseless_options_are_refused(tmp_path, option):
    with pytest.raises(OptionError, match=next(iter(option))):
        read_images([save(tmp_path / "a.png", gray())], **option)


def test_exif_rotation_is_applied(tmp_path):
    pixels = gray(0)
    pixels[:, :4] = 255  # left half white; orientation 6 turns it clockwise: upper half white
    exif = Image.Exif()
    exif[0x0112] = 6
    x = read_images([save(tmp_path / "a.png", pixels, exif=exif)]).x
    assert x.shape == (1, 8, 6, 1)
    assert (x[0, :4] == 255).all()
    assert (x[0, 4:] == 0).all()


def test_odd_modes_are_brought_to_eight_bits(tmp_path):
    deep = save(tmp_path / "deep.png", np.full((2, 2), 65535 // 4, np.uint16))
    assert read_images([deep]).x[0, 0, 0].tolist() == [64]
    bilevel = save(tmp_path / "bilevel.png", Image.new("1", (2, 2), 1))
    assert read_images([bilevel]).x[0, 0, 0].tolist() == [255]
    palette = save(tmp_path / "palette.png", Image.fromarray(color((250, 0, 0))).quantize(4))
    assert read_images([palette]).x[0, 0, 0].tolist() == [250, 0, 0]
    cmyk = save(tmp_path / "cmyk.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)))
    np.testing.assert_allclose(read_images([cmyk]).x[0, 0, 0], [255, 0, 0], atol=6)


def test_transparent_pixels_become_white(tmp_path):
    hidden = np.zeros((2, 2, 4), np.uint8)
    hidden[0, 0] = (9, 8, 7, 255)
    x = read_images([save(tmp_path / "a.png", hidden)]).x
    assert x[0, 0, 0].tolist() == [9, 8, 7]
    assert x[0, 1, 1].tolist() == [255, 255, 255]
    gray_alpha = save(tmp_path / "b.png", Image.new("LA", (2, 2), (0, 0)))
    assert read_images([gray_alpha]).x.tolist() == [[[[255], [255]], [[255], [255]]]]


def test_what_does_not_fit_in_memory_stays_on_disk(tmp_path):
    paths = [save(tmp_path / f"{v}.png", gray(v)) for v in range(5)]
    images = read_images(paths, max_bytes=100)
    files = images.x
    assert isinstance(files, ImageFiles)
    assert "stay on disk" in images.notes[0]
    assert (files.shape, len(files), files.dtype) == ((5, 6, 8, 1), 5, np.uint8)
    again = pickle.loads(pickle.dumps(files))
    np.testing.assert_array_equal(again.take([3, 1]), read_images(paths).x[[3, 1]])
    assert files.take([]).shape == (0, 6, 8, 1)
    assert files[1:3].take([0])[0, 0, 0, 0] == 1
    assert files[np.array([False, False, True, False, True])].take([1])[0, 0, 0, 0] == 4
    part = partial(files, [0, -1, 1, -1, -1])
    assert (part.kind, part.n_rows, part.form.shape, part.form.dtype) == ("image", 5, (6, 8, 1), "uint8")


def truncated(path):
    whole = save(path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def text_file(path):
    path.write_text("no image")
    return path


def svg(path):
    path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return path


def gif_in_disguise(path):
    return save(path, gray(), format="GIF")


def empty(path):
    path.touch()
    return path


def folder(path):
    path.mkdir()
    return path


BAD = {
    "truncated": (truncated, r"OSError"),
    "text": (text_file, r"none of PNG, JPEG, WEBP, BMP"),
    "svg": (svg, r"none of PNG"),
    "gif": (gif_in_disguise, r"none of PNG"),
    "empty": (empty, r"none of PNG"),
    "folder": (folder, r"it is a folder"),
    "missing": (lambda path: path, r"there is no such file"),
    "26 million pixels": (lambda path: png_header(path, 5200, 5000), r"5200 x 5000 pixels are more than the 25 mil"),
    "bomb warned of": (lambda path: png_header(path, 12000, 12000), r"DecompressionBombWarning|more than the 25"),
    "bomb": (lambda path: png_header(path, 60000, 60000), r"DecompressionBombError"),
}


@pytest.mark.parametrize(("make", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_named_or_skipped(tmp_path, make, reason):
    good = [save(tmp_path / f"{v}.png", gray(v)) for v in (1, 2)]
    bad = make(tmp_path / "bad.png")
    paths = [good[0], bad, good[1]]
    with pytest.raises(InputError, match=rf"1 of 3 images are bad; first: cannot read image .*bad\.png: .*{reason}"):
        read_images(paths, size=(6, 8))
    for limit in (None, 0):
        images = read_images(paths, size=(6, 8), channels=1, on_bad_file="skip", max_bytes=limit)
        assert images.kept.tolist() == [0, 2]
        assert images.x.shape == (2, 6, 8, 1)
        pixels = images.x.take([0, 1]) if limit == 0 else images.x
        assert pixels[:, 0, 0, 0].tolist() == [1, 2]
        assert "1 of 3 files were skipped" in images.notes[-1]
    with pytest.raises(InputError, match="1 of 1 images are bad"):
        read_images([bad], on_bad_file="skip")


def by_class(root):
    for name, value in (("cat", 10), ("dog", 20)):
        for i in range(2):
            save(root / "labeled" / name / f"{i}.png", gray(value + i))
        save(root / "test" / name / "t.png", gray(value + 5))
    save(root / "unlabeled" / "deep" / "er" / "u.png", gray(99))
    (root / "unlabeled" / ".hidden.png").write_text("passed over")
    (root / "unlabeled" / "notes.txt").write_text("passed over")
    return root


def test_folders_by_class(tmp_path):
    bunch = data.load(by_class(tmp_path / "pets"))
    assert bunch.X.shape == (5, 6, 8, 1)
    assert bunch.X[:, 0, 0, 0].tolist() == [10, 11, 20, 21, 99]
    assert bunch.y.tolist() == ["cat", "cat", "dog", "dog", None]
    assert bunch.ids.tolist()[-1] == "unlabeled/deep/er/u.png"
    assert bunch.X_test[:, 0, 0, 0].tolist() == [15, 25]
    assert bunch.y_test.tolist() == ["cat", "dog"]
    assert (bunch.name, bunch.task, bunch.encoder, bunch.feature_names) == ("pets", "classes", None, None)
    assert any("notes.txt" in note for note in bunch.notes)
    assert partial(bunch.X, bunch.y).classes.tolist() == ["cat", "dog"]


def test_skipped_files_leave_rows_labels_and_ids_together(tmp_path):
    root = by_class(tmp_path / "pets")
    (root / "labeled/cat/1.png").write_text("broken")
    (root / "test/cat/t.png").write_text("broken")
    with pytest.raises(InputError, match=r"2 of 7 images are bad.*labeled/cat/1\.png"):
        data.load(root)
    bunch = data.load(root, on_bad_file="skip")
    assert bunch.X[:, 0, 0, 0].tolist() == [10, 20, 21, 99]
    assert bunch.y.tolist() == ["cat", "dog", "dog", None]
    assert bunch.ids.tolist()[0] == "labeled/cat/0.png"
    assert bunch.y_test.tolist() == ["dog"]
    assert bunch.X_test[:, 0, 0, 0].tolist() == [25]


def with_csv(root, text):
    for i in range(4):
        save(root / "sub" / f"{i}.png", gray(i))
    (root / "labels.csv").write_text(text)
    return root


def test_a_folder_with_labels_csv(tmp_path):
    root = with_csv(tmp_path / "d", "file,label\nsub/2.png,b\n./sub\\0.png,a\nsub/1.png,\n")
    save(root / "test" / "a" / "t.png", gray(50))
    bunch = data.load(root)
    assert bunch.ids.tolist() == [f"sub/{i}.png" for i in range(4)]
    assert bunch.y.tolist() == ["a", None, "b", None]
    assert bunch.y_test.tolist() == ["a"]
    numbers = with_csv(tmp_path / "n", "file,label\nsub/2.png,1.5\nsub/0.png,2\n")
    bunch = data.load(numbers)
    assert bunch.task == "numbers"
    np.testing.assert_array_equal(bunch.y, [2, np.nan, 1.5, np.nan])


def test_a_bare_folder_can_be_predicted(tmp_path):
    for i in range(2):
        save(tmp_path / f"{i}.png", gray(i))
    bunch = data.load(tmp_path)
    assert bunch.y is None
    assert bunch.ids.tolist() == ["0.png", "1.png"]
    assert "carry no labels" in bunch.notes[0]
    assert data.load(tmp_path, size=(3, 4), channels=3).X.shape == (2, 3, 4, 3)


def loose_image(root):
    save(by_class(root) / "labeled" / "loose.png", gray())


def empty_class(root):
    (by_class(root) / "labeled" / "fox").mkdir()


def only_subfolders(root):
    save(root / "cat" / "0.png", gray())


BAD_FOLDERS = {
    "empty": (lambda root: root.mkdir(), r"holds no images.*labeled/<class>"),
    "classes without labeled": (only_subfolders, r"subfolders \(first: cat/0\.png\).*labeled/<class>"),
    "loose image": (loose_image, r"loose\.png lies outside a class folder"),
    "empty class": (empty_class, r"class folder .*fox holds no images"),
    "missing file": (
        lambda r: with_csv(r, "file,label\nx.png,a\n../o.png,b\n"),
        r"2 files that are not.*x\.png, \.\./",
    ),
    "listed twice": (lambda r: with_csv(r, "file,label\nsub/1.png,a\nsub/1.png,b\n"), r"lists 'sub/1\.png' twice, in"),
    "no label column": (lambda r: with_csv(r, "file,class\nsub/1.png,a\n"), r"no column 'label'; it has file, class"),
}


@pytest.mark.parametrize(("make", "message"), BAD_FOLDERS.values(), ids=BAD_FOLDERS.keys())
def test_folders_that_cannot_be_used(tmp_path, make, message):
    make(tmp_path / "d")
    with pytest.raises(InputError, match=message):
        data.load(tmp_path / "d")


def test_classes_by_folder_are_no_numbers(tmp_path):
    with pytest.raises(OptionError, match=r"task='numbers' needs a labels\.csv"):
        data.load(by_class(tmp_path / "d"), task="numbers")


def test_a_list_of_paths_may_be_X(tmp_path):
    paths = [save(tmp_path / f"{v}.png", gray(v)) for v in (1, 2, 3)]
    for X in (paths, [str(p) for p in paths], np.array([str(p) for p in paths])):
        part = partial(X, [0, -1, 1])
        assert part.x.shape == (3, 6, 8, 1)
        assert part.form.dtype == "uint8"
