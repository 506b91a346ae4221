"""Who is told what, and when: every rule alone, and what holds whatever comes."""

from collections.abc import Mapping, Sequence
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from seatrial.drift import Severity
from seatrial.releases.records import Alert, Fate, Mute
from seatrial.spec.calendar import parse_window
from seatrial.spec.deployment import AlertingSpec, AlertSpec
from seatrial.spec.events import EVENTS
from seatrial.watch.alerts import Condition, Edge, Rank
from seatrial.watch.policy import Scene, Verdict, asked_again, mutes_alert, verdicts, wakes_people

HOUR = 3_600_000_000
NOON = 1_700_049_600_000_000 - 1_700_049_600_000_000 % (24 * HOUR) + 12 * HOUR
PAGER = AlertSpec(to="json://pager")
NAMED = AlertSpec(to="json://named", events=("data", "verdict"))
DIGEST = AlertSpec(to="mailto://team", digest="off", events=("promotion",))


def alert(
    event: str, number: int = 1, *, severity: Rank = "critical", at: int = NOON, fate: Fate = "", **details: object
) -> Alert:
    return Alert(
        deployment="churn",
        at=at,
        event=event,
        key=f"{event}/{number}",
        severity=severity,
        sentence="It happened.",
        details=msgspec.json.encode(details).decode(),
        fate=fate,
        id=number,
    )


def condition(
    name: str,
    edge: Edge,
    number: int = 1,
    *,
    severity: Severity = "major",
    strong: tuple[str, ...] = (),
    at: int = NOON,
    fate: Fate = "",
    **more: Any,
) -> Alert:
    found = Condition(
        condition=name,
        edge=edge,
        severity="none" if edge == "ends" else severity,
        variant="champion",
        start=at - HOUR,
        end=at,
        strong=strong,
        **more,
    )
    rank: Rank = "info" if edge == "ends" else "critical" if severity == "major" else "warning"
    event = name.split("/")[0]
    return Alert(
        deployment="churn",
        at=at,
        event=event if event in EVENTS else f"{event}.{severity}",
        key=f"{name}/{edge}/{number}",
        severity=rank,
        sentence="It moved.",
        details=msgspec.json.encode(found).decode(),
        fate=fate,
        id=number,
    )


def decide(
    *pending: Alert,
    told: Sequence[Alert] = (),
    mutes: Sequence[Mute] = (),
    had: Mapping[str, int] | None = None,
    receivers: Sequence[AlertSpec] = (PAGER,),
    now: int = NOON,
    **alerting: object,
) -> list[Verdict]:
    spec = AlertingSpec(**alerting)  # type: ignore[arg-type]
    return list(verdicts(pending, Scene(spec, receivers, told, mutes, had or {}, 20, now)))


def fates(found: Sequence[Verdict]) -> list[Fate]:
    return [verdict.fate for verdict in found]


@pytest.mark.parametrize(
    ("event", "wakes"),
    [
        *((event, True) for event in ("rollback", "quarantine", "breaker", "guardrail")),
        *((event, True) for event in ("performance.moderate", "performance.major", "failure.watch")),
        *((event, False) for event in ("promotion", "verdict", "data.moderate", "data.major", "prediction.major")),
        *((event, False) for event in ("quality", "outcomes.stalled", "alias.moved", "failure")),
    ],
)
def test_who_is_woken_by_default(event: str, wakes: bool) -> None:
    (found,) = decide(alert(event))
    assert found.fate == ("told" if wakes else "digest")
    assert found.to == (("json://pager",) if wakes else ())


def test_strong_drift_wakes_with_two_features_that_matter() -> None:
    one = condition("data/champion", "begins", strong=("tenure",))
    two = condition("data/champion", "begins", strong=("tenure", "plan"))
    assert wakes_people(one, (), ()) == ""
    assert "`plan`, `tenure`" in wakes_people(two, (), ())
    assert wakes_people(two, (), ("tenure", "price")) == ""
    assert wakes_people(condition("data/champion", "begins", severity="moderate", strong=("a", "b")), (), ()) == ""


@pytest.mark.parametrize("receiver", [PAGER, NAMED])
def test_drift_that_its_hours_had_before_wakes_nobody_whoever_asks(receiver: AlertSpec) -> None:
    usual = condition("data/champion", "begins", strong=("a", "b"), unusual="none", days=3)
    (found,) = decide(usual, receivers=(receiver,))
    assert (found.fate, found.why) == ("digest", "it is as at the same hours of the 3 days before")
    settled = condition("data/champion", "settles", unusual="none", days=9)
    assert "it stands in the summary" in decide(settled, receivers=(receiver,))[0].why
    unusual = condition("data/champion", "worsens", strong=("a", "b"), unusual="major", days=3)
    assert fates(decide(unusual, told=(usual,), receivers=(receiver,))) == ["told"]


def test_drift_of_the_same_columns_is_told_once_a_day() -> None:
    first = condition("data/champion", "begins", 1, strong=("a", "b"), features=("a", "b", "c"), fate="told", at=NOON)
    over = condition("data/champion", "ends", 2, fate="told", at=NOON + HOUR)

    def again(hours: int, *strong: str) -> str:
        at = NOON + hours * HOUR
        return fates(decide(condition("data/champion", "begins", 3, strong=strong, at=at), told=(first, over), now=at))[
            0
        ]

    assert again(20, "b", "c") == "", "it waits, and is told if it stays"
    assert again(20, "b", "d") == "told", "another column is news"
    assert again(25, "b", "c") == "told"


def test_in_the_first_week_open_drift_of_the_same_columns_is_told_once() -> None:
    told = condition("data/champion", "begins", 1, strong=("a", "b"), features=("a", "b", "c"), fate="told")
    over = condition("data/champion", "ends", 2, fate="told", at=NOON + HOUR)

    def weekend(days: int, *, seen: int | None = None, strong: tuple[str, ...] = ("b", "c"), **more: Any) -> str:
        at = NOON + days * 24 * HOUR
        edge = more.pop("edge", "worsens")
        later = condition("data/champion", edge, 9, strong=strong, at=at, days=days if seen is None else seen)
        scene = Scene(AlertingSpec(), (PAGER,), more.pop("told", (told,)), (), {}, 20, at, **more)
        (found,) = verdicts([later], scene)
        return found.fate

    assert weekend(4) == "", "the first weekend waits"
    assert weekend(4, strong=("b", "d")) == "told", "another column is news"
    assert weekend(8) == "told", "each weekday came once"
    assert weekend(8, seen=5) == "told", "after a week it is told whatever was seen"
    assert weekend(4, estimated=True) == "told", "with an estimated loss it is no matter of columns"
    assert weekend(4, told=(told, over), edge="begins") == "told", "it was over"
    again = condition("data/champion", "begins", 3, features=("b", "c"), at=NOON + 2 * HOUR, fate="digest")
    assert weekend(4, told=(told, over, again)) == "", "it is open and stands in the summary"
    mild = condition("data/champion", "begins", 1, severity="moderate", features=("b", "c"), fate="told")
    assert weekend(4, told=(mild,)) == "told", "it is worse than what was told"


def test_an_end_is_told_though_something_waited_that_came_on_top_of_what_was_told() -> None:
    told = condition("data/champion", "begins", 1, strong=("a", "b"), features=("a", "b"), fate="told")
    worse = condition("data/champion", "worsens", 2, strong=("a", "b"), at=NOON + 30 * HOUR, days=1)
    over = condition("data/champion", "ends", 3, at=NOON + 40 * HOUR)
    waiting, ended = decide(worse, over, told=(told,), now=NOON + 40 * HOUR)
    assert (waiting.fate, waiting.why) == ("digest", "it was over before anybody could be told")
    assert (ended.fate, ended.to, ended.recovery) == ("told", ("json://pager",), True)


@pytest.mark.parametrize("event", ["concept.major", "calibration.moderate", "fairness.major"])
def test_what_the_file_says_wakes_people_does(event: str) -> None:
    assert fates(decide(alert(event))) == ["digest"]
    (found,) = decide(alert(event), wakes=(event.split(".")[0],))
    assert (found.fate, found.why) == ("told", f"the file says that `{event}` wakes people")
    assert fates(decide(alert("verdict"), wakes=(event,))) == ["digest"]


def test_what_was_taken_on_while_it_waited_is_not_told() -> None:
    taken = msgspec.structs.replace(alert("rollback"), acked_at=NOON, acked_by="ada", ack_why="on it")
    (found,) = decide(taken)
    assert (found.fate, found.why) == ("digest", "ada has taken it on: on it")


def test_strong_drift_wakes_with_an_estimated_loss() -> None:
    drift = condition("data/champion", "begins", 9, strong=("tenure",))
    assert "estimated loss" in wakes_people(drift, (), (), estimated=True)
    assert wakes_people(condition("data/champion", "begins", severity="moderate"), (), (), estimated=True) == ""
    assert wakes_people(alert("quality"), (), (), estimated=True) == ""


def test_a_receiver_that_names_events_gets_these_and_no_others() -> None:
    (found,) = decide(alert("data.moderate", severity="warning"), receivers=(PAGER, NAMED))
    assert (found.fate, found.to, found.why) == ("told", ("json://named",), "the file asks for it")
    (found,) = decide(alert("rollback"), receivers=(PAGER, NAMED, DIGEST))
    assert found.to == ("json://pager",)


def test_a_file_that_names_nobody_tells_nobody() -> None:
    (found,) = decide(alert("rollback"), receivers=())
    assert (found.fate, found.to) == ("digest", ())
    assert "names nobody" in found.why


@pytest.mark.parametrize("what", ["all", "performance", "performance.major", "performance/champion"])
def test_what_is_muted_is_told_to_nobody_at_once(what: str) -> None:
    mute = Mute(deployment="churn", what=what, at=0, until=NOON + 1, by="ada", why="we know")
    (found,) = decide(condition("performance/champion", "begins"), mutes=(mute,))
    assert (found.fate, found.why) == ("muted", f"ada muted `{what}`: we know")
    assert not mutes_alert(mute, alert("rollback")) or what == "all"


def test_quiet_hours_hold_back_all_but_what_is_critical() -> None:
    quiet = (parse_window("mon-sun 11:00-13:00"),)
    (found,) = decide(condition("performance/champion", "begins", severity="moderate"), quiet=quiet)
    assert (found.fate, found.to) == ("", ())
    assert "mon-sun 11:00-13:00" in found.why
    assert fates(decide(alert("rollback"), quiet=quiet)) == ["told"]
    later = decide(condition("performance/champion", "begins", severity="moderate"), quiet=quiet, now=NOON + HOUR)
    assert fates(later) == ["told"]


def test_what_was_over_before_quiet_hours_ended_is_not_told_at_all() -> None:
    quiet = (parse_window("mon-sun 11:00-13:00"),)
    began = condition("performance/champion", "begins", 1, severity="moderate")
    found = decide(began, condition("performance/champion", "ends", 2), quiet=quiet)
    assert fates(found) == ["digest", "digest"]
    assert {verdict.why for verdict in found} == {"it was over before anybody could be told"}


def test_the_end_goes_to_those_who_were_told_of_the_beginning() -> None:
    began = condition("performance/champion", "begins", 1, fate="told")
    (found,) = decide(condition("performance/champion", "ends", 2), told=(began,))
    assert (found.fate, found.to, found.recovery) == ("told", ("json://pager",), True)
    quietly = msgspec.structs.replace(began, fate="digest")
    assert fates(decide(condition("performance/champion", "ends", 2), told=(quietly,))) == ["digest"]


def test_the_end_of_what_an_estimate_woke_people_for_goes_to_them_though_nothing_is_estimated_any_more() -> None:
    began = condition("data/champion", "begins", 1, strong=("tenure",), fate="told")
    ended = condition("data/champion", "ends", 2)
    spec, sent = AlertingSpec(), {1: ("json://pager", "json://gone")}
    scene = Scene(spec, (PAGER, NAMED), (began,), (), {}, 20, NOON, estimated=False, sent=sent)
    (found,) = verdicts((ended,), scene)
    assert (found.fate, found.to, found.recovery) == ("told", ("json://pager",), True)
    (found,) = verdicts((ended,), scene._replace(sent={1: ("json://gone",)}))
    assert found.fate == "digest"


def test_within_the_cool_down_the_same_is_not_told_again_unless_it_is_worse() -> None:
    began = condition("performance/champion", "begins", 1, severity="moderate", fate="told", at=NOON - 2 * HOUR)
    ended = condition("performance/champion", "ends", 2, fate="told", at=NOON - HOUR)
    again = condition("performance/champion", "begins", 3, severity="moderate")
    (found,) = decide(again, told=(began, ended))
    assert (found.fate, found.why) == ("", "it was told and over less than 6h ago; it waits so long (`cool_down`)")
    assert fates(decide(again, told=(began, ended), now=NOON + 5 * HOUR + 1)) == ["told"], "it stayed"
    both = decide(again, condition("performance/champion", "ends", 4, at=NOON + HOUR), told=(began, ended))
    assert fates(both) == ["digest", "digest"]
    of_another = condition("performance/champion", "begins", 3, severity="moderate", version="m:3")
    before = [condition("performance/champion", "begins", 1, fate="told", version="m:2"), ended]
    assert fates(decide(of_another, told=before)) == ["told"], "another version's fall is news"
    assert fates(decide(again, told=(began, ended), cool_down=1800.0)) == ["told"]
    assert fates(decide(condition("performance/champion", "begins", 3), told=(began, ended))) == ["told"]
    assert fates(decide(condition("performance/other", "begins", 3, severity="moderate"), told=(began, ended))) == [
        "told"
    ]


def test_a_rollback_has_no_cool_down() -> None:
    assert fates(decide(alert("rollback", 2), told=(alert("rollback", 1, fate="told"),))) == ["told"]


def test_what_somebody_has_taken_on_is_told_again_only_when_it_becomes_worse() -> None:
    began = condition("breaker/champion", "begins", 1, severity="moderate", fate="told")
    taken = msgspec.structs.replace(began, acked_at=NOON, acked_by="ada", ack_why="on it")
    again = condition("breaker/champion", "begins", 2, severity="moderate")
    assert decide(again, told=(taken,))[0].why == "ada has taken it on: on it"
    assert fates(decide(condition("breaker/champion", "worsens", 2), told=(taken,))) == ["told"]
    over = condition("breaker/champion", "ends", 2, fate="told", at=NOON - 7 * HOUR)
    assert fates(decide(condition("breaker/champion", "begins", 3), told=(taken, over))) == ["told"]


def test_whoever_had_his_fill_is_told_in_the_summary_and_others_at_once() -> None:
    verdict = alert("verdict", severity="warning")
    pager, other = (AlertSpec(to=to, events=("verdict", "rollback")) for to in ("json://pager", "json://other"))
    (found,) = decide(verdict, receivers=(pager, other), had={"json://pager": 20})
    assert found.to == ("json://other",)
    (found,) = decide(verdict, receivers=(pager,), had={"json://pager": 20})
    assert found.fate == "digest"
    assert "20 alerts in 24 hours" in found.why
    assert "nobody has a summary of the day" in found.why
    (found,) = decide(verdict, receivers=(pager, AlertSpec(to="mailto://team")), had={"json://pager": 20})
    assert "it stands in the summary of the day" in found.why
    (found,) = decide(alert("rollback"), receivers=(pager,), had={"json://pager": 20})
    assert found.to == ("json://pager",), "what is critical is never dropped"


def test_an_end_that_waits_is_withdrawn_when_it_begins_again_and_the_last_end_is_told() -> None:
    quiet = (parse_window("mon-sun 00:00-07:00"),)
    night = NOON - 12 * HOUR
    began = condition("performance/champion", "begins", 1, severity="moderate", fate="told", at=night - HOUR)
    ended = condition("performance/champion", "ends", 2, at=night + HOUR)
    again = condition("performance/champion", "begins", 3, severity="moderate", at=night + 3 * HOUR)
    assert fates(decide(ended, told=(began,), now=night + HOUR, quiet=quiet)) == [""]
    found = decide(ended, again, told=(began,), now=night + 3 * HOUR, quiet=quiet)
    assert fates(found) == ["digest", "digest"]
    assert found[0].why == "it had begun again before anybody could be told that it was over"
    assert found[1].why == "whoever was told that it began was not told that it was over"
    told = [began, *(msgspec.structs.replace(v.alert, fate=v.fate, fate_why=v.why) for v in found)]
    last = condition("performance/champion", "ends", 4, at=night + 8 * HOUR)
    (found,) = decide(last, told=told, now=night + 8 * HOUR, quiet=quiet)
    assert (found.fate, found.recovery) == ("told", True)
    worse = condition("performance/champion", "begins", 3, at=night + 3 * HOUR)
    assert fates(decide(ended, worse, told=(began,), now=night + 3 * HOUR, quiet=quiet)) == ["digest", "told"]


def test_what_waited_and_became_worse_is_told_once_and_so_is_its_end() -> None:
    quiet = (parse_window("mon-sun 11:00-13:00"),)
    began = condition("performance/champion", "begins", 1, severity="moderate")
    worse = condition("performance/champion", "worsens", 2)
    ended = condition("performance/champion", "ends", 3)
    assert fates(decide(began, worse, quiet=quiet)) == ["", "told"]
    told = [msgspec.structs.replace(worse, fate="told")]
    assert fates(decide(began, told=told, quiet=quiet)) == ["digest"]
    assert fates(decide(began, worse, ended, now=NOON, quiet=quiet))[1:] == ["told", ""], "its end waits for the day"


def test_drift_that_became_usual_while_it_waited_is_not_told() -> None:
    first = condition("data/champion", "begins", 1, strong=("a",), features=("a",), fate="told")
    over = condition("data/champion", "ends", 2, fate="told")
    again = condition("data/champion", "begins", 3, strong=("a",), features=("a",))
    settled = condition("data/champion", "settles", 4, unusual="none", days=9)
    assert fates(decide(again, told=(first, over), receivers=(NAMED,))) == [""]
    assert fates(decide(again, settled, told=(first, over), receivers=(NAMED,))) == ["digest", "digest"]


ALERTS = st.lists(
    st.one_of(
        st.builds(lambda event: ("event", event, "begins"), st.sampled_from(sorted(EVENTS))),
        st.builds(
            lambda name, edge: ("condition", name, edge),
            st.sampled_from(["data/champion", "performance/champion", "quality/champion"]),
            st.sampled_from(["begins", "worsens", "ends"]),
        ),
    ),
    max_size=12,
)


@given(ALERTS, st.integers(0, 23), st.integers(0, 25), st.booleans())
def test_every_alert_has_one_fate_and_only_what_is_told_has_receivers(
    made: list[tuple[str, str, Edge]], hour: int, had: int, muted: bool
) -> None:
    pending = [
        alert(name, n) if kind == "event" else condition(name, edge, n) for n, (kind, name, edge) in enumerate(made)
    ]
    mute = Mute(deployment="churn", what="all", at=0, until=NOON * 2, by="ada", why="no")
    found = decide(
        *pending,
        receivers=(PAGER, NAMED),
        had={"json://pager": had, "json://named": had},
        mutes=(mute,) if muted else (),
        now=NOON + hour * HOUR,
        quiet=(parse_window("mon-sun 00:00-09:00"),),
    )
    assert [verdict.alert for verdict in found] == pending
    for verdict in found:
        assert bool(verdict.to) == (verdict.fate == "told")
        assert verdict.why
        assert not (muted and verdict.fate == "told")
        if had >= 20 and verdict.fate == "told" and not verdict.recovery:
            assert verdict.alert.severity == "critical"
            assert verdict.alert.event.split(".")[0] not in ("data", "prediction")
    # Asked again with what was decided, whatever still waits has the same fate: nothing is told twice.
    decided = [msgspec.structs.replace(v.alert, fate=v.fate, fate_why=v.why) for v in found if v.fate]
    waiting = [verdict.alert for verdict in found if not verdict.fate]
    again = decide(
        *waiting,
        told=decided,
        receivers=(PAGER, NAMED),
        mutes=(mute,) if muted else (),
        now=NOON + hour * HOUR,
        quiet=(parse_window("mon-sun 00:00-09:00"),),
    )
    assert all(verdict.fate in ("", "digest") for verdict in again)


@pytest.mark.parametrize(
    ("little", "important", "wakes"),
    [((), (), True), (("age",), (), False), (("age",), ("age", "price"), True), ((), ("age",), False)],
)
def test_features_that_the_model_hardly_uses_wake_nobody_unless_they_are_named(
    little: tuple[str, ...], important: tuple[str, ...], wakes: bool
) -> None:
    found = condition("data/champion", "begins", strong=("age", "price"), little=little)
    assert bool(wakes_people(found, (), important)) is wakes


def again(*told: Alert, mutes: Sequence[Mute] = (), now: int = NOON, **more: Any) -> list[Verdict]:
    return list(asked_again(Scene(AlertingSpec(), (PAGER,), told, mutes, {}, 20, now, **more)))


def test_what_was_muted_and_is_open_is_told_once_the_mute_is_over() -> None:
    mute = Mute(deployment="churn", what="performance", at=0, until=NOON + HOUR, by="ada", why="deploying")
    (muted,) = decide(condition("performance/champion", "begins"), mutes=(mute,))
    kept = msgspec.structs.replace(muted.alert, fate=muted.fate, fate_why=muted.why)
    assert again(kept, mutes=(mute,)) == []
    (found,) = again(kept, now=NOON + HOUR)
    assert (found.alert, found.fate, found.to) == (kept, "told", ("json://pager",))
    assert found.why == "`performance.major` wakes people; it was open, and muted until now"
    told = msgspec.structs.replace(kept, fate=found.fate, fate_why=found.why)
    assert again(told, now=NOON + 2 * HOUR) == [], "nobody is woken twice for the same"
    assert again(kept, condition("performance/champion", "ends", 2, fate="digest")) == []
    taken = msgspec.structs.replace(kept, acked_at=NOON, acked_by="ada", ack_why="on it")
    assert again(taken) == []


def test_drift_that_woke_nobody_wakes_when_a_loss_is_estimated_or_more_features_are_strong() -> None:
    drift = condition("data/champion", "begins", strong=("tenure",), fate="digest")
    assert again(drift) == []
    (found,) = again(drift, estimated=True)
    assert "estimated loss" in found.why
    (found,) = again(drift, strong={"data/champion": ("plan", "tenure")})
    assert "`plan`, `tenure`" in found.why
    assert again(drift, strong={"data/other": ("plan", "tenure")}) == []
    passed = condition("data/champion", "begins", strong=("a", "b"), fate="digest")
    assert again(passed, strong={"data/champion": ()}) == []


def test_what_the_ceiling_kept_in_the_summary_stays_there_and_so_does_what_its_hours_had_before() -> None:
    named = AlertSpec(to="json://pager", events=("data",))
    drift = condition("data/champion", "begins", severity="moderate")
    (full,) = decide(drift, receivers=(named,), had={"json://pager": 20})
    kept = msgspec.structs.replace(drift, fate=full.fate, fate_why=full.why)
    assert asked_again(Scene(AlertingSpec(), (named,), (kept,), (), {}, 20, NOON)) == ()
    usual = condition("data/champion", "settles", strong=("a", "b"), unusual="none", days=3, fate="digest")
    assert again(usual, estimated=True) == []


@given(ALERTS, st.lists(st.sampled_from(["told", "digest", "muted"]), min_size=12, max_size=12))
def test_asked_again_after_what_it_said_it_says_nothing(made: list[tuple[str, str, Edge]], were: list[Fate]) -> None:
    told = [
        alert(name, n, fate=fate) if kind == "event" else condition(name, edge, n, fate=fate)
        for n, ((kind, name, edge), fate) in enumerate(zip(made, were, strict=False))
    ]
    found = {v.alert.id: v for v in again(*told, estimated=True)}
    assert all(v.fate == "told" and v.to and v.alert.fate != "told" for v in found.values())
    after = [msgspec.structs.replace(a, fate="told") if a.id in found else a for a in told]
    assert again(*after, estimated=True) == []
