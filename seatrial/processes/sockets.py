"""The listening sockets, opened once by the supervisor and inherited by its children.

gRPC's library accepts no socket: workers bind its address themselves, beside each other, and the supervisor holds it
(:func:`hold`) so that no second system can.

A socket opened by each worker for itself (``SO_REUSEPORT``) lets a second system bind beside the first in silence, and
a killed worker takes the connections queued on its socket with it; an inherited one does neither.
"""

import errno
import socket

from seatrial.spec.errors import BadInput, Conflict
from seatrial.spec.settings import is_loopback, split_address

BACKLOG = 4096


def require_key(addresses: tuple[str, ...], key: str | None, insecure: bool) -> None:
    """Refuse to listen beyond this machine without a key, unless the user said ``--insecure``. Raises BadInput."""
    open_to_all = [address for address in addresses if not is_loopback(address)]
    if open_to_all and key is None and not insecure:
        raise BadInput(
            f"{' and '.join(open_to_all)} can be reached from other machines and there is no key; "
            "set SEATRIAL_KEY, listen on 127.0.0.1, or say --insecure"
        )


def listen(address: str, setting: str) -> socket.socket:
    """Open a listening socket; ``setting`` names where the user changes the address. Raises BadInput, Conflict."""
    listener = _bound(address, setting, BACKLOG)
    listener.setblocking(False)
    return listener


def _bound(address: str, setting: str, backlog: int | None = None) -> socket.socket:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        if backlog is not None:
            listener.listen(backlog)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} on {host} is taken by another program; stop it, or choose another with "
                f'`{setting} = "{host}:PORT"` in seatrial.toml or SEATRIAL_{setting.upper()}'
            ) from error
        raise BadInput(f"cannot listen on {address}: {error.strerror}; change `{setting}`") from error
    return listener


def hold(address: str, setting: str) -> socket.socket:
    """Take an address without listening on it, so that only this system's workers can (``SO_REUSEPORT``).

    The address is taken exclusively, as by :func:`listen`, and opened to further sockets of the same user only then. It
    must stay open while the workers run. Raises BadInput, Conflict.
    """
    holder = _bound(address, setting)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return holder


def bound_address(listener: socket.socket) -> str:
    """The address a socket really has (a port of 0 was chosen by the system)."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
