"""What a worker runs at this moment, in a memory-mapped file that outlives it: who was at work when it crashed.

It also holds the worker's pulse, a number that its event loop raises, so that a worker whose loop hangs is noticed.

One file a worker, ``underway/<worker>.underway``, in the layout of the counters: a series for each version of each
variant, and in it how many of its calls, or its load, are under way. The memory belongs to the kernel, so it says so
after any death of the process; whoever finds the worker dead reads it, once, and takes the file away.
"""

import os
import threading
from pathlib import Path
from typing import NamedTuple

from seatrial.ledger import layout
from seatrial.ledger.counters import CounterFile, parse_series, read_file, series

_NAME = "underway"
_PULSE = "pulse"
_DIGITS = 16
"""Of a digest, that name a version here: a series' name is short."""


class Suspect(NamedTuple):
    """A version that was under way.

    Attributes:
        digest: The first 16 digits of its files' digest.
        default: It is the default variant, which answers when others fail.
    """

    deployment: str
    variant: str
    digest: str
    default: bool


class Mark:
    """Where one version says that it is under way; `on` and `off` come from any thread."""

    __slots__ = ("_file", "_lock", "_slot", "cell", "cells")

    def __init__(self, file: CounterFile, suspect: Suspect) -> None:
        labels = {"deployment": suspect.deployment, "variant": suspect.variant, "digest": suspect.digest}
        default = "1" if suspect.default else ""
        self._file = file
        self._lock = threading.Lock()
        self._slot = file.slot(series(_NAME, **labels, default=default))
        # For the event loop's quickest calls: a cell of their own, set and cleared without asking anybody.
        self.cell = file.slot(series(_NAME, **labels, default=default, quick="1"))
        self.cells = file.cells

    def on(self) -> None:
        """Something of it begins."""
        with self._lock:
            self._file.add(self._slot, 1)

    def off(self) -> None:
        """Something of it ended."""
        with self._lock:
            self._file.add(self._slot, -1)


class Underway:
    """A worker's file; what an earlier process of that name left in it is gone."""

    def __init__(self, home: Path, worker: str) -> None:
        directory = layout.underway(home)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{worker}{layout.UNDERWAY}"
        path.unlink(missing_ok=True)
        self._file = CounterFile(path)
        self._marks: dict[Suspect, Mark] = {}
        self._pulse = self._file.slot(_PULSE)

    def beat(self) -> None:
        """Say that the event loop is alive; called by it alone."""
        self._file.add(self._pulse)

    def mark(self, deployment: str, variant: str, digest: str, *, default: bool = False) -> Mark:
        """Where a version says that it is under way."""
        suspect = Suspect(deployment, variant, digest[:_DIGITS], default)
        if suspect not in self._marks:
            self._marks[suspect] = Mark(self._file, suspect)
        return self._marks[suspect]


def pulse(home: Path, worker: str) -> int | None:
    """A number that changes while a worker's event loop is alive; None: it has not begun to beat."""
    try:
        return read_file(layout.underway(home) / f"{worker}{layout.UNDERWAY}").get(_PULSE) or None
    except FileNotFoundError:
        return None


def take_suspects(home: Path, worker: str) -> tuple[Suspect, ...]:
    """What was under way when a worker died, which the caller knows to be dead; asked a second time: nothing."""
    path = layout.underway(home) / f"{worker}{layout.UNDERWAY}"
    try:
        found = read_file(path)
        os.unlink(path)
    except FileNotFoundError:
        return ()
    suspects = set()
    for text, calls in found.items():
        if calls > 0 and text != _PULSE:
            _, labels = parse_series(text)
            suspects.add(Suspect(labels["deployment"], labels["variant"], labels["digest"], bool(labels["default"])))
    return tuple(sorted(suspects))
