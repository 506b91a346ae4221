"""``predict`` and ``outcome``: talk to a running gateway, and bring outcomes from files."""

from __future__ import annotations

import json as json_module
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seatrial.cli.context import settings
from seatrial.cli.given import given
from seatrial.cli.output import JSON_HELP, print_json
from seatrial.spec.errors import BadInput, NotFound, Unavailable
from seatrial.spec.problems import did_you_mean
from seatrial.spec.units import parse_duration, show_count

if TYPE_CHECKING:
    from seatrial.client.client import Client
    from seatrial.experiments.maturity import Maturity
    from seatrial.spec.outcome_shapes import OutcomeShape


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial predict churn --unit ann --features '{\"tenure\": 12}'")(predict)
    group = typer.Typer(
        help="Send and import outcomes, say whose they are and when they come.",
        epilog="Example: seatrial outcome send purchase --unit ann --field amount=12.50",
        no_args_is_help=True,
    )
    group.command("send", epilog="Example: seatrial outcome send purchase --unit ann --field amount=12.50")(send)
    group.command(
        "import",
        epilog="Example: seatrial outcome import labels.csv --outcome churned --unit customer --at day --value churned",
    )(import_file)
    group.command("alias", epilog="Example: seatrial outcome alias logins.csv --alias visitor --unit customer")(
        alias_file
    )
    group.command("maturity", epilog="Example: seatrial outcome maturity churn --outcome churned")(maturity)
    app.add_typer(group, name="outcome")


def predict(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    features: str = typer.Option(..., help="A JSON object, a list of them, @FILE or - (standard input)."),
    unit: str | None = typer.Option(None, help="Who it is for; without one the row is never evidence."),
    context: str | None = typer.Option(None, help="A JSON object with the declared context."),
    variant: str | None = typer.Option(None, help="Ask this variant; logged as an override, never evidence."),
    timeout: float = typer.Option(5.0, help="Seconds."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Ask a running gateway. Exit code 3 when it gives no answer."""
    rows = _json("--features", features)
    about: dict[str, Any] = {"unit": unit, "variant": variant}
    if context is not None:
        about["context"] = _json("--context", context)
    about = {name: value for name, value in about.items() if value is not None}
    with _client() as client:
        if isinstance(rows, list):
            answers = client.predict_many(deployment, [{"features": row} for row in rows], timeout=timeout, **about)
        else:
            answers = (client.predict(deployment, rows, timeout=timeout, **about),)
    for answer in answers:
        if answer.is_default:
            raise Unavailable(f"{answer.error}; start it with `seatrial up`")
    if json:
        print_json(answers if isinstance(rows, list) else answers[0])
        return
    for answer in answers:
        score = "" if answer.score is None else f"  score {answer.score:.4g}"
        typer.echo(f"{answer.prediction}{score}  ({answer.model_version}, {answer.variant} by {answer.reason})")
    typer.echo(f"request {answers[0].request_id}")


def send(
    outcome: str = typer.Argument(..., metavar="OUTCOME", help="Its declared name."),
    unit: str | None = typer.Option(None, help="Whose it is."),
    request: str | None = typer.Option(None, "--request", help="The request it belongs to."),
    row: int | None = typer.Option(None, help="With --request: which instance, from 0."),
    key: str | None = typer.Option(None, help="The caller's key of the instance."),
    value: str | None = typer.Option(None, help="A number, true, false, or a text; null withdraws it."),
    field: list[str] = typer.Option([], help="name=value; say it again for another."),
    item: str | None = typer.Option(None, help="Which item of a ranking."),
    at: str | None = typer.Option(None, help="When, RFC 3339 with an offset; now without it."),
    identity: str | None = typer.Option(None, "--id", help="Its identity, so that a repeat is known as one."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Say what happened to a unit or request. Returns when it is durable."""
    one: dict[str, Any] = {"outcome": outcome, "unit": unit, "request_id": request, "row": row, "key": key}
    one |= {"item": item, "at": at, "id": identity, "fields": dict(_pair(text) for text in field) or None}
    one = {name: given for name, given in one.items() if given is not None}
    if value is not None:
        one["value"] = _scalar(value)
    with _client() as client:
        kept = client.outcomes([one], timeout=10.0)
    if json:
        print_json({"kept": kept})
    else:
        typer.echo("kept")


def import_file(
    file: Path = typer.Argument(..., metavar="FILE", help="A .csv, .tsv or .parquet file."),
    outcome: str = typer.Option(..., help="The outcome's name."),
    unit: str | None = typer.Option(None, help="Column of the unit."),
    request: str | None = typer.Option(None, "--request", help="Column of the request id."),
    row: str | None = typer.Option(None, help="Column of the instance, with --request."),
    key: str | None = typer.Option(None, help="Column of the caller's key."),
    item: str | None = typer.Option(None, help="Column of the item."),
    at: str | None = typer.Option(None, help="Column of the time; without an offset it is read as UTC."),
    value: str | None = typer.Option(None, help="Column of the value."),
    identity: str | None = typer.Option(None, "--id", help="Column of the outcome's identity."),
    field: list[str] = typer.Option([], help="A column that becomes a field; say it again for another."),
    deployment: str = typer.Option("", help="Whose they are; without it everybody's who declares the outcome."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Import outcomes from a file. Straight into the ledger; repeating it changes nothing.

    A file that `seatrial review` wrote needs no columns named: its labels keep the sizes that they were drawn from.
    """
    from seatrial.ledger.importing import Columns, import_outcomes, review_columns

    columns = Columns(unit, request, row, key, item, at, value, identity, tuple(field))
    review = review_columns(file)
    if review is not None:
        columns = review._replace(fields=columns.fields)
    home = settings().home
    shape = _declared(home, outcome, deployment)
    imported = import_outcomes(
        home, file, outcome, columns, now=time.time_ns() // 1000, deployment=deployment, shape=shape
    )
    if json:
        print_json(imported._asdict())
        return
    typer.echo(
        f"read {show_count(imported.read)}: {show_count(imported.matched)} matched a row, "
        f"{show_count(imported.unmatched)} matched none (kept), {show_count(imported.early)} came before their row, "
        f"{show_count(imported.duplicate)} were there already, {show_count(imported.skipped)} said nothing, "
        f"{show_count(imported.unfit)} were of another kind than declared (left out)"
    )
    if review is not None:
        typer.echo("These are labels of a review: `judge` weighs them to all pairs, and no metric counts them.")


def alias_file(
    file: Path = typer.Argument(..., metavar="FILE", help="A .csv, .tsv or .parquet file."),
    alias: str = typer.Option(..., help="Column of the name used before, like a visitor's cookie."),
    unit: str = typer.Option(..., help="Column of the name known now."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Say from a file which units are one person.

    Verdicts then count them as one. Repeating it changes nothing.
    """
    from seatrial.ledger.pairs import read_pairs

    pairs = read_pairs(file, alias, unit)
    with _client() as client:
        kept = client.aliases(pairs, timeout=60.0)
    if json:
        print_json({"kept": kept})
    else:
        typer.echo(f"kept {show_count(kept)} aliases")


def maturity(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Whose units."),
    outcome: str | None = typer.Option(None, help="Which outcome; without it, the only one declared."),
    since: str = typer.Option("90d", help="Of the units that came since so long ago."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Say how long an outcome takes to arrive.

    A unit of which it is not in yet counts for as long as it has been waited for. Exit code 3: no units.
    """
    from seatrial.control.maturing import maturity_of

    found = maturity_of(settings(), deployment, outcome, parse_duration(since))
    if not found.units:
        raise Unavailable(f"no named unit came to {deployment} in the last {since}; wait for some, or give --since")
    if json:
        print_json(found._asdict() | {"curve": [one._asdict() for one in found.curve]})
    else:
        _tell_maturity(found)


def _tell_maturity(found: Maturity) -> None:
    typer.echo(f"`{found.outcome}` of {show_count(found.units)} units: {show_count(found.came)} are in")
    for one in found.curve:
        typer.echo(
            f"  within {_days(one.delay):>6}  {100 * one.share:6.2f}%  "
            f"({100 * one.lower:.2f} to {100 * one.upper:.2f}%)  {show_count(one.waited)} units"
        )
    half, most, nearly = (None if one is None else _days(one) for one in found.in_by)
    if nearly is not None:
        end = _days(found.curve[-1].delay)
        typer.echo(f"Of those that come within {end}, half are in after {half}, 90% after {most}, 99% after {nearly}.")


def _days(days: float) -> str:
    for unit, size in (("d", 1.0), ("h", 24.0), ("min", 1440.0)):
        if days * size >= 1:
            return f"{days * size:.3g} {unit}"
    return f"{days * 86_400:.3g} s"


def _declared(home: Path, outcome: str, deployment: str) -> OutcomeShape | None:
    """What the deployments of this machine declare of an outcome; None where none is published, or it says nothing."""
    from seatrial.client.local import published

    serving = published(home)
    if not serving:
        return None
    if deployment and deployment not in {one.deployment for one in serving}:
        raise NotFound(f"no deployment {deployment!r} is published in {home}; apply its file first")
    serving = [one for one in serving if deployment in ("", one.deployment)]
    declaring = [one for one in serving if outcome in one.outcomes]
    if not declaring:
        names = {name for one in serving for name in one.outcomes}
        raise BadInput(f"outcome {outcome!r} is not declared; {did_you_mean(outcome, names)}")
    shapes = {one.shape(outcome) for one in declaring}
    if len(shapes) > 1:
        named = ", ".join(one.deployment for one in declaring)
        raise BadInput(f"{named} declare {outcome!r} differently; say with --deployment whose outcomes these are")
    return shapes.pop()


def _client() -> Client:
    from seatrial.client.client import Client
    from seatrial.processes.home import read_running

    machine = settings()
    running = read_running(machine.home)
    address = running.http if running else machine.http
    return Client(f"http://{address}", key=machine.key)


def _json(option: str, text: str) -> Any:
    try:
        return json_module.loads(given(option, text))
    except ValueError as error:
        raise BadInput(f"{option} is not JSON ({error}); write it like '{{\"age\": 42}}' or @FILE") from None


def _pair(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise BadInput(f"--field {text!r} is not name=value; write it like amount=12.50")
    return name, _scalar(value)


def _scalar(text: str) -> Any:
    """A number, true, false or null where the text is one, else the text."""
    try:
        value = json_module.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, dict | list) else value
