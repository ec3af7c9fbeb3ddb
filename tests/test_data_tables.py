"""CSV, JSONL and Parquet tables: labels get their type, columns are encoded, bad files are named."""

import json
import os
import string
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewlabels import data
from fewlabels.data import readers
from fewlabels.data.bunches import typed_labels
from fewlabels.data.tables import TableEncoder
from fewlabels.errors import InputError, ResourceError, UnsafeFileError
from fewlabels.partial_labels import partial

PEOPLE = "age,city,label\n30,Rome,yes\n,Oslo,\n50,Rome,no\n70,,\n"
PEOPLE_X = [[30, 0, 1, 0], [50, 1, 0, 0], [50, 0, 1, 0], [70, 0, 0, 1]]
PEOPLE_NAMES = ("age", "city=Oslo", "city=Rome", "city=(missing)")


def write(path, text, encoding="utf-8"):
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def people(tmp_path, suffix):
    frame = pd.DataFrame(
        {"age": [30, None, 50, 70], "city": ["Rome", "Oslo", "Rome", None], "label": ["yes", None, "no", None]}
    )
    path = tmp_path / f"people.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "jsonl":
        rows = [{k: v for k, v in row.items() if v == v} for row in frame.astype(object).to_dict("records")]
        write(path, "\n".join(map(json.dumps, rows)) + "\n\n")
    else:
        write(path, PEOPLE.replace(",", "\t" if suffix == "tsv" else ","))
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_table_gives_the_same_data(tmp_path, suffix):
    bunch = data.load(people(tmp_path, suffix))
    order = [bunch.feature_names.index(name) for name in PEOPLE_NAMES]
    assert bunch.X[:, order].tolist() == PEOPLE_X
    assert bunch.y.tolist() == ["yes", None, "no", None]
    assert bunch.ids.tolist() == [0, 1, 2, 3]
    assert (bunch.task, bunch.name, bunch.X_test) == ("classes", "people", None)
    assert partial(bunch.X, bunch.y).classes.tolist() == ["no", "yes"]


@pytest.mark.parametrize("variant", ["crlf", "bom", "semicolon", "quoted", "blank lines"])
def test_common_spellings_of_csv(tmp_path, variant):
    text = {
        "crlf": PEOPLE.replace("\n", "\r\n"),
        "bom": "\ufeff" + PEOPLE,
        "semicolon": PEOPLE.replace(",", ";"),
        "quoted": PEOPLE.replace("Rome", '"Rome"'),
        "blank lines": PEOPLE.replace("\n", "\n\n"),
    }[variant]
    bunch = data.load(write(tmp_path / "t.csv", text))
    assert bunch.X.tolist() == [[row[i] for i in (0, 3, 1, 2)] for row in PEOPLE_X]
    assert bunch.feature_names == tuple(PEOPLE_NAMES[i] for i in (0, 3, 1, 2))
    assert bunch.y.tolist() == ["yes", None, "no", None]
    assert any("separated by ';'" in note for note in bunch.notes) == (variant == "semicolon")


def test_a_saved_row_index_is_left_out(tmp_path):
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": [5, 6], "label": [0, 1]}).to_csv(path)
    bunch = data.load(path)
    assert bunch.X.tolist() == [[5], [6]]
    assert "without a name" in bunch.notes[0]


LABELS = {
    "integers": (["0", "1", ""], None, [0, 1, None], "classes"),
    "all integers": (["0", "1", "2"], None, [0, 1, 2], "classes"),
    "marked -1": (["0", "-1", "1"], None, [0, -1, 1], "classes"),
    "whole floats": (["0.0", "1.0", ""], None, [0, 1, None], "classes"),
    "text": (["a", "b", " "], None, ["a", "b", None], "classes"),
    "numbers and text": (["1", "2.5", "3+"], None, ["1", "2.5", "3+"], "classes"),
    "leading zeros": (["007", "7", ""], None, ["007", "7", None], "classes"),
    "fractions": (["0.5", "2", ""], None, [0.5, 2, np.nan], "numbers"),
    "asked for numbers": (["1", "-2e3", ""], "numbers", [1, -2000, np.nan], "numbers"),
    "asked for classes": (["0.5", "2", ""], "classes", [0.5, 2, None], "classes"),
    "booleans": ([True, False, None], None, [True, False, None], "classes"),
    "float column": (np.array([0.0, 1.0, np.nan]), None, [0, 1, None], "classes"),
    "number column": (np.array([0.5, 1.0, np.nan]), None, [0.5, 1.0, np.nan], "numbers"),
}


@pytest.mark.parametrize(("cells", "asked", "y", "task"), LABELS.values(), ids=LABELS.keys())
def test_labels_get_their_type(cells, asked, y, task):
    got, found = typed_labels(cells, asked, "here")
    assert found == task
    np.testing.assert_array_equal(got, np.array(y, got.dtype))
    assert [type(v) for v in got.tolist()] == [float if task == "numbers" else type(v) for v in y]


BAD_LABELS = {
    "a word for missing": (["a", "NA", "NA"], None, r"here: label 'NA' in 2 rows \(first: row 1\)"),
    "no number": (["1", "x"], "numbers", r"here: label 'x' in row 1 is not a number"),
    "boolean as number": ([True], "numbers", r"label True in row 0 is not a number"),
}


@pytest.mark.parametrize(("cells", "task", "message"), BAD_LABELS.values(), ids=BAD_LABELS.keys())
def test_labels_that_cannot_be_typed(cells, task, message):
    with pytest.raises(InputError, match=message):
        typed_labels(cells, task, "here")


BAD_FILES = {
    "empty csv": ("t.csv", "", InputError, r"is empty. Expected a header"),
    "header only": ("t.csv", "a,label\n", InputError, r"has no rows"),
    "ragged": ("t.csv", "a,label\n1,2\n1,2,3\n", InputError, r"t\.csv, line 3 has 3 cells, the header has 2"),
    "ragged after a quoted break": ("t.csv", 'a,label\n"x\ny",2\n1\n', InputError, r"line 4 has 1 cells"),
    "open quote": ("t.csv", 'a,label\n"1,2\n', InputError, r"t\.csv, line \d: .*Mend the quoting"),
    "duplicate header": ("t.csv", "a,a,label\n1,2,3\n", InputError, r"column name 'a' twice"),
    "no label column": ("t.csv", "a,lable\n1,2\n", InputError, r"no label column 'label'; the nearest is 'lable'"),
    "label named target": ("t.csv", "a,target\n1,2\n", InputError, r"the nearest is 'target'\. Say which"),
    "nothing near": ("t.csv", "a,b\n1,2\n", InputError, r"it has a, b\."),
    "latin-1": ("t.csv", "a,label\n\xe9,1\n".encode("latin-1"), InputError, r"t\.csv is not UTF-8.*Latin-1"),
    "utf-16": ("t.csv", "a,label\n1,2\n".encode("utf-16"), InputError, r"is not UTF-8 \(after line 0"),
    "only labels": ("t.csv", "label\n1\n2\n", InputError, r"no column to learn from \(only labels\)"),
    "only ids": ("t.csv", "id,label\nx1,1\nx2,2\nx3,1\n", InputError, r"'id': 3 different texts are too many"),
    "almost numbers": (
        "t.csv",
        "age,label\n" + "".join(f"{i}.5,1\n" for i in range(40)) + "old,1\n",
        InputError,
        r"'age' holds numbers, but 'old' in row 40",
    ),
    "no json": ("t.jsonl", '{"a": 1}\n{"a": \n', InputError, r"t\.jsonl, line 2: .*Mend that line"),
    "json list": ("t.jsonl", "[1]\n", InputError, r"line 1: expected an object"),
    "json NaN": ("t.jsonl", '{"a": NaN}\n', InputError, r"line 1: NaN is not JSON; write null"),
    "json twice": ("t.jsonl", '{"a": 1, "a": 2}\n', InputError, r"line 1: a key occurs twice"),
    "json nested": ("t.jsonl", '{"a": [1]}\n', InputError, r"line 1: 'a' is a list or object"),
    "json deep": ("t.jsonl", "[" * 100_000, InputError, r"line 1: .*Mend"),
    "json huge integer": ("t.jsonl", '{"a": ' + "9" * 5000 + "}", InputError, r"line 1: .*digits"),
    "empty jsonl": ("t.jsonl", "\n", InputError, r"has no rows"),
    "no parquet": ("t.parquet", "hello", UnsafeFileError, r"no readable Parquet file"),
    "empty parquet": ("t.parquet", "", UnsafeFileError, r"no readable Parquet file"),
    "unknown suffix": ("t.xlsx", "a", InputError, r"ends in \.xlsx; known are \.npz, \.csv"),
    "no suffix": ("table", "a", InputError, r"ends in no suffix"),
}


@pytest.mark.parametrize(("name", "content", "error", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_files_are_named(tmp_path, name, content, error, message):
    path = write(tmp_path / name, content)
    with pytest.raises(error, match=message) as caught:
        data.load(path)
    assert name in str(caught.value)


def test_missing_files_and_folders_in_the_place_of_files(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv does not exist"):
        data.load(tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv holds no images"):
        data.load(tmp_path / "folder.csv")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path):
    path = write(tmp_path / "t.csv", PEOPLE)
    path.chmod(0)
    with pytest.raises(InputError, match="permission denied"):
        data.load(path)


def test_permission_errors_are_input_errors(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("fewlabels.data.tables.read_columns", refuse)
    with pytest.raises(InputError, match=r"t\.csv may not be read"):
        data.load(write(tmp_path / "t.csv", PEOPLE))


def test_a_file_without_line_ends_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_LONGEST_LINE", 1000)
    with pytest.raises(InputError, match=r"line 2 is longer than 1000 characters"):
        data.load(write(tmp_path / "t.csv", "a,label\n" + "1" * 2000))


def test_texts_that_identify_rows_are_left_out_with_a_note(tmp_path):
    rows = "".join(f"p{i},{i % 3},{i % 2}\n" for i in range(30))
    bunch = data.load(write(tmp_path / "t.csv", "patient,size,label\n" + rows))
    assert bunch.feature_names == ("size",)
    assert bunch.notes == ["Column 'patient' was left out: 30 different texts are too many for categories."]


def test_an_empty_column_is_left_out_with_a_note(tmp_path):
    bunch = data.load(write(tmp_path / "t.csv", "a,b,label\n1,,x\n2,NA,y\n"))
    assert bunch.feature_names == ("a",)
    assert bunch.notes == ["Column 'b' was left out: it is empty."]


def test_new_rows_are_encoded_as_in_training(tmp_path):
    bunch = data.load(people(tmp_path, "csv"))
    encoder = TableEncoder.from_dict(json.loads(json.dumps(bunch.encoder.to_dict())))
    new = write(tmp_path / "new.csv", "extra,city,age\n1,Rome,20\n2,Paris,\n3,,40\n")
    fresh = data.load(new, encoder=encoder)
    order = [fresh.feature_names.index(name) for name in PEOPLE_NAMES]
    assert fresh.X[:, order].tolist() == [[20, 0, 1, 0], [50, 0, 0, 0], [40, 0, 0, 1]]
    assert fresh.y is None
    assert fresh.notes == ["Columns not known from training were left out: extra."]
    labeled = data.load(people(tmp_path, "jsonl"), encoder=encoder)
    np.testing.assert_array_equal(labeled.X, bunch.X)
    assert labeled.y.tolist() == bunch.y.tolist()


def test_new_rows_that_do_not_fit_are_refused(tmp_path):
    encoder = data.load(people(tmp_path, "csv")).encoder
    with pytest.raises(InputError, match=r"lacks columns that training had: city"):
        data.load(write(tmp_path / "a.csv", "age\n3\n"), encoder=encoder)
    with pytest.raises(InputError, match=r"column 'age' was numbers in training, but row 1 is 'old'"):
        data.load(write(tmp_path / "b.csv", "age,city\n3,Rome\nold,Rome\n"), encoder=encoder)
    with pytest.raises(InputError, match="no description of a table encoder"):
        TableEncoder.from_dict({"medians": {}})


CELL = st.one_of(st.just(""), st.integers(-99, 99).map(str), st.floats(-9, 9).map(repr))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(CELL, st.sampled_from(["", "red", "blue"])), min_size=3, max_size=30), st.randoms())
def test_encoding_survives_json_and_the_order_of_rows(rows, random):
    rows = [("1", "red"), ("2", "red"), *rows]
    columns = {"n": [r[0] for r in rows], "c": [r[1] for r in rows]}
    encoder = TableEncoder.fit(columns, "here")
    x = encoder.transform(columns, "here")
    assert np.isfinite(x).all()
    assert x.shape == (len(rows), len(encoder.feature_names))
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(again.transform(columns, "here"), x)
    order = list(range(len(rows)))
    random.shuffle(order)
    moved = {name: [cells[i] for i in order] for name, cells in columns.items()}
    np.testing.assert_array_equal(TableEncoder.fit(moved, "here").transform(moved, "here"), x[order])


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(string.printable, max_size=60).map(str.encode)), st.booleans())
def test_any_bytes_are_read_or_refused_by_an_input_error(tmp_path_factory, content, as_json):
    path = tmp_path_factory.mktemp("fuzz") / ("t.jsonl" if as_json else "t.csv")
    path.write_bytes((b'{"a": ' if as_json else b"a,label\n") + content)
    try:
        bunch = data.load(path)
    except InputError:
        return
    assert len(bunch.X) == len(bunch.y)


# --- memory -----------------------------------------------------------------------------------------------------------


def spare(n_bytes, monkeypatch):
    monkeypatch.setattr("fewlabels.data.memory.memory_to_spare", lambda: n_bytes)


def large(tmp_path, suffix, n=20_000):
    frame = pd.DataFrame({"a": np.arange(n) % 7, "b": ["red"] * n, "label": [0, 1] * (n // 2)})
    path = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("suffix", "cells"), [("csv", 80 * 3 * 20_001), ("jsonl", 80 * (3 + 1) * 20_000), ("parquet", 16 * 3 * 20_000)]
)  # a header line more; ends of lines count too
def test_a_table_beyond_the_memory_is_refused_before_it_is_read(tmp_path, suffix, cells, monkeypatch):
    path = large(tmp_path, suffix)
    held = pq.read_metadata(path).row_group(0).total_byte_size if suffix == "parquet" else path.stat().st_size
    need = held + cells
    spare(need, monkeypatch)
    assert len(readers.read_columns(path)[0]["a"]) == 20_000
    spare(need - 1, monkeypatch)
    monkeypatch.setattr(pq.ParquetFile, "read", None)
    monkeypatch.setattr(readers.csv, "reader", None)
    monkeypatch.setattr(readers.json, "loads", None)
    with pytest.raises(ResourceError, match=rf"t\.{suffix}.* would take 0\.00\d+ GB; .* Use fewer rows or columns"):
        readers.read_columns(path)


def test_what_columns_become_is_refused_before_it_is_made(tmp_path, monkeypatch):
    columns, _ = readers.read_columns(large(tmp_path, "csv"))
    need, then = 50 * 3 * 20_000, 32 * 20_000 * 3  # a, label, and red
    spare(need - 1, monkeypatch)
    with pytest.raises(ResourceError, match=r"t.csv, its columns compared, would take 0.003 GB"):
        TableEncoder.fit(columns, "t.csv")
    spare(need, monkeypatch)
    encoder = TableEncoder.fit(columns, "t.csv")
    spare(then - 1, monkeypatch)
    with pytest.raises(
        ResourceError, match=r"20,000 rows as 3 numbers each, would take .*each of their values becomes"
    ):
        encoder.transform(columns, "t.csv")
    spare(then, monkeypatch)
    assert encoder.transform(columns, "t.csv").shape == (20_000, 3)


def test_equal_cells_of_parquet_take_next_to_nothing_in_the_file_and_count_all_the_same(tmp_path, monkeypatch):
    path, n = tmp_path / "t.parquet", 2_000_000
    pq.write_table(pa.table({"a": pa.array(np.zeros(n)), "day": pa.array(np.zeros(n, "datetime64[ns]"))}), path)
    assert path.stat().st_size < 20_000
    spare(n * 116, monkeypatch)
    with pytest.raises(ResourceError, match=r"t.parquet, unpacked, would take 0.232 GB; 0.232 GB are to spare"):
        data.load(path)


def test_a_text_of_a_megabyte_in_every_cell_of_parquet(tmp_path):
    n, text = 50_000, "x" * 1_000_000
    texts = pa.DictionaryArray.from_arrays(pa.array(np.arange(n) % 2, pa.int32()), [text, "1" * 1_000_000])
    pq.write_table(pa.table({"text": texts, "label": pa.array([0, 1] * (n // 2))}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 500_000
    tracemalloc.start()
    try:
        bunch = data.load(tmp_path / "t.parquet")  # expanded: 50 GB
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000
    assert bunch.X.sum(0).tolist() == [n / 2, n / 2]
    assert bunch.feature_names == ("text=" + "1" * 1_000_000, "text=" + text)


def test_columns_of_parquet_of_every_kind(tmp_path):
    table = pa.table(
        {
            "category": pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), ["a", "b"]),
            "number": pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), [5, 6]),
            "large": pa.array(["a", None, "ü"], pa.large_string()),
            "text": pa.array(["a", None, "ü"]),
            "whole": pa.array([1, None, 3]),
            "flag": pa.array([True, None, False]),
            "price": pa.array(["1.50", None, "2.25"]).cast(pa.decimal128(5, 2)),
            "day": pa.array([0, None, 1], pa.date32()),
            "empty": pa.nulls(3),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    columns, _ = readers.read_columns(tmp_path / "t.parquet")
    assert columns == {
        "category": ["b", None, "a"],
        "number": [6, None, 5],
        "large": ["a", None, "ü"],
        "text": ["a", None, "ü"],
        "whole": [1, None, 3],
        "flag": [True, None, False],
        "price": ["1.50", None, "2.25"],
        "day": ["1970-01-01", None, "1970-01-02"],
        "empty": [None, None, None],
    }
    for cells in (pa.array([b"a"] * 3), pa.array([b"a"] * 3, pa.binary(1)), pa.array([[1]] * 3)):
        pq.write_table(pa.table({"odd": cells}), tmp_path / "t.parquet")
        with pytest.raises(InputError, match=r"t.parquet: column 'odd' holds .*; cells are numbers, texts, dates"):
            readers.read_columns(tmp_path / "t.parquet")


def varint(n):
    """A number as the footer of a Parquet file writes it: zigzag, 7 bits a byte."""
    parts = [(2 * n >> shift) & 127 for shift in range(0, (2 * n).bit_length(), 7)]
    return bytes([part | 128 for part in parts[:-1]] + parts[-1:])


@pytest.mark.parametrize("claimed", [1_000_000, 20_000])
def test_a_footer_of_parquet_that_lies_about_its_rows(tmp_path, claimed):
    path, n = tmp_path / "t.parquet", 70_000
    pq.write_table(pa.table({"a": pa.array(np.arange(n)), "b": pa.array(["red"] * n)}), path, row_group_size=30_000)
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    assert content[start:].count(varint(n)) == 1
    path.write_bytes(content[:start] + content[start:].replace(varint(n), varint(claimed)))
    with pytest.raises(UnsafeFileError, match=rf"t.parquet says it has {claimed} rows and holds 70000; it is damaged"):
        readers.read_columns(path)
