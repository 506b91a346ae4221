"""The gateway in process: the ladder of attempts, the rows it leaves, its limits; no HTTP."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.ledger.accounting import accounts
from seatrial.ledger.counters import series
from seatrial.models.runtimes import RuntimeFailure
from seatrial.protocol.bodies import AppPrediction, AssignBody
from seatrial.protocol.inference import read_infer
from seatrial.protocol.outcomes import OutcomeBody, check_outcomes
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Arm, Batch, ContextKey, Entry, LogPolicy, Shadow, Snapshot
from seatrial.serving.batching import FIRST_ROWS
from seatrial.serving.engine import Engine, Shed
from seatrial.serving.gateway import Limits
from seatrial.serving.variant import Attempt
from seatrial.spec.errors import BadInput, Late, NotFound, Overloaded, TooLarge, Unavailable
from seatrial.spec.outcome_shapes import OutcomeField, OutcomeShape
from seatrial.spec.signature import Tensor
from tests.gateways import BINARY, CLOCK, GOOD, Bench, Scripted, bench, broken, quick, slot, slow, snapshot
from tests.waiting import wait_for

HALF = {"champion": 0.5, "challenger": 0.5}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


def ask(here: Bench, features: Any = GOOD, **more: Any) -> dict[str, Any]:
    return asyncio.run(here.gateway.predict("churn", features, **more))


def test_an_answer_and_its_row(here: Bench) -> None:
    here.serve(snapshot(HALF), champion=quick(Scripted(0.25)), challenger=quick(Scripted(0.75)))
    answer = ask(here, unit="u1", request_id="r1")
    chosen = assign_many(snapshot(HALF).entries[0], ["u1"])[0]
    expected = {"champion": (0, 0.25, "churn:1"), "challenger": (1, 0.75, "churn:2")}[chosen]
    assert answer == {
        "request_id": "r1",
        "variant": chosen,
        "model_version": expected[2],
        "reason": "split",
        "answered_by": "assigned",
        "prediction": expected[0],
        "score": expected[1],
    }
    (row,) = here.rows()
    kept = {
        name: row[name] for name in ("request_id", "row", "role", "unit", "unit_named", "entry", "variant", "status")
    }
    assert kept == {
        "request_id": "r1",
        "row": 0,
        "role": "answer",
        "unit": "u1",
        "unit_named": True,
        "entry": "everybody",
        "variant": chosen,
        "status": "ok",
    }
    assert (row["propensity"], row["contested"], row["revision"]) == (0.5, True, 1)
    assert (row["assigned_version"], row["answered"], row["version"]) == (expected[2], chosen, expected[2])
    assert (row["feature.age"], row["feature.income"], row["feature.country"]) == (40.0, 2000.0, "FR")
    assert (row["prediction.label"], row["prediction.score"]) == expected[:2]
    assert row["latency_us"] >= 0


@pytest.mark.parametrize("engine", [quick, slow])
def test_the_default_answers_for_a_broken_variant(here: Bench, engine: Any) -> None:
    here.serve(snapshot({"challenger": 1.0}), challenger=engine(broken()), champion=engine(Scripted(0.25)))
    answer = ask(here, unit="u")
    assert (answer["variant"], answer["model_version"], answer["answered_by"]) == ("challenger", "churn:1", "default")
    (row,) = here.rows()
    assert (row["variant"], row["assigned_version"], row["answered"], row["version"]) == (
        "challenger",
        "churn:2",
        "champion",
        "churn:1",
    )
    assert (row["answered_by"], row["status"], row["error"]) == ("default", "error", "out of order")
    assert row["prediction.score"] == 0.25


@pytest.mark.parametrize("engine", [quick, slow])
def test_rows_that_only_the_challenger_refuses_are_its_failure(here: Bench, engine: Any) -> None:
    features = tuple(msgspec.structs.replace(feature, nullable=False) for feature in BINARY.features)
    strict = msgspec.structs.replace(BINARY, features=features)
    slots = (slot("champion", 1), slot("challenger", 2, signature=strict))
    here.serve(
        snapshot({"challenger": 1.0}, slots=slots), champion=engine(Scripted(0.25)), challenger=engine(Scripted())
    )
    missing = {**GOOD, "income": None}
    answer = ask(here, missing)
    assert (answer["variant"], answer["answered_by"], answer["score"]) == ("challenger", "default", 0.25)
    (row,) = here.rows()
    assert (row["status"], row["answered"]) == ("error", "champion")
    assert row["error"].startswith("refused: feature 'income' is missing")
    with pytest.raises(BadInput, match="'income' is missing"):
        ask(here, missing, variant="challenger")
    with pytest.raises(BadInput, match="'age' is missing"):
        ask(here, {**missing, "age": None})
    assert len(here.rows()) == 1


def test_the_default_answers_a_listed_unit_whose_variant_refuses_its_row(here: Bench) -> None:
    """Its file named it, not its caller: it is no override."""
    features = tuple(msgspec.structs.replace(feature, nullable=False) for feature in BINARY.features)
    slots = (slot("champion", 1), slot("challenger", 2, signature=msgspec.structs.replace(BINARY, features=features)))
    listed = (Entry(name="staff", to="challenger", reason="explicit"),)
    here.serve(snapshot(slots=slots, entries=listed), champion=quick(Scripted(0.25)), challenger=quick(Scripted()))
    answer = ask(here, {**GOOD, "income": None})
    assert (answer["variant"], answer["reason"], answer["answered_by"]) == ("challenger", "explicit", "default")


def test_the_fallback_answers_when_the_default_fails_too(here: Bench) -> None:
    fallback = {"prediction": 0, "score": 0.125, "note": "guess"}
    here.serve(
        snapshot({"challenger": 1.0}, fallback=fallback), challenger=quick(broken()), champion=quick(broken("also"))
    )
    answer = ask(here)
    assert {name: answer[name] for name in fallback} == fallback
    assert (answer["answered_by"], answer["model_version"]) == ("fallback", None)
    (row,) = here.rows()
    assert (row["answered_by"], row["answered"], row["version"], row["error"]) == ("fallback", "", "", "out of order")
    assert (row["prediction.label"], row["prediction.score"]) == (0, 0.125)
    assert row["feature.age"] == 40.0


def test_nobody_answers(here: Bench) -> None:
    here.serve(snapshot(), champion=quick(broken()))
    with pytest.raises(Unavailable, match=r"'champion' failed \(out of order\).*`fallback`"):
        ask(here)
    (row,) = here.rows()
    assert (row["answered_by"], row["answered"], row["status"]) == ("none", "", "error")
    assert row["prediction.label"] is None


def test_a_hanging_variant_is_left_after_its_timeout(here: Bench) -> None:
    model = Scripted()
    model.hang()
    slots = (slot("champion", 1), slot("challenger", 2, timeout=0.05))
    here.serve(snapshot({"challenger": 1.0}, slots=slots), challenger=slow(model))
    try:
        answer = ask(here)
    finally:
        model.release()
    assert answer["answered_by"] == "default"
    (row,) = here.rows()
    assert (row["status"], row["error"]) == ("timeout", "no answer within 50 ms")
    assert row["latency_us"] >= 50_000


def test_a_hanging_variant_holds_nobody_else_up_and_is_shed(here: Bench) -> None:
    model = Scripted()
    model.hang()
    slots = (slot("champion", 1), slot("challenger", 2, timeout=60.0))
    entry = Entry(name="everybody", salt="s", arms=(Arm("champion", 0.5), Arm("challenger", 0.5)))
    stuck = slow(model, threads=1, waiting=1)
    here.serve(snapshot(slots=slots, entries=(entry,)), champion=slow(Scripted()), challenger=stuck)

    async def run() -> list[dict[str, Any]]:
        hanging = [
            asyncio.create_task(here.gateway.predict("churn", GOOD, variant="challenger", request_id=f"h{i}"))
            for i in range(2)
        ]
        await asyncio.sleep(0)
        champions = [await here.gateway.predict("churn", GOOD, variant="champion") for _ in range(5)]
        shed = await here.gateway.predict("churn", GOOD, variant="challenger", request_id="shed")
        model.release()
        return [*champions, shed, *await asyncio.gather(*hanging)]

    answers = asyncio.run(run())
    assert [answer["answered_by"] for answer in answers] == ["assigned"] * 5 + ["default"] + ["assigned"] * 2
    (row,) = [row for row in here.rows() if row["request_id"] == "shed"]
    assert row["status"] == "shed"


def test_calls_given_up_keep_their_place_in_the_queue_of_a_hanging_model() -> None:
    model = Scripted()
    model.hang()
    engine = slow(model, threads=1, waiting=3)
    given = [engine.submit(lambda: model.run({"X": np.zeros((1, 3))})) for _ in range(4)]
    wait_for(lambda: model.calls == 1, what="the call that hangs")
    assert [future.cancel() for future in given] == [False, True, True, True]
    assert engine.held == 4
    with pytest.raises(Shed) as caught:
        engine.submit(lambda: None)
    assert caught.value.reason == "queue"
    model.release()
    wait_for(lambda: engine.held == 0, what="an empty queue")
    assert model.calls == 1


def test_a_hanging_model_is_asked_by_nobody_who_would_wait_in_vain(here: Bench) -> None:
    """One call finds out that it hangs; the others are shed at once, and the default answers them."""
    model = Scripted()
    model.hang()
    slots = (slot("champion", 1), slot("challenger", 2, timeout=0.5))
    here.serve(snapshot({"challenger": 1.0}, slots=slots), challenger=slow(model, threads=1))
    for _ in range(10):
        assert ask(here)["answered_by"] == "default"
    model.release()
    assert model.calls == 1
    rows = here.rows()
    assert sorted(row["status"] for row in rows) == ["shed"] * 9 + ["timeout"]
    shed = series("shed_total", deployment="churn", variant="challenger", reason="time")
    assert here.recorder.counters.values()[shed] == 9


class Ticks:
    """Nanoseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def test_who_would_wait_longer_than_his_patience_is_not_taken() -> None:
    """Calls of 2 s on two threads, four before it: three places to wait for, 3 s, and 2 s of its own."""
    ticks, gates = Ticks(), [threading.Event() for _ in range(5)]
    engine = Engine(Scripted(), threads=2, ticks=ticks)
    first = engine.submit(gates[0].wait, 0.1)
    wait_for(lambda: engine.running == 1)
    ticks.now = 2_000_000_000
    gates[0].set()
    first.result(10)
    given = [engine.submit(gate.wait, 60.0) for gate in gates[1:]]
    wait_for(lambda: engine.running == 2)
    with pytest.raises(Shed, match=r"it would be answered in 5 s and waits 4\.9 s") as caught:
        engine.submit(lambda: None, 4.9)
    assert (caught.value.reason, caught.value.seconds) == ("time", 3.0)
    last = engine.submit(lambda: "taken", 5.1)
    for gate in gates:
        gate.set()
    assert last.result(10) == "taken"
    assert [future.result(10) for future in given] == [True] * 4
    engine.close()


def test_a_call_of_its_own_waits_for_the_batches_that_hold_the_threads_and_for_those_that_wait(here: Bench) -> None:
    """Calls of more than 64 rows are not batched, and the threads are the same: two hold one row each, eight wait."""
    ticks, model = Ticks(), Scripted()
    engine = Engine(model, threads=2, abreast=2, ticks=ticks)
    deployed = here.serve(snapshot(slots=(slot("champion", 1, batch=Batch(rows=4)),)), champion=engine)
    batching = deployed.default.batching
    assert batching is not None
    batching.size = 4
    model.hang()

    def join() -> None:
        attempt = Attempt(deployed.default, [GOOD])
        engine.batches.join(batching.ticket(attempt, attempt.encode().tensors, 1))

    for running in (1, 2):
        join()
        wait_for(lambda running=running: engine.running == running)
    for _ in range(8):
        join()
    assert engine.submit(lambda: None, 0.1).cancel()  # they began this moment, and may end at once
    ticks.now = 3_000_000_000
    with pytest.raises(Shed, match=r"it would be answered in 7\.5 s and waits 7 s") as caught:
        engine.submit(lambda: None, 7.0)
    assert (caught.value.reason, caught.value.seconds) == ("time", 4.5)
    taken = engine.submit(lambda: "taken", 7.6)
    model.release()
    assert taken.result(10) == "taken"


def test_what_is_shed_says_when_to_come_back(here: Bench) -> None:
    """Without anybody else to answer it is a 503: how long to stay away is how long the queue is."""
    ticks = Ticks()
    model = Scripted()
    model.hang()
    slots = (slot("champion", 1, timeout=0.5),)
    here.serve(snapshot(slots=slots), champion=slow(model, threads=1, ticks=ticks))
    with pytest.raises(Late):
        ask(here)
    ticks.now = 7_200_000_000
    with pytest.raises(Overloaded, match=r"and waits 0\.5 s") as caught:
        ask(here)
    assert caught.value.retry_after == 8
    model.release()


def test_a_surprise_of_the_runtime_is_that_variants_failure(here: Bench) -> None:
    model = Scripted()
    model.failure = KeyError("surprise")
    here.serve(snapshot({"challenger": 1.0}), challenger=quick(model))
    assert ask(here)["answered_by"] == "default"
    assert "KeyError" in here.rows()[0]["error"]


def test_bad_input_leaves_no_row(here: Bench) -> None:
    here.serve(snapshot())
    with pytest.raises(BadInput, match="feature 'age'"):
        ask(here, {**GOOD, "age": "old"})
    with pytest.raises(BadInput, match="feature 'age' of instance 1"):
        ask(here, None, instances=[{"features": GOOD}, {"features": {}}])
    with pytest.raises(BadInput, match="both"):
        ask(here, GOOD, instances=[{"features": GOOD}])
    with pytest.raises(BadInput, match="no `features`"):
        ask(here, None)
    assert here.rows() == []


def test_instances_share_one_decision(here: Bench) -> None:
    here.serve(snapshot(HALF))
    instances = [{"features": GOOD, "key": f"k{i}"} for i in range(50)]
    answer = ask(here, None, instances=instances, unit="u", request_id="r")
    assert [one["key"] for one in answer["predictions"]] == [f"k{i}" for i in range(50)]
    assert {"variant", "model_version", "reason", "answered_by"} <= set(answer)
    rows = here.rows()
    assert [row["row"] for row in rows] == list(range(50))
    assert len({row["variant"] for row in rows}) == 1


@pytest.mark.parametrize("engine", [quick, slow])
def test_instances_with_units_are_routed_one_by_one(here: Bench, engine: Any) -> None:
    here.serve(snapshot(HALF), champion=engine(Scripted(0.25)), challenger=engine(Scripted(0.75)))
    units = [f"u{i}" for i in range(40)]
    answer = ask(here, None, instances=[{"features": GOOD, "unit": unit} for unit in units])
    expected = assign_many(snapshot(HALF).entries[0], units).tolist()
    assert [one["variant"] for one in answer["predictions"]] == expected
    scores = {"champion": 0.25, "challenger": 0.75}
    assert [one["score"] for one in answer["predictions"]] == [scores[variant] for variant in expected]
    assert "variant" not in answer
    assert [(row["unit"], row["variant"]) for row in here.rows()] == list(zip(units, expected, strict=True))


def test_where_only_some_are_unanswered_the_others_are_not_lost(here: Bench) -> None:
    here.serve(snapshot(HALF, default="challenger"), challenger=quick(broken()))
    units = [f"u{i}" for i in range(20)]
    predictions = ask(here, None, instances=[{"features": GOOD, "unit": unit} for unit in units])["predictions"]
    assert {one["variant"]: "error" in one for one in predictions} == {"champion": False, "challenger": True}
    assert len(here.rows()) == 20


def test_a_wrong_instance_is_named_by_its_place_in_the_request(here: Bench) -> None:
    here.serve(snapshot(HALF))
    instances = [{"features": GOOD, "unit": f"u{i}"} for i in range(10)]
    instances[7]["features"] = {**GOOD, "age": True}
    with pytest.raises(BadInput, match="of instance 7"):
        ask(here, None, instances=instances)
    instances[7]["unit"] = ""
    with pytest.raises(BadInput, match="instance 7: unit is empty"):
        ask(here, None, instances=instances)


def test_limits(tmp_path: Path) -> None:
    with bench(tmp_path, limits=Limits(rows=3)) as here:
        here.serve(snapshot())
        assert len(ask(here, None, instances=[{"features": GOOD}] * 3)["predictions"]) == 3
        with pytest.raises(TooLarge, match="4 rows in one request; the limit is 3"):
            ask(here, None, instances=[{"features": GOOD}] * 4)
        with pytest.raises(BadInput, match="0 rows"):
            ask(here, None, instances=[])
        with pytest.raises(BadInput, match="unit is 10000 bytes"):
            ask(here, unit="x" * 10_000)


def test_many_rows_go_through_threads_and_are_all_written(here: Bench) -> None:
    here.serve(snapshot())
    answer = ask(here, None, instances=[{"features": GOOD}] * 700, request_id="big")
    assert len(answer["predictions"]) == 700
    assert [row["row"] for row in here.rows()] == list(range(700))


def test_no_unit_is_a_random_one(here: Bench) -> None:
    here.serve(snapshot(HALF))
    request_ids = {ask(here)["request_id"] for _ in range(3)}
    rows = here.rows()
    assert {row["request_id"] for row in rows} == request_ids
    assert all(row["unit"] == row["request_id"] and not row["unit_named"] for row in rows)


def test_unit_and_context(here: Bench) -> None:
    context = (
        ContextKey("customer_id", "string"),
        ContextKey("age", "integer", optional=True),
        ContextKey("vip", "boolean", optional=True),
        ContextKey("spent", "number", optional=True),
    )
    here.serve(snapshot(HALF, context=context, unit_from="customer_id"))
    ask(here, context={"customer_id": "c1", "age": 3, "vip": True, "spent": 2})
    ask(here, unit=5, context={"customer_id": "c1"})
    first, second = here.rows()
    assert {first["unit"], second["unit"]} == {"c1", "5"}
    assert all(row["unit_named"] for row in (first, second))
    (full,) = [row for row in (first, second) if row["unit"] == "c1"]
    assert (full["context.customer_id"], full["context.age"], full["context.vip"], full["context.spent"]) == (
        "c1",
        3,
        True,
        2.0,
    )


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (None, "context.customer_id is missing"),
        ({"customer_id": 3}, "context.customer_id: expected a string, got 3"),
        ({"customer_id": "c", "age": 1.5}, "context.age: expected a whole number"),
        ({"customer_id": "c", "age": True}, "context.age: expected a whole number"),
        ({"customer_id": "c", "spent": "1"}, 'context.spent: expected a number, got the string "1"'),
        ({"customer_id": "c", "spent": 10**400}, "context.spent: expected a number"),
        ({"customer_id": "c", "vip": 1}, "context.vip: expected true or false"),
        ({"customer_id": "c", "colour": 1}, "'colour' is not declared; the deployment declares: customer_id, age"),
        ({"customer_id": "c", "aeg": 1}, "'aeg' is not declared; did you mean 'age'. The deployment declares: "),
        (
            {"customer_id": "c", "spend": 1, "aeg": 1},
            "keys 'aeg', 'spend' are not declared; did you mean 'age' and 'sp",
        ),
    ],
)
def test_context_is_checked(here: Bench, context: Any, message: str) -> None:
    keys = (
        ContextKey("customer_id", "string"),
        ContextKey("age", "integer", optional=True),
        ContextKey("vip", "boolean", optional=True),
        ContextKey("spent", "number", optional=True),
    )
    here.serve(snapshot(context=keys))
    with pytest.raises(BadInput, match=message):
        ask(here, context=context)


def test_override_is_never_evidence(here: Bench) -> None:
    here.serve(snapshot(HALF))
    assert ask(here, unit="u", variant="challenger")["reason"] == "override"
    (row,) = here.rows()
    assert (row["reason"], row["contested"], row["entry"]) == ("override", False, "")
    with pytest.raises(NotFound, match="'nobody' is not one of challenger, champion"):
        ask(here, variant="nobody")


def test_unknown_and_missing_deployments(here: Bench) -> None:
    with pytest.raises(NotFound, match="none is active yet"):
        ask(here)
    here.gateway.miss("churn", "churn:1 cannot be loaded")
    with pytest.raises(Unavailable, match="churn:1 cannot be loaded"):
        ask(here)
    here.serve(snapshot())
    assert ask(here)["answered_by"] == "assigned"
    assert here.gateway.remove("churn") is not None
    with pytest.raises(NotFound):
        ask(here)


def test_a_request_under_way_keeps_the_revision_it_began_with(here: Bench) -> None:
    model = Scripted(0.75)
    model.hang()
    here.serve(snapshot(revision=1), champion=slow(model))

    async def run() -> list[dict[str, Any]]:
        old = asyncio.create_task(here.gateway.predict("churn", GOOD, request_id="old"))
        await asyncio.sleep(0)
        here.serve(snapshot(revision=2, slots=(slot("champion", 9),)), champion=quick(Scripted(0.25)))
        new = await here.gateway.predict("churn", GOOD, request_id="new")
        model.release()
        return [await old, new]

    old, new = asyncio.run(run())
    assert (old["model_version"], new["model_version"]) == ("churn:1", "churn:9")
    assert {row["request_id"]: row["revision"] for row in here.rows()} == {"old": 1, "new": 2}


def test_unseen_and_extra_are_counted(here: Bench) -> None:
    here.serve(snapshot())
    ask(here, {**GOOD, "country": "Atlantis", "shoe": 43})
    counters = here.recorder.counters.values()
    assert counters['unseen_categories_total{deployment="churn"}'] == 1
    assert counters['extra_features_total{deployment="churn"}'] == 1
    here.serve(snapshot(strict_features=True, revision=2))
    with pytest.raises(BadInput, match="'shoe' is not one"):
        ask(here, {**GOOD, "shoe": 43})
    assert here.recorder.counters.values()['requests_refused_total{deployment="churn"}'] == 1


def test_log_policy(here: Bench) -> None:
    here.serve(snapshot(log=LogPolicy(features=("country", "age"), redact=("country",))))
    ask(here)
    (row,) = here.rows()
    assert row["feature.age"] == 40.0
    assert len(row["feature.country"]) == 32
    assert "feature.income" not in row


def test_sampled_out_features_leave_envelope_and_prediction(here: Bench) -> None:
    here.serve(snapshot(log=LogPolicy(features=("age",), sample=0.5)))
    for i in range(200):
        ask(here, request_id=f"r{i}")
    rows = here.rows()
    assert len(rows) == 200
    kept = [row for row in rows if row["feature.age"] is not None]
    assert 60 < len(kept) < 140
    assert all(row["prediction.label"] is not None for row in rows)


# Shadows.

FULL = (Shadow(variant="challenger", share=1.0, salt="s", release="r9"),)


def test_a_shadow_gets_a_copy_after_the_answer(here: Bench) -> None:
    deployed = here.serve(snapshot(shadows=FULL), challenger=quick(Scripted(0.75)))
    answer = ask(here, unit="u", request_id="r")
    assert answer["score"] == 0.25
    wait_for(lambda: len(here.rows()) == 2, what="the shadow's row")
    answered, shadow = here.rows()
    assert (answered["role"], shadow["role"]) == ("answer", "shadow")
    assert (shadow["variant"], shadow["request_id"], shadow["unit"], shadow["propensity"]) == (
        "challenger",
        "r",
        "u",
        0.0,
    )
    assert (shadow["prediction.score"], shadow["release"], shadow["contested"]) == (0.75, "r9", False)
    wait_for(lambda: deployed.idle, what="an idle lane")
    assert (
        here.recorder.counters.values()['shadow_total{deployment="churn",variant="challenger",result="delivered"}'] == 1
    )


def test_a_failing_shadow_leaves_a_row_and_the_answer_alone(here: Bench) -> None:
    here.serve(snapshot(shadows=FULL), challenger=quick(broken("no")))
    assert ask(here)["answered_by"] == "assigned"
    wait_for(lambda: len(here.rows()) == 2, what="the shadow's row")
    assert [(row["role"], row["status"], row["error"]) for row in here.rows()][1] == ("shadow", "error", "no")


def test_a_shadow_that_nobody_would_have_waited_for_failed(here: Bench) -> None:
    model = Scripted()
    model.hang()
    slots = (slot("champion", 1), slot("challenger", 2, timeout=0.01))
    deployed = here.serve(snapshot(slots=slots, shadows=FULL), challenger=slow(model))
    assert ask(here)["answered_by"] == "assigned"
    wait_for(lambda: model.calls == 1, what="the shadow's call")
    began = time.monotonic()
    wait_for(lambda: time.monotonic() > began + 0.02, what="more than its timeout")
    model.release()
    wait_for(lambda: deployed.idle, what="an idle lane")
    row = next(row for row in here.rows() if row["role"] == "shadow")
    assert (row["status"], row["answered"]) == ("timeout", "")


def test_a_hanging_shadow_costs_copies_and_nothing_else(here: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.serving.shadowing.MAX_COPIES", 5)
    model = Scripted()
    model.hang()
    deployed = here.serve(snapshot(shadows=FULL), challenger=slow(model))

    async def run() -> None:
        for _ in range(20):
            assert (await here.gateway.predict("churn", GOOD))["answered_by"] == "assigned"

    asyncio.run(run())
    name = 'shadow_total{deployment="churn",variant="challenger",result="%s"}'
    assert here.recorder.counters.values()[name % "dropped"] >= 20 - 5 - FIRST_ROWS, "all but what runs and what waits"
    model.release()
    wait_for(lambda: deployed.idle, what="an idle lane")
    counters = here.recorder.counters.values()
    assert sum(counters.get(name % result, 0) for result in ("dropped", "delivered", "failed")) == 20
    here.recorder.rows.flush()
    assert all(account.balanced for account in accounts(here.recorder.counters.values()).values())


# Assign, and rows of applications.


def test_assign_and_the_row_that_comes_back(here: Bench) -> None:
    here.serve(snapshot(HALF, revision=4))
    told = here.gateway.assign("churn", AssignBody(unit="u7"))
    assert (told["propensity"], told["reason"], told["revision"]) == (0.5, "split", 4)
    back = AppPrediction(
        deployment="churn",
        request_id=told["request_id"],
        variant=told["variant"],
        unit="u7",
        features=GOOD,
        prediction=1,
        score=0.875,
        latency_ms=1.5,
        propensity=told["propensity"],
        reason=told["reason"],
    )
    assert here.gateway.log_predictions([back]) == 1
    (row,) = here.rows()
    assert (row["role"], row["variant"], row["unit"], row["propensity"]) == ("app", told["variant"], "u7", 0.5)
    assert (row["reason"], row["contested"], row["revision"], row["latency_us"]) == ("split", True, 4, 1500)
    assert (row["prediction.label"], row["prediction.score"], row["feature.age"]) == (1, 0.875, 40.0)
    assert row["at"].timestamp() * 1e6 == CLOCK


def test_a_row_decided_by_the_revision_before_keeps_its_propensity(here: Bench) -> None:
    here.serve(snapshot({"champion": 0.9, "challenger": 0.1}, revision=1))
    told = here.gateway.assign("churn", AssignBody(unit="u7"))
    here.serve(snapshot({"champion": 0.2, "challenger": 0.8}, revision=2))
    back = AppPrediction(
        deployment="churn",
        request_id=told["request_id"],
        variant=told["variant"],
        unit="u7",
        prediction=0,
        propensity=told["propensity"],
    )
    here.gateway.log_predictions([back])
    (row,) = here.rows()
    assert (row["propensity"], row["revision"], row["reason"]) == (told["propensity"], 1, "split")


def test_a_variant_that_routing_would_not_have_given_is_an_override(here: Bench) -> None:
    here.serve(snapshot({"champion": 1.0}))
    back = AppPrediction(deployment="churn", request_id="r", variant="challenger", unit="u", prediction=0)
    here.gateway.log_predictions([back])
    assert [(row["reason"], row["contested"]) for row in here.rows()] == [("override", False)]


def test_rows_of_applications_are_checked_all_or_none(here: Bench) -> None:
    here.serve(snapshot())
    good = {"deployment": "churn", "request_id": "r", "variant": "champion", "prediction": 0}
    for wrong, message in (
        ({"variant": "nobody"}, "prediction 1: variant 'nobody' is not one of"),
        ({"prediction": "x"}, r"does not fit the columns of champion: label \(integer\), score \(number\)"),
        ({"prediction": {"prediction": 1}}, "give `prediction` the bare answer, with `score` or `scores` beside it"),
        ({"unit": ""}, "unit is empty"),
        ({"features": {}}, "'age' is missing"),
        ({"at": "9999-12-31T23:59:59-23:59"}, "at: .* is out of range"),
        ({"deployment": "other"}, "no deployment is called 'other'"),
    ):
        with pytest.raises(BadInput, match=message):
            here.gateway.log_predictions([AppPrediction(**good), AppPrediction(**{**good, **wrong})])
    assert here.rows() == []
    failed = AppPrediction(deployment="churn", request_id="r2", variant="champion", error="my server was down")
    here.gateway.log_predictions([failed])
    assert [(row["status"], row["error"], row["answered_by"]) for row in here.rows()] == [
        ("error", "my server was down", "none")
    ]


# Outcomes.


def report(here: Bench, *bodies: OutcomeBody) -> list[str]:
    return asyncio.run(here.gateway.outcomes(check_outcomes(bodies)))


def outcomes(here: Bench) -> list[dict[str, Any]]:
    from seatrial.ledger.reader import Reader

    with Reader(here.home).open("churn") as view:
        return view.sql("select * from outcomes order by id").to_pylist()


def test_outcomes_are_there_when_answered(here: Bench) -> None:
    here.serve(snapshot())
    ids = report(
        here, OutcomeBody(outcome="churned", unit=7, value=True), OutcomeBody(outcome="churned", key="k", id="o")
    )
    found = outcomes(here)
    assert {row["id"] for row in found} == set(ids)
    assert "o" in ids
    assert {row["unit"] for row in found} == {"7", None}
    assert here.recorder.counters.values()["outcomes_total"] == 2


def test_the_same_said_twice_with_a_time_is_one(here: Bench) -> None:
    here.serve(snapshot())
    body = OutcomeBody(outcome="churned", unit="u", at="2026-01-01T00:00:00Z", value=1)
    assert report(here, body) == report(here, body)
    assert len(outcomes(here)) == 1
    plain = OutcomeBody(outcome="churned", unit="u", value=1)
    assert report(here, plain) != report(here, plain)


def test_undeclared_outcomes_are_refused_with_those_declared(here: Bench) -> None:
    here.serve(snapshot(outcomes=("churned", "bought")))
    here.serve(snapshot(deployment="other", outcomes=("clicked",)))
    with pytest.raises(BadInput, match="'sold' is not declared by any deployment; declared: bought, churned, clicked"):
        report(here, OutcomeBody(outcome="sold", unit="u"))
    with pytest.raises(BadInput, match="'clicked' is not declared by deployment 'churn'; declared: bought, churned"):
        report(here, OutcomeBody(outcome="clicked", unit="u", deployment="churn"))
    with pytest.raises(NotFound):
        report(here, OutcomeBody(outcome="clicked", unit="u", deployment="nobody"))
    assert outcomes(here) == []


def test_outcomes_are_held_to_the_declared_shape(here: Bench) -> None:
    shape = OutcomeShape(name="churned", label=True, kinds=("number",))
    here.serve(snapshot(outcome_shapes=(shape,)))
    good = OutcomeBody(outcome="churned", unit="u", value=7)
    with pytest.raises(BadInput, match="outcome 1: label 'churned': expected a number"):
        report(here, good, OutcomeBody(outcome="churned", unit="u", value=True))
    assert outcomes(here) == [], "all are kept, or none"
    report(here, good, OutcomeBody(outcome="churned", unit="u", value=None, id="o"))


def test_an_outcome_of_several_deployments_has_the_shape_of_one(here: Bench) -> None:
    bought = OutcomeShape(name="bought", fields=(OutcomeField("amount", "number"),))
    here.serve(snapshot(outcomes=("bought",), outcome_shapes=(bought,)))
    here.serve(snapshot(deployment="other", outcomes=("bought",), outcome_shapes=(OutcomeShape(name="bought"),)))
    report(here, OutcomeBody(outcome="bought", unit="u", fields={"amount": 1}))
    report(here, OutcomeBody(outcome="bought", unit="u", value=1))
    with pytest.raises(BadInput, match="has fields and no plain value"):
        report(here, OutcomeBody(outcome="bought", unit="u", value=1, deployment="churn"))
    with pytest.raises(BadInput, match="'amnt' is not a field of 'bought'; did you mean 'amount'"):
        report(here, OutcomeBody(outcome="bought", unit="u", fields={"amnt": 1}))


def test_a_snapshot_from_before_there_were_shapes_is_read(here: Bench) -> None:
    content = msgspec.to_builtins(snapshot())
    del content["outcome_shapes"]
    here.serve(msgspec.convert(content, Snapshot))
    report(here, OutcomeBody(outcome="churned", unit="u", fields={"anything": "goes"}))


def test_outcomes_are_refused_when_the_disk_does_not_take_them(here: Bench) -> None:
    here.serve(snapshot())
    here.recorder.outcomes.close()
    with pytest.raises(Unavailable):
        report(here, OutcomeBody(outcome="churned", unit="u"))


# The Open Inference way.


def infer(here: Bench, inputs: list[dict[str, Any]], version: str | None = None, **more: Any) -> Any:
    import msgspec

    body = read_infer(msgspec.json.encode({"inputs": inputs, **more}))
    return asyncio.run(here.gateway.infer("churn", body, version))


X = {"name": "X", "shape": [2, 3], "datatype": "FP32", "data": [40, 2000, 1, 50, None, 2]}


@pytest.mark.parametrize("engine", [quick, slow])
def test_infer(here: Bench, engine: Any) -> None:
    context = (ContextKey("land", "string", optional=True),)
    here.serve(snapshot({"challenger": 1.0}, context=context), challenger=engine(Scripted(0.75)))
    answer = infer(here, [X], id="i1", parameters={"unit": "u", "context.land": "FR", "foreign": 1, "request_id": "r"})
    assert (answer.model_name, answer.model_version, answer.id) == ("churn", "churn:2", "i1")
    assert answer.parameters == {
        "variant": "challenger",
        "reason": "split",
        "request_id": "r",
        "answered_by": "assigned",
    }
    assert [(t.name, t.shape, t.data) for t in answer.outputs] == [
        ("label", [2], [1, 1]),
        ("probabilities", [2, 2], [0.25, 0.75, 0.25, 0.75]),
    ]
    rows = here.rows()
    assert [(row["unit"], row["context.land"], row["feature.income"], row["feature.country"]) for row in rows] == [
        ("u", "FR", 2000.0, "FR"),
        ("u", "FR", None, "US"),
    ]


def test_infer_by_version_variant_and_fallback(here: Bench) -> None:
    here.serve(snapshot(fallback={"prediction": 0, "score": 0.5}), challenger=quick(broken()))
    assert infer(here, [X], "1").parameters["reason"] == "override"
    assert infer(here, [X], "churn:1").model_version == "churn:1"
    assert infer(here, [X], parameters={"variant": "champion"}).parameters["reason"] == "override"
    with pytest.raises(NotFound, match="serves no version '3'; it serves churn:1, churn:2"):
        infer(here, [X], "3")
    here.serve(
        snapshot(fallback={"prediction": 0, "score": 0.5}, revision=2),
        champion=quick(broken()),
        challenger=quick(broken()),
    )
    answer = infer(here, [X])
    assert (answer.model_version, [t.name for t in answer.outputs]) == (None, ["prediction", "score"])


EXPLAINING = msgspec.structs.replace(
    BINARY, outputs=(*BINARY.outputs, Tensor(name="shares", datatype="FP32", shape=(-1, 3)))
)
"""The challenger's: one output more than the default has."""


class Explaining(Scripted):
    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        return super().run(inputs) | {"shares": np.ones((len(inputs["X"]), 3), np.float32)}


def names(answer: Any) -> list[str]:
    return [tensor.name for tensor in answer.outputs]


@pytest.mark.parametrize("engine", [quick, slow])
def test_what_the_default_gives_may_be_asked_for_and_the_default_answers_where_a_variant_lacks_it(
    here: Bench, engine: Any
) -> None:
    slots = (slot("champion", 1, EXPLAINING), slot("challenger", 2))
    shares = [{"name": "shares"}, {"name": "label"}]
    model = Scripted(0.75)
    deployed = here.serve(
        snapshot({"challenger": 1.0}, slots=slots), champion=quick(Explaining()), challenger=engine(model)
    )
    answer = infer(here, [X], outputs=shares, parameters={"request_id": "r"})
    assert (answer.parameters["answered_by"], names(answer)) == ("default", ["label", "shares"])
    assert model.calls == 0
    assert (here.rows()[0]["variant"], here.rows()[0]["status"]) == ("challenger", "error")
    assert "'shares' is not one of label, probabilities" in here.rows()[0]["error"]
    assert infer(here, [X], outputs=shares[1:]).parameters["answered_by"] == "assigned"
    assert not deployed.variants["challenger"].breaker.blocked


@pytest.mark.parametrize("engine", [quick, slow])
def test_what_only_a_challenger_gives_is_for_those_who_name_it_and_nobody_gets_less(here: Bench, engine: Any) -> None:
    slots = (slot("champion", 1), slot("challenger", 2, EXPLAINING))
    model = Explaining(0.75)
    here.serve(snapshot({"challenger": 1.0}, slots=slots), challenger=engine(model))
    asked = {"outputs": [{"name": "shares"}]}
    with pytest.raises(BadInput, match="output 'shares' is not one of label, probabilities"):
        infer(here, [X], **asked)
    assert names(infer(here, [X], "2", **asked)) == ["shares"]
    assert names(infer(here, [X])) == ["label", "probabilities", "shares"]
    model.failure = RuntimeFailure("out of order")
    assert names(infer(here, [X])) == ["label", "probabilities"]
    assert infer(here, [X], "2", outputs=[{"name": "label"}]).parameters["answered_by"] == "default"
    with pytest.raises(
        Unavailable, match=r"'challenger' failed .* so did the default 'champion' .*'shares' is not one"
    ):
        infer(here, [X], "2", **asked)


def test_a_bare_number_of_two_models_is_ambiguous(here: Bench) -> None:
    here.serve(snapshot(slots=(slot("champion", 1), slot("challenger", 1, model="churn-trees"))))
    with pytest.raises(BadInput, match="version '1' of 'churn' is one of churn-trees:1, churn:1; say which"):
        infer(here, [X], "1")
    assert infer(here, [X], "churn-trees:1").parameters["variant"] == "challenger"
    assert infer(here, [X], "challenger").model_version == "churn-trees:1"
    assert {row["reason"] for row in here.rows()} == {"override"}


def test_context_is_flat_and_what_is_not_declared_is_refused(here: Bench) -> None:
    here.serve(snapshot(context=(ContextKey("land", "string", optional=True),)))
    with pytest.raises(BadInput, match="context key 'sea' is not declared"):
        infer(here, [X], parameters={"context.sea": "x"})
    assert infer(here, [X], parameters={"land": 3, "priority": 1, "sequence_id": "x"}).model_name == "churn"


def test_infer_refuses_before_anything_is_booked(here: Bench) -> None:
    here.serve(snapshot())
    with pytest.raises(BadInput, match="'nothing' is not one of"):
        infer(here, [X], outputs=[{"name": "nothing"}])
    with pytest.raises(BadInput, match="expected a string, got 3"):
        infer(here, [X], parameters={"variant": 3})
    assert here.rows() == []


def test_the_rows_of_every_input_are_bounded(here: Bench) -> None:
    here.serve(snapshot())
    empty = {"name": "Y", "shape": [2**31 - 1, 0], "datatype": "FP32", "data": []}
    with pytest.raises(TooLarge, match="2147483647 rows in one request; the limit is 10000"):
        infer(here, [X, empty])


def test_metadata(here: Bench) -> None:
    here.serve(snapshot())
    found = here.gateway.model_metadata("churn")
    assert (found["name"], found["versions"], found["platform"]) == ("churn", ["churn:1", "churn:2"], "seatrial")
    assert found["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 3]}]
    with pytest.raises(NotFound):
        here.gateway.model_metadata("churn", "9")


# The books.


def test_the_books_balance_and_the_metrics_say_so(here: Bench) -> None:
    here.serve(snapshot(HALF, shadows=FULL), challenger=quick(broken()))
    for i in range(20):
        ask(here, unit=f"u{i}")
    wait_for(lambda: here.gateway.deployments["churn"].idle, what="an idle lane")
    here.recorder.rows.flush()
    check = here.gateway.selfcheck()
    assert check["balanced"]
    assert check["in_flight"] == 0
    assert check["served"] == check["logged"] == len(here.rows())
    text = here.gateway.metrics()
    assert (
        'seatrial_requests_total{deployment="churn",variant="champion",reason="split",answered_by="assigned",status="ok"}'
        in text
    )
    counts = [int(line.split()[-1]) for line in text.splitlines() if line.startswith("seatrial_requests_total{")]
    assert sum(counts) == 20
    assert (
        'seatrial_request_latency_seconds_bucket{deployment="churn",variant="champion",reason="split",le="+Inf"}'
        in text
    )


def test_rows_that_do_not_fit_the_memory_are_dropped_and_counted(here: Bench) -> None:
    here.serve(snapshot())
    here.recorder.rows.byte_limit = 0
    for _ in range(5):
        assert ask(here)["answered_by"] == "assigned"
    check = here.gateway.selfcheck()
    assert (check["served"], check["logged"], check["dropped"], check["balanced"]) == (5, 0, {"buffer": 5}, True)
