"""Settings: file, environment, defaults, origins, and secrets that are never shown."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from seatrial.spec.settings import SETTINGS, Settings, SettingsError, is_loopback, load_settings, split_address

SECRET = "correct-horse-battery"


def write(directory: Path, text: str) -> None:
    (directory / "seatrial.toml").write_text(text)


def test_defaults(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    assert settings.home == tmp_path / ".seatrial"
    assert (settings.http, settings.control) == ("127.0.0.1:8080", "127.0.0.1:8082")
    assert settings.state_url == f"sqlite:///{tmp_path}/.seatrial/state.db"
    assert settings.registry_url is None
    assert settings.workers >= 1
    assert (settings.key, settings.acknowledge, settings.log_level) == (None, "disk", "info")
    assert set(settings.origins) == set(SETTINGS)
    assert set(settings.origins.values()) == {"default"}


def test_environment_wins_over_file_and_origins_say_so(tmp_path: Path) -> None:
    write(tmp_path, 'home = "data"\nworkers = 3\nhttp = "0.0.0.0:80"\n')
    settings = load_settings({"SEATRIAL_WORKERS": "5", "OTHER": "x"}, tmp_path)
    assert (settings.workers, settings.http, settings.home) == (5, "0.0.0.0:80", tmp_path / "data")
    assert settings.origins["workers"] == "environment SEATRIAL_WORKERS"
    assert settings.origins["http"] == "seatrial.toml"
    assert settings.origins["control"] == "default"


def test_frozen(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    with pytest.raises(FrozenInstanceError):
        settings.workers = 9  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.origins["workers"] = "me"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workres = 2\n", "`workres` is not a setting; did you mean `workers`"),
        ("workers = 0\n", "`0` is not a number of workers"),
        ("drain_notice = 601\n", "`601` is not a number of seconds; write a whole number from 0 to 600"),
        ('drain_notice = "soon"\n', "is not a number of seconds"),
        ("hung_after = 1\n", "`1` is not a number of seconds; write a whole number from 2 to 3600"),
        ("workers = true\n", "`true` is not a number of workers"),
        ('http = "8080"\n', "`8080` is not an address"),
        ('http = "127.0.0.1:99999"\n', "is not an address"),
        ('acknowledge = "shared"\n', "`shared` is not built yet"),
        ('grpc = "on"\n', "`on` is not an address"),
        ('ledger_url = "s3://x"\n', "`ledger_url`: it is not built yet"),
        ('log_level = "verbose"\n', "`verbose` is not known"),
        ('state_url = "state.db"\n', "is not a URL"),
        ("home = 3\n", "is not a text"),
        ("[serving]\nworkers = 2\n", "`serving` is not a setting"),
        ("workers = \n", "this is not TOML"),
        (f'key = "{SECRET}"\n', "in plain letters"),
        (f'state_url = "postgresql://me:{SECRET}@db/x"\n', "the password in `state_url` stands in plain letters"),
        ('key = "${MISSING}"\n', "`MISSING` is used as .* but is not set"),
        ('key_env = "MISSING"\n', "`MISSING` is used as .* but is not set"),
        ('key_env = "not a name"\n', "must be the name of an environment variable"),
    ],
)
def test_file_refused(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, text)
    with pytest.raises(SettingsError, match=words) as caught:
        load_settings({}, tmp_path)
    assert "seatrial.toml" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_everything_wrong_is_told_together(tmp_path: Path) -> None:
    write(tmp_path, "workres = 2\nworkers = -1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings({"SEATRIAL_HTPP": "x", "SEATRIAL_CONTROL": "y"}, tmp_path)
    assert len(str(caught.value).splitlines()) == 4
    assert "`SEATRIAL_HTPP` is not a setting; did you mean `SEATRIAL_HTTP`?" in str(caught.value)


@pytest.mark.parametrize("text", ['key = "${MY_KEY}"\n', 'key_env = "MY_KEY"\n'])
def test_secrets_are_read_from_the_environment_and_never_shown(tmp_path: Path, text: str) -> None:
    write(tmp_path, text + 'state_url = "postgresql://me:${PG}@db/x"\n')
    settings = load_settings({"MY_KEY": SECRET, "PG": "pg-secret"}, tmp_path)
    assert settings.key == SECRET
    assert settings.state_url == "postgresql://me:pg-secret@db/x"
    for printed in (repr(settings), str(settings), str(settings.shown()), str(dict(settings.origins))):
        assert SECRET not in printed
        assert "pg-secret" not in printed
    assert settings.shown()["key"] == ("(a secret)", "seatrial.toml")
    assert settings.shown()["state_url"][0] == "postgresql://me:***@db/x"


def test_a_bad_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 8") as caught:
        load_settings({"SEATRIAL_KEY": "geheim"}, tmp_path)
    assert "geheim" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings({}, tmp_path)


def test_shown_has_every_setting(tmp_path: Path) -> None:
    assert list(load_settings({}, tmp_path).shown()) == list(SETTINGS)
    assert all(hasattr(Settings, "__dataclass_fields__") and name in Settings.__dataclass_fields__ for name in SETTINGS)


@pytest.mark.parametrize(
    ("address", "split", "loopback"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080), True),
        ("localhost:0", ("localhost", 0), True),
        ("[::1]:80", ("::1", 80), True),
        ("0.0.0.0:80", ("0.0.0.0", 80), False),
        ("[::]:80", ("::", 80), False),
        ("127.evil.example:80", ("127.evil.example", 80), False),
    ],
)
def test_addresses(address: str, split: tuple[str, int], loopback: bool) -> None:
    assert split_address(address) == split
    assert is_loopback(address) is loopback
