"""``seatrial outcome alias``: which units are one person, from a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seatrial.cli import traffic
from seatrial.cli.app import run


class Heard:
    """A client that notes what it is given."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    def aliases(self, pairs: list[tuple[str, str]], **_: Any) -> int:
        self.pairs += pairs
        return len(pairs)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    found = Heard()

    @contextmanager
    def client() -> Iterator[Heard]:
        yield found

    monkeypatch.setattr(traffic, "_client", client)
    return found


def test_pairs_are_handed_over_once_each_as_text(
    heard: Heard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "logins.csv"
    file.write_text("visitor,customer,day\n007,ann,1\n007,ann,2\n8,bob,2\n")
    assert run(["outcome", "alias", str(file), "--alias", "visitor", "--unit", "customer"]) == 0
    assert heard.pairs == [("007", "ann"), ("8", "bob")]
    assert "kept 2 aliases" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("visitor,name\na,b\n", "no column 'customer'"),
        ("visitor,customer\na,\n", "'a' and no customer"),
        ("visitor,customer\na,a\n", "'a' in both columns"),
    ],
)
def test_a_file_that_says_it_wrongly_is_refused_whole(
    heard: Heard, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "logins.csv"
    file.write_text(text)
    assert run(["outcome", "alias", str(file), "--alias", "visitor", "--unit", "customer"]) == 2
    assert said in capsys.readouterr().err
    assert heard.pairs == []
