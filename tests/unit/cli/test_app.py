"""Exit codes and what bad usage is answered with."""

from pathlib import Path

import pytest

from seatrial.cli.app import run
from seatrial.cli.deployments import outcome_line
from seatrial.control.apply import Applied
from seatrial.version import __version__


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["registr"], "No such command 'registr'"),
        (["register", "iris"], "Missing"),
        (["predict", "iris", "--features", "{}", "--timeout", "soon"], "Usage: seatrial predict"),
        (["status", "--colour"], "--colour"),
        (["apply", "gone.yaml"], "there is no file 'gone.yaml'"),
    ],
)
def test_bad_usage_is_exit_code_2_and_a_sentence(
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert "SEATRIAL_LOG_LEVEL" not in said  # that is for what nobody foresaw


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"seatrial {__version__}\n"


def test_a_file_that_is_wrong_is_exit_code_1_of_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("deployment: a\nvariant: {}\n")
    assert run(["check", str(file)]) == 1
    assert "variant" in capsys.readouterr().out


def test_applying_says_whether_anybody_serves_it() -> None:
    applied = Applied(deployment="iris", changes=(), notes=(), revision=3, published=True, carried_out=True)
    assert outcome_line(applied, up=True) == "iris: revision 3 is served"
    assert outcome_line(applied, up=False) == "iris: revision 3 is ready; `seatrial up` serves it"
