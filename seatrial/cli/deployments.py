"""``check``, ``apply``, ``status``: from a file to what is served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from seatrial.cli.context import actor, settings
from seatrial.cli.output import JSON_HELP, print_json
from seatrial.spec.errors import NotFound

if TYPE_CHECKING:
    from seatrial.control.apply import Applied


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial check churn.yaml")(check)
    app.command(epilog="Example: seatrial apply churn.yaml --plan")(apply)
    app.command(epilog="Example: seatrial schema > deployment.schema.json, seatrial schema judge")(schema)


def check(
    files: list[Path] = typer.Argument(..., metavar="FILES", help="Deployment files."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Check deployment files, offline. Every problem has its line and its mend; exit code 1 when there is one."""
    from seatrial.routing.rules.conditions import load_checked
    from seatrial.spec.problems import SpecError

    found: dict[str, list[object]] = {}
    for file in files:
        try:
            load_checked(read_file(file), str(file))
            found[str(file)] = []
        except SpecError as error:
            found[str(file)] = [problem._asdict() for problem in error.problems]
            if not json:
                typer.echo(str(error))
        else:
            if not json:
                typer.echo(f"{file}: fine (versions are looked up by apply)")
    if json:
        print_json(found)
    if any(found.values()):
        raise typer.Exit(1)


def schema(
    what: Literal["deployment", "judge"] = typer.Argument(
        "deployment", metavar="[WHAT]", help="deployment: its file, for editors. judge: what judge --json prints."
    ),
) -> None:
    """Print JSON Schemas: of the deployment file, or of judge."""
    if what == "judge":
        from seatrial.analysis.documents import judge_schema

        print_json(judge_schema())
        return
    from seatrial.spec.schema import json_schema

    print_json(json_schema())


def apply(
    file: Path = typer.Argument(..., metavar="FILE", help="The deployment file."),
    plan: bool = typer.Option(False, "--plan", help="Only print what would change."),
    retry: bool = typer.Option(
        False, "--retry", help="Allow a version that was rolled back before, or is in quarantine."
    ),
    strict: bool = typer.Option(
        False, "--strict", help="Refuse rules of which `rules check` finds or doubts anything."
    ),
    restart: bool = typer.Option(
        False, "--restart", help="Allow that a release under way ends for another and loses its evidence."
    ),
    reason: str = typer.Option("", "--reason", help="Why; kept in the audit."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Make a deployment file come true. Prints the plan, loads everywhere or nowhere, returns when it is served."""
    from seatrial.control.apply import apply as apply_file
    from seatrial.processes.home import is_up

    def run(*, plan_only: bool, prove: bool) -> Applied:
        return apply_file(
            text,
            machine,
            actor=who,
            plan_only=plan_only,
            retry=retry,
            restart=restart,
            source=str(file),
            why=reason,
            prove=prove,
            strict=strict,
        )

    text, machine, who = read_file(file), settings(), actor()
    if not json and not plan:
        for line in _plan_lines(run(plan_only=True, prove=True)):
            typer.echo(line)
    applied = run(plan_only=plan, prove=json or plan or strict)
    if json:
        print_json(applied)
    elif plan:
        for line in _plan_lines(applied):
            typer.echo(line)
    else:
        typer.echo(outcome_line(applied, up=is_up(machine.home)))


def _plan_lines(applied: Applied) -> list[str]:
    changes = [f"  {change}" for change in applied.changes] or ["  nothing changes"]
    return [f"plan for {applied.deployment}:", *changes, *(f"  note: {note}" for note in applied.notes)]


def outcome_line(applied: Applied, *, up: bool) -> str:
    """What applying came to, in one line; a machine that is not up serves it as soon as it is."""
    if not applied.published:
        return f"{applied.deployment}: revision {applied.revision} stays"
    served = "is served" if up else "is ready; `seatrial up` serves it"
    return f"{applied.deployment}: revision {applied.revision} {served}"


def read_file(file: Path) -> str:
    """A file's text. Raises NotFound."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"there is no file {str(file)!r}; name a deployment file, for example churn.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"{str(file)!r} cannot be read as text ({error}); name a deployment file") from None
