"""The worked cases run as they are, in a process of their own, and end in rows to look at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fraud", "Check these next"),
        ("factory", "of the first 24 have a defect"),
        ("scanner", "FixMatch with adapt='mmd': HELPS"),
    ],
)
def test_an_example_runs(name, said, tmp_path):
    more = [str(tmp_path / "report.html")] if name != "fraud" else []
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES.parent)}
    found = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *more], check=True, capture_output=True, text=True, env=environment
    )
    assert said in found.stdout
    assert not more or (tmp_path / "report.html").stat().st_size > 10_000
