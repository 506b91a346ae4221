"""gRPC calls that begin and do not end: others are served meanwhile, and what they hold is bounded."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton

from seatrial.protocol.messages import MESSAGES, SERVICE
from seatrial.serving.grpc_edge import HELD_BYTES
from tests.edges import grpc_edge
from tests.gateways import Bench, bench, snapshot
from tests.http2 import WINDOW, Client
from tests.waiting import wait_for

MIB = 1 << 20
PLACES = HELD_BYTES // (16 * MIB + (64 << 10))
ROW = np.array([[40, 1, 0]], dtype=np.float32)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot())
        yield found


@pytest.fixture
def address(here: Bench) -> Iterator[str]:
    with grpc_edge(here) as found:
        yield found


def good(client: triton.InferenceServerClient) -> None:
    given = triton.InferInput("X", [1, 3], "FP32")
    given.set_data_from_numpy(ROW)
    assert client.infer("churn", [given], client_timeout=60).as_numpy("label").tolist() == [0]


def test_four_hundred_senders_that_stall_keep_nobody_out_and_may_send_little(address: str) -> None:
    """The oracle is what HTTP/2 lets them send: a whole message to as many as have a place, a window to the others."""
    port = int(address.rpartition(":")[2])
    with ExitStack() as opened, triton.InferenceServerClient(address) as client:
        connections = [opened.enter_context(Client(port)) for _ in range(4)]
        streams = [(one, one.begin(announced=15 * MIB)) for one in connections for _ in range(100)]

        def favoured() -> int:
            more = [(one, stream) for one, stream in streams if one.granted(stream) > WINDOW]
            return sum(stream not in one.ended for one, stream in more)

        wait_for(lambda: favoured() > 0, what="the first that is read")
        for _ in range(5):
            for one, stream in streams:
                if stream not in one.ended:
                    one.fill(stream, 32 << 10)
            assert client.is_server_live()
            good(client)
            assert favoured() <= 2 * PLACES  # of some that lost theirs the end is still on its way
        assert not any(one.gone for one in connections)


def test_connections_beyond_the_most_are_cut_and_let_in_when_one_goes(here: Bench) -> None:
    own = [("grpc.use_local_subchannel_pool", 1)]  # else clients of one process share a connection
    with grpc_edge(here, most=3) as address, triton.InferenceServerClient(address, channel_args=own) as client:
        port = int(address.rpartition(":")[2])
        good(client)
        with Client(port), Client(port):
            with Client(port) as beyond:
                wait_for(lambda: beyond.gone, what="the end of a fourth connection")
            good(client)
        with triton.InferenceServerClient(address, channel_args=own) as later:
            good(later)


def test_whoever_stalls_is_told_when_others_need_the_place(here: Bench, address: str) -> None:
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait()
        yield from ()

    with grpc.insecure_channel(address) as channel, triton.InferenceServerClient(address) as client:
        stalled = [channel.stream_unary(f"/{SERVICE}/ModelInfer").future(nothing()) for _ in range(PLACES)]
        wait_for(lambda: good(client) or [one for one in stalled if one.done()], what="one that lost its place")
        told = [one for one in stalled if one.done()]
        assert {one.code() for one in told} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert "others waited while this message came" in told[0].details()
        shed = [line for line in here.gateway.metrics().splitlines() if line.startswith("seatrial_shed_total{")]
        assert [(line.split()[0], float(line.split()[1])) for line in shed] == [
            ('seatrial_shed_total{reason="bytes"}', len(told))
        ]
        never.set()
        for one in stalled:
            one.cancel()


def test_a_call_that_ends_without_its_message(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError, match="ended without a message") as caught:
            channel.stream_unary(f"/{SERVICE}/ModelInfer")(iter(()))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


def test_a_message_over_the_limit_is_refused_before_it_comes(address: str) -> None:
    message = MESSAGES["ModelInferRequest"](model_name="churn", raw_input_contents=[bytes(17 * MIB)])
    with grpc.insecure_channel(address) as channel, triton.InferenceServerClient(address) as client:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/{SERVICE}/ModelInfer")(message.SerializeToString())
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
        good(client)


def test_a_caller_without_the_key_is_refused_before_its_message(here: Bench) -> None:
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait()
        yield from ()

    with grpc_edge(here, key="s3cret") as address, grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError, match="the key is missing") as caught:
            channel.stream_unary(f"/{SERVICE}/ModelInfer")(nothing(), timeout=60)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
        never.set()
