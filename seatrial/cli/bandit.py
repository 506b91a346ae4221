"""``bandit evaluate``, ``bandit simulate``: what other policies would have earned, and whether a bandit would pay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seatrial.cli.context import settings
from seatrial.cli.deployments import read_file
from seatrial.cli.output import JSON_HELP, print_json, print_table
from seatrial.spec.errors import BadInput
from seatrial.spec.units import parse_share, show_count, show_share

if TYPE_CHECKING:
    from seatrial.control.evaluation import Evaluation

_ENTRY = "The routing entry; without it, the only bandit."


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        help="What other policies would have earned; what a bandit would.",
        epilog="Example: seatrial bandit evaluate shop challenger=100%",
        no_args_is_help=True,
    )
    group.command(epilog="Example: seatrial bandit evaluate shop --file rules.yaml")(evaluate)
    group.command(epilog="Example: seatrial bandit simulate shop.yaml")(simulate)
    app.add_typer(group, name="bandit")


def evaluate(
    deployment: str = typer.Argument(..., help="Whose bandit."),
    target: list[str] | None = typer.Argument(
        None, metavar="[ARM=SHARE...]", help="Fixed weights for everybody: `challenger=100%`."
    ),
    file: Path | None = typer.Option(None, help="Another deployment file instead, whose routing is asked about."),
    entry: str | None = typer.Option(None, help=_ENTRY),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Say what other weights or rules would have earned.

    A variant of --file is the arm that has its model. Exit code 1: the past cannot answer, and the reasons are printed.
    """
    from seatrial.control.evaluation import evaluate as ask
    from seatrial.control.evaluation import evaluate_file

    if bool(target) == (file is not None):
        raise BadInput("give either weights (`challenger=100%`) or, with --file, another deployment file.")
    if file is not None:
        found = evaluate_file(settings(), deployment, read_file(file), str(file), entry)
    else:
        found = ask(settings(), deployment, dict(_share(one) for one in target or ()), entry)
    if json:
        print_json(found)
    else:
        _tell(found)
    if found.found.refusals:
        raise typer.Exit(1)


def _share(text: str) -> tuple[str, float]:
    arm, sign, share = text.partition("=")
    if not sign:
        raise BadInput(f"`{text}` is not an arm and a share; write `challenger=100%`.")
    return arm, parse_share(share)


def _tell(found: Evaluation) -> None:
    policy, at = found.found, found.found.overlap
    shares = ", ".join(f"{arm} {show_share(round(weight, 4))}" for arm, weight in found.target.items() if weight)
    typer.echo(
        f"{found.deployment}/{found.entry}: {show_count(policy.rows)} matured records of {show_count(policy.units)} "
        f"units earned {policy.earned:.4g} each; asked: {shares}"
    )
    typer.echo(
        f"effective sample {at.effective_sample:.0f}, largest weight {at.largest_weight:.3g}, "
        f"mean weight {at.mean_weight:.3f} ± {at.mean_weight_se:.3f}"
    )
    if found.file:
        took = ", ".join(
            f"{f'`{name}`' if name else 'no entry'} {show_share(round(share, 4))}" for name, share in found.took.items()
        )
        typer.echo(f"of the records, by {found.file}: {took}")
    for note in found.notes:
        typer.echo(note)
    for refusal in policy.refusals:
        typer.echo(f"no answer: {refusal}")
    if policy.estimates:
        rows = [(e.method, f"{e.value:.4g}", f"{e.lower:.4g} to {e.upper:.4g}") for e in policy.estimates]
        print_table(("method", "would have earned", "95%"), rows)
    for one in found.compared:
        if one.effect is None:
            typer.echo(f"{one.treatment} less {one.control}: no answer: {one.refused}")
        else:
            effect = one.effect
            typer.echo(
                f"{one.treatment} less {one.control}: {effect.effect:+.4g} "
                f"({effect.lower:+.4g} to {effect.upper:+.4g}, p = {effect.p:.2g}), valid under changing weights"
            )


def simulate(
    file: Path = typer.Argument(..., help="A deployment file with a bandit, applied or not."),
    entry: str | None = typer.Option(None, help=_ENTRY),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Say whether a bandit or a split finds the better arm sooner.

    Exit code 1: a bandit would not pay.
    """
    from seatrial.control.simulating import Outlook, outlook

    found = outlook(settings(), read_file(file), str(file), entry)
    if json:
        print_json(found)
    else:
        if isinstance(found, Outlook):
            for arm, earned in found.arms.items():
                typer.echo(f"{arm}: {earned.mean:.4g} a unit so far")
        else:
            typer.echo(f"{show_count(found.records)} records, played again")
        typer.echo(
            f"{show_count(found.units)} units an epoch of {found.every / 60:.3g} minutes, rewards "
            f"{found.delay} {'epoch' if found.delay == 1 else 'epochs'} later"
        )
        typer.echo(found.sentence)
    if not (found.simulated.pays if isinstance(found, Outlook) else found.replayed.pays):
        raise typer.Exit(1)
