"""A pytest plugin for mutation.py: a mutant gets the tests that reach it, those that are named after its module first,
then the quickest: 20, and as many as ten seconds hold.

No test of two threads: mutants run in forks of one process, and a pool of threads from before a fork is dead in it.
None of the line that a warning points to: mutmut calls each function by way of two of its own.
"""

import json
import os
from itertools import accumulate
from pathlib import Path

TESTS, SECONDS = 20, 10


def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "threads" not in item.name and "warning_points_to" not in item.name]
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if "__mutmut_" not in mutant:  # mutmut takes the times of all
        return
    seconds = json.loads(Path("mutmut-stats.json").read_text())["duration_by_test"]
    module = mutant.split(".")[-2]
    items.sort(key=lambda item: (module not in item.name, seconds.get(item.nodeid, 0.0)))
    until = accumulate(seconds.get(item.nodeid, 0.0) for item in items)
    items[:] = [item for i, (item, total) in enumerate(zip(items, until, strict=True)) if i < TESTS or total < SECONDS]
