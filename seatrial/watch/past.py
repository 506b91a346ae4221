"""What of the windows before one counts: how many of the last ones alarm, and what was read before these."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from seatrial.drift import Severity
from seatrial.drift.severity import SEVERITIES
from seatrial.spec.alerting import Sustained
from seatrial.spec.deployment import AfterSpec
from seatrial.watch.ending import DAY, MOST_WINDOWS, Earlier
from seatrial.watch.signals import of_columns, signals_of
from seatrial.watch.window import Signal, Window

T = TypeVar("T")
Whose = tuple[str, str, str]
"""Kind of condition or monitor, variant, version."""


class Held(NamedTuple):
    """How bad a condition is, and how much of it is unusual."""

    severity: Severity = "none"
    unusual: Severity = "none"


def after_of(after: AfterSpec, kind: str) -> Sustained:
    """How many windows of a condition's kind must alarm; one where the file says nothing of that kind."""
    found = getattr(after, kind.split()[0], None)
    return found if isinstance(found, Sustained) else Sustained(1, 1)


def windows_back(after: AfterSpec) -> int:
    """How many windows before the present one are looked at."""
    return max(after_of(after, kind).of for kind in AfterSpec.model_fields) - 1


def sustained(alarms: Sequence[Severity], windows: int) -> Severity:
    """The severity that at least so many alarms reach."""
    reached = sorted(map(SEVERITIES.index, alarms), reverse=True)
    return SEVERITIES[reached[windows - 1]] if len(reached) >= windows else "none"


def unusual(signal: Signal, window: Window) -> Severity:
    """What of an alarm is unusual: all of it, where its own hours have nothing to say."""
    return signal.alarm if window.usual is None or signal is not window.drift else window.usual.alarm


class Past:
    """The alarms of each condition by window, as far back as ``after`` looks."""

    def __init__(self, after: AfterSpec, windows: Sequence[Window]) -> None:
        self._after = after
        self._alarms: dict[Whose, dict[int, Held]] = {}
        self._broken: dict[Whose, dict[int, tuple[str, ...]]] = {}
        for window in windows:
            self.add(window)

    def add(self, window: Window) -> None:
        for kind, signal in signals_of(window):
            mine = (kind, window.variant, window.version)
            self._alarms.setdefault(mine, {})[window.start] = Held(signal.alarm, unusual(signal, window))
            if kind in of_columns(window) and kind != window.monitor:  # its quality
                self._broken.setdefault(mine, {})[window.start] = window.broken

    def sustained(self, kind: str, window: Window) -> Held:
        """What the windows of the same version up to this one come to; none is counted that lies further back."""
        enough = after_of(self._after, kind).windows
        looked = self._looked(self._alarms, kind, window)
        return Held(
            sustained([held.severity for held in looked], enough),
            sustained([held.unusual for held in looked], enough),
        )

    def broken(self, kind: str, window: Window) -> frozenset[str]:
        """Columns of a window that are broken in as many of the same windows; none where it is not about quality."""
        looked = self._looked(self._broken, kind, window)
        many = Counter(column for columns in looked for column in columns)
        enough = after_of(self._after, kind).windows
        return frozenset(column for column in window.broken if many[column] >= enough)

    def _looked(self, kept: Mapping[Whose, Mapping[int, T]], kind: str, window: Window) -> list[T]:
        mine = kept.get((kind, window.variant, window.version), {})
        many = after_of(self._after, kind).of
        if window.counted:  # of unequal length: the last ones, however long ago they were
            return [mine[start] for start in sorted(start for start in mine if start <= window.start)[-many:]]
        first = window.start - (many - 1) * window.step
        return [one for start, one in mine.items() if first <= start <= window.start]


class Seen:
    """Windows before one: those of this reading and, where these do not reach, those that were read before."""

    def __init__(self, earlier: Earlier) -> None:
        self.earlier = earlier
        self._windows: dict[Whose, list[Window]] = {}

    def add(self, window: Window) -> None:
        self._windows.setdefault((window.monitor, window.variant, window.version), []).append(window)

    def before(self, window: Window) -> Iterator[Window]:
        """The newest first."""
        mine = self._windows.get((window.monitor, window.variant, window.version), [])[-MOST_WINDOWS:]
        yield from reversed(mine)
        first = mine[0] if mine else window
        yield from list(reversed(self.earlier.windows(first)))[: MOST_WINDOWS - len(mine)]

    def broke_lately(self, column: str, window: Window) -> bool:
        """Whether a column was broken in the day before a window, or nobody knows that it was not."""
        for other in self.before(window):
            if column in other.broken:
                return True
            if other.start <= window.start - DAY:
                return False
        return True
