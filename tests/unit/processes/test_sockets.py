import socket

import pytest

from seatrial.processes.sockets import bound_address, hold, listen, require_key
from seatrial.spec.errors import BadInput, Conflict
from seatrial.spec.settings import split_address


def test_listen_on_port_zero_says_which_port_it_got() -> None:
    with listen("127.0.0.1:0", "http") as listener:
        host, port = split_address(bound_address(listener))
        assert host == "127.0.0.1"
        with socket.create_connection((host, port), timeout=5):
            pass


def test_listen_names_a_port_that_is_taken_and_the_setting_that_changes_it() -> None:
    with listen("127.0.0.1:0", "http") as first:
        with pytest.raises(Conflict, match="SEATRIAL_CONTROL") as caught:
            listen(bound_address(first), "control")
        assert bound_address(first).split(":")[1] in str(caught.value)


def test_listen_on_an_address_that_is_not_ours_is_the_callers_fault() -> None:
    with pytest.raises(BadInput, match=r"192\.0\.2\.1"):
        listen("192.0.2.1:0", "http")


def test_an_open_address_needs_a_key_or_the_word_insecure() -> None:
    require_key(("127.0.0.1:1", "[::1]:2"), None, insecure=False)
    require_key(("0.0.0.0:1",), "secret", insecure=False)
    require_key(("0.0.0.0:1",), None, insecure=True)
    with pytest.raises(BadInput, match="SEATRIAL_KEY"):
        require_key(("127.0.0.1:1", "0.0.0.0:2"), None, insecure=False)


def beside(holder: socket.socket) -> socket.socket:
    """A worker's socket, as gRPC makes it."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(holder.getsockname())
    found.listen()
    return found


def test_a_held_address_is_for_this_systems_workers_only() -> None:
    with hold("127.0.0.1:0", "grpc") as holder:
        for setting, take in (("grpc", hold), ("http", listen)):
            with pytest.raises(Conflict, match=f"SEATRIAL_{setting.upper()}"):
                take(bound_address(holder), setting)
        with beside(holder) as first, beside(holder) as second:
            with pytest.raises(Conflict, match="SEATRIAL_GRPC"):
                hold(bound_address(holder), "grpc")
            with socket.create_connection(holder.getsockname(), timeout=5):
                pass
            assert first.getsockname() == second.getsockname()
