"""Decides what becomes of alerts, and writes down what is to be sent, both in one step: neither is lost nor doubled."""

import hashlib
import logging
from collections.abc import Mapping, Sequence

import msgspec

from seatrial.control.reactions import reactions_to
from seatrial.control.site import Site
from seatrial.control.telling_metrics import TellingMetrics
from seatrial.releases.records import Alert, Fate, Notice, NoticeKind
from seatrial.spec.deployment import Deployment
from seatrial.watch.alerts import condition_of
from seatrial.watch.delivery import line_of
from seatrial.watch.policy import DAY, Scene, Verdict, verdicts
from seatrial.watch.telling import Told, message_of, told_of, told_recovery

log = logging.getLogger("seatrial.control")

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
        scene = _scene(site, specs.get(name), mine, had, now)
        found = verdicts(mine, scene)
        notices = _notices(site, name, found, scene, now)
        fates: dict[int, tuple[Fate, str]] = {v.alert.id: (v.fate, v.why) for v in found if v.fate}
        if fates:
            site.state.alerts.decide(fates, notices)
        for notice in notices:
            had[notice.to] = had.get(notice.to, 0) + (notice.kind == "alert")
        for verdict in found:
            if verdict.fate:
                log.warning("%s (%s: %s)", line_of(verdict.alert), verdict.fate, verdict.why)
                metrics.decided(verdict.alert, verdict.fate)


def _scene(site: Site, spec: Deployment | None, mine: Sequence[Alert], had: Mapping[str, int], now: int) -> Scene:
    name = mine[0].deployment
    told = [alert for alert in site.state.alerts.of(name, limit=_LOOKED_AT) if alert.fate]
    mutes = site.state.mutes.active(name, now)
    if spec is None:
        spec = _NOBODY
    estimated = _loses(site, spec, now)
    ends = any((condition := condition_of(alert)) is not None and condition.is_over for alert in mine)
    sent = site.state.notices.receivers(name) if ends else {}
    return Scene(spec.alerting, spec.alerts, told, mutes, had, site.alerts_at_most, now, estimated, sent)


def _loses(site: Site, spec: Deployment, now: int) -> bool:
    """Whether the newest estimate of what labels will say, not older than two days, is a loss."""
    records = site.state.windows.of(spec.deployment, monitor=ESTIMATE, since=now - 2 * DAY)
    newest = [record for record in records if record.variant == spec.default and record.severity != "no-data"][-1:]
    return any(record.severity != "none" for record in newest)


ESTIMATE = "estimate"
"""The monitor that says what labels will say, as its windows are kept."""

_NOBODY = Deployment(deployment="nobody", variants={}, routing=())
"""A deployment whose file is gone tells nobody."""


def _notices(site: Site, name: str, found: Sequence[Verdict], scene: Scene, now: int) -> list[Notice]:
    """One message a receiver for what is told, and one for what is over."""
    made: list[Notice] = []
    for to in dict.fromkeys(to for verdict in found for to in verdict.to):
        mine = [verdict for verdict in found if to in verdict.to]
        for kind, recovery in (("alert", False), ("recovery", True)):
            part = [verdict for verdict in mine if verdict.recovery == recovery]
            if part:
                made.append(_notice(site, name, to, kind, part, scene, now))  # type: ignore[arg-type]
    return made


def _notice(
    site: Site, name: str, to: str, kind: NoticeKind, part: Sequence[Verdict], scene: Scene, now: int
) -> Notice:
    alerts = [verdict.alert for verdict in part]
    told = told_recovery(name, alerts) if kind == "recovery" else _told(site, name, to, alerts, scene)
    notice = notice_id(name, to, kind, *(alert.key for alert in alerts))
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
