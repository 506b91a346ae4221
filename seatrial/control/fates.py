"""Decides what becomes of alerts, and writes down what is to be sent, both in one step: neither is lost nor doubled."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from seatrial.control.reactions import reactions_to
from seatrial.control.site import Site
from seatrial.control.telling_metrics import TellingMetrics
from seatrial.releases.records import Alert, Fate, Notice, NoticeKind
from seatrial.spec.deployment import Deployment
from seatrial.watch.alerts import Condition, condition_of, standing_conditions, strong_in
from seatrial.watch.delivery import line_of
from seatrial.watch.past import after_of
from seatrial.watch.policy import DAY, Scene, Verdict, asked_again, verdicts
from seatrial.watch.telling import Told, message_of, told_of, told_recovery
from seatrial.watch.window import Window

log = logging.getLogger("seatrial.control")

_MINUTE = 60_000_000
_FAR_BACK = 28 * DAY
_LOOKED_AT = 500
"""So many of a deployment's newest alerts decide about the next."""


def decide_fates(site: Site, specs: Mapping[str, Deployment], metrics: TellingMetrics, now: int) -> None:
    """Give every undecided alert its fate; what waits for the end of quiet hours is asked about again."""
    pending = site.state.alerts.undecided()
    if not pending:
        return
    had = site.state.notices.made_since(now - DAY)
    for name in dict.fromkeys(alert.deployment for alert in pending):
        mine = [alert for alert in pending if alert.deployment == name]
        scene = _scene(site, name, specs.get(name), had, now, ends=any(map(_is_over, mine)))
        found = verdicts(mine, scene)
        for notice in _keep(site, found, _notices(site, name, found, scene, now), metrics):
            had[notice.to] = had.get(notice.to, 0) + (notice.kind == "alert")


class AskingAgain:
    """Asks once a minute about what is open and was told to nobody: a mute ends, a loss is estimated, more drifts.

    Args:
        site: Whose alerts.
        metrics: What is told is counted.
    """

    def __init__(self, site: Site, metrics: TellingMetrics) -> None:
        self._site = site
        self._metrics = metrics
        self._asked_at: int | None = None

    def look(self, specs: Mapping[str, Deployment], now: int) -> None:
        """Tell what is to be told by now, unless that was asked less than a minute ago."""
        if self._asked_at is not None and 0 <= now - self._asked_at < _MINUTE:
            return
        self._asked_at = now
        site = self._site
        for name, spec in specs.items():
            told = _told_of(site, name)
            opened = standing_conditions(told)
            if not opened:
                continue
            had = site.state.notices.made_since(now - DAY)
            scene = _scene(site, name, spec, had, now)._replace(strong=_strong_now(site, spec, opened.values()))
            found = asked_again(scene)
            _keep(site, found, _notices(site, name, found, scene, now, again=True), self._metrics)


def _keep(site: Site, found: Sequence[Verdict], notices: Sequence[Notice], metrics: TellingMetrics) -> Sequence[Notice]:
    fates: dict[int, tuple[Fate, str]] = {v.alert.id: (v.fate, v.why) for v in found if v.fate}
    if fates:
        site.state.alerts.decide(fates, notices)
    for verdict in found:
        if verdict.fate:
            log.warning("%s (%s: %s)", line_of(verdict.alert), verdict.fate, verdict.why)
            metrics.decided(verdict.alert, verdict.fate)
    return notices


def _is_over(alert: Alert) -> bool:
    condition = condition_of(alert)
    return condition is not None and condition.is_over


def _told_of(site: Site, name: str) -> list[Alert]:
    return [alert for alert in site.state.alerts.of(name, limit=_LOOKED_AT) if alert.fate]


def _scene(
    site: Site, name: str, spec: Deployment | None, had: Mapping[str, int], now: int, *, ends: bool = False
) -> Scene:
    told = _told_of(site, name)
    mutes = site.state.mutes.active(name, now)
    if spec is None:
        spec = _NOBODY
    estimated = _loses(site, spec, now)
    sent = site.state.notices.receivers(name) if ends else {}
    return Scene(spec.alerting, spec.alerts, told, mutes, had, site.alerts_at_most, now, estimated, sent)


def _loses(site: Site, spec: Deployment, now: int) -> bool:
    """Whether the newest estimate of what labels will say is a loss; one counts for two of its windows, or two days."""
    records = site.state.windows.of(spec.deployment, monitor=ESTIMATE, since=now - _FAR_BACK)
    mine = [record for record in records if record.variant == spec.default and record.severity != "no-data"]
    return any(
        record.severity != "none" and now - record.end < 2 * max(DAY, record.end - record.start) for record in mine[-1:]
    )


def _strong_now(site: Site, spec: Deployment, opened: Iterable[Condition]) -> dict[str, tuple[str, ...]]:
    """Features of open drift that are strong in as many of the last windows as drift must last for."""
    found: dict[str, tuple[str, ...]] = {}
    for condition in opened:
        after = after_of(spec.alerting.after, condition.kind)
        if condition.kind != "data":
            continue
        records = site.state.windows.last(
            spec.deployment,
            monitor=condition.kind,
            variant=condition.variant,
            version=condition.version or condition.variant,
            since=condition.start,
            most=after.of,
        )
        windows = [msgspec.json.decode(record.window, type=Window) for record in records]
        many = Counter(feature for window in windows for feature in strong_in(window))
        if windows:
            found[condition.condition] = tuple(sorted(name for name, times in many.items() if times >= after.windows))
    return found


ESTIMATE = "estimate"
"""The monitor that says what labels will say, as its windows are kept."""

_NOBODY = Deployment(deployment="nobody", variants={}, routing=())
"""A deployment whose file is gone tells nobody."""


def _notices(
    site: Site, name: str, found: Sequence[Verdict], scene: Scene, now: int, *, again: bool = False
) -> list[Notice]:
    """One message a receiver for what is told, and one for what is over; ``again``: an earlier one may be withdrawn."""
    made: list[Notice] = []
    for to in dict.fromkeys(to for verdict in found for to in verdict.to):
        mine = [verdict for verdict in found if to in verdict.to]
        for kind, recovery in (("alert", False), ("recovery", True)):
            part = [verdict for verdict in mine if verdict.recovery == recovery]
            if part:
                made.append(_notice(site, name, to, kind, part, scene, now, again))  # type: ignore[arg-type]
    return made


def _notice(
    site: Site, name: str, to: str, kind: NoticeKind, part: Sequence[Verdict], scene: Scene, now: int, again: bool
) -> Notice:
    alerts = [verdict.alert for verdict in part]
    told = told_recovery(name, alerts) if kind == "recovery" else _told(site, name, to, alerts, scene)
    notice = notice_id(name, to, kind, *(alert.key for alert in alerts), *([str(now)] if again else []))
    return Notice(
        id=notice,
        deployment=name,
        to=to,
        kind=kind,
        at=now,
        why="; ".join(dict.fromkeys(verdict.why for verdict in part)),
        message=msgspec.json.encode(message_of(notice, kind, name, alerts, told, now)).decode(),
        alerts=tuple(alert.id for alert in alerts),
    )


def _told(site: Site, name: str, to: str, alerts: Sequence[Alert], scene: Scene) -> Told:
    last = scene.had.get(to, 0) + 1 >= scene.most
    note = (
        f"This is the last of {scene.most} alerts that you are sent in 24 hours; the rest stands in the summary of the "
        f"day and in `seatrial alerts list {name}`."
    )
    return told_of(
        name, alerts, done=reactions_to(site, name, alerts), estimated=scene.estimated, note=note if last else ""
    )


def notice_id(*parts: str) -> str:
    """The identity of a message: of the same about the same it is the same."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
