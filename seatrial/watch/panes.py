"""What windows are compared with when it is not the training data: the same variant's own past.

    last 4 weeks   every window of the 28 days before
    same weekday   the same window of the weekday, in each of the four weeks before
    same hours     the same window of the day, in each of the 28 days before

The past is counted in the cells of the training data, a *pane* a window; panes merge exactly, whole days are merged
once, and both are kept on the shelf, so that a row is read once.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import msgspec

from seatrial.drift import FeatureProfile
from seatrial.drift.bins import Bins
from seatrial.drift.feature import merged
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Against
from seatrial.watch import reading
from seatrial.watch.quality import first_row
from seatrial.watch.reading import Span
from seatrial.watch.shelf import Shelf, keyed

DAY = 86_400_000_000
DAYS = 28
_STEPS: dict[Against, int] = {"same weekday": 7 * DAY, "same hours": DAY}

Counted = dict[str, FeatureProfile]
"""Profiles by SQL expression, as ``reading.read`` gives them."""

Count = Callable[[Span], Counted]
"""Counts another window of the same columns."""


class Panes:
    """Reads the past of one variant in one set of cells.

    Args:
        source: Rows.
        span: The window that is compared; the past lies before it.
        rows: SQL of which rows count.
        references: By SQL expression, the training's profiles.
        shelf: Where panes are kept.
        about: What else panes depend on: the deployment's name.
        pane: Length of what is read at once, microseconds; None: a window. Sliding windows are merged of shorter ones.
        count: How a window is counted; None: by reading the references' expressions.
    """

    def __init__(
        self,
        source: Source,
        span: Span,
        rows: str,
        references: Mapping[str, FeatureProfile],
        shelf: Shelf,
        about: str,
        count: Count | None = None,
        pane: int | None = None,
    ) -> None:
        self._source, self._span, self._rows, self._shelf = source, span, rows, shelf
        self._references = dict(references)
        self._named = about
        self._length = span.end - span.start
        self._piece = pane or self._length
        self._count = count or self._read
        self._panes: dict[tuple[int, int], Counted] = {}

    @cached_property
    def _about(self) -> tuple[str, ...]:
        return (self._named, self._span.variant, self._span.version, self._rows, sha_of(self._references))

    @cached_property
    def _first(self) -> int | None:
        return first_row(self._source)

    @property
    def columns(self) -> tuple[str, ...]:
        """What is counted, in order."""
        return tuple(self._references)

    def keep(self, found: Mapping[str, FeatureProfile]) -> None:
        """Keep the window itself: it is the past of later ones."""
        self._put(self._span.start, self._span.end, dict(found))

    def whole(self) -> Counted:
        """The window itself, merged of its panes."""
        return self._part(self._span.start, self._span.end)

    def before(self, against: Against) -> Counted:
        """What the window is compared with: the training's cells, with the counts of the past."""
        return self._merged(self._parts(against))

    def days(self, against: Against) -> int:
        """How many windows of the past have any row."""
        parts = (self._part(start, end) for start, end in self._parts(against))
        return sum(any(profile.rows for profile in pane.values()) for pane in parts)

    def _read(self, span: Span) -> Counted:
        return reading.read(self._source, span, self._rows, self._references, reading.MOST_VALUES // 100)

    def _parts(self, against: Against) -> list[tuple[int, int]]:
        start, length, pane = self._span.start, self._length, self._piece
        if against == "last 4 weeks":
            begin = max(start - DAYS * DAY, (self._first or start) // pane * pane)
            return _cut(begin, start, pane)
        step = _STEPS[against]
        moments = range(start - step, start - DAYS * DAY - 1, -step)
        past = [(at, at + length) for at in moments if self._first is not None and at + length > self._first]
        return [(at, end) for at, end in past if end <= start]  # a window longer than the step is no past of its own

    def _together(self, panes: Sequence[Counted]) -> Counted:
        return {
            sql: merged([_empty(reference), *(pane[sql] for pane in panes)])
            for sql, reference in self._references.items()
        }

    def _part(self, start: int, end: int) -> Counted:
        """One pane, looked up once for each window: the same hours hold the same weekday, too."""
        if (start, end) not in self._panes:
            self._panes[start, end] = self._pane(start, end)
        return self._panes[start, end]

    def _pane(self, start: int, end: int) -> Counted:
        known = self._shelf.get(self._key(start, end))
        if known is not None:
            return self._restored(known)
        if end - start <= self._piece:
            found = self._count(self._span._replace(start=start, end=end, step=0))
            self._put(start, end, found)
            return found
        pieces = _cut(start, end, self._piece)
        is_day = pieces == [(start, end)]
        found = self._merged([(at, at + self._piece) for at in range(start, end, self._piece)] if is_day else pieces)
        if is_day:
            self._put(start, end, found)
        return found

    def _merged(self, parts: list[tuple[int, int]]) -> Counted:
        return self._together([self._part(start, end) for start, end in parts])

    def _put(self, start: int, end: int, found: Counted) -> None:
        bare = [_bare(found[sql]) for sql in self._references]
        self._shelf[self._key(start, end)] = zlib.compress(msgspec.msgpack.encode(bare), 1)

    def _restored(self, content: bytes) -> Counted:
        bare = msgspec.msgpack.decode(zlib.decompress(content), type=list[FeatureProfile])
        pairs = zip(self._references.items(), bare, strict=True)
        return {sql: _dressed(profile, reference) for (sql, reference), profile in pairs}

    def _key(self, start: int, end: int) -> str:
        return keyed("pane", *self._about, start, end)


def sha_of(references: Mapping[str, FeatureProfile]) -> str:
    """What cells are counted, as a digest."""
    return keyed("cells", msgspec.msgpack.encode(list(references.items())).hex())


def _cut(begin: int, end: int, length: int) -> list[tuple[int, int]]:
    """[begin, end) as whole days where panes of a length fill them, and panes for the rest."""
    if DAY % length:
        return [(at, at + length) for at in range(begin, end, length)]
    first, last = -(-begin // DAY) * DAY, end // DAY * DAY
    if first >= last:
        return [(at, at + length) for at in range(begin, end, length)]
    days = [(at, at + DAY) for at in range(first, last, DAY)]
    early = [(at, at + length) for at in range(begin, first, length)]
    return [*early, *days, *((at, at + length) for at in range(last, end, length))]


def _empty(reference: FeatureProfile) -> FeatureProfile:
    bare = FeatureProfile(name=reference.name, kind=reference.kind, counts=(0,) * len(reference.counts))
    return _dressed(bare, reference)


def _bare(profile: FeatureProfile) -> FeatureProfile:
    """Without what the reference knows already."""
    return msgspec.structs.replace(profile, bins=Bins(), categories=(), limits=None)


def _dressed(profile: FeatureProfile, reference: FeatureProfile) -> FeatureProfile:
    """In the reference's cells. How often the past had a category that these do not list is counted, not expected."""
    return msgspec.structs.replace(
        profile,
        bins=reference.bins,
        categories=reference.categories,
        limits=reference.limits,
        barely_listed=0,
    )
