"""Golden vectors: assignment may never change, on any machine, or every running experiment would be re-randomised."""

import math
import struct

import pytest
import xxhash

from seatrial.routing.assign import Split, assign, assign_many, draw, prefix
from seatrial.routing.snapshot import Arm, Entry

DRAWS = {
    "1": "0x1.bd3236fd6a3ccp-3",
    "42": "0x1.ba0cf4cb3e2ddp-1",
    "customer-17": "0x1.65a72e4b6cdacp-3",
    "Ωmega": "0x1.cf4f55f5deb57p-1",
    "客户-7": "0x1.b28a92f17f8a6p-2",
    "": "0x1.1fff717a87b3cp-3",
    "🙂": "0x1.cfd4f0c1671c0p-7",
}
CHOSEN = {
    "1": "challenger",
    "42": "champion",
    "customer-17": "challenger",
    "Ωmega": "champion",
    "客户-7": "challenger",
    "": "challenger",
    "🙂": "challenger",
}
EVEN = Entry(name="everybody", salt="churn/r1", arms=(Arm("champion", 0.5), Arm("challenger", 0.5)))
THREE = Entry(name="everybody", salt="churn/1", arms=(Arm("champion", 0.5), Arm("challenger", 0.3), Arm("c", 0.2)))


@pytest.mark.parametrize(("unit", "expected"), DRAWS.items())
def test_draw_golden(unit: str, expected: str) -> None:
    assert draw(prefix("churn/r1", "champion"), unit.encode()).hex() == expected


@pytest.mark.parametrize(("unit", "expected"), CHOSEN.items())
def test_assign_golden(unit: str, expected: str) -> None:
    assert assign(EVEN, unit) == expected


def test_assign_is_the_definition() -> None:
    def score(arm: Arm, unit: str) -> float:
        salt, name = THREE.salt.encode(), arm.variant.encode()
        data = struct.pack("<I", len(salt)) + salt + struct.pack("<I", len(name)) + name + unit.encode()
        return -arm.weight / math.log(((xxhash.xxh3_64(data).intdigest() >> 12) + 0.5) / 2**52)

    for unit in [*DRAWS, *(f"user-{i}" for i in range(500))]:
        assert assign(THREE, unit) == max(THREE.arms, key=lambda arm: score(arm, unit)).variant


def test_prefix_is_unambiguous() -> None:
    assert prefix("ab", "c") != prefix("a", "bc")
    assert prefix("", "abc") != prefix("abc", "")


@pytest.mark.parametrize("hashed", [0, 2**64 - 1])
def test_draw_stays_inside_the_open_interval(hashed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.routing.assign._hash", lambda _: hashed)
    assert 0 < draw(b"", b"x") < 1


def test_order_of_arms_does_not_matter() -> None:
    turned = Split(THREE.salt, reversed(THREE.arms))
    assert all(turned.choose(f"u{i}") == assign(THREE, f"u{i}") for i in range(300))


def test_zero_weight_never_wins() -> None:
    split = Split("s", [Arm("a", 0.0), Arm("b", 0.4), Arm("c", 0.6)])
    assert "a" not in {split.choose(f"u{i}") for i in range(2000)}


def test_assign_many_equals_assign_where_costs_nearly_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    """All arms draw the same number, so that only the scalar path's rule for ties may decide."""
    monkeypatch.setattr("seatrial.routing.assign._hash", lambda _: 1 << 63)
    split = Split("tie", [Arm("b", 0.5), Arm("a", 0.5)])
    assert split.choose("x") == "a"
    assert split.choose_many(["x", "y"]).tolist() == ["a", "a"]


def test_assign_many_of_nothing_and_of_a_single_arm() -> None:
    assert assign_many(THREE, []).tolist() == []
    assert assign_many(Entry(name="e", to="champion"), ["a", "b"]).tolist() == ["champion", "champion"]
    one = Entry(name="e", salt="s", arms=(Arm("champion", 1.0), Arm("challenger", 0.0)))
    assert assign_many(one, ["a"]).tolist() == ["champion"]
