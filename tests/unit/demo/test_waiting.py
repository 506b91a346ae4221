"""What the demo says when an act does not come out, and what it prints into a pipe."""

import io
from typing import Any

import pytest
from rich.console import Console

from seatrial.demo.board import Board
from seatrial.demo.play import PATIENCE, _stands
from seatrial.demo.system import ActFailed, until


class Time:
    """Seconds that pass where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waited(found: Any, time: Time) -> Any:
    return until(
        found,
        seconds=PATIENCE,
        what="the promotion of digits:2",
        stands=lambda: "digits:1 is in command.",
        clock=time.clock,
        sleep=time.sleep,
    )


def test_what_comes_late_has_come() -> None:
    time = Time()
    assert waited(lambda: "it" if time.now > 170 else None, time) == "it"
    assert time.now == 170.5


def test_what_does_not_come_is_said_with_how_things_stand_and_the_likely_cause() -> None:
    time = Time()
    with pytest.raises(ActFailed) as caught:
        waited(lambda: None, time)
    assert time.now == PATIENCE == 180
    said = str(caught.value)
    assert said.startswith("the promotion of digits:2 did not come within 180 s; at the end digits:1 is in command. ")
    assert "The likely cause is a busy machine (load " in said


class Asked:
    """A control API of fixed answers."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def get(self, path: str) -> Any:
        found = self.answers["verdicts" if "verdicts" in path else "deployment"]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"deployment": {"sentence": "A."}, "verdicts": [{"sentence": "B."}]}, "A. Last judged: B."),
        ({"deployment": {"sentence": "A."}, "verdicts": []}, "A. Nothing was judged yet."),
        ({"deployment": OSError("refused")}, "the control API did not answer (refused)."),
    ],
)
def test_how_the_demo_stands(answers: dict[str, Any], said: str) -> None:
    assert _stands(Asked(**answers)) == said  # type: ignore[arg-type]


def test_lines_are_whole_in_a_pipe() -> None:
    line, written = "digits:2 reads every letter too, unseen by anybody, " * 4, io.StringIO()
    Board(10, console=Console(file=written, width=80)).say(line)
    assert written.getvalue() == line + "\n"
