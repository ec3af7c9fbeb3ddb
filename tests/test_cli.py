"""The command line: what a stranger types, and what they read when it goes wrong."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import tomllib

import numpy as np
import pytest

import fewlabels as fl
from fewlabels.cli import main


def run(*words, expect=0):
    try:
        main(list(map(str, words)))
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    assert code == expect


@pytest.fixture
def npz(tmp_path):
    data = fl.datasets.load_digits(random_state=0)
    path = tmp_path / "digits.npz"
    np.savez(path, X=data.X, y=data.y, X_test=data.X_test, y_test=data.y_test)
    return path


@pytest.fixture
def table(tmp_path):
    data = fl.datasets.load_breast_cancer(n_labels=30, random_state=0)
    path = tmp_path / "cells.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"f{i}" for i in range(5)), "colour", "diagnosis"])
        for i, (row, label) in enumerate(zip(data.X, data.y, strict=True)):
            cells = ["" if i == 3 else row[0], *row[1:5], ["red", "blue"][i % 2]]
            writer.writerow([*cells, "" if label == -1 else ["benign", "malign"][label]])
    return path


def test_compare_writes_a_whole_run_folder_and_says_so_when_asked_again(npz, tmp_path, capsys):
    out = tmp_path / "run"
    words = ("compare", npz, "--out", out, "--set", "steps=15", "--set", "weight.tau=0.9", "--quiet")
    run(*words)
    said = capsys.readouterr().out
    assert "Report:" in said
    assert "Deployed: the" in said
    assert {p.name for p in out.iterdir()} >= {
        "config.toml",
        "report.html",
        "report.json",
        "model",
        "baseline",
        "candidate",
    }
    assert tomllib.loads((out / "config.toml").read_text())["set"] == ["steps=15", "weight.tau=0.9"]
    facts = json.loads((out / "report.json").read_text())
    assert "0.9" in json.dumps(facts)
    lines = (out / "candidate" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 15
    before = (out / "report.html").stat().st_mtime_ns
    run(*words)
    assert "is finished" in capsys.readouterr().out
    assert (out / "report.html").stat().st_mtime_ns == before
    run("compare", npz, "--out", out, "--set", "steps=16", expect=3)
    assert "other settings" in capsys.readouterr().err


def test_fit_and_predict_a_table_with_categories_and_holes(table, tmp_path, capsys):
    out, predictions = tmp_path / "run", tmp_path / "p.csv"
    run("fit", table, "--label", "diagnosis", "--out", out, "--set", "steps=60", "--quiet")
    run("predict", out, table, "--label", "diagnosis", "-o", predictions)
    with predictions.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["row", "prediction", "p(benign)", "p(malign)"]
    assert {row["prediction"] for row in rows} == {"benign", "malign"}
    assert float(rows[0]["p(benign)"]) + float(rows[0]["p(malign)"]) == pytest.approx(1, abs=1e-5)
    # new rows need no label column
    lines = [line.rsplit(",", 1)[0] for line in table.read_text().splitlines()]
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(lines))
    run("predict", out, bare, "-o", tmp_path / "q.csv")
    assert (tmp_path / "q.csv").read_text().splitlines()[1:] == predictions.read_text().splitlines()[1:]


def test_numbers_from_a_table(tmp_path, capsys):
    data = fl.datasets.load_diabetes(random_state=0)
    path = tmp_path / "d.csv"
    rows = [",".join(map(str, [*x, "" if np.isnan(t) else t + 0.5])) for x, t in zip(data.X, data.y, strict=True)]
    path.write_text("\n".join([",".join([*(f"f{i}" for i in range(data.X.shape[1])), "label"]), *rows]))
    out = tmp_path / "run"
    run("compare", path, "--method", "mean_teacher", "--out", out, "--set", "steps=30", "--quiet")
    assert "Report" in capsys.readouterr().out
    run("predict", out, path, "-o", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().startswith("row,prediction")


def test_folder_of_images(tmp_path, capsys):
    from PIL import Image

    rng = np.random.default_rng(0)
    for place, n in (("labeled/dark", 4), ("labeled/light", 4), ("unlabeled", 12), ("test/dark", 5), ("test/light", 5)):
        (tmp_path / "data" / place).mkdir(parents=True)
        for i in range(n):
            level = 60 if "dark" in place or (place == "unlabeled" and i % 2) else 190
            pixels = np.clip(rng.normal(level, 20, (10, 10)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / place / f"{i}.png")
    out = tmp_path / "run"
    run("fit", tmp_path / "data", "--out", out, "--set", "steps=20", "--set", "augment.n_ops=1", "--quiet")
    assert "accuracy on the 10 test rows" in capsys.readouterr().out
    run("predict", out, tmp_path / "data" / "unlabeled", "-o", tmp_path / "p.csv")
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 13


def test_methods_and_doctor(capsys):
    run("methods")
    said = capsys.readouterr().out
    assert all(name in said for name in fl.methods.NAMES)
    assert "Sohn et al." in said
    run("methods", "fixmatch")
    said = capsys.readouterr().out
    assert all(word in said for word in ("Sohn et al.", ".. math::", "lambda_u :"))
    run("doctor")
    said = capsys.readouterr().out
    assert all(word in said for word in ("torch", "threads", "precision", "Fashion-MNIST"))


def test_noisy_student_is_compared_by_name_and_goes_on(npz, tmp_path, capsys):
    words = ("compare", npz, "--method", "noisy_student", "--out", tmp_path / "run", "--set", "rounds=1")
    run(*words, "--set", "steps=15", "--quiet")
    said = capsys.readouterr().out
    assert any(verdict in said for verdict in ("HELPS", "HURTS", "DIFFERENCE", "CANNOT TELL"))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (report["settings"]["rounds"], report["settings"]["steps"]) == (1, 15)
    assert (tmp_path / "run" / "candidate" / "round-1" / "metrics.jsonl").is_file()
    run(*words, "--set", "steps=15", "--quiet")  # the finished run again
    run("predict", tmp_path / "run", npz, "-o", tmp_path / "p.csv")
    assert len((tmp_path / "p.csv").read_text().splitlines()) > 10


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["methods", "fixmacth"], 2, "Did you mean 'fixmatch'"),
        (["compare", "absent.csv"], 3, "absent.csv does not exist"),
        (["compare", "{npz}", "--method", "fixmacth"], 2, "Did you mean 'fixmatch'"),
        (["compare", "{npz}", "--set", "tua=1"], 2, "no such option"),
        (["compare", "{npz}", "--set", "weight.tua=1"], 2, "Did you mean 'tau'"),
        (["compare", "{npz}", "--set", "weight.tau=high"], 2, "expected float"),
        (["compare", "{npz}", "--set", "weight.tau=7"], 2, r"in [0, 1]"),
        (["compare", "{npz}", "--set", "steps"], 2, "expected name=value"),
        (["compare", "{npz}", "--set", "lr=1e2"], 5, "not taken"),
        (["predict", "nowhere", "{npz}"], 3, "no model in"),
        (["fit", "{npz}", "--out", "{npz}"], 3, "not a run folder"),
        (["demo", "--seed", "-1"], 2, "random_state=-1"),
        (["compare", "{npz}", "--method", "supervised"], 2, "baseline itself"),
        (["fit", "{npz}", "--set", "weight=Hard"], 2, "cannot be 'Hard'"),
        (["fit", "{npz}", "--set", "network=convnet-0"], 2, "is not known"),
        (["fit", "{npz}", "--set", "device=cuda:7"], 4, "not on this machine"),
    ],
)
def test_wrong_words_get_one_sentence_and_an_exit_code(words, code, message, npz, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(*(word.format(npz=npz) for word in words), expect=code)
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_a_refused_command_does_not_claim_its_folder(npz, tmp_path, capsys):
    out = tmp_path / "run"
    run("fit", npz, "--out", out, "--set", "network=mlpp", "--quiet", expect=2)
    run("fit", npz, "--out", out, "--set", "network=mlp", "--set", "steps=2", "--quiet")


def test_hidden_test_labels_are_refused_before_training(npz, tmp_path, capsys):
    data = dict(np.load(npz))
    data["y_test"][3] = -1
    np.savez(npz, **data)
    for verb in ("fit", "compare"):
        run(verb, npz, "--out", tmp_path / verb, "--set", "steps=1000000", expect=3)
        assert "unlabeled rows" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["fti"], ["fit"], ["compare", "x", "--no-such"]])
def test_usage_errors_exit_with_2(words):
    run(*words, expect=2)


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(fl.errors.InputError):
        main(["fit", str(tmp_path / "absent.npz"), "--debug"])


def test_cells_that_a_spreadsheet_would_run_are_made_text():
    from fewlabels.cli import _safe_cell

    assert _safe_cell("=cmd()") == "'=cmd()"
    assert _safe_cell("-1.5") == "-1.5"
    assert _safe_cell("plain") == "plain"


def fewlabels(*words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "fewlabels", *map(str, words)], stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_goes_on_and_ends_the_same(number, code, npz, tmp_path, capsys):
    # on a busy machine a timing may choose another precision for the run that is never interrupted
    settings = ("--set", "precision=float32", "--set", "steps=400", "--set", "network=convnet-4")
    settings += ("--set", "batch_size=8", "--quiet")
    out = tmp_path / "run"
    process = fewlabels("fit", npz, "--out", out, *settings, env=os.environ | {"OMP_NUM_THREADS": "1"})
    metrics = out / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert "Traceback" not in err
    assert "goes on from there" in err
    assert not (out / "model").exists()
    run("fit", npz, "--out", out, *settings)
    run("fit", npz, "--out", tmp_path / "whole", *settings)
    one, other = (fl.load(folder / "model").run_.network.state_dict() for folder in (out, tmp_path / "whole"))
    assert all(np.array_equal(one[key], other[key]) for key in one)
