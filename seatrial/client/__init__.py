"""The Python client: talks to a gateway and to control, or decides in process from the published snapshots."""

from typing import TYPE_CHECKING, Any

from seatrial.client.client import Client
from seatrial.client.values import Assignment, Prediction

if TYPE_CHECKING:
    from seatrial.client.asynchronous import AsyncClient

__all__ = ["Assignment", "AsyncClient", "Client", "Prediction"]


def __getattr__(name: str) -> Any:
    if name == "AsyncClient":  # asyncio costs a start that synchronous programs need not pay
        from seatrial.client.asynchronous import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
