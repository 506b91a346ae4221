"""NVIDIA's own gRPC clients, sync and asyncio, and bare messages: the six calls, their errors, 200 at once."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from seatrial.protocol.messages import CALLS, MESSAGES, SERVICE, TABLE
from seatrial.routing.snapshot import LogPolicy
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.edges import edge, grpc_edge
from tests.gateways import EVERY, Bench, Echo, Scripted, bench, broken, echo, quick, slot, slow, snapshot
from tests.protocol.test_triton_http import ROWS, VALUES
from tests.waiting import wait_for


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot())
        found.serve(echo(), champion=quick(Echo()))
        yield found


@pytest.fixture
def address(here: Bench) -> Iterator[str]:
    with grpc_edge(here) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as found:
        yield found


def rows(values: Any = ROWS) -> list[triton.InferInput]:
    given = triton.InferInput("X", list(values.shape), "FP32")
    given.set_data_from_numpy(values)
    return [given]


def every(count: int = 2, text: str | None = None) -> list[triton.InferInput]:
    inputs = []
    for name in [tensor.name for tensor in EVERY.inputs]:
        given = triton.InferInput(name, [count, 1], name)
        values = VALUES[name][:count]
        given.set_data_from_numpy(np.array([[text]], dtype=object) if name == "BYTES" and text else values)
        inputs.append(given)
    return inputs


WORDS = Signature(
    task="raw",
    features=(Feature(name="text", kind="text"),),
    inputs=(Tensor(name="BYTES", datatype="BYTES", shape=(-1,), features=("text",)),),
    outputs=(Tensor(name="BYTES_OUT", datatype="BYTES", shape=(-1,)),),
    answer=Answer(prediction="BYTES_OUT"),
)
PICTURE = b"\xff\xd8\xff\xe0JPEG"


class Picture(Scripted):
    def run(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        return {"BYTES_OUT": np.array([PICTURE] * len(inputs["BYTES"]), dtype=object)}


def test_bytes_that_are_no_text_come_as_they_are_and_in_json_are_refused(here: Bench, address: str) -> None:
    picture = snapshot(deployment="p", slots=(slot("champion", 1, WORDS, model="p"),), task="raw", log=LogPolicy())
    here.serve(picture, champion=quick(Picture()))
    asked = MESSAGES["ModelInferRequest"](model_name="p")
    asked.inputs.add(name="BYTES", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"a")
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        answer = MESSAGES["ModelInferResponse"].FromString(call(asked.SerializeToString()))
    assert list(answer.outputs[0].contents.bytes_contents) == [PICTURE]
    body: dict[str, Any] = {"inputs": [{"name": "BYTES", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}
    with edge(here) as served:
        url = f"http://127.0.0.1:{served.port}/v2/models/p/infer"
        said = httpx.post(url, json=body)
        assert said.status_code == 400
        assert "output 'BYTES_OUT' is bytes that are not UTF-8" in said.json()["error"]
        said = httpx.post(url, json=body | {"parameters": {"binary_data_output": True}})
        assert said.content.endswith(len(PICTURE).to_bytes(4, "little") + PICTURE)


def refused(client: triton.InferenceServerClient, code: str, match: str, *arguments: Any, **more: Any) -> None:
    with pytest.raises(InferenceServerException, match=match) as caught:
        client.infer(*arguments, **more)
    assert caught.value.status() == f"StatusCode.{code}"


def test_the_table_is_the_protocols() -> None:
    """Every field of ours has, in the client's own messages, the same number and type."""
    for name in TABLE:
        theirs = service_pb2.DESCRIPTOR.message_types_by_name[name.partition(".")[0]]
        if "." in name:
            theirs = theirs.nested_types_by_name[name.partition(".")[2]]
        for field in MESSAGES[name].DESCRIPTOR.fields:
            other = theirs.fields_by_name[field.name]
            assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated)
    methods = service_pb2.DESCRIPTOR.services_by_name[SERVICE.rpartition(".")[2]].methods_by_name
    assert set(CALLS) <= set(methods)


def test_health_and_metadata(here: Bench, client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("churn")
    assert client.is_model_ready("churn", "2")
    assert "binary_tensor_data" in client.get_server_metadata().extensions
    told = client.get_model_metadata("churn", "churn:1", as_json=True)
    assert told["inputs"] == [{"name": "X", "datatype": "FP32", "shape": ["-1", "3"]}]
    assert told["versions"] == ["churn:1", "churn:2"]
    with pytest.raises(InferenceServerException, match="no deployment is called 'nobody'"):
        client.is_model_ready("nobody")
    here.gateway.miss("gone", "its files are away")
    assert not client.is_model_ready("gone")
    here.gateway.ready = False
    assert not client.is_server_ready()
    assert not client.is_model_ready("churn")


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_infer(here: Bench, client: triton.InferenceServerClient, coding: str | None) -> None:
    answer = client.infer(
        "churn",
        rows(),
        request_id="mine",
        sequence_id=3,
        priority=2,
        timeout=10,
        compression_algorithm=coding,
        parameters={"unit": "u", "foreign": 1},
    )
    assert answer.as_numpy("label").tolist() == [0, 0]
    np.testing.assert_allclose(answer.as_numpy("probabilities"), [[0.75, 0.25]] * 2)
    response = answer.get_response()
    assert (response.id, response.model_version) == ("mine", "churn:1")
    assert response.parameters["reason"].string_param == "split"
    assert {row["unit"] for row in here.rows()} == {"u"}
    only = client.infer("churn", rows(), outputs=[triton.InferRequestedOutput("probabilities")], model_version="2")
    assert only.as_numpy("label") is None
    assert only.get_response().parameters["reason"].string_param == "override"


def test_every_datatype(client: triton.InferenceServerClient) -> None:
    answer = client.infer("echo", every())
    for name, values in VALUES.items():
        found = answer.as_numpy(f"{name}_OUT")
        if name == "BYTES":
            found = np.array([[one.decode() for one in row] for row in found.tolist()], dtype=object)
        assert (found.dtype, found.tolist()) == (values.dtype, values.tolist())


def test_async_infer_and_a_deadline(here: Bench, client: triton.InferenceServerClient) -> None:
    answers: list[Any] = []
    for number in range(20):
        client.async_infer(
            "echo", every(1, f"text {number}"), lambda result, error: answers.append((result, error)), request_id="r"
        )
    wait_for(lambda: len(answers) == 20, what="every answer")
    assert {one.as_numpy("BYTES_OUT").item().decode() for one, _ in answers} == {f"text {n}" for n in range(20)}
    model, revisions = Scripted(), count(2)
    model.hang()

    def serve() -> None:
        here.serve(snapshot(slots=(slot("champion"),), revision=next(revisions)), champion=slow(model))

    def gave_up() -> bool:
        """A call that was given up leaves a row, if it came here before; threads of its own, so that none is shed."""
        serve()
        refused(client, "DEADLINE_EXCEEDED", "Deadline|within", "churn", rows(), client_timeout=0.2)
        return any(row["status"] == "timeout" for row in here.rows())

    wait_for(gave_up, what="the row of a call given up")
    serve()
    refused(client, "DEADLINE_EXCEEDED", "that the request left", "churn", rows(), parameters={"timeout_ms": 20})
    model.release()


def test_errors_and_their_codes(here: Bench, client: triton.InferenceServerClient) -> None:
    refused(client, "NOT_FOUND", "no deployment is called 'nobody'", "nobody", rows())
    refused(client, "NOT_FOUND", "serves no version '9'", "churn", rows(), model_version="9")
    refused(client, "INVALID_ARGUMENT", "'X' has shape", "churn", rows(ROWS[:, :2]))
    refused(client, "INVALID_ARGUMENT", "0 rows", "churn", rows(ROWS[:0]))
    nothing = [triton.InferRequestedOutput("nothing")]
    refused(client, "INVALID_ARGUMENT", "'nothing' is not one of", "churn", rows(), outputs=nothing)
    here.serve(snapshot(revision=2), champion=quick(broken()))
    refused(client, "UNAVAILABLE", "no answer to request", "churn", rows())
    model = Scripted()
    model.hang()
    slots = (slot("champion", timeout=0.05),)
    here.serve(snapshot(slots=slots, revision=3), champion=slow(model))
    refused(client, "DEADLINE_EXCEEDED", "no answer within 50 ms", "churn", rows())
    here.serve(snapshot(slots=slots, revision=4), champion=slow(model, threads=0, waiting=0))
    refused(client, "RESOURCE_EXHAUSTED", "calls wait for the model", "churn", rows())
    model.release()


def test_a_bug_is_internal(here: Bench, client: triton.InferenceServerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here.gateway, "begin_infer", lambda *_, **__: 1 / 0)
    refused(client, "INTERNAL", "ZeroDivisionError", "churn", rows())


def test_calls_that_are_not_served(client: triton.InferenceServerClient) -> None:
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (client.get_model_config, ("churn",)),
        (client.get_model_repository_index, ()),
        (client.get_inference_statistics, ()),
        (client.get_trace_settings, ()),
        (client.get_log_settings, ()),
        (client.load_model, ("churn",)),
        (client.unload_model, ("churn",)),
        (client.get_system_shared_memory_status, ()),
        (client.get_cuda_shared_memory_status, ()),
    ]
    for call, arguments in calls:
        with pytest.raises(InferenceServerException) as caught:
            call(*arguments)
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


def test_a_key_is_asked_for(here: Bench) -> None:
    with grpc_edge(here, key="s3cret") as address, triton.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        for headers in (None, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
            refused(client, "UNAUTHENTICATED", "the key is missing or wrong", "churn", rows(), headers=headers)
        right = {"authorization": "Bearer s3cret"}
        assert client.infer("churn", rows(), headers=right).as_numpy("label").tolist() == [0, 0]


def test_asyncio_and_200_at_once_each_get_their_own(address: str) -> None:
    async def ask() -> list[tuple[str, str]]:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("echo")
            assert (await client.get_server_metadata()).name == "seatrial"
            assert (await client.get_model_metadata("echo")).name == "echo"
            asking = [client.infer("echo", every(1, f"text {n}"), request_id=f"r{n}") for n in range(200)]
            answers = await asyncio.gather(*asking)
            return [(one.get_response().id, one.as_numpy("BYTES_OUT").item().decode()) for one in answers]

    assert asyncio.run(ask()) == [(f"r{n}", f"text {n}") for n in range(200)]


# What the clients do not send by themselves.


@pytest.fixture
def infer(address: str) -> Iterator[Any]:
    with grpc.insecure_channel(address) as channel:
        yield channel.unary_unary(f"/{SERVICE}/ModelInfer")


def request(datatype: str = "FP32", shape: tuple[int, ...] = (1, 3), name: str = "X", model: str = "churn") -> Any:
    message = MESSAGES["ModelInferRequest"](model_name=model)
    message.inputs.add(name=name, datatype=datatype, shape=shape)
    return message


def ask(infer: Any, message: Any) -> Any:
    return MESSAGES["ModelInferResponse"].FromString(infer(message.SerializeToString()))


def test_contents_are_answered_in_contents(infer: Any) -> None:
    message = request()
    message.inputs[0].contents.fp32_contents.extend([40, 1, 0])
    answer = ask(infer, message)
    assert list(answer.outputs[0].contents.int64_contents) == [0]
    assert list(answer.outputs[1].contents.fp32_contents) == [0.75, 0.25]
    assert not answer.raw_output_contents


def test_every_datatype_in_contents_but_halves_which_are_answered_raw(infer: Any) -> None:
    from seatrial.protocol.calls import CONTENTS

    message = MESSAGES["ModelInferRequest"](model_name="echo")
    for name in VALUES:
        given = message.inputs.add(name=name, datatype="FP32" if name == "FP16" else name, shape=[2, 1])
        values = VALUES[name].reshape(-1).tolist()
        elements = [one.encode() for one in values] if name == "BYTES" else values
        getattr(given.contents, CONTENTS[given.datatype]).extend(elements)
    answer = ask(infer, message)
    found = dict(zip([one.name for one in answer.outputs], answer.raw_output_contents, strict=True))
    assert found["INT16_OUT"] == VALUES["INT16"].tobytes()
    assert found["FP16_OUT"] == VALUES["FP16"].tobytes()


def mixed() -> Any:
    message = request()
    message.inputs[0].contents.fp32_contents.extend([40, 1, 0])
    message.raw_input_contents.append(bytes(12))
    return message


def filled(message: Any, **contents: Any) -> Any:
    for name, values in contents.items():
        getattr(message.inputs[0].contents, name).extend(values)
    return message


def raw(message: Any, *parts: bytes) -> Any:
    message.raw_input_contents.extend(parts)
    return message


@pytest.mark.parametrize(
    ("message", "match"),
    [
        (mixed(), "has contents beside raw_input_contents"),
        (raw(request(), bytes(12), bytes(12)), "has 2 parts for 1 inputs"),
        (raw(request(), bytes(11)), "has 11 bytes; its shape means 3 elements"),
        (raw(request(shape=(-1, 3)), bytes(12)), "sizes of 0 or more"),
        (raw(request(shape=(2**40, 2**40)), bytes(12)), "more than anybody could send"),
        (filled(request(), int_contents=[1, 2, 3]), "is FP32 and has int_contents; send fp32_contents"),
        (filled(request(), fp32_contents=[1, 2]), "has 2 elements; its shape"),
        (filled(request("FP16")), "FP16 travels only in raw_input_contents"),
        (filled(request("FP8")), "'FP8' is not one of"),
        (filled(request("BYTES", (1,), "country"), bytes_contents=[b"\xff"]), "is not UTF-8"),
        (MESSAGES["ModelInferRequest"](model_name="churn"), "inputs is empty"),
    ],
)
def test_refused_in_words(infer: Any, message: Any, match: str) -> None:
    with pytest.raises(grpc.RpcError, match=match) as caught:
        ask(infer, message)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_bytes_that_are_no_message(infer: Any) -> None:
    with pytest.raises(grpc.RpcError, match="this is not a ModelInferRequest") as caught:
        infer(b"\xff\xff\xff")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
