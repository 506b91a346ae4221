"""Asking by HTTP: kept-alive connections of one remote variant, every answer bounded, every failure a sentence.

Nothing is asked twice, and a redirect is an answer like any other that is not 200: both would hide what happened. The
caller sets the time limit, around the whole call. A connection that rested longer than a second is not used again, so
that a server which closes it at that moment does not look as if it had failed.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from seatrial.models.remote_address import Address
from seatrial.models.remote_answers import Said, outputs_of
from seatrial.models.runtimes import RuntimeFailure, Tensors
from seatrial.protocol.asking import Asked, Terms, read_answer, read_error, read_terms, write_request
from seatrial.routing.snapshot import Remote
from seatrial.spec.answer_path import NotThere, find, parse_path
from seatrial.spec.body_template import fill, parse_body
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature, Signature
from seatrial.version import __version__

CONNECTIONS = 128
"""Open at once; further calls wait for one, within their time."""

AT_ONCE = 16
"""Calls of one request with several rows that are under way together."""

REST_SECONDS = 1.0
LARGEST = 16 << 20


def largest(rows: int) -> int:
    """Bytes that an answer of so many rows may have."""
    return min(LARGEST, (256 << 10) + rows * (128 << 10))


class Http:
    """One server's connections; used on one event loop."""

    def __init__(self, address: Address) -> None:
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"seatrial/{__version__}",
            **address.headers,
        }
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: str, url: str, body: bytes | None, most: int) -> tuple[int, bytes]:
        """Status and body of an answer.

        Raises:
            RuntimeFailure: There is none, or it is over ``most`` bytes; the message goes on after the server's name.
        """
        try:
            return await self._call(method, url, body, most)
        except aiohttp.ClientConnectorCertificateError:
            raise RuntimeFailure("shows a certificate that is not trusted here") from None
        except aiohttp.ClientConnectorError as error:
            raise RuntimeFailure(f"cannot be reached ({_reason(error.os_error)})") from None
        except (aiohttp.ServerDisconnectedError, ConnectionResetError, aiohttp.ClientOSError):
            raise RuntimeFailure("broke the connection before it answered") from None
        except aiohttp.ClientPayloadError:
            raise RuntimeFailure("broke off in the middle of its answer") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise RuntimeFailure(f"gave no answer in HTTP ({type(error).__name__})") from None

    async def _call(self, method: str, url: str, body: bytes | None, most: int) -> tuple[int, bytes]:
        content = {} if body is None else {"Content-Type": "application/json"}
        async with self._open().request(
            method, url, data=body, headers={**content, **self._headers}, allow_redirects=False
        ) as response:
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise RuntimeFailure("answered in a content coding that it was not asked for")
            parts: list[bytes] = []
            size = response.content_length or 0
            if size <= most:
                size = 0
                async for part in response.content.iter_any():
                    size += len(part)
                    if size > most:
                        break
                    parts.append(part)
            if size > most:
                response.close()
                raise RuntimeFailure(f"answered with more than {most} bytes")
            return response.status, b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=REST_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                auto_decompress=False,
                read_bufsize=1 << 16,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class JsonWire:
    """A server that takes any JSON."""

    def __init__(self, remote: Remote, signature: Signature, address: Address) -> None:
        self._http = Http(address)
        self._url = address.url
        self._template = parse_body(remote.body)
        self._paths = {
            name: parse_path(path)
            for name, path in (("answer", remote.answer), ("score", remote.score), ("scores", remote.scores))
            if path
        }
        self._signature = signature

    async def ready(self) -> None:
        """Nobody can ask that of it; its first answer shows it."""

    async def terms(self) -> Terms:
        raise RuntimeFailure("says nothing of what it takes")

    async def answer(self, inputs: Tensors, rows: int, _: float) -> dict[str, Any]:
        return outputs_of(await self.said(inputs), self._signature, rows)

    async def said(self, inputs: Tensors) -> Said:
        """What it says of rows, as it says it."""
        rows = rows_from(inputs, self._signature.features)
        bodies = fill(self._template, rows)
        if self._template.whole:
            document = _document(await self._post(bodies[0], largest(len(rows))))
            return Said(**{name: _at(document, path) for name, path in self._paths.items()})
        found: dict[str, list[Any]] = {name: [None] * len(bodies) for name in self._paths}
        places = iter(range(len(bodies)))
        room = largest(len(bodies))

        async def work() -> None:
            nonlocal room
            for place in places:
                answer = await self._post(bodies[place], min(room, largest(1)))
                room -= len(answer)
                document = _document(answer)
                for name, path in self._paths.items():
                    found[name][place] = _at(document, path)

        workers = [asyncio.ensure_future(work()) for _ in range(min(AT_ONCE, len(bodies)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return Said(**found)

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, body: bytes, most: int) -> bytes:
        status, answer = await self._http.call("POST", self._url, body, most)
        if status != 200:
            raise RuntimeFailure(_refusal(status, answer))
        return answer


class InferWire:
    """An Open Inference server over HTTP."""

    def __init__(self, remote: Remote, signature: Signature, address: Address) -> None:
        self._http = Http(address)
        version = f"/versions/{remote.version}" if remote.version else ""
        self._health = f"{address.url}/v2/health/ready"
        self._model = f"{address.url}/v2/models/{remote.model}{version}"
        self._remote = remote
        self._signature = signature

    async def ready(self) -> None:
        for url, what in ((self._health, "is not ready"), (f"{self._model}/ready", "has the model not ready")):
            status, answer = await self._http.call("GET", url, None, largest(1))
            if status != 200:
                raise RuntimeFailure(f"{what}: it {_refusal(status, answer)}")

    async def terms(self) -> Terms:
        status, answer = await self._http.call("GET", self._model, None, largest(1))
        if status != 200:
            raise RuntimeFailure(_refusal(status, answer))
        return read_terms(answer)

    async def answer(self, inputs: Tensors, rows: int, seconds: float) -> dict[str, Any]:
        wanted = wanted_outputs(self._remote)
        body = write_request(asked(inputs, self._signature), wanted, int(seconds * 1000) or None)
        status, answer = await self._http.call("POST", f"{self._model}/infer", body, largest(rows))
        if status != 200:
            raise RuntimeFailure(_refusal(status, answer))
        return tensors_from(read_answer(answer, wanted, rows), self._remote, self._signature, rows)

    async def close(self) -> None:
        await self._http.close()


def asked(inputs: Tensors, signature: Signature) -> list[Asked]:
    """A signature's input tensors as they are sent."""
    return [Asked(tensor.name, tensor.datatype, inputs[tensor.name]) for tensor in signature.inputs]


def wanted_outputs(remote: Remote) -> list[str]:
    """The outputs to ask for; none: all."""
    return [name for name in (remote.answer, remote.score, remote.scores) if name]


def tensors_from(found: Mapping[str, Any], remote: Remote, signature: Signature, rows: int) -> dict[str, Any]:
    """A server's outputs as the signature's. Raises RuntimeFailure."""
    if signature.task == "raw" and not remote.answer:
        missing = [tensor.name for tensor in signature.outputs if tensor.name not in found]
        if missing:
            raise RuntimeFailure(f"gave no output {missing[0]!r}")
        return dict(found)
    said = Said(
        answer=_column(found[remote.answer], rows, whole=signature.task == "raw") if remote.answer else None,
        score=_column(found[remote.score], rows) if remote.score else None,
        scores=found[remote.scores].reshape(rows, -1).tolist() if remote.scores else None,
    )
    return outputs_of(said, signature, rows)


def _column(values: Any, rows: int, *, whole: bool = False) -> list[Any]:
    """One value a row."""
    if not whole and values.size != rows:
        raise RuntimeFailure(f"answered {values.size} values for {rows} rows")
    found: list[Any] = (values if whole else values.reshape(rows)).tolist()
    return found


def rows_from(inputs: Tensors, features: tuple[Feature, ...]) -> list[dict[str, Any]]:
    """Tensors of one feature each as rows of JSON: what is missing is None, a time is seconds since 1970 UTC."""
    columns = [_plain(inputs[feature.name].tolist(), feature) for feature in features]
    names = [feature.name for feature in features]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(values: list[Any], feature: Feature) -> list[Any]:
    if feature.kind in TEXT_KINDS:
        return values
    if feature.kind not in NUMERIC_KINDS:
        return [None if row and row[0] != row[0] else row for row in values]  # a missing list is all NaN
    kind = _MADE.get(feature.kind, float)
    return [None if value != value else kind(value) for value in values]


_MADE: dict[str, type] = {"integer": int, "boolean": bool}


def _at(document: Any, path: Any) -> Any:
    try:
        return find(document, path)
    except NotThere as error:
        raise RuntimeFailure(f"answered, but there is {error}") from None


def _document(answer: bytes) -> Any:
    try:
        return msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RuntimeFailure(f"answered {len(answer)} bytes that are no JSON") from None


def _refusal(status: int, answer: bytes) -> str:
    said = " ".join(read_error(answer).split())[:120]
    return f"answered {status}: {said}" if said else f"answered {status}"


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    known = error.errno is not None and error.errno > 0  # else it is of looking the name up
    return (os.strerror(error.errno or 0) if known else error.strerror or type(error).__name__).lower()
