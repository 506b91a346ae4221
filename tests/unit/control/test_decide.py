"""The decision: each row of the table by example, its laws by property, and its words in the documentation."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.control.decide import RELEASE, Observed, decide, decision_table, row_of
from seatrial.control.decisions import Decided, decided, entry_of, observed_of

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

observations = st.builds(
    Observed,
    deployment=st.just("churn"),
    at=st.integers(0, 10**6),
    revision=st.integers(0, 9),
    release=st.sampled_from(["", "run-1"]),
    status=st.sampled_from(["running", "paused", "proposed"]),
    stage=st.sampled_from(["shadow", "test"]),
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
        (TEST, {"recommendation": "ship"}, "ship: promote", ["promote"]),
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
        assert seen.stage == "test"
        assert seen.stage_seconds >= seen.at_least
        assert ("promote" in kinds) == (seen.then == "promote")


@given(observations)
def test_stop_always_rolls_back_unless_paused(seen: Observed) -> None:
    seen = msgspec.structs.replace(seen, recommendation="stop")
    kinds = [action.kind for action in decide(seen)]
    assert ("rollback" in kinds) == (bool(seen.release) and seen.status != "paused")


@given(observations)
def test_rollback_needs_evidence(seen: Observed) -> None:
    if "rollback" in {action.kind for action in decide(seen)}:
        assert seen.recommendation == "stop" or (seen.stage == "shadow" and seen.shadow_worse)


@given(observations)
def test_paused_or_not_judged_touches_no_release(seen: Observed) -> None:
    release = {"rollback", "advance", "promote", "propose", "reconsider", "conclude"}
    for still in ({"status": "paused"}, {"recommendation": "unknown"}):
        kinds = {action.kind for action in decide(msgspec.structs.replace(seen, **still))}
        assert not kinds & release


@given(observations)
def test_a_release_gets_at_most_one_action(seen: Observed) -> None:
    release = {"rollback", "advance", "promote", "propose", "reconsider", "conclude"}
    assert sum(action.kind in release for action in decide(seen)) <= 1


@given(observations)
def test_what_was_observed_is_recorded_and_decides_the_same_again(seen: Observed) -> None:
    decision = decided(seen)
    entry = entry_of(seen, decision)
    assert observed_of(entry) == seen
    assert decided(observed_of(entry)) == decision
    assert msgspec.json.decode(entry.decision, type=Decided) == decision


def test_documentation_has_the_table_that_the_code_has() -> None:
    text = (Path(__file__).parents[3] / "docs" / "releases.md").read_text()
    begin, end = "<!-- decision table: made by seatrial.control.decide.decision_table -->\n", "\n<!-- end -->"
    assert text.split(begin)[1].split(end)[0] == decision_table()
