"""``seatrial``: the commands in the order in which a newcomer meets them, and the exit codes.

0 yes or done; 1 the answer is no; 2 bad usage or bad input; 3 could not answer.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from seatrial.cli import (
    alerts,
    bandit,
    batch,
    data,
    demo,
    deployments,
    drift,
    inspection,
    judging,
    models,
    power,
    profile,
    releases,
    review,
    rules,
    system,
    traffic,
)
from seatrial.spec.errors import SeatrialError

app = typer.Typer(
    name="seatrial",
    help="Put the next version of a model into production on evidence.",
    epilog="Start with: seatrial init && seatrial up. Every command has an example: seatrial COMMAND --help.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for group in (
    system,
    models,
    profile,
    deployments,
    rules,
    traffic,
    power,
    judging,
    releases,
    review,
    inspection,
    alerts,
    drift,
    bandit,
    data,
    batch,
    demo,
):
    group.add_to(app)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    """Put the next version of a model into production on evidence."""
    if version:
        from seatrial.version import __version__

        typer.echo(f"seatrial {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


USAGE: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What bad usage raises: click's own exception, or the one of the click inside newer Typers."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        result = app(list(arguments), prog_name="seatrial", standalone_mode=False)
    except typer.Abort:
        return 3
    except USAGE as error:
        error.show()
        return 2
    except SeatrialError as error:
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 3
    except BrokenPipeError:
        sys.stderr.close()
        return 3
    except Exception as error:  # noqa: BLE001 - the last line of defence: never a traceback for a user
        typer.echo(f"error: {type(error).__name__}: {error} (SEATRIAL_LOG_LEVEL=debug shows where)", err=True)
        if os.environ.get("SEATRIAL_LOG_LEVEL") == "debug":
            traceback.print_exception(error)
        return 3
    return int(result) if isinstance(result, int) else 0


def main() -> None:
    """The ``seatrial`` command."""
    sys.exit(run(sys.argv[1:]))
