"""Environments of models: built from a list of packages, addressed by what came of it, built again where missing.

Only names and versions stand in the list and only wheels are installed, so that building one runs nobody's code, and
packages come from the index that a host is configured for, as its own do. ``uv`` builds it where there is one, else
``venv`` and ``pip``.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from seatrial.models.manifest import Environment
from seatrial.spec.errors import BadInput, NotFound

BUILD_SECONDS = 900.0
"""Longer than that nothing is downloaded."""

NEEDED = ("msgspec", "numpy", "pandas")
"""What the process of a model imports itself, beside the model's own library."""

NEEDED_BY_FORMAT = {"skops": ("skops",), "joblib": ("joblib",), "lightgbm": ("lightgbm",), "xgboost": ("xgboost",)}

_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[A-Za-z0-9,._\s-]*\])?\s*([<>=!~][^;@/\\]*)?(;[^/\\]*)?")


def read_requirements(path: Path) -> tuple[str, ...]:
    """The packages that a requirements file names.

    Raises:
        NotFound: There is no such file.
        BadInput: A line is something else than a package with versions, or there is none.
    """
    if not path.is_file():
        raise NotFound(f"There is no requirements file at {str(path)!r}.")
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        wanted = re.sub(r"(^|\s)#.*", "", line).strip()
        if not wanted:
            continue
        if not _LINE.fullmatch(wanted):
            raise BadInput(
                f"{path.name}, line {number}: {wanted[:80]!r} is no package with versions; the environment is built "
                "on other hosts too, from names and versions alone, so write such as `scikit-learn==1.5.2`."
            )
        found.append(wanted)
    if not found:
        raise BadInput(f"{path.name} names no package; leave --env out, and the model is served from this environment.")
    return tuple(found)


def with_needed(requirements: Sequence[str], model_format: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The requirements with what the process of a model imports itself, and what was added of it."""
    there = {_normal(match["name"]) for line in requirements if (match := _LINE.fullmatch(line))}
    wanted = (*NEEDED, *NEEDED_BY_FORMAT.get(model_format, ()))
    added = tuple(name for name in wanted if name not in there and not (name == "xgboost" and "xgboost-cpu" in there))
    return (*requirements, *added), added


def make_environment(requirements: Sequence[str], root: Path) -> Environment:
    """Build an environment of what the requirements come to today, and keep it under its digest.

    Raises:
        BadInput: It cannot be built; the message quotes the installer.
    """
    with _building(root) as directory:
        _install(directory, requirements, exactly=False)
        packages = _frozen(directory)
        environment = Environment(python=_python(), packages=packages, digest=_digest(_python(), packages))
        _keep(directory, root / environment.digest)
    return environment


def interpreter(environment: Environment, root: Path) -> Path:
    """The Python of an environment, which is built now where it is missing.

    Raises:
        BadInput: It cannot be built here; the message quotes the installer.
    """
    home = root / environment.digest
    python = home / "bin" / "python"
    if python.exists():
        return python
    if environment.python != _python():
        raise BadInput(
            f"its environment is one of {environment.python}, and this is {_python()}; serve it from that Python, or "
            "register it again from this one."
        )
    with _alone(root), _building(root) as directory:
        if not python.exists():
            _install(directory, environment.packages, exactly=True)
            _keep(directory, home)
    return python


def environments_beside(store: Path) -> Path:
    """Where the environments of models are kept, given the store of their files."""
    return store.absolute().parent / "environments"


def _install(directory: Path, packages: Sequence[str], *, exactly: bool) -> None:
    uv = _uv()
    python = str(directory / "bin" / "python")
    listed = directory.with_name(f"{directory.name}.txt")
    listed.write_text("\n".join(packages) + "\n", "utf-8")
    wheels = ["--only-binary", ":all:", "-r", str(listed), *(["--no-deps"] if exactly else [])]
    try:
        if uv is not None:
            _run([uv, "venv", "--quiet", "--python", sys.executable, str(directory)])
            _run([uv, "pip", "install", "--quiet", "--python", python, *wheels])
        else:
            _run([sys.executable, "-m", "venv", str(directory)])
            _run([python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", *wheels])
    finally:
        listed.unlink()


def _frozen(directory: Path) -> tuple[str, ...]:
    """What is installed, ``name==version``, in order of names."""
    uv, python = _uv(), str(directory / "bin" / "python")
    asked = [uv, "pip", "freeze", "--quiet", "--python", python] if uv else [python, "-m", "pip", "freeze"]
    return tuple(sorted(line.strip() for line in _run(asked).splitlines() if "==" in line))


def _run(command: Sequence[str]) -> str:
    quiet = {"NO_COLOR": "1", "UV_NO_WRAP": "1", "UV_NO_PROGRESS": "1"}
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=BUILD_SECONDS, env={**environ, **quiet}, check=False
        )
    except subprocess.TimeoutExpired:
        raise _failed(command, f"it was not done within {BUILD_SECONDS:g} s") from None
    if done.returncode != 0:
        raise _failed(command, last_words(done.stderr or done.stdout) or f"exit code {done.returncode}")
    return done.stdout


def _failed(command: Sequence[str], why: str) -> BadInput:
    tool = "pip" if "pip" in command and "uv" not in Path(command[0]).name else Path(command[0]).name
    return BadInput(
        f"the environment cannot be built ({tool}: {why}); correct the requirements, or the package index that this "
        "host is configured for."
    )


def last_words(said: str) -> str:
    """The last line of what an installer said, and of several errors the last, without its ornaments."""
    lines = [line.strip(" │╰─▶×├").removeprefix("cause: ") for line in said.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("WARNING:", "[notice]", "hint:"))]
    return lines[-1].removeprefix("ERROR: ").rstrip(".")[:400] if lines else ""


@contextmanager
def _building(root: Path) -> Iterator[Path]:
    """A directory to build in, which is gone afterwards unless it was kept."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".building-") as temporary:
        yield Path(temporary) / "env"


def _keep(directory: Path, home: Path) -> None:
    """Into place in one step; another process may have been first, with the same packages."""
    try:
        os.rename(directory, home)
    except OSError:
        if not (home / "bin" / "python").exists():
            shutil.rmtree(home, ignore_errors=True)
            os.rename(directory, home)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One builder at a time on a host: the workers of a gateway all find the same environment missing."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _python() -> str:
    return f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"


def _digest(python: str, packages: Iterable[str]) -> str:
    return hashlib.sha256("\n".join((python, *packages)).encode()).hexdigest()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
