"""What a run is to do: which variants score the rows, and what must be the same when a killed run is gone on with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from seatrial.releases.publication import Publication
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Entry, Slot, Snapshot
from seatrial.spec.errors import BadInput, NotFound

Whose = Literal["all", "own", "one"]
"""Every variant of the split scores every row; each row is scored by its unit's own; or one variant scores them."""


class Ask(NamedTuple):
    """What the user asked for.

    Attributes:
        deployment: Whose variants score.
        file: The rows: ``.parquet`` or ``.csv``.
        key: Column that names each row.
        out: Directory that everything goes into.
        unit: Column of the unit; then each row is scored by its unit's own variant.
        variant: The one variant that scores.
        fresh: Begin anew, whatever ``out`` holds.
        shard_rows: Input rows a shard, about.
    """

    deployment: str
    file: Path
    key: str
    out: Path
    unit: str | None = None
    variant: str | None = None
    fresh: bool = False
    shard_rows: int = 131_072


class Plan(NamedTuple):
    """Who scores.

    Attributes:
        slots: The variants that score, models and no lookups.
        router: Assigns units, where each row is scored by its unit's own.
    """

    snapshot: Snapshot
    whose: Whose
    slots: tuple[Slot, ...]
    router: Router

    @property
    def versions(self) -> dict[str, str]:
        """What makes the answers, and the digest of each."""
        found = {f"{slot.variant} {slot.model_version}": slot.digest for slot in self.slots}
        transform = self.snapshot.transform
        if transform is not None:
            slot = transform.slot
            found[f"transform {slot.model_version if slot else transform.python}"] = slot.digest if slot else ""
        return found

    @property
    def routing(self) -> str:
        """What the assignment of units depends on, as text; "" where it plays no part."""
        return msgspec.json.encode(self.snapshot.entries).decode() if self.whose == "own" else ""


def active_snapshot(home: Path, deployment: str) -> Snapshot:
    """What is published under ``home`` now. Raises NotFound."""
    publication = Publication(home)
    revision = publication.active(deployment)
    if revision is None:
        known = ", ".join(sorted(publication.all_active())) or "none yet"
        raise NotFound(f"no deployment {deployment!r} is published in {home}, only: {known}; apply its file first")
    return publication.read(deployment, revision)


def make_plan(snapshot: Snapshot, ask: Ask) -> Plan:
    """Decide who scores.

    Raises:
        BadInput: Both a unit's column and a variant were named, or one would score that cannot.
        NotFound: There is no such variant.
    """
    if ask.unit is not None and ask.variant is not None:
        raise BadInput(
            f"--unit {ask.unit!r} lets each unit's own variant score and --variant {ask.variant!r} lets one; give one"
        )
    if ask.unit is not None and not all(_by_unit(entry) for entry in snapshot.entries):
        raise BadInput(
            f"{snapshot.deployment!r} has routing rules or a bandit that chooses by context, which a file without its "
            f"requests cannot answer; leave out --unit {ask.unit!r} to score with every variant, or name one with "
            "--variant"
        )
    if ask.shard_rows < 1:
        raise BadInput(f"--shard-rows is {ask.shard_rows}; give at least 1")
    whose: Whose = "one" if ask.variant is not None else "own" if ask.unit is not None else "all"
    names = (ask.variant,) if ask.variant is not None else _with_a_chance(snapshot)
    return Plan(snapshot, whose, tuple(_computing(snapshot, name) for name in names), Router(snapshot))


def _by_unit(entry: Entry) -> bool:
    """Whether a unit's name is all that an entry asks for."""
    return entry.when is None and entry.crowd is None and entry.by_context is None


def _with_a_chance(snapshot: Snapshot) -> Sequence[str]:
    """The variants that the entries assign units to."""
    names: dict[str, None] = {}
    for entry in snapshot.entries:
        for name in (entry.to,) if entry.to is not None else (arm.variant for arm in entry.arms if arm.weight > 0):
            names.setdefault(name)
    return tuple(names)


def _computing(snapshot: Snapshot, name: str) -> Slot:
    """The slot of a variant without its lookup: the model itself scores."""
    try:
        slot = snapshot.slot(name)
    except KeyError:
        known = ", ".join(slot.variant for slot in snapshot.slots)
        raise NotFound(f"{snapshot.deployment!r} has no variant {name!r}; it has {known}") from None
    if slot.popular is not None:
        raise BadInput(
            f"variant {name!r} answers with what is popular when it is asked, and has no score for a row of a file; "
            "name another with --variant"
        )
    return msgspec.structs.replace(slot, lookup=None)
