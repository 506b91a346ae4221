"""Log lines: one JSON object each, with fields; secrets in neither form; what nobody caught is a line, too."""

import json
import logging
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from seatrial.spec.logs import Hiding, JsonLines, TextLines
from seatrial.spec.settings import Settings, SettingsError, load_settings

KEY = 'sesame-"open"\\wide'
PASSWORD = "tiger9000"
ENVIRONMENT = {
    "SEATRIAL_KEY": KEY,
    "SEATRIAL_STATE_URL": f"postgresql+psycopg://scott:{PASSWORD}@db/seatrial?password=fish77",
    "SEATRIAL_LOG_FORMAT": "json",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(ENVIRONMENT, tmp_path)


def record(message: str, *values: object, error: Exception | None = None, **fields: object) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.makeLogRecord(
        {"name": "seatrial.serving", "levelno": logging.WARNING, "levelname": "WARNING", "msg": message, "args": values}
    )
    made.exc_info = info
    vars(made).update(fields)
    return made


def test_a_record_is_one_object_on_one_line(settings: Settings) -> None:
    lines = JsonLines("w0", Hiding(settings))
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        text = lines.format(record("%s is served\nnow", "chürn", error=error, deployment="churn", revision=3))
    assert "\n" not in text
    told = json.loads(text)
    assert (told["level"], told["process"], told["logger"]) == ("warning", "w0", "seatrial.serving")
    assert told["message"] == "chürn is served\nnow"
    assert (told["deployment"], told["revision"]) == ("churn", 3)
    assert told["traceback"].endswith("ValueError: two\nlines")
    assert datetime.fromisoformat(told["time"]).utcoffset() is not None


def test_a_field_that_json_does_not_know_is_told_as_text(settings: Settings) -> None:
    told = json.loads(JsonLines("w0", Hiding(settings)).format(record("x", path=Path("/a"))))
    assert told["path"] == "/a"


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_are_in_no_line(settings: Settings, form: str) -> None:
    hide = Hiding(settings)
    lines = JsonLines("w0", hide) if form == "json" else TextLines(hide)
    said = record(
        "key %s, state %s, hook %s",
        KEY,
        settings.state_url,
        "https://user:hunter22@hooks.example/x?token=abc123&page=4",
        error=RuntimeError(f"refused {KEY} and {PASSWORD}"),
        header=f"Bearer {KEY}",
    )
    text = lines.format(said)
    for secret in (KEY, json.dumps(KEY)[1:-1], PASSWORD, "fish77", "hunter22", "abc123"):
        assert secret not in text
    assert "page=4" in text
    assert "***" in text
    if form == "json":
        json.loads(text)


def test_the_format_is_one_of_two(tmp_path: Path) -> None:
    assert load_settings({}, tmp_path).log_format == "text"
    with pytest.raises(SettingsError, match="`xml` is not known"):
        load_settings({"SEATRIAL_LOG_FORMAT": "xml"}, tmp_path)


def test_what_nobody_caught_is_a_line_too(tmp_path: Path) -> None:
    program = f"""
import threading, warnings
from pathlib import Path
from seatrial.spec.logs import configure
from seatrial.spec.settings import load_settings
configure("w0", load_settings({ENVIRONMENT!r}, Path({str(tmp_path)!r})))
def fail(): raise KeyError("in a thread")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
warnings.warn("something old")
raise ValueError({KEY!r})
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [one["level"] for one in told] == ["critical", "warning", "critical"]
    assert told[0]["message"] == "KeyError: 'in a thread'"
    assert "something old" in told[1]["message"]
    assert KEY not in ended.stdout
