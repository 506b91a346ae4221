"""``seatrial bandit evaluate``: what weights and whole files would have earned, as it is printed."""

import json
from pathlib import Path

import pytest

from seatrial.cli.app import run
from tests.harbour import Harbour
from tests.trials import FILE, write_trial

BEFORE, AFTER = FILE[: FILE.index("routing:")], FILE[FILE.index("outcomes:") :]
BANDIT = "{arms: [champion, challenger], reward: {outcome: purchase, within: 1d}, every: 1d, floor: 5%}"
RUNNING = f"{BEFORE}routing:\n  - {{name: everybody, bandit: {BANDIT}}}\n{AFTER}"
GERMANS = "  - {name: germans, when: 'context.country == \"DE\"', to: challenger}\n"
RULES = f"{BEFORE}routing:\n{GERMANS}{AFTER}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    (place / "home").mkdir()
    harbour = Harbour(place / "home")
    harbour.apply(RUNNING)
    write_trial(place / "home", 2_000, reason="bandit", revision=harbour.serving.revision)
    harbour.close()
    return place / "home"


@pytest.fixture
def here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(home))
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["bandit", "evaluate", *arguments]) == code
    told = capsys.readouterr()
    return told.err if code == 2 else told.out


@pytest.mark.usefixtures("here")
def test_a_file_is_told_with_its_entries(capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "churn", "--file", "rules.yaml")
    assert "churn/everybody: 2 000 matured records of 2 000 units earned" in told
    assert "of the records, by rules.yaml: `germans` 29.2%, no entry 70.8%\n" in told
    assert "largest weight 2," in told
    for method in ("ips", "snips", "direct", "doubly-robust", "switch"):
        assert f"\n{method} " in told
    document = json.loads(said(capsys, "churn", "--file", "rules.yaml", "--json"))
    assert document["file"] == "rules.yaml"
    assert set(document["took"]) == {"germans", ""}


@pytest.mark.usefixtures("here")
def test_weights_that_were_learned_here_are_said_to_flatter(capsys: pytest.CaptureFixture[str]) -> None:
    Path("same.yaml").write_text(RUNNING)
    assert "The weights of `everybody` were learned from these very records" in said(
        capsys, "churn", "--file", "same.yaml"
    )


@pytest.mark.usefixtures("here")
def test_a_variant_that_nobody_got_ends_with_no(capsys: pytest.CaptureFixture[str]) -> None:
    """The file gives DE a variant of other terms."""
    other = RULES.replace(
        '  challenger: {model: "models:/churn/2"}',
        '  challenger: {remote: {url: "http://127.0.0.1:9/x", answer: $.label}}',
    )
    Path("other.yaml").write_text(other)
    told = said(capsys, "churn", "--file", "other.yaml", code=1)
    assert "no answer: The target policy uses `challenger (remote http://127.0.0.1:9/x" in told


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("arguments", [(), ("challenger=100%", "--file", "rules.yaml")])
def test_either_weights_or_a_file(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    told = said(capsys, "churn", *arguments, code=2)
    assert "give either weights (`challenger=100%`) or, with --file, another deployment file" in told
