"""``batch``: score a whole file, and make the table that lookups are served from."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seatrial.cli.context import settings
from seatrial.cli.output import JSON_HELP, print_json
from seatrial.spec.units import show_count

if TYPE_CHECKING:
    from seatrial.batch.job import Progress, Summary


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial batch churn customers.parquet --key customer_id --out scores/")(batch)


def batch(
    deployment: str = typer.Argument(..., help="Whose variants score."),
    file: Path = typer.Argument(..., help="The rows: a .parquet or .csv file."),
    key: str = typer.Option(..., help="Column that names each row; the key that lookups find its answer by."),
    out: Path = typer.Option(..., help="Directory for the answers, the rejects and the table."),
    unit: str | None = typer.Option(None, help="Column of the unit: each row is scored by its unit's own variant."),
    variant: str | None = typer.Option(None, help="Let this variant score; without it, all of the running split."),
    fresh: bool = typer.Option(False, "--fresh", help="Begin anew: what an earlier run left in --out is replaced."),
    shard_rows: int = typer.Option(131_072, help="Rows of the input a shard, about."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Score a file of rows.

    The same command goes on with a run that was killed. Exit code 1: no row could be scored.
    """
    from seatrial.batch.job import run
    from seatrial.batch.plan import Ask

    ask = Ask(deployment, file, key, out, unit, variant, fresh, shard_rows)
    with _interrupts() as asked, _bar(shown=not json) as progress:
        summary = run(settings().home, ask, stop=lambda: bool(asked), progress=progress)
    if json:
        print_json(summary._asdict())
    else:
        _tell(summary)
    if summary.state == "interrupted":
        raise typer.Exit(3)
    if not sum(summary.scored.values()):
        raise typer.Exit(1)


def _tell(summary: Summary) -> None:
    scored = ", ".join(f"{show_count(count)} by {name}" for name, count in summary.scored.items()) or "none"
    going_on = f" ({show_count(summary.before)} of them before)" if summary.before else ""
    rate = (summary.rows - summary.before) / summary.seconds if summary.seconds else 0.0
    typer.echo(
        f"{summary.state}: {show_count(summary.rows)} rows{going_on}, answers: {scored}; "
        f"{show_count(round(rate))} rows a second"
    )
    if summary.rejected:
        typer.echo(f"set aside: {show_count(summary.rejected)}, with their reasons in {summary.rejects}")
    if summary.absent:
        typer.echo(f"no column for: {', '.join(summary.absent)}; scored as missing")
    typer.echo(f"{show_count(summary.shards)} shards in {summary.out}")
    if summary.table:
        typer.echo(f"lookups take table {summary.table} now")
    if summary.state == "interrupted":
        typer.echo("the same command goes on from there")
    elif summary.state == "standing":
        typer.echo("it was finished before; --fresh begins anew")


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collects the first Ctrl-C or SIGTERM, so that what is done is kept; a second one ends the run on the spot."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bar(*, shown: bool) -> Iterator[Any]:
    """A progress bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.percentage:>5.1f}%  {task.description}"), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bar:
        task = bar.add_task("0 rows", total=1.0)

        def progress(at: Progress) -> None:
            rejected = f", {show_count(at.rejected)} set aside" if at.rejected else ""
            bar.update(task, completed=at.share, description=f"{show_count(at.rows)} rows{rejected}")

        yield progress
