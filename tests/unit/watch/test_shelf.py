"""What monitors remember, on disk."""

import os
from pathlib import Path

import pytest

from seatrial.watch.shelf import DiskShelf, keyed


def test_what_is_put_is_there_for_another_process(tmp_path: Path) -> None:
    DiskShelf(tmp_path / "watch")["a"] = b"1"
    shelf = DiskShelf(tmp_path / "watch")
    assert (shelf["a"], list(shelf), len(shelf)) == (b"1", ["a"], 1)
    shelf["a"] = b"2"
    assert shelf["a"] == b"2"
    del shelf["a"]
    assert "a" not in shelf
    with pytest.raises(KeyError):
        del shelf["a"]


def test_a_torn_writing_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.new").write_bytes(b"hal")
    assert DiskShelf(tmp_path).get("a") is None


def test_a_shelf_is_bounded_and_the_oldest_go(tmp_path: Path) -> None:
    shelf = DiskShelf(tmp_path, most=3)
    for number in range(5):
        shelf[f"k{number}"] = b""
        os.utime(tmp_path / f"k{number}.kept", (number, number))
    again = DiskShelf(tmp_path, most=3)
    again["new"] = b""
    assert sorted(again) == ["k3", "k4", "new"]


def test_a_key_depends_on_all_that_it_is_told_and_is_a_file_name() -> None:
    assert keyed("concept", "a", 1) == keyed("concept", "a", 1)
    assert keyed("concept", "a", 1) != keyed("concept", "a", 2)
    assert keyed("concept", "ab", "c") != keyed("concept", "a", "bc")
    assert keyed("concept", "../x/y").replace("-", "").isalnum()


@pytest.mark.parametrize("left", [b"", b"\0" * 40, "half", "changed"])
def test_a_value_that_is_not_as_it_was_written_is_absent(tmp_path: Path, left: bytes | str) -> None:
    shelf = DiskShelf(tmp_path)
    shelf["a"] = b"a value of some length"
    path = tmp_path / "a.kept"
    whole = path.read_bytes()
    path.write_bytes({"half": whole[:20], "changed": whole[:-1] + b"!"}[left] if isinstance(left, str) else left)
    assert shelf.get("a") is None
    with pytest.raises(KeyError):
        shelf["a"]
    shelf["a"] = b""
    assert shelf["a"] == b""


def test_a_value_of_before_there_were_digests_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.kept").write_bytes(b'{"old": 1}')
    assert DiskShelf(tmp_path)["a"] == b'{"old": 1}'


def test_a_shelf_without_a_bound_drops_nothing(tmp_path: Path) -> None:
    shelf = DiskShelf(tmp_path, most=None)
    for number in range(210):
        shelf[f"k{number}"] = b"x"
    assert len(shelf) == 210
