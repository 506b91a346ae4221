"""How the house's processes log: lines for people, or one JSON object a line; secrets are in neither.

A message that has more to say than its words says it with ``extra={"deployment": …}``: JSON lines carry such fields,
text has them in its words already.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

from seatrial.spec.secrets import masked, tells_of_a_secret
from seatrial.spec.settings import Settings

HIDDEN = "***"
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OWN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))
_PARAMETER = re.compile(r"([?&]([A-Za-z0-9_.-]+)=)[^&\s\"'\\]+")
_SHORTEST = 4
"""A shorter secret is not looked for: it would be found in every second word."""


def configure(process: str, settings: Settings) -> None:
    """Log to standard output from now on, as the settings say.

    Args:
        process: Name of this process, told in every JSON line.
    """
    hide = Hiding(settings)
    handler = _Standard()
    if settings.log_format == "json":
        handler.setFormatter(JsonLines(process, hide))
        logging.captureWarnings(True)
        sys.excepthook = _uncaught
        threading.excepthook = lambda given: _uncaught(
            given.exc_type, given.exc_value or given.exc_type(), given.exc_traceback
        )
    else:
        handler.setFormatter(TextLines(hide))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Standard)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())


def line(process: str, message: str, fields: Mapping[str, object], *, now: float, level: str = "info") -> str:
    """One JSON line, without its end.

    Args:
        now: Seconds since 1970 UTC.
    """
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"time": moment, "level": level, "process": process, "message": message, **fields}
    return json.dumps(told, default=str, ensure_ascii=False)


class Hiding:
    """Leaves secrets out of texts: those of the settings, passwords in URLs, and their parameters that tell of one."""

    def __init__(self, settings: Settings) -> None:
        secrets = [settings.key, *(part for url in _urls(settings) for part in _secrets_of(url))]
        known = {form for secret in secrets if secret and len(secret) >= _SHORTEST for form in _forms(secret)}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _PARAMETER.sub(_hidden, masked(text)) if "//" in text else text


class JsonLines(logging.Formatter):
    """A record as one JSON object: ``time``, ``level``, ``process``, ``message``, ``logger``, its fields, its error."""

    def __init__(self, process: str, hide: Hiding) -> None:
        super().__init__()
        self._process = process
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {"logger": record.name}
        fields |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        level = record.levelname.lower()
        return self._hide(line(self._process, record.getMessage(), fields, now=record.created, level=level))


class TextLines(logging.Formatter):
    """A record as a line for people."""

    def __init__(self, hide: Hiding) -> None:
        super().__init__(_TEXT)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        return self._hide(super().format(record))


class _Standard(logging.StreamHandler[IO[str]]):
    """Writes to whatever standard output is when something is said."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> IO[str]:  # type: ignore[override]
        return sys.stdout


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger("seatrial").critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _urls(settings: Settings) -> list[str]:
    return [url for url in (settings.state_url, settings.registry_url, settings.traces) if url]


def _secrets_of(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        told = [value for name, value in parse_qsl(parts.query) if tells_of_a_secret(name)]
        return [*told, *([parts.password] if parts.password else [])]
    except ValueError:
        return []


def _forms(secret: str) -> tuple[str, str]:
    """A secret as it is, and as it stands in JSON."""
    return secret, json.dumps(secret, ensure_ascii=False)[1:-1]


def _hidden(found: "re.Match[str]") -> str:
    return f"{found[1]}{HIDDEN}" if tells_of_a_secret(found[2]) else found[0]
