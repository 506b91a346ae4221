"""`seatrial.apply` allows and refuses what `seatrial apply` does."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from seatrial.control import apply as control_apply
from seatrial.control import from_file
from seatrial.spec.settings import load_settings


@pytest.mark.parametrize("given", [{}, {"restart": True}, {"retry": True}, {"strict": True}, {"plan_only": True}])
def test_what_is_allowed_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, bool]) -> None:
    heard: dict[str, Any] = {}
    monkeypatch.setattr(from_file, "apply_text", lambda *_, **more: heard.update(more))
    allowed: dict[str, Any] = dict(given)
    from_file.apply("a: b", settings=load_settings({}, tmp_path), actor="me", why="a reason", **allowed)
    off = dict.fromkeys(("plan_only", "retry", "restart", "strict", "prove"), False)
    proved = {"prove": True} if "strict" in given else {}
    assert heard == {**off, **given, **proved, "actor": "me", "why": "a reason", "source": "deployment.yaml"}


def test_nothing_that_may_be_allowed_is_left_out() -> None:
    offered = inspect.signature(from_file.apply).parameters.keys()
    assert inspect.signature(control_apply.apply).parameters.keys() - offered == {"text", "source", "prove"}
