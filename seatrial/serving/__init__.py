"""The data plane: answers from an immutable snapshot, writes to the ledger, waits for neither it nor control."""

from seatrial.serving.gateway import Gateway, Limits
from seatrial.serving.opening import open_gateway

__all__ = ["Gateway", "Limits", "open_gateway"]
