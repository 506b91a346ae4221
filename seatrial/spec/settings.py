"""Settings of a machine: ``seatrial.toml``, then ``SEATRIAL_*``, then defaults; read once into a frozen value.

They never stand in a deployment file, so that the same file runs on a laptop and on a cluster. Each setting knows its
origin, and no secret is ever printed.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from seatrial.spec.errors import BadInput
from seatrial.spec.problems import did_you_mean
from seatrial.spec.secrets import literal_secret, masked, resolve
from seatrial.spec.units import show

FILE = "seatrial.toml"
PREFIX = "SEATRIAL_"
LOG_LEVELS = ("debug", "info", "warning", "error")
_URLS = ("traces",)
LOG_FORMATS = ("text", "json")

Acknowledge = Literal["disk"]


class SettingsError(BadInput):
    """Settings cannot be read; one sentence a line for everything that is wrong."""


@dataclass(frozen=True, repr=False)
class Settings:
    """What a machine is told.

    Attributes:
        home: Directory of everything that is kept, absolute.
        http: Address of the data plane, ``host:port``.
        grpc: Address of the data plane's gRPC edge, ``host:port``; None: off.
        control: Address of the control API and the dashboard, ``host:port``.
        workers: Number of serving processes.
        state_url: Database of release state and audit (SQLAlchemy URL).
        registry_url: MLflow's tracking store (database or server URL); None: an embedded one in ``home``.
        acknowledge: When an outcome is durable; ``disk``: when this machine's disk has it.
        key: The bearer key that callers must send, or None; a secret.
        log_level: Least severe level that is logged.
        traces: URL of an OTLP collector for traces; None: off.
        log_format: ``text``, lines for people, or ``json``, an object a line.
        ledger_url: Object store of the ledger; None (the ledger lies in ``home``), because it is not built yet.
        alerts_at_most: So many alerts are sent to one receiver in 24 hours, over all deployments.
        hung_after: Seconds; a serving process whose event loop has done nothing for so long is killed and replaced.
        drain_notice: Seconds for which a serving process that is to stop says so and serves on, before it stops.
        origins: Where each setting came from, by name.
    """

    home: Path
    http: str
    grpc: str | None
    control: str
    workers: int
    state_url: str
    registry_url: str | None
    acknowledge: Acknowledge
    key: str | None
    log_level: str
    log_format: str = "text"
    traces: str | None = None
    ledger_url: str | None = None
    alerts_at_most: int = 20
    hung_after: float = 30.0
    drain_notice: float = 0.0
    origins: Mapping[str, str] = field(default_factory=dict)

    def shown(self) -> dict[str, tuple[str, str]]:
        """Value and origin of every setting, for printing: secrets are left out."""
        values = {name: _printed(name, getattr(self, name)) for name in SETTINGS}
        return {name: (value, self.origins.get(name, "default")) for name, value in values.items()}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value}' for name, (value, _) in self.shown().items())})"


def load_settings(env: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """Reads the settings of a directory.

    Args:
        env: The environment; None: the process's.
        directory: Where ``seatrial.toml`` lies and relative paths start; None: the current one.

    Raises:
        SettingsError: Unknown or wrong settings, secrets in plain letters, or a file that is not TOML; all told.
    """
    env = os.environ if env is None else env
    directory = (Path.cwd() if directory is None else Path(directory)).absolute()
    problems: list[str] = []
    given = {**_from_file(directory / FILE, env, problems), **_from_environment(env, problems)}
    values: dict[str, Any] = {}
    for name, (raw, origin) in given.items():
        try:
            values[name] = SETTINGS[name].read(raw)
        except BadInput as error:
            problems.append(f"{origin}: `{name}`: {error}")
    if problems:
        raise SettingsError("\n".join(problems))
    origins = {name: given[name][1] if name in given else "default" for name in SETTINGS}
    return _complete(values, directory, MappingProxyType(origins))


def split_address(address: str) -> tuple[str, int]:
    """Splits ``host:port`` (``[::1]:8080`` for IPv6); port 0 means any free one.

    Raises:
        BadInput: It is no address.
    """
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", address)
    if match is None or int(match.group(2)) > 65535:
        raise BadInput(f"{show(address)} is not an address; write `host:port`, like `127.0.0.1:8080`")
    return match.group(1).strip("[]"), int(match.group(2))


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    host, _ = split_address(address)
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


@dataclass(frozen=True)
class Setting:
    """One setting: how its value is read, its default in words, and its meaning."""

    read: Callable[[object], Any]
    default: str
    doc: str


def _complete(values: dict[str, Any], directory: Path, origins: Mapping[str, str]) -> Settings:
    home = Path(os.path.normpath(directory / Path(values.get("home", ".seatrial")).expanduser()))
    return Settings(
        home=home,
        http=values.get("http", "127.0.0.1:8080"),
        grpc=values.get("grpc", "127.0.0.1:8081"),
        control=values.get("control", "127.0.0.1:8082"),
        workers=values.get("workers", _half_the_cores()),
        state_url=values.get("state_url", f"sqlite:///{home}/state.db"),
        registry_url=values.get("registry_url"),
        acknowledge=values.get("acknowledge", "disk"),
        key=values.get("key"),
        log_level=values.get("log_level", "info"),
        log_format=values.get("log_format", "text"),
        traces=values.get("traces"),
        alerts_at_most=values.get("alerts_at_most", 20),
        hung_after=values.get("hung_after", 30.0),
        drain_notice=values.get("drain_notice", 0.0),
        origins=origins,
    )


def _half_the_cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores // 2))


def _from_environment(env: Mapping[str, str], problems: list[str]) -> dict[str, tuple[object, str]]:
    given: dict[str, tuple[object, str]] = {}
    for variable, raw in env.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in SETTINGS:
            given[name] = (raw, f"environment {variable}")
        else:
            known = [f"{PREFIX}{setting.upper()}" for setting in SETTINGS]
            problems.append(f"environment: `{variable}` is not a setting; {_meant(variable, known)}")
    return given


def _from_file(path: Path, env: Mapping[str, str], problems: list[str]) -> dict[str, tuple[object, str]]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path.name}: cannot be read ({error}); mend or remove it")
        return {}
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path.name}: this is not TOML ({error}); write lines like `workers = 2`")
        return {}
    given: dict[str, tuple[object, str]] = {}
    for written, raw in values.items():
        name = written.removesuffix("_env") if written.endswith("_env") else written
        if name not in SETTINGS:
            problems.append(f"{path.name}: {show(written)} is not a setting; {did_you_mean(written, SETTINGS)}")
            continue
        try:
            given[name] = (_without_secrets(written, raw, env), f"{path.name}")
        except BadInput as error:
            problems.append(f"{path.name}: {error}")
    return given


def _without_secrets(name: str, raw: object, env: Mapping[str, str]) -> object:
    """The value with its ``${NAME}`` read; a secret in plain letters is refused without showing it."""
    if name.endswith("_env"):
        if not isinstance(raw, str) or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", raw) is None:
            raise BadInput(f'`{name}` must be the name of an environment variable, like `{name} = "MY_KEY"`')
        return resolve(f"${{{raw}}}", env)
    if not isinstance(raw, str):
        return raw
    if name == "key" and not _is_reference(raw):
        raise BadInput('`key` stands in plain letters; write `key_env = "NAME"` or `key = "${NAME}"`, and export NAME')
    secret = literal_secret(raw) if name in _URLS or name.endswith("_url") else None
    if secret:
        raise BadInput(f"{secret} in `{name}` stands in plain letters; write it as `${{NAME}}` and export NAME")
    return resolve(raw, env)


def _is_reference(text: str) -> bool:
    """Whether a text is one ``${NAME}`` and nothing else."""
    return re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", text) is not None


def _meant(variable: str, known: list[str]) -> str:
    return did_you_mean(variable, known) if variable.isascii() else "remove it"


def _printed(name: str, value: object) -> str:
    if value is None:
        return {"key": "(not set)", "registry_url": "(embedded in home)", "grpc": "off", "traces": "off"}.get(
            name, "(not built yet)"
        )
    if name == "key":
        return "(a secret)"
    return masked(str(value)) if name in _URLS or name.endswith("_url") else str(value)


def _text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise BadInput(f"{show(value)} is not a text; write something between quotes")


def _address(value: object) -> str:
    split_address(_text(value))
    return str(value)


def _address_or_off(value: object) -> str | None:
    return None if value == "off" else _address(value)


def _workers(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,3}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 256:
        return value
    raise BadInput(f"{show(value)} is not a number of workers; write a whole number from 1 to 256")


def _alerts(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000:
        return value
    raise BadInput(f"{show(value)} is not a number of alerts; write a whole number from 1 to 10000")


def _hung_after(value: object) -> float:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,4}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 3600:
        return float(value)
    raise BadInput(f"{show(value)} is not a number of seconds; write a whole number from 2 to 3600")


def _drain_notice(value: object) -> float:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,4}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 600:
        return float(value)
    raise BadInput(f"{show(value)} is not a number of seconds; write a whole number from 0 to 600")


def _key(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]{8,}", value):
        return value
    raise BadInput(
        "the key must be at least 8 printable characters without spaces; make one with `openssl rand -hex 32`"
    )


def _url(value: object) -> str:
    if re.fullmatch(r"[a-z][a-z0-9+]*:\S+", _text(value)):
        return str(value)
    raise BadInput(f"{show(masked(str(value)))} is not a URL; write one like `sqlite:////var/lib/seatrial/state.db`")


def _collector_or_off(value: object) -> str | None:
    if value == "off":
        return None
    if isinstance(value, str) and re.fullmatch(r"https?://[^\s/?#]+\S*", value):
        return value
    raise BadInput(f"{show(masked(str(value)))} is no collector; write its URL, like `http://127.0.0.1:4318`, or `off`")


def _one_of(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value in words:
            return str(value)
        raise BadInput(f"{show(value)} is not known; {did_you_mean(str(value), words)}")

    return read


def _later(instead: str) -> Callable[[object], str]:
    def read(_: object) -> str:
        raise BadInput(f"it is not built yet: {instead}")

    return read


def _acknowledge(value: object) -> str:
    if value == "shared":
        raise BadInput("`shared` is not built yet: use `disk`")
    return _one_of("disk")(value)


SETTINGS: dict[str, Setting] = {
    "home": Setting(
        _text, "`.seatrial`", "Directory of everything that is kept; a relative one starts beside `seatrial.toml`."
    ),
    "http": Setting(_address, "`127.0.0.1:8080`", "Address of the data plane."),
    "grpc": Setting(_address_or_off, "`127.0.0.1:8081`", "Address of the data plane's gRPC edge, or `off`."),
    "control": Setting(_address, "`127.0.0.1:8082`", "Address of the control API and the dashboard."),
    "workers": Setting(_workers, "half the cores, 1 to 8", "Number of serving processes."),
    "state_url": Setting(_url, "`sqlite:///HOME/state.db`", "Database of releases, revisions and audit."),
    "ledger_url": Setting(
        _later("remove it; the ledger lies in `home`"), "not built yet", "Object store of the ledger."
    ),
    "registry_url": Setting(_url, "embedded in `home`", "MLflow's store: a database or a server."),
    "acknowledge": Setting(_acknowledge, "`disk`", "When an outcome is acknowledged; `shared` is not built yet."),
    "key": Setting(_key, "not set", "Bearer key of callers; needed when an address is not loopback."),
    "log_level": Setting(_one_of(*LOG_LEVELS), "`info`", "`debug`, `info`, `warning` or `error`."),
    "traces": Setting(
        _collector_or_off,
        "`off`",
        "URL of an OTLP collector (HTTP) that gets a span a request, or `off` ([traces](metrics.md#traces)).",
    ),
    "alerts_at_most": Setting(
        _alerts,
        "`20`",
        "So many alerts are sent to one receiver in 24 hours, over all deployments; the rest stands in its summary "
        "([alerts](alerts.md)).",
    ),
    "hung_after": Setting(
        _hung_after,
        "`30`",
        "Seconds after which a serving process whose event loop hangs is killed and replaced, as after a crash.",
    ),
    "drain_notice": Setting(
        _drain_notice,
        "`0`",
        "Seconds from a stop's beginning in which readiness is false and everything is served still, so that load "
        "balancers take note ([stopping](serving.md#how-it-runs)).",
    ),
    "log_format": Setting(
        _one_of(*LOG_FORMATS),
        "`text`",
        "`text`: lines for people; `json`: an object a line ([fields](metrics.md#logs)).",
    ),
}
"""Every setting, in the order in which they are shown."""
