"""``profile``: what a version's world looked like when it was registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from seatrial.cli.context import settings
from seatrial.cli.models import which_version
from seatrial.cli.output import JSON_HELP, counted, print_json, print_table
from seatrial.spec.errors import NotFound
from seatrial.spec.units import show_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.drift import FeatureProfile, Profile

_TOP = 3
"""Categories named in the list of columns, the most frequent first."""

_IMPORTANCE = {"model": "as the model says", "permutation": "by what shuffling a column costs on the holdout"}

NO_HOLDOUT = "no-data: needs a holdout"


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial profile churn@champion --feature age")(profile)


def profile(
    version: str = typer.Argument(
        ..., metavar="VERSION", help="name (its newest), name:7, name@alias, or models:/name/7."
    ),
    feature: str | None = typer.Option(None, help="Show the cells of this feature or prediction column."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Show a version's reference profile. Its inputs, and what its holdout says of its answers."""
    from seatrial.drift import Profile
    from seatrial.models.artefact import PROFILE
    from seatrial.models.registry import Registry

    machine = settings()
    registry = Registry(machine)
    name, number = which_version(registry, version)
    _, directory = registry.materialise(name, number, machine.home / "store")
    path = directory / PROFILE
    if not path.exists():
        raise NotFound(f"{name}:{number} has no reference profile; it was not registered with seatrial register")
    found = Profile.from_json(path.read_bytes())
    if feature is not None:
        _tell_cells(_column(found, feature), json)
    elif json:
        print_json(found)
    else:
        typer.echo(f"{name}:{number}")
        _tell(found)


def _column(found: Profile, name: str) -> FeatureProfile:
    columns = {**{column.name: column for column in found.prediction}, **{c.name: c for c in found.features}}
    if name not in columns:
        raise NotFound(f"the profile has no column {name!r}; it has {', '.join(sorted(columns))}")
    return columns[name]


def _tell(found: Profile) -> None:
    typer.echo(f"inputs: {counted(found.rows, 'row')} of reference data")
    _tell_columns(found.features, found.importance)
    if found.importance_from:
        typer.echo(f"importance: {_IMPORTANCE[found.importance_from]}")
    if not found.holdout_rows:
        typer.echo(f"predictions: {NO_HOLDOUT}")
        typer.echo(f"performance: {NO_HOLDOUT}")
        typer.echo(f"performance without labels: {NO_HOLDOUT}")
        return
    typer.echo(f"predictions: {counted(found.holdout_rows, 'row')} of holdout")
    _tell_columns(found.prediction)
    for kind, base in found.performance.items():
        typer.echo(f"performance: {kind} {base.value:.4g} (standard error {base.se:.2g})")
    typer.echo(f"performance without labels: {_lesson(found)}")


def _lesson(found: Profile) -> str:
    from seatrial.drift.estimates.lesson import LEAST_ROWS

    if found.lesson is None:
        return f"no-data: needs a holdout of at least {LEAST_ROWS} rows"
    if found.lesson.calibrator is not None:
        return "from scores, calibrated on the holdout"
    assert found.lesson.tree is not None
    return f"from a tree of {counted(len(found.lesson.tree.leaves), 'group')} of rows that err alike on the holdout"


def _tell_columns(columns: tuple[FeatureProfile, ...], importance: Mapping[str, float] | None = None) -> None:
    more = ("importance",) if importance else ()
    print_table(
        ("column", "kind", "missing", "mean", "sd", "from", "to", "most frequent", *more),
        ((*_line(column), *(_share(column, importance) for _ in more)) for column in columns),
    )


def _share(column: FeatureProfile, importance: Mapping[str, float] | None) -> str:
    return f"{(importance or {}).get(column.name, 0.0):.1%}"


def _line(column: FeatureProfile) -> tuple[str, ...]:
    moments = ("", "", "", "")
    if column.form == "numeric" and column.minimum is not None and column.maximum is not None:
        numbers = (column.moments.mean, column.moments.sd, column.minimum, column.maximum)
        moments = tuple(f"{number:.4g}" for number in numbers)  # type: ignore[assignment]
    return column.name, column.kind, f"{column.missing_rate:.1%}", *moments, _most_frequent(column)


def _most_frequent(column: FeatureProfile) -> str:
    if column.form != "category" or not column.present:
        return ""
    ranked = sorted(zip(column.categories, column.counts, strict=False), key=lambda pair: -pair[1])[:_TOP]
    more = f", {len(column.categories) - _TOP} more" if len(column.categories) > _TOP else ""
    return ", ".join(f"{name} {count / column.present:.0%}" for name, count in ranked) + more


def _tell_cells(column: FeatureProfile, json: bool) -> None:
    from seatrial.drift.cell_names import cell_names

    if json:
        print_json(column)
        return
    rows = [("missing", column.missing), *zip(cell_names(column), column.counts, strict=False)]
    typer.echo(f"{column.name}, {column.kind}: {counted(column.rows, 'row')}")
    print_table(
        ("cell", "rows", "share"),
        ((cell, show_count(count), f"{count / max(column.rows, 1):.1%}") for cell, count in rows),
    )
