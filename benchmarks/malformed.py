"""How many kinds of bad input are tried, at how many entrances, and how long the slowest refusal takes.

`python benchmarks/malformed.py` runs tests/test_malformed.py, and prints what it counted. Let nothing else run.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest
from common import machine

TESTS = Path(__file__).parent.parent / "tests"

if __name__ == "__main__":
    if pytest.main(["-q", "-p", "no:cacheprovider", str(TESTS / "test_malformed.py")]):
        sys.exit("some kinds are not refused as they should be")
    from malformed import REFUSED
    from test_malformed import counted

    print(machine())
    kinds = counted()
    print(f"{sum(kinds.values())} kinds: {', '.join(f'{n} {name}' for name, n in kinds.items())}")
    for entrance, n in Counter(entrance for entrance, *_ in REFUSED).items():
        slowest = sorted((seconds, said) for other, seconds, said in REFUSED if other == entrance)
        print(f"{entrance}: {n} refusals, the median in {1000 * slowest[n // 2][0]:.1f} ms; the slowest:")
        for seconds, said in slowest[-3:]:
            print(f"  {seconds:.2f} s  {said[:100]!r}")
