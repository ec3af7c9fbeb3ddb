"""Where the command line reads and writes: odd names, a home that cannot be written, pipes, and nothing besides."""

import io
import os
import subprocess
import sys
from pathlib import Path

import malformed_files as files
import numpy as np
import pytest
from malformed import CLASSES, X, say

from fewlabels.cli import main

QUICK = ("--set", "steps=2", "--quiet")


@pytest.mark.parametrize(
    "name", ["two words", "ünï/漢字", "--set", "a;b'c\"d$(x)", "n" * 200], ids=lambda name: name[:9]
)
def test_names_of_files_and_folders(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = Path(f"./{name}")
    place.mkdir(parents=True)
    (place / "table.csv").write_bytes(files.csv())
    run = place / "run"
    for words in (
        ("compare", f"./{place / 'table.csv'}", "--out", f"./{run}", *QUICK),
        ("audit", f"./{place / 'table.csv'}", "--out", f"./{place / 'audit'}"),
        ("predict", f"./{run}", f"./{place / 'table.csv'}", "-o", f"./{place / 'p.csv'}"),
        ("verdict", f"./{run}", "--ask", "3"),
    ):
        said = say(*words)
        assert (said.code, said.err) == (0, ""), said
    assert len((place / "p.csv").read_text().splitlines()) == files.N + 1
    assert [p.name for p in tmp_path.iterdir()] == [place.parts[0]]


# What a process opens to write, makes, renames and removes, and where it connects
HOOK = """
import os, sys, tempfile
seen = []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
def hook(event, args):
    if event == "open" and isinstance(args[0], str) and isinstance(args[2], int) and args[2] & WRITES:
        seen.append(args[0])
    elif event in ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.truncate"):
        seen.extend(str(arg) for arg in args[:2] if isinstance(arg, str))
    elif event == "socket.connect":
        seen.append("a socket")
sys.addaudithook(hook)
from fewlabels.cli import main
for words in (
    ["compare", "in/d.npz", "--out", "out/run", "--set", "steps=2", "--quiet"],
    ["audit", "in/d.npz", "--out", "out/audit"],
    ["predict", "out/run", "in/d.npz", "-o", "out/p.csv"],
    ["fit", "in/none.npz", "--out", "out/none"],
):
    try:
        main(words)
    except SystemExit as end:
        assert end.code == (3 if "none" in words[1] else 0), end.code
here, allowed = os.getcwd(), (os.path.abspath("out"), tempfile.gettempdir() + "/", "/dev/null", os.environ["HOME"])
outside = [path for path in map(os.path.abspath, seen) if not path.startswith(allowed) or path.startswith(here + "/in")]
outside = [path for path in outside if not os.environ["HOME"].startswith(path)]
print("outside:", outside, file=sys.stderr)
"""


def test_nothing_is_written_besides_and_a_home_that_cannot_be_written_does_not_matter(tmp_path):
    """The temporary folder is PyTorch's and matplotlib's; the home, which is not there, is where the latter looks."""
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in" / "d.npz", X=X, y=CLASSES)
    home = "/proc/nowhere"  # where not even root can make a folder
    places = os.environ | {"HOME": home, "TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1"}
    places.pop("TORCHINDUCTOR_CACHE_DIR", None)  # set by PyTorch in this process, if it has been asked for
    (tmp_path / "tmp").mkdir()
    found = subprocess.run([sys.executable, "-c", HOOK], cwd=tmp_path, env=places, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    refused = "fewlabels: in/none.npz does not exist. Give the path of a table, an .npz or a folder of images."
    assert found.stderr.splitlines() == [refused, "outside: []"]
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out", "tmp"}
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"run", "audit", "p.csv"}


def test_output_that_does_not_know_every_character(tmp_path, monkeypatch):
    (tmp_path / "tä.csv").write_bytes(files.csv())
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(SystemExit) as end:
        main(["fit", str(tmp_path / "tä.csv"), "--out", str(tmp_path / "o"), *QUICK])
    assert end.value.code == 0
    out.flush()
    assert rb"t\xe4.csv" in out.buffer.getvalue()


def test_who_reads_the_output_may_stop(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(SystemExit) as end:
        main(["methods"])
    assert end.value.code == 141


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_names_that_are_no_utf8(tmp_path):
    files.pets()(tmp_path / "pets")
    folder = os.fsencode(tmp_path / "pets" / "labeled")
    os.rename(folder + b"/cat", folder + b"/chat\xe9")
    os.rename(folder + b"/dog/0.png", folder + b"/dog/\xe9.png")
    for words in (
        ("compare", tmp_path / "pets", "--out", tmp_path / "run", *QUICK),
        ("predict", tmp_path / "run", tmp_path / "pets" / "labeled" / "dog", "-o", tmp_path / "p.csv"),
    ):
        assert say(*words).code == 0
    header, *rows = (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()
    assert r"p(chat\udce9)" in header
    assert any(row.startswith(r"\udce9.png,") for row in rows)
    assert r"chat\udce9" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
