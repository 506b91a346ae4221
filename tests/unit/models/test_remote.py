"""The runtime of a remote variant against real servers: what is asked, what is read, and every way to fail."""

import re
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest

from seatrial.models.remote import LateAnswer, RemoteRuntime, answers_with_scores
from seatrial.models.runtimes import RuntimeFailure
from seatrial.protocol.answers import Answers
from seatrial.protocol.features import Encoder
from seatrial.routing.snapshot import Remote, Slot
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.gateways import BINARY, GOOD
from tests.remotes import FAULTS, good, hangs, json_slot, remote_server, says, scoring, time_for, within
from tests.waiting import wait_for

MIXED = Signature(
    task="regression",
    features=(
        Feature(name="age", kind="integer", nullable=True),
        Feature(name="member", kind="boolean"),
        Feature(name="since", kind="time"),
        Feature(name="note", kind="text", nullable=True),
        Feature(name="country", kind="category", categories=("DE", "NO")),
        Feature(name="last three", kind="list", width=3, nullable=True),
    ),
    inputs=(Tensor(name="age", datatype="FP32", shape=(-1, 1), features=("age",)),),
    outputs=(Tensor(name="y", datatype="FP32", shape=(-1, 1)),),
    answer=Answer(prediction="y"),
)


@contextmanager
def opened(slot: Slot, environ: dict[str, str] | None = None) -> Iterator[RemoteRuntime]:
    runtime = RemoteRuntime(slot, environ or {})
    try:
        yield runtime
    finally:
        runtime.close()


def answers(slot: Slot, rows: list[dict[str, Any]], environ: dict[str, str] | None = None) -> list[dict[str, Any]]:
    with opened(slot, environ) as runtime:
        outputs = runtime.run(Encoder(slot.signature).encode(rows).tensors)
    return Answers(slot.signature).read(outputs, len(rows)).answers


def test_a_row_is_sent_as_it_came_and_answered_by_label_and_score() -> None:
    with remote_server(good) as server:
        assert answers(json_slot("legacy", f"{server.url}/score", BINARY), [GOOD]) == [{"prediction": 0, "score": 0.4}]
        (heard,) = server.heard
    assert (heard.method, heard.path, heard.json) == ("POST", "/score", GOOD)
    assert heard.headers["content-type"] == "application/json"
    assert "authorization" not in heard.headers


def test_every_kind_travels_as_itself_and_missing_as_null() -> None:
    rows: list[dict[str, Any]] = [
        {"age": 41, "member": True, "since": 12.5, "note": "ä\n", "country": "NO", "last three": [1.0, 2.0, 3.5]},
        {"age": None, "member": False, "since": 0.0, "note": None, "country": "SE", "last three": None},
        {"age": 3, "member": False, "since": 0.0, "note": "", "country": "DE", "last three": [0.0, 0.0, 0.0]},
        {"age": 3, "member": False, "since": 0.0, "note": "\0", "country": "DE", "last three": [0.0, 0.0, 0.0]},
    ]
    with remote_server(says(lambda row: {"y": row["since"]})) as server:
        slot = json_slot("legacy", server.url, MIXED, answer="$.y", score="")
        assert [one["prediction"] for one in answers(slot, rows)] == [12.5, 0.0, 0.0, 0.0]
        heard = [one.body for one in server.heard]
        assert sorted(str(one.json) for one in server.heard) == sorted(map(str, rows))
    assert any(b'"age":41,' in body for body in heard)


def test_all_rows_at_once_are_one_call() -> None:
    rows = [{**GOOD, "age": float(age)} for age in (10, 60, 90)]
    with remote_server(says(lambda body: {"out": [scoring(row) for row in body["rows"]]})) as server:
        paths = {"body": '{"rows": {{ instances }}}', "answer": "$.out[*].label", "score": "$.out[*].score"}
        slot = json_slot("legacy", server.url, BINARY, **paths)
        found = answers(slot, rows)
        assert len(server.heard) == 1
    assert found == [{"prediction": int(age >= 50), "score": age / 100} for age in (10, 60, 90)]


def test_many_rows_one_by_one_keep_their_order_and_their_connections() -> None:
    rows = [{**GOOD, "age": float(age)} for age in range(100)]
    with remote_server(good) as server:
        found = answers(json_slot("legacy", server.url, BINARY), rows)
        assert len(server.heard) == 100
    assert [one["score"] for one in found] == [age / 100 for age in range(100)]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ({"answer": "$.label", "score": ""}, {"prediction": 1}),
        ({"answer": "", "score": "$.score"}, {"prediction": 1, "score": 0.75}),
        ({"answer": "$.label", "score": "", "scores": "$.scores"}, {"prediction": 1, "score": 0.75}),
        ({"answer": "", "score": "", "scores": "$.list"}, {"prediction": 1, "score": 0.75}),
    ],
)
def test_every_form_of_an_answer(paths: dict[str, str], expected: dict[str, Any]) -> None:
    with remote_server(says(lambda row: {**scoring(row), "list": [0.25, 0.75]})) as server:
        assert answers(json_slot("legacy", server.url, BINARY, **paths), [{**GOOD, "age": 75.0}]) == [expected]


def test_labels_of_every_type() -> None:
    for classes, label in (((False, True), True), (("no", "yes"), "yes"), ((1, 2, 3), 3)):
        signature = Signature(
            task="classification",
            features=BINARY.features,
            inputs=BINARY.inputs,
            outputs=BINARY.outputs,
            answer=Answer(prediction="label", classes=classes, prediction_is_index=True),
        )
        with remote_server(says(lambda _, label=label: {"label": label})) as server:
            slot = json_slot("legacy", server.url, signature, score="")
            (found,) = answers(slot, [GOOD])
            assert found["prediction"] is label or found["prediction"] == label
            assert type(found["prediction"]) is type(label)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_a_sentence_within_the_time(fault: str) -> None:
    behave, words = FAULTS[fault]
    seconds = time_for(words)
    with remote_server(behave) as server, opened(within(json_slot("legacy", server.url, BINARY), seconds)) as runtime:
        tensors = Encoder(json_slot("legacy", server.url, BINARY).signature).encode([GOOD]).tensors
        with pytest.raises(RuntimeFailure, match=words) as caught:
            runtime.run(tensors)
        assert str(caught.value).startswith(server.url)
        assert "\n" not in str(caught.value)
        server.behave = good
        again = runtime.send(runtime.ask(tensors, 30.0))  # it is asked anew, and nothing of before is left
        assert again.result(30)["label"].tolist() == [0]


def test_a_server_that_is_away_is_a_sentence() -> None:
    with remote_server(good) as server:
        slot = json_slot("legacy", f"{server.url}/score?a=b", BINARY)
    with pytest.raises(RuntimeFailure, match="/score cannot be reached") as caught:
        answers(slot, [GOOD])
    assert "a=b" not in str(caught.value)


def test_rows_of_another_number_are_refused() -> None:
    paths = {"body": "{{ instances }}", "answer": "$[*].label", "score": "$[*].score"}
    with remote_server(says(lambda rows: [scoring(rows[0])])) as server:
        slot = json_slot("legacy", server.url, BINARY, **paths)
        with pytest.raises(RuntimeFailure, match="answered 1 rows for 2"):
            answers(slot, [GOOD, GOOD])


def test_a_call_that_is_taken_back_closes_its_connection() -> None:
    with remote_server(hangs) as server, opened(json_slot("legacy", server.url, BINARY)) as runtime:
        tensors = Encoder(json_slot("legacy", server.url, BINARY).signature).encode([GOOD]).tensors
        calls = [runtime.send(runtime.ask(tensors, 60.0)) for _ in range(20)]
        wait_for(lambda: server.open == 20, what="every call under way")
        for call in calls:
            call.cancel()
        server.over.set()  # the servers' threads look at their connections again
        wait_for(lambda: server.open == 0, what="every connection closed")


def test_closing_ends_what_is_under_way() -> None:
    with remote_server(hangs) as server, opened(json_slot("legacy", server.url, BINARY)) as runtime:
        tensors = Encoder(json_slot("legacy", server.url, BINARY).signature).encode([GOOD]).tensors
        call = runtime.send(runtime.ask(tensors, 60.0))
        wait_for(lambda: server.open == 1, what="the call under way")
        runtime.close()
        runtime.close()
        with pytest.raises(CancelledError):
            call.result(5)
        with pytest.raises(RuntimeFailure, match="was closed"):
            runtime.run(tensors)


def test_a_slow_server_holds_no_thread_a_call() -> None:
    with remote_server(hangs) as server, opened(json_slot("legacy", server.url, BINARY)) as runtime:
        tensors = Encoder(json_slot("legacy", server.url, BINARY).signature).encode([GOOD]).tensors
        ours = {thread.name for thread in threading.enumerate() if thread.name.startswith("seatrial-remote")}
        calls = [runtime.send(runtime.ask(tensors, 60.0)) for _ in range(100)]
        wait_for(lambda: len(server.heard) == 100, what="a hundred calls under way")
        assert len([t for t in threading.enumerate() if t.name.startswith("seatrial-remote")]) == len(ours) == 1
        server.behave = good
        server.over.set()
        for call in calls:
            with pytest.raises(RuntimeFailure):
                call.result(10)


def test_the_time_of_one_request_is_not_the_runtimes() -> None:
    with remote_server(hangs) as server, opened(json_slot("legacy", server.url, BINARY)) as runtime:
        tensors = Encoder(json_slot("legacy", server.url, BINARY).signature).encode([GOOD]).tensors
        started = time.monotonic()
        with pytest.raises(LateAnswer, match="no answer within 50 ms"):
            runtime.send(runtime.ask(tensors, 0.05)).result(5)
        assert time.monotonic() - started < 4


def test_secrets_are_put_in_late_and_never_said() -> None:
    def tells(row: Any) -> Any:
        return {"error": f"you sent hunter2/§ and {row}"}

    with remote_server(says(tells, 500)) as server:
        address = server.url.replace("//", "//me:${USER_PW}@") + "/s?token=${TOKEN}"
        headers = {"X-Api-Key": "Bearer ${TOKEN}"}
        slot = json_slot("legacy", address, BINARY, headers=headers)
        with pytest.raises(RuntimeFailure, match=re.escape("answered 500: you sent ${TOKEN}")) as caught:
            answers(slot, [GOOD], {"TOKEN": "hunter2/§", "USER_PW": "p@ss"})
        (heard,) = server.heard
    assert "hunter2" not in str(caught.value)
    assert parse_qs(heard.path.partition("?")[2]) == {"token": ["hunter2/§"]}
    assert b64decode(heard.headers["authorization"].removeprefix("Basic ")) == b"me:p@ss"
    assert "hunter2" in heard.headers["x-api-key"]


def test_a_secret_that_is_not_set_is_the_variants_failure() -> None:
    slot = json_slot("legacy", "http://127.0.0.1:9/s", BINARY, headers={"X-Api-Key": "${NOBODYS}"})
    with opened(slot) as runtime:
        with pytest.raises(RuntimeFailure, match=r"`NOBODYS` is used as .* but is not set"):
            runtime.check()
        with pytest.raises(RuntimeFailure, match="NOBODYS"):
            runtime.run(Encoder(slot.signature).encode([GOOD]).tensors)


@pytest.mark.parametrize(
    ("values", "scores"),
    [
        ([0.2, 0.8], True),
        ([0, 1], False),
        ([0.0, 1.0], False),
        ([1, 0.3], True),
        (["a", 0.3], False),
        ([2.5, 0.3], False),
    ],
)
def test_a_server_is_asked_whether_it_answers_with_scores(values: list[Any], scores: bool) -> None:
    left = list(values)
    with remote_server(says(lambda _: {"score": left.pop()})) as server:
        remote = Remote(protocol="json", address=server.url, body="{{ features }}", answer="$.score")
        signature = json_slot("x", server.url, BINARY, score="").signature
        assert answers_with_scores(remote, signature, [GOOD] * len(values), {}) is scores
