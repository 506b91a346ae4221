"""``seatrial rules``, and the page about rules, word for word."""

import json
import re
import shlex
from pathlib import Path

import pytest

from seatrial.cli.app import run
from seatrial.routing.rules.conditions import load_checked

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text("utf-8")
FILE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
CONSOLE = [block.split("\n", 1) for block in re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "churn.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("command", "output"), CONSOLE, ids=[str(n) for n in range(len(CONSOLE))])
@pytest.mark.usefixtures("here")
def test_the_page_says_what_the_commands_say(capsys: pytest.CaptureFixture[str], command: str, output: str) -> None:
    run(shlex.split(command)[1:])
    assert capsys.readouterr().out == output


@pytest.mark.usefixtures("here")
def test_the_shorter_set_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    run(["rules", "check", "churn.yaml", "--simplify", "--json"])
    found = json.loads(capsys.readouterr().out)
    spec = load_checked(FILE[: FILE.index("routing:")] + found["simplified"])
    assert [entry.name for entry in spec.routing] == ["us", "north", "everybody"]
    assert spec.routing[-1].split == {"champion": 0.9, "second": 0.1}


@pytest.mark.parametrize(
    ("rules", "options", "code"),
    [
        ("  - {name: a, when: 'features.x > 1', to: champion}\n", [], 0),
        ("  - {name: a, when: 'features.x > 1', to: champion}\n", ["--strict"], 1),
        ("  - {name: a, when: 'features.x > 1 && features.x < 0', to: champion}\n", [], 1),
        ("  - {name: a, when: 'features.x.matches(\"^[0-9]+$\")', to: second}\n  - {name: z, to: champion}\n", [], 0),
        (
            "  - {name: a, when: 'features.x.matches(\"^[0-9]+$\")', to: second}\n  - {name: z, to: champion}\n",
            ["--strict"],
            1,
        ),
        ("  - {name: a, when: 'features.x >', to: champion}\n", [], 2),
        ("  - {name: z, to: champion}\n", ["--strict"], 0),
    ],
)
def test_exit_codes(here: Path, rules: str, options: list[str], code: int) -> None:
    (here / "f.yaml").write_text(FILE[: FILE.index("  - {name: us")] + rules)
    assert run(["rules", "check", "f.yaml", *options]) == code


def test_explain_says_when_nobody_takes_a_request(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "f.yaml").write_text(FILE[: FILE.index("  - {name: everybody")])
    assert run(["rules", "explain", "f.yaml", "--request", "{}"]) == 2
    assert "context.country is missing" in capsys.readouterr().err
    assert run(["rules", "explain", "f.yaml", "--request", '{"context": {"country": "FR"}}']) == 0
    out = capsys.readouterr().out
    assert out.endswith("no entry takes it, so the default variant champion answers\n")
    assert run(["rules", "explain", "f.yaml", "--request", "{"]) == 2
