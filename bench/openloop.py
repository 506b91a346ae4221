"""An open-loop load: requests are due at times drawn beforehand, whether or not earlier ones were answered.

    python -m bench.openloop --port 8080 --path /predict --rate 500 --seconds 4 < body.json

Latency counts from the time at which a request was *due*, so a server that stalls is charged for everything that came
due meanwhile (a closed loop would send less and see nothing: coordinated omission). Arrivals are Poisson's, from a
fixed seed. The generator spins on its core, because a timer would add its own millisecond. It prints one JSON object.
"""

import argparse
import json
import math
import random
import select
import socket
import sys
import time
from collections import deque
from typing import NamedTuple

_DRAIN_SECONDS = 2.0
UNIT = b"@"
"""Stands in a body where each request has a unit of its own."""


class Load(NamedTuple):
    """What to send where, and how fast.

    Attributes:
        rate: Requests a second, on average.
        connections: Most that may be under way; what is due beyond waits, and its wait counts.
    """

    port: int
    path: str
    body: bytes
    rate: float
    seconds: float
    connections: int = 64


class Run(NamedTuple):
    """What came of it.

    Attributes:
        latencies_ms: From due to answered, ascending.
        failed: Answers that were not 200.
        unanswered: Requests that were never answered.
        seconds: From the start to the last answer.
    """

    latencies_ms: list[float]
    failed: int
    unanswered: int
    seconds: float


class _Line:
    """One connection, with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0
        self.data = b""

    def read(self) -> int:
        """The status of the answer, 0 while it is not whole, -1 when the connection was closed."""
        got = self.socket.recv(1 << 16)
        if not got:
            return -1
        self.data += got
        head, gap, body = self.data.partition(b"\r\n\r\n")
        if not gap or not _is_whole(head.lower(), body):
            return 0
        self.data = b""
        return int(head[9:12])


def _is_whole(head: bytes, body: bytes) -> bool:
    place = head.find(b"content-length:")
    if place >= 0:
        return len(body) >= int(head[place + 15 :].split(b"\r\n", 1)[0])
    return body.endswith(b"0\r\n\r\n")


def run(load: Load) -> Run:
    """Send the load."""
    arrivals = _arrivals(load.rate, load.seconds)
    lines = {line.socket.fileno(): line for line in (_Line(load.port) for _ in range(load.connections))}
    poller = select.epoll()
    for number in lines:
        poller.register(number, select.EPOLLIN)
    free = deque(lines.values())
    latencies: list[float] = []
    failed = 0
    last = 0
    start = time.perf_counter_ns()
    end = start + int((load.seconds + _DRAIN_SECONDS) * 1e9)
    sent, total = 0, len(arrivals)
    while len(latencies) + failed < total and (now := time.perf_counter_ns()) < end and lines:
        while sent < total and free and start + arrivals[sent] <= now:
            line = free.popleft()
            line.due = start + arrivals[sent]
            line.socket.sendall(_request(load, sent))
            sent += 1
        for number, _ in poller.poll(0):
            line = lines[number]
            status = line.read()
            if status == 0:
                continue
            if status == 200:
                last = time.perf_counter_ns()
                latencies.append((last - line.due) / 1e6)
            else:
                failed += 1
            if status < 0:
                poller.unregister(number)
                del lines[number]
            else:
                free.append(line)
    for line in lines.values():
        line.socket.close()
    return Run(sorted(latencies), failed, total - len(latencies) - failed, max(0, last - start) / 1e9)


def _arrivals(rate: float, seconds: float) -> list[int]:
    """Due times in nanoseconds from the start."""
    chance, at, found = random.Random(7), 0.0, []
    while (at := at + chance.expovariate(rate)) < seconds:
        found.append(int(at * 1e9))
    return found


def _request(load: Load, number: int) -> bytes:
    body = load.body.replace(UNIT, b"u%d" % (number % 50_000))
    head = f"POST {load.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return b"%bcontent-length: %d\r\n\r\n%b" % (head.encode(), len(body), body)


def quantile(ascending: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed; 0.0 of nothing."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] if ascending else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.openloop", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    done = run(Load(given.port, given.path, sys.stdin.buffer.read(), given.rate, given.seconds, given.connections))
    found = {
        "answered": len(done.latencies_ms),
        "failed": done.failed,
        "unanswered": done.unanswered,
        "seconds": done.seconds,
        **{f"p{share:g}": quantile(done.latencies_ms, share / 100) for share in (50, 99, 99.9)},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
