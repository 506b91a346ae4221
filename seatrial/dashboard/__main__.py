"""``python -m seatrial.dashboard``: serve the control port on an inherited socket."""

import argparse
import logging
import os
import socket
from dataclasses import replace
from pathlib import Path

import uvicorn

from seatrial.dashboard.app import create_app
from seatrial.dashboard.house import House
from seatrial.spec import logs
from seatrial.spec.settings import load_settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m seatrial.dashboard", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True, help="the listening socket, inherited")
    arguments = parser.parse_args()
    settings = replace(load_settings(os.environ, Path.cwd()), home=arguments.home.resolve())
    config = uvicorn.Config(
        create_app(House(settings)), log_config=None, access_log=False, timeout_graceful_shutdown=3, lifespan="off"
    )
    logs.configure("dashboard", settings)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listener = socket.socket(fileno=arguments.fd)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
