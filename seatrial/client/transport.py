"""Sends calls over kept connections of the standard library, within the caller's time; thread-safe."""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from seatrial.client.address import Address, headers
from seatrial.client.messages import Call, Reply
from seatrial.client.retries import pause
from seatrial.spec.errors import Unavailable

LARGEST_ANSWER = 256 << 20
KEPT_CONNECTIONS = 16


class Transport:
    """Connections to one address.

    Args:
        address: Where.
        key: Bearer key, or None.
        monotonic, sleep: Time.
    """

    def __init__(
        self,
        address: Address,
        key: str | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.address = address
        self._key = key
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []

    def send(self, call: Call, timeout: float) -> Reply:
        """The reply, after as many tries as are harmless.

        Args:
            timeout: Seconds for everything, repeats included.

        Raises:
            Unavailable: Nobody answered in time.
        """
        deadline = self._monotonic() + timeout
        tried = 0
        while True:
            tried += 1
            try:
                reply = self._once(call, deadline)
            except TimeoutError:
                self._give_up(call, f"did not answer within {timeout:g} s")
            except (OSError, http.client.HTTPException, ValueError) as error:
                wait = pause(call, "broken", tried, deadline - self._monotonic())
                if wait is None:
                    self._give_up(call, f"is away ({type(error).__name__}: {error})")
            else:
                if reply.status not in (429, 503):
                    return reply
                wait = pause(call, "later", tried, deadline - self._monotonic(), reply.retry_after)
                if wait is None:
                    return reply
            self._sleep(wait)

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _give_up(self, call: Call, how: str) -> NoReturn:
        doubt = "" if call.repeatable else "; it may or may not have been done, so look before you repeat it"
        raise Unavailable(f"{self.address.url} {how}{doubt}")

    def _once(self, call: Call, deadline: float) -> Reply:
        connection = self._take(fresh=not call.repeatable)
        try:
            reply, keep = self._exchange(connection, call, deadline)
        except BaseException:
            connection.close()
            raise
        if keep:
            self._give_back(connection)
        else:
            connection.close()
        return reply

    def _exchange(self, connection: http.client.HTTPConnection, call: Call, deadline: float) -> tuple[Reply, bool]:
        self._limit(connection, connection.sock, deadline)
        made = headers(self._key, call.body is not None)
        connection.request(call.method, self.address.prefix + call.path, call.body, made)
        sock = connection.sock  # kept, because http.client lets go of it when the other side will close
        self._limit(connection, sock, deadline)
        response = connection.getresponse()
        pieces: list[bytes] = []
        size = 0
        while piece := response.read1(1 << 16):
            size += len(piece)
            if size > LARGEST_ANSWER:
                raise OSError(f"the answer is larger than {LARGEST_ANSWER} bytes")
            pieces.append(piece)
            self._limit(connection, sock, deadline)
        if response.length:
            raise http.client.IncompleteRead(b"".join(pieces), response.length)
        response.close()  # else the connection waits for more, and cannot be used again
        reply = Reply(response.status, b"".join(pieces), seconds(response.getheader("Retry-After")))
        return reply, not response.will_close

    def _limit(self, connection: http.client.HTTPConnection, sock: socket.socket | None, deadline: float) -> None:
        """Let the next wait on the network last no longer than what is left of the caller's time."""
        remaining = deadline - self._monotonic()
        if remaining <= 0:
            raise TimeoutError
        connection.timeout = remaining
        if sock is not None:
            sock.settimeout(remaining)

    def _take(self, *, fresh: bool) -> http.client.HTTPConnection:
        """A kept connection, which the other side may have closed; ``fresh``: a new one."""
        with self._lock:
            if self._idle and not fresh:
                return self._idle.pop()
        kind = http.client.HTTPSConnection if self.address.secure else http.client.HTTPConnection
        return kind(self.address.host, self.address.port)

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < KEPT_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()


def seconds(header: str | None) -> float | None:
    """A ``Retry-After`` in seconds; None where it is absent or a date."""
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None
