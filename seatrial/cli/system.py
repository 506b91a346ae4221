"""``init``, ``up``, ``down``, ``config``: a system on this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import typer

from seatrial.cli.context import settings
from seatrial.cli.output import JSON_HELP, print_json, print_table
from seatrial.spec.errors import Conflict, SeatrialError, Unavailable

READY_SECONDS = 60.0


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial init && seatrial up")(init)
    app.command(epilog="Example: seatrial up --detach")(up)
    app.command(epilog="Example: seatrial down")(down)
    app.command(epilog="Example: SEATRIAL_WORKERS=2 seatrial config")(config)


def init(
    directory: Path = typer.Argument(Path(), metavar="DIRECTORY", help="Where to start; made when it does not exist."),
    bare: bool = typer.Option(False, "--bare", help="Only write the files; register and apply nothing."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Write a deployment file and a sample model, ready for `up`."""
    from seatrial.cli.starter import start_project

    started = start_project(directory, bare=bare)
    if json:
        print_json(started)
        return
    for path in started.files:
        typer.echo(f"wrote {path}")
    for line in started.said:
        typer.echo(line)


def up(
    detach: bool = typer.Option(False, "--detach", "-d", help="Return once it is ready; stop it with `seatrial down`."),
    insecure: bool = typer.Option(False, "--insecure", help="Listen beyond this machine without a key."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Start serving, control and the dashboard. Ctrl-C stops them in order."""
    from seatrial.processes.home import is_up, read_running

    configured = settings()
    home = configured.home.resolve()
    if is_up(home):
        running = read_running(home)
        where = f" at http://{running.http}" if running else ""
        raise Conflict(f"seatrial is already up in {home}{where}; stop it with `seatrial down`, or use another `home`")
    (home / "logs").mkdir(parents=True, exist_ok=True)
    start_log = home / "logs" / "start.log"
    command = [sys.executable, "-m", "seatrial.processes", *(["--insecure"] if insecure else [])]
    with start_log.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_ready(process, home, start_log)
        _welcome(home, insecure=insecure, json=json)
    except BaseException:  # Ctrl-C too: nobody would know of a system that goes on starting
        process.terminate()
        raise
    if not detach:
        _stay(process, quiet=json)


def _wait_until_ready(process: "subprocess.Popen[bytes]", home: Path, start_log: Path) -> None:
    from seatrial.processes.home import read_running

    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = start_log.read_text().strip().splitlines()
            message = said[-1].removeprefix("error: ") if said else f"the supervisor ended with {process.returncode}"
            raise Conflict(message) if process.returncode == 2 else SeatrialError(message)
        running = read_running(home)
        # The note of another process is that of a system which was killed, and its port may be somebody else's by now.
        if running is not None and running.pid == process.pid and _is_live(running.http):
            return
        time.sleep(0.05)
    raise Unavailable(f"no worker answered within {READY_SECONDS:.0f} s; see the logs in {home / 'logs'}")


def _is_live(address: str) -> bool:
    import http.client

    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=2)
    try:
        connection.request("GET", "/v2/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _welcome(home: Path, *, insecure: bool, json: bool) -> None:
    from seatrial.processes.home import read_running
    from seatrial.releases.publication import Publication

    running = read_running(home)
    if running is None:
        raise Unavailable(f"the system went away while it started; see the logs in {home / 'logs'}")
    if insecure:
        typer.secho(
            "listening beyond this machine without a key: anybody who reaches it may use it",
            fg="red",
            bold=True,
            err=json,
        )
    names = sorted(Publication(home).all_active())
    if json:
        http, control = f"http://{running.http}", f"http://{running.control}"
        print_json({"serving": http, "dashboard": control, "home": home, "deployments": names})
        return
    typer.echo(f"serving    http://{running.http}")
    if running.grpc is not None:
        typer.echo(f"grpc       {running.grpc}")
    typer.echo(f"dashboard  http://{running.control}")
    typer.echo(f"home       {home}")
    if not names:
        typer.echo("nothing is deployed yet: seatrial register NAME MODEL --data FILE, then seatrial apply FILE.yaml")
    for name in names:
        from seatrial.cli.starter import sample_request

        typer.echo(f"deployment {name}; try it:")
        typer.echo(f"  {sample_request(home, name, running.http)}")


def _stay(process: "subprocess.Popen[bytes]", *, quiet: bool) -> None:
    """Wait for the supervisor, passing on a request to stop."""

    def pass_on(number: int, _frame: object) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGINT, pass_on)
    signal.signal(signal.SIGTERM, pass_on)
    if not quiet:
        typer.echo("Ctrl-C stops it")
    code = process.wait()
    if code != 0:
        raise SeatrialError(f"the supervisor ended with {code}; see logs/supervisor.log in the home directory")


def down(
    timeout: float | None = typer.Option(None, help="Seconds to wait for the end; else 70 and `drain_notice`."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Stop a system: drain the workers, flush what they wrote."""
    from seatrial.processes.home import is_up, read_running

    home = settings().home.resolve()
    within = 70.0 + settings().drain_notice if timeout is None else timeout
    running = read_running(home)
    if not is_up(home) or running is None:
        _say_stopped(json, home, None, f"nothing is up in {home}")
        return
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + within
    while is_up(home):
        if time.monotonic() > deadline:
            raise Unavailable(f"process {running.pid} has not ended within {within:g} s; see {home / 'logs'}")
        time.sleep(0.05)
    _say_stopped(json, home, f"http://{running.http}", f"stopped (was http://{running.http})")


def _say_stopped(json: bool, home: Path, was: str | None, sentence: str) -> None:
    if json:
        print_json({"home": home, "stopped": was is not None, "was": was})
    else:
        typer.echo(sentence)


def config(json: bool = typer.Option(False, "--json", help=JSON_HELP)) -> None:
    """Print every setting with its value and where it came from."""
    configured = settings()
    rows = [(name, value, origin) for name, (value, origin) in configured.shown().items()]
    if json:
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
    else:
        print_table(("setting", "value", "origin"), rows)
