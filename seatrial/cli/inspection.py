"""``status``, ``history``, ``explain``: what is, what was, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from seatrial.cli.context import settings
from seatrial.cli.output import JSON_HELP, cut, moment, print_json

if TYPE_CHECKING:
    from seatrial.control.queries import Status

_ALERTS, _WIDTH = 5, 160
"""How many of the alerts `status` shows, and how much of each on a terminal; `alerts list` shows all of it."""


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial status churn")(status)
    app.command(epilog="Example: seatrial history churn --verify")(history)
    app.command(epilog="Example: seatrial explain 01a207ca1725708dae8a47d3a3286754")(explain)


def status(
    deployment: str | None = typer.Argument(None, metavar="DEPLOYMENT", help="Which; all of them without it."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Say how deployments stand. Who is in command, who is on the way, what was said last."""
    from seatrial.control.queries import status as ask
    from seatrial.processes.home import is_up, read_running
    from seatrial.releases.publication import Publication

    machine = settings()
    names = [deployment] if deployment else sorted(Publication(machine.home).all_active())
    found = [ask(machine, name) for name in names]
    if json:
        print_json(found[0] if deployment else found)
        return
    running = read_running(machine.home) if is_up(machine.home) else None
    typer.echo(f"up at http://{running.http}, dashboard http://{running.control}" if running else "not up: seatrial up")
    if not names:
        typer.echo("nothing is deployed yet; see seatrial apply --help")
    for one in found:
        _tell(one)


def _tell(found: Status) -> None:
    typer.secho(f"{found.deployment} (revision {found.revision})", bold=True)
    typer.echo(f"  {found.sentence}")
    for variant in found.variants:
        shadow = f", shadow of {100 * found.shadows[variant.variant]:.3g}%" if variant.variant in found.shadows else ""
        more = shadow + (f", {variant.note}" if variant.runtime == "remote" else "")
        typer.echo(f"  {variant.variant:12} {variant.model_version or '(empty)':20} {100 * variant.weight:5.3g}%{more}")
    for alert in found.alerts[-_ALERTS:]:
        typer.echo(f"  {moment(alert.at)}  {alert.event}: {cut(alert.sentence, _WIDTH)}")


def history(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    limit: int = typer.Option(50, help="The newest so many entries."),
    verify: bool = typer.Option(
        False, "--verify", help="Decide the past again from what was seen then; 1 on a difference."
    ),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Print the audit trail: who did what, when and why."""
    from seatrial.control.queries import history as ask

    if verify:
        _verify(deployment, json)
        return
    entries = ask(settings(), deployment, limit=limit)
    if json:
        print_json(entries)
        return
    for entry in entries:
        why = f" — {entry.why}" if entry.why and entry.why not in entry.sentence else ""
        typer.echo(f"{moment(entry.at)}  {entry.actor}  {entry.action}: {entry.sentence}{why}")


def _verify(deployment: str, json: bool) -> None:
    from seatrial.control.decisions import passed_over, replayed, verify
    from seatrial.releases.state import State

    with State(settings().state_url) as state:
        decisions = replayed(state, deployment)
        mismatches = verify(state, deployment)
        unasked = passed_over(state, deployment)
    if json:
        print_json({"decisions": len(decisions), "passed_over": unasked, "mismatches": mismatches})
    else:
        noun = "decision" if len(decisions) == 1 else "decisions"
        typer.echo(f"{len(decisions)} {noun} decided again, {len(mismatches)} differently")
        if unasked:
            by_context = "1 reweighing by context was" if unasked == 1 else f"{unasked} reweighings by context were"
            typer.echo(f"{by_context} not decided again: what they follow from is not in the audit.")
        for mismatch in mismatches:
            typer.echo(f"  {mismatch}")
    if mismatches:
        raise typer.Exit(1)


def explain(
    request_id: str = typer.Argument(..., metavar="REQUEST_ID", help="The request's id, as the answer gave it."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Tell the story of one request. What came, where it went and why, who answered, what became of it."""
    from seatrial.cli.story import lines_of
    from seatrial.control.queries import explain as ask

    found = ask(settings(), request_id)
    if json:
        print_json(found)
        return
    typer.secho(found.sentence, bold=True)
    for line in lines_of(found):
        typer.echo(line)
