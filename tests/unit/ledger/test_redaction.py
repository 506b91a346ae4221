import stat
from pathlib import Path

from seatrial.ledger.redaction import Redactor


def test_the_same_value_has_the_same_hash_in_one_home_only(tmp_path: Path) -> None:
    here, again, elsewhere = Redactor(tmp_path / "a"), Redactor(tmp_path / "a"), Redactor(tmp_path / "b")
    assert here.redact("x@example.org") == again.redact("x@example.org")
    assert here.redact("x@example.org") != here.redact("y@example.org")
    assert here.redact("x@example.org") != elsewhere.redact("x@example.org")
    assert len(here.redact("")) == 32


def test_a_digest_tells_the_length(tmp_path: Path) -> None:
    redactor = Redactor(tmp_path)
    assert redactor.digest("äöü") == f"{redactor.redact('äöü')}/3"


def test_the_key_is_the_owners_alone(tmp_path: Path) -> None:
    Redactor(tmp_path)
    (key,) = (tmp_path / "ledger").iterdir()
    assert key.name == "redaction.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.stat().st_size == 32


def test_any_text_can_be_hashed(tmp_path: Path) -> None:
    assert Redactor(tmp_path).redact("\ud800") != Redactor(tmp_path).redact("?")
