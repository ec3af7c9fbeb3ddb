"""Any bytes at the door: a loader reads them or refuses them by a documented error, and soon."""

import random
import re
import subprocess
import sys
from pathlib import Path

import fuzzing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LOADERS = fuzzing.loaders()
# what parsers trip over, besides chance
WORDS = [
    *(
        b"",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n",
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"-1",
        b"nan",
        b"inf",
        b"1e999",
    ),
    *(b"-0", b"1e-400", b"9" * 400, b"[" * 2000, b"{}", b"null", b"NaN", b"true", b"\\ud800", b"\\", b"../", b"PK\3\4"),
    *(b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"label", b"=1+1", b"\xc3\x28", b"\xe2\x80\xae"),
]


def mutant(seeds: list[bytes], number: int) -> bytes:
    """A good file after a few edits, most often one: the first thing that is wrong hides the rest."""
    rng = random.Random(number)
    changed = bytearray(rng.choice(seeds))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at, n = rng.randrange(len(changed) + 1), rng.choice([1, 2, 4, 8, 40])
        word = rng.choice(WORDS) if rng.random() < 0.85 else rng.randbytes(n)
        match rng.choice(["word", "word", "flip", "insert", "delete", "repeat", "cut", "put"]):
            case "word":
                words = [found.span() for found in re.finditer(rb"[\w.+-]+", changed)]
                start, end = rng.choice(words) if words else (at, at)
                changed[start:end] = word
            case "flip" if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case "insert":
                changed[at:at] = word
            case "delete":
                del changed[at : at + n]
            case "repeat":
                changed[at:at] = changed[at : at + n] * rng.randrange(1, 5)
            case "cut":
                del changed[at:]
            case "put":
                changed[at : at + len(word)] = word
    return bytes(changed)


def contents(name):
    """Good files with a few edits, and now and then bytes of chance."""
    mutants = st.builds(mutant, st.just(LOADERS[name].seeds), st.integers(0, 2**63))
    return st.one_of([mutants] * 9 + [st.binary(max_size=200)])


def fuzz(name, n):
    with fuzzing.place(LOADERS[name]) as folder:

        @settings(max_examples=n, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(contents(name))
        def every(content):
            fuzzing.feed(LOADERS[name], content, folder)

        every()


@pytest.mark.parametrize("name", LOADERS)
def test_good_files_are_read(name):
    with fuzzing.place(LOADERS[name]) as folder:
        for seed in LOADERS[name].seeds:
            (folder / LOADERS[name].name).write_bytes(seed)
            LOADERS[name].read(folder / LOADERS[name].name)


@pytest.mark.parametrize("name", LOADERS)
def test_any_bytes(name):
    fuzz(name, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_any_bytes_more_often(name):
    fuzz(name, 10_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_bytes_that_coverage_leads_to(name):
    pytest.importorskip("atheris")
    script = [sys.executable, str(Path(fuzzing.__file__)), name, "-runs=20000", "-max_len=20000", "-rss_limit_mb=2000"]
    found = subprocess.run(script, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
