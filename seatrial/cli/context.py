"""Settings of this machine as the commands read them, once each run."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.spec.settings import Settings


def settings() -> Settings:
    """The settings of the current directory (``seatrial.toml``) and environment (``SEATRIAL_*``)."""
    from seatrial.spec.settings import load_settings

    return load_settings(os.environ, Path.cwd())


def actor() -> str:
    """Who acts, for the audit: the login name and ``cli``."""
    try:
        return f"{getpass.getuser()} (cli)"
    except (OSError, KeyError):
        return "unknown (cli)"
