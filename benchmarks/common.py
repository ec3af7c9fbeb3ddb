"""What every benchmark prints first, and rows that survive an interruption."""

import csv
import os
import platform
from pathlib import Path

import numpy
import torch

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return (
        f"{cpu}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}, numpy {numpy.__version__}"
    )


def rows_of(name: str) -> list[dict[str, str]]:
    path = RESULTS / name
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def add_row(name: str, row: dict[str, object]) -> None:
    """Append one measured row, at once, so that a benchmark can go on where it stopped."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / name
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
