"""``wait``, ``promote``, ``rollback``, ``pause``, ``resume``: the way to command."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Literal

import typer

from seatrial.cli.context import actor, settings
from seatrial.cli.output import JSON_HELP, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.control.perform import Done
    from seatrial.experiments.judgement import Judgement
    from seatrial.experiments.segments import MetricSegments
    from seatrial.experiments.shadow.comparison import ShadowComparison

REASON = "Why; the audit keeps it."


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial wait churn --until promoted --timeout 14d")(wait)
    app.command(epilog='Example: seatrial promote churn --reason "agreed with the pricing team"')(promote)
    app.command(epilog='Example: seatrial rollback churn --reason "complaints from France"')(rollback)
    app.command(epilog='Example: seatrial pause churn --reason "the label job is broken"')(pause)
    app.command(epilog='Example: seatrial resume churn --reason "labels are back"')(resume)


def tell(judgement: Judgement) -> None:
    from seatrial.experiments.beside import beside
    from seatrial.experiments.sentences import lowered, told
    from seatrial.experiments.shown_items import PLACES, place_rows

    typer.secho(judgement.sentence if judgement.ended else told(judgement), bold=True)
    if judgement.expected is not None:
        typer.echo(judgement.expected.sentence)
    if judgement.shadow is not None:
        typer.echo(f"shadow: {lowered(judgement.shadow.sentence)}")
        _tell_pairs(judgement.shadow)
    if judgement.metrics:
        print_table(
            ("metric", "part", "verdict", "what is known"),
            ((m.name, m.part, m.verdict.word, m.sentence.removeprefix(f"{m.name}: ")) for m in judgement.metrics),
        )
    for metric in judgement.metrics:
        if metric.places:
            typer.secho(f"\n{metric.name} by place, for one look", bold=True)
            print_table(PLACES, place_rows(metric, judgement.champion))
    for said in beside(judgement):
        typer.echo(said)
    for check in judgement.checks:
        typer.echo(f"{'ok' if check.ok else 'FAILED' if check.withholds else 'warning'}: {check.sentence}")


def _tell_pairs(shadow: ShadowComparison) -> None:
    from seatrial.experiments.shadow.table import DIFFERING, HEADER, differing, lines

    for header, rows in ((HEADER, lines(shadow)), (DIFFERING, differing(shadow))):
        if rows:
            print_table(header, rows)


def tell_segments(found: Sequence[MetricSegments]) -> None:
    for metric in found:
        typer.secho(f"\n{metric.sentence}", bold=True)
        print_table(
            (metric.by, "champion", "challenger", "difference", "drawn to the others", "interval, for one look", ""),
            (
                (
                    one.name,
                    one.champion,
                    one.challenger,
                    "too few" if one.effect is None else f"{one.effect:+.3g}",
                    "" if one.shrunk is None else f"{one.shrunk:+.3g}",
                    "" if one.lower is None else f"{one.lower:+.3g} to {one.upper:+.3g}",
                    "differs" if one.differs else "",
                )
                for one in metric.segments
            ),
        )


def wait(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    until: Literal["promoted", "failed", "verdict", "ship", "stop", "no-difference", "ended"] = typer.Option(
        "ended",
        help="promoted; failed (rolled back, inconclusive, not loaded); verdict (ship, stop, no-difference, or over); "
        "one of these three; or ended, however.",
    ),
    timeout: str = typer.Option("1h", help="Give up with exit code 1 after so long: 14d, 30m, or seconds."),
    every: float = typer.Option(1.0, help="Seconds between looks."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Wait for what a release comes to. Exit code 1 when it does not in time, or cannot any more."""
    from seatrial.control.queries import reached, status

    patience = _seconds(timeout)
    machine, deadline = settings(), time.monotonic() + patience
    while True:
        now = status(machine, deployment)
        done, over = reached(now, until), not (now.release_open or now.challenges)
        if done or over or time.monotonic() > deadline:
            break
        time.sleep(every)
    if json:
        print_json(now)
    elif done:
        typer.echo(now.sentence)
    else:
        typer.echo(f"{'no release is under way' if over else f'not within {timeout}'}: {now.sentence}")
    if not done:
        raise typer.Exit(1)


def _seconds(text: str) -> float:
    """``14d`` or plain seconds."""
    from seatrial.spec.errors import BadInput
    from seatrial.spec.units import parse_duration

    try:
        return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else parse_duration(text)
    except BadInput as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error


def promote(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    reason: str = typer.Option(..., "--reason", "-m", help=REASON),
    variant: str | None = typer.Option(None, help="Which variant; the release's, or the only other one."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Put the challenger in command. One swap; the old version stays loaded for the rollback window."""
    from seatrial.control.actions import promote as act

    _done(act(deployment, settings(), actor=actor(), why=reason, variant=variant), json)


def rollback(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    reason: str = typer.Option(..., "--reason", "-m", help=REASON),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Take the challenger out. With no release under way, put the previous version back in command."""
    from seatrial.control.actions import rollback as act

    _done(act(deployment, settings(), actor=actor(), why=reason), json)


def pause(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    reason: str = typer.Option(..., "--reason", "-m", help=REASON),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Leave the release as it is. Its traffic stays, nothing is decided until it is resumed."""
    from seatrial.control.actions import pause as act

    _done(act(deployment, settings(), actor=actor(), why=reason), json)


def resume(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    reason: str = typer.Option(..., "--reason", "-m", help=REASON),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Let a paused release go on."""
    from seatrial.control.actions import resume as act

    _done(act(deployment, settings(), actor=actor(), why=reason), json)


def _done(done: Done, json: bool) -> None:
    if json:
        print_json(done)
    else:
        typer.echo(done.sentence)
