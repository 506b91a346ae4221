"""Who is told what, and when: a severity is not an alert, and an alert wakes nobody by itself.

Every alert gets one fate. The rules are tried in order and the first that fits decides; what was told before, mutes and
the calendar come in, so that the same question has the same answer.

    it is over                 told to those who were told that it began; else it stands in the summary
    as at its hours before     drift from the training data that earlier days had at the same hours wakes nobody
    muted                      nobody is told at once
    taken on by somebody       an open condition that somebody acknowledged is not told again, unless it becomes worse
    wakes nobody               nobody asked for the event, and by default it does not wake people
    overtaken                  it waited, and became worse, which was told, or usual
    known                      it was never told to be over, so whoever knows that it began knows
    told and over just now     the same condition waits for the end of the cool-down, and is told if it is still open
    told a day ago             drift of the same columns waits for a day: on the first day nobody knows their hours; in
                               the first week, while it is open, for a week: nobody knows their weekdays
    quiet hours                it waits for their end, unless it is critical
    ceiling                    whoever has had so many in 24 hours has it in the summary, unless it is critical
    else                       told at once

By default people are woken for a rollback, a version in quarantine, an open breaker on the default variant, a broken
guardrail, a fall in performance and a monitor that cannot be read. Strong drift wakes only together with an estimated
loss of performance, or when two features that matter drift strongly: the older model sees the same data, so there is
nothing to do at night.

What is open and was told to nobody is asked about again while it is open (``asked_again``): a mute ends, an estimate of
a loss comes, more features drift strongly.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from seatrial.releases.records import Alert, Fate, Mute
from seatrial.spec.calendar import Calendar, closed
from seatrial.spec.deployment import AlertingSpec, AlertSpec
from seatrial.spec.events import covers
from seatrial.spec.units import show_duration
from seatrial.watch.alerts import Condition, condition_of

WAKING = ("rollback", "quarantine", "breaker", "guardrail", "performance", "failure.watch")
"""Events, and groups of events, that wake people by default."""

_DRIFT = ("data.major", "prediction.major")
_DRIFTING = ("data", "prediction")
_FEATURES_THAT_WAKE = 2
_SECOND = 1_000_000
DAY = 86_400 * _SECOND
WEEK = 7 * DAY
_WEEKDAYS = 7
_WAITS = {
    DAY: "drift of these columns was told less than a day ago; it waits so long",
    WEEK: "drift of these columns was told less than a week ago and was open, and no such weekday came before; "
    "it waits so long",
}


class Scene(NamedTuple):
    """Everything that decides, for one deployment.

    Attributes:
        alerting: The file's.
        receivers: The file's.
        told: Its alerts whose fate is decided, the oldest first.
        mutes: Those that hold now.
        had: How many alerts each receiver was sent in the last 24 hours, over all deployments.
        most: How many it may be.
        now: Microseconds since 1970 UTC.
        estimated: A loss of performance is estimated, before labels say so.
        sent: To whom messages of alerts were made out, by the alert's id.
        strong: Of open drift, the features that drift strongly now, by condition; as it was told where none is known.
    """

    alerting: AlertingSpec
    receivers: Sequence[AlertSpec]
    told: Sequence[Alert]
    mutes: Sequence[Mute]
    had: Mapping[str, int]
    most: int
    now: int
    estimated: bool = False
    sent: Mapping[int, Sequence[str]] = {}
    strong: Mapping[str, Sequence[str]] = {}


class Verdict(NamedTuple):
    """What becomes of one alert.

    Attributes:
        alert: Which.
        fate: ``""``: it waits, and is asked about again.
        why: In words.
        to: Who is told at once, as the file names them.
        recovery: It is the end of something that they were told of.
    """

    alert: Alert
    fate: Fate
    why: str
    to: tuple[str, ...] = ()
    recovery: bool = False


def verdicts(pending: Sequence[Alert], scene: Scene) -> tuple[Verdict, ...]:
    """What becomes of each pending alert of one deployment.

    Args:
        pending: The oldest first.
        scene: Of that deployment.
    """
    found: list[Verdict] = []
    for alert in pending:
        before = (*scene.told, *(msgspec.structs.replace(v.alert, fate=v.fate, fate_why=v.why) for v in found))
        seen = scene._replace(told=before)
        found.append(_over_before_told(found, alert, seen) or _decide(alert, seen, pending))
    return tuple(_with_beginnings_that_are_over(found))


def asked_again(scene: Scene) -> tuple[Verdict, ...]:
    """What is told at once after all: of each condition that is open and was told to nobody, its newest alert.

    One whose receivers had their fill stays in the summary.
    """
    newest: dict[str, Alert] = {}
    for alert in scene.told:
        if (condition := condition_of(alert)) is not None:
            newest[condition.condition] = alert
    found: list[Verdict] = []
    for name, alert in newest.items():
        if _is_over(alert) or _FILL in alert.fate_why or _last_told_beginning(name, scene.told) is not None:
            continue
        verdict = _decide(alert, scene, ())
        if verdict.fate == "told":
            found.append(verdict._replace(why=f"{verdict.why}; it was open, and {_so_far(alert)}"))
    return tuple(found)


def _so_far(alert: Alert) -> str:
    return "muted until now" if alert.fate == "muted" else "told to nobody until now"


def wakes_people(
    alert: Alert,
    told: Iterable[Alert],
    important: Sequence[str],
    *,
    estimated: bool = False,
    wakes: Sequence[str] = (),
    strong: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Why an alert wakes people by default, in words; "" when it does not.

    Args:
        alert: Which.
        told: Alerts of its deployment until then, itself included or not.
        important: Features that matter; none named: every one that the model uses more than hardly.
        estimated: A loss of performance is estimated.
        wakes: Events that wake people beside.
        strong: See ``Scene``.
    """
    if wakes and covers(wakes, alert.event):
        return f"the file says that `{alert.event}` wakes people"
    if covers(WAKING, alert.event):
        return f"`{alert.event}` wakes people"
    if alert.event not in _DRIFT:
        return ""
    if estimated:
        return "strong drift with an estimated loss of performance wakes people"
    opened = [condition for name, condition in _open((*told, alert)).items() if name.startswith("data/")]
    now = strong or {}
    matter = sorted(
        {
            feature
            for condition in opened
            for feature in now.get(condition.condition, condition.strong)
            if (feature in important if important else feature not in condition.little)
        }
    )
    if len(matter) < _FEATURES_THAT_WAKE:
        return ""
    named = ", ".join(f"`{feature}`" for feature in matter[:3])
    return f"strong drift of {len(matter)} features that matter ({named}) wakes people"


def mutes_alert(mute: Mute, alert: Alert) -> bool:
    """Whether a mute is about an alert: all, its event, its group, or its condition."""
    condition = condition_of(alert)
    return mute.what in ("all", alert.event, alert.event.split(".")[0], condition.condition if condition else "")


def _decide(alert: Alert, scene: Scene, pending: Sequence[Alert]) -> Verdict:
    for rule in _RULES:
        found = rule(alert, scene, pending)
        if found is not None:
            return found
    raise AssertionError("the last rule always decides")


def _recovery(alert: Alert, scene: Scene, pending: Sequence[Alert]) -> Verdict | None:
    condition = condition_of(alert)
    if condition is None or not condition.is_over:
        return None
    beginning = _last_told_beginning(condition.condition, scene.told)
    if beginning is None:
        return Verdict(alert, "digest", "nobody was told at once that it began")
    muted = _mute_of(alert, scene)
    if muted is not None:
        return muted
    if any(not c.is_over for c in _later(alert, condition.condition, (*scene.told, *pending))):
        return Verdict(alert, "digest", _AGAIN)
    asked = _told_of(beginning, scene)
    if _is_quiet(scene):
        return Verdict(alert, "", f"it waits for the end of quiet hours: {_quiet(scene)}")
    return Verdict(alert, "told", "what was told is over", asked, recovery=True) if asked else _nobody(alert, scene)


def _as_before(alert: Alert, _: Scene, __: Sequence[Alert]) -> Verdict | None:
    condition = condition_of(alert)
    if condition is None or not condition.stands:
        return None
    if condition.edge == "settles":
        return Verdict(alert, "digest", "it has become usual at these hours; it stands in the summary while it is open")
    days = f"{condition.days} day{'s' * (condition.days != 1)}"
    return Verdict(alert, "digest", f"it is as at the same hours of the {days} before")


def _muted(alert: Alert, scene: Scene, _: Sequence[Alert]) -> Verdict | None:
    return _mute_of(alert, scene)


def _mute_of(alert: Alert, scene: Scene) -> Verdict | None:
    mute = next((mute for mute in scene.mutes if mutes_alert(mute, alert)), None)
    return Verdict(alert, "muted", f"{mute.by} muted `{mute.what}`: {mute.why}") if mute is not None else None


def _taken_on(alert: Alert, scene: Scene, _: Sequence[Alert]) -> Verdict | None:
    if alert.acked_at is not None:
        return Verdict(alert, "digest", f"{alert.acked_by} has taken it on: {alert.ack_why}")
    condition = condition_of(alert)
    if condition is None or condition.edge == "worsens":
        return None
    for earlier in reversed(scene.told):
        mine = condition_of(earlier)
        if mine is not None and mine.condition == condition.condition:
            if mine.is_over:
                return None
            if earlier.acked_at is not None:
                return Verdict(alert, "digest", f"{earlier.acked_by} has taken it on: {earlier.ack_why}")
    return None


def _wakes_nobody(alert: Alert, scene: Scene, pending: Sequence[Alert]) -> Verdict | None:
    return None if _asked(alert, scene, (*scene.told, *pending)) else _nobody(alert, scene)


def _nobody(alert: Alert, scene: Scene) -> Verdict:
    if not scene.receivers:
        return Verdict(alert, "digest", "the file names nobody to tell (`alerts`)")
    return Verdict(alert, "digest", f"`{alert.event}` wakes nobody; {_where_it_stands(scene)}")


def _where_it_stands(scene: Scene) -> str:
    if any(receiver.digest_at is not None for receiver in scene.receivers):
        return "it stands in the summary of the day"
    return "nobody has a summary of the day, so that it stands in `seatrial alerts list` only"


def _overtaken(alert: Alert, scene: Scene, pending: Sequence[Alert]) -> Verdict | None:
    condition = condition_of(alert)
    if condition is None or condition.is_over:
        return None
    told = [earlier for earlier in scene.told if earlier.fate == "told"]
    if any(later.edge == "worsens" for later in _later(alert, condition.condition, told)):
        return Verdict(alert, "digest", "it became worse before anybody could be told, and that was told")
    if any(later.edge == "settles" for later in _later(alert, condition.condition, (*scene.told, *pending))):
        return Verdict(alert, "digest", "it became usual at these hours before anybody could be told")
    return None


def _known(alert: Alert, scene: Scene, _: Sequence[Alert]) -> Verdict | None:
    condition = condition_of(alert)
    if condition is None or condition.edge != "begins":
        return None
    last = _last_told_beginning(condition.condition, scene.told)
    if last is None or _is_of_another_version(last, condition) or _rank(alert) > _rank(last):
        return None
    return Verdict(alert, "digest", "whoever was told that it began was not told that it was over")


def _cooling(alert: Alert, scene: Scene, _: Sequence[Alert]) -> Verdict | None:
    condition = condition_of(alert)
    if condition is None or condition.edge != "begins":
        return None
    last = _last_told_beginning(condition.condition, scene.told, over=True)
    if last is None or _is_of_another_version(last, condition) or _rank(alert) > _rank(last):
        return None
    ended = _end_of(last, scene.told)
    if ended is None or ended.at <= scene.now - round(scene.alerting.cool_down * _SECOND):
        return None
    pause = show_duration(scene.alerting.cool_down)
    return Verdict(alert, "", f"it was told and over less than {pause} ago; it waits so long (`cool_down`)")


def _told_today(alert: Alert, scene: Scene, _: Sequence[Alert]) -> Verdict | None:
    """Of the same columns: what else moves is news."""
    condition = condition_of(alert)
    if condition is None or condition.is_over or alert.event.split(".")[0] not in _DRIFTING:
        return None
    for earlier in reversed(scene.told):
        mine = condition_of(earlier)
        if mine is None or mine.condition != condition.condition or earlier.fate != "told" or mine.is_over:
            continue
        wait = _patience(condition, scene)
        if earlier.at <= scene.now - wait or _rank(alert) > _rank(earlier):
            return None
        if set(condition.strong or condition.features) <= set(mine.features):
            return Verdict(alert, "", _WAITS[wait])
    return None


def _patience(condition: Condition, scene: Scene) -> int:
    """How long drift that was told is not told again.

    Until each weekday came once, a weekend looks like a change. Where drift of these columns is open, and stands in
    every summary, it is told again when the week is over, if it is still unlike these hours then; what begins anew is
    not held back so long.
    """
    is_open = condition.edge == "worsens"
    return WEEK if is_open and condition.days < _WEEKDAYS and not scene.estimated else DAY


def _in_quiet_hours(alert: Alert, scene: Scene, _: Sequence[Alert]) -> Verdict | None:
    if alert.severity == "critical" or not _is_quiet(scene):
        return None
    return Verdict(alert, "", f"it waits for the end of quiet hours: {_quiet(scene)}")


def _told(alert: Alert, scene: Scene, pending: Sequence[Alert]) -> Verdict:
    asked = _asked(alert, scene, (*scene.told, *pending))
    passes = alert.severity == "critical" and covers((*WAKING, *scene.alerting.wakes), alert.event)
    free = tuple(to for to in asked if passes or scene.had.get(to, 0) < scene.most)
    if not free:
        why = f"whoever is told of it had {scene.most} alerts in 24 hours {_FILL}; {_where_it_stands(scene)}"
        return Verdict(alert, "digest", why)
    named = any(covers(r.events, alert.event) for r in scene.receivers if r.events and r.to in free)
    why = _wakes(alert, scene, (*scene.told, *pending))
    return Verdict(alert, "told", "the file asks for it" if named and not why else why, free)


_RULES: tuple[Callable[[Alert, Scene, Sequence[Alert]], Verdict | None], ...] = (
    _recovery,
    _as_before,
    _muted,
    _taken_on,
    _wakes_nobody,
    _overtaken,
    _known,
    _cooling,
    _told_today,
    _in_quiet_hours,
    _told,
)


def _asked(alert: Alert, scene: Scene, told: Iterable[Alert]) -> tuple[str, ...]:
    """Receivers that an alert goes to at once, each once."""
    wakes = bool(_wakes(alert, scene, told))
    asked = (
        receiver.to
        for receiver in scene.receivers
        if (covers(receiver.events, alert.event) if receiver.events else receiver.wakes and wakes)
    )
    return tuple(dict.fromkeys(asked))


def _told_of(beginning: Alert, scene: Scene) -> tuple[str, ...]:
    """Whoever a beginning was made out to and is still named; where that is not kept, whoever would be asked now."""
    made_out = scene.sent.get(beginning.id)
    if made_out is None:
        return _asked(beginning, scene, [earlier for earlier in scene.told if earlier.at <= beginning.at])
    named = {receiver.to for receiver in scene.receivers}
    return tuple(to for to in dict.fromkeys(made_out) if to in named)


def _wakes(alert: Alert, scene: Scene, told: Iterable[Alert]) -> str:
    alerting = scene.alerting
    return wakes_people(
        alert, told, alerting.important, estimated=scene.estimated, wakes=alerting.wakes, strong=scene.strong
    )


def _over_before_told(found: Sequence[Verdict], alert: Alert, scene: Scene) -> Verdict | None:
    """The end of what still waits to be told, and was not told as something worse."""
    condition = condition_of(alert)
    if condition is None or not condition.is_over:
        return None
    mine = [verdict for verdict in found if _is_of(verdict.alert, condition.condition)]
    waiting = [n for n, verdict in enumerate(mine) if verdict.fate == "" and not _is_over(verdict.alert)]
    if not waiting or any(verdict.fate == "told" for verdict in mine[waiting[0] :]):
        return None
    if _last_told_beginning(condition.condition, scene.told) is not None:
        return None  # what waits became worse; whoever was told of the beginning is told of the end
    return Verdict(alert, "digest", _OVER)


def _with_beginnings_that_are_over(found: Sequence[Verdict]) -> Iterable[Verdict]:
    over = {
        condition.condition: v.alert.id
        for v in found
        if v.fate and v.why != _AGAIN and (condition := condition_of(v.alert)) is not None and condition.is_over
    }
    for verdict in found:
        condition = condition_of(verdict.alert)
        waits = verdict.fate == "" and condition is not None and not condition.is_over
        if waits and condition is not None and verdict.alert.id < over.get(condition.condition, 0):
            yield verdict._replace(fate="digest", why=_OVER)
        else:
            yield verdict


_FILL = "(the ceiling)"
_OVER = "it was over before anybody could be told"
_AGAIN = "it had begun again before anybody could be told that it was over"


def _later(alert: Alert, name: str, among: Iterable[Alert]) -> list[Condition]:
    """What became of a condition after an alert."""
    return [c for other in among if other.id > alert.id and (c := condition_of(other)) and c.condition == name]


def _is_over(alert: Alert) -> bool:
    condition = condition_of(alert)
    return condition is not None and condition.is_over


def _is_of_another_version(earlier: Alert, condition: Condition) -> bool:
    mine = condition_of(earlier)
    return mine is not None and bool(mine.version and condition.version) and mine.version != condition.version


def _is_of(alert: Alert, name: str) -> bool:
    condition = condition_of(alert)
    return condition is not None and condition.condition == name


def _last_told_beginning(name: str, told: Sequence[Alert], *, over: bool = False) -> Alert | None:
    """The last alert of a condition that was told at once; ``over``: also one that has ended since."""
    for alert in reversed(told):
        condition = condition_of(alert)
        if condition is None or condition.condition != name or alert.fate_why == _AGAIN:
            continue
        if not condition.is_over:
            if alert.fate == "told":
                return alert
        elif not over:
            return None
    return None


def _end_of(beginning: Alert, told: Sequence[Alert]) -> Alert | None:
    """The first end after what was told, unless it was withdrawn."""
    name = condition.condition if (condition := condition_of(beginning)) is not None else ""
    after = (other for other in told if other.id > beginning.id and other.fate_why != _AGAIN)
    return next((other for other in after if _is_of(other, name) and _is_over(other)), None)


def _open(told: Iterable[Alert]) -> dict[str, Condition]:
    state: dict[str, Condition] = {}
    for alert in told:
        condition = condition_of(alert)
        if condition is not None:
            state[condition.condition] = condition
    return {name: condition for name, condition in state.items() if condition.severity != "none"}


def _rank(alert: Alert) -> int:
    return ("info", "warning", "critical").index(alert.severity)


def _is_quiet(scene: Scene) -> bool:
    return bool(scene.alerting.quiet) and closed(Calendar(scene.alerting.quiet), scene.now) == ""


def _quiet(scene: Scene) -> str:
    return ", ".join(window.text for window in scene.alerting.quiet)
