"""Where a version came from: the commit it was made at, and the parameters it was made with."""

import subprocess
from pathlib import Path
from typing import Any

LONGEST_PARAMETER = 400


def git_commit(directory: Path) -> str | None:
    """The commit of the working tree at a directory (``-dirty`` when it has changes), or None."""
    commit = _git(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(directory, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changes else commit


def parameters_of(model: Any) -> dict[str, str]:
    """The parameters of an estimator as text; empty for what has none."""
    get = getattr(model, "get_params", None)
    if get is None:
        return {}
    simple = {name: value for name, value in get(deep=True).items() if not hasattr(value, "fit")}
    return {name: str(value)[:LONGEST_PARAMETER] for name, value in sorted(simple.items()) if value is not None}


def _git(directory: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
