"""What monitors are given to remember by: a cache, and first windows that are kept for good."""

from typing import Any

import pytest

from seatrial.control import senses
from seatrial.control.senses import LedgerSenses
from seatrial.ledger import layout
from seatrial.spec.read import load_deployment
from seatrial.watch.clock import Watermark
from tests.harbour import PLAIN, Harbour


def test_first_windows_outlive_the_cache(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    harbour.apply(PLAIN)
    given: list[Any] = []

    def watch(*_: Any, shelf: Any, bases: Any, **__: Any) -> tuple[()]:
        given.append((shelf.get("a"), bases.get("a")))
        shelf["a"] = bases["a"] = b"kept"
        return ()

    monkeypatch.setattr(senses, "watch", watch)
    spec, state = load_deployment(PLAIN), harbour.state.deployments.get("churn")
    for cached in (True, True, False):
        if not cached:
            for file in layout.shelf(harbour.home, "churn").iterdir():
                file.unlink()  # as docs/drift.md allows
        LedgerSenses(harbour.home).watch(spec, state, Watermark(), harbour.clock.now, frozenset())
    assert given == [(None, None), (b"kept", b"kept"), (None, b"kept")]
