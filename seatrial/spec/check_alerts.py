"""Checks of who is told and what is done: no secrets in plain letters, no rolling back on drift alone."""

from collections.abc import Iterator
from typing import Any

from seatrial.spec.problems import Findings
from seatrial.spec.secrets import REFERENCE, literal_secret
from seatrial.spec.shapes import BAD
from seatrial.spec.units import show

OPEN_SCHEMES = frozenset(
    ("json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "syslog", "dbus", "gnome", "windows")
)
"""Addresses whose host and path are no secret; those of any other service carry its token."""

DRIFT = ("data", "prediction")


def check_alerts(values: dict[str, Any], found: Findings) -> None:
    """Notes secrets in plain letters, and actions that drift alone must not start."""
    for path, alert in _records(values, "alerts"):
        target = alert.get("to")
        if isinstance(target, str):
            _secret(f"{path}.to", target, found)
    for path, action in _records(values, "actions"):
        _action(path, action, found)


def _records(values: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    listed = values.get(key)
    for position, item in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(item, dict):
            yield f"{key}[{position}]", item


def _secret(path: str, target: str, found: Findings) -> None:
    secret = literal_secret(target)
    if secret:
        message = f"{secret} of this alert stands in plain letters; write it as `${{NAME}}` and export NAME"
        found.add(path, "(a secret)", message)
        return
    scheme = target.partition("://")[0].lower()
    if scheme not in OPEN_SCHEMES and not REFERENCE.search(target):
        message = (
            f"an address of `{scheme}://` carries a token, which stands here in plain letters; write "
            f"`{scheme}://${{NAME}}` and export NAME"
        )
        found.add(path, "(a secret)", message)


def _action(path: str, action: dict[str, Any], found: Findings) -> None:
    events = (
        [event for event in action.get("on") or () if isinstance(event, str)] if action.get("on") is not BAD else []
    )
    drift = next((event for event in events if event.split(".")[0] in DRIFT), None)
    for kind in ("stop", "fall_back"):
        if drift is not None and action.get(kind, BAD) is not BAD:
            message = (
                f"`{kind}` on {show(drift)} would go back on drift alone, and the older version sees the same data; "
                "name `performance`, or use `run`"
            )
            found.add(f"{path}.on", drift, message)
