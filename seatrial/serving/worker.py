"""``python -m seatrial.serving.worker``: one serving process on an inherited socket.

It loads what is active before it accepts, follows what is published, and on SIGTERM drains within a deadline: readiness
first, then what is in flight, then the log.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from seatrial.releases.subscription import Subscription
from seatrial.serving.edge import Edge
from seatrial.serving.follower import Follower
from seatrial.serving.gateway import Gateway, wall_clock
from seatrial.serving.grpc_edge import GrpcEdge
from seatrial.serving.loader import Loader, cores_each
from seatrial.serving.recording import Recorder
from seatrial.serving.routes import Routes
from seatrial.spec import logs
from seatrial.spec.settings import Settings, load_settings

if TYPE_CHECKING:
    from seatrial.serving.tracing import Tracing

DRAIN_SECONDS = 8.0
FLUSH_SECONDS = 5.0
SPANS_SECONDS = 2.0
BEAT_SECONDS = 0.5
SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter: shadows and loading must not hold an answer up for the usual 5 ms."""

log = logging.getLogger("seatrial.serving")


async def serve(listener: socket.socket, home: Path, worker: str, settings: Settings, grpc: str | None) -> Recorder:
    """Serve until SIGTERM or SIGINT; gives back the recorder, still to be closed. ``grpc`` is an address, or None."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    recorder = Recorder(home, worker, clock=wall_clock, acknowledge=settings.acknowledge)
    _beat(loop, recorder)
    tracing = _tracing(settings, recorder, worker)
    gateway = Gateway(recorder, watch=None if tracing is None else tracing.note)
    subscription = Subscription(home, worker)
    follower = Follower(gateway, Loader(recorder, abreast=cores_each(settings.workers)), subscription)
    subscription.join()
    try:
        await asyncio.to_thread(follower.load_active)
        gc.collect()
        gc.freeze()
        routes = Routes(gateway) if tracing is None else tracing.routes(Routes(gateway))
        edge = Edge(routes, key=settings.key, body_bytes=gateway.limits.body_bytes, shed=gateway.shed)
        calls = GrpcEdge(gateway, key=settings.key, traced=None if tracing is None else tracing.call)
        await edge.listen(sock=listener)
        if grpc is not None:
            await calls.listen(grpc)
        gateway.ready = True
        follower.start(loop)
        log.info("worker %s serves %s", worker, ", ".join(sorted(gateway.deployments)) or "nothing yet")
        await stop.wait()
        gateway.ready = False
        await asyncio.sleep(settings.drain_notice)
        await asyncio.to_thread(follower.stop, 1.0)
    finally:
        subscription.leave()
    await asyncio.gather(edge.drain(DRAIN_SECONDS), calls.drain(DRAIN_SECONDS))
    await gateway.drain(2.0)
    if tracing is not None:
        await asyncio.to_thread(tracing.close, SPANS_SECONDS)
    return recorder


def _beat(loop: asyncio.AbstractEventLoop, recorder: Recorder) -> None:
    """Show the supervisor, again and again, that this loop goes round."""
    recorder.underway.beat()
    loop.call_later(BEAT_SECONDS, _beat, loop, recorder)


def _tracing(settings: Settings, recorder: Recorder, worker: str) -> "Tracing | None":
    if settings.traces is None:
        return None
    from seatrial.serving.tracing import Tracing, otlp_exporter  # an extra, and a slow start

    return Tracing(otlp_exporter(settings.traces), recorder, worker)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m seatrial.serving.worker", description="One serving process.")
    parser.add_argument("--home", type=Path, required=True, help="home directory of the machine")
    parser.add_argument("--fd", type=int, required=True, help="file descriptor of the listening socket")
    parser.add_argument("--grpc", help="address that the supervisor holds for gRPC; none: no gRPC")
    parser.add_argument("--worker", required=True, help="name of this worker")
    arguments = parser.parse_args()
    settings = load_settings(os.environ, Path.cwd())
    logs.configure(arguments.worker, settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    listener = socket.socket(fileno=arguments.fd)
    listener.setblocking(False)
    recorder = uvloop.run(serve(listener, arguments.home, arguments.worker, settings, arguments.grpc))
    return _flush(recorder)


def _flush(recorder: Recorder) -> int:
    """Write what waits, in a thread, because a stalled disk must not keep the process for ever."""
    closing = threading.Thread(target=recorder.close, daemon=True)
    closing.start()
    closing.join(FLUSH_SECONDS)
    if closing.is_alive():
        log.error("the ledger did not take everything within %g s", FLUSH_SECONDS)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # Threads of a model that hangs would keep the interpreter from ending.
    os._exit(code)
