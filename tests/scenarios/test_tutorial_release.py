"""The release's tutorial, word for word, on a real system: it climbs and takes command; a worse one is taken back."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import LiveSystem

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1800)]

TEN_MINUTES = 600

PAGE = Path(__file__).parents[2] / "docs" / "tutorial-release.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
COMMANDS = [line for kind, body in BLOCKS if not kind for line in body.splitlines()]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[LiveSystem]:
    made = LiveSystem(tmp_path)
    assert said(made, "seatrial init")
    with made:
        for kind, body in BLOCKS:
            if kind:
                name = body.split("\n", 1)[0].removeprefix("# ")
                (tmp_path / name).write_text(body.replace("127.0.0.1:8080", made.running.http))
        yield made


def said(system: LiveSystem, line: str, code: int = 0) -> str:
    """What a line of the page prints; it ends with 0, but where the page says otherwise."""
    assert line in COMMANDS, f"the page does not say {line!r}"
    program, *words = shlex.split(line)
    module = [] if program == "python" else ["-m", "seatrial.cli"]
    done = subprocess.run(
        [sys.executable, *module, *words],
        cwd=system.place,
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=TEN_MINUTES + 60,
    )
    assert done.returncode == code, f"{line}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running(system: LiveSystem, line: str) -> Iterator[None]:
    """The application, until the block ends; it must not end by itself, which a failed request would make it do."""
    assert line in COMMANDS
    _, *words = shlex.split(line)
    process = subprocess.Popen(
        [sys.executable, *words], cwd=system.place, env=system.environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield
        assert process.poll() is None, process.communicate()[1]
    finally:
        process.kill()
        process.communicate()


def test_word_for_word(system: LiveSystem) -> None:
    assert said(system, "python train.py").split() == ["models:/tumour/1", "models:/tumour/2"]
    plan = said(system, "seatrial apply tumour.yaml")
    assert "10%, 25% of the units as a canary, then 50% of the units in a test" in plan
    assert "revision 1 is served" in plan
    with running(system, "python use.py"):
        assert "tumour:1 is in command; tumour:2 is in its canary stage" in said(system, "seatrial status tumour")
        assert "tumour:2 is in command" in said(system, "seatrial wait tumour --until promoted --timeout 10m")
        judged = said(system, "seatrial judge tumour", code=1)
        assert re.search(r"the challenger tumour:2 has kept 9\d\.\d+% against [67]\d\.?\d*% for the champion", judged)
        history = said(system, "seatrial history tumour")
        assert "enters step 2 of its canary stage with 25% of the units" in history
        assert "tumour:2 took command from tumour:1" in history
        assert ", 0 differently" in said(system, "seatrial history tumour --verify")
        assert said(system, "python worse.py").strip() == "models:/tumour/3"
        assert "ended as rolled-back" in said(system, "seatrial wait tumour --until failed --timeout 10m")
        assert "tumour:2 is in command" in said(system, "seatrial status tumour")
        history = said(system, "seatrial history tumour")
        assert "(models:/tumour/latest). A release of tumour:3 against tumour:2 begins" in history
        assert "tumour:3 was taken out; tumour:2 stays in command alone. kept:" in history
        assert "tumour:3 enters" not in history, "the first step is as far as it comes"
