"""The summary of a day: one line a deployment — who is in command, the verdict, days left, drift, changes, alerts."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from seatrial.drift import Severity
from seatrial.releases.records import Alert
from seatrial.spec.alerting import ClockTime
from seatrial.watch.telling import Told

_SECOND = 1_000_000
_DAY = 86_400.0
_NAMED = 4


class Standing(NamedTuple):
    """How a deployment stands at the end of a day.

    Attributes:
        command: ``name:version`` in command, or "".
        challenger: ``name:version`` of the release under way, or "".
        verdict: The recommendation of its last judgement, or "".
        seconds_left: Until it ends by itself at the latest; None: nothing ends it.
        drift: The worst severity of the newest windows; None: nothing was measured.
        changes: Actions of the audit in the period, in order.
        alerts: Alerts of the period, the oldest first.
        stands: Drift from the training data that is open and usual for its hours.
    """

    deployment: str
    command: str
    challenger: str = ""
    verdict: str = ""
    seconds_left: float | None = None
    drift: Severity | None = None
    changes: tuple[str, ...] = ()
    alerts: tuple[Alert, ...] = ()
    stands: tuple[str, ...] = ()


def line_of(standing: Standing) -> str:
    """A deployment in one line."""
    parts = [f"{standing.deployment}: {standing.command or 'nobody'} in command", _release(standing)]
    parts.append(f"drift {standing.drift}" if standing.drift is not None else "drift not measured")
    parts.append(f"changes: {_counted(standing.changes)}" if standing.changes else "no changes")
    if standing.stands:
        parts.append(f"stands against training, as on days before: {', '.join(standing.stands)}")
    if standing.alerts:
        parts.append(f"alerts: {_counted(tuple(_worded(alert) for alert in standing.alerts))}")
    return "; ".join(parts)


def told_digest(standings: Sequence[Standing]) -> Told:
    """The whole summary, deployments with alerts first."""
    ordered = sorted(standings, key=lambda standing: (not standing.alerts, standing.deployment))
    alerts = sum(len(standing.alerts) for standing in ordered)
    what = f"{len(ordered)} deployment{'s' * (len(ordered) != 1)}, {alerts} alert{'s' * (alerts != 1)}"
    more = ["More of any: seatrial status NAME, seatrial alerts list NAME, seatrial drift NAME"]
    return Told(f"Summary of the day: {what}", "\n".join([*map(line_of, ordered), *more]), ())


def last_due(at: ClockTime, now: int) -> int:
    """The last moment not after ``now`` at which a clock showed the time, microseconds since 1970 UTC.

    A time that a day does not have, because clocks were put forward, is due an hour later; one that it has twice, at
    the first.
    """
    zone = ZoneInfo(at.zone)
    today = datetime.fromtimestamp(now / _SECOND, UTC).astimezone(zone)
    moment = today.replace(hour=at.minute // 60, minute=at.minute % 60, second=0, microsecond=0, fold=0)
    if round(moment.timestamp() * _SECOND) > now:
        moment -= timedelta(days=1)
    return round(moment.timestamp() * _SECOND)


def _release(standing: Standing) -> str:
    if not standing.challenger:
        return "no release"
    left = ""
    if standing.seconds_left is not None:
        left = f", {max(0.0, standing.seconds_left) / _DAY:.1f} days left at most"
    return f"release of {standing.challenger}: {standing.verdict or 'not judged'}{left}"


def _worded(alert: Alert) -> str:
    return f"{alert.event} ({alert.fate or 'waits'})"


def _counted(words: Sequence[str]) -> str:
    counts = Counter(words)
    named = [f"{word} × {n}" if n > 1 else word for word, n in counts.most_common(_NAMED)]
    rest = len(counts) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest else "")
