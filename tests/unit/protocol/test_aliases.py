"""Bodies of ``POST /v1/units``."""

import pytest

from seatrial.protocol.aliases import AliasGiven, circle_in, read_aliases
from seatrial.spec.errors import BadInput


def test_one_several_and_lines() -> None:
    assert read_aliases(b'{"alias": "cookie", "unit": 7}') == [AliasGiven("cookie", "7", None)]
    given = read_aliases(b'[{"alias": 1, "unit": "ann"}, {"alias": "2", "unit": null, "at": "2026-01-01T00:00:00Z"}]')
    assert given == [AliasGiven("1", "ann", None), AliasGiven("2", None, 1_767_225_600_000_000)]
    assert len(read_aliases(b'{"alias": "a", "unit": "x"}\n{"alias": "b", "unit": "x"}\n')) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "0 aliases"),
        (b'{"alias": "a"}', "unit"),
        (b'{"alias": "", "unit": "a"}', "alias: is empty"),
        (b'{"alias": "a", "unit": ""}', "unit is empty"),
        (b'{"alias": "a", "unit": "a"}', "'a' is its own alias"),
        (b'{"alias": 5, "unit": "5"}', "is its own alias"),
        (b'{"alias": null, "unit": "a"}', "alias"),
        (b'{"alias": "a", "unit": "b", "name": 1}', "name"),
        (b'{"alias": "a", "unit": "b", "at": "yesterday"}', "at"),
        (b'[{"alias": "a", "unit": "b"}, {"alias": "b", "unit": "b"}]', "alias 1: "),
    ],
)
def test_bad_bodies(body: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read_aliases(body)


@pytest.mark.parametrize(
    ("pairs", "circle"),
    [
        ([("a", "b"), ("b", "c")], None),
        ([("a", "b"), ("b", "a")], "a"),
        ([("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")], "a"),
        ([("a", "b"), ("b", None)], None),
        ([("a", "b"), ("a", "c")], None),
    ],
)
def test_circles_of_one_call(pairs: list[tuple[str, str | None]], circle: str | None) -> None:
    assert circle_in([AliasGiven(alias, unit, None) for alias, unit in pairs]) == circle
