"""``review``: where two versions disagree, for people to judge; and what they judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seatrial.cli.context import settings
from seatrial.cli.output import JSON_HELP, print_json, print_table
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count

if TYPE_CHECKING:
    from seatrial.experiments.shadow.comparison import Review
    from seatrial.stats.stratified import Weighted


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog="Example: seatrial review churn --disagreements 200 --out review.csv, then: seatrial review churn "
        "--filled review.csv"
    )(review)


def review(
    deployment: str = typer.Argument(..., metavar="DEPLOYMENT", help="Which deployment."),
    disagreements: int = typer.Option(200, min=2, help="About how many pairs of different answers."),
    agreements: int | None = typer.Option(None, min=0, help="About how many pairs of one answer; a quarter as many."),
    out: Path | None = typer.Option(None, help="The .csv file to write; people fill in its column `label`."),
    filled: Path | None = typer.Option(None, help="Instead: the file that people filled in."),
    seed: int = typer.Option(0, help="Another one draws another sample."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Draw pairs of shadow answers to judge by eye. Or say what was judged, weighted to all pairs."""
    if (out is None) == (filled is None):
        raise BadInput("give --out with a file to write, or --filled with the file that people filled in")
    if filled is not None:
        from seatrial.control.reviewing import read_review

        found = read_review(filled)
        if json:
            print_json(found)
        else:
            _tell(found)
        return
    from seatrial.control.reviewing import draw_review

    assert out is not None
    some = disagreements // 4 if agreements is None else agreements
    drawn = draw_review(settings(), deployment, out, disagreements=disagreements, agreements=some, seed=seed)
    if json:
        print_json(drawn)
        return
    typer.echo(
        f"wrote {show_count(drawn.rows)} pairs to {out}, {show_count(drawn.disagreements)} of them of different "
        f"answers, in {drawn.strata} kinds. Fill in `label`, then: seatrial review {deployment} --filled {out}\n"
        f"To keep the labels, so that `judge` weighs them too: seatrial outcome import {out} --outcome NAME "
        f"--deployment {deployment}"
    )


def _tell(found: Review) -> None:
    typer.secho(found.sentence, bold=True)
    rows = [("accuracy", "", _ends(found.champion.accuracy), _ends(found.challenger.accuracy))]
    for name in ("precision", "recall"):
        ours, theirs = getattr(found.champion, name), getattr(found.challenger, name)
        rows += [(name, k, _ends(ours.get(k)), _ends(theirs.get(k))) for k in dict.fromkeys((*ours, *theirs))]
    print_table(("measure", "label", "champion", "challenger"), rows)


def _ends(found: Weighted | None) -> str:
    if found is None or found.value is None:
        return ""
    if found.lower is None or found.upper is None:
        return f"{found.value:.1%}"
    return f"{found.value:.1%} ({max(found.lower, 0):.1%} to {min(found.upper, 1):.1%})"
