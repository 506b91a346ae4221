"""The far side of a process of its own: loads what it serves, says so, and answers over pipes until its input ends.

Code that loops never sees its input end, so the kernel is asked to kill this process with the thread that started it.
"""

import ctypes
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from numpy.typing import NDArray

from seatrial.models.wire import Call, Reply, own_output, pack_arrays, read_body, unpack_arrays, write_message

_PR_SET_PDEATHSIG = 1

Answering = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]
"""From the tensors of a call to those of its answer; it throws whatever it likes."""


def serve(load: Callable[[], Answering], trouble: Callable[[Exception], str]) -> int:
    """Serve what ``load`` gives.

    Args:
        trouble: What the server is told of an error while loading.

    Returns:
        The process's exit code.
    """
    _die_with_the_server()
    replies = own_output()
    try:
        answer = load()
    except Exception as error:  # noqa: BLE001 - whatever somebody else's code throws is told to the server
        write_message(replies, Reply(0, {}, trouble(error)))
        return 3
    write_message(replies, Reply(0, {}))
    while (body := read_body(0)) is not None:
        call = msgspec.msgpack.decode(body, type=Call)
        try:
            reply = Reply(call.number, pack_arrays(answer(unpack_arrays(call.tensors))))
        except Exception as error:  # noqa: BLE001 - as above
            reply = Reply(call.number, {}, f"{type(error).__name__}: {error}"[:500])
        write_message(replies, reply)
    return 0


def _die_with_the_server() -> None:
    """Be killed when whoever started this process dies; at once, when he has died already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    input_ = select.poll()
    input_.register(0, 0)  # asks for nothing but the other end's closing
    if any(event & select.POLLHUP for _, event in input_.poll(0)):
        os._exit(0)
