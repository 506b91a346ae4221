"""Predictions: what is sent, what comes back, and that an absent gateway gives the default and never an error."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.client import AsyncClient, Client, Prediction
from seatrial.client.address import parse_address
from seatrial.spec.errors import BadInput, Conflict, NotFound, TooLarge

ANSWER = {
    "request_id": "r-1",
    "variant": "champion",
    "model_version": "churn:7",
    "reason": "split",
    "answered_by": "assigned",
    "prediction": 1,
    "score": 0.75,
}

BROKEN: dict[str, bytes | None] = {
    "closes at once": b"",
    "never answers": None,
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "half a header": b"HTTP/1.1 200 OK\r\nContent-",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "not JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "no prediction": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "another type": b'HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n{"prediction":1,"score":"hi"}',
    "a page of another server": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>",
    "a proxy with nobody behind it": b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>",
    "overloaded": b'HTTP/1.1 503 Later\r\nRetry-After: 1\r\nContent-Length: 18\r\n\r\n{"error": "later"}',
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
    "a wrong length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
    "broken chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


def predict(asynchronous: bool, url: str, *arguments: Any, many: bool = False, **named: Any) -> Any:
    """The same call through either client."""
    if not asynchronous:
        with Client(url) as client:
            return (client.predict_many if many else client.predict)(*arguments, **named)

    async def run() -> Any:
        async with AsyncClient(url) as client:
            return await (client.predict_many if many else client.predict)(*arguments, **named)

    return asyncio.run(run())


both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@both
def test_one_row(server: Any, asynchronous: bool) -> None:
    server.answer = lambda *_: (200, ANSWER)
    answer = predict(asynchronous, server.url, "churn", {"tenure": 12}, unit="c-7", context={"country": "NO"})
    assert answer == Prediction(**ANSWER)
    assert not answer.is_default
    ((method, path, body),) = server.asked
    assert (method, path) == ("POST", "/v1/deployments/churn/predict")
    assert len(body.pop("request_id")) == 32
    assert body == {"features": {"tenure": 12}, "unit": "c-7", "context": {"country": "NO"}}


@both
def test_several_rows(server: Any, asynchronous: bool) -> None:
    answers = [{"key": "a", "prediction": 1}, {"key": "b", "prediction": 0, "variant": "challenger"}, {"error": "x"}]
    whole = {"request_id": "r", "variant": "champion", "model_version": "churn:7", "reason": "split"}
    server.answer = lambda *_: (200, {**whole, "predictions": answers})
    rows = [{"features": {"x": 1}, "key": "a"}, {"features": {"x": 2}, "key": "b"}, {"features": {"x": 3}}]
    found = predict(asynchronous, server.url, "churn", rows, many=True, unit=7)
    assert [one.prediction for one in found] == [1, 0, None]
    assert [one.variant for one in found] == ["champion", "challenger", "champion"]
    assert [one.key for one in found] == ["a", "b", None]
    assert found[2].error == "x"
    assert server.asked[0][2]["instances"] == rows


@both
@pytest.mark.parametrize("how", BROKEN)
def test_an_absent_gateway_gives_the_default(breaker: Callable[..., Any], how: str, asynchronous: bool) -> None:
    gateway = breaker(BROKEN[how])
    answer = predict(asynchronous, gateway.url, "churn", {"x": 1}, default=0.5, timeout=0.4)
    assert answer.is_default
    assert answer.prediction == 0.5
    assert answer.answered_by == "client"
    assert answer.error
    assert answer.variant is None


@both
def test_nobody_there_gives_the_default(nobody: str, asynchronous: bool) -> None:
    answer = predict(asynchronous, nobody, "churn", {"x": 1}, default="no", timeout=0.4)
    assert (answer.is_default, answer.prediction) == (True, "no")
    rows = [{"features": {}, "key": "a"}, {"features": {}}]
    several = predict(asynchronous, nobody, "churn", rows, many=True, default=0, timeout=0.4)
    assert [(one.prediction, one.key, one.is_default) for one in several] == [(0, "a", True), (0, None, True)]


@both
def test_too_few_predictions_are_no_answer(server: Any, asynchronous: bool) -> None:
    server.answer = lambda *_: (200, {"request_id": "r", "predictions": [{"prediction": 1}]})
    found = predict(asynchronous, server.url, "churn", [{"features": {}}] * 2, many=True, default=9)
    assert [one.prediction for one in found] == [9, 9]


@both
@pytest.mark.parametrize(
    ("status", "kind"), [(400, BadInput), (401, BadInput), (404, NotFound), (409, Conflict), (413, TooLarge)]
)
def test_the_callers_own_faults_are_raised(server: Any, asynchronous: bool, status: int, kind: type[BadInput]) -> None:
    server.answer = lambda *_: (status, {"error": "feature 'x': expected a number, got 'a'"})
    with pytest.raises(kind, match="expected a number"):
        predict(asynchronous, server.url, "churn", {"x": "a"}, default=0)


@both
def test_a_broken_connection_is_tried_again_with_the_same_identity(
    breaker: Callable[..., Any], asynchronous: bool
) -> None:
    good = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"prediction":1}'
    gateway = breaker(b"", good)
    answer = predict(asynchronous, gateway.url, "churn", {"x": 1}, timeout=5, request_id="mine")
    assert (answer.prediction, answer.request_id, gateway.connections) == (1, "mine", 2)


def test_a_kept_connection_that_died_is_no_failure(server: Any) -> None:
    server.answer = lambda *_: (200, ANSWER)
    with Client(server.url) as client:
        assert client.predict("churn", {}).prediction == 1
        (kept,) = client._data._idle
        kept.sock.shutdown(2)
        assert not client.predict("churn", {}).is_default


def test_connections_are_kept(server: Any) -> None:
    server.answer = lambda *_: (200, ANSWER)
    with Client(server.url) as client:
        for _ in range(3):
            client.predict("churn", {})
    assert server.connections == 1
    assert len(server.asked) == 3


@both
def test_key_is_sent_and_never_shown(server: Any, asynchronous: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_KEY", "from-the-environment")
    server.answer = lambda *_: (200, ANSWER)
    predict(asynchronous, server.url, "churn", {})
    assert server.headers[0]["Authorization"] == "Bearer from-the-environment"
    with pytest.raises(BadInput, match="header") as caught:
        Client(server.url, key="a b")
    assert "a b" not in str(caught.value)


def test_numpy_values_and_missing_ones(server: Any) -> None:
    server.answer = lambda *_: (200, ANSWER)
    with Client(server.url) as client:
        client.predict("churn", {"a": np.float32(0.5), "b": np.int64(3), "c": math.nan, "d": np.array([1.0, 2.0])})
    assert server.asked[0][2]["features"] == {"a": 0.5, "b": 3, "c": None, "d": [1.0, 2.0]}


@both
@pytest.mark.parametrize("value", [math.inf, -math.inf, np.float64("inf"), np.float32("inf"), [1, math.inf], object()])
def test_what_json_cannot_carry_is_refused_here(server: Any, asynchronous: bool, value: Any) -> None:
    with pytest.raises(BadInput, match="cannot be written as JSON"):
        predict(asynchronous, server.url, "churn", {"x": value}, default=0)
    assert not server.asked


@pytest.mark.parametrize("url", ["gateway:8080", "ftp://x", "http://", "http://h:port", "http://me:pw@h:80"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(BadInput):
        Client(url)


def test_a_path_in_front_is_kept(server: Any) -> None:
    assert parse_address("https://h/seatrial/").prefix == "/seatrial"
    server.answer = lambda *_: (200, ANSWER)
    with Client(f"{server.url}/behind/") as client:
        client.predict("a/b c", {})
    assert server.asked[0][1] == "/behind/v1/deployments/a%2Fb%20c/predict"


FRAME = pd.DataFrame({"age": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ([{"age": 1}], "expected one row as a dict, got a list; several rows go to `predict_many`"),
        (FRAME, "got a DataFrame; several rows go to `predict_many`, as .* in frame.to_dict"),
        (FRAME.iloc[0], r"got a Series; write `.to_dict\(\)` after the Series"),
        (3, "got an int; send a dict"),
    ],
)
def test_what_is_no_row_is_refused_before_it_is_sent(server: Any, features: Any, words: str) -> None:
    async def later() -> None:
        async with AsyncClient(server.url) as client:
            await client.predict("churn", features)

    with Client(server.url) as client, pytest.raises(BadInput, match=words):
        client.predict("churn", features)
    with pytest.raises(BadInput, match=words):
        asyncio.run(later())
    assert not server.asked


@pytest.mark.parametrize("rows", [FRAME, {"age": 1}])
def test_what_are_no_rows_is_refused_before_it_is_sent(server: Any, rows: Any) -> None:
    with Client(server.url) as client, pytest.raises(BadInput, match="instances: expected a list of rows, got a"):
        client.predict_many("churn", rows)
    assert not server.asked
