""".npz files: what is read, and what is refused before anything is loaded."""

import io
import zipfile

import numpy as np
import pytest

from fewlabels import data
from fewlabels.data import arrays, memory
from fewlabels.errors import InputError, OptionError, ResourceError, UnsafeFileError


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def zipped(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)


def claim(shape):
    """An .npy header that claims a shape, with 80 bytes of data."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(80)


def header(text, version=1):
    """An .npy with this header, as NumPy pads it, and 24 bytes of data."""
    line = text.encode() + b" " * (-(len(text) + 7 + 4 * version) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(line).to_bytes(2 * version, "little") + line + bytes(24)


def test_arrays_come_back_as_stored(tmp_path):
    X, y = np.arange(12, dtype=np.uint8).reshape(4, 3), np.array([0, -1, 1, -1])
    np.savez(tmp_path / "d.npz", X=X, y=y, X_test=X[:2], y_test=y[:2], extra=y)
    bunch = data.load(tmp_path / "d.npz")
    for name, expected in (("X", X), ("y", y), ("X_test", X[:2]), ("y_test", y[:2])):
        np.testing.assert_array_equal(bunch[name], expected)
        assert bunch[name].dtype == expected.dtype
    assert bunch.ids.tolist() == [0, 1, 2, 3]
    assert bunch.notes == ["Arrays not used: extra."]
    assert (bunch.name, bunch.task, bunch.encoder) == ("d", "classes", None)


def test_what_is_absent_is_None(tmp_path):
    np.savez_compressed(tmp_path / "d.npz", X=np.eye(3))
    bunch = data.load(tmp_path / "d.npz")
    assert (bunch.y, bunch.X_test, bunch.y_test) == (None, None, None)


@pytest.mark.parametrize(
    ("y", "asked", "task"),
    [([0.5, np.nan], None, "numbers"), ([1.0, np.nan], None, "classes"), ([1.0, np.nan], "numbers", "numbers")],
)
def test_the_task_is_read_from_y_or_asked_for(tmp_path, y, asked, task):
    np.savez(tmp_path / "d.npz", X=np.eye(2), y=y)
    assert data.load(tmp_path / "d.npz", task=asked).task == task


def test_an_unknown_task_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", X=np.eye(2), y=[0, 1])
    with pytest.raises(OptionError, match="task='ranks' is unknown"):
        data.load(tmp_path / "d.npz", task="ranks")


def no_X(path):
    np.savez(path, x_train=np.eye(2), y=np.zeros(2))


def unequal(path):
    np.savez(path, X=np.eye(2), y=np.zeros(3))


def half_a_test(path):
    np.savez(path, X=np.eye(2), y=np.zeros(2), X_test=np.eye(2))


def pickled(path):
    np.savez(path, X=np.eye(2), y=np.array(["a", None], object))


def truncated(path):
    np.savez(path, X=np.eye(50), y=np.zeros(50))
    path.write_bytes(path.read_bytes()[:500])


def flipped_bit(path):
    np.savez(path, X=np.eye(50), y=np.zeros(50))
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(bytes(content))


BAD = {
    "no X": (no_X, InputError, r"d\.npz has no array X; it has x_train, y\. Save it with np\.savez"),
    "unequal": (unequal, InputError, r"X has shape \(2, 2\), y has \(3,\); lengths differ"),
    "half a test set": (half_a_test, InputError, r"only one of X_test and y_test"),
    "pickle": (pickled, UnsafeFileError, r"y is an object array, stored as a pickle.*y\.astype\(str\)"),
    "empty": (lambda p: p.touch(), UnsafeFileError, r"d\.npz is no readable \.npz"),
    "text": (lambda p: p.write_text("hello"), UnsafeFileError, r"no readable \.npz"),
    "truncated": (truncated, UnsafeFileError, r"no readable \.npz"),
    "flipped bit": (flipped_bit, UnsafeFileError, r"no readable \.npz .*CRC"),
    "claims more": (lambda p: zipped(p, [("X.npy", claim((10**12,)))]), UnsafeFileError, r"claims 80000\d+ bytes but"),
    "claims 2**63": (lambda p: zipped(p, [("X.npy", claim((2**63,)))]), UnsafeFileError, r"claims|readable"),
    "no npy": (lambda p: zipped(p, [("X.npy", b"no array")]), UnsafeFileError, r"no readable \.npz .*magic"),
    "a header of 70 MB": (
        lambda p: zipped(p, [("X.npy", header(" " * 70_000_000, 2))], zipfile.ZIP_DEFLATED),
        UnsafeFileError,
        r"X would unpack \d+ bytes to 700000\d+, like a zip bomb",
    ),
    "two X": (lambda p: zipped(p, [("X.npy", claim((10,))), ("X", claim((10,)))]), UnsafeFileError, r"two arrays of"),
}


@pytest.mark.parametrize(("make", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_files_are_refused(tmp_path, make, error, message):
    make(tmp_path / "d.npz")
    with pytest.raises(error, match=message) as caught:
        data.load(tmp_path / "d.npz")
    assert "d.npz" in str(caught.value)


USUAL = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"


def test_a_header_by_hand_is_read(tmp_path):
    for version in (1, 2):
        zipped(tmp_path / "d.npz", [("X.npy", header(USUAL, version))])
        assert data.load(tmp_path / "d.npz").X.tolist() == [0, 0, 0]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("text", "error"),
    [
        (USUAL[: USUAL.index(")")], "TokenError"),
        ("(", "TokenError"),
        ("{'descr': '''<f8", "TokenError"),
        ("  x\n y\n", "IndentationError"),
        (USUAL.replace("'<f8'", "()"), "IndexError"),
        (USUAL.replace("}", "[1]: 2}"), "TypeError"),
        ("'", "ValueError"),
    ],
)
def test_whatever_numpy_raises_of_a_header_is_an_unsafe_file(tmp_path, text, error, version):
    zipped(tmp_path / "d.npz", [("X.npy", header(text, version))])
    with pytest.raises(UnsafeFileError, match=r"d\.npz: X has no readable header \(") as caught:
        data.load(tmp_path / "d.npz")
    # the case is of use as long as NumPy's parser fails in this way
    assert type(caught.value.__cause__).__name__ == error


def test_zip_bombs_are_refused_and_modest_zeros_are_not(tmp_path, monkeypatch):
    zeros = npy(np.zeros((1000, 200)))
    zipped(tmp_path / "d.npz", [("X.npy", zeros)], zipfile.ZIP_DEFLATED)
    assert data.load(tmp_path / "d.npz").X.shape == (1000, 200)
    monkeypatch.setattr(arrays, "_BOMB_BYTES", 1_000_000)
    with pytest.raises(UnsafeFileError, match=r"X would unpack \d+ bytes to 1600128, like a zip bomb"):
        data.load(tmp_path / "d.npz")


def test_files_beyond_the_memory_are_refused_before_loading(tmp_path, monkeypatch):
    np.savez(tmp_path / "d.npz", X=np.zeros((1000, 1000)))
    monkeypatch.setattr(memory, "memory_to_spare", lambda: 7_000_000)
    with pytest.raises(ResourceError, match=r"d\.npz would take 0\.008 GB; 0\.007 GB are to spare\. Use fewer rows"):
        data.load(tmp_path / "d.npz")
