"""Progress with an estimate of the time left: a bar for people, a line now and then for logs."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Literal, Protocol

import numpy as np

from fewlabels.errors import OptionError

Verbose = Literal["auto"] | bool

# A log gets its first line after this many seconds, so that short fits stay silent.
_EVERY = 10.0


class Progress(Protocol):
    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, step: int, note: str = "") -> None: ...

    def say(self, text: str) -> None: ...


class Silent:
    """Says nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, step: int, note: str = "") -> None:
        return None

    def say(self, text: str) -> None:
        return None


class Lines(Silent):
    """One plain line on standard error every few seconds."""

    def __init__(self, name: str, start: int, steps: int, unit: str = "step") -> None:
        self.name, self.first, self.steps, self.unit = name, start, steps, unit
        self.began = self.said = time.monotonic()

    def update(self, step: int, note: str = "") -> None:
        now = time.monotonic()
        if now - self.said < _EVERY:
            return
        self.said = now
        left = (now - self.began) / max(step - self.first, 1) * (self.steps - step)
        said = [f"{self.unit} {step} of {self.steps}", note, f"{_clock(left)} left"]
        print(f"{self.name}: {', '.join(filter(None, said))}", file=sys.stderr)

    def say(self, text: str) -> None:
        # a hundred short fits of a search stay silent; their findings_ are there to be read
        if time.monotonic() - self.began >= _EVERY:
            print(f"{self.name}: {text}", file=sys.stderr)


class Bar(Silent):
    """A bar in a terminal or a notebook."""

    def __init__(self, name: str, start: int, steps: int, unit: str = "step") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.bar = RichProgress(
            TextColumn("{task.description:<14}"),
            BarColumn(),
            TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {unit}s  {{task.fields[note]}}"),
            TimeRemainingColumn(),
            console=Console(stderr=not _in_notebook()),
            transient=True,
        )
        self.task = self.bar.add_task(name, total=steps, completed=start, note="")

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update(self, step: int, note: str = "") -> None:
        self.bar.update(self.task, completed=step, note=note)

    def say(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False)


def show_progress(verbose: Verbose, name: str, start: int, steps: int, unit: str = "step") -> Progress:
    """`verbose` True or "auto": a bar where someone watches, else plain lines. False: nothing.

    Raises
    ------
    OptionError : it is none of these
    """
    if not (isinstance(verbose, bool | int | np.bool_) or (isinstance(verbose, str) and verbose == "auto")):
        raise OptionError(f"verbose={verbose!r}; expected True, False or 'auto'.")
    if not verbose:
        return Silent()
    kind = Bar if sys.stderr.isatty() or _in_notebook() else Lines
    return kind(name, start, steps, unit)


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
