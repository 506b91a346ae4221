"""Verdicts, waiting for one, and changes by hand, through the control API."""

import asyncio
from typing import Any

import pytest

from seatrial.client import AsyncClient, Client
from seatrial.spec.errors import BadInput, Conflict, NotFound, Unavailable

both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def ask(asynchronous: bool, url: str, method: str, *arguments: Any, **named: Any) -> Any:
    """The same call through either client."""
    if not asynchronous:
        with Client(control=url) as client:
            return getattr(client, method)(*arguments, **named)

    async def run() -> Any:
        async with AsyncClient(control=url) as client:
            return await getattr(client, method)(*arguments, **named)

    return asyncio.run(run())


@both
def test_judge_and_status(server: Any, asynchronous: bool) -> None:
    server.answer = lambda _method, path, _body: (200, {"path": path})
    assert ask(asynchronous, server.url, "judge", "churn") == {"path": "/api/deployments/churn/judge"}
    assert ask(asynchronous, server.url, "status", "churn") == {"path": "/api/deployments/churn"}


@both
@pytest.mark.parametrize("action", ["promote", "rollback", "pause", "resume"])
def test_changes_carry_their_reason(server: Any, asynchronous: bool, action: str) -> None:
    server.answer = lambda *_: (200, {"sentence": "done"})
    assert ask(asynchronous, server.url, action, "churn", reason="better by 3%") == {"sentence": "done"}
    assert server.asked == [("POST", f"/api/deployments/churn/{action}", {"reason": "better by 3%"})]


@both
def test_promote_may_name_the_variant(server: Any, asynchronous: bool) -> None:
    ask(asynchronous, server.url, "promote", "churn", reason="r", variant="b")
    assert server.asked[0][2] == {"reason": "r", "variant": "b"}


@both
def test_no_reason_no_change(server: Any, asynchronous: bool) -> None:
    with pytest.raises(BadInput, match="needs a `reason`"):
        ask(asynchronous, server.url, "promote", "churn", reason=" ")
    assert not server.asked


@both
@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (409, Conflict), (503, Unavailable), (500, Unavailable)])
def test_refusals_keep_their_sentence_and_are_not_repeated(
    server: Any, asynchronous: bool, status: int, kind: type[Exception]
) -> None:
    server.answer = lambda *_: (status, {"error": "there is nothing to promote"})
    with pytest.raises(kind, match="nothing to promote"):
        ask(asynchronous, server.url, "promote", "churn", reason="r")
    assert len(server.asked) == 1


@both
def test_wait_until_there_is_a_recommendation(server: Any, asynchronous: bool) -> None:
    answers = iter([(200, {"recommendation": "wait"}), (500, b"oops"), (200, {"recommendation": "wait"})])
    server.answer = lambda *_: next(answers, (200, {"recommendation": "ship", "sentence": "better"}))
    found = ask(asynchronous, server.url, "wait", "churn", every=0.001, timeout=20)
    assert found == {"recommendation": "ship", "sentence": "better"}
    assert len(server.asked) == 4


@both
def test_waiting_ends(server: Any, nobody: str, asynchronous: bool) -> None:
    server.answer = lambda *_: (200, {"recommendation": "wait"})
    with pytest.raises(Unavailable, match=r"'churn' says 'wait' after 0\.05 s"):
        ask(asynchronous, server.url, "wait", "churn", every=0.01, timeout=0.05)
    with pytest.raises(Unavailable, match="is away"):
        ask(asynchronous, nobody, "wait", "churn", every=0.01, timeout=0.05)


@both
def test_waiting_for_what_does_not_exist_ends_at_once(server: Any, asynchronous: bool) -> None:
    server.answer = lambda *_: (404, {"error": "no release to judge"})
    with pytest.raises(NotFound):
        ask(asynchronous, server.url, "wait", "churn", timeout=20)


def test_control_may_be_away_while_predictions_go_on(server: Any, nobody: str) -> None:
    server.answer = lambda *_: (200, {"prediction": 1})
    with Client(server.url, control=nobody) as client:
        assert client.predict("churn", {}).prediction == 1
        with pytest.raises(Unavailable):
            client.judge("churn", timeout=0.2)
