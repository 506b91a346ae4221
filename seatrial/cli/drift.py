"""``drift``: what the monitors of a deployment saw, or how anybody's two files differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from seatrial.cli.context import settings
from seatrial.cli.output import JSON_HELP, moment, print_json, print_table
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.units import show_count

if TYPE_CHECKING:
    from seatrial.releases.state import State
    from seatrial.watch.tables import TableDrift
    from seatrial.watch.window import Window

NO_DATA = 3
UNCOMPARED = 4


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog="Example: seatrial drift churn, or: seatrial drift --reference a.parquet --current b.parquet --by day"
    )(drift)


def drift(
    deployment: str | None = typer.Argument(None, metavar="[DEPLOYMENT]", help="Which deployment; none with files."),
    variant: str | None = typer.Option(None, help="Whose windows; left out, those of the default variant."),
    limit: int = typer.Option(8, help="The newest so many windows of each monitor."),
    reference: Path | None = typer.Option(
        None, help="Instead of a deployment: the rows to compare with, .parquet or .csv."
    ),
    current: Path | None = typer.Option(None, help="The rows that are compared with them."),
    by: Literal["hour", "day", "week"] | None = typer.Option(
        None, help="Compare every hour, day or week by itself, UTC."
    ),
    time: str | None = typer.Option(None, help="The column of times that --by cuts windows by."),
    zone: str | None = typer.Option(None, help="Whose clock hours of the day are counted by, like Europe/Paris."),
    ignore: list[str] = typer.Option([], help="A column to leave out; say it again for another."),
    minimum_rows: int = typer.Option(100, min=2, help="Rows that a window and the reference need at least."),
    html: Path | None = typer.Option(None, help="Write what was seen as a page into this file."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Say what drifted, in a deployment or between two files.

    Exit code 1 on major drift or a broken column; 3 where nothing could be compared: two files have too few rows, or no
    window of the deployment counts; 4 where nothing is major, but a column of the reference could not be compared
    (nested, of mixed kinds, without a value). Name a column that should not count with --ignore.

    Of a deployment the newest window of each monitor counts, if the file has that monitor, the window is of the version
    in the slot, and it is at most two windows old; of files every window.
    """
    if deployment is not None:
        if reference or current or by or time or zone or ignore:
            raise BadInput(f"{deployment!r} is a deployment, and the other options are for files; give one of the two")
        if html is not None:
            _write_page(deployment, variant, html)
        _deployment(deployment, variant, limit, json)
        return
    if reference is None or current is None:
        raise BadInput("nothing to compare: give a deployment, or both --reference and --current")
    if time is not None and by is None:
        raise BadInput(f"--time {time} names what windows are cut by, and there are none; add --by day")
    _files(reference, current, by, time, zone, ignore, minimum_rows, html, json)


def _write_page(deployment: str, variant: str | None, html: Path) -> None:
    from seatrial.control.site import microseconds
    from seatrial.control.watched import seen_of
    from seatrial.ledger.reader import Reader
    from seatrial.releases.state import State
    from seatrial.watch.seen_report import seen_page

    machine = settings()
    with State(machine.state_url) as state:
        reader = Reader(machine.home)
        variant = variant or _default(state, deployment)
        seen = seen_of(state, deployment, microseconds(), variant=variant, ledger=lambda: reader.open(deployment))
    html.write_text(seen_page(seen), "utf-8")


def _default(state: State, deployment: str) -> str:
    """The variant that answers when another fails."""
    from seatrial.spec.read import load_deployment

    return load_deployment(state.deployments.get(deployment).text).default


def _deployment(deployment: str, variant: str | None, limit: int, json: bool) -> None:
    import msgspec

    from seatrial.control.site import microseconds
    from seatrial.releases.state import State
    from seatrial.spec.read import load_deployment
    from seatrial.watch.standing import standing
    from seatrial.watch.window import Window

    with State(settings().state_url) as state:
        held = state.deployments.get(deployment)
        variant = variant or _default(state, deployment)
        records = [r for r in state.windows.of(deployment) if r.variant == variant]
        if not records and held.pin(variant) is None:
            known = ", ".join(pin.variant for pin in held.pins)
            raise NotFound(f"{deployment!r} has no variant {variant!r}; it has {known}")
    windows = [msgspec.json.decode(record.window, type=Window) for record in records]
    by_monitor = {m: [w for w in windows if w.monitor == m][-limit:] for m in dict.fromkeys(w.monitor for w in windows)}
    if json:
        print_json(by_monitor)
    elif not windows:
        typer.echo(f"no window of {deployment} {variant} is complete yet")
    else:
        _tell_windows([w for own in by_monitor.values() for w in own])
    slot = held.slot(variant)
    version = slot.model_version if slot is not None else ""
    counted = standing(windows, load_deployment(held.text), version, microseconds())
    if windows and not counted and not json:
        typer.echo(f"none of these windows counts any more for {version or variant} as it is watched now")
    if any(window.severity == "major" for window in counted):
        raise typer.Exit(1)
    if not any(window.state == "measured" for window in counted):
        raise typer.Exit(NO_DATA)


def _tell_windows(windows: list[Window]) -> None:
    print_table(
        ("window", "monitor", "version", "rows", "severity", "says"),
        ((moment(w.start), w.monitor, w.version, show_count(w.rows), w.severity, w.sentence) for w in windows),
    )


def _files(
    reference: Path,
    current: Path,
    by: Literal["hour", "day", "week"] | None,
    time: str | None,
    zone: str | None,
    ignore: list[str],
    minimum_rows: int,
    html: Path | None,
    json: bool,
) -> None:
    from seatrial.models.reference import read_reference
    from seatrial.watch.tables import compare_tables

    before = read_reference(reference, called="reference").frame
    after = read_reference(current, called="current table").frame
    found = compare_tables(before, after, by=by, time=time, ignore=ignore, minimum_rows=minimum_rows, zone=zone)
    if html is not None:
        from seatrial.watch.table_report import table_page

        html.write_text(table_page(found, f"{current.name} against {reference.name}"), "utf-8")
    if json:
        print_json({"state": found.state, "severity": found.severity, **_plain(found)})
    else:
        _tell_tables(found)
    if found.severity == "major":
        raise typer.Exit(1)
    if found.state == "no-data":
        raise typer.Exit(NO_DATA)
    if found.uncompared:
        raise typer.Exit(UNCOMPARED)


def _plain(found: TableDrift) -> dict[str, object]:
    """The comparison without its pictures, which the page shows."""
    from msgspec.structs import replace

    from seatrial.cli.output import plain

    document: dict[str, object] = plain(replace(found, windows=tuple(replace(w, parts={}) for w in found.windows)))
    return document


def _tell_tables(found: TableDrift) -> None:
    if found.uncompared:
        typer.echo(found.first_sentence)
    for note in found.notes:
        typer.echo(f"note: {note}")
    print_table(
        ("window", "rows", "severity", "says"),
        ((w.start or "all", show_count(w.rows), w.severity, w.sentence) for w in found.windows),
    )
