"""Crowds: the files of units that a snapshot's entries name; lists when they are applied, history each minute.

The file of a list is called after its units and never changes, so a snapshot means the same for ever. The file of a
cold start holds the units that are warm and only grows, but for those that asked to be forgotten.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

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

Warm = Callable[[Deployment, ColdStartSpec], Sequence[str]]
"""Units that are warm, by what is known now (``senses``)."""


def read_lists(spec: Deployment, home: Path) -> dict[str, tuple[str, frozenset[int]]]:
    """For every entry with ``units_from``, the name of its crowd's file and the hashes that belong in it.

    Raises:
        BadInput: A list that cannot be read, or a line that is no unit.
    """
    found = {}
    for entry in spec.routing:
        if entry.units_from is not None:
            hashes = _listed(home.parent / entry.units_from, entry.name)
            digest = sha256(b"".join(value.to_bytes(8, "little") for value in sorted(hashes))).hexdigest()[:32]
            found[entry.name] = (f"{spec.deployment}/{digest}", hashes)
    return found


def _listed(path: Path, entry: str) -> frozenset[int]:
    hashes = set()
    try:
        with open(path, encoding="utf-8-sig", newline=None) as lines:
            for number, line in enumerate(lines, 1):
                unit = line.rstrip("\n")
                if unit:
                    try:
                        hashes.add(hash_unit(read_unit(unit)))
                    except BadInput as error:
                        raise BadInput(f"line {number} of {path}, `units_from` of entry `{entry}`: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"`units_from` of routing entry `{entry}` cannot be read: {error}") from error
    if not hashes:
        raise BadInput(f"`units_from` of routing entry `{entry}`: {path} names no unit; write one a line")
    return frozenset(hashes)


def put_in_place(site: Site, warm: Warm, spec: Deployment, lists: Mapping[str, tuple[str, frozenset[int]]]) -> None:
    """Write every file that the snapshot of ``spec`` names and that is not there, or damaged, before it is published.

    Raises:
        OSError: The disk refuses.
    """
    for name, hashes in lists.values():
        if _read(crowd_file(site.home, name)) is None:
            write_crowd(crowd_file(site.home, name), hashes)
    for cold in cold_starts(spec):
        if _read(crowd_file(site.home, warm_file(spec.deployment, cold))) is None:
            warm_up(site.home, warm, spec, cold)


def cold_starts(spec: Deployment) -> tuple[ColdStartSpec, ...]:
    """Of a file, each once."""
    return tuple(dict.fromkeys(entry.cold_start for entry in spec.routing if entry.cold_start is not None))


def warm_up(home: Path, warm: Warm, spec: Deployment, cold: ColdStartSpec) -> int:
    """Add the units that have become warm; how many are now.

    Raises:
        OSError: The disk refuses; what was there stays.
    """
    path = crowd_file(home, warm_file(spec.deployment, cold))
    before = _read(path)
    known = set() if before is None else set(before.hashes())
    forgotten = {hash_unit(unit) for asked in read_forgetting(home) for unit in asked.units}
    now = (known - forgotten) | set(map(hash_unit, warm(spec, cold)))
    if before is None or now != known:
        write_crowd(path, now)
    return len(now)


def forget_warmth(home: Path, unit: str) -> None:
    """Take a unit out of every file of warm units. Raises OSError."""
    for path in sorted((home / "crowds").glob(f"*/{WARM}-*")):
        crowd = _read(path)
        if crowd is not None and crowd.holds(unit):
            write_crowd(path, set(crowd.hashes()) - {hash_unit(unit)})


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

    def look(self, spec: Deployment, now: int) -> None:
        """Look up who is warm, where it is time. Raises OSError."""
        for cold in cold_starts(spec):
            name = warm_file(spec.deployment, cold)
            self._rounds.go(name, now, lambda cold=cold: warm_up(self._home, self._warm, spec, cold))  # type: ignore[misc]
