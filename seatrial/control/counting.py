"""Files of popular items, kept at what the ledger says: in place before a snapshot names them, then each minute."""

from collections.abc import Callable, Sequence

from seatrial.control.rounds import Rounds
from seatrial.control.site import Site
from seatrial.releases.popular_files import Scored, popular_file, read_popular, write_popular
from seatrial.releases.records import DeploymentState
from seatrial.routing.snapshot import Popular
from seatrial.spec.errors import BadInput

Items = Callable[[str, Popular, int], Sequence[Scored]]
"""The most popular items of a deployment at a moment (``senses``)."""


def put_items_in_place(site: Site, items: Items, state: DeploymentState | None) -> None:
    """Write every file of items that the snapshot of a state names and that is not there, or damaged, before it is
    published.

    Raises:
        OSError: The disk refuses.
    """
    for terms in _terms(state) if state is not None else ():
        if _read(site, terms) is None:
            _count(site, items, terms, site.clock())


def _terms(state: DeploymentState) -> tuple[Popular, ...]:
    """What is counted for any version that is loaded, each once."""
    slots = [pin.slot for pin in state.pins if pin.slot is not None]
    if state.previous is not None:
        slots.append(state.previous.slot)
    return tuple(dict.fromkeys(slot.popular for slot in slots if slot.popular is not None))


def _count(site: Site, items: Items, terms: Popular, now: int) -> None:
    before = _read(site, terms)
    found = tuple(items(terms.file.partition("/")[0], terms, now))
    if found != before:
        write_popular(popular_file(site.home, terms.file), found)


def _read(site: Site, terms: Popular) -> tuple[Scored, ...] | None:
    try:
        return read_popular(popular_file(site.home, terms.file))
    except (OSError, BadInput):
        return None


class Counting:
    """Keeps the files of popular items at what the ledger says."""

    def __init__(self, site: Site, items: Items) -> None:
        self._site = site
        self._items = items
        self._rounds = Rounds(site.monotonic)

    def look(self, state: DeploymentState, now: int) -> None:
        """Count, where it is time. Raises OSError."""
        for terms in _terms(state):
            self._rounds.go(terms.file, now, lambda terms=terms: _count(self._site, self._items, terms, now))  # type: ignore[misc]
