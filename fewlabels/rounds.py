"""A verdict round in a run folder: what is asked (round.json), questions and answers as CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from fewlabels.errors import InputError, OptionError
from fewlabels.files import read_json, write_file
from fewlabels.verdict import Verdict
from fewlabels.verdict_round import VerdictRound


def keep_round(run: Path, asked: VerdictRound, names: list[Any]) -> None:
    """Keep the questions for `fewlabels verdict`; (D,) names of their rows, as whoever labels knows them."""
    write_file(run / "round.json", json.dumps({"ids": names, "round": asked.to_dict()}).encode())


def row_names(asked: VerdictRound, ids: Any) -> list[Any]:
    """Names of the rows that are asked; `ids` are those of the source (None: the row numbers)."""
    return asked.rows.tolist() if ids is None else [_name(ids[row]) for row in asked.rows]


def _name(value: Any) -> str | int:
    return int(value) if isinstance(value, int | np.integer) else str(value)


def _round(run: Path) -> tuple[list[Any], VerdictRound]:
    file = run / "round.json"
    if not file.exists():
        raise InputError(f"{run} has no {file.name}: give the run folder of a finished `compare` of classes.")
    try:
        kept = read_json(file.read_bytes())
        names, asked = list(kept["ids"]), VerdictRound.from_dict(kept["round"])
        if len(names) != len(asked.rows):
            raise ValueError(f"{len(names)} names for {len(asked.rows)} rows")
        return names, asked
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged ({error}). Run the comparison again.") from error


def ask_csv(run: Path, n: int) -> str:
    """A CSV of the next n rows to label, with an empty column for the answer."""
    if n < 1:
        raise OptionError(f"--ask {n}: expected at least 1.")
    ids, asked = _round(run)
    done = len(asked.labels)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("row", "label"), *((name, "") for name in ids[done : done + n])])
    return text.getvalue()


def read_answers(path: Path) -> list[tuple[str, str]]:
    """(row, label) of a CSV with these two columns, up to the last one filled in."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}. Give the CSV that --ask printed, saved as UTF-8.") from error
    if not lines or not {"row", "label"} <= set(lines[0]):
        raise InputError(f"{path}: expected a CSV with the columns row and label, as --ask prints it, and some rows.")
    pairs = [(str(line["row"]), (line["label"] or "").strip()) for line in lines]
    filled = max((i for i, (_, label) in enumerate(pairs) if label), default=-1) + 1
    empty = next((row for row, label in pairs[:filled] if not label), None)
    if empty is not None:
        raise InputError(f"{path}: row {empty} has no label, but later ones do. Write ? where nobody can tell.")
    return pairs[:filled]


def take_answers(run: Path, pairs: list[tuple[str, str]]) -> str:
    """Count the answers, deploy what they say, and say it; rows answered before are passed over.

    Raises
    ------
    InputError : rows that were not asked or are not the next, or a class that no model knows
    """
    ids, asked = _round(run)
    number = {str(name): int(row) for name, row in zip(ids, asked.rows, strict=True)}
    known = {str(c): c for c in [*asked.baseline.tolist(), *asked.candidate.tolist()]}
    answered = {int(row) for row in asked.rows[: len(asked.labels)]}
    rows, labels = [], []
    for name, label in pairs:
        if name not in number:
            raise InputError(f"row {name} was not asked. Answer the rows that `fewlabels verdict {run} --ask` prints.")
        if number[name] not in answered:
            rows.append(number[name])
            labels.append(None if label == "?" else known.get(label, label))
    asked.answer(rows, labels)
    keep_round(run, asked, ids)
    return _deploy(run, asked)


def _deploy(run: Path, asked: VerdictRound) -> str:
    """What decides: the evaluation rows, and where they cannot tell the round."""
    from fewlabels.deep import load

    file = run / "done.json"
    try:
        done = read_json(file.read_bytes())
        decided, said = done["verdict"] != str(Verdict.CANNOT_TELL), done["said"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is missing or damaged ({error}). Run the comparison again.") from error
    if decided:
        return f"The evaluation rows decided: {said}\nThe round says {asked.verdict}: {asked.sentence}"
    role = "candidate" if asked.verdict == Verdict.HELPS else "baseline"
    load(run / role / "model").save(run / "model")
    said = f"{asked.verdict}: {asked.sentence}"
    write_file(file, json.dumps(done | {"round": said, "deployed": role}).encode())
    return f"{said}\nDeployed: the {role} model, {run / 'model'}"
