"""``alerts list``, ``ack``, ``mute``, ``unmute``, ``test``: what people were told, and what they do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from seatrial.cli.context import actor, settings
from seatrial.cli.output import JSON_HELP, moment, print_json

if TYPE_CHECKING:
    from seatrial.control.heeding import Standing
    from seatrial.control.site import Site
    from seatrial.releases.records import Alert

_WHAT = "An event (data.major), a group (data), an open condition (data/champion), or all."
_REASON = "Why; the audit keeps it."


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        help="What people were told, and what they do about it.",
        epilog="Example: seatrial alerts list churn",
        no_args_is_help=True,
    )
    group.command("list", epilog="Example: seatrial alerts list churn")(list_alerts)
    group.command(epilog='Example: seatrial alerts ack churn 12 --reason "on it"')(ack)
    group.command(epilog='Example: seatrial alerts mute churn data --for 2d --reason "the sale is on"')(mute)
    group.command(epilog='Example: seatrial alerts unmute churn data --reason "the sale is over"')(unmute)
    group.command("test", epilog="Example: seatrial alerts test churn")(send_test)
    app.add_typer(group, name="alerts")


def list_alerts(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    limit: int = typer.Option(20, min=1, help="The newest so many."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Print the alerts, what became of them, and what is open.

    Exit code 1: something is open that nobody has taken on or muted.
    """
    from seatrial.control.heeding import standing

    with _site() as site:
        found = standing(site, deployment, limit=limit)
    if json:
        print_json(found)
    else:
        _tell(found)
    if found.unheeded:
        raise typer.Exit(1)


def ack(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    alert: int = typer.Argument(..., metavar="ALERT", help="Its number, as `alerts list` and the message say it."),
    reason: str = typer.Option(..., "--reason", "-m", help=_REASON),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Take an alert on. What it is about is not told again until it is over, unless it becomes worse."""
    from seatrial.control.heeding import acknowledge

    with _site() as site:
        found = acknowledge(site, deployment, alert, actor=actor(), why=reason)
    if json:
        print_json(found)
    else:
        typer.echo(f"alert {alert} is yours: {found.sentence}")


def mute(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    what: str = typer.Argument(..., metavar="WHAT", help=_WHAT),
    duration: str = typer.Option(..., "--for", help="How long: 30m, 12h, 7d; at most 90d."),
    reason: str = typer.Option(..., "--reason", "-m", help=_REASON),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Tell nobody of something at once for a while. It stands in the summary of the day; declared actions are done."""
    from seatrial.control.heeding import mute as act
    from seatrial.spec.units import parse_duration

    with _site() as site:
        found = act(site, deployment, what, parse_duration(duration), actor=actor(), why=reason)
    if json:
        print_json(found)
    else:
        typer.echo(f"`{what}` of {deployment} is muted until {moment(found.until)}")


def unmute(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    what: str = typer.Argument(..., metavar="WHAT", help="What was muted."),
    reason: str = typer.Option(..., "--reason", "-m", help=_REASON),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Tell of something again that was muted."""
    from seatrial.control.heeding import unmute as act

    with _site() as site:
        ended = act(site, deployment, what, actor=actor(), why=reason)
    if json:
        print_json({"deployment": deployment, "what": what, "ended": ended})
    else:
        typer.echo(f"`{what}` of {deployment} is told again")


def send_test(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Send a test to everybody whom the file names. Exit code 1: somebody did not take it.

    Secrets are read from this command's environment, not from that of `seatrial up`.
    """
    from seatrial.control.heeding import try_out

    with _site() as site:
        tried = try_out(site, deployment, actor=actor())
    if json:
        print_json(tried)
    else:
        for one in tried:
            typer.echo(f"{one.to}: {one.error or 'taken'}")
    if any(one.error for one in tried):
        raise typer.Exit(1)


@contextmanager
def _site() -> Iterator[Site]:
    from seatrial.control.site import open_site

    with open_site(settings()) as site:
        yield site


def _tell(found: Standing) -> None:
    if not found.alerts:
        typer.echo("none")
    for alert in found.alerts:
        typer.echo(f"{alert.id}  {moment(alert.at)}  {alert.event}: {alert.sentence}  ({_fate(alert)})")
    for name, severity in found.open.items():
        waits = "" if name not in found.unheeded else ", and nobody has taken it on"
        typer.echo(f"open: {name} is {severity}{waits}")
    for mute in found.mutes:
        typer.echo(f"muted: `{mute.what}` until {moment(mute.until)}, by {mute.by}: {mute.why}")
    if found.waiting:
        typer.echo(f"waiting: {found.waiting} messages that no receiver has taken yet")


def _fate(alert: Alert) -> str:
    if alert.acked_at is not None:
        return f"taken on by {alert.acked_by}: {alert.ack_why}"
    if alert.fate != "told":
        return f"{alert.fate or 'waits'}: {alert.fate_why}" if alert.fate_why else alert.fate or "waits"
    if alert.sent_at is not None:
        return f"told at {moment(alert.sent_at)}"
    return f"not delivered: {alert.error}" if alert.error else "on its way"
