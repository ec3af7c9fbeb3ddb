import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _one_thread_and_a_fixed_seed():
    # Parallel test workers must not fight for cores.
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_test_rows_were_read_before(monkeypatch):
    # Tests share their data sets; how often other tests read the test rows must not widen intervals.
    monkeypatch.setattr("fewlabels.ledger._HERE", {})


@pytest.fixture(autouse=True, scope="module")
def _nor_before_what_the_tests_of_a_file_share():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fewlabels.ledger._HERE", {})
        yield
