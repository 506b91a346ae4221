"""Every command: help with an example, JSON for programs, and exit codes that a script can trust."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from click import Command

from seatrial.cli.app import app, run
from seatrial.releases.state import State
from tests.harbour import PLAIN, RELEASE, Harbour, gateway_worker
from tests.registries import give_registry

HEAVY = ("pandas", "mlflow", "sqlalchemy", "duckdb", "numpy", "pyarrow", "onnxruntime", "sklearn")


def commands() -> dict[str, Command]:
    """Every command by the words that call it."""

    def walk(words: str, command: Command) -> dict[str, Command]:
        if hasattr(command, "commands"):
            found: dict[str, Command] = {}
            for name, inner in command.commands.items():
                found |= walk(f"{words} {name}".strip(), inner)
            return found
        return {words: command}

    return walk("", typer.main.get_command(app))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one deployment, ``churn``, and nothing running."""
    for name in ("SEATRIAL_HOME", "SEATRIAL_KEY", "SEATRIAL_HTTP", "SEATRIAL_CONTROL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEATRIAL_HTTP", "127.0.0.1:1")  # nothing listens there
    give_registry(tmp_path / "home")
    harbour = Harbour(tmp_path / "home")
    harbour.apply(RELEASE)
    harbour.close()
    return tmp_path


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_explains_itself_with_an_example(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "Example: " in told
    assert f"seatrial {words}" in " ".join(told.split())


@pytest.mark.parametrize("words", sorted(commands()))
def test_an_unknown_option_is_bad_usage(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words.split(), "--no-such-option"]) == 2
    assert "no-such-option" in capsys.readouterr().err


def test_what_answers_has_json() -> None:
    without = {words for words, command in commands().items() if "--json" not in str([p.opts for p in command.params])}
    assert without == {"schema", "demo"}


def test_no_summary_is_cut_at_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    for group in ("", "models", "outcome", "rules", "bandit"):
        assert run([*group.split(), "--help"]) == 0
        told = capsys.readouterr().out
        assert "..." not in told.replace("[ARGS]...", "")
        assert "Example" in told or "example" in told


def test_an_example_can_be_pasted() -> None:
    for words, command in commands().items():
        example = (command.epilog or "").removeprefix("Example: ")
        assert "…" not in example
        assert f"seatrial {words}" in example


def test_the_program_alone_helps_and_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_a_choice_is_shown_and_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["register", "--help"]) == 0
    told = capsys.readouterr().out
    assert "<onnx|python>" in told
    assert "<none|pickle>" in told
    assert run(["register", "a", "b", "--data", "c", "--runtime", "java"]) == 2
    assert "java" in capsys.readouterr().err


def test_what_begins_and_ends_a_system_has_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(home / "new"), "--bare", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0].endswith("iris.yaml")
    assert run(["down", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stopped"] is False


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
from seatrial.cli.app import run
assert run(["--help"]) == 0
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.strip() == "[]"
    assert "predict" in done.stdout


@pytest.mark.parametrize("line", ["status churn", "history churn"])
@pytest.mark.usefixtures("home")
def test_a_question_to_the_state_does_not_load_the_ledger(line: str) -> None:
    heavy = ("pandas", "mlflow", "alembic", "altair", "scipy", "numpy", "duckdb", "deltalake", "pyarrow")
    code = f"""
import sys
from seatrial.cli.app import run
run({line.split()!r})
print([name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_a_good_file_is_0_and_a_bad_one_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = home / "good.yaml", home / "bad.yaml"
    good.write_text(PLAIN)
    bad.write_text(PLAIN.replace("variants:", "varaints:"))
    assert run(["check", str(good)]) == 0
    assert run(["check", str(bad)]) == 1
    told = capsys.readouterr().out
    assert "good.yaml: fine (versions are looked up by apply)" in told
    assert "varaints" in told
    assert run(["check", str(good), str(bad), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found[str(good)] == []
    assert found[str(bad)][0]["line"] == 3


def test_a_file_that_is_not_there_is_bad_input(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(home / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["status", "judge", "history", "drift", "alerts list"])
@pytest.mark.usefixtures("home")
def test_an_unknown_deployment_is_bad_input(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words.split(), "chrun"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert "chrun" in told.err
    assert "Traceback" not in told.err


@pytest.mark.usefixtures("home")
def test_drift_of_a_variant_that_is_none_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drift", "churn", "--variant", "chalenger"]) == 2
    told = capsys.readouterr().err
    assert "'chalenger'" in told
    assert "champion" in told


@pytest.mark.usefixtures("home")
def test_a_gateway_that_is_away_could_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "churn", "--features", '{"tenure": 1}', "--timeout", "0.5"]) == 3
    assert "seatrial up" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_features_that_are_not_json_are_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "churn", "--features", "{tenure: 1}"]) == 2
    assert "--features" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["status", "status churn", "history churn", "history churn --verify", "drift churn", "alerts list churn", "config"],
)
@pytest.mark.usefixtures("home")
def test_json_is_one_document(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    no_data = line == "drift churn"  # no window is complete yet
    code = 3 if no_data else 0
    assert run([*line.split(), "--json"]) == code
    assert json.loads(capsys.readouterr().out) is not None
    assert run(line.split()) == code
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("churn --outcome purchase", 3, "no named unit came to churn in the last 90d"),
        ("churn --outcome purchas", 2, "declares no outcome 'purchas'; did you mean `purchase`?"),
        ("chrun", 2, "chrun"),
        ("churn --outcome purchase --since soon", 2, "soon"),
    ],
)
@pytest.mark.usefixtures("home")
def test_maturity_of_nothing_is_said(line: str, code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["outcome", "maturity", *line.split()]) == code
    assert words in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_status_says_who_is_in_command_and_that_nothing_is_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 0
    told = capsys.readouterr().out
    assert "not up: seatrial up" in told
    assert "churn:1 is in command" in told


@pytest.mark.usefixtures("home")
def test_judge_with_no_evidence_is_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["judge", "churn", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["recommendation"] in ("wait", "withheld")


def test_judge_says_of_a_release_that_is_over_how_it_ended(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["judge", "churn"]) == 1
    assert capsys.readouterr().out.startswith("wait: shadow for 1 d, ")
    with gateway_worker(home / "home"):
        assert run(["promote", "churn", "--reason", "sure"]) == 0
        capsys.readouterr()
        assert run(["judge", "churn"]) == 1
        told = capsys.readouterr().out
        assert told.startswith("No release is under way; the last one, of churn:2, took command at ")
        assert run(["rollback", "churn", "--reason", "complaints"]) == 0
        capsys.readouterr()
    assert run(["judge", "churn", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ended"] == "rolled-back"
    assert "churn:2, was rolled back at" in found["sentence"]


def test_waiting_for_what_cannot_come_any_more_is_no(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["wait", "churn", "--until", "ship", "--timeout", "0", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["release_open"] is True
    with gateway_worker(home / "home"):
        assert run(["rollback", "churn", "--reason", "complaints"]) == 0
    assert run(["wait", "churn", "--until", "ship"]) == 1
    assert "no release is under way" in capsys.readouterr().out
    assert run(["wait", "churn"]) == 0


def test_by_hand_needs_a_reason_and_any_letters_do(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pause", "churn"]) == 2
    assert "--reason" in capsys.readouterr().err
    with gateway_worker(home / "home"):
        assert run(["pause", "churn", "--reason", "Etikettenjob läuft nicht – 停"]) == 0
    capsys.readouterr()
    assert run(["history", "churn", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["why"] == "Etikettenjob läuft nicht – 停"


@pytest.mark.usefixtures("home")
def test_config_never_prints_the_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SEATRIAL_KEY", "correct-horse-battery")
    monkeypatch.setenv("SEATRIAL_STATE_URL", "postgresql+psycopg://me:hush-hush@db/seatrial")
    for line in (["config"], ["config", "--json"]):
        assert run(line) == 0
        told = capsys.readouterr().out
        assert "correct-horse" not in told
        assert "hush-hush" not in told
        assert "SEATRIAL_KEY" in told  # where it came from
        assert "('" not in told


@pytest.mark.usefixtures("home")
def test_an_unexpected_error_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_self: object) -> None:
        raise RuntimeError("the sea is rough")

    monkeypatch.setattr(State, "__enter__", broken)
    assert run(["alerts", "list", "churn"]) == 3
    assert capsys.readouterr().err.startswith("error: RuntimeError: the sea is rough")


def test_an_import_is_held_to_what_is_declared(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "bought.csv"
    file.write_text("customer,day,n\nann,2026-01-01,1\n")
    line = ["outcome", "import", str(file), "--unit", "customer", "--at", "day", "--outcome"]
    assert run([*line, "purchse"]) == 2
    assert "outcome 'purchse' is not declared; did you mean `purchase`?" in capsys.readouterr().err
    assert run([*line, "purchase", "--deployment", "chrun"]) == 2
    assert "no deployment 'chrun' is published" in capsys.readouterr().err
    assert run([*line, "purchase", "--field", "n"]) == 2
    assert "'n' is not a field of 'purchase'; it has none" in capsys.readouterr().err
    assert run([*line, "purchase", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unfit"] == 0


@pytest.mark.usefixtures("home")
def test_down_where_nothing_is_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down"]) == 0
    assert "nothing is up" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_a_model_that_nobody_registered_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", "churm"]) == 2
    assert "There is no model called 'churm' in the registry" in capsys.readouterr().err
