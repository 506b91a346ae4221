"""The prediction cache: what is kept, for how long, in how much memory; and what its answers leave behind."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.protocol.inference import read_infer
from seatrial.routing.snapshot import BreakerPolicy, Cache, Shadow, Slot
from seatrial.serving.caching import CacheCounts, PredictionCache
from seatrial.serving.recording import Recorder
from tests.gateways import CLOCK, GOOD, Bench, Scripted, bench, broken, quick, slot, slow, snapshot
from tests.waiting import wait_for

SECOND = 1_000_000_000


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def here(tmp_path: Path, clock: Clock) -> Iterator[Bench]:
    with bench(tmp_path, ticks=clock) as found:
        yield found


def kept(variant: str = "champion", version: int = 1, ttl: float = 60.0, size: int = 1 << 20, **more: Any) -> Slot:
    return slot(variant, version, cache=Cache(bytes=size, ttl=ttl), timeout=60.0, **more)


def ask(here: Bench, features: Any = GOOD, **more: Any) -> dict[str, Any]:
    return asyncio.run(here.gateway.predict("churn", features, **more))


def counted(here: Bench, name: str, **labels: str) -> int:
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    values = here.recorder.counters.values()
    return sum(n for text, n in values.items() if text.startswith(name) and all(label in text for label in wanted))


@pytest.mark.parametrize("engine", [quick, slow])
def test_the_same_inputs_are_computed_once_and_each_request_has_its_own_id_and_row(here: Bench, engine: Any) -> None:
    model = Scripted(0.75)
    here.serve(snapshot(slots=(kept(),)), champion=engine(model))
    first, second = ask(here, unit="a"), ask(here, unit="b")
    assert model.calls == 1
    assert (first["answered_by"], second["answered_by"]) == ("assigned", "cache")
    assert first["request_id"] != second["request_id"]
    same = ("variant", "model_version", "reason", "prediction", "score")
    assert (
        [first[name] for name in same] == [second[name] for name in same] == ["champion", "churn:1", "split", 1, 0.75]
    )
    rows = {row["unit"]: row for row in here.rows()}
    assert {unit: row["answered_by"] for unit, row in rows.items()} == {"a": "assigned", "b": "cache"}
    for row in rows.values():
        assert (row["status"], row["answered"], row["version"]) == ("ok", "champion", "churn:1")
        assert (row["prediction.label"], row["prediction.score"], row["feature.age"]) == (1, 0.75, 40.0)
    assert [counted(here, "cache_total", result=result) for result in ("hit", "miss", "shared")] == [1, 1, 0]
    assert counted(here, "requests_total", answered_by="cache", status="ok") == 1
    assert here.gateway.selfcheck()["served"] == 2


def test_other_inputs_other_rows_and_a_variant_without_a_cache_are_computed(here: Bench) -> None:
    champion, challenger = Scripted(), Scripted()
    here.serve(snapshot(slots=(kept(), slot("challenger", 2))), champion=quick(champion), challenger=quick(challenger))
    for features in (GOOD, {**GOOD, "age": 41.0}, {**GOOD, "income": None}, {**GOOD, "country": "US"}):
        assert ask(here, features)["answered_by"] == "assigned"
    instances = [{"features": GOOD}, {"features": GOOD}]
    for by in ("assigned", "cache"):
        assert asyncio.run(here.gateway.predict("churn", instances=instances))["answered_by"] == by
    assert champion.calls == 5
    for _ in range(2):
        assert ask(here, variant="challenger")["answered_by"] == "assigned"
    assert challenger.calls == 2


def test_features_that_the_model_does_not_see_do_not_matter_and_are_logged_as_they_came(here: Bench) -> None:
    here.serve(snapshot(slots=(kept(),)), champion=quick(Scripted()))
    ask(here, {**GOOD, "other": 1})
    assert ask(here, {**GOOD, "age": 40})["answered_by"] == "cache"
    assert counted(here, "extra_features_total") == 1


def test_requests_of_more_than_64_rows_are_computed(here: Bench) -> None:
    model = Scripted()
    here.serve(snapshot(slots=(kept(),)), champion=slow(model))
    many = [{"features": GOOD}] * 65
    for _ in range(2):
        assert asyncio.run(here.gateway.predict("churn", instances=many))["answered_by"] == "assigned"
    assert model.calls == 2


def test_an_answer_is_given_until_its_time_is_over(here: Bench, clock: Clock) -> None:
    model = Scripted()
    here.serve(snapshot(slots=(kept(ttl=60.0),)), champion=quick(model))
    ask(here)
    clock.now = 60 * SECOND - 1
    assert ask(here)["answered_by"] == "cache"
    clock.now = 60 * SECOND
    assert ask(here)["answered_by"] == "assigned"
    assert model.calls == 2


@pytest.mark.parametrize("engine", [quick, slow])
def test_failures_and_fallbacks_are_never_kept(here: Bench, engine: Any) -> None:
    model = broken()
    here.serve(snapshot(slots=(kept(),), fallback={"prediction": 0}), champion=engine(model))
    assert [ask(here)["answered_by"] for _ in range(2)] == ["fallback", "fallback"]
    model.failure = None
    assert [ask(here)["answered_by"] for _ in range(2)] == ["assigned", "cache"]
    assert model.calls == 3


def test_an_answer_of_the_default_variant_stays_a_failure_of_the_assigned_one(here: Bench) -> None:
    default = Scripted(0.25)
    slots = (kept("champion"), kept("challenger", 2))
    here.serve(snapshot({"challenger": 1.0}, slots=slots), champion=quick(default), challenger=quick(broken()))
    answers = [ask(here) for _ in range(3)]
    assert {(answer["answered_by"], answer["score"], answer["variant"]) for answer in answers} == {
        ("default", 0.25, "challenger")
    }
    assert default.calls == 1
    assert {row["status"] for row in here.rows()} == {"error"}
    assert counted(here, "cache_total", variant="champion", result="hit") == 2


def test_inferences_and_predictions_share_answers_whatever_outputs_are_asked_for(here: Bench) -> None:
    model = Scripted(0.75)
    here.serve(snapshot(slots=(kept(),)), champion=quick(model))
    ask(here)

    def infer(**more: Any) -> Any:
        tensor = {"name": "X", "shape": [1, 3], "datatype": "FP32", "data": [40.0, 2000.0, 1.0]}
        return asyncio.run(here.gateway.infer("churn", read_infer(msgspec.json.encode({"inputs": [tensor], **more}))))

    whole, part = infer(), infer(outputs=[{"name": "label"}])
    assert whole.parameters["answered_by"] == part.parameters["answered_by"] == "cache"
    assert (whole.model_version, model.calls) == ("churn:1", 1)
    assert [output.name for output in whole.outputs] == ["label", "probabilities"]
    assert [(output.name, list(output.data)) for output in part.outputs] == [("label", [1])]


def test_a_shadow_computes(here: Bench) -> None:
    shadow = Scripted()
    shadows = (Shadow(variant="challenger", share=1.0, salt="s"),)
    deployed = here.serve(
        snapshot(slots=(kept(), kept("challenger", 2, batch=None)), shadows=shadows),
        champion=quick(Scripted()),
        challenger=quick(shadow),
    )

    async def run() -> None:
        for _ in range(3):
            await here.gateway.predict("churn", GOOD)
        await asyncio.sleep(0)

    asyncio.run(run())
    wait_for(lambda: deployed.idle, what="an idle lane")
    assert shadow.calls == 3


def test_equal_requests_at_one_moment_are_computed_once(here: Bench) -> None:
    model = Scripted()
    model.hang()
    here.serve(snapshot(slots=(kept(batch=None),)), champion=slow(model))

    async def run() -> list[dict[str, Any]]:
        asked = [asyncio.create_task(here.gateway.predict("churn", GOOD)) for _ in range(10)]
        asked.append(asyncio.create_task(here.gateway.predict("churn", {**GOOD, "age": 1.0})))
        while model.calls < 1:
            await asyncio.sleep(0)
        model.release()
        return await asyncio.gather(*asked)

    answers = asyncio.run(run())
    assert [answer["answered_by"] for answer in answers] == ["assigned", *["cache"] * 9, "assigned"]
    assert model.calls == 2
    assert [counted(here, "cache_total", result=result) for result in ("hit", "miss", "shared")] == [0, 2, 9]
    assert ask(here)["answered_by"] == "cache"


def test_a_shared_failure_is_everybodys(here: Bench) -> None:
    model = broken()
    model.hang()
    here.serve(snapshot(slots=(kept(),), fallback={"prediction": 0}), champion=slow(model))

    async def run() -> list[dict[str, Any]]:
        asked = [asyncio.create_task(here.gateway.predict("churn", GOOD)) for _ in range(3)]
        while model.calls < 1:
            await asyncio.sleep(0)
        model.release()
        return await asyncio.gather(*asked)

    assert {answer["answered_by"] for answer in asyncio.run(run())} == {"fallback"}
    assert model.calls == 1
    assert {(row["status"], row["error"]) for row in here.rows()} == {("error", "out of order")}


def test_a_shared_failure_is_one_failure_for_the_breaker(here: Bench) -> None:
    model = broken()
    model.hang()
    policy = BreakerPolicy(failures=0.5, minimum_calls=2)
    here.serve(snapshot(slots=(kept(breaker=policy),), fallback={"prediction": 0}), champion=slow(model))

    async def run() -> None:
        asked = [asyncio.create_task(here.gateway.predict("churn", GOOD)) for _ in range(5)]
        while model.calls < 1:
            await asyncio.sleep(0)
        model.release()
        await asyncio.gather(*asked)

    asyncio.run(run())
    breaker = here.gateway.find("churn").default.breaker
    assert breaker.state == "closed"
    ask(here, {**GOOD, "age": 41.0})
    assert breaker.state == "open"


def test_a_version_in_quarantine_does_not_answer_from_its_cache(here: Bench) -> None:
    here.serve(snapshot(slots=(kept(),), fallback={"prediction": 0}), champion=quick(Scripted()))
    assert [ask(here)["answered_by"] for _ in range(2)] == ["assigned", "cache"]
    breaker = here.gateway.find("churn").default.breaker
    breaker.lock("it is in quarantine")
    assert ask(here)["answered_by"] == "fallback"
    breaker.unlock()
    assert ask(here)["answered_by"] == "cache"


def test_who_started_a_shared_computation_may_leave_and_the_last_takes_it_back(here: Bench) -> None:
    model = Scripted()
    model.hang()
    engine = slow(model, threads=1)
    here.serve(snapshot(slots=(kept(),)), champion=engine)

    async def run() -> None:
        busy = asyncio.create_task(here.gateway.predict("churn", {**GOOD, "age": 1.0}))
        while model.calls < 1:
            await asyncio.sleep(0)
        first, second = (asyncio.create_task(here.gateway.predict("churn", GOOD)) for _ in range(2))
        left, also = (asyncio.create_task(here.gateway.predict("churn", {**GOOD, "age": 2.0})) for _ in range(2))
        while engine.held < 3 or counted(here, "cache_total", result="shared") < 2:
            await asyncio.sleep(0)
        for task in (first, left, also):
            task.cancel()
        await asyncio.gather(first, left, also, return_exceptions=True)
        model.release()
        await busy
        assert (await second)["answered_by"] == "cache"

    asyncio.run(run())
    wait_for(lambda: engine.held == 0, what="an empty queue")
    assert model.calls == 2
    assert not here.gateway.find("churn").default.cache.flights  # type: ignore[union-attr]


def test_the_answers_survive_a_swap_that_keeps_the_model_and_no_other(here: Bench) -> None:
    model = Scripted(0.25)
    engine = quick(model)
    here.serve(snapshot(slots=(kept(),)), champion=engine)
    ask(here)
    here.serve(snapshot(slots=(kept(ttl=5.0),), revision=2), champion=engine)
    assert ask(here)["answered_by"] == "cache"
    held = counted(here, "cache_bytes")
    assert held > 0
    here.serve(snapshot(slots=(kept(version=2),), revision=3), champion=quick(Scripted(0.75)))
    assert counted(here, "cache_bytes") == 0
    assert (ask(here)["answered_by"], ask(here)["score"]) == ("assigned", 0.75)
    here.gateway.remove("churn")
    assert counted(here, "cache_bytes") == 0


def test_a_version_that_is_promoted_takes_its_answers_along_and_back(here: Bench) -> None:
    old, new = Scripted(0.25), Scripted(0.75)
    one, two = quick(old), quick(new)
    slots = (kept(), kept("challenger", 2, size=1 << 18))

    def ask_both(**asked: str) -> list[tuple[str, float]]:
        found = [ask(here, variant=variant) for variant in asked.values()]
        return [(answer["answered_by"], answer["score"]) for answer in found]

    here.serve(snapshot(slots=slots), champion=one, challenger=two)
    assert ask_both(a="champion", b="challenger") == [("assigned", 0.25), ("assigned", 0.75)]
    held = counted(here, "cache_bytes", variant="challenger")
    assert held > 0
    promoted = (kept("champion", 2), kept("previous", 1))
    here.serve(snapshot(slots=promoted, revision=2), champion=two, previous=one)
    assert ask_both(a="champion", b="previous") == [("cache", 0.75), ("cache", 0.25)]
    sizes = [counted(here, "cache_bytes", variant=name) for name in ("champion", "previous", "challenger")]
    assert sizes == [held, held, 0]
    assert counted(here, "cache_total", result="hit", variant="champion") == 1
    here.serve(snapshot(slots=(kept(),), revision=3), champion=one)
    assert ask_both(a="champion") == [("cache", 0.25)]
    assert (old.calls, new.calls) == (1, 1)
    assert counted(here, "cache_bytes") == held


def test_two_variants_of_one_version_keep_their_own_answers_and_none_is_given_twice(here: Bench) -> None:
    model = Scripted()
    one = quick(model)
    here.serve(snapshot(slots=(kept(),)), champion=one)
    ask(here)
    here.serve(snapshot(slots=(kept(), kept("challenger")), revision=2), champion=one, challenger=one)
    assert [ask(here, variant=name)["answered_by"] for name in ("champion", "challenger")] == ["cache", "assigned"]
    caches = [here.gateway.find("churn").variants[name].cache for name in ("champion", "challenger")]
    assert caches[0] is not caches[1]


def test_what_an_earlier_process_held_is_not_held_now(tmp_path: Path, clock: Clock) -> None:
    for _ in range(2):
        with bench(tmp_path, ticks=clock) as here:
            here.serve(snapshot(slots=(kept(),)), champion=quick(Scripted()))
            assert counted(here, "cache_bytes") == 0
            ask(here)
            assert counted(here, "cache_bytes") > 0
            assert "# TYPE seatrial_cache_bytes gauge" in here.gateway.metrics()


def test_a_caller_cannot_change_what_is_kept(here: Bench) -> None:
    here.serve(snapshot(slots=(kept(),)), champion=quick(Scripted(0.75)))
    instances = [{"features": GOOD}]
    for _ in range(3):
        answer = asyncio.run(here.gateway.predict("churn", instances=instances))
        assert answer["predictions"] == [{"prediction": 1, "score": 0.75}]
        answer["predictions"][0]["score"] = 9.0


# The store by itself.


class Model:
    """What the cache ought to do, written down plainly."""

    def __init__(self, most: int, lifetime: int) -> None:
        self.most, self.lifetime = most, lifetime
        self.kept: OrderedDict[bytes, tuple[int, int]] = OrderedDict()

    def get(self, key: bytes, now: int) -> bool:
        if key in self.kept and now >= self.kept[key][1]:
            del self.kept[key]
        if key not in self.kept:
            return False
        self.kept.move_to_end(key)
        return True

    def keep(self, key: bytes, size: int, now: int) -> None:
        if size > self.most:
            return
        self.kept.pop(key, None)
        while sum(held for held, _ in self.kept.values()) + size > self.most:
            self.kept.popitem(last=False)
        self.kept[key] = (size, now + self.lifetime)


steps = st.lists(
    st.tuples(st.sampled_from(["get", "keep", "wait"]), st.integers(0, 12), st.integers(0, 600)), max_size=120
)


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CacheCounts]:
    recorder = Recorder(tmp_path_factory.mktemp("counts"), "w0", clock=lambda: CLOCK)
    yield CacheCounts(recorder, "churn", "champion")
    recorder.close()


@given(steps)
@settings(max_examples=150, deadline=None)
def test_the_least_recently_used_go_and_memory_stays_bounded(counts: CacheCounts, todo: list[Any]) -> None:
    most, ttl = 8192, 1.0
    cache = PredictionCache(kept(), Cache(bytes=most, ttl=ttl), counts)
    cache.open()
    plain, now = Model(most, SECOND), 0
    for what, number, amount in todo:
        key = bytes([number])
        if what == "wait":
            now += amount * SECOND // 600
        elif what == "keep":
            cache.keep(key, {"Y": np.full(amount, number, np.float32)}, now)
            plain.keep(key, 512 + 256 + 4 * amount, now)
        else:
            found = cache.get(key, now)
            assert (found is not None) == plain.get(key, now)
            assert found is None or set(found["Y"].tolist()) <= {float(number)}
        assert cache.size == sum(size for size, _ in plain.kept.values()) <= most
        assert counts.counters.value(counts.bytes) == cache.size
        assert len(cache) == len(plain.kept)
    cache.close()
    assert (cache.size, counts.counters.value(counts.bytes)) == (0, 0)


def objects(values: list[Any]) -> np.ndarray[Any, Any]:
    found = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        found[place] = value
    return found


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=100, deadline=None)
def test_objects_are_counted_by_their_bytes_and_nobody_changes_what_the_next_one_gets(
    counts: CacheCounts, values: list[Any]
) -> None:
    cache = PredictionCache(kept(), Cache(bytes=1 << 20, ttl=60.0), counts)
    cache.open()
    cache.keep(b"k", {"Y": objects(values)}, 0)
    assert cache.size >= 512 + len(msgspec.msgpack.encode(values))
    for _ in range(2):
        found = cache.get(b"k", 1)
        assert found is not None
        assert found["Y"].tolist() == values
        assert found["Y"].shape == (len(values),)
        for value in found["Y"]:
            if isinstance(value, list | dict):
                value.clear()
        found["Y"][0] = "poisoned"
    cache.close()


def test_long_lists_of_a_raw_answer_keep_to_the_limit(counts: CacheCounts) -> None:
    cache = PredictionCache(kept(), Cache(bytes=1 << 16, ttl=60.0), counts)
    cache.open()
    for number in range(20):
        cache.keep(bytes([number]), {"Y": objects([{"v": [1.5] * 1000}])}, 0)
    assert len(cache) == (1 << 16) // (512 + 256 + len(msgspec.msgpack.encode([{"v": [1.5] * 1000}])))
    cache.keep(b"large", {"Y": objects([{"v": [1.5] * 10_000}])}, 0)
    cache.keep(b"odd", {"Y": objects([object()])}, 0)
    cache.keep(b"numpy", {"Y": objects([np.str_("a"), np.float64(1.5)])}, 0)
    assert (cache.get(b"large", 0), cache.get(b"odd", 0)) == (None, None)
    found = cache.get(b"numpy", 0)
    assert found is not None
    assert found["Y"].tolist() == ["a", 1.5]
    cache.close()


def test_keys_are_of_version_names_types_shapes_and_values(counts: CacheCounts) -> None:
    settings = Cache()
    cache = PredictionCache(kept(), settings, counts)
    x = np.arange(6, dtype=np.float32)
    tensors: list[dict[str, Any]] = [
        {"X": x.reshape(2, 3)},
        {"X": x.reshape(3, 2)},
        {"X": x.astype(np.float64).reshape(2, 3)},
        {"Z": x.reshape(2, 3)},
        {"X": x.reshape(2, 3) + 1},
        {"X": x[:3], "Y": x[3:]},
        {"X": np.array([["a", "b"]], dtype=object)},
        {"X": np.array([["ab", ""]], dtype=object)},
        {"X": np.array([["a", None]], dtype=object)},
    ]
    keys = [cache.key(one) for one in tensors]
    assert len(set(keys)) == len(keys)
    assert keys == [cache.key({name: tensor.copy() for name, tensor in one.items()}) for one in tensors]
    other = PredictionCache(kept(version=2), settings, counts)
    assert not {other.key(one) for one in tensors} & set(keys)


def test_an_answer_over_the_whole_limit_is_not_kept_and_texts_are_counted(counts: CacheCounts) -> None:
    cache = PredictionCache(kept(), Cache(bytes=4096), counts)
    cache.open()
    cache.keep(b"small", {"Y": np.zeros(4)}, 0)
    cache.keep(b"large", {"Y": np.zeros(4096)}, 0)
    cache.keep(b"texts", {"Y": np.array(["x" * 4096], dtype=object)}, 0)
    assert [cache.get(key, 0) is not None for key in (b"small", b"large", b"texts")] == [True, False, False]
    cache.close()
