"""The same questions to MLServer and to us: where it answers, ours is the same answer; where it refuses, so do we.

MLServer's answers lie in ``others/mlserver_answers.json``; ``make mlserver`` asks it again. Where it does otherwise
than the protocol says, ``OTHERWISE`` says what is right.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.edges import Served, edge
from tests.gateways import bench, slot, snapshot

OTHERS = Path(__file__).parent / "others"
QUESTIONS: dict[str, Any] = json.loads((OTHERS / "questions.json").read_text())
ANSWERS: dict[str, Any] = json.loads((OTHERS / "mlserver_answers.json").read_text())["answers"]
OTHERWISE = {
    "no inputs": "an error of its own (500); it is the caller's",
    "shape that does not fit": "an error of its own (500); it is the caller's",
    "unknown output": "answered without any output; the caller asked for one that is not there",
}
"""Where a question is answered otherwise than MLServer does: with 400."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with bench(tmp_path_factory.mktemp("home")) as here:
        here.serve(snapshot(slots=(slot("champion", 1),)))
        with edge(here) as found:
            yield found


def plain(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: one[key] for key in ("name", "datatype", "shape", "data")} for one in outputs]


def same(theirs: Any, ours: Any) -> None:
    if isinstance(theirs, list):
        assert [one["name"] for one in theirs] == [one["name"] for one in ours]
        assert all(set(one) <= set(other) for one, other in zip(theirs, ours, strict=True))
        return
    for key in ("model_name", "id"):
        assert ours.get(key) == theirs.get(key)
    if "outputs" in theirs and "model_name" in theirs:
        assert plain(ours["outputs"]) == plain(theirs["outputs"])
    else:
        assert set(theirs) - {"parameters"} <= set(ours)
        for key in ("inputs", "outputs"):
            assert ours.get(key) == theirs.get(key)


def test_every_question_was_asked() -> None:
    assert set(QUESTIONS) == set(ANSWERS)
    assert set(OTHERWISE) <= set(QUESTIONS)


@pytest.mark.parametrize("name", QUESTIONS)
def test_as_mlserver_answers(served: Served, name: str) -> None:
    question, theirs = QUESTIONS[name], ANSWERS[name]
    body = question.get("raw", "").encode() or (msgspec.json.encode(question["body"]) if "body" in question else b"")
    ours = served.wire().ask(question["method"], question["path"], body)
    if name in OTHERWISE:
        assert (ours.status, theirs["status"] == 400) == (400, False)
    elif theirs["status"] == 422:
        assert ours.status == 400
    else:
        assert ours.status == theirs["status"]
    if ours.status >= 400:
        assert set(ours.json) == {"error"}
    elif theirs["body"] is not None:
        same(theirs["body"], ours.json)
