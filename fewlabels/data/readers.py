"""CSV, JSONL and Parquet files to columns: {name: list of cells, or a float array with NaN}."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from fewlabels.data.memory import check_memory
from fewlabels.errors import InputError, UnsafeFileError

Columns = dict[str, Any]
_LONGEST_LINE = 16_000_000
# Bytes that a cell takes beside the file: a Python string and its places in lists; of Parquet, a number in Arrow's
# table and in an array, or a date or decimal that becomes a string.
_TEXT, _PARQUET, _PARQUET_ODD = 80, 16, 100
_FEWER = "Use fewer rows or columns."


def read_columns(path: Path) -> tuple[Columns, list[str]]:
    """Read a table by its suffix, and say what was noticed.

    Raises
    ------
    InputError : the file is empty, damaged or not of its kind; line numbers count from 1
    """
    readers = {".csv": read_csv, ".tsv": read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    columns, notes = readers[path.suffix.lower()](path)
    if not columns or not len(next(iter(columns.values()))):
        raise InputError(f"{path} has no rows. Expected a header and at least one row.")
    return columns, notes


def read_csv(path: Path) -> tuple[Columns, list[str]]:
    """Columns of text cells. The delimiter is the one of , ; tab | that splits the header the most."""
    notes: list[str] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        header_line = next(_lines(file, path), "")
        if not header_line.strip():
            raise InputError(f"{path} is empty. Expected a header line and rows.")
        delimiter = max(",;\t|", key=header_line.count)
        if delimiter != ("\t" if path.suffix.lower() == ".tsv" else ",") and delimiter in header_line:
            notes.append(f"Columns of {path.name} are separated by {delimiter!r}.")
        _check_size(path, delimiter)
        file.seek(0)
        rows = csv.reader(_lines(file, path), delimiter=delimiter, strict=True)
        try:
            header = [name.strip() for name in next(rows)]
            _check_header(header, path)
            cells = [row for row in rows if _same_length(row, header, path, rows.line_num)]
        except csv.Error as error:
            raise InputError(f"{path}, line {rows.line_num}: {error}. Mend the quoting of that line.") from error
    columns: Columns = {name: [row[i] for row in cells] for i, name in enumerate(header)}
    if columns.pop("", None) is not None:
        notes.append("The column without a name (a saved row index?) was left out.")
    return columns, notes


def _check_size(path: Path, mark: str) -> None:
    """Refuse a text whose cells, of which each has one `mark` or ends a line, would fill the memory."""
    cells = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            cells += block.count(mark.encode()) + block.count(b"\n")
    check_memory(path.stat().st_size + _TEXT * cells, str(path), f"{_FEWER} Parquet takes less.")


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    """Lines of bounded length, so that a file without line ends cannot fill the memory."""
    number = 0
    try:
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE and not line.endswith("\n"):
                raise InputError(f"{path}, line {number} is longer than {_LONGEST_LINE} characters. Is it a table?")
            yield line
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (after line {number}: {error.reason}). {_looks_like(path)}") from error


def _looks_like(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        return "It is compressed (gzip): unpack it first."
    if start == b"PK\x03\x04":
        return "It is a zip archive, perhaps of a spreadsheet: save the table as CSV."
    return "Save it as UTF-8; it may be Latin-1 or UTF-16."


def _check_header(header: list[str], path: Path) -> None:
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise InputError(f"{path} has the column name {repeated[0]!r} twice. Rename or remove one.")


def _same_length(row: list[str], header: list[str], path: Path, line: int) -> bool:
    """Whether a row is to be kept: blank lines are not, ragged ones raise."""
    if not row:
        return False
    if len(row) != len(header):
        raise InputError(f"{path}, line {line} has {len(row)} cells, the header has {len(header)}. Mend that line.")
    return True


def _read_jsonl(path: Path) -> tuple[Columns, list[str]]:
    _check_size(path, ":")
    with path.open(encoding="utf-8-sig") as file:
        numbered = enumerate(_lines(file, path), start=1)
        rows = [_json_row(line, path, number) for number, line in numbered if line.strip()]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}, []


def _json_row(line: str, path: Path, number: int) -> dict[str, Any]:
    def no_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON; write null")

    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = {sys.intern(name): value for name, value in pairs}  # each line would have names of its own
        if len(row) != len(pairs):
            raise ValueError("a key occurs twice")
        return row

    try:
        row = json.loads(line, parse_constant=no_constant, object_pairs_hook=no_repeats)
        if "\\u" in line:
            json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is no text
        if not isinstance(row, dict):
            raise ValueError('expected an object like {"age": 3, "label": null}')
        for name, value in row.items():
            if isinstance(value, list | dict):
                raise ValueError(f"{name!r} is a list or object; cells are numbers, strings, true, false or null")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {number}: {_json_reason(error)}. Mend that line.") from error
    return row


def _json_reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (character {error.pos + 1})"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeEncodeError):
        return "half a surrogate pair (\\ud800 to \\udfff alone) is no text"
    return "a number of thousands of digits" if "int_max_str_digits" in str(error) else str(error)


def _read_parquet(path: Path) -> tuple[Columns, list[str]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError(
            f"{path}: Parquet needs pyarrow. Install it with pip install 'fewlabels[tables]', or save a CSV."
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            names, texts = _check_columns(file.schema_arrow, path)
            check_memory(_claimed(file.metadata, file.schema_arrow), f"{path}, unpacked,", _FEWER)
        # texts stay a list of different ones and a number for each cell, which is all that repeats can take
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            table, said = file.read(), file.metadata.num_rows
        table.validate(full=True)  # offsets within their buffers, texts in UTF-8
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a column's name
        if isinstance(error, PermissionError | MemoryError):
            raise
        raise UnsafeFileError(f"{path} is no readable Parquet file ({error}). Write it anew.") from error
    if table.num_rows != said:
        raise UnsafeFileError(f"{path} says it has {said} rows and holds {table.num_rows}; it is damaged.")
    return {name: _arrow_cells(table.column(name)) for name in names}, []


def _claimed(metadata: Any, schema: Any) -> int:
    """Bytes that a file says it takes: its pages, unpacked, and its cells, of which a run of equal ones is a few bytes.

    No more is read than it says, whatever it holds.
    """
    import pyarrow as pa

    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows = sum(max(0, group.num_rows) for group in groups)
    odd = sum(pa.types.is_temporal(column.type) or pa.types.is_decimal(column.type) for column in schema)
    cells = rows * (_PARQUET * (len(schema) - odd) + _PARQUET_ODD * odd)
    return int(sum(max(0, group.total_byte_size) for group in groups) + cells)


def _check_columns(schema: Any, path: Path) -> tuple[list[str], list[str]]:
    """The names of all columns, and of those that hold texts.

    Raises
    ------
    InputError : a name occurs twice, or cells are bytes, lists or objects
    """
    import pyarrow as pa

    _check_header(schema.names, path)
    for column in schema:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        of_bytes = pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary
        if pa.types.is_nested(kind) or any(of(kind) for of in of_bytes):
            raise InputError(
                f"{path}: column {column.name!r} holds {column.type}; cells are numbers, texts, dates, true or false. "
                "Leave the column out or unpack it."
            )
    is_text = pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view
    return schema.names, [column.name for column in schema if any(of(column.type) for of in is_text)]


def _arrow_cells(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), dtype=np.float64)
    if pa.types.is_integer(column.type) and column.null_count == 0:
        return column.to_numpy()
    if pa.types.is_dictionary(column.type):
        known = [(_as_cells(chunk.dictionary), chunk.indices.to_pylist()) for chunk in column.chunks]
        return [None if i is None else words[i] for words, indices in known for i in indices]
    return _as_cells(column)


def _as_cells(column: Any) -> list[Any]:
    import pyarrow as pa

    cells = column.to_pylist()
    plain = pa.types.is_boolean(column.type) or pa.types.is_integer(column.type)
    return cells if plain else [None if c is None else str(c) for c in cells]
