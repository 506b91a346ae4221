"""As much of HTTP/2 (RFC 9113) as a client needs that begins gRPC calls and does not end them: frames by hand."""

import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType

from seatrial.protocol.messages import SERVICE

WINDOW = 65_535
"""What may be sent on a connection, and on a stream, before the other side allows more (§6.9.2)."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
_ACK, _END_HEADERS = 1, 4
_INITIAL_WINDOW_SIZE = 4


class Client:
    """One connection whose calls never end their messages; a thread reads what the server says.

    Attributes:
        allowed: By stream, how many bytes of it the server has allowed so far; 0 is the connection.
        ended: Streams that the server has ended.
        gone: The connection has ended.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._changed = threading.Condition()
        self._sent: Counter[int] = Counter()
        self._given: Counter[int] = Counter()
        self._initial = WINDOW
        self._last = -1
        self.ended: set[int] = set()
        self.gone = False
        self._write(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with suppress(OSError):  # the server may have ended it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(60)
        self._socket.close()

    def begin(self, call: str = "ModelInfer", announced: int = 0) -> int:
        """Send the headers of a call and, of a message of so many bytes, its length; gives the stream."""
        self._last += 2
        stream = self._last
        head = _literals(
            {":method": "POST", ":scheme": "http", ":path": f"/{SERVICE}/{call}", ":authority": "x", "te": "trailers"}
            | {"content-type": "application/grpc"}
        )
        self._write(_frame(_HEADERS, _END_HEADERS, stream, head))
        if announced:
            self.drip(stream, b"\0" + struct.pack(">I", announced))
        return stream

    def drip(self, stream: int, data: bytes) -> None:
        """Send some of a message, within what is allowed."""
        with self._changed:
            self._sent[stream] += len(data)
            self._sent[0] += len(data)
        self._write(_frame(_DATA, 0, stream, data))

    def room(self, stream: int) -> int:
        """Bytes that the server would take of a stream now."""
        with self._changed:
            whole = WINDOW + self._given[0] - self._sent[0]
            return min(whole, self._initial + self._given[stream] - self._sent[stream])

    def granted(self, stream: int) -> int:
        """Bytes that the server has allowed on a stream since it began, or on the connection (0)."""
        with self._changed:
            return (self._initial if stream else WINDOW) + self._given[stream]

    def fill(self, stream: int, most: int) -> int:
        """Send as much as the server allows, `most` at most; gives how much."""
        sent = 0
        while sent < most and (room := min(self.room(stream), most - sent, 16_384)) > 0:
            self.drip(stream, bytes(room))
            sent += room
        return sent

    def _write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _read(self) -> None:
        try:
            self._listen()
        except OSError:  # the server hung up
            pass
        self.gone = True

    def _listen(self) -> None:
        stream = self._socket.makefile("rb")
        while len(head := stream.read(9)) == 9:
            size, kind, flags, number = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
            body = stream.read(size)
            with self._changed:
                self._take(kind, flags, number, body)

    def _take(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            for name, value in struct.iter_unpack(">HI", body):
                if name == _INITIAL_WINDOW_SIZE:
                    self._initial = value
            self._write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, body))
        elif kind == _WINDOW_UPDATE:
            self._given[stream] += int.from_bytes(body)
        elif kind == _RESET or (kind == _HEADERS and flags & 1):
            self.ended.add(stream)


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + body


def _literals(headers: dict[str, str]) -> bytes:
    """Header fields without indexing, with names in letters (RFC 7541 §6.2.2)."""
    return b"".join(
        bytes((0, len(name))) + name.encode() + bytes((len(value),)) + value.encode() for name, value in headers.items()
    )
