"""The classical estimators by the name that `method=` and the command line take."""

from typing import Any

NAMES: dict[str, Any] = {}

# All that a model file may name: those of NAMES, and the baselines they are compared with.
CLASSES: dict[str, Any] = {cls.__name__: cls for cls in NAMES.values()}

__all__ = ["CLASSES", "NAMES"]
