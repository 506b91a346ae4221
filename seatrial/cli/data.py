"""``data`` and ``forget``: rows out of the ledger, and people out of it."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from seatrial.cli.context import actor, settings
from seatrial.cli.output import JSON_HELP, counted, print_json
from seatrial.spec.units import show_count


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial data churn --since 90d --outcomes churned --out train.parquet")(data)
    app.command(epilog="Example: seatrial forget customer-4711 --yes")(forget)


def data(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Whose rows."),
    out: Path = typer.Option(..., help="The file to write: .parquet or .csv."),
    since: str | None = typer.Option(None, help="How far back, for example 90d; without it everything."),
    outcomes: list[str] = typer.Option([], help="Outcomes to join; say it again for another."),
    within: str | None = typer.Option(None, help="Count outcomes only that long after their row, for example 7d."),
    shadows: bool = typer.Option(False, help="Write the rows of shadows too."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Write rows with their outcomes to a file, ready to train on."""
    from seatrial.control.queries import declared_outcomes
    from seatrial.ledger.export import export_rows
    from seatrial.spec.units import parse_duration

    start = None if since is None else time.time_ns() // 1000 - int(parse_duration(since) * 1e6)
    exported = export_rows(
        settings().home,
        deployment,
        out,
        since=start,
        outcomes=outcomes,
        declared=declared_outcomes(settings(), deployment),
        within=None if within is None else parse_duration(within),
        shadows=shadows,
    )
    if json:
        print_json(exported)
        return
    joined = "".join(f", {show_count(count)} with {name}" for name, count in exported.joined.items())
    typer.echo(f"wrote {counted(exported.rows, 'row')} to {out}{joined}")


def forget(
    unit: str = typer.Argument(..., metavar="UNIT", help="Who is to be forgotten."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Delete everything about one unit, by all the names it has.

    The audit says that it was done, and not whom it was about.
    """
    from seatrial.control.forgetting import forget_unit

    if not yes:
        typer.confirm(f"delete every row and outcome of {unit!r}; this cannot be undone", abort=True)
    forgot = forget_unit(settings(), unit, actor=actor())
    if json:
        print_json(forgot)
        return
    where = ", ".join(f"{counted(count, 'row')} of {name}" for name, count in forgot.rows.items()) or "no rows"
    also = f", also under {counted(forgot.aliases, 'other name')}" if forgot.aliases else ""
    typer.echo(f"deleted {where} and {counted(forgot.outcomes, 'outcome')}{also}")
