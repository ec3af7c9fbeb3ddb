# ruff: noqa: E501  (a row is a line, and a message stands in it as it is read)
"""Files and folders as they should not be, and what is said of them; "{path}" is the file, "…" any text."""

import gzip
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fewlabels.errors import InputError, UnsafeFileError

N = 60


class File(NamedTuple):
    """One kind of bad file: its name, how it is made, and what is said of it."""

    name: str
    make: Callable[[Path], Any]
    error: type[Exception]
    message: str


def cells(label: Callable[[int], str] = lambda row: "ab"[row % 2] if row < 24 else "") -> list[list[str]]:
    """A good table: three columns of numbers and labels in 24 of 60 rows."""
    rng = np.random.default_rng(0)
    return [[*(f"{value:.4f}" for value in rng.normal(size=3)), label(row)] for row in range(N)]


def csv(rows: list[list[str]] | None = None, header: str = "x1,x2,x3,label", sep: str = ",") -> bytes:
    lines = [header, *(sep.join(row) for row in (cells() if rows is None else rows))]
    return ("\n".join(lines) + "\n").encode()


def with_cell(text: str, column: int = 1) -> bytes:
    """A good table but for one cell of row 17, which stands in line 19."""
    rows = cells()
    rows[17][column] = text
    return csv(rows)


def labeled(label: Callable[[int], str]) -> bytes:
    return csv(cells(label))


def write(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content)


def npz(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def encrypted(path: Path) -> None:
    np.savez(path, X=np.eye(3))
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the member's header, and in the list at the end
    content[content.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        buffer = io.BytesIO()
        np.save(buffer, np.zeros((10_000_000, 7), np.uint8))
        archive.writestr("X.npy", buffer.getvalue())


def huge_line(path: Path) -> None:
    path.write_bytes(b"x,label\n")
    os.truncate(path, 2 * 10**9)  # takes no room on the disk


def parquet(**columns: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import pyarrow
        from pyarrow import parquet as pq

        pq.write_table(pyarrow.table({"x": np.arange(4.0), "label": ["a", "b", None, None], **columns}), path)

    return make


def cut_parquet(path: Path) -> None:
    parquet()(path)
    path.write_bytes(path.read_bytes()[:-20])


def parquet_noise(path: Path) -> None:
    import pyarrow as pa

    offsets = np.arange(5, dtype=np.int32)
    parquet(n=pa.Array.from_buffers(pa.string(), 4, [None, pa.py_buffer(offsets), pa.py_buffer(b"\xffabc")]))(path)


def save(path: Path, pixels: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


def pets(bad: Callable[[Path], Any] | None = None, name: str = "bad.png") -> Callable[[Path], None]:
    """A good folder of images, and one more image in unlabeled/."""

    def make(path: Path) -> None:
        rng = np.random.default_rng(0)
        for kind, level in (("cat", 50), ("dog", 180)):
            for i in range(4):
                save(path / "labeled" / kind / f"{i}.png", rng.integers(level - 30, level + 30, (8, 8), np.uint8))
        for i in range(6):
            save(path / "unlabeled" / f"{i}.png", rng.integers(0, 255, (8, 8), np.uint8))
        if bad is not None:
            bad(path / "unlabeled" / name)

    return make


def flat(labels: str | None) -> Callable[[Path], None]:
    """Five images and a labels.csv."""

    def make(path: Path) -> None:
        for i in range(5):
            save(path / f"{i}.png", np.full((8, 8), i, np.uint8))
        if labels is not None:
            (path / "labels.csv").write_text(labels)

    return make


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, data: bytes = b"", more: bytes = b"") -> bytes:
    """A PNG that claims a size, whatever pixels it holds."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


COLOR = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)


def truncated(path: Path) -> None:
    content = save(path, COLOR).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def animated(path: Path, kind: str) -> None:
    save(
        path,
        Image.fromarray(COLOR[:8, :8]),
        format=kind,
        save_all=True,
        append_images=[Image.fromarray(COLOR[8:16, :8])],
    )


def text_bomb(path: Path) -> None:
    path.write_bytes(png(8, 8, bytes(9 * 8), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200_000_000)))))


def class_without_images(path: Path) -> None:
    pets()(path)
    (path / "labeled" / "fox").mkdir()


def one_class(path: Path) -> None:
    pets()(path)
    for image in (path / "labeled" / "dog").iterdir():
        image.unlink()
    (path / "labeled" / "dog").rmdir()


# fmt: off
_LINE = "Mend that line."
_JSON = "a number of thousands of digits"
_SUCH = "(1 such cells). Mend them, or leave them empty."
_ANEW = "Write it anew with np.savez."
_SAY = "Say which column holds the labels with label= (--label)."
_LAYOUTS = "Known layouts: labeled/<class>/* with unlabeled/** and perhaps test/<class>/*; or images with a labels.csv of columns file,label."
_KNOWN = "known are .npz, .csv, .tsv, .jsonl, .parquet and folders of images."
_TWO = "At least two classes are needed: label rows of another one."
_UTF8 = "Save it as UTF-8; it may be Latin-1 or UTF-16."


def _image(reason: str) -> str:
    return f"1 of 15 images are bad; first: cannot read image {{path}}/unlabeled/bad.png: {reason} Mend or remove them, or skip them (on_bad_file='skip', --on-bad-file skip)."


_NO_FORMAT = _image("it is none of PNG, JPEG, WEBP, BMP, or its header is damaged.")

TABLES = {
    "missing": File("t.csv", lambda path: None, InputError, "{path} does not exist. Give the path of a table, an .npz or a folder of images."),
    "empty": File("t.csv", write(b""), InputError, "{path} is empty. Expected a header line and rows."),
    "blank lines": File("t.csv", write(b"\n\n\n"), InputError, "{path} is empty. Expected a header line and rows."),
    "a header alone": File("t.csv", write(b"x,label\n"), InputError, "{path} has no rows. Expected a header and at least one row."),
    "a folder with a file's name": File("t.csv", lambda path: path.mkdir(), InputError, f"{{path}} holds no images (.png, .jpg, .jpeg, .webp, .bmp). {_LAYOUTS}"),
    "a pipe": File("t.csv", os.mkfifo, InputError, "{path} is neither a file nor a folder. Save what it gives as a file first."),
    "a name that is too long": File("t" * 300 + ".csv", lambda path: None, InputError, "…/ttt…ttt cannot be read: File name too long."),
    "Latin-1": File("t.csv", write("x,label\n\xe9,1\n".encode("latin-1")), InputError, f"{{path}} is not UTF-8 (after line 0: invalid continuation byte). {_UTF8}"),
    "UTF-16": File("t.csv", write(csv().decode().encode("utf-16")), InputError, f"{{path}} is not UTF-8 (after line 0: invalid start byte). {_UTF8}"),
    "a truncated gzip": File("t.csv", write(gzip.compress(csv(), mtime=0)[:200]), InputError, "{path} is not UTF-8 (after line 0: invalid start byte). It is compressed (gzip): unpack it first."),
    "a spreadsheet called CSV": File("t.csv", write(b"PK\x03\x04\xff\xff" + bytes(99)), InputError, "{path} is not UTF-8 (after line 0: invalid start byte). It is a zip archive, perhaps of a spreadsheet: save the table as CSV."),
    "a compressed file": File("t.csv.gz", write(gzip.compress(csv())), InputError, "{path} is compressed (.gz). Unpack it first."),
    "a spreadsheet": File("t.xlsx", write(b"PK\x03\x04"), InputError, f"{{path}} ends in .xlsx; {_KNOWN}"),
    "no suffix": File("t", write(csv()), InputError, f"{{path}} ends in no suffix; {_KNOWN}"),
    "another delimiter": File("t.csv", write(csv(sep=";")), InputError, f"{{path}}, line 2 has 1 cells, the header has 4. {_LINE}"),
    "blanks for a delimiter": File("t.csv", write(csv(header="x1 x2 x3 label", sep=" ")), InputError, f"{{path}} has no label column 'label'; it has x1 x2 x3 label. {_SAY}"),
    "a long row": File("t.csv", write(with_cell("1,2")), InputError, f"{{path}}, line 19 has 5 cells, the header has 4. {_LINE}"),
    "2 GB in a line": File("t.csv", huge_line, InputError, "{path}, line 2 is longer than 16000000 characters. Is it a table?"),
    "a cell of 200,000 characters": File("t.csv", write(with_cell("1" * 200_000)), InputError, "{path}, line 19: field larger than field limit (131072). Mend the quoting of that line."),
    "an open quote": File("t.csv", write(b'x,label\n"1,a\n2,b\n'), InputError, "{path}, line 3: unexpected end of data. Mend the quoting of that line."),
    "a column twice": File("t.csv", write(csv(header="x,x,y,label")), InputError, "{path} has the column name 'x' twice. Rename or remove one."),
    "no label column": File("t.csv", write(csv(header="x1,x2,x3,lable")), InputError, f"{{path}} has no label column 'label'; the nearest is 'lable'. {_SAY}"),
    "labels alone": File("t.csv", write(b"label\na\nb\n"), InputError, "{path} has no column to learn from (only labels). Add columns of numbers, or of texts that repeat."),
    "no label": File("t.csv", write(labeled(lambda row: "")), InputError, "y has no labeled row: all 60 are None. Label at least one row of each of two classes."),
    "one class": File("t.csv", write(labeled(lambda row: "a")), InputError, f"y has only one class, 'a', in its 60 labeled rows. {_TWO}"),
    "two marks": File("t.csv", write(labeled(lambda row: str(row % 2) if row < 24 else ["", "-1"][row % 2])), InputError, "y marks unlabeled rows in 2 ways: None (18×, first: row 24) and -1 (18×, first: row 25). Use one mark for all of them; if one of these is a label, rename it."),
    "a word for missing": File("t.csv", write(labeled(lambda row: "ab"[row % 2] if row < 24 else "NA")), InputError, "{path}, column 'label': label 'NA' in 36 rows (first: row 24). If it means unlabeled, leave the cell empty (null in JSON); if it is a class, rename it."),
    "an infinite label": File("t.csv", write(labeled(lambda row: "1.5e999" if row == 3 else f"{row}.5")), InputError, "y[3] is inf (inf). Targets are finite; NaN means unlabeled."),
    "text among numbers": File("t.csv", write(with_cell("old")), InputError, f"{{path}}: column 'x2' holds numbers, but 'old' in row 17 is none {_SUCH}"),
    "inf": File("t.csv", write(with_cell("inf")), InputError, f"{{path}}: column 'x2' holds numbers, but 'inf' in row 17 is none {_SUCH}"),
    "1e999": File("t.csv", write(with_cell("1e999")), InputError, f"{{path}}: column 'x2' has '1e999' in row 17, which no float can hold or is infinite {_SUCH}"),
    "5,000 digits": File("t.csv", write(with_cell("1" * 5000)), InputError, f"{{path}}: column 'x2' has '111111111111111111111111111111111111... in row 17, which no float can hold or is infinite {_SUCH}"),
    "1e39": File("t.csv", write(with_cell("1e39")), InputError, "X has a value too large for float32 in 1 cell (first: row 17, column 1). Rescale the column."),
    "decimal commas": File("t.csv", write(csv([[cell.replace(".", ",") for cell in row] for row in cells()], "x1;x2;x3;label", ";")), InputError, "{path}: column 'x1' holds numbers with commas, such as '…' in row 0. Write decimals with points and thousands without a mark."),
    "noise": File("t.csv", write(bytes(range(256)) * 9), InputError, f"{{path}} is not UTF-8 (after line 0: invalid start byte). {_UTF8}"),
    "JSON cut": File("t.jsonl", write(b'{"a": 1, "label": "x"}\n{"a": '), InputError, f"{{path}}, line 2: Expecting value (character 7). {_LINE}"),
    "JSON of a list": File("t.jsonl", write(b"[1, 2]\n"), InputError, f'{{path}}, line 1: expected an object like {{"age": 3, "label": null}}. {_LINE}'),
    "JSON NaN": File("t.jsonl", write(b'{"a": NaN}\n'), InputError, f"{{path}}, line 1: NaN is not JSON; write null. {_LINE}"),
    "JSON key twice": File("t.jsonl", write(b'{"a": 1, "a": 2}\n'), InputError, f"{{path}}, line 1: a key occurs twice. {_LINE}"),
    "JSON nested": File("t.jsonl", write(b'{"a": [1]}\n'), InputError, f"{{path}}, line 1: 'a' is a list or object; cells are numbers, strings, true, false or null. {_LINE}"),
    "JSON deep": File("t.jsonl", write(b"[" * 100_000), InputError, f"{{path}}, line 1: nested too deeply. {_LINE}"),
    "JSON digits": File("t.jsonl", write(b'{"a": ' + b"9" * 5000 + b"}"), InputError, f"{{path}}, line 1: {_JSON}. {_LINE}"),
    "JSON number too large": File("t.jsonl", write(b'{"a": ' + b"9" * 400 + b', "label": 1}\n{"a": 1, "label": 0}\n'), InputError, f"{{path}}: column 'a' has 9999999999999999999999999999999999999... in row 0, which no float can hold or is infinite {_SUCH}"),
    "JSON half a character": File("t.jsonl", write(b'{"a": 1, "label": "\\ud800"}\n'), InputError, f"{{path}}, line 1: half a surrogate pair (\\ud800 to \\udfff alone) is no text. {_LINE}"),
    "Parquet cut": File("t.parquet", cut_parquet, UnsafeFileError, "{path} is no readable Parquet file (…). Write it anew."),
    "Parquet that is none": File("t.parquet", write(b"hello"), UnsafeFileError, "{path} is no readable Parquet file (…). Write it anew."),
    "Parquet nested": File("t.parquet", parquet(n=[[1]] * 4), InputError, "{path}: column 'n' holds list<…>; cells are numbers, texts, dates, true or false. Leave the column out or unpack it."),
    "Parquet bytes": File("t.parquet", parquet(n=[b"\xff"] * 4), InputError, "{path}: column 'n' holds binary; cells are numbers, texts, dates, true or false. Leave the column out or unpack it."),
    "Parquet text that is none": File("t.parquet", parquet_noise, UnsafeFileError, "{path} is no readable Parquet file (…Invalid UTF8…). Write it anew."),
    "Parquet inf": File("t.parquet", parquet(n=[np.inf, 1.0, 2.0, 3.0]), InputError, f"{{path}}: column 'n' has inf in row 0, which no float can hold or is infinite {_SUCH}"),
}
_GOOD = {"X": np.eye(4), "y": [0, 1, -1, -1]}
ARRAYS = {
    "no X": File("d.npz", npz(x_train=np.eye(2)), InputError, "{path} has no array X; it has x_train. Save it with np.savez(path, X=..., y=...)."),
    "no y": File("d.npz", npz(X=np.eye(4)), InputError, "{path} has no labels. Add some…"),
    "unlike lengths": File("d.npz", npz(X=np.eye(4), y=[0, 1]), InputError, "{path}: X has shape (4, 4), y has (2,); lengths differ. Save one label or mark for each row of X."),
    "X of one value": File("d.npz", npz(X=3.0, y=[0, 1]), InputError, "{path}: X is a single value; expected an array with one row for each item. Save np.array([...])."),
    "half a test set": File("d.npz", npz(**_GOOD, X_test=np.eye(4)), InputError, "{path} has only one of X_test and y_test; store both or neither."),
    "a pickle": File("d.npz", npz(X=np.eye(2), y=np.array(["a", None], object)), UnsafeFileError, "{path}: y is an object array, stored as a pickle, which could run code. Save plain types, e.g. y.astype(str) with '' where unlabeled."),
    "no zip": File("d.npz", write(b"hello"), UnsafeFileError, f"{{path}} is no readable .npz (File is not a zip file). {_ANEW}"),
    "empty": File("d.npz", write(b""), UnsafeFileError, f"{{path}} is no readable .npz (File is not a zip file). {_ANEW}"),
    "encrypted": File("d.npz", encrypted, UnsafeFileError, f"{{path}} is no readable .npz (…is encrypted, password required for extraction). {_ANEW}"),
    "a bomb": File("d.npz", bomb, UnsafeFileError, "{path}: X would unpack … bytes to 70000128, like a zip bomb. If it is yours, write it with np.savez (uncompressed)."),
    "an .npy": File("d.npy", lambda path: np.save(path, np.eye(4)), InputError, f"{{path}} ends in .npy; {_KNOWN}"),
}
TESTS = {  # what only commands that judge a model look at
    "NaN in X_test": (_GOOD | {"X_test": np.eye(4) * np.nan, "y_test": [0, 1, 0, 1]}, "X_test: X has NaN in 16 cells (first: row 0, column 0). Impute them or drop the rows."),
    "other columns in X_test": (_GOOD | {"X_test": np.eye(3), "y_test": [0, 1, 0]}, "X_test: X has 3 features, but the … is expecting 4 features as input. Pass the columns of fit."),
    "two marks in y_test": (_GOOD | {"X_test": np.eye(4), "y_test": [np.nan, -1, 0, 1]}, "y_test: y marks unlabeled rows in 2 ways: NaN (1×, first: row 0) and -1 (1×, first: row 1). Use one mark for all of them; if one of these is a label, rename it."),
}
FOLDERS = {
    "no image": File("d", lambda path: path.mkdir(), InputError, f"{{path}} holds no images (.png, .jpg, .jpeg, .webp, .bmp). {_LAYOUTS}"),
    "no labels": File("d", flat(None), InputError, "{path} has no labels. Add some…"),
    "one class": File("d", one_class, InputError, f"y has only one class, 'cat', in its 4 labeled rows. {_TWO}"),
    "a class without images": File("d", class_without_images, InputError, "class folder {path}/labeled/fox holds no images. Fill or remove it."),
    "a file listed twice": File("d", flat("file,label\n0.png,a\n0.png,b\n"), InputError, "{path}/labels.csv lists '0.png' twice, in rows 0 and 1. Keep one."),
    "labels of files that are not there": File("d", flat("file,label\n9.png,a\n../x.png,b\n"), InputError, "{path}/labels.csv lists 2 files that are not in {path}: 9.png, ../x.png. Mend the names."),
    "a label of no file": File("d", flat("file,label\n,a\n1.png,b\n"), InputError, "{path}/labels.csv lists 1 files that are not in {path}: (an empty cell). Mend the names."),
    "no column of files": File("d", flat("name,label\n0.png,a\n"), InputError, "{path}/labels.csv has no column 'file'; it has name, label. Expected: file,label."),
    "truncated": File("d", pets(truncated), InputError, _image("OSError: image file is truncated.")),
    "text": File("d", pets(lambda path: path.write_text("no image")), InputError, _NO_FORMAT),
    "empty": File("d", pets(lambda path: path.touch()), InputError, _NO_FORMAT),
    "SVG": File("d", pets(lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")), InputError, _NO_FORMAT),
    "an animated GIF called PNG": File("d", pets(lambda path: animated(path, "GIF")), InputError, _NO_FORMAT),
    "TIFF": File("d", pets(lambda path: save(path, COLOR, format="TIFF")), InputError, _NO_FORMAT),
    "0 x n pixels": File("d", pets(lambda path: path.write_bytes(png(0, 5))), InputError, _NO_FORMAT),
    "26 million pixels": File("d", pets(lambda path: path.write_bytes(png(5200, 5000, bytes(5201 * 5000)))), InputError, _image("5200 x 5000 pixels are more than the 25 million allowed. Make it smaller first.")),
    "144 million pixels": File("d", pets(lambda path: path.write_bytes(png(12_000, 12_000))), InputError, _image("it has more pixels than the 25 million allowed (DecompressionBombWarning).")),
    "10^18 pixels": File("d", pets(lambda path: path.write_bytes(png(2**31 - 1, 2**31 - 1))), InputError, _image("it has more pixels than the 25 million allowed (DecompressionBombError).")),
    "a bomb in its text": File("d", pets(text_bomb), InputError, _image("ValueError: Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK.")),
    "a link to nowhere": File("d", pets(lambda path: path.symlink_to(path.parent / "nowhere.png")), InputError, _image("there is no such file.")),
}
# files that are taken, and the note that says how
TAKEN_FILES = {
    "BOM": ("t.csv", write(b"\xef\xbb\xbf" + csv()), None),
    "mixed line ends": ("t.csv", write(csv().replace(b"\n", b"\r\n", 20)), None),
    "semicolons": ("t.csv", write(csv(header="x1;x2;x3;label", sep=";")), "Columns of t.csv are separated by ';'."),
    "small numbers as labels": ("t.csv", write(labeled(lambda row: "1e-05" if row == 3 else f"{row}.5")), None),
    "a name that identifies rows": ("t.csv", write(csv([[f"id{row}", *more[1:]] for row, more in enumerate(cells())])), "Column 'x1' was left out: 60 different texts are too many for categories."),
    "1 pixel": ("d", pets(lambda path: save(path, COLOR[:1, :1])), "The images have 2 sizes; they were resized to 64 x 64. Say size= for another."),
    "CMYK": ("d", pets(lambda path: save(path.with_suffix(".jpg"), Image.new("CMYK", (8, 8)))), None),
    "16 bits": ("d", pets(lambda path: save(path, np.zeros((8, 8), np.uint16))), None),
    "an animated PNG": ("d", pets(lambda path: animated(path, "PNG")), None),
    "a JPEG called PNG": ("d", pets(lambda path: save(path, COLOR[:8, :8], format="JPEG")), None),
    "rotated": ("d", pets(lambda path: save(path, COLOR[:8, :8], exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")), None),
    "a pipe among the images": ("d", pets(os.mkfifo), None),
}
# files of a run folder, damaged: which one, its content, and what is said of it
_ROUND = {"rows": [3], "baseline": [0], "candidate": [1], "pool": 5, "delta": 0.01, "alpha": 0.05, "labels": []}
_NO_ENCODER = "{path} is damaged: this is no description of a table encoder (…). Train again."
RUN_FILES = {
    "done.json, cut": ("done.json", b"{", "{path} is damaged (…). Delete it to finish the run again."),
    "done.json, a list": ("done.json", b"[]", "{path} is damaged (…). Delete it to finish the run again."),
    "done.json, deep": ("done.json", b"[" * 100_000, "{path} is damaged (nested too deeply). Delete it to finish the run again."),
    "done.json, nothing said": ("done.json", b"{}", "{path} is damaged ('said'). Delete it to finish the run again."),
    "done.json, no UTF-8": ("done.json", b"\xff", "{path} cannot be read: …. Choose another folder with --out."),
    "config.toml, other": ("config.toml", b"x = 1", "{run} holds a run with other settings (see {path}). Repeat its command to go on with it, or choose another folder with --out."),
    "encoder.json, cut": ("encoder.json", b"{", "{path} is damaged: …. Train again."),
    "encoder.json, deep": ("encoder.json", b"[" * 100_000, "{path} is damaged: nested too deeply. Train again."),
    "encoder.json, empty": ("encoder.json", json.dumps({"medians": {}, "categories": {}, "dropped": {}}).encode(), _NO_ENCODER),
    "encoder.json, infinite": ("encoder.json", b'{"medians": {"x1": 1e999}, "categories": {}, "dropped": {}}', _NO_ENCODER),
    "encoder.json, no category": ("encoder.json", b'{"medians": {}, "categories": {"x1": []}, "dropped": {}}', _NO_ENCODER),
    "encoder.json, a category twice": ("encoder.json", b'{"medians": {}, "categories": {"x1": ["a", "a"]}, "dropped": {}}', _NO_ENCODER),
    "encoder.json, a list": ("encoder.json", b"[]", _NO_ENCODER),
    "round.json, cut": ("round.json", b"{", "{path} is damaged (…). Run the comparison again."),
    "round.json, deep": ("round.json", b"[" * 100_000, "{path} is damaged (nested too deeply). Run the comparison again."),
    "round.json, no rows": ("round.json", json.dumps({"ids": [1], "round": _ROUND | {"rows": "x"}}).encode(), "{path} is damaged (…). Run the comparison again."),
    "round.json, no names": ("round.json", json.dumps({"ids": [], "round": _ROUND}).encode(), "{path} is damaged (0 names for 1 rows). Run the comparison again."),
    "round.json, no pool": ("round.json", json.dumps({"ids": [1], "round": _ROUND | {"pool": 0}}).encode(), "{path} is damaged (more labels than rows, or more rows than the pool has). Run the comparison again."),
    "round.json, a pool of text": ("round.json", json.dumps({"ids": [1], "round": _ROUND | {"pool": "x"}}).encode(), "{path} is damaged (pool is a whole number, labels a list). Run the comparison again."),
}
_ASKED = "Give the CSV that --ask printed, saved as UTF-8."
ANSWERS = {
    "empty": (b"", "{path}: expected a CSV with the columns row and label, as --ask prints it, and some rows."),
    "other columns": (b"a,b\n1,2\n", "{path}: expected a CSV with the columns row and label, as --ask prints it, and some rows."),
    "no UTF-8": (b"\xff\xfe\0", f"{{path}} cannot be read: …. {_ASKED}"),
    "an open quote": (b'row,label\n"3,0\n', f"{{path}} cannot be read: unexpected end of data. {_ASKED}"),
    "a long cell": (b"row,label\n3," + b"x" * 200_000 + b"\n", f"{{path}} cannot be read: field larger than field limit (131072). {_ASKED}"),
    "a row that was not asked": (b"row,label\n9999,a\n", "row 9999 was not asked. Answer the rows that `fewlabels verdict {run} --ask` prints."),
    "a gap": (b"row,label\n3,\n4,0\n", "{path}: row 3 has no label, but later ones do. Write ? where nobody can tell."),
}
# fmt: on
