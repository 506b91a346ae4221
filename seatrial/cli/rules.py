"""``rules``: what can be proved of a file's rules, what becomes of one request, what data say of rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seatrial.cli.context import settings
from seatrial.cli.deployments import read_file
from seatrial.cli.given import given
from seatrial.cli.output import JSON_HELP, print_json
from seatrial.cli.rules_from_data import coverage, suggest

if TYPE_CHECKING:
    from seatrial.control.ruling import Explained


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Prove, explain, suggest and count routing rules.",
        epilog="Example: seatrial rules check churn.yaml",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("check", epilog="Example: seatrial rules check churn.yaml --simplify")(check)
    group.command(
        "explain", epilog='Example: seatrial rules explain churn.yaml --request \'{"context": {"country": "US"}}\''
    )(explain)
    group.command("suggest", epilog="Example: seatrial rules suggest churn --metric conversion")(suggest)
    group.command("coverage", epilog="Example: seatrial rules coverage churn --since 30d")(coverage)
    app.add_typer(group, name="rules")


def check(
    file: Path = typer.Argument(..., metavar="FILE", help="The deployment file."),
    simplify: bool = typer.Option(False, "--simplify", help="Print a shorter set, proved to decide alike."),
    strict: bool = typer.Option(False, "--strict", help="Exit with 1 for anything found, and for what is undecided."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Prove which rules never fire, overlap, fall through or could go.

    The first entry that matches decides. Every example is a request that was tried on the rules. Exit code 1 when a
    rule never fires; with --strict for every finding.
    """
    import time

    from seatrial.control.ruling import check_rules
    from seatrial.routing.rules.conditions import load_checked

    text = read_file(file)
    found = check_rules(load_checked(text, str(file)), time.monotonic, shorten=text if simplify else "")
    if json:
        print_json(found)
    else:
        for line in (*found.problems, *found.advice, *found.undecided):
            typer.echo(line)
        if found.simplified:
            typer.echo(found.simplified, nl=False)
        elif simplify:
            typer.echo("no shorter set was found")
        if not (found.problems or found.advice or found.undecided):
            typer.echo(f"{file}: {found.rules} rules, nothing found")
    dead = any("never fires" in problem for problem in found.problems)
    if dead or (strict and (found.problems or found.advice or found.undecided)):
        raise typer.Exit(1)


def explain(
    file: Path = typer.Argument(..., metavar="FILE", help="The deployment file."),
    request: str = typer.Option(
        ...,
        "--request",
        help='{"unit"?, "context"?, "features"?} as predict takes them; `@FILE` or `-` (standard input) holds it.',
    ),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Say of one request which entry decided, and why.

    Every entry, matched or not, with the part of its rule that decided.
    """
    from seatrial.client.local import published
    from seatrial.control.ruling import explain_request
    from seatrial.protocol.bodies import read_predict
    from seatrial.routing.rules.conditions import load_checked

    body = read_predict(given("--request", request).encode())
    spec = load_checked(read_file(file), str(file))
    carried = {"unit": body.unit, "context": body.context, "features": body.features}
    served = next((one for one in published(settings().home) if one.deployment == spec.deployment), None)
    explained = explain_request(spec, carried, served)
    if json:
        print_json(explained)
        return
    for one in explained:
        typer.echo(f"{one.entry}: {one.outcome}" + (f", goes to {one.target}" if one.outcome == "decides" else ""))
        if one.part:
            typer.echo(f"  because `{one.part}` " + _why(one))
    if all(one.outcome != "decides" for one in explained):
        typer.echo(f"no entry takes it, so the default variant {spec.default} answers")


def _why(one: Explained) -> str:
    """Why an entry fared as it did; what a failure says is not said again as a value."""
    if one.failure:
        return f"fails: {one.failure}"
    values = ", ".join(f"{name} is {value}" for name, value in one.values.items())
    return ("is not so" if one.outcome == "no match" else "is so") + (f" ({values})" if values else "")
