"""The errors fewlabels raises. Each message says what, where, what was expected and how to mend it."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class InputError(ValueError):
    """The data given cannot be used (command line: exit code 3)."""


class OptionError(ValueError):
    """A parameter has an unknown name or a value that makes no sense (command line: exit code 2)."""


class ResourceError(MemoryError):
    """More memory or disk would be needed than there is (command line: exit code 4)."""


class AbsentDeviceError(OptionError, ResourceError):
    """A kind of device that is known, but not on this machine (command line: exit code 4)."""


class DivergenceError(ArithmeticError):
    """Training met a loss, gradient or weight that is not finite (command line: exit code 5).

    `details` holds plain values where a step is to blame: "step", "loss", "gradient_norm", "learning_rate",
    "labeled_rows", "unlabeled_rows", "last_losses".
    """

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.details = details


class SaveError(OSError):
    """A model, checkpoint or report could not be written (command line: exit code 6)."""


class UnsafeFileError(InputError):
    """A file was refused because reading it could run code, exhaust memory, or because it is damaged."""


@contextmanager
def said_of(name: str) -> Iterator[None]:
    """Within, the message of an InputError begins with `name`: what is called X there may be the caller's X_test."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{name}: {error}") from error


def nearest(name: str, known: Iterable[str]) -> str:
    """ " Did you mean 'x'?" or nothing, then the known names."""
    known = list(known)
    near = difflib.get_close_matches(name, known, 1)
    return (f" Did you mean {near[0]!r}?" if near else "") + f" Known: {', '.join(known)}."
