"""The control process: ``python -m seatrial.control --home .seatrial``.

It runs the loop while it leads, and waits for its turn while somebody else does. Gateways go on without it.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from seatrial.control.loop import Loop
from seatrial.control.pulse import Pulse
from seatrial.control.senses import LedgerSenses
from seatrial.control.site import Site, open_site
from seatrial.releases.leadership import Leadership
from seatrial.spec import logs
from seatrial.spec.errors import SeatrialError, Unavailable
from seatrial.spec.settings import Settings, load_settings

log = logging.getLogger("seatrial.control")

_RETRY_SECONDS = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.control", description="Watch over releases and monitors.")
    parser.add_argument("--home", type=Path, help="home directory (default: the settings')")
    parser.add_argument("--every", type=float, default=0.25, metavar="SECONDS", help="pause between looks (0.25)")
    parsed = parser.parse_args(arguments)
    over = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())
    try:
        settings = _settings(parsed.home)
        logs.configure("control", settings)
        run(settings, over, every=parsed.every)
    except SeatrialError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def run(settings: Settings, over: threading.Event, *, every: float = 0.25) -> None:
    """Step the loop until ``over`` is set; a state that is away for a while is waited for."""
    with open_site(settings, wait_seconds=0.0) as site, Leadership(settings.home, settings.state_url) as leadership:
        loop, pulse = Loop(site, LedgerSenses(settings.home), leadership), Pulse(site)
        while not over.is_set():
            over.wait(_step(site, loop, pulse, every))


def _step(site: Site, loop: Loop, pulse: Pulse, every: float) -> float:
    """One step, if it is due; returns the seconds to pause."""
    began = time.monotonic()
    try:
        if not pulse.is_due():
            return every
        leads = loop.step(site.clock())
        if leads:
            pulse.stepped()
    except Unavailable as error:
        log.error("%s", error)
        return _RETRY_SECONDS
    cost = time.monotonic() - began
    return max(every, cost) if leads else max(every, 0.5)


def _settings(home: Path | None) -> Settings:
    env = dict(os.environ)
    if home is not None:
        env["SEATRIAL_HOME"] = str(home.resolve())
    return load_settings(env, Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
