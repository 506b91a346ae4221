"""Every ``seatrial`` line in the documentation's code blocks is one that the command line takes; none is run."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from seatrial.cli.app import USAGE, app

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SEATRIAL = re.compile(r"(?:^|&&|\||\$)\s*(?:[A-Z_]+=\S+ )*seatrial((?: [^&|#]*)?)")


def lines(page: Path) -> list[tuple[int, str]]:
    """Every command of a page's code blocks that are no other language's, with its line; continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", page.read_text("utf-8"))
    found = []
    for block in re.finditer(r"^ *```(\w*)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        if block.group(1) not in ("", "sh", "bash", "console"):
            continue
        first = text.count("\n", 0, block.start(2)) + 1
        for offset, line in enumerate(block.group(2).splitlines()):
            found += [(first + offset, match.group(1).strip()) for match in SEATRIAL.finditer(line)]
    return found


COMMANDS = [(page.relative_to(ROOT), line, words) for page in PAGES for line, words in lines(page)]


def parse(words: list[str]) -> None:
    """Reads a command line down to its command's options, and runs nothing."""
    command, path = typer.main.get_command(app), "seatrial"
    while words and hasattr(command, "commands") and words[0] in command.commands:
        path, command, words = f"{path} {words[0]}", command.commands[words[0]], words[1:]
    if hasattr(command, "commands"):
        raise typer.BadParameter(f"{path} has no command {words[:1]}")
    command.make_context(path, list(words))


@pytest.mark.parametrize(("page", "line", "words"), COMMANDS, ids=[f"{page}:{line}" for page, line, _ in COMMANDS])
def test_every_command_in_the_docs_is_valid(page: Path, line: int, words: str) -> None:
    try:
        parse(shlex.split(words))
    except USAGE as error:
        pytest.fail(f"{page}:{line}: seatrial {words}: {error.format_message()}")


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("words", ["resume churn", "status --colour", "statsu", "promote", "wait churn --until soon"])
def test_a_wrong_one_is_found(words: str) -> None:
    with pytest.raises(USAGE):
        parse(words.split())
