"""NVIDIA's own HTTP clients, sync and asyncio: every call they have, as they send it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from tests.edges import edge
from tests.gateways import EVERY, Bench, Echo, bench, broken, echo, quick, snapshot

ROWS = np.array([[40.0, 2000.0, 1.0], [50.0, np.nan, 2.0]], dtype=np.float32)
VALUES: dict[str, Any] = {
    "BOOL": np.array([[True], [False]]),
    "BYTES": np.array([["a\0b"], ["客户 é"]], dtype=object),
    **{f"FP{bits}": np.array([[1.5], [-2.0]], dtype=f"f{bits // 8}") for bits in (16, 32, 64)},
    **{f"UINT{bits}": np.array([[0], [200]], dtype=f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.array([[-100], [100]], dtype=f"i{bits // 8}") for bits in (8, 16, 32, 64)},
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot())
        found.serve(echo(), champion=quick(Echo()))
        yield found


@pytest.fixture
def address(here: Bench) -> Iterator[str]:
    with edge(here) as served:
        yield f"127.0.0.1:{served.port}"


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address, concurrency=4) as found:
        yield found


def rows(*, binary: bool = True, values: Any = ROWS) -> list[triton.InferInput]:
    given = triton.InferInput("X", list(values.shape), "FP32")
    given.set_data_from_numpy(values, binary_data=binary)
    return [given]


def every(*, binary: bool, but: tuple[str, ...] = ()) -> list[triton.InferInput]:
    inputs = []
    for name in [tensor.name for tensor in EVERY.inputs if tensor.name not in but]:
        given = triton.InferInput(name, [2, 1], name)
        given.set_data_from_numpy(VALUES[name], binary_data=binary or name == "FP16")
        inputs.append(given)
    return inputs


def test_health_and_metadata(here: Bench, client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("churn")
    assert client.is_model_ready("churn", "churn:2")
    assert client.is_model_ready("churn", "2")
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready("churn", "9")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    told = client.get_model_metadata("churn", "churn:1")
    assert told["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 3]}]
    assert told["versions"] == ["churn:1", "churn:2"]
    here.gateway.ready = False
    assert not client.is_server_ready()
    assert client.is_server_live()


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("outputs", [None, True, False])
def test_infer_in_every_form(client: triton.InferenceServerClient, binary_in: bool, outputs: bool | None) -> None:
    wanted = None
    if outputs is not None:
        wanted = [triton.InferRequestedOutput(name, binary_data=outputs) for name in ("label", "probabilities")]
    values = ROWS if binary_in else ROWS[:1]
    answer = client.infer("churn", rows(binary=binary_in, values=values), outputs=wanted, request_id="mine")
    assert answer.as_numpy("label").tolist() == [0] * len(values)
    np.testing.assert_allclose(answer.as_numpy("probabilities"), [[0.75, 0.25]] * len(values))
    assert answer.as_numpy("probabilities").dtype == np.float32
    response = answer.get_response()
    assert (response["id"], response["model_version"]) == ("mine", "churn:1")
    assert response["parameters"]["reason"] == "split"
    assert ("binary_data_size" in answer.get_output("label").get("parameters", {})) == (outputs is not False)


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_coding", [None, "gzip", "deflate"])
def test_codings(client: triton.InferenceServerClient, request_coding: Any, response_coding: Any) -> None:
    answer = client.infer(
        "churn",
        rows(),
        request_compression_algorithm=request_coding,
        response_compression_algorithm=response_coding,
    )
    assert answer.as_numpy("label").tolist() == [0, 0]


def test_every_datatype_in_binary(client: triton.InferenceServerClient) -> None:
    answer = client.infer("echo", every(binary=True))
    for name, values in VALUES.items():
        found = answer.as_numpy(f"{name}_OUT")
        if name == "BYTES":
            found = np.array([[one.decode() for one in row] for row in found.tolist()], dtype=object)
        assert found.dtype == values.dtype
        assert found.tolist() == values.tolist()


def test_every_datatype_in_json_but_those_that_have_no_form(client: triton.InferenceServerClient) -> None:
    wanted = [triton.InferRequestedOutput(f"{name}_OUT", binary_data=False) for name in VALUES if name != "FP16"]
    answer = client.infer("echo", every(binary=False), outputs=wanted)
    for name in VALUES:
        if name != "FP16":
            assert answer.as_numpy(f"{name}_OUT").tolist() == VALUES[name].tolist()
    with pytest.raises(InferenceServerException, match="FP16, which has no form in JSON"):
        client.infer("echo", every(binary=True), outputs=[triton.InferRequestedOutput("FP16_OUT", binary_data=False)])


def test_bfloat16(client: triton.InferenceServerClient) -> None:
    given = triton.InferInput("X", [1, 3], "BF16")
    given.set_data_from_numpy(ROWS[:1])
    assert client.infer("churn", [given]).as_numpy("label").tolist() == [0]


def test_parameters_versions_priority_and_sequences(here: Bench, client: triton.InferenceServerClient) -> None:
    answer = client.infer(
        "churn",
        rows(),
        model_version="churn:2",
        sequence_id=7,
        sequence_start=True,
        sequence_end=True,
        priority=1,
        timeout=1_000_000,
        parameters={"unit": "u", "foreign": True},
    )
    assert answer.get_response()["parameters"]["reason"] == "override"
    here.recorder.rows.flush()
    assert {(row["unit"], row["reason"]) for row in here.rows()} == {("u", "override")}


def test_async_infer(client: triton.InferenceServerClient) -> None:
    waiting = [client.async_infer("churn", rows(), request_id=str(n)) for n in range(20)]
    assert [one.get_result().get_response()["id"] for one in waiting] == [str(n) for n in range(20)]


def test_bodies_made_and_parsed_without_a_connection(address: str) -> None:
    import http.client

    body, length = triton.InferenceServerClient.generate_request_body(rows())
    connection = http.client.HTTPConnection(address)
    headers = {"Inference-Header-Content-Length": str(length)}
    connection.request("POST", "/v2/models/churn/infer", body, headers)
    response = connection.getresponse()
    found = triton.InferenceServerClient.parse_response_body(
        response.read(), header_length=int(response.headers["Inference-Header-Content-Length"])
    )
    assert found.as_numpy("label").tolist() == [0, 0]
    connection.close()


def test_a_plugin_carries_the_key(here: Bench) -> None:
    from tritonclient.http.auth import BasicAuth  # noqa: F401 - the plugin mechanism is there

    with edge(here, key="s3cret") as served, triton.InferenceServerClient(f"127.0.0.1:{served.port}") as client:
        assert client.is_server_live()
        with pytest.raises(InferenceServerException, match="the key is missing or wrong"):
            client.get_server_metadata()
        headers = {"Authorization": "Bearer s3cret"}
        assert client.get_server_metadata(headers=headers)["name"] == "seatrial"
        assert client.infer("churn", rows(), headers=headers).as_numpy("label").tolist() == [0, 0]


def test_the_repository(client: triton.InferenceServerClient) -> None:
    assert {(one["name"], one["version"]) for one in client.get_model_repository_index()} == {
        ("churn", "churn:1"),
        ("churn", "churn:2"),
        ("echo", "echo:1"),
    }
    for call in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match="seatrial apply"):
            call("churn")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get_model_config", ("churn",)),
        ("get_inference_statistics", ()),
        ("get_inference_statistics", ("churn",)),
        ("get_trace_settings", ()),
        ("update_trace_settings", ("churn", {})),
        ("get_log_settings", ()),
        ("update_log_settings", ({},)),
        ("get_system_shared_memory_status", ()),
        ("register_system_shared_memory", ("a", "b", 1)),
        ("unregister_system_shared_memory", ("a",)),
        ("get_cuda_shared_memory_status", ()),
        ("register_cuda_shared_memory", ("a", b"b", 0, 1)),
        ("unregister_cuda_shared_memory", ()),
    ],
)
def test_extensions_that_are_not_claimed_are_refused_in_words(
    client: triton.InferenceServerClient, name: str, arguments: Any
) -> None:
    with pytest.raises(InferenceServerException, match=r"there is nothing at /v2/|is called 'stats'"):
        getattr(client, name)(*arguments)


def test_errors_are_read(here: Bench, client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="no deployment is called 'nobody'"):
        client.infer("nobody", rows())
    with pytest.raises(InferenceServerException, match="output 'nothing' is not one of"):
        client.infer("churn", rows(), outputs=[triton.InferRequestedOutput("nothing")])
    with pytest.raises(InferenceServerException, match="have the same name"):
        client.infer("churn", rows(), outputs=[triton.InferRequestedOutput("label")] * 2)
    with pytest.raises(InferenceServerException, match="0 rows"):
        client.infer("churn", rows(values=np.empty((0, 3), dtype=np.float32)))
    shared = triton.InferInput("X", [1, 3], "FP32")
    shared.set_shared_memory("region", 12)
    with pytest.raises(InferenceServerException, match="'X' has no data"):
        client.infer("churn", [shared])
    here.serve(snapshot(revision=2), champion=quick(broken()))
    with pytest.raises(InferenceServerException, match="no answer to request") as caught:
        client.infer("churn", rows())
    assert caught.value.status() == "503"


def one_row(number: int) -> list[triton_aio.InferInput]:
    given = triton_aio.InferInput("BYTES", [1, 1], "BYTES")
    given.set_data_from_numpy(np.array([[f"text {number}"]], dtype=object))
    others = every(binary=True, but=("BYTES",))
    for one in others:
        one.set_shape([1, 1])
        one.set_data_from_numpy(VALUES[one.name()][:1])
    return [given, *others]


def test_asyncio_and_200_at_once_each_get_their_own(address: str) -> None:
    async def ask() -> list[tuple[str, str]]:
        async with triton_aio.InferenceServerClient(address, conn_limit=200) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("echo")
            assert (await client.get_server_metadata())["name"] == "seatrial"
            assert (await client.get_model_metadata("echo"))["name"] == "echo"
            assert len(await client.get_model_repository_index()) == 3
            with pytest.raises(InferenceServerException, match="no deployment"):
                await client.infer("nobody", one_row(0))
            asking = [client.infer("echo", one_row(n), request_id=f"r{n}") for n in range(200)]
            answers = await asyncio.gather(*asking)
            return [(one.get_response()["id"], one.as_numpy("BYTES_OUT").item().decode()) for one in answers]

    assert asyncio.run(ask()) == [(f"r{n}", f"text {n}") for n in range(200)]
