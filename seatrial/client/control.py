"""Calls of the control API: verdicts, and changes of a release."""

from typing import Any
from urllib.parse import quote

import msgspec

from seatrial.client.messages import Call
from seatrial.spec.errors import BadInput

SETTLED = frozenset({"ship", "stop", "no-difference"})
"""Recommendations that end the waiting."""


def status(deployment: str) -> Call:
    """What a deployment is doing."""
    return Call("GET", f"/api/deployments/{quote(deployment, safe='')}")


def judge(deployment: str) -> Call:
    """The verdict of now, with its evidence."""
    return Call("GET", f"/api/deployments/{quote(deployment, safe='')}/judge")


def act(action: str, deployment: str, reason: str, variant: str | None = None) -> Call:
    """A change by hand; never repeated by itself.

    Raises:
        BadInput: No reason is given; the audit wants one.
    """
    if not reason.strip():
        raise BadInput(f"`{action}` needs a `reason`; the audit keeps it")
    body = msgspec.json.encode({"reason": reason} if variant is None else {"reason": reason, "variant": variant})
    return Call("POST", f"/api/deployments/{quote(deployment, safe='')}/{action}", body, repeatable=False)


def recommendation(judgement: Any) -> str | None:
    """What a judgement recommends, or None where there is none."""
    found = judgement.get("recommendation") if isinstance(judgement, dict) else None
    return found if isinstance(found, str) else None
