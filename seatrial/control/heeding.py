"""What people do about alerts: look at them, take one on, mute, try the way to them. The loop is not needed for it."""

import threading
from collections.abc import Callable

import msgspec

from seatrial.control.fates import notice_id
from seatrial.control.site import Site
from seatrial.drift import Severity
from seatrial.releases.records import Alert, AuditEntry, Mute
from seatrial.spec.errors import BadInput
from seatrial.spec.events import EVENTS, GROUPS
from seatrial.spec.problems import did_you_mean
from seatrial.spec.read import load_deployment
from seatrial.spec.secrets import resolve
from seatrial.spec.units import show_duration
from seatrial.watch.alerts import condition_of, open_conditions
from seatrial.watch.delivery import Post, deliver
from seatrial.watch.policy import mutes_alert
from seatrial.watch.telling import Told, message_of

PATIENCE = 15.0
"""Seconds that a try may take as a whole, whatever the service does."""
LONGEST_MUTE = 90 * 86_400.0
_SECOND = 1_000_000


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of a deployment, and what is open.

    Attributes:
        alerts: The newest, the oldest of them first.
        open: Conditions that are not over, with their severity.
        unheeded: Of these, the ones that nobody has taken on or muted; not drift that is as at its hours before.
        mutes: What nobody is told of at once.
        waiting: Messages that no receiver has taken yet.
    """

    deployment: str
    alerts: tuple[Alert, ...]
    open: dict[str, Severity]
    unheeded: tuple[str, ...]
    mutes: tuple[Mute, ...]
    waiting: int


class Tried(msgspec.Struct, frozen=True):
    """How a receiver took a test: ``error`` is "" when it did."""

    to: str
    error: str


def standing(site: Site, deployment: str, *, limit: int = 20) -> Standing:
    """Alerts of a deployment, and what is open. Raises NotFound."""
    site.state.deployments.get(deployment)
    every = site.state.alerts.of(deployment)
    opened, mutes = open_conditions(every), site.state.mutes.active(deployment, site.clock())
    heeded = {name for name in opened if _is_heeded(name, every, mutes)}
    waiting = [notice for notice in site.state.notices.open() if notice.deployment == deployment]
    return Standing(
        deployment=deployment,
        alerts=every[-limit:],
        open=dict(opened),
        unheeded=tuple(name for name in opened if name not in heeded),
        mutes=mutes,
        waiting=len(waiting),
    )


def _is_heeded(name: str, alerts: tuple[Alert, ...], mutes: tuple[Mute, ...]) -> bool:
    mine = [alert for alert in alerts if (c := condition_of(alert)) is not None and c.condition == name]
    condition = condition_of(mine[-1])
    if condition is not None and condition.stands:
        return True
    return mine[-1].acked_at is not None or any(mutes_alert(mute, mine[-1]) for mute in mutes)


def acknowledge(site: Site, deployment: str, alert: int, *, actor: str, why: str) -> Alert:
    """Somebody takes an alert on: the condition is not told again unless it becomes worse, and what waits is withdrawn.

    Raises:
        NotFound: There is no such deployment or alert.
    """
    state = site.state.deployments.get(deployment)
    found = site.state.alerts.get(deployment, alert)
    entry = _entry(site, deployment, state.revision, "ack", actor, why, f"Took on alert {alert}: {found.sentence}")
    return site.state.alerts.acknowledge(deployment, alert, entry)


def mute(site: Site, deployment: str, what: str, seconds: float, *, actor: str, why: str) -> Mute:
    """Nobody is told of something at once for a while, nor of what waits to be sent.

    Args:
        what: An event, a group, an open condition, or ``all``.
        seconds: How long, at most 90 days.

    Raises:
        NotFound: There is no such deployment.
        BadInput: There is nothing like ``what``, no reason, or too long a time.
    """
    state = site.state.deployments.get(deployment)
    known = ("all", *EVENTS, *GROUPS, *open_conditions(site.state.alerts.of(deployment)))
    if what not in known:
        raise BadInput(f"{what!r} is nothing that can be muted; {did_you_mean(what, known)}")
    if not 0 < seconds <= LONGEST_MUTE:
        raise BadInput(f"a mute of {show_duration(seconds)} cannot be; write more than 0s and at most 90d")
    now = site.clock()
    until = now + round(seconds * _SECOND)
    sentence = f"Muted `{what}` for {show_duration(seconds)}."
    made = Mute(deployment=deployment, what=what, at=now, until=until, by=actor, why=_reason(why))
    entry = _entry(site, deployment, state.revision, "mute", actor, why, sentence)
    return site.state.mutes.add(made, entry, lambda alert: mutes_alert(made, alert))


def unmute(site: Site, deployment: str, what: str, *, actor: str, why: str) -> int:
    """Tell of it again; how many mutes ended. Raises NotFound."""
    state = site.state.deployments.get(deployment)
    entry = _entry(site, deployment, state.revision, "unmute", actor, why, f"`{what}` is told again.")
    return site.state.mutes.end(deployment, what, entry)


def try_out(site: Site, deployment: str, *, actor: str, post: Post | None = None) -> tuple[Tried, ...]:
    """Send a test to every receiver that the file names, now; how each took it.

    Raises:
        NotFound: There is no such deployment.
        BadInput: Its file names nobody.
    """
    state = site.state.deployments.get(deployment)
    receivers = tuple(dict.fromkeys(receiver.to for receiver in load_deployment(state.text).alerts))
    if not receivers:
        raise BadInput(f"the file of {deployment!r} names nobody to tell; add `alerts: [{{to: ...}}]` and apply it")
    tried = _all_at_once([lambda to=to: _try(site, deployment, to, post) for to in receivers], receivers)  # type: ignore[misc]
    failed = [one.to for one in tried if one.error]
    said = f"Sent a test to {len(tried)} receivers; " + (
        f"not taken by {', '.join(failed)}." if failed else "all took it."
    )
    site.state.audit.add(_entry(site, deployment, state.revision, "test", actor, "alerts were tried", said))
    return tried


def _all_at_once(tries: list[Callable[[], str]], receivers: tuple[str, ...]) -> tuple[Tried, ...]:
    """Every try in a thread of its own, so that one that hangs holds nobody up."""
    errors = dict.fromkeys(receivers, f"no answer in {PATIENCE:g} s")

    def note(to: str, work: Callable[[], str]) -> None:
        errors[to] = work()

    threads = [
        threading.Thread(target=note, args=(to, work), daemon=True) for to, work in zip(receivers, tries, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return tuple(Tried(to, error) for to, error in errors.items())


def _try(site: Site, deployment: str, to: str, post: Post | None) -> str:
    now = site.clock()
    told = Told(f"{deployment}: a test", "This is a test: alerts come here. Nothing has happened.", ())
    message = message_of(notice_id("test", deployment, to, str(now)), "test", deployment, (), told, now)
    try:
        return deliver(resolve(to, site.environ), message, post)
    except BadInput as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a service's library may raise anything, and quote the address
        return f"sending failed: {type(error).__name__}"


def _reason(why: str) -> str:
    if not why.strip():
        raise BadInput("a reason must be given; the audit keeps it")
    return why.strip()


def _entry(site: Site, deployment: str, revision: int, action: str, actor: str, why: str, sentence: str) -> AuditEntry:
    return AuditEntry(
        deployment=deployment,
        at=site.clock(),
        action=action,
        actor=actor,
        why=_reason(why),
        sentence=sentence,
        revision=revision,
    )
