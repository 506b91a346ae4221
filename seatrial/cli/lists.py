"""``judge --lists``: clicks by place and coverage of lists from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from seatrial.cli.output import print_json, print_table
from seatrial.spec.units import show_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.analysis.lists import ShownLists, ShownPlace


def judge_and_tell(
    lists: str, outcomes: str | None, asked: Mapping[str, Any], columns: tuple[str, str, str], json: bool
) -> None:
    from seatrial.analysis.files import Columns
    from seatrial.analysis.lists import judge_lists

    found = judge_lists(lists, outcomes, columns=Columns(*columns), **asked)
    if json:
        print_json(found)
    else:
        tell(found)


def tell(found: ShownLists) -> None:
    for comparison in found.comparisons:
        typer.secho(comparison.sentence, bold=True)
    numbers = sorted({place.place for one in found.variants for place in one.places})
    print_table(
        ("place", *(one.variant for one in found.variants)),
        [
            ("all", *(_share(one.click_through) for one in found.variants)),
            *(
                (number, *(_share(next((p for p in one.places if p.place == number), None)) for one in found.variants))
                for number in numbers
            ),
        ],
    )
    for one in found.variants:
        if one.coverage is not None:
            typer.echo(f"{one.variant}: {show_count(one.coverage.shown)} items were shown to anybody")


def _share(one: ShownPlace | None) -> str:
    if one is None or one.share is None:
        return ""
    if one.lower is None or one.upper is None:
        return f"{100 * one.share:.3g}%"
    return f"{100 * one.share:.3g}% ({100 * one.lower:.3g} to {100 * one.upper:.3g}%) of {show_count(one.shown)}"
