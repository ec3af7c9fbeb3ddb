"""Ctrl-C and SIGTERM are noticed between steps, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupts:
    """While entered, the first signal sets `caught`; a second one acts at once.

    Only the main thread may install handlers; elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.caught = number
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def stop(self, message: str) -> None:
        """Raise what the signal asks for."""
        if self.caught == signal.SIGTERM:
            end = SystemExit(128 + signal.SIGTERM)
            end.add_note(message)
            raise end
        raise KeyboardInterrupt(message)


@contextmanager
def terminable() -> Iterator[None]:
    """While entered, SIGTERM unwinds like Ctrl-C, so that no half-written file stays; the exit code is 143.

    Training loops have their own way, see `Interrupts`; this is for all that comes before and after.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
