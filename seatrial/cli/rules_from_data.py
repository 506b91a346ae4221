"""``rules suggest`` and ``rules coverage``: which rules would pay, which could go, and what each took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seatrial.cli.context import settings
from seatrial.cli.deployments import read_file
from seatrial.cli.output import JSON_HELP, counted, moment, print_json, print_table
from seatrial.spec.errors import BadInput
from seatrial.spec.units import parse_duration, show_count, show_share

if TYPE_CHECKING:
    from seatrial.control.covering import Coverage
    from seatrial.control.pruning import Pruned
    from seatrial.control.suggesting import Suggested


def suggest(
    deployment: str | None = typer.Argument(None, help="Whose experiment; or give --data."),
    data: Path | None = typer.Option(
        None, help="A .parquet or .csv file instead: a row a unit with `variant`, `reward` and what is known of it."
    ),
    prune: bool = typer.Option(False, "--prune", help="Say which models and rules could go instead."),
    margin: str | None = typer.Option(
        None, help="What may be lost by --prune: `1%` of what the rules earn, or a number of the metric. [default: 1%]"
    ),
    file: Path | None = typer.Option(None, help="Prune this file's rules; without it, those in force."),
    entry: str | None = typer.Option(None, help="The routing entry of the experiment; without it, the only one."),
    metric: str | None = typer.Option(None, help="Judge by this; without it, the release's primary metric."),
    lower: bool = typer.Option(False, "--lower", help="With --data: a lower reward is better."),
    seed: int = typer.Option(0, min=0, help="Of the two halves, one of which chooses and the other judges."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Find segments where another variant is better, as rules.

    One half of the units chooses at most two questions; the other judges what they gain over the best single variant.
    With --prune, say which models and rules cost less than a margin. Exit code 1: nothing is advised, and why is said.
    """
    _check(deployment, data, prune, margin, file, entry, metric, lower)
    if prune:
        _prune(deployment, data, margin, file, entry, metric, lower, seed, json)
        return
    from seatrial.control.suggesting import suggest as ask
    from seatrial.control.suggesting import suggest_from_file

    if data is not None:
        found = suggest_from_file(data, lower_is_better=lower, seed=seed)
    else:
        found = ask(settings(), deployment or "", entry=entry, metric=metric, seed=seed)
    if json:
        print_json(found)
    else:
        _tell_suggested(found)
    if found.refusals:
        raise typer.Exit(1)


def coverage(
    deployment: str = typer.Argument(..., help="Whose rules."),
    since: str | None = typer.Option(None, help="How far back, for example 30d; without it all that is kept."),
    metric: str | None = typer.Option(None, help="How its units fared; without it, by the release's primary metric."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Count what each routing entry took, and how its units fared.

    Entries take different people: what two of them differ by says nothing of their variants.
    """
    from seatrial.control.covering import coverage as ask

    seconds = None if since is None else parse_duration(since)
    found = ask(settings(), deployment, seconds=seconds, metric=metric)
    if json:
        print_json(found)
    else:
        _tell_coverage(found)


def _check(
    deployment: str | None,
    data: Path | None,
    prune: bool,
    margin: str | None,
    file: Path | None,
    entry: str | None,
    metric: str | None,
    lower: bool,
) -> None:
    """Refuse what does not go together."""
    if (deployment is None) == (data is None):
        raise BadInput("name either a deployment or, with --data, a file of units.")
    if data is not None and (entry or metric):
        raise BadInput("--entry and --metric are of a deployment; a file's reward is its column `reward`.")
    if data is None and lower:
        raise BadInput("--lower is for --data; a deployment's metric says itself what it wants (`want: lower`).")
    if not prune and (margin is not None or file is not None):
        raise BadInput("--margin and --file belong to --prune; give that too.")
    if prune and data is not None and file is None:
        raise BadInput("say with --file whose rules are to be pruned by --data.")


def _prune(
    deployment: str | None,
    data: Path | None,
    margin: str | None,
    file: Path | None,
    entry: str | None,
    metric: str | None,
    lower: bool,
    seed: int,
    json: bool,
) -> None:
    from seatrial.control.pruning import MARGIN, prune_deployment, prune_from_file, read_margin

    may_lose = read_margin(margin or MARGIN)
    text = "" if file is None else read_file(file)
    if data is not None:
        found = prune_from_file(data, text, may_lose, lower_is_better=lower, seed=seed)
    else:
        found = prune_deployment(
            settings(), deployment or "", may_lose, text=text, entry=entry, metric=metric, seed=seed
        )
    if json:
        print_json(found)
    else:
        _tell_pruned(found)
    if found.refusals:
        raise typer.Exit(1)


def _tell_suggested(found: Suggested) -> None:
    where = f" of `{found.entry}`" if found.entry else ""
    typer.echo(f"{show_count(found.units)} units{where}, by {found.metric or 'reward'}")
    for sentence in (*found.notes, *found.refusals):
        typer.echo(sentence)
    if found.refusals or found.gain is None:
        return
    typer.echo(
        f"the rules gain {found.gain:+.4g} a unit ({found.lower:+.4g} to {found.upper:+.4g}) over {found.single} alone "
        f"(which earns {found.single_value:.4g})"
    )
    rows = [
        (rule.name, rule.to, show_share(round(rule.share, 3)), *_cost(rule.gain, rule.lower, rule.upper))
        for rule in found.rules
    ]
    print_table(("entry", "to", "of the units", "gain each", "95% together"), rows)
    typer.echo(found.text, nl=False)


def _tell_pruned(found: Pruned) -> None:
    where = f" of `{found.entry}`" if found.entry else ""
    typer.echo(f"{show_count(found.units)} units{where}, by {found.metric or 'reward'}")
    for sentence in found.notes:
        typer.echo(sentence)
    if found.value is not None:
        typer.echo(f"the rules earn {found.value:.4g} a unit; {found.margin:.4g} of it may be lost")
    if found.sets:
        rows = [(", ".join(one.variants), *_cost(one.cost, one.lower, one.upper), one.word) for one in found.sets]
        print_table(("models that stay", "cost", "95% together", ""), rows)
    if found.rules:
        lost = [
            (
                one.name,
                show_share(round(one.share, 3)),
                *_cost(one.cost, one.lower, one.upper),
                "goes" if one.goes else one.word,
            )
            for one in found.rules
        ]
        print_table(("without, too", "of the units", "cost", "95% together", ""), lost)
    for refusal in found.refusals:
        typer.echo(refusal)
    typer.echo(found.text, nl=False)


def _tell_coverage(found: Coverage) -> None:
    back = "all that is kept" if not found.since else f"since {moment(found.since)}"
    typer.echo(f"{found.deployment}, {back}" + (f", by {found.metric}" if found.metric else ""))
    rows = [
        (
            one.entry or "(no entry)",
            one.target or "no longer in the file",
            show_count(one.hits),
            show_share(round(one.share, 3)),
            show_count(one.units),
            "never" if one.last is None else moment(one.last),
            "" if one.value is None else f"{one.value:.4g}",
            "" if one.lower is None or one.upper is None else f"{one.lower:.4g} to {one.upper:.4g}",
        )
        for one in found.entries
    ]
    print_table(("entry", "to", "hits", "share", "units", "last", found.metric or "metric", "95%"), rows)
    if found.asked:
        typer.echo(f"for {counted(found.asked, 'row')} more the caller named a variant, so no entry was asked")
    for note in found.notes:
        typer.echo(note)


def _cost(value: float | None, lower: float | None, upper: float | None) -> tuple[str, str]:
    """A difference and its interval, as two cells."""
    if value is None or lower is None or upper is None:
        return "", ""
    return f"{value:+.4g}", f"{lower:+.4g} to {upper:+.4g}"
