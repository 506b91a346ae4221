"""Files of units: what is written is what is found, a new one is taken up, and a damaged one is never believed."""

import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.releases.crowd_files import Crowd, CrowdFiles, crowd_file, write_crowd
from seatrial.routing.crowds import hash_unit
from seatrial.routing.snapshot import Crowd as Named
from seatrial.routing.snapshot import Entry, Slot, Snapshot
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Signature

HASHES = st.integers(0, 2**64 - 1)
NEAR_THE_ENDS = st.integers(0, 50) | st.integers(2**64 - 50, 2**64 - 1) | st.integers(2**63 - 50, 2**63 + 50)
SIGNATURE = Signature(task="regression", features=(), inputs=(), outputs=(), answer=Answer(prediction="y"))


def snapshot(*entries: Entry) -> Snapshot:
    slot = Slot(variant="champion", model="m", version=1, digest="d", path="/p", runtime="onnx", signature=SIGNATURE)
    return Snapshot(
        deployment="churn",
        revision=1,
        task="regression",
        unit_name="unit",
        slots=(slot,),
        default="champion",
        entries=entries,
    )


NAMED = snapshot(Entry(name="staff", crowd=Named("churn/staff"), to="champion", reason="explicit"))


def test_hashes_are_pinned_for_ever() -> None:
    assert [hash_unit(unit) for unit in ("u1", "Zoë", "")] == [
        5103359285426842241,
        2339347292097528332,
        2015936668889517994,
    ]


def packed(hashes: Iterable[int]) -> bytes:
    """As a file holds them."""
    ordered = sorted(set(hashes))
    return struct.pack(f"<{len(ordered)}Q", *ordered)


@given(st.sets(HASHES | NEAR_THE_ENDS, max_size=300), st.lists(HASHES | NEAR_THE_ENDS, max_size=50))
def test_a_file_holds_what_was_put_in_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, put_in: set[int], others: list[int]
) -> None:
    path = tmp_path_factory.mktemp("crowd") / "file"
    write_crowd(path, packed(put_in))
    crowd = Crowd(path)
    assert list(crowd.body) == sorted(put_in)
    assert len(crowd) == len(put_in)
    for wanted in (*put_in, *others):
        assert crowd.holds_hash(wanted) is (wanted in put_in)


def test_of_many_units_each_is_found(tmp_path: Path) -> None:
    write_crowd(tmp_path / "file", packed(hash_unit(f"u{n}") for n in range(20_000)))
    crowd = Crowd(tmp_path / "file")
    assert all(crowd.holds(f"u{n}") for n in range(20_000))
    assert not any(crowd.holds(f"v{n}") for n in range(20_000))


@pytest.mark.parametrize("cut", [0, 1, 10, 24, 31, -1, -8])
def test_a_torn_file_is_not_believed(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "file"
    write_crowd(path, packed(range(100)))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadInput):
        Crowd(path)


def test_a_changed_byte_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_crowd(path, packed(range(100)))
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match="is damaged"):
        Crowd(path)


def test_the_form_of_a_file_is_as_documented(tmp_path: Path) -> None:
    write_crowd(tmp_path / "file", packed([7, 3, 7]))
    data = (tmp_path / "file").read_bytes()
    assert (data[:8], data[8:16], data[24:]) == (b"SEACROWD", struct.pack("<Q", 2), struct.pack("<2Q", 3, 7))


def test_a_new_file_is_taken_up_and_a_torn_one_leaves_what_was_known(tmp_path: Path) -> None:
    path = crowd_file(tmp_path, "churn/staff")
    files = CrowdFiles(tmp_path, NAMED)
    holds = files.asks["churn/staff"]
    assert holds("ann") is None
    write_crowd(path, packed([hash_unit("ann")]))
    files.look()
    assert (holds("ann"), holds("bob")) == (True, False)
    write_crowd(path, packed([hash_unit("ann"), hash_unit("bob")]))
    files.look()
    assert holds("bob") is True
    whole = path.read_bytes()
    torn = path.with_name("torn")
    torn.write_bytes(whole[:-3])
    torn.replace(path)
    files.look()
    assert (holds("ann"), holds("cy")) == (True, False)
    path.unlink()
    files.look()
    assert holds("ann") is True


@pytest.mark.parametrize("name", ["../x", "churn/../x", "churn", "/etc/passwd"])
def test_a_name_never_leads_out_of_the_home(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        crowd_file(tmp_path, name)
