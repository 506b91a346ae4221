"""uvloop + httptools + ONNX Runtime and nothing else: ``python -m bench.rivals.bare_uvloop PORT PLACE``."""

import asyncio
import sys
from collections.abc import Callable

import httptools
import uvloop

from bench.rivals.scoring import Scorer


class Edge(asyncio.Protocol):
    def __init__(self, scorer: Callable[[bytes], bytes]) -> None:
        self._scorer = scorer
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        answer = self._scorer(b"".join(self._body))
        self._body.clear()
        self._transport.write(  # type: ignore[attr-defined]
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
        )


async def serve(port: int, scorer: Callable[[bytes], bytes]) -> None:
    """Answer every request with what ``scorer`` makes of its body."""
    server = await asyncio.get_running_loop().create_server(lambda: Edge(scorer), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Scorer(f"{sys.argv[2]}/model.onnx")))
