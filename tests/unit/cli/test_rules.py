"""``seatrial rules``, and the page about rules, word for word."""

import io
import json
import re
import shlex
from pathlib import Path

import pytest

from seatrial.cli.app import run
from seatrial.routing.rules.conditions import load_checked
from tests.harbour import Harbour
from tests.ledger_events import PLAIN, SECOND, append_plain, envelope, outcome, prediction_log
from tests.trials import write_outcomes_at_once

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text("utf-8")
FILE, SHOP = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
(TRIAL,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CONSOLE = [block.split("\n", 1) for block in re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)]


TOOK = {"us": (1_200, 132), "north": (800, 72), "everybody": (2_000, 190)}
"""Units by entry, and how many of them bought, in the page's example of coverage."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "churn.yaml").write_text(FILE)
    (tmp_path / "shop.yaml").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return tmp_path


def served(home: Path) -> None:
    """The page's first file in force, and what its entries took, months ago."""
    home.mkdir()
    harbour = Harbour(home)
    harbour.apply(FILE)
    harbour.close()
    outcomes = []
    with prediction_log(home) as log:
        first = 0
        for entry, (units, bought) in TOOK.items():
            numbers = range(first, first + units)
            append_plain(log.buffer(PLAIN), numbers, entry=entry, reason="rule", contested=False, release="")
            outcomes += [outcome(unit=f"unit-{n}", at=envelope(n).at + SECOND) for n in numbers[:bought]]
            first += units
    write_outcomes_at_once(home, outcomes)


@pytest.mark.parametrize(("command", "output"), CONSOLE, ids=[str(n) for n in range(len(CONSOLE))])
def test_the_page_says_what_the_commands_say(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, output: str
) -> None:
    if "coverage" in command:
        served(here / "home")
    if "trial.csv" in command:
        exec(compile(TRIAL, "docs/rules.md", "exec"), {})
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


def test_a_request_may_stand_in_a_file_or_come_by_standard_input(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = '{"context": {"country": "US"}, "features": {"tenure": 3}}'
    (here / "request.json").write_text(request)
    assert run(["rules", "explain", "churn.yaml", "--request", request]) == 0
    inline = capsys.readouterr().out
    assert run(["rules", "explain", "churn.yaml", "--request", "@request.json"]) == 0
    assert capsys.readouterr().out == inline
    monkeypatch.setattr("sys.stdin", io.StringIO(request))
    assert run(["rules", "explain", "churn.yaml", "--request", "-"]) == 0
    assert capsys.readouterr().out == inline
    assert run(["rules", "explain", "churn.yaml", "--request", "@gone.json"]) == 2
    assert "--request: 'gone.json' cannot be read: No such file" in capsys.readouterr().err
    (here / "latin.json").write_bytes(b'{"unit": "\xe4"}')
    assert run(["rules", "explain", "churn.yaml", "--request", "@latin.json"]) == 2
    assert "'latin.json' is not UTF-8 text" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_what_is_missing_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "explain", "churn.yaml", "--request", '{"context": {"country": "US"}}']) == 0
    told = capsys.readouterr().out
    assert "because `features.tenure > 24` fails: features.tenure is missing\n" in told


@pytest.mark.usefixtures("here")
def test_what_is_suggested_goes_through_the_prover(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(TRIAL, "docs/rules.md", "exec"), {})
    assert run(["rules", "suggest", "--data", "trial.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (here / "new.yaml").write_text(SHOP[: SHOP.index("routing:")] + found["text"])
    assert run(["rules", "check", "new.yaml", "--strict"]) == 0
    assert (
        run(["rules", "suggest", "--prune", "--margin", "5%", "--data", "trial.csv", "--file", "shop.yaml", "--json"])
        == 0
    )
    smaller = json.loads(capsys.readouterr().out.partition("\n")[2])
    (here / "smaller.yaml").write_text(SHOP[: SHOP.index("routing:")] + smaller["text"])
    assert run(["rules", "check", "smaller.yaml", "--strict"]) == 0


def test_no_segment_is_an_answer_and_exit_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{'ab'[n % 2]},{n % 5 // 4},{'xy'[n // 2 % 2]}" for n in range(8_000)]
    (here / "alike.csv").write_text("\n".join(["variant,reward,plan", *lines]))
    assert run(["rules", "suggest", "--data", "alike.csv"]) == 1
    told = capsys.readouterr().out
    assert told == (
        "8 000 units, by reward\nNo segment is worth a rule: no segment differs from the others by more than chance.\n"
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "name either a deployment or, with --data, a file of units."),
        (["churn", "--data", "x.csv"], "name either a deployment or, with --data, a file of units."),
        (["--data", "x.csv"], "there is no file 'x.csv'; name a .parquet or .csv file with a row a unit."),
        (["--data", "churn.yaml"], "'churn.yaml' is neither .parquet nor .csv: convert it to one of them."),
        (["--data", "bad.parquet"], "'bad.parquet' cannot be read"),
        (["--data", "bad.csv"], "the file has no column 'variant', only nothing: rename or add it."),
        (["--data", "nan.csv"], "row 2 of the file has the reward nan; a unit that earned nothing has 0"),
        (["--data", "one.csv"], "chance chose only a; it takes two variants to compare, so wait for an experiment."),
        (["--data", "x.csv", "--metric", "m"], "--entry and --metric are of a deployment"),
        (["churn", "--lower"], "--lower is for --data"),
        (["churn", "--margin", "1%"], "--margin and --file belong to --prune; give that too."),
        (["--data", "x.csv", "--prune"], "say with --file whose rules are to be pruned by --data."),
        (["churn", "--prune", "--margin", "much"], "`much` is no margin"),
        (["churn"], "there is no deployment 'churn'"),
    ],
)
def test_bad_input_is_a_sentence(here: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str) -> None:
    (here / "home").mkdir()
    (here / "bad.parquet").write_text("no parquet")
    (here / "bad.csv").write_text("nothing\n1\n")
    (here / "nan.csv").write_text("variant,reward\na,1\nb,\n")
    (here / "one.csv").write_text("variant,reward\na,1\na,0\n")
    assert run(["rules", "suggest", *options]) == 2
    assert told in capsys.readouterr().err


def test_coverage_of_a_deployment_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "home").mkdir()
    assert run(["rules", "coverage", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
    assert run(["rules", "coverage", "nobody", "--since", "30"]) == 2
    assert "`30` is not a duration" in capsys.readouterr().err


def test_coverage_shows_dead_rules_to_programs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served(here / "home")
    assert run(["rules", "coverage", "churn", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["entry"]: one["hits"] for one in found["entries"]} == {
        "us": 1200,
        "north": 800,
        "us-old": 0,
        "everybody": 2000,
    }
    assert found["entries"][0]["value"] == 132 / 1200
