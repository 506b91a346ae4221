"""Crowds: the files of units that a snapshot's entries name; lists when they are applied, history each minute.

The file of a list is called after its units and never changes, so a snapshot means the same for ever. The file of a
cold start holds the units that are warm and only grows, but for those that asked to be forgotten.
"""

import logging
from array import array
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seatrial.control.rounds import Rounds
from seatrial.control.site import Site
from seatrial.control.snapshots import WARM, warm_file
from seatrial.ledger.retention import read_forgetting
from seatrial.protocol.bodies import read_unit
from seatrial.releases.crowd_files import Crowd, crowd_file, write_crowd
from seatrial.routing.crowds import hash_unit
from seatrial.spec.deployment import ColdStartSpec, Deployment
from seatrial.spec.errors import BadInput

log = logging.getLogger("seatrial.crowds")

Warm = Callable[[Deployment, ColdStartSpec, int], Iterable[str]]
"""Units that are warm, by what is known now, of which something has come since a time (``senses``)."""

_OVERLAP = 3_600 * 1_000_000
"""An outcome may come before the row that says whose it is, by so many microseconds in the usual case."""
_WHOLE = 86_400 * 1_000_000
"""After so many microseconds everybody is looked at, for the unusual case."""

Hashes = NDArray[np.uint64]
"""Of units, ascending, each once."""

Lists = Mapping[str, tuple[str, Hashes]]
"""For every entry with ``units_from``, the name of its crowd's file and the hashes that belong in it."""


def kept_lists(spec: Deployment, files: Mapping[str, str], home: Path) -> Lists | None:
    """The lists of a file that was applied, as they were then; None where one of them is not there any more.

    Raises:
        OSError: One is there and cannot be opened.
    """
    kept = {}
    for entry in spec.routing:
        if entry.units_from is not None:
            crowd = _read(crowd_file(home, files[entry.name])) if entry.name in files else None
            if crowd is None:
                return None
            kept[entry.name] = (files[entry.name], _of(crowd))
    return kept


def read_lists(spec: Deployment, home: Path) -> Lists:
    """The lists of a file, as they are now.

    Raises:
        BadInput: A list that cannot be read, or a line that is no unit.
    """
    found = {}
    for entry in spec.routing:
        if entry.units_from is not None:
            hashes = _listed(home.parent / entry.units_from, entry.name)
            digest = sha256(_body(hashes)).hexdigest()[:32]
            found[entry.name] = (f"{spec.deployment}/{digest}", hashes)
    return found


def _listed(path: Path, entry: str) -> Hashes:
    hashes = array("Q")
    try:
        with open(path, encoding="utf-8-sig", newline=None) as lines:
            for number, line in enumerate(lines, 1):
                unit = line.rstrip("\n")
                if unit:
                    try:
                        hashes.append(hash_unit(read_unit(unit)))
                    except BadInput as error:
                        raise BadInput(f"line {number} of {path}, `units_from` of entry `{entry}`: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"`units_from` of routing entry `{entry}` cannot be read: {error}") from error
    if not hashes:
        raise BadInput(f"`units_from` of routing entry `{entry}`: {path} names no unit; write one a line")
    return np.unique(np.frombuffer(hashes, dtype=np.uint64))


def put_in_place(site: Site, warm: Warm, spec: Deployment, lists: Lists) -> None:
    """Write every file that the snapshot of ``spec`` names and that is not there, or damaged, before it is published.

    Raises:
        OSError: The disk refuses.
    """
    for name, hashes in lists.values():
        if _read(crowd_file(site.home, name)) is None:
            write_crowd(crowd_file(site.home, name), _body(hashes))
    for cold in cold_starts(spec):
        if _read(crowd_file(site.home, warm_file(spec.deployment, cold))) is None:
            warm_up(site.home, warm, spec, cold)


def cold_starts(spec: Deployment) -> tuple[ColdStartSpec, ...]:
    """Of a file, each once."""
    return tuple(dict.fromkeys(entry.cold_start for entry in spec.routing if entry.cold_start is not None))


def warm_up(home: Path, warm: Warm, spec: Deployment, cold: ColdStartSpec, since: int = 0) -> int:
    """Add the units that have become warm; how many are now. Where there is no file, all of the ledger is looked at.

    Raises:
        OSError: The disk refuses; what was there stays.
    """
    path = crowd_file(home, warm_file(spec.deployment, cold))
    before = _read(path)
    known = _of(before) if before is not None else np.zeros(0, dtype=np.uint64)
    forgotten = np.unique(_hashed(unit for asked in read_forgetting(home) for unit in asked.units))
    kept = known[~np.isin(known, forgotten)] if forgotten.size else known
    now = np.union1d(kept, _hashed(warm(spec, cold, 0 if before is None else since)))
    if before is None or not np.array_equal(now, known):
        write_crowd(path, _body(now))
    return int(now.size)


def _hashed(units: Iterable[str]) -> Hashes:
    """Of units in any order, in theirs."""
    return np.fromiter(map(hash_unit, units), dtype=np.uint64)


def _of(crowd: Crowd) -> Hashes:
    return np.frombuffer(crowd.body, dtype="<u8").astype(np.uint64)


def _body(hashes: Hashes) -> bytes:
    return hashes.astype("<u8").tobytes()


def forget_warmth(home: Path, unit: str) -> None:
    """Take a unit out of every file of warm units. Raises OSError."""
    for path in sorted((home / "crowds").glob(f"*/{WARM}-*")):
        crowd = _read(path)
        if crowd is not None and crowd.holds(unit):
            left = _of(crowd)
            write_crowd(path, _body(left[left != np.uint64(hash_unit(unit))]))


def _read(path: Path) -> Crowd | None:
    """A file of units; None where there is none. A damaged one is kept aside, because it knew more than the ledger may.

    Raises:
        OSError: It is there and cannot be opened, which says nothing of who is in it.
    """
    try:
        return Crowd(path)
    except FileNotFoundError:
        return None
    except BadInput as error:
        aside = path.with_name(f"{path.name}.damaged")
        log.error("%s; it is kept as %s, and made again from what the ledger has", error, aside.name)
        path.replace(aside)
        return None


class Warming:
    """Keeps the files of cold starts at what the ledger says."""

    def __init__(self, site: Site, warm: Warm) -> None:
        self._home = site.home
        self._warm = warm
        self._rounds = Rounds(site.monotonic)
        self._seen: dict[str, tuple[int, int]] = {}

    def look(self, spec: Deployment, now: int) -> None:
        """Look up who is warm, where it is time. Raises OSError."""
        for cold in cold_starts(spec):
            name = warm_file(spec.deployment, cold)
            self._rounds.go(name, now, lambda name=name, cold=cold: self._warm_up(name, spec, cold, now))  # type: ignore[misc]

    def _warm_up(self, name: str, spec: Deployment, cold: ColdStartSpec, now: int) -> None:
        """By what has come since the last look; once a day, and first of all, by everything."""
        last, whole = self._seen.get(name, (0, 0))
        everything = now - whole >= _WHOLE
        warm_up(self._home, self._warm, spec, cold, 0 if everything else last - _OVERLAP)
        self._seen[name] = (now, now if everything else whole)
