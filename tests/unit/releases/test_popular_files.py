"""Files of popular items: what is written is what is read, and a damaged one is never believed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.releases.popular_files import Scored, popular_file, read_popular, write_popular
from seatrial.spec.errors import BadInput

ITEMS = st.lists(
    st.builds(
        Scored,
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
        st.floats(0, exclude_min=True, allow_infinity=False),
    ),
    max_size=20,
)


@given(ITEMS)
def test_a_file_holds_what_was_written(tmp_path_factory: pytest.TempPathFactory, items: list[Scored]) -> None:
    path = tmp_path_factory.mktemp("popular") / "file"
    write_popular(path, items)
    assert read_popular(path) == tuple(items)


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_a_torn_file_is_not_believed(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "file"
    write_popular(path, [Scored("a", 2.0), Scored("b", 1.0)])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadInput, match="is no file of popular items"):
        read_popular(path)


def test_a_changed_byte_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_popular(path, [Scored("a", 2.0)])
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"b"'))
    with pytest.raises(BadInput, match="is damaged"):
        read_popular(path)


@pytest.mark.parametrize("name", ["../x", "shop/../x", "shop", "/etc/passwd"])
def test_a_name_never_leads_out_of_the_home(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        popular_file(tmp_path, name)
