"""The decision: each row of the table by example, its laws by property, and its words in the documentation."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.control.decide import RELEASE, Observed, decide, decision_table, row_of
from seatrial.control.decisions import Decided, decided, entry_of, observed_of
from seatrial.releases.states import states_diagram, states_table

TEST = Observed(
    deployment="churn",
    at=0,
    revision=1,
    release="run-1",
    status="running",
    stage="test",
    stage_seconds=100.0,
    at_least=50.0,
    at_most=1_000.0,
    then="promote",
    recommendation="wait",
    matured=1_000,
)
SHADOW = msgspec.structs.replace(
    TEST, stage="shadow", further_stages=1, at_most=None, minimum_pairs=100, pairs=500, recommendation="wait"
)

CANARY = msgspec.structs.replace(
    TEST, stage="canary", status="baking", further_stages=1, further_steps=1, at_least=0.0, at_most=None,
    step_seconds=1_800.0, bake=1_800.0, fresh=1_000, minimum_units=1_000,
)  # fmt: skip
LAST = msgspec.structs.replace(CANARY, further_stages=0, further_steps=0)

observations = st.builds(
    Observed,
    deployment=st.just("churn"),
    at=st.integers(0, 10**6),
    revision=st.integers(0, 9),
    release=st.sampled_from(["", "run-1"]),
    status=st.sampled_from(["pending", "running", "baking", "paused", "proposed"]),
    stage=st.sampled_from(["shadow", "canary", "test"]),
    release_seconds=st.floats(0, 4_000),
    release_at_most=st.none() | st.floats(1, 4_000),
    closed=st.sampled_from(["", "the freeze"]),
    further_steps=st.integers(0, 1),
    step_seconds=st.floats(0, 2_000),
    bake=st.floats(0, 2_000),
    fresh=st.integers(0, 20),
    minimum_units=st.integers(1, 20),
    unmeasured=st.sampled_from([(), ("p99",)]),
    further_stages=st.integers(0, 1),
    stage_seconds=st.floats(0, 2_000),
    at_least=st.floats(0, 1_000),
    at_most=st.none() | st.floats(1, 2_000),
    then=st.sampled_from(["ask", "promote", "nothing"]),
    recommendation=st.sampled_from(["withheld", "stop", "ship", "no-difference", "wait", "unknown"]),
    matured=st.integers(0, 5),
    pairs=st.integers(0, 200),
    minimum_pairs=st.integers(1, 200),
    shadow_worse=st.booleans(),
    failing=st.floats(0, 1),
    tolerated=st.floats(0, 1),
    previous_until=st.none() | st.integers(0, 10**6),
    alias_stands=st.none() | st.integers(1, 3),
    alias_ours=st.integers(1, 3),
    alias_told=st.integers(0, 3),
    alias_moved=st.sampled_from(["propose", "follow"]),
)


@pytest.mark.parametrize(
    ("seen", "changes", "row", "kinds"),
    [
        (TEST, {"release": ""}, "no release", []),
        (TEST, {"status": "paused", "recommendation": "stop"}, "paused", []),
        (TEST, {"recommendation": "unknown", "stage_seconds": 5_000.0}, "not judged", []),
        (TEST, {"recommendation": "stop", "stage_seconds": 1.0}, "shown worse", ["rollback"]),
        (SHADOW, {"recommendation": "stop"}, "shown worse", ["rollback"]),
        (SHADOW, {"shadow_worse": True, "pairs": 1}, "shadow: shown worse", ["rollback"]),
        (SHADOW, {"stage_seconds": 49.9}, "shadow: too short", []),
        (SHADOW, {"pairs": 99}, "shadow: too few pairs", []),
        (SHADOW, {"failing": 0.02, "tolerated": 0.01}, "shadow: it fails", []),
        (SHADOW, {}, "shadow: done", ["advance"]),
        (SHADOW, {"further_stages": 0}, "shadow: all done", ["conclude"]),
        (SHADOW, {"recommendation": "ship", "further_stages": 0}, "shadow: all done", ["conclude"]),
        (TEST, {"status": "pending", "recommendation": "unknown"}, "begins", ["begin"]),
        (TEST, {"status": "pending", "held_back": "too few"}, "held back", []),
        (
            TEST,
            {"status": "pending", "held_back": "too few", "release_at_most": 50.0, "release_seconds": 50.0},
            "pending: time is up",
            ["conclude"],
        ),
        (TEST, {"status": "pending", "held_back": "too few", "closed": "the freeze"}, "held back", []),
        (TEST, {"status": "pending", "closed": "the freeze"}, "closed", []),
        (TEST, {"recommendation": "ship", "closed": "the freeze"}, "closed", []),
        (TEST, {"recommendation": "stop", "closed": "the freeze"}, "shown worse", ["rollback"]),
        (TEST, {"recommendation": "ship", "then": "ask", "closed": "the freeze"}, "ship: ask", ["propose"]),
        (SHADOW, {"closed": "the freeze"}, "closed", []),
        (SHADOW, {"release_at_most": 50.0, "release_seconds": 50.0}, "before the test: time is up", ["conclude"]),
        (CANARY, {"recommendation": "withheld"}, "canary: withheld", []),
        (CANARY, {"fresh": 999}, "canary: too few units", []),
        (CANARY, {"fresh": 999, "step_seconds": 1e9}, "canary: too few units", []),
        (CANARY, {"status": "running"}, "canary: bakes", ["bake"]),
        (CANARY, {"step_seconds": 1_799.0}, "canary: baking", []),
        (CANARY, {"unmeasured": ("p99",)}, "canary: no data", []),
        (CANARY, {}, "canary: next step", ["advance"]),
        (CANARY, {"closed": "the freeze"}, "closed", []),
        (CANARY, {"further_steps": 0}, "canary: done", ["advance"]),
        (CANARY, {"recommendation": "ship"}, "canary: next step", ["advance"]),
        (CANARY, {"recommendation": "stop", "fresh": 1}, "shown worse", ["rollback"]),
        (CANARY, {"fresh": 0, "stage_seconds": 9.0, "at_most": 9.0}, "before the test: time is up", ["conclude"]),
        (LAST, {}, "wait", []),
        (LAST, {"recommendation": "ship"}, "ship: promote", ["promote"]),
        (LAST, {"recommendation": "ship", "unmeasured": ("p99",)}, "canary: no data", []),
        (LAST, {"recommendation": "ship", "then": "ask"}, "ship: ask", ["propose"]),
        (LAST, {"recommendation": "withheld", "status": "proposed"}, "no longer ships", ["reconsider"]),
        (LAST, {"recommendation": "no-difference"}, "no difference", []),
        (LAST, {"recommendation": "ship", "at_most": 9.0}, "ship: promote", ["promote"]),
        (TEST, {"recommendation": "ship"}, "ship: promote", ["promote"]),
        (TEST, {"release_at_most": 9.0, "release_seconds": 9.0, "at_most": None}, "time is up", ["conclude"]),
        (TEST, {"recommendation": "ship", "stage_seconds": 49.0}, "too early", []),
        (TEST, {"recommendation": "ship", "matured": 0}, "wait", []),
        (TEST, {"recommendation": "ship", "then": "ask"}, "ship: ask", ["propose"]),
        (TEST, {"recommendation": "ship", "then": "ask", "status": "proposed"}, "ship: asked", []),
        (TEST, {"recommendation": "ship", "then": "nothing"}, "ship: nothing", []),
        (TEST, {"recommendation": "ship", "then": "nothing", "stage_seconds": 1_000.0}, "time is up", ["conclude"]),
        (TEST, {"status": "proposed"}, "no longer ships", ["reconsider"]),
        (TEST, {"stage_seconds": 1_000.0}, "time is up", ["conclude"]),
        (TEST, {"stage_seconds": 10_000.0, "at_most": None}, "wait", []),
        (TEST, {"recommendation": "withheld"}, "withheld", []),
        (TEST, {"recommendation": "withheld", "stage_seconds": 1_000.0}, "time is up", ["conclude"]),
        (TEST, {"recommendation": "no-difference"}, "no difference", []),
        (TEST, {}, "wait", []),
    ],
)
def test_row_of_the_table(seen: Observed, changes: dict[str, object], row: str, kinds: list[str]) -> None:
    observed = msgspec.structs.replace(seen, **changes)
    assert row_of(observed).name == row
    assert [action.kind for action in decide(observed)] == kinds


def test_every_row_has_an_example_above() -> None:
    cases = test_row_of_the_table.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {case[2] for case in cases} == {row.name for row in RELEASE}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"previous_until": 10, "at": 9}, []),
        ({"previous_until": 10, "at": 10}, ["unload-previous"]),
        ({"alias_stands": 2, "alias_ours": 1}, ["tell-alias"]),
        ({"alias_stands": 2, "alias_ours": 1, "alias_told": 2}, []),
        ({"alias_stands": 3, "alias_ours": 1, "alias_told": 2}, ["tell-alias"]),
        ({"alias_stands": 2, "alias_ours": 1, "alias_told": 2, "alias_moved": "follow"}, ["follow-alias"]),
        ({"alias_stands": 1, "alias_ours": 1, "alias_told": 2}, ["alias-back"]),
        ({"alias_stands": 1, "alias_ours": 1}, []),
        ({"alias_stands": None, "alias_ours": 1, "alias_told": 2}, []),
    ],
)
def test_row_of_the_house(changes: dict[str, object], kinds: list[str]) -> None:
    observed = Observed(deployment="churn", at=changes.get("at", 0), revision=1)  # type: ignore[arg-type]
    assert [action.kind for action in decide(msgspec.structs.replace(observed, **changes))] == kinds


@given(observations)
def test_nothing_but_matured_ship_after_at_least_promotes(seen: Observed) -> None:
    kinds = {action.kind for action in decide(seen)}
    if kinds & {"promote", "propose"}:
        assert seen.recommendation == "ship"
        assert seen.matured > 0
        assert seen.stage == "test" or (seen.stage == "canary" and not seen.further_stages and not seen.further_steps)
        assert seen.stage_seconds >= seen.at_least
        assert ("promote" in kinds) == (seen.then == "promote")


@given(observations)
def test_stop_always_rolls_back_unless_paused(seen: Observed) -> None:
    seen = msgspec.structs.replace(seen, recommendation="stop")
    kinds = [action.kind for action in decide(seen)]
    assert ("rollback" in kinds) == (bool(seen.release) and seen.status not in ("paused", "pending"))


@given(observations)
def test_rollback_needs_evidence(seen: Observed) -> None:
    if "rollback" in {action.kind for action in decide(seen)}:
        assert seen.recommendation == "stop" or (seen.stage == "shadow" and seen.shadow_worse)


@given(observations)
def test_paused_or_not_judged_touches_no_release(seen: Observed) -> None:
    release = {"begin", "bake", "rollback", "advance", "promote", "propose", "reconsider", "conclude"}
    seen = msgspec.structs.replace(seen, status="running" if seen.status == "pending" else seen.status)
    for still in ({"status": "paused"}, {"recommendation": "unknown"}):
        kinds = {action.kind for action in decide(msgspec.structs.replace(seen, **still))}
        assert not kinds & release


@given(observations)
def test_a_closed_calendar_lets_nothing_climb_and_everything_fall(seen: Observed) -> None:
    shut, free = (msgspec.structs.replace(seen, closed=why) for why in ("the freeze", ""))
    climbs = {"begin", "advance", "promote"}
    kinds, freely = ({action.kind for action in decide(each)} for each in (shut, free))
    assert not kinds & climbs
    assert kinds == freely - climbs


@given(observations)
def test_a_canary_step_ends_only_with_its_units_its_time_and_every_gate(seen: Observed) -> None:
    if seen.stage == "canary" and "advance" in {action.kind for action in decide(seen)}:
        assert seen.fresh >= seen.minimum_units
        assert seen.step_seconds >= seen.bake
        assert not seen.unmeasured
        assert seen.status == "baking"
        assert seen.recommendation not in ("stop", "withheld", "unknown")


@given(observations)
def test_a_release_gets_at_most_one_action(seen: Observed) -> None:
    release = {"begin", "bake", "rollback", "advance", "promote", "propose", "reconsider", "conclude"}
    assert sum(action.kind in release for action in decide(seen)) <= 1


@given(observations)
def test_what_was_observed_is_recorded_and_decides_the_same_again(seen: Observed) -> None:
    decision = decided(seen)
    entry = entry_of(seen, decision)
    assert observed_of(entry) == seen
    assert decided(observed_of(entry)) == decision
    assert msgspec.json.decode(entry.decision, type=Decided) == decision


def test_documentation_has_the_table_that_the_code_has() -> None:
    assert generated("decision table: made by seatrial.control.decide.decision_table") == decision_table()


def test_documentation_has_the_states_that_the_code_has() -> None:
    assert generated("states: made by seatrial.releases.states.states_table") == states_table()
    assert generated("diagram: made by seatrial.releases.states.states_diagram") == states_diagram()


def generated(name: str) -> str:
    """What stands in the documentation of releases between a mark and its end."""
    text = (Path(__file__).parents[3] / "docs" / "releases.md").read_text()
    return text.split(f"<!-- {name} -->\n")[1].split("\n<!-- end -->")[0]
