"""The run folder of one training: its checkpoints, its metrics, and what is left behind when it diverges."""

from __future__ import annotations

import contextlib
import json
import math
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewlabels.checkpoint import Checkpoints, gather, restore
from fewlabels.errors import DivergenceError, InputError, SaveError, UnsafeFileError
from fewlabels.files import remove_stale, write_file
from fewlabels.method import Net, State
from fewlabels.monitors.looks import Watched
from fewlabels.train import Step

# Seconds between checkpoints, failures in a row that end a training, points in a history.
SAVE_EVERY = 30.0
_FAILURES = 3
_HISTORY = 200


class History:
    """Means of the metrics between recorded points, so that 200 points tell of every step."""

    def __init__(self, steps: int, entries: list[dict[str, float]], pending: list[dict[str, float]]) -> None:
        self.stride = max(1, -(-steps // _HISTORY))
        self.steps, self.entries = steps, entries
        self._pending: list[Mapping[str, float | Tensor]] = list(pending)

    def add(self, step: Step) -> dict[str, float] | None:
        """The entry this step completes, if it does."""
        self._pending.append(dict(step.metrics))
        if step.number % self.stride and step.number != self.steps:
            return None
        if step.guard is not None:
            step.guard.look()
        pending, self._pending = self.pending(), []
        entry = {"step": float(step.number)}
        entry |= {key: sum(m[key] for m in pending) / len(pending) for key in pending[0]}
        self.entries.append(entry)
        return entry

    def pending(self) -> list[dict[str, float]]:
        return [{key: float(value) for key, value in metrics.items()} for metrics in self._pending]


class Saver:
    """Writes what a run needs to go on, and reads it again; does nothing without a folder.

    A save that fails does not end the training: it is said, and tried again. The third in a row ends it.

    Parameters
    ----------
    folder : the run folder or None
    identity : {"settings", "data"} of the run: a checkpoint with another one is refused, see `identity`
    here : what bits depend on in this process: with another one a run goes on, and says so
    """

    def __init__(
        self,
        folder: Path | None,
        identity: dict[str, Any],
        here: dict[str, str],
        net: Net,
        optimizer: torch.optim.Optimizer,
        watched: Watched,
    ) -> None:
        self.folder, self.identity, self.net, self.optimizer, self.watched = folder, identity, net, optimizer, watched
        self.checkpoints = Checkpoints((folder or Path()) / "checkpoint")
        self.environments = [here]
        self.failures, self.saved_step, self.metrics_whole = 0, 0, True
        self.saved, self.began, self.before = time.monotonic(), time.perf_counter(), 0.0

    def seconds(self) -> float:
        """Spent on this run, in this process and in those before it."""
        return self.before + time.perf_counter() - self.began

    def resume(self, state: State, steps: int, device: torch.device) -> tuple[State, int, History]:
        """Where the run stands, after what the newest whole checkpoint says."""
        if self.folder is None:
            return state, 0, History(steps, [], [])
        remove_stale(self.folder)
        found = self.checkpoints.load()
        history = History(steps, [], [])
        if found is not None:
            about, tensors = found
            try:
                self._check_identity(about)
                state = restore(self.net, self.optimizer, tensors, about["state"], device)
                history = History(steps, numbers(about["history"]), numbers(about["pending"]))
                self._take(about)
            except (LookupError, TypeError, AttributeError) as error:
                raise UnsafeFileError(f"a checkpoint in {self.folder} lacks what a run needs: {error!r}.") from error
        # lines written after the checkpoint will be written again
        self._rewrite_metrics(history.entries)
        return state, self.saved_step, history

    def _check_identity(self, about: dict[str, Any]) -> None:
        known = about["identity"]
        if known == self.identity:
            return
        then, now = known["settings"], self.identity["settings"]
        changed = [name for name in now if then.get(name) != now[name]]
        words = ", ".join(f"{name} was {_short(then.get(name))} and is {_short(now[name])}" for name in changed)
        raise InputError(
            f"{self.folder} holds a run with other data or settings: {words or 'rows or labels differ'}. Give the same "
            "ones to go on with it, or another place (or delete it) to start anew."
        )

    def _take(self, about: dict[str, Any]) -> None:
        self.before, self.saved_step = about["seconds"], about["step"]
        self.watched.restore(about["watched"])
        # as the run began, not as a timing in this process would choose
        self.net.autocast = None if about["precision"] is None else torch.bfloat16
        (here,) = self.environments
        self.environments = about["environments"] + [here] * (here not in about["environments"])
        others = [(k, v, here[k]) for then in about["environments"] for k, v in then.items() if v != here[k]]
        if others:
            words = ", ".join(f"{name} {then} then, {now} now" for name, then, now in dict.fromkeys(others))
            warnings.warn(
                f"The run in {self.folder} goes on, but elsewhere than it was before ({words}): the result is equal to "
                "that of an uninterrupted run up to rounding, no longer bit for bit.",
                stacklevel=2,
            )

    def write_metrics(self, entry: dict[str, float] | None) -> None:
        """One more line. What cannot be written now is written with the next checkpoint."""
        if self.folder is None or entry is None or not self.metrics_whole:
            return
        try:
            with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            self.metrics_whole = False
            path = self.folder / "metrics.jsonl"
            warnings.warn(f"cannot write {path}: {error.strerror}. Training goes on.", stacklevel=2)

    def _rewrite_metrics(self, entries: list[dict[str, float]]) -> None:
        assert self.folder is not None
        write_file(self.folder / "metrics.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries).encode())
        self.metrics_whole = True

    def save_if_due(self, step: Step, history: History) -> None:
        """A checkpoint now and then, and after the last step.

        Raises
        ------
        SaveError : the third in a row that cannot be written
        """
        last = step.number == history.steps
        if self.folder is None or not (last or time.monotonic() - self.saved > SAVE_EVERY):
            return
        self.saved = time.monotonic()
        try:
            self._save(step, history)
        except SaveError as error:
            self.failures += 1
            if self.failures >= _FAILURES and not last:  # a training that is done is worth more than its checkpoint
                raise SaveError(f"{error} That was failure {self.failures} in a row. {self._kept()}") from error
            warnings.warn(f"{error} Training goes on; the checkpoint is tried again. {self._kept()}", stacklevel=2)

    def save_now(self, step: Step, history: History) -> None:
        """As `save_if_due`, when there will be no later time: tried three times.

        Raises
        ------
        SaveError
        """
        if self.folder is None:
            return
        for attempt in range(1, _FAILURES + 1):
            try:
                self._save(step, history)
                return
            except SaveError as error:
                if attempt == _FAILURES:
                    raise SaveError(f"{error} Tried {attempt} times. {self._kept()}") from error

    def _kept(self) -> str:
        return (
            f"The last checkpoint is of step {self.saved_step}." if self.saved_step else "There is no checkpoint yet."
        )

    def _save(self, step: Step, history: History) -> None:
        if step.guard is not None:
            step.guard.look()
        tensors, names = gather(self.net, self.optimizer, step.state)
        about = {
            "identity": self.identity,
            "environments": self.environments,
            "step": step.number,
            "seconds": self.seconds(),
            "precision": None if self.net.autocast is None else str(self.net.autocast).removeprefix("torch."),
            "state": names,
            "history": plain(history.entries),
            "pending": plain(history.pending()),
            "watched": self.watched.plain(),
        }
        self.checkpoints.save(step.number, about, tensors)
        self.failures, self.saved_step = 0, step.number
        if not self.metrics_whole:
            self._rewrite_metrics(history.entries)

    def write_divergence(self, error: DivergenceError) -> None:
        """Keep what is known of the step that was not taken, beside the checkpoints."""
        if self.folder is not None and error.details is not None:
            path = self.folder / f"diverged-step-{error.details['step']}.json"
            with contextlib.suppress(SaveError):  # the error itself matters more
                write_file(path, json.dumps(error.details, indent=1).encode())

    def how_to_go_on(self, step: int, steps: int) -> str:
        if self.folder is None:
            return f"stopped at step {step} of {steps}; nothing was saved (give a folder to be able to go on)."
        return (
            f"stopped at step {step} of {steps}; saved in {self.folder}. The same call or command goes on from there."
        )


def plain(entries: list[dict[str, float]]) -> list[dict[str, float | str]]:
    """Metrics for a file: JSON has no NaN, and a metric may be one (a mean over no rows)."""
    return [{k: v if math.isfinite(v) else str(v) for k, v in entry.items()} for entry in entries]


def numbers(entries: list[dict[str, float | str]]) -> list[dict[str, float]]:
    """The inverse of `plain`."""
    return [{key: float(value) for key, value in entry.items()} for entry in entries]


def _short(text: str | None) -> str:
    return "not there" if text is None else text if len(text) <= 60 else f"{text[:57]}..."
