"""Secrets by name: found, refused in plain letters, read late, masked."""

import pytest

from seatrial.spec.errors import BadInput
from seatrial.spec.secrets import literal_secret, masked, resolve


def test_resolve() -> None:
    assert resolve("a${X}b${Y_1}", {"X": "1", "Y_1": "2"}) == "a1b2"
    assert resolve("no $X here", {"X": "1"}) == "no $X here"


def test_a_value_is_not_resolved_again() -> None:
    assert resolve("${X}", {"X": "${Y}", "Y": "no"}) == "${Y}"


def test_resolve_names_what_is_missing_and_no_value() -> None:
    with pytest.raises(BadInput, match="`PG`") as caught:
        resolve("${OTHER}${PG}", {"OTHER": "value-of-other"})
    assert "value-of-other" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("json://h/x", None),
        ("json://user@h/x", None),
        ("json://u:p@h/x", "the password"),
        ("json://u:${P}@h/x", None),
        ("json://h/x?token=abc", "the parameter `token`"),
        ("json://h/x?token=${T}", None),
        ("json://h/x?monkey=abc&keyboard=1", None),
        ("json://h/x?X-Auth-Token=abc", "the parameter `X-Auth-Token`"),
        ("json://[bad", None),
    ],
)
def test_literal_secret(url: str, secret: str | None) -> None:
    assert literal_secret(url) == secret


def test_masked() -> None:
    assert masked("postgresql://u:p%40@h:5432/d") == "postgresql://u:***@h:5432/d"
    assert masked("sqlite:////a/b@c:d.db") == "sqlite:////a/b@c:d.db"
    assert masked("http://h:80/x") == "http://h:80/x"
