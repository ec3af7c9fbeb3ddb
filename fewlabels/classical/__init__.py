"""Classical estimators: seconds on tables, embeddings and TF-IDF rows. `NAMES` is what `method=` takes."""

from typing import Any

NAMES: dict[str, Any] = {}

__all__ = ["NAMES"]
