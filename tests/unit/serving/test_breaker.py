"""The breaker as a state machine, then in the gateway: who answers, what the row says, what is counted."""

import asyncio
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.ledger.counters import CounterFile, series
from seatrial.models.remote import LateAnswer
from seatrial.models.runtimes import OnnxRuntime, RuntimeFailure
from seatrial.routing.snapshot import BreakerPolicy, LogPolicy, Shadow
from seatrial.serving.breaker import Breaker
from seatrial.spec.errors import BadInput, Unavailable
from seatrial.spec.read import load_deployment
from tests.gateways import GOOD, Bench, Scripted, bench, broken, logistic, quick, slot, slow, snapshot

S = 1_000_000_000
POLICY = BreakerPolicy(window=10, minimum_calls=4, failures=0.5, open_for=5, probes=2)


class Turns(list[str]):
    """What a breaker told."""

    def __call__(self, turn: str) -> None:
        self.append(turn)


def opened(at: int = 0, **policy: Any) -> tuple[Breaker, Turns]:
    turns = Turns()
    breaker = Breaker(msgspec.structs.replace(POLICY, **policy), turns)
    for _ in range(4):
        breaker.failed(at, 0)
    assert breaker.state == "open"
    assert turns == ["opened"]
    return breaker, turns


@pytest.mark.parametrize(
    ("failures", "answered", "state"),
    [(3, 0, "closed"), (4, 0, "open"), (3, 1, "open"), (3, 4, "closed"), (4, 4, "open"), (40, 41, "closed")],
)
def test_enough_calls_and_enough_of_them_failed(failures: int, answered: int, state: str) -> None:
    """``answered`` calls between the first failure and the last; so many failures of all is the oracle."""
    breaker = Breaker(POLICY)
    breaker.failed(0, 1000)
    for _ in range(failures - 2):
        breaker.failed(0, 1000 + answered)
    if breaker.state == "closed":
        breaker.failed(S, 1000 + answered)
    assert breaker.state == state
    assert breaker.blocked is (state == "open")


def fail(breaker: Breaker, *inputs: str, answered: int = 0) -> str:
    for one in inputs:
        breaker.failed(0, answered, inputs=one.encode())
    return breaker.state


def test_the_same_inputs_again_are_no_news_while_others_are_answered() -> None:
    breaker = Breaker(POLICY)
    breaker.failed(0, 0, inputs=b"a")
    assert fail(breaker, *"aaaabbbb" * 50, answered=1) == "closed"
    assert fail(breaker, "c", answered=1) == "open", "three of four"


def test_where_nobody_is_answered_repeated_failures_count_once_enough_inputs_have_failed() -> None:
    policy = msgspec.structs.replace(POLICY, minimum_calls=20)
    breaker = Breaker(policy)
    assert fail(breaker, *"abcd" * 100) == "closed", "one client with four rows"
    breaker = Breaker(policy)
    assert fail(breaker, *"abcde" * 3, *"abcd") == "closed"
    assert fail(breaker, "e") == "open", "five inputs, twenty calls, no answer"
    breaker = Breaker(policy)
    assert fail(breaker, *"abcde" * 4, answered=1) == "open", "the window began with the first failure"
    breaker = Breaker(policy)
    breaker.failed(0, 0, inputs=b"a")
    assert fail(breaker, *"abcde" * 40, answered=1) == "closed", "one was answered since"


def test_what_failed_in_a_window_that_passed_is_news_again() -> None:
    breaker = Breaker(POLICY)
    assert fail(breaker, *"aaa") == "closed"
    for number, one in enumerate(b"abcd"):
        assert breaker.state == "closed", number
        breaker.failed(10 * S + 1, 0, inputs=bytes([one]))
    assert breaker.state == "open"


def test_inputs_that_are_many_are_all_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.serving.breaker._REMEMBERED", 3)
    assert fail(Breaker(POLICY), *"abc" * 9, answered=1) == "closed"
    assert fail(Breaker(POLICY), *"abcd") == "open"


def test_a_probe_that_fails_at_what_failed_before_says_nothing() -> None:
    breaker = Breaker(POLICY)
    assert fail(breaker, *"abcd") == "open"
    assert breaker.admits(5 * S)
    breaker.failed(5 * S, 0, probe=True, inputs=b"a")
    assert breaker.state == "half-open"
    for _ in range(POLICY.probes):
        assert breaker.admits(5 * S)
        breaker.passed()
    assert breaker.state == "closed"
    assert fail(breaker, *"abcd") == "open", "it begins anew"
    assert breaker.admits(5 * S)
    breaker.failed(5 * S, 0, probe=True, inputs=b"e")
    assert breaker.state == "open"


def test_failures_that_lie_apart_open_nothing() -> None:
    breaker = Breaker(POLICY)
    for second in range(0, 1000, 4):
        breaker.failed(second * S, second * 100)
    assert not breaker.blocked


def test_a_window_that_passed_is_forgotten() -> None:
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.failed(0, 0)
    for _ in range(3):
        breaker.failed(11 * S, 0)
    assert not breaker.blocked
    breaker.failed(12 * S, 0)
    assert breaker.blocked


def test_it_lets_a_few_try_and_closes_when_all_are_answered() -> None:
    breaker, turns = opened()
    assert not breaker.admits(5 * S - 1)
    assert [breaker.admits(5 * S) for _ in range(3)] == [True, True, False]
    assert breaker.state == "half-open"
    breaker.passed()
    assert breaker.blocked
    breaker.passed()
    assert (breaker.state, breaker.blocked, turns) == ("closed", False, ["opened", "closed"])


def test_one_probe_that_fails_opens_it_again_for_the_whole_time() -> None:
    breaker, turns = opened()
    assert breaker.admits(5 * S)
    assert breaker.admits(5 * S)
    breaker.failed(6 * S, 0, probe=True)
    breaker.passed()  # the other one; too late
    assert breaker.state == "open"
    assert not breaker.admits(11 * S - 1)
    assert breaker.admits(11 * S)
    assert turns == ["opened"]


def test_a_probe_that_says_nothing_gives_its_place_back_and_a_lost_one_is_forgotten() -> None:
    breaker, _ = opened(probes=1)
    assert breaker.admits(5 * S)
    breaker.withdrawn()
    assert breaker.admits(6 * S)
    assert not breaker.admits(10 * S)
    assert breaker.admits(11 * S)


def test_calls_that_began_before_it_opened_change_nothing() -> None:
    breaker, _ = opened()
    breaker.failed(2 * S, 0)
    assert breaker.admits(5 * S)
    breaker.failed(5 * S, 0)
    assert breaker.state == "half-open"


def test_off_is_never() -> None:
    breaker = Breaker(None)
    for _ in range(1000):
        breaker.failed(0, 0)
    assert not breaker.blocked


@pytest.mark.parametrize("policy", [POLICY, None])
def test_a_lock_is_for_good_and_closes_when_lifted(policy: BreakerPolicy | None) -> None:
    turns = Turns()
    breaker = Breaker(policy, turns)
    breaker.lock("quarantined")
    breaker.lock("quarantined")
    assert breaker.blocked
    assert not breaker.admits(10**6 * S)
    assert breaker.retry_after(0) == 60
    breaker.unlock()
    assert (breaker.blocked, turns) == (False, ["opened", "closed"])


def test_a_probe_that_passes_does_not_unlock_what_was_quarantined_meanwhile() -> None:
    breaker = Breaker(BreakerPolicy(minimum_calls=1, open_for=1.0, probes=1))
    breaker.failed(0, 0)
    assert breaker.admits(2 * 10**9)
    breaker.lock("it crashed")
    breaker.passed()
    assert breaker.blocked
    breaker.unlock()
    assert not breaker.blocked


def test_another_revision_goes_on_from_where_it_is() -> None:
    old, turns = opened()
    new = Breaker(POLICY, turns)
    new.adopt(old)
    assert new.blocked
    old.retire()
    assert turns == ["opened"]
    assert new.admits(5 * S)
    assert new.admits(5 * S)
    new.passed()
    new.passed()
    assert turns == ["opened", "closed"]


steps = st.lists(
    st.tuples(st.sampled_from(["fail", "answer", "probe-fail", "probe-pass", "probe-lost", "lock", "unlock"]),
              st.integers(0, 7 * S)),
    max_size=60,
)  # fmt: skip


@given(steps)
def test_whatever_happens_it_is_told_in_turns_and_never_stuck(taken: list[tuple[str, int]]) -> None:
    turns = Turns()
    breaker, now, answered = Breaker(POLICY, turns), 0, 0
    for step, later in taken:
        now += later
        if step == "lock":
            breaker.lock("quarantined")
        elif step == "unlock":
            breaker.unlock()
        elif step == "answer" and not breaker.blocked:
            answered += 1
        elif step == "fail":
            breaker.failed(now, answered)
        elif step.startswith("probe") and breaker.blocked and breaker.admits(now):
            assert not breaker.locked
            if step == "probe-fail":
                breaker.failed(now, answered, probe=True)
            elif step == "probe-pass":
                breaker.passed()
        assert turns == ["opened", "closed"] * (len(turns) // 2) + ["opened"] * (len(turns) % 2)
        assert breaker.blocked is (len(turns) % 2 == 1)
        assert breaker.blocked is (bool(breaker.locked) or breaker.state != "closed")
    breaker.unlock()
    for _ in range(POLICY.probes):  # whatever it was, a version that answers is back in time
        now += 6 * S
        if breaker.blocked:
            assert breaker.admits(now)
            breaker.passed()
    assert not breaker.blocked


# In the gateway.


class Ticks:
    """Monotonic nanoseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def here(tmp_path: Path, ticks: Ticks) -> Iterator[Bench]:
    with bench(tmp_path, ticks=ticks) as found:
        yield found


SLOTS = (slot("champion", 1, breaker=POLICY), slot("challenger", 2, breaker=POLICY))


AGES = count(18)


def ask(here: Bench, features: Any = None, **more: Any) -> dict[str, Any]:
    """Ask for a row that nobody has asked for, or for ``features``."""
    return asyncio.run(here.gateway.predict("churn", features or {**GOOD, "age": next(AGES)}, **more))


def counted(here: Bench, name: str) -> int:
    text = series(name, deployment="churn", variant="challenger")
    return here.recorder.counters.values().get(text, 0)


@pytest.mark.parametrize("engine", [quick, slow])
def test_a_variant_that_keeps_failing_is_asked_no_more_and_then_tried(here: Bench, ticks: Ticks, engine: Any) -> None:
    model = broken()
    here.serve(snapshot({"challenger": 1.0}, slots=SLOTS), challenger=engine(model), champion=engine(Scripted(0.25)))
    answers = [ask(here) for _ in range(10)]
    assert [answer["answered_by"] for answer in answers] == ["default"] * 10
    assert model.calls == 4
    rows = here.rows()
    assert {row["variant"] for row in rows} == {"challenger"}
    assert sorted(row["status"] for row in rows) == ["breaker"] * 6 + ["error"] * 4
    assert {row["answered"] for row in rows} == {"champion"}
    assert (counted(here, "breakers_open"), counted(here, "breaker_opened_total")) == (1, 1)
    model.failure = None
    ticks.now += 5 * S
    assert [ask(here)["answered_by"] for _ in range(3)] == ["assigned"] * 3
    assert (counted(here, "breakers_open"), counted(here, "breaker_opened_total")) == (0, 1)
    assert "# TYPE seatrial_breakers_open gauge" in here.gateway.metrics()


def test_the_defaults_own_breaker_leaves_it_to_the_fallback(here: Bench) -> None:
    model = broken()
    here.serve(snapshot(slots=SLOTS, fallback={"prediction": 0}), champion=quick(model))
    assert {ask(here)["answered_by"] for _ in range(10)} == {"fallback"}
    assert model.calls == 4


def test_without_a_fallback_it_says_when_to_come_back(here: Bench) -> None:
    here.serve(snapshot(slots=SLOTS), champion=quick(broken()))
    for _ in range(5):
        with pytest.raises(Unavailable) as caught:
            ask(here)
    assert "kept failing" in str(caught.value)
    assert caught.value.retry_after == 6


def test_answers_count_however_they_were_given(here: Bench) -> None:
    """Three answers as itself and three for another: the sixth failure is half of the calls, the fifth is not."""
    model = Scripted()
    here.serve(
        snapshot({"champion": 0.5, "challenger": 0.5}, slots=SLOTS), champion=quick(model), challenger=quick(broken())
    )
    model.failure = RuntimeFailure("once")
    with pytest.raises(Unavailable):
        ask(here, variant="champion")
    model.failure = None
    for _ in range(3):
        ask(here, variant="challenger")
        ask(here, variant="champion")
    model.failure = RuntimeFailure("again")
    for _ in range(4):
        with pytest.raises(Unavailable):
            ask(here, variant="champion")
    breaker = here.gateway.find("churn").default.breaker
    assert not breaker.blocked
    with pytest.raises(Unavailable):
        ask(here, variant="champion")
    assert breaker.blocked


def test_what_says_nothing_about_a_version_opens_nothing(here: Bench) -> None:
    """Rows that do not fit, full queues, callers who would not wait."""
    here.serve(snapshot({"challenger": 1.0}, slots=SLOTS), challenger=quick(Scripted()), champion=quick(Scripted()))
    for _ in range(20):
        with pytest.raises(BadInput, match="age"):
            asyncio.run(here.gateway.predict("churn", {**GOOD, "age": "old"}))
    assert ask(here)["answered_by"] == "assigned"
    full = slow(Scripted(), threads=0, waiting=0)
    here.serve(snapshot({"challenger": 1.0}, slots=SLOTS, revision=2), challenger=full, champion=quick(Scripted()))
    for _ in range(20):
        ask(here)
    assert {row["status"] for row in here.rows()} == {"ok", "shed"}


class Picky(Scripted):
    """Raises where somebody is younger than 18."""

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        if (inputs["X"][:, 0] < 18).any():
            self.calls += 1
            raise RuntimeFailure("a minor")
        return super().run(inputs)


@pytest.mark.parametrize("engine", [quick, slow])
def test_a_client_whose_rows_the_default_fails_at_takes_it_away_from_nobody(here: Bench, engine: Any) -> None:
    """Three rows, 120 times, in one window, and five calls of others: counted as 125 calls, 96 % of them failed."""
    here.serve(snapshot(slots=(slot("champion", 1, breaker=BreakerPolicy()),)), champion=engine(Picky()))
    for _ in range(5):
        for age in (1, 2, 3) * 8:
            with pytest.raises(Unavailable, match="a minor"):
                ask(here, {**GOOD, "age": age})
        assert ask(here)["answered_by"] == "assigned"
    assert not here.gateway.find("churn").default.breaker.blocked


def test_a_broken_version_of_few_inputs_is_left_alone(here: Bench) -> None:
    slots = (SLOTS[0], slot("challenger", 2, breaker=BreakerPolicy()))
    model = broken()
    here.serve(snapshot({"challenger": 1.0}, slots=slots), challenger=quick(model))
    for age in list(range(20, 25)) * 10:
        assert ask(here, {**GOOD, "age": age})["answered_by"] == "default"
    assert model.calls == 20


def test_timeouts_count_whatever_the_inputs(here: Bench) -> None:
    model = Scripted()
    model.failure = LateAnswer("no answer in time")
    here.serve(snapshot({"challenger": 1.0}, slots=SLOTS), challenger=quick(model))
    for _ in range(6):
        assert ask(here, GOOD)["answered_by"] == "default"
    assert sorted(row["status"] for row in here.rows()) == ["breaker"] * 2 + ["timeout"] * 4


def test_time_in_the_queue_is_not_the_versions(tmp_path: Path) -> None:
    """One thread, a call that hangs, and four that never come to it: one failure, not five."""
    with bench(tmp_path) as here:
        model = Scripted()
        model.hang()
        slots = (SLOTS[0], slot("challenger", 2, breaker=POLICY, timeout=0.2, batch=None))
        here.serve(snapshot({"challenger": 1.0}, slots=slots), challenger=slow(model, threads=1))

        async def run() -> list[dict[str, Any]]:
            return await asyncio.gather(*(here.gateway.predict("churn", GOOD) for _ in range(5)))

        assert {answer["answered_by"] for answer in asyncio.run(run())} == {"default"}
        model.release()
        assert sorted(row["status"] for row in here.rows()) == ["timeout"] * 5
        assert not here.gateway.find("churn").variants["challenger"].breaker.blocked


def test_a_swap_of_weights_forgets_nothing_and_a_new_version_begins_closed(here: Bench) -> None:
    here.serve(snapshot({"challenger": 1.0}, slots=SLOTS), challenger=quick(broken()))
    for _ in range(4):
        ask(here)
    model = Scripted()
    here.serve(snapshot({"champion": 0.5, "challenger": 0.5}, slots=SLOTS, revision=2), challenger=quick(model))
    assert ask(here, variant="challenger")["answered_by"] == "default"
    assert (model.calls, counted(here, "breakers_open")) == (0, 1)
    other = (SLOTS[0], slot("challenger", 3, breaker=POLICY))
    here.serve(snapshot({"challenger": 1.0}, slots=other, revision=3), challenger=quick(model))
    assert ask(here)["answered_by"] == "assigned"
    assert counted(here, "breakers_open") == 0
    here.gateway.remove("churn")


def test_a_worker_that_died_has_no_breaker_open(tmp_path: Path) -> None:
    name = series("breakers_open", deployment="churn", variant="challenger")
    file = CounterFile.create(tmp_path / "w0.counters")
    file.add(file.slot(name), 1)
    file.close()
    assert CounterFile.create(tmp_path / "w0.counters").values()[name] == 0


def test_shadows_neither_open_a_breaker_nor_heed_one(here: Bench) -> None:
    deployed = here.serve(
        snapshot(slots=SLOTS, shadows=(Shadow(variant="challenger", share=1.0, salt="s"),)), challenger=quick(broken())
    )

    async def run() -> None:
        for _ in range(20):
            await here.gateway.predict("churn", GOOD)
        await asyncio.sleep(0)
        await here.gateway.drain(10)

    asyncio.run(run())
    assert not deployed.variants["challenger"].breaker.blocked


def test_the_quick_way_heeds_it(tmp_path: Path) -> None:
    model, signature = logistic(4)
    names = tuple(feature.name for feature in signature.features)
    with bench(tmp_path, ticks=lambda: 0) as here:
        engine = quick(OnnxRuntime(model, ("label", "probabilities")), ticks=lambda: 0, processor_ticks=lambda: 0)
        here.serve(
            snapshot(slots=(slot("champion", 1, signature),), log=LogPolicy(features=names)),
            champion=engine,
        )
        body = msgspec.json.encode({"unit": "u", "features": dict.fromkeys(names, 0.5)})
        assert here.gateway.answer_plain("churn", body) is not None
        here.gateway.find("churn").default.breaker.lock("quarantined")
        assert here.gateway.answer_plain("churn", body) is None


def test_the_file_says_it_and_on_is_the_default() -> None:
    text = "deployment: churn\nvariants:\n  champion: {{model: models:/churn/1{}}}\n"
    assert load_deployment(text.format("")).variants["champion"].breaker is not None
    assert load_deployment(text.format(", breaker: off")).variants["champion"].breaker is None
    said = load_deployment(text.format(", breaker: {failures: 20%, open_for: 30s}")).variants["champion"].breaker
    assert said is not None
    assert (said.failures, said.open_for, said.window, said.minimum_calls, said.probes) == (0.2, 30.0, 10.0, 20, 3)
