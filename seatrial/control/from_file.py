"""``seatrial.apply``: applying a deployment file from a Python program, as ``seatrial apply`` does."""

import getpass
import os
from pathlib import Path

from seatrial.control.apply import Applied
from seatrial.control.apply import apply as apply_text
from seatrial.spec.errors import NotFound
from seatrial.spec.settings import Settings, load_settings


def apply(
    file: str | Path,
    *,
    plan_only: bool = False,
    retry: bool = False,
    restart: bool = False,
    strict: bool = False,
    why: str = "",
    actor: str | None = None,
    settings: Settings | None = None,
) -> Applied:
    """Make a deployment file come true, and return when every live gateway worker serves what came of it.

    Args:
        file: The path of a deployment file; or the file's text, which has more than one line or a ``: `` in it.
        plan_only: Only say what would change.
        retry: Allow versions that were rolled back, and begin a release that ended without an answer again.
        restart: Allow that a release under way ends for another and loses its evidence.
        strict: Refuse rules of which the prover finds or doubts anything.
        why: The reason, for the audit.
        actor: Who applies it, for the audit; the login name when None.
        settings: The machine's; read from the environment and ``seatrial.toml`` when None.

    Raises:
        NotFound: There is no such file; or a model, alias or version in it does not exist.
        SpecError: The file is not right; every problem with its line.
        Conflict: A version was rolled back before; a release under way would lose its evidence; or somebody else is
            changing the deployment.
        PreparationFailed: A worker could not load a version; nothing has changed.
    """
    text, source = _read(file)
    machine = settings or load_settings(os.environ, Path.cwd())
    who = actor or _login()
    return apply_text(
        text,
        machine,
        actor=who,
        plan_only=plan_only,
        retry=retry,
        restart=restart,
        source=source,
        why=why,
        prove=strict,
        strict=strict,
    )


def _read(file: str | Path) -> tuple[str, str]:
    if isinstance(file, str) and ("\n" in file or ": " in file):
        return file, "deployment.yaml"
    try:
        return Path(file).read_text("utf-8"), str(file)
    except FileNotFoundError:
        raise NotFound(
            f"there is no file {str(file)!r}; give the path of a deployment file, for example 'churn.yaml', or its text"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"{str(file)!r} cannot be read as text ({error}); give the path of a deployment file") from None


def _login() -> str:
    try:
        return f"{getpass.getuser()} (python)"
    except (OSError, KeyError):
        return "unknown (python)"
