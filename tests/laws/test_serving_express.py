"""The quick way answers, writes and counts as the long way does, or leaves the request alone."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.models.runtimes import OnnxRuntime, RuntimeFailure
from seatrial.protocol.plain import plain_bodies
from seatrial.routing.rules.naming import names_of
from seatrial.routing.rules.parsing import parse_rule
from seatrial.routing.snapshot import Arm, Cache, Entry, LogPolicy
from seatrial.serving.engine import Engine
from seatrial.serving.express import Express
from seatrial.serving.messages import Request, Response, refusal
from seatrial.serving.routes import Routes
from seatrial.spec.deployment import ContextField
from seatrial.spec.errors import SeatrialError
from seatrial.spec.signature import Feature, Signature
from tests.gateways import Bench, ContextKey, Shadow, bench, logistic, quick, slot, slow, snapshot
from tests.waiting import wait_for

WIDTH = 4
MODEL, PLAIN = logistic(WIDTH)
KINDS = (
    Feature(name="feature_0", kind="number"),
    Feature(name="feature_1", kind="number", nullable=True),
    Feature(name="feature_2", kind="integer"),
    Feature(name="feature_3", kind="boolean"),
)
SIGNATURE = msgspec.structs.replace(PLAIN, features=KINDS)
TENSOR = SIGNATURE.inputs[0].name
NAMES = tuple(feature.name for feature in KINDS)
UNSTABLE = ("at", "latency_us")
PREDICT, INFER = b"/v1/deployments/churn/predict", b"/v2/models/churn/infer"


def served(bench: Bench, signature: Signature = SIGNATURE, **more: Any) -> Routes:
    slots = (slot("champion", 1, signature), slot("challenger", 2, signature))
    given: dict[str, Any] = {"log": LogPolicy(features=NAMES), **more}
    engines = {s.variant: _ready(OnnxRuntime(MODEL, ("label", "probabilities"))) for s in slots}
    bench.serve(snapshot({"champion": 0.5, "challenger": 0.5}, slots=slots, **given), **engines)
    return Routes(bench.gateway)


def _ready(runtime: OnnxRuntime) -> Engine:
    return quick(runtime, ticks=lambda: 0, processor_ticks=lambda: 0)


def still(home: Path) -> AbstractContextManager[Bench]:
    """A bench on which every call takes no time, whatever else the machine does."""
    return bench(home, ticks=lambda: 0)


class Both:
    """The same gateway twice; the second one knows no quick way."""

    def __init__(self, one: Bench, other: Bench, **more: Any) -> None:
        self.benches = one, other
        self.asked = 0
        self.ways = served(one, **more), served(other, **more)
        slow = other.gateway.find("churn")
        slow.quick = slow.quick_infer = None

    def ask(self, body: bytes, url: bytes = PREDICT) -> list[Any]:
        """What each says to a body; both give its request the same identity."""
        self.asked += 1
        for each in self.benches:
            each.gateway._ids = lambda: f"{self.asked:032x}"
            deployed = each.gateway.find("churn")
            for way in (deployed.quick, deployed.quick_infer):
                if isinstance(way, Express):
                    way._ids = each.gateway._ids
        return [_answer(routes, body, url) for routes in self.ways]

    def rows(self) -> list[list[dict[str, Any]]]:
        return [[{k: v for k, v in row.items() if k not in UNSTABLE} for row in b.rows()] for b in self.benches]

    def counts(self) -> list[dict[str, int]]:
        return [
            {name: value for name, value in b.recorder.counters.values().items() if "latency" not in name and value}
            for b in self.benches
        ]


def _answer(routes: Routes, body: bytes, url: bytes) -> Any:
    try:
        answer = routes.handle(Request(b"POST", url, {}, body, True))
    except SeatrialError as error:
        answer = refusal(error)
    assert isinstance(answer, bytes | Response)
    if isinstance(answer, bytes):
        return list(msgspec.json.decode(answer).items())
    return answer[:2]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with still(tmp_path_factory.mktemp("quick")) as one, still(tmp_path_factory.mktemp("long")) as other:
        yield Both(one, other)


numbers = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-100, 100)
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, -0.0, 2**53, 2**53 + 1, -(2**53), 1e15, 1e300, 5e-324, 3.5e38])
)
odd = st.none() | st.booleans() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
features = st.fixed_dictionaries(
    {"feature_0": st.floats(-9, 9), "feature_1": numbers, "feature_2": st.integers(-5, 5), "feature_3": st.booleans()},
) | st.fixed_dictionaries({}, optional=dict.fromkeys((*NAMES, "feature_9"), numbers | odd))
units = (
    st.text(max_size=300) | st.integers(-(2**70), 2**70) | st.none() | st.booleans() | st.sampled_from(["u", "ü" * 256])
)
bodies = st.fixed_dictionaries(
    {"features": features, "unit": st.sampled_from(["a", "b", "c", "ü", "u" * 256, "u" * 257, ""])},
    optional={
        "context": st.none() | st.just({}),
        "key": st.just("k"),
        "instances": st.none(),
        "variant": st.just("champion"),
    },
) | st.fixed_dictionaries({}, optional={"features": features, "unit": units})


@given(bodies)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways_answer_alike(both: Both, body: dict[str, Any]) -> None:
    quickly, at_length = both.ask(msgspec.json.encode(body))
    assert quickly == at_length


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"features": {"feature_0": 1e999, "feature_2": 1, "feature_3": true}, "unit": "u"}',
        b'{"features": {"feature_0": 1, "feature_0": 2, "feature_2": 1, "feature_3": true}, "unit": "u"}',
        b'{"features": {"feature_0": 1, "feature_2": 1.0, "feature_3": true}, "unit": "u"}',
        b'{"features": {"feature_0": 1, "feature_2": 1.5, "feature_3": true}, "unit": "u"}',
        b'{"features": {"feature_0": 1, "feature_2": 1, "feature_3": 1}, "unit": "u"}',
        b'{"features": {"feature_0": 1, "feature_2": 1, "feature_3": true}, "unit": "\\ud800"}',
        b'{"features": {"feature_0": 1, "feature_2": 1, "feature_3": true}, "unit": "u"} x',
        b'{"features": {"feature_0": 9007199254740993, "feature_2": 1, "feature_3": true}, "unit": "u"}',
        b'{"features": {"feature_0": 1, "feature_1": null, "feature_2": 1, "feature_3": true}, "unit": "u"}',
    ],
)
def test_both_ways_treat_odd_bodies_alike(both: Both, body: bytes) -> None:
    quickly, at_length = both.ask(body)
    assert quickly == at_length


elements = st.lists(st.floats(-9, 9) | numbers, min_size=WIDTH, max_size=WIDTH) | st.lists(numbers | odd, max_size=6)
plain_rows = st.tuples(st.floats(-9, 9), numbers, st.integers(-5, 5), st.booleans()).map(list)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from([TENSOR, TENSOR, TENSOR, "feature_0", "other"]),
        "shape": st.sampled_from([[1, WIDTH], [1, WIDTH], [1, WIDTH], [WIDTH], [2, 2], [1, WIDTH, 1], [2, WIDTH], []]),
        "datatype": st.sampled_from(["FP32", "FP64", "FP32", "INT64", "BYTES", "FP16", "?"]),
        "data": plain_rows | plain_rows.map(lambda row: [row]) | elements | elements.map(lambda row: [row]),
    },
    optional={"parameters": st.just({"binary_data_size": 16}), "more": st.just(1)},
)
infers = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, min_size=1, max_size=1) | st.lists(tensors, max_size=2)},
    optional={
        "id": st.text(max_size=5) | st.none() | st.integers(),
        "parameters": st.fixed_dictionaries(
            {},
            optional={
                "unit": units,
                "request_id": st.just("mine"),
                "timeout_ms": st.just(60_000),
                "binary_data_output": st.booleans(),
                "context.who": st.just("x"),
                "variant": st.just("champion"),
            },
        )
        | st.none(),
        "outputs": st.just([{"name": "label"}]),
        "more": st.just({}),
    },
)


@given(infers)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways_infer_alike(both: Both, body: dict[str, Any]) -> None:
    quickly, at_length = both.ask(msgspec.json.encode(body), INFER)
    assert quickly == at_length


def infer(*row: float, **more: Any) -> bytes:
    """A plain body of the protocol."""
    given = {"name": TENSOR, "shape": [1, WIDTH], "datatype": "FP32", "data": [list(row)]}
    return msgspec.json.encode({"inputs": [given], **more})


@pytest.mark.parametrize("data", [b"[0.5,1,3,true]", b"[[0.5,1,3,true]]", b"[0.5,1,3.0,true]", b"[0.5,null,3,true]"])
@pytest.mark.parametrize("more", [b"", b',"id":"7%"', b',"parameters":{"unit":"u%"}', b',"parameters":{"unit":""}'])
def test_both_ways_infer_the_same_of_written_bodies(both: Both, data: bytes, more: bytes) -> None:
    head = b'{"inputs":[{"name":"%b","shape":[1,4],"datatype":"FP32","data":' % TENSOR.encode()
    quickly, at_length = both.ask(head + data + b"}]" + more + b"}", INFER)
    assert quickly == at_length


def test_both_ways_of_inferring_write_and_count_alike(tmp_path: Path) -> None:
    with still(tmp_path / "quick") as one, still(tmp_path / "long") as other:
        pair = Both(one, other)
        for number in range(60):
            row = (number / 7, -number / 3, number, number % 2 == 0)
            body = infer(*row, parameters={"unit": f"u{number}"}, id=str(number))
            quickly, at_length = pair.ask(body, INFER)
            assert quickly == at_length
        quick_rows, long_rows = (sorted(rows, key=lambda row: row["unit"]) for rows in pair.rows())
        assert len(quick_rows) == 60
        assert quick_rows == long_rows
        quick_counts, long_counts = pair.counts()
        assert quick_counts == long_counts


def test_a_shadow_gets_its_copies_of_what_is_inferred_quickly(tmp_path: Path) -> None:
    shadows = (Shadow(variant="challenger", share=1.0, salt="s"),)
    with still(tmp_path / "quick") as one, still(tmp_path / "long") as other:
        pair = Both(one, other, shadows=shadows)

        async def run() -> None:
            for number in range(20):
                pair.ask(infer(number / 7, -1.0, number, True, parameters={"unit": f"u{number}"}), INFER)
                await asyncio.sleep(0)

        asyncio.run(run())
        for each in (one, other):
            wait_for(lambda each=each: each.gateway.find("churn").idle, what="an idle lane")  # type: ignore[misc]
        quick_rows, long_rows = ({(row["unit"], row["role"]): row for row in rows} for rows in pair.rows())
        assert quick_rows == long_rows
        assert {role for _, role in quick_rows} == {"answer", "shadow"}


def test_both_ways_write_and_count_alike(tmp_path: Path) -> None:
    with still(tmp_path / "quick") as one, still(tmp_path / "long") as other:
        pair = Both(one, other)
        for number in range(60):
            given: dict[str, Any] = {"feature_0": number / 7, "feature_2": number, "feature_3": number % 2 == 0}
            if number % 3:
                given["feature_1"] = -number / 3
            quickly, at_length = pair.ask(msgspec.json.encode({"unit": f"u{number}", "features": given}))
            assert quickly == at_length
        quick_rows, long_rows = ({row["unit"]: row for row in rows} for rows in pair.rows())
        assert len(quick_rows) == 60
        assert quick_rows == long_rows
        assert {row["variant"] for row in quick_rows.values()} == {"champion", "challenger"}
        quick_counts, long_counts = pair.counts()
        assert quick_counts == long_counts


def test_a_shadow_gets_its_copies_either_way(tmp_path: Path) -> None:
    shadows = (Shadow(variant="challenger", share=0.7, salt="s"),)
    with still(tmp_path / "quick") as one, still(tmp_path / "long") as other:
        pair = Both(one, other, shadows=shadows)

        async def run() -> None:
            for number in range(40):
                given = {"feature_0": number / 7, "feature_1": -1.0, "feature_2": number, "feature_3": number % 2 == 0}
                quickly, at_length = pair.ask(msgspec.json.encode({"unit": f"u{number}", "features": given}))
                assert quickly == at_length
                await asyncio.sleep(0)

        asyncio.run(run())
        for each in (one, other):
            wait_for(lambda each=each: each.gateway.find("churn").idle, what="an idle lane")  # type: ignore[misc]
        quick_rows, long_rows = ({(row["unit"], row["role"]): row for row in rows} for rows in pair.rows())
        assert quick_rows == long_rows
        copies = [row for row in quick_rows.values() if row["role"] == "shadow"]
        assert 0 < len(copies) < 40
        assert {(row["status"], row["error"]) for row in copies} == {("ok", "")}
        quick_counts, long_counts = (  # how many copies are computed at once is a matter of luck
            {name: value for name, value in counts.items() if not name.startswith("batch_")} for counts in pair.counts()
        )
        assert quick_counts == long_counts


COUNTRY = (ContextKey(name="country", kind="string", optional=True),)


def rules(when: str) -> tuple[Entry, ...]:
    names = names_of(KINDS, {"country": ContextField(kind="string", optional=True)})
    return (Entry(name="rule", when=parse_rule(when, names), to="champion"),)


def goes_quickly(bench: Bench) -> bool:
    body = {"unit": "u", "features": {"feature_0": 1.0, "feature_1": 0.5, "feature_2": 1, "feature_3": True}}
    return bench.gateway.answer_plain("churn", msgspec.json.encode(body)) is not None


def infers_quickly(bench: Bench, **more: Any) -> bool:
    return bench.gateway.infer_plain("churn", infer(1.0, 0.5, 1, True, **more)) is not None


def test_a_plain_row_of_a_quick_model_goes_the_quick_way(tmp_path: Path) -> None:
    with still(tmp_path) as here:
        served(here)
        assert goes_quickly(here)
        assert infers_quickly(here)
        assert infers_quickly(here, parameters={"unit": "u"}, id="7")
        assert not infers_quickly(here, parameters={"unit": "u", "timeout_ms": 5})


@pytest.mark.parametrize(
    "more",
    [
        {"log": LogPolicy(features=NAMES, sample=0.5)},
        {"log": LogPolicy(features=NAMES[:2])},
        {"log": LogPolicy(features=NAMES, redact=NAMES[:1])},
        {"context": (ContextKey(name="country", kind="string"),)},
        {"entries": rules("features.feature_0 > 1")},
        {"entries": rules('unit == "v" && context.country == "DE"'), "context": COUNTRY},
        {"entries": rules('unit == "v" && has(features.feature_1)')},
        {"context": (ContextKey(name="who", kind="string", optional=True),), "unit_from": "who"},
    ],
)
def test_what_needs_more_goes_the_long_way(tmp_path: Path, more: dict[str, Any]) -> None:
    with still(tmp_path) as here:
        served(here, **more)
        assert not goes_quickly(here)
        assert not infers_quickly(here)


def test_a_variant_with_a_cache_goes_the_long_way(tmp_path: Path) -> None:
    with still(tmp_path) as here:
        slots = (slot("champion", 1, SIGNATURE, cache=Cache()), slot("challenger", 2, SIGNATURE))
        engines = {s.variant: _ready(OnnxRuntime(MODEL, ("label", "probabilities"))) for s in slots}
        here.serve(snapshot(slots=slots, log=LogPolicy(features=NAMES)), **engines)
        assert not goes_quickly(here)


def test_a_slow_model_goes_the_long_way_and_a_removed_deployment_no_way(tmp_path: Path) -> None:
    with still(tmp_path) as here:
        served(here)
        for engine in here.gateway.find("churn").engines.values():
            engine.pace.inline = False
        assert not goes_quickly(here)
        here.gateway.remove("churn")
        assert here.gateway.answer_plain("churn", b"{}") is None


def test_a_swap_takes_the_quick_way_with_it(tmp_path: Path) -> None:
    with still(tmp_path) as here:
        served(here)
        assert goes_quickly(here)
        here.serve(snapshot(revision=2), champion=slow(OnnxRuntime(MODEL, ("label", "probabilities"))))
        assert here.gateway.answer_plain("churn", b"{}") is None


def test_a_swap_itself_runs_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens on the event loop; what runs the models was done before, by whoever loads."""
    with still(tmp_path) as here:
        served(here)
        deployed = here.gateway.find("churn")

        def asked(*_: object) -> None:
            raise AssertionError("the model was asked")

        for name in ("run", "one_row"):
            monkeypatch.setattr(OnnxRuntime, name, asked)
        here.gateway.remove("churn")
        here.gateway.activate(deployed)
        assert goes_quickly(here)


def test_only_tensors_of_plain_numbers_have_plain_bodies() -> None:
    assert plain_bodies(SIGNATURE) is not None
    text = msgspec.structs.replace(SIGNATURE, features=(*KINDS[:3], Feature(name="feature_3", kind="category")))
    assert plain_bodies(text) is None
    whole = msgspec.structs.replace(SIGNATURE, inputs=(msgspec.structs.replace(SIGNATURE.inputs[0], datatype="INT64"),))
    assert plain_bodies(whole) is None


UNITS = names_of((), {})


def by_unit(*, first: str = 'unit.startsWith("a") || unit == "u"') -> tuple[Entry, ...]:
    """Two entries of one variant, and a split of both."""
    arms = (Arm("champion", 0.5), Arm("challenger", 0.5))
    return (
        Entry(name="ours", when=parse_rule(first, UNITS), to="challenger"),
        Entry(name="short", when=parse_rule("size(unit) < 3", UNITS), to="champion"),
        Entry(name="odd", when=parse_rule("10 / (size(unit) - 4) > 5", UNITS), arms=arms, salt="s"),
        Entry(name="some", when=parse_rule('unit.contains("7")', UNITS), arms=arms, salt="t"),
    )


@pytest.fixture(scope="module")
def both_by_unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with still(tmp_path_factory.mktemp("quick")) as one, still(tmp_path_factory.mktemp("long")) as other:
        yield Both(one, other, entries=by_unit())


@given(bodies)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways_answer_alike_where_rules_read_the_unit(both_by_unit: Both, body: dict[str, Any]) -> None:
    quickly, at_length = both_by_unit.ask(msgspec.json.encode(body))
    assert quickly == at_length


def test_both_ways_write_and_count_alike_where_rules_read_the_unit(tmp_path: Path) -> None:
    with still(tmp_path / "quick") as one, still(tmp_path / "long") as other:
        pair = Both(one, other, entries=by_unit())
        given = {"feature_0": 0.5, "feature_1": 1.0, "feature_2": 3, "feature_3": True}
        for unit in (None, "a", "b", "b7", "abcd", "bcde", "bcdef", *(f"u{number}" for number in range(40))):
            body = {"features": given} if unit is None else {"unit": unit, "features": given}
            quickly, at_length = pair.ask(msgspec.json.encode(body))
            assert quickly == at_length
        quick_rows, long_rows = ({row["request_id"]: row for row in rows} for rows in pair.rows())
        assert quick_rows == long_rows
        assert {row["entry"] for row in quick_rows.values()} == {"ours", "short", "odd", "some", ""}
        quick_counts, long_counts = pair.counts()
        assert quick_counts == long_counts
        assert goes_quickly(one)


class Willing(OnnxRuntime):
    """A model that counts how often it is asked, whichever way, and can be told to fail or to take its time."""

    def __init__(self) -> None:
        super().__init__(MODEL, ("label", "probabilities"))
        self.failure: Exception | None = None
        self.asked = 0
        self.takes: Callable[[], None] = lambda: None

    def ask(self) -> None:
        self.asked += 1
        self.takes()
        if self.failure is not None:
            raise self.failure

    def run(self, inputs: Any) -> Any:
        self.ask()
        return super().run(inputs)

    def one_row(self, given: str, sample: Any) -> Any:
        bound = super().one_row(given, sample)
        return None if bound is None else Watched(self, bound)


class Watched:
    """Its bound session."""

    def __init__(self, runtime: Willing, bound: Any) -> None:
        self.runtime, self.bound, self.row, self.outputs = runtime, bound, bound.row, bound.outputs

    def run(self) -> None:
        self.runtime.ask()
        self.bound.run()


class Pair:
    """The same gateway twice, the second without a quick way, of a champion and a challenger that do as they are told.

    Args:
        ready: Engines are made of the models by these, by variant; else they run on the event loop.
    """

    def __init__(self, one: Bench, other: Bench, **more: Any) -> None:
        self.benches = one, other
        self.url = PREDICT
        self.models: list[dict[str, Willing]] = []
        self.asked = 0
        for each in self.benches:
            slots = (slot("champion", 1, SIGNATURE), slot("challenger", 2, SIGNATURE, **more.get("challenger", {})))
            models = {s.variant: Willing() for s in slots}
            engines = {name: _ready(model) for name, model in models.items()}
            shape = {"log": LogPolicy(features=NAMES), "fallback": more.get("fallback")}
            each.serve(snapshot({"challenger": 1.0}, slots=slots, **shape), **engines)
            for model in models.values():
                model.asked = 0
            self.models.append(models)
        slow = other.gateway.find("churn")
        slow.quick = slow.quick_infer = None

    def fail(self, variant: str, failure: Exception | None) -> None:
        for models in self.models:
            models[variant].failure = failure

    def ask(self, number: int = 1) -> list[Any]:
        """What each says; both give the request the same identity."""
        self.asked += 1
        given = {"feature_0": number / 7, "feature_1": 0.5, "feature_2": number, "feature_3": True}
        body = msgspec.json.encode({"unit": f"u{number}", "features": given})
        if self.url == INFER:
            body = infer(*given.values(), parameters={"unit": f"u{number}"}, id="7")
        for each in self.benches:
            each.gateway._ids = lambda: f"{self.asked:032x}"
            deployed = each.gateway.find("churn")
            for way in (deployed.quick, deployed.quick_infer):
                if isinstance(way, Express):
                    way._ids = each.gateway._ids
        return [asyncio.run(_answer_in_time(Routes(each.gateway), body, self.url)) for each in self.benches]

    def rows(self) -> list[list[dict[str, Any]]]:
        return [[{k: v for k, v in row.items() if k not in UNSTABLE} for row in b.rows()] for b in self.benches]

    def counts(self) -> list[dict[str, int]]:
        found = [each.recorder.counters.values().items() for each in self.benches]
        return [{name: value for name, value in one if "latency" not in name and value} for one in found]


async def _answer_in_time(routes: Routes, body: bytes, url: bytes) -> Any:
    """As `_answer`, where the answer may take a thread; of an inference its parameters beside."""
    try:
        answer = routes.handle(Request(b"POST", url, {}, body, True))
        if not isinstance(answer, bytes | Response):
            answer = await answer
    except SeatrialError as error:
        answer = refusal(error)
    if not isinstance(answer, bytes):
        return answer[:2]
    found = msgspec.json.decode(answer)
    return found | found.get("parameters", {})


@pytest.fixture(params=[PREDICT, INFER], ids=["predict", "infer"])
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    with still(tmp_path / "quick") as one, still(tmp_path / "long") as other:
        found = Pair(one, other)
        found.url = request.param
        yield found


def test_a_model_that_fails_is_asked_once_and_its_failure_is_booked(pair: Pair) -> None:
    pair.fail("challenger", RuntimeFailure("out of order"))
    for number in range(30):
        quickly, at_length = pair.ask(number)
        assert quickly == at_length
        assert (quickly["answered_by"], quickly["model_version"]) == ("default", "churn:1")
    states = [each.gateway.find("churn").variants["challenger"].breaker.state for each in pair.benches]
    assert states == ["open", "open"]
    assert [models["challenger"].asked for models in pair.models] == [20, 20]  # then the breaker opened
    assert [models["champion"].asked for models in pair.models] == [30, 30]
    quick_rows, long_rows = pair.rows()
    assert quick_rows == long_rows
    assert {(row["status"], row["error"]) for row in quick_rows if row["status"] != "breaker"} == {
        ("error", "out of order")
    }
    quick_counts, long_counts = pair.counts()
    assert quick_counts == long_counts


def test_a_failure_that_comes_once_is_not_mended_by_asking_again(pair: Pair) -> None:
    """What fails now and then would look sound, and cost double."""
    for models in pair.models:
        failing = models["challenger"]
        failing.takes = lambda failing=failing: setattr(  # type: ignore[misc]
            failing, "failure", RuntimeFailure("once") if failing.asked == 1 else None
        )
    assert [answer["answered_by"] for answer in pair.ask()] == ["default", "default"]
    assert [answer["answered_by"] for answer in pair.ask()] == ["assigned", "assigned"]


def test_who_stands_in_may_take_a_thread(pair: Pair) -> None:
    pair.fail("challenger", ValueError("a surprise"))
    for each in pair.benches:
        each.gateway.find("churn").engines["champion"].pace.inline = False
    quickly, at_length = pair.ask()
    assert quickly == at_length
    assert quickly["answered_by"] == "default"
    assert [row["error"] for rows in pair.rows() for row in rows] == ["ValueError: a surprise"] * 2


def test_where_nobody_stands_in_the_caller_hears_why(pair: Pair) -> None:
    for variant in ("champion", "challenger"):
        pair.fail(variant, RuntimeFailure("out of order"))
    quickly, at_length = pair.ask()
    assert quickly == at_length
    assert quickly[0] == 503
    assert b"'challenger' failed (out of order), so did the default 'champion' (out of order)" in quickly[1]
    assert [models["challenger"].asked for models in pair.models] == [1, 1]
    assert [row["answered_by"] for rows in pair.rows() for row in rows] == ["none", "none"]


def test_a_model_that_took_longer_than_its_timeout_is_late_either_way(tmp_path: Path) -> None:
    now = [0]
    with (
        bench(tmp_path / "quick", ticks=lambda: now[0]) as one,
        bench(tmp_path / "long", ticks=lambda: now[0]) as other,
    ):
        pair = Pair(one, other, challenger={"timeout": 0.0001}, fallback={"prediction": 9})
        for taken, by in ((100_000, "assigned"), (100_001, "default")):
            for models in pair.models:
                models["challenger"].takes = lambda taken=taken: now.__setitem__(0, now[0] + taken)  # type: ignore[misc]
            quickly, at_length = pair.ask()
            assert quickly == at_length
            assert quickly["answered_by"] == by
        for rows in pair.rows():
            assert [(row["status"], row["error"]) for row in rows] == [
                ("ok", ""),
                ("timeout", "no answer within 0.1 ms"),
            ]
