"""A remote variant asks real Open Inference servers: a second gateway of ours by HTTP and gRPC, MLServer's answers."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from seatrial.models.remote import RemoteRuntime, terms_of
from seatrial.models.remote_signature import settle_open_inference
from seatrial.models.runtimes import RuntimeFailure
from seatrial.protocol.answers import Answers
from seatrial.protocol.features import Encoder
from seatrial.protocol.messages import MESSAGES, SERVICE
from seatrial.routing.snapshot import LogPolicy, Remote, Slot
from seatrial.spec.signature import Feature, Signature, Tensor
from tests.edges import edge, grpc_edge
from tests.gateways import BINARY, EVERY, GOOD, Bench, Echo, Scripted, bench, echo, quick, slot, slow, snapshot
from tests.remotes import remote_server, remote_slot, says, within

OTHERS = Path(__file__).parent / "others"


def settled(remote: Remote, beside: Signature | None, environ: dict[str, str] | None = None) -> Slot:
    """The slot that applying a file with this remote would make."""
    found = settle_open_inference(remote, terms_of(remote, environ or {}), (), beside, None)
    return remote_slot("legacy", found.signature, found.remote)


@contextmanager
def opened(slot: Slot, environ: dict[str, str] | None = None) -> Iterator[RemoteRuntime]:
    runtime = RemoteRuntime(slot, environ or {})
    try:
        yield runtime
    finally:
        runtime.close()


def ask(slot: Slot, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with opened(slot) as runtime:
        runtime.check()
        outputs = runtime.run(Encoder(slot.signature).encode(rows).tensors)
    return Answers(slot.signature).read(outputs, len(rows)).answers


@contextmanager
def served(here: Bench, by: str, model: str, **more: Any) -> Iterator[Remote]:
    if by == "http":
        with edge(here, **more) as found:
            yield Remote(protocol="http", address=f"http://127.0.0.1:{found.port}/", model=model)
    else:
        with grpc_edge(here, **more) as address:
            yield Remote(protocol="grpc", address=f"grpc://{address}", model=model)


@pytest.fixture(params=["http", "grpc"])
def by(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_another_gateway_answers_as_it_does_itself(tmp_path: Path, by: str) -> None:
    with bench(tmp_path) as here:
        here.serve(snapshot(), champion=quick(Scripted(0.75)))
        with served(here, by, "churn") as remote:
            found = settled(remote, BINARY)
            assert found.signature.answer == BINARY.answer
            rows = [GOOD, {**GOOD, "income": None}, {**GOOD, "country": "US"}]
            assert ask(found, rows) == [{"prediction": 1, "score": 0.75}] * 3
        logged = here.rows()
    assert [row["feature.country"] for row in logged] == ["FR", "FR", "US"]
    assert [row["feature.income"] for row in logged] == [2000.0, None, 2000.0]


def test_by_http_another_gateway_is_told_what_is_missing_and_unseen(tmp_path: Path) -> None:
    kinds = ("number", "integer", "boolean", "time", "category", "text")
    signature = Signature(
        task="classification",
        features=tuple(Feature(name=kind, kind=kind, nullable=True) for kind in kinds),  # type: ignore[arg-type]
        inputs=(Tensor(name="X", datatype="FP64", shape=(-1, 1), features=("number",)),),
        outputs=BINARY.outputs,
        answer=BINARY.answer,
    )
    rows: list[dict[str, Any]] = [
        {"number": 0.1, "integer": 7, "boolean": True, "time": 1.5, "category": "IS", "text": ""},
        dict.fromkeys(kinds),
    ]
    log = LogPolicy(features=kinds)
    with bench(tmp_path) as here:
        here.serve(snapshot(slots=(slot("champion", 1, signature),), log=log))
        with served(here, "http", "churn") as remote:
            assert len(ask(settled(remote, signature), rows)) == 2
        logged = [{kind: row.get(f"feature.{kind}") for kind in kinds[:-1]} for row in here.rows()]
    assert logged == [{kind: row[kind] for kind in kinds[:-1]} for row in rows]


def test_a_version_may_be_asked_for(tmp_path: Path, by: str) -> None:
    with bench(tmp_path) as here:
        here.serve(snapshot(), challenger=quick(Scripted(1.0)))
        with served(here, by, "churn") as remote:
            second = settled(Remote(**{**_plain(remote), "version": "churn:2"}), BINARY)
            assert ask(second, [GOOD]) == [{"prediction": 1, "score": 1.0}]
            with pytest.raises(RuntimeFailure, match="serves no version"):
                settled(Remote(**{**_plain(remote), "version": "9"}), BINARY)
            with pytest.raises(RuntimeFailure, match="no deployment is called"):
                settled(Remote(**{**_plain(remote), "model": "nobody"}), BINARY)


def test_every_datatype_comes_back(tmp_path: Path) -> None:
    rows = [
        {
            name.name: {"boolean": True, "text": f"ä{n}", "integer": n + 1, "number": n + 0.5}[name.kind]
            for name in EVERY.features
        }
        for n in range(2)
    ]
    with bench(tmp_path) as here:
        here.serve(echo(), champion=quick(Echo()))
        with served(here, "grpc", "echo") as remote:
            found = ask(settled(remote, EVERY), rows)
    for row, answer in zip(rows, found, strict=True):
        given = {f"{name.removeprefix('f_').upper()}_OUT": [value] for name, value in row.items()}
        assert answer["prediction"] == given


def test_a_key_is_sent_and_one_that_is_wrong_is_said_without_it(tmp_path: Path, by: str) -> None:
    with bench(tmp_path) as here:
        here.serve(snapshot())
        with served(here, by, "churn", key="s3cret") as remote:
            given = Remote(**{**_plain(remote), "headers": {"Authorization": "Bearer ${KEY}"}})
            found = settled(given, BINARY, {"KEY": "s3cret"})
            with opened(found, {"KEY": "s3cret"}) as runtime:
                runtime.check()
                assert len(runtime.run(Encoder(found.signature).encode([GOOD]).tensors)) == 2
            with pytest.raises(RuntimeFailure, match=r"answered (401|UNAUTHENTICATED)") as caught:
                settled(given, BINARY, {"KEY": "another"})
            assert "another" not in str(caught.value)


def test_the_time_left_is_passed_on(tmp_path: Path, by: str) -> None:
    """The asked gateway gives up with its caller, and says so in its own books."""
    with bench(tmp_path) as here:
        model = Scripted(out_of_process=True)
        here.serve(snapshot(), champion=slow(model))
        with served(here, by, "churn") as remote:
            found = within(settled(remote, BINARY), 0.2)
            model.hang()
            with opened(found) as runtime, pytest.raises(RuntimeFailure, match=r"no answer within 200 ms|answered 504"):
                runtime.run(Encoder(found.signature).encode([GOOD]).tensors)
            model.release()


def test_one_that_is_not_ready_is_not_used(tmp_path: Path, by: str) -> None:
    with bench(tmp_path) as here:
        here.serve(snapshot())
        with served(here, by, "churn") as remote:
            found = settled(remote, BINARY)
            here.gateway.ready = False
            with opened(found) as runtime, pytest.raises(RuntimeFailure, match=r"is not ready|the model not ready"):
                runtime.check()
    with opened(found) as runtime, pytest.raises(RuntimeFailure, match="cannot be reached"):
        runtime.check()


def test_mlservers_answers_are_read() -> None:
    answers = json.loads((OTHERS / "mlserver_answers.json").read_text())["answers"]
    questions = json.loads((OTHERS / "questions.json").read_text())
    theirs = answers["both outputs"]["body"]
    rows = [{"age": float(n), "income": 1.0, "country": "DE"} for n in range(2)]
    with remote_server(says(lambda asked: theirs if asked else answers["model"]["body"])) as server:
        found = settled(Remote(protocol="http", address=server.url, model="churn"), BINARY)
        assert ask(found, rows) == [{"prediction": 0, "score": 0.25}] * 2
        asked = server.heard[-1]
    assert asked.path == "/v2/models/churn/infer"
    assert asked.json["inputs"] == [
        {"name": "X", "datatype": "FP32", "shape": [2, 3], "data": [0.0, 1.0, 0.0, 1.0, 1.0, 0.0]}
    ]
    assert {one["name"] for one in asked.json["outputs"]} == {"label", "probabilities"}
    assert questions  # what was asked of MLServer stands beside its answers


def answer(**changes: Any) -> dict[str, Any]:
    label = {"name": "label", "datatype": "INT64", "shape": [1], "data": [1]}
    return {"model_name": "churn", "outputs": [{**label, **changes}]}


WRONG = {
    "no answer": ({"x": 1}, "gave no answer of the protocol"),
    "another output": (answer(name="other"), "gave no output 'label', but other"),
    "rows": (answer(shape=[2], data=[1, 0]), r"output 'label' of shape \[2\] for 1 rows"),
    "elements": (answer(data=[1, 0]), "gave 2 elements in output 'label'"),
    "no data": (answer(data=None), "gave 0 elements"),
    "datatype": (answer(datatype="INT65"), "of datatype 'INT65'"),
    "kinds": (answer(data=["x"]), "gave \"x\" among the INT64 elements of output 'label'"),
    "a label of nobody": (answer(data=[5]), "answered 5, which is not one of the labels 0, 1"),
    "negative shape": (answer(shape=[1, -1]), "of shape"),
    "huge shape": (answer(shape=[1, 2**40]), "gave 1 elements"),
    "ragged": (answer(shape=[1, 1], data=[[1], 2]), "gave|are none"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_answer_that_does_not_fit_is_a_sentence(case: str) -> None:
    document, words = WRONG[case]
    signature = settle_open_inference(
        Remote(protocol="http", address="http://h", model="churn", answer="label"),
        _label_only(),
        (),
        BINARY,
        None,
    )
    with remote_server(says(lambda _: document)) as server:
        remote = Remote(**{**_plain(signature.remote), "address": server.url})
        with opened(remote_slot("legacy", signature.signature, remote)) as runtime:
            with pytest.raises(RuntimeFailure, match=words) as caught:
                runtime.run(Encoder(signature.signature).encode([GOOD]).tensors)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "contents", "raw", "words"),
    [
        ({}, {"int64_contents": [1]}, [], None),
        ({}, {}, [b"\1" + b"\0" * 7], None),
        ({}, {}, [b"\1"], "raw contents that do not fit"),
        ({}, {}, [b"", b""], "2 raw contents for 1 outputs"),
        ({}, {"fp32_contents": [1.0]}, [], "gave 0 elements"),
        ({"shape": [3]}, {"int64_contents": [1]}, [], r"of shape \[3\] for 1 rows"),
        ({"name": "other"}, {"int64_contents": [1]}, [], "gave no output 'label', but other"),
        ({"datatype": "ODD"}, {"int64_contents": [1]}, [], "of datatype 'ODD'"),
    ],
)
def test_answers_by_grpc(fields: dict[str, Any], contents: dict[str, Any], raw: list[bytes], words: str | None) -> None:
    message = MESSAGES["ModelInferResponse"](model_name="churn")
    output = message.outputs.add(**{"name": "label", "datatype": "INT64", "shape": [1], **fields})
    for name, values in contents.items():
        getattr(output.contents, name).extend(values)
    message.raw_output_contents.extend(raw)
    with grpc_server(message.SerializeToString()) as address:
        remote = Remote(protocol="grpc", address=f"grpc://{address}", model="churn", answer="label")
        found = settle_open_inference(remote, _label_only(), (), BINARY, None)
        with opened(remote_slot("legacy", found.signature, found.remote)) as runtime:
            tensors = Encoder(found.signature).encode([GOOD]).tensors
            if words is None:
                assert runtime.run(tensors)["label"].tolist() == [1]
            else:
                with pytest.raises(RuntimeFailure, match=words):
                    runtime.run(tensors)


def test_an_answer_of_another_datatype_is_not_served(tmp_path: Path) -> None:
    """The default answers, and the row says why."""
    answered = {"outputs": [{"name": "label", "datatype": "INT64", "shape": [1], "data": [0.9]}]}
    with remote_server(says(lambda _: answered)) as server, bench(tmp_path) as here:
        remote = Remote(protocol="http", address=server.url, model="churn", answer="label")
        found = settle_open_inference(remote, _label_only(), (), BINARY, None)
        asked = remote_slot("challenger", found.signature, found.remote)
        with opened(asked) as runtime:
            given = snapshot({"challenger": 1.0}, slots=(slot("champion", 1), asked))
            here.serve(given, champion=quick(Scripted(0.75)), challenger=slow(runtime))
            answer = asyncio.run(here.gateway.predict("churn", GOOD))
        (row,) = here.rows()
    assert (answer["prediction"], answer["answered_by"]) == (1, "default")
    assert (row["status"], row["variant"]) == ("error", "challenger")
    assert "gave 0.9 among the INT64 elements of output 'label'" in row["error"]


def test_what_is_no_message_or_too_large_is_a_sentence() -> None:
    for body, words in ((b"\xff\xff", "no message of the protocol"), (b"\0" * (17 << 20), "RESOURCE_EXHAUSTED")):
        with grpc_server(body) as address:
            remote = Remote(protocol="grpc", address=f"grpc://{address}", model="churn", answer="label")
            found = settle_open_inference(remote, _label_only(), (), BINARY, None)
            slot_ = remote_slot("legacy", found.signature, found.remote)
            with opened(slot_) as runtime, pytest.raises(RuntimeFailure, match=words):
                runtime.run(Encoder(found.signature).encode([GOOD]).tensors)


@contextmanager
def grpc_server(answer: bytes) -> Iterator[str]:
    """A server that gives the same bytes to every call."""
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_send_message_length", -1)])
    handler = grpc.unary_unary_rpc_method_handler(lambda _, __: answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"ModelInfer": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def _label_only() -> Any:
    from seatrial.protocol.asking import Described, Terms

    return Terms((Described("X", "FP32", (-1, 3)),), (Described("label", "INT64", (-1,)),))


def _plain(remote: Remote) -> dict[str, Any]:
    return {name: getattr(remote, name) for name in remote.__struct_fields__}


def test_slots_name_themselves() -> None:
    assert remote_slot("legacy", BINARY, Remote(protocol="json", address="http://h")).model_version == "legacy"
    assert slot("champion", 3).model_version == "churn:3"
