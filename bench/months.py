"""Simulated months, kept as they are lived: a file of a month a line, so that a run that was stopped goes on."""

import argparse
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

_ROUND = 4
"""Months of each world in turn, so that a run that is stopped has some of every one."""


class Lived(Protocol):
    """A month says of which world it is, and under which seed."""

    @property
    def world(self) -> str: ...
    @property
    def seed(self) -> int: ...


M = TypeVar("M", bound=Lived)


def arguments_of(parser: argparse.ArgumentParser, months: int) -> None:
    """The options that ``live`` needs, and ``--publish``."""
    parser.add_argument("--months", type=int, default=months, help="of each world")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="worlds whose name contains this")
    parser.add_argument("--publish", action="store_true", help="put the table into bench/README.md")
    parser.add_argument("--keep", type=Path, required=True, help="file of months; those in it are not lived again")


def read(path: Path, kind: type[M]) -> list[M]:
    """Months that were kept."""
    return [msgspec.json.decode(line, type=kind) for line in path.read_text().splitlines()] if path.exists() else []


def live(given: argparse.Namespace, worlds: Sequence[str], month: Callable[[str, int], M], kind: type[M]) -> list[M]:
    """Lives the months that are not kept yet, keeps each, and returns all.

    Args:
        given: Of ``arguments_of``.
        worlds: Their names.
        month: One month of a world by its seed; at the top of a module, for it runs in other processes.
        kind: What it makes.
    """
    kept = read(given.keep, kind)
    known = {(m.world, m.seed) for m in kept}
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool, given.keep.open("a", buffering=1) as file:
        for first in range(0, given.months, _ROUND):
            for world in worlds:
                seeds: Iterable[int] = range(first, min(first + _ROUND, given.months)) if given.only in world else ()
                todo = [seed for seed in seeds if (world, seed) not in known]
                for found in pool.imap(partial(month, world), todo):
                    kept.append(found)
                    file.write(msgspec.json.encode(found).decode() + "\n")
    return kept
