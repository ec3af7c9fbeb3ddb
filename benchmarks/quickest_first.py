"""A pytest plugin for mutation.py: the quickest tests first, since any one decides; none of over a second."""

import json
from pathlib import Path

TIMES = Path("mutmut-stats.json")


def pytest_collection_modifyitems(items):
    if TIMES.exists():  # not in mutmut's first run, which takes the times
        seconds = json.loads(TIMES.read_text())["duration_by_test"]
        took = {item: seconds.get(item.nodeid, 0.0) for item in items}
        items[:] = sorted((item for item in items if took[item] < 1), key=took.__getitem__)
