"""One alert when a condition begins, one when it worsens, one when it ends; never a flood."""

from collections.abc import Iterable, Sequence
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from seatrial.drift import FeatureDrift, Severity
from seatrial.releases.records import Alert
from seatrial.spec.alerting import Sustained
from seatrial.spec.deployment import AfterSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.events import EVENTS
from seatrial.watch.alerts import Condition, alerts_of, cost_of, event_alert, open_conditions
from seatrial.watch.ending import Nothing
from seatrial.watch.past import sustained
from seatrial.watch.window import Monitor, Performance, Signal, Usual, Window

NONE, MODERATE, MAJOR = Signal(), Signal("moderate", "moderate", False), Signal("major", "major", False)
UNSURE = Signal("moderate", "none", False)


def window(number: int, drift: Signal, monitor: Monitor = "data", quality: Signal = NONE, **more: Any) -> Window:
    return Window(
        deployment="mail",
        monitor=monitor,
        variant="champion",
        start=number * 10,
        end=number * 10 + 10,
        rows=100,
        drift=drift,
        quality=quality,
        sentence=f"window {number}",
        **more,
    )


AT_ONCE = AfterSpec(data=Sustained(1, 1), prediction=Sustained(1, 1))


def at_once(windows: Sequence[Window], told: Iterable[Alert], now: int) -> tuple[Alert, ...]:
    """Alerts where one window is enough."""
    return alerts_of(windows, told, now, after=AT_ONCE)


def events(*signals: Signal, monitor: Monitor = "data", after: AfterSpec = AT_ONCE) -> list[str]:
    windows = [window(i, signal, monitor) for i, signal in enumerate(signals)]
    return [f"{alert.event} {details(alert).edge}" for alert in alerts_of(windows, (), 7, after=after)]


def details(alert: Alert) -> Condition:
    return msgspec.json.decode(alert.details, type=Condition)


@pytest.mark.parametrize("monitor", ["data", "prediction", "performance"])
def test_a_condition_is_told_when_it_begins_and_when_it_ends(monitor: Monitor) -> None:
    found = events(NONE, MAJOR, MAJOR, MAJOR, NONE, NONE, monitor=monitor)
    assert found == [f"{monitor}.major begins", f"{monitor}.major ends"]


def test_a_condition_that_worsens_is_told_again_and_one_that_eases_is_not() -> None:
    found = events(MODERATE, MAJOR, MODERATE, MAJOR, NONE)
    assert found == ["data.moderate begins", "data.major worsens", "data.major ends"]


def test_a_window_that_shows_drift_without_being_sure_neither_begins_nor_ends_it() -> None:
    assert events(UNSURE, UNSURE) == []
    assert events(MODERATE, UNSURE, MODERATE, UNSURE) == ["data.moderate begins"]


def test_no_data_ends_nothing() -> None:
    windows = [window(0, MAJOR), window(1, NONE, state="no-data"), window(2, MAJOR)]
    assert len(at_once(windows, (), 7)) == 1


def test_quality_is_a_condition_of_its_own_and_silence_is_no_end_of_drift() -> None:
    windows = [window(0, MAJOR), window(1, NONE, quality=MAJOR), window(2, MAJOR), window(3, NONE)]
    found = [(alert.event, details(alert).edge) for alert in at_once(windows, (), 7)]
    assert found == [
        ("data.major", "begins"),
        ("quality", "begins"),
        ("quality", "ends"),
        ("data.major", "ends"),
    ]


def test_what_was_told_before_is_not_told_again() -> None:
    first = at_once([window(0, MAJOR)], (), 7)
    assert at_once([window(1, MAJOR)], first, 8) == ()
    (ended,) = at_once([window(2, NONE)], first, 9)
    assert details(ended).edge == "ends"
    assert open_conditions((*first, ended)) == {}


def test_a_window_seen_twice_has_the_same_key() -> None:
    (first,), (again,) = (at_once([window(3, MAJOR)], (), now) for now in (7, 8))
    assert first.key == again.key == "data/champion/begins/30"


def test_an_alert_says_what_and_how_bad() -> None:
    features = (
        FeatureDrift(feature="a", state="measured", rows=1, severity="moderate"),
        FeatureDrift(feature="b", state="measured", rows=1, severity="major"),
        FeatureDrift(feature="c", state="measured", rows=1),
    )
    (alert,) = at_once([window(1, MAJOR, features=features)], (), 7)
    assert (alert.deployment, alert.at, alert.event, alert.severity) == ("mail", 7, "data.major", "critical")
    assert alert.sentence == "window 1"
    assert details(alert).features == ("b", "a")


def test_alerts_of_other_kinds_are_passed_over() -> None:
    told = [event_alert("mail", "rollback", "r1", "rolled back", 5, details='{"release": "x"}')]
    assert open_conditions(told) == {}
    assert len(at_once([window(0, MAJOR)], told, 7)) == 1


def test_an_unknown_event_is_an_error() -> None:
    with pytest.raises(BadInput, match=r"no event 'rolback'.*rollback"):
        event_alert("mail", "rolback", "k", "s", 1)


SIGNALS = st.builds(
    lambda alarm, calm: Signal(alarm, alarm, calm if alarm == "none" else False),
    st.sampled_from(["none", "moderate", "major"]),
    st.booleans(),
)


@given(st.lists(SIGNALS, max_size=30), st.integers(0, 30))
def test_alerts_are_edges_whatever_comes_and_however_it_is_cut(signals: list[Signal], cut: int) -> None:
    windows = [window(i, signal) for i, signal in enumerate(signals)]
    whole = at_once(windows, (), 7)
    first = at_once(windows[:cut], (), 7)
    assert first + at_once(windows[cut:], first, 7) == whole
    order: tuple[Severity, ...] = ("none", "moderate", "major")
    now = 0
    for alert in whole:
        said = details(alert)
        assert alert.event in EVENTS
        then = order.index(said.severity)
        assert {"begins": now == 0 < then, "worsens": 0 < now < then, "ends": now > 0 == then}[said.edge]
        now = then
    assert len({alert.key for alert in whole}) == len(whole)


@pytest.mark.parametrize(
    ("signals", "told"),
    [
        ([MAJOR, NONE, NONE], []),
        ([MAJOR, NONE, MAJOR], ["data.major begins"]),
        ([MAJOR, NONE, NONE, MAJOR], []),
        ([MAJOR, MODERATE], ["data.moderate begins"]),
        ([MAJOR, MODERATE, MAJOR], ["data.moderate begins", "data.major worsens"]),
        ([MAJOR, MAJOR, NONE, MAJOR], ["data.major begins", "data.major ends", "data.major begins"]),
    ],
)
def test_by_default_drift_must_hold_for_two_of_three_windows(signals: list[Signal], told: list[str]) -> None:
    assert events(*signals, after=AfterSpec()) == told


def test_quality_and_performance_need_one_window_so_that_a_broken_column_is_named_before_drift() -> None:
    assert events(MAJOR, monitor="performance", after=AfterSpec()) == ["performance.major begins"]
    windows = [window(0, MAJOR, quality=MAJOR), window(1, MAJOR)]
    assert [alert.event for alert in alerts_of(windows, (), 7)] == ["quality", "quality", "data.major"]


def test_windows_that_were_read_before_count_and_those_of_another_version_do_not() -> None:
    before = [window(0, MAJOR, version="churn:1")]
    assert len(alerts_of([window(1, MAJOR, version="churn:1")], (), 7, before=before)) == 1
    assert alerts_of([window(1, MAJOR, version="churn:2")], (), 7, before=before) == ()


@given(st.lists(st.sampled_from(["none", "moderate", "major"]), max_size=9), st.integers(1, 9))
def test_sustained_is_the_worst_that_so_many_reach(alarms: list[Severity], windows: int) -> None:
    order: tuple[Severity, ...] = ("none", "moderate", "major")
    reached = [s for s in order if sum(order.index(a) >= order.index(s) for a in alarms) >= windows]
    assert sustained(alarms, windows) == (reached[-1] if reached else "none")


@given(st.lists(SIGNALS, max_size=30), st.integers(0, 30), st.sampled_from([(1, 1), (2, 3), (3, 3), (2, 5)]))
def test_sustained_alerts_do_not_depend_on_how_the_windows_are_cut(
    signals: list[Signal], cut: int, asked: tuple[int, int]
) -> None:
    after = AfterSpec(data=Sustained(*asked))
    windows = [window(i, signal) for i, signal in enumerate(signals)]
    whole = alerts_of(windows, (), 7, after=after)
    first = alerts_of(windows[:cut], (), 7, after=after)
    rest = alerts_of(windows[cut:], first, 7, after=after, before=windows[max(0, cut - asked[1] + 1) : cut])
    assert first + rest == whole
    assert len(whole) <= len(at_once(windows, (), 7))


def test_a_fall_says_what_it_costs() -> None:
    fall = Performance(
        metric="right",
        kind="accuracy",
        want="higher",
        value=0.84,
        lower=0.8,
        upper=0.88,
        baseline=0.91,
        baseline_from="holdout",
        worse_by=0.07,
        worse_lower=0.06,
        worse_upper=0.08,
        margin=0.05,
        level=0.95,
        labels=400,
        wanted=400,
        units=400,
    )
    assert cost_of(fall) == "About 70 fewer answers that are right in every 1 000."
    (alert,) = at_once([window(0, MAJOR, "performance", performance=fall)], (), 7)
    assert details(alert).cost == cost_of(fall)


def hour(number: int, drift: Signal, usual: Usual | None) -> Window:
    return window(number, drift, usual=usual, features=(FeatureDrift(feature="age", state="measured", rows=9),))


AS_BEFORE, UNLIKE = Usual(days=3, calm=True), Usual(days=3, moved={"age": "major"})
SOMEWHAT = Usual(days=3, moved={"age": "moderate"})
TROUGH = Usual(days=3, calm=False)


@pytest.mark.parametrize(
    ("hours", "edges"),
    [
        ([(MAJOR, AS_BEFORE), (NONE, AS_BEFORE)], ["begins data.major stands", "ends data.major"]),
        ([(MAJOR, UNLIKE)], ["begins data.major"]),
        ([(MAJOR, Usual(moved={"age": "major"}))], ["begins data.major"]),
        ([(MAJOR, AS_BEFORE), (MAJOR, UNLIKE)], ["begins data.major stands", "worsens data.major"]),
        ([(MAJOR, SOMEWHAT), (MAJOR, UNLIKE)], ["begins data.moderate", "worsens data.major"]),
        ([(MAJOR, UNLIKE), (MAJOR, AS_BEFORE)], ["begins data.major", "settles data.major stands"]),
        (
            [(MAJOR, UNLIKE), (MAJOR, AS_BEFORE), (MAJOR, AS_BEFORE), (MAJOR, UNLIKE)],
            ["begins data.major", "settles data.major stands", "worsens data.major"],
        ),
        ([(MAJOR, UNLIKE), (NONE, TROUGH), (MAJOR, UNLIKE)], ["begins data.major"]),
        ([(MAJOR, UNLIKE), (NONE, None)], ["begins data.major", "ends data.major"]),
    ],
)
def test_what_of_drift_is_unusual_is_followed_beside_it(
    hours: list[tuple[Signal, Usual | None]], edges: list[str]
) -> None:
    found = at_once([hour(n, drift, usual) for n, (drift, usual) in enumerate(hours)], (), 7)
    assert [f"{details(a).edge} {a.event}{' stands' * details(a).stands}" for a in found] == edges
    one_by_one: list[Alert] = []
    for n, (drift, usual) in enumerate(hours):
        one_by_one += at_once([hour(n, drift, usual)], one_by_one, 7)
    assert tuple(one_by_one) == found, "what is open is read from the alerts"


class _CalmDay(Nothing):
    def is_calm_day(self, _: Window) -> bool:
        return True


def test_a_trough_is_no_end_and_a_whole_calm_day_is_one() -> None:
    (began,) = at_once([hour(0, MAJOR, UNLIKE)], (), 7)
    trough = [hour(1, NONE, TROUGH)]
    assert alerts_of(trough, [began], 7, after=AT_ONCE) == ()
    (ended,) = alerts_of(trough, [began], 7, after=AT_ONCE, earlier=_CalmDay())
    assert details(ended).edge == "ends"


def test_what_is_unusual_must_last_as_well() -> None:
    drift = [(MAJOR, AS_BEFORE), (MAJOR, UNLIKE), (MAJOR, AS_BEFORE), (MAJOR, UNLIKE)]
    found = alerts_of([hour(n, *one) for n, one in enumerate(drift)], (), 7, after=AfterSpec())
    assert [(details(a).edge, details(a).unusual) for a in found] == [("begins", "none"), ("worsens", "major")]


def test_only_unusual_columns_are_strong_and_they_come_first() -> None:
    moved = tuple(FeatureDrift(feature=f, state="measured", rows=9, severity="major") for f in ("a", "b", "c"))
    (alert,) = at_once([window(0, MAJOR, features=moved, usual=Usual(days=2, moved={"b": "major"}))], (), 7)
    assert (details(alert).features, details(alert).strong, details(alert).days) == (("b", "a", "c"), ("b",), 2)


def test_an_alert_of_before_there_were_usual_hours_is_unusual_as_a_whole() -> None:
    (began,) = at_once([window(0, MAJOR)], (), 7)
    assert '"unusual":null' in began.details
    old = msgspec.structs.replace(began, details=began.details.replace(',"unusual":null,"days":0', ""))
    assert at_once([hour(1, MAJOR, UNLIKE)], [old], 7) == ()
