"""A pytest plugin for mutation.py: the quickest tests first, since any one decides; none of over a second.

Nor those of two threads: mutants run in forks of one process, and a pool of threads from before a fork is dead in it.
"""

import json
from pathlib import Path

TIMES = Path("mutmut-stats.json")


def pytest_collection_modifyitems(items):
    # the file is not there in mutmut's first run, which takes the times
    seconds = json.loads(TIMES.read_text())["duration_by_test"] if TIMES.exists() else {}
    took = {item: seconds.get(item.nodeid, 0.0) for item in items if "threads" not in item.name}
    items[:] = sorted((item for item in took if took[item] < 1), key=took.__getitem__)
