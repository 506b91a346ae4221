"""Whatever is sent, the answer is never the server's fault, and is JSON with one sentence when it is a refusal."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.serving.messages import Request, Response, refusal
from seatrial.serving.routes import Routes
from tests.gateways import GOOD, ContextKey, bench, snapshot

LENGTH = b"inference-header-content-length"
PATHS = (
    b"/v1/deployments/churn/predict",
    b"/v1/deployments/churn/assign",
    b"/v1/predictions",
    b"/v1/outcomes",
    b"/v2/models/churn/infer",
    b"/v2/models/churn/versions/1/infer",
)
NAMES = (
    *("features", "unit", "context", "instances", "variant", "request_id", "key", "outcome", "value", "fields", "item"),
    *("at", "id", "deployment", "row", "prediction", "score", "scores", "inputs", "outputs", "parameters", "name"),
    *("shape", "datatype", "data", "age", "income", "country", "land"),
)
SOME = ("churn", "champion", "churned", "X", "FP32", "BYTES", "2026-01-01T00:00:00Z", "u")
leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(SOME)
    | st.just(GOOD)
)
anything = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)


def near(fields: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[object]:
    """A body that is right but for a few fields."""
    right_or_not = {name: value | anything for name, value in fields.items()}
    return st.fixed_dictionaries({}, optional=right_or_not)


tensor = near(
    {
        "name": st.sampled_from(["X", "age", "income", "country"]),
        "shape": st.lists(st.integers(-1, 3), max_size=3),
        "datatype": st.sampled_from(["FP32", "INT64", "BYTES"]),
        "data": st.lists(leaf, max_size=6),
    }
)
features = near({"age": st.floats(-10, 10), "income": st.none(), "country": st.just("FR")})
bodies = (
    anything
    | near({"features": features, "unit": st.text(max_size=5), "context": st.just({"land": "x"})})
    | near({"instances": st.lists(near({"features": features, "unit": st.text(max_size=3)}), max_size=3)})
    | near({"inputs": st.lists(tensor, max_size=3), "parameters": st.dictionaries(st.text(max_size=3), leaf)})
    | near({"outcome": st.just("churned"), "unit": st.text(max_size=3), "value": leaf, "at": st.text(max_size=25)})
    | near(
        {"deployment": st.just("churn"), "request_id": st.text(), "variant": st.just("champion"), "prediction": leaf}
    )
)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routes]:
    home: Path = tmp_path_factory.mktemp("home")
    with bench(home) as here:
        here.serve(
            snapshot({"champion": 0.5, "challenger": 0.5}, context=(ContextKey("land", "string", optional=True),))
        )
        yield Routes(here.gateway)


async def answer(routes: Routes, path: bytes, body: bytes, headers: dict[bytes, bytes]) -> Response:
    try:
        found = routes.handle(Request(b"POST", path, headers, body, True))
        if asyncio.iscoroutine(found):
            found = await found
    except Exception as error:  # noqa: BLE001 - as the edge does
        return refusal(error)
    return found if isinstance(found, Response) else Response(200, found)  # type: ignore[arg-type]


def check(routes: Routes, path: bytes, body: bytes, length: int | None = None) -> None:
    headers = {} if length is None else {LENGTH: str(length).encode()}
    response = asyncio.run(answer(routes, path, body, headers))
    head = dict(response.headers).get(LENGTH)
    decoded = msgspec.json.decode(response.body if head is None else response.body[: int(head)])
    assert response.status < 500, decoded
    if response.status != 200:
        assert isinstance(decoded["error"], str)
        assert len(decoded["error"]) < 1000


QUIET = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@QUIET
@given(path=st.sampled_from(PATHS), body=bodies)
def test_any_json_is_answered_or_refused(routes: Routes, path: bytes, body: object) -> None:
    check(routes, path, msgspec.json.encode(body))


@QUIET
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=60))
def test_any_bytes_are_refused(routes: Routes, path: bytes, body: bytes) -> None:
    check(routes, path, body)


@QUIET
@given(data=st.data())
def test_a_torn_body_is_refused(routes: Routes, data: st.DataObject) -> None:
    body = msgspec.json.encode({"unit": "u", "features": GOOD})
    cut = data.draw(st.integers(0, len(body) - 1))
    response = asyncio.run(answer(routes, PATHS[0], body[:cut], {}))
    assert response.status == 400


binary_tensor = near(
    {
        "name": st.sampled_from(["X", "age", "income", "country"]),
        "shape": st.lists(st.integers(-1, 3), max_size=3) | st.just([1, 3]),
        "datatype": st.sampled_from(["FP32", "FP16", "BF16", "BOOL", "INT64", "BYTES"]),
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 14)}),
    }
)


@QUIET
@given(
    inputs=st.lists(binary_tensor, max_size=3),
    output=st.booleans(),
    tail=st.binary(max_size=24),
    off=st.just(0) | st.integers(-3, 30),
)
def test_any_binary_request_is_answered_or_refused(
    routes: Routes, inputs: list[object], output: bool, tail: bytes, off: int
) -> None:
    head = msgspec.json.encode({"inputs": inputs, "parameters": {"binary_data_output": output}})
    check(routes, PATHS[4], head + tail, len(head) + off)


@QUIET
@given(body=st.binary(max_size=40) | st.just(bytes(24)))
def test_any_raw_request_is_answered_or_refused(routes: Routes, body: bytes) -> None:
    check(routes, PATHS[4], body, 0)
